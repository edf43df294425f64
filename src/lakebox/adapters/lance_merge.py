"""What a Lance branch takes from another one, column by column. Lance does not merge, so cells are copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebox.adapters.lance_view import described
from lakebox.core.columns import Class, Column, append_only
from lakebox.core.lake_port import StoredAsset

_ROWS = 512
"""Rows that are read at one go, at least."""


@dataclass(slots=True)
class Match:
    """Columns of another branch, by the names that Lance knows them by."""

    same: dict[str, str] = field(default_factory=dict)
    """Theirs -> ours, where cells mean the same."""
    added: dict[str, pa.Field] = field(default_factory=dict)
    """Columns that only they have."""
    grown: list[Column] = field(default_factory=list)
    """Ours, with classes that only they have."""
    left: list[str] = field(default_factory=list)
    """Columns of others that are of another type here: their cells stay behind."""
    is_whole: bool = True
    """Whether cells of all lakebox's columns can be taken. Where not, new rows have to be annotated anew."""


def matched(ours: Mapping[str, pa.Field], theirs: Mapping[str, pa.Field]) -> Match:
    """Lakebox's columns are the same that hold the same, whatever they are called; others' go by their names.

    Args:
        ours: name as people know it -> column.
        theirs: likewise.
    """
    found = Match()
    columns = {column.key: (one, column) for name, one in ours.items() if (column := described(name, one))}
    for name, one in theirs.items():
        column = described(name, one)
        if column is None:
            _match_foreign(found, ours.get(name), name, one)
            continue
        own, known = columns.get(column.key, (None, None))
        if own is None and name not in ours:
            found.added[one.name] = one
        elif own is None or known is None or not own.type.equals(one.type) or not _agree(known, column):
            found.is_whole = False
        else:
            found.same[one.name] = own.name
            if known.classes is not None and len(column.classes or ()) > len(known.classes):
                found.grown.append(replace(known, classes=append_only(known.classes, column.classes or ())))
    return found


def _match_foreign(found: Match, own: pa.Field | None, name: str, one: pa.Field) -> None:
    if own is None:
        found.added[one.name] = one.with_nullable(True)  # rows that only this branch has hold nothing there
    elif described(name, own) is None and own.type.equals(one.type):
        found.same[one.name] = own.name
    else:
        found.left.append(name)


def _agree(ours: Column, theirs: Column) -> bool:
    """Whether cells may be taken as they are: every index means the same class, and cells are as wide."""
    if ours.form() != theirs.form() or (ours.classes is None) != (theirs.classes is None):
        return False
    pairs: list[tuple[Class, Class]] = list(zip(ours.classes or (), theirs.classes or (), strict=False))
    return all(own.key == other.key for own, other in pairs)


def together(assets: Sequence[StoredAsset]) -> Iterator[NDArray[np.int64]]:
    """Rows of data rows, some of these at a time."""
    waiting: list[NDArray[np.int64]] = []
    for asset in assets:
        waiting.append(asset.rows)
        if sum(map(len, waiting)) >= _ROWS:
            yield np.concatenate(waiting)
            waiting.clear()
    if waiting:
        yield np.concatenate(waiting)
