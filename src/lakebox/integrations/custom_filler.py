"""Media columns that a script makes and fills itself, with lakebox's own columns beside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebox.adapters.deep_lake import DeepLake
from lakebox.core.columns import CellList, Cells, Column
from lakebox.core.facts import INDEX, PIXELS
from lakebox.core.lake_port import Stored
from lakebox.core.ports import Frame, Map, OpenMedia
from lakebox.errors import ConfigError, LakeError
from lakebox.integrations.service import MediaKind

_NUMBER = re.compile(r"bool|u?int\d+|float\d+")
"""Deep Lake's names of scalar columns."""


class ScriptDataset:
    """The dataset as `data_filler` functions know it; what is not here is the `deeplake.Dataset`'s own."""

    def __init__(self, dataset: Any, add: Callable[[Cells], None] | None = None) -> None:
        self.ds = dataset
        self._add = add or dataset.append

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ds, name)

    def __len__(self) -> int:
        return len(self.ds)

    def __getitem__(self, key: Any) -> Any:
        return self.ds[key]

    def create_tensor(self, name: str, **kwargs: Any) -> Any:
        """Upstream's other name of `add_column`."""
        return self.ds.add_column(name, **kwargs)

    def extend(self, tensors: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
        """Add rows: one list of cells per column."""
        self._add(dict(zip(tensors, values, strict=True)))

    def append(self, rows: Any) -> None:
        """Add rows as Deep Lake takes them: column -> cells, or a list of rows."""
        self._add(rows if isinstance(rows, Mapping) else {name: [row[name] for row in rows] for name in rows[0]})

    @property
    def info(self) -> Any:
        """Upstream's other name of `metadata`."""
        return self.ds.metadata


@dataclass(frozen=True, slots=True)
class CustomFiller:
    """The script's two functions; `batch` is the most frames that it wants at once."""

    media: MediaKind
    functions: Mapping[str, Callable[..., Any]]
    batch: int

    def __post_init__(self) -> None:
        missing = [name for name in ("create_tensors", "fill_data") if name not in self.functions]
        if missing or self.batch < 1:
            wrong = f"data_filler has no {' and no '.join(missing)}" if missing else "video_generator_batch_size < 1"
            raise ConfigError(f"{wrong}; nothing was touched")

    def fill(self, dataset: ScriptDataset, cells: Cells) -> None:
        """Hand the media of some rows over, in batches of one video each."""
        media, numbers = cells[PIXELS[self.media]], [int(number) for number in cells[INDEX[self.media]]]
        start = 0
        while start < len(numbers):
            same = next((row for row in range(start, len(numbers)) if numbers[row] != numbers[start]), len(numbers))
            part = slice(start, min(start + self.batch, same))
            if self.media == "video":
                frames = [int(frame) for frame in cells["frame_idx"][part]]
                self.functions["fill_data"](dataset, numbers[part], frames, list(media[part]))
            else:
                self.functions["fill_data"](dataset, list(media[part]), numbers[part])
            start = part.stop


class RawFrames:
    """Pixels: media as arrays. The column is not made: the script has its own."""

    def column(self, media: str) -> Column:
        """A column that stands for the script's."""
        return Column(PIXELS[media], "png", "uint8", key="lakebox:pixels")

    def cells(self, media: OpenMedia, wanted: NDArray[np.int64], encode: Map) -> Iterator[Any]:
        """(h, w, c) uint8 per frame."""
        # `encode` runs ahead in parallel; arrays serve it as well as bytes.
        return encode(_pixels, media.frames(wanted))  # type: ignore[arg-type]


def _pixels(frame: Frame) -> NDArray[np.uint8]:
    return frame.pixels()


class FilledDataset:
    """Storage of the one dataset that a script has opened and fills."""

    def __init__(self, handle: Any, filler: CustomFiller) -> None:
        self._handle = handle
        self._filler = filler

    def find(self, path: str) -> DeepLake:
        """The dataset, with the script's columns."""
        return self.create(path)

    def create(self, path: str) -> DeepLake:
        """The dataset, with the script's columns."""
        if not self._handle.schema.columns:
            self._filler.functions["create_tensors"](ScriptDataset(self._handle))
        return _Filled(self._handle, path, self._filler)

    def lock(self, path: str) -> AbstractContextManager[None]:
        """Nobody is kept out: where the handle leads is the script's to know."""
        return nullcontext()


class _Filled(DeepLake):
    """A dataset whose rows come from the script."""

    def __init__(self, dataset: Any, path: str, filler: CustomFiller) -> None:
        super().__init__(dataset, path)
        self._filler = filler

    def stored(self) -> Stored:
        """As it is; the script's media column counts as the one that is wanted."""
        found = super().stored()
        media = (RawFrames().column(self._filler.media),) if found.columns else ()
        return replace(found, columns=(*found.columns, *media))

    def arrange(self, columns: Sequence[Column], remove: Sequence[str], renames: Mapping[str, str] = {}) -> bool:
        """Lakebox's own columns; one that the script made for the same is taken over.

        Raises:
            LakeError: the script made it of another type.
        """
        own = [column for column in columns if column.key != "lakebox:pixels"]
        made = {column.name: str(column.dtype) for column in self.handle.schema.columns}
        for column in own:
            if column.type == "scalar" and made.get(column.name, column.dtype) != column.dtype:
                raise LakeError(
                    f"create_tensors makes column {column.name!r} as {made[column.name]}, lakebox fills it as"
                    f" {column.dtype}: make it that, or leave it out"
                )
        return super().arrange(own, remove, renames)

    def append(self, cells: Cells, foreign: Cells | None = None) -> None:
        """The script adds the rows, and each gets lakebox's own cells.

        Raises:
            LakeError: the number of rows is another, or their order: labels would meet the wrong frames.
        """
        rows, taken = len(cells[INDEX[self._filler.media]]), 0
        own = {name: values for name, values in cells.items() if name != PIXELS[self._filler.media]}
        kinds = {column.name: str(column.dtype) for column in self.handle.schema.columns}

        def add(theirs: Cells) -> None:
            nonlocal taken
            start, taken = taken, taken + max(map(len, theirs.values()), default=0)
            if taken > rows:
                return
            part = {name: values[start:taken] for name, values in own.items()}
            given = {name: _typed(kinds[name], theirs[name]) for name in theirs}
            for name in (name for name in part if name in given and not np.array_equal(part[name], given[name])):
                raise LakeError(
                    f"fill_data added rows with {name} {_few(given[name])} where it got {_few(part[name])}; it must add"
                    " the frames in their order, or annotations would be on the wrong ones"
                )
            super(_Filled, self).append(part, given)

        self._filler.fill(ScriptDataset(self.handle, add), cells)
        if taken != rows:
            raise LakeError(
                f"fill_data got {rows} frames and added {taken} rows; it must add one row per frame, or annotations"
                " would be on the wrong ones"
            )


def _few(cells: CellList) -> str:
    return f"{', '.join(map(str, cells[:4]))}{', ...' if len(cells) > 4 else ''}"


def _typed(kind: str, cells: CellList) -> Any:
    """Numbers in the column's type, since Deep Lake takes others without an error and reads garbage."""
    return np.asarray(cells, kind) if _NUMBER.fullmatch(kind) else list(cells)
