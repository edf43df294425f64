"""Blocks of rows: what an executor hands to the writer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import CellList, Cells, Column
from lakebox.core.compile import Compiled
from lakebox.core.convert import Deferred, is_deferred
from lakebox.core.ports import Masks
from lakebox.core.progress import Counts
from lakebox.core.tally import Tally

BATCH_ROWS = 64
"""Rows per block where cells hold pixels."""
BLOCK_BYTES = 32 << 20
"""Largest block of mask pixels."""
MASK_ROWS = 256
"""Rows per block where they hold masks only, so that some is committed while those of a long video are painted."""
LABEL_ROWS = 4096
"""Rows per block where they do not."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of one data row: column -> cells, all of one length."""

    cells: Cells
    rows: int
    tally: Tally | None = None
    """On the first block: what became of the data row's annotations."""
    masks: int = 0
    """On the first block: number of mask files fetched."""
    beside: int = 0
    """Bytes that are stored beside the rows."""
    elsewhere: Counts = (0, 0)
    """What another process counted on its way to this block."""

    def nbytes(self) -> int:
        """About how much memory the cells take, to know when to commit."""
        return self.beside + sum(_size(cells) for cells in self.cells.values())


PICTURE = 32 << 10
"""Bytes that a picture counts at least: small ones cost a storage more than they hold until they are committed."""
SMALL = 64
"""Bytes that a number, a text or the few objects of a frame are taken to need; pixels are measured."""


def _size(cells: CellList) -> int:
    if len(cells) and isinstance(cells[0], bytes):
        return sum(max(len(cell or b""), PICTURE) for cell in cells)
    if len(cells) and isinstance(cells[0], np.ndarray) and (cells[0].ndim > 2 or cells[0].nbytes > SMALL):
        return sum(cell.nbytes for cell in cells)
    return SMALL * len(cells)


def batch_rows(compiled: Compiled, pixels: Column | None, size: tuple[int, int]) -> int:
    """Rows per block, so that a block of masks stays within `BLOCK_BYTES` whatever the frame's size."""
    masks = [[len(c.refs) for c in cells] for cells in compiled.cells.values() if is_deferred(cells)]
    rows = (MASK_ROWS if masks else LABEL_ROWS) if pixels is None or pixels.type == "scalar" else BATCH_ROWS
    counts = np.array(masks or [[0]], np.int64).sum(axis=0)
    while rows > 1 and _most(counts, rows) * size[0] * size[1] > BLOCK_BYTES:
        rows //= 2
    return rows


def _most(counts: NDArray[np.int64], rows: int) -> int:
    """The most that any block of so many rows has."""
    return int(np.add.reduceat(counts, np.arange(0, len(counts), rows)).max())


def made_block(cells: Cells, start: int, stop: int, masks: Masks, compiled: Compiled, own: Mapping[str, Any]) -> Block:
    """Rows [start, stop), with pixels in place of deferred cells; `own` are cells of these rows only."""
    part = {name: [_painted(cell, masks) for cell in values[start:stop]] if is_deferred(values) else values[start:stop]
            for name, values in cells.items()}  # fmt: skip
    first = start == 0
    return Block({**own, **part}, stop - start, compiled.tally if first else None, len(masks) if first else 0)


def _painted(cell: Deferred, masks: Masks) -> Any:
    return cell.paint([masks.pixels(ref) for ref in cell.refs])
