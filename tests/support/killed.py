"""Runs of `python -m lakebox` that are killed at a moment of the time in which they write."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .tiny import overrides

AT_ONCE = 2


class Killed:
    """Runs on one project, each with a path of its own."""

    def __init__(self, project: Path, cwd: Path, options: Sequence[str]) -> None:
        arguments = [each for each in overrides(project, "-", *options) if not each.startswith("path=")]
        self.cwd = cwd
        self._command = [sys.executable, "-m", "lakebox", *arguments]

    def duration(self, *paths: Path) -> float:
        """How long undisturbed runs write, as many at once as there will be."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return max(wrote for _, wrote in pool.map(lambda path: self.run(path, None), paths))

    def runs(self, delays: Mapping[Path, float]) -> int:
        """Start a run for every path and kill it after its delay; how many were still there to be killed."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return sum(hit for hit, _ in pool.map(self.run, delays.keys(), delays.values()))

    def run(self, path: Path, delay: float | None) -> tuple[bool, float]:
        """Whether the run was killed (after `delay` from the moment it knows its plan), and how long it wrote."""
        process = subprocess.Popen(
            [*self._command, f"path={path}"], cwd=self.cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True, text=True,
        )  # fmt: skip
        assert process.stderr
        lines = [process.stderr.readline()]
        while lines[-1] and not lines[-1].startswith("plan"):
            lines.append(process.stderr.readline())
        planned = time.monotonic()
        if delay is not None:
            time.sleep(delay)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        rest = process.stderr.read()
        status, wrote = process.wait(timeout=60), time.monotonic() - planned
        process.stderr.close()
        assert status in (0, -signal.SIGKILL), "".join(lines) + rest
        return status != 0, wrote


def moments(count: int, seed: int, duration: float) -> list[float]:
    """Random moments, one in each of `count` equal parts of the duration."""
    rng = random.Random(seed)
    return [duration * (part + rng.random()) / count for part in range(count)]
