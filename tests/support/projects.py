"""Generated Labelbox projects: hypothesis strategies for whole exports.

Structure (tools, objects, frames, segments, which keys are missing) is drawn by
hypothesis and shrinks. Coordinates and mask pixels follow from one small integer
per object and frame, so that examples stay cheap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .ontologies import Draw, Json, groupings, ontologies
from .pictures import MASK_MODES, Color, composite_png, mask_png, pattern, read_png

PROJECT_ID = "project1"
OTHER_PROJECT_ID = "project0"
TEXTS = ("yes", "Größe", "line 1\nline 2", '"quoted" \\', "日本語 🚗", "a\u2028b", "[]")
DATES = (
    "2024-03-01T10:00:00.000+00:00",
    "2024-03-01T10:00:00+00:00",
    "2024-02-29T23:59:59.999+00:00",
    "2023-12-31T08:00:00Z",
    "2025-01-01T00:00:00.500+00:00",
)
EXTERNAL_IDS = (None, "clip", "clips/Straße 7", "a.b", "")
_GEOMETRY_KINDS = {
    "rectangle": "BoundingBox",
    "polygon": "Polygon",
    "line": "Polyline",
    "point": "Point",
    "raster-segmentation": "SegmentationMask",
    "superpixel": "SegmentationMask",
}


@dataclass(frozen=True)
class Project:
    """A project as lakebox gets it: export, ontology, mask files and a mapping.

    `row_data` and mask urls are relative paths; `masks` maps url to PNG bytes.
    """

    project_id: str
    ontology: Json
    rows: list[Json]
    masks: dict[str, bytes]
    groups: dict[str, str]

    def read_mask(self, url: str) -> np.ndarray:
        """Return the pixels of a mask file."""
        return read_png(self.masks[url])


@st.composite
def projects(draw: Draw, media: str = "video", size: tuple[int, int] = (16, 12)) -> Project:
    """Draw a project of videos or images; pictures are at least `size` (w, h)."""
    ontology = draw(ontologies(media))
    export = _Export(draw, media, ontology, size)
    rows = [export.row() for _ in range(draw(st.integers(1, 4)))]
    groups = draw(groupings(ontology))
    return Project(PROJECT_ID, ontology, rows, export.masks, groups)


@dataclass
class _Keys:
    """Which optional keys a data row spells out."""

    schema_ids: bool
    values: bool
    details: bool
    asset_type: bool
    project_details: bool
    label_details: str
    performance_details: bool


@dataclass
class _Export:
    """Builds data rows; keeps count of ids and collects mask files."""

    draw: Draw
    media: str
    ontology: Json
    size: tuple[int, int]
    masks: dict[str, bytes] = field(default_factory=dict)
    used: int = 0

    def pick(self, *choices: Any) -> Any:
        """Draw one of the choices; the first is the simplest."""
        return self.draw(st.sampled_from(choices))

    def flag(self) -> bool:
        """Draw a boolean."""
        return self.draw(st.booleans())

    def new_id(self, prefix: str = "") -> str:
        """Return an id never used in this export; "9" sorts after "10"."""
        self.used += 1
        return f"{prefix or self.pick('c', 'Z', '', 'cl0')}{self.used}"

    # ---------------------------------------------------------------- data rows

    def row(self) -> Json:
        """Draw a data row with its labels."""
        keys = _Keys(
            schema_ids=self.pick(True, True, False),
            values=self.pick(True, True, False),
            details=self.flag(),
            asset_type=self.flag(),
            project_details=self.flag(),
            label_details=self.pick("dated", "undated", "absent", "some"),
            performance_details=self.flag(),
        )
        media = self.media_attributes(keys)
        projects = {PROJECT_ID: self.project(keys, media, "A Projekt ü", many=True)}
        if self.pick(False, False, True):
            other = {OTHER_PROJECT_ID: self.project(keys, media, "other", many=False)}
            projects = other | projects if self.flag() else projects | other
        row: Json = {
            "data_row": self.data_row(keys),
            "media_attributes": media,
            "projects": projects,
        }
        if self.flag():
            row |= {"attachments": [], "metadata_fields": []}
        return row

    def data_row(self, keys: _Keys) -> Json:
        """Draw the data_row node."""
        row_id = self.new_id("dr-")
        suffix = "mp4" if self.media == "video" else self.pick("png", "jpg")
        row: Json = {"id": row_id, "row_data": f"media/{row_id}.{suffix}"}
        external_id = self.pick(*EXTERNAL_IDS)
        if external_id is not None:
            row["external_id"] = external_id and f"{external_id}.{suffix}"
        if self.flag():
            row["global_key"] = f"key/{row_id}/é"
        if keys.details:
            row["details"] = {
                "dataset_id": f"ds-{row_id}",
                "dataset_name": "Datensatz ß",
                "created_by": "",
            }
        return row

    def media_attributes(self, keys: _Keys) -> Json:
        """Draw size, and frames of a video."""
        width, height = self.size
        if self.pick(False, False, True):
            width, height = width + 16, height + 8
        media: Json = {"height": height, "width": width}
        if self.media == "video":
            media["mime_type"] = "video/mp4"
            media["frame_rate"] = self.pick(30, 29.97002997002997, 12.5)
            media["frame_count"] = self.draw(st.integers(1, 14))
        else:
            media["mime_type"] = "image/png"
        if keys.asset_type:
            media["asset_type"] = self.media
        return media

    def project(self, keys: _Keys, media: Json, name: str, *, many: bool) -> Json:
        """Draw one project of a data row."""
        project: Json = {"name": name}
        labels = self.pick(1, 1, 2, 3, 0, None) if many else 1
        if labels is not None:
            project["labels"] = [self.label(keys, media) for _ in range(labels)]
        if keys.project_details:
            project["project_details"] = {"workflow_status": "DONE"}
            if self.flag():
                project["project_details"]["ontology_id"] = f"ontology of {name}"
        return project

    # ------------------------------------------------------------------- labels

    def label(self, keys: _Keys, media: Json) -> Json:
        """Draw a label."""
        builder = _Label(self, keys, media)
        video = self.media == "video"
        label: Json = {
            "label_kind": "Video" if video else "Default",
            "version": "1.0.0",
            "id": self.new_id(),
            "annotations": builder.video() if video else builder.image(),
        }
        if keys.performance_details:
            label["performance_details"] = {"seconds_to_create": 1}
            skipped = self.pick(None, False, True)
            if skipped is not None:
                label["performance_details"]["skipped"] = skipped
        dates = keys.label_details
        if dates != "absent" and not (dates == "some" and self.flag()):
            label["label_details"] = {"reviews": []}
            if self.pick(True, True, False):
                label["label_details"]["created_by"] = f"{label['id']}@example.com"
            if dates != "undated":
                label["label_details"]["created_at"] = self.pick(*DATES)
        return label


@dataclass
class _Label:
    """Builds the annotations of one label."""

    export: _Export
    keys: _Keys
    media: Json

    def __post_init__(self) -> None:
        """Draw what holds for the whole label."""
        pick = self.export.pick
        self.mask_form = pick("mask", "composite", "both")
        self.scale = pick(1, 0.1, 1 / 3)
        self.other_container = pick(False, False, False, True)

    # -------------------------------------------------------------------- image

    def image(self) -> Json:
        """Draw an image label's annotations: {objects, classifications, ...}."""
        export, tools = self.export, self.export.ontology["tools"]
        count = export.draw(st.integers(0, 6)) if tools else 0
        objects = [self.object_of(export.pick(*tools)) for _ in range(count)]
        self.finish_composite(objects)
        annotations: Json = {"classifications": self.global_answers()}
        relationships = self.relationships(objects)
        place = export.pick("own", "objects", "both")
        if place != "own":
            objects = objects + relationships
        if relationships and place != "objects":
            annotations["relationships"] = relationships
        elif export.flag():
            annotations["relationships"] = []
        # a list by rule, a dict now and then: the parser takes both
        annotations["objects"] = _container(objects, as_dict=self.other_container)
        return _without_empty(annotations) if export.flag() else annotations

    def object_of(self, tool: Json) -> Json:
        """Draw a new object of a tool, as an image spells it out."""
        return self.spelled(tool, self.export.new_id(), steady=True)

    def relationships(self, objects: list[Json]) -> list[Json]:
        """Draw relationships between objects."""
        if len(objects) < 2:
            return []
        count = self.export.pick(0, 0, 1, 2)
        found = []
        for index in range(count):
            ends = {
                "source": objects[index % len(objects)]["feature_id"],
                "target": objects[index - 1]["feature_id"],
            }
            node = {
                "feature_id": self.export.new_id(),
                "name": "belongs to é",
                "annotation_kind": "ImageUnidirectionalRelationship",
                "classifications": [],
                "unidirectional_relationship": ends,
            }
            found.append(node)
        return found

    # -------------------------------------------------------------------- video

    def video(self) -> Json:
        """Draw a video label's annotations: {frames, segments, ...}."""
        export, tools = self.export, self.export.ontology["tools"]
        interpolated = export.pick(False, False, False, True)
        frames: dict[int, Json] = {}
        segments: dict[str, list[list[int]]] = {}
        key_frames: dict[str, set[int]] = {}
        count = export.draw(st.integers(0, 6)) if tools else 0
        for _ in range(count):
            self.add_track(frames, segments, key_frames, interpolated)
        for question in export.ontology["classifications"]:
            if question["scope"] == "index":
                for _ in range(export.pick(1, 0, 2)):
                    self.add_question(question, frames, segments)
        for _ in range(export.pick(0, 0, 1)):  # a feature never spelled out
            segments[export.new_id()] = self.draw_segments()
        for content in frames.values():
            self.finish_composite(content["objects"])
        annotations = {
            "frames": self.frame_nodes(frames),
            "segments": segments,
            "key_frame_feature_map": self.key_frame_map(key_frames),
            "classifications": self.global_answers(),
        }
        return _without_empty(annotations) if export.flag() else annotations

    @property
    def last(self) -> int:
        """The last frame that may carry annotations: two past the end."""
        return int(self.media["frame_count"]) + 2

    def draw_frames(self) -> list[int]:
        """Draw the frames on which a feature is spelled out, at least one."""
        frame = st.integers(1, self.last)
        return sorted(self.export.draw(st.sets(frame, min_size=1, max_size=4)))

    def draw_segments(self) -> list[list[int]]:
        """Draw disjoint segments in order: neighbours, single frames, gaps."""
        found = []
        end = 0
        for _ in range(self.export.pick(1, 2, 3, 0)):
            start = end + 1 + self.export.pick(0, 1, 2, 4)
            end = start + self.export.pick(0, 1, 2, 3, 6)
            if start <= self.last:
                found.append([start, min(end, self.last)])
        return found

    def segments_around(self, knots: list[int]) -> list[list[int]] | None:
        """Draw a feature's segments, None for no entry at all."""
        first, last = knots[0], knots[-1]
        style = self.export.pick("exact", "any", "holds", "leads", "none", "split")
        if style == "none":
            return None
        if style == "any":  # with knots outside, without knots, in gaps, ...
            return self.draw_segments()
        if style == "holds":  # ends without a keyframe
            last = min(self.last, last + self.export.pick(2, 5))
        if style == "leads":  # starts without a keyframe
            first = max(1, first - self.export.pick(2, 5))
        if style == "split" and len(knots) > 1:
            return [[first, knots[-2]], [last, min(self.last, last + 1)]]
        return [[first, last]]

    def add_track(
        self,
        frames: dict[int, Json],
        segments: dict[str, list[list[int]]],
        key_frames: dict[str, set[int]],
        interpolated: bool,
    ) -> None:
        """Draw a tracked object: where it is spelled out and what it looks like."""
        export = self.export
        tool = export.pick(*export.ontology["tools"])
        feature_id = export.new_id()
        knots = self.draw_frames()
        covered = self.segments_around(knots)
        listed = export.pick("knots", "absent", "fewer", "more")
        if listed != "absent":
            key_frames[feature_id] = set(knots[1:] if listed == "fewer" else knots)
        if listed == "more":  # a frame that is not spelled out
            key_frames[feature_id].add(export.draw(st.integers(1, self.last)))
        if covered is not None:
            segments[feature_id] = covered
            if interpolated:  # every frame of the segments is spelled out
                between = [f for a, b in covered for f in range(a, b + 1)]
                knots = sorted({*knots, *between})
        steady = export.pick(True, True, False)
        for frame in knots:
            node = self.spelled(tool, feature_id, steady=steady)
            _content(frames, frame)["objects"].append(node)

    def add_question(
        self,
        question: Json,
        frames: dict[int, Json],
        segments: dict[str, list[list[int]]],
    ) -> None:
        """Draw a frame-level classification, keyed by itself or by its answers."""
        export = self.export
        feature_id = export.new_id()
        knots = self.draw_frames()
        keyed = export.pick("question", "answers", "none")
        covered = self.segments_around(knots)
        if keyed == "question" and covered is not None:
            segments[feature_id] = covered
        if keyed == "answers":
            for index in range(len(question.get("options", []))):
                if export.pick(True, True, False):
                    segments[_answer_id(feature_id, index)] = self.draw_segments()
        for frame in knots:
            node = self.answered(question, feature_id, texts=TEXTS)
            _content(frames, frame)["classifications"].append(node)

    def frame_nodes(self, frames: dict[int, Json]) -> Json:
        """Return `frames`, its keys in some order."""
        keys = sorted(frames)
        order = self.export.pick("number", "text", "reversed")
        if order == "text":
            keys = sorted(keys, key=str)
        if order == "reversed":
            keys = keys[::-1]
        lean = self.export.flag()
        nodes = {}
        for key in keys:
            # a dict by rule, a list now and then: the parser takes both
            objects = _container(frames[key]["objects"], as_dict=not self.other_container)
            node = {**frames[key], "objects": objects}
            nodes[str(key)] = _without_empty(node) if lean else node
        return nodes

    def key_frame_map(self, key_frames: dict[str, set[int]]) -> Json:
        """Return `key_frame_feature_map` in one of its two forms, or nothing."""
        form = self.export.pick("list", "dict", "absent")
        if form == "absent":
            return {}
        if form == "list":
            return {key: sorted(frames) for key, frames in key_frames.items()}
        return {key: {str(f): f in frames for f in range(1, self.last + 1)} for key, frames in key_frames.items()}

    # -------------------------------------------------------------------- nodes

    def node(self, feature_id: str, schema_id: str, name: str, value: str) -> Json:
        """Return the keys that all nodes share, as far as this row has them."""
        node = {"feature_id": feature_id, "name": name}
        if self.keys.schema_ids:
            node["feature_schema_id"] = schema_id
        if self.keys.values:
            node["value"] = value
        return node

    def spelled(self, tool: Json, feature_id: str, *, steady: bool) -> Json:
        """Draw an object as spelled out on one frame."""
        medium = "Video" if self.export.media == "video" else "Image"
        value = tool["name"].lower().replace(" ", "_")
        node = self.node(feature_id, tool["featureSchemaId"], tool["name"], value)
        node["annotation_kind"] = medium + _GEOMETRY_KINDS[tool["tool"]]
        questions = tool["classifications"]
        answered = self.export.flag() if questions else False
        node["classifications"] = [
            self.answered(question, f"{feature_id}.q{index}", texts=("", *TEXTS))
            for index, question in enumerate(questions)
            if answered and self.export.pick(True, True, False)
        ]
        seed = self.export.draw(st.integers(0, 999))
        return node | self.geometry(tool["tool"], seed, steady=steady)

    def geometry(self, kind: str, seed: int, *, steady: bool) -> Json:
        """Return geometry that follows from one integer."""
        if kind == "rectangle":
            left, top, width, height = self.numbers(seed, 4)
            sides = {"left": left, "top": top, "width": width, "height": height}
            return {"bounding_box": sides}
        if kind == "point":
            x, y = self.numbers(seed, 2)
            return {"point": {"x": x, "y": y}}
        if kind in ("line", "polygon"):
            count = 3 if steady else 2 + seed % 3
            numbers = self.numbers(seed, 2 * count)
            vertices = [{"x": numbers[2 * i], "y": numbers[2 * i + 1]} for i in range(count)]
            if kind == "polygon" and seed % 10:  # nearly always closed
                vertices.append(dict(vertices[0]))
            return {kind: vertices}
        return self.mask(seed)

    def numbers(self, seed: int, count: int) -> list[float]:
        """Return coordinates, whole or not, some a little out of the picture."""
        span = 2 * int(self.media["width"] / self.scale)
        return [(seed * (2 * index + 1) * 7 + index * 5) % span * self.scale - 2 for index in range(count)]

    def mask(self, seed: int) -> Json:
        """Return a mask in this label's form; a composite is finished later."""
        form: Json = {}
        if self.mask_form != "composite":
            url = self.new_url()
            pixels = self.pixels(seed)
            self.export.masks[url] = mask_png(pixels, MASK_MODES[seed % 5])
            form["mask"] = {"url": url}
        if self.mask_form != "mask":
            form["composite_mask"] = {"url": "", "color_rgb": [seed % 256, 0, 0]}
        return form

    def pixels(self, seed: int) -> np.ndarray:
        """Return the pixels of one mask."""
        return pattern(seed, self.media["width"], self.media["height"])

    def new_url(self) -> str:
        """Return a mask url never used before."""
        return f"masks/{len(self.export.masks) + 1}.png"

    def finish_composite(self, objects: list[Json]) -> None:
        """Draw the one composite picture of all masks of a frame."""
        url = self.new_url()
        instances: list[tuple[Color, np.ndarray]] = []
        for index, node in enumerate(objects):
            composite = node.get("composite_mask")
            if composite is None:
                continue
            seed = composite["color_rgb"][0]
            color = (seed, 255 - index, 7 * index)  # unlike all others of the frame
            composite |= {"url": url, "color_rgb": list(color)}
            instances.append((color, self.pixels(seed + 1 + index)))
        if instances:
            mode = self.export.pick("RGB", "RGBA")
            width, height = self.media["width"], self.media["height"]
            self.export.masks[url] = composite_png(instances, width, height, mode)

    # ------------------------------------------------------------ classifications

    def global_answers(self) -> list[Json]:
        """Draw answers to the questions asked once for the whole data row."""
        video = self.export.media == "video"
        found = []
        for question in self.export.ontology["classifications"]:
            if video and question["scope"] == "index":
                continue
            for _ in range(self.export.pick(1, 1, 0, 2)):
                found.append(self.answered(question, self.export.new_id(), texts=TEXTS))
        return found

    def answered(self, question: Json, feature_id: str, texts: tuple[str, ...]) -> Json:
        """Draw an answer to a question, and to the questions under it.

        Ids of children begin with their parent's id and a dot, so that they sort
        as their parents do.
        """
        export = self.export
        node = self.node(
            feature_id,
            question["featureSchemaId"],
            question["instructions"],
            question["name"],
        )
        if question["type"] == "text":
            return node | {"text_answer": {"content": export.pick(*texts)}}
        indexes = range(len(question["options"]))
        if question["type"] == "radio":
            index = export.pick(*indexes)
            return node | {"radio_answer": self.answer(question, index, node, texts)}
        chosen = [index for index in indexes if export.flag()]
        answers = [self.answer(question, index, node, texts) for index in chosen]
        return node | {"checklist_answers": answers[::-1]}

    def answer(self, question: Json, index: int, parent: Json, texts: tuple[str, ...]) -> Json:
        """Draw a chosen option."""
        option = question["options"][index]
        feature_id = _answer_id(parent["feature_id"], index)
        node = self.node(feature_id, option["featureSchemaId"], option["label"], option["value"])
        node["classifications"] = [
            self.answered(child, f"{feature_id}.q{position}", texts)
            for position, child in enumerate(option.get("options", []))
            if self.export.pick(True, True, False)
        ]
        return node


def _answer_id(feature_id: str, index: int) -> str:
    return f"{feature_id}.a{index}"


def _content(frames: dict[int, Json], frame: int) -> Json:
    return frames.setdefault(frame, {"objects": [], "classifications": []})


def _container(objects: list[Json], *, as_dict: bool) -> Any:
    if as_dict:
        return {node["feature_id"]: node for node in objects}
    return objects


def _without_empty(node: Json) -> Json:
    return {key: value for key, value in node.items() if value not in ({}, [])}
