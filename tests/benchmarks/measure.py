"""What both contenders are timed and checked with, in the process that does the work."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import deeplake
import numpy as np
from images import number_of, true_box
from projects import Spec, masked_frames, read_spec, read_stamp, true_answers, true_boxes, true_mask

T = TypeVar("T")
READ_ROWS = 10_000
SAMPLED_PICTURES = 12
LOSS = 6
"""Mean difference of 8-bit values that JPEG may make; the next frame of a moving picture is farther off."""


def measured(work: Callable[[], T]) -> tuple[T, dict[str, float]]:
    """The result of some work, its wall and CPU seconds (threads and ended children too) and the peak memory so far."""
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    result = work()
    cost = {"wall": time.perf_counter() - wall, "cpu": sum(os.times()[:4]) - cpu}
    return result, {**cost, "peak": peak_memory()}


def peak_memory() -> int:
    """Most resident memory this process ever had, in bytes.

    Linux starts `ru_maxrss` at the size of the process that started this one, so its own record is preferred there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def folder_bytes(folder: Path) -> int:
    """Size of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def cells(dataset: Any, column: str) -> Iterator[Any]:
    """All cells of a column, read in slices."""
    for start in range(0, len(dataset), READ_ROWS):
        yield from dataset[column][start : min(start + READ_ROWS, len(dataset))]


def identities(dataset: Any) -> list[tuple[int, int]]:
    """Which video and frame each row says it is."""
    videos, frames = ([int(cell) for cell in cells(dataset, name)] for name in ("video_idx", "frame_idx"))
    return list(zip(videos, frames, strict=True))


def by_column(videos: list[dict[str, T]]) -> dict[str, list[T]]:
    """The truth of all videos, column by column."""
    return {column: [video[column] for video in videos] for column in videos[0]}


def box_facts(found: Iterator[Any], rows: list[tuple[int, int]], truth: list[list[list[Any]]]) -> dict[str, Any]:
    """How the boxes of a column compare with the truth, frame by frame, in whatever order a cell has them."""
    facts = {"cells": 0, "boxes": 0, "wrong_cells": 0, "largest_error": 0.0}
    for cell, (video, frame) in zip(found, rows, strict=True):
        boxes = np.zeros((0, 4)) if cell is None else np.asarray(cell, dtype=np.float64).reshape(-1, 4)
        expected = np.reshape(truth[video][frame], (-1, 4))
        facts["cells"] += len(boxes) > 0
        facts["boxes"] += len(boxes)
        if len(boxes) != len(expected):
            facts["wrong_cells"] += 1
        elif len(boxes):
            error = float(np.abs(np.sort(boxes, axis=0) - np.sort(expected, axis=0)).max())
            facts["largest_error"] = max(facts["largest_error"], error)
    return facts


def answer_facts(found: Iterator[Any], rows: list[tuple[int, int]], truth: list[list[set[int]]]) -> dict[str, Any]:
    """How many rows carry an answer, and on how many it is not one that was given there."""
    facts = {"cells": 0, "wrong_cells": 0}
    for cell, (video, frame) in zip(found, rows, strict=True):
        chosen = set() if cell is None else {int(index) for index in np.ravel(cell) if index >= 0}
        expected = truth[video][frame]
        facts["cells"] += len(chosen) > 0
        facts["wrong_cells"] += not chosen <= expected or bool(chosen) != bool(expected)
    return facts


def mask_facts(dataset: Any, rows: list[tuple[int, int]], spec: Spec) -> dict[str, int]:
    """How many rows have a mask, and on how many it is not the one that belongs there."""
    column = next(name for name in ("mask", "mask/mask") if name in {each.name for each in dataset.schema.columns})
    expected, facts = set(masked_frames(spec)), {"cells": 0, "wrong_cells": 0}
    for cell, (video, frame) in zip(cells(dataset, column), rows, strict=True):
        mask = np.zeros((0, 0, 0)) if cell is None else np.asarray(cell)
        facts["cells"] += mask.size > 0
        if (mask.size > 0) != (frame in expected):
            facts["wrong_cells"] += 1
        elif mask.size:
            facts["wrong_cells"] += not np.array_equal(mask[..., 0], true_mask(spec, video, frame))
    return facts


def sampled(count: int) -> list[int]:
    """Some rows, the first and the last among them."""
    return sorted({round(at) for at in np.linspace(0, count - 1, SAMPLED_PICTURES).tolist()})


def picture_facts(dataset: Any, rows: list[tuple[int, int]]) -> dict[str, int]:
    """Whether sampled pictures show the frame that their row says they are."""
    sample = sampled(len(rows))
    wrong = sum(read_stamp(np.asarray(dataset["frames"][row])) != rows[row] for row in sample)
    return {"looked_at": len(sample), "wrong": wrong}


def stored_videos(dataset: Any, videos: Path, rows: list[tuple[int, int]]) -> dict[str, int]:
    """The same of frames that are in whole videos, which lie beside the dataset."""
    sample, files = sampled(len(rows)), deeplake.open_read_only(str(videos))
    places = [(int(dataset["video_row"][row]), int(dataset["frame_idx"][row])) for row in sample]
    pictures = [np.asarray(files["video"][file][frame])[0] for file, frame in places]
    wrong = sum(read_stamp(picture) != rows[row] for row, picture in zip(sample, pictures, strict=True))
    return {"looked_at": len(sample), "wrong": wrong}


def videos_beside(dataset: Path) -> Path:
    """Where `pixels=video` keeps the files."""
    return dataset.with_name(f"{dataset.name}_videos")


def probe_video(dataset: Any, videos: Path, spec: Spec, *, annotated: bool) -> dict[str, Any]:
    """What a dataset of videos holds, against what the project's spec says it should."""
    rows = identities(dataset)
    names = {column.name for column in dataset.schema.columns}
    pictures = picture_facts(dataset, rows) if "frames" in names else None
    if "video_row" in names:
        pictures = stored_videos(dataset, videos, rows)
    found: dict[str, Any] = {
        "rows": len(rows),
        "distinct_rows": len(set(rows)),
        "boxes": {},
        "answers": {},
        "pictures": pictures,
    }
    if annotated:
        boxes = by_column([true_boxes(spec, video) for video in range(spec.videos)])
        answers = by_column([true_answers(spec, video) for video in range(spec.videos)])
        found["boxes"] = {name: box_facts(cells(dataset, name), rows, truth) for name, truth in boxes.items()}
        found["answers"] = {name: answer_facts(cells(dataset, name), rows, truth) for name, truth in answers.items()}
        if spec.masked_every:
            found["answers"]["mask"] = mask_facts(dataset, rows, spec)
    return found


