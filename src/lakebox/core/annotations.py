"""Labelbox's JSON of one label -> `Label`. The only module that knows how annotations are spelled.

Shapes follow EXPORT v2: an image label has `objects` and `classifications`; a video label has `frames`, `segments`,
`key_frame_feature_map` and `classifications`. An image is read as a video of one frame. Labelbox counts frames from 1,
lakebox from 0: `_frame` is the one place where that is converted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebox.core.model import Answer, FrameAnswer, Label, LabelHead, MaskRef, Picked, Segment, Shape, Track
from lakebox.errors import RowError

Json = Mapping[str, Any]


def parse_label(raw: Json, head: LabelHead) -> Label:
    """Read one entry of `labels`.

    Raises:
        RowError: the JSON does not have the form of a Labelbox label.
    """
    try:
        return _label(raw.get("annotations") or {}, head)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise RowError(
            f"label {head.id}: its annotations are not in Labelbox's export v2 form"
            f" ({type(error).__name__}: {error}); export the project again"
        ) from error


def _label(annotations: Json, head: LabelHead) -> Label:
    timing = _Timing.of(annotations)
    objects: dict[str, _TrackParts] = {}
    questions: dict[str, list[tuple[int, Answer]]] = {}
    links = {str(node["feature_id"]): _link(node) for node in annotations.get("relationships") or ()}
    for frame, spelled in _frames(annotations):
        for feature_id, node in _features(spelled.get("objects")):
            shape = _shape(node)
            if shape is node and _is_link(node):
                links[feature_id] = _link(node)
                continue
            objects.setdefault(feature_id, _TrackParts()).add(frame, node, shape)
        for node in spelled.get("classifications") or ():
            answer = _answer(node)
            questions.setdefault(answer.feature_id or answer.schema_id or answer.name, []).append((frame, answer))
    tracks = tuple(parts.track(feature_id, timing) for feature_id, parts in sorted(objects.items()))
    frame_answers = tuple(_frame_answer(key, found, timing) for key, found in sorted(questions.items()))
    answers = [_answer(node) for node in annotations.get("classifications") or ()]
    return Label(
        id=head.id,
        creator=head.creator,
        tracks=tracks,
        frame_answers=frame_answers,
        answers=tuple(sorted(answers, key=lambda answer: answer.feature_id)),
        relationships=tuple(links[key] for key in sorted(links)),
        homeless=_homeless(timing, tracks, frame_answers, answers),
    )


def _frame(number: int | str) -> int:
    """Labelbox's 1-based frame number as a 0-based one."""
    frame = int(number) - 1
    if frame < 0:
        raise ValueError(f"frame {number} (frames are numbered from 1)")
    return frame


def _frames(annotations: Json) -> Iterator[tuple[int, Json]]:
    """Frames in ascending order with what is spelled out on them; an image's objects are on frame 0."""
    if annotations.get("objects"):
        yield 0, {"objects": annotations["objects"]}
    frames = annotations.get("frames") or {}
    yield from ((_frame(key), frames[key] or {}) for key in sorted(frames, key=int))


def _features(objects: Any) -> Iterator[tuple[str, Json]]:
    """Feature id and node, from Labelbox's dictionary by feature id (video) or list (image)."""
    if isinstance(objects, Mapping):
        yield from ((str(node.get("feature_id") or key), node) for key, node in objects.items())
    else:
        yield from ((str(node["feature_id"]), node) for node in objects or ())


@dataclass(frozen=True, slots=True)
class _Timing:
    """When features are present, and on which frames a person drew them; by feature id, 0-based."""

    segments: Mapping[str, tuple[Segment, ...]]
    drawn: Mapping[str, frozenset[int]]

    @staticmethod
    def of(annotations: Json) -> _Timing:
        raw = annotations.get("segments") or {}
        keys = annotations.get("key_frame_feature_map") or {}
        return _Timing(
            {feature: tuple(_segment(pair) for pair in pairs or ()) for feature, pairs in raw.items()},
            {feature: _key_frames(listed) for feature, listed in keys.items()},
        )


def _segment(pair: Any) -> Segment:
    start, end = _frame(pair[0]), _frame(pair[1])
    if end < start:
        raise ValueError(f"segment {list(pair)} ends before it starts")
    return start, end


def _key_frames(listed: Any) -> frozenset[int]:
    """Both forms that Labelbox writes: `{"1": true, "5": false}` and `[1, 9]`."""
    numbers = (key for key, drawn in listed.items() if drawn) if isinstance(listed, Mapping) else listed or ()
    return frozenset(_frame(number) for number in numbers)


@dataclass(slots=True)
class _TrackParts:
    """What is gathered of one feature id while walking over the frames."""

    node: Json = field(default_factory=dict)
    frames: list[int] = field(default_factory=list)
    shapes: list[Any] = field(default_factory=list)
    answers: list[tuple[Answer, ...]] = field(default_factory=list)

    said: Any = ()
    """The classifications that the last of `answers` came from: most objects say the same on all their keyframes."""

    def add(self, frame: int, node: Json, shape: Any) -> None:
        self.node = self.node or node
        self.frames.append(frame)
        self.shapes.append(shape)
        said = node.get("classifications") or ()
        if not self.answers or said != self.said:
            self.answers.append(tuple(_answer(child) for child in said))
            self.said = said
        else:
            self.answers.append(self.answers[-1])

    def track(self, feature_id: str, timing: _Timing) -> Track:
        frames = np.array(self.frames, np.int64)
        keys = timing.drawn.get(feature_id)
        return Track(
            feature_id=feature_id,
            schema_id=_text(self.node.get("feature_schema_id")),
            name=_text(self.node.get("name")),
            kind=_text(self.node.get("annotation_kind")) or "object without annotation_kind",
            frames=frames,
            shapes=_stack(self.shapes, feature_id),
            answers=tuple(self.answers),
            segments=timing.segments.get(feature_id),
            drawn=np.ones(len(frames), bool) if keys is None else np.isin(frames, list(keys)),
        )


