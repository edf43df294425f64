"""Executor `dask`: work on a dask cluster, an existing one or one of this machine (distributed, the extra `dask`)."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pydantic import Field, PositiveFloat, PositiveInt

from lakebox.adapters.chunks import Said
from lakebox.adapters.remote import Cluster, OnCluster, WorkerLost, said, version
from lakebox.errors import ConfigError, LakeboxError


class Dask(OnCluster):
    """Workers of a dask cluster. Each reads media by itself and sends blocks of rows back."""

    address: str | None = Field(
        default=None,
        pattern=r"^[a-z]+://",
        description="tcp://host:port of a scheduler; None: a cluster of this machine",
    )
    workers: PositiveInt | None = Field(
        default=None, description="Data rows at a time; None: one per core, with an address as the cluster has threads"
    )
    patience: PositiveFloat = Field(default=10.0, description="Seconds to reach the scheduler")

    @contextmanager
    def _opened(self) -> Iterator[Cluster]:
        """A client, and the cluster if it is ours, for as long as the context lasts."""
        try:
            import distributed
        except ImportError as error:
            raise ConfigError(f"executor=dask needs '{error.name}'; install it: pip install 'lakebox[dask]'") from error
        for name in ("distributed", "distributed.client"):  # what it has to say is for those who run the cluster
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with ExitStack() as stack:
            where: Any = self.address or stack.enter_context(self._local(distributed))
            try:
                client = distributed.Client(where, timeout=self.patience, set_as_default=False)
            except Exception as error:
                raise LakeboxError(
                    f"executor.address={self.address}: no dask scheduler answers there within {self.patience:g} s"
                    f" ({type(error).__name__}); check the address, and that the scheduler runs"
                ) from error
            stack.enter_context(client)
            yield _Client(client, self._count(client))

    def _local(self, dask: Any) -> Any:
        """One that only this machine reaches. It wants a port for HTTP in any case: whichever is free."""
        return dask.LocalCluster(
            n_workers=self._cores, threads_per_worker=1, host="127.0.0.1", silence_logs=logging.CRITICAL,
            dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},
        )  # fmt: skip

    @property
    def _cores(self) -> int:
        return self.workers or os.cpu_count() or 1

    def _count(self, client: Any) -> int:
        """Threads that the cluster has now; one that starts workers when there is work has none yet."""
        return self.workers or sum(client.nthreads().values()) or self._cores


class _Client:
    """Tasks of a dask client."""

    def __init__(self, client: Any, slots: int) -> None:
        self._client = client
        self.slots = slots

    def submit(self, job: bytes, items: bytes) -> Any:
        """A task that knows only Python: a worker that cannot import its function would end (dask 2026.8)."""
        call = pickle.dumps(_Call(job, items))
        return self._client.submit(pickle.loads, call, key=f"lakebox-{uuid4().hex}")

    def told(self, handle: Any) -> list[Said]:
        """What came of it; dask has tried it on several workers before it counts as lost."""
        import distributed

        try:
            told: list[Said] = handle.result()
        except distributed.KilledWorker:
            raise WorkerLost("its workers died or were killed") from None
        except Exception as error:
            raise LakeboxError(_broken(error)) from error
        return told

    def cancel(self, handles: list[Any]) -> None:
        """Take them back."""
        if handles:
            self._client.cancel(handles)


@dataclass(frozen=True, slots=True)
class _Call:
    """Unpickled, it is what was said."""

    job: bytes
    items: bytes

    def __reduce__(self) -> tuple[Callable[[bytes, bytes], list[Said]], tuple[bytes, bytes]]:
        return _told, (self.job, self.items)


def _told(job: bytes, items: bytes) -> list[Said]:
    return list(said(job, items))


def _broken(error: Exception) -> str:
    """What dask raises when a task could not even begin, or the cluster has gone."""
    text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return (
        f"executor=dask: the cluster could not do the work ({text}); lakebox {version()} and what the configuration"
        " names have to be installed on every worker, and the scheduler has to be there"
    )
