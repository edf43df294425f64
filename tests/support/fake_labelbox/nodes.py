"""Records as GraphQL shows them: dictionaries whose values may be functions of arguments."""

from __future__ import annotations

from typing import Any

from .graphql import GraphqlError
from .media import camel
from .records import (
    Batch,
    DataRow,
    Dataset,
    Integration,
    Json,
    Label,
    Ontology,
    Organization,
    Project,
    Record,
    Task,
    graphql_time,
)  # fmt: skip
from .world import World

EDITOR: Json = {"id": "editor1", "name": "Editor", "description": "", "iframeUrlPath": ""}


def find(table: dict[str, Any], record_id: str, kind: str) -> Any:
    """A record.

    Raises:
        GraphqlError: there is none.
    """
    if record_id not in table:
        raise GraphqlError("RESOURCE_NOT_FOUND", f"{kind} {record_id} not found")
    return table[record_id]


def matching(where: Json | None, nodes: list[Json]) -> list[Json]:
    """The nodes that a `where` clause lets through."""
    return [node for node in nodes if _matches(where or {}, node)]


def _matches(where: Json, node: Json) -> bool:
    for key, value in where.items():
        if key == "AND":
            if not all(_matches(one, node) for one in value):
                return False
        elif key.endswith("_not"):
            if node[key.removesuffix("_not")] == value:
                return False
        elif node.get(key, False) != value:
            return False
    return True


def paged(arguments: Json, items: list[Json]) -> list[Json]:
    """A page by `skip` and `first`."""
    skip = arguments.get("skip") or 0
    return items[skip : skip + (arguments.get("first") or len(items))]


def cursor_page(items: list[Json], after: str | None, first: int | None) -> tuple[list[Json], str | None]:
    """A page that begins at a cursor, and the cursor of the next one."""
    start = int(after or 0)
    end = start + (first or len(items))
    return items[start:end], str(end) if end < len(items) else None


