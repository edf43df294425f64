"""Reading an open Deep Lake dataset: as it is, or as it was at a tag or version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import deeplake
import numpy as np
from numpy.typing import NDArray

from lakebox.adapters.deep_lake_cells import runs
from lakebox.core.columns import Column
from lakebox.core.facts import ID, INDEX, STATE
from lakebox.core.lake_port import Stored, StoredAsset, Version
from lakebox.core.plan import stored_assets
from lakebox.errors import LakeError

DESCRIPTION = "lakebox"
"""Key in a column's metadata, which has versions like the data, unlike the dataset's."""
LABELBOX = "labelbox_meta"
NOTE = "lakebox_"
"""Keys of notes in the metadata of the state column begin with it."""
_STRETCH = 150
"""Rows of text that are read in the time that beginning to read takes (measured: 0.4 ms, 390,000 rows/s)."""
_PICTURES = 32
"""Pictures that are decoded one by one in the time of a slice, which decodes all around it (measured: 130 ms)."""
_WAITING = "9999999999vzzzzzzzz"  # the version that a handle names while changes wait for a commit

_VENDOR_ERRORS: tuple[type[Exception], ...] = (
    *(e for e in vars(deeplake).values() if isinstance(e, type) and issubclass(e, Exception)),
    RuntimeError,
    ValueError,
    OSError,
)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Deep Lake's errors within, as LakeError with what was being done."""
    try:
        yield
    except _VENDOR_ERRORS as error:
        raise LakeError(f"{doing}: {type(error).__name__}: {error}".strip()) from error


class DeepLakeView:
    """A dataset to read: as it is, or as it was."""

    def __init__(self, dataset: Any, path: str, root: Any = None, address: str = "") -> None:
        self.address = address
        """What Deep Lake's queries call it; empty if they cannot."""
        self._dataset = dataset
        self._path = path
        self._root = root  # a branch or version is gone when the dataset that it was opened from is

    def __len__(self) -> int:
        return len(self._dataset)

    @property
    def handle(self) -> Any:
        """The `deeplake.Dataset` itself."""
        return self._dataset

    @property
    def version(self) -> str:
        """Deep Lake's id of the current version."""
        return str(self._dataset.version)

    @property
    def opening(self) -> str:
        """By `deeplake.open_read_only`, at the path as it was given."""
        base, at, name = self.address.partition("@")
        shown = base if "://" in base else self._path.removeprefix("file://")
        return f'deeplake.open_read_only("{shown}{at}{name}")' if base else ""

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

    def stored(self) -> Stored:
        """Read columns and, of every data row, fingerprints and row numbers."""
        described = {
            c.name: dict(self._dataset[c.name].metadata).get(DESCRIPTION) for c in self._dataset.schema.columns
        }
        columns = tuple(Column.recalled(name, text) for name, text in described.items() if text)
        foreign = tuple(name for name, text in described.items() if not text)
        meta = dict(self._dataset[STATE].metadata) if STATE in described else {}
        media = next((kind for kind, name in INDEX.items() if name in described), "")
        notes = {key.removeprefix(NOTE): str(text) for key, text in meta.items() if key.startswith(NOTE)}
        assets = self._assets(media) if len(self) and media else ()
        return Stored(assets, columns, foreign, media, notes.pop("project", ""), notes)

    def _assets(self, media: str) -> tuple[StoredAsset, ...]:
        ids = [str(value) for value in self._dataset[ID][:]]
        return tuple(stored_assets(ids, self._dataset[STATE][:], self._dataset[INDEX[media]][:]))

    def described(self) -> dict[str, Any]:
        """`labelbox_meta`; empty if there is none."""
        found = dict(self._dataset.metadata).get(LABELBOX)
        return dict(found) if found else {}

    def read(self, column: str, rows: NDArray[np.int64]) -> list[Any]:
        """Cells of some rows; empty text reads as ""."""
        kind = str(self._dataset.schema[column].dtype)
        is_text = kind.startswith("text")
        with translated(f"path {self._path}: reading {column}"):
            stretches = list(runs(rows))
            if is_text and len(stretches) * _STRETCH > len(self):
                everything = self._dataset[column][:]
                found: list[Any] = [everything[row] for row in rows.tolist()]
            elif "image" in kind and len(rows) < _PICTURES * len(stretches):
                pictures = self._dataset[column]
                found = [pictures[row] for row in rows.tolist()]
            else:
                found = []
                for start, stop in stretches:
                    found += list(self._dataset[column][int(rows[start]) : int(rows[stop - 1]) + 1])
        return ["" if text is None else text for text in found] if is_text else found

    def video_frame(self, column: str, row: int, frame: int) -> NDArray[np.uint8]:
        """(h, w, 3) RGB: frame of a video file, 0-based; found by its time, so files are evenly spaced (`video`)."""
        with translated(f"path {self._path}: reading frame {frame} of the video in row {row}"):
            picture: NDArray[np.uint8] = np.asarray(self._dataset[column][row][frame])[0]
            return picture

    def foreign(self, column: str, rows: NDArray[np.int64]) -> list[Any]:
        """Cells of a column that is somebody else's, in the form that it takes: pictures as the bytes they came as."""
        with translated(f"path {self._path}: reading {column}"):
            cells = self._dataset[column]
            if "image" in str(self._dataset.schema[column].dtype) and hasattr(cells, "get_bytes"):
                return [cells.get_bytes(int(row)) for row in rows]
            return [cells[int(row)] for row in rows]

    def tags(self) -> dict[str, str]:
        """Tag -> the version it names."""
        return {name: str(self._dataset.tags[name].version) for name in self._dataset.tags.names()}

    def history(self) -> list[Version]:
        """Versions, the oldest first."""
        named = self._named()
        return [
            Version(str(one.id), str(one.message or ""), _utc(one.timestamp), tuple(sorted(named.get(str(one.id), []))))
            for one in self._dataset.history
            if str(one.id) != _WAITING
        ]

    def _named(self) -> dict[str, list[str]]:
        """Version -> tags of this branch. Ids are counted by branch, so that only the tag itself knows which it is."""
        tags = self._dataset.tags
        own = str(self._dataset.current_branch.name)
        is_alone = len(self._dataset.branches.names()) < 2
        named: dict[str, list[str]] = {}
        for name in tags.names():
            if is_alone or str(tags[name].open().current_branch.name) == own:
                named.setdefault(str(tags[name].version), []).append(name)
        return named

    def at(self, name: str) -> DeepLakeView:
        """As it was at a tag or version.

        Raises:
            LakeError: there is no such tag or version.
        """
        tags, history = self._dataset.tags, self._dataset.history
        if name in tags.names():
            address = f"{self.address.partition('@')[0]}@{name}" if self.address else ""
            return DeepLakeView(tags[name].open(), self._path, self, address)
        if any(str(one.id) == name for one in history):
            return DeepLakeView(history[name].open(), self._path, (self, history))
        known = ", ".join(sorted(tags.names())) or "none"
        raise LakeError(
            f"path {self._path}: no tag or version {name!r} (tags: {known}); task=history lists all versions"
        )

    def messages(self) -> list[str]:
        """Commit messages, the oldest first."""
        return [version.message for version in self.history()]


def _utc(moment: datetime) -> str:
    """Deep Lake gives local times without an offset."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")
