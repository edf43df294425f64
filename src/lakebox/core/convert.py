"""Converters: objects of one kind -> cells of one column. Each is a few lines; a new kind is one more of them.

A converter is told which objects are on which row (`Marks`) and answers with one cell per row. Pixels of masks are not
there yet when cells are made, so mask converters answer with `Deferred` cells that say how to paint them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import Cell, CellList, Class, Column, split
from lakebox.core.component import Component
from lakebox.core.model import MaskRef, Shape
from lakebox.core.urls import unsigned
from lakebox.errors import MaskError, RowError

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Marks:
    """All objects of a tensor group in one data row, sorted by row, then by feature id.

    Row i has the objects `offsets[i]` to `offsets[i + 1]` (offsets: (rows + 1,) int64) of the parallel sequences.
    """

    offsets: NDArray[np.int64]
    shapes: NDArray[np.float64] | Sequence[Shape]
    classes: NDArray[np.int32]
    """Index of each object's tool in its group."""
    size: tuple[int, int]
    """Height and width of the frames in pixels; (0, 0) where the export does not say."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """A cell that needs mask pixels: `paint` gets one (h, w) bool array per entry of `refs`."""

    refs: tuple[MaskRef, ...]
    paint: Callable[[Sequence[Mask]], NDArray[Any]]


def is_deferred(cells: CellList) -> bool:
    """Whether the cells of a column wait for pixels; either all of them do or none."""
    return len(cells) > 0 and isinstance(cells[0], Deferred)


@runtime_checkable
class Converter(Protocol):
    """Objects of one kind -> one column."""

    def column(self, name: str, key: str, classes: Sequence[Class]) -> Column:
        """The column's type; `classes` are the tools of the group."""

    def cells(self, marks: Marks) -> list[Cell]:
        """One cell per row, a typed empty one where nothing is."""


class Boxes(Component):
    """Rectangles -> (n, 4) left, top, width, height in pixels. Whole numbers are rounded, never cut off."""

    dtype: Literal["float32", "int32"] = "float32"

    def column(self, name: str, key: str, classes: Sequence[Class]) -> Column:
        """A bounding-box column of the chosen dtype."""
        return Column(name, "box", self.dtype, key=key)

    def cells(self, marks: Marks) -> list[Cell]:
        """(n, 4) of the chosen dtype."""
        values = _numbers(marks, 4, "bounding_box")
        return split(
            np.rint(values).astype(np.int32) if self.dtype == "int32" else values.astype(np.float32), marks.offsets
        )


class Points(Component):
    """Points -> (n, 2) float32 x, y in pixels."""

    def column(self, name: str, key: str, classes: Sequence[Class]) -> Column:
        """A point column."""
        return Column(name, "point", "float32", key=key)

    def cells(self, marks: Marks) -> list[Cell]:
        """(n, 2) float32."""
        return split(_numbers(marks, 2, "point").astype(np.float32), marks.offsets)


class Vertices(Component):
    """Polygons and lines -> n arrays (k, 2) float32 x, y in pixels, vertices as exported (outlines stay closed)."""

    def column(self, name: str, key: str, classes: Sequence[Class]) -> Column:
        """A polygon column."""
        return Column(name, "polygon", "float32", key=key)

    def cells(self, marks: Marks) -> list[Cell]:
        """A list of n arrays (k, 2) float32."""
        return split([_vertices(shape) for shape in marks.shapes], marks.offsets)


class InstanceMasks(Component):
    """Masks -> (h, w, n) bool, one channel per object. Loses nothing: objects may overlap."""

    def column(self, name: str, key: str, classes: Sequence[Class]) -> Column:
        """A binary-mask column."""
        return Column(name, "mask", "bool", key=key)

    def cells(self, marks: Marks) -> list[Cell]:
        """Deferred (h, w, n) bool."""
        return [Deferred(refs, partial(_channels, size=marks.size)) for refs, _ in _mask_rows(marks)]


class ClassMasks(Component):
    """Masks -> (h, w) of class index + 1, 0 where nothing is. Where objects overlap, the later feature id is on top."""

    dtype: Literal["uint8", "uint16"] = "uint8"

    def column(self, name: str, key: str, classes: Sequence[Class]) -> Column:
        """A segment-mask column; class 0 is the background."""
        return Column(name, "segment_mask", self.dtype, key=key, classes=(Class("", "background"), *classes))

    def cells(self, marks: Marks) -> list[Cell]:
        """Deferred (h, w) of the chosen dtype."""
        return [
            Deferred(refs, partial(_numbered, numbers=classes + 1, size=marks.size, dtype=self.dtype))
            for refs, classes in _mask_rows(marks)
        ]


class IdMasks(Component):
    """Masks -> (h, w) of the object's position in its row + 1, 0 where nothing is; `_tracks` names the objects."""

    dtype: Literal["uint8", "uint16"] = "uint16"

    def column(self, name: str, key: str, classes: Sequence[Class]) -> Column:
        """A segment-mask column."""
        return Column(name, "segment_mask", self.dtype, key=key)

    def cells(self, marks: Marks) -> list[Cell]:
        """Deferred (h, w) of the chosen dtype."""
        return [
            Deferred(refs, partial(_numbered, numbers=np.arange(1, len(refs) + 1), size=marks.size, dtype=self.dtype))
            for refs, _ in _mask_rows(marks)
        ]


class MaskLinks(Component):
    """Masks -> JSON text: their addresses and, for composite masks, the colour that picks the object."""

    def column(self, name: str, key: str, classes: Sequence[Class]) -> Column:
        """A text column."""
        return Column(name, "text", key=key)

    def cells(self, marks: Marks) -> list[Cell]:
        """JSON list of `{"url", "color_rgb"}`, one per object."""
        return [
            json.dumps([{"url": unsigned(r.url), "color_rgb": r.color} for r in refs]) for refs, _ in _mask_rows(marks)
        ]


def _numbers(marks: Marks, width: int, what: str) -> NDArray[np.float64]:
    shapes = marks.shapes
    if len(shapes) == 0:
        return np.zeros((0, width))
    if not isinstance(shapes, np.ndarray) or shapes.shape[1] != width:
        raise RowError(f"an object has no {what} although its tool draws them; export the project again")
    return shapes


def _vertices(shape: Shape) -> NDArray[np.float32]:
    if not isinstance(shape, np.ndarray) or shape.ndim != 2:
        raise RowError("an object has no vertices although its tool draws polygons or lines; export the project again")
    return shape.astype(np.float32)


def _mask_rows(marks: Marks) -> list[tuple[tuple[MaskRef, ...], NDArray[np.int32]]]:
    for shape in marks.shapes:
        if not isinstance(shape, MaskRef):
            raise RowError("an object has no mask although its tool draws them; export the project again")
    classes = split(marks.classes, marks.offsets)
    return [(tuple(refs), own) for refs, own in zip(split(marks.shapes, marks.offsets), classes, strict=True)]


def _channels(masks: Sequence[Mask], size: tuple[int, int]) -> NDArray[np.bool_]:
    return np.stack(masks, axis=-1) if masks else np.zeros((*size, 0), np.bool_)


def _numbered(masks: Sequence[Mask], numbers: NDArray[Any], size: tuple[int, int], dtype: str) -> NDArray[Any]:
    if len(numbers) and int(numbers.max()) > np.iinfo(dtype).max:
        raise MaskError(f"number {int(numbers.max())} does not fit a {dtype} mask; set dtype: uint16 on the converter")
    painted = np.zeros(masks[0].shape if masks else size, dtype)
    for mask, number in zip(masks, numbers, strict=True):
        painted[mask] = number
    return painted
