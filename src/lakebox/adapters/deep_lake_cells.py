"""Cells in the form that Deep Lake stores exactly; anything else it takes without an error and reads as garbage."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import CellList, Column


def exact(column: Column, cells: CellList) -> Any:
    """Cells in the form that Deep Lake stores without reinterpreting them."""
    if column.type == "scalar":
        return np.asarray(cells, column.dtype)
    if column.type == "polygon":
        return [list(cell) if len(cell) else np.zeros((0, 0, 2), np.float32) for cell in cells]
    return list(cells)


def empty(column: Column, rows: int) -> Any:
    """Typed empty cells of one of our columns: for rows that are added without annotations."""
    shapes = {"box": (0, 4), "point": (0, 2), "mask": (0, 0, 0), "segment_mask": (0, 0), "class": (0,)}
    if column.type == "text":
        return [""] * rows
    if column.type == "polygon":
        return exact(column, [[]] * rows)
    return [np.zeros(shapes.get(column.type, (0,) * column.ndim), column.dtype)] * rows


def filler(dtype: str, rows: int) -> Any:
    """An empty value for rows of a column that is not lakebox's."""
    if "bbox" in dtype:
        return [np.zeros((0, 4), np.float32)] * rows
    if "polygon" in dtype:
        return [np.zeros((0, 0, 2), np.float32)] * rows
    try:
        return np.zeros(rows, np.dtype(dtype))
    except (TypeError, ValueError):
        return [None] * rows


def runs(rows: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Contiguous stretches of ascending row numbers, as positions [start, stop)."""
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    bounds = [0, *breaks.tolist(), len(rows)]
    yield from ((start, stop) for start, stop in pairwise(bounds) if stop > start)


def nbytes(cells: CellList) -> int:
    """About how many bytes cells of one column take when they are written."""
    if isinstance(cells, np.ndarray) and cells.dtype != object:
        return cells.nbytes
    first = next((cell for cell in cells if cell is not None), None)
    if isinstance(first, np.ndarray):
        try:
            return sum([cell.nbytes for cell in cells])
        except AttributeError:  # outlines of equal length come as one array, others as a list of them
            return sum([cell.nbytes if isinstance(cell, np.ndarray) else nbytes(cell) for cell in cells])
    if isinstance(first, str):
        return 4 * sum(map(len, cells))
    if isinstance(first, bytes):
        return sum([len(cell or b"") for cell in cells])
    return sum([part.nbytes for cell in cells for part in cell]) if isinstance(first, list) else 8 * len(cells)
