"""How many rows a block has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from lakebox.core.columns import Column
from lakebox.core.compile import Compiled
from lakebox.core.convert import Deferred
from lakebox.core.model import MaskRef
from lakebox.core.tally import Tally
from lakebox.tasks.blocks import BATCH_ROWS, BLOCK_BYTES, LABEL_ROWS, MASK_ROWS, batch_rows

SIZE = (1024, 1024)
FIT = BLOCK_BYTES >> 20
"""Masks of that size that fit into a block."""
PIXELS = Column("frames", "jpg", "uint8", 3)


def compiled(*columns: Sequence[int]) -> Compiled:
    """Columns of masks, by the number of objects on each row."""
    ref = MaskRef("mask.png", None)
    cells = {f"c{at}": [Deferred((ref,) * n, lambda _: np.zeros(0)) for n in each] for at, each in enumerate(columns)}
    return Compiled(cells, Tally())


def sparse(rows: int, every: int) -> list[int]:
    return [int(at % every == 0) for at in range(rows)]


@pytest.mark.parametrize(
    ("found", "pixels", "rows"),
    [
        (Compiled({"boxes": [0] * 300}, Tally()), None, LABEL_ROWS),
        (Compiled({"boxes": [0] * 300}, Tally()), PIXELS, BATCH_ROWS),
        (Compiled({}, Tally()), None, LABEL_ROWS),
        (compiled([0] * 300), None, MASK_ROWS),
        (compiled(sparse(320, 10)), None, MASK_ROWS),
        (compiled(sparse(320, 10)), PIXELS, BATCH_ROWS),
        (compiled([FIT]), None, MASK_ROWS),
        (compiled([5 * FIT, 0]), None, 1),
    ],
    ids=["boxes", "boxes and pixels", "nothing", "no object", "few masks", "few and pixels", "just fits", "too many"],
)
def test_rows_of_a_block(found: Compiled, pixels: Column | None, rows: int) -> None:
    assert batch_rows(found, pixels, SIZE) == rows


@pytest.mark.parametrize("columns", [[[1] * 1000], [[1] * 1000, [3] * 1000], [[0] * 900 + [9] * 100], [[FIT] * 40]])
def test_no_block_has_more_mask_pixels_than_it_may(columns: list[list[int]]) -> None:
    rows, counts = batch_rows(compiled(*columns), None, SIZE), np.sum(columns, axis=0)
    most = max(int(counts[at : at + rows].sum()) for at in range(0, len(counts), rows))
    assert most <= FIT < 2 * most
