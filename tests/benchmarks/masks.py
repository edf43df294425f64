"""How fast mask files come: 1,000 of them over loopback, each answer 20 ms late, beside fetching one after another.

Three projects: all masks in one video, one mask in each of 1,000 images whose media come from there, too, and those
images without media. Every run has a process of its own, and every mask of its dataset is checked.

    python tests/benchmarks/masks.py [--masks 1000] [--late 20] [--json FILE]
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import deeplake
import numpy as np
import requests
from measure import measured
from PIL import Image

from lakebox import load_config, run

WIDTH, HEIGHT = 320, 180
HEADER = "| project | files | one by one | lakebox | of it |\n|---|---:|---:|---:|---:|"


def mask(number: int) -> np.ndarray:
    """The mask of a number: a row of pixels per bit."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for bit in range(16):
        pixels[8 * bit : 8 * bit + 8] = 255 * (number >> bit & 1)
    pixels[-1] = 255
    return pixels


def number_of(pixels: np.ndarray) -> int:
    return sum(int(pixels[8 * bit, 0, 0]) << bit for bit in range(16))


class _Late(BaseHTTPRequestHandler):
    """Answers with the mask of the number in the path, or with a picture, after a while."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body leave together; else TCP adds a wait of its own
    late = 0.02
    files: dict[str, bytes]

    def do_GET(self) -> None:
        time.sleep(self.late)
        data = self.files[self.path]
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def serve(masks: int, late: float, ready: Any) -> None:
    """The server, in a process of its own so that it does not share Python's lock."""
    picture = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    _Late.files = {f"/mask/{n}": png(mask(n)) for n in range(masks)} | {
        f"/still/{n}.png": png(picture) for n in range(masks)
    }
    _Late.late = late
    server = _Server(("127.0.0.1", 0), _Late)
    ready.put(server.server_address[1])
    server.serve_forever()


@contextmanager
def server(masks: int, late: float) -> Iterator[str]:
    ready: Any = multiprocessing.Queue()
    process = multiprocessing.Process(target=serve, args=(masks, late, ready), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ready.get(timeout=60)}"
    finally:
        process.kill()
        process.join()


def road(number: int, base: str, kind: str) -> dict[str, Any]:
    return {
        "feature_id": f"road{number}", "feature_schema_id": "schema", "name": "road", "value": "road",
        "annotation_kind": f"{kind}SegmentationMask", "classifications": [], "mask": {"url": f"{base}/mask/{number}"},
    }  # fmt: skip


def data_row(uid: str, url: str, media: dict[str, Any], kind: str, annotations: dict[str, Any]) -> dict[str, Any]:
    label = {"label_kind": kind, "id": f"label-{uid}", "annotations": annotations, "label_details": {}}
    project = {"name": "masks", "labels": [label], "project_details": {"ontology_id": "o"}}
    size = {"width": WIDTH, "height": HEIGHT}
    return {"data_row": {"id": uid, "row_data": url}, "media_attributes": {**size, **media}, "projects": {"p": project}}


def video(masks: int, base: str) -> list[dict[str, Any]]:
    frames = {
        str(n + 1): {"objects": {f"road{n}": road(n, base, "Video")}, "classifications": []} for n in range(masks)
    }
    segments = {f"road{n}": [[n + 1, n + 1]] for n in range(masks)}
    media = {"frame_count": masks, "frame_rate": 30, "asset_type": "video"}
    annotations = {"frames": frames, "segments": segments, "key_frame_feature_map": {}, "classifications": []}
    return [data_row("v", f"{base}/none.mp4", media, "Video", annotations)]


def images(masks: int, base: str) -> list[dict[str, Any]]:
    def one(n: int) -> dict[str, Any]:
        annotations = {"objects": [road(n, base, "Image")], "classifications": [], "relationships": []}
        return data_row(f"i{n:05}", f"{base}/still/{n}.png", {"asset_type": "image"}, "Image", annotations)

    return [one(n) for n in range(masks)]


def one_by_one(urls: list[str]) -> None:
    """As a script would: one connection, kept open."""
    with requests.Session() as session:
        for url in urls:
            session.get(url, timeout=10).raise_for_status()


def sync(rows: list[dict[str, Any]], folder: Path, *more: str) -> None:
    """In this process, which is a fresh one."""
    folder.mkdir()
    export = folder / "export.ndjson"
    export.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    report = run(load_config("source=export_file", f"source.export={export}", f"path={folder / 'lake'}", *more))
    assert report.ok, report.failures[:3]


def check(folder: Path, masks: int) -> None:
    dataset = deeplake.open_read_only(str(folder / "lake"))
    found = [number_of(np.asarray(cell)) for cell in dataset["road"][:]]
    assert found == list(range(masks)), "masks are missing or on wrong rows"


def timed(work: Any, *given: Any) -> dict[str, float]:
    """Cost of some work in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return dict(pool.apply(_timed, (work, given)))


def _timed(work: Any, given: tuple[Any, ...]) -> dict[str, float]:
    import lakebox.runner  # noqa: F401 - importing is not what is measured

    return measured(lambda: work(*given))[1]


def main() -> int:
    """Fetch one after another, sync, compare."""
    parser = argparse.ArgumentParser(description="How fast mask files come.")
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--late", type=float, default=20, metavar="MS")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    given = parser.parse_args()
    results = []
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory(prefix="lakebox-masks-") as work, server(given.masks, given.late / 1000) as base:
        masks = [f"{base}/mask/{n}" for n in range(given.masks)]
        stills = [f"{base}/still/{n}.png" for n in range(given.masks)]
        cases = {
            "one video": (video, masks, ["pixels=none"]),
            "images": (images, masks + stills, ["pixels=png"]),
            "images, labels only": (images, masks, ["pixels=none"]),
        }
        for name, (make, urls, more) in cases.items():
            folder = Path(work) / name.replace(" ", "-").replace(",", "")
            alone = timed(one_by_one, urls)
            ours = timed(sync, make(given.masks, base), folder, *more)
            check(folder, given.masks)
            results.append({"project": name, "files": len(urls), "one_by_one": alone, "lakebox": ours})
            share = ours["wall"] / alone["wall"]
            print(f"| {name} | {len(urls)} | {alone['wall']:.2f} s | {ours['wall']:.2f} s | {share:.1%} |", flush=True)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
