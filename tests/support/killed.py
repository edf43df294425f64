"""Runs of `python -m lakebox` that are killed: at a moment of the time in which they write, or behind a commit."""

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

from .refetch import Refusing
from .tiny import overrides

AT_ONCE = 2
_PYTHONPATH = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(_PYTHONPATH)}


class Ending(Refusing):
    """A folder's storage that kills the whole run directly behind the n-th commit."""

    def __init__(self, behind: int, reserve_megabytes: float) -> None:
        super().__init__(behind)

    def count(self) -> None:
        """What came before the commit is done."""

    def counted(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.killpg(0, signal.SIGKILL)


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

    def runs_behind(self, commits: Mapping[Path, int]) -> None:
        """Start a run for every path that is killed behind its n-th commit."""
        ending = f"storage._target_={Ending.__module__}.{Ending.__name__}"
        with ThreadPoolExecutor(AT_ONCE) as pool:
            runs = [pool.submit(self.run, path, None, ending, f"+storage.behind={n}") for path, n in commits.items()]
            assert all(run.result()[0] for run in runs), f"a run had ended before all of these commits: {commits}"

    def run(self, path: Path, delay: float | None, *more: str) -> tuple[bool, float]:
        """Whether the run was killed (after `delay` from the moment it knows its plan), and how long it wrote."""
        process = subprocess.Popen(
            [*self._command, f"path={path}", *more], cwd=self.cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True, text=True, env=_ENVIRONMENT,
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
