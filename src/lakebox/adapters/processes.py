"""Executor `process`: work in other processes of this machine, each with a pipe of its own.

A worker that dies takes nothing with it but what it was working on, which another one does again. Results come over
the pipe as they are made, so that a long video does not have to fit into memory. Workers end when their pipe or their
parent does, however it ended.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from pydantic import Field, PositiveInt

from lakebox.adapters.chunks import Said, chunks
from lakebox.adapters.executors import Threads
from lakebox.adapters.remote import CHUNK, Job, WorkerLost, lost, said, split
from lakebox.core.component import Component
from lakebox.errors import LakeboxError

log = logging.getLogger(__name__)

TRIES = 3
"""Workers that may die at an item before it counts as failed."""
_ENOUGH, _HERE = b"enough", b"here"
_GRACE = 5.0  # seconds that a worker gets to end by itself

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")


class Processes(Component):
    """Processes: decoders that hold Python's lock overlap, and one that crashes takes nothing with it."""

    workers: PositiveInt | None = Field(default=None, description="None: one per core")
    ahead: PositiveInt = Field(default=16, description="Finished blocks of rows that may wait per data row")
    fetches: PositiveInt = Field(default=32, description="Images whose files each worker fetches at a time")

    def decoder_threads(self, videos: int) -> int:
        """As `Threads`."""
        return Threads(workers=self.workers).decoder_threads(videos)

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """The builtin `map`: within a worker there is one thing after another."""
        return map(work, items)

    def stream(
        self, work: Callable[[T], Iterator[R]], items: Iterable[T]
    ) -> Generator[tuple[T, Iterator[R]], None, None]:
        """In order; `workers` generators run at a time, each about `ahead` results before its reader."""
        return self._streamed(Job(work), items, 1, self.ahead)

    def many(
        self, fetch: Callable[[T], U], work: Callable[[U], Iterator[R]], items: Iterable[T]
    ) -> Generator[tuple[T, Iterator[R]], None, None]:
        """In order, some dozens of items to a worker at a time; their results wait for their turn."""
        return self._streamed(Job(work, fetch, self.fetches), items, CHUNK, 4 * CHUNK)

    def _streamed(self, job: Job[T, Any, R], items: Iterable[T], size: int, most: int) -> Generator[Any, None, None]:
        """Each worker has a thread here that reads its pipe, for as long as there is room."""
        threads = Threads(workers=self.workers, ahead=most)
        with _Pool(job) as pool, closing(threads.stream(pool.told, chunks(items, size))) as streamed:
            for chunk, told in streamed:
                yield from split(chunk, told)


class _Pool:
    """Workers that do one job, started when they are needed. Used from many threads."""

    def __init__(self, job: Job[Any, Any, Any]) -> None:
        self._job = job
        self._packed = b""
        self._workers: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._turn = threading.Lock()

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.hang_up()
        for worker in self._workers:
            worker.end()

    def told(self, chunk: list[Any]) -> Iterator[Said]:
        """What is said of the items. A worker's death costs one try of the item at which it happened.

        Those that come after it in its chunk are done by themselves, since any of them may be to blame: they are
        fetched before their turn.
        """
        over = given = 0
        try:
            for one in self._once(chunk):
                over, given = (over + 1, 0) if one.over else (over, given + 1)
                yield one
            return
        except WorkerLost as error:
            log.warning("a worker process died (%s); what it was working on is done again", error)
        tries = TRIES - 1
        for item in chunk[over:]:
            yield from self._again(item, given, tries)
            given, tries = 0, TRIES

    def _again(self, item: Any, given: int, tries: int) -> Iterator[Said]:
        """What is said of one item, without the results that were handed on before: they are the same again."""
        for left in reversed(range(tries)):
            try:
                for number, one in enumerate(self._once([item])):
                    if number >= given or one.over:
                        given = number + 1
                        yield one
                return
            except WorkerLost as error:
                if not left:
                    yield Said(over=True, error=lost(error))

    def _once(self, chunk: list[Any]) -> Iterator[Said]:
        worker = self._taken()
        try:
            yield from worker.told(self._packed, pickle.dumps(chunk))
        finally:
            if not worker.lost:
                with self._turn:
                    self._idle.append(worker)

    def _taken(self) -> _Worker:
        with self._turn:
            self._packed = self._packed or self._job.packed()
            if self._idle:
                return self._idle.pop()
            worker = _Worker()
            self._workers.append(worker)
            return worker


class _Worker:
    """A process and the pipe to it. Used by one thread at a time."""

    def __init__(self) -> None:
        context = multiprocessing.get_context(
            "spawn"
        )  # the only one that takes over nothing, and that all systems have
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), name="lakebox-worker", daemon=True)
        self._process.start()
        theirs.close()
        self._met = False
        self.lost = False
        """Whether it has died."""

    def told(self, job: bytes, items: bytes) -> Iterator[Said]:
        """What the worker says, as it says it; left unread, the worker stops after its next result.

        Raises:
            WorkerLost: it died.
            LakeboxError: it could not even begin.
        """
        try:
            self._meet()
            self._pipe.send((job, items))
            while (one := self._pipe.recv()) is not None:
                yield one
        except GeneratorExit:
            self._hush()
            raise
        except (EOFError, OSError):
            raise WorkerLost(self._gone()) from None

    def _meet(self) -> None:
        if self._met:
            return
        try:
            self._met = self._pipe.recv() == _HERE
        except EOFError:
            how = self._gone()
            if (self._process.exitcode or 0) < 0:
                raise
            raise LakeboxError(
                f"executor=process: a worker process did not start ({how}); in a script, what runs lakebox has to stand"
                " below `if __name__ == '__main__':`, because workers read the script, too"
            ) from None

    def _hush(self) -> None:
        try:
            self._pipe.send(_ENOUGH)
            while self._pipe.recv() is not None:
                continue
        except (EOFError, OSError):
            self._gone()

    def _gone(self) -> str:
        """How it died."""
        self.lost = True
        self._process.join(_GRACE)
        code = self._process.exitcode
        return f"killed by {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"

    def hang_up(self) -> None:
        """Nothing more is wanted of it."""
        self._pipe.close()

    def end(self) -> None:
        """Wait for its end, not for ever."""
        self._process.join(_GRACE)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        self._process.close()


# In the worker.


def _serve(pipe: Connection) -> None:
    """Do what comes over the pipe, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; what is under way is to be finished
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        pipe.send(_HERE)
        while True:
            message = pipe.recv()
            if message != _ENOUGH:  # which may come when all is said already
                _work(pipe, *message)
    except (EOFError, OSError):  # errors of the work do not come here, they are said
        return


def _work(pipe: Connection, job: bytes, items: bytes) -> None:
    with closing(said(job, items)) as results:
        for one in results:
            pipe.send(one)
            if pipe.poll():
                break
    pipe.send(None)


def _end_with_parent() -> None:
    """A parent that was killed hangs up, but somebody may be waiting for a slow server and not look at the pipe."""
    if (parent := multiprocessing.parent_process()) is not None:
        wait([parent.sentinel])
        os._exit(1)
