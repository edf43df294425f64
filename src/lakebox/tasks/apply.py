"""One dataset, or one branch of it, is brought in step with a project, data row by data row."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebox.core.facts import PREFIX, fact_columns, facts_stamp, media_columns
from lakebox.core.lake_port import Lake, StoredAsset
from lakebox.core.model import Asset, Failure
from lakebox.core.ports import Stop
from lakebox.core.progress import Here, Progress
from lakebox.core.report import Report
from lakebox.core.seen import SEEN
from lakebox.core.tally import Tally
from lakebox.core.videos import VIDEO_ROW
from lakebox.errors import AssetError, LakeMoved, Stopped
from lakebox.tasks.assets import AssetWork, NewRows, OldRows
from lakebox.tasks.blocks import Block
from lakebox.tasks.project import Prepared, Project
from lakebox.tasks.videos import Videos, videos_beside
from lakebox.tasks.writer import Writer

log = logging.getLogger(__name__)

IMAGES = 16
"""Images, or data rows that get new labels only, that count as one video: as little is lost with them."""
READ_ASSETS = 64
"""Data rows whose frame numbers are read at once: a read costs about the same for one as for all of them."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done to one dataset or branch."""

    project: Project
    prepared: Prepared
    message: str
    commit_videos: int
    """Commit after so many videos, or `IMAGES` times the images."""
    commit_bytes: int
    report: Report
    _fresh: dict[str, NDArray[np.int64]] = field(default_factory=dict, init=False)
    """Data row -> the rows that this run appended for it."""
    _lasting: dict[str, Any] = field(default_factory=dict, init=False)
    """What the report had counted when the last commit was done."""
    _committing: list[Lake] = field(default_factory=list, init=False)
    """The lake, from just before a commit until that is counted."""

    def apply(self) -> Lake:
        """Do it. What fails for a data row is in the report.

        Raises:
            Stopped: it was to end early; what was finished is committed.
            LakeMoved: somebody else committed; what was committed before is safe.
            KeyboardInterrupt: with what was committed before.
        """
        self._keep_counts()
        try:
            with self._videos() as videos:
                return self._apply(videos)
        except LakeMoved:  # what was not committed is undone, and will be done and counted again
            self.report.recount(self._lasting)
            raise
        except KeyboardInterrupt:
            if not any(map(_is_committed, self._committing)):
                self.report.recount(self._lasting)
            raise KeyboardInterrupt(_kept(self.report)) from None

    def _keep_counts(self) -> None:
        self._lasting.update(self.report.counted())
        self._committing.clear()

    def _videos(self) -> AbstractContextManager[Videos | None]:
        """Where the files of new data rows go, if they go anywhere: a place that is not ours is refused first."""
        prepared = self.prepared
        if prepared.pixel_column != VIDEO_ROW or not prepared.todo.add:
            return nullcontext()
        return videos_beside(self.project.storage, prepared.address, self.project.frames.match)

    def _apply(self, videos: Videos | None) -> Lake:
        prepared, report = self.prepared, self.report
        lake = self.project.storage.create(prepared.address) if prepared.lake is None else prepared.lake
        if videos:
            videos.check(prepared.stored, lake, prepared.address)
        writer = self._writer(lake, videos)
        work = self._work()
        try:
            self._relabel(work, lake, writer)
            self._add(work, writer, videos)
        except Stopped:
            writer.finish(f"{self.message} (stopped before its end)")
            report.dataset.read(lake)
            raise
        for copy in prepared.todo.drop:
            writer.drop(copy)
        for copy in prepared.todo.unfinished:
            self._clear(copy, writer)
        report.assets["dropped"] += len(prepared.todo.drop)
        writer.finish(self.message, lambda: self._note(lake))
        report.dataset.read(lake)
        return lake

    def _writer(self, lake: Lake, videos: Videos | None) -> Writer:
        """Columns first, so that every block finds its own."""
        prepared = self.prepared
        columns = [*media_columns(prepared.media, prepared.pixel_column), *fact_columns(prepared.media)]
        if prepared.layout_counts:
            columns += prepared.layout.columns()
        changed = lake.arrange(columns, prepared.todo.remove, prepared.todo.renames)
        if not prepared.stored.columns:
            describe(lake, prepared, lake)
        weight = 1 if prepared.media == "image" else IMAGES
        limits = weight, self.commit_videos * IMAGES, self.commit_bytes
        foreign = prepared.stored.foreign

        def before_commit() -> None:
            if videos:
                videos.commit()
            self._committing.append(lake)

        progress, done = self.project.progress, self._keep_counts
        return Writer(lake, self.message, progress, *limits, foreign, before_commit, done, changed)

    def _clear(self, copy: StoredAsset, writer: Writer) -> None:
        """Rows of an interrupted run, a copy that a newer one replaces, or one of which somebody else removed rows:
        what others stored beside them goes to the copy that stays, if that is newer."""
        same = (asset.rows for asset in self.prepared.stored.assets if asset.id == copy.id and asset.complete)
        newer = [rows for rows in same if rows[0] > copy.rows[0]]
        if copy.id in self._fresh:
            newer.append(self._fresh[copy.id])
        if newer:
            writer.replace(copy, newer[-1])
        else:
            writer.drop(copy)

    def _note(self, lake: Lake) -> bool:
        """What the next run builds on. Whether anything of it changed."""
        prepared = self.prepared
        changed = self._moves_facts(lake) and describe(lake, prepared, lake)
        if not prepared.layout_counts:
            return changed
        changed |= lake.note(self.project.notes(prepared))
        seen = None if self.report.failures else self.project.seen(prepared.scan, prepared.layout)
        return (lake.note({SEEN: seen}) if seen else False) or changed

    def _moves_facts(self, lake: Lake) -> bool:
        """Whether rows come, go or are of other data rows than they said: finding out what all say takes its time."""
        todo = self.prepared.todo
        new = any(old.facts_stamp != facts_stamp(asset) for asset, old in todo.relabel)
        known = len(lake.described().get("sources", ())) == sum(asset.complete for asset in self.prepared.stored.assets)
        return new or not known or bool(todo.add or todo.drop or todo.unfinished)

    def _work(self) -> AssetWork:
        project, prepared = self.project, self.prepared
        meter = Here(project.progress)
        return AssetWork(
            source=project.source,
            files=project.fetch.files(project.presigner, meter.fetched),
            meter=meter,
            tools=project.tools,
            labels=project.labels,
            frames=project.frames,
            pixels=project.pixels,
            executor=project.executor,
            project_id=prepared.scan.project_id,
            config_digest=project.config_digest,
            layout=prepared.layout if prepared.layout_counts else None,
            pixel_column=prepared.pixel_column,
            decoder_threads=project.executor.decoder_threads(len(prepared.todo.add)),
        )

    def _relabel(self, work: AssetWork, lake: Lake, writer: Writer) -> None:
        prepared, report = self.prepared, self.report
        todo = prepared.todo.relabel
        stored = {asset.id: old for asset, old in todo}
        if not {column.name for column in prepared.stored.columns}.issuperset(_fact_names(prepared.media)):
            todo = tuple(
                (asset, replace(old, facts_stamp="")) for asset, old in todo
            )  # a column was taken away by hand
        self.project.progress.begin("annotations", [len(old.rows) for _, old in todo])
        items = _old_rows(lake, todo, prepared.media)
        with closing(work.blocks(work.relabel, items, prepared.media)) as streamed:
            for ready, blocks in streamed:
                asset, counted = ready.item.asset, _Counted(blocks, self.project.progress, self.project.stop)
                with self._reported(asset, counted, partial(work.unwritten, ready)):
                    writer.update(stored[asset.id], counted)
                    report.assets["relabelled"] += asset.id not in report.new

    def _add(self, work: AssetWork, writer: Writer, videos: Videos | None) -> None:
        """Append new copies, then remove the stored ones that they replace."""
        prepared, report = self.prepared, self.report
        todo = prepared.todo.add
        replaced = {asset.id: old for asset, old in todo if old}
        self.project.progress.begin("media and annotations", [asset.media.frames or 1 for asset, _ in todo])
        items = _new_rows(prepared, videos)
        with closing(work.blocks(work.add, items, prepared.media)) as streamed:
            for ready, blocks in streamed:
                asset, counted = ready.item.asset, _Counted(blocks, self.project.progress, self.project.stop)
                with self._reported(asset, counted, partial(work.unwritten, ready)):
                    rows = writer.append(videos.placed(asset, counted) if videos else counted)
                    self._fresh[asset.id] = rows
                    report.new.add(asset.id)
                    report.assets["added"] += 1
                    report.media["fetched"] += prepared.pixel_column is not None and not ready.item.is_there
                    report.media["frames"] += counted.rows if prepared.pixel_column else 0
                    if asset.id in replaced:
                        writer.replace(replaced[asset.id], rows)
                        report.assets["dropped"] += 1

    @contextmanager
    def _reported(self, asset: Asset, counted: _Counted, unwritten: Callable[[], Tally]) -> Iterator[None]:
        """Write one asset within; a failure stays its own, is reported, and its annotations count as read only."""
        report = self.report
        try:
            yield
        except AssetError as error:
            report.tally.add(unwritten())
            report.masks["failed"] += error.stage == "mask"
            log.error("%s (%s): %s: %s", asset.id, asset.name, error.stage, error)
            failure = Failure(asset.id, asset.name, error.stage, str(error))
            report.fail(failure)
            self.project.on_error(failure)
        else:
            report.tally.add(counted.tally)
            report.masks["fetched"] += counted.masks
            log.debug("%s (%s): %d rows", asset.id, asset.name, counted.rows)
        finally:
            self.project.progress.asset()


