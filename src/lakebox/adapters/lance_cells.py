"""Cells as Arrow values: the type of each kind of column, and the way there and back; what Lance calls columns."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakebox.adapters.image import decoded
from lakebox.core.columns import CellList, Column, split
from lakebox.errors import LakeError

_FLAT = {"box": 4, "point": 2}
"""Lists of so many numbers per object."""
_EMPTY = {"box": (0, 4), "point": (0, 2), "mask": (0, 0, 0), "segment_mask": (0, 0), "class": (0,)}
_AXES: Mapping[str, tuple[int | str, ...]] = {
    "box": ("n", 4), "point": ("n", 2), "polygon": ("k", 2),
    "mask": ("h", "w", "n"), "segment_mask": ("h", "w"), "class": ("n",),
}  # fmt: skip
_DTYPES = {"mask": "bool", "class": "int32", "point": "float32", "polygon": "float32"}
_FIELD_ID = b"lance:field_id"
"""Key of a field's metadata with which Lance takes an id instead of giving one."""
_PACKED = ("mask", "segment_mask")
"""One `.npy` file per cell, compressed with zstd."""


@dataclass(frozen=True, slots=True)
class Ids:
    """What data files call a column, and the columns within it."""

    own: int
    parts: tuple[Ids, ...] = ()

    def flat(self) -> list[int]:
        """All of them."""
        return [self.own, *(number for part in self.parts for number in part.flat())]


def arrow_type(column: Column) -> pa.DataType:
    """What a column's cells are in Arrow.

    Raises:
        LakeError: there is no such kind of column.
    """
    number = pa.from_numpy_dtype(_dtype(column)) if column.type != "text" else pa.string()
    match column.type:
        case "scalar" | "text":
            return number
        case "box" | "point":
            return pa.list_(pa.list_(number, _FLAT[column.type]))
        case "polygon":
            return pa.list_(pa.list_(pa.list_(number, 2)))
        case "class":
            return pa.list_(number)
        case "array" if column.ndim == 1:
            return pa.list_(number)
        case "array":
            return pa.struct({"shape": pa.list_(pa.int32()), "values": pa.list_(number)})
        case "mask" | "segment_mask" | "jpg" | "png" | "video":
            return pa.large_binary()
    raise LakeError(f"column {column.name}: there is no Arrow type for '{column.type}'")


def encoded(column: Column, cells: CellList) -> pa.Array:
    """Cells of one column as Arrow values.

    Raises:
        LakeError: a cell is none that its column takes.
    """
    try:
        return _values(column, cells)
    except (pa.ArrowException, AttributeError, OverflowError, TypeError, ValueError) as error:
        raise LakeError(f"column {column.name}: cells that are no {_said(column)}: {error}") from error


def _values(column: Column, cells: CellList) -> pa.Array:
    _refuse_shapes(column, itertools.chain.from_iterable(cells) if column.type == "polygon" else cells)
    match column.type:
        case "scalar":
            return pa.array(_scalars(column, cells))
        case "polygon":
            shapes = [np.asarray(shape) for cell in cells for shape in cell]
            return _lists([len(cell) for cell in cells], _lists([len(one) for one in shapes], _rows(column, shapes)))
        case "array" if column.ndim > 1:
            flat = [np.ravel(cell) for cell in cells]
            values = _lists([len(cell) for cell in flat], pa.array(_joined(column, flat)))
            shapes = pa.array([np.shape(cell) for cell in cells], pa.list_(pa.int32()))
            return pa.StructArray.from_arrays([shapes, values], ["shape", "values"])
        case "box" | "point" | "class" | "array":
            return _lists([len(cell) for cell in cells], _rows(column, cells))
        case "mask" | "segment_mask":
            return pa.array([_packed(_exact(column, cell)) for cell in cells], pa.large_binary())
    return pa.array(list(cells), arrow_type(column))


def _said(column: Column) -> str:
    return " of ".join(part for part in (column.type, column.dtype) if part)


def _refuse_shapes(column: Column, cells: Iterable[Any]) -> None:
    """Numbers that are too many would become other cells, or be left out. No objects may have any shape."""
    axes = ("n",) * column.ndim if column.type == "array" else _AXES.get(column.type)
    if axes is None:
        return
    for shape in {cell.shape if isinstance(cell, np.ndarray) else np.shape(cell) for cell in cells}:
        fits = len(shape) == len(axes) and all(isinstance(b, str) or a == b for a, b in zip(shape, axes, strict=True))
        if not fits and shape[:1] != (0,):
            wanted = f"({', '.join(map(str, axes))}{',' * (len(axes) == 1)})"
            raise LakeError(f"column {column.name}: a cell of shape {shape} was given, {column.type} takes {wanted}")


