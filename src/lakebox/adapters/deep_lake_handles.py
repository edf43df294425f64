"""Datasets that scripts hold open by themselves: made for them here, and written by tasks through `OpenedDataset`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import deeplake

from lakebox.adapters.deep_lake import LocalStorage, MemoryStorage, memory_address
from lakebox.adapters.deep_lake_dataset import DeepLake
from lakebox.adapters.deep_lake_view import translated
from lakebox.adapters.folders import DEEP_LAKE_LOG, local_folder
from lakebox.errors import LakeError

_OWN = re.compile(DEEP_LAKE_LOG + r"/.+|[0-9a-z]{1,8}/[0-9a-z]{1,4}/[0-9a-z]{18,26}")
"""Files that Deep Lake 4.7 writes into a dataset's folder (found by running it)."""
_MANAGED = ("al://", "hub://")


class OpenedDataset:
    """Storage of one dataset that somebody has opened, such as a branch. `path` only names it in messages."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def find(self, path: str) -> DeepLake:
        """The dataset.

        Raises:
            LakeError: it holds columns, and none of them is lakebox's.
        """
        lake = self.create(path)
        lake.refuse_others()
        return lake

    def create(self, path: str) -> DeepLake:
        """The dataset, whatever it holds."""
        return DeepLake(self._handle, path)

    def lock(self, path: str) -> AbstractContextManager[None]:
        """Nobody is kept out: where the handle leads is the script's to know."""
        return nullcontext()


def opened(path: str, creds: Mapping[str, str] | None, token: str | None) -> Any:
    """The handle of the dataset at a path, which is created if there is none.

    Args:
        path: a folder, `mem://name`, or an address that Deep Lake knows.
        creds: Deep Lake's credentials for a remote address.
        token: Deep Lake's token.

    Raises:
        ConfigError: the path is not one for datasets.
        LakeError: something else is there, or it cannot be reached.
    """
    if not _remote(path):
        storage = MemoryStorage() if path.startswith("mem://") else LocalStorage()
        found = storage.find(path)
        return (storage.create(path) if found is None else found).handle  # an empty dataset is false
    access: dict[str, Any] = {"creds": dict(creds) if creds else None, "token": token}
    with translated(f"path {path}: the dataset cannot be opened or created"):
        return deeplake.open(path, **access) if deeplake.exists(path, **access) else deeplake.create(path, **access)


def delete(path: str, creds: Mapping[str, str] | None, token: str | None) -> None:
    """Delete the dataset at a path, if there is one, and nothing else: Deep Lake empties the whole folder.

    Raises:
        LakeError: something else lies there, or nobody can say; nothing was touched.
    """
    address = path
    access: dict[str, Any] = {"creds": dict(creds) if creds else None, "token": token}
    if path.startswith("mem://"):
        address, access = memory_address(path), {}
    elif not _remote(path):
        address, access = str(local_folder(path)), {}
        _refuse_foreign(local_folder(path), path)
    elif not path.startswith(_MANAGED):
        raise LakeError(
            f"path {path}: lakebox does not delete in buckets, where other files may lie below the same address;"
            " delete the dataset yourself (deeplake.delete), or choose another path"
        )
    with translated(f"path {path}: the dataset cannot be deleted"):
        if deeplake.exists(address, **access):
            deeplake.delete(address, **access)


def _remote(path: str) -> bool:
    return "://" in path and not path.startswith(("file://", "mem://"))


def _refuse_foreign(folder: Path, path: str) -> None:
    files = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir())
    foreign = "itself" if folder.is_file() else next((file for file in files if not _OWN.fullmatch(file)), None)
    if foreign is not None:
        raise LakeError(
            f"path {path}: {foreign!r} is no file of a dataset; nothing was touched: move it away, or choose another"
            " path"
        )
