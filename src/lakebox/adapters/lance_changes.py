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

from lakebox.adapters.lance_cells import Ids, filled, known, parts, with_ids
from lakebox.errors import LakeError

_GONE = -2
"""Lance's mark of a column in a data file that another file has taken over."""
_PORTION, _GROWTH, _MOST_ROWS = 8_000_000, 16, 65536
"""Bytes that are written at one go, times as many rows as before at most, and rows at most."""
_MAX_FRAGMENT_ID = 11
"""Number of that field in Lance's message `Manifest`."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Cells that were given, and the slots that they are for."""

    first: int
    last: int
    slots: Rows
    cells: pa.Array


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
        self._ids = {field.name(): known(field) for field in base.lance_schema.fields()}
        self._fresh = itertools.count(base.max_field_id + 1)
        self._waiting: dict[str, list[Waiting]] = {}

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
        self._wait(slots, cells)
        self._slots += rows
        self.order = np.concatenate([self.order, slots])

    def update(self, rows: Rows, cells: Mapping[str, pa.Array]) -> None:
        """Other cells for some rows."""
        self._wait(self._at(f"writing {', '.join(cells)}", rows), cells)

    def _at(self, doing: str, rows: Rows) -> Rows:
        """Slots of rows."""
        numbers, count = np.asarray(rows, np.int64), len(self.order)
        if len(wrong := numbers[(numbers < 0) | (numbers >= count)]):
            raise LakeError(f"{doing}: there is no row {wrong[0]}, rows have numbers from 0 and there are {count}")
        return self.order[numbers]

    def _wait(self, slots: Rows, cells: Mapping[str, pa.Array]) -> None:
        for name, values in cells.items():
            if len(values) != len(slots):
                raise LakeError(
                    f"column {name}: {len(values)} cells were given for {len(slots)} rows, give one for each"
                )
        for name, values in cells.items() if len(slots) else ():
            one = Waiting(int(slots.min()), int(slots.max()), slots, values)
            self._waiting.setdefault(name, []).append(one)

    def delete(self, rows: Rows) -> None:
        """Some rows less."""
        self.order = self.order[~_among(self.order, np.sort(self._at("removing rows", rows)))]

    def cells(self, name: str, rows: Rows) -> pa.Array:
        """Cells of some rows as they are now."""
        return self._cells(name, self._at(f"reading {name}", rows))

    def _cells(self, name: str, slots: Rows) -> pa.Array:
        """Cells of slots; null for slot -1."""
        kind = self.schema.field(name).type
        pieces, at = self._given(name, slots)
        count = sum(map(len, pieces))
        old = np.flatnonzero((at < 0) & (slots >= 0) & (slots < self._before)) if name in self._origin else ()
        if len(old):
            pieces += _read(self.base, self._origin[name], slots[old]).chunks
            at[old] = np.arange(count, count + len(old))
        values = pa.chunked_array(pieces, kind)
        if len(values) != len(at) or (at != np.arange(len(at))).any():
            values = values.take(pa.array(at, mask=at < 0))
        found: pa.Array = values.combine_chunks()
        return found

    def _given(self, name: str, slots: Rows) -> tuple[list[pa.Array], Rows]:
        """What waits for slots, and where in it the cell of each slot is; -1 if none waits."""
        at, pieces, count = np.full(len(slots), -1, np.int64), list[pa.Array](), 0
        there = slots[slots >= 0]
        if waiting := self._among_waiting(name, there):
            low = int(there.min())
            where = np.full(int(there.max()) - low + 1, -1, np.int64)
            for one in waiting:
                hit = np.flatnonzero(_within(one.slots, there))
                where[one.slots[hit] - low] = np.arange(count, count + len(hit))
                pieces.append(one.cells if len(hit) == len(one.slots) else one.cells.take(pa.array(hit)))
                count += len(hit)
            at[slots >= 0] = where[there - low]
        return pieces, at

    def _among_waiting(self, name: str, slots: Rows) -> list[Waiting]:
        """What waits for a column between the first and the last of some slots."""
        waiting = self._waiting.get(name, ()) if len(slots) else ()
        low, high = (int(slots.min()), int(slots.max())) if waiting else (0, 0)
        return [one for one in waiting if one.first <= high and one.last >= low]

    def written(self) -> Any:
        """Write data files, and say what the next version is made of; nobody sees them before that is committed. What
        did not change is not written again."""
        start, found = 0, []
        for fragment in self.base.get_fragments():
            rows = np.arange(start, start + fragment.count_rows())
            start += len(rows)
            found.append(self._fragment(fragment, rows))
        new = self.order[self.order >= self._before]
        added = self._write(self.schema.names, new).fragments
        for number, one in enumerate(added, 1 + _last_fragment(self.base)):
            one.id = number
        # Without rows: else columns of dictionaries are not described as they were.
        described = self._write(self.schema.names, new[:0]).new_schema
        return LanceOperation.Merge([*found, *added], described)

    def _fragment(self, fragment: LanceFragment, rows: Rows) -> FragmentMetadata:
        """A fragment with its changed columns in a new data file, and without the rows that are gone."""
        meta, gone = fragment.metadata, ~_among(rows, self.order)
        empty = bool(gone.all())
        changed = self._to_write(meta.files, rows[:0] if empty else rows)
        files, offsets = self._carried(meta.files, changed), _offsets(fragment)
        if changed:
            slots = np.full(meta.physical_rows, -1)
            slots[offsets] = -1 if empty else rows
            files += self._write(changed, slots).fragments[0].files
        if empty:
            return replace(_emptied(self.base, fragment), files=files)
        rest = (fragment.delete_rows(offsets[gone].tolist()) if gone.any() else None) or meta
        return replace(rest, files=files)

    def _to_write(self, files: Sequence[Any], rows: Rows) -> list[str]:
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
        nor are columns that are written again. Elsewhere ids of columns that are gone stay, so that no new column gets
        them: somebody may be making an index by them right now."""
        renewed = {number for name in changed for number in self._ids[name].flat()}
        ids = {old: _GONE if new in renewed else new for old, new in self._moved()}
        carried = [_renumbered(file, ids) for file in files]
        today = {number for own in self._ids.values() for number in own.flat()}
        return [file for file in carried if not today.isdisjoint(file.fields)]

    def _touches(self, name: str, rows: Rows) -> bool:
        """Whether something waits for a column in rows of a fragment, which follow one another."""
        return any(_within(one.slots, rows).any() for one in self._among_waiting(name, rows))

    def _moved(self) -> Iterator[tuple[int, int]]:
        """Old id -> new id of what data files hold of renamed columns."""
        before = {field.name(): known(field).flat() for field in self.base.lance_schema.fields()}
        for name, origin in self._origin.items():
            yield from zip(before[origin], self._ids[name].flat(), strict=True)

    def _write(self, names: Sequence[str], slots: Rows) -> Any:
        """Cells in data files: their fragments, and the columns as Lance describes them."""
        fields = [with_ids(self.schema.field(name), self._ids[name]) for name in names]
        schema, failed = pa.schema(fields, self.schema.metadata), list[BaseException]()
        cells = pa.RecordBatchReader.from_batches(schema, self._batches(schema, slots, failed))
        most = max(1, len(slots))
        try:
            return write_fragments(
                cells, self.base, schema=schema, mode="overwrite", max_rows_per_file=most, return_transaction=True
            ).operation
        except OSError as error:
            if failed:  # Lance makes an OSError of whatever fails while it asks for cells, also of Ctrl-C
                raise failed[0] from error
            raise

    def _batches(self, schema: pa.Schema, slots: Rows, failed: list[BaseException]) -> Iterator[pa.RecordBatch]:
        """Cells of slots in portions, as large as `_PORTION` if the ones before them tell."""
        start, rows = 0, 1
        while start < len(slots):
            part = slots[start : start + rows]
            try:
                cells = [filled(self.schema.field(name), self._cells(name, part)) for name in schema.names]
                batch = pa.record_batch(cells, schema=schema)
            except BaseException as error:
                failed.append(error)
                raise
            yield batch
            start += rows
            rows = min(max(1, _PORTION * rows // max(1, batch.nbytes)), _GROWTH * rows, _MOST_ROWS)

    def _numbered(self, field: pa.Field) -> Ids:
        return Ids(next(self._fresh), tuple(self._numbered(part) for part in parts(field.type)))


def _read(dataset: lance.LanceDataset, name: str, rows: Rows) -> pa.ChunkedArray:
    """Cells of a version; a stretch of rows is read at one go."""
    columns = {name: "`*`"} if name == "*" else [name]  # a star alone is every column to Lance
    if (np.diff(rows) == 1).all():
        return dataset.to_table(columns=columns, offset=int(rows[0]), limit=len(rows)).column(0)
    return dataset.take(rows, columns=columns).column(0)


def _within(slots: Rows, others: Rows) -> NDArray[np.bool_]:
    """Which of some slots are between the first and the last of others."""
    found: NDArray[np.bool_] = (slots >= others.min()) & (slots <= others.max())
    return found


def _among(rows: Rows, known: Rows) -> NDArray[np.bool_]:
    """Which of some rows are among others, which ascend."""
    at = np.searchsorted(known, rows)
    found: NDArray[np.bool_] = np.append(known, -1)[at] == rows
    return found


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
    renumbered.fields = [ids.get(number, number) for number in file.fields]
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
