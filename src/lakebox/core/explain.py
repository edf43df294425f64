"""Where a row comes from: its objects traced back to the features of the label that they were made of."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lakebox.core.columns import Column
from lakebox.core.fingerprint import track_number
from lakebox.core.model import Label, Track
from lakebox.core.preview import tool_name

Row = Mapping[str, Any]
"""Column name -> cell, of one row."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One object of a row."""

    column: str
    """Column of its geometry."""
    name: str
    """Its class."""
    track: int
    schema_id: str
    """Feature schema id of its tool; empty where neither the dataset nor the label says."""
    feature_id: str
    """Empty where the label was not at hand."""
    kind: str
    """Labelbox's annotation kind; empty where the label was not at hand."""
    keyframe: bool
    """Whether a person drew it on this frame."""
    between: tuple[int | None, int | None] = (None, None)
    """0-based keyframes that it lies between; None: there is none on that side, it holds the other one's shape."""
    shape: tuple[float, ...] = ()
    """Box: left, top, width, height; points: x, y, x, y, ...; of masks nothing."""


def origins(row: Row, columns: Sequence[Column], drawn: Mapping[str, Mapping[int, Sequence[int]]], label: Label | None,
            frame: int) -> Iterator[Origin]:  # fmt: skip
    """All objects of a row.

    Args:
        row: its cells, without pixels and masks.
        columns: the dataset's.
        drawn: by key of the keyframes column, track -> its keyframes (0-based, ascending) on the rows around this one
            on which the object is without a break.
        label: what the export says, if it is at hand: also of keyframes on frames that have no row.
        frame: 0-based.
    """
    by_key = {column.key: column for column in columns}
    known = {track_number(track.feature_id): track for track in label.tracks} if label else {}
    for column in columns:
        base, _, role = column.key.rpartition(":")
        tracks = row.get(by_key[f"{base}:tracks"].name) if role == "geometry" and f"{base}:tracks" in by_key else None
        for at, number in enumerate([] if tracks is None else tracks.tolist()):
            track = known.get(number)
            name, schema = _class(row, by_key.get(f"{base}:labels"), column, base, at)
            keyframe = bool(row[by_key[f"{base}:keyframes"].name][at])
            keyframes = _drawn(track, frame) if track else list(drawn.get(f"{base}:keyframes", {}).get(number, ()))
            yield Origin(
                column.name,
                track.name if track else name,
                number,
                track.schema_id if track and track.schema_id else schema,
                track.feature_id if track else "",
                track.kind if track else "",
                keyframe,
                (frame, frame) if keyframe else around(keyframes, frame),
                _shape(row.get(column.name), at),
            )


def around(keyframes: Sequence[int], frame: int) -> tuple[int | None, int | None]:
    """The keyframes on both sides of a frame."""
    place = bisect_right(keyframes, frame)
    return keyframes[place - 1] if place else None, keyframes[place] if place < len(keyframes) else None


def _drawn(track: Track, frame: int) -> list[int]:
    """Keyframes of the segment that the frame is in: nothing is interpolated from one segment to another."""
    drawn = [int(number) for number in track.frames[track.drawn]]
    segment = next((each for each in track.segments or () if each[0] <= frame <= each[1]), None)
    return [number for number in drawn if segment is None or segment[0] <= number <= segment[1]]


def _class(row: Row, labels: Column | None, column: Column, base: str, at: int) -> tuple[str, str]:
    if labels is not None and labels.classes and (found := row.get(labels.name)) is not None:
        one = labels.classes[int(found[at])]
        return one.name, one.key
    return tool_name(column.name), base.removeprefix("tool:")


def _shape(cell: Any, at: int) -> tuple[float, ...]:
    if cell is None or isinstance(cell, str) or at >= len(cell):
        return ()
    return tuple(round(float(number), 2) for number in np.asarray(cell[at], np.float64).reshape(-1))
