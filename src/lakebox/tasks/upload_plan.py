"""Looks at media and at Labelbox and makes the plan of an upload. Only reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lakebox.core.metadata import resolve_metadata
from lakebox.core.ontology_file import read_ontology
from lakebox.core.report import Report
from lakebox.core.upload import Duplicates, UploadRow, make_rows, refuse_mixture
from lakebox.core.upload_plan import (
    BATCH_LIMIT,
    OntologyFile,
    UploadPlan,
    Wanted,
    batch_names,
    check_connected,
    check_project,
    choose_for_file,
    choose_integration,
    choose_ontology,
    integration_to_connect,
    left_as_they_are,
    one_of,
)
from lakebox.core.upload_port import FoundDataset, FoundOntology, FoundProject, Workspace
from lakebox.tasks.media_list import fingerprints, list_media

ReadDocument = Callable[[Path], Any]
"""A JSON or YAML file -> what it says."""

_ONTOLOGY_FILES = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Planner:
    """What is asked for, and whom to ask."""

    service: Workspace
    wanted: Wanted
    media: Sequence[str]
    ontology: str | None
    duplicates: Duplicates
    read_document: ReadDocument

    def plan(self, report: Report) -> UploadPlan:
        """The plan; what is odd and no mistake goes to the report's warnings.

        Raises:
            ConfigError: what is asked for cannot be, or should not.
            SourceError: Labelbox cannot be asked.
        """
        file = self._ontology_file()
        rows = self._rows(report)
        dataset, project = self._dataset(), self._project()
        plan = self._things(UploadPlan(self.wanted), dataset, project, file)
        fields = self.service.metadata_fields() if any(row.metadata for row in rows) else ()
        plan = self._known(replace(plan, rows=tuple(resolve_metadata(rows, fields))), report)
        if not (plan.ontology or plan.connected):
            report.warnings.append(f"project {self.wanted.project!r} has no ontology; nobody can label without one")
        return plan

    def _ontology_file(self) -> OntologyFile | None:
        if self.ontology is None or Path(self.ontology).suffix.lower() not in _ONTOLOGY_FILES:
            return None
        path = Path(self.ontology).expanduser()
        raw = self.read_document(path)
        normalized = read_ontology(raw, str(path))
        return OntologyFile(str(raw.get("name") or path.stem), normalized, path.name)

    def _rows(self, report: Report) -> list[UploadRow]:
        """From the files and lists alone, so that their mistakes are known before Labelbox is asked."""
        found = list_media(self.media, self.wanted.media_type)
        refuse_mixture(found.entries)
        prints = fingerprints([entry for entry in found.entries if not entry.remote])
        rows = make_rows(found.entries, prints, self.duplicates)
        report.warnings += found.warnings
        left = len(found.entries) - len(rows)
        report.warnings += [f"{left} media were listed more than once and are uploaded once"] if left else []
        return rows

    def _dataset(self) -> FoundDataset | None:
        found = self.service.datasets(self.wanted.dataset)
        one_of("dataset", self.wanted.dataset, [one.id for one in found])
        return found[0] if found else None

    def _project(self) -> FoundProject | None:
        found = self.service.projects(self.wanted.project)
        one_of("project", self.wanted.project, [one.id for one in found])
        if found:
            check_project(found[0], self.wanted)
        return found[0] if found else None

    def _things(
        self, plan: UploadPlan, dataset: FoundDataset | None, project: FoundProject | None, file: OntologyFile | None
    ) -> UploadPlan:
        asked = self.wanted.integration
        integration = choose_integration(asked, self.service.integrations() if asked else ())
        ontology = self._wanted_ontology(file)
        return replace(
            plan,
            dataset_id=dataset.id if dataset else "",
            project_id=project.id if project else "",
            integration=integration,
            connect=integration_to_connect(asked, integration, dataset),
            ontology=ontology,
            connected=check_connected(project, ontology),
        )

    def _wanted_ontology(self, file: OntologyFile | None) -> FoundOntology | OntologyFile | None:
        media_type = self.wanted.media_type
        if file:
            return choose_for_file(file, self.service.ontologies(file.name), media_type) or file
        if self.ontology is None:
            return None
        return choose_ontology(self.ontology, self.service.ontologies(self.ontology), media_type)

    def _known(self, plan: UploadPlan, report: Report) -> UploadPlan:
        """What of it exists already."""
        there = self.service.data_row_ids([row.global_key for row in plan.rows])
        self._warn_elsewhere(plan, there, report)
        report.warnings += left_as_they_are(plan.rows, there)
        ids = frozenset(there.values())
        inside = self.service.in_project(plan.project_id, ids) if plan.project_id and ids else frozenset[str]()
        todo = len(plan.rows) - len(inside)
        taken = self.service.batches(plan.project_id) if plan.project_id and todo else frozenset[str]()
        names = batch_names(self.wanted.batch, taken, -(-todo // BATCH_LIMIT))
        return replace(plan, there=there, in_project=inside, batches=names)

    def _warn_elsewhere(self, plan: UploadPlan, there: Mapping[str, str], report: Report) -> None:
        ids = frozenset(there.values())
        inside = self.service.in_dataset(plan.dataset_id, ids) if plan.dataset_id and ids else frozenset[str]()
        elsewhere = [key for key, uid in there.items() if uid not in inside]
        if elsewhere:
            names = ", ".join(elsewhere[:3]) + (", ..." if len(elsewhere) > 3 else "")
            report.warnings.append(
                f"{len(elsewhere)} data rows exist in another dataset than {self.wanted.dataset!r} and are used from"
                f" there: {names}"
            )
