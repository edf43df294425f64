"""Lines of the log, whoever writes them: libraries quote addresses and answers when they are asked to say more."""

from __future__ import annotations

import logging

from lakebox.core.urls import hushed


class Hushed(logging.Formatter):
    """As the base class, without the signatures of addresses."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, with its traceback if it has one."""
        return hushed(super().format(record))
