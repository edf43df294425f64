"""Source `labelbox`: a project of the live service, by its streamable export. Works on the SDK without importing it.

Facts of SDK 7.17 that this is built around: waiting for an export ends silently when the time is up; dates with an
offset have the offset replaced instead of converted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PrivateAttr, field_validator, model_validator

from lakebox.adapters.export_cache import ExportCache
from lakebox.adapters.export_file import ExportFile
from lakebox.adapters.labelbox_sdk import Account, normalized
from lakebox.adapters.labelbox_stream import append_stream
from lakebox.core.fingerprint import digest
from lakebox.core.labels import same_status
from lakebox.core.ports import SourceRow
from lakebox.core.urls import hushed
from lakebox.errors import ConfigError, SourceError

log = logging.getLogger(__name__)

NEEDED = ("data_row_details", "project_details", "label_details", "performance_details")
"""Export parameters that rows and label policies are made of; everything else stays out of the export."""
IDS = 2000
"""Ids that one export may be filtered by (SDK: export_filters)."""
STATUSES = ("ToLabel", "InReview", "InRework", "Done")

Span = tuple[datetime | None, datetime | None]


class Filters(BaseModel):
    """Which data rows are exported. Dates without an offset are UTC; None leaves a side open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workflow_status: Literal["ToLabel", "InReview", "InRework", "Done"] | None = None
    batch_ids: list[str] | None = Field(default=None, min_length=1)
    data_row_ids: list[str] | None = Field(default=None, min_length=1)
    global_keys: list[str] | None = Field(default=None, min_length=1)
    last_activity_at: Span | None = None
    label_created_at: Span | None = None

    @field_validator("workflow_status", mode="before")
    @classmethod
    def _spelled(cls, value: Any) -> Any:
        """Exports say IN_REVIEW where their filter says InReview."""
        return next((status for status in STATUSES if same_status(str(value), status)), value)

    @model_validator(mode="after")
    def _one_kind_of_ids(self) -> Filters:
        if self.data_row_ids and self.global_keys:
            raise ValueError("data_row_ids and global_keys exclude each other (Labelbox takes one of them)")
        return self

    def asked(self) -> dict[str, Any]:
        """Those that are set, as the SDK takes them."""
        found = {name: value for name, value in self if value is not None}
        for name in ("last_activity_at", "label_created_at"):
            if name in found:
                found[name] = [None if moment is None else _utc(moment) for moment in found[name]]
        return found

    def exports(self) -> Iterator[dict[str, Any]]:
        """The filters of one export each, with no more ids than one may have."""
        found = self.asked()
        name = next((key for key in ("data_row_ids", "global_keys") if key in found), None)
        if name is None:
            yield found
            return
        ids = list(dict.fromkeys(found[name]))
        yield from ({**found, name: ids[start : start + IDS]} for start in range(0, len(ids), IDS))


def _utc(moment: datetime) -> str:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


