"""Task `check`: is the configuration right? Building every component is the check; nothing is read or written."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from lakebox.core.lake_port import Storage
from lakebox.core.ports import Source
from lakebox.core.report import Report


class Check(BaseModel):
    """Says what the configuration would run on. All components are built by the time this is called."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    source: Source
    storage: Storage
    project_id: str | None
    path: str

    def __call__(self) -> Report:
        """A report whose plan sentence says that all is well."""
        report = Report(task="check")
        report.plan = f"the configuration is right: {self.source.describe()} -> {self.path}"
        report.dataset.path = self.path
        return report
