"""Data rows as the Labelbox SDK takes, finds and exports them; works on the SDK's objects without importing it."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lakebox.adapters.labelbox_stream import append_stream
from lakebox.core.upload import MediaType, UploadRow
from lakebox.errors import SourceError

_FILTER = 2000
"""Ids that an export may be filtered by (SDK: export_filters)."""
_TASK_SECONDS = 3600.0


def wait(task: Any) -> None:
    """Wait until the task has ended; the SDK's own waiting looks every two seconds at most, and ends without a word.

    Raises:
        SourceError: it failed, or takes too long.
    """
    deadline, pause = time.monotonic() + _TASK_SECONDS, 0.25
    while task.status == "IN_PROGRESS" and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(1.5 * pause, 5.0)
        task.refresh()
    if task.status != "COMPLETE":
        raise SourceError(f"Labelbox's task {task.uid} is {task.status}; what it created is kept, try again")


def ids_by_key(keys: Sequence[str], answer: Mapping[str, Any]) -> dict[str, str]:
    """The answer lists ids in the order of the keys: with gaps for those that are not there, or without."""
    ids = answer["results"]
    absent = {item["global_key"] for item in answer["errors"]}
    asked = keys if len(ids) == len(keys) else [key for key in keys if key not in absent]
    found = dict(zip(asked, ids, strict=True))
    return {key: uid for key, uid in found.items() if uid}


def exported(client: Any, of: Any, ids: Collection[str], patience: float) -> frozenset[str]:
    """Which of the data rows an export of a dataset or project holds; without any details it is short."""
    filters = {"data_row_ids": sorted(ids)} if len(ids) <= _FILTER else None
    task = of.export(filters=filters)
    wait(task)
    with tempfile.TemporaryFile() as file:
        append_stream(client, task.uid, "RESULT", file, patience)
        file.seek(0)
        return frozenset(ids) & {json.loads(line)["data_row"]["id"] for line in file}


def item_of(row: UploadRow, address: str, media_type: MediaType) -> dict[str, Any]:
    """The row as `Dataset.create_data_rows` takes it; it changes what it is given, so it gets copies."""
    item: dict[str, Any] = {"row_data": address, "global_key": row.global_key, "external_id": row.external_id}
    item["media_type"] = media_type.upper()
    if row.attachments:
        item["attachments"] = [dict(one) for one in row.attachments]
    if row.metadata:
        item["metadata_fields"] = [dict(one) for one in row.metadata]
    return item


def key_of(failed: Mapping[str, Any]) -> str:
    """The global key of a row that was refused."""
    return str(failed["failedDataRows"][0]["globalKey"])
