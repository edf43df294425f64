"""What an upload would make: decided from what was asked for and what Labelbox has. Its text is the dry run.

Nothing is guessed: several things of one name, a project of another media type or with another ontology are refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lakebox.core.ontology_file import differences, is_empty
from lakebox.core.upload import MediaType, UploadRow
from lakebox.core.upload_port import FoundDataset, FoundIntegration, FoundOntology, FoundProject
from lakebox.errors import ConfigError

BATCH_LIMIT = 100_000
"""Data rows per batch (SDK: Project.create_batch)."""
DEFAULT = "DEFAULT"
"""The IAM integration that the organisation made its default, as in the SDK and in deeplake's integration."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OntologyFile:
    """An ontology that people keep as a file."""

    name: str
    normalized: Json = field(repr=False)
    path: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the configuration asks for."""

    dataset: str
    project: str
    media_type: MediaType
    integration: str | None
    batch: str


def one_of(kind: str, name: str, ids: Sequence[str]) -> str:
    """The id of the only thing of a name; empty if there is none.

    Raises:
        ConfigError: there are several.
    """
    if len(ids) > 1:
        raise ConfigError(
            f"task.{kind}: Labelbox has several of the name {name!r}: {', '.join(sorted(ids))};"
            " nothing was touched, rename all but one in Labelbox or choose another name"
        )
    return ids[0] if ids else ""


def choose_integration(asked: str | None, found: Sequence[FoundIntegration]) -> FoundIntegration | None:
    """The integration that is asked for by id, by name, as the default, or not at all.

    Raises:
        ConfigError: it does not exist, its name is not unique, or it is broken.
    """
    if asked is None:
        return None
    match = [one for one in found if asked in (one.id, one.name)]
    match = match or [one for one in found if asked == DEFAULT and one.default]
    if not match and asked == DEFAULT:
        return None
    if len(match) != 1:
        names = ", ".join(f"{one.name} ({one.id})" for one in (match or found)) or "none"
        problem = "several integrations have this name" if match else "no such IAM integration"
        raise ConfigError(f"task.iam_integration: {asked!r}: {problem}; Labelbox has: {names}; nothing was touched")
    if not match[0].valid:
        raise ConfigError(
            f"task.iam_integration: {match[0].name} ({match[0].id}) is not valid; nothing was touched,"
            " mend it in Labelbox (Workspace settings > Integrations), or set it to null"
        )
    return match[0]


def integration_to_connect(
    asked: str | None, wanted: FoundIntegration | None, dataset: FoundDataset | None
) -> FoundIntegration | None:
    """What has to be connected to a dataset that exists; a filled one gets what was named only, not the default.

    Raises:
        ConfigError: the dataset uses another integration than the one that is named.
    """
    if dataset is None or wanted is None or dataset.integration_id == wanted.id:
        return None
    if not dataset.integration_id:
        return wanted if asked != DEFAULT or not dataset.rows else None
    if asked == DEFAULT:
        return None
    raise ConfigError(
        f"task.iam_integration: dataset {dataset.id} uses integration {dataset.integration_id}, not {wanted.name}"
        f" ({wanted.id}); nothing was touched, choose another dataset or leave task.iam_integration at {DEFAULT}"
    )


def check_project(project: FoundProject, wanted: Wanted) -> None:
    """A project that exists must be of the media type.

    Raises:
        ConfigError: it is of another.
    """
    if project.media_type != wanted.media_type:
        raise ConfigError(
            f"task.project: {wanted.project!r} ({project.id}) is a project for {project.media_type}, not for"
            f" {wanted.media_type}; nothing was touched, choose another project or task.media_type"
        )


def choose_ontology(asked: str, found: Sequence[FoundOntology], media_type: str) -> FoundOntology:
    """The ontology that is asked for by id or name.

    Raises:
        ConfigError: there is none, there are several, or it is for other media.
    """
    if not found:
        raise ConfigError(
            f"task.ontology: Labelbox has no ontology with the id or name {asked!r}; nothing was touched,"
            " give the path of a .json or .yaml file to create one"
        )
    one_of("ontology", asked, [one.id for one in found])
    if found[0].media_type not in ("", media_type):
        raise ConfigError(
            f"task.ontology: {found[0].name!r} ({found[0].id}) is for {found[0].media_type}, not for {media_type};"
            " nothing was touched"
        )
    return found[0]


def choose_for_file(file: OntologyFile, found: Sequence[FoundOntology], media_type: str) -> FoundOntology | None:
    """The ontology that a file made earlier; None: it has to be created.

    Raises:
        ConfigError: one of that name is not the same.
    """
    if not found:
        return None
    known = choose_ontology(file.name, found, media_type)
    unlike = differences(file.normalized, known.normalized)
    if unlike:
        lines = [
            f"task.ontology: ontology {file.name!r} ({known.id}) is not the one of {file.path}; nothing was touched,"
            " give the file another 'name', or make them the same"
        ]
        raise ConfigError("\n".join([*lines, *(f"  {line}" for line in unlike[:20])]))
    return known


def check_connected(project: FoundProject | None, wanted: FoundOntology | OntologyFile | None) -> FoundOntology | None:
    """The ontology that a project has; an empty one counts for none.

    Raises:
        ConfigError: it is another than the one that is wanted.
    """
    has = project.ontology if project and project.ontology and not is_empty(project.ontology.normalized) else None
    if has is None or wanted is None or (isinstance(wanted, FoundOntology) and has.id == wanted.id):
        return has
    raise ConfigError(
        f"task.ontology: project {project.id if project else ''} has ontology {has.name!r} ({has.id}), not"
        f" {wanted.name!r}; nothing was touched, choose another project, or task.ontology=null to leave it as it is"
    )


def _rows(count: int) -> str:
    return "1 data row" if count == 1 else f"{count} data rows"


def left_as_they_are(rows: Sequence[UploadRow], there: Collection[str]) -> list[str]:
    """A note on data rows that exist and of which a list says more: an upload adds data rows, it does not edit them."""
    known = sum(row.described and row.global_key in there for row in rows)
    exist = "1 data row exists; its" if known == 1 else f"{known} data rows exist; their"
    note = f"{exist} metadata, attachments and external ids are left as they are, whatever the list says"
    return [f"{note}; edit them in Labelbox"] if known else []


def batch_names(prefix: str, taken: Collection[str], count: int) -> tuple[str, ...]:
    """`prefix`, `prefix-2`, ... without those that a project has: a batch's name is unique within its project."""
    return tuple(_free(prefix, taken, count))


