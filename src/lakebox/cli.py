"""The command line: `lakebox key=value ...`. Hydra parses, the runner runs, this shows the report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lakebox.errors import ConfigError, LakeboxError

OK, FAILED, MISCONFIGURED = 0, 1, 2

_started = False


@hydra.main(version_base="1.3", config_path="pkg://lakebox.conf", config_name="config")
def _app(cfg: DictConfig) -> Any:
    global _started
    _started = True
    status, outcome = _run(cfg)
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return outcome
    sys.exit(status)


def _run(cfg: DictConfig) -> tuple[int, dict[str, Any]]:
    from lakebox.adapters.progress import Bars
    from lakebox.runner import run

    console = Console(stderr=True)
    try:
        with Bars(console) as bars:
            report = run(cfg, bars)
    except LakeboxError as error:
        console.print(escape(str(error)), soft_wrap=True, highlight=False)
        return (MISCONFIGURED if isinstance(error, ConfigError) else FAILED), {"error": str(error)}
    show(report.as_dict(), Console())
    return (OK if report.ok else FAILED), report.as_dict()


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report for people."""
    dataset, assets = report["dataset"], report["assets"]
    console.print(f"[bold]{report['task']}[/bold]: {escape(report['plan'])}", soft_wrap=True)
    if report["task"] in ("check", "preview"):
        return
    console.print(_assets_table(report))
    if report["kinds"]:
        console.print(_kinds_table(report))
    for warning in report["warnings"]:
        console.print(f"[yellow]note[/yellow] {escape(warning)}", soft_wrap=True, highlight=False)
    for failure in report["failures"]:
        who = f"{failure['data_row_id']} ({failure['name']})" if failure["data_row_id"] else failure["name"]
        console.print(
            f"[red]failed[/red] {escape(who)}: {failure['stage']}: {escape(failure['error'])}",
            soft_wrap=True,
            highlight=False,
        )
    where = f"{dataset['path']} version {dataset['version'] or '-'}, {dataset['rows']} rows"
    console.print(f"[bold]dataset[/bold] {escape(where)}", soft_wrap=True, highlight=False)
    if assets["failed"]:
        console.print(f"[red]{assets['failed']} failed[/red]; the rest is done. Run the same command again to retry.")


def _assets_table(report: dict[str, Any]) -> Table:
    assets, media, masks, seconds = report["assets"], report["media"], report["masks"], report["seconds"]
    table = Table(show_edge=False, pad_edge=False, box=None)
    names = ("added", "relabelled", "dropped", "unchanged", "failed")
    for name in (*names, "frames", "masks", "seconds", "frames/s"):
        table.add_column(name, justify="right")
    rate = f"{media['frames'] / seconds:.0f}" if media["frames"] and seconds else "-"
    numbers = [assets[name] for name in names] + [media["frames"], masks["fetched"], f"{seconds:.2f}", rate]
    table.add_row(*map(str, numbers))
    return table


def _kinds_table(report: dict[str, Any]) -> Table:
    table = Table(show_edge=False, pad_edge=False, box=None)
    for name in ("annotations", "read", "written", "skipped"):
        table.add_column(name, justify="left" if name == "annotations" else "right")
    for kind, counts in report["kinds"].items():
        table.add_row(escape(kind), *(str(counts[name]) for name in ("read", "written", "skipped")))
    if report["columns"]:
        table.add_section()
        table.add_row("[bold]column[/bold]", "", "[bold]values[/bold]", "")
        for column, values in report["columns"].items():
            table.add_row(escape(column), "", str(values), "")
    return table


def _is_override(argument: str) -> bool:
    return not argument.startswith("-") and ("=" in argument or argument.startswith(("+", "~")))


def main() -> None:
    """Entry point of the console script.

    A console script does not see the working directory as a place to import from, but users' components live there;
    and argparse wants flags before overrides, which nobody remembers.
    """
    sys.path.insert(0, str(Path.cwd()))
    arguments = sys.argv[1:]
    flags = [argument for argument in arguments if not _is_override(argument)]
    sys.argv[1:] = flags + [argument for argument in arguments if _is_override(argument)]
    try:
        _app()
    except SystemExit as error:
        # Whatever ends Hydra with 1 before the task function is called is a mistake in the configuration.
        if error.code == FAILED and not _started:
            sys.exit(MISCONFIGURED)
        raise
