"""Where fetching, decoding and encoding run, beside the one writer. Config group `executor`."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

_POLL = 0.1  # seconds between looks whether the other side has gone

T = TypeVar("T")
R = TypeVar("R")


class Serial(BaseModel):
    """Everything in turn, in one thread: for debugging."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """The builtin `map`."""
        return map(work, items)

    def prefetch(self, fetch: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """The builtin `map`."""
        return map(fetch, items)

    def stream(self, work: Callable[[T], Iterator[R]], items: Iterable[T]) -> Iterator[tuple[T, Iterator[R]]]:
        """Each item with its generator, not started yet."""
        return ((item, work(item)) for item in items)


class Threads(BaseModel):
    """Threads: decoding, encoding and the network release Python's lock, so they overlap."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: PositiveInt | None = Field(default=None, description="None: one per core")
    ahead: PositiveInt = Field(default=2, description="Finished blocks of rows that may wait per data row")
    fetches: PositiveInt = Field(default=32, description="Images whose files are fetched at a time")

    @property
    def _count(self) -> int:
        return self.workers or os.cpu_count() or 1

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """In order; at most 4 x workers items are under way."""
        return _mapped(work, items, self._count, 4 * self._count)

    def prefetch(self, fetch: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """In order; at most `fetches` items are fetched or being fetched."""
        return _mapped(fetch, items, self.fetches, self.fetches)

    def stream(self, work: Callable[[T], Iterator[R]], items: Iterable[T]) -> Iterator[tuple[T, Iterator[R]]]:
        """In order; `workers` generators run at a time, each at most `ahead` results before its reader."""
        with ThreadPoolExecutor(self._count, "lakebox-asset") as pool:
            waiting: deque[tuple[T, _Channel[R]]] = deque()
            try:
                for item in items:
                    channel: _Channel[R] = _Channel(self.ahead)
                    pool.submit(channel.fill, work, item)
                    waiting.append((item, channel))
                    if len(waiting) > self._count:
                        yield from _opened(*waiting.popleft())
                while waiting:
                    yield from _opened(*waiting.popleft())
            finally:
                for _, channel in waiting:
                    channel.close()


def _mapped(work: Callable[[T], R], items: Iterable[T], threads: int, most: int) -> Iterator[R]:
    with ThreadPoolExecutor(threads, "lakebox-map") as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _opened(item: T, channel: _Channel[R]) -> Iterator[tuple[T, Iterator[R]]]:
    """The pair; when its reader asks for the next one, this one's worker is told to stop."""
    try:
        yield item, iter(channel)
    finally:
        channel.close()


class _Channel(Generic[R]):
    """Results of one generator on their way from its thread to the reader, a bounded number at a time."""

    def __init__(self, size: int) -> None:
        self._queue: queue.Queue[tuple[bool, Any]] = queue.Queue(size)
        self._closed = threading.Event()

    def fill(self, work: Callable[[Any], Iterator[R]], item: Any) -> None:
        """Run the generator. Whatever it raises is raised again at the reader, so nothing is swallowed here."""
        try:
            results = work(item)
            while not self._closed.is_set():
                result = next(results, self)
                if result is self:
                    break
                self._put(False, result)
        except BaseException as error:  # noqa: BLE001 - handed to the reader whatever it is
            self._put(True, error)
        else:
            self._put(True, None)

    def _put(self, last: bool, value: Any) -> None:
        while not self._closed.is_set():
            try:
                self._queue.put((last, value), timeout=_POLL)
            except queue.Full:
                continue
            return

    def __iter__(self) -> Iterator[R]:
        while True:
            try:
                last, value = self._queue.get(timeout=_POLL)
            except queue.Empty:
                if self._closed.is_set():
                    return
                continue
            if not last:
                yield value
            elif value is None:
                return
            else:
                raise value

    def close(self) -> None:
        """Let the worker end early."""
        self._closed.set()
