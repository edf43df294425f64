"""What became of the annotations: counted, so that nothing is lost in silence; and which rows there are to fill."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Which frames of the media are rows: `frames` (rows,) int64 ascending, out of `total` frames."""

    frames: Rows
    total: int

    def rows(self, frames: Rows) -> Rows:
        """Row of each frame; -1 for frames that are no row."""
        position = np.full(self.total, -1, np.int64)
        position[self.frames] = np.arange(len(self.frames))
        found: Rows = position[frames]
        return found


@dataclass(slots=True)
class Tally:
    """What became of the annotations: per annotation kind, and why some were not written."""

    read: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    """Objects, or rows with an answer, by column."""

    def count(self, kind: str, rows: int, reason: str) -> None:
        """One annotation on `rows` rows; `reason` says why, should it be on none."""
        self.read[kind] += 1
        if rows:
            self.written[kind] += 1
        else:
            self.reasons[f"{kind}: {reason}"] += 1

    def without_reasons(self) -> Tally:
        """The counts alone: the reason is one failure, reported by itself."""
        return Tally(self.read, self.written)

    def add(self, other: Tally) -> None:
        """Sum up another tally."""
        self.read.update(other.read)
        self.written.update(other.written)
        self.reasons.update(other.reasons)
        self.columns.update(other.columns)
