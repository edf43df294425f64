"""Task `revert`: a dataset becomes again what it was at a tag or version. The next sync starts from there."""

from __future__ import annotations

import time
from contextlib import ExitStack

from pydantic import Field

from lakebox.core.lake_port import Lake, Place
from lakebox.core.report import Report
from lakebox.errors import ConfigError, LakeError
from lakebox.tasks.beside import follow
from lakebox.tasks.kept import Kept, address_of
from lakebox.tasks.versions import Name, version_name


class Revert(Kept):
    """Goes back. What was written since stays in the history, and its tags can still be read."""

    to: Name = Field(min_length=1, description="A tag or version, see task=history")
    tag: Name | None = Field(default=None, pattern=r"^[^@\s]+$", description="Name of the version; auto: date and time")

    def __call__(self) -> Report:
        """Go back, and name the new version if that is asked for.

        Raises:
            ConfigError: there is no such dataset, tag or version.
            LakeError: Deep Lake cannot go back to it.
        """
        started, place = time.monotonic(), self.place()
        with ExitStack() as locks:
            for address in place.addresses:
                locks.enter_context(self.storage.lock(address))
            report = self._reverted(place, self.labels(place))
        report.seconds = time.monotonic() - started
        return report

    def _reverted(self, place: Place, lake: Lake) -> Report:
        target, before = _version(lake, self.to), lake.version
        tag = version_name([lake], self.tag, changes=target != before)
        report = Report(task="revert", plan=f"{self.to} is the present version already, nothing to do")
        if target != before:
            self._go(lake, target)
        if lake.version != before:  # after an earlier revert, the present may be the same as its target
            report.plan = f"version {before} -> {lake.version}, which is {self.to} ({target}) again"
        if place.annotations and (media := self.storage.find(place.media)) is not None:
            lake = follow(self.storage, place, media)  # one row for each of the media's, also of those that came since
        if tag and tag not in lake.tags():
            lake.tag(tag)
        report.dataset.tag = tag
        report.dataset.path, report.dataset.branch = address_of(place), place.branch
        report.dataset.read(lake)
        return report

    def _go(self, lake: Lake, target: str) -> None:
        try:
            lake.revert(target)
        except LakeError as error:
            raise LakeError(f"task.to={self.to}: {error}") from error


def _version(lake: Lake, name: str) -> str:
    """The version of this branch that a tag or id names."""
    known = lake.history()
    version = next((one.id for one in known if name == one.id or name in one.tags), None)
    if version is None:
        tags = ", ".join(sorted(tag for one in known for tag in one.tags)) or "none"
        raise ConfigError(f"task.to: no tag or version {name!r} here (tags: {tags}); task=history lists all versions")
    if version == known[0].id:
        raise LakeError(f"task.to: {name!r} is the empty beginning of this history; choose a later version")
    return version
