"""Which server an address really means, read so that nobody is fooled: credentials are sent by what is decided here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AfterValidator

from lakebox.core.urls import unsigned

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]*:[0-9a-f:.]*")  # the second: IPv6
_DISPUTED = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True, slots=True)
class Address:
    """An `http` or `https` address; path and query are as written, still percent-encoded."""

    scheme: str
    host: str
    """In lower case."""
    port: int
    path: str
    query: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """What must be equal for two addresses to mean the same server."""
        return self.scheme, self.host, self.port

    @property
    def base(self) -> str:
        """The server's address as text, the port only where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")


def read(url: str) -> Address | None:
    """The parts of a web address; None for other kinds, and where readers do not agree which host is meant.

    >>> read("https://api.labelbox.com@evil.org/x"), read("https://evil.org\\\\@api.labelbox.com/x")
    (None, None)
    """
    if _DISPUTED.search(url) or url != url.strip():
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or "@" in parts.netloc or not _HOST.fullmatch(host):
        return None
    return Address(parts.scheme, host, _PORTS[parts.scheme] if port is None else port, parts.path, parts.query)


def is_signed(url: str) -> bool:
    """Whether the address carries a signature or token already."""
    return len(_query(unsigned(url))) < len(_query(url))


def climbs(path: str) -> bool:
    """Whether a path has `.` or `..` in it, however often encoded: some client or server would resolve it."""
    plain = unquote(unquote(path)).replace("\\", "/")
    return any(part in (".", "..") for part in plain.split("/"))


def _query(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True) if "?" in url else []


def _endpoint(url: str) -> str:
    parts = read(url)
    if parts is None or parts.query or "#" in url:
        raise ValueError("must be an address like https://host or http://host:port/path, without user, query or '#'")
    if climbs(parts.path):
        raise ValueError("must not have '.' or '..' in its path")
    return parts.base + parts.path.rstrip("/")


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("must be the name of an environment variable, not its value")
    return name


Endpoint = Annotated[str, AfterValidator(_endpoint)]
"""The address of a service or folder, brought into one form: host in lower case, no slash at the end."""

Variable = Annotated[str, AfterValidator(_variable)]
"""The name of an environment variable; whoever gives the secret itself gets an error that does not repeat it."""
