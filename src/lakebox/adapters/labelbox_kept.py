"""A finished export in a folder of its own: data rows, those that failed, the ontology, and when it was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from lakebox.adapters.export_file import ExportFile
from lakebox.core.ports import SourceRow
from lakebox.core.urls import hushed

ROWS, ERRORS, ONTOLOGY, FACTS = "export.ndjson", "errors.ndjson", "ontology.json", "facts.json"
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an export besides its data rows."""

    as_of: datetime
    """Before anything was asked."""
    unchanged: frozenset[str] = frozenset()
    """Data rows that were not exported because they are as they were."""
    left: frozenset[str] = frozenset()
    """Data rows that were exported, and left the project while the export was made."""


class KeptExport:
    """Reads the folder of an export."""

    def __init__(self, folder: Path) -> None:
        found = orjson.loads((folder / FACTS).read_bytes())
        sets = {name: frozenset(found[name]) for name in ("unchanged", "left")}
        self.facts = Facts(as_of=datetime.fromisoformat(found["as_of"]), **sets)
        ontology = folder / ONTOLOGY
        self.file = ExportFile(export=folder / ROWS, ontology=ontology if ontology.exists() else None)
        self._errors = folder / ERRORS

    def rows(self) -> Iterator[SourceRow]:
        """The data rows that are in the project, then those that Labelbox could not export, as errors."""
        yield from (row for row in self.file.rows() if row.data is None or row_id(row.data) not in self.facts.left)
        yield from _failed(self._errors)


def write_facts(folder: Path, facts: Facts, ontology: Json | None) -> None:
    """Complete the folder of an export."""
    sets = {"unchanged": sorted(facts.unchanged), "left": sorted(facts.left)}
    (folder / FACTS).write_bytes(orjson.dumps({"as_of": facts.as_of.isoformat(), **sets}))
    if ontology is not None:
        (folder / ONTOLOGY).write_bytes(orjson.dumps(ontology))


def exported(folder: Path) -> Iterator[Json]:
    """The data rows in a folder that may not be complete yet."""
    yield from (row.data for row in ExportFile(export=folder / ROWS).rows() if row.data is not None)


def failed_ids(folder: Path) -> Set[str]:
    """The data rows that Labelbox could not export, as far as it says which."""
    return {row.id for row in _failed(folder / ERRORS)} - {""}


def row_id(row: Json) -> str:
    """The id of a data row of an export; empty where there is none."""
    inner = row.get("data_row")
    return str(inner.get("id") or "") if isinstance(inner, Mapping) else ""


def _failed(path: Path) -> Iterator[SourceRow]:
    """Data rows that Labelbox could not export, from lines such as `{"data_row_id": ..., "error": ...}`."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                found = orjson.loads(line)
            except orjson.JSONDecodeError:
                found = line.decode("utf-8", "replace").strip()
            yield SourceRow(-1, number, None, f"Labelbox could not export it: {_said(found)}", _id(found), "export")


def _id(found: Any) -> str:
    if not isinstance(found, dict):
        return ""
    return str(found.get("data_row_id") or found.get("dataRowId") or row_id(found))


def _said(found: Any) -> str:
    if isinstance(found, dict):
        found = next((found[key] for key in ("error", "message", "errors") if found.get(key)), found)
    return hushed(found if isinstance(found, str) else orjson.dumps(found).decode())[:500]
