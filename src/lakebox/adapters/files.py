"""Files by path or address. Config group `fetch`."""

from __future__ import annotations

import io
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit

from pydantic import Field, PositiveFloat, PositiveInt

from lakebox.adapters.http import Body, Web, unheard
from lakebox.adapters.media_cache import MediaCache
from lakebox.core.component import Component
from lakebox.core.ports import File, Presigner
from lakebox.core.urls import unsigned
from lakebox.errors import FetchError

BUFFER = 1 << 20
"""Bytes that are read ahead of a decoder."""


class Fetch(Component):
    """How files are fetched: local paths, `file://`, `http://` and `https://`."""

    connections: PositiveInt = Field(default=32, description="Kept open per host; also the most that run at once")
    connect_seconds: PositiveFloat = 10.0
    read_seconds: PositiveFloat = Field(default=60.0, description="Longest wait for the next bytes")
    attempts: PositiveInt = Field(default=6, description="Tries in a row without a byte before a file is given up")
    patience: PositiveFloat = Field(default=120.0, description="Longest Retry-After, in seconds, that is waited for")
    cache: MediaCache | None = Field(default=None, description="Keeps fetched media on this machine")

    def files(self, presigner: Presigner, fetched: Callable[[int], None] = unheard) -> Files:
        """Files behind addresses that this presigner signs; may be used from many threads, and so may `fetched`, which
        is told the bytes that come over the network."""
        web = Web(
            presigner,
            connections=self.connections,
            timeout=(self.connect_seconds, self.read_seconds),
            attempts=self.attempts,
            patience=self.patience,
            fetched=fetched,
        )
        return Files(web, self)


class Files:
    """Reads whole files, and opens media. Safe to use from many threads.

    In another process it is made anew, out of how files are fetched and what signs them: connections and signatures
    stay here.
    """

    def __init__(self, web: Web, fetch: Fetch) -> None:
        self._web = web
        self._fetch = fetch
        self.at_once = fetch.connections
        """How many reads are worth having under way."""
        self._cache = fetch.cache

    def __reduce__(self) -> tuple[Callable[..., Files], tuple[Presigner, Callable[[int], None]]]:
        return self._fetch.files, (self._web.signer.presigner, self._web.fetched)

    def read(self, url: str) -> bytes:
        """The whole file.

        Raises:
            FetchError: it is missing, refused, or broke off every time.
        """
        if (path := self._local(url)) is not None:
            return _opened(path).read_bytes()
        with self._web.open(url) as body:
            return body.read()

    def is_here(self, url: str) -> bool:
        """Whether it is a path, or its presigner makes one of it."""
        return self._local(url) is not None

    def _local(self, url: str) -> Path | None:
        """The path of an address that a presigner turned into one of this machine, or that always was one."""
        return local_path(self._web.signer.request(url).url)

    @contextmanager
    def media(self, url: str) -> Iterator[File]:
        """A media file for as long as the context lasts; a remote one is read while it arrives.

        Raises:
            FetchError: as `read`; of a remote file also later, while it is read.
        """
        with ExitStack() as stack:
            if (path := self._local(url)) is not None:
                yield LocalFile(_opened(path))
            elif self._cache is not None:
                kept = stack.enter_context(self._cache.file(url, self._web))
                yield LocalFile(kept, name_of(url))
            else:
                yield RemoteFile(self._web, url, stack)

    def small(self, url: str) -> File:
        """A media file that fits into memory, fetched now; one of this machine is read when it is used.

        Raises:
            FetchError: it is missing, refused, or broke off every time.
        """
        with self.media(url) as file:
            return file if self._local(url) is not None else HeldFile(file.name, file.read())


class HeldFile:
    """A file in memory."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self._data = data
        self._stack = ExitStack()
        weakref.finalize(self, self._stack.close)

    @contextmanager
    def opened(self) -> Iterator[str | BinaryIO]:
        """Its bytes as a stream."""
        yield io.BytesIO(self._data)

    def read(self) -> bytes:
        """Its bytes."""
        return self._data

    def local(self) -> Path:
        """A temporary copy, which lasts as long as this object."""
        return _temporary(io.BytesIO(self._data), self.name, self._stack)


class LocalFile:
    """A file of this machine."""

    def __init__(self, path: Path, name: str = "") -> None:
        self._path = path
        self.name = name or path.name

    @contextmanager
    def opened(self) -> Iterator[str | BinaryIO]:
        """Its path: decoders read files better by themselves."""
        yield str(self._path)

    def read(self) -> bytes:
        """Its bytes."""
        return self._path.read_bytes()

    def local(self) -> Path:
        """Its path."""
        return self._path


class RemoteFile:
    """A file behind an address. It streams; what needs it twice has it fetched to a temporary file."""

    def __init__(self, web: Web, url: str, stack: ExitStack) -> None:
        self._web = web
        self._url = url
        self._stack = stack
        self._copy: Path | None = None
        self.name = name_of(url)

    @contextmanager
    def opened(self) -> Iterator[str | BinaryIO]:
        """A stream with ranges, resumed after drops; the path of a temporary copy where the server has no ranges."""
        if self._copy is not None:
            yield str(self._copy)
            return
        with self._web.open(self._url, {"Range": "bytes=0-"}) as body:
            body.connect()
            if body.ranges:
                yield cast(BinaryIO, io.BufferedReader(body, BUFFER))
            else:
                yield str(self._kept(body))

    def read(self) -> bytes:
        """Its bytes, fetched."""
        with self._web.open(self._url) as body:
            return body.read()

    def local(self) -> Path:
        """A temporary copy, fetched once."""
        if self._copy is None:
            with self._web.open(self._url) as body:
                return self._kept(body)
        return self._copy

    def _kept(self, body: Body) -> Path:
        self._copy = _temporary(io.BufferedReader(body, BUFFER), self.name, self._stack)
        return self._copy


def _temporary(content: BinaryIO, name: str, stack: ExitStack) -> Path:
    """A copy of some content that goes when the stack is closed."""
    suffix = PurePosixPath(name).suffix
    temporary = tempfile.NamedTemporaryFile(prefix="lakebox-", suffix=suffix)  # noqa: SIM115 - the stack closes it
    file = stack.enter_context(temporary)
    shutil.copyfileobj(content, file, BUFFER)
    file.flush()
    return Path(file.name)


def name_of(url: str) -> str:
    """File name of an address, without its signature."""
    return PurePosixPath(unquote(urlsplit(unsigned(url)).path)).name


def local_path(url: str) -> Path | None:
    """The path that an address names on this machine; None for a remote one."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if "://" in url else Path(url)


def _opened(path: Path) -> Path:
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise FetchError(f"{path}: cannot be read: {error.strerror}") from error
