"""Files by path or over HTTP (requests): pooled connections, time limits, retries with back-off, length checked."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from urllib3.util import Retry

from lakebox.core.ports import Request
from lakebox.core.urls import unsigned
from lakebox.errors import FetchError

logging.getLogger("urllib3").setLevel(logging.ERROR)  # its lines hold addresses with their signatures

_BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
_CHUNK = 1 << 20


class FileFetcher:
    """Reads local paths, `file://`, `http://` and `https://`. Safe to use from many threads."""

    def __init__(self, connections: int = 16, timeout: tuple[float, float] = (10.0, 60.0), attempts: int = 4) -> None:
        self._timeout = timeout
        self._attempts = attempts
        self._session = requests.Session()
        again = Retry(
            attempts, connect=2, backoff_factor=0.3, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False
        )
        adapter = HTTPAdapter(pool_connections=connections, pool_maxsize=connections, max_retries=again)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)

    def read(self, request: Request) -> bytes:
        """The whole file.

        Raises:
            FetchError: it is missing, refused, or broke off every time.
        """
        if (path := local_path(request.url)) is not None:
            return _opened(path).read_bytes()
        with tempfile.SpooledTemporaryFile(max_size=16 * _CHUNK) as file:
            self._download(request, file)
            file.seek(0)
            return file.read()

    @contextmanager
    def local(self, request: Request) -> Iterator[Path]:
        """The file as a local path; a remote one is deleted again afterwards.

        Raises:
            FetchError: as `read`.
        """
        if (path := local_path(request.url)) is not None:
            yield _opened(path)
            return
        with tempfile.NamedTemporaryFile(prefix="lakebox-", suffix=Path(urlsplit(request.url).path).suffix) as file:
            self._download(request, file)
            file.flush()
            yield Path(file.name)

    def _download(self, request: Request, file: IO[bytes]) -> None:
        shown = unsigned(request.url)
        tries = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=wait_random_exponential(multiplier=0.3, max=10),
            retry=retry_if_exception_type(_BROKEN),
        )
        try:
            tries(self._once, request, file)
        except RetryError as error:
            cause = error.last_attempt.exception()
            raise FetchError(
                f"{shown}: {type(cause).__name__} in each of {self._attempts} attempts; check network and address"
            ) from None
        except requests.RequestException as error:  # its text may hold the signed address
            raise FetchError(f"{shown}: cannot be fetched ({type(error).__name__}); check the address") from None

    def _once(self, request: Request, file: IO[bytes]) -> None:
        file.seek(0)
        file.truncate()
        with self._session.get(request.url, headers=request.headers, timeout=self._timeout, stream=True) as response:
            if not response.ok:
                raise FetchError(f"{unsigned(request.url)}: the server answered {response.status_code}")
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)


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
