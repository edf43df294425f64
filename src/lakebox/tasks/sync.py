"""Tasks `sync`, `create` and `annotate`: a dataset comes to hold what a project says. One program for all three."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from pydantic import Field, PositiveInt

from lakebox.core.drift import Difference, Drift
from lakebox.core.facts import PREFIX, fact_columns, media_columns
from lakebox.core.lake_port import MAIN, Lake, Place, Remembering, StoredAsset
from lakebox.core.model import Asset, Failure
from lakebox.core.ports import Stop
from lakebox.core.report import Report
from lakebox.core.scan import Scan
from lakebox.core.seen import SEEN
from lakebox.core.tally import Tally
from lakebox.errors import AssetError, ConfigError, DriftError, LakeMoved, Stopped
from lakebox.tasks.assets import AssetWork, Block, NewRows, OldRows
from lakebox.tasks.beside import check_described, check_rows, follow
from lakebox.tasks.project import Overview, Prepared, Project, Unread
from lakebox.tasks.writer import Writer

log = logging.getLogger(__name__)

IMAGES = 16
"""Images that count as one video: as little is lost with them."""

Action = Literal["add", "relabel", "drop"]

ATTEMPTS = 5
"""How often a run plans again because somebody else committed."""
AUTO = "auto"
_DATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(\.\d+)?")


class Sync(Project):
    """Plans, and applies the plan asset by asset."""

    name: str = "sync"
    does: list[Action] = Field(
        description="add: rows of new data rows; relabel: annotations; drop: rows of removed ones"
    )
    message: str = Field(description="Commit message; {plan} is the plan sentence")
    tag: str | None = Field(default=None, pattern=r"^[^@\s]+$", description="Name of the version; auto: date and time")
    commit_assets: PositiveInt = Field(default=16, description="Commit after so many videos, or 16 times the images")
    commit_megabytes: PositiveInt = Field(default=32, description="Commit when so much waits, also within an asset")

    def __call__(self) -> Report:
        """Run; what can be done is done, the rest is in the report's failures.

        Raises:
            LakeBusy: another run is writing the dataset.
            DriftError: ontology or mapping changed, and the configuration does not follow.
        """
        started = time.monotonic()
        report = Report(task=self.name)
        try:
            self._run(report)
        except Stopped as stopped:
            report.warnings.append(str(stopped))
        self.source.forget()
        report.seconds = time.monotonic() - started
        return report

    def _run(self, report: Report) -> None:
        """Plan and apply, again whenever somebody else committed meanwhile."""
        found, place = self.read()
        for _ in range(ATTEMPTS):
            with ExitStack() as locks:
                for address in place.addresses:
                    locks.enter_context(self.storage.lock(address))
                try:
                    self._in_step(found, place, report)
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

    def _in_step(self, found: Scan, place: Place, report: Report) -> None:
        overview = self.overview(found, place, self._actions())
        self.tell(found, overview, report)
        log.info("plan: %s", overview.plan)
        for failure in report.failures:
            self.on_error(failure)
        refuse_drift(self.drift, overview.main.drift)
        name = self._tag_name(overview)
        report.dataset.branch = place.branch if "relabel" in self.does else MAIN
        if not overview.plan.empty:
            lakes = self._apply_all(found, place, overview, report)
        else:
            lakes = [one.lake for one in (overview.media, overview.main) if one and one.lake is not None]
            if place.annotations and len(lakes) == 2:
                check_rows(lakes[0], lakes[1], place)
                check_described(lakes[0], lakes[1], place)
        if isinstance(self.provider, Remembering) and lakes:
            self.provider.remember(found.project_name, place)
        if place.annotations and "relabel" in self.does:
            report.dataset.media = place.media
        self._name_version(lakes if place.annotations else lakes[-1:], name, report)

    def _actions(self) -> frozenset[str]:
        return frozenset(self.does)

    def _apply_all(self, found: Scan, place: Place, overview: Overview, report: Report) -> list[Lake]:
        """Media first, then the annotations where they are apart. Returns what was written, annotations last."""
        message = self.message.format(plan=overview.plan)
        if overview.media is None:
            return [self._apply(overview.main, message, frozenset(), report)]
        return self._apply_apart(found, place, overview.media, message, report)

    def _apply_apart(self, found: Scan, place: Place, media: Prepared, message: str, report: Report) -> list[Lake]:
        lake = media.lake
        if not media.todo.empty:
            lake = self._apply(media, self.message.format(plan=media.todo), frozenset(), report)
        if lake is None:
            return []
        labels = follow(self.storage, place, lake)
        added = frozenset(asset.id for asset, _ in media.todo.add)
        failed = {failure.data_row_id for failure in report.failures}
        known = replace(found, assets=[asset for asset in found.assets if asset.id not in failed])
        prepared = self.compare(known, labels, place.annotations or place.media, "labels", frozenset({"relabel"}))
        if not prepared.todo.empty:
            self._apply(prepared, message, added, report)
        if place.annotations:
            self._describe_both(lake, labels, prepared)
            check_described(lake, labels, place)
        report.dataset.rows, report.dataset.version = len(labels), labels.version
        return [lake, labels]

    def _describe_both(self, media: Lake, labels: Lake, prepared: Prepared) -> None:
        """Both say the same of their project, also where only one of them had something to write."""
        for lake in (media, labels):
            if self._describe(lake, prepared):
                lake.commit("describe the project")

    def _apply(self, prepared: Prepared, message: str, added: frozenset[str], report: Report) -> Lake:
        """Bring one dataset, or branch, in step. `added`: data rows that the report has as added already."""
        lake = self.storage.create(prepared.address) if prepared.lake is None else prepared.lake
        changed = self._arrange(lake, prepared)
        assets = self.commit_assets * (IMAGES if prepared.media == "image" else 1)
        limits = assets, self.commit_megabytes << 20
        writer = Writer(lake, message, self.progress, *limits, prepared.stored.foreign, changed)
        work = self._work(prepared)
        try:
            self._relabel(work, lake, prepared, writer, added, report)
            self._add(work, prepared, writer, report)
        except Stopped:
            writer.finish(f"{message} (stopped before its end)")
            report.dataset.rows, report.dataset.version = len(lake), lake.version
            raise
        for copy in prepared.todo.drop:
            writer.drop(copy)
        for copy in prepared.todo.unfinished:
            self._clear(copy, prepared, writer)
        report.assets["dropped"] += len(prepared.todo.drop)
        writer.finish(message, lambda: self._note(lake, prepared, report))
        report.dataset.rows, report.dataset.version = len(lake), lake.version
        return lake

    def _clear(self, copy: StoredAsset, prepared: Prepared, writer: Writer) -> None:
        """Rows that an interrupted run left. A finished copy among them was about to be replaced by a newer one."""
        newer = [a for a in prepared.stored.assets if a.id == copy.id and a.complete and a.rows[0] > copy.rows[0]]
        if copy.complete and newer:
            writer.replace(copy, newer[-1].rows)
        else:
            writer.drop(copy)

    def _note(self, lake: Lake, prepared: Prepared, report: Report) -> bool:
        """What the next run builds on. Whether anything of it changed."""
        changed = self._describe(lake, prepared)
        if "relabel" not in self.does or not prepared.layout_counts:
            return changed
        changed |= lake.note(self.notes(prepared))
        seen = None if report.failures else self.seen(prepared.scan, prepared.layout)
        return (lake.note({SEEN: seen}) if seen else False) or changed

    def _tag_name(self, overview: Overview) -> str:
        """The name for this run's version; refused if it names another version already."""
        lake = overview.main.lake
        tags = {} if lake is None else lake.tags()
        version = "" if lake is None else lake.version
        if self.tag != AUTO:
            if self.tag in tags and (not overview.plan.empty or tags[self.tag] != version):
                raise ConfigError(
                    f"tag: {self.tag!r} names version {tags[self.tag]} already; nothing was touched, choose another"
                )
            return self.tag or ""
        own = [name for name, named in tags.items() if named == version and _DATED.fullmatch(name)]
        if own and overview.plan.empty:
            return max(own)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        return next(name for name in (now, *(f"{now}.{number}" for number in range(2, 1000))) if name not in tags)

    def _name_version(self, lakes: list[Lake], name: str, report: Report) -> None:
        """Tag the version; the same tag on the same version, from an earlier run, is as good."""
        if not name or not lakes:
            return
        for lake in lakes:
            if name not in lake.tags():
                lake.tag(name)
        report.dataset.tag = name

    def _arrange(self, lake: Lake, prepared: Prepared) -> bool:
        """Columns first, so that every block finds its own. Returns whether anything changed."""
        columns = [*media_columns(prepared.media, prepared.pixel_column), *fact_columns(prepared.media)]
        if prepared.layout_counts:
            columns += prepared.layout.columns()
        changed = lake.arrange(columns, prepared.todo.remove, prepared.todo.renames)
        if not prepared.stored.columns:
            self._describe(lake, prepared)
        return changed

    def _describe(self, lake: Lake, prepared: Prepared) -> bool:
        """`labelbox_meta`, with a source for each data row in the order of the rows. Whether anything changed."""
        found = prepared.scan
        return lake.describe({
            "project_id": found.project_id,
            "type": prepared.media,
            "project_name": found.project_name,
            "sources": _sources(lake),
        })  # fmt: skip

    def _work(self, prepared: Prepared) -> AssetWork:
        return AssetWork(
            source=self.source,
            files=self.fetch.files(self.presigner),
            tools=self.tools,
            labels=self.labels,
            frames=self.frames,
            pixels=self.pixels,
            executor=self.executor,
            project_id=prepared.scan.project_id,
            layout=prepared.layout if prepared.layout_counts else None,
            pixel_column=prepared.pixel_column,
        )

    def _relabel(
        self,
        work: AssetWork,
        lake: Lake,
        prepared: Prepared,
        writer: Writer,
        added: frozenset[str],
        report: Report,
    ) -> None:
        todo = prepared.todo.relabel
        stored = {asset.id: old for asset, old in todo}
        self.progress.begin("annotations", len(todo))
        items = (_old_rows(lake, asset, old) for asset, old in todo)
        for ready, blocks in self.executor.stream(work.relabel, work.ready(items, prepared.media)):
            asset, counted = ready.item.asset, _Counted(blocks, self.stop)
            with self._reported(asset, counted, report, work.unwritten):
                writer.update(stored[asset.id], counted)
                report.assets["relabelled"] += asset.id not in added

    def _add(self, work: AssetWork, prepared: Prepared, writer: Writer, report: Report) -> None:
        """Append new copies, then remove the stored ones that they replace."""
        todo = prepared.todo.add
        replaced = {asset.id: old for asset, old in todo if old}
        self.progress.begin("media and annotations", len(todo))
        for ready, blocks in self.executor.stream(work.add, work.ready(_new_rows(prepared), prepared.media)):
            asset, counted = ready.item.asset, _Counted(blocks, self.stop)
            with self._reported(asset, counted, report, work.unwritten):
                rows = writer.append(counted)
                report.assets["added"] += 1
                report.media["fetched"] += prepared.pixel_column is not None
                report.media["frames"] += counted.rows if prepared.pixel_column else 0
                if asset.id in replaced:
                    writer.replace(replaced[asset.id], rows)
                    report.assets["dropped"] += 1

    @contextmanager
    def _reported(
        self, asset: Asset, counted: _Counted, report: Report, unwritten: Callable[[Asset], Tally]
    ) -> Iterator[None]:
        """Write one asset within; a failure stays its own, is reported, and its annotations count as read only."""
        try:
            yield
        except AssetError as error:
            report.tally.add(unwritten(asset))
            report.masks["failed"] += error.stage == "mask"
            log.error("%s (%s): %s: %s", asset.id, asset.name, error.stage, error)
            failure = Failure(asset.id, asset.name, error.stage, str(error))
            report.fail(failure)
            self.on_error(failure)
        else:
            report.tally.add(counted.tally)
            report.masks["fetched"] += counted.masks
            log.debug("%s (%s): %d rows", asset.id, asset.name, counted.rows)
        finally:
            self.progress.asset()


