"""Work in other processes, here or on other machines: what travels there, what comes back, and reading it in order.

Work and items travel as bytes, so that whatever carries them neither looks into them nor shows them in its logs; so do
results. An error of an item is one of its results: it comes at its place, and leaves the others alone.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import traceback
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata
from itertools import chain
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from pydantic import Field, PositiveInt

from lakebox.adapters.chunks import Said, chunks, told_apart
from lakebox.adapters.executors import ahead
from lakebox.core.component import Component
from lakebox.errors import AssetError, ConfigError, LakeboxError

CHUNK = 32
"""Images to a task: enough to fetch many files at a time, few enough that a crash costs little."""

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")


@cache
def version() -> str:
    """The lakebox that runs here."""
    return metadata.version("lakebox")


class WorkerLost(Exception):
    """A worker died with what it was working on. Its text says how."""


# What travels.


@dataclass(frozen=True, slots=True)
class Job(Generic[T, U, R]):
    """What is to be made of items."""

    work: Callable[[U], Iterator[R]]
    fetch: Callable[[T], U] | None = None
    """Makes of each item what is worked on, of many at a time; None: the item itself is."""
    fetches: int = 1

    def packed(self) -> bytes:
        """It, as small as its configuration.

        Raises:
            ConfigError: a component cannot travel.
        """
        try:
            return f"{version()}\n".encode() + pickle.dumps(self)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"executor: components travel to its workers, and one cannot ({error}): make it a"
                " lakebox.core.component.Component of a module, or use executor=thread"
            ) from error

    def each(self, items: Iterable[T]) -> Iterator[Iterator[R]]:
        """The results of each item, which begin when they are read."""
        if self.fetch is None:
            for item in items:
                yield _begun(self.work, item)
            return
        with ThreadPoolExecutor(self.fetches, "lakebox-fetch") as pool:
            for _, future in ahead(pool, self.fetch, items, self.fetches):
                yield _fetched(self.work, future)


def _begun(work: Callable[[Any], Iterator[R]], item: Any) -> Iterator[R]:
    yield from work(item)


def _fetched(work: Callable[[U], Iterator[R]], future: Future[U]) -> Iterator[R]:
    yield from work(future.result())


# Where the work is done.


def _dtype(dtype: np.dtype[Any]) -> tuple[type[np.dtype[Any]], tuple[str]]:
    return np.dtype, (dtype.str,)


_DTYPES = {
    **copyreg.dispatch_table,
    **{type(np.dtype(code)): _dtype for code in f"?{np.typecodes['AllInteger']}{np.typecodes['Float']}"},
}
"""As numpy pickles arrays, each comes back with a `dtype` of its own, which equals numpy's and is not it; Deep Lake
looks at which one it is, and takes the points of polygons apart. So dtypes travel by name."""


def _packed(result: Any) -> bytes:
    file = io.BytesIO()
    packer = pickle.Pickler(file, pickle.HIGHEST_PROTOCOL)
    packer.dispatch_table = _DTYPES
    packer.dump(result)
    return file.getvalue()


def said(job: bytes, items: bytes) -> Generator[Said, None, None]:
    """Everything that becomes of the items, in their order; the last that is said of each item says so."""
    todo = pickle.loads(items)
    try:
        each = _unpacked(job).each(todo)
    except LakeboxError as error:
        yield from (Said(over=True, error=error) for _ in todo)
        return
    for results in each:
        try:
            for result in results:
                yield Said(_packed(result))
        except Exception as error:  # noqa: BLE001 - handed to the reader whatever it is
            yield Said(over=True, error=_portable(error))
        else:
            yield Said(over=True)


@lru_cache(maxsize=2)
def _unpacked(job: bytes) -> Job[Any, Any, Any]:
    """Once per process, so that tasks share connections and signatures."""
    wanted, _, content = job.partition(b"\n")
    if wanted.decode() != version():
        raise LakeboxError(
            f"executor: a worker has lakebox {version()}, this run {wanted.decode()}; install {wanted.decode()} there"
        )
    try:
        found: Job[Any, Any, Any] = pickle.loads(content)
    except Exception as error:
        raise LakeboxError(
            f"executor: a worker cannot build the components ({type(error).__name__}: {error}); install there what the"
            " configuration names"
        ) from error
    return found


def _portable(error: Exception) -> Exception:
    """An error that can be told elsewhere: one of lakebox's own, since those of others may not survive the way."""
    kind = next((one for one in type(error).__mro__ if one.__module__ == LakeboxError.__module__), None)
    if kind is None:
        return RuntimeError(f"in a worker: {''.join(traceback.format_exception(error))}")
    told: LakeboxError = kind(str(error))
    if isinstance(told, AssetError) and isinstance(error, AssetError):
        told.stage = error.stage
    return told


