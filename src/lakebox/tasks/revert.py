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


class Revert(Kept):
    """Goes back. What was written since stays in the history, and its tags can still be read."""

    to: str = Field(min_length=1, description="A tag or version, see task=history")
    tag: str | None = None

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
        report = Report(task="revert", plan=f"{self.to} is the present version already, nothing to do")
        if target != before:
            lake.revert(target)
            report.plan = f"version {before} -> {lake.version}, which is {self.to} ({target}) again"
        if place.annotations and (media := self.storage.find(place.media)) is not None:
            lake = follow(self.storage, place, media)  # one row for each of the media's, also of those that came since
        if self.tag and self.tag not in lake.tags():
            lake.tag(self.tag)
            report.dataset.tag = self.tag
        report.dataset.path, report.dataset.branch = address_of(place), place.branch
        report.dataset.rows, report.dataset.version = len(lake), lake.version
        return report


def _version(lake: Lake, name: str) -> str:
    """The version of this branch that a tag or id names."""
    known = [one.id for one in lake.history()]
    version = lake.tags().get(name, name)
    if version not in known:
        tags = ", ".join(sorted(tag for tag, named in lake.tags().items() if named in known)) or "none"
        raise ConfigError(f"task.to: no tag or version {name!r} here (tags: {tags}); task=history lists all versions")
    if version == known[0]:
        raise LakeError(f"task.to: {name!r} is the empty beginning of this history; choose a later version")
    return version
