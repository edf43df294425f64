"""Where an object is present, and from which spelled-out frames its value comes there.

::

    frame      0  1  2  3  4  5  6  7  8  9
    segments   [-----------]     [--------]
    knots      K        K           K
    value      K  ~  ~  K  k     K  K  k  k      K spelled out, ~ linear, k held; nothing between the segments
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakebox.core.model import Segment, Shape

Frames = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Spread:
    """An object over all its frames; arrays of one length (frames,)."""

    frames: Frames
    """0-based, ascending, each once."""
    knot: Frames
    """Position of the spelled-out frame whose value is held."""
    toward: Frames
    """Position of the one moved towards; equal to `knot` where nothing moves."""
    elapsed: NDArray[np.float64]
    """Frames since the one held; 0 where nothing moves ..."""
    gap: NDArray[np.float64]
    """... out of so many from one to the other; 1 where nothing moves."""

    @property
    def weight(self) -> NDArray[np.float64]:
        """How far from the one to the other, 0 to 1."""
        return self.elapsed / self.gap


def held_at(frames: Frames, knot: Frames) -> Spread:
    """Frames on which a spelled-out value holds."""
    return Spread(frames, knot, knot, np.zeros(len(frames)), np.ones(len(frames)))


def spread(knots: Frames, segments: Sequence[Segment] | None, total: int) -> Spread:
    """Spread spelled-out frames over segments.

    Args:
        knots: frames that the export spells out, ascending.
        segments: first and last frame, inclusive, of each presence; None or empty: the knots are all there is.
        total: number of frames of the media; nothing is spread beyond.

    Spelled-out frames stay where they are, also outside segments. A segment without a knot holds the last earlier
    value; frames before the first knot of a segment hold that knot. Overlapping segments count as one.
    """
    parts = [_within(knots, start, end, total) for start, end in _joined(segments or ())]
    covered = [part.frames for part in parts]
    rest = np.setdiff1d(np.arange(len(knots)), np.flatnonzero(np.isin(knots, np.concatenate([knots[:0], *covered]))))
    parts.append(held_at(knots[rest], rest))
    frames = np.concatenate([part.frames for part in parts])
    order = np.argsort(frames, kind="stable")
    order = order[frames[order] < total]
    joined = (np.concatenate([getattr(part, name) for part in parts])[order] for name in Spread.__slots__)
    return Spread(*joined)


def _joined(segments: Iterable[Segment]) -> list[Segment]:
    """Sorted, overlapping ones united; neighbours that only touch stay apart, values do not move between them."""
    joined: list[Segment] = []
    for start, end in sorted(segments):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _within(knots: Frames, start: int, end: int, total: int) -> Spread:
    """One segment. Knots behind the end of the media still say where things move, but nothing is placed there."""
    first, behind = np.searchsorted(knots, [start, end + 1])
    if behind == 0 or start >= total:
        return held_at(knots[:0], knots[:0])
    frames = np.arange(start, min(end + 1, total))
    if first == behind:
        return held_at(frames, np.full(len(frames), first - 1))
    knot = np.clip(np.searchsorted(knots, frames, side="right") - 1, first, behind - 1)
    toward = np.where(frames > knots[knot], np.minimum(knot + 1, behind - 1), knot)
    moving = toward != knot
    elapsed = np.where(moving, frames - knots[knot], 0).astype(np.float64)
    return Spread(frames, knot, toward, elapsed, np.where(moving, knots[toward] - knots[knot], 1).astype(np.float64))


def held(spread: Spread) -> Spread:
    """The same presence with values that only change at spelled-out frames."""
    return held_at(spread.frames, spread.knot)


def shapes_at(shapes: NDArray[np.float64] | Sequence[Shape], where: Spread) -> NDArray[np.float64] | list[Shape]:
    """The shape on every frame of `where`: (frames, d) for boxes and points, a list for everything else."""
    if isinstance(shapes, np.ndarray):
        start, end = shapes[where.knot], shapes[where.toward]
        moved: NDArray[np.float64] = start + (end - start) * where.elapsed[:, None] / where.gap[:, None]
        return moved
    steps = zip(where.knot.tolist(), where.toward.tolist(), where.elapsed.tolist(), where.gap.tolist(), strict=True)
    return [_between(shapes[a], shapes[b], elapsed, gap) for a, b, elapsed, gap in steps]


def _between(start: Shape, end: Shape, elapsed: float, gap: float) -> Shape:
    if elapsed and isinstance(start, np.ndarray) and isinstance(end, np.ndarray) and start.shape == end.shape:
        moved: NDArray[np.float64] = start + (end - start) * elapsed / gap
        return moved
    return start
