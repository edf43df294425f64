"""Rows of a dataset -> what is drawn of them. Pure: pixels and cells in, tiles out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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


def spread_over(groups: Sequence[Sequence[int]], count: int) -> list[int]:
    """Up to `count` rows, as evenly as it goes over groups (assets) and within each of them."""
    filled = [group for group in groups if len(group)]
    if not filled:
        return []
    filled = [filled[i] for i in _even(len(filled), min(count, len(filled)))]
    share, rest = divmod(count, len(filled))
    parts = [_even(len(group), min(share + (i < rest), len(group))) for i, group in enumerate(filled)]
    return [group[i] for group, part in zip(filled, parts, strict=True) for i in part]


def _even(length: int, count: int) -> list[int]:
    """`count` different positions out of `length`, in the middle of equal stretches."""
    return [int((i + 0.5) * length / count) for i in range(count)]


def overlays(row: Row, columns: Sequence[Column]) -> Iterator[Overlay]:
    """Every object of a row that can be drawn."""
    by_key = {column.key: column for column in columns}
    for column in columns:
        base, _, role = column.key.rpartition(":")
        if role == "geometry":
            yield from _drawn(row, column, by_key, base)


def _drawn(row: Row, column: Column, by_key: Mapping[str, Column], base: str) -> Iterator[Overlay]:
    tracks = _cell(row, by_key.get(f"{base}:tracks"))
    drawn = _cell(row, by_key.get(f"{base}:keyframes"))
    labels = by_key.get(f"{base}:labels")
    classes = _cell(row, labels)
    shapes = _shapes(row.get(column.name), column.type)
    for i, (kind, shape) in enumerate(shapes):
        name = column.name.rpartition("/")[2]
        if labels and labels.classes and classes is not None:
            name = labels.classes[int(classes[i])].name
        track = None if tracks is None else int(tracks[i])
        yield Overlay(kind, shape, name, track, bool(drawn[i]) if drawn is not None else True)


def _cell(row: Row, column: Column | None) -> Any:
    return row.get(column.name) if column else None


def _shapes(cell: Any, kind: str) -> list[tuple[OverlayKind, NDArray[Any]]]:
    if cell is None:
        return []
    if kind == "box":
        return [("box", box) for box in np.asarray(cell)]
    if kind == "point":
        return [("point", point) for point in np.asarray(cell)]
    if kind == "polygon":
        return [("polygon" if _closed(vertices) else "line", vertices) for vertices in map(np.asarray, cell)]
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
