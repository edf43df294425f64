"""Synthetic annotated video projects: h264 clips, a Labelbox export (NDJSON), its ontology, and the truth about them.

Everything follows from a `Spec`, so a checker rebuilds the truth from `spec.json` instead of trusting what it measures.
Every frame carries its clip's and its own number as black and white blocks in its top left corner.

    python projects.py OUT --videos 2 --frames 300 --size 640x360 --tracks 4 --segments 2 --masked-every 10
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROJECT_ID = "clbenchproject000000000001"
ONTOLOGY_ID = "clbenchontology00000000001"
PROJECT_NAME = "benchmark"
MASK = "road"
TOOL_NAMES = ("vehicle", "person", "sign", "animal", "bicycle", "door")
QUESTION_SLOTS = {"colour": ("red", "green", "blue"), "weather": ("sun", "rain", "fog")}
FRAME_RATE = 30
STAMP_BITS = 18
FRAME_BITS = 12
STAMP_BLOCK = 8
SMALLEST_WIDTH = STAMP_BITS * STAMP_BLOCK

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Pixels = NDArray[np.uint8]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Spec:
    """What a project consists of. Frames are 0-based here; the export counts from 1."""

    videos: int = 2
    frames: int = 300
    width: int = 640
    height: int = 360
    tools: int = 2
    tracks: int = 4
    segments: int = 2
    keyframe_every: int = 30
    nested_radio: bool = True
    frame_radio: bool = True
    masked_every: int = 0
    """Each so many frames one has a mask; 0: none."""
    media: bool = True
    seed: int = 7

    def __post_init__(self) -> None:
        """Refuse what the stamp or the names cannot express."""
        if not 1 <= self.tools <= len(TOOL_NAMES):
            raise ValueError(f"tools must be 1 to {len(TOOL_NAMES)}, found {self.tools}")
        if self.media and (self.videos > 64 or self.frames > 1 << FRAME_BITS or self.width < SMALLEST_WIDTH):
            raise ValueError(f"with media: at most 64 videos of 4096 frames, at least {SMALLEST_WIDTH} pixels wide")

    @property
    def rows(self) -> int:
        """Number of frames in all videos."""
        return self.videos * self.frames


# Where the annotated things are: the truth.


def segments_of(spec: Spec, track: int) -> list[tuple[int, int]]:
    """Frames (first, last) between which a track is present, with a gap after each segment."""
    block = spec.frames // spec.segments
    return [(part * block + track % 5, (part + 1) * block - 1 - block // 6) for part in range(spec.segments)]


def keyframes_of(spec: Spec, segment: tuple[int, int]) -> list[int]:
    """Frames of one segment that a person drew; the first and the last are among them."""
    first, last = segment
    count = max(2, (last - first) // spec.keyframe_every + 1)
    return sorted({round(at) for at in np.linspace(first, last, count).tolist()})


def keyframe_box(spec: Spec, video: int, track: int, frame: int) -> list[float]:
    """Left, top, width, height of a thing that wanders on a Lissajous path, always inside the picture."""
    phase = 0.9 * video + 1.7 * track
    width, height = (0.12 + 0.02 * (track % 4)) * spec.width, (0.16 + 0.03 * (track % 3)) * spec.height
    left = (0.5 + 0.5 * np.sin(frame / 47 + phase)) * (spec.width - width)
    top = (0.5 + 0.5 * np.cos(frame / 61 + 2 * phase)) * (spec.height - height)
    return [round(float(value), 2) for value in (left, top, width, height)]


def track_boxes(spec: Spec, video: int, track: int) -> tuple[Ints, Floats]:
    """The frames a track is on and its box there: straight lines between keyframes."""
    frames, boxes = [], []
    for segment in segments_of(spec, track):
        keys = keyframes_of(spec, segment)
        drawn = np.array([keyframe_box(spec, video, track, frame) for frame in keys])
        present = np.arange(segment[0], segment[1] + 1)
        frames.append(present)
        boxes.append(np.stack([np.interp(present, keys, drawn[:, side]) for side in range(4)], axis=1))
    return np.concatenate(frames), np.concatenate(boxes)


def tool_of(spec: Spec, track: int) -> int:
    """Index of the tool that a track was drawn with."""
    return track % spec.tools


def has_colour(spec: Spec, tool: int) -> bool:
    """Whether objects of a tool carry the nested question: the first tool's do."""
    return spec.nested_radio and tool == 0


