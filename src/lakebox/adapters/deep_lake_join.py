"""Media and annotations of two Deep Lake datasets, or of two versions of one, brought together by row key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import deeplake
import numpy as np

from lakebox.adapters.deep_lake import LocalStorage, MemoryStorage
from lakebox.adapters.deep_lake_bucket import S3, Activeloop, Azure, Gcs
from lakebox.adapters.deep_lake_cells import empty, filler
from lakebox.adapters.deep_lake_dataset import DeepLake
from lakebox.adapters.deep_lake_view import DeepLakeView, translated
from lakebox.core.columns import Column
from lakebox.core.facts import PREFIX, ROW_KEY, STATE
from lakebox.core.videos import VIDEO_ROW
from lakebox.errors import ConfigError, LakeError

_OF_LABELS = {STATE, f"{PREFIX}label_id", f"{PREFIX}label_creator"}
"""Columns that both have and that the annotations know better."""
_BATCH = 256


def joined(media: DeepLakeView, labels: DeepLakeView) -> Any:
    """One `deeplake.DatasetView` with a row for each row of the media, in their order; where there are no annotations,
    their cells are None. Iterate it, query it, or train from its `pytorch()`.

    Raises:
        LakeError: Deep Lake cannot query one of them.
    """
    for one in (media, labels):
        if not one.address:
            raise LakeError(
                f"version {one.version}: Deep Lake's queries know versions by their tags only; give it one (tag=...)"
            )
    chosen = list(_columns(media, labels))
    wanted = ", ".join(f'{who}."{name}" AS "{new}"' for who, name, new in chosen)
    # A join comes in the order of its key, as text; so rows are numbered before and sorted by their number after it.
    query = (
        f'SELECT {wanted} FROM (SELECT *, ROW_NUMBER() AS "lakebox row" FROM "{media.address}") AS m'
        f' LEFT JOIN "{labels.address}" AS a ON m."{ROW_KEY}" = a."{ROW_KEY}" ORDER BY m."lakebox row"'
    )
    with translated(f"joining {media.address} and {labels.address}"):
        return deeplake.query(query)


def _columns(media: DeepLakeView, labels: DeepLakeView) -> Iterator[tuple[str, str, str]]:
    """(m or a, name there, name in the view)."""
    theirs, ours = (tuple(column.name for column in one.handle.schema.columns) for one in (media, labels))
    for name in theirs:
        yield ("a" if name in _OF_LABELS and name in ours else "m"), name, name
    known = {column.name for column in media.stored().columns}
    foreign = set(labels.stored().foreign)
    for name in ours:
        if name not in theirs:
            yield "a", name, name
        elif name in foreign and name not in known:
            yield "a", name, f"{name} (annotations)"


def save(media: DeepLakeView, labels: DeepLakeView, make: Callable[[], DeepLake]) -> DeepLake:
    """Write what `joined` shows into a new dataset, pictures byte by byte, and commit it.

    Where there are no annotations yet, the state is the media's, so that the next run annotates them.

    Raises:
        ConfigError: they are no Deep Lake datasets.
        LakeError: whole videos are stored, which Deep Lake does not hand out again.
    """
    if not isinstance(media, DeepLakeView):
        raise ConfigError(
            f"task.out: only Deep Lake datasets are joined into a new one, and {type(media).__name__} is none; leave"
            " task.out away, and bring both together by lb_meta/row_key with the storage's own reader"
        )
    chosen = list(_columns(media, labels))
    own = _own_columns(media, labels, chosen)
    target = make()
    _arrange(media, labels, target, chosen, own)
    at = {key: row for row, key in enumerate(labels.read(ROW_KEY, np.arange(len(labels))))}
    keys = media.read(ROW_KEY, np.arange(len(media)))
    for start in range(0, len(keys), _BATCH):
        part = keys[start : start + _BATCH]
        rows: dict[str, list[int | None]] = {
            "m": list(range(start, start + len(part))),
            "a": [at.get(key) for key in part],
        }
        views = {"m": media, "a": labels}
        cells = {new: _cells(views[who], name, own.get(new), rows[who]) for who, name, new in chosen}
        for name in _OF_LABELS & own.keys():
            theirs = _cells(media, name, own[name], rows["m"])
            cells[name] = [b if at is None else a for a, b, at in zip(cells[name], theirs, rows["a"], strict=True)]
        target.append(
            {name: values for name, values in cells.items() if name in own},
            {name: values for name, values in cells.items() if name not in own},
        )
    if labelbox_meta := media.described():
        target.describe(labelbox_meta)
    target.note(labels.stored().notes)
    target.commit(f"join {media.address} and {labels.address or labels.version}")
    return target


def _cells(view: DeepLakeView, name: str, column: Column | None, rows: list[int | None]) -> list[Any]:
    """Cells in the form that they are appended in; empty ones for rows that are not there."""
    there = np.array([row for row in rows if row is not None], np.int64)
    is_read = column is not None and column.type not in ("jpg", "png")
    found = iter(view.read(name, there) if is_read else view.foreign(name, there))
    dtype = str(view.handle.schema[name].dtype)
    nothing = empty(column, 1)[0] if column else filler(dtype, 1)[0]
    cells = [None if row is None else next(found) for row in rows]
    return [nothing if cell is None else cell for cell in cells]


def _own_columns(media: DeepLakeView, labels: DeepLakeView, chosen: list[tuple[str, str, str]]) -> dict[str, Column]:
    """Lakebox's own ones by their name."""
    known = {
        who: {column.name: column for column in view.stored().columns} for who, view in (("m", media), ("a", labels))
    }
    own = {new: replace(known[who][name], name=new) for who, name, new in chosen if name in known[who]}
    if VIDEO_ROW in own.values():
        raise LakeError(
            f"the rows of {media.address} point at whole videos ({VIDEO_ROW.name!r}), which cannot be copied; use the"
            " view that lakebox.join gives, or a dataset with pixels=jpeg or png"
        )
    return own


