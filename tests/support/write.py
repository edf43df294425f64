"""Generated projects as files on disk, as a user would have them."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

from .ontologies import Json
from .projects import Project
from .video import write_image, write_video


def write_project(folder: Path | str, project: Project, *, media: bool) -> Path:
    """Write a project and return the path of its export.ndjson.

    Beside it stand ontology.json, the mask files and, with `media`, a video or
    image per data row, of the declared size and frame count. The picture numbers of
    data row i are (i, frame), frames from 0.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    export = folder / "export.ndjson"
    # one object per "\n"; other line separators stay raw inside texts
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in project.rows]
    export.write_bytes("".join(lines).encode())
    ontology = json.dumps(project.ontology, ensure_ascii=False, indent=1)
    (folder / "ontology.json").write_bytes(ontology.encode())
    for url, content in project.masks.items():
        (folder / url).parent.mkdir(parents=True, exist_ok=True)
        (folder / url).write_bytes(content)
    if media:
        for index, row in enumerate(project.rows):
            _write_media(folder, row, index)
    return export


def _write_media(folder: Path, row: Json, index: int) -> None:
    media = row["media_attributes"]
    path = folder / row["data_row"]["row_data"]
    size = media["width"], media["height"]
    if "frame_count" in media:
        fps = Fraction(media["frame_rate"]).limit_denominator(1001)
        write_video(path, media["frame_count"], *size, fps=fps, video=index)
    else:
        write_image(path, *size, video=index)
