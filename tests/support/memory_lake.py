"""A lake in plain Python, written against `lakebox.core.ports`: for tests of programs, and to keep the port honest."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lakebox.core.columns import Cells, Column
from lakebox.core.facts import ID, INDEX, STATE, read_state
from lakebox.core.lake_port import Stored, StoredAsset
from lakebox.core.plan import copies
from lakebox.errors import ConfigError, LakeError


@dataclass
class Content:
    """Everything that a commit makes lasting."""

    columns: dict[str, Column | None] = field(default_factory=dict)
    """None: somebody else's."""
    cells: dict[str, list[Any]] = field(default_factory=dict)
    project: str = ""


@dataclass
class Place:
    """What is at an address: the committed content with its history, or something that is no lake of ours."""

    content: Content = field(default_factory=Content)
    messages: list[str] = field(default_factory=list)
    tags: dict[str, int] = field(default_factory=dict)
    labelbox_meta: dict[str, Any] = field(default_factory=dict)
    foreign: str = ""


class MemoryStorage:
    """Lakes by path. `places` is what would be on a disk; tests may look into it and put strange things there."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}

    def find(self, path: str) -> MemoryLake | None:
        """The committed content at the path."""
        place = self._place(path)
        return MemoryLake(place, path) if place else None

    def create(self, path: str) -> MemoryLake:
        """An empty lake.

        Raises:
            LakeError: there is one.
        """
        if self._place(path):
            raise LakeError(f"path {path}: exists already")
        self.places[path] = Place()
        return MemoryLake(self.places[path], path)

    def _place(self, path: str) -> Place | None:
        if "@" in path:
            raise ConfigError(f"path: {path!r} holds an '@'")
        place = self.places.get(path)
        if place and place.foreign:
            raise LakeError(f"path {path}: holds {place.foreign}; nothing was touched")
        if place and place.content.columns and STATE not in place.content.columns:
            raise LakeError(f"path {path}: a dataset that lakebox did not write; nothing was touched")
        return place


class MemoryLake:
    """One open lake: works on a copy until `commit`."""

    def __init__(self, place: Place, path: str) -> None:
        self._place = place
        self._path = path
        self._now = copy.deepcopy(place.content)

    def __len__(self) -> int:
        return len(next(iter(self._now.cells.values()), []))

    @property
    def version(self) -> str:
        """Number of commits."""
        return str(len(self._place.messages))

    def stored(self) -> Stored:
        """Columns, and of every data row fingerprints and row numbers."""
        own = {name: column for name, column in self._now.columns.items() if column}
        media = next((kind for kind, name in INDEX.items() if name in own), "")
        foreign = tuple(name for name in self._now.columns if name not in own)
        assets = tuple(self._asset(media, *item) for item in self._copies())
        return Stored(assets, tuple(own.values()), foreign, media, self._now.project)

    def _copies(self) -> list[tuple[str, NDArray[np.int64], str | None]]:
        cells = self._now.cells
        states = {row: text for row, text in enumerate(cells.get(STATE, [])) if text}
        return copies([str(key) for key in cells.get(ID, [])], states)

    def _asset(self, media: str, key: str, rows: NDArray[np.int64], text: str | None) -> StoredAsset:
        state: dict[str, Any] = read_state(text) if text else {"media": "", "labels": "", "rows": -1}
        index = int(self._now.cells[INDEX[media]][int(rows[0])])
        return StoredAsset(key, state["media"], state["labels"], rows, index, state["rows"] == len(rows))

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Keep `labelbox_meta`."""
        self._place.labelbox_meta = dict(facts)
        self._now.project = str(facts["project_id"])

    def arrange(self, columns: Sequence[Column], remove: Sequence[str]) -> bool:
        """Remove, add, and bring class names up to date."""
        before, rows = dict(self._now.columns), len(self)
        for name in remove:
            del self._now.columns[name], self._now.cells[name]
        for column in columns:
            self._now.columns[column.name] = column
            self._now.cells.setdefault(column.name, [None] * rows)
        return before != self._now.columns

    def append(self, cells: Cells) -> None:
        """Add rows of all own columns; others get an empty value."""
        own = {name for name, column in self._now.columns.items() if column}
        if own != set(cells) or len({len(values) for values in cells.values()}) != 1:
            raise LakeError(f"path {self._path}: appending {sorted(cells)} to columns {sorted(own)}")
        rows = len(next(iter(cells.values())))
        for name, column in self._now.columns.items():
            values = [None] * rows if column is None else [_stored(column, value) for value in cells[name]]
            self._now.cells[name] += values

    def update(self, rows: NDArray[np.int64], cells: Cells) -> None:
        """Overwrite cells."""
        for name, values in cells.items():
            column = self._now.columns[name]
            if column is None:
                raise LakeError(f"path {self._path}: {name} is somebody else's column")
            for row, value in zip(rows.tolist(), values, strict=True):
                self._now.cells[name][row] = _stored(column, value)

    def read(self, column: str, rows: NDArray[np.int64]) -> list[Any]:
        """Cells of some rows."""
        return [self._now.cells[column][row] for row in rows.tolist()]

    def delete(self, rows: NDArray[np.int64]) -> None:
        """Remove rows."""
        gone = set(rows.tolist())
        for name, values in self._now.cells.items():
            self._now.cells[name] = [value for row, value in enumerate(values) if row not in gone]

    def commit(self, message: str) -> None:
        """Make everything lasting."""
        self._place.content = copy.deepcopy(self._now)
        self._place.messages.append(message)

    def tag(self, name: str) -> None:
        """Name the current version.

        Raises:
            LakeError: there is such a tag.
        """
        if name in self._place.tags:
            raise LakeError(f"path {self._path}: tag {name!r} exists already")
        self._place.tags[name] = len(self._place.messages)

    def messages(self) -> list[str]:
        """Commit messages, the oldest first."""
        return list(self._place.messages)


_AXES = {"box": 2, "point": 2, "mask": 3, "segment_mask": 2, "class": 1}


def _stored(column: Column, value: Any) -> Any:
    """A cell as it reads back. Whatever has not exactly its column's type is refused: real lakes store garbage then."""
    if column.type == "text":
        return _exactly(column, value, isinstance(value, str))
    if column.type == "scalar":
        return np.dtype(column.dtype).type(_exactly(column, value, np.asarray(value).dtype == column.dtype))
    if column.type in ("jpg", "png"):
        return _decoded(_exactly(column, value, isinstance(value, bytes)))
    if column.type == "video":
        return _exactly(column, value, value is None or isinstance(value, bytes))
    if column.type == "polygon":
        fine = all(shape.dtype == np.float32 and shape.ndim == 2 and shape.shape[1] == 2 for shape in value)
        return [np.array(shape) for shape in _exactly(column, value, fine)]
    axes = _AXES.get(column.type, column.ndim)
    fine = isinstance(value, np.ndarray) and value.dtype == _dtype(column) and value.ndim == axes
    return np.array(_exactly(column, value, fine))


def _dtype(column: Column) -> Any:
    return np.dtype({"class": "int32", "point": "float32", "mask": "bool"}.get(column.type, column.dtype))


def _exactly(column: Column, value: Any, fine: bool) -> Any:
    if not fine:
        raise LakeError(f"column {column.name}: {type(value).__name__} is not what a {column.type} column holds")
    return value


def _decoded(data: bytes) -> NDArray[np.uint8]:
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    return pixels if pixels.ndim == 3 else pixels[:, :, None]
