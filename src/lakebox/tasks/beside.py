"""Annotations kept apart from their media: a branch that follows `main`, or a dataset row for row beside another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebox.core.facts import ROW_KEY, STATE, fact_columns, media_columns, state_cell
from lakebox.core.lake_port import Lake, Place, Storage, Stored, StoredAsset, View
from lakebox.core.plan import asset_key, common_assets
from lakebox.errors import LakeError, LakeMoved

ROWS = 4096
"""Rows that are copied at once."""

HELD = "held"
"""Note of a branch: the version with values of others that are to be put back; empty if they are."""

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
        LakeMoved: somebody else committed to the media meanwhile.
        LakeError: it cannot be brought to the same rows.
    """
    labels = _branch(media, place) if not place.annotations else _dataset(storage, place, media)
    refuse_moved(storage, place, media)
    check_rows(media, labels, place)
    return labels


def refuse_moved(storage: Storage, place: Place, media: Lake) -> None:
    """Annotations were written for the media as they were read; commits to the one do not show in the other.

    Raises:
        LakeMoved: somebody else committed to the media since.
    """
    now = storage.find(place.media)
    if now is not None and now.version != media.version:
        raise LakeMoved(f"path {place.media}: somebody else committed version {now.version} to the media meanwhile")


def _branch(media: Lake, place: Place) -> Lake:
    labels = media.branch(place.branch)
    if labels is None:
        return media.fork(place.branch)
    theirs, ours = media.stored(), labels.stored()
    if _sequence(theirs) != _sequence(ours):
        _remember_replaced(labels, theirs, ours)
        labels.merge()
    _give_back(labels)
    return labels


def _remember_replaced(labels: Lake, theirs: Stored, ours: Stored) -> None:
    """A merge is a commit of its own: a run that ends right behind it must leave word of where values are."""
    if _replaced(theirs, ours) and ours.foreign and labels.note({HELD: labels.version}):
        labels.commit("remember what others stored beside rows whose media changed")


def _give_back(labels: Lake) -> None:
    version = labels.stored().notes.get(HELD)
    if version:
        before, now = labels.at(version), labels.stored()
        ours = before.stored()
        _put_back(labels, _held(before, _replaced(now, ours), ours.foreign))
        labels.note({HELD: ""})
        labels.commit("keep what others stored beside rows whose media changed")


def _replaced(theirs: Stored, ours: Stored) -> list[StoredAsset]:
    """Data rows of the annotations whose rows give way to others of the media."""
    same = {asset_key(asset) for asset in theirs.assets}
    return [asset for asset in ours.assets if asset_key(asset) not in same]


def _dataset(storage: Storage, place: Place, media: Lake) -> Lake:
    theirs = media.stored()
    found = storage.find(place.annotations)
    labels = storage.create(place.annotations) if found is None else found
    _refuse_other_media(labels, theirs, place)
    columns = [*media_columns(theirs.media, None), *fact_columns(theirs.media)]
    changed = labels.arrange(columns, ())
    ours = labels.stored()
    kept = common_assets(theirs.assets, ours.assets)
    stay = {id(asset) for asset in kept}
    gone = [asset for asset in ours.assets if id(asset) not in stay]
    if changed or gone or len(kept) != len(theirs.assets):
        held = _held(labels, gone, ours.foreign)
        _replace(media, labels, theirs.assets[len(kept) :], gone)
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


def _sequence(stored: Stored) -> list[tuple[str, str, int, int, bool]]:
    return [asset_key(asset) for asset in stored.assets]


def _replace(media: Lake, labels: Lake, new: Sequence[StoredAsset], gone: Sequence[StoredAsset]) -> None:
    shared = {column.name for column in media.stored().columns}
    names = [column.name for column in labels.stored().columns if column.name in shared]
    if gone:
        labels.delete(np.concatenate([asset.rows for asset in gone]))
    for part in _parts(new):
        labels.append(_unlabelled(media, part, names))


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


def _unlabelled(media: Lake, assets: Sequence[StoredAsset], names: Sequence[str]) -> dict[str, Any]:
    """The media's facts of some data rows, which wait for their annotations."""
    rows = np.concatenate([asset.rows for asset in assets])
    cells: dict[str, Any] = {name: media.read(name, rows) for name in names}
    cells[STATE] = [text for asset in assets for text in _states(asset)]
    return cells


def _states(asset: StoredAsset) -> list[str]:
    state = state_cell(asset.media_stamp, "", len(asset.rows))
    return [""] * (len(asset.rows) - 1) + [state if asset.complete else ""]


def _held(labels: View, gone: Sequence[StoredAsset], foreign: Sequence[str]) -> Held:
    """What somebody else stored beside rows that are about to be replaced; of several copies the finished one's."""
    if not gone or not foreign:
        return {}
    rows = np.concatenate([asset.rows for asset in sorted(gone, key=lambda asset: asset.complete)])
    keys = {key: at for at, key in enumerate(labels.read(ROW_KEY, rows))}
    return {name: (keys, labels.foreign(name, rows)) for name in foreign}


def _put_back(labels: Lake, held: Held) -> None:
    keys = labels.read(ROW_KEY, _all(labels)) if held else []
    for name, (known, cells) in held.items():
        rows = np.array([row for row, key in enumerate(keys) if key in known], np.int64)
        labels.put(name, rows, [cells[known[keys[row]]] for row in rows])


def check_rows(media: Lake, labels: Lake, place: Place) -> None:
    """Annotations belong to media row for row.

    Raises:
        LakeError: they do not; with the first row that differs.
    """
    where = place.annotations or f"branch {place.branch!r}"
    pairs = zip_longest(*(lake.read(ROW_KEY, _all(lake)) for lake in (media, labels)))
    wrong = next(((row, a, b) for row, (a, b) in enumerate(pairs) if a != b), None)
    if wrong:
        row, theirs, ours = (one if one is not None else "missing" for one in wrong)
        raise LakeError(
            f"path {place.media}: row {row} is {theirs!r}, in its annotations ({where}) it is {ours!r}"
            f" ({len(media)} rows, {len(labels)} with annotations); nothing was annotated. Somebody else changed rows:"
            " go back to a version in which they agree (task=revert), or make the annotations anew"
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
