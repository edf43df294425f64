"""Presence and values between spelled-out frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebox.core.interpolate import Spread, held, shapes_at, spread
from lakebox.core.model import MaskRef, Segment


def values(knots: list[int], segments: list[Segment] | None, total: int) -> dict[int, float]:
    """Frame -> value, where the value of a knot is ten times its frame: linear motion shows as ten times the frame."""
    where = spread(np.array(knots, np.int64), segments, total)
    shapes = np.array([[10.0 * knot, 0.0] for knot in knots]).reshape(-1, 2)
    return dict(zip(where.frames.tolist(), np.asarray(shapes_at(shapes, where))[:, 0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("knots", "segments", "total", "expected"),
    [
        ([2, 5], None, 9, {2: 20, 5: 50}),
        ([2, 5], [], 9, {2: 20, 5: 50}),
        ([2, 5], [(2, 5)], 9, {2: 20, 3: 30, 4: 40, 5: 50}),
        ([2], [(2, 4)], 9, {2: 20, 3: 20, 4: 20}),
        ([4], [(2, 5)], 9, {2: 40, 3: 40, 4: 40, 5: 40}),
        ([0, 3], [(0, 1), (3, 4)], 9, {0: 0, 1: 0, 3: 30, 4: 30}),
        ([0, 4], [(0, 1), (2, 4)], 9, {0: 0, 1: 0, 2: 40, 3: 40, 4: 40}),
        ([0], [(0, 0), (3, 4)], 9, {0: 0, 3: 0, 4: 0}),
        ([5], [(0, 2), (4, 5)], 9, {4: 50, 5: 50}),
        ([1, 7], [(1, 2)], 9, {1: 10, 2: 10, 7: 70}),
        ([0, 4], [(0, 3), (2, 4)], 9, {0: 0, 1: 10, 2: 20, 3: 30, 4: 40}),
        ([2, 4], [(3, 4), (2, 2)], 9, {2: 20, 3: 40, 4: 40}),
        ([1], [(1, 20)], 4, {1: 10, 2: 10, 3: 10}),
        ([1, 8], None, 4, {1: 10}),
        ([8], [(8, 9)], 4, {}),
        ([], [(0, 3)], 4, {}),
        ([0, 8], [(0, 8)], 4, {0: 0, 1: 10, 2: 20, 3: 30}),
    ],
    ids=[
        "no segments", "empty segments", "linear inside", "held to the end", "before the first knot", "gap",
        "touching segments do not mix", "segment without a knot holds the last", "segment before any knot is nothing",
        "knot outside stays", "overlapping are one", "unsorted", "cut at the end of the media", "knot past the end",
        "all past the end", "no knots", "moves towards a knot past the end of the media",
    ],
)  # fmt: skip
def test_table(knots: list[int], segments: list[Segment] | None, total: int, expected: dict[int, float]) -> None:
    assert values(knots, segments, total) == expected


LISTED = [np.zeros((3, 2)), np.full((3, 2), 4.0)]
MASKS = [MaskRef("a"), MaskRef("b")]


def test_equal_outlines_move() -> None:
    shapes = shapes_at(LISTED, spread(np.array([0, 4]), [(0, 4)], 5))
    assert [float(np.asarray(shape)[0, 0]) for shape in shapes] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "shapes", [[np.zeros((3, 2)), np.ones((4, 2))], MASKS], ids=["outlines of other length", "masks"]
)
def test_everything_else_is_held(shapes: list[object]) -> None:
    found = shapes_at(shapes, spread(np.array([0, 3]), [(0, 4)], 5))  # type: ignore[arg-type]
    assert [shapes.index(shape) if isinstance(shape, MaskRef) else len(shape) - 3 for shape in found] == [0, 0, 0, 1, 1]


def test_held_never_moves() -> None:
    where = held(spread(np.array([0, 4]), [(0, 4)], 5))
    assert shapes_at(np.array([[0.0, 0.0], [8.0, 8.0]]), where)[:, 0].tolist() == [0, 0, 0, 0, 8]  # type: ignore[call-overload]


def test_coordinates_are_not_cut_off() -> None:
    where = spread(np.array([0, 3]), [(0, 3)], 4)
    assert np.asarray(shapes_at(np.array([[0.0], [1.0]]), where))[1, 0] == pytest.approx(1 / 3)


FRAMES = st.integers(0, 30)
KNOTS = st.lists(FRAMES, unique=True, max_size=8).map(sorted)
SEGMENTS = st.lists(st.tuples(FRAMES, st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=4)
TOTAL = st.integers(1, 40)


def spread_of(knots: list[int], segments: list[Segment], total: int) -> Spread:
    return spread(np.array(knots, np.int64), segments, total)


@given(KNOTS, SEGMENTS, TOTAL)
def test_knots_are_reproduced_and_nothing_is_outside(knots: list[int], segments: list[Segment], total: int) -> None:
    where = spread_of(knots, segments, total)
    frames = where.frames.tolist()
    covered = {frame for start, end in segments for frame in range(start, end + 1)} | set(knots)
    assert frames == sorted(set(frames))
    assert set(frames) <= {frame for frame in covered if frame < total}
    assert {knot for knot in knots if knot < total} <= set(frames)
    exact = {frame: knots[at] for frame, at in zip(frames, where.knot.tolist(), strict=True) if frame in knots}
    assert all(frame == knot for frame, knot in exact.items())


@given(KNOTS.filter(bool), SEGMENTS, TOTAL)
def test_values_stay_between_their_knots(knots: list[int], segments: list[Segment], total: int) -> None:
    where = spread_of(knots, segments, total)
    assert ((where.weight >= 0) & (where.weight < 1)).all()
    points = np.array(knots, float)[:, None]
    found = np.asarray(shapes_at(points, where))[:, 0]
    low, high = points[where.knot][:, 0], points[where.toward][:, 0]
    assert ((found >= low - 1e-9) & (found <= high + 1e-9)).all()
    assert (np.abs(found - where.frames)[where.weight > 0] < 1e-9).all()


@given(KNOTS.filter(bool), st.integers(0, 30), st.integers(0, 30))
def test_a_segment_behind_a_knot_is_filled_whole(knots: list[int], start: int, length: int) -> None:
    frames = set(spread_of(knots, [(start, start + length)], 100).frames.tolist())
    expected = set(range(start, start + length + 1)) if knots[0] <= start + length else set()
    assert frames == expected | set(knots)
