"""Videos and images whose numbers can be read back from their pixels.

A picture of at least 64x48 shows a grid of black and white blocks of at least 8x8
pixels: 32 bits, that is 12 of the video number, 16 of the frame number and 4 to
check them. The rest is a mild texture. The numbers survive H.264 and JPEG.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from PIL import Image

COLUMNS, ROWS = 8, 4
VIDEO_BITS, FRAME_BITS, CHECK_BITS = 12, 16, 4
SMALLEST = (64, 48)


class UnreadableNumberError(ValueError):
    """A picture without a readable number."""


def write_video(
    path: Path | str,
    frame_count: int,
    width: int,
    height: int,
    fps: Fraction = Fraction(30),
    start: int = 0,
    codec: str = "libx264",
    video: int = 0,
) -> None:
    """Encode frames that show `video` and the numbers start, start + 1, ..."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        if not isinstance(stream, av.VideoStream):
            raise TypeError(f"{codec} is no video codec")
        stream.width, stream.height = width, height
        odd = width % 2 or height % 2
        stream.pix_fmt = "yuv444p" if odd else "yuv420p"
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "crf": "23"}
        for number in range(start, start + frame_count):
            image = numbered(width, height, video=video, frame=number)
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def write_image(path: Path | str, width: int, height: int, video: int = 0, frame: int = 0) -> None:
    """Write a numbered JPEG (quality 90) or PNG, by the suffix of the path."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(numbered(width, height, video=video, frame=frame))
    picture.save(path, quality=90)


def numbered(width: int, height: int, *, video: int, frame: int) -> np.ndarray:
    """Return an RGB picture that shows two numbers."""
    size = _block(width, height)
    picture = np.roll(_texture(width, height), 2 * frame, axis=1)
    for index, bit in enumerate(_bits(video, frame)):
        row, column = divmod(index, COLUMNS)
        top, left = row * size, column * size
        picture[top : top + size, left : left + size] = 235 if bit else 20
    return picture


@cache
def _texture(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    grey = 128 + 24 * np.sin(x / 9) + 24 * np.cos(y / 7)
    return np.stack([grey, grey + 8, grey - 8], axis=2).astype(np.uint8)


def read_number(image: np.ndarray) -> tuple[int, int]:
    """Return (video number, frame number) shown by a picture, grey or RGB."""
    grey = image.astype(np.float64)
    if grey.ndim == 3:
        grey = grey[:, :, : min(grey.shape[2], 3)].mean(axis=2)
    size = _block(grey.shape[1], grey.shape[0])
    margin = size // 4
    value = 0
    for index in range(COLUMNS * ROWS):
        row, column = divmod(index, COLUMNS)
        top, left = row * size + margin, column * size + margin
        inner = grey[top : top + size // 2, left : left + size // 2].mean()
        if 90 < inner < 165:
            raise UnreadableNumberError(f"block {index} is grey: {inner:.0f}")
        value = 2 * value + int(inner > 128)
    number, check = divmod(value, 1 << CHECK_BITS)
    if check != _check(number):
        raise UnreadableNumberError(f"{number} does not match its check {check}")
    return divmod(number, 1 << FRAME_BITS)


def _block(width: int, height: int) -> int:
    if width < SMALLEST[0] or height < SMALLEST[1]:
        raise ValueError(f"{width}x{height} is smaller than 64x48")
    return min(width // COLUMNS, height // (ROWS + 2))


def _check(number: int) -> int:
    total = 9  # not 0: an all-black picture is no number
    while number:
        number, digit = divmod(number, 16)
        total = 3 * total + digit
    return total % 16


def _bits(video: int, frame: int) -> list[int]:
    if not (0 <= video < 1 << VIDEO_BITS and 0 <= frame < 1 << FRAME_BITS):
        raise ValueError(f"numbers out of range: {video}, {frame}")
    number = (video << FRAME_BITS) + frame
    value = (number << CHECK_BITS) + _check(number)
    count = VIDEO_BITS + FRAME_BITS + CHECK_BITS
    return [value >> shift & 1 for shift in reversed(range(count))]
