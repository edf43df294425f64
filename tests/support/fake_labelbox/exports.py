"""Exports: which data rows, what of them, and the files they are written to."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from .graphql import GraphqlError
from .records import DONE, DataRow, Json, Label, Project, Task, export_time
from .walk import interpolated
from .world import World

_STATUS = {"Done": "DONE", "InReview": "IN_REVIEW", "InRework": "IN_REWORK"}
_OF_ROW = {"attachments": "includeAttachments", "metadata_fields": "includeMetadata", "embeddings": "includeEmbeddings"}
_OF_LABEL = {"label_details": "includeLabelDetails", "performance_details": "includePerformanceDetails"}
Condition = Callable[[DataRow], bool]


def export(world: World, given: Json) -> Task:
    """Run an export as the mutation asks for it."""
    filters, params = given["filters"], given["params"]
    project_id = filters.get("projectId")
    if project_id is not None and project_id not in world.org.projects:
        raise GraphqlError("RESOURCE_NOT_FOUND", f"no project {project_id}")
    task = world.new_task("export-data-rows", given.get("taskName") or "export")
    if world.exports != "complete":
        task.status = {"stuck": "IN_PROGRESS", "failed": "FAILED"}[world.exports]
        return task
    rows = list(world.org.rows_of(project_id) if project_id else world.org.data_rows.values())
    for search in filters["searchQuery"]["query"] or []:
        if search["type"] == "batch" and project_id is None and world.catalog_batches != "honoured":
            if world.catalog_batches == "refused":
                raise GraphqlError("MALFORMED_REQUEST", "no filter batch in the catalog")
            continue
        holds = _condition(world, project_id, search)
        rows = [row for row in rows if holds(row)]
    renderer = _Renderer(world, params, task.id, project_id)
    errors = [
        {"data_row_id": row.id, "error": world.failing_rows[row.id]} for row in rows if row.id in world.failing_rows
    ]
    results = [renderer.row(row) for row in rows if row.id not in world.failing_rows]
    task.streams = {"RESULT": _write(world, task, "RESULT", results), "ERRORS": _write(world, task, "ERRORS", errors)}
    return task


# ------------------------------------------------------------------------ filters


def _condition(world: World, project_id: str | None, search: Json) -> Condition:
    org = world.org
    if search["type"] == "data_row_last_activity_at":
        return lambda row: _within(row.last_activity_at, search["value"])
    if search["type"] == "task_queue_not_exist":
        return lambda row: org.projects[str(project_id)].status[row.id] == "TO_LABEL"
    if search["type"] == "task_queue_status":
        return lambda row: org.projects[str(project_id)].status[row.id] == _STATUS[search["status"]]
    if search["type"] == "labeled_at":
        labels = [label for label in org.labels.values() if project_id in (None, label.project_id)]
        labelled = {label.data_row_id for label in labels if _within(_created(label), search["value"])}
        return lambda row: row.id in labelled
    ids = set(search.get("ids", []))
    if search["type"] == "batch":
        ids = {key for batch in org.batches.values() if batch.id in ids for key in batch.data_row_ids}
    of_row: dict[str, Callable[[DataRow], str | None]] = {
        "data_row_id": lambda row: row.id,
        "batch": lambda row: row.id,
        "global_key": lambda row: row.global_key,
        "dataset": lambda row: row.dataset_id,
    }
    if search["type"] not in of_row:
        raise GraphqlError("MALFORMED_REQUEST", f"no filter {search['type']}")
    return lambda row: of_row[search["type"]](row) in ids


def _created(label: Label) -> datetime:
    given = ((label.given or {}).get("label_details") or {}).get("created_at")
    return datetime.fromisoformat(given) if given else label.created_at


def _within(moment: datetime, value: Json) -> bool:
    zone = value["timezone"]
    if value["operator"] == "BETWEEN":
        return _parsed(value["value"]["min"], zone) <= moment <= _parsed(value["value"]["max"], zone)
    bound = _parsed(value["value"], zone)
    return moment >= bound if value["operator"] == "GREATER_THAN_OR_EQUAL" else moment <= bound


def _parsed(text: str, zone: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC if zone == "UTC" else ZoneInfo(zone))


# --------------------------------------------------------------------- data rows


class _Renderer:
    def __init__(self, world: World, params: Json, task_id: str, project_id: str | None) -> None:
        self.world, self.params, self.task_id, self.project_id = world, params, task_id, project_id

    def row(self, row: DataRow) -> Json:
        """A data row as a line of the export."""
        found = self._given(row) if row.given else self._new(row)
        found["data_row"]["row_data"] = self.world.signed(row.row_data)
        if not self.params.get("includeDataRowDetails"):
            found["data_row"].pop("details", None)
        for key, wish in _OF_ROW.items():
            if not self.params.get(wish):
                found.pop(key, None)
        found["projects"] = {key: self.project(self.world.org.projects[key], row) for key in self._projects(row)}
        if self.project_id or self.params.get("allProjects"):
            for key, node in (row.given or {}).get("others", {}).items():
                found["projects"][key] = self._trimmed(node, key)
        return found

    def _projects(self, row: DataRow) -> list[str]:
        if self.project_id:
            return [self.project_id]
        wanted = self.params.get("projectIds") or []
        everything = self.params.get("allProjects")
        batches = [batch for batch in self.world.org.batches.values() if row.id in batch.data_row_ids]
        return [batch.project_id for batch in batches if everything or batch.project_id in wanted]

    def _given(self, row: DataRow) -> Json:
        found: Json = deepcopy((row.given or {})["envelope"])
        for key in ("global_key", "external_id"):
            if getattr(row, key) is not None:
                found["data_row"][key] = getattr(row, key)
        details = found["data_row"].get("details", {})
        for key in ("updated_at", "last_activity_at"):
            if key in details and datetime.fromisoformat(details[key]) != getattr(row, key):
                details[key] = export_time(getattr(row, key))
        return found

    def _new(self, row: DataRow) -> Json:
        node: Json = {"id": row.id, "row_data": ""}
        for key in ("global_key", "external_id"):
            if getattr(row, key) is not None:
                node[key] = getattr(row, key)
        dataset = self.world.org.datasets[row.dataset_id]
        node["details"] = {
            "dataset_id": dataset.id,
            "dataset_name": dataset.name,
            "created_at": export_time(row.created_at),
            "updated_at": export_time(row.updated_at),
            "last_activity_at": export_time(row.last_activity_at),
            "created_by": "person@example.com",
        }
        schemas = self.world.org.metadata_schemas()
        metadata = [_metadata(schemas[one["schemaId"]], one) for one in row.metadata]
        extras: Json = {"attachments": deepcopy(row.attachments), "metadata_fields": metadata, "embeddings": []}
        return {"data_row": node, "media_attributes": dict(row.media), **extras}

    def project(self, project: Project, row: DataRow) -> Json:
        """What a project has to say about a data row."""
        labels = self.world.org.labels_of(project.id, row.id)
        given: Json | None = (row.given or {}).get("project")
        found: Json = {"name": project.name} if given is None else deepcopy(given)
        if given is None:
            found["project_details"] = self._project_details(project, row)
        elif "project_details" in found:
            found["project_details"]["workflow_status"] = project.status[row.id]
        if labels or given is None or (row.given or {})["spells_labels"]:
            found["labels"] = [self.label(label) for label in labels]
        return self._trimmed(found, project.id)

    def _project_details(self, project: Project, row: DataRow) -> Json:
        batch = self.world.org.batch_of(project.id, row.id)
        status = project.status[row.id]
        found: Json = {"ontology_id": project.ontology_id, "task_name": status.title().replace("_", " ")}
        if status != DONE:
            found["task_id"] = f"queue-{project.id}-{status.lower()}"
        found |= {"batch_id": batch.id, "batch_name": batch.name, "priority": batch.priority} if batch else {}
        history = deepcopy(project.history.get(row.id, []))
        return found | {"workflow_status": status, "consensus_expected_label_count": 1, "workflow_history": history}

    def label(self, label: Label) -> Json:
        """A label, its masks still under the names they were painted with."""
        found: Json = deepcopy(label.given) if label.given is not None else self._new_label(label)
        if label.given is not None and label.version > 1 and "label_details" in found:
            found["label_details"]["updated_at"] = export_time(label.updated_at)
        found["version_id"] = f"{label.id}v{label.version}"
        found["annotations"] = deepcopy(label.annotations)
        return found

    def _new_label(self, label: Label) -> Json:
        details: Json = {
            "created_at": export_time(label.created_at), "updated_at": export_time(label.updated_at),
            "created_by": label.created_by, "content_last_updated_at": export_time(label.updated_at), "reviews": [],
        }  # fmt: skip
        performance = {"seconds_to_create": label.seconds, "seconds_to_review": 0, "skipped": label.skipped}
        known = {"label_kind": label.kind, "version": "1.0.0", "id": label.id}
        return {**known, "label_details": details, "performance_details": performance}

    def _trimmed(self, given: Json, project_id: str) -> Json:
        """Without what was not asked for, and masks with their addresses."""
        project = deepcopy(given)
        if not self.params.get("includeProjectDetails"):
            project.pop("project_details", None)
            project.pop("project_tags", None)
        for label in project.get("labels", []):
            for key, wish in _OF_LABEL.items():
                if not self.params.get(wish):
                    label.pop(key, None)
            if self.params.get("includeInterpolatedFrames"):
                label["annotations"] = interpolated(label["annotations"])
            version = label.pop("version_id", label["id"])
            where: Any = {"api": self.world.api_url, "project_id": project_id, "task_id": self.task_id}
            self.world.masks.publish(label["annotations"], version=version, **where)
        return project


def _metadata(schema: Json, field: Json) -> Json:
    named = {"schema_id": schema["id"], "schema_name": schema["name"], "schema_kind": schema["kind"]}
    return {**named, "value": field["value"]}


# -------------------------------------------------------------------------- files


def _write(world: World, task: Task, stream: str, rows: list[Json]) -> list[Json]:
    """Write rows to files on the storage host; return what each file holds."""
    lines = [json.dumps(row, ensure_ascii=world.ascii, separators=(",", ":")).encode() + b"\n" for row in rows]
    chunks: list[Json] = []
    start = first = 0
    for number, content in enumerate(_cut(lines, world.chunk_bytes, whole=world.whole_lines)):
        path = f"/exports/{task.id}/{stream.lower()}-{number}.ndjson"
        world.storage.files.put(path, content)
        last = first + content.count(b"\n")
        lines_of = {"start": first, "end": max(first, last - 1)}
        chunks.append({"offsets": {"start": start, "end": start + len(content) - 1}, "lines": lines_of, "path": path})
        start, first = start + len(content), last
    return chunks


def _cut(lines: list[bytes], size: int, *, whole: bool) -> list[bytes]:
    if not whole:
        content = b"".join(lines)
        return [content[at : at + size] for at in range(0, len(content), size)]
    chunks: list[bytes] = []
    for line in lines:
        if chunks and len(chunks[-1]) + len(line) <= size:
            chunks[-1] += line
        else:
            chunks.append(line)
    return chunks
