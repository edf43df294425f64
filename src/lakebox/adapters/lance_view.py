"""Reading an open Lance dataset: as it is, or as it was at a tag or version."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from itertools import chain
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
from lance.dataset import LANCE_COMMIT_MESSAGE_KEY
from numpy.typing import NDArray

from lakebox.adapters.files import HeldFile
from lakebox.adapters.lance_cells import decoded_cells
from lakebox.adapters.lance_changes import Changes
from lakebox.adapters.video import VideoFile
from lakebox.core.columns import Column
from lakebox.core.facts import ID, INDEX, STATE
from lakebox.core.lake_port import MAIN, Stored, Version
from lakebox.core.model import Media
from lakebox.core.plan import stored_assets
from lakebox.errors import LakeError

DESCRIPTION = b"lakebox"
"""Key in a field's metadata: what the column holds, see `Column.described`."""
LABELBOX = b"labelbox_meta"
NOTE = b"lakebox_"
"""Keys of notes in the schema's metadata begin with it."""

_VENDOR_ERRORS = (
    pa.ArrowException, OSError, ValueError, TypeError, OverflowError, RuntimeError, LookupError, NotImplementedError,
)  # fmt: skip
_UNFIT = re.compile(r"[%.`\x00]")
_WRITTEN = re.compile(r"%(25|2E|60|00)")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Lance's and Arrow's errors within, as LakeError with what was being done."""
    try:
        yield
    except _VENDOR_ERRORS as error:
        said = str(error).partition(", /")[0]  # Lance adds the place in its own source
        raise LakeError(f"{doing}: {type(error).__name__}: {said}") from error


def written_name(name: str) -> str:
    """A column's name as Lance takes it: dots are its own, and backticks it cannot read."""
    return _UNFIT.sub(lambda found: f"%{ord(found[0]):02X}", name)


def described(name: str, field: pa.Field) -> Column | None:
    """What a column is to lakebox; None for columns of others."""
    text = (field.metadata or {}).get(DESCRIPTION)
    return Column.recalled(name, text.decode()) if text else None


def _shown_name(field: pa.Field) -> str:
    """The inverse; columns of others are called as they are."""
    if DESCRIPTION not in (field.metadata or {}):
        return str(field.name)
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), field.name)


