"""Task `diff`: which data rows, frames and objects changed between two versions."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict

from pydantic import Field

from lakebox.core.diff import changes
from lakebox.core.report import Report
from lakebox.tasks.kept import Kept, address_of
from lakebox.tasks.versions import Name


class Diff(Kept):
    """Compares two versions of the annotations."""

    from_version: Name = Field(min_length=1, description="A tag or version")
    to_version: Name | None = Field(default=None, description="A tag or version; None: the present")

    def __call__(self) -> Report:
        """A report with `changes`, one per data row.

        Raises:
            ConfigError: there is no such dataset.
            LakeError: there is no such tag or version.
        """
        started, place = time.monotonic(), self.place()
        lake = self.labels(place)
        before, after = lake.at(self.from_version), lake.at(self.to_version) if self.to_version else lake
        found = list(changes(before, after))
        count = Counter[str](one.change for one in found)
        objects = Counter[str](each.change for one in found for each in one.objects)
        report = Report(task="diff", changes=[asdict(one) for one in found])
        frames = sum(len(one.frames) for one in found)
        said = (
            f"data rows {_counts(count)}; {frames} frames; objects {_counts(objects)}" if found else "nothing differs"
        )
        report.plan = f"{self.from_version} -> {self.to_version or 'the present'}: {said}"
        report.dataset.path, report.dataset.branch = address_of(place), place.branch
        report.dataset.read(after)
        report.seconds = time.monotonic() - started
        return report


def _counts(found: Counter[str]) -> str:
    return ", ".join(f"{found[what]} {what}" for what in ("added", "removed", "changed"))
