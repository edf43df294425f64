"""pixels=video: each file once, in a dataset beside the rows of frames, which say where it is and which frame they are."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import deeplake
import numpy as np
import pytest
from support.killed import AT_ONCE, Killed, moments
from support.lakes import World
from support.memory_lake import MemoryLake
from support.memory_lake import MemoryStorage as PlainStorage
from support.tiny import (
    CLIPS,
    Clip,
    column,
    columns,
    delete_object,
    differences,
    edited,
    expected_keys,
    history,
    overrides,
    read_cells,
    read_number,
    remove_files,
    row_keys,
    sync,
    write_clip,
    write_project,
)

import lakebox
from lakebox import load_config, run
from lakebox.core.facts import ID, STATE
from lakebox.core.lake_port import Storage
from lakebox.core.report import Report
from lakebox.errors import ConfigError, LakeError
from lakebox.runner import Silent

pytest_plugins = ["support.tiny_fixtures", "support.lake_fixtures"]

VIDEO = "pixels=video"
NEW = Clip(5, 9)
"""What the second video of the project is replaced by."""


def beside(path: Path) -> Path:
    return path.with_name(f"{path.name}_videos")


def files(path: Path) -> list[bytes]:
    """The files as Deep Lake keeps them: whole, among its own."""
    return sorted(file.read_bytes() for file in beside(path).rglob("*.mp4"))


def media(project: Path, *clips: Clip) -> list[bytes]:
    return sorted((project / clip.url).read_bytes() for clip in clips)


def ids(path: Path) -> list[str]:
    return [str(uid) for uid in column(beside(path), ID)]


def versions(path: Path) -> tuple[list[str], list[str]]:
    return history(path), history(beside(path))


def check(path: Path, *clips: Clip, at: str = "") -> None:
    """The first, second and last row of each clip show what they say, and all rows of a clip are of one file."""
    videos, dataset = deeplake.open_read_only(str(beside(path))), deeplake.open_read_only(f"{path}{at}")
    assert row_keys(f"{path}{at}") == expected_keys(*clips)
    row = 0
    for clip in clips:
        (number,) = {int(cell) for cell in dataset["video_row"][row : row + clip.frames]}
        for frame in (0, 1, clip.frames - 1):
            assert dataset["frame_idx"][row + frame] == frame
            picture = np.asarray(videos["video"][number][frame])
            assert read_number(picture[0]) == (clip.number, frame)
        row += clip.frames


@pytest.fixture(scope="session")
def video_lake(tiny_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `sync` makes of the tiny project."""
    path = tmp_path_factory.mktemp("videos") / "lake"
    assert sync(tiny_project, path, VIDEO).ok
    return path


@pytest.fixture
def lake(video_lake: Path, tmp_path: Path) -> Path:
    """The same, of the test's own."""
    shutil.copytree(beside(video_lake), beside(tmp_path / "lake"))
    return Path(shutil.copytree(video_lake, tmp_path / "lake"))


def replace_second(project: Path) -> tuple[Clip, ...]:
    """Another video for the second data row; the clips as they are then."""
    write_clip(project / NEW.url, NEW)
    with edited(project) as rows:
        rows[1]["data_row"]["row_data"] = NEW.url
        rows[1]["media_attributes"]["frame_count"] = NEW.frames
        delete_object(rows[1], "car1")
        delete_object(rows[1], "weather1")
    return CLIPS[0], CLIPS[2], NEW


# ---------------------------------------------------------------------------------------------- what is stored


def test_each_file_is_stored_once_and_as_it_is(project: Path, lake: Path) -> None:
    check(lake, *CLIPS)
    assert files(lake) == media(project, *CLIPS)
    assert ids(lake) == [clip.id for clip in CLIPS]
    told = {name: [cell.item() for cell in column(beside(lake), name)] for name in ("width", "height", "frame_count")}
    assert told == {"width": [64] * 3, "height": [48] * 3, "frame_count": [clip.frames for clip in CLIPS]}
    assert [float(rate) for rate in column(beside(lake), "frame_rate")] == [10.0] * 3
    assert [str(name) for name in column(beside(lake), "name")] == ["clip0", "clip1", "clip2"]
    assert "frames" not in columns(lake) and "video" not in columns(lake)


