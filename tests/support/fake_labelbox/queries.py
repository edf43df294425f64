"""What can be asked: the root fields of queries."""

from __future__ import annotations

from typing import Any

from .graphql import Resolver
from .nodes import EDITOR, Nodes, cursor_page, find, matching, paged
from .records import Json, Ontology
from .world import World


class Queries:
    """The root fields of queries."""

    def __init__(self, world: World, nodes: Nodes) -> None:
        self.world, self.org, self.nodes = world, world.org, nodes

    def root(self) -> dict[str, Resolver]:
        """All of them, by name."""
        return {
            "user": lambda _: self.nodes.user(),
            "organization": lambda _: self.nodes.organization(),
            "iamIntegrations": lambda _: [self.nodes.integration(one) for one in self.org.integrations.values()],
            "projects": lambda args: self._all(args, self.org.projects, self.nodes.project),
            "dataset": lambda args: self._one(args, self.org.datasets, self.nodes.dataset),
            "datasets": lambda args: self._all(args, self.org.datasets, self.nodes.dataset),
            "dataRow": lambda args: self._one(args, self.org.data_rows, self.nodes.data_row),
            "datasetDataRows": self.dataset_rows,
            "ontology": lambda args: self._one(args, self.org.ontologies, self.nodes.ontology),
            "ontologies": self.ontologies,
            "rootSchemaNode": lambda args: self.feature_schema(args["where"]["featureSchemaId"]),
            "labelingFrontends": lambda args: paged(args, matching(args.get("where"), [EDITOR])),
            "queryAllDataRowsHaveBeenProcessed": lambda _: {"allDataRowsHaveBeenProcessed": self.world.processed},
            "externalIdsToDataRowIds": self.external_ids,
            "dataRowsForGlobalKeys": self.rows_for_global_keys,
            "dataRowsForGlobalKeysResult": self.job,
            "assignGlobalKeysToDataRowsResult": self.job,
            "clearGlobalKeysResult": self.job,
            "successesfulDataRowImports": lambda args: self._imports(args, "created", "nodes"),
            "failedDataRowImports": lambda args: self._imports(args, "failed", "results"),
            "customMetadataOntology": lambda _: list(self.org.metadata.values()),
            "dataRowCustomMetadata": self.metadata_of,
            "task": self.task,
        }

    def _one(self, arguments: Json, table: dict[str, Any], node: Any) -> Any:
        return node(find(table, arguments["where"]["id"], "record"))

    def _all(self, arguments: Json, table: dict[str, Any], node: Any) -> list[Json]:
        return paged(arguments, matching(arguments.get("where"), [node(one) for one in table.values()]))

    def dataset_rows(self, arguments: Json) -> Json:
        """The data rows of a dataset, newest first."""
        rows = [row for row in self.org.data_rows.values() if row.dataset_id == arguments["id"]]
        found = matching(arguments.get("where"), [self.nodes.data_row(row) for row in reversed(rows)])
        nodes, cursor = cursor_page(found, arguments.get("from"), arguments.get("first"))
        return {"nodes": nodes, "pageInfo": {"hasNextPage": cursor is not None, "startCursor": cursor}}

    def ontologies(self, arguments: Json) -> Json:
        """The ontologies whose name contains something."""
        search = (arguments["where"].get("search") or "").lower()
        found: list[Ontology] = [one for one in self.org.ontologies.values() if search in one.name.lower()]
        nodes = [self.nodes.ontology(one) for one in found]
        page, cursor = cursor_page(nodes, arguments.get("after"), arguments.get("first"))
        return {"nodes": page, "nextCursor": cursor}

    def feature_schema(self, schema_id: str) -> Json:
        """A tool or classification of the first level."""
        roots = dict(self.org.features)
        for ontology in self.org.ontologies.values():
            for root in [*ontology.normalized["tools"], *ontology.normalized["classifications"]]:
                roots[root["featureSchemaId"]] = root
        found = find(roots, schema_id, "feature schema")
        return {"id": schema_id, "name": found.get("name", ""), "normalized": found}

    def external_ids(self, arguments: Json) -> list[Json]:
        """The data rows with external ids."""
        wanted = arguments["externalId_in"]
        rows = [row for row in self.org.data_rows.values() if row.external_id in wanted]
        return [{"dataRowId": row.id, "externalId": row.external_id} for row in rows]

    def rows_for_global_keys(self, arguments: Json) -> Json:
        """Begin to look for data rows by global keys."""
        rows = [(key, self.org.by_global_key(key)) for key in arguments["where"]["ids"]]
        fetched = [{"id": row.id if row else ""} for _, row in rows]
        missing = [key for key, row in rows if not row]
        data = {"fetchedDataRows": fetched, "notFoundGlobalKeys": missing, "accessDeniedGlobalKeys": []}
        return {"jobId": self.new_job(data)}

    def new_job(self, data: Json) -> str:
        """Note the result of a job."""
        job_id = self.org.new_id()
        self.world.jobs[job_id] = {"jobStatus": "COMPLETE", "data": data}
        return job_id

    def job(self, arguments: Json) -> Any:
        """The result of a job."""
        return find(self.world.jobs, arguments["jobId"]["id"], "job")

    def _imports(self, arguments: Json, which: str, name: str) -> Json:
        task = find(self.org.tasks, arguments["data"]["taskId"], "task")
        items = getattr(task, which)
        page, cursor = cursor_page(items, arguments["data"].get("from"), arguments["data"].get("first"))
        return {name: page, "after": cursor, "total": len(items)}

    def metadata_of(self, arguments: Json) -> list[Json]:
        """The metadata of data rows."""
        given = arguments["where"]["dataRowIdentifiers"]
        rows = [
            self.org.by_global_key(key) if given["idType"] == "GKEY" else self.org.data_rows[key]
            for key in given["ids"]
        ]
        return [{"dataRowId": row.id, "globalKey": row.global_key, "fields": row.metadata} for row in rows if row]

    def task(self, arguments: Json) -> Json:
        """What an export wrote."""
        streams = find(self.org.tasks, arguments["where"]["id"], "task").streams

        def header(args: Json) -> Json | None:
            chunks = streams.get(args["streamType"])
            if not chunks:
                return None
            return {"totalSize": chunks[-1]["offsets"]["end"] + 1, "totalLines": chunks[-1]["lines"]["end"] + 1}

        def file(args: Json) -> Json | None:
            for chunk in streams.get(args["streamType"], []):
                if chunk["offsets"]["start"] <= int(args["offset"]) <= chunk["offsets"]["end"]:
                    return {**chunk, "file": self.world.storage.signed(chunk["path"])}
            return None

        return {"exportMetadataHeader": header, "exportFileFromOffset": file}
