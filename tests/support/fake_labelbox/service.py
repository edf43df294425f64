"""The three hosts together, and what tests do in place of people at Labelbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from .api import Api, operation_name
from .faults import Faults
from .load import Loader
from .ontologies import completed
from .records import DONE, USER, Dataset, Integration, Json, Label, Ontology, Project
from .server import Host, Request, Seen
from .spelling import respelled
from .world import World


class FakeLabelbox(World):
    """A fake Labelbox; see the package for its use. All of it is thread safe."""

    def __init__(self) -> None:
        super().__init__()
        self.faults = Faults()
        self.seen: list[Seen] = []
        answers = {"api": Api(self).answer, "storage": self.storage.answer, "bucket": self.bucket.answer}
        self.hosts = {
            name: Host(name, answer, operation_name if name == "api" else _no_operation, self.faults, self.seen)
            for name, answer in answers.items()
        }
        self.api_url = self.hosts["api"].url
        self.storage.url, self.bucket.url = self.hosts["storage"].url, self.hosts["bucket"].url

    def __enter__(self) -> Self:
        for host in self.hosts.values():
            host.start()
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            host.stop()

    # ---------------------------------------------------------------- addresses

    @property
    def endpoint(self) -> str:
        """Where GraphQL is."""
        return f"{self.api_url}/graphql"

    @property
    def rest_endpoint(self) -> str:
        """Where REST is."""
        return f"{self.api_url}/api/v1"

    @property
    def bucket_token(self) -> str:
        """The bearer token of the bucket."""
        return self.bucket.token

    def put(self, path: str, content: bytes) -> str:
        """Store a file in the bucket and return its address."""
        return self.bucket.put(path, content)

    def store(self, path: str, content: bytes) -> str:
        """Store a file at Labelbox, as if uploaded, and return its address without signature."""
        self.storage.files.put(path, content)
        return self.storage.address(path)

    def sas_token(self, container: str, seconds: float) -> str:
        """A query string that opens `/sas/<container>/...` for some seconds."""
        return self.bucket.sas_token(container, seconds)

    def expire_signatures(self) -> None:
        """Make every signature issued so far invalid, of storage and of the bucket."""
        self.storage.signer.expire()
        self.bucket.signer.expire()

    # --------------------------------------------------------------- what arrived

    def requests(self, **wanted: str) -> list[Seen]:
        """The requests to a `host`, by a `method`, whose path or operation contains something."""
        return [seen for seen in list(self.seen) if _is(seen, **wanted)]

    def count(self, **wanted: str) -> int:
        """How many requests there were; see `requests`."""
        return len(self.requests(**wanted))

    @property
    def crashes(self) -> list[str]:
        """Tracebacks of errors in the fake itself."""
        return [crash for host in self.hosts.values() for crash in host.crashes]

    # ------------------------------------------------------------------- projects

    def project(self, project_id: str) -> Project:
        """The record of a project."""
        return self.org.projects[project_id]

    def add_project(
        self, name: str, media_type: str, ontology: Json | None = None, *, project_id: str | None = None
    ) -> str:
        """A new project, with an editor and an ontology if one is given."""
        with self.org.lock:
            fields: Json = {"name": name, "media_type": media_type, "has_editor": ontology is not None}
            project = self.org.add(Project, self.org.projects, id=project_id, **fields)
            if ontology is not None:
                normalized = completed(ontology, self.org.new_id)
                fields = {"name": f"{name} ontology", "normalized": normalized, "media_type": media_type}
                project.ontology_id = self.org.add(Ontology, self.org.ontologies, **fields).id
            return project.id

    def edit_ontology(self, project_id: str, ontology: Json) -> None:
        """Replace the ontology of a project; features keep the ids they have."""
        with self.org.lock:
            record = self.org.ontologies[str(self.org.projects[project_id].ontology_id)]
            record.normalized = completed(ontology, self.org.new_id)
            record.updated_at = self.org.clock.now()

    def respell(self, project_id: str) -> None:
        """Let the labels of a project follow its ontology: features have their names of today, those that were archived
        are gone. Nobody touched the labels, so their dates stay."""
        with self.org.lock:
            ontology = self.org.ontologies[str(self.org.projects[project_id].ontology_id)].normalized
            for label in self.org.labels_of(project_id):
                label.annotations = respelled(label.annotations, ontology)

    def add_integration(self, name: str, *, default: bool = False, valid: bool = True) -> str:
        """Delegated access to a bucket."""
        with self.org.lock:
            fields: Json = {"name": name, "is_default": default, "valid": valid}
            return self.org.add(Integration, self.org.integrations, **fields).id

    def add_metadata_field(self, name: str, kind: str, options: tuple[str, ...] = (), *, reserved: bool = False) -> str:
        """A metadata field of the organization."""
        with self.org.lock:
            kinds = {"reserved": reserved, "kind": "CustomMetadataEnumOption"}
            nodes = [{"id": self.org.new_id(), "name": option, **kinds} for option in options]
            schema: Json = {"id": self.org.new_id(), "name": name, "kind": kind, "reserved": reserved, "options": nodes}
            self.org.metadata[schema["id"]] = schema
            return str(schema["id"])

    # ------------------------------------------------------------------ data rows

    def add_data_row(
        self, project_id: str, *, row_data: str, dataset: str = "dataset", batch: str = "batch", **fields: Any
    ) -> str:
        """A new data row in a batch of a project.

        Args:
            project_id: the project.
            row_data: address of the media; what is on our hosts is looked at.
            dataset: name of its dataset, made when it is new.
            batch: name of its batch, made when it is new.
            fields: `global_key`, `external_id`, and `media_attributes` in place of looking.
        """
        with self.org.lock:
            fields["media"] = fields.pop("media_attributes", None)
            row = self.add_row(self._dataset(dataset), row_data, **fields)
            self.add_to_project(project_id, row.id, batch)
            return row.id

    def _dataset(self, name: str) -> str:
        found = next((one for one in self.org.datasets.values() if one.name == name), None)
        return (found or self.org.add(Dataset, self.org.datasets, name=name)).id

    def edit_data_row(self, data_row_id: str, **fields: Any) -> None:
        """Change what a data row is: `row_data`, `external_id`, `global_key`, `media`."""
        with self.org.lock:
            self.org.edit(self.org.data_rows[data_row_id], **fields)

    def add_to_project(self, project_id: str, data_row_id: str, batch: str = "batch") -> None:
        """Put a data row that there is into a batch of a project, made when it is new."""
        with self.org.lock:
            found = [one for one in self.org.batches.values() if (one.project_id, one.name) == (project_id, batch)]
            if found:
                self.fill(found[0], [data_row_id])
            else:
                self.new_batch(self.org.projects[project_id], batch, [data_row_id])

    def remove_from_project(self, data_row_id: str, project_id: str | None = None) -> None:
        """Take a data row out of a project, with its labels there; the data row stays."""
        with self.org.lock:
            self.org.remove(self._project_of(data_row_id, project_id), data_row_id)

    def delete_data_row(self, data_row_id: str) -> None:
        """Delete a data row and its labels."""
        with self.org.lock:
            self.org.delete_data_row(data_row_id)

    def set_status(self, data_row_id: str, status: str, project_id: str | None = None) -> None:
        """Move a data row to TO_LABEL, IN_REVIEW, IN_REWORK or DONE."""
        with self.org.lock:
            project_id = self._project_of(data_row_id, project_id)
            self.org.move(project_id, data_row_id, status)
            self.org.touch(project_id, data_row_id)

    def _project_of(self, data_row_id: str, project_id: str | None) -> str:
        if project_id is not None:
            return project_id
        found = [batch.project_id for batch in self.org.batches.values() if data_row_id in batch.data_row_ids]
        if len(set(found)) != 1:
            raise ValueError(f"{data_row_id} is in {len(set(found))} projects: say which")
        return found[0]

    # --------------------------------------------------------------------- labels

    def paint(self, png: bytes, name: str | None = None) -> str:
        """Keep a mask picture; the name it returns stands for its address in annotations.

        Painted over, it changes the labels that have it, and nothing of what their annotations say.
        """
        with self.org.lock:
            name = name or f"mask-{len(self.masks.painted) + 1}"
            if self.masks.painted.get(name, png) != png:
                for label in [one for one in self.org.labels.values() if name in self.masks.names(one.annotations)]:
                    self.org.touch(label.project_id, label.data_row_id)
                    label.updated_at = self.org.clock.now()
            self.masks.painted[name] = png
            return name

    def label(
        self, data_row_id: str, annotations: Json, *, project_id: str | None = None, created_by: str = USER,
        status: str = DONE, skipped: bool = False,
    ) -> str:  # fmt: skip
        """Submit a label; its annotations are in the shape of an export."""
        with self.org.lock:
            project_id = self._project_of(data_row_id, project_id)
            self.masks.check(annotations)
            video = self.org.projects[project_id].media_type == "VIDEO"
            fields: Json = {"kind": "Video" if video else "Default", "created_by": created_by, "skipped": skipped}
            places: Json = {"data_row_id": data_row_id, "project_id": project_id, "annotations": annotations}
            label = self.org.add(Label, self.org.labels, **fields, **places)
            self.set_status(data_row_id, status, project_id)
            return label.id

    def relabel(self, label_id: str, annotations: Json) -> None:
        """Change a label."""
        with self.org.lock:
            self.masks.check(annotations)
            label = self.org.labels[label_id]
            label.annotations, label.version = annotations, label.version + 1
            self.org.touch(label.project_id, label.data_row_id)
            label.updated_at = self.org.clock.now()

    def delete_label(self, label_id: str) -> None:
        """Delete a label; its data row stays."""
        with self.org.lock:
            label = self.org.labels.pop(label_id)
            self.org.touch(label.project_id, label.data_row_id)

    # -------------------------------------------------------------------- exports

    def fail_export_rows(self, messages: dict[str, str]) -> None:
        """Let exports report data rows as errors, with a message each; {} for none."""
        self.failing_rows = dict(messages)

    def forget_exports(self) -> None:
        """Let exports grow too old: their composite masks are gone."""
        with self.org.lock:
            self.org.tasks.clear()

    def load(
        self, rows: list[Json], ontology: Json, masks: dict[str, bytes], *, project_id: str = "project1",
        folder: Path | None = None,
    ) -> str:  # fmt: skip
        """A project from the rows of an export, so that an export of it gives equal rows apart from addresses.

        Args:
            rows: as in an export; addresses of media and masks are relative.
            ontology: normalized.
            masks: PNG by address.
            project_id: which of the projects in the rows to make; the others stay as they are.
            folder: where the media lie, to be uploaded; without it they are missing.
        """
        with self.org.lock:
            for name, png in masks.items():
                self.paint(png, name)
            loader = Loader(self, project_id, folder)
            media = "VIDEO" if any("frame_count" in row["media_attributes"] for row in rows) else "IMAGE"
            names = [row["projects"][project_id]["name"] for row in rows if project_id in row["projects"]]
            self.add_project(names[0] if names else project_id, media, ontology, project_id=project_id)
            loader.rows(rows)
            return project_id


def _is(seen: Seen, host: str = "", method: str = "", path_contains: str = "", operation: str = "") -> bool:
    same = host in ("", seen.host) and method in ("", seen.method)
    return same and path_contains in seen.path and operation in (seen.operation or "")


def _no_operation(_: Request) -> None:
    return None