def probe_images(dataset: Any, *, annotated: bool) -> dict[str, Any]:
    """What a dataset of images holds, against what the project's writer put there."""
    numbers = [int(cell) for cell in cells(dataset, "image_idx")]
    wrong = sum(
        number_of(read_stamp(np.asarray(dataset["image"][row]))) != numbers[row] for row in sampled(len(numbers))
    )
    rows, truth = [(0, number) for number in numbers], [[[true_box(number)] for number in sorted(numbers)]]
    boxes = {"vehicle": box_facts(cells(dataset, "vehicle"), rows, truth)} if annotated else {}
    pictures = {"looked_at": SAMPLED_PICTURES, "wrong": wrong}
    return {"rows": len(rows), "distinct_rows": len(set(rows)), "boxes": boxes, "answers": {}, "pictures": pictures}


def probe_clips(dataset: Any, project: Path, told: dict[str, Any]) -> dict[str, Any]:
    """Whether sampled rows show what decoding their clip gives, as nearly as JPEG can."""
    rows = identities(dataset)
    wrong = sum(
        far_off(np.asarray(dataset["frames"][row]), decoded(project / told["clips"][rows[row][0]], rows[row][1]))
        for row in sampled(len(rows))
    )
    pictures = {"looked_at": SAMPLED_PICTURES, "wrong": wrong}
    return {"rows": len(rows), "distinct_rows": len(set(rows)), "boxes": {}, "answers": {}, "pictures": pictures}


def far_off(stored: Any, picture: Any) -> bool:
    """Whether two pictures differ by more than a coder's loss."""
    return bool(np.abs(stored.astype(int) - picture.astype(int)).mean() > LOSS)


def decoded(clip: Path, number: int) -> Any:
    """A frame of a clip, counted from its start."""
    import av

    with av.open(str(clip)) as container:
        return next(islice(container.decode(video=0), number, None)).to_ndarray(format="rgb24")


def media_of(project: Path) -> str:
    """`image` or `video`."""
    return "image" if read_told(project).get("media_type") == "image" else "video"


def read_told(project: Path) -> dict[str, Any]:
    """What the project's writer says of it."""
    told: dict[str, Any] = json.loads(project.joinpath("spec.json").read_text(encoding="utf-8"))
    return told


def held(project: Path, dataset: Path, *, annotated: bool) -> dict[str, Any]:
    """The dataset's size and its probe: to be taken after everything was measured, since it reads the dataset back."""
    opened = deeplake.open_read_only(str(dataset))
    told = read_told(project)
    if told.get("media_type") == "image":
        probe = probe_images(opened, annotated=annotated)
    elif told.get("media_type") == "clips":
        probe = probe_clips(opened, project, told)
    else:
        probe = probe_video(opened, videos_beside(dataset), read_spec(project), annotated=annotated)
    size = folder_bytes(dataset) + folder_bytes(videos_beside(dataset))
    return {"dataset_bytes": size, "probe": probe}