class LabelboxProject(Account):
    """A project of the live service. The key stays in the environment."""

    project_id: str | None = Field(default=None, description="Id of the project; the root key project_id")
    filters: Filters = Filters()
    interpolation: Literal["local", "server"] = Field(
        default="local", description="Who fills the frames between keyframes; server: bigger exports, the same result"
    )
    timeout_minutes: PositiveFloat = Field(default=120.0, description="Longest time that an export may take")
    cache: Path = Field(default=Path(".lakebox/exports"), description="Exports of plans and unfinished runs")
    max_age_minutes: float = Field(default=120.0, ge=0, description="Oldest kept export that is used; 0: always anew")
    parts: ClassVar[tuple[str, ...]] = NEEDED
    _file: list[ExportFile] = PrivateAttr(default_factory=list)

    def describe(self) -> str:
        """Which project where.

        Raises:
            ConfigError: no project is named.
        """
        if not self.project_id:
            raise ConfigError("project_id: source=labelbox needs it: project_id=<id of the Labelbox project>")
        return f"project {self.project_id} at {self.endpoint}"

    def partial(self) -> str:
        """The filters that are set."""
        names = ", ".join(self.filters.asked())
        return f"the export is filtered ({names})" if names else ""

    def rows(self) -> Iterator[SourceRow]:
        """All data rows of the export, then those that Labelbox could not export, as errors.

        Raises:
            ConfigError: no project is named, or there is no key.
            SourceError: the project cannot be exported.
        """
        export = self._export()
        yield from export.rows()
        yield from _errors(export.export.with_name("errors.ndjson"))

    def row(self, position: int) -> Mapping[str, Any]:
        """Read a data row again."""
        return self._export().row(position)

    def ontology(self) -> Mapping[str, Any] | None:
        """The project's ontology; None if it has none yet."""
        return self._export().ontology()

    def resolve(self, url: str) -> str:
        """Addresses as they are."""
        return url

    def forget(self) -> None:
        """Export anew the next time."""
        self._file.clear()
        self._kept().drop()

    def _kept(self) -> ExportCache:
        asked = [self.endpoint, self.project_id, self.filters.asked(), self.interpolation, self.parts]
        return ExportCache(self.cache, digest(asked), 60 * self.max_age_minutes)

    def _export(self) -> ExportFile:
        """The export of this run, made when it is first needed."""
        if not self._file:
            self.describe()
            kept = self._kept()
            folder = kept.find() or kept.make(self._write)
            ontology = folder / "ontology.json"
            self._file.append(
                ExportFile(export=folder / "export.ndjson", ontology=ontology if ontology.exists() else None)
            )
        return self._file[0]

    def _write(self, folder: Path) -> None:
        """Export into a folder: data rows, errors, and the ontology, which is asked for last so that it has all."""
        started = time.monotonic()
        count = 0
        with (
            (folder / "export.ndjson").open("w+b") as results,
            (folder / "errors.ndjson").open("w+b") as errors,
            self.asked(f"exporting project {self.project_id}") as client,
        ):
            project = client.get_project(self.project_id)
            for filters in self.filters.exports():
                task = project.export(filters=filters, params=self._parameters())
                self._wait(task)
                lines = append_stream(client, task.uid, "RESULT", results, self.patience)
                failed = append_stream(client, task.uid, "ERRORS", errors, self.patience)
                log.info("exported %d data rows, %d errors in %.1f s", lines, failed, time.monotonic() - started)
                count += lines + failed
            if not count:
                raise SourceError(self._nothing())
            ontology = project.ontology()
            if ontology is not None:
                (folder / "ontology.json").write_bytes(orjson.dumps(normalized(ontology)))

    def _nothing(self) -> str:
        if asked := ", ".join(self.filters.asked()):
            return f"no data row passes the filter ({asked}); check it, and that the project has data rows"
        return "it has no data rows; add a batch to it (or lakebox task=upload) and run again"

    def _parameters(self) -> dict[str, bool]:
        unwanted = dict.fromkeys(("attachments", "metadata_fields", "embeddings"), False)
        return {**unwanted, **dict.fromkeys(self.parts, True), "interpolated_frames": self.interpolation == "server"}

    def _wait(self, task: Any) -> None:
        task.wait_till_done(60 * self.timeout_minutes)
        if task.status == "IN_PROGRESS":
            raise SourceError(
                f"not ready after {self.timeout_minutes:g} minutes (task {task.uid}); try again later, or set"
                " source.timeout_minutes"
            )
        if task.status != "COMPLETE":
            raise SourceError(f"Labelbox ended the export as {task.status} (task {task.uid}); try again later")


def _errors(path: Path) -> Iterator[SourceRow]:
    """Data rows that Labelbox could not export, from lines such as `{"data_row_id": ..., "error": ...}`."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                found = orjson.loads(line)
            except orjson.JSONDecodeError:
                found = line.decode("utf-8", "replace").strip()
            yield SourceRow(-1, number, None, f"Labelbox could not export it: {_said(found)}", _id(found), "export")


def _id(found: Any) -> str:
    if not isinstance(found, dict):
        return ""
    inner = found.get("data_row")
    return str(
        found.get("data_row_id") or found.get("dataRowId") or (isinstance(inner, dict) and inner.get("id")) or ""
    )


def _said(found: Any) -> str:
    if isinstance(found, dict):
        found = next((found[key] for key in ("error", "message", "errors") if found.get(key)), found)
    return hushed(found if isinstance(found, str) else orjson.dumps(found).decode())[:500]
