"""A script's `url_presigner` as a presigner."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from lakebox.adapters.files import local_path
from lakebox.adapters.presign import LabelboxKey
from lakebox.core.ports import Request
from lakebox.core.urls import unsigned
from lakebox.errors import FetchError

_FRESH = 60.0
"""Seconds after which a signature that is refused has expired rather than been wrong."""


class UrlPresigner:
    """Media are signed by a function; Labelbox's own hosts get the key, which nobody else does.

    The function gets every remote address and returns `(address, headers)`; headers are None, a dict, or what upstream
    takes for videos: `{"headers": "Name: value\\r\\n"}`. Upstream asks each server beforehand whether the address is
    public, and signs if not; here the address is tried as it is when the server refuses the signed one.
    """

    def __init__(self, function: Callable[[str], Any], labelbox: LabelboxKey) -> None:
        self._function = function
        self._labelbox = labelbox
        self._signed: dict[str, float] = {}
        self._turn = threading.Lock()  # scripts do not expect to be called from several threads

    def request(self, url: str) -> Request:
        """The signed request; asked again so soon that the signature cannot have expired, the address as it is.

        Raises:
            FetchError: the function returned something else.
        """
        if local_path(url) is not None or self._labelbox.trusts(url):
            return self._labelbox.request(url)
        with self._turn:
            if time.monotonic() - self._signed.pop(url, -_FRESH) < _FRESH:
                return Request(url)
            request = _read(self._function(url), url)
            self._signed[url] = time.monotonic()
            return request


def _read(answer: Any, url: str) -> Request:
    address, headers = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, None)
    found = _headers(headers)
    if not isinstance(address, str) or found is None:
        raise FetchError(
            f"{unsigned(url)}: url_presigner must return (address, headers), headers being a dict or None; it returned"
            f" {type(answer).__name__}"
        )
    return Request(address, found)


def _headers(given: Any) -> dict[str, str] | None:
    """Headers by name; None if they cannot be read."""
    if given is None:
        return {}
    if isinstance(given, str):
        lines = [line.partition(":") for line in given.splitlines() if line.strip()]
        return {name.strip(): value.strip() for name, _, value in lines}
    if not isinstance(given, Mapping):
        return None
    if set(given) == {"headers"}:
        return _headers(given["headers"])
    return {str(name): str(value) for name, value in given.items()}
