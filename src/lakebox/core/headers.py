"""What the headers of an HTTP answer say (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")

ADVICE = {
    401: " (refused: which presigner fits this address?)",
    403: " (refused, or its signature has expired: which presigner fits this address?)",
    404: " (no such file)",
    410: " (gone: export the project again)",
}
"""Status -> what to do about it, to end a message with."""


def extent(status: int, headers: Mapping[str, str]) -> tuple[int, int | None]:
    """First byte of an answer, and length of the whole file in bytes where the server says it and sends it unpacked."""
    if status == 206 and (found := _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))):
        return int(found[1]), None if found[2] == "*" else int(found[2])
    packed = headers.get("Content-Encoding", "identity").lower() != "identity"
    length = headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() and not packed else None


def validators(headers: Mapping[str, str]) -> dict[str, str]:
    """What names the content of a file: `ETag` and `Last-Modified`, as far as the server says them."""
    return {name: headers[name] for name in ("ETag", "Last-Modified") if name in headers}


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two answers are about different content, as far as both say something."""
    return any(
        before[key] != now[key] for key in before.keys() & now.keys() if None not in (before[key], now[key])
    )  # fmt: skip


def retry_after(value: str | None) -> float | None:
    """Seconds to wait, from a number or a date; None where nothing readable is said."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None
