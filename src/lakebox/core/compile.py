"""One label -> the annotation cells of all rows of its data row. Every cell is built whole from all its annotations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebox.core.answers import Reader, answer_cells, timed
from lakebox.core.columns import CellList, split
from lakebox.core.convert import Marks, is_deferred
from lakebox.core.fingerprint import track_number
from lakebox.core.interpolate import Spread, shapes_at, spread
from lakebox.core.layout import Layout, TensorGroup
from lakebox.core.model import Label, MaskRef, Shape, Track
from lakebox.core.ontology import find_tool, tool_of
from lakebox.core.tally import Rows, Tally, Timeline


@dataclass(frozen=True, slots=True)
class Compiled:
    """Annotation cells of one data row, by column name, and what was counted on the way."""

    cells: dict[str, CellList]
    tally: Tally

    def masks(self) -> list[MaskRef]:
        """Every mask that a cell needs, once."""
        deferred = (cell for cells in self.cells.values() if is_deferred(cells) for cell in cells)
        return list(dict.fromkeys(ref for cell in deferred for ref in cell.refs))


def compile_label(label: Label | None, layout: Layout, timeline: Timeline, size: tuple[int, int]) -> Compiled:
    """Build the cells of every annotation column; without a label all of them are typed empties.

    Args:
        label: the label that counts, or None.
        layout: the columns.
        timeline: the rows to fill.
        size: height and width of the frames in pixels.

    Raises:
        RowError: an object lacks the geometry of its tool.
    """
    label = label or Label("", "")
    tally = Tally()
    if label.homeless:
        tally.reasons["features with segments that no frame spells out"] += label.homeless
    cells: dict[str, CellList] = {}
    placed = {group.geometry.key: list[_Placed]() for group in layout.groups}
    for track in label.tracks:
        _place(track, layout, timeline, placed, tally)
    numbers = _track_numbers(label.tracks)
    for group in layout.groups:
        own = placed[group.geometry.key]
        cells.update(_group_cells(group, own, numbers, len(timeline.frames), size))
        tally.columns[group.geometry.name] += sum(int((item.rows >= 0).sum()) for item in own)
    cells.update(answer_cells(label, layout, timeline, tally))
    if layout.relationships:
        text = json.dumps(list(label.relationships), ensure_ascii=False)
        cells[layout.relationships.name] = [text] * len(timeline.frames)
        for link in label.relationships:
            tally.count(link["kind"] or "relationship", len(timeline.frames), "on no selected frame")
    return Compiled(cells, tally)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A track on the rows where it is present."""

    track: Track
    tool: int
    rows: Rows
    where: Spread


def _place(track: Track, layout: Layout, timeline: Timeline, placed: Mapping[str, list[_Placed]], tally: Tally) -> None:
    for group in layout.groups:
        tool = find_tool(group.tools, track)
        if tool is None:
            continue
        where = spread(track.frames, track.segments, timeline.total)
        rows = timeline.rows(where.frames)
        if beyond := int((track.frames >= timeline.total).sum()):
            tally.reasons[f"{track.kind}: frames after the last one of the media"] += beyond
        tally.count(track.kind, int((rows >= 0).sum()), "on none of the frames that are rows")
        placed[group.geometry.key].append(_Placed(track, group.tools.index(tool), rows, where))
        return
    tally.count(track.kind, 0, _why_left_out(track, layout))


def _why_left_out(track: Track, layout: Layout) -> str:
    keys = (track.schema_id, tool_of(track).key, track.name)
    return next((layout.left_out[key] for key in keys if key in layout.left_out), "no tool of the ontology made it")


def _track_numbers(tracks: Iterable[Track]) -> dict[str, int]:
    """Track numbers by feature id; should two ids hash alike (one chance in 2**31), the later one moves up."""
    numbers: dict[str, int] = {}
    used: set[int] = set()
    for feature_id in sorted(track.feature_id for track in tracks):
        number = track_number(feature_id)
        while number in used:
            number = (number + 1) & 0x7FFFFFFF
        used.add(number)
        numbers[feature_id] = number
    return numbers


