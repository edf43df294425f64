"""What can be done: the root fields of mutations, and what can be done to a project."""

from __future__ import annotations

import json
from typing import Any

from .graphql import GraphqlError, Resolver
from .nodes import Nodes, find
from .ontologies import completed
from .queries import Queries
from .records import Batch, DataRow, Dataset, Json, Ontology, Project
from .uploads import Uploads
from .world import World

_PROJECT_FIELDS = {"name": "name", "description": "description", "allowedMediaType": "media_type"}
_ROW_FIELDS = {"externalId": "external_id", "globalKey": "global_key", "rowData": "row_data"}


class Mutations:
    """The root fields of mutations."""

    def __init__(self, world: World, nodes: Nodes, queries: Queries) -> None:
        self.world, self.org, self.nodes, self.queries = world, world.org, nodes, queries
        self.uploads = Uploads(world, nodes)

    def root(self) -> dict[str, Resolver]:
        """All of them, by name; `project` is for questions too."""
        return {
            "project": self.project,
            "createProject": self.create_project,
            "updateProject": self.update_project,
            "createLabelingFrontendOptions": self.create_options,
            "upsertOntology": self.create_ontology,
            "createDataset": self.create_dataset,
            "updateDataset": self.update_dataset,
            "setSignerForDataset": self.set_signer,
            "clearSignerForDataset": lambda args: self.set_signer({**args, "data": {"signerId": None}}),
            "validateDataset": lambda _: {"valid": True, "checks": [{"name": "READ", "success": True}]},
            "updateDataRow": self.update_row,
            "deleteDataRows": self.delete_rows,
            "deleteLabels": self.delete_labels,
            "createDataRowAttachment": self.create_attachment,
            "assignGlobalKeysToDataRows": self.assign_keys,
            "clearGlobalKeys": self.clear_keys,
            **self.uploads.root(),
        }

    # ------------------------------------------------------------------ projects

    def create_project(self, arguments: Json) -> Json:
        """A new project."""
        data = dict(arguments["data"])
        known = {name: data.pop(key, None) for key, name in _PROJECT_FIELDS.items()}
        return self.project_node(self.org.add(Project, self.org.projects, **known, settings=data))

    def update_project(self, arguments: Json) -> Json:
        """Change or delete a project, or connect its editor."""
        project: Project = find(self.org.projects, arguments["where"]["id"], "project")
        data = dict(arguments["data"])
        if data.pop("deleted", False):
            self.org.delete_project(project.id)
            return {"id": project.id}
        if data.pop("labelingFrontend", None):
            project.has_editor = True
        for key, name in _PROJECT_FIELDS.items():
            if key in data:
                setattr(project, name, data.pop(key))
        project.settings |= data
        project.updated_at = self.org.clock.now()
        return self.project_node(project)

    def create_options(self, arguments: Json) -> Json:
        """Options of the editor: an ontology for a project that has none."""
        project = find(self.org.projects, arguments["data"]["project"]["connect"]["id"], "project")
        given = arguments["data"]["customizationOptions"]
        if project.ontology_id is None:
            ontology = self._ontology(f"{project.name} ontology", json.loads(given), project.media_type)
            project.ontology_id = ontology.id
        return {"id": self.org.new_id(), "customizationOptions": given}

    def create_ontology(self, arguments: Json) -> Json:
        """A new ontology."""
        data = arguments["data"]
        return self.nodes.ontology(self._ontology(data["name"], json.loads(data["normalized"]), data.get("mediaType")))

    def _ontology(self, name: str, normalized: Json, media_type: str | None) -> Ontology:
        complete = completed(normalized, self.org.new_id)
        return self.org.add(Ontology, self.org.ontologies, name=name, normalized=complete, media_type=media_type)

    def project(self, arguments: Json) -> Json:
        """A project with all that can be asked of it and done to it."""
        return self.project_node(find(self.org.projects, arguments["where"]["id"], "project"))

    def project_node(self, project: Project) -> Json:
        """The node of a project."""
        return self.nodes.project(project) | {
            "connectOntology": lambda args: self._connect(project, args["ontologyId"]),
            "createBatchV2": lambda args: self._create_batch(project, args["input"]),
            "createEmptyBatch": lambda args: self.nodes.batch(self._batch(project, args["input"]["name"])),
            "addDataRowsToBatchAsync": lambda args: self._add_rows(args["input"]),
            "createBatches": lambda args: self._create_batches(project, args["input"]),
            "createBatchesFromDataset": lambda args: self._create_batches(project, args["input"]),
            "createBulkAddRowsToQueueTask": lambda args: self._move(project, args["data"]),
            "deleteBatch": lambda args: {"deletedBatchId": self._delete_batch(args["batchId"]).id},
        }

    def _connect(self, project: Project, ontology_id: str) -> Json:
        project.ontology_id = find(self.org.ontologies, ontology_id, "ontology").id
        project.updated_at = self.org.clock.now()
        return {"id": project.id}

    def _move(self, project: Project, data: Json) -> Json:
        queue = (data.get("queueId") or "done").rpartition("-")[2].upper()
        for key in self._row_ids(data["dataRowIdentifiers"]["ids"], data["dataRowIdentifiers"]["idType"]):
            self.org.move(project.id, key, queue)
            self.org.touch(project.id, key)
        return {"taskId": self.world.new_task("send-to-task-queue").id}

    # ------------------------------------------------------------------- batches

    def _batch(self, project: Project, name: str, priority: int = 5) -> Batch:
        if any(batch.name == name and batch.project_id == project.id for batch in self.org.batches.values()):
            raise GraphqlError("RESOURCE_CONFLICT", f"a batch named {name} exists already")
        return self.world.new_batch(project, name, [], priority)

    def _delete_batch(self, batch_id: str) -> Batch:
        batch: Batch = find(self.org.batches, batch_id, "batch")
        for key in list(batch.data_row_ids):
            self.org.remove(batch.project_id, key)
        return self.org.batches.pop(batch_id)

    def _create_batch(self, project: Project, given: Json) -> Json:
        batch = self._batch(project, given["name"], given["priority"])
        failed = self.world.fill(batch, self._chosen(given))
        return {"batch": self.nodes.batch(batch), "failedDataRowIds": failed}

    def _add_rows(self, given: Json) -> Json:
        self.world.fill(self.org.batches[given["batchId"]], self._chosen(given))
        return {"taskId": self.world.new_task("add-data-rows-to-batch").id}

    def _create_batches(self, project: Project, given: Json) -> Json:
        """One batch of all; Labelbox begins another one after 100,000 data rows."""
        if "datasetId" in given:
            present = {row.id for row in self.org.rows_of(project.id)}
            rows = [row for row in self.org.data_rows.values() if row.dataset_id == given["datasetId"]]
            chosen = [row.id for row in rows if row.id not in present]
        else:
            chosen = self._chosen(given)
        batch = self._batch(project, f"{given['batchNamePrefix']}0000", given["priority"])
        self.world.fill(batch, chosen)
        return {"tasks": [{"batchUuid": batch.id, "taskId": self.world.new_task("add-data-rows-to-batch").id}]}

    def _chosen(self, given: Json) -> list[str]:
        return given.get("dataRowIds") or self._row_ids(given.get("globalKeys") or [], "GKEY")

    def _row_ids(self, ids: list[str], kind: str) -> list[str]:
        if kind != "GKEY":
            return ids
        return [row.id if (row := self.org.by_global_key(key)) else key for key in ids]

    # ---------------------------------------------------------- datasets and rows

    def create_dataset(self, arguments: Json) -> Json:
        """A new dataset."""
        return self.nodes.dataset(self.org.add(Dataset, self.org.datasets, **arguments["data"]))

    def update_dataset(self, arguments: Json) -> Json:
        """Change or delete a dataset, with its data rows."""
        dataset: Dataset = find(self.org.datasets, arguments["where"]["id"], "dataset")
        if arguments["data"].get("deleted"):
            for row in [row for row in self.org.data_rows.values() if row.dataset_id == dataset.id]:
                self.org.delete_data_row(row.id)
            del self.org.datasets[dataset.id]
            return {"id": dataset.id}
        for key, value in arguments["data"].items():
            setattr(dataset, key, value)
        return self.nodes.dataset(dataset)

    def set_signer(self, arguments: Json) -> Json:
        """Delegated access for a dataset."""
        dataset: Dataset = find(self.org.datasets, arguments["where"]["id"], "dataset")
        signer = arguments["data"]["signerId"]
        dataset.integration_id = signer and find(self.org.integrations, signer, "integration").id
        return self.nodes.dataset(dataset)

    def update_row(self, arguments: Json) -> Json:
        """Change a data row."""
        row: DataRow = find(self.org.data_rows, arguments["where"]["id"], "data row")
        data = arguments["data"]
        self.org.edit(row, **{name: data[key] for key, name in _ROW_FIELDS.items() if key in data})
        return self.nodes.data_row(row)

    def delete_rows(self, arguments: Json) -> list[Json]:
        """Delete data rows."""
        ids = arguments["where"]["dataRowIds"]
        for key in ids:
            self.org.delete_data_row(find(self.org.data_rows, key, "data row").id)
        return [{"id": key} for key in ids]

    def delete_labels(self, arguments: Json) -> list[Json]:
        """Delete labels."""
        ids = arguments["labelIds"]
        for key in ids:
            label = self.org.labels.pop(key)
            self.org.touch(label.project_id, label.data_row_id)
        return [{"id": key} for key in ids]

    def create_attachment(self, arguments: Json) -> Json:
        """Attach something to a data row."""
        data = dict(arguments["data"])
        find(self.org.data_rows, data.pop("dataRowId"), "data row").attachments.append(data)
        return {"id": self.org.new_id(), **data}

    # --------------------------------------------------------------- global keys

    def assign_keys(self, arguments: Json) -> Json:
        """Give data rows global keys that are free."""
        done: list[Json] = []
        invalid: list[Json] = []
        for given in arguments["data"]["assignInputs"]:
            row, taken = self.org.data_rows.get(given["dataRowId"]), self.org.by_global_key(given["globalKey"])
            if row is None or taken not in (None, row):
                invalid.append(given)
            else:
                self.org.edit(row, global_key=given["globalKey"])
                done.append(given)
        empty: dict[str, list[Any]] = {"sanitizedAssignments": [], "accessDeniedAssignments": []}
        data = {**empty, "unmodifiedAssignments": done, "invalidGlobalKeyAssignments": invalid}
        return {"jobId": self.queries.new_job(data)}

    def clear_keys(self, arguments: Json) -> Json:
        """Take global keys away."""
        cleared: list[str] = []
        missing: list[str] = []
        for key in arguments["where"]["ids"]:
            row = self.org.by_global_key(key)
            (cleared if row else missing).append(key)
            if row:
                self.org.edit(row, global_key=None)
        empty: dict[str, list[Any]] = {"failedToClearGlobalKeys": [], "accessDeniedGlobalKeys": []}
        return {"jobId": self.queries.new_job({**empty, "clearedGlobalKeys": cleared, "notFoundGlobalKeys": missing})}
