"""HTTP on the loopback: one server per host, every request recorded, faults applied."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .faults import REFUSALS, Fault, Faults


@dataclass(frozen=True)
class Request:
    """A request as it came in; header names are lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def bearer(self) -> str | None:
        """The bearer token."""
        return self.headers.get("authorization", "").removeprefix("Bearer ") or None


@dataclass(frozen=True)
class Response:
    """What to answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of_json(status: int, value: Any) -> Response:
        """An answer in JSON."""
        return Response(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


@dataclass
class Seen:
    """One request that arrived. `status` 0: no answer was given; `sent`: bytes of the body that were sent."""

    host: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    operation: str | None = None
    status: int = 0
    sent: int = 0
    faults: tuple[str, ...] = ()


Answer = Callable[[Request, Seen], Response]


class Host:
    """A server on 127.0.0.1 with a name; `answer` says what to answer."""

    def __init__(
        self, name: str, answer: Answer, operation: Callable[[Request], str | None], faults: Faults, seen: list[Seen]
    ) -> None:
        self.name, self.answer, self.operation = name, answer, operation
        self.faults, self.seen = faults, seen
        self.crashes: list[str] = []
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Scheme, address and port."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Close the server and its connections."""
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: Host) -> None:
        self.host = host
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.host.crashes.append(traceback.format_exc())

    def hang_up(self) -> None:
        """Close connections that are kept alive."""
        for request in list(self._open):
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def _handle(self) -> None:
        host = self.server.host
        request = self._read()
        if len(request.body) < int(request.headers.get("content-length") or 0):
            self.close_connection = True  # whoever asked was killed in the middle of it
            return
        headers = {name.title(): value for name, value in request.headers.items()}
        seen = Seen(host.name, request.method, request.path, request.query, headers, host.operation(request))
        faults = host.faults.striking(host.name, request.path, seen.operation)
        seen.faults = tuple(fault.kind for fault in faults)
        host.seen.append(seen)
        early = next((fault for fault in faults if not fault.after and fault.kind in {*REFUSALS, "dropped"}), None)
        late = next((fault for fault in faults if fault.after and fault.kind in {*REFUSALS, "dropped"}), None)
        response = Response(500) if early else self._answer(request, seen)
        refused = early or late
        if refused and refused.kind == "dropped":
            self.close_connection = True
            return
        self._send(seen, _refusal(refused) if refused else response, faults)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _read(self) -> Request:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Request(self.command, unquote(parts.path), query, headers, body)

    def _answer(self, request: Request, seen: Seen) -> Response:
        try:
            return self.server.host.answer(request, seen)
        except Exception:  # noqa: BLE001  shown by the test, through `crashes`
            self.server.host.crashes.append(traceback.format_exc())
            return Response.of_json(500, {"message": "the fake crashed", "errors": []})

    def _send(self, seen: Seen, response: Response, faults: list[Fault]) -> None:
        delay = sum(fault.delay for fault in faults if fault.kind == "slow") / 2
        time.sleep(delay)
        seen.status = response.status
        body = b"" if self.command == "HEAD" else response.body
        half = len(body) // 2
        self.send_response(response.status)
        for name, value in {"Content-Length": str(len(response.body)), **response.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if any(fault.kind == "truncated" for fault in faults) and body:
            self.close_connection = True
            seen.sent += self.wfile.write(body[:half])
        elif delay:
            seen.sent += self.wfile.write(body[:half])
            self.wfile.flush()
            time.sleep(delay)
            seen.sent += self.wfile.write(body[half:])
        else:
            seen.sent += self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def _refusal(fault: Fault) -> Response:
    status = REFUSALS[fault.kind]
    message = "You have exceeded your API limit" if status == 429 else f"fault: {fault.kind}"
    body = json.dumps({"message": message}).encode()
    return Response(status, body, {"Content-Type": "application/json", **fault.headers})
