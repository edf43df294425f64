"""Runs lakebox from Python on a synthetic project, task by task. Prints one line of JSON.

Usage: `python lakebox_run.py PROJECT DATASET [--export FILE] [--tasks create annotate] [--set OVERRIDE ...]`

A task's `wall` is all that a user waits for but imports, composing the configuration included; `stage` is the run
without that. Imports are left out on both sides.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from measure import held, measured

from lakebox import load_config, run

for name in (
    "adapters.deep_lake", "adapters.executors", "adapters.export_file", "adapters.files", "adapters.pixels",
    "adapters.presign", "core.frames", "core.mapping", "tasks.on_error", "tasks.sync",
):  # fmt: skip
    importlib.import_module(f"lakebox.{name}")

MASKS = "+mapping.groups={raster-segmentation: mask}"


def overrides(task: str, project: Path, dataset: Path, export: Path | None = None) -> list[str]:
    """What a user would type for one task; paths quoted, as Hydra's grammar wants them."""
    return [
        f"task={task}",
        "source=export_file",
        f"source.export='{export or project / 'export.ndjson'}'",
        f"source.ontology='{project / 'ontology.json'}'",
        f"path='{dataset}'",
        MASKS,
    ]


def run_task(typed: list[str]) -> tuple[dict[str, Any], dict[str, float]]:
    """The report of a run, as a dictionary, and what it cost."""
    config, composed = measured(partial(load_config, *typed))
    report, cost = measured(lambda: run(config).as_dict())
    cost["stage"] = cost["wall"]
    cost["wall"] += composed["wall"]
    cost["cpu"] += composed["cpu"]
    return report, cost


def run_tasks(given: argparse.Namespace) -> dict[str, Any]:
    """Run the tasks one after the other on the same dataset."""
    project, dataset = given.project.resolve(), given.dataset.resolve()
    costs: dict[str, dict[str, float]] = {}
    failures: list[Any] = []
    for task in given.tasks:
        report, costs[task] = run_task([*overrides(task, project, dataset, given.export), *given.extra])
        failures += report["failures"]
    return {
        "contender": "lakebox",
        "version": importlib.metadata.version("lakebox"),
        "tasks": costs,
        "failures": failures,
        **held(project, dataset, annotated="annotate" in given.tasks or "sync" in given.tasks),
    }


def main() -> None:
    """Run it; what lakebox prints goes to stderr."""
    parser = argparse.ArgumentParser(description="Measure lakebox on one project.")
    parser.add_argument("project", type=Path, help="a folder written by projects.py or images.py")
    parser.add_argument("dataset", type=Path, help="where the dataset goes; must not exist")
    parser.add_argument("--export", type=Path, help="another export of the same project")
    parser.add_argument("--tasks", nargs="+", default=["create", "annotate"])
    parser.add_argument("--set", dest="extra", action="append", default=[], metavar="OVERRIDE")
    given = parser.parse_args()
    with contextlib.redirect_stdout(sys.stderr):
        result = run_tasks(given)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
