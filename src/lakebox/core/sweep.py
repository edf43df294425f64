"""A sweep as values: its jobs, what two of them would write at once, and what came of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

_WRITES: Mapping[str, tuple[str, ...]] = {
    "plan": (), "check": (), "history": (), "diff": (), "upload": (), "init": (),
    "preview": ("preview.out",), "explain": ("task.out",), "join": ("task.out",),
}  # fmt: skip
"""Task -> the keys that say what it writes; tasks that are not listed write the dataset."""
_DATASET = ("path", "provider.annotations", "preview.out")

OUTCOMES = {0: "ok", 1: "failed", 2: "wrong configuration", 130: "stopped"}
"""Exit status of a job -> what the summary calls it."""
UNKNOWN = "not ended"
"""A job that left no word: it was not begun, it still runs elsewhere, or its process was killed."""


@dataclass(frozen=True, slots=True)
class Job:
    """One configuration of a sweep."""

    number: int
    overrides: tuple[str, ...]
    writes: frozenset[str] = frozenset()
    """Addresses and files, each in one spelling."""


def writing_keys(task: str) -> tuple[str, ...]:
    """The keys of a configuration that say what a task writes."""
    return (*_WRITES.get(task, _DATASET), "report")


def shared(jobs: Sequence[Job]) -> list[str]:
    """What several jobs would write, a line for each, with the first two of them."""
    lines: dict[str, str] = {}
    for one, other in combinations(jobs, 2):
        for target in sorted(one.writes & other.writes):
            lines.setdefault(
                target, f"{target}: jobs {_named(one, jobs)} and {_named(other, jobs)} would write it at once"
            )
    return list(lines.values())


def _named(job: Job, jobs: Sequence[Job]) -> str:
    return f"{job.number} ({' '.join(own(job.overrides, [one.overrides for one in jobs])) or 'no overrides'})"


def own(overrides: Iterable[str], everybodys: Sequence[Iterable[str]]) -> list[str]:
    """The overrides of a job that not all jobs have."""
    everywhere = set.intersection(*map(set, everybodys)) if everybodys else set()
    return [one for one in overrides if one not in everywhere]


def outcome(job: Job, status: int, seconds: float, report: Mapping[str, Any]) -> dict[str, Any]:
    """What came of a job, as JSON-like data.

    Args:
        job: which.
        status: its exit status.
        seconds: it took.
        report: of its run (`Report.as_dict`), or `error` for one that has none.
    """
    dataset = report.get("dataset", {})
    return {
        "job": job.number,
        "overrides": list(job.overrides),
        "outcome": OUTCOMES.get(status, UNKNOWN),
        "rows": dataset.get("rows", 0),
        "failures": len(report["failures"]) if "failures" in report else 1,
        "seconds": round(seconds, 3),
        "version": dataset.get("version", ""),
        "dataset": dataset.get("path", ""),
        "error": report.get("error", "") or next((one["error"] for one in report.get("failures", ())), ""),
    }


def summary(jobs: Iterable[Job], outcomes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What came of every job, in their order.

    Args:
        jobs: those that there are, as far as that was known when the sweep began.
        outcomes: of those that ended.
    """
    unknown = {job.number: outcome(job, -1, 0.0, {}) | {"failures": 0} for job in jobs}
    ended = {one["job"]: dict(one) for one in outcomes}
    return [entry for _, entry in sorted((unknown | ended).items())]