def _group_cells(
    group: TensorGroup, placed: Sequence[_Placed], numbers: Mapping[str, int], rows: int, size: tuple[int, int]
) -> Iterator[tuple[str, CellList]]:
    """Cells of one tensor group: all objects of all its tools, sorted by row and then by feature id, once."""
    lengths = [len(item.rows) for item in placed]
    row = _joined([item.rows for item in placed], np.int64)
    order = np.argsort(row, kind="stable")  # tracks come sorted by feature id, so equal rows stay in that order
    order = order[np.searchsorted(row[order], 0) :]  # rows of -1 are frames that are not selected
    offsets = np.searchsorted(row[order], np.arange(rows + 1))
    tools = np.repeat([item.tool for item in placed], lengths).astype(np.int32)[order]
    marks = Marks(offsets, _shapes(placed, order), tools, size)
    yield group.geometry.name, group.converter.cells(marks)
    ids = np.repeat([numbers[item.track.feature_id] for item in placed], lengths).astype(np.int32)
    yield group.tracks.name, split(ids[order], offsets)
    drawn = [item.track.drawn[item.where.knot] & _spelled_out(item) for item in placed]
    yield group.keyframes.name, split(_joined(drawn, np.uint8)[order], offsets)
    if group.labels:
        yield group.labels.name, split(tools, offsets)
    yield from _nested_cells(group, placed, order, offsets)


def _joined(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype)


def _spelled_out(item: _Placed) -> NDArray[np.bool_]:
    exact: NDArray[np.bool_] = item.track.frames[item.where.knot] == item.where.frames
    return exact


def _shapes(placed: Sequence[_Placed], order: Rows) -> NDArray[np.float64] | list[Shape]:
    parts = [shapes_at(item.track.shapes, item.where) for item in placed]
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if parts and len(arrays) == len(parts) and len({array.shape[1] for array in arrays}) == 1:
        stacked: NDArray[np.float64] = np.concatenate(arrays)
        return stacked[order]
    listed = [shape for part in parts for shape in part]
    return [listed[i] for i in order.tolist()]


def _nested_cells(
    group: TensorGroup, placed: Sequence[_Placed], order: Rows, offsets: Rows
) -> Iterator[tuple[str, CellList]]:
    """Answers about objects, aligned with the objects; they hold from one spelled-out frame to the next."""
    if not group.answers:
        return
    readers = [Reader(tool.questions, group.answers, group.key) for tool in group.tools]
    spelled = [readers[item.tool].values(answers) for item in placed for answers in item.track.answers]
    starts = np.cumsum([0, *(len(item.track.frames) for item in placed)])
    knots = _joined([item.where.knot + start for item, start in zip(placed, starts, strict=False)], np.int64)[order]
    for answer in group.answers:
        column = answer.column
        found = [values.get(column.key) for values in spelled]
        if column.type == "text":
            texts = [found[i] for i in knots.tolist()]
            yield column.name, [json.dumps(cell, ensure_ascii=False) for cell in split(texts, offsets)]
        elif column.type == "array":
            yield column.name, split(_multi_hot(found, len(column.classes or ()))[knots], offsets)
        else:
            single = np.array([value[0] if value else -1 for value in found], np.int32)
            yield column.name, split(single[knots], offsets)


def _multi_hot(found: Sequence[tuple[int, ...] | None], width: int) -> NDArray[np.uint8]:
    flags = np.zeros((len(found), width), np.uint8)
    for row, chosen in enumerate(found):
        flags[row, list(chosen or ())] = 1
    return flags


def frames_with_annotations(label: Label | None, total: int) -> Rows:
    """Frames, ascending, on which an object or an answer about the frame is present."""
    if label is None:
        return np.zeros(0, np.int64)
    parts = [spread(track.frames, track.segments, total).frames for track in label.tracks]
    parts += [timed(item, total)[0].frames for item in label.frame_answers]
    return np.unique(_joined(parts, np.int64))
