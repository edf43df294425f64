"""Deep Lake datasets compared by what they mean: a dataset that was kept in step and one that was built from nothing
number classes, videos and rows differently, and mean the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .video import UnreadableNumberError, read_number

KEY = "lb_meta/row_key"
LEFT_OUT = frozenset({"lb_meta/state"})
COUNTED = ("video_idx", "image_idx")
PICTURES = ("image", "frames")


@dataclass(frozen=True)
class Column:
    """A column and how its cells are read."""

    name: str
    kind: str
    """Deep Lake's type as text."""
    classes: tuple[str, ...] | None
    per_object: bool
    """Whether a list of classes has one for each object, in their order."""


def differences(kept: Any, fresh: Any, *, without: Collection[str] = LEFT_OUT) -> list[str]:
    """All differences between two datasets (open ones or their paths), one line each: row key, column, both values.

    A column that only one of them has must be empty.
    """
    left, right = (meaning(dataset, without=without) for dataset in (kept, fresh))
    found = [f"rows {name}: {keys}" for name, keys in _strangers(left, right) if keys]
    for key in sorted(left.keys() & right.keys()):
        for column in sorted(left[key].keys() | right[key].keys()):
            pair = left[key].get(column, _NOTHING), right[key].get(column, _NOTHING)
            if not _same(*pair):
                found.append(f"{key} {column!r}: {_shown(pair[0])} and {_shown(pair[1])}")
    return found


def _strangers(left: Rows, right: Rows) -> Iterator[tuple[str, list[str]]]:
    yield "only in the first", sorted(left.keys() - right.keys())
    yield "only in the second", sorted(right.keys() - left.keys())


Rows = dict[str, dict[str, Any]]


class _Nothing:
    """The cell of a column that is not there."""

    def __repr__(self) -> str:
        return "no such column"


_NOTHING = _Nothing()


def meaning(dataset: Any, *, without: Collection[str] = LEFT_OUT) -> Rows:
    """Row key -> column -> what the cell means.

    Raises:
        ValueError: a row key comes twice.
    """
    dataset = opened(dataset)
    columns = [column for column in columns_of(dataset) if column.name not in without]
    cells = {column.name: dataset[column.name][:] if len(dataset) else [] for column in columns}
    keys = row_keys(dataset)
    if twice := [key for key, times in Counter(keys).items() if times > 1]:
        raise ValueError(f"rows that are there twice: {twice}")
    numbered = {column.name: _numbered(keys, cells[column.name]) for column in columns if column.name in COUNTED}
    read = {column.name: [_read(column, cell) for cell in cells[column.name]] for column in columns} | numbered
    return {key: {name: values[row] for name, values in read.items()} for row, key in enumerate(keys)}


def row_keys(dataset: Any) -> list[str]:
    """The row keys in their order."""
    dataset = opened(dataset)
    return [str(key) for key in dataset[KEY][:]] if len(dataset) else []


def opened(dataset: Any) -> Any:
    """The dataset at a path (`path@branch` for a branch), or the one that is open already."""
    import deeplake

    return dataset if hasattr(dataset, "schema") else deeplake.open_read_only(str(dataset))


def columns_of(dataset: Any) -> list[Column]:
    """The columns of an open dataset."""
    kinds = {column.name: str(column.dtype) for column in dataset.schema.columns}
    return [_column(name, kind, kinds, dict(dataset[name].metadata)) for name, kind in kinds.items()]


def _column(name: str, kind: str, names: Collection[str], metadata: Mapping[str, Any]) -> Column:
    classes = metadata.get("class_names")
    return Column(name, kind, None if classes is None else tuple(map(str, classes)), _is_per_object(name, names))


def _is_per_object(name: str, names: Collection[str]) -> bool:
    """Classes of objects and answers about objects stand beside a geometry, which always has tracks."""
    group = name.partition("/")[0]
    beside = name.removesuffix("_labels"), group, f"{group}/{group}"
    return any(f"{geometry}_tracks" in names for geometry in beside)


def _numbered(keys: list[str], cells: Any) -> list[Any]:
    """A number means which data rows have it."""
    ids = [key.rpartition(":")[0] for key in keys]
    found: dict[int, set[str]] = {}
    for number, own in zip(cells, ids, strict=True):
        found.setdefault(int(number), set()).add(own)
    return [sorted(found[int(number)]) for number in cells]


def _read(column: Column, cell: Any) -> Any:
    if column.kind.startswith("text"):
        return cell or ""  # Deep Lake reads empty text as None
    if cell is None:  # never written
        return None
    if column.name in PICTURES:
        return _number(np.asarray(cell))
    if column.kind == "polygon":
        return [np.asarray(part) for part in cell]
    return np.asarray(cell) if column.classes is None else _classes(column, column.classes, np.asarray(cell))


def _number(pixels: np.ndarray) -> Any:
    try:
        return read_number(pixels)
    except (UnreadableNumberError, ValueError):
        return pixels


def _classes(column: Column, classes: tuple[str, ...], cell: np.ndarray) -> Any:
    """Names in place of indexes: of each object, of each pixel, of all that was ticked."""
    if cell.ndim == 2 and not _is_segment_mask(column.kind):
        if len(cell) and cell.shape[1] != len(classes):
            return f"{cell.shape[1]} options, named {list(classes)}"
        return [sorted(name for name, ticked in zip(classes, row, strict=False) if ticked) for row in cell]
    if cell.ndim == 2:
        return np.array([[_name(classes, index) for index in row] for row in cell.tolist()], object)
    names = [_name(classes, index) for index in cell.tolist()]
    return names if column.per_object else sorted(names)


def _is_segment_mask(kind: str) -> bool:
    return "segment" in kind or "smask" in kind


def _name(classes: tuple[str, ...], index: int) -> str | None:
    """None: not answered."""
    if index == -1:
        return None
    return classes[index] if 0 <= index < len(classes) else f"class {index} of {len(classes)}"


def _same(left: Any, right: Any) -> bool:
    if left is _NOTHING or right is _NOTHING:
        return _empty(left) and _empty(right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return _same_array(left, right)
    return type(left) is type(right) and bool(left == right)


def _same_array(left: Any, right: Any) -> bool:
    if not (isinstance(left, np.ndarray) and isinstance(right, np.ndarray)):
        return False
    return left.dtype == right.dtype and left.shape == right.shape and np.array_equal(left, right)


def _empty(value: Any) -> bool:
    """No object and no answer; objects none of which has an answer count as none."""
    if isinstance(value, str):
        return not value or _all_null(value)
    if isinstance(value, list):
        return all(part is None or (isinstance(part, list) and not part) for part in value)
    if isinstance(value, np.ndarray):
        return not value.size or (value.dtype == object and bool((value == "background").all()))
    return value is None or value is _NOTHING


def _all_null(text: str) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, list) and not any(part is not None for part in found)


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 40:
        return f"{value.dtype} {value.shape} with {np.count_nonzero(value)} not 0"
    return repr(value)
