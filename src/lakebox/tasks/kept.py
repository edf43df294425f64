"""What tasks on a dataset that is there need: where it is. They read no project."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from lakebox.core.lake_port import Lake, Place, Provider, Storage
from lakebox.errors import ConfigError
from lakebox.tasks.beside import find_labels
from lakebox.tasks.provider import place_of


class Kept(BaseModel):
    """Components of a task on a dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    storage: Storage
    provider: Provider
    path: str = Field(min_length=1)

    def place(self) -> Place:
        """Where media and annotations are."""
        return place_of(self.provider, "")

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
