"""Task `upload`: media come to a Labelbox project. Plans, then applies; whatever fails, the same call does the rest."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, field_validator

from lakebox.core.model import Failure
from lakebox.core.progress import Progress
from lakebox.core.report import Report
from lakebox.core.upload import Duplicates, MediaType, UploadRow
from lakebox.core.upload_plan import BATCH_LIMIT, DEFAULT, OntologyFile, UploadPlan, Wanted
from lakebox.core.upload_port import Workspace
from lakebox.errors import SourceError
from lakebox.tasks.upload_plan import Planner, ReadDocument

log = logging.getLogger(__name__)


class Upload(BaseModel):
    """Media, dataset, project, ontology and batches."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    service: Workspace
    progress: SkipValidation[Progress]
    read_document: SkipValidation[ReadDocument]
    media: tuple[str, ...] = Field(description="Globs, folders, files, addresses, and lists of them")
    dataset: str = Field(min_length=1, description="Name")
    project: str = Field(min_length=1, description="Name")
    media_type: MediaType = "video"
    ontology: str | None = Field(default=None, description="Id, name, or a .json or .yaml file")
    iam_integration: str | None = Field(default=DEFAULT, description="Id or name; None: no integration")
    batch: str | None = Field(default=None, description="Name of the batches; None: <dataset>_batch")
    priority: Literal[1, 2, 3, 4, 5] = 5
    duplicates: Duplicates = "fail"
    dry_run: bool = False

    @field_validator("media", mode="before")
    @classmethod
    def _listed(cls, media: object) -> object:
        return (media,) if isinstance(media, str) else media

    def __call__(self) -> Report:
        """Upload; data rows that Labelbox refuses are in the report's failures.

        Raises:
            ConfigError: what is asked for cannot be; nothing was touched.
            SourceError: Labelbox failed half-way; the same call does the rest.
        """
        started = time.monotonic()
        report = Report(task="upload")
        plan = self._planner().plan(report)
        report.plan = str(plan)
        report.assets["unchanged"] += len(plan.there)
        log.info("plan: %s", plan)
        if self.dry_run:
            _name_found(plan, report)
        else:
            self._apply(plan, report)
        report.seconds = time.monotonic() - started
        return report

    def _planner(self) -> Planner:
        wanted = Wanted(
            self.dataset, self.project, self.media_type, self.iam_integration, self.batch or f"{self.dataset}_batch"
        )
        return Planner(self.service, wanted, self.media, self.ontology, self.duplicates, self.read_document)

    def _apply(self, plan: UploadPlan, report: Report) -> None:
        """In an order in which every step can be found again by the next run."""
        try:
            ontology_id = self._ontology(plan)
            dataset_id = self._dataset(plan)
            ids = {**plan.there, **self._upload(plan, dataset_id, report)}
            project_id = plan.project_id or self._made(
                lambda: self.service.create_project(self.project, self.media_type),
                lambda: [one.id for one in self.service.projects(self.project)],
            )
            if ontology_id and not plan.connected:
                self.service.connect_ontology(project_id, ontology_id)
            report.labelbox |= {"project_id": project_id, "dataset_id": dataset_id, "ontology_id": ontology_id}
            self._batches(plan, project_id, ids, report)
        except SourceError as error:
            done = f"{report.assets['added']} of {len(plan.upload)} data rows were uploaded"
            raise SourceError(f"{error}\n{done}; the same command does the rest") from error

    def _ontology(self, plan: UploadPlan) -> str:
        """Its id; empty: the project stays without."""
        ontology = plan.ontology
        if not isinstance(ontology, OntologyFile):
            known = ontology or plan.connected
            return known.id if known else ""
        return self._made(
            lambda: self.service.create_ontology(ontology.name, ontology.normalized, self.media_type),
            lambda: [one.id for one in self.service.ontologies(ontology.name)],
        )

    def _dataset(self, plan: UploadPlan) -> str:
        if plan.connect:
            self.service.connect_integration(plan.dataset_id, plan.connect.id)
        integration = plan.integration.id if plan.integration else ""
        return plan.dataset_id or self._made(
            lambda: self.service.create_dataset(self.dataset, integration),
            lambda: [one.id for one in self.service.datasets(self.dataset)],
        )

    def _made(self, create: Callable[[], str], find: Callable[[], list[str]]) -> str:
        """The id of a new thing. Where the answer was lost it may have been made all the same: then it has its name."""
        try:
            return create()
        except SourceError:
            found = find()
            if len(found) != 1:
                raise
            return found[0]

    def _upload(self, plan: UploadPlan, dataset_id: str, report: Report) -> dict[str, str]:
        """Global key -> id of the new data rows."""
        ids: dict[str, str] = {}
        self.progress.begin("uploading", [1] * len(plan.upload))
        for one in self.service.upload(dataset_id, plan.upload, self.media_type, self.progress.asset):
            if one.refused:
                report.fail(_failure("", one.row, "upload", one.refused))
            else:
                ids[one.row.global_key] = one.data_row_id
                report.assets["added"] += 1
        return ids

    def _batches(self, plan: UploadPlan, project_id: str, ids: dict[str, str], report: Report) -> None:
        rows = {ids[row.global_key]: row for row in plan.rows if row.global_key in ids}
        todo = [uid for uid in rows if uid not in plan.in_project]
        made = report.labelbox["batches"] = []
        refused: set[str] = set()
        for start, name in zip(range(0, len(todo), BATCH_LIMIT), plan.batches, strict=False):
            refused |= self.service.create_batch(project_id, name, todo[start : start + BATCH_LIMIT], self.priority)
            made.append(name)
        if refused:
            refused -= self.service.in_project(project_id, refused)
        for uid in sorted(refused):
            text = f"is in dataset {self.dataset!r}, but Labelbox did not put it into project {self.project!r}"
            report.fail(_failure(uid, rows[uid], "batch", f"{text}; look at it in the Catalog"))


def _name_found(plan: UploadPlan, report: Report) -> None:
    known = plan.connected or plan.ontology
    ontology_id = "" if known is None or isinstance(known, OntologyFile) else known.id
    found = {"project_id": plan.project_id, "dataset_id": plan.dataset_id, "ontology_id": ontology_id}
    report.labelbox |= {name: uid for name, uid in found.items() if uid}


def _failure(uid: str, row: UploadRow, stage: str, error: str) -> Failure:
    log.error("%s: %s: %s", row.shown, stage, error)
    return Failure(uid, row.shown, stage, error)
