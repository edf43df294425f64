"""What people look at: rows of a dataset drawn with their annotations, after a run or whenever somebody asks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, PositiveInt

from lakebox.core.component import Component
from lakebox.core.diff import RowChange
from lakebox.core.facts import PREFIX, ROW_KEY
from lakebox.core.lake_port import Place, Storage, View
from lakebox.core.page import Doing, Shown
from lakebox.core.preview import class_names, spread_over
from lakebox.core.report import Report
from lakebox.core.statistics import objects_by_row, statistics
from lakebox.errors import ConfigError
from lakebox.tasks.pictures import Changed, Pictures, frames_of

Format = Literal["html", "png", "rerun"]
Draw = Callable[[Format, Shown, Path], None]
"""What draws a page, a contact sheet or a recording into a file; raises OSError where it cannot be written."""

_SUFFIX: Mapping[Format, str] = {"html": ".html", "png": ".png", "rerun": ".rrd"}
_FRAMES: Mapping[Format, int] = {"html": 48, "png": 12, "rerun": 3000}


class Page(Component):
    """How a dataset is drawn, and where that goes."""

    format: Format = Field(default="html", description="html: a page; png: a contact sheet; rerun: a recording")
    max_frames: PositiveInt | None = Field(
        default=None, description="None: 48 of a page, 12 of a sheet, 3000 of a recording"
    )
    out: Path | None = Field(default=None, description="None: beside the dataset, named like it")

    def frames(self) -> int:
        """How many rows are drawn at most."""
        return self.max_frames or _FRAMES[self.format]

    def file(self, path: str) -> Path:
        """Where it goes; of a dataset that is elsewhere, into the current folder."""
        scheme, has_scheme, rest = path.rstrip("/").rpartition("://")
        own = Path(rest.rpartition("/")[2] if has_scheme and scheme != "file" else rest)
        return self.out or own.with_name(own.name + _SUFFIX[self.format])

    def write(self, draw: Draw, shown: Shown, path: str) -> Path:
        """Draw, and replace the file: whole or not at all.

        Raises:
            ConfigError: it cannot be written, or what draws is not installed.
        """
        out = self.file(path)
        part = out.with_name(f".{out.name}.{os.getpid()}.part")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            draw(self.format, shown, part)
            part.replace(out)
        except OSError as error:
            raise ConfigError(f"preview.out: {out} cannot be written: {error.strerror or error}") from error
        finally:
            with suppress(OSError):
                part.unlink()
        return out


class NoPage(Component):
    """Nothing is drawn after a run."""


def done(report: Report, task: str, address: str, version: str, config_digest: str) -> Doing:
    """What a run did, in words."""
    said = report.as_dict()
    assets, media, masks = said["assets"], said["media"], said["masks"]
    lines = [("plan", report.plan), ("data rows", ", ".join(f"{count} {what}" for what, count in assets.items()))]
    lines += (
        [("media", f"{_many(media['fetched'], 'file')}, {_many(media['frames'], 'frame')}")] if media["frames"] else []
    )
    lines += [("masks", f"{_many(masks['fetched'], 'file')}, {masks['failed']} failed")] if any(masks.values()) else []
    lines += [("tag", report.dataset.tag)] if report.dataset.tag else []
    lines += [("took", f"{report.seconds:.1f} s"), ("configuration", config_digest)]
    failures = tuple(said["failures"])
    return Doing(f"lakebox {task}", address, version, tuple(lines), failures, tuple(said["warnings"]))


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def shown(
    storage: Storage, place: Place, labels: View, doing: Doing, count: int, changes: Sequence[RowChange] = (),
    before: View | None = None,
) -> Shown:  # fmt: skip
    """What is to be drawn of a dataset: changed rows first of all, the others spread over its data rows."""
    stored = labels.stored()
    finished = [asset for asset in stored.assets if asset.complete]
    keys = {
        f"{change.data_row_id}:{frame}" for change in changes if change.change != "removed" for frame in change.frames
    }
    rows = _rows(labels, keys, count)
    names = (
        labels.read(f"{PREFIX}{stored.media}_name", np.array([one.rows[0] for one in finished], np.int64))
        if finished
        else []
    )
    changed = Changed(before, _earlier(before, keys)) if before is not None and keys else None
    frames = frames_of(storage, place, labels)
    pictures = Pictures(labels, frames, rows, {one.id: at for at, one in enumerate(finished)}, changed)
    classes = class_names(stored.columns)
    return Shown(doing, statistics(labels), pictures if rows else (), names, classes, stored.media)


def _rows(labels: View, keys: set[str], count: int) -> list[int]:
    """Row numbers, in order. What changed has the first half of the room, more where the others need less; the rest
    goes to rows with objects, evenly over data rows, of which each is seen at least once, and then to other rows."""
    stored = labels.stored()
    everything = np.arange(len(labels))
    new = [row for row, key in enumerate(labels.read(ROW_KEY, everything)) if key in keys] if keys else []
    weights = objects_by_row(labels, stored.columns, everything) if len(labels) else np.zeros(0, np.int64)
    finished = [asset.rows for asset in stored.assets if asset.complete]
    drawn = [rows[weights[rows] > 0].tolist() for rows in finished]
    whole = [rows.tolist() for rows in finished]
    seen = [group or [rows[len(rows) // 2]] for group, rows in zip(drawn, whole, strict=True)]
    room = max(count - sum(map(len, whole)) + len(new), (count + 1) // 2)
    picked = set(spread_over([new], min(room, count), weights)) if new else set()
    for groups in (seen, drawn, whole):
        left = [[row for row in group if row not in picked] for group in groups]
        picked |= set(spread_over(left, count - len(picked), weights))
    return sorted(picked)


def _earlier(before: View, keys: set[str]) -> dict[str, int]:
    """Row key -> its row in an earlier version; -1 where there was none."""
    found = dict.fromkeys(keys, -1)
    if before.stored().assets:
        listed = before.read(ROW_KEY, np.arange(len(before)))
        found |= {key: row for row, key in enumerate(listed) if key in keys}
    return found
