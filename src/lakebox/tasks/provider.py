"""Which dataset, and which branch of it, gets a project's annotations. Config group `provider`.

One of a user's own is a callable that takes the project's name and returns an address, or a `Place`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from lakebox.core.lake_port import MAIN, Knowing, Place, Provider
from lakebox.core.ports import Incremental, Source
from lakebox.core.videos import address_of_videos
from lakebox.errors import ConfigError, LakeboxError


class InPlace(BaseModel):
    """Media and annotations share the dataset at `path`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1)

    def __call__(self, project_name: str) -> Place:
        """`path`."""
        return Place(self.path)

    def known(self) -> Place:
        """`path`."""
        return self("")


class Branch(BaseModel):
    """Media on `main`, annotations on a branch of the same dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1)
    branch: str = Field(default="labelbox", pattern=r"^[\w-][\w.-]*$")

    def __call__(self, project_name: str) -> Place:
        """The branch at `path`.

        Raises:
            ConfigError: the branch is `main`.
        """
        if self.branch == MAIN:
            raise ConfigError("provider.branch: main is where the media are; choose another, or provider=in_place")
        return Place(self.path, branch=self.branch)

    def known(self) -> Place:
        """The branch at `path`."""
        return self("")


class Separate(BaseModel):
    """Media at `path`, annotations in a dataset of their own with the same rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1)
    annotations: str = Field(min_length=1, description="Address of the dataset of annotations")

    def __call__(self, project_name: str) -> Place:
        """Both addresses."""
        return Place(self.path, annotations=self.annotations)

    def known(self) -> Place:
        """Both addresses."""
        return self("")


def place_of(provider: Provider, project_name: str) -> Place:
    """What the provider says, as a place.

    Raises:
        ConfigError: a user's own provider failed, or what it gave is no place for media and annotations.
    """
    with _asking(project_name):
        found = provider(project_name)
    return _checked(found, project_name)


def place_of_kept(provider: Provider, source: Source, project_id: str | None) -> Place:
    """Where a dataset is that was made before. The source is read only if the provider does not know without it, and
    no further than to the project's name.

    Raises:
        ConfigError: as of `place_of`, or the source has no such project.
        SourceError: the source cannot be read.
    """
    if isinstance(provider, Knowing):
        with _asking(""):
            found = provider.known()
        if found is not None:
            return _checked(found, "")
    return place_of(provider, _project_name(source, project_id))


def _project_name(source: Source, project_id: str | None) -> str:
    if isinstance(source, Incremental):
        return source.project()[1]
    for row in source.rows():
        projects = (row.data or {}).get("projects")
        if isinstance(projects, Mapping) and (found := projects.get(project_id or next(iter(projects), ""))):
            return str(found.get("name") or "")
    raise ConfigError(
        f"provider: where the dataset is goes by the project's name, and {source.describe()} has no data row of project"
        f" {project_id or '(any)'}; give the source and the project_id that the dataset was made of"
    )


@contextmanager
def _asking(project_name: str) -> Iterator[None]:
    try:
        yield
    except LakeboxError:
        raise
    except Exception as error:  # a user's own may raise anything
        raise ConfigError(f"provider: failed for project {project_name!r}: {type(error).__name__}: {error}") from error


def _checked(found: object, project_name: str) -> Place:
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
