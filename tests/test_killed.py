"""A run that is killed at any moment goes on where it was: the same command again ends with the same dataset."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import deeplake
import pytest
from support.tiny import (
    Cells,
    Clip,
    differences,
    edited,
    expected_keys,
    move_object,
    overrides,
    read_cells,
    row_keys,
    sync,
    write_project,
)

pytest_plugins = ["support.tiny_fixtures"]

MOMENTS, RELABEL_MOMENTS, AT_ONCE = 20, 5, 2
CLIPS = (Clip(0, 30), Clip(1, 330, noise=True), Clip(2, 40), Clip(3, 24))
"""The second one is bigger than a commit step, so it is committed in several."""
OPTIONS = ("pixels=png", "task.commit_assets=1", "task.commit_megabytes=1", "executor.workers=2")


@pytest.fixture(scope="module")
def big_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("killed") / "project", CLIPS)


@pytest.fixture(scope="module")
def undisturbed(big_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run that nobody disturbs makes of the project."""
    path = tmp_path_factory.mktemp("undisturbed") / "lake"
    assert sync(big_project, path, *OPTIONS).ok
    return path


@pytest.fixture(scope="module")
def relabelled_project(big_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the car of every clip moved."""
    project = Path(shutil.copytree(big_project, tmp_path_factory.mktemp("relabelled") / "project"))
    with edited(project) as rows:
        for clip, row in zip(CLIPS, rows, strict=True):
            move_object(row, f"car{clip.number}", 0, by=3)
    return project


class Killed:
    """Runs of `python -m lakebox`, killed at a moment of the time in which they write."""

    def __init__(self, project: Path, cwd: Path) -> None:
        arguments = [each for each in overrides(project, "-", *OPTIONS) if not each.startswith("path=")]
        self.cwd = cwd
        self._command = [sys.executable, "-m", "lakebox", *arguments]

    def duration(self, *paths: Path) -> float:
        """How long undisturbed runs write, as many at once as there will be."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return max(wrote for _, wrote in pool.map(lambda path: self.run(path, None), paths))

    def runs(self, delays: Mapping[Path, float]) -> int:
        """Start a run for every path and kill it after its delay; how many were still there to be killed."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return sum(hit for hit, _ in pool.map(self.run, delays.keys(), delays.values()))

    def run(self, path: Path, delay: float | None) -> tuple[bool, float]:
        """Whether the run was killed (after `delay` from the moment it knows its plan), and how long it wrote."""
        process = subprocess.Popen(
            [*self._command, f"path={path}"], cwd=self.cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True, text=True,
        )  # fmt: skip
        assert process.stderr
        lines = [process.stderr.readline()]
        while lines[-1] and not lines[-1].startswith("plan"):
            lines.append(process.stderr.readline())
        planned = time.monotonic()
        if delay is not None:
            time.sleep(delay)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        rest = process.stderr.read()
        status, wrote = process.wait(timeout=60), time.monotonic() - planned
        process.stderr.close()
        assert status in (0, -signal.SIGKILL), "".join(lines) + rest
        return status != 0, wrote


@pytest.fixture(scope="module")
def duration(big_project: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds in which an undisturbed run writes."""
    folder = tmp_path_factory.mktemp("measured")
    return Killed(big_project, folder).duration(*(folder / f"lake{i}" for i in range(AT_ONCE)))


def finished_rows(path: Path) -> int:
    """Rows that are committed; -1 for a dataset that cannot be opened yet."""
    try:
        dataset = deeplake.open_read_only(str(path))
        return len(dataset)
    except Exception:  # noqa: BLE001 - whatever a half-made dataset raises
        return -1


def check(path: Path, wanted: Cells, order: Sequence[str], moment: str) -> None:
    """The dataset equals the undisturbed one in every cell, in the same order, with nothing left over."""
    assert row_keys(path) == list(order), moment
    assert differences(read_cells(path), wanted) == set(), moment
    states = [json.loads(text) for text in _column(path, "lb_meta/state") if text]
    assert [state["rows"] for state in states] == [clip.frames for clip in CLIPS], moment


def _column(path: Path, name: str) -> list[str]:
    dataset = deeplake.open_read_only(str(path))
    return list(dataset[name][:])


def moments(count: int, seed: int, duration: float) -> list[float]:
    """Random moments, one in each of `count` equal parts of the duration."""
    rng = random.Random(seed)
    return [duration * (part + rng.random()) / count for part in range(count)]


def test_killed_while_adding_then_run_again(
    big_project: Path, undisturbed: Path, duration: float, tmp_path: Path
) -> None:
    wanted, order = read_cells(undisturbed), expected_keys(*CLIPS)
    assert row_keys(undisturbed) == order
    killed = Killed(big_project, tmp_path)
    delays = {tmp_path / f"lake{i}": delay for i, delay in enumerate(moments(MOMENTS, 1, duration))}
    hits = killed.runs(delays)
    left = [finished_rows(path) for path in delays]
    for path, delay in delays.items():
        where = f"killed {delay:.3f} s into {duration:.3f} s"
        report = sync(big_project, path, *OPTIONS)
        assert report.ok, (where, report.failures)
        check(path, wanted, order, where)
        assert sync(big_project, path, *OPTIONS).assets["unchanged"] == len(CLIPS), where
    assert hits >= MOMENTS // 2, f"only {hits} of {MOMENTS} runs were still there to be killed"
    assert len(set(left)) >= 3, f"the moments hit only these states (rows committed): {left}"


def test_killed_while_relabelling_then_run_again(
    big_project: Path, relabelled_project: Path, undisturbed: Path, tmp_path: Path
) -> None:
    fresh = tmp_path / "fresh"
    assert sync(relabelled_project, fresh, *OPTIONS).ok
    wanted, order = read_cells(fresh), expected_keys(*CLIPS)
    assert differences(read_cells(undisturbed), wanted)
    killed = Killed(relabelled_project, tmp_path)
    duration = killed.duration(copied(undisturbed, tmp_path / "measured"))
    shares = enumerate(moments(RELABEL_MOMENTS, 2, duration))
    delays = {copied(undisturbed, tmp_path / f"lake{i}"): delay for i, delay in shares}
    hits = killed.runs(delays)
    for path, delay in delays.items():
        where = f"killed {delay:.3f} s into {duration:.3f} s"
        report = sync(relabelled_project, path, *OPTIONS)
        assert report.ok, (where, report.failures)
        check(path, wanted, order, where)
    assert hits >= RELABEL_MOMENTS // 2, f"only {hits} of {RELABEL_MOMENTS} runs were still there to be killed"


def test_a_run_killed_again_and_again_leaves_no_trace(
    big_project: Path, undisturbed: Path, duration: float, tmp_path: Path
) -> None:
    """Rows that a killed run committed of a big asset are cleared although the run that went on was killed, too."""
    killed, path = Killed(big_project, tmp_path), tmp_path / "lake"
    for share in (0.55, 0.65):
        killed.run(path, duration * share)
    assert sync(big_project, path, *OPTIONS).ok
    check(path, read_cells(undisturbed), expected_keys(*CLIPS), "killed again and again")


def copied(lake: Path, to: Path) -> Path:
    return Path(shutil.copytree(lake, to))
