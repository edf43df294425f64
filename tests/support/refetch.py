"""A project as it was and as it is now, in datasets of every provider: what re-fetch tests disturb.

Of the first data row and of the second, labels are edited; the third is removed; the fourth has other media, and
fewer rows are common to both than either has; the fifth stays as it is; a sixth is added.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import deeplake

from lakebox import run
from lakebox.adapters.deep_lake import LocalStorage
from lakebox.core.report import Report
from lakebox.errors import LakeError
from lakebox.runner import Silent

from .composed import composed
from .tiny import (
    Cells,
    Clip,
    column,
    data_row,
    differences,
    edited,
    history,
    move_object,
    overrides,
    read_cells,
    read_rows_in_order,
    row_keys,
    write_clip,
    write_files,
    write_project,
)

BEFORE = (Clip(0, 20), Clip(1, 90, noise=True), Clip(2, 10), Clip(3, 60, noise=True), Clip(4, 12))
MOVED, ADDED = Clip(9, 80, noise=True), Clip(5, 70, noise=True)
LENGTHS = {"row0": 20, "row1": 90, "row3": 80, "row4": 12, "row5": 70}
UNTOUCHED = ("row0", "row1", "row4")
"""Data rows whose rows stay where they are."""
STEPS = ("pixels=png", "task.commit_assets=1", "task.commit_megabytes=1", "executor.workers=2")
STATE = "lb_meta/state"


@dataclass(frozen=True)
class Target:
    """What a provider makes of a path."""

    name: str
    options: tuple[str, ...] = ()
    media_at: str = "{}"
    labels_at: str = "{}"

    def media(self, path: Path) -> str:
        return self.media_at.format(path)

    def labels(self, path: Path) -> str:
        return self.labels_at.format(path)

    def addresses(self, path: Path) -> list[str]:
        """Every dataset or branch, once."""
        return list(dict.fromkeys((self.media(path), self.labels(path))))

    def folders(self, path: Path) -> list[Path]:
        return [Path(folder) for folder in dict.fromkeys(a.partition("@")[0] for a in self.addresses(path))]

    def copied(self, path: Path, to: Path) -> Path:
        for source, target in zip(self.folders(path), self.folders(to), strict=True):
            shutil.copytree(source, target)
        if self.name == "mapping_file":
            _mapping(to).write_text(json.dumps({"tiny": self.media(to)}), encoding="utf-8")
        return to

    def sync(self, project: Path, path: Path, *more: str, **handed: Any) -> Report:
        config = composed(*overrides(project, path, *STEPS, *self.options, *more))
        return run(config, handed.pop("progress", None), handed or None)

    def cells(self, path: Path) -> list[Cells]:
        return [read_cells(address) for address in self.addresses(path)]

    def versions(self, path: Path) -> list[list[str]]:
        return [history(address) for address in self.addresses(path)]


def _mapping(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


TARGETS = (
    Target("in_place"),
    Target("branch", ("provider=branch",), labels_at="{}@labelbox"),
    Target("separate", ("provider=separate",), labels_at="{}_annotations"),
    # The file leads elsewhere than `path`, which only a new project would get.
    Target("mapping_file", ("provider=mapping_file", "provider.file=${path}.json"), "{}-kept", "{}-kept"),
)
BY_NAME = {target.name: target for target in TARGETS}


@cache
def _known(address: str) -> Cells:
    """Cells of a dataset that no test changes."""
    return read_cells(address)


@dataclass(frozen=True)
class Story:
    """A dataset before and after a re-fetch that nobody disturbs."""

    target: Target
    old: Path
    new: Path
    """The project's folders."""
    before: Path
    after: Path
    """The datasets."""

    def start(self, folder: Path, name: str = "lake") -> Path:
        """A dataset to re-fetch into."""
        return self.target.copied(self.before, folder / name)

    def refetch(self, path: Path, *more: str, **handed: Any) -> Report:
        return self.target.sync(self.new, path, *more, **handed)


def write_story(folder: Path) -> tuple[Path, Path]:
    """The project as it was and as it is."""
    old = write_project(folder / "old", BEFORE)
    new = Path(shutil.copytree(old, folder / "new"))
    write_clip(new / "media/other.mp4", MOVED)
    write_files(new, ADDED)
    with edited(new) as rows:
        move_object(rows[0], "car0", 0, by=3)
        move_object(rows[1], "car1", 0, by=2)
        rows[3]["data_row"]["row_data"] = "media/other.mp4"
        rows[3]["media_attributes"]["frame_count"] = MOVED.frames
        del rows[2]
        rows.append(data_row(ADDED))
    return old, new


