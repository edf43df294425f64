"""Tasks `sync`, `create` and `annotate`: a dataset comes to hold what a project says. One program for all three."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
from pydantic import Field, PositiveInt

from lakebox.core.facts import PREFIX, fact_columns, media_columns
from lakebox.core.lake_port import Lake, StoredAsset
from lakebox.core.model import Asset, Failure
from lakebox.core.report import Report
from lakebox.core.tally import Tally
from lakebox.core.urls import unsigned
from lakebox.errors import AssetError, ConfigError, Stopped
from lakebox.tasks.assets import AssetWork, Block, NewRows, OldRows
from lakebox.tasks.project import Prepared, Project
from lakebox.tasks.writer import Writer

log = logging.getLogger(__name__)

IMAGES = 16
"""Images that count as one video: as little is lost with them."""

Action = Literal["add", "relabel", "drop"]


class Sync(Project):
    """Plans, and applies the plan asset by asset."""

    name: str = "sync"
    does: list[Action] = Field(
        description="add: rows of new data rows; relabel: annotations; drop: rows of removed ones"
    )
    message: str = Field(description="Commit message; {plan} is the plan sentence")
    tag: str | None = None
    commit_assets: PositiveInt = Field(default=16, description="Commit after so many videos, or 16 times the images")
    commit_megabytes: PositiveInt = Field(default=32, description="Commit when so much waits, also within an asset")

    def __call__(self) -> Report:
        """Run; what can be done is done, the rest is in the report's failures."""
        started = time.monotonic()
        report = Report(task=self.name)
        prepared = self.prepare(frozenset(self.does), report)
        log.info("plan: %s", report.plan)
        try:
            for failure in report.failures:
                self.on_error(failure)
            self._refuse_taken_tag(prepared)
            if not prepared.todo.empty:
                self._apply(prepared, report)
            elif prepared.lake is not None:
                self._name_version(prepared.lake, report)
        except Stopped as stopped:
            report.warnings.append(f"stopped at the first failure, as on_error=stop asks: {stopped}")
        self.source.forget()
        report.seconds = time.monotonic() - started
        return report

    def _apply(self, prepared: Prepared, report: Report) -> None:
        lake = self.storage.create(prepared.address) if prepared.lake is None else prepared.lake
        message = self.message.format(plan=prepared.todo)
        changed = self._arrange(lake, prepared)
        assets = self.commit_assets * (IMAGES if prepared.media == "image" else 1)
        writer = Writer(lake, message, self.progress, assets, self.commit_megabytes << 20, changed)
        work = self._work(prepared)
        try:
            self._relabel(work, lake, prepared, writer, report)
            self._add(work, prepared, writer, report)
        except Stopped:
            writer.finish(f"{message} (stopped at a failure)")
            report.dataset.rows, report.dataset.version = len(lake), lake.version
            raise
        for copy in (*prepared.todo.drop, *prepared.todo.unfinished):
            writer.drop(copy)
        report.assets["dropped"] += len(prepared.todo.drop)
        self._describe(lake, prepared)
        writer.finish(message)
        report.dataset.rows, report.dataset.version = len(lake), lake.version
        self._name_version(lake, report)

    def _refuse_taken_tag(self, prepared: Prepared) -> None:
        if self.tag is None or prepared.lake is None:
            return
        tags = prepared.lake.tags()
        if self.tag in tags and (not prepared.todo.empty or tags[self.tag] != prepared.lake.version):
            raise ConfigError(
                f"tag: {self.tag!r} names version {tags[self.tag]} already; nothing was touched, choose another"
            )

    def _name_version(self, lake: Lake, report: Report) -> None:
        """Tag the version; the same tag on the same version, from an earlier run, is as good."""
        if not self.tag:
            return
        if self.tag not in lake.tags():
            lake.tag(self.tag)
        report.dataset.tag = self.tag

    def _arrange(self, lake: Lake, prepared: Prepared) -> bool:
        """Columns first, so that every block finds its own. Returns whether anything changed."""
        columns = [*media_columns(prepared.media, prepared.pixel_column), *fact_columns(prepared.media)]
        if "relabel" in self.does:
            columns += prepared.layout.columns()
        changed = lake.arrange(columns, prepared.todo.remove)
        if not prepared.stored.columns:
            self._describe(lake, prepared)
        return changed

    def _describe(self, lake: Lake, prepared: Prepared) -> None:
        found = prepared.scan
        lake.describe({
            "project_id": found.project_id,
            "type": prepared.media,
            "project_name": found.project_name,
            "sources": [asset.facts.external_id or unsigned(asset.url) for asset in found.assets],
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
            layout=prepared.layout if "relabel" in self.does else None,
            pixel_column=prepared.pixel_column,
        )

    def _relabel(self, work: AssetWork, lake: Lake, prepared: Prepared, writer: Writer, report: Report) -> None:
        todo = prepared.todo.relabel
        stored = {asset.id: old for asset, old in todo}
        self.progress.begin("annotations", len(todo))
        items = (_old_rows(lake, asset, old) for asset, old in todo)
        for ready, blocks in self.executor.stream(work.relabel, work.ready(items, prepared.media)):
            asset, counted = ready.item.asset, _Counted(blocks)
            with self._reported(asset, counted, report, work.unwritten):
                writer.update(stored[asset.id], counted)
                report.assets["relabelled"] += 1

    def _add(self, work: AssetWork, prepared: Prepared, writer: Writer, report: Report) -> None:
        """Append new copies, then remove the stored ones that they replace."""
        todo = prepared.todo.add
        replaced = {asset.id: old for asset, old in todo if old}
        self.progress.begin("media and annotations", len(todo))
        for ready, blocks in self.executor.stream(work.add, work.ready(_new_rows(prepared), prepared.media)):
            asset, counted = ready.item.asset, _Counted(blocks)
            with self._reported(asset, counted, report, work.unwritten):
                writer.append(counted)
                report.assets["added"] += 1
                report.media["fetched"] += prepared.pixel_column is not None
                report.media["frames"] += counted.rows if prepared.pixel_column else 0
                if asset.id in replaced:
                    writer.drop(replaced[asset.id])
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
    """Blocks on their way to the writer, counted."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self.tally = Tally()
        self.rows = self.masks = 0

    def __iter__(self) -> Iterator[Block]:
        for block in self._blocks:
            self.tally = block.tally or self.tally
            self.masks += block.masks
            self.rows += block.rows
            yield block


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