class _Counted:
    """Blocks on their way to the writer, counted, until somebody wants the run to end."""

    def __init__(self, blocks: Iterator[Block], progress: Progress, stop: Stop) -> None:
        self._blocks = blocks
        self._progress = progress
        self._stop = stop
        self.tally = Tally()
        self.rows = self.masks = 0

    def __iter__(self) -> Iterator[Block]:
        for block in self._blocks:
            self.tally = block.tally or self.tally
            self.masks += block.masks
            self.rows += block.rows
            self._progress.fetched(block.elsewhere[0])
            self._progress.decoded(block.elsewhere[1])
            yield block
            if self._stop.asked():
                raise Stopped("stopped because it was asked to; what was finished is committed")


def _is_committed(lake: Lake) -> bool:
    """Whether nothing waits: with changes, a handle does not stand on the newest version."""
    versions = lake.history()
    return bool(versions) and versions[-1].id == lake.version


def _kept(report: Report) -> str:
    """What an interrupted run leaves: whole data rows that were committed."""
    done = ", ".join(f"{report.assets[what]} {what}" for what in ("added", "relabelled", "dropped"))
    return f"interrupted; data rows committed and kept: {done}; the same command goes on from there"


def _new_rows(prepared: Prepared, videos: Videos | None) -> Iterator[NewRows]:
    """Numbers go on where the dataset's end. A changed data row keeps its own, and so does one whose copy is no longer
    whole, because somebody removed a row of it, unless another one has got the number since."""
    stored, wanted = prepared.stored.assets, {asset.id for asset, _ in prepared.todo.add}
    taken = {old.index: old.id for old in stored if old.complete}
    for old in stored:
        if old.id in wanted:
            taken.setdefault(old.index, old.id)
    own = {uid: index for index, uid in taken.items()}
    free = 1 + max(taken, default=-1)
    for asset, _ in prepared.todo.add:
        yield NewRows(asset, own.get(asset.id, free), videos is not None and videos.has(asset))
        free += asset.id not in own


