"""Task `preview`: a dataset is drawn, so that people look instead of trusting."""

from __future__ import annotations

import time

from pydantic import Field, SkipValidation

from lakebox.core.diff import changes
from lakebox.core.page import Doing
from lakebox.core.report import Report
from lakebox.errors import ConfigError
from lakebox.tasks.kept import Kept, address_of
from lakebox.tasks.page import Draw, NoPage, Page, shown
from lakebox.tasks.versions import Name


class Preview(Kept):
    """Draws a dataset as it is, or as it was."""

    preview: Page | NoPage
    draw: SkipValidation[Draw]
    version: Name | None = Field(default=None, description="A tag or version; None: the present")
    since: Name | None = Field(default=None, description="A tag or version: what changed since is shown first")

    def __call__(self) -> Report:
        """Write the file.

        Raises:
            ConfigError: there is no dataset at `path`, or the file cannot be written.
            LakeError: there is no such tag or version.
        """
        started, place = time.monotonic(), self.place()
        if isinstance(self.preview, NoPage):
            raise ConfigError("preview=none: task=preview draws, so choose preview=page")
        labels = self.labels(place)
        view = labels.at(self.version) if self.version else labels
        before = labels.at(self.since) if self.since else None
        found = list(changes(before, view)) if before is not None else []
        doing = Doing("Preview", address_of(place), view.version)
        what = shown(self.storage, place, view, doing, self.preview.frames(), found, before)
        out = self.preview.write(self.draw, what, self.path)
        report = Report(task="preview", plan=f"{len(what.pictures)} of {len(view)} rows drawn in {out}")
        report.dataset.path, report.dataset.branch = address_of(place), place.branch
        report.dataset.read(view)
        report.seconds = time.monotonic() - started
        return report
