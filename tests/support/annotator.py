"""Somebody who annotates a small project in the fake Labelbox, with every kind of annotation and a schema id on each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Protocol, TypeVar

from .fake_labelbox import FakeLabelbox
from .fake_labelbox.media import media_attributes
from .fake_labelbox.records import DataRow, Label
from .fake_labelbox.spelling import features, spelling
from .fake_labelbox.walk import objects
from .live import RED, Json, composite_mask, single_mask
from .video import write_image, write_video

T = TypeVar("T")
SIZE = (64, 48)
RASTER = "raster-segmentation"
KINDS = {
    "rectangle": "BoundingBox",
    "point": "Point",
    "line": "Polyline",
    "polygon": "Polygon",
    RASTER: "SegmentationMask",
}
BATCHES = ("batch", "another batch")


class Choose(Protocol):
    """One of some options; the first is the simplest."""

    def __call__(self, options: Sequence[T], /) -> T: ...


def by_dice(seed: int) -> Choose:
    """Choices that are the same every time."""
    return Random(seed).choice


@dataclass(frozen=True)
class Annotator:
    """A project in the fake, and who chooses what is done to it."""

    fake: FakeLabelbox
    project_id: str
    choose: Choose

    # --------------------------------------------------------------- what there is

    @property
    def video(self) -> bool:
        return self.fake.project(self.project_id).media_type == "VIDEO"

    @property
    def ontology(self) -> Json:
        """A copy."""
        record = self.fake.org.ontologies[str(self.fake.project(self.project_id).ontology_id)]
        return deepcopy(record.normalized)

    @property
    def rows(self) -> list[DataRow]:
        return list(self.fake.org.rows_of(self.project_id))

    @property
    def labels(self) -> list[Label]:
        return self.fake.org.labels_of(self.project_id)

    def frames_of(self, data_row_id: str) -> int:
        return int(self.fake.org.data_rows[data_row_id].media.get("frame_count", 1))

    def new_id(self) -> str:
        """The id of a new object: its place among the others, which go by their ids, may be any."""
        return self.choose(("m", "a", "z")) + self.fake.org.new_id()

    def new_name(self, what: str) -> str:
        """One that nothing had before."""
        return f"{what} {int(self.fake.org.new_id()[2:8])}"

    # ------------------------------------------------------------------ annotations

    def shape(self, kind: str) -> Json:
        """The geometry of an object: it follows from one number."""
        number = self.choose(range(8))
        if kind == "rectangle":
            return {"bounding_box": {"left": 1.25 * number, "top": 2.0, "width": 9.5 + number, "height": 4.0}}
        if kind == "point":
            return {"point": {"x": 3.5 * number, "y": 7.0}}
        if kind == RASTER:
            return self._mask(number)
        corners = [(0.0, number), (5.5, 6.0), (9.0, 9.25), (30.0, 4.5)][: 3 + number % 2]
        return {kind: [{"x": x, "y": y} for x, y in corners]}

    def _mask(self, number: int) -> Json:
        """Most have a file of their own: its address stays when it is repainted, and only dates tell."""
        if number % 4 < 3:
            return {"mask": {"url": self.fake.paint(single_mask(number, SIZE))}}
        url = self.fake.paint(composite_mask(number, SIZE))
        return {"composite_mask": {"url": url, "color_rgb": list(RED)}}

    def object_of(self, tool: Json, feature_id: str) -> Json:
        """An object with its geometry and some answers."""
        kind = ("Video" if self.video else "Image") + KINDS[tool["tool"]]
        node = {**named(tool), "feature_id": feature_id, "annotation_kind": kind}
        return {**node, **self.shape(tool["tool"]), "classifications": self.answers(tool["classifications"])}

    def answers(self, questions: Iterable[Json]) -> list[Json]:
        """Answers to some of the questions."""
        return [self.answer(question) for question in questions if self.choose((True, False))]

    def answer(self, question: Json) -> Json:
        """An answer to a question, and to some of those below it."""
        node = {**named(question), "feature_id": self.fake.org.new_id()}
        if question["type"] == "text":
            return {**node, "text_answer": {"content": f"Grüße {self.choose(range(8))} 🚗"}}
        options = question["options"]
        if question["type"] == "radio":
            return {**node, "radio_answer": self.picked(self.choose(options))}
        some = [option for option in options if self.choose((True, False))] or options[-1:]
        return {**node, "checklist_answers": [self.picked(option) for option in some]}

    def picked(self, option: Json) -> Json:
        node = {**named(option), "feature_id": self.fake.org.new_id()}
        return {**node, "classifications": self.answers(option.get("options") or [])}

    def put_object(self, annotations: Json, frames: int, tool: Json) -> str:
        """A new object, on frames of its choice. Its feature id."""
        feature_id = self.new_id()
        if not self.video:
            annotations["objects"].append(self.object_of(tool, feature_id))
            return feature_id
        knots, segment = self._knots(frames)
        for frame in knots:
            spelled_on(annotations, frame)["objects"][feature_id] = self.object_of(tool, feature_id)
        annotations["segments"][feature_id] = [segment]
        annotations["key_frame_feature_map"][feature_id] = {str(frame): True for frame in knots}
        return feature_id

    def _knots(self, frames: int) -> tuple[list[int], list[int]]:
        """Keyframes, and the segment that they begin."""
        start = self.choose(range(1, frames + 1))
        end = self.choose(range(start, frames + 1))
        last = self.choose(range(start, end + 1))
        return sorted({start, last}), [start, end]

    def put_frame_answer(self, annotations: Json, frames: int, question: Json) -> None:
        """An answer that holds on some frames, which Labelbox says by its question or by each of its answers."""
        if not self.video:
            annotations["classifications"].append(self.answer(question))
            return
        knots, segment = self._knots(frames)
        node = self.answer(question)
        for frame in knots:
            node = {**self.answer(question), "feature_id": node["feature_id"]}
            spelled_on(annotations, frame)["classifications"].append(node)
        by_answer = [picked["feature_id"] for picked in node.get("checklist_answers", [])]
        keys = self.choose(([node["feature_id"]], by_answer or [node["feature_id"]]))
        annotations["segments"] |= {key: [segment] for key in keys}

    def annotations(self, data_row_id: str, some: Callable[[Sequence[Json]], Sequence[Json]]) -> Json:
        """A label with objects of some tools and answers to some questions."""
        ontology, frames = self.ontology, self.frames_of(data_row_id)
        found: Json = {"frames": {}, "segments": {}, "key_frame_feature_map": {}, "classifications": []}
        found = found if self.video else {"objects": [], "classifications": [], "relationships": []}
        for tool in some(ontology["tools"]):
            self.put_object(found, frames, tool)
        for question in some(ontology["classifications"]):
            if question["scope"] == "index":
                self.put_frame_answer(found, frames, question)
            else:
                found["classifications"].append(self.answer(question))
        return found

    # -------------------------------------------------------------------- data rows

    def add_row(self) -> DataRow:
        """A data row whose media show its number."""
        number = len(self.fake.org.data_rows)
        frames = 4 + number % 3
        name, data = (f"clip {number}.mp4", clip(number, frames)) if self.video else (f"{number}.png", picture(number))
        media = media_attributes(data, name)
        url, batch = self.fake.store(f"/o/{name}", data), self.choose(BATCHES)
        names = {"global_key": f"Schlüssel {number}", "external_id": f"日本 {number}"}
        return self.fake.org.data_rows[
            self.fake.add_data_row(self.project_id, row_data=url, batch=batch, media_attributes=media, **names)
        ]


def named(feature: Json) -> Json:
    """What every object and answer says of its tool, question or option."""
    return {"feature_schema_id": feature["featureSchemaId"], **spelling(feature)}


def spelled_on(annotations: Json, frame: int) -> Json:
    found: Json = annotations["frames"].setdefault(str(frame), {"objects": {}, "classifications": []})
    return found


def tracks(annotations: Json) -> dict[str, dict[int, Json]]:
    """Feature id -> frame -> the object as spelled out there."""
    found: dict[str, dict[int, Json]] = {}
    for frame, node in objects(annotations):
        found.setdefault(node["feature_id"], {})[frame] = node
    return found


def all_questions(ontology: Json) -> list[Json]:
    """Every question, at any depth."""
    return [feature for feature in features(ontology) if "instructions" in feature]


@cache
def clip(number: int, frames: int) -> bytes:
    """A video that shows its number and the frame's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, frames, *SIZE, video=number)
        return path.read_bytes()


