"""Progress on the terminal (rich): one bar per stage, nothing when piped."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Silent:
    """Shows nothing."""

    def begin(self, what: str, assets: int) -> None:
        """Nothing."""

    def rows(self, count: int) -> None:
        """Nothing."""

    def asset(self) -> None:
        """Nothing."""


class Bars:
    """A bar of assets with the number of rows; use as a context."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("data rows"),
            TextColumn("{task.fields[rows]} rows"), TimeElapsedColumn(), TimeRemainingColumn(),
            console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip
        self._current: TaskID | None = None
        self._count = 0

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, what: str, assets: int) -> None:
        """A stage begins; one without assets shows nothing."""
        self._count = 0
        self._current = self._bars.add_task(what, total=assets, rows=0) if assets else None

    def rows(self, count: int) -> None:
        """So many rows more."""
        self._count += count
        if self._current is not None:
            self._bars.update(self._current, rows=self._count)

    def asset(self) -> None:
        """One asset more."""
        if self._current is not None:
            self._bars.advance(self._current)
