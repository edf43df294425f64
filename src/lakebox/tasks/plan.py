"""Task `plan`: what would change. Changes nothing."""

from __future__ import annotations

import time

from lakebox.core.report import Report
from lakebox.tasks.project import Project


class ShowPlan(Project):
    """The plan of a `sync`, without applying it."""

    def __call__(self) -> Report:
        """A report with the plan sentence and whatever cannot be read."""
        started = time.monotonic()
        report = Report(task="plan")
        self.source.forget()  # a plan says what is so now; what it reads is kept for the run that follows
        self.prepare(frozenset({"add", "relabel", "drop"}), report)
        report.seconds = time.monotonic() - started
        return report
