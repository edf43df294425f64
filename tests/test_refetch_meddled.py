"""A re-fetch in which commits fail, disks are full, or somebody else changes the dataset before or meanwhile."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.refetch import (
    BY_NAME,
    LENGTHS,
    STEPS,
    CutBehindTheLast,
    Meddling,
    Owned,
    Refusing,
    Story,
    add_own,
    check_finished,
    check_own,
    check_same,
    check_together,
    commit,
    described,
    make_story,
)
from support.tiny import OTHER_PROJECT, Clip, edited, overrides, read_cells, row_keys, write_clip, write_project

from lakebox.errors import ConfigError, LakeError, LakeMoved

pytest_plugins = ["support.refetch_fixtures"]

OWN = ("note", "score")


# A commit that fails.


def test_whichever_commit_fails_the_next_run_ends_the_same(owned: Owned, tmp_path: Path) -> None:
    """Every commit of a run in turn; somebody's own columns lose nothing by it either."""
    for nth in range(1, 40):
        path, storage = owned.start(tmp_path, f"lake{nth}"), Refusing(nth)
        try:
            report = owned.story.refetch(path, storage=storage)
        except LakeError as error:
            assert str(error) == "the store said no"
        else:
            assert report.ok and storage.left > 0
            break
        assert owned.story.refetch(path).ok, nth
        owned.check(path, f"commit {nth} failed")
    assert (
        nth >= 5
    )  # new labels together, each new video by itself, what is dropped at the end: all of them failed once


def test_own_values_pass_over_the_copy_of_a_run_that_was_cut(owned: Owned, tmp_path: Path) -> None:
    """There are two finished copies of a data row then, and its media change again."""
    path, project = owned.start(tmp_path), Path(shutil.copytree(owned.story.new, tmp_path / "newer"))
    with pytest.raises(SystemExit):
        owned.story.refetch(path, progress=CutBehindTheLast(2))
    assert row_keys(owned.story.target.media(path)).count("row3:0") == 2
    write_clip(project / "media/third.mp4", Clip(8, 50))
    with edited(project) as rows:
        rows[2]["data_row"]["row_data"] = "media/third.mp4"
        rows[2]["media_attributes"]["frame_count"] = 50
    assert owned.story.target.sync(project, path).ok
    known = set(read_cells(owned.at(owned.story.before)))
    check_own(owned.at(path), known)
    check_together(owned.story.target, path, "cut")


def run_command(story: Story, path: Path, cwd: Path, limit: str = "") -> subprocess.CompletedProcess[str]:
    """The re-fetch as a command, in a shell that sets a limit first."""
    arguments = overrides(story.new, path, *STEPS, *story.target.options, "storage.reserve_megabytes=0")
    script = f'{limit}\nexec "$@"'
    return subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "lakebox", *arguments], cwd=cwd, text=True,
        capture_output=True, timeout=30, check=False,
    )  # fmt: skip


