"""What changed in a project of a fake Labelbox, through the real SDK: only that is exported, and nothing is lost."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fake_labelbox import IN_REVIEW, FakeLabelbox
from support.fake_labelbox.faults import Kind
from support.live import png, single_mask
from support.video import numbered

from lakebox.adapters.labelbox_export import LabelboxProject
from lakebox.core.ports import Changes, Incremental, Since, Source, SourceRow
from lakebox.errors import SourceError

pytest_plugins = ["support.labelbox_fixtures"]

Json = dict[str, Any]
PROJECT = "project1"
LONG_AGO = datetime(2024, 5, 1, 12, tzinfo=UTC)
ONTOLOGY: Json = {
    "tools": [{"tool": "rectangle", "name": "car"}, {"tool": "raster-segmentation", "name": "road"}],
    "classifications": [],
}
MEDIA = {"width": 64, "height": 48, "mime_type": "image/png", "exif_rotation": "1", "asset_type": "image"}
PROJECTS, CATALOG = "exportDataRowsInProject", "exportDataRowsInCatalog"


# ------------------------------------------------------------------- people at Labelbox


def annotations(fake: FakeLabelbox, number: int) -> Json:
    """A box and a mask."""
    nodes: list[Json] = [
        {"feature_id": f"car{number}", "name": "car", "annotation_kind": "ImageBoundingBox",
         "bounding_box": {"left": float(number), "top": 2.0, "width": 5.0, "height": 4.0}},
        {"feature_id": f"road{number}", "name": "road", "annotation_kind": "ImageSegmentationMask",
         "mask": {"url": fake.paint(single_mask(number), f"road-{number}")}},
    ]  # fmt: skip
    return {
        "objects": [{"value": node["name"], "classifications": [], **node} for node in nodes],
        "classifications": [],
    }


def add_image(fake: FakeLabelbox, number: int, *, batch: str = "batch", labelled: bool = True) -> str:
    uid = fake.add_data_row(
        PROJECT, row_data=f"https://h/{number}.png", batch=batch, media_attributes=MEDIA, global_key=f"k{number}"
    )
    if labelled:
        fake.label(uid, annotations(fake, number))
    return uid


def add_images(fake: FakeLabelbox, count: int = 6) -> list[str]:
    """A project of labelled images in two batches, nothing of it from today. Ids of its data rows."""
    fake.org.clock.moment = LONG_AGO
    fake.add_project("stills ü", "IMAGE", ONTOLOGY, project_id=PROJECT)
    ids = [add_image(fake, number, batch=f"batch {2 * number // count}") for number in range(count)]
    fake.org.clock.moment = None
    return ids


def relabel(fake: FakeLabelbox, uid: str, left: float = 33.0) -> None:
    label = fake.org.labels_of(PROJECT, uid)[0]
    car, road = label.annotations["objects"]
    moved = {**car, "bounding_box": {**car["bounding_box"], "left": left}}
    fake.relabel(label.id, {"objects": [moved, road], "classifications": []})


def unlabel(fake: FakeLabelbox, uid: str) -> None:
    for label in fake.org.labels_of(PROJECT, uid):
        fake.delete_label(label.id)


# ----------------------------------------------------------------------------- sources

Make = Callable[..., LabelboxProject]


def made(fake: FakeLabelbox, cache: Path, kind: type[LabelboxProject] = LabelboxProject, **settings: Any) -> Any:
    places = {"endpoint": fake.endpoint, "rest_endpoint": fake.rest_endpoint, "cache": cache}
    return kind(**{"project_id": PROJECT, "patience": 2, **places, **settings}).with_key(fake.key)


def closed(source: LabelboxProject) -> None:
    if "client" in vars(source):
        source.client.connection.close()
        source.client._adv_client.session.close()


@pytest.fixture
def source(fake: FakeLabelbox, tmp_path: Path) -> Iterator[Make]:
    """Makes sources that keep their exports in one folder."""
    sources: list[LabelboxProject] = []

    def call(kind: type[LabelboxProject] = LabelboxProject, **settings: Any) -> LabelboxProject:
        sources.append(made(fake, tmp_path / "exports", kind, **settings))
        return sources[-1]

    yield call
    for one in sources:
        closed(one)


State = dict[str, Json]


def state(rows: Iterator[SourceRow]) -> State:
    """The data rows by id; none of them is an error."""
    found = list(rows)
    assert [row.error for row in found if row.data is None] == []
    return {row.data["data_row"]["id"]: dict(row.data) for row in found if row.data is not None}


def seen(source: LabelboxProject) -> tuple[State, Since]:
    """The project as a dataset gets to know it."""
    source.forget()
    known = state(source.rows())
    since = Since(source.as_of(), source.as_of(), frozenset(known))
    source.forget()
    return known, since


def told(source: LabelboxProject, since: Since) -> Changes:
    found = source.changes(since)
    assert found is not None
    return found


def exports(fake: FakeLabelbox) -> list[list[Json]]:
    """The data rows that each export so far gave."""
    return [
        [json.loads(line) for chunk in task.streams.get("RESULT", [])
         for line in (fake.storage.files.get(chunk["path"]) or b"").splitlines()]
        for task in fake.org.tasks.values() if task.streams
    ]  # fmt: skip


def ids_of(rows: list[Json]) -> set[str]:
    return {row["data_row"]["id"] for row in rows}


def before(fake: FakeLabelbox, operation: str, act: Callable[[], object], number: int = 1) -> None:
    """Let something happen just before the n-th request of an operation from now on is answered."""
    host, count = fake.hosts["api"], 0
    answer = host.answer

    def acting(request: Any, one: Any) -> Any:
        nonlocal count
        if operation in (one.operation or ""):
            count += 1
            if count == number:
                act()
        return answer(request, one)

    host.answer = acting


# ------------------------------------------------------------------------ what is asked


def test_it_is_incremental(source: Make) -> None:
    assert isinstance(source(), Incremental)
    assert isinstance(source(), Source)


def test_only_the_data_row_whose_label_changed_comes(fake: FakeLabelbox, source: Make) -> None:
    ids = add_images(fake)
    known, since = seen(source())
    whole = fake.storage.files.get(next(iter(fake.org.tasks.values())).streams["RESULT"][0]["path"])
    assert whole is not None
    fake.org.tasks.clear()
    relabel(fake, ids[2])
    start = len(fake.seen)
    found = told(source(), since)
    assert found.unchanged == frozenset(ids) - {ids[2]}
    assert [one.operation for one in fake.seen[start:]].count(PROJECTS) == 1
    assert [one.operation for one in fake.seen[start:]].count(CATALOG) == 1
    active, listed = exports(fake)
    assert ids_of(active) == {ids[2]}
    assert ids_of(listed) == set(ids)
    assert all(row["projects"] == {} for row in listed)  # no labels
    files = [one for one in fake.seen[start:] if "/exports/" in one.path]
    assert sum(one.sent for one in files if one.path == files[0].path) < len(whole) / 4
    rows = state(found.rows)
    assert rows[ids[2]]["projects"][PROJECT]["labels"][0]["annotations"]["objects"][0]["bounding_box"]["left"] == 33
    assert {**known, **rows} == state(source().rows())


def test_of_a_project_that_is_as_it_was_nothing_comes(fake: FakeLabelbox, source: Make) -> None:
    ids = add_images(fake)
    _, since = seen(source())
    fake.org.tasks.clear()
    found = told(source(), since)
    assert (list(found.rows), found.unchanged) == ([], frozenset(ids))
    assert [len(rows) for rows in exports(fake)] == [0, len(ids)]


EDITS: list[tuple[str, Callable[[FakeLabelbox, list[str]], object], set[int], set[int]]] = [
    ("label edited", lambda fake, ids: relabel(fake, ids[0]), {0}, set()),
    ("label added", lambda fake, ids: fake.label(ids[1], annotations(fake, 9)), {1}, set()),
    ("label deleted", lambda fake, ids: unlabel(fake, ids[1]), {1}, set()),
    ("mask repainted", lambda fake, ids: fake.paint(single_mask(20), "road-4"), {4}, set()),
    ("status", lambda fake, ids: fake.set_status(ids[3], IN_REVIEW), {3}, set()),
    ("renamed", lambda fake, ids: fake.edit_data_row(ids[5], external_id="Straße"), {5}, set()),
    ("other media", lambda fake, ids: fake.edit_data_row(ids[5], row_data="https://h/other.png"), {5}, set()),
    ("added", lambda fake, ids: add_image(fake, 6), {6}, set()),
    ("added without label", lambda fake, ids: add_image(fake, 6, labelled=False, batch="new"), {6}, set()),
    ("removed", lambda fake, ids: fake.remove_from_project(ids[2]), set(), {2}),
    ("deleted", lambda fake, ids: fake.delete_data_row(ids[2]), set(), {2}),
    (
        "out and in again",
        lambda fake, ids: (fake.remove_from_project(ids[2]), fake.add_to_project(PROJECT, ids[2])),
        {2},
        set(),
    ),
]


@pytest.mark.parametrize(("edit", "come", "gone"), [edit[1:] for edit in EDITS], ids=[edit[0] for edit in EDITS])
def test_what_people_do(fake: FakeLabelbox, source: Make, edit: Any, come: set[int], gone: set[int]) -> None:
    ids = add_images(fake)
    known, since = seen(source())
    edit(fake, ids)
    ids += [key for key in fake.org.data_rows if key not in ids]
    found = told(source(), since)
    rows = state(found.rows)
    assert set(rows) == {ids[number] for number in come}
    assert since.ids - set(rows) - found.unchanged == {ids[number] for number in gone}
    assert found.unchanged | set(rows) == set(ids) - {ids[number] for number in gone}
    assert {**{key: known[key] for key in found.unchanged}, **rows} == state(source().rows())


def test_what_the_dataset_does_not_hold_comes_though_it_is_old(fake: FakeLabelbox, source: Make) -> None:
    ids = add_images(fake)
    _, since = seen(source())
    fake.org.tasks.clear()
    found = told(source(), replace(since, ids=frozenset(ids[:4])))
    assert set(state(found.rows)) == set(ids[4:])
    assert found.unchanged == set(ids[:4])
    assert [len(rows) for rows in exports(fake)] == [0, 6, 2]


def test_more_ids_and_batches_than_one_export_may_have(fake: FakeLabelbox, source: Make) -> None:
    ids = add_images(fake)
    with fake.org.lock:
        fake.org.clock.moment = LONG_AGO
        dataset = fake._dataset("dataset")
        for number in range(2100):
            row = fake.add_row(dataset, f"https://h/many{number}.png", media=MEDIA)
            ids.append(row.id)
            fake.new_batch(fake.project(PROJECT), f"one of {number}", [])
        (*_, last) = fake.org.batches.values()
        fake.fill(last, ids[6:])
        fake.org.clock.moment = None
    since = Since(datetime.now(UTC), datetime.now(UTC), frozenset(ids[:3]))
    found = told(source(), since)
    assert found.unchanged == set(ids[:3])
    assert set(state(found.rows)) == set(ids[3:])
    assert fake.count(operation=CATALOG) == 2
    assert sorted(len(rows) for rows in exports(fake)) == [0, 6, 103, 2000, 2100]


def test_the_name_of_a_project_is_asked_for_once(fake: FakeLabelbox, source: Make) -> None:
    add_images(fake)
    _, since = seen(source())
    start, one = len(fake.seen), source()
    assert one.project() == (PROJECT, "stills ü")
    assert len(fake.seen) - start == 1
    assert one.project() == (PROJECT, "stills ü")
    told(one, since)
    assert [seen.operation for seen in fake.seen[start:]].count("GetProject") == 1
    fake.project(PROJECT).name = "other"
    one.forget()
    assert one.project() == (PROJECT, "other")


def test_a_project_that_does_not_exist(source: Make) -> None:
    with pytest.raises(SourceError, match="looking up project nowhere: no such thing"):
        source(project_id="nowhere").project()


# ------------------------------------------------------------------------------ errors


@pytest.mark.parametrize("edited", [True, False])
def test_what_labelbox_cannot_export_is_an_error_and_not_unchanged(
    fake: FakeLabelbox, source: Make, edited: bool
) -> None:
    ids = add_images(fake)
    _, since = seen(source())
    fake.fail_export_rows({ids[1]: "Medien nicht verfügbar"})
    if edited:
        relabel(fake, ids[1])
    relabel(fake, ids[2])
    found = told(source(), since)
    row, error = found.rows
    assert row.data is not None and row.data["data_row"]["id"] == ids[2]
    assert (error.data, error.id, error.stage) == (None, ids[1], "export")
    assert "Medien nicht verfügbar" in error.error
    assert found.unchanged == set(ids) - {ids[1], ids[2]}


def test_a_data_row_that_is_listed_and_never_exported_brings_the_whole(
    fake: FakeLabelbox, source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when it fails and Labelbox does not say which one it was."""
    ids = add_images(fake)
    _, since = seen(source())
    before(fake, PROJECTS, lambda: fake.remove_from_project(ids[5]), 2)
    assert source().changes(replace(since, ids=frozenset(ids[:5]))) is None
    assert set(state(source().rows())) == set(ids[:5])


