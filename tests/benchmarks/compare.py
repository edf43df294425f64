"""lakebox against `deeplake.integrations.labelbox`: the same projects, alternately, every run in a process of its own.

    python -m tests.benchmarks [--quick] [--json FILE] [--cases video annotate memory] [--contenders upstream lakebox]

Every run's dataset is checked against what the project says (rows, boxes, answers, pictures) before its figures count.
Each figure is the median of the repetitions. Exit status 1: something failed or a dataset is wrong. A ratio short of
its target is shown as such and changes nothing: machines differ.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from children import Failed, require_right, run_script

REPETITIONS = 3
MEGABYTE = 1e6
PACKAGES = ("deeplake", "av", "numpy", "lakebox")

Run = dict[str, Any]
Figure = Callable[[Run], float]


@dataclass(frozen=True)
class Contender:
    """A script that imports a project, and how far from the truth its boxes may be."""

    name: str
    script: str
    tolerance: float
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A project, and the figure of it that upstream and lakebox are compared by."""

    name: str
    title: str
    project: tuple[str, ...]
    compared: tuple[str, str]
    target: float
    also: tuple[Contender, ...] = ()

    def figure(self, run: Run, kind: str | None = None) -> float:
        """The compared figure of a run, or another kind (wall, cpu, peak) of the same task."""
        task, own = self.compared
        return float(run["tasks"][task][kind or own])


UPSTREAM = Contender("upstream", "upstream_run.py", tolerance=1.0)
LAKEBOX = Contender("lakebox", "lakebox_run.py", tolerance=0.01)
LAKEBOX_PNG = Contender("lakebox pixels=png", "lakebox_run.py", tolerance=0.01, options=("--set", "pixels=png"))

CASES = (
    Case(
        "video",
        "video to rows, 2 x 300 frames 640x360",
        ("--videos", "2", "--frames", "300", "--size", "640x360"),
        ("create", "wall"),
        target=6,
        also=(LAKEBOX_PNG,),
    ),
    Case(
        "annotate",
        "annotations applied to 4,800 rows, 16 x 300 frames 160x96",
        ("--videos", "16", "--frames", "300", "--size", "160x96"),
        ("annotate", "wall"),
        target=30,
    ),
    Case(
        "memory",
        "peak memory of creating, 2 x 300 frames 1280x720",
        ("--videos", "2", "--frames", "300", "--size", "1280x720"),
        ("create", "peak"),
        target=1,
    ),
)


def contenders(case: Case, chosen: list[str]) -> list[Contender]:
    """Who runs in a case: upstream, lakebox, and lakebox's variants."""
    everyone = [UPSTREAM, LAKEBOX, *case.also]
    return [contender for contender in everyone if contender.name.split()[0] in chosen]


def run_once(contender: Contender, project: Path, rows: int, folder: Path) -> Run:
    """One run into a fresh folder, checked, and the folder removed."""
    dataset = folder / "dataset"
    result = run_script(contender.script, str(project), str(dataset), *contender.options, folder=folder)
    require_right(result, rows, contender.tolerance)
    shutil.rmtree(dataset)
    return result


def run_case(case: Case, repetitions: int, chosen: list[str], folder: Path) -> dict[str, Any]:
    """Write the case's project, run everyone alternately and gather the runs."""
    folder.mkdir()
    project = folder / "project"
    written = run_script("projects.py", str(project), *case.project, folder=folder)
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders(case, chosen)}
    decoding: list[Run] = []
    for repetition in range(repetitions):
        decoding.append(run_script("decode_run.py", str(project), folder=folder))
        for contender in contenders(case, chosen):
            run = run_once(contender, project, written["rows"], folder)
            runs[contender.name].append(run)
            note(f"{case.name} {repetition + 1}/{repetitions} {contender.name}: {brief(run)}")
    return {"name": case.name, "title": case.title, "project": written, "decoding": decoding, "runs": runs}


def brief(run: Run) -> str:
    """A run in a few words, for the progress lines."""
    tasks = (f"{task} {cost['wall']:.2f} s ({cost['cpu']:.2f} CPU)" for task, cost in run["tasks"].items())
    return ", ".join([*tasks, f"peak {run['tasks']['create']['peak'] / MEGABYTE:.0f} MB"])


def note(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def middle(runs: list[Run], figure: Figure) -> float:
    """The median of a figure over the repetitions."""
    return median(figure(run) for run in runs)


def ratio(case: Case, runs: dict[str, list[Run]], name: str, kind: str | None = None) -> float | None:
    """How many times upstream's figure another's is smaller, medians; None when one of them did not run."""
    if UPSTREAM.name not in runs or name not in runs:
        return None
    theirs, ours = (middle(runs[who], lambda run: case.figure(run, kind)) for who in (UPSTREAM.name, name))
    return theirs / ours


def ratios(case: Case, runs: dict[str, list[Run]]) -> dict[str, dict[str, float | None]]:
    """The compared ratio and the CPU ratio of everyone but upstream."""
    return {
        name: {"ratio": ratio(case, runs, name), "cpu_ratio": ratio(case, runs, name, "cpu")}
        for name in runs
        if name != UPSTREAM.name
    }


def table(header: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    rule = tuple("---" if place == 0 else "---:" for place in range(len(header)))
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))


