"""One data row -> blocks of rows ready to be written: fetch, decode, encode and compile. Runs in executors."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import PurePath
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import CellList, Column
from lakebox.core.compile import Compiled, compile_label
from lakebox.core.facts import STATE, fact_cells, facts_stamp, label_cells, number_cells, state_cell
from lakebox.core.frames import FrameSelection
from lakebox.core.labels import LabelPolicy
from lakebox.core.layout import Layout
from lakebox.core.model import Asset, Label
from lakebox.core.ports import Executor, File, Files, Masks, OpenMedia, Pixels, Source, Tools
from lakebox.core.progress import Meter
from lakebox.core.scan import choose_label
from lakebox.core.tally import Tally, Timeline
from lakebox.errors import AssetError, FetchError, LakeboxError, MaskError, MediaError
from lakebox.tasks.blocks import Block, batch_rows, made_block

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NewRows:
    """A data row to add."""

    asset: Asset
    index: int
    """Its `video_idx` or `image_idx`."""
    is_there: bool = False
    """Whether its file is stored already, as the export declares it: it is not fetched again."""


@dataclass(frozen=True, slots=True)
class OldRows:
    """A data row whose rows are there: their frames, and the declared or stored number of frames."""

    asset: Asset
    frames: NDArray[np.int64]
    total: int
    facts_stamp: str = ""
    """What their `lb_meta` cells say."""


Item = TypeVar("Item", NewRows, OldRows)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an image needs from elsewhere, with the label that says so."""

    label: Label | None
    compiled: Compiled
    masks: Masks
    file: File | None


@dataclass(frozen=True, slots=True)
class Ready(Generic[Item]):
    """A data row whose turn may come, with all that cannot be read where it is worked on."""

    item: Item
    row: Mapping[str, Any]
    """What the export says of it; empty where that cannot be read."""
    fetched: Fetched | None = None
    """There if that was done before its turn."""
    error: LakeboxError | None = None
    """Why it cannot be done; comes out when it is its turn."""


