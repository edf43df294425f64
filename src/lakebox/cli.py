"""The command line: `lakebox key=value ...`. Hydra parses, the runner runs, this shows the report."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from lakebox.core.secrets import refused_override
from lakebox.errors import ConfigError, LakeboxError
from lakebox.run_folder import HYDRA, keep_copies, refuse_secrets

OK, FAILED, MISCONFIGURED, INTERRUPTED = 0, 1, 2, 130

_started = False
_failed_jobs = 0


@hydra.main(version_base="1.3", config_path="pkg://lakebox.conf", config_name="config")
def _app(cfg: DictConfig) -> Any:
    global _started, _failed_jobs
    _started = True
    status, outcome = _run(cfg)
    if HydraConfig.get().mode == RunMode.MULTIRUN and status != INTERRUPTED:
        _failed_jobs += status != OK
        return outcome
    sys.exit(status)


def _run(cfg: DictConfig) -> tuple[int, dict[str, Any]]:
    """Exit status, and the report or error as data. What is slow to import comes only now, after --help and --cfg."""
    from lakebox.adapters.bars import Bars
    from lakebox.adapters.report_file import INTERRUPTED as STOPPED
    from lakebox.adapters.signals import ending_soon
    from lakebox.adapters.terminal import complain, show
    from lakebox.runner import draw, report_file, run

    told = threading.Event()

    def leave() -> None:
        if not told.is_set():
            bars.__exit__()
            complain(STOPPED)
            report_file(cfg).fail(STOPPED)

    try:
        with report_file(cfg).told():
            refuse_secrets(cfg)  # once more: a job of a sweep has choices of its own
        keep_copies(cfg)
        with Bars() as bars, ending_soon(leave, INTERRUPTED):
            report = run(cfg, bars, {"shows": draw})
    except LakeboxError as error:
        complain(str(error))
        return (MISCONFIGURED if isinstance(error, ConfigError) else FAILED), {"error": str(error)}
    except KeyboardInterrupt as error:
        told.set()
        complain(str(error) or STOPPED)
        return INTERRUPTED, {"error": "interrupted"}
    show(report.as_dict())
    return (OK if report.ok else FAILED), report.as_dict()


def _is_override(argument: str) -> bool:
    return not argument.startswith("-") and ("=" in argument or argument.startswith(("+", "~")))


def _report_unstarted(overrides: list[str]) -> None:
    """The report of a run that could not even be composed, if the command line says where it goes."""
    from lakebox.adapters.report_file import ReportFile

    given = {key: value.strip("'\"") for key, _, value in (one.partition("=") for one in overrides)}
    path = given.get("report", "")
    if not (set("${,") & set(path) or refused_override([f"report={path}"], os.environ)):
        ReportFile(path, given.get("task", "sync")).fail(
            "invalid configuration; nothing was touched, see standard error"
        )


def main() -> None:
    """Entry point of the console script.

    A console script does not see the working directory as a place to import from, but users' components live there;
    and argparse wants flags before overrides, which nobody remembers.
    """
    sys.path.insert(0, str(Path.cwd()))
    arguments = sys.argv[1:]
    flags = [argument for argument in arguments if not _is_override(argument)]
    overrides = [argument for argument in arguments if _is_override(argument)]
    if reason := refused_override(overrides, os.environ):  # before Hydra writes them into the run's folder
        sys.stderr.write(f"Invalid configuration\n  {reason}\n")
        _report_unstarted(overrides)
        sys.exit(MISCONFIGURED)
    sys.argv[1:] = [*flags, *HYDRA, *overrides]
    try:
        _app()
    except SystemExit as error:
        # Whatever ends Hydra with 1 before the task function is called is a mistake in the configuration.
        if error.code == FAILED and not _started:
            _report_unstarted(overrides)
            sys.exit(MISCONFIGURED)
        raise
    if _failed_jobs:
        sys.exit(FAILED)
