"""Lines of the log, whoever writes them: libraries quote addresses and answers when they are asked to say more."""

from __future__ import annotations

import logging
import sys

from lakebox.core.urls import hushed


class Hushed(logging.Formatter):
    """As the base class, without the signatures of addresses."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, with its traceback if it has one."""
        return hushed(super().format(record))


class Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what standard error is at the moment: a progress display takes its place, and stays below its lines."""

    label = ""
    """Begins each line, where several jobs share a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, as the formatter says, and whose it is."""
        return self.label + super().format(record)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        self.stream = sys.stderr
        super().emit(record)
