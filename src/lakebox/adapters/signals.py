"""Signals of the system that ask a run to end."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

LOOKS_UP = 0.2
"""Seconds between two looks for a signal while waiting."""


class Signals:
    """Asked by SIGTERM or Ctrl-C, as long as somebody listens. A second one ends the process as usual."""

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        """Listen; only the main thread can, so elsewhere nothing is heard."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        """Leave signals to whoever had them."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, _: FrameType | None) -> None:
        self._asked = True
        signal.signal(number, self._before.get(number, signal.SIG_DFL))

    def asked(self) -> bool:
        """Whether one came."""
        return self._asked

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until one comes; whether one came.

        In short steps: a signal that comes just before Python begins to wait does not wake it, and its handler runs
        only after the wait.
        """
        until = time.monotonic() + seconds
        while not self._asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, LOOKS_UP))
        return self._asked
