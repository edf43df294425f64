"""Lists of media as people write them: plain text, CSV and JSON lines. Every mistake of a file is named at once."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lakebox.core.upload import KEY_LIMIT, Entry, refusal
from lakebox.errors import ConfigError

MEDIA = ("row_data", "media", "path", "url")
"""Columns for the address or path: one of them."""
COLUMNS = (*MEDIA, "global_key", "external_id", "attachments", "metadata_fields")
FAMILIES = ("metadata.", "attachment.")
"""Columns such as `metadata.weather` and `attachment.IMAGE`."""
ATTACHMENTS = ("IMAGE", "IMAGE_OVERLAY", "VIDEO", "AUDIO", "HTML", "RAW_TEXT", "TEXT_URL", "PDF_URL", "CAMERA_IMAGE")
"""SDK: AttachmentType."""

Line = tuple[int, Mapping[str, Any]]

_TOO_MANY = "cells beyond the header"


class _Wrong(ValueError):
    """A mistake in one line."""


def parse_text(text: str, name: str) -> list[Entry]:
    """One path or address per line; blank lines and `#` comments are left out."""
    lines = enumerate(map(str.strip, text.split("\n")), 1)
    return [Entry(line, f"{name} line {number}") for number, line in lines if line and not line.startswith("#")]


def parse_csv(text: str, name: str) -> list[Entry]:
    """Rows under a header; cells of `attachments` and `metadata_fields` hold JSON.

    Raises:
        ConfigError: with every mistake, by line.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey=_TOO_MANY, strict=True)
    try:
        _refuse([f"{name}: {problem}" for problem in _header_problems(reader.fieldnames or ())])
        lines = [(reader.line_num, _filled(row)) for row in reader]
    except csv.Error as error:
        raise ConfigError(refusal("the list cannot be read", [f"{name} line {reader.line_num}: {error}"])) from error
    return _entries(lines, name)


def _filled(row: Mapping[str, Any]) -> dict[str, Any]:
    """Cells with something in them; empty ones say nothing."""
    return {key: value for key, value in row.items() if value not in (None, "")}


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise ConfigError(refusal("the list cannot be used", problems))


def parse_json_lines(text: str, name: str) -> list[Entry]:
    """One JSON object per line.

    Raises:
        ConfigError: with every mistake, by line.
    """
    lines: list[Line] = []
    problems: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if line.strip():
                lines.append((number, _object(json.loads(line))))
        except ValueError as error:
            problems.append(f"{name} line {number}: {error}")
    _refuse(problems)
    _refuse([f"{name} line {number}: {problem}" for number, row in lines for problem in _column_problems(list(row))])
    return _entries(lines, name)


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong("is not a JSON object")
    return _filled(value)


PARSERS: Mapping[str, Callable[[str, str], list[Entry]]] = {
    ".txt": parse_text,
    ".csv": parse_csv,
    ".jsonl": parse_json_lines,
    ".ndjson": parse_json_lines,
}
"""Suffix of a list -> what reads it."""


def _header_problems(columns: Sequence[str]) -> list[str]:
    """As spreadsheets of some countries write it, all of a line is one cell."""
    other = next((mark for mark in (";", "\t") if len(columns) == 1 and mark in columns[0]), "")
    separated = f"cells are separated by {other!r}; the separator must be a comma"
    return [separated] if other else _column_problems(columns)


def _column_problems(columns: Sequence[str]) -> list[str]:
    unknown = [column for column in columns if column not in COLUMNS and not column.startswith(FAMILIES)]
    missing = [] if set(columns) & set(MEDIA) else [f"no column for the media; it is one of {', '.join(MEDIA)}"]
    return [*(f"unknown column {column!r}{_near(column)}" for column in unknown), *missing]


def _near(column: str) -> str:
    near = difflib.get_close_matches(column.lower(), (*COLUMNS, *FAMILIES), 1)
    return f", did you mean {near[0]!r}?" if near else f" (known: {', '.join((*COLUMNS, *FAMILIES))})"