def _fact_names(media: str) -> list[str]:
    return [column.name for column in fact_columns(media)]


def _old_rows(lake: Lake, todo: Sequence[tuple[Asset, StoredAsset]], media: str) -> Iterator[OldRows]:
    """The frames that rows stand for come from the dataset, so that labels meet the rows that are there."""
    if media == "image":
        yield from (OldRows(asset, np.zeros(len(old.rows), np.int64), 1, old.facts_stamp) for asset, old in todo)
        return
    for start in range(0, len(todo), READ_ASSETS):
        part = todo[start : start + READ_ASSETS]
        found = np.array(lake.read("frame_idx", np.concatenate([old.rows for _, old in part])), np.int64)
        ends = np.cumsum([len(old.rows) for _, old in part])
        for (asset, old), frames in zip(part, np.split(found, ends[:-1]), strict=True):
            declared = asset.media.frames or int(lake.read(f"{PREFIX}frame_count", old.rows[:1])[0])
            yield OldRows(asset, frames, max(declared, int(frames.max()) + 1), old.facts_stamp)


def describe(lake: Lake, prepared: Prepared, facts: Lake) -> bool:
    """`labelbox_meta`, with a source for each data row in the order of the rows, out of the lake that has the facts.
    Whether anything changed."""
    found = prepared.scan
    return lake.describe({
        "project_id": found.project_id,
        "type": prepared.media,
        "project_name": found.project_name,
        "sources": _sources(facts),
    })  # fmt: skip


def _sources(lake: Lake) -> list[str]:
    """External id or address of each finished data row."""
    first = np.array([asset.rows[0] for asset in lake.stored().assets if asset.complete], np.int64)
    ids, addresses = (lake.read(f"{PREFIX}{name}", first) for name in ("external_id", "row_data"))
    return [uid or address for uid, address in zip(ids, addresses, strict=True)]