def split(chunk: list[T], told: Iterator[Said]) -> Iterator[tuple[T, Iterator[Any]]]:
    """The items of a chunk, each with its results, unpacked."""
    return told_apart(chunk, told, pickle.loads)


def lost(error: WorkerLost) -> AssetError:
    """The failure of an item whose worker dies whenever it is worked on."""
    return AssetError(
        f"the worker that imports it dies every time ({error}); replace the media file if it is broken, or, if memory"
        " ran out, use fewer executor.workers"
    )


# Clusters.


class Cluster(Protocol):
    """Runs tasks on its workers."""

    slots: int
    """How many run at a time."""

    def submit(self, job: bytes, items: bytes) -> Any:
        """Begin with `said`; a handle for its list."""

    def told(self, handle: Any) -> list[Said]:
        """All that was said.

        Raises:
            WorkerLost: the task kills every worker that tries it.
            LakeboxError: the cluster cannot do it at all.
        """

    def cancel(self, handles: list[Any]) -> None:
        """Nobody wants these any more."""


class OnCluster(Component):
    """An executor whose work a cluster does. Each worker reads media by itself and sends blocks of rows back."""

    fetches: PositiveInt = Field(default=32, description="Images whose files each worker fetches at a time")

    @abstractmethod
    def _opened(self) -> AbstractContextManager[Cluster]:
        """The cluster, for as long as the context lasts."""

    def decoder_threads(self, videos: int) -> int:
        """One: other videos are decoded beside it."""
        return 1

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """The builtin `map`: within a worker there is one thing after another."""
        return map(work, items)

    def stream(
        self, work: Callable[[T], Iterator[R]], items: Iterable[T]
    ) -> Generator[tuple[T, Iterator[R]], None, None]:
        """In order; an item to a task, whose results come when all of them are there."""
        return on_cluster(self._opened, Job(work), items)

    def many(
        self, fetch: Callable[[T], U], work: Callable[[U], Iterator[R]], items: Iterable[T]
    ) -> Generator[tuple[T, Iterator[R]], None, None]:
        """In order; some dozens of items to a task."""
        return on_cluster(self._opened, Job(work, fetch, self.fetches), items, CHUNK)


def on_cluster(
    opened: Callable[[], AbstractContextManager[Cluster]], job: Job[T, Any, R], items: Iterable[T], size: int = 1
) -> Generator[tuple[T, Iterator[R]], None, None]:
    """Every item with its results, in order, `size` items to a task; a few tasks more than there are slots are under
    way. The cluster is opened when there is something to do."""
    tasks = chunks(items, size)
    first = next(tasks, None)
    if first is None:
        return
    packed = job.packed()
    with opened() as cluster:
        most = cluster.slots + max(2, cluster.slots // 2)
        waiting: deque[tuple[list[T], Any]] = deque()
        try:
            for chunk in chain([first], tasks):
                waiting.append((chunk, cluster.submit(packed, pickle.dumps(chunk))))
                if len(waiting) >= most:
                    chunk, handle = waiting.popleft()
                    yield from split(chunk, _heard(cluster, packed, chunk, handle))
            while waiting:
                chunk, handle = waiting.popleft()
                yield from split(chunk, _heard(cluster, packed, chunk, handle))
        finally:
            cluster.cancel([handle for _, handle in waiting])


def _heard(cluster: Cluster, job: bytes, chunk: list[Any], handle: Any, last: bool = False) -> Iterator[Said]:
    """What is said of a chunk. If it is lost, its items are tried one by one: only one of them is to blame.

    An item by itself is tried once more, too: it may have been waiting where another one killed the workers.
    """
    try:
        told = deque(cluster.told(handle))
    except WorkerLost as error:
        if last:
            yield Said(over=True, error=lost(error))
            return
        for item in chunk:
            alone = [item]
            yield from _heard(cluster, job, alone, cluster.submit(job, pickle.dumps(alone)), len(chunk) == 1)
        return
    while told:  # what is handed on need not be kept
        yield told.popleft()
