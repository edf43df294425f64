"""Runs against a fake Labelbox, and what their datasets have to hold: the reference over the SDK's own export."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import labelbox
import numpy as np
import requests
from PIL import Image

from lakebox import run as run_config
from lakebox.core.report import Report

from .compare import Rows, differences, without_empty_relationships
from .composed import composed
from .fake_labelbox import FakeLabelbox, Seen
from .fake_labelbox.media import media_attributes
from .reference import expected_cells
from .tiny import without_page
from .video import read_number, write_video

Json = dict[str, Any]
EXPORTING = "exportDataRowsInProject"
ALL = dict.fromkeys(("data_row_details", "project_details", "label_details", "performance_details"), True)
QUICK = ("fetch.attempts=3", "fetch.read_seconds=5", "fetch.connect_seconds=2", "source.patience=2")
"""Settings with which what cannot be had is given up soon."""


def place_by_name(project_name: str, path: str) -> str:
    """A provider of somebody's own."""
    return f"{path}-{project_name}"


@dataclass
class Live:
    """Lakebox on a project of a fake Labelbox."""

    fake: FakeLabelbox
    folder: Path
    project_id: str = "project1"
    looked: int = 0
    """How often the reference was asked for."""

    def overrides(self, *more: str) -> list[str]:
        places = [f"source.endpoint={self.fake.endpoint}", f"source.rest_endpoint={self.fake.rest_endpoint}"]
        own = [
            f"project_id={self.project_id}",
            f"path={self.folder / 'lake'}",
            f"source.cache={self.folder / 'exports'}",
        ]
        return ["source=labelbox", *places, *own, *QUICK, *more, *without_page(more)]

    def run(self, *more: str, config_dir: Path | None = None) -> Report:
        """In this process, as Python users do."""
        return run_config(composed(*self.overrides(*more), config_dir=config_dir))

    def command(self, *more: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """The command line, in the folder."""
        return subprocess.run(
            [sys.executable, "-m", "lakebox", *self.overrides(*more)],
            env={**os.environ, **(env or {})}, cwd=self.folder, text=True, capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    def exports(self) -> int:
        """How many exports lakebox asked for so far."""
        return self.fake.count(operation=EXPORTING) - self.looked

    def wrong(
        self, groups: Mapping[str, str] = {}, *, ordered: bool = True, without: Collection[str] = ()
    ) -> list[str]:
        """All differences between the dataset and the reference `without` some data rows; those that were replaced
        come last."""
        self.looked += 1
        order = list if ordered else sorted
        reference = expected(self.fake, self.project_id, groups)
        wanted = {key: row for key, row in reference.items() if key.partition(":")[0] not in without}
        both = (wanted, cells(self.folder / "lake"))
        return differences(*(without_empty_relationships({key: rows[key] for key in order(rows)}) for rows in both))

    def ids(self, lake: str = "lake") -> list[str]:
        """The data rows that a dataset holds."""
        return list(dict.fromkeys(key.partition(":")[0] for key in cells(self.folder / lake)))

    def numbers(self, column: str = "frames") -> dict[str, tuple[int, int]]:
        """Row key -> the numbers that the pixels show."""
        dataset = opened(self.folder / "lake")
        keys = dataset["lb_meta/row_key"][:]
        return {str(key): read_number(np.asarray(dataset[column][i])) for i, key in enumerate(keys)}


# ------------------------------------------------------------------------ datasets

OURS = {"lb_meta/state", "frame_idx", "video_idx", "image_idx", "frames", "image"}
"""Columns that the reference does not speak of."""


def opened(lake: Path) -> Any:
    import deeplake

    return deeplake.open_read_only(str(lake))


def cells(lake: Path) -> Rows:
    """Row key -> column -> cell."""
    return cells_of(opened(lake))


def cells_of(dataset: Any) -> Rows:
    """As `cells`, of an open dataset."""
    kinds = {column.name: str(column.dtype) for column in dataset.schema.columns if column.name not in OURS}
    read = {name: dataset[name][:] if len(dataset) else [] for name in kinds}
    keys = read["lb_meta/row_key"]
    return {str(key): {name: _plain(read[name][i], kinds[name]) for name in kinds} for i, key in enumerate(keys)}


def _plain(cell: Any, kind: str) -> object:
    if kind.startswith("text"):
        return cell or ""  # Deep Lake reads empty text as None
    return [np.asarray(part) for part in cell] if kind == "polygon" else cell


# ----------------------------------------------------------------------- reference


@contextmanager
def sdk(fake: FakeLabelbox) -> Iterator[labelbox.Client]:
    """The real SDK, connected."""
    client = labelbox.Client(api_key=fake.key, endpoint=fake.endpoint, rest_endpoint=fake.rest_endpoint)
    try:
        yield client
    finally:
        client.connection.close()
        client._adv_client.session.close()


def exported(client: labelbox.Client, project_id: str) -> list[Json]:
    """Rows of an export, by the SDK's own stream."""
    task = client.get_project(project_id).export(params=ALL)
    task.wait_till_done()
    return [output.json for output in task.get_buffered_stream()] if task.has_result() else []


def expected(fake: FakeLabelbox, project_id: str, groups: Mapping[str, str] = {}) -> Rows:
    """What a dataset of the project has to hold."""

    def read_mask(url: str) -> np.ndarray:
        answer = requests.get(url, headers={"Authorization": f"Bearer {fake.key}"}, timeout=5)
        assert answer.ok, answer.text
        return np.array(Image.open(io.BytesIO(answer.content)))

    with sdk(fake) as client:
        rows = exported(client, project_id)
        ontology = client.get_project(project_id).ontology().normalized
        return expected_cells(rows, ontology, project_id=project_id, groups=groups, read_mask=read_mask)


# ------------------------------------------------------------------------ projects

ONTOLOGY: Json = {
    "tools": [
        {"tool": "rectangle", "name": "car", "classifications": [
            {"type": "radio", "instructions": "colour", "options": [{"label": "Red", "value": "red"}, {"label": "Blue", "value": "blue"}]},
            {"type": "text", "instructions": "plate"},
        ]},
        {"tool": "point", "name": "hub"},
        {"tool": "line", "name": "lane"},
        {"tool": "polygon", "name": "roof"},
        {"tool": "raster-segmentation", "name": "road"},
        {"tool": "raster-segmentation", "name": "sky"},
    ],
    "classifications": [
        {"type": "checklist", "instructions": "Weather", "scope": "index",
         "options": [{"label": "Rain", "value": "rain"}, {"label": "Fog", "value": "fog"}]},
        {"type": "radio", "instructions": "Site", "scope": "global",
         "options": [{"label": "Town", "value": "town"}, {"label": "Wald", "value": "wäld"}]},
        {"type": "text", "instructions": "Note", "scope": "global"},
    ],
}  # fmt: skip
RED, BLUE = (255, 0, 0), (0, 0, 255)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def single_mask(number: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A mask file of one object."""
    pixels = np.zeros(size[::-1], np.uint8)
    pixels[number % 30 :, number % 40 :] = 255
    return png(pixels)


def composite_mask(number: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A mask file of two objects, red and blue."""
    pixels = np.zeros((*size[::-1], 3), np.uint8)
    pixels[:10, number % 40 :] = RED
    pixels[20:, : 10 + number % 40] = BLUE
    return png(pixels)


def answer(name: str, kind: str, content: Any) -> Json:
    """A classification of an export."""
    return {"feature_id": f"q-{name}", "name": name, "value": name.lower(), kind: content}


def option(name: str, value: str) -> Json:
    return {"feature_id": f"o-{value}", "name": name, "value": value, "classifications": []}


def _car(number: int, frame: int) -> Json:
    return {
        "feature_id": f"car{number}", "name": "car", "value": "car", "annotation_kind": "VideoBoundingBox",
        "bounding_box": {"left": 1.25 * frame, "top": 2.0 + number, "width": 9.5, "height": 4.0},
        "classifications": [
            answer("colour", "radio_answer", option("Blue", "blue")),
            answer("plate", "text_answer", {"content": f"Grüße {number} 🚗"}),
        ],
    }  # fmt: skip


KINDS = {
    "hub": "VideoPoint",
    "lane": "VideoPolyline",
    "roof": "VideoPolygon",
    "road": "VideoSegmentationMask",
    "sky": "VideoSegmentationMask",
}


def _shape(name: str, number: int, **geometry: Any) -> Json:
    names = {"feature_id": f"{name}{number}", "name": name, "value": name, "annotation_kind": KINDS[name]}
    return {**names, "classifications": [], **geometry}


def _points(*pairs: tuple[float, float]) -> list[Json]:
    return [{"x": x, "y": y} for x, y in pairs]


def objects(fake: FakeLabelbox, number: int, frame: int, *, masks: bool = True) -> list[Json]:
    """Objects of every kind, moving with the frame."""
    found = [
        _car(number, frame),
        _shape("hub", number, point={"x": 3.5 * frame, "y": 7.0}),
        _shape("lane", number, line=_points((0, frame), (5.5, 6), (9, 9.25))),
        _shape("roof", number, polygon=_points((1, 1), (20, frame), (8, 30.5))),
    ]
    if not masks:
        return found
    road = fake.paint(single_mask(8 * number + frame), f"road-{number}-{frame}")
    both = fake.paint(composite_mask(8 * number + frame), f"both-{number}-{frame}")
    return [
        *found,
        _shape("road", number, mask={"url": road}),
        _shape("sky", number, composite_mask={"url": both, "color_rgb": list(RED)}),
        _shape("road", 100 + number, composite_mask={"url": both, "color_rgb": list(BLUE)}),
    ]


def video_annotations(fake: FakeLabelbox, number: int, frames: int, *, masks: bool = True) -> Json:
    """Everything on the first frame and on the last but one, and answers."""
    last = max(2, frames - 1)
    nodes: Json = {}
    for frame in (1, last):
        found = {node["feature_id"]: node for node in objects(fake, number, frame, masks=masks)}
        nodes[str(frame)] = {"objects": found, "classifications": []}
    tracks = nodes["1"]["objects"]
    rain = answer("Weather", "checklist_answers", [option("Rain", "rain"), option("Fog", "fog")])
    nodes["1"]["classifications"] = [rain]
    answers = [
        answer("Site", "radio_answer", option("Wald", "wäld")),
        answer("Note", "text_answer", {"content": f"日本語 {number}"}),
    ]
    segments = {name: [[1, last]] for name in tracks} | {"q-Weather": [[1, 2]]}
    drawn = {name: {"1": True, str(last): True} for name in tracks}
    return {"frames": nodes, "segments": segments, "key_frame_feature_map": drawn, "classifications": answers}


def image_annotations(fake: FakeLabelbox, number: int) -> Json:
    """One object of every kind, answers, and a relationship."""
    kinds = {"VideoBoundingBox": "ImageBoundingBox", "VideoPoint": "ImagePoint", "VideoPolyline": "ImagePolyline",
             "VideoPolygon": "ImagePolygon", "VideoSegmentationMask": "ImageSegmentationMask"}  # fmt: skip
    found = [{**node, "annotation_kind": kinds[node["annotation_kind"]]} for node in objects(fake, number, 1)]
    answers = [
        answer("Weather", "checklist_answers", [option("Fog", "fog")]),
        answer("Site", "radio_answer", option("Town", "town")),
        answer("Note", "text_answer", {"content": f"日本語 {number}"}),
    ]
    on = {
        "feature_id": f"on{number}", "name": "on", "value": "on", "annotation_kind": "ImageUnidirectionalRelationship",
        "unidirectional_relationship": {"source": f"hub{number}", "target": f"car{number}"},
    }  # fmt: skip
    return {"objects": found, "classifications": answers, "relationships": [on]}


def shown(ids: list[str], *lengths: int) -> dict[str, tuple[int, int]]:
    """What `Live.numbers` has to be, for videos whose numbers are their places in the list."""
    return {
        f"{uid}:{frame}": (number, frame)
        for number, (uid, length) in enumerate(zip(ids, lengths, strict=True))
        for frame in range(length)
    }


def clip_name(number: int) -> str:
    """One that has to be encoded."""
    return f"clip ü {number}.mp4"


def clip(folder: Path, number: int, frames: int) -> bytes:
    """A video that shows its number and the frame's."""
    path = folder / f"clip{number}.mp4"
    write_video(path, frames, 64, 48, video=number)
    return path.read_bytes()


Place = Callable[[int, bytes], str]
"""Puts a video somewhere; its address."""


def add_video(
    live: Live, number: int, frames: int, place: Place | None = None, *, batch: str = "", masks: bool = True
) -> str:
    """A labelled video in the project, at Labelbox's storage unless placed elsewhere. The id of its data row."""
    fake, data = live.fake, clip(live.folder / "media", number, frames)
    url = place(number, data) if place else fake.store(f"/o/{clip_name(number)}", data)
    names = {"global_key": f"Schlüssel {number}", "external_id": f"日本 {number} 🚗.mp4"}
    media = media_attributes(data, "clip.mp4")
    uid = fake.add_data_row(live.project_id, row_data=url, batch=batch or "batch", media_attributes=media, **names)
    fake.label(uid, video_annotations(fake, number, frames, masks=masks))
    return uid


def video_project(
    live: Live, lengths: Sequence[int] = (6, 4), place: Place | None = None, *, masks: bool = True
) -> list[str]:
    """A project of labelled videos in two batches. Ids of the data rows."""
    live.fake.add_project("lanes ü", "VIDEO", ONTOLOGY, project_id=live.project_id)
    return [
        add_video(live, number, frames, place, batch=f"batch {2 * number // len(lengths)}", masks=masks)
        for number, frames in enumerate(lengths)
    ]


def fetched(seen: list[Seen]) -> Counter[tuple[str, str]]:
    """How often every video and mask was asked for, by method and path."""
    return Counter((one.method, one.path) for one in seen if "/mask" in one.path or one.path.endswith(".mp4"))
