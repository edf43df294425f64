"""How a project's ontology and mapping changed since the dataset was last written, compared by feature schema id.

A feature that Labelbox no longer lists is archived: its columns and class indexes stay, because versions of the dataset
and people's code refer to them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from lakebox.core.model import RASTER_KINDS, Ontology, Option, Question, Tool
from lakebox.errors import DriftError

Kind = Literal["added", "renamed", "archived", "mapping"]
Choice = Literal["follow", "fail"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was."""

    kind: Kind
    text: str
    key: str = ""
    """Feature schema id."""


class Drift(BaseModel):
    """What happens when the ontology or the mapping changed. Config group `drift`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    added: Choice = "follow"
    renamed: Choice = "follow"
    archived: Choice = "follow"
    mapping: Choice = "follow"

    def refused(self, differences: Iterable[Difference]) -> list[str]:
        """The differences that are not to be followed."""
        return [one.text for one in differences if getattr(self, one.kind) == "fail"]


def remembered(ontology: Ontology) -> str:
    """The ontology as a text that a dataset keeps."""
    return json.dumps(asdict(ontology), ensure_ascii=False, separators=(",", ":"))


def recalled(text: str) -> Ontology:
    """The inverse of `remembered`; an empty ontology for no text."""
    if not text:
        return Ontology()
    raw = json.loads(text)
    tools = tuple(Tool(**{**node, "questions": _questions(node["questions"])}) for node in raw["tools"])
    return Ontology(tools, _questions(raw["questions"]), raw["id"], raw["relationships"])


def _questions(nodes: Sequence[Mapping[str, Any]]) -> tuple[Question, ...]:
    return tuple(Question(**{**node, "options": tuple(map(_option, node["options"]))}) for node in nodes)


def _option(node: Mapping[str, Any]) -> Option:
    return Option(**{**node, "questions": _questions(node["questions"])})


def united(before: Ontology, now: Ontology, given: Ontology | None) -> Ontology:
    """Today's ontology with everything that the dataset has of earlier ones.

    Args:
        before: what the dataset was last written with.
        now: what is given and what labels use.
        given: the ontology as Labelbox lists it; what it does not list is archived. None: nobody knows.
    """
    return replace(
        now,
        tools=_united(before.tools, now.tools, None if given is None else given.tools),
        questions=_united(before.questions, now.questions, None if given is None else given.questions),
        relationships=now.relationships or before.relationships,
    )


def _united(before: Sequence[Any], now: Sequence[Any], given: Sequence[Any] | None) -> tuple[Any, ...]:
    old, new, listed = ({one.key: one for one in ones} for ones in (before, now, given or ()))
    # A feature that is made anew under its old name takes the place of the old one, if no label uses that any more:
    # who reads the column by its name wants what people draw today.
    taken = {_signature(one) for one in new.values()}
    keys = [*new, *(key for key, one in old.items() if key not in new and _signature(one) not in taken)]
    return tuple(_one(new.get(key, old.get(key)), old.get(key), listed.get(key), given is not None) for key in keys)


def _signature(feature: Any) -> tuple[str, str]:
    """What makes two features one for people; options never are, since indexes are stored of them."""
    return ("", feature.key) if isinstance(feature, Option) else (_kind(feature), feature.name)


def _one(feature: Any, old: Any, listed: Any, known: bool) -> Any:
    """The feature and what is below it; below an archived one everything is."""
    archived = listed is None if known else feature.archived
    name = "options" if isinstance(feature, Question) else "questions"
    children = _united(getattr(old, name, ()), getattr(feature, name), getattr(listed, name, ()) if known else None)
    return replace(feature, archived=archived, **{name: children})


def differences(before: Ontology, now: Ontology) -> list[Difference]:
    """What changed, in the order of today's ontology; nothing for a dataset that keeps no ontology yet.

    Raises:
        DriftError: a feature is of another kind than it was, which no column can follow.
    """
    if before == Ontology():
        return []
    tools = _differences("tool", before.tools, now.tools, "")
    return [*tools, *_differences("question", before.questions, now.questions, "")]


def _differences(what: str, before: Sequence[Any], now: Sequence[Any], path: str) -> Iterator[Difference]:
    old = {one.key: one for one in before}
    for one in now:
        here = f"{path}'{_name(one)}'"
        was = old.get(one.key)
        if was is None:
            yield Difference("added", f"new {what} {here}" + (" (archived)" if one.archived else ""), one.key)
            continue
        yield from _compared(what, was, one, path)
        below, part = ("option", "options") if isinstance(one, Question) else ("question", "questions")
        yield from _differences(below, getattr(was, part), getattr(one, part), f"{here} / ")
    for one in before:
        if one.key not in {each.key for each in now}:
            yield Difference("archived", f"{what} {path}'{_name(one)}' made way for a new one of that name", one.key)


def _compared(what: str, was: Any, one: Any, path: str) -> Iterator[Difference]:
    here = f"{path}'{_name(one)}'"
    if _kind(was) != _kind(one):
        raise DriftError(
            f"{what} {here} (schema id {one.key}) was of kind {_kind(was)} and is {_kind(one)} now, which its column"
            " cannot hold; nothing was touched: choose another path for a new dataset"
        )
    if _name(was) != _name(one):
        yield Difference("renamed", f"{what} {path}'{_name(was)}' is named '{_name(one)}' now", one.key)
    if was.archived != one.archived:
        yield Difference("archived", f"{what} {here} " + ("archived" if one.archived else "is back"), one.key)


def _name(feature: Tool | Question | Option) -> str:
    return feature.value if isinstance(feature, Option) else feature.name


def _kind(feature: Tool | Question | Option) -> str:
    kind = getattr(feature, "kind", "option")
    return RASTER_KINDS[0] if kind in RASTER_KINDS else str(kind)