# ----------------------------------------------------------- while the exports are made


def merged(known: State, found: Changes) -> State:
    rows = state(found.rows)
    assert not found.unchanged & set(rows)
    return {**{key: known[key] for key in found.unchanged}, **rows}


DURING: list[tuple[str, Callable[[FakeLabelbox, list[str]], object]]] = [
    *((name, edit) for name, edit, *_ in EDITS),
    ("edited twice", lambda fake, ids: (relabel(fake, ids[0], 5.0), relabel(fake, ids[1], 6.0))),
]


@pytest.mark.parametrize("when", [PROJECTS, CATALOG, "GetProjectBatches", "ExportFileFromOffset"])
@pytest.mark.parametrize("edit", [edit for _, edit in DURING], ids=[name for name, _ in DURING])
def test_what_happens_meanwhile_comes_now_or_with_the_next_run(
    fake: FakeLabelbox, source: Make, when: str, edit: Callable[[FakeLabelbox, list[str]], object]
) -> None:
    ids = add_images(fake)
    one = source()
    known, since = seen(one)
    relabel(fake, ids[0])  # so that there is something to export in any case
    before(fake, when, lambda: edit(fake, ids))
    if (found := one.changes(since)) is None:  # batches and list may differ in between
        known = state(one.rows())
    else:
        gone = since.ids - found.unchanged - {row.data["data_row"]["id"] for row in told(one, since).rows if row.data}
        assert gone <= since.ids - {row.id for row in fake.org.rows_of(PROJECT)}
        known = merged(known, found)
    since = Since(one.as_of(), since.whole, frozenset(known))
    one.forget()
    assert merged(known, told(one, since)) == state(source().rows())


