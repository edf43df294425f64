"""Mask files of generated projects: PNG bytes made of small integers."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image

MASK_MODES = ("L", "one", "1", "RGB", "RGBA")
"""How a single mask is stored; `one` is grey with 1 instead of 255."""

Color = tuple[int, int, int]


def pattern(seed: int, width: int, height: int) -> np.ndarray:
    """Return a mask, bool (height, width), that follows from one integer."""
    y, x = np.mgrid[:height, :width]
    return np.asarray((x * (1 + seed % 3) + y * (1 + seed % 5) + seed) % 7 < 3)


def mask_png(pixels: np.ndarray, mode: str) -> bytes:
    """Return a single mask as PNG bytes in one of MASK_MODES."""
    if mode == "one":
        return _png(Image.fromarray(pixels.astype(np.uint8)))
    if mode in ("RGB", "RGBA"):  # only one channel is set; alpha always is
        picture = np.zeros((*pixels.shape, len(mode)), dtype=np.uint8)
        picture[..., 2] = pixels * 200
        if mode == "RGBA":
            picture[..., 3] = 255
        return _png(Image.fromarray(picture))
    grey = Image.fromarray(pixels.astype(np.uint8) * 255)
    return _png(grey.convert("1") if mode == "1" else grey)


def composite_png(instances: Sequence[tuple[Color, np.ndarray]], width: int, height: int, mode: str) -> bytes:
    """Return all instances of a frame in one PNG; a later one covers an earlier."""
    picture = np.zeros((height, width, len(mode)), dtype=np.uint8)
    for color, pixels in instances:
        picture[pixels, :3] = color
    if mode == "RGBA":
        picture[..., 3] = 255
    return _png(Image.fromarray(picture))


def read_png(content: bytes) -> np.ndarray:
    """Return the pixels of PNG bytes: (h, w) or (h, w, channels)."""
    with Image.open(BytesIO(content)) as picture:
        return np.asarray(picture)


def _png(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
