"""What the fake remembers: the records of an organization, and who owns what."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

Json = dict[str, Any]
T = TypeVar("T", bound="Record")

USER = "person@example.com"
TO_LABEL, IN_REVIEW, IN_REWORK, DONE = "TO_LABEL", "IN_REVIEW", "IN_REWORK", "DONE"


@dataclass
class Record:
    """What all records have."""

    id: str
    created_at: datetime
    updated_at: datetime


@dataclass
class Ontology(Record):
    name: str
    normalized: Json
    media_type: str | None = None


@dataclass
class Dataset(Record):
    name: str
    description: str | None = None
    integration_id: str | None = None


@dataclass
class Integration(Record):
    """Delegated access to a bucket (`IAMIntegration`)."""

    name: str
    valid: bool = True
    is_default: bool = False


@dataclass
class DataRow(Record):
    """`row_data` is an address without signature; a `given` row is one that came from an export, spelled as it was."""

    dataset_id: str
    row_data: str
    global_key: str | None = None
    external_id: str | None = None
    media: Json = field(default_factory=dict)
    metadata: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    last_activity_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    given: Json | None = None


@dataclass
class Label(Record):
    """One label of a data row in a project. `annotations` are in the shape of an export; masks name what was painted."""

    data_row_id: str
    project_id: str
    annotations: Json
    created_by: str = USER
    version: int = 1
    kind: str = "Default"
    seconds: int = 1
    skipped: bool = False
    given: Json | None = None


@dataclass
class Batch(Record):
    name: str
    project_id: str
    data_row_ids: list[str] = field(default_factory=list)
    priority: int = 5


@dataclass
class Project(Record):
    name: str
    media_type: str
    description: str | None = None
    ontology_id: str | None = None
    has_editor: bool = False
    settings: Json = field(default_factory=dict)
    last_activity_at: datetime | None = None
    status: dict[str, str] = field(default_factory=dict)
    history: dict[str, list[Json]] = field(default_factory=dict)


@dataclass
class Task(Record):
    """`remaining` answers still say IN_PROGRESS. What an export writes stands in `streams`."""

    type: str
    name: str = ""
    status: str = "COMPLETE"
    remaining: int = 0
    result: str | None = None
    created: list[Json] = field(default_factory=list)
    failed: list[Json] = field(default_factory=list)
    streams: dict[str, list[Json]] = field(default_factory=dict)


class Clock:
    """Time that always moves on; `moment` sets it."""

    def __init__(self) -> None:
        self.moment: datetime | None = None
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """The moment, or a time later than all before, in whole milliseconds."""
        if self.moment is not None:
            return self.moment.astimezone(UTC)
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self._last = max(now, self._last + timedelta(milliseconds=1))
        return self._last


class Organization:
    """Everything there is, by id, and a lock for it."""

    id = "organization1"
    user_id = "user1"
    name = "Example"

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.clock = Clock()
        self.founded = self.clock.now()
        self.ontologies: dict[str, Ontology] = {}
        self.datasets: dict[str, Dataset] = {}
        self.integrations: dict[str, Integration] = {}
        self.data_rows: dict[str, DataRow] = {}
        self.labels: dict[str, Label] = {}
        self.batches: dict[str, Batch] = {}
        self.projects: dict[str, Project] = {}
        self.tasks: dict[str, Task] = {}
        self.metadata: dict[str, Json] = {}
        self.features: dict[str, Json] = {}
        self._used = 0

    def new_id(self) -> str:
        """An id in the form that Labelbox gives, never handed out before."""
        self._used += 1
        return f"cl{self._used:06d}fakelabelbox0000000"[:25]

    def add(self, kind: type[T], table: dict[str, T], /, **fields: Any) -> T:
        """A new record in its table."""
        now = self.clock.now()
        key = fields.pop("id", None) or self.new_id()
        table[key] = kind(id=key, created_at=now, updated_at=now, **fields)
        return table[key]

    def rows_of(self, project_id: str) -> Iterator[DataRow]:
        """The data rows of a project, in the order of its batches."""
        for batch in list(self.batches.values()):
            if batch.project_id == project_id:
                yield from (self.data_rows[key] for key in list(batch.data_row_ids))

    def batch_of(self, project_id: str, data_row_id: str) -> Batch | None:
        """The batch by which a data row is in a project."""
        batches = (batch for batch in self.batches.values() if batch.project_id == project_id)
        return next((batch for batch in batches if data_row_id in batch.data_row_ids), None)

    def labels_of(self, project_id: str, data_row_id: str | None = None) -> list[Label]:
        """The labels of a project, or of one data row in it; oldest first."""
        labels = [label for label in self.labels.values() if label.project_id == project_id]
        return [label for label in labels if data_row_id in (None, label.data_row_id)]

    def by_global_key(self, global_key: str) -> DataRow | None:
        """The data row with a global key."""
        return next((row for row in self.data_rows.values() if row.global_key == global_key), None)

    def metadata_schemas(self) -> dict[str, Json]:
        """The metadata fields and their options, by id."""
        options = [option for schema in self.metadata.values() for option in schema["options"]]
        return {**self.metadata, **{option["id"]: option for option in options}}

    def touch(self, project_id: str, data_row_id: str) -> None:
        """Note that something happened to a data row."""
        now = self.clock.now()
        self.data_rows[data_row_id].last_activity_at = now
        self.projects[project_id].last_activity_at = now

    def move(self, project_id: str, data_row_id: str, status: str) -> None:
        """Put a data row in another queue of the workflow."""
        project = self.projects[project_id]
        before = project.status.get(data_row_id)
        project.status[data_row_id] = status
        if before not in (None, status):
            step = {"action": "Approve" if status == DONE else "Move", "created_at": export_time(self.clock.now())}
            step |= {"created_by": USER, "previous_task_name": before}
            project.history.setdefault(data_row_id, []).insert(0, step)

    def edit(self, row: DataRow, **fields: Any) -> None:
        """Change what a data row is."""
        for name, value in fields.items():
            setattr(row, name, value)
        row.updated_at = row.last_activity_at = self.clock.now()

    def remove(self, project_id: str, data_row_id: str) -> None:
        """Take a data row out of a project, with its labels there; nothing of it says so afterwards."""
        for label in self.labels_of(project_id, data_row_id):
            del self.labels[label.id]
        for batch in [one for one in self.batches.values() if one.project_id == project_id]:
            batch.data_row_ids = [key for key in batch.data_row_ids if key != data_row_id]
        for kept in (self.projects[project_id].status, self.projects[project_id].history):
            kept.pop(data_row_id, None)

    def delete_data_row(self, data_row_id: str) -> None:
        """Remove a data row from everywhere."""
        for project_id in self.projects:
            self.remove(project_id, data_row_id)
        del self.data_rows[data_row_id]

    def delete_project(self, project_id: str) -> None:
        """Remove a project with its labels; the data rows stay."""
        for label in self.labels_of(project_id):
            del self.labels[label.id]
        for batch in [one for one in self.batches.values() if one.project_id == project_id]:
            del self.batches[batch.id]
        del self.projects[project_id]


def export_time(moment: datetime) -> str:
    """A time as exports write it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def graphql_time(moment: datetime | None) -> str | None:
    """A time as GraphQL answers write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z" if moment else None
