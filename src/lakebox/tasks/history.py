"""Task `history`: the versions of a dataset, each with what its run did."""

from __future__ import annotations

import time
from dataclasses import asdict

from lakebox.core.report import Report
from lakebox.tasks.kept import Kept, address_of


class History(Kept):
    """Lists versions, the newest first."""

    def __call__(self) -> Report:
        """A report with `versions`: id, message, time (ISO 8601, UTC) and tags of each."""
        started, place = time.monotonic(), self.place()
        lake = self.labels(place)
        report = Report(task="history")
        report.versions = [{**asdict(one), "tags": list(one.tags)} for one in reversed(lake.history())]
        report.plan = f"{len(report.versions)} versions, {sum(bool(one['tags']) for one in report.versions)} with a tag"
        report.dataset.path, report.dataset.branch = address_of(place), place.branch
        report.dataset.read(lake)
        report.seconds = time.monotonic() - started
        return report
