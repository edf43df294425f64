"""What the programs need from a lake: the state that it holds, changes to it, and where it lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import Cells, Column


@dataclass(frozen=True, slots=True)
class StoredAsset:
    """What a dataset holds of a data row. A copy that was not finished has `complete` False and counts for nothing."""

    id: str
    media_stamp: str
    labels_stamp: str
    rows: NDArray[np.int64]
    """Row numbers, in frame order."""
    index: int
    """`video_idx` or `image_idx`."""
    complete: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """The state of a dataset, read from the dataset itself."""

    assets: tuple[StoredAsset, ...] = ()
    columns: tuple[Column, ...] = ()
    """Columns that lakebox wrote; others belong to somebody else and are never touched."""
    foreign: tuple[str, ...] = ()
    """Names of columns that lakebox did not write."""
    media: str = ""
    """`video`, `image`, or empty for a new dataset."""
    project_id: str = ""


class Lake(Protocol):
    """An open dataset. One writer; nothing is visible to others before `commit`."""

    def stored(self) -> Stored:
        """Read what is there."""

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Keep `labelbox_meta`: project_id, type, project_name, sources."""

    def arrange(self, columns: Sequence[Column], remove: Sequence[str]) -> bool:
        """Remove columns, add missing ones, bring class names up to date. Returns whether anything changed."""

    def append(self, cells: Cells) -> None:
        """Add rows; `cells` names every lakebox column."""

    def update(self, rows: NDArray[np.int64], cells: Cells) -> None:
        """Overwrite the named cells of existing rows."""

    def read(self, column: str, rows: NDArray[np.int64]) -> list[Any]:
        """Cells of some rows."""

    def delete(self, rows: NDArray[np.int64]) -> None:
        """Remove rows; later rows move up."""

    def commit(self, message: str) -> None:
        """Make everything since the last commit lasting, or none of it.

        Raises:
            LakeError: it could not be written; the dataset must be opened again.
        """

    def tag(self, name: str) -> None:
        """Name the current version."""

    def tags(self) -> Mapping[str, str]:
        """Tag -> the version it names."""

    def __len__(self) -> int:
        """Number of rows."""

    @property
    def version(self) -> str:
        """Id of the current version."""


@runtime_checkable
class Storage(Protocol):
    """Where datasets live."""

    def find(self, path: str) -> Lake | None:
        """Open a dataset; None if there is none and one could be created.

        Raises:
            LakeError: something else is there, or it cannot be reached.
        """

    def create(self, path: str) -> Lake:
        """Create a dataset.

        Raises:
            LakeError: it cannot be created.
        """


@runtime_checkable
class Provider(Protocol):
    """Which dataset gets a project's annotations."""

    def address(self, path: str, project_name: str) -> str:
        """The address of that dataset."""
