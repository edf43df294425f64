"""The report of a run as a JSON file, which is of this run from its beginning to its end, however it ends."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakebox.core.model import Failure
from lakebox.core.report import Report
from lakebox.core.secrets import redacted
from lakebox.core.urls import hushed
from lakebox.errors import ConfigError, LakeboxError

INTERRUPTED = "interrupted; what was committed is kept, the same command goes on from there"
_UNFINISHED = "the run has not ended yet, or it was killed; the same command does the rest"


class ReportFile:
    """Where a run's report goes; without a path, nowhere."""

    def __init__(self, path: str | None, task: str) -> None:
        self._path = Path(str(path)) if path else None  # configurations may say 2026
        self._task = task

    def begin(self) -> None:
        """Say that the run has not ended: better known now than after it if that cannot be written.

        Raises:
            ConfigError: it cannot.
        """
        if self._path is None or _is_device(self._path):  # what is said to a pipe cannot be replaced
            return
        try:
            self._write(self._failed(_UNFINISHED))
        except OSError as error:
            raise ConfigError(f"report: {self._path} cannot be written: {error.strerror}; nothing was done") from error

    def end(self, report: Report) -> None:
        """The run's report."""
        self._write(report)

    @contextmanager
    def told(self) -> Iterator[None]:
        """What ends the run as a whole becomes its report, so that nobody takes that of an earlier run for it."""
        try:
            yield
        except BaseException as error:
            self.fail(_told(error))
            raise

    def fail(self, error: str) -> None:
        """The report of a run that failed as a whole, if it can be written; its error is said in any case."""
        try:
            self._write(self._failed(error))
        except OSError:
            return

    def _failed(self, error: str) -> Report:
        return Report(task=self._task, failures=[Failure("", "", "run", redacted(hushed(error), os.environ))])

    def _write(self, report: Report) -> None:
        """Whole or not at all: beside, then in its place."""
        if self._path is None:
            return
        text = json.dumps(report.as_dict(), indent=2, ensure_ascii=False) + "\n"
        if _is_device(self._path):
            self._path.write_text(text, encoding="utf-8")
            return
        target = self._path.resolve()  # a link stays one
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _told(error: BaseException) -> str:
    """As on the terminal; an error that nobody foresaw may quote anything, so its name is all."""
    if isinstance(error, LakeboxError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return str(error) or INTERRUPTED
    return f"ended by {type(error).__name__}"
