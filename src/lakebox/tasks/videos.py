"""Video files beside the dataset that points at them: written first, each once, and never removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from lakebox.core.columns import Cells
from lakebox.core.facts import ID, PREFIX, STATE
from lakebox.core.lake_port import Lake, Storage, Stored
from lakebox.core.model import Asset
from lakebox.core.videos import COLUMNS, VIDEO_ROW, address_of_videos, file_cells, file_stamp, holds_videos
from lakebox.errors import LakeError
from lakebox.tasks.blocks import Block


class Videos:
    """The files of one dataset's videos.

    A file is handed to its lake when the rows that point at it are all there, and committed before they are. What a
    killed run leaves is a file that no row points at yet; the next run finds it by data row and stamp.
    """

    def __init__(self, storage: Storage, address: str, match: str) -> None:
        self._storage = storage
        self._address = address
        self._match = match
        self._lake = storage.find(address)
        self._ids, stamps = ([], []) if self._lake is None else self._read(self._lake)
        self._rows = {key: row for row, key in enumerate(zip(self._ids, stamps, strict=True))}
        self._held: tuple[Asset, Cells] | None = None
        self._waiting = 0

    def _read(self, lake: Lake) -> tuple[list[str], list[str]]:
        """Data row and stamp of each file. A dataset without columns is what a run left that was killed early."""
        known = lake.stored().columns
        if known and not holds_videos(known):
            raise LakeError(
                f"path {self._address}: pixels=video keeps its files there, but that is a dataset of something else;"
                " nothing was touched, move it away or choose another path"
            )
        rows = np.arange(len(lake))
        return (lake.read(ID, rows), lake.read(STATE, rows)) if known else ([], [])

    def check(self, stored: Stored, dataset: Lake, path: str) -> None:
        """See that the rows of a dataset point at the files of their own data rows.

        Raises:
            LakeError: they do not; with the first data row of which the file is missing.
        """
        there = [asset for asset in stored.assets if asset.complete]
        pointers = dataset.read(VIDEO_ROW.name, np.arange(len(dataset))) if there else []
        for asset in there:
            row = pointers[int(asset.rows[0])]
            if row is None or not 0 <= row < len(self._ids) or self._ids[row] != asset.id:
                raise LakeError(
                    f"path {path}: data row {asset.id} points at row {row} of the video files at {self._address}, which"
                    f" are {len(self._ids)} and not those of this dataset; nothing was touched. Put the folder of the"
                    " files back, or make the dataset anew at another path"
                )

    def has(self, asset: Asset) -> bool:
        """Whether the file is there and its frames are known, so that it need not be fetched again.

        Where frames are matched by time, only the file itself says which there are.
        """
        return self._match == "count" and asset.media.frames is not None and self._key(asset) in self._rows

    def _key(self, asset: Asset) -> tuple[str, str]:
        return asset.id, file_stamp(asset, self._match)

    def placed(self, asset: Asset, blocks: Iterable[Block]) -> Iterator[Block]:
        """Blocks of one data row with the row of its file in place of the file, which the first one brings."""
        row, file = self._rows.get(self._key(asset)), None
        size = 0
        try:
            for block in blocks:
                if row is None:
                    data = block.cells[VIDEO_ROW.name][0]
                    row, file, size = len(self._ids), self._cells(asset, data, block), len(data)
                    del data
                pointers = np.full(block.rows, row, np.int32)
                yield replace(block, cells={**block.cells, VIDEO_ROW.name: pointers}, beside=size)
                if file:  # only now there are rows that point at it
                    self._held, file, size = (asset, file), None, 0
            self._hand_over()
        finally:
            self._held = None

    def _cells(self, asset: Asset, data: bytes, block: Block) -> Cells:
        frames = int(block.cells[f"{PREFIX}frame_count"][0])
        return file_cells(asset, data, frames, file_stamp(asset, self._match))

    def _hand_over(self) -> None:
        if self._held is None:
            return
        asset, cells = self._held
        lake = self._opened()
        self._held = None
        self._rows[self._key(asset)] = len(self._ids)
        self._ids.append(asset.id)
        self._waiting += 1
        lake.append(cells)

    def _opened(self) -> Lake:
        if self._lake is None:
            self._lake = self._storage.create(self._address)
        if not self._ids:
            self._lake.arrange(COLUMNS, ())
        return self._lake

    def commit(self) -> None:
        """Make lasting what the next commit of the dataset points at.

        Raises:
            LakeMoved: somebody else committed there meanwhile; nothing was written.
            LakeError: it could not be written.
        """
        self._hand_over()
        if self._lake is not None and self._waiting:
            self._lake.commit(f"{self._waiting} video files")
            self._waiting = 0


@contextmanager
def videos_beside(storage: Storage, path: str, match: str) -> Iterator[Videos]:
    """The video files of the dataset at a path, for as long as the context lasts kept from other runs.

    Raises:
        LakeBusy: another run writes there.
        LakeError: something else is there; nothing was touched.
    """
    address = address_of_videos(path)
    with storage.lock(address):
        yield Videos(storage, address, match)