def box_column(spec: Spec, tool: int) -> str:
    """Column of a tool's boxes: in a group of the same name when the tool has a nested question."""
    name = TOOL_NAMES[tool]
    return f"{name}/{name}" if has_colour(spec, tool) else name


def colour_of(video: int, track: int) -> int:
    """Answer to the nested question, the same for the whole track."""
    return (video + track) % len(QUESTION_SLOTS["colour"])


def weather_spans(spec: Spec, video: int) -> list[tuple[int, int, int]]:
    """First frame, last frame and answer of the frame-level question; the last quarter has no answer."""
    block = spec.frames // 4
    return [(part * block, (part + 1) * block - 1, (video + part) % 3) for part in range(3)]


def true_boxes(spec: Spec, video: int) -> dict[str, list[list[Floats]]]:
    """For each box column: for each frame of a video, the boxes on it."""
    cells: dict[str, list[list[Floats]]] = {
        box_column(spec, tool): [[] for _ in range(spec.frames)] for tool in range(spec.tools)
    }
    for track in range(spec.tracks):
        column = cells[box_column(spec, tool_of(spec, track))]
        for frame, box in zip(*track_boxes(spec, video, track), strict=True):
            column[int(frame)].append(box)
    return cells


def masked_frames(spec: Spec) -> list[int]:
    """The frames of each video that have a mask."""
    return list(range(0, spec.frames, spec.masked_every)) if spec.masked_every else []


