"""Files over HTTP: ranges, conditions, signatures; Labelbox's storage and a customer's bucket."""

from __future__ import annotations

import base64
import hashlib
import hmac
import mimetypes
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote, urlencode, urlsplit

from .server import Request, Response, Seen

AREAS = ("/public/", "/bearer/", "/sas/", "/noranges/")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Files:
    """Content by path, thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._content: dict[str, bytes] = {}

    def put(self, path: str, content: bytes) -> None:
        """Store or replace a file."""
        with self._lock:
            self._content[path] = content

    def get(self, path: str) -> bytes | None:
        """The content of a file, None if there is none."""
        with self._lock:
            return self._content.get(path)

    def delete(self, path: str) -> None:
        """Remove a file."""
        with self._lock:
            del self._content[path]

    def size(self, under: str) -> int:
        """Bytes of all files together whose path begins so."""
        with self._lock:
            return sum(len(content) for path, content in self._content.items() if path.startswith(under))


class Signer:
    """Signatures with an end. `expire` makes all that were issued so far invalid."""

    def __init__(self) -> None:
        self._epoch = 1

    def expire(self) -> None:
        """Let every signature so far expire."""
        self._epoch += 1

    def sign(self, text: str) -> str:
        """A signature of a text."""
        key = f"secret {self._epoch}".encode()
        return base64.urlsafe_b64encode(hmac.digest(key, text.encode(), "sha256")).decode()

    def holds(self, text: str, signature: str, end: float) -> bool:
        """Whether a signature is right and its end, in seconds since 1970, has not come."""
        return hmac.compare_digest(self.sign(text).encode(), signature.encode()) and time.time() < end


def serve(content: bytes, path: str, request: Request, *, ranges: bool = True) -> Response:
    """A file, or the part that was asked for."""
    tag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    headers = {"Content-Type": kind, "ETag": tag}
    if ranges:
        headers["Accept-Ranges"] = "bytes"
    if tag in request.headers.get("if-none-match", ""):
        return Response(304, b"", headers)
    found = _RANGE.fullmatch(request.headers.get("range", "")) if ranges else None
    if not found or found.group() == "bytes=-" or request.headers.get("if-range", tag) != tag:
        return Response(200, content, headers)
    first, last = _bounds(*found.groups(), size=len(content))
    if first > last:
        return Response(416, b"", {**headers, "Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(206, content[first : last + 1], headers)


def _bounds(first: str, last: str, *, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last or size), size - 1)


class Storage:
    """storage.labelbox.com: every address needs `Expires` (milliseconds), `KeyName` and `Signature`."""

    def __init__(self) -> None:
        self.files, self.signer = Files(), Signer()
        self.lifetime = 3600.0
        self.url = ""

    def address(self, path: str) -> str:
        """The address of a file, without signature."""
        return self.url + quote(path)

    def signed(self, path: str) -> str:
        """A freshly signed address."""
        expires = str(int((time.time() + self.lifetime) * 1000))
        query = {"Expires": expires, "KeyName": "k", "Signature": self.signer.sign(f"{path} {expires}")}
        return f"{self.address(path)}?{urlencode(query)}"

    def answer(self, request: Request, seen: Seen) -> Response:
        """Answer GET and HEAD."""
        expires = request.query.get("Expires", "")
        end = int(expires) / 1000 if expires.isdecimal() else 0.0
        signature = request.query.get("Signature", "")
        if request.query.get("KeyName") != "k" or not self.signer.holds(f"{request.path} {expires}", signature, end):
            return Response(
                403, b"Access denied: the signature has expired or is wrong", {"Content-Type": "text/plain"}
            )
        content = self.files.get(request.path)
        if content is None:
            return Response(404, b"no such object", {"Content-Type": "text/plain"})
        return serve(content, request.path, request)


class Bucket:
    """A customer's bucket with one area for each way of access."""

    def __init__(self) -> None:
        self.files, self.signer = Files(), Signer()
        self.token = "bucket-token-1"
        self.url = ""

    def put(self, path: str, content: bytes) -> str:
        """Store a file and return its address."""
        if not path.startswith(AREAS):
            raise ValueError(f"{path} is in none of the areas {', '.join(AREAS)}")
        self.files.put(path, content)
        return self.url + quote(path)

    def sas_token(self, container: str, seconds: float) -> str:
        """A shared access signature (query string) for `/sas/<container>/...`."""
        end = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
        return urlencode(
            {"sv": "2024-11-04", "sr": "c", "sp": "r", "se": end, "sig": self.signer.sign(f"{container} {end}")}
        )

    def answer(self, request: Request, seen: Seen) -> Response:
        """Answer GET and HEAD."""
        if request.path == "/redirect":
            return redirect(request)
        if request.path.startswith("/bearer/") and request.bearer != self.token:
            return _xml(401, "AuthenticationFailed")
        if request.path.startswith("/sas/") and not self._shared(request):
            return _xml(403, "AuthenticationFailed")
        content = self.files.get(request.path)
        if content is None:
            return _xml(404, "BlobNotFound")
        return serve(content, request.path, request, ranges=not request.path.startswith("/noranges/"))

    def _shared(self, request: Request) -> bool:
        end, container = request.query.get("se", ""), request.path.split("/")[2]
        try:
            moment = datetime.fromisoformat(end)
        except ValueError:
            return False
        return self.signer.holds(f"{container} {end}", request.query.get("sig", ""), moment.timestamp())


def redirect(request: Request) -> Response:
    """Go to the address in `to`."""
    return Response(302, b"", {"Location": request.query["to"]})


def stored_path(url: str) -> str:
    """The path of an address as files are stored under, without query."""
    return unquote(urlsplit(url).path)


def _xml(status: int, code: str) -> Response:
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return Response(status, body.encode(), {"Content-Type": "application/xml"})
