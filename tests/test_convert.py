"""Converters: dtypes, empties and pixels, exactly."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lakebox.core.columns import Class
from lakebox.core.convert import (
    Boxes,
    ClassMasks,
    Converter,
    Deferred,
    IdMasks,
    InstanceMasks,
    Marks,
    MaskLinks,
    Points,
    Vertices,
)
from lakebox.core.model import MaskRef
from lakebox.errors import MaskError, RowError

SIZE = (2, 3)


def marks(counts: list[int], shapes: Any, classes: list[int] | None = None) -> Marks:
    """Objects on rows: `counts` of them per row."""
    offsets = np.cumsum([0, *counts])
    return Marks(offsets, shapes, np.array(classes or [0] * int(offsets[-1]), np.int32), SIZE)


def form(cell: Any) -> tuple[str, tuple[int, ...]]:
    return str(cell.dtype), cell.shape


def painted(cell: Any, *masks: NDArray[np.bool_]) -> NDArray[Any]:
    assert isinstance(cell, Deferred)
    assert len(cell.refs) == len(masks)
    return cell.paint(masks)


BOXES = np.array([[0.4, 0.5, 1.5, 2.6], [10.7, -0.6, 3.49, 4.51]])


@pytest.mark.parametrize(
    ("converter", "shapes", "width", "dtype"),
    [
        (Boxes(), BOXES, 4, "float32"),
        (Boxes(dtype="int32"), BOXES, 4, "int32"),
        (Points(), BOXES[:, :2], 2, "float32"),
    ],
)
def test_numbers(converter: Converter, shapes: NDArray[np.float64], width: int, dtype: str) -> None:
    cells = converter.cells(marks([1, 0, 1], shapes))
    assert [form(cell) for cell in cells] == [(dtype, (1, width)), (dtype, (0, width)), (dtype, (1, width))]
    assert [form(cell) for cell in converter.cells(marks([0, 0], []))] == [(dtype, (0, width))] * 2


def test_float_boxes_are_not_cut_off() -> None:
    assert np.array_equal(Boxes().cells(marks([2], BOXES))[0], BOXES.astype(np.float32))


def test_int_boxes_are_rounded() -> None:
    assert Boxes(dtype="int32").cells(marks([2], BOXES))[0].tolist() == [[0, 0, 2, 3], [11, -1, 3, 5]]


def test_vertices() -> None:
    cells = Vertices().cells(marks([2, 0], [np.zeros((3, 2)), np.full((5, 2), 0.1)]))
    assert [[form(shape) for shape in cell] for cell in cells] == [[("float32", (3, 2)), ("float32", (5, 2))], []]
    assert cells[0][1][0, 0] == np.float32(0.1)


A = np.array([[1, 1, 0], [0, 0, 0]], bool)
B = np.array([[0, 1, 1], [0, 0, 0]], bool)
REFS = [MaskRef("a"), MaskRef("b", (1, 2, 3))]


def test_instance_masks() -> None:
    full, empty = InstanceMasks().cells(marks([2, 0], REFS))
    pixels = painted(full, A, B)
    assert form(pixels) == ("bool", (2, 3, 2))
    assert (pixels[:, :, 0] == A).all()
    assert (pixels[:, :, 1] == B).all()
    assert form(painted(empty)) == ("bool", (2, 3, 0))
    assert full.refs == tuple(REFS)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_class_masks(dtype: Any) -> None:
    full, empty = ClassMasks(dtype=dtype).cells(marks([2, 0], REFS, [4, 0]))
    assert painted(full, A, B).tolist() == [[5, 1, 1], [0, 0, 0]]
    assert form(painted(full, A, B)) == form(painted(empty)) == (dtype, SIZE)
    assert not painted(empty).any()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_id_masks(dtype: Any) -> None:
    full, empty = IdMasks(dtype=dtype).cells(marks([2, 0], REFS, [4, 0]))
    assert painted(full, A, B).tolist() == [[1, 2, 2], [0, 0, 0]]
    assert form(painted(full, A, B)) == form(painted(empty)) == (dtype, SIZE)


def test_id_masks_begin_anew_on_every_row() -> None:
    cells = IdMasks().cells(marks([1, 1], REFS))
    assert [painted(cell, A).max() for cell in cells] == [1, 1]


@pytest.mark.parametrize(
    ("converter", "count", "classes"),
    [(IdMasks(dtype="uint8"), 256, None), (ClassMasks(), 1, [255])],
    ids=["objects", "classes"],
)
def test_numbers_that_do_not_fit_are_refused(converter: Converter, count: int, classes: list[int] | None) -> None:
    (cell,) = converter.cells(marks([count], [MaskRef(str(i)) for i in range(count)], classes))
    with pytest.raises(MaskError, match=r"256.*uint16"):
        painted(cell, *[A] * count)


def test_the_last_number_that_fits_is_kept() -> None:
    (cell,) = IdMasks(dtype="uint8").cells(marks([255], [MaskRef(str(i)) for i in range(255)]))
    assert painted(cell, *[A] * 255).max() == 255


def test_links_hold_no_signature() -> None:
    refs = [MaskRef("https://h/m.png?Signature=SECRET&Expires=1"), MaskRef("c.png", (1, 2, 3))]
    full, empty = MaskLinks().cells(marks([2, 0], refs))
    assert json.loads(full) == [
        {"url": "https://h/m.png", "color_rgb": None},
        {"url": "c.png", "color_rgb": [1, 2, 3]},
    ]
    assert empty == "[]"


@pytest.mark.parametrize(
    "converter", [Boxes(), Points(), Vertices(), InstanceMasks(), ClassMasks(), IdMasks(), MaskLinks()]
)
@pytest.mark.parametrize(
    "shapes", [np.zeros((1, 3)), [{"cuboid": 1}], [np.zeros((0,))]], ids=["numbers", "unknown", "nothing"]
)  # fmt: skip
def test_the_geometry_of_another_tool_is_refused(converter: Converter, shapes: Any) -> None:
    with pytest.raises(RowError, match="an object has no"):
        converter.cells(marks([1], shapes))


def test_columns() -> None:
    tools = [Class("s1", "car"), Class("s2", "dog")]
    found = {
        type(c).__name__: c.column("x", "k", tools)
        for c in (Boxes(dtype="int32"), Points(), Vertices(), InstanceMasks(), ClassMasks(), IdMasks(), MaskLinks())
    }
    assert {name: (c.type, c.dtype) for name, c in found.items()} == {
        "Boxes": ("box", "int32"),
        "Points": ("point", "float32"),
        "Vertices": ("polygon", "float32"),
        "InstanceMasks": ("mask", "bool"),
        "ClassMasks": ("segment_mask", "uint8"),
        "IdMasks": ("segment_mask", "uint16"),
        "MaskLinks": ("text", ""),
    }
    assert [item.name for item in found["ClassMasks"].classes or ()] == ["background", "car", "dog"]
    assert all((c.name, c.key) == ("x", "k") for c in found.values())
