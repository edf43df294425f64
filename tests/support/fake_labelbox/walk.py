"""Walking through the annotations of a label, and moving objects between keyframes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from copy import deepcopy
from itertools import pairwise
from typing import Any

from .records import Json

_MOVING = ("bounding_box", "point", "line", "polygon")


def objects(annotations: Json) -> Iterator[tuple[int, Json]]:
    """All objects with their frame; an image is frame 1."""
    for node in _nodes(annotations):
        yield 1, node
    for frame, content in annotations.get("frames", {}).items():
        for node in _nodes(content):
            yield int(frame), node


def _nodes(content: Json) -> Iterable[Json]:
    found = content.get("objects", [])
    return list(found.values() if isinstance(found, dict) else found)


def interpolated(annotations: Json) -> Json:
    """The annotations with every frame between keyframes spelled out; nothing outside of segments."""
    filled = deepcopy(annotations)
    tracks: dict[str, dict[int, Json]] = defaultdict(dict)
    for frame, node in objects(annotations):
        tracks[node["feature_id"]][frame] = node
    for feature_id, spelled in tracks.items():
        knots = sorted(spelled)
        segments = annotations.get("segments", {}).get(feature_id) or []
        for first, last in pairwise(knots):
            if any(start <= first and last <= end for start, end in segments):
                for frame in range(first + 1, last):
                    share = (frame - first) / (last - first)
                    _put(filled["frames"], frame, _between(spelled[first], spelled[last], share))
    if "frames" in filled:
        filled["frames"] = dict(sorted(filled["frames"].items(), key=lambda item: int(item[0])))
    return filled


def _put(frames: Json, frame: int, node: Json) -> None:
    content = frames.setdefault(str(frame), {"objects": {}, "classifications": []})
    found = content.setdefault("objects", {})
    if isinstance(found, dict):
        found[node["feature_id"]] = node
    else:
        found.append(node)


def _between(before: Json, after: Json, share: float) -> Json:
    node = deepcopy(before)
    for key in _MOVING:
        if key in before and key in after:
            node[key] = _mixed(before[key], after[key], share)
    return node


def _mixed(before: Any, after: Any, share: float) -> Any:
    if isinstance(before, dict):
        return {key: _mixed(before[key], after[key], share) for key in before}
    if isinstance(before, list):
        if len(before) != len(after):
            return deepcopy(before)
        return [_mixed(one, other, share) for one, other in zip(before, after, strict=True)]
    return before + (after - before) * share
