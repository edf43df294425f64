"""Running exports one after the other into a folder. Works on the SDK's objects without importing it.

Fact of SDK 7.17 that this is built around: waiting for an export ends silently when the time is up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakebox.adapters.labelbox_kept import ERRORS, ROWS
from lakebox.adapters.labelbox_stream import append_stream
from lakebox.errors import SourceError

IDS = 2000
"""Ids that one export may be filtered by (SDK: export_filters)."""


@dataclass(frozen=True, slots=True)
class Exports:
    """Exports for one client, with its errors not translated yet."""

    client: Any
    patience: float
    """Longest wait, in seconds, that a busy server may ask for."""
    timeout: float
    """Longest time, in seconds, that an export may take."""

    def append(self, of: Any, filters: Mapping[str, Any], params: Mapping[str, bool], folder: Path) -> tuple[int, int]:
        """Export, and append what comes to the files of a folder.

        Args:
            of: project or catalog of the SDK.
            filters: which data rows.
            params: what of them.
            folder: gets the data rows and errors, after those of earlier exports.

        Returns:
            Number of data rows, and of errors.

        Raises:
            SourceError: the export fails, takes too long, or cannot be fetched.
        """
        task = of.export(filters=dict(filters), params=dict(params))
        self._wait(task)
        with (folder / ROWS).open("a+b") as results, (folder / ERRORS).open("a+b") as errors:
            return (
                append_stream(self.client, task.uid, "RESULT", results, self.patience),
                append_stream(self.client, task.uid, "ERRORS", errors, self.patience),
            )

    def _wait(self, task: Any) -> None:
        task.wait_till_done(self.timeout)
        if task.status == "IN_PROGRESS":
            raise SourceError(
                f"not ready after {self.timeout / 60:g} minutes (task {task.uid}); try again later, or set"
                " source.timeout_minutes"
            )
        if task.status != "COMPLETE":
            raise SourceError(f"Labelbox ended the export as {task.status} (task {task.uid}); try again later")


def portions(ids: Sequence[str]) -> Iterator[list[str]]:
    """The ids in lists as long as one export may be filtered by."""
    yield from (list(ids[start : start + IDS]) for start in range(0, len(ids), IDS))
