"""Labelbox as scripts reach it: with a key in hand, and a project's export as a list."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Literal, TypeVar

from lakebox.adapters.labelbox_export import NEEDED, LabelboxProject
from lakebox.adapters.labelbox_sdk import Account, normalized, ontology_by_id
from lakebox.adapters.labelbox_upload import UploadService
from lakebox.adapters.presign import LabelboxKey
from lakebox.core.ports import SourceRow
from lakebox.core.urls import unsigned
from lakebox.errors import ConfigError, SourceError

log = logging.getLogger(__name__)

Json = Mapping[str, Any]
MediaKind = Literal["video", "image"]
Keyed = TypeVar("Keyed", Account, UploadService, LabelboxProject, LabelboxKey)


class _WholeExport(LabelboxProject):
    """With all that upstream's `project_json` holds."""

    parts: ClassVar[tuple[str, ...]] = (*NEEDED, "attachments", "metadata_fields")


@dataclass(frozen=True, slots=True)
class ProjectJson:
    """Source: a project's export as a list in memory, for a dataset of videos or of images."""

    project_id: str
    media: MediaKind
    data: Sequence[Json]
    refused: Sequence[SourceRow] = ()
    """Data rows that Labelbox could not export."""
    raw_ontology: Json | None = None

    def with_ontology(self, ontology: Json | None) -> ProjectJson:
        """The same with Labelbox's normalized ontology JSON."""
        return replace(self, raw_ontology=ontology)

    @property
    def project_name(self) -> str:
        """As the export says it."""
        named = (row.get("projects", {}).get(self.project_id, {}).get("name") for row in self.data)
        return next((str(name) for name in named if name), self.project_id)

    def describe(self) -> str:
        """Which project."""
        return f"project {self.project_id}"

    def partial(self) -> str:
        """It is all of the project."""
        return ""

    def rows(self) -> Iterator[SourceRow]:
        """The list, then what Labelbox could not export; data rows of other media as errors."""
        for position, row in enumerate(self.data):
            kind = row.get("media_attributes", {}).get("asset_type") or self.media
            if kind == self.media:
                yield SourceRow(position, position + 1, row)
            else:
                found = f"is of type {kind}, not {self.media}: take the function for {kind} projects"
                yield SourceRow(position, position + 1, None, found, str(row.get("data_row", {}).get("id", "")))
        yield from self.refused

    def row(self, position: int) -> Json:
        """One of the list."""
        return self.data[position]

    def ontology(self) -> Json | None:
        """Labelbox's normalized JSON; None: it is derived from the labels."""
        return self.raw_ontology

    def resolve(self, url: str) -> str:
        """Addresses as they are."""
        return url

    def forget(self) -> None:
        """The list is the script's."""


def endpoints() -> dict[str, str]:
    """Where Labelbox is, if the environment says so.

    Raises:
        ConfigError: what it says is no address.
    """
    names = {"endpoint": "LABELBOX_ENDPOINT", "rest_endpoint": "LABELBOX_REST_ENDPOINT"}
    given = {field: os.environ[name].strip() for field, name in names.items() if os.environ.get(name, "").strip()}
    for field, address in given.items():
        if not address.startswith(("http://", "https://")):
            raise ConfigError(
                f"{names[field]}: must begin with https://; found {unsigned(address)!r}; nothing was touched"
            )
    return given


def keyed(component: Keyed, key: str | None) -> Keyed:
    """The component with the key, without the blanks of copying; without one, it takes that of the environment."""
    key = (key or "").strip()
    return component.with_key(key) if key else component


def project_of(
    media: MediaKind, project_id: str, key: str | None, rows: Sequence[Json] | None, fail_on_export_error: bool
) -> ProjectJson:
    """The export of a project, or the list that a script has of it already.

    Raises:
        SourceError: the project cannot be exported; or some of its data rows, if that is asked for.
    """
    if rows is not None:
        return ProjectJson(project_id, media, rows)
    with TemporaryDirectory(prefix="lakebox-") as folder:
        source = _WholeExport(project_id=project_id, cache=Path(folder), **endpoints())
        found = list(keyed(source, key).rows())
    refused = [row for row in found if row.data is None]
    if refused and fail_on_export_error:
        raise SourceError(f"exporting project {project_id}: data row {refused[0].id or '?'}: {refused[0].error}")
    return ProjectJson(project_id, media, [row.data for row in found if row.data is not None], refused)


def ontology_of(project_id: str, key: str | None, rows: Sequence[Json]) -> Json | None:
    """The ontology that the export names; None if it names none, or the key may not see it."""
    details = (row.get("projects", {}).get(project_id, {}).get("project_details", {}) for row in rows)
    ontology_id = next((found["ontology_id"] for found in details if found.get("ontology_id")), None)
    if ontology_id is None:
        return None
    with keyed(Account(**endpoints()), key).asked(f"reading ontology {ontology_id}") as client:
        found = ontology_by_id(client, ontology_id)
        return normalized(found) if found else None
