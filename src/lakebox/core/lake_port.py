"""What the programs need from a lake: the state that it holds, changes to it, and where it lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lakebox.core.columns import Cells, Column

MAIN = "main"
"""The branch that every dataset has."""


@dataclass(frozen=True, slots=True)
class Version:
    """One entry of a dataset's history."""

    id: str
    message: str
    time: str
    """ISO 8601, UTC."""
    tags: tuple[str, ...] = ()


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
    facts_stamp: str = ""
    """What its `lb_meta` cells say, see `facts.facts_stamp`; empty: nobody knows."""
    config: str = ""
    """Digest of the configuration of the run that wrote its labels; empty: nobody knows."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The state of a dataset, read from the dataset itself."""

    assets: tuple[StoredAsset, ...] = ()
    """Empty where rows are not numbered by asset: those are no frames or images."""
    columns: tuple[Column, ...] = ()
    """Columns that lakebox wrote; others belong to somebody else and are never touched."""
    foreign: tuple[str, ...] = ()
    """Names of columns that lakebox did not write."""
    media: str = ""
    """`video`, `image`, or empty for a new dataset and one of other rows."""
    project_id: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What earlier runs kept beside the state, with the versions of the data."""


class View(Protocol):
    """A dataset to read, as it is or as it was."""

    def stored(self) -> Stored:
        """Read what is there."""

    def described(self) -> Mapping[str, Any]:
        """`labelbox_meta`; empty if there is none."""

    def read(self, column: str, rows: NDArray[np.int64]) -> list[Any]:
        """Cells of some rows; empty text is ""."""

    def video_frame(self, column: str, row: int, frame: int) -> NDArray[np.uint8]:
        """(h, w, 3) RGB: the frame of a video file, 0-based."""

    def foreign(self, column: str, rows: NDArray[np.int64]) -> list[Any]:
        """Cells of a column that is somebody else's, in the form that `Lake.append` takes."""

    def __len__(self) -> int:
        """Number of rows."""

    @property
    def version(self) -> str:
        """Id of the current version."""

    @property
    def opening(self) -> str:
        """Python that opens it to read, for people; empty where that is not one expression."""


class Lake(View, Protocol):
    """An open dataset, or one branch of it. One writer; nothing is visible to others before `commit`."""

    def describe(self, facts: Mapping[str, Any]) -> bool:
        """Keep `labelbox_meta`: project_id, type, project_name, sources. Returns whether anything changed."""

    def note(self, notes: Mapping[str, str]) -> bool:
        """Keep texts beside the state, see `Stored.notes`. Returns whether anything changed."""

    def arrange(self, columns: Sequence[Column], remove: Sequence[str], renames: Mapping[str, str] = {}) -> bool:
        """Rename columns (old name -> new), remove some, add missing ones, bring class names up to date.

        Returns whether anything changed.
        """

    def append(self, cells: Cells, foreign: Cells | None = None) -> None:
        """Add rows; `cells` names every lakebox column, `foreign` what is known for columns of others."""

    def put(self, column: str, rows: NDArray[np.int64], cells: Sequence[Any]) -> None:
        """Overwrite cells of a column that is somebody else's with what `foreign` gave."""

    def update(self, rows: NDArray[np.int64], cells: Cells) -> None:
        """Overwrite the named cells of existing rows."""

    def delete(self, rows: NDArray[np.int64]) -> None:
        """Remove rows; later rows move up."""

    def commit(self, message: str) -> None:
        """Make everything since the last commit lasting, or none of it.

        Raises:
            LakeMoved: somebody else committed since this was opened; nothing was written.
            LakeError: it could not be written; the dataset must be opened again.
        """

    def tag(self, name: str) -> None:
        """Name the current version."""

    def tags(self) -> Mapping[str, str]:
        """Tag -> the version it names, of all branches."""

    def history(self) -> Sequence[Version]:
        """The versions, the oldest first."""

    def at(self, name: str) -> View:
        """As it was at a tag or version.

        Raises:
            LakeError: there is no such tag or version.
        """

    def revert(self, version: str) -> None:
        """Make the content of an earlier version the newest version, and commit that."""

    def branch(self, name: str) -> Lake | None:
        """A branch; None if there is none of that name."""

    def fork(self, name: str) -> Lake:
        """A new branch that begins with what is committed here."""

    def merge(self, branch: str = MAIN) -> None:
        """Bring in, and commit, what another branch has and this one has not: rows, deletions, columns.

        Raises:
            LakeMoved: somebody else committed here since this was opened; nothing was merged.
        """


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

    def lock(self, path: str) -> AbstractContextManager[None]:
        """Keep other runs out of a dataset, there or not, as long as the context lasts. A dead run has no lock.

        Raises:
            LakeBusy: another run has it.
        """


@dataclass(frozen=True, slots=True)
class Place:
    """Where a project's media and annotations are."""

    media: str
    """Address of the dataset with the media."""
    annotations: str = ""
    """Address of a dataset of annotations only, row for row beside it; empty: they are in the same dataset."""
    branch: str = MAIN
    """The branch of the media's dataset that has the annotations; `main` itself has media only if it is another."""

    @property
    def apart(self) -> bool:
        """Whether annotations are kept apart from the media that they belong to."""
        return bool(self.annotations) or self.branch != MAIN

    @property
    def addresses(self) -> tuple[str, ...]:
        """The datasets that a run writes."""
        return tuple(sorted({self.media, self.annotations or self.media}))


@runtime_checkable
class Provider(Protocol):
    """Which dataset, and which branch of it, gets a project's annotations."""

    def __call__(self, project_name: str) -> Place | str:
        """The place; an address alone means media and annotations in one dataset there."""


@runtime_checkable
class Knowing(Protocol):
    """A provider that may know the place of a dataset that is there without being told the project's name."""

    def known(self) -> Place | None:
        """The place; None: it goes by the name."""


@runtime_checkable
class Remembering(Protocol):
    """A provider that keeps where a project's dataset is."""

    def remember(self, project_name: str, place: Place) -> None:
        """Called once the dataset is there."""
