"""Signals of the system that ask a run to end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

GRACE = 1.5
"""Seconds after Ctrl-C in which a run may end by itself."""

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


@contextmanager
def ending_soon(leave: Callable[[], object], status: int, grace: float = GRACE) -> Iterator[None]:
    """Ctrl-C interrupts as usual, and what goes on after `grace` seconds all the same (a download that hangs, a long
    picture) is left as a kill leaves it, which the next run can take: the process ends with `status` after `leave`."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        yield  # who started this in the background wants no Ctrl-C to reach it
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        timer = threading.Timer(grace, _end, (leave, status))
        timer.daemon = True
        timer.start()
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(leave: Callable[[], object], status: int) -> None:
    leave()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