@dataclass(frozen=True, slots=True)
class AssetWork:
    """Everything that turning one data row into rows needs."""

    source: Source
    files: Files
    meter: Meter
    tools: Tools
    labels: LabelPolicy
    frames: FrameSelection
    pixels: Pixels
    executor: Executor
    project_id: str
    config_digest: str
    layout: Layout | None
    """None: media and facts only."""
    pixel_column: Column | None
    decoder_threads: int
    """Threads for each decoder."""

    def blocks(
        self, work: Callable[[Ready[Item]], Iterator[Block]], items: Iterable[Item], media: str
    ) -> Generator[tuple[Ready[Item], Iterator[Block]], None, None]:
        """Data rows in their order with what `work`, `add` or `relabel`, makes of them; to be closed.

        An image and its masks are little to keep and long to wait for: those of many are fetched before their turn.
        A video is read while it arrives, and its masks are many enough by themselves.
        """
        ready = map(self._read, items)
        if media == "image":
            return self.executor.many(self._prefetched, work, ready)
        return self.executor.stream(work, ready)

    def add(self, ready: Ready[NewRows]) -> Iterator[Block]:
        """Blocks of all columns, the last one with the state that makes the data row count as finished.

        Raises:
            AssetError: the data row cannot be imported; what was yielded before must be taken back. Whatever a
                component of the user raises is this data row's failure, too, and not the run's.
        """
        with _one_failure():
            yield from map(self._metered, self._add(_sound(ready)))

    def relabel(self, ready: Ready[OldRows]) -> Iterator[Block]:
        """Blocks of annotation and `lb_meta` columns. Masks are fetched and checked before the first block.

        Raises:
            AssetError: the labels cannot be used; nothing was yielded. Otherwise as `add`.
        """
        with _one_failure():
            yield from map(self._metered, self._relabel(_sound(ready)))

    def _metered(self, block: Block) -> Block:
        taken = self.meter.taken()
        return replace(block, elsewhere=taken) if any(taken) else block

    def _read(self, item: Item) -> Ready[Item]:
        """The export is where the run is, and not where its workers are."""
        try:
            with _one_failure():
                return Ready(item, self.source.row(item.asset.position))
        except LakeboxError as error:
            return Ready(item, {}, error=error)

    def _prefetched(self, ready: Ready[Item]) -> Ready[Item]:
        """As it is, where nothing has to be waited for: then this can be done where it is worked on, too."""
        if ready.error:
            return ready
        try:
            with _one_failure():
                if self._is_here(ready):
                    return ready
                return replace(ready, fetched=self._fetched(ready))
        except LakeboxError as error:
            return replace(ready, error=error)

    def _is_here(self, ready: Ready[Any]) -> bool:
        wants_media = isinstance(ready.item, NewRows) and self.pixel_column is not None
        if wants_media and not self.files.is_here(self.source.resolve(ready.item.asset.url)):
            return False
        return self.layout is None or not _has_masks(ready.row)

    def _fetched(self, ready: Ready[Any]) -> Fetched | None:
        item, label = ready.item, self._label(ready)
        asset = item.asset
        frames = np.intersect1d(self.frames.select(1, asset.media, label), np.arange(1))
        if not len(frames):
            return None
        compiled = self._compile(label, Timeline(frames, 1), asset)
        wants_media = isinstance(item, NewRows) and self.pixel_column is not None
        file = self.files.small(self.source.resolve(asset.url)) if wants_media else None
        return Fetched(label, compiled, self._masks(compiled, asset), file)

    def _add(self, ready: Ready[NewRows]) -> Iterator[Block]:
        item, fetched = ready.item, ready.fetched
        label = fetched.label if fetched else self._label(ready)
        with ExitStack() as stack:
            if self.pixel_column is None or item.is_there:
                yield from self._rows(item, label, None, *self._declared(item.asset, label), fetched)
                return
            held = fetched.file if fetched else None
            file = held or stack.enter_context(self.files.media(self.source.resolve(item.asset.url)))
            media = self.tools.open_media(file, item.asset.media, self.frames.match, self.decoder_threads)
            numbers, total = media.numbers()
            wanted = np.intersect1d(self.frames.select(total, item.asset.media, label), numbers)
            if not len(wanted):
                raise MediaError(f"none of its {total} frames is selected by the configuration")
            yield from self._rows(item, label, media, wanted, total, fetched)

    def _declared(self, asset: Asset, label: Label | None) -> tuple[NDArray[np.int64], int]:
        total = asset.media.frames
        if total is None:
            raise MediaError("the export declares no frame_count, and pixels=none does not look into the video")
        return self.frames.select(total, asset.media, label), total

    def _rows(
        self,
        item: NewRows,
        label: Label | None,
        media: OpenMedia | None,
        frames: NDArray[np.int64],
        total: int,
        fetched: Fetched | None,
    ) -> Iterator[Block]:
        asset = item.asset
        compiled = fetched.compiled if fetched else self._compile(label, Timeline(frames, total), asset)
        masks = fetched.masks if fetched else self._masks(compiled, asset)
        cells: dict[str, CellList] = {
            **compiled.cells,
            **number_cells(asset.media.kind, frames, item.index),
            **fact_cells(asset, label if self.layout is not None else None, frames, total),
            STATE: self._states(asset, len(frames)),
        }
        batch = batch_rows(compiled, self.pixel_column, _frame_size(asset))
        for start, pixels in self._pixels(media, frames, batch):
            stop = start + (len(pixels) if media else batch)
            own = {self.pixel_column.name: pixels} if self.pixel_column else {}
            yield made_block(cells, start, min(stop, len(frames)), masks, compiled, own)

    def _pixels(
        self, media: OpenMedia | None, frames: NDArray[np.int64], batch: int
    ) -> Iterator[tuple[int, list[Any]]]:
        """(first row, media cells) in batches; the last batch comes only when the whole file has been checked."""
        if media is None:
            yield from ((start, []) for start in range(0, len(frames), batch))
            return
        encode = self.executor.map if len(frames) > 1 else map  # threads for a single frame cost more than they save
        cells = self._counted(self.pixels.cells(media, frames, encode))
        start, ready = 0, list(islice(cells, batch))
        while following := list(islice(cells, batch)):
            yield start, ready
            start, ready = start + len(ready), following
        if start + len(ready) != len(frames):
            raise MediaError(
                f"{start + len(ready)} frames decoded but {len(frames)} expected; replace or re-encode the file"
            )
        yield start, ready

    def _counted(self, cells: Iterator[Any]) -> Iterator[Any]:
        for cell in cells:
            self.meter.decoded(1)
            yield cell

    def _relabel(self, ready: Ready[OldRows]) -> Iterator[Block]:
        item, asset, fetched = ready.item, ready.item.asset, ready.fetched
        label = fetched.label if fetched else self._label(ready)
        compiled = fetched.compiled if fetched else self._compile(label, Timeline(item.frames, item.total), asset)
        masks = fetched.masks if fetched else self._masks(compiled, asset)
        facts = {**_news(item, label), STATE: self._states(asset, len(item.frames))}
        batch = batch_rows(compiled, None, _frame_size(asset))
        for start in range(0, len(item.frames), batch):
            stop = min(start + batch, len(item.frames))
            yield made_block({**compiled.cells, **facts}, start, stop, masks, compiled, {})

    def _states(self, asset: Asset, rows: int) -> list[str]:
        last = state_cell(asset.media_stamp, asset.labels_stamp, rows, facts_stamp(asset), self.config_digest)
        return [""] * (rows - 1) + [last]

    def unwritten(self, ready: Ready[Any]) -> Tally:
        """The annotations of a data row that failed: read, and none of them written."""
        try:
            label = self._label(ready) if self.layout is not None and ready.row else None
            return compile_label(label, Layout(), Timeline(np.zeros(0, np.int64), 0), (0, 0)).tally.without_reasons()
        except AssetError:  # the label itself is the failure: there is nothing to count
            return Tally()

    def _compile(self, label: Label | None, timeline: Timeline, asset: Asset) -> Compiled:
        if self.layout is None:
            return Compiled({}, Tally())
        return compile_label(label, self.layout, timeline, _frame_size(asset))

    def _label(self, ready: Ready[Any]) -> Label | None:
        return choose_label(ready.row, self.project_id, self.labels)[1]

    def _masks(self, compiled: Compiled, asset: Asset) -> Masks:
        refs = compiled.masks()
        try:
            addresses = {ref.url: self.source.resolve(ref.url) for ref in refs}
            return self.tools.fetch_masks(self.files, addresses, _frame_size(asset))
        except FetchError as error:
            raise MaskError(f"mask {error}") from error