FIGURES_HEADER = (
    "case", "who", "create s (CPU)", "frames/s", "annotate s (CPU)", "rows/s", "peak MB: create, all", "dataset MB",
)  # fmt: skip


def figures_line(result: dict[str, Any], name: str, runs: list[Run]) -> tuple[str, ...]:
    """The medians of one contender in one case."""
    rows = result["project"]["rows"]

    def task(task_name: str, kind: str) -> float:
        return middle(runs, lambda run: float(run["tasks"][task_name][kind]))

    return (
        result["name"],
        name,
        f"{task('create', 'wall'):.2f} ({task('create', 'cpu'):.2f})",
        f"{rows / task('create', 'wall'):.0f}",
        f"{task('annotate', 'wall'):.3f} ({task('annotate', 'cpu'):.3f})",
        f"{rows / task('annotate', 'wall'):.0f}",
        f"{task('create', 'peak') / MEGABYTE:.0f}, {task('annotate', 'peak') / MEGABYTE:.0f}",
        f"{middle(runs, lambda run: float(run['dataset_bytes'])) / MEGABYTE:.1f}",
    )


def figures_lines(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Everyone's medians in one case, and decoding alone."""
    return [*(figures_line(result, name, runs) for name, runs in result["runs"].items()), decoding_line(result)]


def decoding_line(result: dict[str, Any]) -> tuple[str, ...]:
    """Decoding alone, as a line of the same table."""
    wall = middle(result["decoding"], lambda run: float(run["wall"]))
    cpu = middle(result["decoding"], lambda run: float(run["cpu"]))
    speed = result["project"]["rows"] / wall
    return (result["name"], "decode only (the limit)", f"{wall:.2f} ({cpu:.2f})", f"{speed:.0f}", "", "", "", "")


def verdict_lines(case: Case, result: dict[str, Any]) -> list[tuple[str, ...]]:
    """The ratios of a case beside its target."""
    lines: list[tuple[str, ...]] = []
    for name, found in result["ratios"].items():
        if found["ratio"] is None:
            continue
        judged = name == LAKEBOX.name
        lines.append(
            (
                case.title,
                name,
                f"{found['ratio']:.2f}x",
                f"{found['cpu_ratio']:.2f}x",
                f"{case.target:g}x" if judged else "",
                ("met" if found["ratio"] >= case.target else "MISSED") if judged else "",
            )
        )
    return lines


VERDICT_HEADER = ("case", "who", "upstream / lakebox", "the same in CPU s", "target", "")


def markdown(results: list[tuple[Case, dict[str, Any]]], repetitions: int) -> str:
    """The whole report."""
    figures = [line for _, result in results for line in figures_lines(result)]
    verdicts = [line for case, result in results for line in verdict_lines(case, result)]
    machine = ", ".join(f"{key} {value}" for key, value in environment().items())
    parts = [f"Medians of {repetitions} ({machine}).", table(FIGURES_HEADER, figures)]
    if verdicts:
        parts.append(table(VERDICT_HEADER, verdicts))
    return "\n\n".join(parts)


def environment() -> dict[str, str]:
    """What the figures were taken with."""
    found = {"python": platform.python_version(), "cores": str(os.cpu_count())}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def compare(cases: list[Case], repetitions: int, chosen: list[str], work: Path) -> list[tuple[Case, dict[str, Any]]]:
    """Run the cases one after the other."""
    results = []
    for case in cases:
        result = run_case(case, repetitions, chosen, work / case.name)
        results.append((case, {**result, "ratios": ratios(case, result["runs"]), "target": case.target}))
        shutil.rmtree(work / case.name)
    return results


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="lakebox against deeplake.integrations.labelbox")
    parser.add_argument("--quick", action="store_true", help="one repetition")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every run's figures here")
    names = [case.name for case in CASES]
    parser.add_argument("--cases", nargs="+", choices=names, default=names)
    parser.add_argument("--contenders", nargs="+", choices=["upstream", "lakebox"], default=["upstream", "lakebox"])
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="where projects and datasets go for the time being")
    return parser.parse_args()


def main() -> int:
    """Run, print the tables, write the JSON."""
    given = parsed()
    cases = [case for case in CASES if case.name in given.cases]
    repetitions = 1 if given.quick else REPETITIONS
    try:
        with tempfile.TemporaryDirectory(prefix="lakebox-benchmarks-", dir=given.work) as work:
            results = compare(cases, repetitions, given.contenders, Path(work).resolve())
    except Failed as error:
        note(f"FAILED: {error}")
        return 1
    print(markdown(results, repetitions))
    if given.json:
        found = {"environment": environment(), "repetitions": repetitions, "cases": [result for _, result in results]}
        given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
