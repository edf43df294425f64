"""What tasks on a dataset that is there need: where it is. Of the project they read its name, if the provider asks."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from lakebox.core.lake_port import Lake, Place, Provider, Storage
from lakebox.core.ports import Source
from lakebox.errors import ConfigError
from lakebox.tasks.beside import find_labels
from lakebox.tasks.provider import place_of_kept


class Kept(BaseModel):
    """Components of a task on a dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    source: Source
    storage: Storage
    provider: Provider
    project_id: str | None
    path: str = Field(min_length=1)

    def place(self) -> Place:
        """Where media and annotations are."""
        return place_of_kept(self.provider, self.source, self.project_id)

    def labels(self, place: Place) -> Lake:
        """What holds the annotations.

        Raises:
            ConfigError: there is no such dataset or branch.
        """
        lake = find_labels(self.storage, place)
        if lake is None:
            what = f"branch {place.branch!r} of {place.media}" if place.apart and not place.annotations else "dataset"
            raise ConfigError(
                f"path: there is no {what} at {address_of(place)}; make it with task=sync, or correct path and provider"
            )
        return lake


def address_of(place: Place) -> str:
    """The address of the dataset that holds the annotations."""
    return place.annotations or place.media
