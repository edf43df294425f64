"""Annotations kept apart from their media: a branch that follows `main`, or a dataset row for row beside another."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebox.core.facts import ROW_KEY, STATE, fact_columns, media_columns, state_cell
from lakebox.core.lake_port import Lake, Place, Storage, Stored, StoredAsset
from lakebox.errors import LakeError

ROWS = 4096
"""Rows that are copied at once."""

Held = Mapping[str, tuple[dict[str, int], list[Any]]]
"""Column of somebody else -> (row key -> position, cells)."""


def find_labels(storage: Storage, place: Place) -> Lake | None:
    """What holds the annotations; None if it is not there yet."""
    if place.annotations:
        return storage.find(place.annotations)
    media = storage.find(place.media)
    return media if media is None or not place.apart else media.branch(place.branch)


def follow(storage: Storage, place: Place, media: Lake) -> Lake:
    """What holds the annotations, with exactly the rows of the media's dataset; new ones are not annotated yet.

    Raises:
        LakeError: it cannot be brought to the same rows.
    """
    labels = _branch(media, place) if not place.annotations else _dataset(storage, place, media)
    check_rows(media, labels, place)
    return labels


def _branch(media: Lake, place: Place) -> Lake:
    labels = media.branch(place.branch)
    if labels is None:
        return media.fork(place.branch)
    before, there = labels.stored(), _sequence(media.stored())
    if there == _sequence(before):
        return labels
    held = _held(labels, before, [asset for asset in before.assets if _name(asset) not in there])
    labels.merge()
    if _put_back(labels, held):
        labels.commit("keep what others stored beside rows whose media changed")
    return labels


def _dataset(storage: Storage, place: Place, media: Lake) -> Lake:
    theirs = media.stored()
    found = storage.find(place.annotations)
    labels = storage.create(place.annotations) if found is None else found
    _refuse_other_media(labels, theirs, place)
    columns = [*media_columns(theirs.media, None), *fact_columns(theirs.media)]
    changed = labels.arrange(columns, ())
    ours = labels.stored()
    kept = _common(theirs.assets, ours.assets)
    if changed or len(kept) != len(ours.assets) or len(kept) != len(theirs.assets):
        known = {int(asset.rows[0]) for asset in kept}
        gone = [asset for asset in ours.assets if int(asset.rows[0]) not in known]
        held = _held(labels, ours, gone)
        if gone:
            labels.delete(np.concatenate([asset.rows for asset in gone]))
        names = {column.name for column in theirs.columns} & {column.name for column in ours.columns}
        for part in _parts(theirs.assets[len(kept) :]):
            labels.append(_unlabelled(media, part, names))
        _put_back(labels, held)
        labels.describe(media.described())
        labels.commit(f"follow the media at {place.media}: {len(theirs.assets)} data rows")
    return labels


def _refuse_other_media(labels: Lake, theirs: Stored, place: Place) -> None:
    ours = labels.stored()
    for what, own, other in (("project_id", ours.project_id, theirs.project_id), ("type", ours.media, theirs.media)):
        if own and own != other:
            raise LakeError(
                f"provider.annotations {place.annotations}: labelbox_meta says {what} {own!r}, but {other!r} in the"
                f" media at {place.media}; nothing was touched, choose the dataset that belongs to these media"
            )


def _common(theirs: Sequence[StoredAsset], ours: Sequence[StoredAsset]) -> list[StoredAsset]:
    """The longest beginning of the media's data rows that the annotations have in the same order. Rows can only be
    added at the end, so everything else has to go and come again."""
    kept: list[StoredAsset] = []
    waiting = iter(ours)
    for asset in theirs:
        own = next((one for one in waiting if _name(one) == _name(asset)), None)
        if own is None:
            break
        kept.append(own)
    return kept


def _name(asset: StoredAsset) -> tuple[str, str, int, int, bool]:
    return asset.id, asset.media_stamp, len(asset.rows), asset.index, asset.complete


def _sequence(stored: Stored) -> list[tuple[str, str, int, int, bool]]:
    return [_name(asset) for asset in stored.assets]


def _parts(assets: Sequence[StoredAsset]) -> Iterator[list[StoredAsset]]:
    """Data rows, so many at once that reading them is quick and holding them easy."""
    part: list[StoredAsset] = []
    for asset in assets:
        part.append(asset)
        if sum(len(one.rows) for one in part) >= ROWS:
            yield part
            part = []
    if part:
        yield part


def _unlabelled(media: Lake, assets: Sequence[StoredAsset], names: Collection[str]) -> dict[str, Any]:
    """The media's facts of some data rows, which wait for their annotations."""
    rows = np.concatenate([asset.rows for asset in assets])
    cells: dict[str, Any] = {name: media.read(name, rows) for name in names}
    cells[STATE] = [text for asset in assets for text in _states(asset)]
    return cells


def _states(asset: StoredAsset) -> list[str]:
    state = state_cell(asset.media_stamp, "", len(asset.rows))
    return [""] * (len(asset.rows) - 1) + [state if asset.complete else ""]


def _held(labels: Lake, ours: Stored, gone: Sequence[StoredAsset]) -> Held:
    """What somebody else stored beside rows that are about to go and may come again."""
    replaced = [asset.rows for asset in gone if asset.complete]
    if not replaced or not ours.foreign:
        return {}
    rows = np.concatenate(replaced)
    keys = {key: at for at, key in enumerate(labels.read(ROW_KEY, rows))}
    return {name: (keys, labels.foreign(name, rows)) for name in ours.foreign}


def _put_back(labels: Lake, held: Held) -> bool:
    if not held:
        return False
    keys = labels.read(ROW_KEY, _all(labels))
    for name, (known, cells) in held.items():
        rows = np.array([row for row, key in enumerate(keys) if key in known], np.int64)
        labels.put(name, rows, [cells[known[keys[row]]] for row in rows])
    return True


def check_rows(media: Lake, labels: Lake, place: Place) -> None:
    """Annotations belong to media row for row.

    Raises:
        LakeError: they do not; with the first row that differs.
    """
    where = place.annotations or f"branch {place.branch!r}"
    if len(media) != len(labels):
        raise LakeError(
            f"path {place.media}: has {len(media)} rows, its annotations ({where}) have {len(labels)}; they must have"
            " the same. Rows of unfinished data rows go with task=sync; others were added or removed by somebody else"
        )
    pairs = zip(media.read(ROW_KEY, _all(media)), labels.read(ROW_KEY, _all(labels)), strict=True)
    wrong = next(((row, a, b) for row, (a, b) in enumerate(pairs) if a != b), None)
    if wrong:
        row, theirs, ours = wrong
        raise LakeError(
            f"path {place.media}: row {row} is {theirs!r}, in its annotations ({where}) it is {ours!r}; nothing was"
            " annotated. Go back to a version in which they agree (task=revert), or make the annotations anew"
        )


def check_described(media: Lake, labels: Lake, place: Place) -> None:
    """Both datasets say the same of their project.

    Raises:
        LakeError: they do not; with the first key that differs.
    """
    theirs, ours = media.described(), labels.described()
    wrong = next((key for key in sorted({*theirs, *ours}) if theirs.get(key) != ours.get(key)), None)
    if wrong:
        raise LakeError(
            f"path {place.media}: labelbox_meta[{wrong!r}] is {theirs.get(wrong)!r:.80}, in its annotations"
            f" ({place.annotations}) it is {ours.get(wrong)!r:.80}; they must be the same"
        )


def _all(lake: Lake) -> NDArray[np.int64]:
    return np.arange(len(lake))
