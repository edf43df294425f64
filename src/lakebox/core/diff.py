"""What differs between two versions of a dataset: data rows, frames, objects. Data rows with equal state are equal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lakebox.core.columns import Column
from lakebox.core.facts import PREFIX, ROW_KEY, STATE
from lakebox.core.lake_port import Stored, StoredAsset, View

What = Literal["added", "removed", "changed"]
Row = Mapping[str, Any]
"""Column key -> cell."""

MASKED_FRAMES = 32
"""Frames that are compared at once where cells hold masks: some megabytes each."""
_GEOMETRY, _TRACKS, _PIXELS = ":geometry", ":tracks", "lakebox:pixels"


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object of one data row."""

    column: str
    """Column of its geometry."""
    track: int
    change: What
    frames: tuple[int, ...]
    """0-based frames on which it differs."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """One data row."""

    data_row_id: str
    name: str
    change: What
    frames: tuple[int, ...] = ()
    """0-based frames of which anything differs."""
    objects: tuple[ObjectChange, ...] = ()
    columns: tuple[str, ...] = ()
    """Columns that differ on any frame."""


@dataclass(slots=True)
class _Gathered:
    frames: set[int] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    objects: dict[tuple[str, int], dict[str, list[int]]] = field(default_factory=dict)


def changes(before: View, after: View) -> Iterator[RowChange]:
    """Compare two versions of a dataset, data row by data row in the later one's order; removed ones come last.

    Columns are compared by what they hold, so that a renamed one is the same.
    """
    old, new = before.stored(), after.stored()
    finished = {asset.id: asset for asset in old.assets if asset.complete}
    for asset in new.assets:
        if not asset.complete:
            continue
        was = finished.pop(asset.id, None)
        if was is None:
            yield RowChange(asset.id, _name(after, new, asset), "added", _frames(after, asset))
        elif (was.media_stamp, was.labels_stamp) != (asset.media_stamp, asset.labels_stamp):
            change = _changed(before, old, was, after, new, asset)
            if change.frames:  # a fingerprint may be another while what it stands for is written the same
                yield change
    for asset in finished.values():
        yield RowChange(asset.id, _name(before, old, asset), "removed", _frames(before, asset))


def _changed(before: View, old: Stored, was: StoredAsset, after: View, new: Stored, asset: StoredAsset) -> RowChange:
    columns = (*old.columns, *new.columns)
    names = {column.key: column.name for column in columns}
    widths = {column.key: len(column.classes or ()) for column in columns if column.type == "array"}
    rows = [dict(zip(_frames(v, a), a.rows.tolist(), strict=True)) for v, a in ((before, was), (after, asset))]
    every, found = sorted({*rows[0], *rows[1]}), _Gathered()
    if was.media_stamp != asset.media_stamp:
        found.frames |= set(every)
        found.columns |= {_PIXELS} & names.keys()
    step = MASKED_FRAMES if any("mask" in column.type for column in columns) else max(1, len(every))
    for start in range(0, len(every), step):
        part = every[start : start + step]
        left, right = _rows(before, old, rows[0], part, widths), _rows(after, new, rows[1], part, widths)
        for frame in part:
            _compare(frame, left.get(frame, {}), right.get(frame, {}), found)
    objects = tuple(
        ObjectChange(names[key], track, _what(kinds), tuple(sorted(f for fs in kinds.values() for f in fs)))
        for (key, track), kinds in sorted(found.objects.items(), key=lambda item: (names[item[0][0]], item[0][1]))
    )
    differing = tuple(sorted(names[key] for key in found.columns))
    return RowChange(asset.id, _name(after, new, asset), "changed", tuple(sorted(found.frames)), objects, differing)


def _what(kinds: Mapping[str, Sequence[int]]) -> What:
    """An object is new or gone only if it is so on every frame on which it differs."""
    return "added" if set(kinds) == {"added"} else "removed" if set(kinds) == {"removed"} else "changed"


def _rows(
    view: View, stored: Stored, rows: Mapping[int, int], frames: Sequence[int], widths: Mapping[str, int]
) -> dict[int, Row]:
    """Frame -> cells of annotations and facts. Checklists are as wide as the wider of both versions has them."""
    own = [frame for frame in frames if frame in rows]
    if not own:
        return {}
    wanted, numbers = [column for column in stored.columns if _counts(column)], np.array([rows[f] for f in own])
    cells = {column.key: view.read(column.name, numbers) for column in wanted}
    for column in wanted:
        if column.type == "array" and column.ndim == 2 and column.classes is not None:
            cells[column.key] = [_widened(cell, widths[column.key]) for cell in cells[column.key]]
    return {frame: {key: cells[key][at] for key in cells} for at, frame in enumerate(own)}


def _widened(cell: Any, width: int) -> Any:
    """A new option is a new column of zeros, which says nothing new of anything."""
    return cell if cell is None else np.pad(cell, ((0, 0), (0, max(0, width - cell.shape[1]))))


def _counts(column: Column) -> bool:
    return column.name != STATE and (not column.key.startswith("lakebox:") or column.name.startswith(PREFIX))


def _frames(view: View, asset: StoredAsset) -> tuple[int, ...]:
    return tuple(int(key.rpartition(":")[2]) for key in view.read(ROW_KEY, asset.rows))


def _name(view: View, stored: Stored, asset: StoredAsset) -> str:
    return str(view.read(f"{PREFIX}{stored.media}_name", asset.rows[:1])[0])


def _compare(frame: int, left: Row, right: Row, found: _Gathered) -> None:
    different = {key for key in {*left, *right} if not _same(left.get(key), right.get(key))}
    if not different:
        return
    found.frames.add(frame)
    found.columns |= different
    for geometry in {key for key in {*left, *right} if key.endswith(_GEOMETRY)}:
        group = geometry.removesuffix(_GEOMETRY)
        if any(key.startswith(group) for key in different):
            _compare_objects(frame, group, left, right, found)


def _compare_objects(frame: int, group: str, left: Row, right: Row, found: _Gathered) -> None:
    old, new = _objects(group, left), _objects(group, right)
    for track in {*old, *new}:
        if track not in new or track not in old:
            what = "removed" if track in old else "added"
        elif not all(_same(old[track].get(key), new[track].get(key)) for key in {*old[track], *new[track]}):
            what = "changed"
        else:
            continue
        found.objects.setdefault((f"{group}{_GEOMETRY}", track), {}).setdefault(what, []).append(frame)


def _objects(group: str, row: Row) -> dict[int, dict[str, Any]]:
    """Track -> what a frame says of the object, by column key."""
    tracks = row.get(f"{group}{_TRACKS}")
    if tracks is None:
        return {}
    own = [key for key in row if key.startswith((f"{group}:", f"{group}/")) and key != f"{group}{_TRACKS}"]
    return {
        int(track): {key: _one(row[key], at, len(tracks), key.endswith(_GEOMETRY)) for key in own}
        for at, track in enumerate(tracks)
    }


def _one(cell: Any, at: int, count: int, is_geometry: bool) -> Any:
    """What a cell says of the object at a place; all of it where objects cannot be told apart (id and class masks)."""
    if isinstance(cell, str):
        listed = json.loads(cell) if cell else []
        return listed[at] if isinstance(listed, list) and at < len(listed) else cell
    if is_geometry and isinstance(cell, np.ndarray) and cell.dtype.kind in "ub":
        return cell[:, :, at] if cell.ndim == 3 else cell
    return cell[at] if cell is not None and len(cell) == count else cell


def _same(left: Any, right: Any) -> bool:
    """Equal; what is empty equals what is not there."""
    if _empty(left) or _empty(right):
        return _empty(left) and _empty(right)
    if isinstance(left, list) or isinstance(right, list):
        return len(left) == len(right) and all(_same(a, b) for a, b in zip(left, right, strict=True))
    return bool(np.array_equal(np.asarray(left), np.asarray(right)))


def _empty(cell: Any) -> bool:
    if cell is None or isinstance(cell, str):
        return cell in (None, "", "[]")  # the last is the answers of no objects
    return isinstance(cell, list | np.ndarray) and (np.size(cell) == 0 if isinstance(cell, np.ndarray) else not cell)
