"""How fast PyAV decodes a synthetic project's clips, with nothing done to the frames: the limit for any importer.

Usage: `python decode_run.py PROJECT`
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import av


def decoded_frames(clip: Path) -> int:
    """Decode a clip with all of the codec's threads and count its frames."""
    with av.open(str(clip)) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(1 for _ in container.decode(video=0))


def main() -> None:
    """Decode everything once and print frames, wall and CPU seconds as JSON."""
    parser = argparse.ArgumentParser(description="Measure decoding alone.")
    parser.add_argument("project", type=Path, help="a folder written by projects.py")
    clips = sorted(parser.parse_args().project.joinpath("media").iterdir())
    wall, cpu = time.perf_counter(), sum(os.times()[:2])
    frames = sum(decoded_frames(clip) for clip in clips)
    print(json.dumps({"frames": frames, "wall": time.perf_counter() - wall, "cpu": sum(os.times()[:2]) - cpu}))


if __name__ == "__main__":
    main()