def _has_masks(row: Mapping[str, Any]) -> bool:
    """Whether an image has masks in any of its labels."""
    labels = (label for project in row["projects"].values() for label in project.get("labels") or ())
    objects = (node for label in labels for node in (label.get("annotations") or {}).get("objects") or ())
    return any("mask" in node or "composite_mask" in node for node in objects)


def _sound(ready: Ready[Item]) -> Ready[Item]:
    if ready.error:
        raise ready.error
    return ready


@contextmanager
def _one_failure() -> Iterator[None]:
    try:
        yield
    except LakeboxError:
        raise
    except Exception as error:  # converters, presigners and pixel formats may be the user's own code
        log.debug("unexpected error", exc_info=True)
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise AssetError(
            f"{type(error).__name__}: {error} ({where.name}, {PurePath(where.filename).name}:{where.lineno});"
            " executor=serial hydra.verbose=true logs the whole trace"
        ) from error


def _news(item: OldRows, label: Label | None) -> dict[str, CellList]:
    """`lb_meta` cells that may have changed: most say of the data row what people rarely change."""
    rows, told = len(item.frames), item.facts_stamp == facts_stamp(item.asset)
    return label_cells(label, rows) if told else fact_cells(item.asset, label, item.frames, item.total)


def _frame_size(asset: Asset) -> tuple[int, int]:
    return asset.media.height or 0, asset.media.width or 0
