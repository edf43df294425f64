"""Labelbox as an upload sees it, in memory: implements `Workspace`, and fails where a test asks it to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lakebox.core.metadata import MetadataField
from lakebox.core.upload import MediaType, UploadRow
from lakebox.core.upload_port import FoundDataset, FoundIntegration, FoundOntology, FoundProject, Uploaded
from lakebox.errors import SourceError


@dataclass
class MemoryLabelbox:
    """State in plain dictionaries; `made` lists what was created or changed, in order."""

    integrations_: list[FoundIntegration] = field(default_factory=list)
    fields: list[MetadataField] = field(default_factory=list)
    datasets_: dict[str, dict[str, Any]] = field(default_factory=dict)
    projects_: dict[str, dict[str, Any]] = field(default_factory=dict)
    ontologies_: dict[str, FoundOntology] = field(default_factory=dict)
    data_rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    refuse: Mapping[str, str] = field(default_factory=dict)
    """Global key -> reason."""
    fail: dict[str, str] = field(default_factory=dict)
    """Call -> `before`: it fails; `after`: it is carried out, its answer is lost. Once each."""
    rows_left: int = 1 << 30
    """After so many data rows the connection is gone."""
    _ids: Iterator[int] = field(default_factory=itertools.count)

    def _new(self, kind: str, name: str, make: Callable[[str], None]) -> str:
        mode = self.fail.pop(f"create_{kind}", "")
        if mode == "before":
            raise SourceError(f"creating {kind} {name!r}: cannot be reached")
        uid = f"{kind}-{next(self._ids)}"
        make(uid)
        self.made.append(f"{kind} {name}")
        if mode == "after":
            raise SourceError(f"creating {kind} {name!r}: the answer was lost")
        return uid

    def integrations(self) -> Sequence[FoundIntegration]:
        return self.integrations_

    def datasets(self, name: str) -> Sequence[FoundDataset]:
        return [
            FoundDataset(uid, one["integration"], sum(row["dataset"] == uid for row in self.data_rows.values()))
            for uid, one in self.datasets_.items()
            if one["name"] == name
        ]

    def projects(self, name: str) -> Sequence[FoundProject]:
        return [
            FoundProject(uid, one["media_type"], self.ontologies_.get(one["ontology"]))
            for uid, one in self.projects_.items()
            if one["name"] == name
        ]

    def ontologies(self, name_or_id: str) -> Sequence[FoundOntology]:
        known = self.ontologies_.get(name_or_id)
        return [known] if known else [one for one in self.ontologies_.values() if one.name == name_or_id]

    def metadata_fields(self) -> Sequence[MetadataField]:
        return self.fields

    def data_row_ids(self, keys: Sequence[str]) -> Mapping[str, str]:
        return {row["key"]: uid for uid, row in self.data_rows.items() if row["key"] in set(keys)}

    def in_dataset(self, dataset_id: str, ids: Collection[str]) -> frozenset[str]:
        return frozenset(uid for uid in ids if self.data_rows[uid]["dataset"] == dataset_id)

    def in_project(self, project_id: str, ids: Collection[str]) -> frozenset[str]:
        inside = {uid for batch in self.projects_[project_id]["batches"].values() for uid in batch}
        return frozenset(ids) & inside

    def batches(self, project_id: str) -> frozenset[str]:
        return frozenset(self.projects_[project_id]["batches"])

    def create_dataset(self, name: str, integration_id: str) -> str:
        def make(uid: str) -> None:
            self.datasets_[uid] = {"name": name, "integration": integration_id}

        return self._new("dataset", name, make)

    def connect_integration(self, dataset_id: str, integration_id: str) -> None:
        self.datasets_[dataset_id]["integration"] = integration_id
        self.made.append(f"integration {integration_id}")

    def create_project(self, name: str, media_type: MediaType) -> str:
        def make(uid: str) -> None:
            self.projects_[uid] = {"name": name, "media_type": media_type, "ontology": "", "batches": {}}

        return self._new("project", name, make)

    def create_ontology(self, name: str, normalized: Mapping[str, Any], media_type: MediaType) -> str:
        def make(uid: str) -> None:
            self.ontologies_[uid] = FoundOntology(uid, name, media_type, normalized)

        return self._new("ontology", name, make)

    def connect_ontology(self, project_id: str, ontology_id: str) -> None:
        self.projects_[project_id]["ontology"] = ontology_id
        self.made.append("connected")

    def upload(
        self, dataset_id: str, rows: Sequence[UploadRow], media_type: MediaType, sent: Callable[[], None]
    ) -> Iterator[Uploaded]:
        for row in rows:
            if not self.rows_left:
                self.rows_left = 1 << 30
                raise SourceError(f"sending {row.shown}: cannot be reached")
            self.rows_left -= 1
            sent()
            yield self._upload(dataset_id, row)

    def _upload(self, dataset_id: str, row: UploadRow) -> Uploaded:
        assert self.data_row_ids([row.global_key]) == {}, "Labelbox refuses a global key that exists"
        if row.global_key in self.refuse:
            return Uploaded(row, refused=self.refuse[row.global_key])
        uid = f"row-{next(self._ids)}"
        content = row.row_data if row.remote else Path(row.row_data).read_bytes()
        self.data_rows[uid] = {"key": row.global_key, "dataset": dataset_id, "content": content, "row": row}
        self.made.append(f"row {row.global_key}")
        return Uploaded(row, uid)

    def create_batch(self, project_id: str, name: str, ids: Sequence[str], priority: int) -> frozenset[str]:
        batches = self.projects_[project_id]["batches"]
        assert name not in batches, "Labelbox refuses a name that exists"
        refused = self.in_project(project_id, ids)
        batches[name] = set(ids) - refused
        self.made.append(f"batch {name} {priority}")
        if self.fail.pop("create_batch", ""):
            raise SourceError(f"creating batch {name!r}: the answer was lost")
        return refused
