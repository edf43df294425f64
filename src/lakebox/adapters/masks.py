"""Mask files of one data row: each fetched once, in parallel, and checked before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lakebox.adapters.image import mask_colors, mask_of, mask_picture
from lakebox.core.model import MaskRef
from lakebox.core.urls import unsigned
from lakebox.errors import MaskError

Decoded = TypeVar("Decoded")
_KEPT = 4
"""Decoded files that are remembered: the objects of a frame are mostly in one, and stay in it for a few frames."""


class Reads(Protocol):
    """The part of `Files` that masks need."""

    at_once: int

    def read(self, url: str) -> bytes:
        """The whole file."""


class MaskFiles:
    """The mask pixels of one data row, by reference. Files are kept compressed, pixels only for a moment."""

    def __init__(self, data: Mapping[str, bytes], size: tuple[int, int]) -> None:
        self._data = data
        self._size = size
        self._colors = lru_cache(_KEPT)(partial(self._decoded, mask_colors))

    def pixels(self, ref: MaskRef) -> NDArray[np.bool_]:
        """The (h, w) bool mask; a file that holds those of many objects is decoded once for all of them."""
        return mask_of(self._colors(ref.url), ref)

    def check(self, url: str) -> None:
        """Decode a file and forget it.

        Raises:
            MaskError: naming the file.
        """
        self._decoded(mask_picture, url)

    def _decoded(self, decode: Callable[[bytes, tuple[int, int]], Decoded], url: str) -> Decoded:
        try:
            return decode(self._data[url], self._size)
        except MaskError as error:
            raise MaskError(f"mask {unsigned(url)}: {error}") from error

    def __len__(self) -> int:
        return len(self._data)


def fetch_masks(files: Reads, addresses: Mapping[str, str], size: tuple[int, int]) -> MaskFiles:
    """All files of `addresses` (by address in the export), each decoded once to know that it is whole and fits.

    Raises:
        FetchError: a file cannot be had.
        MaskError: a file is no mask, or has not the frame's size (height, width).
    """
    if len(addresses) <= 1:  # threads would cost more than they save
        found = MaskFiles({url: files.read(address) for url, address in addresses.items()}, size)
        for url in addresses:
            found.check(url)
        return found
    pool = ThreadPoolExecutor(min(files.at_once, len(addresses)), "lakebox-mask")
    try:
        found = MaskFiles(dict(zip(addresses, pool.map(files.read, addresses.values()), strict=True)), size)
        for _ in pool.map(found.check, addresses):
            pass
    finally:
        pool.shutdown(cancel_futures=True)  # one that cannot be had is enough: the others are not tried any more
    return found
