"""A project as it was and as it is now, in datasets of every provider: what re-fetch tests disturb.

Of the first data row and of the second, labels are edited; the third is removed; the fourth has other media, and
fewer rows are common to both than either has; the fifth stays as it is; a sixth is added.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deeplake

from lakebox import load_config, run
from lakebox.core.report import Report

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
        config = load_config(*overrides(project, path, *STEPS, *self.options, *more))
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
        found = differences(read_cells(mine, without), read_cells(theirs))
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
        known = [read_cells(old), read_cells(new)]
        for copy in _copies(mine, labelled="@" in mine or mine.endswith("_annotations")):
            keys = [key for key, _ in copy]
            assert any(_is_copy(copy, cells) for cells in known), (where, mine, keys[0], len(keys))
            finished += 1
    return finished


def _is_copy(copy: list[tuple[str, dict[str, Any]]], cells: Cells) -> bool:
    own = _id(copy[0][0])
    return [key for key, _ in copy] == [key for key in cells if _id(key) == own] and all(
        cells[key] == row for key, row in copy
    )


def _copies(address: str, labelled: bool) -> list[list[tuple[str, dict[str, Any]]]]:
    """(row key, cells) of the rows of each data row that says it is finished, for annotations: that it has them."""
    keys, states = row_keys(address), column(address, STATE)
    found = []
    for last, text in enumerate(states):
        state = json.loads(text) if text else {}
        if state and (state["labels"] or not labelled):
            first = last + 1 - state["rows"]
            assert {_id(key) for key in keys[first : last + 1]} == {_id(keys[last])}
            found.append(list(zip(keys[first : last + 1], _rows(address, first, last + 1), strict=True)))
    return found


def _rows(address: str, start: int, stop: int) -> list[dict[str, Any]]:
    from .tiny import _plain

    dataset = deeplake.open_read_only(address)
    names = [item.name for item in dataset.schema.columns]
    by_column = {name: [_plain(cell) for cell in dataset[name][start:stop]] for name in names}
    return [{name: by_column[name][i] for name in names} for i in range(stop - start)]


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
    """The values stand beside their row keys, and nowhere else."""
    notes, scores = column(address, "note"), column(address, "score")
    for key, note, number in zip(row_keys(address), notes, scores, strict=True):
        expected = (f"about {key}", score(key)) if key in kept else ("", 0.0)
        assert ((note or ""), float(number)) == expected, (where, key)
