"""Changes to a Lance dataset that no commit holds yet, in memory, and the fragments that a commit makes of them."""

from __future__ import annotations

import copy
import itertools
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
from lance import LanceOperation
from lance.fragment import DeletionFile, FragmentMetadata, LanceFragment, write_fragments
from numpy.typing import NDArray

_FIELD_ID = b"lance:field_id"
"""Key of a field's metadata with which Lance takes an id instead of giving one."""
_GONE = -2
"""Lance's mark of a column in a data file that another file has taken over, or that is in no version any more."""
_MAX_FRAGMENT_ID = 11
"""Number of that field in Lance's message `Manifest`."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ids:
    """What data files call a column, and the columns within it."""

    own: int
    parts: tuple[Ids, ...] = ()

    def flat(self) -> list[int]:
        """All of them."""
        return [self.own, *(number for part in self.parts for number in part.flat())]


class Changes:
    """A version of a dataset with changes on top.

    Rows have slots, which they keep: first those of the version, then those that were appended. Cells that were given
    since wait beside the slots that they belong to; all others are the version's.
    """

    def __init__(self, base: lance.LanceDataset) -> None:
        self.base = base
        self.schema: pa.Schema = base.schema
        """Columns as they are now, by the names that Lance knows them by."""
        self.order: Rows = np.arange(base.count_rows())
        """Slot of each row; they ascend."""
        self._before = self._slots = len(self.order)
        self._origin = {name: name for name in self.schema.names}
        self._ids = {field.name(): _known(field) for field in base.lance_schema.fields()}
        self._fresh = itertools.count(base.max_field_id + 1)
        self._waiting: dict[str, list[tuple[Rows, pa.Array]]] = {}

    def set_metadata(self, metadata: Mapping[bytes, bytes]) -> None:
        """Replace what is said of the whole dataset."""
        self.schema = self.schema.with_metadata(metadata)

    def describe(self, name: str, metadata: Mapping[bytes, bytes]) -> None:
        """Replace what is said of a column."""
        at = self.schema.get_field_index(name)
        self.schema = self.schema.set(at, self.schema.field(at).with_metadata(metadata))

    def add(self, field: pa.Field) -> None:
        """A column more, empty everywhere."""
        self.schema = self.schema.append(field)
        self._ids[field.name] = self._numbered(field)

    def remove(self, name: str) -> None:
        """A column less."""
        self.schema = self.schema.remove(self.schema.get_field_index(name))
        for part in self._named():
            part.pop(name, None)

    def rename(self, names: Mapping[str, str]) -> None:
        """Old name -> new name; two columns may change names. Lance wants other ids with other names."""
        fields = [field.with_name(names.get(field.name, field.name)) for field in self.schema]
        self.schema = pa.schema(fields, self.schema.metadata)
        for part in self._named():
            renamed = {names.get(name, name): value for name, value in part.items()}
            part.clear()
            part.update(renamed)
        for name in names.values():
            self._ids[name] = self._numbered(self.schema.field(name))

    def _named(self) -> tuple[dict[str, Any], ...]:
        """What is kept by the names of columns."""
        return self._origin, self._ids, self._waiting

    def append(self, rows: int, cells: Mapping[str, pa.Array]) -> None:
        """Rows at the end; columns that are not named stay empty there."""
        slots = np.arange(self._slots, self._slots + rows)
        self._slots += rows
        self.order = np.concatenate([self.order, slots])
        self._wait(slots, cells)

    def update(self, rows: Rows, cells: Mapping[str, pa.Array]) -> None:
        """Other cells for some rows."""
        self._wait(self.order[rows], cells)

    def _wait(self, slots: Rows, cells: Mapping[str, pa.Array]) -> None:
        for name, values in cells.items():
            self._waiting.setdefault(name, []).append((slots, values))

    def delete(self, rows: Rows) -> None:
        """Some rows less."""
        self.order = np.delete(self.order, rows)

    def cells(self, name: str, rows: Rows) -> pa.Array:
        """Cells of some rows as they are now."""
        return self._cells(name, self.order[rows])

    def _cells(self, name: str, slots: Rows) -> pa.Array:
        """Cells of slots; null for slot -1."""
        kind, pieces, count = self.schema.field(name).type, [], 0
        where = np.full(self._slots + 1, -1, np.int64)
        for own, values in self._waiting.get(name, ()):
            where[own] = np.arange(count, count + len(values))
            pieces.append(values)
            count += len(values)
        at = where[slots]
        old = np.flatnonzero((at < 0) & (slots >= 0) & (slots < self._before)) if name in self._origin else ()
        if len(old):
            pieces += _read(self.base, self._origin[name], slots[old]).chunks
            at[old] = np.arange(count, count + len(old))
        values = pa.chunked_array(pieces, kind)
        if len(values) != len(at) or (at != np.arange(len(at))).any():
            values = values.take(pa.array(at, mask=at < 0))
        found: pa.Array = values.combine_chunks()
        return found

    def written(self) -> Any:
        """Write data files, and say what the next version is made of; nobody sees them before that is committed. What
        did not change is not written again."""
        start, found = 0, []
        for fragment in self.base.get_fragments():
            rows = np.arange(start, start + fragment.count_rows())
            start += len(rows)
            found.append(self._fragment(fragment, rows))
        new = self.order[self.order >= self._before]
        added = self._write(self.schema.names, new)
        for number, one in enumerate(added.fragments, 1 + _last_fragment(self.base)):
            one.id = number
        return LanceOperation.Merge([*found, *added.fragments], added.new_schema)

    def _fragment(self, fragment: LanceFragment, rows: Rows) -> FragmentMetadata:
        """A fragment with its changed columns in a new data file, and without the rows that are gone."""
        meta, gone = fragment.metadata, ~_among(rows, self.order)
        empty = bool(gone.all())
        changed = self._to_write(meta.files, () if empty else rows)
        files, offsets = self._carried(meta.files, changed), _offsets(fragment)
        if changed:
            slots = np.full(meta.physical_rows, -1)
            slots[offsets] = -1 if empty else rows
            files += self._write(changed, slots).fragments[0].files
        if empty:
            return replace(_emptied(self.base, fragment), files=files)
        rest = (fragment.delete_rows(offsets[gone].tolist()) if gone.any() else None) or meta
        return replace(rest, files=files)

    def _to_write(self, files: Sequence[Any], rows: Sequence[int] | Rows) -> list[str]:
        """Columns of which a fragment needs new cells. Lance takes a name with another id only where a data file has
        that id: a column that takes over a stored name gets cells everywhere, if only empty ones."""
        moved = dict(self._moved())
        held = {moved.get(number, _GONE) for file in files for number in file.fields}
        before = {field.name(): field.id() for field in self.base.lance_schema.fields()}
        return [
            name
            for name in self.schema.names
            if self._touches(name, rows) or (name in before and self._ids[name].own not in {before[name], *held})
        ]

    def _carried(self, files: Sequence[Any], changed: Sequence[str]) -> list[Any]:
        """Data files of a fragment with today's ids; those with nothing but columns that are gone are not among them,
        nor are columns that are written again."""
        renewed = {number for name in changed for number in self._ids[name].flat()}
        ids = {old: _GONE if new in renewed else new for old, new in self._moved()}
        carried = [_renumbered(file, ids) for file in files]
        return [file for file in carried if any(number >= 0 for number in file.fields)]

    def _touches(self, name: str, rows: Sequence[int] | Rows) -> bool:
        waiting = self._waiting.get(name, ()) if len(rows) else ()
        return any(bool(((slots >= rows[0]) & (slots <= rows[-1])).any()) for slots, _ in waiting)

    def _moved(self) -> Iterator[tuple[int, int]]:
        """Old id -> new id of what data files hold of renamed columns."""
        before = {field.name(): _known(field).flat() for field in self.base.lance_schema.fields()}
        for name, origin in self._origin.items():
            yield from zip(before[origin], self._ids[name].flat(), strict=True)

    def _write(self, names: list[str], slots: Rows) -> Any:
        """Cells in data files: their fragments, and the columns as Lance describes them."""
        fields = [_with_ids(self.schema.field(name), self._ids[name]) for name in names]
        schema = pa.schema(fields, self.schema.metadata)
        cells = [_filled(self.schema.field(name), self._cells(name, slots)) for name in names]
        table = pa.Table.from_arrays(cells, schema=schema)
        most = max(1, len(slots))
        return write_fragments(
            table, self.base, schema=schema, mode="overwrite", max_rows_per_file=most, return_transaction=True
        ).operation

    def _numbered(self, field: pa.Field) -> Ids:
        return Ids(next(self._fresh), tuple(self._numbered(part) for part in _parts(field.type)))


def _read(dataset: lance.LanceDataset, name: str, rows: Rows) -> pa.ChunkedArray:
    """Cells of a version; a stretch of rows is read at one go."""
    if (np.diff(rows) == 1).all():
        return dataset.to_table(columns=[name], offset=int(rows[0]), limit=len(rows)).column(0)
    return dataset.take(rows, columns=[name]).column(0)


def _among(rows: Rows, known: Rows) -> NDArray[np.bool_]:
    """Which of some rows are among others, which ascend."""
    at = np.searchsorted(known, rows)
    found: NDArray[np.bool_] = np.append(known, -1)[at] == rows
    return found


def _filled(field: pa.Field, cells: pa.Array) -> pa.Array:
    """Somebody's column may have to say something in every row: then it says as little as there is in new ones."""
    if field.nullable or not cells.null_count:
        return cells
    is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    return cells.fill_null(pa.scalar("" if is_text else 0).cast(field.type))


