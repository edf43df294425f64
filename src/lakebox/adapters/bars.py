"""How far a run is, on the terminal (rich)."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.filesize import decimal
from rich.live import Live
from rich.progress import Progress, Task
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_WIDE = 24  # of a bar, in characters


class Bars:
    """The stage with its bar and the time left, then what was fetched, decoded and written, with rates. On standard
    error; nothing where that is no terminal, or in CI. Log lines and what is printed go above.

    Lines take at most three quarters of the width: a terminal that shrinks folds what is too long for it, and what is
    folded cannot be drawn over.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._lock = threading.Lock()
        self._clock = Progress(console=self._console)  # never drawn: it knows rates and the time left
        self._flows = {name: self._task(name) for name in ("fetch", "decode", "write")}
        self._waiting = dict.fromkeys(self._flows, 0)
        self._stage: _Stage | None = None
        self._live = Live(console=self._console, get_renderable=self._drawn, refresh_per_second=8, transient=True)

    def __enter__(self) -> Bars:
        if sys.stderr.isatty() and not self._console.is_dumb_terminal and not os.environ.get("CI"):
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begin(self, what: str, sizes: Sequence[int] | None) -> None:
        """A stage begins; one without data rows shows nothing."""
        before, nothing = self._stage, sizes is not None and not len(sizes)
        total = None if sizes is None else sum(sizes)
        self._stage = None if nothing else _Stage(self._task(what, total), sizes)
        if before is not None:
            self._clock.remove_task(before.task.id)

    def rows(self, count: int) -> None:
        """So many rows more."""
        self._count("write", count)
        if self._stage is not None:
            self._stage.rows += count

    def asset(self) -> None:
        """One data row more."""
        if self._stage is not None:
            self._stage.end_asset()

    def fetched(self, size: int) -> None:
        """So many bytes more."""
        self._count("fetch", size)

    def decoded(self, count: int) -> None:
        """So many frames more."""
        self._count("decode", count)

    def _task(self, what: str, total: float | None = None) -> Task:
        self._clock.advance(self._clock.add_task(what, total=total), 0)  # from this moment its rate counts
        return self._clock.tasks[-1]

    def _count(self, flow: str, count: int) -> None:
        with self._lock:
            self._waiting[flow] += count

    def _taken(self) -> Mapping[str, int]:
        with self._lock:
            taken, self._waiting = self._waiting, dict.fromkeys(self._flows, 0)
        return taken

    def _drawn(self) -> RenderableType:
        stage = self._stage
        lines: list[RenderableType] = []
        if stage is not None:
            self._advance(stage.task, stage.done() - stage.task.completed)
            lines += _stage_lines(stage)
        for name, count in self._taken().items():
            self._advance(self._flows[name], count)
        lines += [_flow_line(task) for task in self._flows.values() if task.completed]
        return Constrain(Group(*lines), max(1, self._console.width * 3 // 4))

    def _advance(self, task: Task, count: float) -> None:
        """Also by nothing: a rate falls while nothing comes."""
        with suppress(KeyError):  # a stage that ended meanwhile
            self._clock.advance(task.id, count)


@dataclass(slots=True)
class _Stage:
    """Goes through data rows of known or guessed sizes, one after the other; told by one thread, drawn by another."""

    task: Task
    sizes: Sequence[int] | None
    assets: int = 0
    """Those that are done ..."""
    before: int = 0
    """... and their sizes together."""
    rows: int = 0
    """Of the one that is being written."""

    def end_asset(self) -> None:
        """Whatever came of it, its size is done."""
        self.rows = 0
        self.before += self._size()
        self.assets += 1

    def done(self) -> int:
        """Sizes of what is done, up to the row that was written last."""
        return self.before + min(self.rows, self._size())

    def _size(self) -> int:
        return self.sizes[self.assets] if self.sizes is not None and self.assets < len(self.sizes) else 0


def _stage_lines(stage: _Stage) -> list[RenderableType]:
    task, took = stage.task, _time(stage.task.elapsed)
    if stage.sizes is None:
        return [_line(task.description, f"{stage.assets:,} data rows" if stage.assets else "", took)]
    left = task.time_remaining
    bar = Table.grid(padding=(0, 2))
    bar.add_row(
        ProgressBar(total=task.total, completed=task.completed, width=_WIDE),
        _line(took if left is None else f"{took}, {_time(left)} left"),
    )
    return [_line(task.description, f"{stage.assets:,} of {len(stage.sizes):,} data rows"), bar]


def _flow_line(task: Task) -> Text:
    done, speed = int(task.completed), int(task.speed or 0)
    if task.description == "fetch":
        return _line(f"fetch   {decimal(done):>10}", f"{decimal(speed)}/s")
    return _line(
        f"{task.description:<8}{done:>10,}", f"{speed:,} {'frames' if task.description == 'decode' else 'rows'}/s"
    )


def _time(seconds: float | None) -> str:
    return str(timedelta(seconds=int(seconds or 0)))


def _line(*parts: str) -> Text:
    return Text("  ".join(filter(None, parts)), no_wrap=True, overflow="ellipsis")
