"""What a run did, as one value: for people a table (`lakebox.cli`), for programs JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

from lakebox.core.lake_port import View
from lakebox.core.model import Failure
from lakebox.core.tally import Tally

_COUNTED = ("assets", "tally", "masks", "media", "failures", "new")


@dataclass(slots=True)
class DatasetFacts:
    """Where the result is."""

    path: str = ""
    """The dataset that holds the annotations, and the media unless `media` says otherwise."""
    branch: str = "main"
    media: str = ""
    """The dataset of the media, where that is another one."""
    version: str = ""
    tag: str = ""
    rows: int = 0
    opening: str = ""
    """Python that opens it, where its storage can say that."""

    def read(self, view: View) -> None:
        """Take from a dataset what it says of itself."""
        self.rows, self.version, self.opening = len(view), view.version, view.opening


@dataclass(slots=True)
class Report:
    """Everything a run has to say. Nothing is lost without being counted here."""

    task: str = ""
    plan: str = ""
    dataset: DatasetFacts = field(default_factory=DatasetFacts)
    assets: Counter[str] = field(
        default_factory=lambda: Counter(added=0, relabelled=0, dropped=0, unchanged=0, failed=0)
    )
    tally: Tally = field(default_factory=Tally)
    masks: Counter[str] = field(default_factory=lambda: Counter(fetched=0, cached=0, failed=0))
    media: Counter[str] = field(default_factory=lambda: Counter(fetched=0, frames=0))
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    labelbox: dict[str, Any] = field(default_factory=dict)
    """Ids that an upload made or found: project_id, dataset_id, ontology_id, and batches by name."""
    versions: list[dict[str, Any]] | None = None
    """Task `history`: id, message, time and tags of each version, the newest first."""
    changes: list[dict[str, Any]] | None = None
    """Task `diff`: what differs, by data row."""
    explained: dict[str, Any] | None = None
    """Task `explain`: where a row comes from."""
    settings: dict[str, str] | None = None
    """Task `check`: what each part of the configuration decides, in words."""
    page: str = ""
    """The file in which people see what the run did; empty: there is none."""
    written: list[str] | None = None
    """Task `init`: the files that are there now."""
    next: str = ""
    """The command to go on with; empty: there is none in particular."""
    config_digest: str = ""
    """Of the configuration of a run that may write: its rows say it, too."""
    seconds: float = 0.0

    new: set[str] = field(default_factory=set)
    """Data rows that this run added; annotating them afterwards is no relabelling."""

    @property
    def ok(self) -> bool:
        """Whether everything that was asked for was done."""
        return not self.failures

    def fail(self, failure: Failure) -> None:
        """Note a failure, once."""
        if failure not in self.failures:
            self.failures.append(failure)
            self.assets["failed"] += 1

    def counted(self) -> dict[str, Any]:
        """A copy of everything that is counted so far."""
        return {name: deepcopy(getattr(self, name)) for name in _COUNTED}

    def recount(self, counted: Mapping[str, Any]) -> None:
        """Go back to what was counted then: what came after was taken back."""
        for name, value in counted.items():
            setattr(self, name, deepcopy(value))

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-like data."""
        read, written = self.tally.read, self.tally.written
        report: dict[str, Any] = {
            "task": self.task,
            "plan": self.plan,
            "dataset": asdict(self.dataset),
            "config_digest": self.config_digest,
            "assets": dict(self.assets),
            "kinds": {
                kind: {"read": read[kind], "written": written[kind], "skipped": read[kind] - written[kind]}
                for kind in sorted(read)
            },
            "columns": dict(sorted(self.tally.columns.items())),
            "masks": dict(self.masks),
            "media": dict(self.media),
            "failures": [asdict(failure) for failure in self.failures],
            "warnings": [
                *self.warnings,
                *(f"{times} x {reason}" for reason, times in sorted(self.tally.reasons.items())),
            ],
            "seconds": round(self.seconds, 3),
        }
        report |= {"page": self.page} if self.page else {}
        report |= {"next": self.next} if self.next else {}
        lists = {"versions": self.versions, "changes": self.changes, "explained": self.explained,
                 "settings": self.settings, "written": self.written}  # fmt: skip
        report |= {name: listed for name, listed in lists.items() if listed is not None}
        return report | ({"labelbox": self.labelbox} if self.labelbox else {})