def _offsets(fragment: LanceFragment) -> Rows:
    """Places of a fragment's rows in its data files, where removed rows still have theirs."""
    if not fragment.num_deletions:
        return np.arange(fragment.physical_rows)
    addresses = fragment.scanner(columns=[], with_row_address=True).to_table().column(0).to_numpy()
    return np.asarray(addresses & 0xFFFFFFFF, np.int64)


def _emptied(dataset: lance.LanceDataset, fragment: LanceFragment) -> FragmentMetadata:
    """A fragment without rows. Lance takes it out of the version that is committed, but refuses a commit in which it
    is missing, and writes no list of removed rows that names all; so it is written here, as Lance's format says."""
    meta = fragment.metadata
    file = DeletionFile(dataset.version, secrets.randbits(63), "array", meta.physical_rows, None)
    path = Path(dataset.uri, file.path(meta.id))
    path.parent.mkdir(exist_ok=True)
    schema = pa.schema([pa.field("row_id", pa.uint32(), nullable=False)])
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(pa.table([np.arange(meta.physical_rows, dtype=np.uint32)], schema=schema))
    return replace(meta, deletion_file=file)


def _renumbered(file: Any, ids: Mapping[int, int]) -> Any:
    renumbered = copy.copy(file)
    renumbered.fields = [ids.get(number, _GONE) for number in file.fields]
    return renumbered


