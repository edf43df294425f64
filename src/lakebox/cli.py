"""The command line: `lakebox key=value ...`. Hydra parses, the runner runs, this shows the report."""

from __future__ import annotations

import io
import os
import sys
import threading
import time
import traceback
from argparse import Namespace
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.main import get_args_parser  # type: ignore[attr-defined]
from hydra.types import RunMode
from omegaconf import DictConfig

from lakebox import __version__, sweep
from lakebox.core.again import command_for
from lakebox.core.nearest import hint
from lakebox.core.secrets import refused_override
from lakebox.errors import ConfigError, LakeboxError
from lakebox.manual import manual
from lakebox.mistakes import in_lines, is_mistake, told
from lakebox.run_folder import HYDRA, keep_copies, refuse_secrets

OK, FAILED, MISCONFIGURED, INTERRUPTED = 0, 1, 2, 130
ALL_OF_IT = "HYDRA_FULL_ERROR"
"""With this variable Hydra lets errors through, to be told here in a few lines; people who set it want all of them."""

_started = False


@hydra.main(version_base="1.3", config_path="pkg://lakebox.conf", config_name="config")
def _app(cfg: DictConfig) -> Any:
    global _started
    _started = True
    if HydraConfig.get().mode != RunMode.MULTIRUN:
        sys.exit(_run(cfg)[0])
    sweep.settle()
    began = time.monotonic()
    try:
        status, outcome = _run(cfg)
    except Exception as error:  # noqa: BLE001 - whatever ends one job, the others go on
        traceback.print_exc()
        status, outcome = FAILED, {"error": f"ended by {type(error).__name__}"}  # which may quote anything
    sweep.keep(status, time.monotonic() - began, outcome)
    if status == INTERRUPTED:
        raise KeyboardInterrupt  # ends the sweep, also from a process of its own
    return outcome


def _run(cfg: DictConfig) -> tuple[int, dict[str, Any]]:
    """Exit status, and the report or error as data. What is slow to import comes only now, after --help and --cfg."""
    from lakebox.adapters.report_file import INTERRUPTED as STOPPED
    from lakebox.adapters.screen import Own, Shared
    from lakebox.adapters.signals import ending_soon
    from lakebox.runner import draw, report_file, run

    stopped = threading.Event()
    own = HydraConfig.get()
    alone = own.mode != RunMode.MULTIRUN or not sweep.is_parallel(own)
    screen = Own() if alone else Shared(own.job.num)

    def leave() -> None:
        if not stopped.is_set():
            screen.__exit__()
            screen.complain(STOPPED)
            report_file(cfg).fail(STOPPED)
        _end_sweep()

    try:
        with report_file(cfg).told():
            refuse_secrets(cfg)  # once more: a job of a sweep has choices of its own
        keep_copies(cfg)
        with screen, ending_soon(leave, INTERRUPTED):
            report = run(cfg, screen.progress, {"shows": draw})
    except LakeboxError as error:
        screen.complain(str(error))
        return (MISCONFIGURED if isinstance(error, ConfigError) else FAILED), {"error": str(error)}
    except KeyboardInterrupt as error:
        stopped.set()
        screen.complain(str(error) or STOPPED)
        return INTERRUPTED, {"error": str(error) or STOPPED}
    screen.show(report.as_dict(), _again(own, str(cfg.path)))
    return (OK if report.ok else FAILED), report.as_dict()


def _again(own: HydraConf, path: str) -> str:
    """The command that draws the dataset of this run."""
    folders = [one.path for one in own.runtime.config_sources if one.provider == "command-line"]
    config = {} if not folders else {"-cd": os.path.relpath(folders[0], own.runtime.cwd)}
    if own.job.config_name not in (None, "config"):
        config["-cn"] = own.job.config_name
    provider = own.runtime.choices.get("provider", "")
    return command_for("preview", own.overrides.task, provider, path, config)