def test_everything_else_is_as_with_pictures(tiny_lake: Path, lake: Path) -> None:
    without = ["frames", "video_row", STATE]
    assert differences(read_cells(tiny_lake, without), read_cells(lake, without)) == set()


def test_an_unchanged_project_changes_neither(project: Path, lake: Path) -> None:
    before = versions(lake)
    remove_files(project)
    assert sync(project, lake, VIDEO).plan == "nothing to do, 3 unchanged"
    assert versions(lake) == before


def test_new_labels_do_not_touch_the_files(project: Path, lake: Path) -> None:
    with edited(project) as rows:
        delete_object(rows[0], "car0")
    before = versions(lake)
    shutil.rmtree(project / "media")
    assert sync(project, lake, VIDEO).assets["relabelled"] == 1
    assert versions(lake) == ([*before[0], history(lake)[-1]], before[1])
    check(lake, *CLIPS)


def test_other_frames_of_the_same_files_need_no_file(project: Path, lake: Path) -> None:
    before = history(beside(lake))
    shutil.rmtree(project / "media")
    report = sync(project, lake, VIDEO, "frames=every", "frames.n=4")
    assert (report.ok, report.assets["added"], report.media["fetched"]) == (True, 3, 0)
    assert row_keys(lake) == [f"{clip.id}:{frame}" for clip in CLIPS for frame in range(0, clip.frames, 4)]
    assert [int(row) for row in column(lake, "video_row")] == [0] * 3 + [1] * 5 + [2] * 2
    assert history(beside(lake)) == before


