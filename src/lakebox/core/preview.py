"""Rows of a dataset -> what is drawn of them. Pure: pixels and cells in, tiles out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import Column

OverlayKind = Literal["box", "polygon", "line", "point", "mask"]

_CLOSED_TOLERANCE = 0.5  # pixels between first and last vertex of what counts as an outline


@dataclass(frozen=True, slots=True)
class Overlay:
    """One object on one frame, in pixels of the source frame."""

    kind: OverlayKind
    shape: NDArray[Any]
    """box: (4,) left, top, width, height; polygon, line: (k, 2); point: (2,); mask: (h, w) bool."""
    name: str
    track: int | None
    keyframe: bool
    column: str = ""
    """The column of the geometry."""

    @property
    def caption(self) -> str:
        """Its class, and the end of its track's number."""
        return self.name if self.track is None else f"{self.name} #{self.track % 1000:03d}"


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of a contact sheet."""

    image: NDArray[np.uint8]
    """(h, w, 3) RGB."""
    title: str
    facts: tuple[str, ...]
    """Answers about the frame, such as `Weather: sunny`."""
    overlays: tuple[Overlay, ...]


Row = Mapping[str, Any]
"""Column name -> cell, of one row."""


def spread_over(groups: Sequence[Sequence[int]], count: int, weights: NDArray[np.int64]) -> list[int]:
    """Up to `count` rows, spread evenly over groups (assets) and over the rows of each.

    Args:
        groups: row numbers of each asset, in frame order.
        count: how many rows to choose at most.
        weights: by row number; of a stretch of rows the heaviest one is chosen, the middle one of several.
    """
    filled = [group for group in groups if len(group)]
    chosen = [filled[int((i + 0.5) * len(filled) / count)] for i in range(count)] if len(filled) > count else filled
    share, rest = divmod(count, len(chosen) or 1)
    found = []
    for i, group in enumerate(chosen):
        found += [_heaviest(part, weights) for part in _stretches(group, share + (i < rest))]
    return found


def _stretches(rows: Sequence[int], count: int) -> list[Sequence[int]]:
    bounds = np.linspace(0, len(rows), min(count, len(rows)) + 1).astype(int).tolist()
    return [rows[start:stop] for start, stop in pairwise(bounds)]


def _heaviest(rows: Sequence[int], weights: NDArray[np.int64]) -> int:
    best = [row for row in rows if weights[row] == weights[list(rows)].max()]
    return best[len(best) // 2]


def overlays(row: Row, columns: Sequence[Column]) -> Iterator[Overlay]:
    """Every object of a row that can be drawn."""
    by_key = {column.key: column for column in columns}
    for column in columns:
        base, _, role = column.key.rpartition(":")
        if role == "geometry":
            yield from _drawn(row, column, by_key, base)


def class_names(columns: Sequence[Column]) -> list[str]:
    """Names of all classes of objects, in the dataset's order, each once."""
    by_key = {column.key: column for column in columns}
    names: dict[str, None] = {}
    for column in columns:
        base, _, role = column.key.rpartition(":")
        if role == "geometry":
            labels = by_key.get(f"{base}:labels")
            told = labels or (column if column.classes is not None else None)
            listed = [item.name for item in told.classes or ()] if told else [tool_name(column.name)]
            names.update(dict.fromkeys(listed))
    return list(names)


def tool_name(column: str) -> str:
    """`TOOL` of a column `TOOL`, or `TOOL/TOOL` where the tool has classifications; a name may hold slashes itself."""
    half = column[: len(column) // 2]
    return half if column == f"{half}/{half}" else column


def _drawn(row: Row, column: Column, by_key: Mapping[str, Column], base: str) -> Iterator[Overlay]:
    tracks = _cell(row, by_key.get(f"{base}:tracks"))
    drawn = _cell(row, by_key.get(f"{base}:keyframes"))
    labels = by_key.get(f"{base}:labels")
    classes = _cell(row, labels)
    cell = row.get(column.name)
    if column.type == "segment_mask" and column.classes is not None:  # pixels say the class, and no object
        yield from (
            Overlay("mask", np.asarray(cell) == number, column.classes[number].name, None, True, column.name)
            for number in _numbers(cell)
        )
        return
    for i, (kind, shape) in enumerate(_shapes(cell, column.type, 0 if tracks is None else len(tracks))):
        name = tool_name(column.name)
        if labels and labels.classes and classes is not None:
            name = labels.classes[int(classes[i])].name
        track = None if tracks is None else int(tracks[i])
        yield Overlay(kind, shape, name, track, bool(drawn[i]) if drawn is not None else True, column.name)


def _numbers(cell: Any) -> list[int]:
    return [] if cell is None else [int(number) for number in np.unique(np.asarray(cell)) if number]


def _cell(row: Row, column: Column | None) -> Any:
    return row.get(column.name) if column else None


def _shapes(cell: Any, kind: str, count: int) -> list[tuple[OverlayKind, NDArray[Any]]]:
    if cell is None:
        return []
    if kind == "box":
        return [("box", box) for box in np.asarray(cell)]
    if kind == "point":
        return [("point", point) for point in np.asarray(cell)]
    if kind == "polygon":
        return [("polygon" if _closed(vertices) else "line", vertices) for vertices in map(np.asarray, cell)]
    if kind == "segment_mask":
        return [("mask", np.asarray(cell) == number + 1) for number in range(count)]
    if kind == "mask":
        return [("mask", np.asarray(cell)[:, :, i]) for i in range(np.asarray(cell).shape[2])]
    return []


def _closed(vertices: NDArray[Any]) -> bool:
    return len(vertices) > 2 and bool(np.abs(vertices[0] - vertices[-1]).max() < _CLOSED_TOLERANCE)


def facts(row: Row, columns: Sequence[Column]) -> tuple[str, ...]:
    """What is said about the frame or the whole data row, as text."""
    found = []
    for column in columns:
        if column.type not in ("class", "text") or not column.key.startswith("/"):
            continue
        if said := _said(row.get(column.name), column):
            found.append(f"{column.name}: {said}")
    return tuple(found)


def _said(cell: Any, column: Column) -> str:
    if cell is None:
        return ""
    if column.type == "text":
        return str(cell)
    names = [item.name for item in column.classes or ()]
    return ", ".join(names[int(index)] for index in cell)
