"""Deep Lake: the only module that imports deeplake. Every cell it writes has exactly its column's dtype and rank,
because Deep Lake stores anything else as garbage without an error."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deeplake
import numpy as np
from deeplake import types
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from lakebox.adapters.deep_lake_cells import empty, exact, filler, runs
from lakebox.core.columns import Cells, Column
from lakebox.core.facts import ID, INDEX, STATE, read_state
from lakebox.core.lake_port import Stored, StoredAsset
from lakebox.core.plan import copies
from lakebox.errors import ConfigError, LakeError

_DESCRIPTION = "lakebox"  # key in a column's metadata (versioned with the data, unlike the dataset's)
_LABELBOX = "labelbox_meta"
_PROJECT = "lakebox_project"
LOG = "_deeplake_log"

_VENDOR_ERRORS: tuple[type[Exception], ...] = (
    *(e for e in vars(deeplake).values() if isinstance(e, type) and issubclass(e, Exception)),
    RuntimeError,
    ValueError,
    OSError,
)


class LocalStorage(BaseModel):
    """Datasets in folders of this machine. Config choice `storage=local`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def find(self, path: str) -> DeepLake | None:
        """Open the dataset in a folder; None if the folder is missing or empty.

        Raises:
            ConfigError: the path is not a folder's.
            LakeError: something else is in the folder, or it cannot be opened.
        """
        folder = local_folder(path)
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return None
        if not (folder / LOG).is_dir():
            what = "files that are no Deep Lake dataset" if folder.is_dir() else "a file"
            raise LakeError(f"path {path}: holds {what}; nothing was touched, choose another path")
        return _open(str(folder), path)

    def create(self, path: str) -> DeepLake:
        """Create a dataset in a new or empty folder.

        Raises:
            LakeError: the folder cannot be written.
        """
        folder = local_folder(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LakeError(f"path {path}: cannot be created: {error.strerror}") from error
        return _create(str(folder), path)


class MemoryStorage(BaseModel):
    """Datasets in this process's memory: for tries and tests. Config choice `storage=memory`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def find(self, path: str) -> DeepLake | None:
        """Open the dataset of that name, if this process has made one."""
        address = memory_address(path)
        return _open(address, path) if deeplake.exists(address) else None

    def create(self, path: str) -> DeepLake:
        """Create a dataset."""
        return _create(memory_address(path), path)


def _refuse_version(path: str) -> None:
    # deeplake.open("x@y") silently opens main for writing, create("x@y") creates at "x".
    if "@" in path:
        raise ConfigError(f"path: {path!r} holds an '@'; Deep Lake would read a version there, choose another path")


def local_folder(path: str) -> Path:
    """The folder that a path means.

    Raises:
        ConfigError: it means none.
    """
    if "://" in path and not path.startswith("file://"):
        raise ConfigError(
            f"path: {path!r} is no folder, but storage=local keeps datasets in folders; change one of them"
        )
    folder = Path(path.removeprefix("file://")).expanduser().absolute()
    _refuse_version(str(folder))  # the whole of it: a folder above may hold the sign
    return folder


def memory_address(path: str) -> str:
    """Deep Lake's address of a dataset in memory."""
    _refuse_version(path)
    return "mem://" + path.removeprefix("mem://")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Deep Lake's errors within, as LakeError with what was being done."""
    try:
        yield
    except _VENDOR_ERRORS as error:
        raise LakeError(f"{doing}: {type(error).__name__}: {error}".strip()) from error


def _create(address: str, path: str) -> DeepLake:
    with translated(f"path {path}: the dataset cannot be created; check that the place can be written"):
        return DeepLake(deeplake.create(address), path)


def _open(address: str, path: str) -> DeepLake:
    with translated(f"path {path}: the dataset cannot be opened"):
        dataset = deeplake.open(address)
    lake = DeepLake(dataset, path)
    lake.refuse_others()
    return lake


@dataclass(slots=True)
class _Waiting:
    """Whether a dataset has changes that no commit holds."""

    changes: bool = False


def _discard(dataset: Any, waiting: _Waiting) -> None:
    """Deep Lake commits what waits when a handle goes away; half a run must not become a version like that."""
    if waiting.changes:
        dataset.rollback()


class DeepLake:
    """One open dataset. What is not committed is gone with it."""

    def __init__(self, dataset: Any, path: str) -> None:
        self._dataset = dataset
        self._path = path
        self._waiting = _Waiting()
        weakref.finalize(self, _discard, dataset, self._waiting)

    @property
    def handle(self) -> Any:
        """The `deeplake.Dataset` itself."""
        return self._dataset

    def refuse_others(self) -> None:
        """Never write into a dataset that somebody else made.

        Raises:
            LakeError: it has columns, and none of them is lakebox's.
        """
        names = [column.name for column in self._dataset.schema.columns]
        if names and STATE not in names:
            raise LakeError(
                f"path {self._path}: a Deep Lake dataset that lakebox did not write (columns {', '.join(names[:4])});"
                " nothing was touched, choose another path"
            )

    def __len__(self) -> int:
        return len(self._dataset)

    @property
    def version(self) -> str:
        """Deep Lake's id of the current version."""
        return str(self._dataset.version)

    def stored(self) -> Stored:
        """Read columns and, of every data row, fingerprints and row numbers."""
        described = {
            c.name: dict(self._dataset[c.name].metadata).get(_DESCRIPTION) for c in self._dataset.schema.columns
        }
        columns = tuple(Column.recalled(name, text) for name, text in described.items() if text)
        foreign = tuple(name for name, text in described.items() if not text)
        meta = dict(self._dataset[STATE].metadata) if STATE in described else {}
        media = next((kind for kind, name in INDEX.items() if name in described), "")
        assets = tuple(self._assets(media)) if len(self) else ()
        return Stored(assets, columns, foreign, media, str(meta.get(_PROJECT, "")))

    def _assets(self, media: str) -> Iterator[StoredAsset]:
        ids = [str(value) for value in self._dataset[ID][:]]
        states = {row: text for row, text in enumerate(self._dataset[STATE][:]) if text}
        numbers = self._dataset[INDEX[media]][:]
        for key, rows, text in copies(ids, states):
            state: dict[str, Any] = read_state(text) if text else {"media": "", "labels": "", "rows": -1}
            whole = state["rows"] == len(rows)
            yield StoredAsset(key, state["media"], state["labels"], rows, int(numbers[rows[0]]), whole)

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Keep `labelbox_meta` where upstream keeps it, in the dataset's metadata, which has no versions; what plans
        need of it is kept beside the state, which has."""
        if dict(self._dataset.metadata).get(_LABELBOX) != facts:
            self._waiting.changes = True
            self._dataset.metadata[_LABELBOX] = dict(facts)
        metadata = self._dataset[STATE].metadata
        if dict(metadata).get(_PROJECT) != facts["project_id"]:
            self._waiting.changes = True
            metadata[_PROJECT] = facts["project_id"]

    def arrange(self, columns: Sequence[Column], remove: Sequence[str]) -> bool:
        """Remove columns, add missing ones, bring class names up to date. Whether anything changed."""
        changed = bool(remove)
        self._waiting.changes |= changed
        with translated(f"path {self._path}: changing columns"):
            for name in remove:
                self._dataset.remove_column(name)
            present = {column.name for column in self._dataset.schema.columns}
            for column in columns:
                if column.name not in present:
                    self._dataset.add_column(column.name, _type(column))
                changed |= self._note(column)
        return changed

    def _note(self, column: Column) -> bool:
        metadata = self._dataset[column.name].metadata
        if dict(metadata).get(_DESCRIPTION) == column.described():
            return False
        self._waiting.changes = True
        metadata[_DESCRIPTION] = column.described()
        if column.classes is not None:
            metadata["class_names"] = [item.name for item in column.classes]
        return True

    def append(self, cells: Cells, foreign: Cells | None = None) -> None:
        """Add rows of all lakebox columns; those of other owners get what `foreign` has for them, or an empty value."""
        types_ = {column.name: column for column in self._described()}
        batch = {name: exact(types_[name], values) for name, values in cells.items()}
        rows = len(next(iter(batch.values())))
        for column in self._dataset.schema.columns:
            if column.name not in batch:
                own, given = types_.get(column.name), (foreign or {}).get(column.name)
                kind = str(column.dtype)
                batch[column.name] = empty(own, rows) if own else filler(kind, rows) if given is None else given
        self._waiting.changes = True
        with translated(f"path {self._path}: appending {rows} rows"):
            self._dataset.append(batch)

    def _described(self) -> Iterator[Column]:
        for column in self._dataset.schema.columns:
            if text := dict(self._dataset[column.name].metadata).get(_DESCRIPTION):
                yield Column.recalled(column.name, text)

    def update(self, rows: NDArray[np.int64], cells: Cells) -> None:
        """Overwrite cells, by contiguous slices: setting them one by one costs a hundred times as much."""
        types_ = {column.name: column for column in self._described()}
        self._waiting.changes = True
        with translated(f"path {self._path}: updating {len(rows)} rows"):
            for name, values in cells.items():
                for start, stop in runs(rows):
                    first, last = int(rows[start]), int(rows[stop - 1])
                    self._dataset[name][first : last + 1] = exact(types_[name], values[start:stop])

    def read(self, column: str, rows: NDArray[np.int64]) -> list[Any]:
        """Cells of some rows; empty text reads as ""."""
        with translated(f"path {self._path}: reading {column}"):
            found: list[Any] = []
            for start, stop in runs(rows):
                found += list(self._dataset[column][int(rows[start]) : int(rows[stop - 1]) + 1])
        if any(own.name == column and own.type == "text" for own in self._described()):
            return ["" if text is None else text for text in found]
        return found

    def delete(self, rows: NDArray[np.int64]) -> None:
        """Remove rows, the last one first so that the numbers of the others hold."""
        self._waiting.changes = True
        with translated(f"path {self._path}: removing {len(rows)} rows"):
            for row in sorted(rows.tolist(), reverse=True):
                self._dataset.delete(row)

    def commit(self, message: str) -> None:
        """Commit.

        Raises:
            LakeError: it failed. The handle is of no use then (the next commit would hang): open the dataset again.
        """
        self._waiting.changes = False  # also after a failure: rolling back a handle whose commit failed hangs
        with translated(f"path {self._path}: the commit failed; what earlier commits wrote is safe, run again"):
            self._dataset.commit(message)

    def tag(self, name: str) -> None:
        """Name the current version.

        Raises:
            LakeError: there is such a tag already.
        """
        with translated(f"path {self._path}: tag {name!r}"):
            self._dataset.tag(name)

    def tags(self) -> dict[str, str]:
        """Tag -> the version it names."""
        return {name: str(self._dataset.tags[name].version) for name in self._dataset.tags.names()}

    def messages(self) -> list[str]:
        """Commit messages, the oldest first."""
        return [str(version.message) for version in self._dataset.history]


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