def test_what_is_edited_or_leaves_after_the_first_export_is_seen_in_the_list(fake: FakeLabelbox, source: Make) -> None:
    ids = add_images(fake)
    known, since = seen(source())
    relabel(fake, ids[2])
    before(fake, "GetProjectBatches", lambda: (relabel(fake, ids[1]), fake.remove_from_project(ids[2])))
    found = told(source(), since)
    assert {row["data_row"]["id"] for row in exports(fake)[-3]} == {ids[2]}
    rows = state(found.rows)
    assert set(rows) == {ids[1]}
    assert found.unchanged == set(ids) - {ids[1], ids[2]}
    assert {**{key: known[key] for key in found.unchanged}, **rows} == state(source().rows())


def test_it_is_as_of_a_moment_before_anything_was_asked(fake: FakeLabelbox, source: Make) -> None:
    add_images(fake)
    moments: list[datetime] = []
    before(fake, "GetProject", lambda: moments.append(datetime.now(UTC)))
    one = source()
    _, since = seen(one)
    before(fake, "GetProject", lambda: moments.append(datetime.now(UTC)))
    told(one, since)
    assert since.moment < moments[0] < one.as_of() < moments[1]


# ------------------------------------------------------------------------------ margin


@pytest.mark.parametrize(("minutes", "comes"), [(60, True), (31, True), (29, False), (0, False)])
def test_the_margin_reaches_back_before_the_moment(
    fake: FakeLabelbox, source: Make, minutes: float, comes: bool
) -> None:
    ids = add_images(fake)
    _, since = seen(source())
    fake.org.clock.moment = since.moment - timedelta(minutes=30)
    relabel(fake, ids[0])
    fake.org.clock.moment = None
    found = told(source(margin_minutes=minutes), since)
    assert set(state(found.rows)) == ({ids[0]} if comes else set())
    assert found.unchanged == set(ids) - (set(ids[:1]) if comes else set())


