"""A recording for Rerun's viewer, to scrub through long videos with their objects. Needs the extra `rerun`.

The viewer shows of every entity what was said of it last, also when nothing was said for long. So each column that was
met in a data row says on every later frame which objects there are, also that there are none.

    videos/<data row id>/image                        the frame; timelines `frame`, as in the source video, and `row`
    videos/<data row id>/now/<column>                 its objects
    videos/<data row id>/before/<column>              those of an earlier version, where they changed since
    videos/<data row id>/answers/now, answers/before  name, frame and what is said about it
    images/...                                        the same of an image project, one after another by `row`
    about                                             what the recording is
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import rerun as rr
import rerun.blueprint as rrb
from rerun.error_utils import catch_and_log_exceptions

from lakebox.adapters.image import jpeg
from lakebox.adapters.png import png
from lakebox.core.colours import COLOURS, class_colour
from lakebox.core.page import Picture, Shown
from lakebox.core.preview import Overlay
from lakebox.core.tint import Rgb, tinted
from lakebox.errors import ConfigError

MOST_TABS = 30
"""Videos with a view of their own; the viewer has the others among its entities."""
FRAMES_HELD = 32
"""Frames after which all is written: what memory holds at most."""
_DRAWN, _BETWEEN = (2.0, 4.0, 0.4), (0.9, 2.0, 0.15)
"""Thickness of lines and points, in points of the screen, and opacity of masks: drawn by a person, interpolated."""


def record(shown: Shown, file: Path) -> None:
    """Write the pictures of a dataset as a recording, which is whole and closed when this returns; `rerun <file>`
    opens it. A few frames are held at a time, nothing goes over the network, no viewer is started.

    Raises:
        ConfigError: the environment variable RERUN switches Rerun off.
        OSError: the file cannot be written, or not all of it.
    """
    stream = rr.RecordingStream("lakebox")
    if not rr.is_enabled(stream):
        raise ConfigError("preview.format=rerun: the environment variable RERUN switches Rerun off; unset it")
    with file.open("wb") as out, catch_and_log_exceptions(strict=True):  # else what Rerun cannot take is only a warning
        pump = _Pump(out)
        try:
            pump.attach(stream)
            _log(stream, shown, pump)
        finally:
            stream.disconnect()
            pump.join()
        pump.check()


class _Pump(threading.Thread):
    """Writes what Rerun puts into a pipe. Given the file itself, Rerun 0.41 may wait without end for its own writing
    thread when the disk is full, and says nothing when only the end of the file is missing."""

    def __init__(self, out: BinaryIO) -> None:
        super().__init__(daemon=True)
        self._out = out
        self._failed: OSError | None = None
        self._from, self._into = os.pipe()

    def attach(self, stream: rr.RecordingStream) -> None:
        """Begin; the thread ends when the stream is disconnected."""
        self.start()
        try:
            stream.save(f"/dev/fd/{self._into}")
        finally:
            os.close(self._into)  # the stream has its own

    def run(self) -> None:
        """Empty the pipe to its end, also when nothing can be written any more: Rerun waits for that."""
        with os.fdopen(self._from, "rb", buffering=0) as pipe:
            while data := pipe.read(1 << 20):
                try:
                    if self._failed is None:
                        self._out.write(data)
                except OSError as error:
                    self._failed = error

    def check(self) -> None:
        """Raise what went wrong in the thread."""
        if self._failed is not None:
            raise self._failed


def _log(stream: rr.RecordingStream, shown: Shown, pump: _Pump) -> None:
    stream.set_log_time_enabled(False)  # nobody scrubs by when a frame was written
    stream.send_recording_name(_clean(shown.doing.address))
    classes, trees = _Classes(shown.classes), dict[tuple[str, ...], _Tree]()
    for count, picture in enumerate(shown.pictures, 1):
        root, name = _place(picture, shown)
        tree = trees.setdefault(root, _Tree(stream, root, name, classes))
        stream.set_time("row", sequence=picture.row)
        if shown.media == "video":
            stream.set_time("frame", sequence=picture.frame)
        tree.show(picture)
        if count % FRAMES_HELD == 0:
            stream.flush()
            pump.check()
    stream.log("about", _text(*_about(shown, list(trees.values()))), static=True)
    stream.log("/", rr.AnnotationContext(classes.listed()), static=True)
    stream.send_blueprint(_blueprint(shown.media, list(trees.values())))


def _place(picture: Picture, shown: Shown) -> tuple[tuple[str, ...], str]:
    """Where a picture's entities are, and what people call that. All images are in one place, to be gone through."""
    if shown.media != "video":
        return ("images",), "images"
    return ("videos", _clean(picture.key.rpartition(":")[0])), _clean(shown.assets[picture.asset])


