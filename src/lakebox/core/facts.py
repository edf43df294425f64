"""Columns that every dataset has whatever its ontology: media, identity, `lb_meta` and the state that plans build on.

Names follow deeplake's own Labelbox integration, so that code which reads its datasets reads ours.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import CellList, Column
from lakebox.core.fingerprint import digest
from lakebox.core.model import Asset, Label
from lakebox.core.urls import unsigned

PREFIX = "lb_meta/"
ID, ROW_KEY, STATE = f"{PREFIX}id", f"{PREFIX}row_key", f"{PREFIX}state"

PIXELS = {"video": "frames", "image": "image"}
"""Media type -> name of the column with the pixels."""
INDEX = {"video": "video_idx", "image": "image_idx"}
"""Media type -> name of the column that numbers the assets."""

_TEXTS = (
    "id", "row_data", "label_creator", "ontology_id", "project_name", "dataset_name", "dataset_id", "global_key",
    "external_id", "label_id", "row_key", "state",
)  # fmt: skip
_VIDEO_ONLY = ("frame_rate", "frame_count", "frame_number", "current_frame_name")


def _column(name: str, type: str, dtype: str = "") -> Column:
    return Column(name, type, dtype, key=f"lakebox:{name}")


def media_columns(media: str, pixels: Column | None) -> tuple[Column, ...]:
    """Columns written when rows are added and never again: pixels and numbers."""
    own = [pixels] if pixels else []
    own += [_column("frame_idx", "scalar", "int32")] if media == "video" else []
    return (*own, _column(INDEX[media], "scalar", "int32"))


def fact_columns(media: str) -> tuple[Column, ...]:
    """The `lb_meta` columns; written again whenever a data row's labels are."""
    texts = [_column(f"{PREFIX}{name}", "text") for name in (f"{media}_name", *_TEXTS)]
    sizes = [_column(f"{PREFIX}{name}", "scalar", "int32") for name in ("width", "height")]
    if media != "video":
        return (*texts, *sizes)
    return (
        *texts,
        *sizes,
        _column(f"{PREFIX}frame_rate", "scalar", "float64"),
        _column(f"{PREFIX}frame_count", "scalar", "int32"),
        _column(f"{PREFIX}frame_number", "scalar", "int32"),
        _column(f"{PREFIX}current_frame_name", "text"),
    )


def number_cells(media: str, frames: NDArray[np.int64], index: int) -> dict[str, CellList]:
    """`frame_idx` (0-based frame of the source) and `video_idx` or `image_idx`, int32 (rows,)."""
    own: dict[str, CellList] = {INDEX[media]: np.full(len(frames), index, np.int32)}
    if media == "video":
        own["frame_idx"] = frames.astype(np.int32)
    return own


def fact_cells(asset: Asset, label: Label | None, frames: NDArray[np.int64], total: int) -> dict[str, CellList]:
    """The `lb_meta` cells of some rows of a data row, but for the state."""
    rows, facts = len(frames), asset.facts
    texts = {
        f"{asset.media.kind}_name": asset.name,
        "id": asset.id,
        "row_data": unsigned(asset.url),
        "ontology_id": facts.ontology_id,
        "project_name": facts.project_name,
        "dataset_name": facts.dataset_name,
        "dataset_id": facts.dataset_id,
        "global_key": facts.global_key,
        "external_id": facts.external_id,
    }
    cells: dict[str, CellList] = {f"{PREFIX}{name}": [text] * rows for name, text in texts.items()}
    cells.update(label_cells(label, rows))
    cells[ROW_KEY] = [f"{asset.id}:{frame}" for frame in frames.tolist()]
    cells[f"{PREFIX}width"] = np.full(rows, asset.media.width or 0, np.int32)
    cells[f"{PREFIX}height"] = np.full(rows, asset.media.height or 0, np.int32)
    if asset.media.kind == "video":
        cells[f"{PREFIX}frame_rate"] = np.full(rows, asset.media.rate or 0.0, np.float64)
        cells[f"{PREFIX}frame_count"] = np.full(rows, total, np.int32)
        cells[f"{PREFIX}frame_number"] = (frames + 1).astype(np.int32)
        cells[f"{PREFIX}current_frame_name"] = [f"{asset.name}_{frame + 1:06d}" for frame in frames.tolist()]
    return cells


def label_cells(label: Label | None, rows: int) -> dict[str, CellList]:
    """The `lb_meta` cells that another label changes."""
    told = {"label_creator": label.creator, "label_id": label.id} if label else {"label_creator": "", "label_id": ""}
    return {f"{PREFIX}{name}": [text] * rows for name, text in told.items()}


def facts_stamp(asset: Asset) -> str:
    """Fingerprint of what the `lb_meta` columns say of a data row whoever labelled it; empty: not known."""
    return digest([asset.name, unsigned(asset.url), repr(asset.facts), repr(asset.media), _names(asset.media.kind)])


@cache
def _names(media: str) -> list[str]:
    return [column.name for column in fact_columns(media)]


def state_cell(media_stamp: str, labels_stamp: str, rows: int, facts: str = "", config: str = "") -> str:
    """What the last row of a finished data row says; all its other rows say nothing. `config` is the digest of the
    configuration that wrote it, for people only.

    As it is written together with the last row, a data row whose writing was cut short has none.
    """
    return json.dumps({"media": media_stamp, "labels": labels_stamp, "rows": rows, "facts": facts, "config": config})


def read_state(cell: str) -> dict[str, Any]:
    """The inverse of `state_cell`."""
    state: dict[str, Any] = json.loads(cell)
    return state
