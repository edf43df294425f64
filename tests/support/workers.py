"""Work for executors whose workers are other processes: functions of a module, which those can import quickly."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakebox.adapters.pixels import Jpeg
from lakebox.core.component import Component
from lakebox.core.ports import Executor, Map, OpenMedia
from lakebox.errors import MediaError

TOGETHER = 8
_together = threading.Barrier(TOGETHER)


def uneven(item: int) -> int:
    """Later items are done sooner."""
    time.sleep(0.002 * (5 - item % 5))
    return item * 10


def itself(item: int) -> Iterator[int]:
    yield item


def several(item: int) -> Iterator[int]:
    for step in range(item % 4):
        yield item * 10 + step


def hundred(item: int) -> Iterator[int]:
    return iter([item] * 100)


def thirds_fail(item: int) -> Iterator[int]:
    yield item
    if item % 3 == 0:
        raise MediaError(f"item {item}")
    yield -item


def one_fails_at_once(item: int) -> Iterator[int]:
    if item == 1:
        raise MediaError("at once")
    return iter([item])


def one_cannot_be_fetched(item: int) -> int:
    if item == 5:
        raise MediaError("five")
    return item


class OwnError(MediaError):
    """A user's, made of more than a text, so that it cannot be unpickled."""

    stage = "taste"

    def __init__(self, item: int, taste: str) -> None:
        super().__init__(f"item {item} tastes {taste}")


def tastes_bad(item: int) -> Iterator[int]:
    yield item
    raise OwnError(item, "bad")


def breaks(item: int) -> Iterator[int]:
    yield item
    raise KeyError("not lakebox's own")


def fetched_together(item: int) -> int:
    """Comes back only when as many are fetched at a time."""
    _together.wait(timeout=10)
    return item


def die() -> None:
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    time.sleep(60)


@dataclass(frozen=True)
class Dying:
    """Two results per item; between them, that of item 5 ends its process: once, or always."""

    marker: Path
    always: bool

    def __call__(self, item: int) -> Iterator[int]:
        yield item
        if item == 5 and (self.always or not self.marker.exists()):
            self.marker.touch()
            die()
        yield -item


@dataclass(frozen=True)
class Nested:
    """As a video is done: its frames by `map`."""

    executor: Executor

    def __call__(self, item: int) -> Iterator[int]:
        return self.executor.map(uneven, range(item))


@dataclass(frozen=True)
class Big:
    """A long item with results of a megabyte, which are counted as they are made."""

    folder: Path

    def __call__(self, item: int) -> Iterator[bytes]:
        for step in range(1000):
            with (self.folder / str(item)).open("ab") as file:
                file.write(b".")
            yield step.to_bytes(2, "big") * (1 << 19)

    def made(self) -> int:
        return sum(path.stat().st_size for path in self.folder.iterdir())


class Deadly(Component):
    """JPEG, whose process dies once at the n-th frame of any video."""

    marker: Path
    at: int

    def __repr__(self) -> str:
        return repr(Jpeg())  # datasets remember by it what they were made with

    def column(self, media: str) -> Any:
        return Jpeg().column(media)

    def cells(self, media: OpenMedia, wanted: Any, encode: Map) -> Iterator[Any]:
        for number, cell in enumerate(Jpeg().cells(media, wanted, encode)):
            if number == self.at and not self.marker.exists():
                self.marker.touch()
                die()
            yield cell
