"""HTTP (requests, urllib3, tenacity): pooled connections, time limits, patience with busy servers, reading that goes on
at the same byte after a drop. Nothing here shows an address with its signature."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_auth_from_url
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from urllib3.exceptions import HTTPError

from lakebox.adapters.signing import Signer
from lakebox.core.headers import ADVICE, changed, extent, retry_after, validators
from lakebox.core.ports import Presigner, Request
from lakebox.core.urls import unfetchable, unsigned
from lakebox.errors import FetchError

logging.getLogger("urllib3").setLevel(logging.ERROR)  # its lines hold addresses with their signatures

FAILING = (500, 502, 503, 504)
BUSY = (429, *FAILING)
REFUSED = (401, 403)
_EVERYBODYS = {"Accept", "Accept-Encoding", "If-Range", "Range", "User-Agent"}
_PART = 1 << 18


class _Session(requests.Session):
    """A session that gives a redirect to another host nothing of what the first host got, and asks no netrc file."""

    def __init__(self) -> None:
        super().__init__()
        self._surroundings: dict[tuple[str, str], Any] = {}

    def merge_environment_settings(self, url: Any, *settings: Any) -> Any:
        """Proxies and certificates of the environment; the library would search all of it again for every file."""
        host = urlsplit(url)[:2]
        if host not in self._surroundings:
            self._surroundings[host] = super().merge_environment_settings(url, *settings)
        return dict(self._surroundings[host])

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Keep the presigner's headers on one origin; the library would keep all but `Authorization`."""
        if self.should_strip_auth(response.request.url, prepared_request.url):  # type: ignore[no-untyped-call]
            for name in set(prepared_request.headers) - _EVERYBODYS:
                del prepared_request.headers[name]


class _DroppedError(Exception):
    """A try that may go well the next time; `after` is what the server asks to wait, in seconds."""

    def __init__(self, found: str, after: float | None = None) -> None:
        super().__init__(found)
        self.after = after


def unheard(size: int) -> None:
    """Nobody wants to know how much came."""


