"""Deep Lake datasets by address: on this machine's disk, and in its memory."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import deeplake
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from lakebox.adapters.deep_lake_dataset import DeepLake, Origin
from lakebox.adapters.deep_lake_view import DeepLakeView, translated
from lakebox.adapters.folders import (
    DEEP_LAKE_LOG,
    busy,
    has_deep_lake,
    is_there,
    local_folder,
    locked,
    make,
    refuse_version,
    strange,
)
from lakebox.errors import LakeBusy, LakeError

__all__ = ["DeepLake", "DeepLakeView", "LocalStorage", "MemoryStorage"]

log = logging.getLogger(__name__)

_COUNTERS = f"{DEEP_LAKE_LOG}/*/next_base"
"""Deep Lake 4.7 counts the versions of each branch in such a file; a full disk leaves it empty."""

_LOG_BYTES = 4 << 20
"""What a commit writes besides cells, at most."""

_memory_locks: dict[str, threading.Lock] = {}


class LocalStorage(BaseModel):
    """Datasets in folders of this machine. Config choice `storage=local`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reserve_megabytes: NonNegativeInt = Field(
        default=64, description="Free space that a commit must leave on the disk; Deep Lake says nothing of a full one"
    )

    def find(self, path: str) -> DeepLake | None:
        """Open the dataset in a folder; None if the folder is missing or empty.

        Raises:
            ConfigError: the path is not a folder's.
            LakeError: something else is in the folder, or it cannot be opened.
        """
        folder = local_folder(path)
        if not is_there(folder, path) or (folder.is_dir() and not any(folder.iterdir())):
            return None
        if not has_deep_lake(folder):
            raise strange(folder, path, "Deep Lake")
        return _open(str(folder), path, self._origin(folder, path))

    def create(self, path: str) -> DeepLake:
        """Create a dataset in a new or empty folder.

        Raises:
            LakeError: the folder cannot be written.
        """
        folder = local_folder(path)
        make(folder, path)
        return _create(str(folder), path, self._origin(folder, path))

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        """Keep other runs out of a dataset. The system forgets the lock together with the process that has it.

        Raises:
            LakeBusy: another run has it.
            LakeError: the folder cannot be made or opened.
        """
        folder = local_folder(path)
        with locked(folder, path):
            mend(folder, path)
            yield

    def _origin(self, folder: Path, path: str) -> Origin:
        def room(wanted: int) -> None:
            refuse_full(folder, path, wanted, self.reserve_megabytes << 20)

        return Origin(str(folder), lambda: deeplake.open_read_only(str(folder)), room, lambda: not _cut_short(folder))


class MemoryStorage(BaseModel):
    """Datasets in this process's memory: for tries and tests. Config choice `storage=memory`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def find(self, path: str) -> DeepLake | None:
        """Open the dataset of that name, if this process has made one."""
        address = memory_address(path)
        return _open(address, path, _in_memory(address)) if deeplake.exists(address) else None

    def create(self, path: str) -> DeepLake:
        """Create a dataset."""
        address = memory_address(path)
        return _create(address, path, _in_memory(address))

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        """Keep other runs of this process out of a dataset.

        Raises:
            LakeBusy: another run has it.
        """
        own = _memory_locks.setdefault(memory_address(path), threading.Lock())
        if not own.acquire(blocking=False):
            raise LakeBusy(busy(path))
        try:
            yield
        finally:
            own.release()


def _in_memory(address: str) -> Origin:
    return Origin(address, lambda: deeplake.open_read_only(address))


def refuse_full(folder: Path, path: str, wanted: int, reserve: int) -> None:
    """Take the space that a commit will take and give it back: what cannot be had now, it would lose without an error.

    Args:
        folder: the dataset's.
        path: its address, for messages.
        wanted: bytes that are about to be written.
        reserve: bytes that have to stay free on the disk.

    Raises:
        LakeError: the disk (or a quota, or a limit of the process) has not so much left.
    """
    trial = folder / f".room-{os.getpid()}-{threading.get_ident()}"
    try:
        if shutil.disk_usage(folder).free < wanted + reserve:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with trial.open("wb") as file:
            if hasattr(os, "posix_fallocate"):  # macOS has none, and goes by the free space alone
                os.posix_fallocate(file.fileno(), 0, max(1, wanted + min(reserve, _LOG_BYTES)))
    except OSError as error:
        raise LakeError(
            f"path {path}: no room for the next commit, {(wanted + reserve) >> 20} MiB with the reserve:"
            f" {error.strerror}; what was committed is safe: make room and run again (storage.reserve_megabytes is what"
            " must stay free)"
        ) from error
    finally:
        trial.unlink(missing_ok=True)


def _cut_short(folder: Path) -> list[Path]:
    return [counter for counter in folder.glob(_COUNTERS) if not counter.stat().st_size]


def mend(folder: Path, path: str) -> None:
    """Make a dataset writable again whose disk was full: a branch without its counter takes no commit any more.

    Deep Lake keeps any part of such a commit and shows it as whole, so the version is taken back.
    """
    for trial in folder.glob(".room-*"):  # left by a run that was killed while it tried for room
        trial.unlink(missing_ok=True)
    for counter in _cut_short(folder):
        branch = counter.parent.name
        counter.unlink()
        with translated(f"path {path}: mending it after a commit that was cut short"):
            root: Any = deeplake.open(str(folder))
            own = next((one for one in map(root.branches.__getitem__, root.branches.names()) if one.id == branch), None)
            if own is None:
                continue
            dataset = own.open() if own.name != "main" else root
            versions = [str(one.id) for one in dataset.history]
            if len(versions) < 2:
                continue
            dataset.revert_to(versions[-2])
        log.warning("path %s: version %s was cut short by a full disk and is taken back", path, versions[-1])


def memory_address(path: str) -> str:
    """Deep Lake's address of a dataset in memory."""
    refuse_version(path)
    return "mem://" + path.removeprefix("mem://")


def _create(address: str, path: str, origin: Origin) -> DeepLake:
    with translated(f"path {path}: the dataset cannot be created; check that the place can be written"):
        return DeepLake(deeplake.create(address), path, origin)


def _open(address: str, path: str, origin: Origin) -> DeepLake:
    with translated(f"path {path}: the dataset cannot be opened"):
        dataset = deeplake.open(address)
    lake = DeepLake(dataset, path, origin)
    lake.refuse_others()
    return lake