def _last_fragment(dataset: lance.LanceDataset) -> int:
    """The largest number that a fragment ever had: indexes of others go by it, also those that are being made of
    earlier versions right now, and would take rows of a new fragment for the ones of a fragment that is gone. Lance
    keeps it in a field of the manifest's protobuf message, and does not give it in any other way."""
    used = [int(fragment.fragment_id) for fragment in dataset.get_fragments()]
    return max([-1, *used, *_varints(dataset._ds.serialized_manifest(), _MAX_FRAGMENT_ID)])


def _varints(message: bytes, wanted: int) -> Iterator[int]:
    """Values of a field of whole numbers in a protobuf message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, at = _varint(message, at) if tag & 7 in (0, 2) else (8 if tag & 7 == 1 else 4, at)
        if tag & 7:
            at += number
        elif tag >> 3 == wanted:
            yield number


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while message[at] & 0x80:
        value |= (message[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return value | message[at] << shift, at + 1


def _known(field: Any) -> Ids:
    return Ids(field.id(), tuple(_known(part) for part in field.children()))


def _parts(kind: pa.DataType) -> list[pa.Field]:
    """The columns within a column that Lance numbers: fixed-size lists of numbers are numbers to it."""
    if pa.types.is_struct(kind):
        return [kind.field(i) for i in range(kind.num_fields)]
    return [kind.value_field] if pa.types.is_list(kind) or pa.types.is_large_list(kind) else []


def _with_ids(field: pa.Field, ids: Ids) -> pa.Field:
    parts = [_with_ids(part, own) for part, own in zip(_parts(field.type), ids.parts, strict=False)]
    kind = field.type
    if parts and pa.types.is_struct(kind):
        kind = pa.struct(parts)
    elif parts:
        kind = pa.large_list(*parts) if pa.types.is_large_list(kind) else pa.list_(*parts)
    return field.with_type(kind).with_metadata({**(field.metadata or {}), _FIELD_ID: str(ids.own).encode()})
