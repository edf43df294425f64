"""Labelbox's normalized ontology JSON as something people keep in a file: without ids, and compared by meaning."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lakebox.core.ontology import parse_ontology
from lakebox.errors import ConfigError, SourceError

Json = Mapping[str, Any]

_FOREIGN = ("featureSchemaId", "schemaNodeId", "archived", "position", "kind")
"""What belongs to one organisation or to the state of one ontology (EXPORT_FORMAT section 11)."""

TOOLS = (
    "polygon", "superpixel", "raster-segmentation", "point", "rectangle", "line", "named-entity", "edge",
    "message-single-selection", "message-multi-selection", "message-ranking", "marker", "step-reasoning",
    "fact-checking", "prompt-issue",
)  # fmt: skip
"""All of Labelbox's, also those of media that lakebox does not read (SDK: Tool.Type, ToolType)."""
QUESTIONS = ("text", "checklist", "radio", "group", "prompt", "response-text", "response-checklist", "response-radio")
"""SDK: Classification.Type, PromptResponseClassification.Type."""
SCOPES = ("global", "index")
_CHOSEN_FROM = ("checklist", "radio", "response-checklist", "response-radio")


def read_ontology(raw: Any, where: str) -> dict[str, Any]:
    """The ontology of a file, ready to be created: ids of another organisation and archived features are left out.

    Raises:
        ConfigError: it is not Labelbox's normalized ontology, or names what Labelbox does not know, all of it; `where`
            names the file.
    """
    if not isinstance(raw, Mapping) or not {"tools", "classifications"} & raw.keys():
        raise ConfigError(
            f"task.ontology: {where} is not an ontology; expected 'tools' and 'classifications', as"
            " Ontology.normalized of the SDK gives them; nothing was touched"
        )
    clean = {key: _clean(raw.get(key) or []) for key in ("tools", "classifications")}
    try:
        parse_ontology(clean, where)
    except SourceError as error:
        raise ConfigError(f"task.ontology: {error}; nothing was touched") from error
    if is_empty(clean):
        raise ConfigError(f"task.ontology: {where} has neither tools nor classifications; nothing was touched")
    if problems := list(_problems(clean)):
        heading = f"task.ontology: {where} is not an ontology that Labelbox can hold; nothing was touched"
        raise ConfigError("\n".join([heading, *(f"  {problem}" for problem in problems)]))
    return clean


def _problems(normalized: Json) -> Iterator[str]:
    for position, tool in enumerate(normalized["tools"]):
        place = f"tools[{position}] {tool['name']!r}"
        yield from _unknown(place, "tool", tool["tool"], TOOLS)
        yield from _question_problems(tool.get("classifications") or (), f"{place} > classifications")
    yield from _question_problems(normalized["classifications"], "classifications")


def _question_problems(nodes: Sequence[Json], path: str) -> Iterator[str]:
    for position, node in enumerate(nodes):
        place = f"{path}[{position}] {str(node.get('instructions') or node['name'])!r}"
        options = node.get("options") or ()
        yield from _unknown(place, "type", node["type"], QUESTIONS)
        yield from _unknown(place, "scope", node.get("scope", "global"), SCOPES)
        if node["type"] in _CHOSEN_FROM and not options:
            yield f"{place}: a {node['type']} without options; list what can be chosen"
        for option in options:
            yield from _question_problems(option.get("options") or (), f"{place} > {_value(option)!r} > options")


def _unknown(place: str, what: str, found: Any, known: Sequence[str]) -> Iterator[str]:
    if found not in known:
        near = difflib.get_close_matches(str(found).lower(), known, 1)
        hint = f", did you mean {near[0]!r}?" if near else f" (there are: {', '.join(known)})"
        yield f"{place}: unknown {what} {found!r}{hint}"


def _clean(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _clean(child) for key, child in node.items() if key not in _FOREIGN and child is not None}
    if isinstance(node, Sequence) and not isinstance(node, str):
        return [_clean(child) for child in node if not (isinstance(child, Mapping) and child.get("archived"))]
    return node


def is_empty(normalized: Json) -> bool:
    """Whether there is nothing to annotate with: what Labelbox gives to a project until it gets an ontology."""
    return not (normalized.get("tools") or normalized.get("classifications"))


def differences(wanted: Json, found: Json) -> list[str]:
    """What only one of two ontologies has, in words. Ids, colours and the order of features do not count."""
    left, right = set(_lines(wanted)), set(_lines(_clean(found)))
    return [*(f"only in the file: {line}" for line in sorted(left - right)),
            *(f"only in Labelbox: {line}" for line in sorted(right - left))]  # fmt: skip


def _lines(normalized: Json) -> Iterator[str]:
    """One line per feature: where it is, what it is."""
    for tool in normalized.get("tools") or ():
        yield f"{tool['name']}: {tool['tool']}{_required(tool)}"
        yield from _questions(tool.get("classifications") or (), f"{tool['name']} > ")
    for question in normalized.get("classifications") or ():
        scope = question.get("scope") or "global"
        yield from _questions([question], "", f" ({scope})")


def _questions(nodes: Sequence[Json], path: str, scope: str = "") -> Iterator[str]:
    for node in nodes:
        name = f"{path}{node.get('instructions') or node['name']}"
        yield f"{name}: {node['type']}{scope}{_required(node)}"
        for option in node.get("options") or ():
            value = _value(option)
            yield f"{name} > {value}: option {option.get('label') or value}"
            yield from _questions(option.get("options") or (), f"{name} > {value} > ")


def _value(option: Json) -> str:
    return str(option.get("value", option.get("label")))


def _required(node: Json) -> str:
    return ", required" if node.get("required") else ""