def assert_no_room(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "no room" in done.stderr or "cut short" in done.stderr or "failed" in done.stderr


@pytest.mark.parametrize("blocks", [100, 500])
def test_files_that_may_not_be_so_big(story: Story, tmp_path: Path, blocks: int) -> None:
    """A limit of the process, in units of 512 bytes: what does not fit is not written, or only a part of it is."""
    path = story.start(tmp_path)
    assert_no_room(run_command(story, path, tmp_path, f"ulimit -f {blocks}"))
    check_finished(story, path, f"limit {blocks}")
    assert story.refetch(path).ok
    check_same(story, path, f"limit {blocks}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(folder)], check=False)
    if done.returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def resize(disk: Path, kilobytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(disk)], check=True)


def used(disk: Path) -> int:
    """Kilobytes."""
    return int(subprocess.check_output(["df", "-k", "--output=used", str(disk)], text=True).split()[-1])


@pytest.mark.parametrize("room", [8, 400, 1100])
def test_a_full_disk(story: Story, small_disk: Path, tmp_path: Path, room: int) -> None:
    path = story.start(small_disk)
    resize(small_disk, used(small_disk) + room)
    assert_no_room(run_command(story, path, tmp_path))
    resize(small_disk, 100 << 10)
    assert story.refetch(path, "storage.reserve_megabytes=0").ok
    check_same(story, path, f"room for {room} kB")


# Somebody else commits meanwhile.


def edit_own(dataset: Any) -> None:
    dataset["note"][3:4] = ["edited"]


def delete_row(dataset: Any) -> None:
    """A row in the middle of a data row with nothing to do."""
    dataset.delete([str(key) for key in dataset["lb_meta/row_key"][:]].index("row4:5"))


@pytest.mark.parametrize("after_rows", [0, 30, 150], ids=["between plan and apply", "early", "late"])
def test_somebody_adds_columns_meanwhile(owned: Owned, tmp_path: Path, after_rows: int) -> None:
    path = owned.story.start(tmp_path)
    own: list[set[str]] = []

    def meddle() -> None:
        own.append(set(row_keys(owned.at(path))))
        commit(owned.at(path), add_own)

    progress = Meddling(meddle, after_rows=after_rows)
    report = owned.story.refetch(path, progress=progress)
    assert report.ok
    quiet = owned.story.refetch(owned.story.start(tmp_path, "quiet"))
    for counted in ("assets", "masks", "media", "tally"):
        assert getattr(report, counted) == getattr(quiet, counted), "what was taken back counts once"
    check_own(owned.at(path), own[0] & set(row_keys(owned.at(path))))
    check_same(owned.story, path, "meddled", OWN)


@pytest.mark.parametrize("after_rows", [0, 30, 150], ids=["between plan and apply", "early", "late"])
def test_somebody_edits_and_deletes_meanwhile(owned: Owned, tmp_path: Path, after_rows: int) -> None:
    """The row that they removed belongs to the project, so it comes again; their value beside it went with it."""
    path = owned.start(tmp_path)
    if owned.at(path).endswith("@labelbox"):
        pytest.skip("a branch cannot follow then, see below")

    def meddle() -> None:
        commit(owned.at(path), edit_own)
        commit(owned.at(path), delete_row)

    assert owned.story.refetch(path, progress=Meddling(meddle, after_rows=after_rows)).ok
    assert read_cells(owned.at(path))["row0:3"]["note"] == "edited"
    commit(owned.at(path), lambda dataset: dataset["note"].__setitem__(slice(3, 4), ["about row0:3"]))
    if owned.story.target.name == "branch":
        assert owned.story.refetch(path).ok
        return
    owned.check(path, "meddled", frozenset({"row4:5"}))


def test_somebody_who_never_stops(owned: Owned, tmp_path: Path) -> None:
    path = owned.start(tmp_path)
    progress = Meddling(lambda: commit(owned.at(path), edit_own), times=99)
    with pytest.raises(LakeMoved, match="somebody else committed during each of 5 attempts"):
        owned.story.refetch(path, progress=progress)
    assert progress.times < 95
    commit(owned.at(path), lambda dataset: dataset["note"].__setitem__(slice(3, 4), ["about row0:3"]))
    assert owned.story.refetch(path).ok
    owned.check(path, "meddled")


# Datasets of annotations that do not belong to their media any more.


@pytest.fixture(scope="module")
def separate(refetch_projects: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Story:
    return make_story(BY_NAME["separate"], refetch_projects, tmp_path_factory.mktemp("apart"))


Change = Callable[[Any], None]


@pytest.mark.parametrize("project", ["old", "new"], ids=["nothing changed", "edited"])
def test_a_row_that_somebody_removed_from_the_annotations_comes_again(
    separate: Story, tmp_path: Path, project: str
) -> None:
    path = separate.start(tmp_path)
    labels = separate.target.labels(path)
    commit(labels, add_own)
    commit(labels, delete_row)
    assert separate.target.sync(getattr(separate, project), path).ok
    if project == "new":
        check_same(separate, path, "a row removed", OWN)
    assert row_keys(labels) == row_keys(separate.target.media(path))
    check_own(labels, set(read_cells(separate.target.labels(separate.before))) - {"row4:5"})


def swap(dataset: Any) -> None:
    """Two rows in each other's place, as in an edit of the whole table that went wrong."""
    for column in dataset.schema.columns:
        if str(column.dtype).startswith("text"):
            first, second = dataset[column.name][2], dataset[column.name][4]
            dataset[column.name][2:3], dataset[column.name][4:5] = [second], [first]


@pytest.mark.parametrize("project", ["old", "new"], ids=["nothing changed", "edited"])
def test_rows_in_each_others_place_are_named(separate: Story, tmp_path: Path, project: str) -> None:
    path = separate.start(tmp_path)
    labels = separate.target.labels(path)
    commit(labels, swap)
    before = read_cells(labels)
    with pytest.raises(LakeError, match="row 2 is 'row0:2', in its annotations .* it is 'row0:4'"):
        separate.target.sync(getattr(separate, project), path)
    kept = {key: cells for key, cells in read_cells(labels).items() if key.startswith("row0:")}
    assert kept == {key: cells for key, cells in before.items() if key.startswith("row0:")}


def test_annotations_of_another_project_are_refused(separate: Story, tmp_path: Path) -> None:
    other = write_project(tmp_path / "other")
    with edited(other) as rows:
        for row in rows:
            row["projects"] = {OTHER_PROJECT: next(iter(row["projects"].values()))}
    assert BY_NAME["in_place"].sync(other, tmp_path / "others").ok
    path = separate.start(tmp_path)
    before = read_cells(tmp_path / "others"), separate.target.cells(path)
    for project in (separate.old, separate.new):
        with pytest.raises((ConfigError, LakeError), match=OTHER_PROJECT):
            separate.target.sync(project, path, f"provider.annotations={tmp_path / 'others'}")
    assert (read_cells(tmp_path / "others"), separate.target.cells(path)) == before


@pytest.mark.parametrize("part", ["media", "labels"])
def test_labelbox_meta_is_the_same_in_both_again(separate: Story, tmp_path: Path, part: str) -> None:
    """A run that is killed between describing the one and the other leaves the same."""
    path = separate.start(tmp_path)
    address = separate.target.media(path) if part == "media" else separate.target.labels(path)

    def describe(dataset: Any) -> None:
        dataset.metadata["labelbox_meta"] = {**described(address), "project_name": "mine", "sources": ["x"]}

    before = described(address)
    commit(address, describe)
    report = separate.target.sync(separate.old, path)
    assert report.ok and report.assets["unchanged"] == 5
    assert described(separate.target.media(path)) == described(separate.target.labels(path)) == before
    commit(address, describe)
    assert separate.refetch(path).ok
    check_same(separate, path, "labelbox_meta changed")


def test_a_branch_with_other_rows_than_main_is_refused_by_name(
    refetch_projects: tuple[Path, Path], tmp_path: Path
) -> None:
    """Rows of a branch have their place from main, so there is no putting one back."""
    branch = make_story(BY_NAME["branch"], refetch_projects, tmp_path)
    path = branch.start(tmp_path)
    commit(branch.target.labels(path), delete_row)
    for project in (branch.old, branch.new):
        with pytest.raises(LakeError, match="'row4:5', in its annotations"):
            branch.target.sync(project, path)
    assert len(LENGTHS) == 5
