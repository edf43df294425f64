"""Writing an open Deep Lake dataset, or one branch of it. Every cell has exactly its column's dtype and rank, because
Deep Lake stores anything else as garbage without an error."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from deeplake import types
from numpy.typing import NDArray

from lakebox.adapters.deep_lake_cells import empty, exact, filler, nbytes, runs
from lakebox.adapters.deep_lake_view import DESCRIPTION, LABELBOX, NOTE, DeepLakeView, translated
from lakebox.core.columns import Cells, Column
from lakebox.core.facts import STATE
from lakebox.core.lake_port import MAIN
from lakebox.errors import LakeError, LakeMoved

_TEMPORARY = "lakebox renames {}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a dataset can be looked at again, whatever a handle believes."""

    address: str
    """What Deep Lake calls it."""
    fresh: Callable[[], Any]
    """Opens it anew, to read."""
    room: Callable[[int], None] = lambda wanted: None
    """Raises LakeError if so many bytes cannot be written there."""
    whole: Callable[[], bool] = lambda: True
    """Whether the last commit was written to its end, as far as can be seen from outside."""


@dataclass(slots=True)
class _Waiting:
    """What no commit holds yet."""

    changes: bool = False
    size: int = 0


def _discard(dataset: Any, waiting: _Waiting) -> None:
    """Deep Lake commits what waits when a handle goes away; half a run must not become a version like that."""
    if waiting.changes:
        dataset.rollback()


