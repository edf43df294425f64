"""A lake in plain Python, written against `lakebox.core.ports`: for tests of programs, and to keep the port honest."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lakebox.core.columns import Cells, Column
from lakebox.core.facts import ID, INDEX, ROW_KEY, STATE, read_state
from lakebox.core.lake_port import MAIN, Stored, StoredAsset, Version
from lakebox.core.plan import copies
from lakebox.errors import ConfigError, LakeBusy, LakeError, LakeMoved


@dataclass
class Content:
    """Everything that a commit makes lasting."""

    columns: dict[str, Column | None] = field(default_factory=dict)
    """None: somebody else's."""
    cells: dict[str, list[Any]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass
class Commit:
    """One version."""

    id: str
    message: str
    content: Content
    made: int = 0
    """Numbers all versions of a place in the order in which they were made."""


@dataclass
class Place:
    """What is at an address: branches of versions, or something that is no lake of ours."""

    branches: dict[str, list[Commit]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    labelbox_meta: dict[str, Any] = field(default_factory=dict)
    foreign: str = ""
    made: int = 0

    @property
    def content(self) -> Content:
        """What main holds now."""
        return self.branches[MAIN][-1].content

    @property
    def messages(self) -> list[str]:
        """What commits to main said."""
        return [one.message for one in self.branches[MAIN][1:]]

    def add(self, branch: str, message: str, content: Content) -> None:
        """Commit."""
        self.made += 1
        one = Commit(f"v{self.made}", message, copy.deepcopy(content), self.made)
        self.branches.setdefault(branch, []).append(one)


class MemoryStorage:
    """Lakes by path. `places` is what would be on a disk; tests may look into it and put strange things there."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.locked: set[str] = set()

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
        place = self.places[path] = Place()
        place.add(MAIN, "created", Content())
        return MemoryLake(place, path)

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        """Keep others out.

        Raises:
            LakeBusy: somebody has it.
        """
        if path in self.locked:
            raise LakeBusy(f"path {path}: another run is writing it")
        self.locked.add(path)
        try:
            yield
        finally:
            self.locked.remove(path)

    def _place(self, path: str) -> Place | None:
        if "@" in path:
            raise ConfigError(f"path: {path!r} holds an '@'")
        place = self.places.get(path)
        if place and place.foreign:
            raise LakeError(f"path {path}: holds {place.foreign}; nothing was touched")
        if place and place.content.columns and STATE not in place.content.columns:
            raise LakeError(f"path {path}: a dataset that lakebox did not write; nothing was touched")
        return place


class MemoryView:
    """A lake to read."""

    def __init__(self, place: Place, path: str, at: Commit) -> None:
        self._place = place
        self._path = path
        self._at = at
        self._now = copy.deepcopy(at.content)

    def __len__(self) -> int:
        return len(next(iter(self._now.cells.values()), []))

    @property
    def version(self) -> str:
        """The version that this stands on."""
        return self._at.id

    @property
    def opening(self) -> str:
        """It lives in this process only."""
        return ""

    def stored(self) -> Stored:
        """Columns, and of every data row fingerprints and row numbers."""
        own = {name: column for name, column in self._now.columns.items() if column}
        media = next((kind for kind, name in INDEX.items() if name in own), "")
        foreign = tuple(name for name in self._now.columns if name not in own)
        assets = tuple(self._asset(media, *item) for item in self._copies()) if media else ()
        notes = dict(self._now.notes)
        return Stored(assets, tuple(own.values()), foreign, media, notes.pop("project", ""), notes)

    def _copies(self) -> list[tuple[str, NDArray[np.int64], str | None]]:
        cells = self._now.cells
        states = {row: text for row, text in enumerate(cells.get(STATE, [])) if text}
        return copies([str(key) for key in cells.get(ID, [])], states)

    def _asset(self, media: str, key: str, rows: NDArray[np.int64], text: str | None) -> StoredAsset:
        state: dict[str, Any] = read_state(text) if text else {"media": "", "labels": "", "rows": -1}
        index = int(self._now.cells[INDEX[media]][int(rows[0])])
        told = (state.get(name, "") for name in ("facts", "config"))
        return StoredAsset(key, state["media"], state["labels"], rows, index, state["rows"] == len(rows), *told)

    def described(self) -> dict[str, Any]:
        """`labelbox_meta`, which has no versions."""
        return dict(self._place.labelbox_meta)

    def video_frame(self, column: str, row: int, frame: int) -> NDArray[np.uint8]:
        """(h, w, 3): the frame of a file."""
        with av.open(io.BytesIO(self._now.cells[column][row])) as container:
            return next(islice(container.decode(video=0), frame, None)).to_ndarray(format="rgb24")

    def read(self, column: str, rows: NDArray[np.int64]) -> list[Any]:
        """Cells of some rows."""
        return [self._now.cells[column][row] for row in rows.tolist()]

    def foreign(self, column: str, rows: NDArray[np.int64]) -> list[Any]:
        """Cells of somebody else's column."""
        return self.read(column, rows)


class MemoryLake(MemoryView):
    """One open branch of a lake: works on a copy until `commit`."""

    def __init__(self, place: Place, path: str, branch: str = MAIN) -> None:
        super().__init__(place, path, place.branches[branch][-1])
        self._branch = branch

    def describe(self, facts: Mapping[str, Any]) -> bool:
        """Keep `labelbox_meta`."""
        changed = self._place.labelbox_meta != facts
        self._place.labelbox_meta = dict(facts)
        return self.note({"project": str(facts["project_id"])}) or changed

    def note(self, notes: Mapping[str, str]) -> bool:
        """Keep texts with the versions."""
        before = dict(self._now.notes)
        self._now.notes.update(notes)
        return before != self._now.notes

    def arrange(self, columns: Sequence[Column], remove: Sequence[str], renames: Mapping[str, str] = {}) -> bool:
        """Rename, remove, add, and bring class names up to date."""
        before, rows = dict(self._now.columns), len(self)
        for name in remove:
            del self._now.columns[name], self._now.cells[name]
        for part in (self._now.columns, self._now.cells):
            named = {renames.get(name, name): value for name, value in part.items()}
            part.clear()
            part.update(named)
        for column in columns:
            self._now.columns[column.name] = column
            self._now.cells.setdefault(column.name, [None] * rows)
        return before != self._now.columns

    def append(self, cells: Cells, foreign: Cells | None = None) -> None:
        """Add rows of all own columns that are not archived; others get an empty value or what is given for them."""
        own = {name for name, column in self._now.columns.items() if column}
        if not set(cells) <= own or len({len(values) for values in cells.values()}) != 1:
            raise LakeError(f"path {self._path}: appending {sorted(cells)} to columns {sorted(own)}")
        rows = len(next(iter(cells.values())))
        for name, column in self._now.columns.items():
            given = (foreign or {}).get(name, [None] * rows)
            if column is None or name not in cells:
                self._now.cells[name] += list(given)
            else:
                self._now.cells[name] += [_stored(column, value) for value in cells[name]]

    def put(self, column: str, rows: NDArray[np.int64], cells: Sequence[Any]) -> None:
        """Overwrite cells of somebody else's column."""
        for row, cell in zip(rows.tolist(), cells, strict=True):
            self._now.cells[column][row] = cell

    def update(self, rows: NDArray[np.int64], cells: Cells) -> None:
        """Overwrite cells."""
        for name, values in cells.items():
            column = self._now.columns[name]
            if column is None:
                raise LakeError(f"path {self._path}: {name} is somebody else's column")
            for row, value in zip(rows.tolist(), values, strict=True):
                self._now.cells[name][row] = _stored(column, value)

    def delete(self, rows: NDArray[np.int64]) -> None:
        """Remove rows."""
        gone = set(rows.tolist())
        for name, values in self._now.cells.items():
            self._now.cells[name] = [value for row, value in enumerate(values) if row not in gone]

    def commit(self, message: str) -> None:
        """Make everything lasting.

        Raises:
            LakeMoved: somebody else committed meanwhile.
        """
        if self._place.branches[self._branch][-1] is not self._at:
            self._now = copy.deepcopy(self._at.content)
            raise LakeMoved(f"path {self._path}: somebody else committed meanwhile")
        self._place.add(self._branch, message, self._now)
        self._at = self._place.branches[self._branch][-1]

    def tag(self, name: str) -> None:
        """Name the current version.

        Raises:
            LakeError: there is such a tag.
        """
        if name in self._place.tags:
            raise LakeError(f"path {self._path}: tag {name!r} exists already")
        self._place.tags[name] = self.version

    def tags(self) -> dict[str, str]:
        """Tag -> version."""
        return dict(self._place.tags)

    def history(self) -> list[Version]:
        """Versions of this branch."""
        named = {one.id: [t for t, v in self._place.tags.items() if v == one.id] for one in self._commits()}
        return [
            Version(one.id, one.message, f"2024-01-01T00:00:{one.made:02d}+00:00", tuple(sorted(named[one.id])))
            for one in self._commits()
        ]

    def _commits(self) -> list[Commit]:
        return self._place.branches[self._branch]

    def at(self, name: str) -> MemoryView:
        """As it was.

        Raises:
            LakeError: there is no such tag or version.
        """
        wanted = self._place.tags.get(name, name)
        everything = [one for branch in self._place.branches.values() for one in branch]
        found = next((one for one in everything if one.id == wanted), None)
        if found is None:
            known = ", ".join(sorted(self._place.tags)) or "none"
            raise LakeError(f"path {self._path}: no tag or version {name!r} (tags: {known})")
        return MemoryView(self._place, self._path, found)

    def revert(self, version: str) -> None:
        """An earlier version again."""
        self._now = copy.deepcopy(next(one.content for one in self._commits() if one.id == version))
        self.commit(f"revert to {version}")

    def branch(self, name: str) -> MemoryLake | None:
        """A branch."""
        return MemoryLake(self._place, self._path, name) if name in self._place.branches else None

    def fork(self, name: str) -> MemoryLake:
        """A new branch."""
        if name in self._place.branches:
            raise LakeError(f"path {self._path}: there is a branch {name!r}")
        self._place.add(name, f"branch of {self._branch}", self._at.content)
        return MemoryLake(self._place, self._path, name)

    def merge(self, branch: str = MAIN) -> None:
        """What the other branch has and this one has not, by row key: rows, deletions, columns."""
        theirs = self._place.branches[branch][-1].content
        mine, now = self._keys(self._now), Content(dict(self._now.columns), {}, dict(self._now.notes))
        known = {key: row for row, key in enumerate(mine)}
        now.columns |= {name: column for name, column in theirs.columns.items() if name not in now.columns}
        keys = self._keys(theirs)
        for name in now.columns:
            old, new = self._now.cells.get(name), theirs.cells.get(name)
            now.cells[name] = [
                old[known[key]] if key in known and old is not None else (new[row] if new is not None else None)
                for row, key in enumerate(keys)
            ]
        self._now = now
        self.commit(f"merge {branch}")

    @staticmethod
    def _keys(content: Content) -> list[Any]:
        """What tells rows apart: the data row, its stamp, and how often it came."""
        states = content.cells.get(STATE, [])
        ids = content.cells.get(ROW_KEY) or content.cells.get(ID, [])
        seen: dict[Any, int] = {}
        found = []
        for key, number, state in zip(ids, content.cells.get("video_idx", ids), states, strict=True):
            stamp = read_state(state)["media"] if state else ""
            name = (key, int(number) if not isinstance(number, str) else 0, stamp)
            seen[name] = seen.get(name, 0) + 1
            found.append((*name, seen[name]))
        return found

    def messages(self) -> list[str]:
        """Commit messages, the oldest first."""
        return [one.message for one in self._commits()[1:]]


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
