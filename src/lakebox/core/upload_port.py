"""What an upload needs from Labelbox: narrow questions and requests on plain values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from lakebox.core.metadata import MetadataField
from lakebox.core.upload import MediaType, UploadRow


@dataclass(frozen=True, slots=True)
class FoundDataset:
    """A dataset of Labelbox."""

    id: str
    integration_id: str = ""
    rows: int = 0


@dataclass(frozen=True, slots=True)
class FoundIntegration:
    """A delegated access to a bucket."""

    id: str
    name: str
    default: bool = False
    valid: bool = True


@dataclass(frozen=True, slots=True)
class FoundOntology:
    """An ontology of Labelbox."""

    id: str
    name: str
    media_type: str = ""
    """`video`, `image`, ...; empty where it is for any."""
    normalized: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class FoundProject:
    """A project of Labelbox."""

    id: str
    media_type: str
    ontology: FoundOntology | None = None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of one row: its id, or why there is none."""

    row: UploadRow
    data_row_id: str = ""
    refused: str = ""


@runtime_checkable
class Workspace(Protocol):
    """Labelbox, seen from an upload. Every call may raise SourceError: it could not be asked.

    What creates something says so by its name; after an answer that was lost, the same thing is found by its name.
    """

    def integrations(self) -> Sequence[FoundIntegration]:
        """IAM integrations of the organisation."""

    def datasets(self, name: str) -> Sequence[FoundDataset]:
        """Datasets of exactly this name."""

    def projects(self, name: str) -> Sequence[FoundProject]:
        """Projects of exactly this name, with their ontologies."""

    def ontologies(self, name_or_id: str) -> Sequence[FoundOntology]:
        """The ontology with this id, else those of exactly this name."""

    def metadata_fields(self) -> Sequence[MetadataField]:
        """Metadata fields of the organisation."""

    def data_row_ids(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Global key -> id, of those that exist anywhere in the organisation."""

    def in_dataset(self, dataset_id: str, ids: Collection[str]) -> frozenset[str]:
        """Which of the data rows are in a dataset."""

    def in_project(self, project_id: str, ids: Collection[str]) -> frozenset[str]:
        """Which of the data rows are in a project."""

    def batches(self, project_id: str) -> frozenset[str]:
        """Names of a project's batches."""

    def create_dataset(self, name: str, integration_id: str) -> str:
        """A new dataset's id; an empty integration: none."""

    def connect_integration(self, dataset_id: str, integration_id: str) -> None:
        """Give a dataset that exists an integration."""

    def create_project(self, name: str, media_type: MediaType) -> str:
        """A new project's id."""

    def create_ontology(self, name: str, normalized: Mapping[str, Any], media_type: MediaType) -> str:
        """A new ontology's id."""

    def connect_ontology(self, project_id: str, ontology_id: str) -> None:
        """Give a project its ontology."""

    def upload(
        self, dataset_id: str, rows: Sequence[UploadRow], media_type: MediaType, sent: Callable[[], None]
    ) -> Iterator[Uploaded]:
        """Send rows and create data rows, some at a time; `sent` is called for each that went off.

        What was created before something fails is created, and was given out.
        """

    def create_batch(self, project_id: str, name: str, ids: Sequence[str], priority: int) -> frozenset[str]:
        """Put data rows into a project; the ids of those that Labelbox did not take."""
