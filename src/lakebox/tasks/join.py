"""Task `join`: media and annotations that are kept apart, as one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from pydantic import Field, SkipValidation

from lakebox.core.facts import ROW_KEY
from lakebox.core.lake_port import MAIN, Lake, Place
from lakebox.core.report import Report
from lakebox.errors import ConfigError
from lakebox.tasks.kept import Kept, address_of
from lakebox.tasks.versions import Name

Save = Callable[[Any, Any, Callable[[], Lake]], Lake]
"""Media, annotations, what makes the new dataset -> the dataset, which has both."""


class Join(Kept):
    """Says what there is to join, and saves it as a dataset if that is asked for."""

    out: str | None = Field(default=None, description="Address of a new dataset; None: nothing is written")
    at: Name | None = Field(default=None, description="Tag or version of the annotations; None: the present")
    save: SkipValidation[Save]

    def __call__(self) -> Report:
        """A report of how many rows have annotations.

        Raises:
            ConfigError: there is no such dataset, media and annotations are one, or something is at `out` already.
            LakeError: it cannot be read or written.
        """
        started, place = time.monotonic(), self.place()
        if not place.apart:
            raise ConfigError(
                f"provider: media and annotations are both at {place.media}, so there is nothing to join; say where the"
                " annotations are with provider=separate or provider=branch"
            )
        media = self._media(place)
        labels = self.labels(place)
        seen = labels.at(self.at) if self.at else labels
        report = Report(task="join")
        known = set(seen.read(ROW_KEY, np.arange(len(seen))))
        matched = sum(key in known for key in media.read(ROW_KEY, np.arange(len(media))))
        report.plan = (
            f"{len(media)} rows, {matched} of them with annotations, {len(seen) - matched} annotated rows without"
        )
        report.dataset.path, report.dataset.branch, report.dataset.media = address_of(place), place.branch, place.media
        report.dataset.read(seen)
        if self.out:
            self._save(media, seen, self.out, report)
        report.seconds = time.monotonic() - started
        return report

    def _media(self, place: Place) -> Lake:
        lake = self.storage.find(place.media)
        if lake is None:
            raise ConfigError(f"path: there is no dataset at {place.media}; correct path and provider")
        return lake

    def _save(self, media: Lake, labels: Any, out: str, report: Report) -> None:
        with self.storage.lock(out):
            begun = self.storage.find(out)
            if begun is not None and (len(begun) or begun.stored().columns):
                raise ConfigError(f"task.out: there is a dataset at {out} already; nothing was touched, choose another")
            # One that was cut short holds nothing yet, and is taken up again.
            target = self.save(media, labels, lambda: self.storage.create(out) if begun is None else begun)
        report.dataset.path, report.dataset.branch, report.dataset.media = out, MAIN, ""
        report.dataset.read(target)
