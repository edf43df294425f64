"""How far a run is, counted wherever its work is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol


class Progress(Protocol):
    """Shows how far a run is. What is fetched and decoded is told by many threads at a time."""

    def begin(self, what: str, sizes: Sequence[int] | None) -> None:
        """A stage begins that goes through data rows of about so many rows each, in this order; None: nobody knows how
        many there are."""

    def rows(self, count: int) -> None:
        """So many rows were written."""

    def asset(self) -> None:
        """A data row is done, well or badly."""

    def fetched(self, size: int) -> None:
        """So many bytes came over the network."""

    def decoded(self, count: int) -> None:
        """So many frames are ready to be written."""


Counts = tuple[int, int]
"""Bytes fetched, frames decoded."""


class Meter(Protocol):
    """Counts; used from many threads."""

    def fetched(self, size: int) -> None:
        """So many bytes came over the network."""

    def decoded(self, count: int) -> None:
        """So many frames are ready to be written."""

    def taken(self) -> Counts:
        """What was counted since the last call and nobody was told."""


class Here:
    """Where the run is: its progress hears of all at once. In another process `Elsewhere` takes its place."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def fetched(self, size: int) -> None:
        """So many bytes came over the network."""
        self._progress.fetched(size)

    def decoded(self, count: int) -> None:
        """So many frames are ready to be written."""
        self._progress.decoded(count)

    def taken(self) -> Counts:
        """Nothing: all of it was told."""
        return 0, 0

    def __reduce__(self) -> tuple[Callable[[], Elsewhere], tuple[()]]:
        return Elsewhere, ()


class Elsewhere:
    """In another process: what is counted waits for a block that takes it along."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = self._frames = 0

    def fetched(self, size: int) -> None:
        """So many bytes came over the network."""
        with self._lock:
            self._bytes += size

    def decoded(self, count: int) -> None:
        """So many frames are ready to be written."""
        with self._lock:
            self._frames += count

    def taken(self) -> Counts:
        """What was counted since the last call."""
        with self._lock:
            found = self._bytes, self._frames
            self._bytes = self._frames = 0
        return found
