"""Which dataset, and which branch of it, gets a project's annotations. Config group `provider`.

One of a user's own is a callable that takes the project's name and returns an address, or a `Place`.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from lakebox.core.lake_port import MAIN, Place, Provider
from lakebox.core.videos import address_of_videos
from lakebox.errors import ConfigError, LakeboxError


class InPlace(BaseModel):
    """Media and annotations share the dataset at `path`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1)

    def __call__(self, project_name: str) -> Place:
        """`path`."""
        return Place(self.path)


class Branch(BaseModel):
    """Media on `main`, annotations on a branch of the same dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1)
    branch: str = Field(default="labelbox", pattern=r"^[\w.-]+$")

    def __call__(self, project_name: str) -> Place:
        """The branch at `path`.

        Raises:
            ConfigError: the branch is `main`.
        """
        if self.branch == MAIN:
            raise ConfigError("provider.branch: main is where the media are; choose another, or provider=in_place")
        return Place(self.path, branch=self.branch)


class Separate(BaseModel):
    """Media at `path`, annotations in a dataset of their own with the same rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1)
    annotations: str = Field(min_length=1, description="Address of the dataset of annotations")

    def __call__(self, project_name: str) -> Place:
        """Both addresses."""
        return Place(self.path, annotations=self.annotations)


def place_of(provider: Provider, project_name: str) -> Place:
    """What the provider says, as a place.

    Raises:
        ConfigError: a user's own provider failed, or what it gave is no place for media and annotations.
    """
    try:
        found = provider(project_name)
    except LakeboxError:
        raise
    except Exception as error:  # a user's own may raise anything
        raise ConfigError(f"provider: failed for project {project_name!r}: {type(error).__name__}: {error}") from error
    if isinstance(found, str):
        found = Place(found)
    if not isinstance(found, Place) or not found.media:
        raise ConfigError(
            f"provider: gave {type(found).__name__} {found!r:.80} for project {project_name!r}, not an address (str)"
            " or a lakebox.core.lake_port.Place"
        )
    _refuse_contradiction(found)
    return found


def _refuse_contradiction(place: Place) -> None:
    if place.annotations and _bare(place.annotations) == _bare(place.media):
        raise ConfigError(f"provider.annotations: {place.media} is where the media are; choose another address")
    if place.annotations and _bare(place.annotations) == _bare(address_of_videos(place.media)):
        raise ConfigError(
            f"provider.annotations: {place.annotations} is where pixels=video keeps the files of {place.media}; choose"
            " another address"
        )
    if place.annotations and place.branch != MAIN:
        raise ConfigError(
            f"provider: annotations cannot be both in a dataset of their own ({place.annotations}) and on branch"
            f" {place.branch!r}; choose one"
        )


def _bare(address: str) -> str:
    """The address in one spelling."""
    local = address.removeprefix("file://")
    return address.rstrip("/") if "://" in local else str(Path(local).expanduser().absolute().resolve())
