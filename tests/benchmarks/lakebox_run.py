"""Runs lakebox from Python on a synthetic project, task by task. Prints one line of JSON.

Usage: `python lakebox_run.py PROJECT DATASET [--tasks create annotate] [--set OVERRIDE ...]`
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from measure import held, measured

from lakebox import load_config, run


def overrides(task: str, project: Path, dataset: Path) -> list[str]:
    """What a user would type for one task; paths quoted, as Hydra's grammar wants them."""
    return [
        f"task={task}",
        "source=export_file",
        f"source.export='{project / 'export.ndjson'}'",
        f"source.ontology='{project / 'ontology.json'}'",
        f"path='{dataset}'",
    ]


def reported(typed: list[str]) -> dict[str, Any]:
    """The report of a run, as a dictionary."""
    report: dict[str, Any] = run(load_config(*typed)).as_dict()
    return report


def run_tasks(project: Path, dataset: Path, tasks: list[str], extra: list[str]) -> dict[str, Any]:
    """Run the tasks one after the other on the same dataset, configuration included in the time."""
    costs: dict[str, dict[str, float]] = {}
    failures: list[Any] = []
    for task in tasks:
        typed = [*overrides(task, project, dataset), *extra]
        report, costs[task] = measured(partial(reported, typed))
        failures += report["failures"]
    return {
        "contender": "lakebox",
        "version": importlib.metadata.version("lakebox"),
        "tasks": costs,
        "failures": failures,
        **held(project, dataset, pictures="pixels=none" not in extra, annotated=tasks != ["create"]),
    }


def main() -> None:
    """Run it; what lakebox prints goes to stderr."""
    parser = argparse.ArgumentParser(description="Measure lakebox on one project.")
    parser.add_argument("project", type=Path, help="a folder written by projects.py")
    parser.add_argument("dataset", type=Path, help="where the dataset goes; must not exist")
    parser.add_argument("--tasks", nargs="+", default=["create", "annotate"])
    parser.add_argument("--set", dest="extra", action="append", default=[], metavar="OVERRIDE")
    given = parser.parse_args()
    with contextlib.redirect_stdout(sys.stderr):
        result = run_tasks(given.project.resolve(), given.dataset.resolve(), given.tasks, given.extra)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