def _free(prefix: str, taken: Collection[str], count: int) -> Iterator[str]:
    number = 0
    while count:
        number += 1
        name = prefix if number == 1 else f"{prefix}-{number}"
        if name not in taken:
            count -= 1
            yield name


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """What an upload would make, and what it found. Its text is the plan sentence."""

    wanted: Wanted
    rows: tuple[UploadRow, ...] = ()
    there: Mapping[str, str] = field(default_factory=dict)
    """Global key -> id of data rows that exist already."""
    in_project: frozenset[str] = frozenset()
    """Ids of those that the project has already."""
    batches: tuple[str, ...] = ()
    """Names of the batches to create."""
    dataset_id: str = ""
    """Empty: to be created; so is the project."""
    project_id: str = ""
    integration: FoundIntegration | None = None
    """For a dataset that is to be created."""
    connect: FoundIntegration | None = None
    """What an existing dataset is to be given."""
    ontology: FoundOntology | OntologyFile | None = None
    """A file is to be created, one that was found to be connected."""
    connected: FoundOntology | None = None
    """The one that the project has."""

    @property
    def upload(self) -> tuple[UploadRow, ...]:
        """Rows that do not exist yet."""
        return tuple(row for row in self.rows if row.global_key not in self.there)

    @property
    def to_batch(self) -> int:
        """How many data rows the batches get."""
        return len(self.rows) - len(self.in_project)

    def __str__(self) -> str:
        """One sentence, such as `create dataset 'lanes', 10 data rows to upload, 2 there already, 1 batch of 12`."""
        steps = [*self._things(), *([f"{_rows(len(self.upload))} to upload"] if self.upload else [])]
        there = f"{len(self.there)} there already"
        many = len(self.batches)
        batches = [f"{many} batch{'es' if many > 1 else ''} of {self.to_batch}"] if many else []
        return ", ".join([*steps, there, *batches] if steps or batches else ["nothing to do", there])

    def _things(self) -> Iterator[str]:
        if not self.dataset_id:
            yield f"create dataset {self.wanted.dataset!r}" + (
                f" (integration {self.integration.name})" if self.integration else ""
            )
        if self.connect:
            yield f"connect integration {self.connect.name} to dataset {self.wanted.dataset!r}"
        if not self.project_id:
            yield f"create project {self.wanted.project!r} ({self.wanted.media_type})"
        if isinstance(self.ontology, OntologyFile):
            yield f"create ontology {self.ontology.name!r} from {self.ontology.path}"
        elif self.ontology and not self.connected:
            yield f"connect ontology {self.ontology.name!r}"