class LanceView:
    """A dataset to read: as it is, or as it was."""

    def __init__(self, dataset: lance.LanceDataset, path: str, branch: str = MAIN) -> None:
        self._base = dataset
        self._path = path
        self._branch = branch
        self._now = Changes(dataset)

    def __len__(self) -> int:
        return len(self._now.order)

    @property
    def handle(self) -> lance.LanceDataset:
        """The `lance.LanceDataset` itself, without what no commit holds yet."""
        return self._base

    @property
    def version(self) -> str:
        """Lance's number of the current version; branches count by themselves."""
        return str(self._base.version)

    @property
    def opening(self) -> str:
        """By `lance.dataset`, at the path as it was given."""
        branch = "" if self._branch == MAIN else f'.checkout_version(("{self._branch}", None))'
        return f'lance.dataset("{self._path.removeprefix("file://")}"){branch}'

    def refuse_others(self) -> None:
        """Never write into a dataset that somebody else made.

        Raises:
            LakeError: it has columns, and none of them is lakebox's.
        """
        names = self._now.schema.names
        if names and STATE not in names:
            raise LakeError(
                f"path {self._path}: a Lance dataset that lakebox did not write (columns {', '.join(names[:4])});"
                " nothing was touched, choose another path"
            )

    def _fields(self) -> dict[str, pa.Field]:
        return {_shown_name(field): field for field in self._now.schema}

    def _columns(self) -> dict[str, Column]:
        """Lakebox's own ones."""
        return {name: column for name, field in self._fields().items() if (column := described(name, field))}

    def _metadata(self) -> dict[bytes, bytes]:
        return dict(self._now.schema.metadata or {})

    def stored(self) -> Stored:
        """Read columns and, of every data row, fingerprints and row numbers."""
        columns = self._columns()
        foreign = tuple(name for name in self._fields() if name not in columns)
        notes = {
            key.removeprefix(NOTE).decode(): text.decode()
            for key, text in self._metadata().items()
            if key.startswith(NOTE)
        }
        media = next((kind for kind, name in INDEX.items() if name in columns), "")
        rows = np.arange(len(self))
        assets = stored_assets(*(self.read(name, rows) for name in (ID, STATE, INDEX[media]))) if media else ()
        return Stored(tuple(assets), tuple(columns.values()), foreign, media, notes.pop("project", ""), notes)

    def described(self) -> dict[str, Any]:
        """`labelbox_meta`, which has versions here; empty if there is none."""
        found: dict[str, Any] = json.loads(self._metadata().get(LABELBOX, b"{}"))
        return found

    def read(self, column: str, rows: NDArray[np.int64]) -> list[Any]:
        """Cells of some rows; empty text reads as ""."""
        cells, known = self._cells(column, rows), self._columns().get(column)
        with translated(f"path {self._path}: reading {column}"):
            found: list[Any] = cells.to_pylist() if known is None else decoded_cells(known, cells)
            return found

    def _cells(self, column: str, rows: NDArray[np.int64]) -> pa.Array:
        field = self._fields().get(column)
        if field is None:
            raise LakeError(f"path {self._path}: there is no column {column!r}")
        with translated(f"path {self._path}: reading {column}"):
            return self._now.cells(field.name, np.asarray(rows, np.int64))

    def video_frame(self, column: str, row: int, frame: int) -> NDArray[np.uint8]:
        """(h, w, 3) RGB: frame of a video file, 0-based, in display order."""
        (data,) = self.read(column, np.array([row]))
        frames = VideoFile(HeldFile(f"row{row}.mp4", data), Media("video", None, None, None, None), "count").frames(
            np.array([frame])
        )
        found = next(chain(frames, [None]))
        if found is None:
            raise LakeError(f"path {self._path}: the video in row {row} has no frame {frame}")
        return found.pixels()

    def foreign(self, column: str, rows: NDArray[np.int64]) -> list[Any]:
        """Cells of a column that is somebody else's, as Arrow scalars; None where there is nothing."""
        return [cell if cell.is_valid else None for cell in self._cells(column, rows)]

    def tags(self) -> dict[str, str]:
        """Tag -> the version it names."""
        return {name: str(tag["version"]) for name, tag in self._tags().items()}

    def _tags(self) -> dict[str, Any]:
        with translated(f"path {self._path}: reading the tags"):
            return dict(self._base.tags.list())

    def history(self) -> list[Version]:
        """Versions of this branch, the oldest first: a branch begins with the version that it was made of."""
        named: dict[int, list[str]] = {}
        for name, tag in self._tags().items():
            if (tag["branch"] or MAIN) == self._branch:
                named.setdefault(tag["version"], []).append(name)
        with translated(f"path {self._path}: reading the history"):
            return [
                Version(str(one["version"]), self._message(one["version"]), _utc(one["timestamp"]),
                        tuple(sorted(named.get(one["version"], ()))))
                for one in self._base.versions()
                if one["version"] <= self._base.version
            ]  # fmt: skip

    def _message(self, version: int) -> str:
        done = self._base.read_transaction(version)
        said = (done.transaction_properties if done else None) or {}
        return str(said.get(LANCE_COMMIT_MESSAGE_KEY, ""))

    def messages(self) -> list[str]:
        """Commit messages, the oldest first."""
        return [version.message for version in self.history()]

    def _opened(self, branch: str, version: int | None = None) -> LanceView:
        """A version of a branch.

        Raises:
            LakeError: the dataset was moved since the branch was made, and Lance does not find its files any more.
        """
        found = self._base.checkout_version((None if branch == MAIN else branch, version))
        root = self._root()
        bases = [Path(base.path) for base in found.base_paths().values()]
        if wrong := [str(base) for base in bases if not _is_within(base, root)]:
            raise LakeError(
                f"path {self._path}: branch {branch!r} was made when the dataset was at {wrong[0]}, and Lance keeps"
                " whole addresses in branches; move it back there, or copy it without the folder 'tree' and make it"
                " anew"
            )
        return LanceView(found, self._path, branch)

    def _root(self) -> Path:
        """The folder of the dataset, also of a branch, whose own is below `tree`."""
        own = Path(self._base.uri)
        return own if self._branch == MAIN else Path(str(own).removesuffix(f"/tree/{self._branch}"))

    def at(self, name: str) -> LanceView:
        """As it was at a tag, of any branch, or at a version of this one.

        Raises:
            LakeError: there is no such tag or version.
        """
        tags = self._tags()
        with translated(f"path {self._path}: opening {name}"):
            if name in tags:
                branch, version = tags[name]["branch"], tags[name]["version"]
                return self._opened(branch or MAIN, version)
            if any(str(one["version"]) == name for one in self._base.versions()):
                return LanceView(self._base.checkout_version(int(name)), self._path, self._branch)
        known = ", ".join(sorted(tags)) or "none"
        raise LakeError(
            f"path {self._path}: no tag or version {name!r} (tags: {known}); task=history lists all versions"
        )


def _is_within(base: Path, root: Path) -> bool:
    """Whether the folder of another branch is the dataset's own, or one of its branches'."""
    return base.exists() and base.resolve().is_relative_to(root.resolve())


def _utc(moment: Any) -> str:
    """Lance gives local times without an offset."""
    return str(moment.astimezone(UTC).isoformat(timespec="seconds"))
