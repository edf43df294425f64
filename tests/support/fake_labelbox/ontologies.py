"""Ontologies as Labelbox completes them: ids and names where there are none."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from .records import Json


def completed(given: Json, new_id: Callable[[], str]) -> Json:
    """A copy of a normalized ontology with all ids, and with the keys that the SDK reads."""
    ontology = deepcopy(given)
    for tool in ontology.setdefault("tools", []):
        _identified(tool, new_id)
        tool.setdefault("required", False)
        tool["color"] = tool.get("color") or "#1CE6FF"
        tool["classifications"] = tool.get("classifications") or []
        for question in tool["classifications"]:
            _question(question, new_id)
    for question in ontology.setdefault("classifications", []):
        _question(question, new_id)
        question["scope"] = question.get("scope") or "global"
    for edge in ontology.get("relationships", []):
        _identified(edge, new_id)
    return ontology


def _question(question: Json, new_id: Callable[[], str]) -> None:
    _identified(question, new_id)
    question["instructions"] = question.get("instructions") or question.get("name") or ""
    question["name"] = question.get("name") or slug(question["instructions"])
    question.setdefault("required", False)
    question["options"] = question.get("options") or []
    for option in question["options"]:
        _identified(option, new_id)
        option["label"] = option.get("label") or option.get("value")
        option["value"] = option.get("value") or slug(option["label"])
        for child in option.get("options") or []:
            _question(child, new_id)


def _identified(node: Json, new_id: Callable[[], str]) -> None:
    for key in ("schemaNodeId", "featureSchemaId"):
        node[key] = node.get(key) or new_id()


def slug(name: str) -> str:
    """The value that Labelbox makes of a name."""
    return name.lower().replace(" ", "_")
