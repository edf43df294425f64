"""Task `explain`: from a row back to where it comes from, and the frame drawn."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, SkipValidation

from lakebox.core.explain import origins
from lakebox.core.facts import ID, PREFIX, ROW_KEY
from lakebox.core.lake_port import Lake, Place, Stored
from lakebox.core.model import Label
from lakebox.core.page import Doing, Shown
from lakebox.core.preview import class_names, facts
from lakebox.core.report import Report
from lakebox.core.scan import find_label
from lakebox.core.statistics import Statistics
from lakebox.errors import ConfigError, LakeboxError, RowError, SourceError
from lakebox.tasks.beside import find_labels
from lakebox.tasks.kept import address_of
from lakebox.tasks.page import Draw, NoPage
from lakebox.tasks.pictures import Pictures, frames_of
from lakebox.tasks.project import Project
from lakebox.tasks.provider import place_of_kept

_LARGE = ("jpg", "png", "video", "mask", "segment_mask")
# What the browser shows where a data row is open, and what people's scripts open (public repositories, 2026).
_EDITOR = "https://app.labelbox.com/projects/{project}/data-rows/{data_row}"


class Explain(Project):
    """Says of one row which data row, label, annotator and features it was made of."""

    draw: SkipValidation[Draw]
    row: int | str = Field(description="Row number, from 0, or row key: data row id, colon, 0-based frame")
    out: Path | None = Field(default=None, description="PNG of the frame; None: beside the dataset")

    def __call__(self) -> Report:
        """A report with `explained`.

        Raises:
            ConfigError: there is no such dataset or row.
        """
        started, place = time.monotonic(), place_of_kept(self.provider, self.source, self.project_id)
        lake = find_labels(self.storage, place)
        if lake is None:
            raise ConfigError(f"path: there is no dataset at {address_of(place)}; make it with task=sync")
        stored, report = lake.stored(), Report(task="explain")
        number = self._number(lake)
        at = np.array([number], np.int64)
        row = {one.name: lake.read(one.name, at)[0] for one in stored.columns if one.type not in _LARGE}
        raw = self._exported(row[ID], report)
        project = str(lake.described().get("project_id", ""))
        label = self._label(raw, project, row[f"{PREFIX}label_id"], report)
        report.explained = self._told(number, row, stored, project, raw, label, lake)
        report.plan = f"row {number} is {row[ROW_KEY]}" + self._drawn(place, lake, number, row, report)
        report.dataset.path, report.dataset.branch = address_of(place), place.branch
        report.dataset.read(lake)
        report.seconds = time.monotonic() - started
        return report

    def _number(self, lake: Lake) -> int:
        wanted = self.row
        if isinstance(wanted, str) and re.fullmatch(r"-?\d+", wanted):
            wanted = int(wanted)
        if isinstance(wanted, int):
            if not 0 <= wanted < len(lake):
                raise ConfigError(f"task.row={wanted}: the dataset has rows 0 to {len(lake) - 1}")
            return wanted
        keys = lake.read(ROW_KEY, np.arange(len(lake)))
        if wanted not in keys:
            near = next(
                (key for key in keys if key.partition(":")[0] == wanted.partition(":")[0]), keys[0] if keys else ""
            )
            raise ConfigError(f"task.row={wanted}: no row has that key; one that is there is {near!r}")
        return keys.index(wanted)

    def _exported(self, data_row_id: str, report: Report) -> Mapping[str, Any] | None:
        """What the project says of the data row now; None, with a warning, where that cannot be read."""
        try:
            for row in self.source.rows():
                if row.data is not None and row.data.get("data_row", {}).get("id") == data_row_id:
                    return row.data
        except (SourceError, ConfigError) as error:
            report.warnings.append(f"feature ids and dates are not known, the project cannot be read: {error}")
            return None
        report.warnings.append(
            f"{self.source.describe()} has no data row {data_row_id}, so feature ids are not known; give the source"
            " that the dataset was made of"
        )
        return None

    def _label(self, raw: Mapping[str, Any] | None, project: str, label_id: str, report: Report) -> Label | None:
        """The label that the row was made of, as the export has it now; None, with a warning, where it has none."""
        if raw is None or not label_id:
            return None
        try:
            label = find_label(raw, project, label_id)
        except RowError as error:
            report.warnings.append(f"feature ids are not known: {error}")
            return None
        if label is None:
            report.warnings.append(f"{self.source.describe()} has no label {label_id} any more: feature ids not known")
        return label

    def _told(
        self, number: int, row: Mapping[str, Any], stored: Stored, project: str, raw: Mapping[str, Any] | None,
        label: Label | None, lake: Lake,
    ) -> dict[str, Any]:  # fmt: skip
        frame = int(row.get("frame_idx", 0))
        told: dict[str, Any] = {"row": number, "row_key": row[ROW_KEY], "data_row_id": row[ID], "frame": frame}
        names = (f"{stored.media}_name", "global_key", "external_id", "row_data", "label_id", "label_creator",
                 "project_name", "dataset_name", "ontology_id", "width", "height")  # fmt: skip
        told |= {name: _plain(row.get(f"{PREFIX}{name}", "")) for name in names}
        told["label_in_export"] = label is not None
        told |= _dates(raw, project, told["label_id"])
        told["project_id"], told["export"] = project, self.source.describe() if raw else ""
        told["configuration"] = next((one.config for one in stored.assets if one.complete and number in one.rows), "")
        told["editor"] = _EDITOR.format(project=project, data_row=row[ID])
        told["answers"] = list(facts(row, stored.columns))
        drawn = _keyframes(lake, stored, number)
        told["objects"] = [asdict(one) for one in origins(row, stored.columns, drawn, label, frame)]
        return told

    def _drawn(self, place: Place, lake: Lake, number: int, row: Mapping[str, Any], report: Report) -> str:
        """The frame beside the dataset; without what draws, only a word of that."""
        if isinstance(self.preview, NoPage):
            return ""
        pictures = Pictures(lake, frames_of(self.storage, place, lake), [number], {row[ID]: 0})
        name = class_names(lake.stored().columns)
        what = Shown(Doing("Row", address_of(place), lake.version), Statistics(rows=len(lake)), pictures, [""], name)
        page = self.preview.model_copy(update={"format": "png", "out": self.out})
        file = page.file(self.path)
        out = self.out or file.with_name(f"{file.stem}.row{number}.png")
        try:
            return f", drawn in {page.model_copy(update={'out': out}).write(self.draw, what, self.path)}"
        except LakeboxError as error:
            report.warnings.append(f"not drawn: {error}")
            return ""


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _dates(raw: Mapping[str, Any] | None, project: str, label_id: str) -> dict[str, str]:
    """When the label was made and last changed, as Labelbox writes it."""
    labels = ((raw or {}).get("projects") or {}).get(project, {}).get("labels") or ()
    details = next((one.get("label_details") or {} for one in labels if str(one.get("id")) == label_id), {})
    return {
        "created_at": str(details.get("created_at") or ""),
        "updated_at": str(details.get("content_last_updated_at") or details.get("updated_at") or ""),
    }


def _keyframes(lake: Lake, stored: Stored, number: int) -> dict[str, dict[int, list[int]]]:
    """Key of the keyframes column -> track -> its keyframes on the rows around this one on which it is unbroken."""
    rows = next((one.rows for one in stored.assets if one.complete and number in one.rows), None)
    if rows is None or stored.media != "video":
        return {}
    at, frames = rows.tolist().index(number), [int(frame) for frame in lake.read("frame_idx", rows)]
    by_key = {column.key: column for column in stored.columns}
    found: dict[str, dict[int, list[int]]] = {}
    for key, column in by_key.items():
        tracks = by_key.get(f"{key.removesuffix(':keyframes')}:tracks") if key.endswith(":keyframes") else None
        if tracks is not None:
            numbers = [[] if cell is None else cell.tolist() for cell in lake.read(tracks.name, rows)]
            flags = lake.read(column.name, rows)
            found[key] = {
                track: [frames[i] for i in _stretch(numbers, track, at) if flags[i][numbers[i].index(track)]]
                for track in numbers[at]
            }
    return found


def _stretch(numbers: Sequence[Sequence[int]], track: int, at: int) -> range:
    """Places around `at` on which the track is without a break."""
    start, stop = at, at + 1
    while start and track in numbers[start - 1]:
        start -= 1
    while stop < len(numbers) and track in numbers[stop]:
        stop += 1
    return range(start, stop)
