"""Where fetching, decoding and encoding run, beside the one writer: in this process. Config group `executor`."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, Generic, TypeVar

from pydantic import Field, PositiveInt

from lakebox.adapters.chunks import Said, all_said, chunks, told_apart
from lakebox.core.component import Component

_POLL = 0.1  # seconds between looks whether the other side has gone

WAITING = 8
"""Results of small items that may wait for the reader."""

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")


class Serial(Component):
    """Everything in turn, in one thread: for debugging."""

    def decoder_threads(self, videos: int) -> int:
        """One."""
        return 1

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """The builtin `map`."""
        return map(work, items)

    def stream(
        self, work: Callable[[T], Iterator[R]], items: Iterable[T]
    ) -> Generator[tuple[T, Iterator[R]], None, None]:
        """Each item with its generator, not started yet."""
        return ((item, work(item)) for item in items)

    def many(
        self, fetch: Callable[[T], U], work: Callable[[U], Iterator[R]], items: Iterable[T]
    ) -> Generator[tuple[T, Iterator[R]], None, None]:
        """Each item with its generator, which begins with fetching."""
        return ((item, _fetched(fetch, work, item)) for item in items)


def _fetched(fetch: Callable[[T], U], work: Callable[[U], Iterator[R]], item: T) -> Iterator[R]:
    yield from work(fetch(item))


class Threads(Component):
    """Threads: decoding, encoding and the network release Python's lock, so they overlap."""

    workers: PositiveInt | None = Field(default=None, description="None: one per core")
    ahead: PositiveInt = Field(default=2, description="Finished blocks of rows that may wait per data row")
    fetches: PositiveInt = Field(default=32, description="Images whose files are fetched at a time")

    @property
    def _count(self) -> int:
        return self.workers or os.cpu_count() or 1

    def decoder_threads(self, videos: int) -> int:
        """The cores shared out: all of them for a video by itself, one each where there are enough videos."""
        return max(1, (os.cpu_count() or 1) // min(self._count, videos or 1))

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """In order; at most 4 x workers items are under way."""
        with ThreadPoolExecutor(self._count, "lakebox-map") as pool:
            for _, future in ahead(pool, work, items, 4 * self._count):
                yield future.result()

    def stream(
        self, work: Callable[[T], Iterator[R]], items: Iterable[T]
    ) -> Generator[tuple[T, Iterator[R]], None, None]:
        """In order; `workers` generators run at a time, each at most `ahead` results before its reader."""
        return self._stream(work, items, self.ahead)

    def _stream(
        self, work: Callable[[T], Iterator[R]], items: Iterable[T], most: int
    ) -> Generator[tuple[T, Iterator[R]], None, None]:
        with ThreadPoolExecutor(self._count, "lakebox-asset") as pool:
            waiting: deque[tuple[T, _Channel[R]]] = deque()
            try:
                for item in items:
                    channel: _Channel[R] = _Channel(most)
                    pool.submit(channel.fill, work, item)
                    waiting.append((item, channel))
                    if len(waiting) > self._count:
                        yield from _opened(*waiting.popleft())
                while waiting:
                    yield from _opened(*waiting.popleft())
            finally:
                for _, channel in waiting:
                    channel.close()

    def many(
        self, fetch: Callable[[T], U], work: Callable[[U], Iterator[R]], items: Iterable[T]
    ) -> Generator[tuple[T, Iterator[R]], None, None]:
        """As `stream`; about `fetches` items are fetched or being fetched before their turn."""

        def worked(chunk: list[tuple[T, Future[U]]]) -> Iterator[Said]:
            return all_said(_fetching(work, future) for _, future in chunk)

        with ThreadPoolExecutor(self.fetches, "lakebox-fetch") as pool:
            # Handing over each by itself costs more than the work, so threads take several in a row.
            fetched = chunks(ahead(pool, fetch, items, self.fetches), max(1, self.fetches // self._count))
            with closing(self._stream(worked, fetched, WAITING)) as streamed:
                for chunk, said in streamed:
                    yield from told_apart([item for item, _ in chunk], said, _as_it_is)


def _as_it_is(result: R) -> R:
    return result


def _fetching(work: Callable[[U], Iterator[R]], future: Future[U]) -> Iterator[R]:
    yield from work(future.result())


def ahead(
    pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T], most: int
) -> Iterator[tuple[T, Future[R]]]:
    """Items in order, each with the result to come; at most `most` of them are handed to the pool before their turn."""
    waiting: deque[tuple[T, Future[R]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) >= most:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for _, future in waiting:
            future.cancel()


def _opened(item: T, channel: _Channel[R]) -> Generator[tuple[T, Iterator[R]], None, None]:
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
