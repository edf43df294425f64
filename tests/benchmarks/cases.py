"""What is compared: projects, who runs on them, and what has to come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

Run = dict[str, Any]
Runs = dict[str, list[Run]]
"""Who -> the runs of the repetitions."""

DECODE, FETCH = "decode only", "fetch only"


@dataclass(frozen=True)
class Contender:
    """A script that imports a project, and how far from the truth its boxes may be."""

    name: str
    script: str
    tolerance: float = 0.01
    options: tuple[str, ...] = ()
    served: bool = True
    """Whether it gets images and masks over HTTP in a case that serves them; otherwise from this machine's disk."""


UPSTREAM = Contender("upstream", "upstream_run.py", tolerance=1.0)
LAKEBOX = Contender("lakebox", "lakebox_run.py")
PNG = Contender("lakebox pixels=png", "lakebox_run.py", options=("--set", "pixels=png"))
VIDEO = Contender("lakebox pixels=video", "lakebox_run.py", options=("--set", "pixels=video"))


OVER_HTTP = Contender("lakebox over HTTP", "lakebox_run.py")
FROM_DISK = Contender("lakebox", "lakebox_run.py", served=False)


@dataclass(frozen=True)
class Line:
    """One line of the table of ratios."""

    work: str
    against: str
    target: float
    ratio: Callable[[Runs], float]


def middle(runs: list[Run], task: str, kind: str) -> float:
    """The median of a figure: `wall` or `stage` seconds, `cpu` seconds, `peak` bytes."""
    return median(float(run["tasks"][task][kind]) for run in runs)


def times(who: str, task: str, kind: str = "wall") -> Callable[[Runs], float]:
    """How many times upstream's figure somebody else's is smaller."""
    return lambda runs: middle(runs["upstream"], task, kind) / middle(runs[who], task, kind)


def of_limit(who: str, limit: str) -> Callable[[Runs], float]:
    """Speed as a share of what reading alone makes possible."""
    return lambda runs: median(run["wall"] for run in runs[limit]) / middle(runs[who], "create", "wall")


def whole(who: str) -> Callable[[Runs], float]:
    """As `times`, of creating and annotating together."""
    return lambda runs: (
        sum(middle(runs["upstream"], task, "wall") for task in ("create", "annotate"))
        / sum(middle(runs[who], task, "wall") for task in ("create", "annotate"))
    )


@dataclass(frozen=True)
class Case:
    """A project and the lines of the table that it is for."""

    name: str
    title: str
    script: str
    project: tuple[str, ...]
    lines: tuple[Line, ...]
    contenders: tuple[Contender, ...] = (UPSTREAM, LAKEBOX)
    tasks: tuple[str, ...] = ("create", "annotate")
    served: bool = False
    """Images and masks come over loopback HTTP."""
    limit: str = ""
    """Script that does nothing but read: `decode_run.py` or `fetch_run.py`."""
    slow: bool = False
    """Only in the full comparison."""


def video_project(videos: int, frames: int, size: str, *more: str) -> tuple[str, ...]:
    """Arguments of `projects.py`."""
    return ("--videos", str(videos), "--frames", str(frames), "--size", size, *more)


def pixels_case(name: str, title: str, size: str, videos: int, *, slow: bool = False) -> Case:
    """Videos to rows, in each way of storing them."""
    lines = [
        Line(f"video -> `jpeg`, {title}", "upstream create", 12, times("lakebox", "create")),
        Line("the same", "decode-only frames/s", 0.45, of_limit("lakebox", DECODE)),
        Line(f"video -> `png` lossless, {title}", "upstream create", 6, times(PNG.name, "create")),
        Line(f"video -> `video`, {title}", "upstream create", 200, times(VIDEO.name, "create")),
    ]
    if title == "720p":
        half = times("lakebox", "create", "peak")
        lines.append(Line("peak memory, 4 x 300 frames 1280x720", "upstream", 2, half))
    return Case(
        name,
        f"{videos} x 300 frames {size}",
        "projects.py",
        video_project(videos, 300, size),
        tuple(lines) if title != "1080p" else (),
        (UPSTREAM, LAKEBOX, PNG, VIDEO),
        tasks=("create",),
        limit="decode_run.py",
        slow=slow,
    )


def annotation_case(name: str, title: str, target: float, project: tuple[str, ...], *, slow: bool = False) -> Case:
    """Annotations on rows that are there; the export is in memory (upstream) or in the system's cache."""
    line = Line(f"annotations, {title}", "upstream apply", target, times("lakebox", "annotate", "stage"))
    return Case(name, title, "projects.py", project, (line,), slow=slow)


CASES = (
    pixels_case("360p", "360p", "640x360", 4),
    pixels_case("720p", "720p", "1280x720", 4),
    pixels_case("1080p", "1080p", "1920x1080", 1, slow=True),
    Case(
        "clips",
        "real clips: vtest.avi, bikes.mp4, bigbuckbunny.mp4",
        "clips.py",
        ("--fetched", str(Path(__file__).parents[2] / ".venv" / "clips")),
        (
            Line("real clips -> `jpeg`", "upstream create", 12, times("lakebox", "create")),
            Line("the same", "decode-only frames/s", 0.45, of_limit("lakebox", DECODE)),
            Line("real clips -> `png` lossless", "upstream create", 6, times(PNG.name, "create")),
        ),
        (UPSTREAM, LAKEBOX, PNG),
        tasks=("create",),
        limit="decode_run.py",
        slow=True,
    ),
    annotation_case("rows", "4,800 rows, few objects", 40, video_project(16, 300, "160x96")),
    annotation_case("more_rows", "19,200 rows, few objects", 150, video_project(64, 300, "160x96"), slow=True),
    annotation_case(
        "tracks",
        "3,000 frames, 80 tracks x 10 segments",
        40,
        video_project(1, 3000, "160x96", "--tracks", "80", "--segments", "10"),
    ),
    Case(
        "masks",
        "4 x 300 frames 640x360, a mask on every tenth",
        "projects.py",
        video_project(4, 300, "640x360", "--masked-every", "10"),
        (Line("whole run, 4 x 300 frames 640x360 with masks", "upstream", 10, whole("lakebox")),),
        served=True,
    ),
    Case(
        "images",
        "1,000 JPEG images 1280x720",
        "images.py",
        ("--images", "1000", "--size", "1280x720"),
        (
            Line(
                "JPEG images (upstream cannot read files: over loopback HTTP)",
                "upstream create",
                40,
                times("lakebox", "create"),
            ),
            Line("the same, both over loopback HTTP", "upstream create", 20, times(OVER_HTTP.name, "create")),
            Line("the same", "fetch-only images/s", 0.45, of_limit(OVER_HTTP.name, FETCH)),
        ),
        (UPSTREAM, FROM_DISK, OVER_HTTP),
        served=True,
        limit="fetch_run.py",
    ),
)
