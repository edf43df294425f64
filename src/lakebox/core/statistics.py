"""What a dataset holds, in numbers: classes, objects per frame, labelled and unlabelled frames, annotators, sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import Column
from lakebox.core.facts import PREFIX
from lakebox.core.lake_port import View
from lakebox.core.preview import tool_name

ROWS = 8192
"""Rows that are read at once: some megabytes, however many rows there are."""


@dataclass(frozen=True, slots=True)
class Balance:
    """How often each class of a column occurs."""

    column: str
    unit: str
    """`objects` or `rows`."""
    counts: tuple[tuple[str, int], ...]
    """Class -> how often, in the order of the classes; those that never occur, too."""


@dataclass(slots=True)
class Statistics:
    """Numbers of a whole dataset; unfinished copies of data rows are left out."""

    rows: int = 0
    assets: int = 0
    labelled: int = 0
    """Rows with objects or answers."""
    negative: int = 0
    """Rows of a label that says nothing about them."""
    unlabelled: int = 0
    """Rows of data rows without a label."""
    per_row: Counter[int] = field(default_factory=Counter)
    """Objects on a row -> rows."""
    annotators: Counter[str] = field(default_factory=Counter)
    """Who labelled -> rows."""
    sizes: Counter[str] = field(default_factory=Counter)
    """`width x height` -> data rows."""
    balances: list[Balance] = field(default_factory=list)


def statistics(view: View) -> Statistics:
    """Read what can be counted, without pixels and masks."""
    stored = view.stored()
    finished = [asset.rows for asset in stored.assets if asset.complete]
    found = Statistics(rows=sum(map(len, finished)), assets=len(finished))
    rows = np.sort(np.concatenate(finished)) if finished else np.zeros(0, np.int64)
    grouped = {column.key.removesuffix(":labels") for column in stored.columns if column.key.endswith(":labels")}
    counted = [_Counted(column, grouped) for column in stored.columns if _counts(column)]
    for start in range(0, len(rows), ROWS):
        _count(view, rows[start : start + ROWS], counted, found)
    firsts = np.array(sorted(each[0] for each in finished), np.int64)
    sides = (view.read(f"{PREFIX}{side}", firsts) if len(firsts) else [] for side in ("width", "height"))
    found.sizes.update(f"{w} x {h}" if w and h else "not declared" for w, h in zip(*sides, strict=True))
    found.balances = [each.balance() for each in counted if each.is_shown]
    return found


def objects_by_row(view: View, columns: Iterable[Column], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many objects each row has."""
    total = np.zeros(len(rows), np.int64)
    for column in columns:
        if column.key.endswith(":tracks"):
            total += _lengths(view.read(column.name, rows))
    return total


class _Counted:
    """One column and what was counted of it."""

    def __init__(self, column: Column, grouped: Collection[str]) -> None:
        self.column = column
        self.is_tracks = column.key.endswith(":tracks")
        self.is_objects = self.is_tracks or not column.key.startswith("/")
        self._is_told = column.key.removesuffix(":tracks") in grouped  # class by class, by its labels
        self._counts = np.zeros(max(1, len(column.classes or ())), np.int64)

    @property
    def is_shown(self) -> bool:
        """Whether there is something to see that no other column says."""
        said = bool(self._counts.sum())
        return not self._is_told and (said or (self.column.classes is not None and not self.column.archived))

    def add(self, cells: Sequence[Any]) -> NDArray[np.int64]:
        """How much each row says."""
        lengths = _lengths(cells)
        cells = [cell for cell in cells if cell is not None]  # what was never written
        if self.column.type == "text":
            return lengths
        if self.is_tracks:
            self._counts[0] += lengths.sum()
        elif self.column.type == "class":
            chosen = np.concatenate([np.asarray(cell).reshape(-1) for cell in cells]) if len(cells) else lengths
            self._counts += np.bincount(chosen[chosen >= 0], minlength=len(self._counts))[: len(self._counts)]
        else:
            for cell in cells:
                if np.size(cell):
                    width = np.asarray(cell).shape[-1]
                    self._counts[:width] += np.asarray(cell).reshape(-1, width).sum(axis=0, dtype=np.int64)
        return lengths

    def balance(self) -> Balance:
        names = [one.name for one in self.column.classes or ()]
        names = names or [tool_name(self.column.name.removesuffix("_tracks"))]
        counts = zip(names, self._counts.tolist(), strict=False)
        return Balance(self.column.name, "objects" if self.is_objects else "rows", tuple(counts))


def _counts(column: Column) -> bool:
    """Whether it says something of labels: objects by their tracks, classes, and answers in words about rows."""
    if column.key.endswith(":tracks") or (column.type == "text" and column.key.startswith("/")):
        return True
    return column.classes is not None and column.type in ("class", "array")


def _count(view: View, rows: NDArray[np.int64], counted: Sequence[_Counted], found: Statistics) -> None:
    objects, answers = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    for each in counted:
        lengths = each.add(view.read(each.column.name, rows))
        if each.is_tracks:
            objects += lengths
        elif not each.is_objects:
            answers += lengths
    has_label = np.array([bool(text) for text in view.read(f"{PREFIX}label_id", rows)])
    says = (objects + answers) > 0
    found.labelled += int(says.sum())
    found.negative += int((has_label & ~says).sum())
    found.unlabelled += int((~has_label & ~says).sum())
    found.per_row.update(dict(zip(*(part.tolist() for part in np.unique(objects, return_counts=True)), strict=True)))
    found.annotators.update(name for name in view.read(f"{PREFIX}label_creator", rows) if name)


def _lengths(cells: Sequence[Any]) -> NDArray[np.int64]:
    return np.fromiter((0 if cell is None else len(cell) for cell in cells), np.int64, len(cells))


def merged(balances: Sequence[Balance]) -> Mapping[str, tuple[tuple[str, int], ...]]:
    """Column -> classes. Classes of objects come first, the frequent ones above: those of tools by themselves together,
    as each is one bar of the same chart, then those of groups; then answers about rows, then those about objects."""
    alone = [count for each in balances if each.column.endswith("_tracks") for count in each.counts]
    groups = [
        (tool_name(each.column.removesuffix("_labels")), list(each.counts))
        for each in balances
        if each.column.endswith("_labels")
    ]
    classes = ([("Objects", alone)] if alone else []) + [(f"Classes of {name}", counts) for name, counts in groups]
    sorted_classes = {name: tuple(sorted(counts, key=lambda count: -count[1])) for name, counts in classes}
    answers = [each for each in balances if not each.column.endswith(("_tracks", "_labels"))]
    return sorted_classes | {
        each.column: each.counts for each in sorted(answers, key=lambda each: each.unit == "objects")
    }