@cache
def picture(number: int) -> bytes:
    """An image that shows its number."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        write_image(path, *SIZE, video=number)
        return path.read_bytes()


# ------------------------------------------------------------------------ projects


def _asks(kind: str, text: str, *options: Any, **more: Any) -> Json:
    found = [option if isinstance(option, dict) else {"label": option} for option in options]
    return {"type": kind, "instructions": text, "options": found, **more}


ONTOLOGY: Json = {
    "tools": [
        {"tool": "rectangle", "name": "car", "classifications": [
            _asks("radio", "colour", "Red", {"label": "Blue", "options": [_asks("text", "shade")]}, "Grey"),
            _asks("checklist", "parts", "Door", {"label": "Wheel", "options": [_asks("radio", "side", "Left", "Right")]}),
            _asks("text", "plate"),
        ]},
        {"tool": "rectangle", "name": "van"},
        {"tool": "point", "name": "hub"},
        {"tool": "line", "name": "lane"},
        {"tool": "polygon", "name": "roof", "classifications": [_asks("checklist", "tiles", "Clay", "Tin")]},
        {"tool": RASTER, "name": "road", "classifications": [_asks("radio", "surface", "Dry", "Wet")]},
        {"tool": RASTER, "name": "sky"},
    ],
    "classifications": [
        _asks("checklist", "Weather", "Rain", "Fog", "Snow", scope="index"),
        _asks("radio", "Light", "Day", "Night", scope="index"),
        _asks("radio", "Site", "Town", {"label": "Wald", "options": [_asks("checklist", "Trees", "Oak", "Fir")]}),
        _asks("text", "Note"),
    ],
}  # fmt: skip


def small_project(fake: FakeLabelbox, media: str, project_id: str = "project1") -> None:
    """Three videos or five images: the last one without a label, of the images another one with an empty label."""
    fake.add_project("lanes ü", media.upper(), ONTOLOGY, project_id=project_id)
    annotator = Annotator(fake, project_id, by_dice(1))
    rows = [annotator.add_row() for _ in range(3 if media == "video" else 5)]
    for number, row in enumerate(rows[:-1]):
        fake.label(row.id, annotator.annotations(row.id, list if number < 3 else lambda _: []))