class Web:
    """Opens addresses, signed by a presigner when they are fetched. Safe to use from many threads.

    Args:
        presigner: makes the requests; asked again when the server refuses one.
        connections: kept open per host.
        timeout: seconds to connect, and to wait for the next bytes.
        attempts: tries in a row without a byte before a file counts as not to be had.
        patience: longest `Retry-After`, in seconds, that is waited for.
        fetched: told the bytes of bodies as they come.
    """

    def __init__(
        self, presigner: Presigner, *, connections: int, timeout: tuple[float, float], attempts: int, patience: float,
        fetched: Callable[[int], None] = unheard,
    ) -> None:  # fmt: skip
        self.signer = Signer(presigner)
        self._timeout = timeout
        self.attempts = attempts
        self.patience = patience
        self.fetched = fetched
        self._session = _Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=connections, pool_maxsize=connections)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Body:
        """The file behind an address as a stream from its first byte; nothing is asked for yet.

        Args:
            url: address before signing.
            headers: sent with the first request, such as `Range`.
        """
        return Body(self, url, headers or {})

    def get(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """One answer, its body not read yet; a refused request is signed again once.

        Raises:
            FetchError: the address cannot be asked at all.
            requests.RequestException: the connection failed.
        """
        request = self.signer.request(url)
        response = self._send(request, headers)
        if response.status_code not in REFUSED:
            return response
        again = self.signer.again(url)
        if (again.url, dict(again.headers)) == (request.url, dict(request.headers)):
            return response
        response.close()
        return self._send(again, headers)

    def _send(self, request: Request, headers: Mapping[str, str]) -> requests.Response:
        # A broken-off body resumes at bytes of the file, so the server must not pack it on the way.
        sent = {**request.headers, "Accept-Encoding": "identity", **headers}
        login = get_auth_from_url(request.url)
        return self._session.get(
            request.url, headers=sent, timeout=self._timeout, stream=True, auth=login if any(login) else _as_it_is
        )


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from putting a netrc file's password in place of the presigner's headers."""
    return request


class Body(io.RawIOBase):
    """A remote file, readable and seekable. A dropped connection goes on at the same byte, with growing pauses.

    Raises, from `connect`, `read` and `seek`:
        FetchError: missing, refused, changed on the way, or broken off every time.
    """

    def __init__(self, web: Web, url: str, headers: Mapping[str, str]) -> None:
        self._web = web
        self._url = url
        self._headers = dict(headers)
        self._response: requests.Response | None = None
        self._position = 0
        self._met = False
        self.size: int | None = None
        """Length in bytes; None before the first answer, and where the server does not say."""
        self.ranges = False
        """Whether the server can begin in the middle."""
        self.status = 0
        self.validators: dict[str, str] = {}
        """`ETag` and `Last-Modified` of the file, where the server says them."""

    def connect(self) -> None:
        """Ask for the file, unless that was done."""
        if not self._met:
            self._patiently(self._connected)

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes; on a server without ranges, by reading over what lies between."""
        return True

    def tell(self) -> int:
        """Position of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; asks the server only when bytes are read there."""
        if whence == io.SEEK_END:
            self.connect()
            if self.size is None:
                raise FetchError(f"{self._shown}: the server does not say how long the file is")
            offset += self.size
        elif whence == io.SEEK_CUR:
            offset += self._position
        if offset != self._position:
            self._hang_up()
            self._position = offset
        return offset

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what is there; 0 at the end."""
        view = memoryview(buffer).cast("B")
        if not len(view) or (self.size is not None and self._position >= self.size):
            return 0
        data: bytes = self._patiently(lambda: self._some(len(view)))
        view[: len(data)] = data
        self._position += len(data)
        self._web.fetched(len(data))
        return len(data)

    def readall(self) -> bytes:
        """The rest of the file."""
        found = bytearray(0)
        while part := self.read(_PART):
            found += part
        return bytes(found)

    def close(self) -> None:
        """Hang up."""
        self._hang_up()
        super().close()

    @property
    def _shown(self) -> str:
        return unsigned(self._url)

    def _patiently(self, work: Callable[[], Any]) -> Any:
        """Try until it goes well; a try that yields bytes starts the count anew, as it ends the call."""
        tries = Retrying(
            stop=stop_after_attempt(self._web.attempts),
            wait=pause,
            retry=retry_if_exception_type(_DroppedError),
            reraise=True,
        )
        try:
            return tries(work)
        except _DroppedError as error:
            raise FetchError(
                f"{self._shown}: {error} in each of {self._web.attempts} attempts; check network and address"
            ) from None
        except requests.exceptions.InvalidSchema:
            raise FetchError(f"{self._shown}: {unfetchable(self._url)}") from None
        except requests.RequestException as error:  # its text may hold the signed address
            raise FetchError(f"{self._shown}: cannot be fetched ({type(error).__name__}); check the address") from None

    def _some(self, most: int) -> bytes:
        response = self._connected()
        try:
            data: bytes = response.raw.read1(most, decode_content=True)
        except (HTTPError, OSError) as error:
            self._hang_up()
            raise _DroppedError(type(error).__name__) from None
        if not data and self.size is not None and self._position < self.size:
            self._hang_up()
            raise _DroppedError(f"only {self._position} of {self.size} bytes came")
        return data

    def _connected(self) -> requests.Response:
        if self._response is None:
            self._response = self._asked()
        return self._response

    def _asked(self) -> requests.Response:
        try:
            response = self._web.get(self._url, self._conditions())
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise _DroppedError(type(error).__name__) from None
        try:
            self._judge(response)
        except BaseException:
            response.close()
            raise
        return response

    def _conditions(self) -> dict[str, str]:
        if not self._met:
            return self._headers
        if not self._position:
            return {}
        tag = self.validators.get("ETag", "")
        strong = {"If-Range": tag} if tag and not tag.startswith("W/") else {}
        return {"Range": f"bytes={self._position}-", **strong}

    def _judge(self, response: requests.Response) -> None:
        self.status = response.status_code
        if self.status in BUSY:
            self._busy(response)
        if self.status not in (200, 206):
            raise FetchError(f"{self._shown}: the server answered {self.status}{ADVICE.get(self.status, '')}")
        start, size = extent(response.status_code, response.headers)
        found = validators(response.headers)
        if self._met and changed({**self.validators, "size": self.size}, {**found, "size": size}):
            raise FetchError(f"{self._shown}: changed while it was read; run again")
        if not self._met:
            self._met, self.size, self.validators = True, size, found
            self.ranges = self.status == 206 or response.headers.get("Accept-Ranges", "").lower() == "bytes"
        if start > self._position:
            raise FetchError(f"{self._shown}: asked for byte {self._position}, the server began at {start}")
        self._skip(response, self._position - start)

    def _busy(self, response: requests.Response) -> None:
        after = retry_after(response.headers.get("Retry-After"))
        if after is not None and after > self._web.patience:
            raise FetchError(
                f"{self._shown}: the server answered {self.status} and asks to wait {after:.0f} s; run again then"
            )
        raise _DroppedError(f"the server answered {self.status}", after)

    def _skip(self, response: requests.Response, count: int) -> None:
        """Read over bytes that are known already, from a server that cannot begin in the middle."""
        try:
            while count > 0:
                data = response.raw.read1(min(count, 1 << 20), decode_content=True)
                if not data:
                    raise _DroppedError("the connection closed")
                count -= len(data)
        except (HTTPError, OSError) as error:
            raise _DroppedError(type(error).__name__) from None

    def _hang_up(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None


def pause(state: RetryCallState) -> float:
    """Seconds until the next try: what the server asks for, else growing ones."""
    error = state.outcome.exception() if state.outcome else None
    after = getattr(error, "after", None)
    return float(after) if after is not None else wait_random_exponential(multiplier=0.2, max=10)(state)
