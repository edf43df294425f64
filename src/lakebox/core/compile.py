"""One label -> the annotation cells of all rows of its data row. Every cell is built whole from all its annotations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import Cell, CellList, split
from lakebox.core.convert import Deferred, Marks
from lakebox.core.fingerprint import track_number
from lakebox.core.interpolate import Spread, held, shapes_at, spread
from lakebox.core.layout import AnswerColumn, Layout, TensorGroup
from lakebox.core.model import Answer, FrameAnswer, Label, MaskRef, Picked, Shape, Track
from lakebox.core.ontology import find_option, find_question, find_tool

Rows = NDArray[np.int64]
Values = Mapping[str, Any]
"""Column key -> option indexes (a tuple) or text, of one spelled-out frame."""

EMPTY_CLASSES = np.zeros(0, np.int32)


@dataclass(slots=True)
class Tally:
    """What became of the annotations: per annotation kind, and why some were not written."""

    read: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    """Objects, or rows with an answer, by column."""

    def count(self, kind: str, rows: int, reason: str) -> None:
        """One annotation on `rows` rows; `reason` says why, should it be on none."""
        self.read[kind] += 1
        if rows:
            self.written[kind] += 1
        else:
            self.reasons[f"{kind}: {reason}"] += 1

    def add(self, other: Tally) -> None:
        """Sum up another tally."""
        self.read.update(other.read)
        self.written.update(other.written)
        self.reasons.update(other.reasons)
        self.columns.update(other.columns)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Which frames of the media are rows: `frames` (rows,) int64 ascending, out of `total` frames."""

    frames: Rows
    total: int

    def rows(self, frames: Rows) -> Rows:
        """Row of each frame; -1 for frames that are no row."""
        position = np.full(self.total, -1, np.int64)
        position[self.frames] = np.arange(len(self.frames))
        found: Rows = position[frames]
        return found


@dataclass(frozen=True, slots=True)
class Compiled:
    """Annotation cells of one data row, by column name, and what was counted on the way."""

    cells: dict[str, CellList]
    tally: Tally

    def masks(self) -> list[MaskRef]:
        """Every mask that a cell needs, once."""
        deferred = (cell for cells in self.cells.values() for cell in cells if isinstance(cell, Deferred))
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
    cells.update(_answer_cells(label, layout, timeline, tally))
    if layout.relationships:
        text = json.dumps(list(label.relationships), ensure_ascii=False)
        cells[layout.relationships.name] = [text] * len(timeline.frames)
        for link in label.relationships:
            tally.count(link["kind"] or "relationship", len(timeline.frames), "on no selected frame")
    return Compiled(cells, tally)


# --- objects ---------------------------------------------------------------------------------------------------------


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
    return layout.left_out.get(track.schema_id) or layout.left_out.get(track.name) or "no tool of the ontology made it"


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
) -> Iterator[tuple[str, Sequence[Cell]]]:
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
) -> Iterator[tuple[str, Sequence[Cell]]]:
    """Answers about objects, aligned with the objects; they hold from one spelled-out frame to the next."""
    if not group.answers:
        return
    readers = [_Reader(tool.questions, group.answers) for tool in group.tools]
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


# --- answers ---------------------------------------------------------------------------------------------------------


class _Reader:
    """Answers as exported -> values by column key. Look-ups are remembered: the same questions come on every frame."""

    def __init__(self, questions: Sequence[Any], columns: Sequence[AnswerColumn]) -> None:
        self._questions = questions
        self._columns = {id(item.question): item.column for item in columns}
        self._by_key = {item.question.key: item.column for item in columns}
        self._known: dict[Any, Any] = {}

    def values(self, answers: Iterable[Answer]) -> Values:
        """Option indexes (sorted) or text of every question answered, at any depth."""
        found: dict[str, Any] = {}
        self._walk(self._questions, answers, found)
        return found

    def _walk(self, questions: Sequence[Any], answers: Iterable[Answer], found: dict[str, Any]) -> None:
        for answer in answers:
            where = (id(questions), answer.schema_id, answer.name)
            if where not in self._known:
                self._known[where] = find_question(questions, answer)
            question = self._known[where]
            column = question and self._by_key.get(question.key)
            if column is None:
                continue
            if question.kind == "text":
                found[column.key] = _texts(found.get(column.key), answer.text)
                continue
            indexes = set(found.get(column.key, ()))
            for picked in answer.picked:
                option, index = self._option(question, column, picked)
                indexes.add(index)
                self._walk(option.questions, picked.answers, found)
            found[column.key] = tuple(sorted(indexes))

    def _option(self, question: Any, column: Any, picked: Picked) -> Any:
        where = (id(question), picked.schema_id, picked.value, picked.name)
        if where not in self._known:
            option = find_option(question.options, picked)
            keys = [item.key for item in column.classes]
            self._known[where] = option, keys.index(option.key) if option else None
        return self._known[where]


def _texts(before: str | None, text: str | None) -> str | None:
    return text if before is None else f"{before}\n{text}"


