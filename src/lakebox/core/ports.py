"""What the programs need from the outside world. Adapters offer these shapes; configuration chooses between them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import Column
from lakebox.core.mapping import Mapping as OntologyMapping
from lakebox.core.model import Failure, MaskRef, Media

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Request:
    """How to fetch a file. Never logged or shown: address and headers may carry credentials."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires: float | None = None
    """Seconds since 1970 until which the server accepts it; None: as long as anybody knows."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One data row of an export, or the reason why it cannot be read."""

    position: int
    """Hand it to `Source.row` to read the data row again."""
    line: int
    """1-based line (NDJSON) or element (JSON array), for messages."""
    data: Mapping[str, Any] | None
    error: str = ""
    id: str = ""
    """Data row id, where `data` is None and that much is known."""
    stage: str = "parse"
    """Where it failed."""


@runtime_checkable
class Source(Protocol):
    """Where the project comes from."""

    def describe(self) -> str:
        """What people call this source."""

    def rows(self) -> Iterator[SourceRow]:
        """All data rows in the source's order, one at a time."""

    def row(self, position: int) -> Mapping[str, Any]:
        """The data row at a position that `rows` gave; where `changes` was read last, at one of its positions."""

    def ontology(self) -> Mapping[str, Any] | None:
        """Labelbox's normalized ontology JSON, or None if there is none."""

    def resolve(self, url: str) -> str:
        """An address that can be fetched, for one that may be relative to the export."""

    def partial(self) -> str:
        """Why `rows` may leave out data rows of the project; empty: it gives all of them."""

    def forget(self) -> None:
        """Drop what was kept of the project to spare asking again; the next `rows` sees what is there then."""


@dataclass(frozen=True, slots=True)
class Since:
    """What a dataset holds of a project already, so that a source may give less than everything."""

    moment: datetime
    """Aware, UTC: whatever happened before it is in the dataset."""
    whole: datetime
    """Aware, UTC: when the whole project was last looked at."""
    ids: frozenset[str]
    """Data rows that the dataset holds, finished."""


@dataclass(frozen=True, slots=True)
class Changes:
    """A project as the difference to what a dataset holds."""

    rows: Iterator[SourceRow]
    """Data rows that are new or may have changed, and errors."""
    unchanged: frozenset[str]
    """Ids of data rows that are still in the project and as they were. Those of `Since.ids` that are neither here nor
    in `rows` are no longer in the project."""


@runtime_checkable
class Incremental(Protocol):
    """A source that can tell what changed since a moment, and its project's name without reading its data rows."""

    def project(self) -> tuple[str, str]:
        """Id and name of the project."""

    def as_of(self) -> datetime:
        """Aware, UTC: everything that happened before is in what `rows` or `changes` gave last.

        A moment before that export was asked for, so that what happens meanwhile counts as not seen yet.
        """

    def changes(self, since: Since) -> Changes | None:
        """What may differ from what a dataset holds; None: it cannot be told, read `rows` instead.

        `Source.row` and `Source.ontology` are of whichever of `rows` and `changes` was read last. Nothing is said of
        what all data rows share: a renamed feature or project changes data rows that count as unchanged.
        """


@runtime_checkable
class Presigner(Protocol):
    """Turns a private address into a request that the server will accept."""

    def request(self, url: str) -> Request:
        """The request for an address; no I/O beyond signing."""


class File(Protocol):
    """A media file, on this machine or behind an address."""

    name: str
    """File name, without folder and signature."""

    def opened(self) -> AbstractContextManager[str | BinaryIO]:
        """What a decoder opens, from its start: a path, or a seekable stream that fetches as it is read.

        Raises:
            FetchError: it cannot be had; from a stream also while it is read.
        """

    def read(self) -> bytes:
        """All of it.

        Raises:
            FetchError: it cannot be had whole.
        """

    def local(self) -> Path:
        """All of it as a path of this machine, for what goes through it more than once.

        Raises:
            FetchError: it cannot be had whole.
        """


@runtime_checkable
class Files(Protocol):
    """Files behind addresses, local or remote. Used from many threads."""

    at_once: int
    """How many reads are worth having under way."""

    def is_here(self, url: str) -> bool:
        """Whether it lies on this machine, so that there is nothing to wait for."""

    def read(self, url: str) -> bytes:
        """The whole file.

        Raises:
            FetchError: it cannot be had whole.
        """

    def media(self, url: str) -> AbstractContextManager[File]:
        """A media file for as long as the context lasts.

        Raises:
            FetchError: it cannot be had.
        """

    def small(self, url: str) -> File:
        """A media file that fits into memory, fetched now.

        Raises:
            FetchError: it cannot be had whole.
        """


