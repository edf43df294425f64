"""lakebox against itself: how it grows with a project, and what a second run costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from children import emptied, require_right, run_script

Judged = tuple[str, str, float, float]
"""Work, against what, at least, measured."""

TOLERANCE = 0.01


def _runs(repetitions: int, shape: tuple[str, ...], options: tuple[str, ...], folder: Path) -> list[dict[str, Any]]:
    folder.mkdir()
    project = folder / "project"
    written = run_script("projects.py", str(project), *shape, folder=folder)
    found = []
    for repetition in range(repetitions):
        dataset = folder / f"dataset{repetition}"
        found.append(run_script("lakebox_run.py", str(project), str(dataset), *options, folder=folder))
        require_right(found[-1], written["rows"], TOLERANCE)
        emptied(dataset)
    emptied(folder)
    return found


def growth(repetitions: int, folder: Path, *, full: bool) -> list[Judged]:
    """Annotations on 5,000 and on 50,000 rows without media, and the same rows with ten times the objects."""
    options = ("--set", "pixels=none")

    def seconds(videos: int, tracks: int) -> float:
        shape = ("--videos", str(videos), "--frames", "1000", "--tracks", str(tracks), "--no-media")
        runs = _runs(repetitions, shape, options, folder / f"{videos}-{tracks}")
        return median(run["tasks"]["annotate"]["stage"] for run in runs)

    few, many = seconds(5, 5), seconds(50, 5)
    lines = [("growth of the annotation time from 5k to 50k rows", "linear", 1 / 1.3, 10 * few / many)]
    if full:
        lines.append(("the same, 5k rows with 5 and 50 tracks", "linear", 1 / 1.3, 10 * few / seconds(5, 50)))
    return lines


def memory(repetitions: int, folder: Path, *, full: bool) -> list[Judged]:
    """The most memory that a run takes, for 1,000 and for 20,000 frames."""

    def peak(videos: int) -> float:
        shape = ("--videos", str(videos), "--frames", "320", "--size", "320x180")
        runs = _runs(1, shape, ("--tasks", "sync"), folder / str(videos))
        return median(run["tasks"]["sync"]["peak"] for run in runs)

    return [("peak memory, 1k -> 20k rows", "itself", 1 / 1.2, peak(3) / peak(63))]


def refetch(repetitions: int, folder: Path, *, full: bool) -> list[Judged]:
    """A re-fetch of 200 videos of which two have a new label, beside their first run."""
    found = [
        run_script("refetch.py", "--changed", "2", "--providers", "in_place", folder=folder) for _ in range(repetitions)
    ]
    ratio = median(run["first"] / run["some changed"] for run in found)
    return [("re-fetch, 1 % changed", "own first run", 20, ratio)]


LINES: dict[str, Callable[..., list[Judged]]] = {"growth": growth, "memory": memory, "refetch": refetch}


def measure(name: str, repetitions: int, work: Path, *, full: bool) -> list[Judged]:
    """The lines of the table of ratios by that name."""
    folder = work / name
    folder.mkdir()
    return LINES[name](repetitions, folder, full=full)
