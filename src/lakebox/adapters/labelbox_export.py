"""Source `labelbox`: a project of the live service, by its streamable export. Works on the SDK without importing it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PrivateAttr, field_validator, model_validator

from lakebox.adapters.export_cache import ExportCache
from lakebox.adapters.labelbox_changes import (
    Listed,
    Untold,
    append_active,
    append_named,
    list_project,
    to_ask,
    utc,
)
from lakebox.adapters.labelbox_kept import Facts, KeptExport, write_facts
from lakebox.adapters.labelbox_sdk import Account, normalized
from lakebox.adapters.labelbox_task import Exports, portions
from lakebox.core.fingerprint import digest
from lakebox.core.labels import same_status
from lakebox.core.ports import Changes, Since, SourceRow
from lakebox.errors import ConfigError, SourceError

log = logging.getLogger(__name__)

NEEDED = ("data_row_details", "project_details", "label_details", "performance_details")
"""Export parameters that rows and label policies are made of; everything else stays out of the export."""
STATUSES = ("ToLabel", "InReview", "InRework", "Done")

Span = tuple[datetime | None, datetime | None]


class Filters(BaseModel):
    """Which data rows are exported. Dates without an offset are UTC; None leaves a side open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workflow_status: Literal["ToLabel", "InReview", "InRework", "Done"] | None = None
    batch_ids: list[str] | None = Field(default=None, min_length=1)
    data_row_ids: list[str] | None = Field(default=None, min_length=1)
    global_keys: list[str] | None = Field(default=None, min_length=1)
    last_activity_at: Span | None = None
    label_created_at: Span | None = None

    @field_validator("workflow_status", mode="before")
    @classmethod
    def _spelled(cls, value: Any) -> Any:
        """Exports say IN_REVIEW where their filter says InReview."""
        return next((status for status in STATUSES if same_status(str(value), status)), value)

    @model_validator(mode="after")
    def _one_kind_of_ids(self) -> Filters:
        if self.data_row_ids and self.global_keys:
            raise ValueError("data_row_ids and global_keys exclude each other (Labelbox takes one of them)")
        return self

    def asked(self) -> dict[str, Any]:
        """Those that are set, as the SDK takes them."""
        found = {name: value for name, value in self if value is not None}
        for name in ("last_activity_at", "label_created_at"):
            if name in found:
                found[name] = [None if moment is None else utc(moment) for moment in found[name]]
        return found

    def exports(self) -> Iterator[dict[str, Any]]:
        """The filters of one export each, with no more ids than one may have."""
        found = self.asked()
        name = next((key for key in ("data_row_ids", "global_keys") if key in found), None)
        if name is None:
            yield found
            return
        yield from ({**found, name: ids} for ids in portions(list(dict.fromkeys(found[name]))))


