"""A run that is killed at any moment goes on where it was: the same command again ends with the same dataset."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import deeplake
import pytest
from support.killed import AT_ONCE, Killed, moments
from support.tiny import (
    Cells,
    Clip,
    differences,
    edited,
    expected_keys,
    history,
    move_object,
    overrides,
    read_cells,
    row_keys,
    sync,
    write_project,
)

from lakebox import load_config, run
from lakebox.runner import Silent

pytest_plugins = ["support.tiny_fixtures"]

MOMENTS, RELABEL_MOMENTS = (20, 6) if os.environ.get("LAKEBOX_EXAMPLES") else (8, 3)
CLIPS = (Clip(0, 30), Clip(1, 330, noise=True), Clip(2, 40), Clip(3, 24))
LABELLED = (Clip(0, 40), Clip(1, 2000), Clip(2, 60))
"""The second ones are bigger than a commit step, so they are committed in several."""
STEPS = ("task.commit_assets=1", "task.commit_megabytes=1", "executor.workers=2")
ADDING, RELABELLING = ("pixels=png", *STEPS), ("pixels=none", *STEPS)


@pytest.fixture(scope="module")
def big_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("killed") / "project", CLIPS)


@pytest.fixture(scope="module")
def undisturbed(big_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run that nobody disturbs makes of the project."""
    path = tmp_path_factory.mktemp("undisturbed") / "lake"
    assert sync(big_project, path, *ADDING).ok
    return path


