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
    inside, outside = _inside(knots, _joined(segments or ()), total)
    order = np.argsort(np.concatenate([inside.frames, outside.frames]), kind="stable")
    order = order[: len(order) - int((outside.frames >= total).sum())]
    joined = (np.concatenate([getattr(inside, name), getattr(outside, name)])[order] for name in Spread.__slots__)
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


def _inside(knots: Frames, segments: Sequence[Segment], total: int) -> tuple[Spread, Spread]:
    """All segments at once, and the knots that are in none. Knots behind the end of the media still say where things
    move, but nothing is placed there."""
    starts, ends = np.array(segments, np.int64).reshape(-1, 2).T
    first, behind = np.searchsorted(knots, starts), np.searchsorted(knots, ends + 1)
    lengths = np.where(behind > 0, np.clip(np.minimum(ends + 1, total) - starts, 0, None), 0)
    lowest, highest = np.minimum(first, behind - 1), behind - 1  # a segment without knots has the one before it
    frames = np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    highest = np.repeat(highest, lengths)
    knot = np.clip(np.searchsorted(knots, frames, side="right") - 1, np.repeat(lowest, lengths), highest)
    toward = np.where(frames > knots[knot], np.minimum(knot + 1, highest), knot)
    moving = toward != knot
    elapsed = np.where(moving, frames - knots[knot], 0).astype(np.float64)
    gap = np.where(moving, knots[toward] - knots[knot], 1).astype(np.float64)
    edges = np.zeros(len(knots) + 1, np.int64)
    np.add.at(edges, first, 1)
    np.subtract.at(edges, behind, 1)
    rest = np.flatnonzero(np.cumsum(edges[:-1]) == 0)
    return Spread(frames, knot, toward, elapsed, gap), held_at(knots[rest], rest)


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
