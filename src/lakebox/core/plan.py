"""The difference between what a project says and what a dataset holds. Creating is the difference to nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import Column
from lakebox.core.facts import read_state
from lakebox.core.lake_port import Stored, StoredAsset
from lakebox.core.model import Asset

Change = tuple[Asset, StoredAsset | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done, asset by asset. Its text is the plan sentence."""

    add: tuple[Change, ...] = ()
    """New data rows, and changed media together with the stored copy they replace."""
    relabel: tuple[tuple[Asset, StoredAsset], ...] = ()
    drop: tuple[StoredAsset, ...] = ()
    keep: tuple[str, ...] = ()
    """Ids of data rows that are as they should be."""
    columns: tuple[str, ...] = ()
    """Names of annotation columns to add."""
    remove: tuple[str, ...] = ()
    """Names of annotation columns that nothing fills any more."""
    renames: Mapping[str, str] = field(default_factory=dict)
    """Old name -> new name of columns whose feature has another name."""
    renamed: tuple[str, ...] = ()
    """Names of columns whose list of classes is no longer the project's."""
    drift: tuple[str, ...] = ()
    """How ontology and mapping changed."""
    unfinished: tuple[StoredAsset, ...] = ()
    """Copies that an interrupted run left; they are cleared away."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        rows = self.add or self.relabel or self.drop or self.unfinished
        return not (rows or self.columns or self.remove or self.renames or self.renamed or self.drift)

    def __str__(self) -> str:
        """One sentence, such as `3 to add, 0 to relabel, 0 to drop, 12 unchanged`; the same for the same plan."""
        if self.empty:
            return f"nothing to do, {len(self.keep)} unchanged"
        replaced = sum(old is not None for _, old in self.add)
        parts = [f"{len(self.add)} to add" + (f" ({replaced} in place of changed media)" if replaced else "")]
        parts += [f"{len(self.relabel)} to relabel", f"{len(self.drop)} to drop", f"{len(self.keep)} unchanged"]
        parts += [f"{len(self.columns)} columns to add"] if self.columns else []
        parts += [f"columns to remove: {some(self.remove)}"] if self.remove else []
        renames = [f"{old} to {new}" for old, new in self.renames.items()]
        parts += [f"columns to rename: {some(renames)}"] if renames else []
        parts += [f"class names of {some(self.renamed)} to update"] if self.renamed else []
        parts += [f"{len(self.unfinished)} unfinished to clear"] if self.unfinished else []
        return ", ".join(parts) + (f"; drift: {some(self.drift)}" if self.drift else "")


def some(names: Sequence[str], most: int = 5) -> str:
    """The first few of many, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def make_plan(
    wanted: Sequence[Asset],
    stored: Sequence[StoredAsset],
    untouchable: Collection[str] | None,
    unchanged: Collection[str] = (),
) -> Plan:
    """Compare by identity and fingerprints.

    Args:
        wanted: data rows of the project.
        stored: copies in the dataset; of several finished copies of one data row the last one counts.
        untouchable: ids that must not be dropped although they are not wanted (they failed to be read);
            None: nothing may be dropped, because not all of the project was read.
        unchanged: ids of data rows that were not read because they are as they were.
    """
    finished = {asset.id: asset for asset in stored if asset.complete}
    unfinished = tuple(asset for asset in stored if finished.get(asset.id) is not asset)
    known = {asset.id for asset in wanted} | set(unchanged)
    may_drop = untouchable is not None
    gone = [old for old in finished.values() if may_drop and old.id not in known and old.id not in (untouchable or ())]
    old_of: Mapping[str, StoredAsset] = finished
    moved = [a for a in wanted if a.id not in old_of or old_of[a.id].media_stamp != a.media_stamp]
    moved_ids = {asset.id for asset in moved}
    same = [asset for asset in wanted if asset.id not in moved_ids]
    return Plan(
        add=tuple((asset, old_of.get(asset.id)) for asset in moved),
        relabel=tuple((a, old_of[a.id]) for a in same if old_of[a.id].labels_stamp != a.labels_stamp),
        drop=tuple(gone),
        keep=(*(a.id for a in same if old_of[a.id].labels_stamp == a.labels_stamp), *sorted(unchanged)),
        unfinished=unfinished,
    )