def _answer_cells(
    label: Label, layout: Layout, timeline: Timeline, tally: Tally
) -> Iterator[tuple[str, Sequence[Cell]]]:
    """Cells of the questions about frames and about the whole data row."""
    rows = len(timeline.frames)
    filled: dict[str, list[Any]] = {answer.column.key: [None] * rows for answer in layout.answers}
    reader = _Reader([answer.question for answer in layout.answers], layout.answers)
    everywhere = np.arange(rows)
    for answer in label.answers:
        values = reader.values([answer])
        _fill(filled, [values], everywhere, np.zeros(rows, np.int64))
        tally.count(answer.kind, rows if values else 0, _why_unanswered(answer, layout))
    for timed in label.frame_answers:
        where, answers = _timed(timed, timeline.total)
        on = timeline.rows(where.frames)
        spelled = [reader.values(group) for group in answers]
        _fill(filled, spelled, on[on >= 0], where.knot[on >= 0])
        tally.count(
            timed.answers[0].kind,
            int((on >= 0).sum()) if any(spelled) else 0,
            _why_unanswered(timed.answers[0], layout),
        )
    for column in layout.answers:
        cells = filled[column.column.key]
        tally.columns[column.column.name] += sum(value is not None for value in cells)
        yield column.column.name, _finished(column, cells)


def _why_unanswered(answer: Answer, layout: Layout) -> str:
    reason = layout.left_out.get(answer.schema_id) or layout.left_out.get(answer.name)
    return reason or "answered on none of the frames that are rows"


def _fill(filled: Mapping[str, list[Any]], spelled: Sequence[Values], rows: Rows, knots: Rows) -> None:
    """Put values on rows; several answers to one question on one row are united, so that none is lost."""
    for key in {key for values in spelled for key in values}:
        cells = filled[key]
        for row, knot in zip(rows.tolist(), knots.tolist(), strict=True):
            value = spelled[knot].get(key)
            if value is not None:
                cells[row] = value if cells[row] is None else _united(cells[row], value)


def _united(left: Any, right: Any) -> Any:
    return f"{left}\n{right}" if isinstance(left, str) else tuple(sorted({*left, *right}))


def _finished(answer: AnswerColumn, values: Sequence[Any]) -> list[Cell]:
    if answer.column.type == "text":
        return [value or "" for value in values]
    arrays: dict[Any, NDArray[np.int32]] = {None: EMPTY_CLASSES}
    for value in set(values) - {None}:
        arrays[value] = np.array(value, np.int32)
    return [arrays[value] for value in values]


def _timed(timed: FrameAnswer, total: int) -> tuple[Spread, list[tuple[Answer, ...]]]:
    """Presence of a question's answers, and the answers its positions stand for."""
    if timed.segments is not None or not timed.answer_segments:
        return held(spread(timed.frames, timed.segments, total)), [(answer,) for answer in timed.answers]
    return _by_answer(timed, total)


def _by_answer(timed: FrameAnswer, total: int) -> tuple[Spread, list[tuple[Answer, ...]]]:
    """Labelbox timed the answers: off the spelled-out frames, those whose segment covers a frame are in force."""
    knots = {frame: i for i, frame in enumerate(timed.frames.tolist())}
    active: dict[int, list[str]] = {}
    for key, segments in timed.answer_segments.items():
        for start, end in segments:
            for frame in range(start, min(end, total - 1) + 1):
                if frame not in knots and key not in active.setdefault(frame, []):
                    active[frame].append(key)
    answers: list[tuple[Answer, ...]] = [(answer,) for answer in timed.answers]
    chosen: dict[tuple[Any, ...], int] = {}
    frames = sorted({*knots, *active})
    positions = []
    for frame in frames:
        if frame in knots:
            positions.append(knots[frame])
            continue
        sources = tuple(_source(timed, key, frame) for key in sorted(active[frame]))
        if sources not in chosen:
            chosen[sources] = len(answers)
            answers.append((_reanswered(timed, sources),))
        positions.append(chosen[sources])
    inside = [(frame, at) for frame, at in zip(frames, positions, strict=True) if frame < total]
    at = np.array([position for _, position in inside], np.int64)
    return Spread(np.array([frame for frame, _ in inside], np.int64), at, at, np.zeros(len(at))), answers


def _source(timed: FrameAnswer, key: str, frame: int) -> tuple[int, str]:
    """The spelled-out frame that says what the answer `key` holds on `frame`: the last before it, else the first."""
    having = [i for i, answer in enumerate(timed.answers) if any(picked.feature_id == key for picked in answer.picked)]
    earlier = [i for i in having if timed.frames[i] < frame]
    return (earlier[-1] if earlier else having[0]), key


def _reanswered(timed: FrameAnswer, sources: Sequence[tuple[int, str]]) -> Answer:
    first = timed.answers[0]
    picked = tuple(next(p for p in timed.answers[i].picked if p.feature_id == key) for i, key in sources)
    return Answer(first.schema_id, first.name, first.kind, first.feature_id, picked)


def frames_with_annotations(label: Label | None, total: int) -> Rows:
    """Frames, ascending, on which an object or an answer about the frame is present."""
    if label is None:
        return np.zeros(0, np.int64)
    parts = [spread(track.frames, track.segments, total).frames for track in label.tracks]
    parts += [_timed(timed, total)[0].frames for timed in label.frame_answers]
    return np.unique(_joined(parts, np.int64))
