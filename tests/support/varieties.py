"""Which of the varieties of an export occur in a project."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from .projects import Project

Json = dict[str, Any]

_OPTIONAL = (
    ("data_row", "external_id"),
    ("data_row", "global_key"),
    ("data_row", "details"),
    ("media_attributes", "asset_type"),
)
_OPTIONAL_IN_LABEL = ("label_details", "performance_details")


def varieties(project: Project) -> set[str]:
    """Return the names of all varieties that occur in a project."""
    found = {f"{len(project.rows)} rows"}
    found |= set(_of_ontology(project.ontology))
    found |= set(_of_groups(project))
    for row in project.rows:
        found |= set(_of_row(row, project.project_id))
    return found


def _of_ontology(ontology: Json) -> Iterator[str]:
    kinds = [tool["tool"] for tool in ontology["tools"]]
    for kind in set(kinds):
        yield f"{kinds.count(kind)} tools of a kind"
        yield f"tool {kind}"
    for tool in ontology["tools"]:
        for question in tool["classifications"]:
            yield from _of_question(question, "tool", 0)
    for question in ontology["classifications"]:
        yield from _of_question(question, question["scope"], 0)
    if any(not word.isascii() for word in (tool["name"] for tool in ontology["tools"])):
        yield "unicode name"
    if "relationships" in ontology:
        yield f"ontology with {len(ontology['relationships'])} relationships"


def _of_question(question: Json, where: str, depth: int) -> Iterator[str]:
    yield f"{where} {question['type']} at depth {depth}"
    for option in question.get("options", []):
        for child in option.get("options", []):
            yield from _of_question(child, where, depth + 1)


def _of_groups(project: Project) -> Iterator[str]:
    tools = project.ontology["tools"]
    by_name = any(tool["name"] in project.groups for tool in tools)
    by_kind = any(tool["tool"] in project.groups for tool in tools)
    yield "grouped by " + ("both" if by_name and by_kind else "name" if by_name else "kind" if by_kind else "none")
    names = [project.groups.get(tool["tool"]) for tool in tools]
    if any(name and names.count(name) > 1 for name in names):
        yield "several tools in a group"


def _of_row(row: Json, project_id: str) -> Iterator[str]:
    for part, key in _OPTIONAL:
        yield f"{key} {'given' if key in row[part] else 'missing'}"
    if "frame_count" in row["media_attributes"]:
        yield f"{row['media_attributes']['frame_count']} frames"
    if len(row["projects"]) > 1:
        yield f"several projects, {next(iter(row['projects']))} first"
    project = row["projects"][project_id]
    given = project.get("project_details")
    yield f"project_details {'missing' if given is None else 'given'}"
    if given is not None and "ontology_id" not in given:
        yield "ontology_id missing"
    yield f"{len(project['labels']) if 'labels' in project else 'absent'} labels"
    labels = project.get("labels", [])
    yield from _of_dates(labels)
    for label in labels:
        yield from _of_label(label, row)


def _of_dates(labels: list[Json]) -> Iterator[str]:
    dates = [label.get("label_details", {}).get("created_at") for label in labels]
    skipped = [label.get("performance_details", {}).get("skipped", False) for label in labels]
    if len(labels) > 1:
        dated = len(labels) - dates.count(None)
        yield "consensus " + {0: "undated", len(labels): "dated"}.get(dated, "mixed")
        if dated > len(set(dates) - {None}):
            yield "consensus with a tie"
        if dated == len(labels) and max(dates) != dates[-1]:
            yield "the latest is not the last"
        if any(skipped) and not all(skipped):
            yield "one of several skipped"
    if labels and all(skipped):
        yield "all skipped"


def _of_label(label: Json, row: Json) -> Iterator[str]:
    for key in _OPTIONAL_IN_LABEL:
        yield f"{key} {'given' if key in label else 'missing'}"
    annotations = label["annotations"]
    if not any(annotations.values()):
        yield "empty label"
    if label["label_kind"] == "Video":
        yield from _of_video(annotations, row["media_attributes"]["frame_count"])
    else:
        yield from _of_objects(annotations.get("objects", []))
        if annotations.get("relationships"):
            yield "relationships in their own place"
        if any("unidirectional_relationship" in node for node in _nodes(annotations)):
            yield "relationships among the objects"
    for node in annotations.get("classifications", []):
        yield from _of_answer(node, "global")


def _nodes(frame: Json) -> list[Json]:
    objects = frame.get("objects", [])
    return list(objects.values()) if isinstance(objects, dict) else objects


def _of_objects(objects: Any) -> Iterator[str]:
    yield f"objects as {type(objects).__name__}"
    nodes = _nodes({"objects": objects})
    geometries = [node for node in nodes if "unidirectional_relationship" not in node]
    yield f"{len(geometries)} objects"
    colors = [n["composite_mask"]["url"] for n in nodes if "composite_mask" in n]
    if len(colors) > len(set(colors)):
        yield "several masks in one composite"
    for node in nodes:
        yield from _of_object(node)


def _of_object(node: Json) -> Iterator[str]:
    yield node["annotation_kind"]
    for key in ("feature_schema_id", "value"):
        yield f"{key} {'given' if key in node else 'missing'}"
    if "feature_schema_id" not in node and "value" not in node:
        yield "matched by name only"
    forms = [form for form in ("mask", "composite_mask") if form in node]
    if forms:
        yield " and ".join(forms)
    for corner in node.get("bounding_box", {}).values():
        yield "float coordinate" if corner % 1 else "whole coordinate"
    if not node["classifications"]:
        yield "no nested answers"
    for child in node["classifications"]:
        yield from _of_answer(child, "nested")


def _of_answer(node: Json, where: str) -> Iterator[str]:
    if "text_answer" in node:
        yield f"{where} text answered"
        return
    answers = node.get("checklist_answers", [node.get("radio_answer")])
    kind = "checklist" if "checklist_answers" in node else "radio"
    yield f"{where} {kind} answered"
    if kind == "checklist":
        yield f"{where} checklist of {len(answers)}"
    for answer in answers:
        for child in answer["classifications"]:
            yield from _of_answer(child, f"{where}>")


def _of_video(annotations: Json, frame_count: int) -> Iterator[str]:
    for key in ("frames", "segments", "key_frame_feature_map"):
        if not annotations.get(key):
            yield f"{key} {'empty' if key in annotations else 'absent'}"
    frames = annotations.get("frames", {})
    segments = annotations.get("segments", {})
    if segments and not frames:
        yield "segments without frames"
    if frames and not segments:
        yield "frames without segments"
    for form in annotations.get("key_frame_feature_map", {}).values():
        yield f"key frames as {type(form).__name__}"
    tracks: dict[str, dict[int, Json]] = {}
    questions: dict[str, dict[int, Json]] = {}
    for key, content in frames.items():
        yield from _of_objects(content.get("objects", {}))
        if int(key) > frame_count:
            yield "past the end"
        for node in _nodes(content):
            tracks.setdefault(node["feature_id"], {})[int(key)] = node
        for node in content.get("classifications", []):
            questions.setdefault(node["feature_id"], {})[int(key)] = node
            yield from _of_answer(node, "frame-level")
    for feature_id, knots in tracks.items():
        yield from _of_track(knots, segments.get(feature_id))
        if feature_id not in annotations.get("key_frame_feature_map", {}):
            yield "track not in the key frame map"
    for feature_id, knots in questions.items():
        yield from _of_frame_level(feature_id, knots, segments)
    if set(segments) - _spelled_ids([*tracks.values(), *questions.values()]):
        yield "segments of a feature never spelled out"


def _spelled_ids(features: list[dict[int, Json]]) -> set[str]:
    found = set()
    for knots in features:
        for node in knots.values():
            answers = node.get("checklist_answers", [node.get("radio_answer") or {}])
            found |= {node["feature_id"], *(a.get("feature_id", "") for a in answers)}
    return found


def _of_track(knots: dict[int, Json], segments: list[list[int]] | None) -> Iterator[str]:
    some = next(iter(knots.values()))
    for field in ("polygon", "line"):
        if len({len(node[field]) for node in knots.values() if field in node}) > 1:
            yield f"{field} with changing vertex count"
    if segments is None:
        yield "track without segments"
        return
    yield from _of_segments(knots, segments, "track")
    filled = [f for a, b in segments for f in range(a, b + 1)]
    if len(filled) > 4 and set(filled) <= set(knots):
        yield "interpolated export"
    for start, end in segments:
        inside = sorted(knot for knot in knots if start <= knot <= end)
        if any(b - a > 1 for a, b in pairwise(inside)):
            yield f"{some['annotation_kind']} between knots"


def _of_segments(knots: dict[int, Json], segments: list[list[int]], what: str) -> Iterator[str]:
    if len(segments) > 1:
        yield f"{what} with several segments"
    for (_, end), (start, _) in pairwise(segments):
        yield f"{what}: " + ("gap" if start > end + 1 else "neighbouring segments")
    for start, end in segments:
        if start == end:
            yield f"{what}: segment of one frame"
        inside = [knot for knot in knots if start <= knot <= end]
        if not inside:
            earlier = any(knot < start for knot in knots)
            yield f"{what}: segment without knot, knot before {earlier}"
        elif max(inside) < end:
            yield f"{what}: segment ends without a knot"
        if inside and min(inside) > start:
            yield f"{what}: segment starts without a knot"
    if any(all(not a <= knot <= b for a, b in segments) for knot in knots):
        yield f"{what}: knot outside segments"


def _of_frame_level(feature_id: str, knots: dict[int, Json], segments: dict[str, list[list[int]]]) -> Iterator[str]:
    if feature_id in segments:
        yield "frame-level keyed by question"
        yield from _of_segments(knots, segments[feature_id], "question")
        return
    some = next(iter(knots.values()))
    if "text_answer" in some:
        return
    kind = "checklist" if "checklist_answers" in some else "radio"
    keyed = _spelled_ids([knots]) & set(segments)
    yield f"frame-level {kind} keyed by " + ("answers" if keyed else "nothing")
