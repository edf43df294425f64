"""What a run shows while and after it runs: one that has the terminal for itself, and one of several that share it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any, Protocol

from lakebox.adapters.bars import Bars
from lakebox.adapters.log_lines import Stderr
from lakebox.adapters.terminal import complain, show
from lakebox.core.progress import Progress


class Screen(Protocol):
    """Shows progress as long as its context lasts, then an error or a report."""

    @property
    def progress(self) -> Progress:
        """What is told how far the run is."""

    def __enter__(self) -> Screen:
        """Begin to show it."""

    def __exit__(self, *_: object) -> None:
        """Take it away."""

    def complain(self, text: str) -> None:
        """An error."""

    def show(self, report: dict[str, Any], again: str) -> None:
        """A report, as `Report.as_dict` gives it, and the command that draws the dataset."""


class Own:
    """All of the terminal."""

    def __init__(self) -> None:
        self.progress = Bars()

    def __enter__(self) -> Own:
        self.progress.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.__exit__()

    def complain(self, text: str) -> None:
        """On standard error."""
        complain(text)

    def show(self, report: dict[str, Any], again: str) -> None:
        """The whole of it."""
        show(report, again)


class Shared:
    """Lines that begin with the job's number, each written at once, and no progress: others draw there, too."""

    def __init__(self, job: int) -> None:
        self._label = f"[{job}] "
        self.progress = Silent()

    def __enter__(self) -> Shared:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, Stderr):
                handler.label = self._label
        return self

    def __exit__(self, *_: object) -> None:
        return

    def complain(self, text: str) -> None:
        """On standard error."""
        sys.stderr.write("".join(f"{self._label}{line}\n" for line in text.splitlines()))

    def show(self, report: dict[str, Any], again: str) -> None:
        """What was done and what failed; the rest is in the job's folder."""
        failures = [f"{one['data_row_id']}: {one['stage']}: {one['error']}" for one in report["failures"]]
        said = [f"{report['task']}: {report['plan']}", *(f"failed {failure}" for failure in failures)]
        sys.stdout.write("".join(f"{self._label}{line}\n" for line in said))
        sys.stdout.flush()


class Silent:
    """Progress that nobody watches."""

    def begin(self, what: str, sizes: Sequence[int] | None) -> None:
        """Nothing."""

    def rows(self, count: int) -> None:
        """Nothing."""

    def asset(self) -> None:
        """Nothing."""

    def fetched(self, size: int) -> None:
        """Nothing."""

    def decoded(self, count: int) -> None:
        """Nothing."""
