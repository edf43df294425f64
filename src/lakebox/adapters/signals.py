"""Signals of the system that ask a run to end."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Signals:
    """Asked by SIGTERM or Ctrl-C, as long as somebody listens. A second one ends the process as usual."""

    def __init__(self) -> None:
        self._asked = threading.Event()
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
        self._asked.set()
        signal.signal(number, self._before.get(number, signal.SIG_DFL))

    def asked(self) -> bool:
        """Whether one came."""
        return self._asked.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until one comes; whether one came."""
        return self._asked.wait(seconds)