@pytest.fixture(scope="module")
def duration(big_project: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds in which an undisturbed run writes."""
    folder = tmp_path_factory.mktemp("measured")
    return Killed(big_project, folder, ADDING).duration(*(folder / f"lake{i}" for i in range(AT_ONCE)))


def finished_rows(path: Path) -> int:
    """Rows that are committed; -1 for a dataset that cannot be opened yet."""
    try:
        dataset = deeplake.open_read_only(str(path))
        return len(dataset)
    except Exception:  # noqa: BLE001 - whatever a half-made dataset raises
        return -1


def check(path: Path, wanted: Cells, clips: Sequence[Clip], moment: str) -> None:
    """The dataset equals the undisturbed one in every cell, in the same order, with nothing left over."""
    assert row_keys(path) == expected_keys(*clips), moment
    assert differences(read_cells(path), wanted) == set(), moment
    states = [json.loads(text) for text in _column(path, "lb_meta/state") if text]
    assert [state["rows"] for state in states] == [clip.frames for clip in clips], moment


def _column(path: Path, name: str) -> list[str]:
    dataset = deeplake.open_read_only(str(path))
    return list(dataset[name][:])


def test_killed_while_adding_then_run_again(
    big_project: Path, undisturbed: Path, duration: float, tmp_path: Path
) -> None:
    wanted = read_cells(undisturbed)
    assert row_keys(undisturbed) == expected_keys(*CLIPS)
    killed = Killed(big_project, tmp_path, ADDING)
    delays = {tmp_path / f"lake{i}": delay for i, delay in enumerate(moments(MOMENTS, 1, duration))}
    hits = killed.runs(delays)
    for path, delay in delays.items():
        check_goes_on(big_project, path, wanted, f"killed {delay:.3f} s into {duration:.3f} s")
    assert hits >= MOMENTS // 3, f"only {hits} of {MOMENTS} runs were still there to be killed"


def test_killed_behind_a_commit_then_run_again(big_project: Path, undisturbed: Path, tmp_path: Path) -> None:
    wanted = read_cells(undisturbed)
    commits = {tmp_path / f"lake{nth}": nth for nth in (1, 3, 4)}
    Killed(big_project, tmp_path, ADDING).runs_behind(commits)
    left = [finished_rows(path) for path in commits]
    for path, nth in commits.items():
        check_goes_on(big_project, path, wanted, f"killed behind commit {nth}")
    assert len(set(left)) == len(left) and min(left) >= 0, f"rows committed: {left}"


def check_goes_on(project: Path, path: Path, wanted: Cells, where: str) -> None:
    report = sync(project, path, *ADDING)
    assert report.ok, (where, report.failures)
    check(path, wanted, CLIPS, where)
    assert sync(project, path, *ADDING).assets["unchanged"] == len(CLIPS), where


def test_killed_while_relabelling_then_run_again(tmp_path: Path) -> None:
    """Also where the edit was taken back before the next run: cells that the killed one wrote must not stay."""
    before, after = tmp_path / "before", tmp_path / "after"
    write_project(before, LABELLED, media=False)
    with edited(copied(before, after)) as rows:
        for clip, row in zip(LABELLED, rows, strict=True):
            move_object(row, f"car{clip.number}", 0, by=3)
    lakes = {project: project.with_suffix(".lake") for project in (before, after)}
    assert all(sync(project, lake, *RELABELLING).ok for project, lake in lakes.items())
    wanted = {project: read_cells(lake) for project, lake in lakes.items()}
    killed = Killed(after, tmp_path, RELABELLING)
    duration = killed.duration(copied(lakes[before], tmp_path / "measured"))
    shares = enumerate(moments(RELABEL_MOMENTS, 2, 0.8 * duration))
    delays = {copied(lakes[before], tmp_path / f"lake{i}"): delay for i, delay in shares}
    hits = killed.runs(delays)
    commits = {copied(lakes[before], tmp_path / f"behind{nth}"): nth for nth in (1, 2)}
    killed.runs_behind(commits)
    assert len({len(history(path)) for path in commits}) == len(commits)
    moment = {path: f"{delay:.3f} s into {duration:.3f} s" for path, delay in delays.items()}
    moment |= {path: f"behind commit {nth}" for path, nth in commits.items()}
    for (path, when), project in product(moment.items(), lakes):
        lake = copied(path, path.with_name(f"{path.name}-{project.name}"))
        where = f"killed {when}, then run on '{project.name}'"
        report = sync(project, lake, *RELABELLING)
        assert report.ok, (where, report.failures)
        assert report.media["fetched"] == report.assets["added"] == 0, where
        check(lake, wanted[project], LABELLED, where)
    assert hits >= RELABEL_MOMENTS // 3, f"only {hits} of {RELABEL_MOMENTS} runs were still there to be killed"


def test_a_run_killed_again_and_again_leaves_no_trace(
    big_project: Path, undisturbed: Path, duration: float, tmp_path: Path
) -> None:
    """Rows that a killed run committed of a big asset are cleared although the run that went on was killed, too."""
    killed, path = Killed(big_project, tmp_path, ADDING), tmp_path / "lake"
    for share in (0.55, 0.65):
        killed.run(path, duration * share)
    assert sync(big_project, path, *ADDING).ok
    check(path, read_cells(undisturbed), CLIPS, "killed again and again")


class Cut(Silent):
    """Ends a run after so many rows, as abruptly as is possible within the process."""

    def __init__(self, after: int) -> None:
        self._left = after

    def rows(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise SystemExit("cut")


def test_what_a_second_killed_run_finished_behind_an_unfinished_copy_counts(
    big_project: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """Rows of the first run's half of a data row stand directly before all rows of it that the second run wrote."""
    path = tmp_path / "lake"
    config = load_config(*overrides(big_project, path, *ADDING))
    first, big, third, last = (clip.frames for clip in CLIPS)
    for rows in (first + big - 1, big + third + last - 1):
        with pytest.raises(SystemExit):
            run(config, Cut(rows))
    stored = row_keys(path)
    assert (stored.count("row1:0"), stored.count(f"row1:{big - 1}")) == (2, 1), "a half and then the whole"
    report = run(config)
    assert (report.assets["added"], report.assets["unchanged"]) == (1, 3)
    check(path, read_cells(undisturbed), CLIPS, "cut twice")


def copied(lake: Path, to: Path) -> Path:
    return Path(shutil.copytree(lake, to))
