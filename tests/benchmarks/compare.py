"""lakebox against `deeplake.integrations.labelbox`: the same projects, alternately, every run in a process of its own.

    python -m tests.benchmarks [--full] [--repetitions 3] [--cases 360p rows] [--json FILE]

Every run's dataset is checked against what the project says (rows, boxes, answers, masks, pictures) before its figures
count. Each figure is the median of the repetitions. Exit status 1: something failed or a dataset is wrong. A ratio
short of what is wanted is shown as such and changes nothing: machines differ.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from cases import CASES, DECODE, FETCH, Case, Contender, Runs, middle
from children import Failed, emptied, require_right, run_script
from itself import LINES as OWN_LINES
from itself import measure as measure_itself
from served import served

MEGABYTE = 1e6
PACKAGES = ("deeplake", "av", "numpy", "lakebox")


@dataclass
class Result:
    """What a case gave."""

    case: Case
    project: dict[str, Any]
    runs: Runs = field(default_factory=dict)


def run_once(case: Case, contender: Contender, project: Path, export: Path | None, rows: int, folder: Path) -> Any:
    """One run into a fresh folder, checked, and the folder emptied."""
    dataset = folder / f"dataset{len(list(folder.glob('dataset*')))}"
    options = [*contender.options, "--tasks", *case.tasks]
    if export is not None and contender.served:
        options += ["--export", str(export)]
        options += ["--set", "presigner=none"] if contender.name != "upstream" else []
    result = run_script(contender.script, str(project), str(dataset), *options, folder=folder)
    require_right(result, rows, contender.tolerance)
    for left in (dataset, dataset.with_name(f"{dataset.name}_videos")):
        emptied(left)
    return result


def run_case(case: Case, repetitions: int, chosen: list[str], folder: Path) -> Result:
    """Write the case's project, run everyone alternately and gather the runs."""
    folder.mkdir()
    project = folder / "project"
    result = Result(case, run_script(case.script, str(project), *case.project, folder=folder))
    with served(project) if case.served else nullcontext() as export:
        for repetition in range(repetitions):
            where = f"{case.name} {repetition + 1}/{repetitions}"
            if case.limit:
                name = DECODE if case.limit == "decode_run.py" else FETCH
                more = ["--export", str(export)] if export else []
                run = run_script(case.limit, str(project), *more, folder=folder)
                result.runs.setdefault(name, []).append(run)
            for contender in (each for each in case.contenders if each.name.split()[0] in chosen):
                run = run_once(case, contender, project, export, result.project["rows"], folder)
                result.runs.setdefault(contender.name, []).append(run)
                note(f"{where} {contender.name}: {brief(run)}")
    return result


def brief(run: dict[str, Any]) -> str:
    """A run in a few words, for the progress lines."""
    tasks = (f"{task} {cost['wall']:.2f} s ({cost['cpu']:.2f} CPU)" for task, cost in run["tasks"].items())
    return ", ".join([*tasks, f"peak {run['tasks']['create']['peak'] / MEGABYTE:.0f} MB"])


def note(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def table(header: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    rule = tuple("---" if place < 2 else "---:" for place in range(len(header)))
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))


FIGURES = (
    "project", "who", "create s (CPU)", "per s", "annotate s (CPU)", "without configuring", "peak MB", "dataset MB",
)  # fmt: skip


def figures(result: Result) -> list[tuple[str, ...]]:
    """Everyone's medians in one case, and reading alone."""
    rows, title = result.project["rows"], result.case.title
    lines = []
    for name, runs in result.runs.items():
        if name in (DECODE, FETCH):
            wall, cpu = (median(run[kind] for run in runs) for kind in ("wall", "cpu"))
            lines.append(
                (title, f"{name} (the limit)", f"{wall:.2f} ({cpu:.2f})", f"{rows / wall:.0f}", "", "", "", "")
            )
            continue
        create, annotate = cost_of(runs, "create"), cost_of(runs, "annotate")
        stage = f"{middle(runs, 'annotate', 'stage'):.3f}" if annotate else ""
        peak = max(max(cost["peak"] for cost in run["tasks"].values()) for run in runs) / MEGABYTE
        size = median(run["dataset_bytes"] for run in runs) / MEGABYTE
        speed = f"{rows / middle(runs, 'create', 'wall'):.0f}"
        lines.append((title, name, create, speed, annotate, stage, f"{peak:.0f}", f"{size:.1f}"))
    return lines


def cost_of(runs: list[dict[str, Any]], task: str) -> str:
    """Wall and CPU seconds of a task; empty if it was not run."""
    if task not in runs[0]["tasks"]:
        return ""
    return f"{middle(runs, task, 'wall'):.2f} ({middle(runs, task, 'cpu'):.2f})"


def ratios(result: Result) -> list[tuple[str, ...]]:
    """The lines of the table of ratios that a case is for."""
    lines = []
    for line in result.case.lines:
        try:
            found = line.ratio(result.runs)
        except KeyError:  # one of the two did not run
            continue
        lines.append(judged(line.work, line.against, line.target, found))
    return lines


def judged(work: str, against: str, target: float, found: float) -> tuple[str, ...]:
    """A ratio beside what it has to be."""
    return work, against, f"{target:g}", f"{found:.3g}", "" if found >= target else "SHORT"


RATIOS = ("work", "against", "at least", "measured", "")


def environment() -> dict[str, str]:
    """What the figures were taken with."""
    found = {"python": platform.python_version(), "cores": str(os.cpu_count()), "machine": platform.machine()}
    for package in PACKAGES:
        found[package] = importlib.metadata.version(package)
    return found


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="lakebox against deeplake.integrations.labelbox")
    parser.add_argument("--full", action="store_true", help="the slow cases, too")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every run's figures here")
    names = [*(case.name for case in CASES), *OWN_LINES]
    parser.add_argument("--cases", nargs="+", choices=names, help="only these")
    parser.add_argument("--contenders", nargs="+", choices=["upstream", "lakebox"], default=["upstream", "lakebox"])
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="where projects and datasets go for the time being")
    return parser.parse_args()


def main() -> int:
    """Run, print the tables, write the JSON."""
    given = parsed()
    chosen = given.cases or [*(case.name for case in CASES if given.full or not case.slow), *OWN_LINES]
    results, own = [], []
    try:
        with tempfile.TemporaryDirectory(prefix="lakebox-benchmarks-", dir=given.work) as work:
            for case in (case for case in CASES if case.name in chosen):
                folder = Path(work).resolve() / case.name
                results.append(run_case(case, given.repetitions, given.contenders, folder))
                emptied(folder)
            for name in (name for name in OWN_LINES if name in chosen):
                own += measure_itself(name, given.repetitions, Path(work).resolve(), full=given.full)
    except Failed as error:
        note(f"FAILED: {error}")
        return 1
    machine = ", ".join(f"{key} {value}" for key, value in environment().items())
    print(f"Medians of {given.repetitions} ({machine}).\n")
    print(table(RATIOS, [*(line for result in results for line in ratios(result)), *(judged(*line) for line in own)]))
    print("\n" + table(FIGURES, [line for result in results for line in figures(result)]))
    if given.json:
        runs = {result.case.name: {"project": result.project, "runs": result.runs} for result in results}
        given.json.write_text(json.dumps({"environment": environment(), "cases": runs, "own": own}, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