def true_mask(spec: Spec, video: int, frame: int) -> Bools:
    """The (h, w) mask of a frame: a rectangle whose edges say which video and frame it belongs to."""
    mask = np.zeros((spec.height, spec.width), bool)
    mask[video % 16 : spec.height // 2, frame % spec.width // 2 : spec.width // 2 + 7] = True
    return mask


def unanswered(spec: Spec) -> list[set[int]]:
    """No answer on any frame."""
    return [set() for _ in range(spec.frames)]


def true_answers(spec: Spec, video: int) -> dict[str, list[set[int]]]:
    """For each answer column: for each frame of a video, the options chosen on it."""
    answers: dict[str, list[set[int]]] = {}
    if spec.nested_radio:
        nested = answers[f"{TOOL_NAMES[0]}/colour"] = unanswered(spec)
        for track in range(0, spec.tracks, spec.tools):
            for frame in track_boxes(spec, video, track)[0]:
                nested[int(frame)].add(colour_of(video, track))
    if spec.frame_radio:
        weather = answers["weather"] = unanswered(spec)
        for first, last, answer in weather_spans(spec, video):
            for frame in range(first, last + 1):
                weather[frame].add(answer)
    return answers


# The ontology and the export, as Labelbox spells them.


def question_node(name: str, scope: str | None) -> dict[str, Any]:
    """One radio question of the ontology."""
    node = {
        "type": "radio",
        "instructions": name,
        "name": name,
        "required": False,
        "schemaNodeId": f"node-{name}",
        "featureSchemaId": f"schema-{name}",
        "options": [
            {"label": option, "value": option, "schemaNodeId": f"node-{option}", "featureSchemaId": f"schema-{option}"}
            for option in QUESTION_SLOTS[name]
        ],
    }
    return node if scope is None else {**node, "scope": scope}


def ontology(spec: Spec) -> dict[str, Any]:
    """The normalized ontology."""
    tools = [
        {
            "tool": "rectangle",
            "name": TOOL_NAMES[tool],
            "required": False,
            "color": f"#{40 * tool + 20:02x}80c0",
            "schemaNodeId": f"node-{TOOL_NAMES[tool]}",
            "featureSchemaId": f"schema-{TOOL_NAMES[tool]}",
            "classifications": [question_node("colour", None)] if has_colour(spec, tool) else [],
        }
        for tool in range(spec.tools)
    ]
    if spec.masked_every:
        tools.append({
            "tool": "raster-segmentation", "name": MASK, "required": False, "color": "#808080",
            "schemaNodeId": f"node-{MASK}", "featureSchemaId": f"schema-{MASK}", "classifications": [],
        })  # fmt: skip
    classifications = [question_node("weather", "index")] if spec.frame_radio else []
    return {"id": ONTOLOGY_ID, "name": PROJECT_NAME, "tools": tools, "classifications": classifications}


def answer_node(question: str, option: int, feature: str) -> dict[str, Any]:
    """A radio question with its answer, as it sits on a frame or under an object."""
    value = QUESTION_SLOTS[question][option]
    return {
        "feature_id": feature,
        "feature_schema_id": f"schema-{question}",
        "name": question,
        "value": question,
        "radio_answer": {
            "feature_id": f"{feature}a{option}",
            "feature_schema_id": f"schema-{value}",
            "name": value,
            "value": value,
            "classifications": [],
        },
    }


def object_node(spec: Spec, video: int, track: int, frame: int) -> dict[str, Any]:
    """A drawn box on one frame."""
    tool = tool_of(spec, track)
    feature = track_feature(video, track)
    left, top, width, height = keyframe_box(spec, video, track, frame)
    nested = [answer_node("colour", colour_of(video, track), f"{feature}c")] if has_colour(spec, tool) else []
    return {
        "feature_id": feature,
        "feature_schema_id": f"schema-{TOOL_NAMES[tool]}",
        "name": TOOL_NAMES[tool],
        "value": TOOL_NAMES[tool],
        "annotation_kind": "VideoBoundingBox",
        "classifications": nested,
        "bounding_box": {"top": top, "left": left, "height": height, "width": width},
    }


def mask_node(video: int, frame: int) -> dict[str, Any]:
    """A painted road on one frame."""
    return {
        "feature_id": f"clfeature{video:05d}road",
        "feature_schema_id": f"schema-{MASK}",
        "name": MASK,
        "value": MASK,
        "annotation_kind": "VideoSegmentationMask",
        "classifications": [],
        "mask": {"url": mask_path(video, frame)},
    }


def mask_path(video: int, frame: int) -> str:
    """A mask's path relative to the export file."""
    return f"masks/{video:04d}_{frame:05d}.png"


def track_feature(video: int, track: int) -> str:
    """The feature id of a track: the same on all its frames."""
    return f"clfeature{video:05d}t{track:04d}"


class _Label:
    """Collects the parts of one video's label."""

    def __init__(self) -> None:
        self.frames: dict[int, dict[str, Any]] = {}
        self.segments: dict[str, list[list[int]]] = {}
        self.keyframes: dict[str, list[int]] = {}

    def frame(self, frame: int) -> dict[str, Any]:
        """What is on a frame (0-based) so far."""
        return self.frames.setdefault(frame + 1, {"objects": {}, "classifications": []})

    def span(self, feature: str, first: int, last: int, keys: list[int]) -> None:
        """Note that a feature is present from first to last, with these keyframes (all 0-based)."""
        self.segments.setdefault(feature, []).append([first + 1, last + 1])
        self.keyframes.setdefault(feature, []).extend(key + 1 for key in keys)

    def annotations(self) -> dict[str, Any]:
        """The label's `annotations` object."""
        return {
            "frames": {str(frame): self.frames[frame] for frame in sorted(self.frames)},
            "segments": self.segments,
            "key_frame_feature_map": self.keyframes,
            "classifications": [],
        }


def annotated(spec: Spec, video: int) -> dict[str, Any]:
    """Everything labelled on one video: keyframes only, every segment starting and ending on one."""
    label = _Label()
    for track in range(spec.tracks):
        feature = track_feature(video, track)
        for first, last in segments_of(spec, track):
            keys = keyframes_of(spec, (first, last))
            label.span(feature, first, last, keys)
            for frame in keys:
                label.frame(frame)["objects"][feature] = object_node(spec, video, track, frame)
    for frame in masked_frames(spec):
        node = mask_node(video, frame)
        label.span(node["feature_id"], frame, frame, [frame])
        label.frame(frame)["objects"][node["feature_id"]] = node
    if spec.frame_radio:
        feature = f"clfeature{video:05d}weather"
        for first, last, answer in weather_spans(spec, video):
            label.span(feature, first, last, [first, last])
            for frame in (first, last):
                label.frame(frame)["classifications"].append(answer_node("weather", answer, feature))
    return label.annotations()


def clip_path(video: int) -> str:
    """A clip's path relative to the export file."""
    return f"media/clip_{video:04d}.mp4"


def data_row(spec: Spec, video: int) -> dict[str, Any]:
    """One line of the export."""
    moment = "2024-05-01T10:00:00.000+00:00"
    when = {"created_at": moment, "updated_at": moment}
    label = {
        "label_kind": "Video",
        "version": "1.0.0",
        "id": f"cllabel{video:05d}",
        "label_details": {**when, "created_by": "annotator@example.com", "reviews": []},
        "performance_details": {"seconds_to_create": 60, "seconds_to_review": 0, "skipped": False},
        "annotations": annotated(spec, video),
    }
    return {
        "data_row": {
            "id": f"cldatarow{video:05d}",
            "row_data": clip_path(video),
            "global_key": f"clip-{video:04d}",
            "external_id": Path(clip_path(video)).name,
            "details": {"dataset_id": "cldataset1", "dataset_name": "clips", **when},
        },
        "media_attributes": {
            "height": spec.height,
            "width": spec.width,
            "mime_type": "video/mp4",
            "asset_type": "video",
            "frame_rate": FRAME_RATE,
            "frame_count": spec.frames,
        },
        "projects": {
            PROJECT_ID: {
                "name": PROJECT_NAME,
                "labels": [label],
                "project_details": {"ontology_id": ONTOLOGY_ID, "batch_name": "first", "workflow_status": "DONE"},
            }
        },
    }


# The pictures.


def texture(rng: np.random.Generator, height: int, width: int, contrast: float) -> NDArray[np.int16]:
    """Coloured noise whose amplitude falls with the frequency, as in photographs."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    falloff = 1 / np.maximum(frequency, 1 / max(height, width)) ** 1.45
    spectra = (np.fft.rfft2(rng.normal(size=(height, width))) * falloff for _ in range(4))
    layers = [np.fft.irfft2(spectrum, (height, width)) for spectrum in spectra]
    mixed = np.stack([0.8 * layers[3] + 0.2 * layers[channel] for channel in range(3)], axis=2)
    return np.asarray(contrast * mixed / mixed.std(), dtype=np.int16)


def stamp(frame: Pixels, video: int, number: int) -> None:
    """Write the clip's and the frame's number into the top left corner, one block a bit."""
    code = video << FRAME_BITS | number
    for bit in range(STAMP_BITS):
        frame[:STAMP_BLOCK, bit * STAMP_BLOCK : (bit + 1) * STAMP_BLOCK] = 255 * (code >> bit & 1)


def read_stamp(frame: NDArray[Any]) -> tuple[int, int]:
    """Clip and frame number as written in a decoded picture."""
    inner = slice(2, STAMP_BLOCK - 2)
    code = 0
    for bit in range(STAMP_BITS):
        block = frame[inner, bit * STAMP_BLOCK + 2 : (bit + 1) * STAMP_BLOCK - 2]
        code |= int(block.mean() > 127) << bit
    return code >> FRAME_BITS, code & (1 << FRAME_BITS) - 1


class Painter:
    """Paints the frames of one clip: a drifting background, a slower light, the annotated things, mild grain."""

    def __init__(self, spec: Spec, video: int) -> None:
        self.spec, self.video = spec, video
        rng = np.random.default_rng([spec.seed, video])
        self.far = texture(rng, spec.height + 128, spec.width + 128, 38)
        self.light = texture(rng, spec.height + 128, spec.width + 128, 12)
        self.grain = rng.normal(0, 1.5, (spec.height + 64, spec.width + 64, 3)).astype(np.int16)
        self.shifts = rng.integers(0, 64, (spec.frames, 2)).tolist()
        self.things: list[list[tuple[int, Floats]]] = [[] for _ in range(spec.frames)]
        for track in range(spec.tracks):
            for frame, box in zip(*track_boxes(spec, video, track), strict=True):
                self.things[int(frame)].append((track, box))

    def window(self, layer: NDArray[np.int16], top: int, left: int) -> NDArray[np.int16]:
        """A picture-sized part of a layer."""
        return layer[top : top + self.spec.height, left : left + self.spec.width]

    def frame(self, number: int) -> Pixels:
        """The picture of one frame."""
        drift = int(64 + 63 * np.sin(number / 40)), int(64 + 63 * np.cos(number / 53))
        slow = int(64 + 63 * np.cos(number / 90)), int(64 + 63 * np.sin(number / 70))
        picture = 118 + self.window(self.far, *drift) + self.window(self.light, *slow)
        for track, box in self.things[number]:
            self.paint_thing(picture, track, box)
        picture += self.window(self.grain, *self.shifts[number])
        pixels: Pixels = np.clip(picture, 0, 255).astype(np.uint8)
        stamp(pixels, self.video, number)
        return pixels

    def paint_thing(self, picture: NDArray[np.int16], track: int, box: Floats) -> None:
        """Paint the thing that a box names: an ellipse that fills it."""
        left, top, width, height = (round(float(side)) for side in box)
        part = picture[top : top + height, left : left + width]
        rows, columns = np.ogrid[-1 : 1 : part.shape[0] * 1j, -1 : 1 : part.shape[1] * 1j]
        tint = np.array([60 + 50 * (track % 4), 200 - 40 * (track % 5), 90 + 40 * (track % 3)], dtype=np.int16)
        inside = rows**2 + columns**2 <= 1
        part[inside] = part[inside] // 3 + tint * 2 // 3


def write_clip(path: Path, spec: Spec, video: int) -> None:
    """Encode one clip as h264."""
    import av

    painter = Painter(spec, video)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = spec.width, spec.height, "yuv420p"
        for number in range(spec.frames):
            picture = av.VideoFrame.from_ndarray(painter.frame(number), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


# Writing a project, and finding it again.


def export_lines(spec: Spec) -> Iterator[str]:
    """The export, line by line."""
    for video in range(spec.videos):
        yield json.dumps(data_row(spec, video), separators=(",", ":")) + "\n"


def write_project(folder: Path, spec: Spec) -> None:
    """Write export.ndjson, ontology.json, spec.json and the clips into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath("spec.json").write_text(json.dumps(asdict(spec)), encoding="utf-8")
    folder.joinpath("ontology.json").write_text(json.dumps(ontology(spec), indent=1), encoding="utf-8")
    with folder.joinpath("export.ndjson").open("w", encoding="utf-8") as file:
        file.writelines(export_lines(spec))
    if spec.masked_every:
        write_masks(folder, spec)
    if spec.media:
        folder.joinpath("media").mkdir(exist_ok=True)
        for video in range(spec.videos):
            write_clip(folder / clip_path(video), spec, video)


def write_masks(folder: Path, spec: Spec) -> None:
    """Write every mask as a PNG of one channel."""
    from PIL import Image

    folder.joinpath("masks").mkdir(exist_ok=True)
    for video in range(spec.videos):
        for frame in masked_frames(spec):
            picture = Image.fromarray(true_mask(spec, video, frame).astype(np.uint8) * 255)
            picture.save(folder / mask_path(video, frame))


def read_spec(folder: Path) -> Spec:
    """The spec that a project was written from."""
    return Spec(**json.loads(folder.joinpath("spec.json").read_text(encoding="utf-8")))


def parsed(arguments: list[str] | None = None) -> tuple[Path, Spec]:
    """Folder and spec from the command line."""
    parser = argparse.ArgumentParser(description="Write a synthetic annotated video project.")
    parser.add_argument("folder", type=Path)
    for name in ("videos", "frames", "tools", "tracks", "segments", "keyframe-every", "masked-every", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Spec, name.replace("-", "_")))
    parser.add_argument("--size", default="640x360", help="width x height, even numbers")
    for name in ("nested-radio", "frame-radio", "media"):
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, default=True)
    given = vars(parser.parse_args(arguments))
    width, height = (int(side) for side in given.pop("size").split("x"))
    return given.pop("folder"), Spec(width=width, height=height, **given)


def main() -> None:
    """Write the project and print what was written, as JSON."""
    folder, spec = parsed()
    write_project(folder, spec)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(json.dumps({**asdict(spec), "rows": spec.rows, "bytes": size}))


if __name__ == "__main__":
    main()