@runtime_checkable
class Fetch(Protocol):
    """How files are fetched."""

    def files(self, presigner: Presigner, fetched: Callable[[int], None]) -> Files:
        """Files behind addresses that this presigner signs, at the moment they are fetched; `fetched` is told the bytes
        that came, from many threads."""


Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""Luma (h, w) and two chroma planes ((h + 1) // 2, (w + 1) // 2) in the colours of JPEG: BT.601, full range."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame. `pixels` converts when called: (h, w, c) uint8, c = 1, 3 or 4."""

    index: int
    pixels: Callable[[], NDArray[np.uint8]]
    encoded: bytes | None = None
    """The file's own bytes where they are one whole upright picture (JPEG or PNG) ..."""
    format: str = ""
    """... and their format, `jpg` or `png`."""
    planes: Callable[[], Planes] | None = None
    """The same without RGB in between, where the picture was decoded to such planes, or to ones that differ in range
    only."""


class OpenMedia(Protocol):
    """A media file together with what the export declares of it."""

    file: File

    def numbers(self) -> tuple[NDArray[np.int64], int]:
        """Frame number of each frame in the file, and the total number of frames of the timeline."""

    def frames(self, wanted: NDArray[np.int64]) -> Iterator[Frame]:
        """The wanted frames in order; when exhausted, everything declared has been checked.

        Raises:
            MediaError: the file cannot be decoded, or is not what the export declares.
        """

    def check(self) -> None:
        """Check, without decoding, what is declared, and that who keeps the file as it is finds its frames again: they
        are looked up by time, and not turned.

        Raises:
            MediaError: the file is not what the export declares, or is to be decoded by who knows better.
        """


class Masks(Protocol):
    """The mask files of one data row, fetched and checked."""

    def __len__(self) -> int:
        """Number of files."""

    def pixels(self, ref: MaskRef) -> NDArray[np.bool_]:
        """(h, w) bool."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What reads files, media and masks. Not configured; handed in so that the programs know no vendor."""

    open_media: Callable[[File, Media, Literal["count", "timestamp"], int], OpenMedia]
    """File, what is declared, how frames are numbered, threads to decode with."""
    fetch_masks: Callable[[Files, Mapping[str, str], tuple[int, int]], Masks]
    """Files, address to fetch by address in the export, (height, width) -> masks."""


class Stop(Protocol):
    """Whether somebody wants a run to end, at the next point at which nothing is lost."""

    def __enter__(self) -> Stop:
        """Listen from now on."""

    def __exit__(self, *_: object) -> None:
        """Listen no longer."""

    def asked(self) -> bool:
        """Whether it is to end."""

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until it is to end; whether it is."""


Map = Callable[[Callable[[Frame], bytes], Iterable[Frame]], Iterator[bytes]]


@runtime_checkable
class Pixels(Protocol):
    """How media are stored."""

    def column(self, media: str) -> Column | None:
        """The media column; None: no media are stored, so none are fetched."""

    def cells(self, media: OpenMedia, wanted: NDArray[np.int64], encode: Map) -> Iterator[Any]:
        """One cell per wanted frame; `encode` is `map`, possibly running ahead in parallel."""


@runtime_checkable
class MaskPolicy(Protocol):
    """What becomes of mask files."""

    def adapt(self, mapping: OntologyMapping) -> OntologyMapping:
        """The mapping with this policy applied to mask tools."""


@runtime_checkable
class Executor(Protocol):
    """Runs work beside the one writer, in this process or in others. All calls are lazy, bounded and in order, nothing
    is started before the first item is there, and an error is raised where its item's results are read. Closing what
    `stream` and `many` return ends the work.

    Work that may run elsewhere is a function of a module or a method of what can be pickled, as are items and results,
    and gives the same results again when it is repeated.
    """

    def decoder_threads(self, videos: int) -> int:
        """Threads for each decoder where so many videos are to be read: more than there are cores for, over all that
        are read at a time, take memory and time."""

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """`work` of every item, within an asset and in its process; a few are under way ahead of the one asked for."""

    def stream(
        self, work: Callable[[T], Iterator[R]], items: Iterable[T]
    ) -> Generator[tuple[T, Iterator[R]], None, None]:
        """Every item with the results of its generator, which runs ahead of the reader by a bounded number."""

    def many(
        self, fetch: Callable[[T], U], work: Callable[[U], Iterator[R]], items: Iterable[T]
    ) -> Generator[tuple[T, Iterator[R]], None, None]:
        """As `stream`, of small items: every item with the results of `work` of what `fetch` made of it.

        Fetching mostly waits, so that many more are being fetched than there are cores.
        """


@runtime_checkable
class OnError(Protocol):
    """What happens when an asset fails."""

    def __call__(self, failure: Failure) -> None:
        """Return to go on with the next asset, raise to stop."""