def column_changes(wanted: Sequence[Column], stored: Stored, fixed: Collection[str]) -> tuple[list[str], list[str]]:
    """Names of columns to add and to remove; `fixed` are the names that are not up for removal.

    A column whose type changed is removed and added again.
    """
    before = {column.name: column for column in stored.columns}
    wrong = [c.name for c in wanted if c.name in before and _kind(before[c.name]) != _kind(c)]
    names = {column.name for column in wanted}
    remove = [name for name in before if name not in names and name not in fixed] + wrong
    return [c.name for c in wanted if c.name not in before or c.name in wrong], sorted(remove)


def _kind(column: Column) -> tuple[str, str, int]:
    return column.type, column.dtype, column.ndim


def with_columns(plan: Plan, wanted: Sequence[Column], stored: Stored, fixed: Collection[str]) -> Plan:
    """The plan with the columns it needs. A column that keeps its key and gets another name is renamed."""
    names = {column.key: column.name for column in wanted}
    renames = {c.name: names[c.key] for c in stored.columns if c.key in names and names[c.key] != c.name}
    stored = replace(stored, columns=tuple(replace(c, name=renames.get(c.name, c.name)) for c in stored.columns))
    add, remove = column_changes(wanted, stored, fixed)
    before = {column.name: column.classes for column in stored.columns}
    renamed = [c.name for c in wanted if c.name in before and c.name not in add and c.classes != before[c.name]]
    return replace(plan, columns=tuple(add), remove=tuple(remove), renames=renames, renamed=tuple(renamed))


def copies(ids: Sequence[str], states: Mapping[int, str]) -> list[tuple[str, NDArray[np.int64], str | None]]:
    """Runs of rows of one data row: (id, row numbers, state cell or None).

    Args:
        ids: data row id of every row.
        states: row number -> state cell, of the rows that have one; a state ends a copy and says how long it is.
    """
    found: list[tuple[str, NDArray[np.int64], str | None]] = []
    start = 0
    names = np.array(ids, object)
    for row in sorted({*states, *np.flatnonzero(names[1:] != names[:-1]).tolist(), *([len(ids) - 1] if ids else [])}):
        own = max(start, row + 1 - read_state(states[row])["rows"]) if row in states else start
        if own > start:  # a finished copy right behind the rows that an interrupted run left of the same data row
            found.append((ids[row], np.arange(start, own), None))
        found.append((ids[row], np.arange(own, row + 1), states.get(row)))
        start = row + 1
    return found


def stored_assets(ids: Sequence[str], states: Sequence[str], numbers: Sequence[int]) -> Iterator[StoredAsset]:
    """The copies of data rows that a dataset holds.

    Args:
        ids: data row id of every row.
        states: state cell of every row; empty where it has none.
        numbers: `video_idx` or `image_idx` of every row.
    """
    for key, rows, text in copies(ids, {row: state for row, state in enumerate(states) if state}):
        state: dict[str, Any] = read_state(text) if text else {"media": "", "labels": "", "rows": -1}
        told = (state.get(name, "") for name in ("facts", "config"))
        whole = state["rows"] == len(rows)
        yield StoredAsset(key, state["media"], state["labels"], rows, int(numbers[int(rows[0])]), whole, *told)


def asset_key(asset: StoredAsset) -> tuple[str, str, int, int, bool]:
    """What two datasets agree on that hold the same copy of a data row."""
    return asset.id, asset.media_stamp, len(asset.rows), asset.index, asset.complete


def common_assets(theirs: Sequence[StoredAsset], ours: Sequence[StoredAsset]) -> list[StoredAsset]:
    """The longest beginning of the media's data rows that the annotations have in the same order. Rows can only be
    added at the end, so everything else has to go and come again."""
    kept: list[StoredAsset] = []
    waiting = iter(ours)
    for asset in theirs:
        own = next((one for one in waiting if asset_key(one) == asset_key(asset)), None)
        if own is None:
            break
        kept.append(own)
    return kept