def make_story(target: Target, projects: tuple[Path, Path], folder: Path) -> Story:
    """Both datasets; the one after is checked against one made of the new project at once."""
    old, new = projects
    path = folder / "before"
    if target.name == "mapping_file":
        _mapping(path).write_text(json.dumps({"tiny": target.media(path)}), encoding="utf-8")
    assert target.sync(old, path).ok
    after = target.copied(path, folder / "after")
    report = target.sync(new, after)
    done = {name: report.assets[name] for name in ("added", "relabelled", "dropped", "unchanged")}
    assert report.ok and done == {"added": 2, "relabelled": 2, "dropped": 2, "unchanged": 1}, report
    fresh = folder / "fresh"
    assert BY_NAME["in_place"].sync(new, fresh).ok
    own = ["video_idx"]  # numbers of data rows tell which came first
    shown, made = read_cells(target.labels(after), own), read_cells(fresh, own)
    names = set(next(iter(shown.values())))
    made = {key: {name: cell for name, cell in row.items() if name in names} for key, row in made.items()}
    assert differences(shown, made) == set()
    return Story(target, old, new, path, after)


def check_same(story: Story, path: Path, where: str, without: tuple[str, ...] = ()) -> None:
    """Every cell is that of the undisturbed dataset, and what is apart belongs together."""
    target = story.target
    for mine, theirs in zip(target.addresses(path), target.addresses(story.after), strict=True):
        found = differences(read_cells(mine, without), _known(theirs))
        assert found == set(), (where, mine, sorted(found)[:5])
    check_together(target, path, where)


def check_together(target: Target, path: Path, where: str) -> None:
    media, labels = target.media(path), target.labels(path)
    assert row_keys(media) == row_keys(labels), where
    assert described(media) == described(labels), where
    keys = row_keys(labels)
    assert [key for key in keys if key.endswith(":0")] == [f"{one}:0" for one in dict.fromkeys(map(_id, keys))], where


def described(address: str) -> dict[str, Any]:
    dataset = deeplake.open_read_only(address)
    return dict(dict(dataset.metadata)["labelbox_meta"])


def check_finished(story: Story, path: Path, where: str) -> int:
    """What counts as finished has exactly its frames, with all old or all new cells. How many data rows do."""
    target, finished = story.target, 0
    for mine, old, new in zip(*map(target.addresses, (path, story.before, story.after)), strict=True):
        known = [_known(old), _known(new)]
        for copy in _copies(mine, labelled="@" in mine or mine.endswith("_annotations")):
            keys = [key for key, _ in copy]
            assert any(_is_copy(copy, cells) for cells in known), (where, mine, keys[0], len(keys))
            finished += 1
    return finished


def _is_copy(copy: list[tuple[str, dict[str, Any]]], cells: Cells) -> bool:
    own = _id(copy[0][0])
    return copy == [(key, row) for key, row in cells.items() if _id(key) == own]


def _copies(address: str, labelled: bool) -> list[list[tuple[str, dict[str, Any]]]]:
    """(row key, cells) of the rows of each data row that says it is finished, for annotations: that it has them."""
    rows = read_rows_in_order(address)
    found = []
    for last, (_, cells) in enumerate(rows):
        state = json.loads(cells[STATE]) if cells[STATE] else {}
        if state and (state["labels"] or not labelled):
            found.append(rows[last + 1 - state["rows"] : last + 1])
    return found


def _id(key: str) -> str:
    return key.rpartition(":")[0]


# What somebody else does, by plain deeplake.


def opened(address: str) -> tuple[Any, Any]:
    """A dataset or branch to write, and what must stay alive with it."""
    folder, _, branch = address.partition("@")
    root = deeplake.open(folder)
    return (root.branches[branch].open() if branch else root), root


def commit(address: str, change: Callable[[Any], None], message: str = "somebody else") -> str:
    """Commit a change; the version."""
    dataset, root = opened(address)
    change(dataset)
    dataset.commit(message)
    version = str(dataset.version)
    del dataset, root
    return version


