"""What an upload needs from Labelbox, on the SDK. Sends files a few at a time and creates data rows in chunks.

Found by reading and running the SDK 7.17: `create_data_rows` sends every file of a call before it creates the first
row, twenty at a time and each whole in memory; a row that is refused is found only among the task's errors; rows are
created in any order.
"""

from __future__ import annotations

import mimetypes
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pydantic import Field, PositiveInt

from lakebox.adapters.labelbox_rows import exported, ids_by_key, item_of, key_of, wait
from lakebox.adapters.labelbox_sdk import Account, datasets_named, ontology_by_id, projects_named, sdk_media_type
from lakebox.core.metadata import MetadataField
from lakebox.core.upload import MediaType, UploadRow
from lakebox.core.upload_port import FoundDataset, FoundIntegration, FoundOntology, FoundProject, Uploaded
from lakebox.core.urls import hushed
from lakebox.errors import SourceError, UploadError

_ID = re.compile(r"c[a-z0-9]{24}")
"""Labelbox's ids are cuids."""
_KEYS_AT_ONCE = 1000


class UploadService(Account):
    """Labelbox, seen from an upload."""

    files_at_once: PositiveInt = Field(default=4, description="Files under way; each is held in memory")
    files_per_task: PositiveInt = Field(default=50, description="Files that a failure may send once more")
    rows_per_task: PositiveInt = 500

    def integrations(self) -> Sequence[FoundIntegration]:
        """IAM integrations of the organisation."""
        with self.asked("listing IAM integrations") as client:
            found = client.get_organization().get_iam_integrations()
            return [FoundIntegration(one.uid, one.name, bool(one.is_org_default), bool(one.valid)) for one in found]

    def datasets(self, name: str) -> Sequence[FoundDataset]:
        """Datasets of exactly this name."""
        with self.asked(f"looking for dataset {name!r}") as client:
            return [_dataset(one) for one in datasets_named(client, name)]

    def projects(self, name: str) -> Sequence[FoundProject]:
        """Projects of exactly this name, with their ontologies."""
        with self.asked(f"looking for project {name!r}") as client:
            return [_project(one) for one in projects_named(client, name)]

    def ontologies(self, name_or_id: str) -> Sequence[FoundOntology]:
        """The ontology with this id, else those of exactly this name."""
        with self.asked(f"looking for ontology {name_or_id!r}") as client:
            known = ontology_by_id(client, name_or_id) if _ID.fullmatch(name_or_id) else None
            named = (one for one in client.get_ontologies(name_or_id) if one.name == name_or_id)
            return [_ontology(one) for one in ([known] if known else named)]

    def metadata_fields(self) -> Sequence[MetadataField]:
        """Metadata fields of the organisation."""
        with self.asked("listing metadata fields") as client:
            return [_metadata_field(one) for one in client.get_data_row_metadata_ontology().fields]

    def data_row_ids(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Global key -> id, of those that exist anywhere in the organisation."""
        found: dict[str, str] = {}
        for some in _chunks(keys, _KEYS_AT_ONCE):
            with self.asked(f"looking for {len(some)} global keys") as client:
                answer = client.get_data_row_ids_for_global_keys(list(some), timeout_seconds=600)
                found |= ids_by_key(some, answer)
        return found

    def in_dataset(self, dataset_id: str, ids: Collection[str]) -> frozenset[str]:
        """Which of the data rows are in a dataset."""
        with self.asked(f"listing the data rows of dataset {dataset_id}") as client:
            return exported(client, client.get_dataset(dataset_id), ids, self.patience)

    def in_project(self, project_id: str, ids: Collection[str]) -> frozenset[str]:
        """Which of the data rows are in a project."""
        with self.asked(f"listing the data rows of project {project_id}") as client:
            return exported(client, client.get_project(project_id), ids, self.patience)

    def batches(self, project_id: str) -> frozenset[str]:
        """Names of a project's batches."""
        with self.asked(f"listing the batches of project {project_id}") as client:
            return frozenset(batch.name for batch in client.get_project(project_id).batches())

    def create_dataset(self, name: str, integration_id: str) -> str:
        """A new dataset's id; an empty integration: none."""
        with self.asked(f"creating dataset {name!r}") as client:
            known = client.get_organization().get_iam_integrations() if integration_id else []
            integration = next((one for one in known if one.uid == integration_id), None)
            return str(client.create_dataset(iam_integration=integration, name=name).uid)

    def connect_integration(self, dataset_id: str, integration_id: str) -> None:
        """Give a dataset that exists an integration."""
        with self.asked(f"connecting integration {integration_id} to dataset {dataset_id}") as client:
            client.get_dataset(dataset_id).add_iam_integration(integration_id)

    def create_project(self, name: str, media_type: MediaType) -> str:
        """A new project's id."""
        with self.asked(f"creating project {name!r}") as client:
            return str(client.create_project(name=name, media_type=sdk_media_type(media_type)).uid)

    def create_ontology(self, name: str, normalized: Mapping[str, Any], media_type: MediaType) -> str:
        """A new ontology's id."""
        with self.asked(f"creating ontology {name!r}") as client:
            return str(client.create_ontology(name, dict(normalized), media_type=sdk_media_type(media_type)).uid)

    def connect_ontology(self, project_id: str, ontology_id: str) -> None:
        """Give a project its ontology."""
        doing = f"connecting ontology {ontology_id} to project {project_id}"
        with self.asked(doing) as client, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the SDK says that it connects the editor, as it should
            client.get_project(project_id).connect_ontology(client.get_ontology(ontology_id))

    def upload(
        self, dataset_id: str, rows: Sequence[UploadRow], media_type: MediaType, sent: Callable[[], None]
    ) -> Iterator[Uploaded]:
        """Send rows and create data rows, some at a time."""
        with self.asked(f"opening dataset {dataset_id}") as client:
            dataset = client.get_dataset(dataset_id)
        remote = [row for row in rows if row.remote]
        for some in _chunks(remote, self.rows_per_task):
            yield from self._create([(row, row.row_data) for row in some], dataset, media_type)
            for _ in some:
                sent()
        for some in _chunks([row for row in rows if not row.remote], self.files_per_task):
            yield from self._send_and_create(some, dataset, media_type, sent)

    def _send_and_create(
        self, rows: Sequence[UploadRow], dataset: Any, media_type: MediaType, sent: Callable[[], None]
    ) -> Iterator[Uploaded]:
        """What was sent becomes data rows also when Labelbox cannot be reached any more for the rest."""
        stopped: SourceError | None = None
        addresses: list[tuple[UploadRow, str]] = []
        for row, future in self._sending(rows):
            try:
                addresses.append((row, future.result()))
            except UploadError as error:
                yield Uploaded(row, refused=str(error))
            except SourceError as error:
                stopped = error
                break
            sent()
        yield from self._create(addresses, dataset, media_type)
        if stopped:
            raise stopped

    def _sending(self, rows: Sequence[UploadRow]) -> Iterator[tuple[UploadRow, Future[str]]]:
        pool = ThreadPoolExecutor(self.files_at_once, "lakebox-upload")
        try:
            yield from [(row, pool.submit(self._send, row)) for row in rows]
        finally:
            pool.shutdown(cancel_futures=True)

    def _send(self, row: UploadRow) -> str:
        path = Path(row.row_data)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UploadError(f"cannot be read any more: {error.strerror}") from error
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        with self.asked(f"sending {row.shown}") as client:
            return str(client.upload_data(content, filename=path.name, content_type=kind))

    def _create(self, rows: Sequence[tuple[UploadRow, str]], dataset: Any, media_type: MediaType) -> Iterator[Uploaded]:
        """Data rows of addresses; a request that arrived twice is no refusal, so those are looked for again."""
        if not rows:
            return
        with self.asked(f"creating {len(rows)} data rows in dataset {dataset.uid}"):
            task = dataset.create_data_rows([item_of(row, address, media_type) for row, address in rows])
            wait(task)
            made = {item["global_key"]: item["id"] for item in task.created_data_rows or ()}
            errors = {key_of(item): hushed(str(item["message"])) for item in task.failed_data_rows or ()}
        absent = [row.global_key for row, _ in rows if row.global_key not in made]
        made |= self.data_row_ids(absent) if absent else {}
        for row, _ in rows:
            error = errors.get(row.global_key, "Labelbox did not create it and gave no reason")
            yield Uploaded(row, made[row.global_key]) if row.global_key in made else Uploaded(row, refused=error)

    def create_batch(self, project_id: str, name: str, ids: Sequence[str], priority: int) -> frozenset[str]:
        """Put data rows into a project; the ids of those that Labelbox did not take."""
        with self.asked(f"creating batch {name!r} of {len(ids)} data rows in project {project_id}") as client:
            batch = client.get_project(project_id).create_batch(name, data_rows=list(ids), priority=priority)
            return frozenset(batch.failed_data_row_ids)


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _dataset(one: Any) -> FoundDataset:
    integration = one.iam_integration()
    return FoundDataset(one.uid, integration.uid if integration else "", one.row_count or 0)


def _ontology(one: Any) -> FoundOntology:
    kind = one.media_type.value.lower()
    return FoundOntology(one.uid, one.name, "" if kind == "unknown" else kind, one.normalized)


def _project(one: Any) -> FoundProject:
    ontology = one.ontology()
    return FoundProject(one.uid, one.media_type.value.lower(), _ontology(ontology) if ontology else None)


def _metadata_field(one: Any) -> MetadataField:
    return MetadataField(one.uid, one.name, one.kind.name, {option.name: option.uid for option in one.options or ()})
