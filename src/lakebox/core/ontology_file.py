"""Labelbox's normalized ontology JSON as something people keep in a file: without ids, and compared by meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lakebox.core.ontology import parse_ontology
from lakebox.errors import ConfigError, SourceError

Json = Mapping[str, Any]

_FOREIGN = ("featureSchemaId", "schemaNodeId", "archived", "position", "kind")
"""What belongs to one organisation or to the state of one ontology (EXPORT_FORMAT section 11)."""


def read_ontology(raw: Any, where: str) -> dict[str, Any]:
    """The ontology of a file, ready to be created: ids of another organisation and archived features are left out.

    Raises:
        ConfigError: it is not Labelbox's normalized ontology; `where` names it.
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
    return clean


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
            value = str(option.get("value", option.get("label")))
            yield f"{name} > {value}: option {option.get('label') or value}"
            yield from _questions(option.get("options") or (), f"{name} > {value} > ")


def _required(node: Json) -> str:
    return ", required" if node.get("required") else ""
