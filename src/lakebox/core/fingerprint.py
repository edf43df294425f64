"""Fingerprints: short names for content that do not depend on key order, list order of annotations, or signatures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from lakebox.core.urls import lasting

_ORDERED_BY = ("feature_id", "id")
_NAMES = ("name", "value")
_PLAIN = frozenset((str, int, float, bool, type(None)))


def digest(value: Any) -> str:
    """20 hexadecimal digits that name a JSON-like value; equal for equal content."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def canonical(node: Any, unnamed: Collection[str] = ()) -> Any:
    """The same annotations in one order, with addresses reduced to what lasts.

    Lists of features are sorted by feature id (Labelbox does not promise an order), other lists (vertices, segments)
    stay as they are. Dictionaries are sorted by `digest`. Keys in `unnamed` are left out of features that say their
    schema id.
    """
    if type(node) is dict or isinstance(node, Mapping):  # in this order: the second takes its time
        out = unnamed if node.get("feature_schema_id") else ()
        return {
            k: v if type(v) in _PLAIN and k != "url" else _value(k, v, unnamed) for k, v in node.items() if k not in out
        }
    if isinstance(node, list) and node and isinstance(node[0], Mapping):
        key = next((k for k in _ORDERED_BY if k in node[0]), None)
        listed = sorted(node, key=lambda item: str(item.get(key, ""))) if key else node
        return [canonical(item, unnamed) for item in listed]
    return node


def _value(key: str, value: Any, unnamed: Collection[str]) -> Any:
    if key == "url" and isinstance(value, str):
        return lasting(value)
    return value if type(value) in _PLAIN else canonical(value, unnamed)


def by_schema_id(node: Any) -> Any:
    """As `canonical`, without the names of features: one that is renamed in Labelbox is renamed in every label, and no
    cell changes by that."""
    return canonical(node, _NAMES)


def track_number(feature_id: str) -> int:
    """The number under which an object is stored: a 31-bit hash of its feature id.

    A hash, so that it is the same on every frame, after every re-fetch and in a dataset built anew, without
    any memory of earlier runs.
    """
    return int.from_bytes(hashlib.blake2b(feature_id.encode(), digest_size=4).digest(), "big") & 0x7FFFFFFF
