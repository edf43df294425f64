"""A tiny real project on disk: h264 clips whose pixels say which frame they are, a Labelbox export, masks, ontology.

Everything annotated follows from a clip's number and the frame (see `car_box`, `road_mask`, ...), so tests know what
every cell has to hold without asking the code under test.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import deeplake
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lakebox import run
from lakebox.core.report import Report

from .composed import composed

Json = dict[str, Any]
Cells = dict[str, dict[str, Any]]
"""row key -> column -> cell in a form that == compares exactly."""

PROJECT, OTHER_PROJECT = "clproject0", "clproject1"
WIDTH, HEIGHT, RATE = 64, 48, 10
BLOCK = 8
WEATHER, COLOURS, SITES = ("sun", "rain", "fog"), ("red", "green", "blue"), ("town", "country")
ROAD_FRAMES = (2, 4)


@dataclass(frozen=True)
class Clip:
    """A video of the project; `noise` makes its frames big when stored without loss."""

    number: int
    frames: int
    noise: bool = False

    @property
    def id(self) -> str:
        return f"row{self.number}"

    @property
    def url(self) -> str:
        return f"media/clip{self.number}.mp4"


CLIPS = (Clip(0, 12), Clip(1, 20), Clip(2, 8))


# Pixels.


def painted(clip: Clip, frame: int) -> NDArray[np.uint8]:
    """The picture of a frame: its clip's and its own number in 16 black or white blocks, the first bit top left."""
    rng = np.random.default_rng([clip.number, frame])
    image = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    if clip.noise:
        image = rng.integers(0, 256, image.shape).astype(np.uint8)
    code = clip.number << 12 | frame
    for bit in range(16):
        top, left = BLOCK * (bit // 8), BLOCK * (bit % 8)
        image[top : top + BLOCK, left : left + BLOCK] = 255 * (code >> bit & 1)
    return image


def read_number(image: NDArray[Any]) -> tuple[int, int]:
    """(clip, frame) as the pixels say."""
    code = 0
    for bit in range(16):
        top, left = BLOCK * (bit // 8), BLOCK * (bit % 8)
        code |= int(image[top + 2 : top + BLOCK - 2, left + 2 : left + BLOCK - 2].mean() > 127) << bit
    return code >> 12, code & 0xFFF


def write_clip(path: Path, clip: Clip, rate: int = RATE, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    """Encode a clip as h264 with B-frames; the index comes first, so that a file cut short still opens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"crf": "12", "preset": "veryfast", "bf": "2"}
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for frame in range(clip.frames):
            picture = av.VideoFrame.from_ndarray(painted(clip, frame), format="rgb24")
            container.mux(stream.encode(picture.reformat(*size)))
        container.mux(stream.encode())


# What is annotated.


def car_box(clip: int, frame: int) -> list[float]:
    """Left, top, width, height of the car, which is on every frame and drawn on the first and last one only."""
    return [frame / 4, clip + 0.5, 20.0 + clip, 10.0]


def walker_box(clip: int, frame: int) -> list[float]:
    """The walker, drawn on frames 1 and 3 and nowhere else."""
    return [float(clip), float(frame), 3.0, 4.0]


def road_mask(clip: int, frame: int) -> NDArray[np.bool_]:
    """The road, on `ROAD_FRAMES`."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[10 * clip : 10 * clip + 10, : 5 * (frame + 1)] = True
    return mask


def mask_url(clip: int, frame: int) -> str:
    return f"masks/clip{clip}_{frame}.png"


def write_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)


def question(name: str, options: Iterable[str], kind: str = "radio", scope: str | None = None) -> Json:
    """A question of the ontology."""
    listed = [{"label": option, "value": option, "featureSchemaId": f"schema-{option}"} for option in options]
    node = {"type": kind, "instructions": name, "name": name, "featureSchemaId": f"schema-{name}", "options": listed}
    return {**node, "scope": scope} if scope else node


def ontology() -> Json:
    """The project's ontology as Labelbox normalizes it."""
    tools = [("rectangle", "Car"), ("rectangle", "Walker"), ("polygon", "Lane"), ("raster-segmentation", "Road")]
    nodes = [
        {"tool": kind, "name": name, "featureSchemaId": f"schema-{name}", "classifications": []} for kind, name in tools
    ]
    nodes[0]["classifications"] = [question("Colour", COLOURS)]
    asked = [
        question("Weather", WEATHER, scope="index"),
        question("Site", SITES, "checklist", "global"),
        question("Note", (), "text", "global"),
    ]
    return {"id": "clontology0", "name": "tiny", "tools": nodes, "classifications": asked}


def picked(option: str, feature: str) -> Json:
    return {
        "feature_id": f"{feature}-{option}",
        "feature_schema_id": f"schema-{option}",
        "name": option,
        "value": option,
        "classifications": [],
    }


def radio(name: str, option: str, feature: str) -> Json:
    """A radio answer of the export."""
    node = {"feature_id": feature, "feature_schema_id": f"schema-{name}", "name": name, "value": name}
    return {**node, "radio_answer": picked(option, feature)}


def thing(feature: str, tool: str, kind: str, **geometry: Any) -> Json:
    """An object of the export."""
    return {
        "feature_id": feature,
        "feature_schema_id": f"schema-{tool}",
        "name": tool,
        "value": tool.lower(),
        "annotation_kind": kind,
        "classifications": [],
        **geometry,
    }


def box_node(box: Iterable[float]) -> Json:
    return dict(zip(("left", "top", "width", "height"), box, strict=True))


def _objects(clip: Clip) -> Iterator[tuple[int, Json]]:
    """(0-based frame, object) of everything drawn."""
    v, last = clip.number, clip.frames - 1
    for frame, colour in ((0, "red"), (last, "blue")):
        car = thing(f"car{v}", "Car", "VideoBoundingBox", bounding_box=box_node(car_box(v, frame)))
        yield frame, {**car, "classifications": [radio("Colour", colour, f"car{v}-colour")]}
    for frame in (1, 3):
        yield frame, thing(f"walker{v}", "Walker", "VideoBoundingBox", bounding_box=box_node(walker_box(v, frame)))
    outline = [{"x": x, "y": y} for x, y in ((1, 1), (9.5, 1), (9.5, 5 + v), (1, 1))]
    yield 2, thing(f"lane{v}", "Lane", "VideoPolygon", polygon=outline)
    for frame in ROAD_FRAMES:
        yield frame, thing(f"road{v}", "Road", "VideoSegmentationMask", mask={"url": mask_url(v, frame)})


def _annotations(clip: Clip) -> Json:
    v, last = clip.number, clip.frames
    frames: dict[int, Json] = {}
    for frame, node in _objects(clip):
        frames.setdefault(frame + 1, {"objects": {}, "classifications": []})["objects"][node["feature_id"]] = node
    for frame, weather in ((0, "sun"), (clip.frames // 2, "rain")):
        spelled = frames.setdefault(frame + 1, {"objects": {}, "classifications": []})
        spelled["classifications"].append(radio("Weather", weather, f"weather{v}"))
    node = {"feature_schema_id": "schema-Site", "feature_id": f"site{v}", "name": "Site", "value": "site"}
    note = {"feature_schema_id": "schema-Note", "feature_id": f"note{v}", "name": "Note", "value": "note"}
    return {
        "frames": {str(frame): frames[frame] for frame in sorted(frames)},
        "segments": {f"car{v}": [[1, last]], f"lane{v}": [[3, 6]], f"weather{v}": [[1, last]]},
        "key_frame_feature_map": {f"car{v}": [1, last], f"walker{v}": [2, 4]},
        "classifications": [
            {**node, "checklist_answers": [picked("country", f"site{v}")]},
            {**note, "text_answer": {"content": f"clip number {v}"}},
        ],
    }


def data_row(clip: Clip, project: str = PROJECT) -> Json:
    """A line of the export."""
    when = {"created_at": "2024-05-01T10:00:00.000+00:00", "updated_at": "2024-05-01T10:00:00.000+00:00"}
    label = {
        "label_kind": "Video",
        "id": f"label{clip.number}",
        "label_details": {**when, "created_by": "ann@example.com"},
        "performance_details": {"skipped": False},
        "annotations": _annotations(clip),
    }
    details = {"ontology_id": "clontology0", "workflow_status": "DONE"}
    return {
        "data_row": {
            "id": clip.id,
            "row_data": clip.url,
            "global_key": f"key{clip.number}",
            "external_id": Path(clip.url).name,
            "details": {"dataset_id": "cldataset0", "dataset_name": "clips", **when},
        },
        "media_attributes": {
            "height": HEIGHT,
            "width": WIDTH,
            "mime_type": "video/mp4",
            "asset_type": "video",
            "frame_rate": RATE,
            "frame_count": clip.frames,
        },
        "projects": {project: {"name": "tiny", "labels": [label], "project_details": details}},
    }


# A project in a folder.


def write_files(folder: Path, clip: Clip, media: bool = True) -> None:
    """The clip's video and masks."""
    if media:
        write_clip(folder / clip.url, clip)
    for frame in ROAD_FRAMES:
        write_mask(folder / mask_url(clip.number, frame), road_mask(clip.number, frame))


def write_project(folder: Path, clips: Iterable[Clip] = CLIPS, media: bool = True) -> Path:
    """Everything of a project: export.ndjson, ontology.json, media and masks."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = list(clips)
    for clip in clips:
        write_files(folder, clip, media)
    write_rows(folder, [data_row(clip) for clip in clips])
    (folder / "ontology.json").write_text(json.dumps(ontology()), encoding="utf-8")
    return folder


def write_rows(folder: Path, rows: Iterable[Json]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (folder / "export.ndjson").write_text("".join(lines), encoding="utf-8")


def read_rows(folder: Path) -> list[Json]:
    return [json.loads(line) for line in (folder / "export.ndjson").read_text(encoding="utf-8").splitlines()]


@contextmanager
def edited(folder: Path) -> Iterator[list[Json]]:
    """The export's rows, to be changed in place."""
    rows = read_rows(folder)
    yield rows
    write_rows(folder, rows)


@contextmanager
def edited_ontology(folder: Path) -> Iterator[Json]:
    path = folder / "ontology.json"
    node = json.loads(path.read_text(encoding="utf-8"))
    yield node
    path.write_text(json.dumps(node), encoding="utf-8")


def label_of(row: Json) -> Json:
    """The only label of a row."""
    (project,) = row["projects"].values()
    label: Json = project["labels"][0]
    return label


def annotations_of(row: Json) -> Json:
    annotations: Json = label_of(row)["annotations"]
    return annotations


def delete_label(row: Json) -> None:
    for project in row["projects"].values():
        project["labels"] = []


def object_of(row: Json, feature: str, frame: int) -> Json:
    """An object as drawn on a 0-based frame."""
    node: Json = annotations_of(row)["frames"][str(frame + 1)]["objects"][feature]
    return node


def move_object(row: Json, feature: str, frame: int, by: float) -> None:
    object_of(row, feature, frame)["bounding_box"]["left"] += by


def delete_object(row: Json, feature: str) -> None:
    annotations = annotations_of(row)
    for spelled in annotations["frames"].values():
        spelled["objects"].pop(feature, None)
    annotations["segments"].pop(feature, None)
    annotations["key_frame_feature_map"].pop(feature, None)


def sign(rows: Iterable[Json], folder: Path, signature: str) -> None:
    """Give every address a signature, as each export has a new one."""
    for row in rows:
        row["data_row"]["row_data"] = _signed(row["data_row"]["row_data"], folder, signature)
        for spelled in annotations_of(row)["frames"].values():
            for node in spelled["objects"].values():
                if "mask" in node:
                    node["mask"]["url"] = _signed(node["mask"]["url"], folder, signature)


def _signed(url: str, folder: Path, signature: str) -> str:
    bare = url.partition("?")[0] if "://" in url else (folder / url).as_uri()
    return f"{bare}?Expires=17{len(signature)}&KeyName=k&Signature={signature}"


def shuffled(node: Any, rng: random.Random) -> Any:
    """The same JSON with the keys of every object in another order."""
    if isinstance(node, dict):
        keys = list(node)
        rng.shuffle(keys)
        return {key: shuffled(node[key], rng) for key in keys}
    return [shuffled(item, rng) for item in node] if isinstance(node, list) else node


def remove_files(folder: Path) -> None:
    """Take media and masks away: whoever needs them fails from now on."""
    shutil.rmtree(folder / "media")
    shutil.rmtree(folder / "masks")


# Running.


def overrides(project: Path, path: Path | str, *more: str) -> list[str]:
    files = [f"source.export={project}/export.ndjson", f"source.ontology={project}/ontology.json"]
    return ["source=export_file", *files, f"path={path}", *more, *without_page(more)]


def without_page(options: Iterable[str]) -> list[str]:
    """An override that spares the page, which takes a second, unless that is what it is about."""
    asked = any(one.startswith(("preview", "task=preview", "-")) for one in options)
    return [] if asked else ["preview=none"]


def sync(project: Path, path: Path | str, *more: str) -> Report:
    """Bring the dataset at `path` in step with a project, in this process."""
    return run(composed(*overrides(project, path, *more)))


def command(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m lakebox ...` in another process."""
    return subprocess.run(
        [sys.executable, "-m", "lakebox", *arguments, *without_page(arguments)], cwd=cwd, env={**os.environ, **(env or {})}, text=True,
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip


# Reading.


def _plain(cell: Any) -> Any:
    if isinstance(cell, list | tuple):
        return tuple(_plain(item) for item in cell)
    if isinstance(cell, np.ndarray) and cell.dtype == object:
        return tuple(_plain(item) for item in cell)
    if isinstance(cell, np.ndarray | np.generic):
        return str(cell.dtype), cell.shape, cell.tobytes()
    return cell


def column(path: Path | str, name: str) -> list[Any]:
    """All cells of a column, in dataset order."""
    dataset = deeplake.open_read_only(str(path))  # cells are of no use once it is gone
    return list(dataset[name][:])


def columns(path: Path | str) -> list[str]:
    dataset = deeplake.open_read_only(str(path))
    return [item.name for item in dataset.schema.columns]


def class_names(path: Path | str, name: str) -> list[str]:
    dataset = deeplake.open_read_only(str(path))
    return list(dict(dataset[name].metadata)["class_names"])


def row_keys(path: Path | str) -> list[str]:
    return [str(key) for key in column(path, "lb_meta/row_key")]


def read_cells(path: Path | str, without: Iterable[str] = ()) -> Cells:
    """Every cell of a dataset; fails on a row key that comes twice."""
    rows = read_rows_in_order(path, without)
    cells = dict(rows)
    assert len(cells) == len(rows), "rows of the same frame twice"
    return cells


def read_rows_in_order(path: Path | str, without: Iterable[str] = ()) -> list[tuple[str, dict[str, Any]]]:
    """(row key, cells) of every row, also of copies that an interrupted run left."""
    dataset = deeplake.open_read_only(str(path))
    names = [item.name for item in dataset.schema.columns if item.name not in set(without)]
    by_column = {name: [_plain(cell) for cell in dataset[name][:]] for name in names}
    by_column |= {name: [_of_any_run(cell) for cell in by_column[name]] for name in {"lb_meta/state"} & set(names)}
    return [(key, {name: by_column[name][i] for name in names}) for i, key in enumerate(row_keys(path))]


def _of_any_run(state: str) -> str:
    """A state without the configuration of the run that wrote it, which says where the dataset is."""
    return json.dumps({**json.loads(state), "config": ""}) if state else state


def rows_of(cells: Cells, *ids: str) -> Cells:
    """The rows of some data rows."""
    return {key: row for key, row in cells.items() if key.rpartition(":")[0] in ids}


def differences(before: Cells, after: Cells) -> set[tuple[str, str]]:
    """(row key, column) of all cells that are not the same in both."""
    return {
        (key, name)
        for key in before.keys() | after.keys()
        for name in before.get(key, {}).keys() | after.get(key, {}).keys()
        if before.get(key, {}).get(name, before) != after.get(key, {}).get(name, after)
    }


def history(path: Path | str) -> list[str]:
    """Ids of the versions, so that equal lists mean that nothing was committed."""
    dataset = deeplake.open_read_only(str(path))
    return [str(version.id) for version in dataset.history]


def expected_keys(*clips: Clip) -> list[str]:
    return [f"{clip.id}:{frame}" for clip in clips for frame in range(clip.frames)]


def check_frames(path: Path | str, pixels: str = "frames") -> None:
    """Every row's pixels, frame number and car box are those of its row key."""
    keys, images = row_keys(path), column(path, pixels)
    boxes, numbers = column(path, "Car/Car"), column(path, "frame_idx")
    for key, image, box, number in zip(keys, images, boxes, numbers, strict=True):
        clip, frame = int(key[3 : key.index(":")]), int(key.partition(":")[2])
        assert read_number(image) == (clip, frame), key
        assert int(number) == frame, key
        np.testing.assert_allclose(box, [car_box(clip, frame)], err_msg=key)
