"""Executor `ray`: work on a Ray cluster, an existing one or one of this machine (ray, the extra `ray`).

What was measured of Ray 2.60 and is dealt with below: it takes two minutes to find that nobody is at an address, and
it replaces the handler of SIGTERM.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import Field, PositiveFloat, PositiveInt

from lakebox.adapters.chunks import Said
from lakebox.adapters.remote import Cluster, OnCluster, WorkerLost, said, version
from lakebox.errors import ConfigError, LakeboxError

_RETRIES = 1  # times that Ray does a task again whose worker died


class Ray(OnCluster):
    """Workers of a Ray cluster. Each reads media by itself and sends blocks of rows back."""

    address: str | None = Field(
        default=None, pattern=r"^(auto|([a-z]+://)?[^/\s]+:\d+)$",
        description="`auto` or host:port of a cluster; None: one of this machine",
    )  # fmt: skip
    workers: PositiveInt | None = Field(
        default=None, description="Data rows at a time; None: one per core, with an address one per core of the cluster"
    )
    patience: PositiveFloat = Field(default=10.0, description="Seconds to reach the cluster's port")

    @contextmanager
    def _opened(self) -> Iterator[Cluster]:
        """Ray, for as long as the context lasts; one that a script has started already is used and left running."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise ConfigError(f"executor=ray needs '{error.name}'; install it: pip install 'lakebox[ray]'") from error
        logging.getLogger("ray").setLevel(logging.ERROR)
        if ray.is_initialized():
            yield _Tasks(ray, self._count(ray))
            return
        with _own_sigterm():
            self._start(ray)
        try:
            yield _Tasks(ray, self._count(ray))
        finally:
            ray.shutdown()

    def _start(self, ray: Any) -> None:
        quiet = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
        if self.address is None:
            count = self.workers or os.cpu_count() or 1
            path = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}  # components of the user's own folder
            ray.init(
                address="local", num_cpus=count, include_dashboard=False, runtime_env=path, **quiet
            )  # fmt: skip
            return
        _answers(self.address, self.patience)
        try:
            ray.init(address=self.address, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise LakeboxError(_unreachable(self.address, f"{type(error).__name__}: {error}"[:300])) from error

    def _count(self, ray: Any) -> int:
        return self.workers or int(ray.cluster_resources().get("CPU", 0)) or os.cpu_count() or 1


def _answers(address: str, patience: float) -> None:
    """Raise if nobody listens at host:port."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), patience).close()
    except OSError as error:
        raise LakeboxError(_unreachable(address, error.strerror or type(error).__name__)) from error


def _unreachable(address: str, found: str) -> str:
    return (
        f"executor.address={address}: no Ray cluster answers there ({found}); check the address, that it runs the same"
        " Ray, and, where it wants a token, that this machine has it and RAY_AUTH_MODE=token is set"
    )


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Signals stay with whoever had them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Tasks:
    """Tasks of Ray."""

    def __init__(self, ray: Any, slots: int) -> None:
        self._ray = ray
        self._begin = ray.remote(max_retries=_RETRIES)(_told)
        self.slots = slots

    def submit(self, job: bytes, items: bytes) -> Any:
        """A task."""
        return self._begin.remote(job, items)

    def told(self, handle: Any) -> list[Said]:
        """What came of it; Ray has tried it several times before it counts as lost."""
        errors = self._ray.exceptions
        try:
            told: list[Said] = self._ray.get(handle)
        except (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.NodeDiedError) as error:
            raise WorkerLost(type(error).__name__) from None
        except errors.RayError as error:
            raise LakeboxError(_broken(error)) from error
        return told

    def cancel(self, handles: list[Any]) -> None:
        """Take them back, also those that are under way."""
        for handle in handles:
            self._ray.cancel(handle, force=True)


def _told(job: bytes, items: bytes) -> list[Said]:
    return list(said(job, items))


def _broken(error: Exception) -> str:
    """What Ray raises when a task could not even begin, or the cluster has gone."""
    text = f"{type(error).__name__}: {error}".strip().splitlines()[-1][:300]
    return (
        f"executor=ray: the cluster could not do the work ({text}); lakebox {version()} and what the configuration"
        " names have to be installed on every worker"
    )
