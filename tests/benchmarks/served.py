"""A project's images and masks behind loopback HTTP, in a process of their own, and an export that says so.

Videos stay where they are: this server knows no ranges.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

EXPORT = "served.ndjson"


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body leave together; else TCP adds a wait of its own

    def log_message(self, *_: object) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with Python's five, connections that come at once are dropped and tried again after 1 s


def _serve(folder: Path, pipe: Any) -> None:
    server = _Server(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    pipe.send(server.server_port)
    server.serve_forever()


@contextmanager
def served(folder: Path) -> Iterator[Path]:
    """The export of a project with every relative address turned into one of a server that lives as long as this."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(folder, theirs), daemon=True)
    process.start()
    try:
        address = f"http://127.0.0.1:{ours.recv()}/"
        with folder.joinpath("export.ndjson").open(encoding="utf-8") as lines, folder.joinpath(EXPORT).open("w") as out:
            for line in lines:
                out.write(json.dumps(_addressed(json.loads(line), address)) + "\n")
        yield folder / EXPORT
    finally:
        process.terminate()
        process.join()


def _addressed(node: Any, address: str) -> Any:
    if isinstance(node, dict):
        return {key: address + v if _is_served(key, v) else _addressed(v, address) for key, v in node.items()}
    return [_addressed(item, address) for item in node] if isinstance(node, list) else node


def _is_served(key: str, value: Any) -> bool:
    return key in ("row_data", "url") and isinstance(value, str) and not value.endswith(".mp4")
