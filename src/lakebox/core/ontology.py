"""The ontology: read from Labelbox's normalized JSON, observed in an export, or both put together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lakebox.core.model import RASTER_KINDS, Answer, Label, Ontology, Option, Picked, Question, Tool, Track
from lakebox.errors import SourceError

Json = Mapping[str, Any]

_MEDIA_PREFIX = re.compile(r"^(Image|Video|Document|Geo|Text|DICOM)(?=[A-Z])")
_TOOL_KINDS = {
    "BoundingBox": "rectangle",
    "Polygon": "polygon",
    "Polyline": "line",
    "Point": "point",
    "SegmentationMask": "raster-segmentation",
}


def tool_kind(annotation_kind: str) -> str:
    """Labelbox's tool name for an annotation kind.

    >>> tool_kind("VideoBoundingBox"), tool_kind("ImageCuboid")
    ('rectangle', 'cuboid')
    """
    bare = _MEDIA_PREFIX.sub("", annotation_kind)
    return _TOOL_KINDS.get(bare) or re.sub(r"(?<=[a-z])(?=[A-Z])", "-", bare).lower()


def parse_ontology(raw: Json, where: str) -> Ontology:
    """Read Labelbox's normalized ontology JSON; `where` names it in errors.

    Raises:
        SourceError: it is not one.
    """
    try:
        return Ontology(
            tools=tuple(_tool(node) for node in raw["tools"]),
            questions=tuple(_question(node) for node in raw["classifications"]),
            id=str(raw.get("id") or ""),
            relationships=bool(raw.get("relationships")),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"ontology {where}: not Labelbox's normalized JSON ({type(error).__name__}: {error});"
            " expected an object with 'tools' and 'classifications', as Ontology.normalized of the SDK gives it"
        ) from error


def _tool(node: Json) -> Tool:
    name = str(node["name"])
    questions = tuple(_question(child) for child in node.get("classifications") or ())
    return Tool(str(node.get("featureSchemaId") or name), str(node["tool"]), name, questions)


def _question(node: Json) -> Question:
    name = str(node.get("instructions") or node["name"])
    options = tuple(_option(child) for child in node.get("options") or ())
    return Question(str(node.get("featureSchemaId") or name), str(node["type"]), name, options)


def _option(node: Json) -> Option:
    value = str(node.get("value", node.get("label")))
    questions = tuple(_question(child) for child in node.get("options") or ())
    return Option(str(node.get("featureSchemaId") or value), value, str(node.get("label") or value), questions)


def has_ids(ontology: Ontology) -> bool:
    """Whether every feature has its schema id; files of old projects have none, and features are found by name."""
    tools = all(tool.key != tool.name and _have_ids(tool.questions) for tool in ontology.tools)
    return tools and _have_ids(ontology.questions)


def _have_ids(questions: Sequence[Question]) -> bool:
    return all(
        question.key != question.name
        and all(option.key != option.value and _have_ids(option.questions) for option in question.options)
        for question in questions
    )


def find_tool(tools: Sequence[Tool], track: Track) -> Tool | None:
    """The tool that made the object: by schema id; by name and kind where one side has no ids."""
    kind = tool_kind(track.kind)
    return next((tool for tool in tools if tool.key == track.schema_id and track.schema_id), None) or next(
        (
            tool
            for tool in tools
            if tool.name == track.name
            and _same_kind(tool.kind, kind)
            and (not track.schema_id or tool.key in (tool.name, _without_id(tool.name, tool.kind)))
        ),
        None,
    )


def tool_of(track: Track) -> Tool:
    """The tool as far as one object shows it."""
    kind = tool_kind(track.kind)
    return Tool(track.schema_id or _without_id(track.name, kind), kind, track.name)


def _without_id(name: str, kind: str) -> str:
    """Key of a tool where old exports have no schema ids; a name may be a box's and a polygon's."""
    return f"{name} ({kind})"


def _same_kind(left: str, right: str) -> bool:
    return left == right or (left in RASTER_KINDS and right in RASTER_KINDS)


def find_question(questions: Sequence[Question], answer: Answer) -> Question | None:
    """The question that was answered: by schema id; by name where one side has no ids."""
    return next((q for q in questions if answer.schema_id and q.key == answer.schema_id), None) or next(
        (q for q in questions if q.name == answer.name and (not answer.schema_id or q.key == q.name)), None
    )


def find_option(options: Sequence[Option], picked: Picked) -> Option | None:
    """The option that was chosen: by schema id; by value, then by label, where one side has no ids."""
    same = next((o for o in options if picked.schema_id and o.key == picked.schema_id), None)
    loose = [o for o in options if not picked.schema_id or o.key == o.value]
    by_value = next((o for o in loose if picked.value and o.value == picked.value), None)
    return same or by_value or next((o for o in loose if picked.name and o.label == picked.name), None)


@dataclass(slots=True)
class Observer:
    """Completes an ontology by what labels use and it does not list: archived features, or all of them if it is empty.

    New features are sorted by name, so that the result does not depend on the order of an export.
    """

    given: Ontology
    tools: dict[str, Tool] = field(default_factory=dict)
    questions: dict[str, Question] = field(default_factory=dict)
    relationships: bool = False
    met: set[str] = field(default_factory=set)
    """Keys of the given features that were seen in use."""

    def see(self, label: Label) -> None:
        """Take note of everything the label uses."""
        self.relationships |= bool(label.relationships)
        for track in label.tracks:
            known = find_tool(self.given.tools, track)
            tool = known or tool_of(track)
            seen = self.tools.get(tool.key, tool)
            self.tools[tool.key] = replace(seen, questions=_with_answers(seen.questions, _flat(track.answers)))
            self._meet(known)
        for answer in (*label.answers, *(a for frames in label.frame_answers for a in frames.answers)):
            known_question = find_question(self.given.questions, answer)
            self._meet(known_question)
            (question,) = _with_answers([known_question] if known_question else [], [answer])
            before = self.questions.get(question.key)
            self.questions[question.key] = _with_answers([before], [answer])[0] if before else question

    def _meet(self, feature: Tool | Question | None) -> None:
        if feature:
            self.met.add(feature.key)

    def ontology(self) -> Ontology:
        """Given features first and in their order, each with what was added to it; then the new ones by name."""
        return replace(
            self.given,
            tools=_merge(self.given.tools, self.tools),
            questions=_merge(self.given.questions, self.questions),
            relationships=self.given.relationships or self.relationships,
        )

    def additions(self) -> list[str]:
        """Names of features and options in use that the given ontology does not list."""
        known = set(_names(self.given))
        return [name for name in _names(self.ontology()) if name not in known]


def _flat(answers: Iterable[Iterable[Answer]]) -> Iterable[Answer]:
    return (answer for group in answers for answer in group)


def _merge(given: Sequence[Any], seen: Mapping[str, Any]) -> tuple[Any, ...]:
    keys = {item.key for item in given}
    new = sorted((item for item in seen.values() if item.key not in keys), key=_by_name)
    return (*(_ordered(seen.get(item.key, item), item) for item in given), *(_ordered(item, None) for item in new))


def _by_name(item: Tool | Question | Option) -> tuple[str, str]:
    return (item.value if isinstance(item, Option) else item.name), item.key


def _ordered(item: Any, given: Any) -> Any:
    """The feature with what was added to it, at any depth, sorted by name behind what was given."""
    for part in ("questions", "options"):
        if hasattr(item, part):
            listed = {child.key: child for child in getattr(given, part, ())}
            children = getattr(item, part)
            new = sorted((child for child in children if child.key not in listed), key=_by_name)
            old = [child for child in children if child.key in listed]
            item = replace(item, **{part: tuple(_ordered(c, listed.get(c.key)) for c in (*old, *new))})
    return item


def _with_answers(questions: Sequence[Question], answers: Iterable[Answer]) -> tuple[Question, ...]:
    """The questions, completed by those answered and by the options chosen."""
    found = {question.key: question for question in questions}
    for answer in answers:
        known = find_question(tuple(found.values()), answer)
        question = known or Question(answer.schema_id or answer.name, answer.kind, answer.name)
        found[question.key] = _with_options(question, answer.picked)
    return tuple(found.values())


def _with_options(question: Question, picked: Sequence[Picked]) -> Question:
    options = list(question.options)
    for pick in picked:
        known = find_option(options, pick)
        option = known or Option(pick.schema_id or pick.value or pick.name, pick.value or pick.name, pick.name)
        grown = replace(option, questions=_with_answers(option.questions, pick.answers)) if pick.answers else option
        if known is None:
            options.append(grown)
        elif grown != known:
            options[options.index(known)] = grown
    if len(options) == len(question.options) and all(a is b for a, b in zip(options, question.options, strict=True)):
        return question
    return replace(question, options=tuple(options))


def _names(ontology: Ontology) -> Iterable[str]:
    for tool in ontology.tools:
        yield f"tool '{tool.name}'"
        yield from _question_names(tool.questions, f"'{tool.name}' / ")
    yield from _question_names(ontology.questions, "")


def _question_names(questions: Sequence[Question], path: str) -> Iterable[str]:
    for question in questions:
        here = f"{path}'{question.name}'"
        yield f"question {here}"
        for option in question.options:
            yield f"option {here} / '{option.value}'"
            yield from _question_names(option.questions, f"{here} / ")
