"""Questions about frames and whole data rows -> cells; and reading the answers about objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import Cell, Column
from lakebox.core.interpolate import Spread, held, held_at, spread
from lakebox.core.layout import AnswerColumn, Layout
from lakebox.core.model import Answer, FrameAnswer, Label, Option, Picked, Question
from lakebox.core.ontology import find_option, find_question
from lakebox.core.tally import Rows, Tally, Timeline
from lakebox.errors import RowError

Values = Mapping[str, Any]
"""Column key -> option indexes (a tuple) or text, of one spelled-out frame."""

EMPTY_CLASSES = np.zeros(0, np.int32)


class Reader:
    """Answers as exported -> values by column key. Look-ups are remembered: the same questions come on every frame."""

    def __init__(self, questions: Sequence[Question], columns: Sequence[AnswerColumn], key: str) -> None:
        self._questions = questions
        self._columns = {item.column.key: item.column for item in columns}
        self._key = key
        self._known: dict[Any, Any] = {}

    def values(self, answers: Iterable[Answer]) -> Values:
        """Option indexes (sorted) or text of every question answered, at any depth."""
        found: dict[str, Any] = {}
        self._walk(self._key, self._questions, answers, found)
        return found

    def _walk(self, key: str, questions: Sequence[Question], answers: Iterable[Answer], found: dict[str, Any]) -> None:
        for answer in answers:
            question, column = self._question(key, questions, answer)
            if question is None or column is None:
                continue
            if question.kind == "text":
                found[column.key] = _texts(found.get(column.key), answer.text)
                for below in answer.picked:
                    option = find_option(question.options, below)
                    self._walk(column.key, option.questions if option else (), below.answers, found)
                continue
            indexes = set(found.get(column.key, ()))
            for picked in answer.picked:
                option, index = self._option(question, column, picked)
                indexes.add(index)
                self._walk(column.key, option.questions, picked.answers, found)
            found[column.key] = tuple(sorted(indexes))

    def _question(
        self, key: str, questions: Sequence[Question], answer: Answer
    ) -> tuple[Question | None, Column | None]:
        where = (key, id(questions), answer.schema_id, answer.name)
        if where not in self._known:
            question = find_question(questions, answer)
            self._known[where] = question, self._columns.get(f"{key}/{question.key}") if question else None
        found: tuple[Question | None, Column | None] = self._known[where]
        return found

    def _option(self, question: Question, column: Column, picked: Picked) -> tuple[Option, int]:
        where = (id(question), column.key, picked.schema_id, picked.value, picked.name)
        if where not in self._known:
            option = find_option(question.options, picked)
            if option is None:
                raise RowError(
                    f"question '{question.name}' has no option '{picked.value or picked.name}'; export again"
                )
            self._known[where] = option, [item.key for item in column.classes or ()].index(option.key)
        found: tuple[Option, int] = self._known[where]
        return found


def _texts(before: str | None, text: str | None) -> str | None:
    return text if before is None else f"{before}\n{text}"


def answer_cells(
    label: Label, layout: Layout, timeline: Timeline, tally: Tally
) -> Iterator[tuple[str, Sequence[Cell]]]:
    """Cells of the questions about frames and about the whole data row."""
    rows = len(timeline.frames)
    filled: dict[str, list[Any]] = {answer.column.key: [None] * rows for answer in layout.answers}
    reader = Reader(layout.questions, layout.answers, "")
    everywhere = np.arange(rows)
    for answer in label.answers:
        values = reader.values([answer])
        _fill(filled, [values], everywhere, np.zeros(rows, np.int64))
        tally.count(answer.kind, rows if values else 0, _why_unanswered(answer, layout))
    for item in label.frame_answers:
        where, answers = timed(item, timeline.total)
        on = timeline.rows(where.frames)
        if beyond := int((item.frames >= timeline.total).sum()):
            tally.reasons[f"{item.answers[0].kind}: frames after the last one of the media"] += beyond
        spelled = [reader.values(group) for group in answers]
        _fill(filled, spelled, on[on >= 0], where.knot[on >= 0])
        tally.count(
            item.answers[0].kind,
            int((on >= 0).sum()) if any(spelled) else 0,
            _why_unanswered(item.answers[0], layout),
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


def timed(answered: FrameAnswer, total: int) -> tuple[Spread, list[tuple[Answer, ...]]]:
    """Presence of a question's answers, and the answers its positions stand for."""
    if answered.segments is not None or not answered.answer_segments:
        return held(spread(answered.frames, answered.segments, total)), [(answer,) for answer in answered.answers]
    return _by_answer(answered, total)


def _by_answer(answered: FrameAnswer, total: int) -> tuple[Spread, list[tuple[Answer, ...]]]:
    """Labelbox timed the answers: off the spelled-out frames, those whose segment covers a frame are in force."""
    knots = {frame: i for i, frame in enumerate(answered.frames.tolist())}
    active: dict[int, list[str]] = {}
    for key, segments in answered.answer_segments.items():
        for start, end in segments:
            for frame in range(start, min(end, total - 1) + 1):
                if frame not in knots and key not in active.setdefault(frame, []):
                    active[frame].append(key)
    answers: list[tuple[Answer, ...]] = [(answer,) for answer in answered.answers]
    chosen: dict[tuple[Any, ...], int] = {}
    frames = sorted({*knots, *active})
    positions = []
    for frame in frames:
        if frame in knots:
            positions.append(knots[frame])
            continue
        sources = tuple(_source(answered, key, frame) for key in sorted(active[frame]))
        if sources not in chosen:
            chosen[sources] = len(answers)
            answers.append((_reanswered(answered, sources),))
        positions.append(chosen[sources])
    inside = [(frame, at) for frame, at in zip(frames, positions, strict=True) if frame < total]
    at = np.array([position for _, position in inside], np.int64)
    return held_at(np.array([frame for frame, _ in inside], np.int64), at), answers


def _source(answered: FrameAnswer, key: str, frame: int) -> tuple[int, str]:
    """The spelled-out frame that says what the answer `key` holds on `frame`: the last before it, else the first."""
    having = [
        i for i, answer in enumerate(answered.answers) if any(picked.feature_id == key for picked in answer.picked)
    ]
    earlier = [i for i in having if answered.frames[i] < frame]
    return (earlier[-1] if earlier else having[0]), key


def _reanswered(answered: FrameAnswer, sources: Sequence[tuple[int, str]]) -> Answer:
    first = answered.answers[0]
    picked = tuple(next(p for p in answered.answers[i].picked if p.feature_id == key) for i, key in sources)
    return Answer(first.schema_id, first.name, first.kind, first.feature_id, picked)