class LabelboxProject(Account):
    """A project of the live service. The key stays in the environment.

    `as_of` goes by this machine's clock. The margin is for its difference to other clocks, and for the time that
    Labelbox takes until its exports know of what people did.
    """

    project_id: str | None = Field(default=None, description="Id of the project; the root key project_id")
    filters: Filters = Filters()
    interpolation: Literal["local", "server"] = Field(
        default="local", description="Who fills the frames between keyframes; server: bigger exports, the same result"
    )
    timeout_minutes: PositiveFloat = Field(default=120.0, description="Longest time that an export may take")
    cache: Path = Field(default=Path(".lakebox/exports"), description="Exports of plans and unfinished runs")
    max_age_minutes: float = Field(default=120.0, ge=0, description="Oldest kept export that is used; 0: always anew")
    refetch: Literal["changes", "whole"] = Field(
        default="changes", description="What is asked for when a dataset holds the project already"
    )
    margin_minutes: float = Field(
        default=60.0, ge=0, description="How long before a dataset's moment changes are looked for: clocks differ"
    )
    whole_every_days: float = Field(
        default=7.0, ge=0, description="Age of the last look at the whole project after which it is exported whole"
    )
    parts: ClassVar[tuple[str, ...]] = NEEDED
    most: ClassVar[int] = 20_000
    """Data rows asked for by id above which the whole export is the shorter way."""
    _read: dict[str, KeptExport] = PrivateAttr(default_factory=dict)
    """By what was asked for; the one read last stands last."""
    _found: list[Any] = PrivateAttr(default_factory=list)

    def describe(self) -> str:
        """Which project where.

        Raises:
            ConfigError: no project is named.
        """
        if not self.project_id:
            raise ConfigError("project_id: source=labelbox needs it: project_id=<id of the Labelbox project>")
        return f"project {self.project_id} at {self.endpoint}"

    def partial(self) -> str:
        """The filters that are set."""
        names = ", ".join(self.filters.asked())
        return f"the export is filtered ({names})" if names else ""

    def project(self) -> tuple[str, str]:
        """Id and name, asked for once.

        Raises:
            ConfigError: no project is named, or there is no key.
            SourceError: there is no such project, or Labelbox does not answer.
        """
        self.describe()
        with self.asked(f"looking up project {self.project_id}") as client:
            found = self._project(client)
            return str(found.uid), str(found.name)

    def rows(self) -> Iterator[SourceRow]:
        """All data rows of the export, then those that Labelbox could not export, as errors.

        Raises:
            ConfigError: no project is named, or there is no key.
            SourceError: the project cannot be exported.
        """
        yield from self._whole().rows()

    def changes(self, since: Since) -> Changes | None:
        """Data rows with activity since the moment less the margin, and those that are new to the dataset.

        How they are found, and what is not certain about it: see `labelbox_changes`.

        Raises:
            ConfigError: no project is named, or there is no key.
            SourceError: the project cannot be exported.
        """
        self.describe()
        try:
            export = self._changed(since)
        except Untold as why:
            log.info("project %s comes whole: %s", self.project_id, why)
            return None
        return Changes(export.rows(), export.facts.unchanged)

    def as_of(self) -> datetime:
        """When what was read last was asked for, by this machine's clock; of a kept export, when that was made."""
        return self._last().facts.as_of

    def row(self, position: int) -> Mapping[str, Any]:
        """Read a data row of what was read last again."""
        return self._last().file.row(position)

    def ontology(self) -> Mapping[str, Any] | None:
        """The project's ontology; None if it has none yet."""
        return self._last().file.ontology()

    def resolve(self, url: str) -> str:
        """Addresses as they are."""
        return url

    def forget(self) -> None:
        """Export anew the next time."""
        self._read.clear()
        self._found.clear()
        self._kept().drop()

    def _last(self) -> KeptExport:
        return next(reversed(self._read.values())) if self._read else self._whole()

    def _whole(self) -> KeptExport:
        """The whole export of this run, made when it is first needed."""
        self.describe()
        return self._take(self._kept(), self._write)

    def _changed(self, since: Since) -> KeptExport:
        self._check(since)
        start = (since.moment - timedelta(minutes=self.margin_minutes)).replace(microsecond=0)  # as filters have it
        kept = self._kept(digest([utc(start), sorted(since.ids)]))
        if kept.key not in self._read and kept.newest() is None and self._whole_is_kept(since):
            raise Untold("it was exported whole, and that is kept")
        return self._take(kept, partial(self._write_changes, start, since.ids))

    def _check(self, since: Since) -> None:
        """Raise Untold where nothing needs to be asked to know that the whole project has to come."""
        now = datetime.now(UTC)
        if self.refetch == "whole":
            raise Untold("source.refetch=whole")
        if self.filters.asked():
            raise Untold(self.partial())
        if not since.ids:
            raise Untold("the dataset holds nothing of it")
        if now - since.whole > timedelta(days=self.whole_every_days):
            raise Untold(f"it last came whole on {since.whole:%Y-%m-%d} (source.whole_every_days)")
        if since.moment > now:
            raise Untold(f"the dataset is of {utc(since.moment)}, which is later than this machine's clock")

    def _whole_is_kept(self, since: Since) -> bool:
        """Whether a plan or an unfinished run left the whole export, and it is newer than the dataset."""
        folder = self._kept().newest()
        return folder is not None and KeptExport(folder).facts.as_of >= since.moment

    def _take(self, kept: ExportCache, write: Callable[[Path], None]) -> KeptExport:
        """An export, made when it is first needed; from now on the one that was read last."""
        found = self._read.pop(kept.key, None) or KeptExport(kept.find() or kept.make(write))
        self._read[kept.key] = found
        return found

    def _kept(self, changes: str = "") -> ExportCache:
        # the first word is for what the folder holds, so that no other version's is found
        asked = ["facts", self.endpoint, self.project_id, self.filters.asked(), self.interpolation, self.parts]
        key = digest(asked)
        return ExportCache(self.cache, f"{key}-{changes}" if changes else key, 60 * self.max_age_minutes)

    def _write(self, folder: Path) -> None:
        """Export into a folder: data rows, errors, and the ontology, which is asked for last so that it has all."""
        as_of, started, count = datetime.now(UTC), time.monotonic(), 0
        with self.asked(f"exporting project {self.project_id}") as client:
            project, exports = self._project(client), self._exports(client)
            for filters in self.filters.exports():
                lines, failed = exports.append(project, filters, self._parameters(), folder)
                log.info("exported %d data rows, %d errors in %.1f s", lines, failed, time.monotonic() - started)
                count += lines + failed
            if not count:
                raise SourceError(self._nothing())
            write_facts(folder, Facts(as_of), _ontology(project))

    def _write_changes(self, start: datetime, held: frozenset[str], folder: Path) -> None:
        """Export into a folder what may have changed since `start`, and what is not held."""
        as_of, started = datetime.now(UTC), time.monotonic()
        with self.asked(f"exporting what changed in project {self.project_id}") as client:
            project, exports = self._project(client), self._exports(client)
            active = append_active(exports, project, start, self._parameters(), folder)
            listed = self._list(exports, project, start, folder / "list")
            ids = to_ask(listed, active, held)
            if len(ids) > self.most:
                raise Untold(f"{len(ids)} data rows are new or may have changed")
            given = append_named(exports, project, ids, self._parameters(), folder)
            facts = Facts(as_of, unchanged=listed.ids - given, left=active - listed.ids)
            write_facts(folder, facts, _ontology(project))
        log.info(
            "exported %d data rows that may have changed since %s, %d are as they were, in %.1f s",
            len(given - facts.left), utc(start), len(facts.unchanged), time.monotonic() - started,
        )  # fmt: skip

    def _list(self, exports: Exports, project: Any, start: datetime, folder: Path) -> Listed:
        """The data rows of the project. What Labelbox may have against being asked for them hinders no whole export."""
        try:
            with self.asked("listing its data rows"):
                return list_project(exports, project, start, folder)
        except SourceError as error:
            raise Untold(str(error)) from None

    def _project(self, client: Any) -> Any:
        """The SDK's project, asked for once."""
        if not self._found:
            self._found.append(client.get_project(self.project_id))
        return self._found[0]

    def _exports(self, client: Any) -> Exports:
        return Exports(client, self.patience, 60 * self.timeout_minutes)

    def _nothing(self) -> str:
        if asked := ", ".join(self.filters.asked()):
            return f"no data row passes the filter ({asked}); check it, and that the project has data rows"
        return "it has no data rows; add a batch to it (or lakebox task=upload) and run again"

    def _parameters(self) -> dict[str, bool]:
        unwanted = dict.fromkeys(("attachments", "metadata_fields", "embeddings"), False)
        return {**unwanted, **dict.fromkeys(self.parts, True), "interpolated_frames": self.interpolation == "server"}


def _ontology(project: Any) -> dict[str, Any] | None:
    found = project.ontology()
    return None if found is None else normalized(found)