def _entries(lines: Sequence[Line], name: str) -> list[Entry]:
    entries, problems = [], []
    for number, row in lines:
        where = f"{name} line {number}"
        try:
            entries.append(_entry(row, where))
        except _Wrong as error:
            problems.append(f"{where}: {error}")
    _refuse(problems)
    return entries


def _entry(row: Mapping[str, Any], where: str) -> Entry:
    if _TOO_MANY in row:
        raise _Wrong("has more cells than the header")
    media = [row[column] for column in MEDIA if column in row]
    if len(media) != 1:
        raise _Wrong(f"needs one of {', '.join(MEDIA)}, has {len(media)}")
    key = _text(row, "global_key")
    if len(key) > KEY_LIMIT:
        raise _Wrong(f"global_key has {len(key)} characters, Labelbox allows {KEY_LIMIT}")
    return Entry(
        media=_string(media[0], "the media"),
        where=where,
        global_key=key,
        external_id=_text(row, "external_id"),
        attachments=tuple(_attachments(row)),
        metadata=tuple(_metadata(row)),
    )


def _text(row: Mapping[str, Any], column: str) -> str:
    return _string(row[column], column) if column in row else ""


def _string(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(f"{what} must be a text that is not empty, found {value!r}")
    return value.strip()


def _json(row: Mapping[str, Any], column: str) -> Any:
    """A list or object; in CSV it is written as JSON."""
    value = row.get(column, [])
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise _Wrong(f"{column} is not JSON ({error})") from error


def _attachments(row: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    listed = _json(row, "attachments")
    if not isinstance(listed, list):
        raise _Wrong('attachments must be a list such as [{"type": "IMAGE", "value": "https://..."}]')
    columns = [column for column in row if column.startswith("attachment.")]
    named = [{"type": column.partition(".")[2].upper(), "value": row[column]} for column in columns]
    for item in [*listed, *named]:
        yield _attachment(item)


def _attachment(item: Any) -> Mapping[str, str]:
    if not isinstance(item, dict) or not {"type", "value"} <= item.keys() <= {"type", "value", "name"}:
        raise _Wrong(f"an attachment needs type and value, and may have a name; found {_keys(item)}")
    if item["type"] not in ATTACHMENTS:
        raise _Wrong(f"attachment type {item['type']!r} is not one of {', '.join(ATTACHMENTS)}")
    value = _string(item["value"], f"the {item['type']} attachment")
    if item["type"] not in ("RAW_TEXT", "HTML") and "://" not in value:
        raise _Wrong(f"the {item['type']} attachment must be an address (https://...)")
    return {**item, "value": value}


def _metadata(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    listed = _json(row, "metadata_fields")
    if isinstance(listed, dict):
        listed = [{"name": name, "value": value} for name, value in listed.items()]
    if not isinstance(listed, list):
        raise _Wrong('metadata_fields must be a list such as [{"name": "weather", "value": "rain"}], or an object')
    columns = [column for column in row if column.startswith("metadata.")]
    items = [_field(item) for item in listed]
    items += [{"name": column.partition(".")[2], "value": row[column]} for column in columns]
    names = [item.get("name", item.get("schema_id")) for item in items]
    if len(names) > len(set(names)):
        raise _Wrong("a metadata field is given twice")
    yield from items


def _field(item: Any) -> Mapping[str, Any]:
    if isinstance(item, dict) and "schema_name" in item:  # as exports spell it
        item = {"name": item["schema_name"], "value": item.get("value")}
    if not isinstance(item, dict) or item.keys() not in ({"name", "value"}, {"schema_id", "value"}):
        raise _Wrong(f"a metadata field needs name (or schema_id) and value; found {_keys(item)}")
    _string(item.get("name", item.get("schema_id")), "the name of a metadata field")
    return item


def _keys(item: Any) -> str:
    return ", ".join(map(str, item)) or "nothing" if isinstance(item, dict) else repr(item)
