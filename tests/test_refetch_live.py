"""Fetching a live project again asks for what changed, and for everything where that is not enough."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.live import Live, add_video, clip, fetched, video_annotations, video_project

pytest_plugins = ["support.labelbox_fixtures", "support.live_fixtures"]

LISTED = "exportDataRowsInCatalog"
SOON = ("source.margin_minutes=0",)


def lists(live: Live) -> int:
    """How often the cheap list was asked for: once in each run that asks for changes only."""
    return live.fake.count(operation=LISTED)


def unchanged_files(live: Live, before: int) -> bool:
    return not fetched(live.fake.seen[before:])


def test_the_first_run_takes_everything_and_later_ones_what_changed(live: Live) -> None:
    ids = video_project(live, (4, 3, 5))
    assert live.run(*SOON).ok
    assert lists(live) == 0
    seen = len(live.fake.seen)
    again = live.run(*SOON)
    assert (again.plan, lists(live)) == ("nothing to do, 3 unchanged", 1)
    assert unchanged_files(live, seen)
    live.fake.label(ids[1], video_annotations(live.fake, 7, 3))
    seen = len(live.fake.seen)
    changed = live.run(*SOON)
    assert +changed.assets == {"relabelled": 1, "unchanged": 2}
    assert not [path for _, path in fetched(live.fake.seen[seen:]) if path.endswith(".mp4")]
    assert (lists(live), live.wrong()) == (2, [])


def test_what_was_added_and_what_left_is_seen(live: Live) -> None:
    ids = video_project(live, (4, 3, 5), masks=False)
    assert live.run(*SOON).ok
    live.fake.remove_from_project(ids[0])
    add_video(live, 3, 4, masks=False)
    report = live.run(*SOON)
    assert +report.assets == {"added": 1, "dropped": 1, "unchanged": 2}
    assert (lists(live), live.wrong()) == (1, [])


def _rename_project(live: Live) -> None:
    live.fake.project(live.project_id).name = "lanes, renamed"


def _nothing(_: Live) -> None:
    return None


@pytest.mark.parametrize(
    ("change", "options", "relabelled"),
    [
        (_rename_project, (), 2),
        (_nothing, ("labels=first",), 0),
        (_nothing, ("mapping.leave_out=[Note]",), 2),
        (_nothing, ("limit=1",), 0),
        (_nothing, ("source.filters.workflow_status=Done",), 0),
        (_nothing, ("source.refetch=whole",), 0),
    ],
)
def test_everything_is_asked_for_where_changes_are_not_enough(
    live: Live, change: Callable[[Live], None], options: tuple[str, ...], relabelled: int
) -> None:
    video_project(live, masks=False)
    assert live.run(*SOON).ok
    before = live.exports()
    change(live)
    report = live.run(*SOON, *options)
    assert report.ok
    assert (lists(live), live.exports() - before) == (0, 1)
    assert report.assets["relabelled"] == relabelled


def test_media_that_changed_before_labels_were_annotated_alone_still_come(live: Live) -> None:
    """`annotate` looks away from media, so it must not say that the dataset is in step."""
    ids = video_project(live, (4, 3), masks=False)
    assert live.run(*SOON).ok
    row = live.fake.org.data_rows[ids[0]]
    url = live.fake.store("/o/new.mp4", clip(live.folder / "media", 5, 6))
    live.fake.edit_data_row(ids[0], row_data=url, media={**row.media, "frame_count": 6})
    live.fake.label(ids[1], video_annotations(live.fake, 7, 3, masks=False))
    assert live.run(*SOON, "task=annotate").assets["relabelled"] >= 1
    assert live.run(*SOON).assets["added"] == 1
    assert {key: seen for key, seen in live.numbers().items() if key.startswith(ids[0])} == {
        f"{ids[0]}:{frame}": (5, frame) for frame in range(6)
    }


def test_what_failed_is_asked_for_again_although_nothing_happened_to_it(live: Live) -> None:
    ids = video_project(live, (4, 3))
    live.fake.faults.set("missing", path_contains="1.mp4")
    first = live.run(*SOON)
    assert [failure.data_row_id for failure in first.failures] == [ids[1]]
    live.fake.faults.clear()
    second = live.run(*SOON)
    assert second.ok
    assert +second.assets == {"added": 1, "unchanged": 1}
    assert live.wrong() == []


def test_labels_that_failed_are_asked_for_again(live: Live) -> None:
    ids = video_project(live, (4, 3))
    assert live.run(*SOON).ok
    live.fake.label(ids[0], video_annotations(live.fake, 9, 4))
    live.fake.faults.set("missing", path_contains="/mask")
    assert not live.run(*SOON).ok
    live.fake.faults.clear()
    assert live.run(*SOON).assets["relabelled"] == 1
    assert live.wrong() == []


def test_a_plan_and_the_run_after_it_ask_once(live: Live) -> None:
    ids = video_project(live, masks=False)
    assert live.run(*SOON).ok
    live.fake.label(ids[0], video_annotations(live.fake, 5, 6, masks=False))
    plan = live.run(*SOON, "task=plan")
    done = live.run(*SOON)
    assert (done.plan, lists(live)) == (plan.plan, 1)
    assert live.wrong() == []
