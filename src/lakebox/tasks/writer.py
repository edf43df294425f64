"""The one writer: puts blocks into the lake, whole assets or nothing, and commits often enough to lose little."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import CellList, Cells
from lakebox.core.facts import ROW_KEY, STATE, state_cell
from lakebox.core.lake_port import Lake, StoredAsset
from lakebox.core.progress import Progress
from lakebox.tasks.blocks import Block

GATHERED_BYTES = 8 << 20
"""Blocks are handed to the lake when so much has gathered: big enough to be quick, small enough to be held twice."""


@dataclass(slots=True)
class Writer:
    """Writes assets and counts what is not committed yet.

    Blocks are gathered, because a storage call costs about the same for one row as for a thousand. A big asset is
    committed in several steps; only its last row carries the state that makes it count as finished, so a run that is
    cut short leaves rows that the next plan clears away.
    """

    lake: Lake
    message: str
    progress: Progress
    weight: int
    """What an added data row counts; one that gets new labels only counts 1."""
    commit_weight: int
    commit_bytes: int
    foreign: Sequence[str] = ()
    """Columns that are somebody else's."""
    before_commit: Callable[[], None] = lambda: None
    """Called before a commit: makes lasting what the rows point at."""
    committed: Callable[[], None] = lambda: None
    """Called when a commit is done."""
    dirty: bool = False
    """Whether something waits for a commit."""
    _new: list[Block] = field(default_factory=list, init=False)
    _changed: list[tuple[NDArray[np.int64], Block]] = field(default_factory=list, init=False)
    _gone: list[StoredAsset] = field(default_factory=list, init=False)
    _heirs: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=list, init=False)
    _gathered: int = field(default=0, init=False)
    _waiting: int = field(default=0, init=False)
    """Rows in `_new`."""
    _weight: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)

    def append(self, blocks: Iterable[Block]) -> NDArray[np.int64]:
        """Add the rows of one asset; whatever goes wrong, none of its rows stay. Returns their numbers."""
        start, done = self._rows(), False
        try:
            for block in blocks:
                self._make_room()
                self._new.append(block)
                self._waiting += block.rows
                self._wrote(block)
            done = True
        finally:
            if not done:
                self._take_back(start)
        self._weight += self.weight
        return np.arange(start, self._rows())

    def _rows(self) -> int:
        return len(self.lake) + self._waiting

    def _take_back(self, start: int) -> None:
        """Forget rows from `start` on: those that wait, and those that are in the lake already."""
        while self._new and self._rows() > start:
            self._waiting -= self._new.pop().rows
        if len(self.lake) > start:
            self.lake.delete(np.arange(start, len(self.lake)))

    def update(self, stored: StoredAsset, blocks: Iterable[Block]) -> None:
        """Overwrite cells of one asset; its state says "not labelled" as long as only a part of them is written."""
        start = 0
        unfinished = Block({STATE: [state_cell(stored.media_stamp, "", len(stored.rows))]}, 1)
        try:
            for block in blocks:
                if start:
                    self._changed.append((stored.rows[-1:], unfinished))
                self._make_room()
                self._changed.append((stored.rows[start : start + block.rows], block))
                self._wrote(block)
                start += block.rows
        finally:
            if 0 < start < len(stored.rows):
                self._changed.append((stored.rows[-1:], unfinished))
        self._weight += 1

    def drop(self, stored: StoredAsset) -> None:
        """Remove the rows of a copy when the run ends: until then the row numbers of the plan hold."""
        self._gone.append(stored)

    def replace(self, stored: StoredAsset, rows: NDArray[np.int64]) -> None:
        """As `drop`; what somebody else stored beside the copy goes to the rows in its place."""
        self._heirs.append((stored.rows, rows))
        self.drop(stored)

    def finish(self, message: str, note: Callable[[], bool] = lambda: False) -> None:
        """Write, remove and commit what waits, if anything was done at all. `note` is called between removing and
        committing and says whether it changed anything."""
        self.flush()
        self._hand_over()
        if self._gone:
            self.lake.delete(np.concatenate([copy.rows for copy in self._gone]))
            self.dirty = True
        self._gone = []
        self.dirty |= note()
        self._commit(message)

    def _hand_over(self) -> None:
        """Of several copies the oldest is handed over last: others stored beside that one, later ones are a killed
        run's."""
        heirs = sorted(self._heirs, key=lambda pair: int(pair[0][0]), reverse=True)
        for name in self.foreign if heirs else ():
            for old, new in heirs:
                places = dict(zip(self.lake.read(ROW_KEY, new), new.tolist(), strict=True))
                known = zip(self.lake.read(ROW_KEY, old), self.lake.foreign(name, old), strict=True)
                kept = [(places[key], cell) for key, cell in known if key in places]
                self.lake.put(name, np.array([row for row, _ in kept], np.int64), [cell for _, cell in kept])
        self._heirs = []

    def _wrote(self, block: Block) -> None:
        size = block.nbytes()
        self._bytes += size
        self._gathered += size
        self.dirty = True
        self.progress.rows(block.rows)

    def _make_room(self) -> None:
        """Commit or at least hand over what has gathered, before more comes."""
        if self._bytes >= self.commit_bytes or self._weight >= self.commit_weight:
            self.flush()
            self._commit(f"{self.message} (in progress)")
        elif self._gathered >= GATHERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand over to the lake what has gathered."""
        if self._new:
            self.lake.append(_joined([block.cells for block in self._new]))
        for names, group in groupby(self._changed, key=lambda item: tuple(item[1].cells)):
            parts = list(group)
            rows = np.concatenate([rows for rows, _ in parts])
            cells = _joined([block.cells for _, block in parts])
            self.lake.update(rows, {name: cells[name] for name in names})
        self._new, self._changed, self._gathered, self._waiting = [], [], 0, 0

    def _commit(self, message: str) -> None:
        if self.dirty:
            self.before_commit()
            self.lake.commit(message)
            self.committed()
        self._weight = self._bytes = 0
        self.dirty = False


def _joined(parts: Sequence[Cells]) -> Cells:
    """Rows after rows; all parts have the same columns."""
    if len(parts) == 1:
        return parts[0]
    return {name: _column([part[name] for part in parts]) for name in parts[0]}


def _column(pieces: Sequence[CellList]) -> CellList:
    if all(isinstance(piece, np.ndarray) for piece in pieces):
        return np.concatenate(pieces)
    return [cell for piece in pieces for cell in piece]