def _arrange(
    media: DeepLakeView,
    labels: DeepLakeView,
    target: DeepLake,
    chosen: list[tuple[str, str, str]],
    own: dict[str, Column],
) -> None:
    target.arrange(list(own.values()), ())
    for who, name, new in chosen:
        if new not in own:
            source = (media if who == "m" else labels).handle
            target.handle.add_column(new, source.schema[name].dtype)
            for key, value in dict(source[name].metadata).items():
                target.handle[new].metadata[key] = value


_STORAGES: Mapping[str, Callable[[], MemoryStorage | S3 | Gcs | Azure | Activeloop]] = {
    "mem": MemoryStorage, "s3": S3, "gs": Gcs, "gcs": Gcs, "azure": Azure, "az": Azure, "al": Activeloop,
}  # fmt: skip


def view_at(address: str) -> DeepLakeView:
    """What an address means: a folder, `mem://name`, or one of a bucket, with `@` and a branch or tag if one is meant.

    Raises:
        ConfigError: there is no such dataset, branch or tag.
    """
    base, _, name = address.partition("@")
    scheme, has_scheme, _ = base.partition("://")
    storage = _STORAGES.get(scheme, LocalStorage)() if has_scheme else LocalStorage()
    lake = storage.find(base)
    if lake is None:
        raise ConfigError(f"there is no dataset at {base}")
    return (lake.branch(name) or lake.at(name)) if name else lake


def join(media: str, annotations: str) -> Any:
    """Media and annotations as one view, see `joined`.

    Args:
        media: address of the dataset with the media, such as `./lake/lanes`.
        annotations: address of the annotations, such as `./lake/lanes_annotations`, `./lake/lanes@labelbox` for a
            branch, or either as of a tag: `./lake/lanes@monday`. In a bucket: `s3://bucket/lanes`, with credentials
            (and AWS_ENDPOINT_URL for another server than Amazon's) in the environment.

    Returns:
        A `deeplake.DatasetView`.

    Raises:
        ConfigError: there is no such dataset.
        LakeError: it cannot be queried.
    """
    return joined(view_at(media), view_at(annotations))
