"""What a dataset's columns are, in words that belong to no storage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMN_TYPES = (
    "scalar",  # one number of `dtype`
    "text",  # str
    "box",  # (n, 4) of `dtype`: left, top, width, height in pixels
    "point",  # (n, 2) float32
    "polygon",  # n arrays (k, 2) float32: closed outlines or open lines
    "mask",  # (h, w, n) bool: one channel per object
    "segment_mask",  # (h, w) of `dtype`: one number per pixel
    "class",  # (n,) int32: indexes into `classes`
    "array",  # `ndim` axes of `dtype`
    "jpg",  # (h, w, c) uint8, given as JPEG bytes
    "png",  # (h, w, c) uint8, given as PNG bytes
    "video",  # a whole video file, given as bytes
)


@dataclass(frozen=True, slots=True)
class Class:
    """One class of a column; its position in the column's list is the stored index."""

    key: str
    name: str
    archived: bool = False
    """No longer in the ontology; its index keeps its meaning."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column to be.

    `key` says what it holds (feature schema ids and role), whatever it is called; `classes` names the indexes.
    """

    name: str
    type: str
    dtype: str = ""
    ndim: int = 1
    key: str = ""
    classes: tuple[Class, ...] | None = None
    archived: bool = False
    """Of a feature that is no longer in the ontology: kept, and empty where labels do not use it."""

    def described(self) -> str:
        """JSON that a storage keeps beside the column, so that the next run knows it again."""
        classes = None if self.classes is None else [[c.key, c.name, *_mark(c.archived)] for c in self.classes]
        said = {"key": self.key, "type": self.type, "dtype": self.dtype, "ndim": self.ndim, "classes": classes}
        return json.dumps(said | ({"archived": True} if self.archived else {}))

    @staticmethod
    def recalled(name: str, described: str) -> Column:
        """The column that `described` came from."""
        raw: Mapping[str, Any] = json.loads(described)
        classes = None if raw["classes"] is None else tuple(Class(c[0], c[1], len(c) > 2) for c in raw["classes"])
        return Column(name, raw["type"], raw["dtype"], raw["ndim"], raw["key"], classes, "archived" in raw)

    def form(self) -> list[object]:
        """What decides how cells are written: not the name, which they follow. Class lists only grow: they count where
        cells are as wide as they are."""
        width = len(self.classes) if self.classes is not None and self.type == "array" else 0
        return [self.type, self.dtype, self.ndim, self.key, width]


def _mark(archived: bool) -> list[str]:
    return ["archived"] if archived else []


Cell = Any
"""A value of one row: exactly the array, bytes or text that its column's type names, or `Deferred`."""

CellList = Sequence[Cell] | NDArray[Any]
"""One cell per row; scalars as one array."""

Cells = Mapping[str, CellList]
"""Columns of equal length: name -> one cell per row."""


def split(values: NDArray[Any] | Sequence[Any], offsets: NDArray[np.int64]) -> list[Any]:
    """Consecutive pieces: piece i is `values[offsets[i]:offsets[i + 1]]`; empty ones are one object."""
    bounds, nothing = offsets.tolist(), values[:0]
    return [values[start:stop] if start < stop else nothing for start, stop in pairwise(bounds)]


def append_only(stored: Sequence[Class] | None, wanted: Iterable[Class]) -> tuple[Class, ...]:
    """Stored classes keep their index (with today's name), new ones come after them."""
    today = {item.key: item for item in wanted}
    kept = [today.pop(item.key, item) for item in stored or ()]
    return (*kept, *today.values())