class Nodes:
    """Makes nodes of records."""

    def __init__(self, world: World) -> None:
        self.world, self.org = world, world.org

    def _record(self, record: Record) -> Json:
        times = {"createdAt": graphql_time(record.created_at), "updatedAt": graphql_time(record.updated_at)}
        return {"id": record.id, **times, "deleted": False, "createdBy": lambda _: self.user()}

    def user(self) -> Json:
        """The person the key belongs to."""
        founded = graphql_time(self.org.founded)
        node: Json = {"id": self.org.user_id, "createdAt": founded, "updatedAt": founded, "lastLoginAt": None}
        node |= {"email": "person@example.com", "name": "person", "nickname": "person", "picture": ""}
        node |= {"isViewer": False, "isExternalUser": False, "timezone": self.world.timezone}
        return node | {"organization": lambda _: self.organization(), "createdTasks": self._created_tasks}

    def _created_tasks(self, arguments: Json) -> list[Json]:
        wanted = (arguments.get("where") or {}).get("id")
        tasks = [task for task in self.org.tasks.values() if wanted in (None, task.id)]
        return [self.task(task) for task in tasks][arguments.get("skip") or 0 :]

    def organization(self) -> Json:
        """The organization."""
        founded = graphql_time(self.org.founded)
        node: Json = {"id": self.org.id, "createdAt": founded, "updatedAt": founded, "name": Organization.name}
        return node | {"projects": lambda args: paged(args, [self.project(one) for one in self.org.projects.values()])}

    def task(self, task: Task) -> Json:
        """A task; each look at it brings it nearer to its end."""
        status = task.status
        if task.remaining:
            task.remaining -= 1
            status = "IN_PROGRESS"
        node: Json = {"name": task.name, "status": status, "type": task.type, "metadata": {}, "errors": None}
        node |= {"completionPercentage": 1.0 if status == "COMPLETE" else 0.0, "result": task.result}
        return self._record(task) | node

    def integration(self, one: Integration) -> Json:
        """Delegated access."""
        settings = {"__typename": "AwsIamIntegrationSettings", "roleArn": "arn:aws:iam::1:role/reader"}
        node = {"name": one.name, "provider": "AWS", "valid": one.valid, "isOrgDefault": one.is_default}
        return self._record(one) | node | {"lastValidAt": graphql_time(one.created_at), "settings": settings}

    def ontology(self, ontology: Ontology) -> Json:
        """An ontology."""
        normalized = ontology.normalized
        node: Json = {"name": ontology.name, "description": None, "mediaType": ontology.media_type}
        node |= {"normalized": normalized, "objectSchemaCount": len(normalized["tools"])}
        node["classificationSchemaCount"] = len(normalized["classifications"])
        projects = [one for one in self.org.projects.values() if one.ontology_id == ontology.id]
        node["projects"] = lambda args: paged(args, [self.project(one) for one in projects])
        return self._record(ontology) | node

    def dataset(self, dataset: Dataset) -> Json:
        """A dataset."""
        count = sum(row.dataset_id == dataset.id for row in self.org.data_rows.values())
        node: Json = {"name": dataset.name, "description": dataset.description, "rowCount": count}
        signer = self.org.integrations.get(dataset.integration_id or "")
        node["signer"] = lambda _: signer and self.integration(signer)
        return self._record(dataset) | node

    def data_row(self, row: DataRow) -> Json:
        """A data row."""
        schemas = self.org.metadata_schemas()
        fields = [{**schemas[one["schemaId"]], **one} for one in row.metadata]
        node: Json = {"externalId": row.external_id, "globalKey": row.global_key, "customMetadata": row.metadata}
        node |= {
            "rowData": self.world.signed(row.row_data),
            "mediaAttributes": camel(row.media),
            "metadataFields": fields,
        }
        node["dataset"] = lambda _: self.dataset(self.org.datasets[row.dataset_id])
        node["labels"] = lambda args: paged(args, [self.label(one) for one in self._labels(row)])
        return self._record(row) | node | {"attachments": lambda args: paged(args, self._attachments(row))}

    def _labels(self, row: DataRow) -> list[Label]:
        return [label for label in self.org.labels.values() if label.data_row_id == row.id]

    def _attachments(self, row: DataRow) -> list[Json]:
        return [{"id": f"{row.id}-{number}", **one} for number, one in enumerate(row.attachments)]

    def label(self, label: Label) -> Json:
        """A label."""
        node: Json = {"label": "{}", "agreement": None, "benchmarkAgreement": None, "isBenchmarkReference": False}
        node["dataRow"] = lambda _: self.data_row(self.org.data_rows[label.data_row_id])
        return self._record(label) | node | {"secondsToLabel": float(label.seconds)}

    def batch(self, batch: Batch) -> Json:
        """A batch."""
        return self._record(batch) | {
            "name": batch.name, "size": len(batch.data_row_ids), "consensusSettingsJson": None,
        }  # fmt: skip

    def project(self, project: Project) -> Json:
        """A project, without what can be done to it."""
        node: Json = {
            "name": project.name, "description": project.description, "allowedMediaType": project.media_type,
            "setupComplete": graphql_time(project.created_at) if project.ontology_id else None,
            "lastActivityTime": graphql_time(project.last_activity_at), "autoAuditNumberOfLabels": 1,
            "autoAuditPercentage": 1.0, "editorTaskType": None, "uploadType": "MANUAL", "modelSetupComplete": None,
            "isBenchmarkEnabled": True, "isConsensusEnabled": False, **project.settings,
            "dataRowCount": sum(1 for _ in self.org.rows_of(project.id)),
            "labelCount": lambda _: len(self.org.labels_of(project.id)),
            "labels": lambda args: paged(args, [self.label(one) for one in self.org.labels_of(project.id)]),
            "organization": lambda _: self.organization(), "batches": lambda args: self._batches(project, args),
            "labelingFrontend": lambda _: EDITOR if project.has_editor else None,
            "taskQueues": lambda _: self._queues(project),
        }  # fmt: skip
        ontology = self.org.ontologies.get(project.ontology_id or "")
        node["ontology"] = lambda _: ontology and self.ontology(ontology)
        return self._record(project) | node

    def _batches(self, project: Project, arguments: Json) -> Json:
        batches = [self.batch(one) for one in self.org.batches.values() if one.project_id == project.id]
        found = matching(arguments.get("where"), batches)
        nodes, cursor = cursor_page(found, arguments.get("after"), arguments.get("first"))
        return {"nodes": nodes, "pageInfo": {"endCursor": cursor, "hasNextPage": cursor is not None}}

    def _queues(self, project: Project) -> list[Json]:
        kinds = {
            "TO_LABEL": "INITIAL_LABELING_QUEUE",
            "IN_REVIEW": "MANUAL_REVIEW_QUEUE",
            "IN_REWORK": "MANUAL_REWORK_QUEUE",
        }
        return [
            {
                "id": f"queue-{project.id}-{status.lower()}", "name": status.title(), "description": "",
                "queueType": kind, "dataRowCount": list(project.status.values()).count(status),
            }
            for status, kind in kinds.items()
        ]  # fmt: skip
