"""Source `labelbox`: exports of a fake Labelbox through the real SDK, and what becomes of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.compare import differences
from support.fake_labelbox import DONE, IN_REVIEW, IN_REWORK, TO_LABEL
from support.fake_labelbox.faults import Kind
from support.live import (
    ONTOLOGY,
    Live,
    add_video,
    cells,
    clip,
    fetched,
    shown,
    single_mask,
    video_annotations,
    video_project,
)

from lakebox.errors import LakeError

pytest_plugins = ["support.labelbox_fixtures", "support.live_fixtures"]

LABELS_ONLY = ("pixels=none", "masks=none")
Change = Callable[[Live, list[str]], object]
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


# ------------------------------------------------------------------------- exports


def test_a_project_comes_whole(live: Live) -> None:
    ids = video_project(live)
    report = live.run()
    assert report.ok
    assert live.wrong() == []
    assert live.numbers() == shown(ids, 6, 4)


def test_tasks_on_a_dataset_ask_for_the_name_of_the_project_only(live: Live) -> None:
    video_project(live)
    own = ("provider._target_=support.live.place_by_name", "+provider._partial_=true")
    report = live.run(*own)
    asked, name = live.exports(), live.fake.project(live.project_id).name
    assert report.ok and report.dataset.path == f"{live.folder / 'lake'}-{name}"
    history = live.run("task=history", *own)
    assert (history.dataset.path, history.dataset.rows) == (report.dataset.path, report.dataset.rows)
    assert live.exports() == asked


def test_a_plan_leaves_its_export_to_the_run_that_follows(live: Live) -> None:
    ids = video_project(live)
    planned = live.run("task=plan")
    assert (live.exports(), (live.folder / "lake").exists()) == (1, False)
    done = live.run()
    assert done.plan == planned.plan
    assert (live.exports(), live.wrong()) == (1, [])
    live.fake.label(ids[0], video_annotations(live.fake, 5, 6))
    again = live.run()
    assert (live.exports(), again.assets["relabelled"], again.assets["unchanged"]) == (2, 1, 1)
    assert live.wrong() == []


def test_a_dataset_that_cannot_be_written_costs_no_second_export(live: Live) -> None:
    video_project(live)
    (live.folder / "file").write_text("in the way")
    with pytest.raises(LakeError):
        live.run(f"path={live.folder / 'file/lake'}")
    assert live.run().ok
    assert (live.exports(), live.wrong()) == (1, [])


def test_a_killed_run_leaves_its_export_to_the_next(live: Live) -> None:
    ids = video_project(live)
    live.fake.faults.set("slow", path_contains=".mp4", delay=60)
    command = [sys.executable, "-m", "lakebox", *live.overrides("executor=serial")]
    with subprocess.Popen(command, cwd=live.folder, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        end = time.monotonic() + 20
        while not live.fake.count(path_contains=".mp4"):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    live.fake.faults.clear()
    assert live.run().ok
    assert (live.exports(), live.wrong()) == (1, [])
    assert live.numbers() == shown(ids, 6, 4)


@pytest.mark.parametrize("whole_lines", [True, False])
def test_files_of_an_export_are_put_together(live: Live, whole_lines: bool) -> None:
    """Their borders are between lines, or anywhere: also within a character."""
    ids = video_project(live, (2, 2, 2), masks=False)
    live.fake.chunk_bytes, live.fake.whole_lines = 61, whole_lines
    assert live.run().ok
    files = [live.fake.storage.files.get(chunk["path"]) or b"" for chunk in streamed(live)]
    assert any(cut(file) for file in files) is not whole_lines
    assert len(files) > (2 if whole_lines else 100)
    live.fake.chunk_bytes = 1_000_000
    assert live.wrong() == []
    assert live.numbers() == shown(ids, 2, 2, 2)


def streamed(live: Live) -> list[dict[str, str]]:
    """The files of the exports so far."""
    return [chunk for task in live.fake.org.tasks.values() for chunk in task.streams.get("RESULT", [])]


def cut(file: bytes) -> bool:
    try:
        file.decode()
    except UnicodeDecodeError:
        return True
    return False


def test_labelbox_may_fill_the_frames_between_keyframes(live: Live) -> None:
    video_project(live)
    assert live.run().ok
    assert live.run("source.interpolation=server", f"path={live.folder / 'filled'}").ok
    assert live.wrong() == []
    assert differences(cells(live.folder / "lake"), cells(live.folder / "filled")) == []
    assert len(streamed(live)) == 3  # the reference's among them
    spelled = [live.fake.storage.files.get(chunk["path"]) or b"" for chunk in streamed(live)]
    assert len(spelled[1]) > 1.3 * len(spelled[0])


# ------------------------------------------------------------------------- filters


@pytest.fixture
def dated(live: Live) -> list[str]:
    """Four data rows: one of each status, two in a batch, an hour between them, from noon on."""
    ids = video_project(live, (2,) * 4, masks=False)
    for number, status in enumerate((TO_LABEL, IN_REVIEW, IN_REWORK, DONE)):
        live.fake.set_status(ids[number], status)
        moment = NOON + timedelta(hours=number)
        live.fake.org.data_rows[ids[number]].last_activity_at = moment
        for label in live.fake.org.labels_of(live.project_id, ids[number]):
            label.created_at = moment
    return ids


FILTERS = [
    ("workflow_status=ToLabel", [0]),
    ("workflow_status=IN_REVIEW", [1]),
    ("workflow_status=in_rework", [2]),
    ("workflow_status=Done", [3]),
    ("batch_ids=[{batch}]", [2, 3]),
    ("data_row_ids=[{ids[3]},{ids[1]}]", [1, 3]),
    ("global_keys=['Schlüssel 0','Schlüssel 2','nobody`s']", [0, 2]),
    ("last_activity_at=['2024-05-01T13:00:00','2024-05-01T14:00:00Z']", [1, 2]),
    ("last_activity_at=['2024-05-01T15:00:00+02:00',null]", [1, 2, 3]),
    ("last_activity_at=[null,'2024-05-01T18:30:00+05:30']", [0, 1]),
    ("label_created_at=['2024-05-01T13:00:00','2024-05-01T14:30:00']", [1, 2]),
    ("label_created_at=['2024-05-01T03:59:59-10:00',null]", [2, 3]),
    ("label_created_at=[null,'2024-05-01T14:59:59+02:00']", [0]),
    ("workflow_status=Done&last_activity_at=[null,'2024-05-01T17:00+02:00']", [3]),
]


@pytest.mark.parametrize(("asked", "found"), FILTERS)
def test_a_filter_gives_the_data_rows_that_were_asked_for(
    live: Live, dated: list[str], asked: str, found: list[int]
) -> None:
    (batch,) = [one.id for one in live.fake.org.batches.values() if one.name == "batch 1"]
    overrides = [f"source.filters.{one}" for one in asked.format(ids=dated, batch=batch).split("&")]
    assert live.run(*LABELS_ONLY, *overrides).ok
    assert live.ids() == [dated[number] for number in found]
    everything = live.run(*LABELS_ONLY)
    assert (everything.assets["added"], everything.assets["unchanged"]) == (4 - len(found), len(found))


def test_what_a_filter_leaves_out_stays_as_it_is(live: Live, dated: list[str]) -> None:
    assert live.run(*LABELS_ONLY).ok
    for number in (0, 1):
        live.fake.label(dated[number], video_annotations(live.fake, 9, 2, masks=False))
    live.fake.delete_data_row(dated[3])
    before = cells(live.folder / "lake")
    report = live.run(*LABELS_ONLY, f"source.filters.data_row_ids=[{dated[1]},{dated[3]}]")
    assert dict(report.assets) == {"added": 0, "relabelled": 1, "dropped": 0, "unchanged": 0, "failed": 0}
    assert any("filtered (data_row_ids)" in warning and "left as they are" in warning for warning in report.warnings)
    after = cells(live.folder / "lake")
    assert list(after) == list(before)
    assert {line.partition(":")[0] for line in differences(before, after)} == {dated[1]}
    assert live.run(*LABELS_ONLY).assets["dropped"] == 1


def test_more_keys_than_one_export_may_have(live: Live, dated: list[str]) -> None:
    keys = [f"Schlüssel {number}" for number in (0, *range(4, 2500), 3)]
    experiment = live.folder / "conf/experiment"
    experiment.mkdir(parents=True)
    settings = {"source": {"filters": {"global_keys": keys}}}
    (experiment / "many.yaml").write_text(f"# @package _global_\n{json.dumps(settings)}", encoding="utf-8")
    assert live.run(*LABELS_ONLY, "experiment=many", config_dir=experiment.parent).ok
    assert live.ids() == [dated[0], dated[3]]
    assert live.exports() == 2


# ------------------------------------------------------------------------- changes


def _repaint(live: Live, ids: list[str]) -> None:
    """The same objects with other masks: single ones keep their addresses."""
    (label,) = live.fake.org.labels_of(live.project_id, ids[0])
    annotations = deepcopy(label.annotations)
    for number, frame in enumerate(annotations["frames"].values()):
        for node in frame["objects"].values():
            if "mask" in node:
                node["mask"]["url"] = live.fake.paint(single_mask(11 + number))
    live.fake.relabel(label.id, annotations)


def _unlabel(live: Live, ids: list[str]) -> None:
    (label,) = live.fake.org.labels_of(live.project_id, ids[1])
    live.fake.delete_label(label.id)


def _rename(live: Live, ids: list[str]) -> None:
    live.fake.edit_data_row(ids[1], external_id="Straße.mp4")


def _replace(live: Live, ids: list[str]) -> None:
    """Another file, one frame longer, where the data row now says it is."""
    row, data = live.fake.org.data_rows[ids[0]], clip(live.folder, 0, 7)
    live.fake.edit_data_row(ids[0], row_data=live.fake.store("/o/new.mp4", data), media={**row.media, "frame_count": 7})


def _extend(live: Live, _: list[str]) -> None:
    ontology = deepcopy(ONTOLOGY)
    ontology["classifications"][1]["options"].append({"label": "Hof", "value": "hof"})
    ontology["tools"].append({"tool": "rectangle", "name": "Schild"})
    live.fake.edit_ontology(live.project_id, ontology)


CHANGES = [
    (lambda live, ids: None, {"unchanged": 2}, 0),
    (lambda live, ids: live.fake.set_status(ids[0], IN_REWORK), {"unchanged": 2}, 0),
    (lambda live, ids: live.fake.delete_data_row(ids[0]), {"dropped": 1, "unchanged": 1}, 0),
    (lambda live, ids: add_video(live, 2, 3), {"added": 1, "unchanged": 2}, 1),
    (_repaint, {"relabelled": 1, "unchanged": 1}, 0),
    (_unlabel, {"relabelled": 1, "unchanged": 1}, 0),
    (_rename, {"relabelled": 1, "unchanged": 1}, 0),
    (_replace, {"added": 1, "dropped": 1, "unchanged": 1}, 1),
    (_extend, {"relabelled": 2}, 0),
]  # fmt: skip
"""What people do at Labelbox, what comes of it, and how many videos are fetched for it."""


@pytest.mark.parametrize(("change", "assets", "videos"), CHANGES)
def test_what_people_do_at_labelbox_comes_with_the_next_run(
    live: Live, change: Change, assets: dict[str, int], videos: int
) -> None:
    ids = video_project(live)
    assert live.run().ok
    before = len(live.fake.seen)
    change(live, ids)
    report = live.run()
    assert report.ok, report.failures
    assert +report.assets == assets
    assert sum(path.endswith(".mp4") for _, path in fetched(live.fake.seen[before:])) == videos
    assert live.wrong(ordered=change is not _replace) == []
    for key, seen in live.numbers().items():
        uid, _, frame = key.partition(":")
        assert seen == (ids.index(uid) if uid in ids else 2, int(frame))


FAULTS: list[tuple[Kind, dict[str, Any]]] = [
    ("error500", {"host": "storage", "path_contains": "/exports/"}),
    ("truncated", {"host": "storage", "path_contains": "/exports/"}),
    ("dropped", {"host": "storage", "path_contains": "/exports/"}),
    ("busy", {"host": "api", "operation": "ExportFileFromOffset"}),
    ("error503", {"host": "api"}),
    ("truncated", {"host": "storage", "path_contains": ".mp4"}),
    ("truncated", {"host": "api", "path_contains": "mask"}),
    ("busy", {"host": "api", "path_contains": "mask"}),
]


@pytest.mark.parametrize(("kind", "where"), FAULTS)
def test_what_happens_on_the_way_is_mended(live: Live, kind: Kind, where: dict[str, Any]) -> None:
    ids = video_project(live)
    live.fake.chunk_bytes = 4000
    fault = live.fake.faults.set(kind, once=True, **where)
    report = live.run()
    assert report.ok, report.failures
    assert fault.hits
    live.fake.faults.clear()
    assert live.wrong() == []
    assert live.numbers() == shown(ids, 6, 4)


# -------------------------------------------------------------------------- errors


def test_data_rows_that_labelbox_cannot_export_are_failures(live: Live) -> None:
    ids = video_project(live, (2, 2, 2), masks=False)
    live.fake.fail_export_rows({ids[1]: "Medien nicht verfügbar"})
    done = live.command("report=report.json")
    assert done.returncode == 1, done.stderr
    report = json.loads((live.folder / "report.json").read_text(encoding="utf-8"))
    (failure,) = report["failures"]
    assert (failure["data_row_id"], failure["stage"]) == (ids[1], "export")
    assert "Medien nicht verfügbar" in failure["error"]
    assert live.ids() == [ids[0], ids[2]]
    live.fake.fail_export_rows({ids[0]: "now this one"})
    assert [failure.data_row_id for failure in live.run().failures] == [ids[0]]
    assert set(live.ids()) == set(ids)  # nothing is known of it, so it stays
    live.fake.fail_export_rows({})
    assert live.run().plan == "nothing to do, 3 unchanged"
    assert live.numbers() == shown(ids, 2, 2, 2)


def test_a_project_that_does_not_exist(live: Live) -> None:
    video_project(live, (2,), masks=False)
    done = live.command("project_id=nowhere")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "looking up project nowhere: no such thing, or the API key may not see it; check the id and whose key it is"
    ]
    assert not (live.folder / "lake").exists()
    assert live.run().ok
    assert live.wrong() == []