def _end_sweep() -> int:
    """Summary and table of the sweep of this process, if there is one; whether all of it is well, as an exit status."""
    from lakebox.adapters.terminal import complain, show_sweep

    status = OK
    for one in sweep.running:
        summary = one.outcomes()
        show_sweep(summary, str(one.file))
        status = OK if all(entry["outcome"] == "ok" for entry in summary) else FAILED
        try:
            sweep.write(one.file, summary)
        except OSError as error:
            complain(f"{one.file} cannot be written: {error.strerror}; the table above is all there is")
            status = FAILED
    sweep.running.clear()
    return status


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


def _flags(arguments: Sequence[str]) -> Namespace:
    """Hydra's flags and overrides; ends the program with one line, where argparse would show all of its usage."""
    parser, said = get_args_parser(), io.StringIO()
    try:
        with redirect_stderr(said):
            flags: Namespace = parser.parse_args(arguments)
    except SystemExit:
        if not said.getvalue():  # --version
            raise
        error = said.getvalue().rpartition("error: ")[2].strip()
        unknown = error.removeprefix("unrecognized arguments: ").split()[0] if error.startswith("unrec") else ""
        names = [name.strip("[]") for name in parser.format_usage().split() if name.startswith("[-")]
        sys.stderr.write(f"Invalid configuration\n  {error}{hint(unknown, names)}; see lakebox --help\n")
        sys.exit(MISCONFIGURED)
    return flags


def _misconfigured(error: BaseException, flags: Namespace, overrides: list[str]) -> int:
    """Tell all that is wrong with a configuration that Hydra could not compose."""
    from lakebox.adapters.terminal import complain
    from lakebox.config import mistakes_of
    from lakebox.runner import tools

    _report_unstarted(overrides)
    try:
        jobs = [*sweep.samples(overrides)] if flags.multirun else [overrides]
    except Exception:  # noqa: BLE001 - it is the error that is told below
        jobs = []
    try:
        name = (flags.config_name or "config").removesuffix(".yaml")
        found = mistakes_of(jobs, name, flags.config_path or flags.config_dir, tools(DictConfig({}), None, {}))
        complain(in_lines(found or [told(error, "", {})]))
    except ConfigError as wrong:
        complain(str(wrong))
    return MISCONFIGURED


def main() -> None:
    """Entry point of the console script.

    A console script does not see the working directory as a place to import from, but users' components live there;
    and argparse wants flags and overrides apart, which nobody remembers.
    """
    sys.path.insert(0, str(Path.cwd()))
    arguments = sys.argv[1:]
    overrides = [argument for argument in arguments if _is_override(argument)]
    if reason := refused_override(overrides, os.environ):  # before Hydra writes them into the run's folder
        sys.stderr.write(f"Invalid configuration\n  {reason}\n")
        _report_unstarted(overrides)
        sys.exit(MISCONFIGURED)
    if arguments == ["--version"]:
        sys.stdout.write(f"lakebox {__version__}\n")
        return
    others = [argument for argument in arguments if not _is_override(argument)]
    flags = _flags([*overrides, *others])
    if flags.help:
        sys.stdout.write(manual(flags.config_dir))
        return
    sys.argv[1:] = [*HYDRA, *overrides, *others]
    sys.exit(_status(flags, [*flags.overrides]))


def _status(flags: Namespace, overrides: list[str]) -> int:
    """Run; the exit status."""
    everything = os.environ.setdefault(ALL_OF_IT, "0") == "1"
    os.environ[ALL_OF_IT] = "1"
    try:
        _app()
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if everything:
            raise
        if is_mistake(error) and not _started:
            return _misconfigured(error, flags, overrides)
        if not sweep.running:
            raise
        return _broken_off(error)
    return _end_sweep()


def _interrupted() -> int:
    from lakebox.adapters.report_file import INTERRUPTED as STOPPED
    from lakebox.adapters.terminal import complain

    if not _started:  # jobs of this process said it
        complain(STOPPED)
    _end_sweep()
    return INTERRUPTED


def _broken_off(error: Exception) -> int:
    """A launcher gave up, such as joblib's when the process of a job was killed."""
    from lakebox.adapters.terminal import complain

    complain(f"the sweep broke off: {type(error).__name__}: {' '.join(str(error).split())}")
    _end_sweep()
    return FAILED