class _Classes:
    """Numbers of classes: the project's own in its order, then others as they are met."""

    def __init__(self, listed: Sequence[str]) -> None:
        self._listed = listed
        self._numbers = {name: number for number, name in enumerate(dict.fromkeys(listed))}

    def number(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers))

    def colour(self, name: str) -> Rgb:
        red, green, blue = bytes.fromhex(COLOURS[class_colour(name, self._listed)][1:])
        return red, green, blue

    def listed(self) -> list[rr.AnnotationInfo]:
        return [rr.AnnotationInfo(number, _clean(name), self.colour(name)) for name, number in self._numbers.items()]


Archetypes = list[Any]
"""What is logged of an entity at once; each time all of it, so that nothing of an earlier frame stays."""
Draws = Callable[[Sequence[Overlay], _Classes], Archetypes]


@dataclass
class _Tree:
    """The entities of one data row, or of all images."""

    stream: rr.RecordingStream
    root: tuple[str, ...]
    name: str
    classes: _Classes
    met: dict[tuple[str, str, Draws], None] = field(default_factory=dict)
    """(now or before, column, what draws it) of all objects so far."""
    changed: bool = False
    """Whether there was anything to show of an earlier version."""

    def show(self, picture: Picture) -> None:
        """Log a picture and all that is said about it, at the times that were set."""
        tile = picture.tile
        self._log(["image"], [rr.EncodedImage(contents=jpeg(tile.image), media_type="image/jpeg")])
        self._log(["answers", "now"], [_text(tile.title, *tile.facts)])
        self._show("now", tile.overlays)
        self.changed |= picture.before is not None
        if self.changed:
            told = picture.facts_before if picture.before is not None else ("nothing changed here",)
            self._log(["answers", "before"], [_text(tile.title, *told)])
            self._show("before", picture.before or ())

    def _show(self, side: str, overlays: Sequence[Overlay]) -> None:
        found: dict[tuple[str, str, Draws], list[Overlay]] = {key: [] for key in self.met if key[0] == side}
        for each in overlays:
            if np.size(each.shape):
                found.setdefault((side, each.column, _DRAWS[each.kind]), []).append(each)
        self.met |= dict.fromkeys(found)
        for (_, column, draws), objects in found.items():
            self._log([side, _clean(column)], draws(objects, self.classes))

    def _log(self, below: list[str], archetypes: Archetypes) -> None:
        self.stream.log([*self.root, *below], *archetypes)

    def tab(self) -> rrb.Horizontal:
        """Its pictures, with what was before beside them if anything changed, and what is said about them."""
        origin = rr.new_entity_path([*self.root])
        sides = ["before", "now"] if self.changed else ["now"]
        views: list[rrb.View] = [
            rrb.Spatial2DView(origin=origin, contents=["$origin/image", f"$origin/{side}/**"], name=side)
            for side in sides
        ]
        answers = [rrb.TextDocumentView(origin=f"{origin}/answers/{side}", name=f"{side}: answers") for side in sides]
        return rrb.Horizontal(*views, rrb.Vertical(*answers), column_shares=[3.0] * len(views) + [1.0], name=self.name)


def _boxes(boxes: Sequence[Overlay], classes: _Classes) -> Archetypes:
    ltwh = np.array([each.shape for each in boxes], np.float64).reshape(-1, 4)
    half = ltwh[:, 2:] / 2
    return [rr.Boxes2D.from_fields(half_sizes=half, centers=ltwh[:, :2] + half, **_look(boxes, classes))]


