"""Where each project's dataset is, kept in a JSON file: project name -> address. Choice `provider=mapping_file`."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from lakebox.core.lake_port import MAIN, Place
from lakebox.errors import ConfigError, LakeError


class MappingFile(BaseModel):
    """The first run of a project writes its address down, later runs find the dataset there, whatever `path` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Path = Field(description="JSON file: project name -> address; made by the first run")
    path: str = Field(min_length=1, description="Address for projects that are not in the file yet")
    branch: str = Field(default=MAIN, pattern=r"^[\w-][\w.-]*$", description="Branch with the annotations")
    project: str | None = Field(default=None, description="Name of the project, for tasks that read no source")

    def __call__(self, project_name: str) -> Place:
        """The address in the file, else `path`.

        Raises:
            ConfigError: the file is not such a file, or would be in the dataset's folder.
        """
        known, name = self._read(), project_name or self.project
        if name is None and len(known) > 1:
            raise ConfigError(
                f"provider.project: {self.file} has several projects, choose one of: {', '.join(sorted(known))}"
            )
        address = known.get(name, self.path) if name else next(iter(known.values()), self.path)
        if "://" not in address and Path(address).absolute() in self.file.absolute().parents:
            raise ConfigError(
                f"provider.file: {self.file} would lie in the dataset's own folder {address}; choose another place"
            )
        return Place(address, branch=self.branch)

    def known(self) -> Place:
        """The place of `project`, or of the only one that is in the file.

        Raises:
            ConfigError: there are several, or the file is not such a file.
        """
        return self("")

    def remember(self, project_name: str, place: Place) -> None:
        """Write the address of a new project down; other projects' runs may do the same at the same time.

        Raises:
            LakeError: the file cannot be written.
        """
        if self._read().get(project_name) == place.media:
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with _alone(self.file.parent):
                self._write({**self._read(), project_name: place.media})
        except OSError as error:
            raise LakeError(f"provider.file {self.file}: cannot be written: {error.strerror}") from error

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ConfigError(f"provider.file {self.file}: cannot be read as JSON: {error}") from error
        if not isinstance(found, dict) or not all(isinstance(address, str) for address in found.values()):
            raise ConfigError(f"provider.file {self.file}: must be an object of project name -> address")
        return found

    def _write(self, known: dict[str, str]) -> None:
        """Whole or not at all: a run that is killed here must not leave half a file."""
        part = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        part.write_text(json.dumps(known, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
        part.replace(self.file)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time; the system forgets the lock with the process."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
