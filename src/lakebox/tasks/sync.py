"""Tasks `sync`, `create` and `annotate`: a dataset comes to hold what a project says. One program for all three."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from typing import Literal

from pydantic import Field, PositiveInt, SkipValidation

from lakebox.core.diff import changes
from lakebox.core.drift import Difference, Drift
from lakebox.core.lake_port import MAIN, Lake, Place, Remembering
from lakebox.core.report import Report
from lakebox.core.scan import Scan
from lakebox.errors import DriftError, LakeboxError, LakeMoved, Stopped
from lakebox.tasks.apply import Step, describe
from lakebox.tasks.beside import check_described, check_rows, follow, refuse_moved
from lakebox.tasks.kept import address_of
from lakebox.tasks.page import Draw, NoPage, done, shown
from lakebox.tasks.project import Overview, Prepared, Project, Unread
from lakebox.tasks.versions import Name, version_name

log = logging.getLogger(__name__)

Action = Literal["add", "relabel", "drop"]

ATTEMPTS = 5
"""How often a run plans again because somebody else committed."""


class Sync(Project):
    """Plans, and applies the plan asset by asset."""

    name: str = "sync"
    does: list[Action] = Field(
        description="add: rows of new data rows; relabel: annotations; drop: rows of removed ones"
    )
    message: str = Field(description="Commit message; {plan} is the plan sentence")
    tag: Name | None = Field(default=None, pattern=r"^[^@\s]+$", description="Name of the version; auto: date and time")
    commit_assets: PositiveInt = Field(
        default=16, description="Commit after so many videos, or 16 times as many images or new labels"
    )
    shows: SkipValidation[Draw | None] = None
    """What draws the page after a run; None: nobody looks."""
    commit_megabytes: PositiveInt = Field(default=32, description="Commit when so much waits, also within an asset")

    def __call__(self) -> Report:
        """Run; what can be done is done, the rest is in the report's failures.

        Raises:
            LakeBusy: another run is writing the dataset.
            DriftError: ontology or mapping changed, and the configuration does not follow.
        """
        started = time.monotonic()
        report = Report(task=self.name, config_digest=self.config_digest)
        try:
            self._run(report, started)
        except Stopped as stopped:
            report.warnings.append(str(stopped))
        self.source.forget()
        report.seconds = report.seconds or time.monotonic() - started  # without the drawing, if anything was drawn
        return report

    def _run(self, report: Report, started: float) -> None:
        """Plan and apply, again whenever somebody else committed meanwhile."""
        found, place = self.read()
        for _ in range(ATTEMPTS):
            with ExitStack() as locks:
                for address in place.addresses:
                    locks.enter_context(self.storage.lock(address))
                try:
                    self._in_step(found, place, report, started)
                    return
                except LakeMoved as moved:
                    log.warning("%s; planning again", moved)
                except Unread:
                    log.info("what changed is not enough to know; reading the whole project")
                    found, place = self.read_all()
        raise LakeMoved(
            f"path {place.media}: somebody else committed during each of {ATTEMPTS} attempts; what was committed is"
            " safe, run again when it is quiet there"
        )

    def _in_step(self, found: Scan, place: Place, report: Report, started: float) -> None:
        overview = self.overview(found, place, self._actions())
        self.tell(found, overview, report)
        log.info("plan: %s", overview.plan)
        for failure in report.failures:
            self.on_error(failure)
        refuse_drift(self.drift, overview.main.drift)
        there = [one.lake for one in (overview.media, overview.main) if one and one.lake is not None]
        before = overview.main.lake.version if overview.main.lake else ""
        name = version_name(there, self.tag, changes=not overview.plan.empty)
        report.dataset.branch = place.branch if "relabel" in self.does else MAIN
        lakes = there if overview.plan.empty else self._apply_all(found, place, overview, report)
        if overview.plan.empty and len(lakes) == 2:
            check_rows(lakes[0], lakes[1], place)
            self._describe_both(lakes[0], lakes[1], overview.main, place)
        if isinstance(self.provider, Remembering) and lakes:
            self.provider.remember(found.project_name, place)
        if place.annotations and "relabel" in self.does:
            report.dataset.media = place.media
        self._name_version(lakes if place.annotations else lakes[-1:], name, report)
        if lakes and not overview.plan.empty:
            report.seconds = time.monotonic() - started
            self._draw(place, lakes[-1], before, report)

    def _draw(self, place: Place, labels: Lake, before: str, report: Report) -> None:
        """What was done, for people. All of it is committed, so what goes wrong here is only said."""
        if self.shows is None or isinstance(self.preview, NoPage):
            return
        self.progress.begin("drawing the page", None)
        try:
            doing = done(report, self.name, address_of(place), labels.version, self.config_digest)
            earlier = labels.at(before) if before else None
            found = list(islice(changes(earlier, labels), self.preview.frames())) if earlier is not None else []
            what = shown(self.storage, place, labels, doing, self.preview.frames(), found, earlier)
            report.page = str(self.preview.write(self.shows, what, self.path))
        except LakeboxError as error:
            log.warning("no page: %s", error)
        except Exception as error:  # noqa: BLE001 - a drawing that fails is no failure of a run that is done
            log.warning("no page: drawing failed: %s: %s", type(error).__name__, error)

    def _actions(self) -> frozenset[str]:
        return frozenset(self.does)

    def _apply_all(self, found: Scan, place: Place, overview: Overview, report: Report) -> list[Lake]:
        """Media first, then the annotations where they are apart. Returns what was written, annotations last."""
        message = self.message.format(plan=overview.plan)
        if overview.media is None:
            return [self._apply(overview.main, message, report)]
        return self._apply_apart(found, place, overview.media, message, report)

    def _apply_apart(self, found: Scan, place: Place, media: Prepared, message: str, report: Report) -> list[Lake]:
        lake = media.lake
        if not media.todo.empty:
            lake = self._apply(media, self.message.format(plan=media.todo), report)
        if lake is None:
            return []
        labels = follow(self.storage, place, lake)
        failed = {failure.data_row_id for failure in report.failures}
        known = replace(found, assets=[asset for asset in found.assets if asset.id not in failed])
        prepared = self.compare(known, labels, place.annotations or place.media, "labels", frozenset({"relabel"}))
        if not prepared.todo.empty:
            self._apply(prepared, message, report)
        self._describe_both(lake, labels, prepared, place)
        refuse_moved(self.storage, place, lake)
        report.dataset.read(labels)
        return [lake, labels]

    def _describe_both(self, media: Lake, labels: Lake, prepared: Prepared, place: Place) -> None:
        """Two datasets say the same of their project: what the annotations know, whose facts are kept up to date; also
        where a run was killed when it had described one of them."""
        if not place.annotations:
            return
        for lake in (labels, media):
            if describe(lake, prepared, labels):
                lake.commit("describe the project")
        check_described(media, labels, place)

    def _apply(self, prepared: Prepared, message: str, report: Report) -> Lake:
        size = self.commit_megabytes << 20
        return Step(self, prepared, message, self.commit_assets, size, report).apply()

    def _name_version(self, lakes: list[Lake], name: str, report: Report) -> None:
        """Tag the version; the same tag on the same version, from an earlier run, is as good."""
        if not name or not lakes:
            return
        for lake in lakes:
            if name not in lake.tags():
                lake.tag(name)
        report.dataset.tag = name


def refuse_drift(policy: Drift, found: Iterable[Difference]) -> None:
    """Raise what the configuration does not want to follow.

    Raises:
        DriftError: it names all of it; nothing was touched.
    """
    if refused := policy.refused(found):
        raise DriftError(
            f"drift: {'; '.join(refused)}; nothing was touched: drift=follow brings it in, or set drift.added,"
            " drift.renamed, drift.archived, drift.mapping one by one"
        )