def test_what_moves_no_time_comes_with_the_whole_project(fake: FakeLabelbox, source: Make) -> None:
    ids = add_images(fake)
    known, since = seen(source())
    unlabel(fake, ids[0])
    fake.org.data_rows[ids[0]].last_activity_at = LONG_AGO
    assert told(source(), since).unchanged == set(ids)
    assert source().changes(replace(since, whole=since.whole - timedelta(days=8))) is None
    assert state(source().rows())[ids[0]] != known[ids[0]]


# -------------------------------------------------------------------- the whole instead


class Few(LabelboxProject):
    most: ClassVar[int] = 2


def another_project(fake: FakeLabelbox, _: list[str]) -> None:
    fake.catalog_batches = "ignored"
    fake.add_project("another", "IMAGE", ONTOLOGY, project_id="project2")
    fake.add_data_row("project2", row_data="https://h/another.png", media_attributes=MEDIA)


def refused(fake: FakeLabelbox, _: list[str]) -> None:
    fake.catalog_batches = "refused"


def emptied(fake: FakeLabelbox, ids: list[str]) -> None:
    for uid in ids:
        fake.remove_from_project(uid)


def untouched(fake: FakeLabelbox, ids: list[str]) -> None:
    pass


DAY = timedelta(days=1)
Age = Callable[[Since], Since]
WHOLE: list[tuple[Callable[[FakeLabelbox, list[str]], None], type[LabelboxProject], Json, Age, int, str]] = [
    (untouched, LabelboxProject, {"refetch": "whole"}, lambda since: since, 0, "source.refetch=whole"),
    (untouched, LabelboxProject, {"filters": {"workflow_status": "Done"}}, lambda since: since, 0, "workflow_status"),
    (untouched, LabelboxProject, {"filters": {"batch_ids": ["b"]}}, lambda since: since, 0, "batch_ids"),
    (untouched, LabelboxProject, {"filters": {"last_activity_at": [LONG_AGO, None]}}, lambda since: since, 0, "filter"),
    (untouched, LabelboxProject, {}, lambda since: replace(since, whole=since.whole - 7 * DAY), 0, "whole_every_days"),
    (untouched, LabelboxProject, {"whole_every_days": 0}, lambda since: since, 0, "whole_every_days"),
    (untouched, LabelboxProject, {}, lambda since: replace(since, ids=frozenset()), 0, "holds nothing"),
    (
        untouched,
        LabelboxProject,
        {},
        lambda since: replace(since, moment=since.moment + DAY),
        0,
        "this machine's clock",
    ),
    (untouched, Few, {}, lambda since: replace(since, ids=frozenset(list(since.ids)[:3])), 2, "3 data rows are new"),
    (another_project, LabelboxProject, {}, lambda since: since, 2, "lists 7 data rows of batches that say they hold 6"),
    (refused, LabelboxProject, {}, lambda since: since, 2, "listing its data rows: Labelbox"),
    (emptied, LabelboxProject, {}, lambda since: since, 2, "its batches are empty"),
]


