"""Annotations under the names of today: Labelbox writes an export when it is asked for, not when people label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from .ontologies import slug
from .records import Json

Names = Mapping[str, Json]
"""Feature schema id -> name and value."""


def respelled(annotations: Json, ontology: Json) -> Json:
    """Features under the names that an ontology gives them, without those that it no longer has and their timing.

    Only what has a feature schema id is looked at.
    """
    found, names = deepcopy(annotations), _names(ontology)
    for content in (found, *found.get("frames", {}).values()):
        for key in ("objects", "classifications"):
            if key in content:
                content[key] = _spelled(content[key], names)
    gone = set(feature_ids(annotations)) - set(feature_ids(found))
    for key in ("segments", "key_frame_feature_map"):
        if key in found:
            found[key] = {feature: timing for feature, timing in found[key].items() if feature not in gone}
    return found


def feature_ids(value: Any) -> Iterator[str]:
    """The ids of all objects and answers, at any depth."""
    if isinstance(value, dict):
        yield from [value["feature_id"]] if "feature_id" in value else []
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from feature_ids(child)


def spelling(feature: Json) -> Json:
    """How exports spell a tool, a question or an option."""
    if "instructions" in feature:
        return {"name": feature["instructions"], "value": feature["name"]}
    if "label" in feature:
        return {"name": feature["label"], "value": feature["value"]}
    return {"name": feature["name"], "value": slug(feature["name"])}


def _names(ontology: Json) -> Names:
    return {feature["featureSchemaId"]: spelling(feature) for feature in features(ontology)}


def features(ontology: Json) -> Iterator[Json]:
    """Tools, questions and options, at any depth."""
    for tool in ontology["tools"]:
        yield tool
        yield from _questions(tool["classifications"])
    yield from _questions(ontology["classifications"])


def _questions(questions: list[Json]) -> Iterator[Json]:
    for question in questions:
        yield question
        for option in question["options"]:
            yield option
            yield from _questions(option.get("options") or [])


def _spelled(nodes: Any, names: Names) -> Any:
    if isinstance(nodes, dict):
        return {key: one for key, node in nodes.items() if (one := _node(node, names))}
    return [one for node in nodes if (one := _node(node, names))]


def _node(node: Json, names: Names) -> Json | None:
    """None where the feature, or all that was answered, is gone."""
    schema_id = node.get("feature_schema_id")
    if schema_id is not None and schema_id not in names:
        return None
    node = {**node, **names.get(schema_id or "", {})}
    if "classifications" in node:
        node["classifications"] = _spelled(node["classifications"], names)
    if answers := node.get("checklist_answers"):
        node["checklist_answers"] = _spelled(answers, names)
        return node if node["checklist_answers"] else None
    if answer := node.get("radio_answer"):
        node["radio_answer"] = _node(answer, names)
        return node if node["radio_answer"] else None
    return node
