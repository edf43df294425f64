"""Rows of a dataset as pictures with what is said about them, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import Column
from lakebox.core.facts import ID, PIXELS, PREFIX, ROW_KEY
from lakebox.core.lake_port import Place, Storage, Stored, View
from lakebox.core.page import Picture
from lakebox.core.preview import Row, Tile, facts, overlays
from lakebox.core.videos import VIDEO_ROW, address_of_videos

_LARGE = ("jpg", "png", "mask", "segment_mask")
"""Cells of which there is one row's at a time."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What an earlier version said of the rows that changed since."""

    view: View
    rows: Mapping[str, int]
    """Row key -> the row there; -1 where it was not there yet."""


@dataclass(frozen=True, slots=True)
class Frames:
    """Where the pixels of rows are."""

    media: View
    """The dataset with the media; its rows are those of the labels."""
    column: str
    """Its column with them, or with the row of the video file; empty: no media are stored."""
    videos: View | None
    """The files."""

    def of(self, row: int, own: Row) -> NDArray[np.uint8] | None:
        """(h, w, c), or None if there are none, or this row is another one there.

        Args:
            row: its number.
            own: its cells, with the row key.
        """
        if self.column in own and self.videos is None:
            return cast("NDArray[np.uint8] | None", own[self.column])
        at = np.array([row], np.int64)
        if not self.column or row >= len(self.media) or self.media.read(ROW_KEY, at)[0] != own[ROW_KEY]:
            return None
        (cell,) = self.media.read(self.column, at)
        if self.videos is None or cell is None:
            return cast("NDArray[np.uint8] | None", cell)
        return self.videos.video_frame("video", int(cell), int(own["frame_idx"]))


def frames_of(storage: Storage, place: Place, labels: View) -> Frames:
    """Where the pixels of a dataset's rows are: in it, in the dataset of the media, or in video files beside that."""
    media = (storage.find(place.media) if place.annotations else labels) or labels
    stored = media.stored()
    names = {column.name for column in stored.columns}
    if VIDEO_ROW.name in names:
        videos = storage.find(address_of_videos(place.media))
        return Frames(media, "" if videos is None else VIDEO_ROW.name, videos)
    pixels = PIXELS.get(stored.media, "")
    return Frames(media, pixels if pixels in names else "", None)


@dataclass(frozen=True)
class Pictures:
    """Chosen rows; goes through them as often as somebody asks."""

    labels: View
    frames: Frames
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
        for at, row in enumerate(self.rows):
            own = {name: values[at] for name, values in cells.items()}
            own |= _large(self.labels, stored.columns, row)
            yield self._picture(row, own, self.frames.of(row, own))

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


def _rgb(image: NDArray[np.uint8] | None, row: Mapping[str, Any]) -> NDArray[np.uint8]:
    """The frame as (h, w, 3); an empty one of the declared size where no frames are stored."""
    if image is None:
        size = int(row[f"{PREFIX}height"]) or 360, int(row[f"{PREFIX}width"]) or 640
        return np.full((*size, 3), 40, np.uint8)
    colour = image[:, :, :3]
    return np.repeat(colour, 3, axis=2) if colour.shape[2] == 1 else np.ascontiguousarray(colour)