@pytest.mark.parametrize(("change", "kind", "settings", "age", "asked", "why"), WHOLE)
def test_when_it_cannot_be_told_one_line_says_why(
    fake: FakeLabelbox, source: Make, caplog: pytest.LogCaptureFixture,
    change: Any, kind: type[LabelboxProject], settings: Json, age: Age, asked: int, why: str,
) -> None:  # fmt: skip
    ids = add_images(fake)
    _, since = seen(source())
    change(fake, ids)
    start = fake.count(operation="exportDataRows")
    with caplog.at_level(logging.INFO, "lakebox"):
        assert source(kind, **settings).changes(age(since)) is None
    (line,) = [record.getMessage() for record in caplog.records if "whole" in record.getMessage()]
    assert re.match(f"project {PROJECT} comes whole: .*{why}", line)
    assert fake.count(operation="exportDataRows") - start == asked
    assert kept(source()) == []


def test_an_empty_project_is_still_refused(fake: FakeLabelbox, source: Make) -> None:
    """Nobody empties a project on purpose and wants its dataset emptied, too."""
    ids = add_images(fake)
    one = source()
    _, since = seen(one)
    emptied(fake, ids)
    assert one.changes(since) is None
    with pytest.raises(SourceError, match="no data rows"):
        list(one.rows())


