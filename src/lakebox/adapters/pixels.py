"""How media are stored. Config group `pixels`. JPEG by simplejpeg (libjpeg-turbo)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from pydantic import Field

from lakebox.adapters.png import png
from lakebox.core.columns import Column
from lakebox.core.component import Component
from lakebox.core.facts import PIXELS
from lakebox.core.ports import Frame, Map, OpenMedia
from lakebox.core.videos import VIDEO_ROW
from lakebox.errors import MediaError


class Jpeg(Component):
    """Frames as JPEG. JPEG files of an image project are stored untouched."""

    quality: int = Field(default=90, ge=1, le=100)
    subsampling: Literal["444", "422", "420"] = "420"

    def column(self, media: str) -> Column:
        """An image column, JPEG-compressed."""
        return Column(PIXELS[media], "jpg", "uint8", key="lakebox:pixels")

    def cells(self, media: OpenMedia, wanted: NDArray[np.int64], encode: Map) -> Iterator[Any]:
        """JPEG bytes per frame."""
        return encode(self._encode, media.frames(wanted))

    def _encode(self, frame: Frame) -> bytes:
        if frame.encoded is not None and frame.format == "jpg":
            return frame.encoded
        return self._from_planes(*frame.planes()) if frame.planes and self.subsampling == "420" else self._from(frame)

    def _from_planes(self, luma: NDArray[np.uint8], blue: NDArray[np.uint8], red: NDArray[np.uint8]) -> bytes:
        data: bytes = simplejpeg.encode_jpeg_yuv_planes(luma, blue, red, quality=self.quality)
        return data

    def _from(self, frame: Frame) -> bytes:
        pixels = frame.pixels()
        space = {1: "GRAY", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
        data: bytes = simplejpeg.encode_jpeg(
            np.ascontiguousarray(pixels), quality=self.quality, colorspace=space,
            colorsubsampling="Gray" if space == "GRAY" else self.subsampling,
        )  # fmt: skip
        return data


class Png(Component):
    """Frames without loss as PNG. PNG files of an image project are stored untouched."""

    def column(self, media: str) -> Column:
        """An image column, PNG-compressed."""
        return Column(PIXELS[media], "png", "uint8", key="lakebox:pixels")

    def cells(self, media: OpenMedia, wanted: NDArray[np.int64], encode: Map) -> Iterator[Any]:
        """PNG bytes per frame."""
        return encode(_png, media.frames(wanted))


def _png(frame: Frame) -> bytes:
    if frame.encoded is not None and frame.format == "png":
        return frame.encoded
    return png(frame.pixels())


class VideoAsIs(Component):
    """The video file as it is, once, in a dataset beside the rows, which say where it is; nothing is decoded, the
    file's index is checked.

    Deep Lake 4.7 keeps each file whole, as an .mp4 among its own. Frame k of one is `ds["video"][row][k]`, an array
    (1, h, w, 3), which is decoded from the keyframe before it. It does not give the bytes out again (`get_bytes`). It
    finds frame k by its time, k / average frame rate, and does not turn pictures, so files that are not evenly spaced,
    or that players turn, are refused: other frames than the annotated ones would be found.
    """

    def column(self, media: str) -> Column:
        """The column with the row of the file.

        Raises:
            MediaError: the project has images.
        """
        if media != "video":
            raise MediaError("pixels=video stores videos; this is an image project: choose pixels=jpeg or pixels=png")
        return VIDEO_ROW

    def cells(self, media: OpenMedia, wanted: NDArray[np.int64], encode: Map) -> Iterator[Any]:
        """The file's bytes, then None for every other row: whoever stores the file puts its row there."""
        suffix = PurePosixPath(media.file.name).suffix
        if suffix.lower() not in (".mp4", ".m4v", ".mov"):
            raise MediaError(f"pixels=video stores MP4 files, found '{suffix}'; choose pixels=jpeg")
        path = media.file.local()
        media.check()
        yield path.read_bytes()
        yield from (None for _ in wanted[1:])


class NoPixels(Component):
    """No media: labels only. Nothing is fetched; the export's frame count says how many rows there are."""

    def column(self, media: str) -> None:
        """There is none."""
        return

    def cells(self, media: OpenMedia, wanted: NDArray[np.int64], encode: Map) -> Iterator[Any]:
        """Nothing."""
        return iter(())
