"""How much one writer takes in, and what several that write branches of their own and are merged would gain.

Encoded frames and their annotations are in memory, so nothing but writing is measured. Deep Lake merges a branch by
copying its rows, so the merge is a part of the price.

    python tests/benchmarks/writers.py [--rows 12800] [--size 1280x720] [--writers 1 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import deeplake
import numpy as np
import simplejpeg
from projects import Painter, Spec

BLOCK, COMMIT = 64, 1024
HEADER = "| writers | rows | MB | writing s | merging s | rows/s in all |\n" + 6 * "|---:" + "|"


def pictures(width: int, height: int) -> list[bytes]:
    """A block of encoded frames."""
    painter = Painter(Spec(videos=1, frames=BLOCK, width=width, height=height), 0)
    return [simplejpeg.encode_jpeg(painter.frame(number), 90, "RGB", "420") for number in range(BLOCK)]


def create(path: Path) -> Any:
    """A dataset with the columns of a video project with boxes."""
    dataset = deeplake.create(str(path))
    dataset.add_column("frames", deeplake.types.Image(deeplake.types.UInt8(), sample_compression="jpg"))
    dataset.add_column("boxes", deeplake.types.BoundingBox("float32", "ltwh", "pixel"))
    dataset.add_column("tracks", deeplake.types.Array("int32", 1))
    for number in range(12):
        dataset.add_column(f"text{number}", deeplake.types.Text())
    for number in range(6):
        dataset.add_column(f"number{number}", "int32")
    dataset.commit("made")
    return dataset


def block(frames: list[bytes]) -> dict[str, Any]:
    """A block of rows."""
    cells: dict[str, Any] = {"frames": frames, "boxes": [np.ones((3, 4), np.float32)] * BLOCK}
    cells["tracks"] = [np.arange(3, dtype=np.int32)] * BLOCK
    cells |= {f"text{number}": [f"text of a row {number}"] * BLOCK for number in range(12)}
    return cells | {f"number{number}": np.arange(BLOCK, dtype=np.int32) for number in range(6)}


def write(dataset: Any, rows: int, frames: list[bytes]) -> None:
    """Append and commit as lakebox's writer does."""
    cells = block(frames)
    for done in range(0, rows, BLOCK):
        dataset.append(cells)
        if done % COMMIT == 0:
            dataset.commit("in progress")
    dataset.commit("done")


def write_shard(path: str, name: str, rows: int, frames: list[bytes], ready: Any, go: Any) -> None:
    """A writer of its own branch, in a process of its own."""
    root = deeplake.open(path)  # a branch lives no longer than the dataset that it was opened by
    dataset = root.branches[name].open()
    ready.release()
    go.wait()
    write(dataset, rows, frames)


def measure(writers: int, rows: int, frames: list[bytes], folder: Path) -> dict[str, Any]:
    """Rows by one writer, or by several and a merge."""
    path = folder / f"lake{writers}"
    dataset = create(path)
    merging = 0.0
    if writers == 1:
        started = time.perf_counter()
        write(dataset, rows, frames)
        writing = time.perf_counter() - started
    else:
        names = [f"shard{number}" for number in range(writers)]
        for name in names:
            dataset.branch(name)
        context = multiprocessing.get_context("spawn")
        ready, go = context.Semaphore(0), context.Event()
        shards = [
            context.Process(daemon=True, target=write_shard, args=(str(path), name, rows // writers, frames, ready, go))
            for name in names
        ]
        for shard in shards:
            shard.start()
        for _ in shards:
            if not ready.acquire(timeout=60):
                raise SystemExit("a writer did not start")
        started = time.perf_counter()
        go.set()
        for shard in shards:
            shard.join()
        if any(shard.exitcode for shard in shards):
            raise SystemExit("a writer failed")
        writing = time.perf_counter() - started
        started = time.perf_counter()
        dataset = deeplake.open(str(path))
        for name in names:
            dataset.merge(name)
        merging = time.perf_counter() - started
    found = len(deeplake.open_read_only(str(path)))
    if found != rows:
        raise SystemExit(f"{found} rows are there, not {rows}")
    megabytes = rows * sum(map(len, frames)) / BLOCK / 1e6
    return {"writers": writers, "rows": rows, "megabytes": megabytes, "writing": writing, "merging": merging}


def main() -> int:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description="What one writer takes in, and several with a merge.")
    parser.add_argument("--rows", type=int, default=12_800)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--writers", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    given = parser.parse_args()
    frames = pictures(*(int(side) for side in given.size.split("x")))
    results = []
    print(HEADER)
    for writers in given.writers:
        with tempfile.TemporaryDirectory(prefix="lakebox-writers-") as folder:
            one = measure(writers, given.rows, frames, Path(folder))
        results.append(one)
        speed = one["rows"] / (one["writing"] + one["merging"])
        print(
            f"| {writers} | {one['rows']} | {one['megabytes']:.0f} | {one['writing']:.1f} | {one['merging']:.1f}"
            f" | {speed:.0f} |",
            flush=True,
        )
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