def test_frames_by_time_come_from_the_file_which_is_not_stored_twice(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "lake"
    assert sync(project, path, VIDEO, "frames.match=timestamp").ok
    before = history(beside(path))
    assert sync(project, path, VIDEO, "frames=every", "frames.n=2", "frames.match=timestamp").media["fetched"] == 3
    assert history(beside(path)) == before and ids(path) == [clip.id for clip in CLIPS]


# ------------------------------------------------------------------------------------------------- every storage


def synced(world: World, project: Path, *more: str, **given: Any) -> Report:
    return run(load_config(*overrides(project, world.path, VIDEO, *more)), given={"storage": world.storage, **given})


def rows_of(storage: Storage, path: str, name: str) -> list[Any]:
    lake = storage.find(path)
    assert lake is not None
    return lake.read(name, np.arange(len(lake)))


def test_every_storage_keeps_the_contract(world: World, project: Path) -> None:
    videos = f"{world.path}_videos"
    assert synced(world, project).ok
    assert rows_of(world.storage, world.path, "video_row") == [0] * 12 + [1] * 20 + [2] * 8
    replace_second(project)
    assert synced(world, project).assets["added"] == 1
    assert rows_of(world.storage, world.path, "video_row") == [0] * 12 + [2] * 8 + [3] * 9
    assert rows_of(world.storage, videos, ID) == ["row0", "row1", "row2", "row1"]
    if isinstance(world.storage, PlainStorage):
        assert rows_of(world.storage, videos, "video")[3] == (project / NEW.url).read_bytes()
    files = world.storage.find(videos)
    assert files is not None
    for number, clip in enumerate((*CLIPS, NEW)):
        for frame in (0, clip.frames // 2, clip.frames - 1):
            assert read_number(files.video_frame("video", number, frame)) == (clip.number, frame)
    before = [len(found.history()) for path in (world.path, videos) if (found := world.storage.find(path)) is not None]
    assert synced(world, project).plan == "nothing to do, 3 unchanged"
    after = [len(found.history()) for path in (world.path, videos) if (found := world.storage.find(path)) is not None]
    assert len(before) == 2 and before == after


class Cut(PlainStorage):
    """Ends a run when the dataset itself is about to be committed for the n-th time: its files are committed then."""

    def __init__(self, commits: int) -> None:
        super().__init__()
        self.left = commits

    def create(self, path: str) -> MemoryLake:
        super().create(path)
        return self._cut(path)

    def find(self, path: str) -> MemoryLake | None:
        return self._cut(path) if self._place(path) else None

    def _cut(self, path: str) -> MemoryLake:
        storage = self

        class Ending(MemoryLake):
            def commit(self, message: str) -> None:
                if not path.endswith("_videos"):
                    storage.left -= 1
                    if storage.left == 0:
                        raise SystemExit("cut")
                super().commit(message)

        return Ending(self.places[path], path)


@pytest.mark.parametrize("commits", [1, 2])
def test_a_file_that_no_row_points_at_yet_is_taken_up(project: Path, commits: int) -> None:
    world = World(Cut(commits), "lake", "")
    with pytest.raises(SystemExit):
        synced(world, project, "task.commit_assets=1")
    stored = rows_of(world.storage, "lake_videos", ID)
    assert stored == [clip.id for clip in CLIPS[:commits]]
    for uid in stored:
        (project / f"media/clip{uid[3:]}.mp4").unlink()  # is there, and not fetched again
    assert synced(world, project).ok
    assert rows_of(world.storage, "lake_videos", ID) == [clip.id for clip in CLIPS]
    assert rows_of(world.storage, "lake", "video_row") == [0] * 12 + [1] * 20 + [2] * 8


# --------------------------------------------------------------------------------------------------- what changes


def test_a_changed_video_gets_a_row_and_the_old_one_stays(project: Path, lake: Path) -> None:
    deeplake.open(str(lake)).tag("monday")
    clips = replace_second(project)
    report = sync(project, lake, VIDEO)
    assert (report.ok, report.media["fetched"]) == (True, 1)
    assert ids(lake) == ["row0", "row1", "row2", "row1"]
    assert files(lake) == media(project, *CLIPS, NEW)
    check_changed(lake, clips)
    check(lake, *CLIPS, at="@monday")
    before = history(beside(lake))
    assert run(load_config("task=revert", "task.to=monday", f"path={lake}")).ok
    check(lake, *CLIPS)
    shutil.rmtree(project / "media")
    again = sync(project, lake, VIDEO)
    assert (again.ok, again.assets["added"], again.media["fetched"]) == (True, 1, 0)
    check_changed(lake, clips)
    assert history(beside(lake)) == before


def check_changed(path: Path, clips: tuple[Clip, ...]) -> None:
    videos, dataset = deeplake.open_read_only(str(beside(path))), deeplake.open_read_only(str(path))
    keys = row_keys(path)
    assert keys == [f"row{min(clip.number, 1) if clip == NEW else clip.number}:{f}" for clip in clips for f in
                    range(clip.frames)]  # fmt: skip
    for row in (0, 12, 20, 28):
        picture = np.asarray(videos["video"][int(dataset["video_row"][row])][int(dataset["frame_idx"][row])])
        clip = {"row0": 0, "row2": 2, "row1": NEW.number}[keys[row].partition(":")[0]]
        assert read_number(picture[0]) == (clip, int(dataset["frame_idx"][row]))


@pytest.mark.parametrize("broken", ["video", "mask"])
def test_a_video_that_fails_leaves_the_others_whole_and_no_row(project: Path, tmp_path: Path, broken: str) -> None:
    path = tmp_path / "lake"
    taken = project / ("media/clip1.mp4" if broken == "video" else "masks/clip1_4.png")
    kept = taken.read_bytes()
    taken.write_bytes(kept[: len(kept) // 2])
    report = sync(project, path, VIDEO, "task.commit_assets=1")
    assert [failure.data_row_id for failure in report.failures] == ["row1"]
    assert (ids(path), len(files(path))) == (["row0", "row2"], 2)
    check(path, CLIPS[0], CLIPS[2])
    taken.write_bytes(kept)
    assert sync(project, path, VIDEO).ok
    assert ids(path) == ["row0", "row2", "row1"]
    check(path, CLIPS[0], CLIPS[2], CLIPS[1])


class Meddler(Silent):
    """Commits to the files when the second video is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._calls = 0

    def rows(self, count: int) -> None:
        self._calls += 1
        if self._calls == 2:
            other = deeplake.open(str(self._path))
            other["name"].metadata["mine"] = "yes"
            other.commit("mine")


def test_files_that_somebody_else_committed_to_are_planned_again(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "lake"
    config = load_config(*overrides(project, path, VIDEO, "task.commit_assets=1"))
    report = run(config, Meddler(beside(path)))
    assert report.ok and report.assets["added"] == len(CLIPS)
    assert dict(deeplake.open_read_only(str(beside(path)))["name"].metadata)["mine"] == "yes"
    assert ids(path) == [clip.id for clip in CLIPS]
    check(path, *CLIPS)


# -------------------------------------------------------------------------------------------------------- killed


BIG = (Clip(0, 30), Clip(1, 600, noise=True), Clip(2, 40), Clip(3, 24))
"""The second file is bigger than a commit step, so its rows are committed in several."""
STEPS = (VIDEO, "task.commit_assets=1", "task.commit_megabytes=1", "executor.workers=2")


@pytest.fixture(scope="module")
def big_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("big") / "project", BIG)


class Ended(Silent):
    """Ends a run after so many rows."""

    def __init__(self, after: int) -> None:
        self._left = after

    def rows(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise SystemExit("ended")


def test_the_file_of_a_half_written_video_is_taken_up(big_project: Path, tmp_path: Path) -> None:
    project, path = Path(shutil.copytree(big_project, tmp_path / "project")), tmp_path / "lake"
    with pytest.raises(SystemExit):
        run(load_config(*overrides(project, path, *STEPS)), Ended(BIG[0].frames + 300))
    assert ids(path) == ["row0", "row1"]
    assert 0 < len(row_keys(path)) - BIG[0].frames < BIG[1].frames
    before = history(beside(path))
    for clip in BIG[:2]:
        (project / clip.url).unlink()
    report = sync(project, path, *STEPS)
    assert (report.ok, report.assets["added"], report.media["fetched"]) == (True, 3, 2)
    assert history(beside(path))[: len(before)] == before and ids(path) == [clip.id for clip in BIG]
    check(path, *BIG)


def test_killed_and_run_again(big_project: Path, tmp_path: Path) -> None:
    project, clips, options = big_project, BIG, STEPS
    killed = Killed(project, tmp_path, options)
    wanted = [tmp_path / f"whole{i}" for i in range(AT_ONCE)]
    duration = killed.duration(*wanted)
    delays = {tmp_path / f"lake{i}": delay for i, delay in enumerate(moments(4, 3, 0.8 * duration))}
    commits = {tmp_path / f"behind{nth}": nth for nth in (2, 3)}
    hits = killed.runs(delays)
    killed.runs_behind(commits)
    cells, stored = read_cells(wanted[0]), read_files(wanted[0])
    assert row_keys(wanted[0]) == expected_keys(*clips)
    moment = {path: f"killed {delay:.3f} s into {duration:.3f} s" for path, delay in delays.items()}
    moment |= {path: f"killed behind commit {nth}" for path, nth in commits.items()}
    for path, where in moment.items():
        report = sync(project, path, *options)
        assert report.ok, (where, report.failures)
        assert differences(read_cells(path), cells) == set(), where
        assert read_files(path) == stored, where
        check(path, *clips)
        # A file that was being written stays on the disk, as Deep Lake leaves it: no version has it.
        assert not Counter(media(project, *clips)) - Counter(files(path)), where
        assert sync(project, path, *options).assets["unchanged"] == len(clips), where
    assert hits, "no run was still there to be killed"


def read_files(path: Path) -> list[tuple[Any, ...]]:
    names = [name for name in columns(beside(path)) if name != "video"]
    return list(zip(*(map(str, column(beside(path), name)) for name in names), strict=True))


# ------------------------------------------------------------------------------------------------------ providers


@pytest.mark.parametrize("provider", ["branch", "separate"])
def test_annotations_apart(project: Path, tmp_path: Path, provider: str) -> None:
    path = tmp_path / "lake"
    options = (VIDEO, f"provider={provider}")
    assert sync(project, path, *options).ok
    labels = f"{path}@labelbox" if provider == "branch" else f"{path}_annotations"
    check(path, *CLIPS)
    assert ("video_row" in columns(labels)) == (provider == "branch")
    view = lakebox.join(str(path), labels)
    assert [int(row) for row in view["video_row"][:]] == [0] * 12 + [1] * 20 + [2] * 8
    replace_second(project)
    assert sync(project, path, *options).ok
    assert ids(path) == ["row0", "row1", "row2", "row1"]
    if provider == "branch":
        assert [int(row) for row in column(labels, "video_row")] == [0] * 12 + [2] * 8 + [3] * 9
        check_changed(path, (CLIPS[0], CLIPS[2], NEW))
    before = versions(path)
    shutil.rmtree(project / "media")
    assert sync(project, path, *options).plan == "nothing to do, 3 unchanged"
    assert versions(path) == before
    sheet = tmp_path / "sheet.png"
    assert run(load_config("task=preview", f"path={path}", options[1], f"preview.out={sheet}", "preview.format=png")).ok
    assert sheet.exists()


# ------------------------------------------------------------------------------------------------ what is refused


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("what", ["dataset", "our dataset", "folder"])
def test_what_somebody_else_has_at_the_place_is_refused(
    project: Path, tiny_lake: Path, tmp_path: Path, what: str
) -> None:
    path = tmp_path / "lake"
    if what == "dataset":
        theirs = deeplake.create(str(beside(path)))
        theirs.add_column("video", "text")
        theirs.append({"video": ["mine"]})
        theirs.commit("mine")
    elif what == "our dataset":
        shutil.copytree(tiny_lake, beside(path))
    else:
        beside(path).mkdir()
        (beside(path) / "notes.txt").write_text("mine", encoding="utf-8")
    before = contents(beside(path))
    with pytest.raises(LakeError, match=r"lake_videos.*nothing was touched"):
        sync(project, path, VIDEO)
    assert not path.exists() and contents(beside(path)) == before


def test_the_files_are_no_dataset_of_frames(project: Path, lake: Path) -> None:
    before = contents(beside(lake))
    for pixels in ("video", "none"):
        with pytest.raises(ConfigError, match=r"video files of another dataset; nothing was touched"):
            sync(project, beside(lake), f"pixels={pixels}")
    with pytest.raises(ConfigError, match=r"provider\.annotations.*pixels=video"):
        sync(project, lake, VIDEO, "provider=separate", f"provider.annotations={beside(lake)}")
    assert contents(beside(lake)) == before


@pytest.mark.parametrize("gone", ["all", "some"])
def test_rows_never_point_at_files_of_others(project: Path, lake: Path, gone: str) -> None:
    """A dataset that was copied without its files would take new ones for those of its old rows."""
    shutil.rmtree(beside(lake))
    if gone == "some":
        write_clip(project / "media/clip2.mp4", CLIPS[2])
        shutil.rmtree(lake.with_name("other"), ignore_errors=True)
        assert sync(project, lake.with_name("other"), VIDEO, "limit=2").ok
        shutil.copytree(beside(lake.with_name("other")), beside(lake))
    replace_second(project)
    before = history(lake)
    with pytest.raises(LakeError, match=r"data row row\d points at row \d of the video files.*nothing was touched"):
        sync(project, lake, VIDEO)
    assert history(lake) == before and beside(lake).exists() == (gone == "some")


def test_a_dataset_that_keeps_frames_does_not_begin_to_keep_files(project: Path, tmp_path: Path) -> None:
    assert sync(project, tmp_path / "lake").ok
    with pytest.raises(ConfigError, match="stores 'frames' as jpg, the configuration wants 'video_row'.*another path"):
        sync(project, tmp_path / "lake", VIDEO)
    assert not beside(tmp_path / "lake").exists()