# --------------------------------------------------------------------------- the cache


def kept(source: LabelboxProject) -> list[str]:
    return sorted(path.name for path in source.cache.glob("*-*"))


def test_a_plan_leaves_what_it_was_told_to_the_run_that_follows(fake: FakeLabelbox, source: Make) -> None:
    ids = add_images(fake)
    _, since = seen(source())
    relabel(fake, ids[0])
    plan = source()
    planned = told(plan, since)
    first, start = state(planned.rows), len(fake.seen)
    relabel(fake, ids[1])
    run = source()
    found = told(run, since)
    assert (state(found.rows), found.unchanged, run.as_of()) == (first, planned.unchanged, plan.as_of())
    assert run.ontology() == plan.ontology()
    assert len(fake.seen) == start
    run.forget()
    assert kept(run) == []
    assert set(state(told(source(), since).rows)) == set(ids[:2])


def test_what_is_kept_is_for_one_question(fake: FakeLabelbox, source: Make) -> None:
    add_images(fake)
    _, since = seen(source())
    questions = [
        (source(), since),
        (source(), replace(since, moment=since.moment - timedelta(minutes=1))),
        (source(), replace(since, ids=frozenset(list(since.ids)[1:]))),
        (source(margin_minutes=30), since),
        (source(interpolation="server"), since),
    ]
    for number, (one, about) in enumerate(questions, start=1):
        told(one, about)
        assert len(kept(one)) == number
    start = len(fake.seen)
    for one, about in questions:
        told(one, about)
    assert len(fake.seen) == start
    assert len(state(source().rows())) == 6
    source().forget()  # all of what was asked about this project, in one way of interpolation
    assert len(kept(source())) == 1


@pytest.mark.parametrize("change", [another_project, refused])
def test_a_plan_that_needed_the_whole_leaves_that(fake: FakeLabelbox, source: Make, change: Any) -> None:
    ids = add_images(fake)
    _, since = seen(source())
    change(fake, ids)
    plan, run = source(), source()
    assert plan.changes(since) is None
    planned, start = state(plan.rows()), len(fake.seen)
    assert run.changes(since) is None
    assert state(run.rows()) == planned
    assert (len(fake.seen), run.as_of()) == (start, plan.as_of())