class _Counted:
    """Blocks on their way to the writer, counted, until somebody wants the run to end."""

    def __init__(self, blocks: Iterator[Block], stop: Stop) -> None:
        self._blocks = blocks
        self._stop = stop
        self.tally = Tally()
        self.rows = self.masks = 0

    def __iter__(self) -> Iterator[Block]:
        for block in self._blocks:
            self.tally = block.tally or self.tally
            self.masks += block.masks
            self.rows += block.rows
            yield block
            if self._stop.asked():
                raise Stopped("stopped because it was asked to; what was finished is committed")


def _new_rows(prepared: Prepared) -> Iterator[NewRows]:
    """Numbers go on where the dataset's end; a changed data row keeps its own."""
    free = 1 + max((old.index for old in prepared.stored.assets if old.complete), default=-1)
    for asset, old in prepared.todo.add:
        yield NewRows(asset, old.index if old else free)
        free += old is None


def _old_rows(lake: Lake, asset: Asset, old: StoredAsset) -> OldRows:
    """The frames that rows stand for come from the dataset, so that labels meet the rows that are there."""
    if asset.media.kind == "image":
        return OldRows(asset, np.zeros(len(old.rows), np.int64), 1)
    frames = np.array(lake.read("frame_idx", old.rows), np.int64)
    declared = asset.media.frames or int(lake.read(f"{PREFIX}frame_count", old.rows[:1])[0])
    return OldRows(asset, frames, max(declared, int(frames.max()) + 1))


def _sources(lake: Lake) -> list[str]:
    """External id or address of each finished data row."""
    first = np.array([asset.rows[0] for asset in lake.stored().assets if asset.complete], np.int64)
    ids, addresses = (lake.read(f"{PREFIX}{name}", first) for name in ("external_id", "row_data"))
    return [uid or address for uid, address in zip(ids, addresses, strict=True)]


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
