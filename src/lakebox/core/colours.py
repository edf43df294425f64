"""Colours of classes: distinguishable by people who see all colours, no red and no green; a class keeps its own."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

# Okabe and Ito's seven, then the colours of Paul Tol's schemes that stay furthest from those before them, in CIELAB.
_FIRST = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
_THEN = ("#332288", "#882255", "#EEDD88", "#FFAABB", "#42150A", "#4EB265", "#99DDFF", "#117733")
COLOURS = (*_FIRST, *_THEN)


def class_colour(name: str, classes: Sequence[str] = ()) -> int:
    """The number in `COLOURS` of a class: by its place in `classes`, else by a hash of its name."""
    place = classes.index(name) if name in classes else zlib.crc32(name.encode(errors="replace"))
    return place % len(COLOURS)
