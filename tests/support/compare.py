"""Exact comparison of cells: values, dtypes, shapes."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

Rows = Mapping[str, Mapping[str, object]]


def differences(expected: Rows, actual: Rows) -> list[str]:
    """Return one line per row or cell that differs, also for the order of rows."""
    found = []
    if list(expected) != list(actual):
        found.append(f"rows: expected {list(expected)}, found {list(actual)}")
    for row_key in expected.keys() & actual.keys():
        wanted, given = expected[row_key], actual[row_key]
        for column in sorted(wanted.keys() ^ given.keys()):
            found.append(f"{row_key} {column!r}: {'missing' if column in wanted else 'extra'}")
        for column in sorted(wanted.keys() & given.keys()):
            if not same_cell(wanted[column], given[column]):
                found.append(f"{row_key} {column!r}: expected {wanted[column]!r}, found {given[column]!r}")
    return found


def without_empty_relationships(rows: Rows) -> Rows:
    """A label that does not count may have relationships: the column is there or not, there is nothing in it."""
    if all(row.get("relationships", "[]") == "[]" for row in rows.values()):
        return {key: {k: v for k, v in row.items() if k != "relationships"} for key, row in rows.items()}
    return rows


def same_cell(expected: object, actual: object) -> bool:
    """Tell whether two cells are equal; JSON lists in text may differ in spacing."""
    if isinstance(expected, list):
        return isinstance(actual, list) and len(expected) == len(actual) and all(map(same_cell, expected, actual))
    if isinstance(expected, str):
        return expected == actual or (
            isinstance(actual, str) and expected.startswith("[") and _json(expected) == _json(actual) is not None
        )
    wanted, given = np.asarray(expected), np.asarray(actual)
    return wanted.dtype == given.dtype and wanted.shape == given.shape and np.array_equal(wanted, given)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None
