"""lakebox in another process that gets signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


class Process:
    """`lakebox ...` in another process."""

    def __init__(self, cwd: Path, options: Sequence[str]) -> None:
        self.lines: list[str] = []
        self._grown = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lakebox", *options], cwd=cwd, env={**os.environ, "COLUMNS": "200"}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._grown:
                self.lines.append(line)
                self._grown.notify_all()

    def wait_for(self, text: str) -> None:
        with self._grown:
            assert self._grown.wait_for(lambda: any(text in line for line in self.lines), 60), self.lines

    def end(self, number: int) -> tuple[int, float, str]:
        """(exit status, seconds it took, everything said)."""
        started = time.monotonic()
        self._process.send_signal(number)
        status = self._process.wait(30)
        took = time.monotonic() - started
        self.close()
        return status, took, "".join(self.lines)

    def close(self) -> None:
        with suppress(ProcessLookupError):  # also what it started, which would keep its pipe open
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)
        self._reader.join(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
