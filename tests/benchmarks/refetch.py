"""What a re-fetch costs: a project of 200 videos at a Labelbox of our own, some labels changed, lakebox run again.

Each run is a process of its own, and so is the service. What is asked for is counted there; every cell of the dataset
is compared before and after, so that it is seen that only the changed data rows were written.

    python tests/benchmarks/refetch.py [--videos 200] [--frames 60] [--changed 1] [--providers in_place] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import deeplake
import numpy as np
from projects import Spec, write_clip

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.fake_labelbox import FakeLabelbox
from support.fake_labelbox.media import media_attributes

WIDTH, HEIGHT, CLIPS, MASKS = 640, 360, 8, 4
PROJECT = "project1"
CHANGED = "some changed"
AGO = "source.margin_minutes=0"
"""As if the first run had been long ago: with a margin of an hour, everything of this project would have just happened."""
HEADER = (
    "| provider | run | plan | s | of the first | export files | media | masks | rows written |\n" + 9 * "|---" + "|"
)
PROVIDERS = {
    "in_place": ("", "{lake}"),
    "branch": ("provider=branch", "{lake}@labelbox"),
    "separate": ("provider=separate", "{lake}_annotations"),
}
ONTOLOGY = {
    "tools": [
        {"tool": "rectangle", "name": "car", "featureSchemaId": "schema-car", "classifications": []},
        {"tool": "raster-segmentation", "name": "road", "featureSchemaId": "schema-road", "classifications": []},
    ],
    "classifications": [],
}


def label(fake: FakeLabelbox, number: int, frames: int, shift: float) -> dict[str, Any]:
    """A car that drives through the video, and a road on some frames."""
    nodes: dict[str, Any] = {}
    for frame in (1, frames):
        box = {"left": shift + frame, "top": 20.0, "width": 60.0, "height": 30.0}
        nodes[str(frame)] = {f"car{number}": _node("car", number, "VideoBoundingBox", bounding_box=box)}
    for frame in range(2, 2 + MASKS):
        pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
        pixels[frame * 10 :, number % 100 :] = 255
        url = fake.paint(_png(pixels), f"road-{number}-{frame}")
        nodes[str(frame)] = {f"road{number}": _node("road", number, "VideoSegmentationMask", mask={"url": url})}
    return {
        "frames": {frame: {"objects": objects, "classifications": []} for frame, objects in nodes.items()},
        "segments": {f"car{number}": [[1, frames]], f"road{number}": [[2, 1 + MASKS]]},
        "key_frame_feature_map": {f"car{number}": [1, frames], f"road{number}": list(range(2, 2 + MASKS))},
        "classifications": [],
    }


def _node(name: str, number: int, kind: str, **geometry: Any) -> dict[str, Any]:
    names = {"feature_id": f"{name}{number}", "feature_schema_id": f"schema-{name}", "name": name, "value": name}
    return {**names, "annotation_kind": kind, "classifications": [], **geometry}


def _png(pixels: np.ndarray) -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def serve(videos: int, frames: int, folder: Path, pipe: Any) -> None:
    """The service with its project; does what it is told over the pipe and says what was asked of it."""
    with FakeLabelbox() as fake:
        fake.add_project("lanes", "VIDEO", ONTOLOGY, project_id=PROJECT)
        labels, ids = [], []
        for number in range(videos):
            path = folder / f"clip{number % CLIPS}.mp4"
            if not path.exists():
                write_clip(path, Spec(frames=frames, width=WIDTH, height=HEIGHT), number)
            data = path.read_bytes()
            url = fake.store(f"/o/clip{number}.mp4", data)
            media = media_attributes(data, "clip.mp4")
            ids.append(fake.add_data_row(PROJECT, row_data=url, external_id=f"clip{number}", media_attributes=media))
            labels.append(fake.label(ids[-1], label(fake, number, frames, 0.0)))
        pipe.send((fake.endpoint, fake.rest_endpoint, fake.key))
        while (told := pipe.recv()) is not None:
            for number in range(int(told)):
                at = number * videos // int(told)
                fake.relabel(labels[at], label(fake, at, frames, 9.0))
            pipe.send(_asked(fake))


def _asked(fake: FakeLabelbox) -> dict[str, int]:
    """What came since the last time, and forget it."""
    seen = list(fake.seen)
    fake.seen.clear()
    count = Counter("media" if one.path.endswith(".mp4") else "masks" if "/mask" in one.path else "api" for one in seen)
    exports = [one for one in seen if one.path.startswith("/exports/")]
    return {**count, "exports": len(exports)}


@contextmanager
def service(videos: int, frames: int, folder: Path) -> Iterator[tuple[Any, Any]]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(videos, frames, folder, theirs), daemon=True)
    process.start()
    try:
        yield ours, ours.recv()
    finally:
        process.kill()
        process.join()


def lakebox(access: tuple[str, str, str], folder: Path, lake: Path, *more: str) -> dict[str, Any]:
    """One run of the command line; its report, with the seconds of the whole process."""
    endpoint, rest, key = access
    report = folder / "report.json"
    command = [
        sys.executable, "-m", "lakebox", "source=labelbox", f"source.endpoint={endpoint}", f"source.rest_endpoint={rest}",
        f"project_id={PROJECT}", f"path={lake}", f"report={report}", AGO, *more,
    ]  # fmt: skip
    started = time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "LABELBOX_API_KEY": key}, capture_output=True, text=True, check=False
    )
    wall = time.monotonic() - started
    if done.returncode:
        raise SystemExit(done.stderr + done.stdout)
    return {**json.loads(report.read_text(encoding="utf-8")), "wall": wall}


def cells(address: str) -> dict[str, dict[str, Any]]:
    """Row key -> column -> cell, but for pixels."""
    dataset = deeplake.open_read_only(address)
    names = [column.name for column in dataset.schema.columns if column.name not in ("frames", "lb_meta/state")]
    read = {name: dataset[name][:] for name in names}
    return {key: {name: read[name][i] for name in names} for i, key in enumerate(read["lb_meta/row_key"])}


def written(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> set[str]:
    """Data rows of which any cell differs."""
    if list(before) != list(after):
        raise SystemExit("rows were added, removed or moved")
    return {
        key.partition(":")[0]
        for key, row in before.items()
        if any(not np.array_equal(cell, after[key][name]) for name, cell in row.items())
    }


def measure(name: str, access: Any, pipe: Any, folder: Path, edits: int) -> Iterator[dict[str, Any]]:
    """First run, nothing changed, some of the labels changed, nothing changed."""
    option, address = PROVIDERS[name]
    lake = folder / name
    address = address.format(lake=lake)
    options = [option] if option else []
    pipe.send(0)
    pipe.recv()
    first, before = None, None
    for what in ("first", "nothing changed", CHANGED, "nothing changed"):
        if what == CHANGED:
            pipe.send(edits)
            pipe.recv()
        report = lakebox(access, folder, lake, *options)
        pipe.send(0)
        asked = pipe.recv()
        now = cells(address)
        changed = written(before, now) if before else {key.partition(":")[0] for key in now}
        first, before = first or report, now
        yield {
            "provider": name, "run": what, "plan": report["plan"], "seconds": report["seconds"], "wall": report["wall"],
            "share": report["seconds"] / first["seconds"], **asked, "written": len(changed),
        }  # fmt: skip


def line(one: dict[str, Any]) -> str:
    figures = (
        one["provider"], one["run"], one["plan"], f"{one['seconds']:.2f} ({one['wall']:.1f} with start)",
        f"1/{1 / one['share']:.0f}", one.get("exports", 0), one.get("media", 0), one.get("masks", 0), one["written"],
    )  # fmt: skip
    return f"| {' | '.join(map(str, figures))} |"


def main() -> int:
    """Run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description="What a re-fetch costs with some of many data rows changed.")
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--changed", type=int, default=1)
    parser.add_argument("--providers", nargs="+", choices=PROVIDERS, default=list(PROVIDERS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    arguments = parser.parse_args()
    results = []
    print(HEADER)
    for name in arguments.providers:
        with (
            tempfile.TemporaryDirectory() as folder,
            service(arguments.videos, arguments.frames, Path(folder)) as (pipe, access),
        ):
            for one in measure(name, access, pipe, Path(folder), arguments.changed):
                results.append(one)
                print(line(one), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({one["run"]: one["seconds"] for one in results if one["provider"] == arguments.providers[0]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
