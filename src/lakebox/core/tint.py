"""Masks -> one transparent picture to lay over a frame."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[int, int, int]


def tinted(masks: Iterable[tuple[NDArray[np.bool_], Rgb, float]], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(h, w, 4) RGBA of masks with their colours and opacities: each filled, later ones over earlier ones, and then all
    edges, opaque, so that masks under others are seen.

    Args:
        masks: (h, w) each, with a colour and the opacity of its inside, 0 to 1.
        size: height and width.
    """
    picture = np.zeros((*size, 4), np.uint8)
    edges: list[tuple[NDArray[np.bool_], Rgb]] = []
    for mask, colour, opacity in masks:
        picture[mask] = _over(picture[mask], colour, opacity)
        edges.append((edge(mask), colour))
    for at, colour in edges:
        picture[at] = (*colour, 255)
    return picture


def _over(below: NDArray[np.uint8], colour: Rgb, opacity: float) -> NDArray[np.uint8]:
    """Pixels (n, 4) seen through a colour."""
    under = below[:, 3:].astype(np.float32) / 255 * (1 - opacity)
    alpha = under + opacity
    mixed = (below[:, :3] * under + np.array(colour, np.float32) * opacity) / alpha
    found: NDArray[np.uint8] = np.rint(np.hstack([mixed, alpha * 255])).astype(np.uint8)
    return found


def edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those pixels of a mask (h, w) beside which one is not set, or the picture ends."""
    around = np.pad(mask, 1)
    inside = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return mask & ~inside
