"""Rows of a dataset as pictures with what is said about them, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import Column
from lakebox.core.facts import ID, PIXELS, PREFIX, ROW_KEY
from lakebox.core.lake_port import Stored, View
from lakebox.core.page import Picture
from lakebox.core.preview import Tile, facts, overlays

_LARGE = ("jpg", "png", "mask", "segment_mask")
"""Cells of which there is one row's at a time."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What an earlier version said of the rows that changed since."""

    view: View
    rows: Mapping[str, int]
    """Row key -> the row there; -1 where it was not there yet."""


@dataclass(frozen=True)
class Pictures:
    """Chosen rows; goes through them as often as somebody asks."""

    labels: View
    media: View | None
    """Where the pixels are, if not there."""
    rows: Sequence[int]
    asset_of: Mapping[str, int]
    """Data row id -> its number on the page."""
    changed: Changed | None = None
    _stored: Stored = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_stored", self.labels.stored())

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Picture]:
        stored, numbers = self._stored, np.array(self.rows, np.int64)
        light = [column for column in stored.columns if column.type not in (*_LARGE, "video")]
        cells = {column.name: self.labels.read(column.name, numbers) for column in light}
        pixels = _pixels(self.media, stored) if self.media else None
        for at, row in enumerate(self.rows):
            own = {name: values[at] for name, values in cells.items()}
            own |= _large(self.labels, stored.columns, row)
            image = own.get(PIXELS[stored.media])
            if image is None and self.media is not None and pixels:
                image = _beside(self.media, pixels, own[ROW_KEY], row)
            yield self._picture(row, own, image)

    def _picture(self, row: int, own: Mapping[str, Any], image: NDArray[np.uint8] | None) -> Picture:
        stored, frame = self._stored, int(own.get("frame_idx", 0))
        name = own[f"{PREFIX}{stored.media}_name"]
        title = f"{name}  frame {frame}" if stored.media == "video" else str(name)
        drawn = tuple(overlays(own, stored.columns))
        tile = Tile(_rgb(image, own), title, facts(own, stored.columns), drawn)
        key, was = own[ROW_KEY], self._before(own[ROW_KEY])
        changed = self.changed is not None and key in self.changed.rows
        before, said = was if was else (None, ())
        return Picture(row, key, self.asset_of[own[ID]], frame, tile, changed, before, said)

    def _before(self, key: str) -> tuple[tuple[Any, ...], tuple[str, ...]] | None:
        if self.changed is None or (row := self.changed.rows.get(key, -1)) < 0:
            return None
        view = self.changed.view
        columns = [column for column in view.stored().columns if not column.key.startswith("lakebox:")]
        at = np.array([row], np.int64)
        own = {column.name: view.read(column.name, at)[0] for column in columns}
        return tuple(overlays(own, columns)), facts(own, columns)


def _large(view: View, columns: Sequence[Column], row: int) -> dict[str, Any]:
    at = np.array([row], np.int64)
    return {column.name: view.read(column.name, at)[0] for column in columns if column.type in _LARGE}


def _pixels(media: View, stored: Stored) -> str:
    """The column with the pixels in the dataset of the media; empty if there is none."""
    name = PIXELS[stored.media]
    known = {column.name for column in media.stored().columns if column.type in ("jpg", "png")}
    return name if name in known else ""


def _beside(media: View, pixels: str, key: str, row: int) -> Any:
    """The picture in the dataset of the media, which has the same rows; None if this row is another there."""
    at = np.array([row], np.int64)
    if row >= len(media) or media.read(ROW_KEY, at)[0] != key:
        return None
    return media.read(pixels, at)[0]


def _rgb(image: NDArray[np.uint8] | None, row: Mapping[str, Any]) -> NDArray[np.uint8]:
    """The frame as (h, w, 3); an empty one of the declared size where no frames are stored."""
    if image is None:
        size = int(row[f"{PREFIX}height"]) or 360, int(row[f"{PREFIX}width"]) or 640
        return np.full((*size, 3), 40, np.uint8)
    colour = image[:, :, :3]
    return np.repeat(colour, 3, axis=2) if colour.shape[2] == 1 else np.ascontiguousarray(colour)
