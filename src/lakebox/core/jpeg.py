"""Whether a JPEG file has a beginning, all of its parts and an end (ITU-T T.81, annex B)."""

from __future__ import annotations

import re

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_IN_BETWEEN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""The marker behind a scan's data, in which zeros are stuffed and restarts counted."""
_KNOWN = frozenset((*range(0xC0, 0xD0), *range(0xDA, 0xF0), 0xFE)) - {0xC8}
"""Markers of parts that say how long they are."""


def is_whole(data: bytes) -> bool:
    """Whether the file's parts follow each other up to its last byte. False also where that cannot be told, because
    something comes behind the end: then decoding it has to tell."""
    at, scans = 2, 0
    if data[:2] != bytes((0xFF, _START)):
        return False
    while at + 2 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _END:
            return at + 2 == len(data) and scans > 0
        if marker not in _KNOWN:
            return False
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SCAN:
            scans += 1
            following = _IN_BETWEEN.search(data, at)
            if following is None:
                return False
            at = following.start()
    return False
