"""Lance datasets in folders of this machine (pylance, the extra `lance`). Config choice `storage=lance`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from lakebox.adapters.folders import has_lance, is_there, local_folder, locked, make, strange
from lakebox.errors import ConfigError

if TYPE_CHECKING:
    from lakebox.adapters.lance_dataset import LanceLake

_BEGUN = {"_transactions", "_versions"}
"""What Lance makes before the first version is there."""


class LanceStorage(BaseModel):
    """Datasets in folders of this machine, each a Lance dataset: `lance.dataset(path)` reads it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def find(self, path: str) -> LanceLake | None:
        """Open the dataset in a folder; None if the folder is missing or empty, or holds no version yet.

        Raises:
            ConfigError: the path is not a folder's, or pylance is not installed.
            LakeError: something else is in the folder, or it cannot be opened.
        """
        folder, lakes = _folder(path), _lakes()
        if not is_there(folder, path) or (folder.is_dir() and _is_empty(folder)):
            return None
        if not has_lance(folder):
            raise strange(folder, path, "Lance")
        lake: LanceLake = lakes.open_lake(folder, path)
        return lake

    def create(self, path: str) -> LanceLake:
        """Create a dataset in a new or empty folder.

        Raises:
            ConfigError: the path is not a folder's, or pylance is not installed.
            LakeError: the folder cannot be written, or there is a dataset already.
        """
        folder, lakes = _folder(path), _lakes()
        make(folder, path)
        lake: LanceLake = lakes.create_lake(folder, path)
        return lake

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        """Keep other runs out of a dataset. The system forgets the lock together with the process that has it.

        Raises:
            ConfigError: the path is not a folder's, or pylance is not installed.
            LakeBusy: another run has it.
            LakeError: the folder cannot be made or opened.
        """
        _lakes()
        with locked(_folder(path), path):
            yield


def _folder(path: str) -> Path:
    folder = local_folder(path, "lance")
    if "?" in str(folder):  # Lance takes it for the end of an address, and puts branches elsewhere
        raise ConfigError(f"path: {path!r} holds a '?', behind which Lance reads no folder; choose another path")
    return folder


def _is_empty(folder: Path) -> bool:
    """Whether nothing is there, or only what a run left that was killed while it made the dataset."""
    names = {entry.name for entry in folder.iterdir()}
    return not names or (names <= _BEGUN and not has_lance(folder))


def _lakes() -> Any:
    """What reads and writes, imported when it is needed: an extra, and slow to load."""
    try:
        return importlib.import_module("lakebox.adapters.lance_dataset")
    except ImportError as error:
        raise ConfigError(f"storage=lance needs '{error.name}'; install it: pip install 'lakebox[lance]'") from error
