"""Task `preview`: a picture of what a dataset holds, so that people look instead of trusting."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, SkipValidation

from lakebox.core.facts import PIXELS, PREFIX, ROW_KEY
from lakebox.core.lake_port import Lake, Provider, Storage, Stored
from lakebox.core.preview import Tile, class_names, facts, overlays, spread_over
from lakebox.core.report import Report
from lakebox.errors import ConfigError, LakeError
from lakebox.tasks.beside import find_labels
from lakebox.tasks.provider import place_of

Draw = Callable[[Sequence[Tile], str, Sequence[str]], bytes]
"""Tiles, heading and all class names in a lasting order -> PNG bytes."""


class Preview(BaseModel):
    """Draws a contact sheet of frames with their annotations."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    storage: Storage
    provider: Provider
    path: str
    draw: SkipValidation[Draw]
    out: Path | None = Field(default=None, description="PNG file; None: beside the dataset")
    max_frames: PositiveInt = 12

    def __call__(self) -> Report:
        """Write the picture.

        Raises:
            ConfigError: there is no dataset at `path`, or the picture cannot be written.
            LakeError: the dataset holds no rows.
        """
        started = time.monotonic()
        place = place_of(self.provider, "")
        address = place.annotations or place.media
        lake = find_labels(self.storage, place)
        if lake is None:
            raise ConfigError(f"path: there is no dataset at {address} to preview; make one with task=sync")
        stored = lake.stored()
        if not stored.assets:
            raise LakeError(f"path {address}: the dataset has no rows to preview")
        rows = self._chosen(lake, stored)
        media = self.storage.find(place.media) if place.annotations else lake
        tiles = [_tile(lake, media, stored, row) for row in rows]
        sheet = self.draw(tiles, f"{address}, {len(lake)} rows", class_names(stored.columns))
        report = Report(task="preview", plan=f"{len(rows)} frames drawn in {self._write(sheet)}")
        report.dataset.path, report.dataset.rows, report.dataset.version = address, len(lake), lake.version
        report.seconds = time.monotonic() - started
        return report

    def _chosen(self, lake: Lake, stored: Stored) -> list[int]:
        """Rows with objects, of as many columns as possible, where there are any; else any rows."""
        everything = np.arange(len(lake))
        tracks = [column.name for column in stored.columns if column.key.endswith(":tracks")]
        filled = np.zeros(len(lake), np.int64)
        for name in tracks:
            filled += _lengths(lake.read(name, everything)) > 0
        finished = [asset.rows for asset in stored.assets if asset.complete]
        drawn = [rows[filled[rows] > 0].tolist() for rows in finished]
        return spread_over(drawn if any(drawn) else [rows.tolist() for rows in finished], self.max_frames, filled)

    def _write(self, sheet: bytes) -> Path:
        out = self.out or Path(self.path.rstrip("/").rpartition("://")[2] + ".png")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(sheet)
        except OSError as error:
            raise ConfigError(f"task.out: {out} cannot be written: {error.strerror}") from error
        return out


def _lengths(cells: Sequence[Any]) -> NDArray[np.int64]:
    return np.array([0 if cell is None else len(cell) for cell in cells], np.int64)


def _tile(lake: Lake, media: Lake | None, stored: Stored, number: int) -> Tile:
    at = np.array([number])
    row = {column.name: lake.read(column.name, at)[0] for column in stored.columns if column.type != "video"}
    frame = int(row.get("frame_idx", 0))
    name = row[f"{PREFIX}{stored.media}_name"]
    title = f"{name}  frame {frame}" if stored.media == "video" else str(name)
    image = row.get(PIXELS[stored.media])
    if image is None and media is not None:
        image = _beside(media, PIXELS[stored.media], row, at)
    return Tile(_rgb(image, row), title, facts(row, stored.columns), tuple(overlays(row, stored.columns)))


def _beside(media: Lake, pixels: str, row: dict[str, Any], at: NDArray[np.int64]) -> Any:
    """The picture in the dataset of the media, which has the same rows; None if this row is another there."""
    known = {column.name for column in media.stored().columns if column.type in ("jpg", "png")}
    if pixels not in known or at[0] >= len(media) or media.read(ROW_KEY, at)[0] != row[ROW_KEY]:
        return None
    return media.read(pixels, at)[0]


def _rgb(image: NDArray[np.uint8] | None, row: dict[str, Any]) -> NDArray[np.uint8]:
    """The frame as (h, w, 3); an empty one of the declared size where no frames are stored."""
    if image is None:
        size = int(row[f"{PREFIX}height"]) or 360, int(row[f"{PREFIX}width"]) or 640
        return np.full((*size, 3), 40, np.uint8)
    colour = image[:, :, :3]
    return np.repeat(colour, 3, axis=2) if colour.shape[2] == 1 else np.ascontiguousarray(colour)
