"""Which stretches of a video to decode for a few of its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
"""Frames by their place in display order, 0-based, ascending."""

SEEK = 8
"""Frames that could be decoded in the time that a seek takes: the decoder's threads start anew."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames to decode one after the other, from a keyframe on."""

    start: int
    """The keyframe."""
    wanted: Positions
    """Those of its frames that are asked for; the last one ends it."""

    def __len__(self) -> int:
        """Frames that are decoded."""
        return int(self.wanted[-1]) - self.start + 1


def stretches(wanted: Positions, keyframes: Positions) -> list[Stretch]:
    """Jump to the last keyframe before a wanted frame wherever that is quicker than decoding on.

    Args:
        wanted: at least one frame.
        keyframes: where decoding may start; frame 0 is the first of them.
    """
    nearest = keyframes[np.searchsorted(keyframes, wanted, side="right") - 1]
    jumps = np.flatnonzero(nearest[1:] > wanted[:-1] + SEEK) + 1
    return [Stretch(int(starts[0]), part) for starts, part in zip(
        np.split(nearest, jumps), np.split(wanted, jumps), strict=True
    )]  # fmt: skip


def pays(parts: Sequence[Stretch], total: int) -> bool:
    """Whether decoding these stretches takes clearly less than decoding all of the video."""
    return sum(len(part) + SEEK for part in parts) < 0.8 * total
