"""Task `plan`: what would change. Changes nothing."""

from __future__ import annotations

import time

from lakebox.core.report import Report
from lakebox.tasks.project import Project, Unread


class ShowPlan(Project):
    """The plan of a `sync`, without applying it."""

    def __call__(self) -> Report:
        """A report with the plan sentence and whatever cannot be read."""
        started = time.monotonic()
        report = Report(task="plan")
        self.source.forget()  # a plan says what is so now; what it reads is kept for the run that follows
        found, place = self.read()
        try:
            overview = self.overview(found, place, self._actions())
        except Unread:
            found, place = self.read_all()
            overview = self.overview(found, place, self._actions())
        self.tell(found, overview, report)
        report.dataset.branch = place.branch
        report.warnings += [
            f"drift: a sync would refuse this: {text}" for text in self.drift.refused(overview.main.drift)
        ]
        report.seconds = time.monotonic() - started
        return report