class DeepLake(DeepLakeView):
    """One open dataset or branch. What is not committed is gone with it."""

    def __init__(self, dataset: Any, path: str, origin: Origin | None = None, root: Any = None) -> None:
        super().__init__(dataset, path, root, origin.address if origin else "")
        self._origin = origin
        self._base = self.version  # with changes waiting, the handle's own version is a placeholder
        self._waiting = _Waiting()
        weakref.finalize(self, _discard, dataset, self._waiting)

    def describe(self, facts: Mapping[str, Any]) -> bool:
        """Keep `labelbox_meta` where upstream keeps it, in the dataset's metadata, which has no versions; what plans
        need of it is kept beside the state, which has. Whether anything changed."""
        changed = self.described() != facts
        if changed:
            self._waiting.changes = True
            self._dataset.metadata[LABELBOX] = dict(facts)
        return self.note({"project": str(facts["project_id"])}) or changed

    def note(self, notes: Mapping[str, str]) -> bool:
        """Keep texts beside the state, in the versions that follow. Whether anything changed."""
        metadata = self._dataset[STATE].metadata
        before = dict(metadata)
        news = {f"{NOTE}{key}": text for key, text in notes.items() if before.get(f"{NOTE}{key}") != text}
        for key, text in news.items():
            self._waiting.changes = True
            metadata[key] = text
        return bool(news)

    def arrange(self, columns: Sequence[Column], remove: Sequence[str], renames: Mapping[str, str] = {}) -> bool:
        """Rename, remove and add columns, bring class names up to date. Whether anything changed."""
        changed = bool(remove or renames)
        self._waiting.changes |= changed
        with translated(f"path {self._path}: changing columns"):
            for name in remove:
                self._dataset.remove_column(name)
            # Two columns may change names with each other, so no name is given before all of them are free.
            for old in renames:
                self._dataset.rename_column(old, _TEMPORARY.format(old))
            for old, new in renames.items():
                self._dataset.rename_column(_TEMPORARY.format(old), new)
            present = {column.name for column in self._dataset.schema.columns}
            for column in columns:
                if column.name not in present:
                    self._dataset.add_column(column.name, _type(column))
                changed |= self._note(column)
        return changed

    def _note(self, column: Column) -> bool:
        metadata = self._dataset[column.name].metadata
        if dict(metadata).get(DESCRIPTION) == column.described():
            return False
        self._waiting.changes = True
        metadata[DESCRIPTION] = column.described()
        if column.classes is not None:
            metadata["class_names"] = [item.name for item in column.classes]
        return True

    def append(self, cells: Cells, foreign: Cells | None = None) -> None:
        """Add rows of all lakebox columns; those of other owners get what `foreign` has for them, or an empty value."""
        schema = self._dataset.schema.columns
        types_ = {column.name: column for column in self._described([column.name for column in schema])}
        batch = {name: exact(types_[name], values) for name, values in cells.items()}
        rows = len(next(iter(batch.values())))
        for column in schema:
            if column.name not in batch:
                own, given = types_.get(column.name), (foreign or {}).get(column.name)
                kind = str(column.dtype)
                batch[column.name] = empty(own, rows) if own else filler(kind, rows) if given is None else given
        self._waiting.changes = True
        self._waiting.size += sum(nbytes(values) for values in cells.values())
        with translated(f"path {self._path}: appending {rows} rows"):
            self._dataset.append(batch)

    def _described(self, names: Iterable[str]) -> Iterator[Column]:
        for name in names:
            if text := dict(self._dataset[name].metadata).get(DESCRIPTION):
                yield Column.recalled(name, text)

    def update(self, rows: NDArray[np.int64], cells: Cells) -> None:
        """Overwrite cells, by contiguous slices: setting them one by one costs a hundred times as much."""
        types_ = {column.name: column for column in self._described(cells)}
        self._waiting.changes = True
        self._waiting.size += sum(nbytes(values) for values in cells.values())
        with translated(f"path {self._path}: updating {len(rows)} rows"):
            for name, values in cells.items():
                for start, stop in runs(rows):
                    first, last = int(rows[start]), int(rows[stop - 1])
                    self._dataset[name][first : last + 1] = exact(types_[name], values[start:stop])

    def put(self, column: str, rows: NDArray[np.int64], cells: Sequence[Any]) -> None:
        """Overwrite cells of somebody else's column with what `foreign` gave; what was never set stays so."""
        self._waiting.changes = True
        with translated(f"path {self._path}: keeping {column}, which is not lakebox's"):
            for row, cell in zip(rows.tolist(), cells, strict=True):
                if cell is not None:
                    self._dataset[column][row : row + 1] = [cell]

    def delete(self, rows: NDArray[np.int64]) -> None:
        """Remove rows, the last one first so that the numbers of the others hold."""
        self._waiting.changes = True
        with translated(f"path {self._path}: removing {len(rows)} rows"):
            for row in sorted(rows.tolist(), reverse=True):
                self._dataset.delete(row)

    def commit(self, message: str) -> None:
        """Commit.

        Raises:
            LakeMoved: somebody else committed meanwhile; nothing was written.
            LakeError: it failed. The handle is of no use then (the next commit would hang): open the dataset again.
        """
        rows = len(self)
        if self._origin:
            self._origin.room(self._waiting.size)
            self._refuse_moved(self._origin)
        self._waiting.changes, self._waiting.size = False, 0  # rolling back a handle whose commit failed hangs
        with translated(f"path {self._path}: the commit failed; what earlier commits wrote is safe, run again"):
            self._dataset.commit(message)
        self._base = self.version
        if self._origin:
            self._check_written(self._origin, rows)

    def _refuse_moved(self, origin: Origin) -> None:
        """Deep Lake has no conflict detection: of two writers of a cell one is lost without a word."""
        now = str(origin.fresh().version)
        if now != self._base:
            self._waiting.changes = False
            self._dataset.rollback()
            raise LakeMoved(
                f"path {self._path}: somebody else committed version {now} on top of {self._base} meanwhile; nothing"
                " was written over it"
            )

    def _check_written(self, origin: Origin, rows: int) -> None:
        """On a full disk Deep Lake reports success and keeps a part of the commit (4.7.4)."""
        found = origin.fresh()
        if str(found.version) != self.version or len(found) != rows or not origin.whole():
            raise LakeError(
                f"path {self._path}: the commit was cut short: {len(found)} of {rows} rows are there; is the disk full?"
                " Make room and run again: what earlier commits wrote is safe"
            )

    def tag(self, name: str) -> None:
        """Name the current version.

        Raises:
            LakeError: there is such a tag already.
        """
        with translated(f"path {self._path}: tag {name!r}"):
            self._dataset.tag(name)

    def branch(self, name: str) -> DeepLake | None:
        """A branch of this dataset; None if there is none of that name."""
        if name not in self._dataset.branches.names():
            return None
        with translated(f"path {self._path}: opening branch {name!r}"):
            return DeepLake(self._dataset.branches[name].open(), self._path, self._origin_of(name), self)

    def fork(self, name: str) -> DeepLake:
        """A new branch that begins with what is committed here."""
        with translated(f"path {self._path}: making branch {name!r}"):
            self._dataset.branch(name)
            return DeepLake(self._dataset.branches[name].open(), self._path, self._origin_of(name), self)

    def _origin_of(self, branch: str) -> Origin | None:
        if self._origin is None:
            return None
        opened = self._origin.fresh

        def fresh() -> Any:
            return _Kept(opened(), branch)

        address = f"{self._origin.address.partition('@')[0]}@{branch}"
        return Origin(address, fresh, self._origin.room, self._origin.whole)

    def merge(self, branch: str = MAIN) -> None:
        """Bring in, and commit, what a branch has and this one has not: its new rows, its deletions, its columns.

        Raises:
            LakeMoved: somebody else committed here meanwhile; nothing was merged.
        """
        if self._origin:
            self._origin.room(0)
            self._refuse_moved(self._origin)
        with translated(f"path {self._path}: merging branch {branch!r}"):
            self._dataset.merge(branch)
        self._base = self.version
        if self._origin:
            self._check_written(self._origin, len(self))

    def revert(self, version: str) -> None:
        """Make the content of an earlier version the newest version; those between stay in the history.

        Raises:
            LakeError: an earlier revert undid that version, and Deep Lake does not go back to such.
        """
        if self._origin:
            self._origin.room(0)
        with translated(f"path {self._path}: going back to version {version}"):
            try:
                self._dataset.revert_to(version)
            except RuntimeError as error:
                if "already the live head" in str(error):
                    return  # the last thing that happened here was going back to it
                if "not a live commit" not in str(error):
                    raise
                raise LakeError(
                    f"path {self._path}: version {version} was undone when an earlier version was made the present"
                    " again; Deep Lake cannot go back to it. It can still be read by its tag, and task=sync brings in"
                    " what the project says now"
                ) from error
        self._base = self.version
        if self._origin:
            self._check_written(self._origin, len(self))


class _Kept:
    """Version and length of a branch, opened together with the dataset that it needs."""

    def __init__(self, root: Any, branch: str) -> None:
        self._root = root
        self._branch = root.branches[branch].open()

    @property
    def version(self) -> str:
        return str(self._branch.version)

    def __len__(self) -> int:
        return len(self._branch)


def _type(column: Column) -> Any:
    match column.type:
        case "scalar":
            return column.dtype
        case "text":
            return types.Text()
        case "box":
            return types.BoundingBox(column.dtype, "ltwh", "pixel")
        case "point":
            return types.Point()
        case "polygon":
            return types.Polygon()
        case "mask":
            return types.BinaryMask(sample_compression="lz4")
        case "segment_mask":
            return types.SegmentMask(dtype=column.dtype, sample_compression="lz4")
        case "class":
            return types.ClassLabel(types.Array("int32", 1))
        case "array":
            return types.Array(column.dtype, column.ndim)
        case "jpg" | "png":
            return types.Image(dtype=types.UInt8(), sample_compression=column.type)
        case "video":
            return types.Video(compression="mp4")
    raise LakeError(f"column {column.name}: Deep Lake has no type for '{column.type}'")