def add_own(dataset: Any) -> None:
    """A text and a number of somebody's own beside every row."""
    keys = [str(key) for key in dataset["lb_meta/row_key"][:]]
    dataset.add_column("note", deeplake.types.Text())
    dataset.add_column("score", "float32")
    dataset["note"][0 : len(keys)] = [f"about {key}" for key in keys]
    dataset["score"][0 : len(keys)] = [score(key) for key in keys]


def score(key: str) -> float:
    return float(1 + sum(map(ord, key)) % 97)


def check_own(address: str, kept: set[str], where: str = "") -> None:
    """The values stand beside their row keys, and nowhere else; a new row has nothing, or Deep Lake's None."""
    notes, scores = column(address, "note"), column(address, "score")
    for key, note, number in zip(row_keys(address), notes, scores, strict=True):
        expected = (f"about {key}", score(key)) if key in kept else ("", 0.0)
        assert ((note or ""), float(number or 0)) == expected, (where, key)


@dataclass(frozen=True)
class Owned:
    """A story in which somebody has columns of their own in one of the datasets or branches."""

    story: Story
    part: str

    def at(self, path: Path) -> str:
        return self.story.target.media(path) if self.part == "media" else self.story.target.labels(path)

    def start(self, folder: Path, name: str = "lake") -> Path:
        path = self.story.start(folder, name)
        commit(self.at(path), add_own)
        return path

    def check(self, path: Path, where: str, lost: frozenset[str] = frozenset()) -> None:
        """All values, also those beside rows of changed media, and everything that is lakebox's."""
        before = set(_known(self.at(self.story.before))) - lost
        check_own(self.at(path), before, where)
        if "@" in self.story.target.labels(path) and self.part == "media":  # the branch follows
            check_own(self.story.target.labels(path), before, where)
        check_same(self.story, path, where, ("note", "score"))


# Storages and progress that come between.


class Refusing:
    """A folder's storage in which the n-th commit or merge of a run fails."""

    def __init__(self, nth: int) -> None:
        self._own = LocalStorage()
        self.left = nth

    def find(self, path: str) -> Any:
        lake = self._own.find(path)
        return None if lake is None else RefusingLake(lake, self)

    def create(self, path: str) -> Any:
        return RefusingLake(self._own.create(path), self)

    def lock(self, path: str) -> AbstractContextManager[None]:
        return self._own.lock(path)

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise LakeError("the store said no")

    def counted(self) -> None:
        """The commit is made."""


class RefusingLake:
    """A lake of it; what it does not count is the lake's own."""

    def __init__(self, lake: Any, storage: Refusing) -> None:
        self._lake = lake
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lake, name)

    def __len__(self) -> int:
        return len(self._lake)

    def commit(self, message: str) -> None:
        self._storage.count()
        self._lake.commit(message)
        self._storage.counted()

    def merge(self, branch: str = "main") -> None:
        self._storage.count()
        self._lake.merge(branch)

    def branch(self, name: str) -> Any:
        lake = self._lake.branch(name)
        return None if lake is None else RefusingLake(lake, self._storage)

    def fork(self, name: str) -> Any:
        return RefusingLake(self._lake.fork(name), self._storage)


class Meddling(Silent):
    """Somebody else does something whenever a run begins a stage, or has written so many rows."""

    def __init__(self, meddle: Callable[[], object], times: int = 1, after_rows: int = 0) -> None:
        self._meddle = meddle
        self.times = times
        self._rows = self._after = after_rows

    def begin(self, what: str, sizes: Sequence[int] | None) -> None:
        if sizes is not None and not self._after:  # not while the project is still being read
            self._now()

    def rows(self, count: int) -> None:
        self._rows -= count
        if self._after and self._rows < 0:
            self._rows = self._after
            self._now()

    def _now(self) -> None:
        if self.times:
            self.times -= 1
            self._meddle()


class CutBehindTheLast(Silent):
    """Ends a run when it has written its last new data row and removed nothing yet."""

    def __init__(self, new: int) -> None:
        self._new = new
        self._adding = False

    def begin(self, what: str, sizes: Sequence[int] | None) -> None:
        self._adding = what.startswith("media")

    def asset(self) -> None:
        self._new -= self._adding
        if not self._new:
            raise SystemExit("cut")
