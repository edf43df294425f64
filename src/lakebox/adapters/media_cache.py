"""Media kept on this machine between runs, up to a size. Every use asks the server whether a file is the same."""

from __future__ import annotations

import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, PrivateAttr

from lakebox.adapters.http import Body, Web
from lakebox.core.component import Component
from lakebox.core.fingerprint import digest
from lakebox.core.urls import unsigned
from lakebox.errors import FetchError

_OURS = re.compile(r"[0-9a-f]{20}(-[0-9a-f]{20})?|using-.*")
_ABANDONED = 24 * 3600.0  # seconds after which what a dead run was working on is nobody's
_BUFFER = 1 << 20


class MediaCache(Component):
    """Files below `folder`/lakebox-media. The least recently used go first when they get too big."""

    folder: Path
    gigabytes: PositiveFloat = Field(default=50.0, description="10^9 bytes that may stay, give or take a hundredth")
    _used: float = PrivateAttr(default=math.inf)  # bytes since the last clearing, which looks at every file

    @contextmanager
    def file(self, url: str, web: Web) -> Iterator[Path]:
        """The file behind an address, its body fetched unless that very file is kept.

        A file is kept under its address and what the server says of its content (`ETag`, `Last-Modified`, length);
        without that it is fetched every time. Where there is one of the address, the server is asked for a single byte,
        which comes with all that. The path is a link of the caller's own, so that another run may clear
        the cache meanwhile.

        Raises:
            FetchError: the file cannot be had, or the folder not be written.
        """
        folder = self.folder.expanduser() / "lakebox-media"
        with _usable(folder):
            folder.mkdir(parents=True, exist_ok=True)
            own = Path(tempfile.mkdtemp(prefix="using-", dir=folder))
        try:
            with _usable(folder):
                link = _brought(folder, url, web, own)
                self._used += link.stat().st_size
            yield link
        finally:
            shutil.rmtree(own, ignore_errors=True)
            if self._used > self.gigabytes * 1e7:
                self._used = 0.0
                _trim(folder, self.gigabytes * 1e9)


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = f"media cache {folder}: cannot be used: {error.strerror or error}; give fetch.cache another folder"
        raise FetchError(text) from error


def _brought(folder: Path, url: str, web: Web, own: Path) -> Path:
    link = own / f"media{PurePosixPath(urlsplit(unsigned(url)).path).suffix}"
    name = digest(unsigned(url))
    if any(folder.glob(f"{name}-*")):
        with web.open(url, {"Range": "bytes=0-0"}) as body:
            body.connect()
            if body.validators and _linked(folder / _name(name, body), link):
                return link
    with web.open(url) as body:
        body.connect()
        kept = folder / _name(name, body)
        if not body.validators or not _linked(kept, link):
            _download(body, link)
            if body.validators:
                _keep(link, kept, own)
    return link


def _name(address: str, body: Body) -> str:
    return f"{address}-{digest([body.validators, body.size])}"


def _linked(kept: Path, link: Path) -> bool:
    try:
        os.link(kept, link)
    except FileNotFoundError:
        return False
    os.utime(link)  # the same file: it was used just now
    return True


def _download(body: Body, link: Path) -> None:
    with link.open("wb") as file:
        shutil.copyfileobj(body, file, _BUFFER)


def _keep(link: Path, kept: Path, own: Path) -> None:
    whole = own / "kept"
    os.link(link, whole)
    whole.replace(kept)


def _trim(folder: Path, limit: float) -> None:
    """Clear away what dead runs left and, oldest use first, what is over the limit."""
    files = []
    for path in folder.iterdir():
        if not _OURS.fullmatch(path.name):
            continue
        try:
            found = path.stat()
        except FileNotFoundError:  # another run was quicker
            continue
        if path.is_dir():
            if found.st_mtime < time.time() - _ABANDONED:
                shutil.rmtree(path, ignore_errors=True)
            continue
        files.append((found.st_mtime, found.st_size, path))
    left = sum(size for _, size, _ in files)
    for _, size, path in sorted(files, key=lambda item: item[0]):
        if left <= limit:
            return
        path.unlink(missing_ok=True)
        left -= size