def test_a_whole_export_older_than_the_dataset_says_nothing(fake: FakeLabelbox, source: Make) -> None:
    ids = add_images(fake)
    state(source().rows())
    since = Since(datetime.now(UTC), datetime.now(UTC), frozenset(ids))
    assert told(source(), since).unchanged == set(ids)


def test_a_row_is_of_what_was_read_last(fake: FakeLabelbox, source: Make) -> None:
    ids = add_images(fake)
    _, since = seen(source())
    relabel(fake, ids[4])
    one = source()
    for _ in range(2):
        for rows, count in ((told(one, since).rows, 1), (one.rows(), 6)):
            for row in list(rows)[:: count or 1]:
                assert one.row(row.position) == row.data
    (changed,) = told(one, since).rows
    everything = list(one.rows())
    assert (changed.position, one.row(0)) == (0, everything[0].data)
    told(one, since)
    assert one.row(0) == changed.data
    assert one.as_of() > since.moment


KILLED = """
import sys, datetime
from lakebox.adapters.labelbox_export import LabelboxProject
from lakebox.core.ports import Since
endpoint, rest, moment, *ids = sys.argv[1:]
at = datetime.datetime.fromisoformat(moment)
source = LabelboxProject(project_id="project1", endpoint=endpoint, rest_endpoint=rest, cache="exports")
print(source.changes(Since(at, at, frozenset(ids))))
"""


@pytest.mark.parametrize("stage", [CATALOG, PROJECTS])
def test_a_run_that_is_killed_on_the_way_leaves_nothing(
    fake: FakeLabelbox, source: Make, tmp_path: Path, stage: str
) -> None:
    ids = add_images(fake)
    _, since = seen(source())
    relabel(fake, ids[0])
    reached, killed = threading.Event(), threading.Event()
    before(fake, stage, lambda: (reached.set(), killed.wait(30)), 1 if stage == CATALOG else 2)
    arguments = [fake.endpoint, fake.rest_endpoint, since.moment.isoformat(), *ids[:4]]
    environment = {**os.environ, "LABELBOX_API_KEY": fake.key}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments], cwd=tmp_path, env=environment, start_new_session=True
    ) as process:
        assert reached.wait(20)
        os.killpg(process.pid, signal.SIGKILL)
    killed.set()
    (part,) = kept(source())
    assert part.startswith("part-")
    found = told(source(), replace(since, ids=frozenset(ids[:4])))
    assert set(state(found.rows)) == {ids[0], ids[4], ids[5]}


def test_what_fails_on_the_way_leaves_nothing(fake: FakeLabelbox, source: Make) -> None:
    ids = add_images(fake)
    _, since = seen(source())
    before(fake, PROJECTS, lambda: setattr(fake, "exports", "failed"), 2)
    with pytest.raises(SourceError, match=f"exporting what changed in project {PROJECT}: Labelbox ended the export as"):
        source().changes(replace(since, ids=frozenset(ids[:4])))
    assert kept(source()) == []


# ------------------------------------------------------------------------------ faults

FAULTS: list[tuple[Kind, Json]] = [
    ("error500", {"host": "api"}),
    ("busy", {"host": "api", "retry_after": None}),
    ("dropped", {"host": "api", "after": True}),
    ("error503", {"host": "storage"}),
    ("busy", {"host": "storage"}),
    ("truncated", {"host": "storage"}),
]


@pytest.mark.parametrize(("kind", "where"), FAULTS)
def test_what_goes_wrong_on_the_way_is_mended(fake: FakeLabelbox, source: Make, kind: Kind, where: Json) -> None:
    ids = add_images(fake)
    known, since = seen(source())
    relabel(fake, ids[0])
    fake.delete_data_row(ids[1])
    fake.chunk_bytes, fake.whole_lines = 500, False
    fault = fake.faults.set(kind, once=True, **where)
    found = told(source(patience=10), replace(since, ids=frozenset(ids[:4])))
    assert fault.hits
    fake.faults.clear()
    assert found.unchanged == {ids[2], ids[3]}
    assert merged(known, found) == state(source().rows())