def _shape(node: Json) -> Any:
    if box := node.get("bounding_box"):
        return box["left"], box["top"], box["width"], box["height"]
    if point := node.get("point"):
        return point["x"], point["y"]
    for field_name in ("polygon", "line"):
        if vertices := node.get(field_name):
            return [(vertex["x"], vertex["y"]) for vertex in vertices]
    if node.get("mask") or node.get("composite_mask"):
        return _mask(node)
    return node


def _mask(node: Json) -> MaskRef:
    """The composite where there is one: one file serves all instances of a frame."""
    composite = node.get("composite_mask")
    if composite and composite.get("color_rgb") is not None:
        red, green, blue = (int(value) for value in composite["color_rgb"])
        return MaskRef(str(composite["url"]), (red, green, blue))
    if not node.get("mask"):
        raise ValueError(f"object {node.get('feature_id')} has a composite_mask without the color_rgb that picks it")
    return MaskRef(str(node["mask"]["url"]))


def _stack(shapes: list[Any], feature_id: str) -> NDArray[np.float64] | tuple[Shape, ...]:
    """One array for boxes and points (frames, 4 or 2); one array or reference per frame for everything else."""
    try:
        return _arrays(shapes)
    except (TypeError, ValueError) as error:
        raise ValueError(f"object {feature_id} has a coordinate that is not a number: {error}") from error


def _arrays(shapes: list[Any]) -> NDArray[np.float64] | tuple[Shape, ...]:
    if all(isinstance(shape, tuple) for shape in shapes) and len({len(shape) for shape in shapes}) == 1:
        return _finite(shapes)
    return tuple(_finite(shape) if isinstance(shape, tuple | list) else shape for shape in shapes)


def _finite(values: Any) -> NDArray[np.float64]:
    """As float64; None, which NumPy takes for NaN, is refused."""
    array = np.array(values, np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{values}")
    return array


def _answer(node: Json) -> Answer:
    radio, checklist, text = node.get("radio_answer"), node.get("checklist_answers"), node.get("text_answer")
    content: str | None = None
    picked: tuple[Picked, ...]
    if text is not None:
        kind, picked, content = "text", _below_text(text), _text(text.get("content"))
    elif checklist is not None or "checklist_answers" in node:
        kind, picked = "checklist", tuple(_picked(item) for item in checklist or ())
    elif radio is not None or "radio_answer" in node:
        kind, picked = (
            "radio",
            tuple(_picked(item) for item in ([radio] if isinstance(radio, Mapping) else radio or ())),
        )
    else:
        kind, picked = next((key for key in node if key.endswith(("_answer", "_answers"))), "classification"), ()
    return Answer(
        schema_id=_text(node.get("feature_schema_id")),
        name=_text(node.get("name")),
        kind=kind,
        feature_id=_text(node.get("feature_id")),
        picked=picked,
        text=content,
    )


def _below_text(node: Json) -> tuple[Picked, ...]:
    """Labelbox allows questions below a text answer, too; they are read as if the text were its one option."""
    answers = tuple(_answer(child) for child in node.get("classifications") or ())
    return (Picked("", "text", "text", "", answers),) if answers else ()


def _picked(node: Json) -> Picked:
    return Picked(
        schema_id=_text(node.get("feature_schema_id")),
        value=_text(node.get("value")),
        name=_text(node.get("name")),
        feature_id=_text(node.get("feature_id")),
        answers=tuple(_answer(child) for child in node.get("classifications") or ()),
    )


def _frame_answer(feature_id: str, found: list[tuple[int, Answer]], timing: _Timing) -> FrameAnswer:
    ids = {picked.feature_id for _, answer in found for picked in answer.picked}
    return FrameAnswer(
        frames=np.array([frame for frame, _ in found], np.int64),
        answers=tuple(answer for _, answer in found),
        segments=timing.segments.get(feature_id),
        answer_segments={key: timing.segments[key] for key in sorted(ids & timing.segments.keys())},
    )


def _homeless(
    timing: _Timing, tracks: Sequence[Track], frame_answers: Sequence[FrameAnswer], answers: Sequence[Answer]
) -> int:
    """Number of features with segments that are spelled out nowhere: neither as object nor as answer, at any depth."""
    unknown = timing.segments.keys() - {track.feature_id for track in tracks}
    waiting = [*answers, *(answer for frames in frame_answers for answer in frames.answers)]
    waiting += [answer for track in tracks for spelled in track.answers for answer in spelled] if unknown else []
    while unknown and waiting:
        answer = waiting.pop()
        unknown = unknown - {answer.feature_id, *(picked.feature_id for picked in answer.picked)}
        waiting += [child for picked in answer.picked for child in picked.answers]
    return len(unknown)


def _is_link(node: Json) -> bool:
    return any(key.endswith("_relationship") for key in node)


def _link(node: Json) -> Mapping[str, str]:
    """A relationship between two objects; older exports list it among the objects as well."""
    ends: Json = next((value for key, value in node.items() if key.endswith("_relationship") and value), {})
    return {
        "source": _text(ends.get("source")),
        "target": _text(ends.get("target")),
        "name": _text(node.get("name")),
        "feature_id": str(node["feature_id"]),
        "kind": _text(node.get("annotation_kind")),
    }


def _text(value: Any) -> str:
    return "" if value is None else str(value)
