"""Metadata fields of data rows: names and values of a manifest, checked against the fields that Labelbox has."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from lakebox.core.upload import UploadRow, refusal
from lakebox.errors import ConfigError


@dataclass(frozen=True, slots=True)
class MetadataField:
    """A metadata field of the organisation."""

    id: str
    name: str
    kind: str
    """`string`, `number`, `datetime`, `enum` or `embedding` (SDK: DataRowMetadataKind)."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Name -> id, of an enum."""


def resolve_metadata(rows: Sequence[UploadRow], fields: Sequence[MetadataField]) -> list[UploadRow]:
    """The rows with `{"schema_id", "value"}` for their metadata, values as the fields want them.

    Raises:
        ConfigError: fields that do not exist or values that do not fit, all of them.
    """
    known = {key: field for field in fields for key in (field.name, field.id)}
    problems: list[str] = []
    resolved = [replace(row, metadata=tuple(_resolved(row, known, problems))) for row in rows]
    if problems:
        raise ConfigError(refusal("metadata that Labelbox would not take", problems))
    return resolved


def _resolved(row: UploadRow, known: Mapping[str, MetadataField], problems: list[str]) -> Iterator[dict[str, Any]]:
    for item in row.metadata:
        name = item.get("schema_id") or item["name"]
        if name not in known:
            problems.append(f"{row.where}: metadata field {name!r} does not exist{_near(name, known)}")
            continue
        try:
            yield {"schema_id": known[name].id, "value": _value(known[name], item["value"])}
        except ValueError as error:
            problems.append(f"{row.where}: metadata field {name!r}: {error}")


def _near(name: str, known: Mapping[str, MetadataField]) -> str:
    names = sorted({field.name for field in known.values()})
    near = difflib.get_close_matches(name, names, 1)
    return f", did you mean {near[0]!r}?" if near else f" (there are: {', '.join(names) or 'none'})"


def _value(field: MetadataField, value: Any) -> Any:
    match field.kind:
        case "number":
            return _number(value)
        case "datetime":
            return datetime.fromisoformat(str(value)).isoformat()
        case "enum":
            options = {**field.options, **{key: key for key in field.options.values()}}
            if value not in options:
                raise ValueError(f"{value!r} is not one of {', '.join(field.options)}")
            return options[value]
        case "string":
            return value if isinstance(value, str) else str(value)
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is not a number")
    return float(value)
