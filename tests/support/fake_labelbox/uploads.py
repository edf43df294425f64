"""Uploading: files, data rows through a manifest, and the metadata of data rows."""

from __future__ import annotations

import json
from typing import Any

from .files import stored_path
from .graphql import Resolver
from .nodes import Nodes, find
from .records import DataRow, Json
from .world import World

LONGEST_KEY = 200


class InvalidRowError(ValueError):
    """A data row that cannot be made or changed, and why."""


class Uploads:
    """The root fields of mutations that upload."""

    def __init__(self, world: World, nodes: Nodes) -> None:
        self.world, self.org, self.nodes = world, world.org, nodes

    def root(self) -> dict[str, Resolver]:
        """All of them, by name."""
        return {
            "uploadFile": self.upload,
            "upsertDataRows": self.upsert,
            "upsertCustomMetadataSchema": self.upsert_schema,
            "deleteCustomMetadataSchema": self.delete_schema,
            "upsertDataRowCustomMetadata": self.upsert_metadata,
            "deleteDataRowCustomMetadata": self.delete_metadata,
        }

    def upload(self, arguments: Json) -> Json:
        """Store a file under a path of its own."""
        file = arguments["file"]
        path = f"/{self.org.id}/{self.org.new_id()}-{file['filename']}"
        self.world.storage.files.put(path, file["content"])
        url = self.world.storage.signed(path) if arguments.get("sign") else self.world.storage.address(path)
        return {"url": url, "filename": file["filename"]}

    # ----------------------------------------------------------------- data rows

    def upsert(self, arguments: Json) -> Json:
        """Make or change the data rows of a manifest, each for itself."""
        task = self.world.new_task("adv-upsert-data-rows")
        for uri in self._read(arguments["data"]["manifestUri"])["chunk_uris"]:
            for item in self._read(uri):
                try:
                    task.created.append(self._result(self._upserted(item["id"], item["payload"])))
                except InvalidRowError as error:
                    task.failed.append({"message": str(error), "spec": _spec(item["payload"])})
        return self.nodes.task(task)

    def _read(self, url: str) -> Any:
        return json.loads(self.world.storage.files.get(stored_path(url)) or b"{}")

    def _result(self, row: DataRow) -> Json:
        node = self.nodes.data_row(row)
        return {key: node[key] for key in ("id", "externalId", "globalKey", "rowData")}

    def _upserted(self, key: Json, payload: Json) -> DataRow:
        row = self._existing(key)
        global_key = payload.get("global_key") or (key["value"] if key["type"] == "GKEY" and row is None else None)
        self._check_key(global_key, row)
        self._check_metadata(payload)
        if row is None:
            return self._created(payload, global_key)
        if global_key:
            row.global_key = global_key
        row.external_id = payload.get("external_id", row.external_id)
        row.attachments += payload.get("attachments", [])
        row.metadata = _merged(row.metadata, payload.get("metadata_fields", []))
        if "row_data" in payload:
            row.row_data = payload["row_data"]
        row.updated_at = row.last_activity_at = self.org.clock.now()
        return row

    def _existing(self, key: Json) -> DataRow | None:
        if key["type"] == "GKEY":
            return self.org.by_global_key(key["value"])
        if key["type"] == "ID":
            if key["value"] not in self.org.data_rows:
                raise InvalidRowError(f"Data row {key['value']} not found")
            return self.org.data_rows[key["value"]]
        return None

    def _created(self, payload: Json, global_key: str | None) -> DataRow:
        row_data = payload.get("row_data")
        if not isinstance(row_data, str) or not row_data:
            raise InvalidRowError("row_data is missing or no address")
        if payload["dataset_id"] not in self.org.datasets:
            raise InvalidRowError(f"Dataset {payload['dataset_id']} not found")
        fields: Json = {"external_id": payload.get("external_id"), "global_key": global_key}
        fields |= {
            "attachments": payload.get("attachments", []),
            "metadata": _merged([], payload.get("metadata_fields", [])),
        }
        return self.world.add_row(payload["dataset_id"], row_data, **fields)

    def _check_key(self, global_key: str | None, row: DataRow | None) -> None:
        if global_key is None:
            return
        if global_key in self.world.refused_keys:
            raise InvalidRowError(self.world.refused_keys[global_key])
        if len(global_key) > LONGEST_KEY:
            raise InvalidRowError(f"Global key is longer than {LONGEST_KEY} characters")
        if self.org.by_global_key(global_key) not in (None, row):
            raise InvalidRowError(f"Duplicate global key: '{global_key}'")

    def _check_metadata(self, payload: Json) -> None:
        for field in payload.get("metadata_fields", []):
            if field["schemaId"] not in self.org.metadata_schemas():
                raise InvalidRowError(f"Metadata schema {field['schemaId']} not found")

    # ------------------------------------------------------------------ metadata

    def upsert_schema(self, arguments: Json) -> Json:
        """Make or change a metadata field."""
        data = arguments["data"]
        schema = {
            "id": data.get("id") or self.org.new_id(),
            "name": data["name"],
            "kind": data["kind"],
            "reserved": False,
        }
        schema["options"] = [{"reserved": False, "id": self.org.new_id(), **one} for one in data.get("options") or []]
        self.org.metadata[schema["id"]] = schema
        return schema

    def delete_schema(self, arguments: Json) -> Json:
        """Remove a metadata field, also from data rows."""
        gone = find(self.org.metadata, arguments["schema"]["id"], "metadata schema")
        del self.org.metadata[gone["id"]]
        ids = {gone["id"], *(option["id"] for option in gone["options"])}
        for row in self.org.data_rows.values():
            row.metadata = [one for one in row.metadata if one["schemaId"] not in ids]
        return {"success": True}

    def upsert_metadata(self, arguments: Json) -> list[Json]:
        """Set the metadata of data rows; what failed is answered."""
        failed = []
        for given in arguments["data"]:
            row = self._named(given)
            if row is None:
                failed.append({**given, "error": "Data row not found", "fields": []})
            else:
                self.org.edit(row, metadata=_merged(row.metadata, given["fields"]))
        return failed

    def _named(self, given: Json) -> DataRow | None:
        if given.get("dataRowId"):
            return self.org.data_rows.get(given["dataRowId"])
        return self.org.by_global_key(given["globalKey"])

    def delete_metadata(self, arguments: Json) -> list[Json]:
        """Remove metadata of data rows; what failed is answered."""
        for given in arguments["dataRowIdentifiers"]:
            name = given["dataRowIdentifier"]
            key = "globalKey" if name["idType"] == "GKEY" else "dataRowId"
            row = self._named({key: name["id"]})
            if row:
                kept = [one for one in row.metadata if one["schemaId"] not in given["schemaIds"]]
                self.org.edit(row, metadata=kept)
        return []


def _merged(before: list[Json], fields: list[Json]) -> list[Json]:
    found = {one["schemaId"]: one for one in before}
    found |= {one["schemaId"]: {"schemaId": one["schemaId"], "value": one["value"]} for one in fields}
    return list(found.values())


def _spec(payload: Json) -> Json:
    metadata = [
        {"schemaId": one["schemaId"], "value": one["value"], "name": None} for one in payload.get("metadata_fields", [])
    ]
    attachments = [{"name": None, **one} for one in payload.get("attachments", [])]
    known = {
        "externalId": payload.get("external_id"),
        "globalKey": payload.get("global_key"),
        "rowData": payload.get("row_data"),
    }
    return {**known, "metadata": metadata, "attachments": attachments}