def _lines(lines: Sequence[Overlay], classes: _Classes) -> Archetypes:
    return [rr.LineStrips2D.from_fields(strips=[_strip(each) for each in lines], **_look(lines, classes))]


def _strip(line: Overlay) -> np.ndarray[Any, Any]:
    """The vertices; those of an outline end where they began."""
    shape = np.asarray(line.shape)
    return np.vstack([shape, shape[:1]]) if line.kind == "polygon" and (shape[0] != shape[-1]).any() else shape


def _points(points: Sequence[Overlay], classes: _Classes) -> Archetypes:
    at = np.array([each.shape for each in points]).reshape(-1, 2)
    return [rr.Points2D.from_fields(positions=at, **_look(points, classes, part=1))]


def _masks(masks: Sequence[Overlay], classes: _Classes) -> Archetypes:
    """One picture over the frame, and the names at a point within each mask."""
    tints = [(np.asarray(each.shape, np.bool_), classes.colour(each.name), _weight(each, 2)) for each in masks]
    data = png(tinted(tints, tints[0][0].shape)) if tints else None
    named = [(each, mask) for each, (mask, _, _) in zip(masks, tints, strict=True) if mask.any()]
    at = [np.argwhere(mask)[np.count_nonzero(mask) // 2][::-1] + 0.5 for _, mask in named]
    picture = rr.EncodedImage.from_fields(clear_unset=True, blob=data, media_type="image/png", draw_order=0.0)
    look = _look([each for each, _ in named], classes, part=1)
    return [picture, rr.Points2D.from_fields(positions=np.array(at).reshape(-1, 2), **look)]


_DRAWS: dict[str, Draws] = {"box": _boxes, "polygon": _lines, "line": _lines, "point": _points, "mask": _masks}


def _look(overlays: Sequence[Overlay], classes: _Classes, part: int = 0) -> dict[str, Any]:
    """Names, class numbers, which give the colours, and thickness of objects."""
    return {
        "labels": [_clean(each.caption) for each in overlays],
        "show_labels": True,
        "class_ids": [classes.number(each.name) for each in overlays],
        "radii": rr.Radius.ui_points([_weight(each, part) for each in overlays]),
    }


def _weight(overlay: Overlay, part: int) -> float:
    return (_DRAWN if overlay.keyframe else _BETWEEN)[part]


def _about(shown: Shown, trees: Sequence[_Tree]) -> Iterator[str]:
    """Lines that say what the recording is."""
    doing, rows = shown.doing, shown.statistics.rows
    yield from (doing.title, doing.address, f"version {doing.version}")
    yield f"{len(shown.pictures)} of {rows} rows; thick: drawn by a person, thin: interpolated"
    yield from (f"{name}: {said}" for name, said in doing.lines)
    yield from (" ".join(["failed:", *failure.values()]) for failure in doing.failures)
    yield from (f"warning: {warning}" for warning in doing.warnings)
    yield from (f"{rr.new_entity_path([*tree.root])}: {tree.name}" for tree in trees)


def _blueprint(media: str, trees: Sequence[_Tree]) -> rrb.Blueprint:
    """How the viewer begins: a tab for each video, those of which anything changed first."""
    tabs = [tree.tab() for tree in sorted(trees, key=lambda tree: not tree.changed)[:MOST_TABS]]
    about = rrb.TextDocumentView(origin="about", name="about")
    timeline = rrb.TimePanel(timeline="frame" if media == "video" else "row", state="expanded", play_state="paused")
    return rrb.Blueprint(rrb.Tabs(*tabs, about), timeline, rrb.SelectionPanel(state="collapsed"))


def _text(*lines: str) -> rr.TextDocument:
    """Text as it is: as Markdown, what annotators wrote could make the viewer fetch pictures."""
    return rr.TextDocument(_clean("\n".join(lines)), media_type="text/plain")


def _clean(text: str) -> str:
    """Text that can be written as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")