# ---------------------------------------------------------------------- whatever happens

Edit = tuple[str, int]
DO: dict[str, Callable[[FakeLabelbox, str, int], object]] = {
    "relabel": lambda fake, uid, n: relabel(fake, uid, n / 2) if fake.org.labels_of(PROJECT, uid) else None,
    "label": lambda fake, uid, n: fake.label(uid, annotations(fake, n)),
    "unlabel": lambda fake, uid, n: unlabel(fake, uid),
    "status": lambda fake, uid, n: fake.set_status(uid, IN_REVIEW),
    "rename": lambda fake, uid, n: fake.edit_data_row(uid, external_id=f"name {n}"),
    "repaint": lambda fake, uid, n: fake.paint(png(numbered(64, 48, video=n % 7, frame=0)), f"road-{n % 8}"),
    "remove": lambda fake, uid, n: fake.remove_from_project(uid),
    "delete": lambda fake, uid, n: fake.delete_data_row(uid),
    "add": lambda fake, uid, n: add_image(fake, 100 + len(fake.org.data_rows) + n * 1000, batch=f"batch {n % 3}"),
    "back": lambda fake, uid, n: [
        fake.add_to_project(PROJECT, key, f"batch {n % 3}")
        for key in sorted(set(fake.org.data_rows) - {row.id for row in fake.org.rows_of(PROJECT)})[:1]
    ],
}
RUNS = st.lists(
    st.lists(st.tuples(st.sampled_from(sorted(DO)), st.integers(0, 30)), max_size=4), min_size=1, max_size=4
)


@settings(
    max_examples=30 if os.environ.get("LAKEBOX_EXAMPLES") else 6, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(runs=RUNS, failing=st.sets(st.integers(0, 5), max_size=2))
def test_changes_after_changes_are_the_project(runs: list[list[Edit]], failing: set[int]) -> None:
    with FakeLabelbox() as fake, tempfile.TemporaryDirectory() as folder:
        ids = add_images(fake)
        one, other = (made(fake, Path(folder, name), margin_minutes=0) for name in ("one", "other"))
        known, since = seen(one)
        fake.fail_export_rows({ids[number]: "not now" for number in failing})
        for run in runs:
            known, since = follow(fake, run, (one, other), known, since)
        fake.fail_export_rows({})
        known, since = follow(fake, [], (one, other), known, since)
        assert set(known) == {row.id for row in fake.org.rows_of(PROJECT)}
        closed(one)
        closed(other)
        assert not fake.crashes
        assert not fake.unknown


def follow(
    fake: FakeLabelbox, run: list[Edit], sources: tuple[LabelboxProject, LabelboxProject], known: State, since: Since
) -> tuple[State, Since]:
    """Some edits, and what one source tells of them against what another one reads; what fails stays as it was."""
    for name, number in run:
        rows = [row.id for row in fake.org.rows_of(PROJECT)]
        if len(rows) > 1:
            DO[name](fake, rows[number % len(rows)], number)
    found = told(sources[0], since)
    changed, failed = split(found.rows)
    sources[1].forget()
    whole, whole_failed = split(sources[1].rows())
    assert failed == whole_failed
    assert not found.unchanged & (failed | set(changed))
    assert {**{key: known[key] for key in found.unchanged}, **changed} == whole
    since = Since(sources[0].as_of(), since.whole, frozenset(whole))
    sources[0].forget()
    return whole, since


def split(rows: Iterator[SourceRow]) -> tuple[State, set[str]]:
    found = list(rows)
    given = {row.data["data_row"]["id"]: dict(row.data) for row in found if row.data is not None}
    return given, {row.id for row in found if row.data is None}
