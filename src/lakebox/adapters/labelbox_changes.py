"""What changed in a project of the live service since a moment, by exports that are shorter than the whole.

Labelbox's filter `last_activity_at` finds data rows with activity on labels, metadata, workflow status, comments and
reviews; of deleted labels its documentation says nothing, and data rows that left the project cannot be found by it at
all. So all ids of the project are listed, too: by an export of the catalog, the only kind that may leave labels out.
The SDK's `build_filters` sends `batch_ids` there as it does for a project, though its type of catalog filters does not
name them; a service that did not honour them would list other data rows than the project's. Therefore the list counts
only if it has as many data rows as the project's batches say they hold.

The list is made after the export of what was active. A data row that is added or edited in between is in the list as
new or with its new time, and is asked for by its id; one that is removed is not in the list. Made the other way round,
an added one would be missing from the list, and one that comes back would count as removed. What happens later still
is for the next run, which begins at a moment before all of this.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakebox.adapters.labelbox_kept import exported, failed_ids, row_id
from lakebox.adapters.labelbox_task import Exports, portions

_DETAILS = {"data_row_details": True}
_TIMES = ("updated_at", "last_activity_at")


class Untold(Exception):
    """Why it cannot be told what changed, so that the whole project has to be exported."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The data rows of a project."""

    ids: frozenset[str]
    active: frozenset[str]
    """Those of which something may have happened since the moment in question."""


def utc(moment: datetime) -> str:
    """A moment as the SDK's filters take it; it replaces any other offset by UTC instead of converting."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def append_active(
    exports: Exports, project: Any, start: datetime, params: Mapping[str, bool], folder: Path
) -> frozenset[str]:
    """Export the data rows with activity since `start`. Their ids, and of those that failed."""
    exports.append(project, {"last_activity_at": [utc(start), None]}, params, folder)
    return _ids(folder)


def list_project(exports: Exports, project: Any, start: datetime, folder: Path) -> Listed:
    """List the data rows of a project, in a folder that is made for it and removed.

    Raises:
        Untold: the list is not believable.
        SourceError: there is no list.
    """
    batches = list(project.batches())
    if not batches:
        raise Untold("it has no batches")
    folder.mkdir()
    for ids in portions([batch.uid for batch in batches]):
        exports.append(exports.client.get_catalog(), {"batch_ids": ids}, _DETAILS, folder)
    listed = _listed(folder, start)
    shutil.rmtree(folder)
    if len(listed.ids) != (size := sum(batch.size or 0 for batch in batches)):
        raise Untold(f"Labelbox lists {len(listed.ids)} data rows of batches that say they hold {size}")
    if not listed.ids:
        raise Untold("its batches are empty")
    return listed


def _listed(folder: Path, start: datetime) -> Listed:
    ids: set[str] = set()
    active = set(failed_ids(folder))  # what cannot be listed is in the project; nobody knows since when
    for row in exported(folder):
        key = row_id(row)
        ids.add(key)
        if _may_be_since(start, row.get("data_row")):
            active.add(key)
    return Listed(frozenset(ids | active) - {""}, frozenset(active))


def to_ask(listed: Listed, given: frozenset[str], held: frozenset[str]) -> list[str]:
    """The listed data rows that have to be asked for by id: not given yet, and not held as they are."""
    return sorted(listed.ids - given - (held - listed.active))


def append_named(
    exports: Exports, project: Any, ids: list[str], params: Mapping[str, bool], folder: Path
) -> frozenset[str]:
    """Export data rows by their ids. The ids of all that the folder holds, and of those that failed.

    Raises:
        Untold: some came neither as data row nor as error.
    """
    for some in portions(ids):
        exports.append(project, {"data_row_ids": some}, params, folder)
    given = _ids(folder)
    if missing := set(ids) - given:
        raise Untold(f"Labelbox lists {len(missing)} data rows that it does not export ({min(missing)}, ...)")
    return given


def _ids(folder: Path) -> frozenset[str]:
    return frozenset(row_id(row) for row in exported(folder)) - {""} | failed_ids(folder)


def _may_be_since(start: datetime, node: Any) -> bool:
    """Whether something happened to a data row at `start` or later, or nobody can tell."""
    try:
        moments = [datetime.fromisoformat(node["details"][name]) for name in _TIMES]
    except (KeyError, TypeError, ValueError):
        return True
    return any((one if one.tzinfo else one.replace(tzinfo=UTC)) >= start for one in moments)
