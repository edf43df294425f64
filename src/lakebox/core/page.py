"""Rows of a dataset -> what the page in the browser draws: plain data, JSON-like, all text as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lakebox.core.preview import Overlay, Tile, tool_name
from lakebox.core.statistics import Statistics

Shape = dict[str, Any]
"""One object as the page draws it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame of the page."""

    row: int
    key: str
    asset: int
    frame: int
    tile: Tile
    """The frame with what the dataset says of it."""
    changed: bool = False
    before: tuple[Overlay, ...] | None = None
    """What an earlier version said; None where it had no such row, or nothing changed."""
    facts_before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Doing:
    """What a run did, or that nobody says what it did."""

    title: str
    address: str
    version: str = ""
    lines: tuple[tuple[str, str], ...] = ()
    """Name -> what is said, such as plan and seconds."""
    failures: tuple[Mapping[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


class Gallery(Protocol):
    """The frames to show, in order; holds one at a time, and may be gone through again."""

    def __iter__(self) -> Iterator[Picture]:
        """One after the other."""

    def __len__(self) -> int:
        """How many."""


@dataclass(frozen=True, slots=True)
class Shown:
    """All that is shown of a dataset, whatever it is drawn with."""

    doing: Doing
    statistics: Statistics
    """Of the whole dataset."""
    pictures: Gallery
    assets: Sequence[str]
    """Names of data rows, by `Picture.asset`."""
    classes: Sequence[str]
    """All of the project's, so that each keeps its colour."""
    media: str = "video"
    """`video` or `image`: whether there are many frames of a data row."""


@dataclass(slots=True)
class Classes:
    """Classes of objects in the order in which they are met; each (column, class) can be hidden by itself."""

    colour: Callable[[str], str]
    """Class name -> `#rrggbb`."""
    _known: dict[tuple[str, str], int] = field(default_factory=dict)

    def place(self, overlay: Overlay) -> int:
        """The number of an object's class."""
        return self._known.setdefault((overlay.column, overlay.name), len(self._known))

    def listed(self) -> list[dict[str, str]]:
        """All that were met."""
        return [
            {"column": tool_name(column), "name": name, "colour": self.colour(name)} for column, name in self._known
        ]


def drawn(
    pictures: Iterable[Picture], classes: Classes, encode: Callable[[NDArray[np.uint8]], tuple[str, tuple[int, int]]]
) -> list[dict[str, Any]]:
    """Frames for the page; `encode` gives a picture's data address and its size there."""
    found = []
    for one in pictures:
        tile = one.tile
        image, size = encode(tile.image)
        frame = {
            "row": one.row, "key": one.key, "asset": one.asset, "frame": one.frame, "title": tile.title,
            "size": [tile.image.shape[1], tile.image.shape[0]], "image": image, "facts": list(tile.facts),
            "shapes": _shapes(tile.overlays, classes, size),
        }  # fmt: skip
        if one.changed:
            frame["changed"] = True
        if one.before is not None:
            frame["before"] = {"shapes": _shapes(one.before, classes, size), "facts": list(one.facts_before)}
        found.append(frame)
    return found


WIDEST = 960
"""Pixels of a picture's longer side on the page."""


def _shapes(overlays: Iterable[Overlay], classes: Classes, size: tuple[int, int]) -> list[Shape]:
    return [_shape(each, classes, size) for each in overlays if np.size(each.shape)]


def _shape(overlay: Overlay, classes: Classes, mask_size: tuple[int, int]) -> Shape:
    shape: Shape = {"class": classes.place(overlay), "kind": overlay.kind}
    if overlay.track is not None:
        shape["track"] = overlay.track
    if not overlay.keyframe:
        shape["between"] = True
    if overlay.kind == "mask":
        small = _shrunk(np.asarray(overlay.shape, np.bool_), mask_size)
        return shape | {"runs": runs(small), "size": [mask_size[1], mask_size[0]]}
    return shape | {"at": np.round(np.asarray(overlay.shape, np.float64), 1).reshape(-1).tolist()}


def _shrunk(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The nearest pixel of each: what is drawn over a picture needs no softer edge."""
    rows, columns = ((np.arange(to) + 0.5) * of / to for to, of in zip(size, mask.shape, strict=True))
    small: NDArray[np.bool_] = mask[rows.astype(int)[:, None], columns.astype(int)[None]]
    return small


def runs(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of stretches of equal pixels, row after row, beginning with those that are not set."""
    flat = mask.reshape(-1)
    bounds = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], bounds, [len(flat)]])).tolist()
    return [0, *lengths] if len(flat) and flat[0] else lengths