def _scalars(column: Column, cells: CellList) -> NDArray[Any]:
    """Numbers in the column's dtype, which has to hold them; fractions may be rounded to what floats hold."""
    given = np.asarray(cells)
    if not given.size:
        return np.zeros(0, column.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = given.astype(column.dtype)
    if given.dtype != object:
        floats = numbers.dtype.kind == "f"
        wrong = np.isfinite(numbers) != np.isfinite(given) if floats else numbers != given
        if wrong.any():
            raise LakeError(
                f"column {column.name}: {given[wrong][0]} was given, which {column.dtype} does not hold as it is"
            )
    return numbers


def decoded_cells(column: Column, values: pa.Array) -> list[Any]:
    """The inverse of `encoded`, and pixels of pictures; what was never written is empty."""
    match column.type:
        case "scalar":
            filled = values.fill_null(False if column.dtype == "bool" else 0)
            return list(filled.to_numpy(zero_copy_only=False).astype(column.dtype, copy=False))
        case "text":
            return ["" if text is None else text for text in values.to_pylist()]
        case "polygon":
            shapes = values.flatten()
            return _split(split(_numbers(column, shapes.flatten()), _bounds(shapes)), _bounds(values))
    if column.type in ("box", "point", "class") or (column.type == "array" and column.ndim == 1):
        return split(_numbers(column, values.flatten()), _bounds(values))
    nothing = None if column.type in ("jpg", "png", "video") else empty(column)
    return [_cell(column, value) if value.is_valid else nothing for value in values]


def empty(column: Column) -> NDArray[Any]:
    """The cell of a row without objects."""
    return np.zeros(_EMPTY.get(column.type, (0,) * column.ndim), _dtype(column))


def _cell(column: Column, value: Any) -> Any:
    if column.type == "array":
        numbers = value["values"].values.to_numpy(zero_copy_only=False).astype(column.dtype, copy=False)
        return numbers.reshape(value["shape"].as_py())
    data = value.as_py()
    if column.type in _PACKED:
        return _unpacked(data)
    return data if column.type == "video" else decoded(data)


def _dtype(column: Column) -> np.dtype[Any]:
    return np.dtype(_DTYPES.get(column.type) or column.dtype or "uint8")


def _exact(column: Column, cell: NDArray[Any]) -> NDArray[Any]:
    if cell.dtype != _dtype(column):
        raise LakeError(f"column {column.name}: a cell of {cell.dtype} was given, the column holds {_dtype(column)}")
    return cell


def _joined(column: Column, cells: CellList) -> NDArray[Any]:
    return _exact(column, np.concatenate(cells) if len(cells) else np.zeros(0, _dtype(column)))


def _rows(column: Column, cells: CellList) -> pa.Array:
    """What the lists of cells hold, one after the other."""
    width = _FLAT.get(column.type) or (2 if column.type == "polygon" else 0)
    numbers = pa.array(np.ravel(_joined(column, cells)))
    return pa.FixedSizeListArray.from_arrays(numbers, width) if width else numbers


def _lists(lengths: Sequence[int], values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(np.cumsum([0, *lengths]), pa.int32()), values)


def _bounds(lists: pa.Array) -> NDArray[np.int64]:
    """Where each list begins and ends in all of their values; those that are null have none."""
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _numbers(column: Column, values: pa.Array) -> NDArray[Any]:
    width = _FLAT.get(column.type) or (2 if column.type == "polygon" else 0)
    flat = values.flatten() if width else values
    numbers: NDArray[Any] = flat.to_numpy(zero_copy_only=False).astype(_dtype(column), copy=False)
    return numbers.reshape(-1, width) if width else numbers


def _split(values: list[Any], bounds: NDArray[np.int64]) -> list[Any]:
    return [values[start:stop] for start, stop in itertools.pairwise(bounds.tolist())]


def _packed(cell: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, cell, allow_pickle=False)
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(file.getbuffer())
    return bytes(sink.getvalue())


def _unpacked(data: bytes) -> NDArray[Any]:
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as packed:
        cell: NDArray[Any] = np.load(io.BytesIO(packed.read()), allow_pickle=False)
    return cell


def filled(field: pa.Field, cells: pa.Array) -> pa.Array:
    """Somebody's column may have to say something in every row: then it says as little as there is in new ones.

    Raises:
        LakeError: nobody knows what that is.
    """
    if field.nullable or not cells.null_count:
        return cells
    try:
        nothing = pa.array([_least(field.type)], field.type)
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise LakeError(
            f"column {field.name}, which is not lakebox's, takes no nulls, and there is no empty value of {field.type}"
            " for new rows; let it take nulls, or take the column away while rows are added"
        ) from error
    at = np.where(cells.is_null().to_numpy(zero_copy_only=False), len(cells), np.arange(len(cells)))
    return pa.chunked_array([cells, nothing]).take(pa.array(at)).combine_chunks()


def _least(kind: pa.DataType) -> Any:
    """As little as a value of a type says."""
    is_ = pa.types
    if is_.is_struct(kind):
        return {part.name: _least(part.type) for part in kind}
    if is_.is_fixed_size_list(kind):
        return [_least(kind.value_type)] * kind.list_size
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_map(kind):
        return []
    if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
        return ""
    if is_.is_fixed_size_binary(kind):
        return bytes(kind.byte_width)
    if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_binary_view(kind):
        return b""
    if is_.is_boolean(kind) or is_.is_primitive(kind) or is_.is_decimal(kind):
        return False if is_.is_boolean(kind) else np.float16(0) if is_.is_float16(kind) else 0
    raise TypeError(kind)


def known(field: Any) -> Ids:
    """What a version's data files call a column."""
    return Ids(field.id(), tuple(known(part) for part in field.children()))


def parts(kind: pa.DataType) -> list[pa.Field]:
    """The columns within a column that Lance numbers: fixed-size lists of numbers are numbers to it."""
    if pa.types.is_struct(kind):
        return [kind.field(i) for i in range(kind.num_fields)]
    return [kind.value_field] if pa.types.is_list(kind) or pa.types.is_large_list(kind) else []


def with_ids(field: pa.Field, ids: Ids) -> pa.Field:
    """A column that says by what ids its data is to be written."""
    within = [with_ids(part, own) for part, own in zip(parts(field.type), ids.parts, strict=False)]
    kind = field.type
    if within and pa.types.is_struct(kind):
        kind = pa.struct(within)
    elif within:
        kind = pa.large_list(*within) if pa.types.is_large_list(kind) else pa.list_(*within)
    return field.with_type(kind).with_metadata({**(field.metadata or {}), _FIELD_ID: str(ids.own).encode()})
