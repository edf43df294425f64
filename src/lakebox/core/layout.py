"""The columns of a dataset, worked out from ontology and mapping; names and class indexes of earlier runs are kept."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count

from lakebox.core.columns import Class, Column, append_only
from lakebox.core.convert import Converter
from lakebox.core.fingerprint import digest
from lakebox.core.mapping import Mapping as OntologyMapping
from lakebox.core.model import RASTER_KINDS, Ontology, Option, Question, Tool

_UNUSABLE = re.compile(r'["\x00-\x1f\x7f]+')  # a quote or a line break in a column's name breaks Deep Lake's queries


@dataclass(frozen=True, slots=True)
class AnswerColumn:
    """A question and the column its answers go to."""

    question: Question
    column: Column


@dataclass(frozen=True, slots=True)
class TensorGroup:
    """Tools that share columns: geometry, tracks, keyframes, classes (where grouped) and nested answers."""

    tools: tuple[Tool, ...]
    converter: Converter
    geometry: Column
    tracks: Column
    keyframes: Column
    labels: Column | None
    answers: tuple[AnswerColumn, ...]
    key: str
    """Column keys of the answers begin with it."""

    def columns(self) -> Iterator[Column]:
        """Nested answers first, as upstream orders them."""
        yield from (answer.column for answer in self.answers)
        yield from (self.geometry, self.tracks, self.keyframes)
        if self.labels:
            yield self.labels


@dataclass(frozen=True, slots=True)
class Layout:
    """Every annotation column, and which features fill it."""

    groups: tuple[TensorGroup, ...] = ()
    answers: tuple[AnswerColumn, ...] = ()
    """Questions about frames and whole data rows."""
    questions: tuple[Question, ...] = ()
    """The questions that are not asked under an option."""
    relationships: Column | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Feature key -> why it has no column."""

    def columns(self) -> tuple[Column, ...]:
        """All annotation columns in dataset order."""
        own = [column for group in self.groups for column in group.columns()]
        own += [answer.column for answer in self.answers]
        return tuple([*own, self.relationships] if self.relationships else own)

    def digest(self) -> str:
        """Changes when cells would be written differently; part of every labels fingerprint. The order in which
        Labelbox lists features decides no cell, so it does not count."""
        forms = {column.key: column.form() for column in self.columns()}
        converters = {group.geometry.key: repr(group.converter) for group in self.groups}
        retired = sorted(tool.name for group in self.groups for tool in group.tools if not tool.key)
        return digest([forms, converters, retired])


def make_layout(
    ontology: Ontology,
    mapping: OntologyMapping,
    taken: Iterable[str],
    stored: Mapping[str, Column],
    renamed: Collection[str] = (),
) -> Layout:
    """Lay out an ontology.

    Args:
        ontology: tools and questions.
        mapping: groups, converters and what is left out.
        taken: column names that annotations must not use.
        stored: the dataset's columns by `Column.key`; they keep name and class indexes.
        renamed: keys of features whose columns get the name of today.
    """
    named = {key: column for key, column in stored.items() if not _holds(key, renamed)}
    names = _Names(set(taken) | {column.name for column in named.values()}, stored, named)
    left_out: dict[str, str] = {}
    groups = tuple(names.tensor_group(mapping, *group) for group in _grouped(ontology.tools, mapping, left_out))
    answers = names.settled(
        answer
        for question in ontology.questions
        for answer in names.answers(mapping, question, question.name, "", "class", left_out)
    )
    relationships = (
        names.column(Column("relationships", "text", key="relationships")) if ontology.relationships else None
    )
    return Layout(groups, answers, ontology.questions, relationships, left_out)


def _holds(key: str, features: Collection[str]) -> bool:
    """Whether a column's key is that of one of the features, or of what is asked about it."""
    parts = key.split("/")
    own = parts[0].removeprefix("tool:").rpartition(":")[0] or parts[0].removeprefix("tool:")
    return any(part in features for part in (own, *parts[1:]))


def _grouped(
    tools: Sequence[Tool], mapping: OntologyMapping, left_out: dict[str, str]
) -> list[tuple[str, bool, list[Tool], Converter]]:
    """(group name, whether the mapping made it, its tools, their converter) in ontology order."""
    found: dict[tuple[str, str, str], tuple[str, bool, list[Tool], Converter]] = {}
    for tool in tools:
        converter = mapping.converters.get(tool.kind)
        if not mapping.wants(tool):
            left_out[tool.key] = f"'{tool.name}' ({tool.kind}) is left out by the configuration"
        elif converter is None:
            left_out[tool.key] = f"no converter for kind '{tool.kind}'"
        else:
            name = mapping.group(tool)
            kind = RASTER_KINDS[0] if tool.kind in RASTER_KINDS else tool.kind
            key = ("", tool.key, kind) if name is None else (name, "", kind)
            found.setdefault(key, (name or tool.name, name is not None, [], converter))[2].append(tool)
    return list(found.values())


class _Names:
    """Hands out column names: none twice, and the ones of earlier runs again to the same features."""

    def __init__(self, taken: set[str], stored: Mapping[str, Column], named: Mapping[str, Column]) -> None:
        self._taken = taken
        self._stored = stored
        self._named = named
        self._handed: dict[str, Column] = {}

    def column(self, wanted: Column, hints: Sequence[str] = ()) -> Column:
        """The column under its stored name, else under a free one; told apart by `hints`, then by numbers."""
        before = self._stored.get(wanted.key)
        if wanted.classes is not None:
            wanted = replace(wanted, classes=append_only(before.classes if before else None, wanted.classes))
        named = self._named.get(wanted.key)
        return replace(wanted, name=named.name if named else self._free(wanted.name, hints))

    def _free(self, name: str, hints: Sequence[str], suffixes: Sequence[str] = ("",)) -> str:
        """A base name that is free with every one of `suffixes`; all of them are taken then."""
        clean = _UNUSABLE.sub("_", name) or "unnamed"
        told_apart = [clean, *(f"{clean} ({hint})" for hint in hints)]
        candidates = chain(told_apart, (f"{told_apart[-1]} {number}" for number in count(2)))
        base = next(c for c in candidates if not any(c + suffix in self._taken for suffix in suffixes))
        self._taken.update(base + suffix for suffix in suffixes)
        return base

    def tensor_group(
        self, mapping: OntologyMapping, name: str, grouped: bool, tools: list[Tool], converter: Converter
    ) -> TensorGroup:
        """All columns of tools that share a group."""
        kind = tools[0].kind
        key = f"group:{kind}:{name}" if grouped else f"tool:{tools[0].key}"
        nested = any(tool.questions for tool in tools)
        wanted = f"{name}/{name}" if nested else name
        before = self._named.get(f"{key}:geometry")
        suffixes = ("", "_tracks", "_keyframes", "_labels")
        base = before.name if before else self._free(wanted, [kind], suffixes)
        classes = tuple(Class(tool.key, tool.name, tool.archived) for tool in tools)
        archived = all(tool.archived for tool in tools)
        labels = Column(f"{base}_labels", "class", "int32", key=f"{key}:labels", classes=classes)
        labels = replace(labels, classes=append_only(self._classes(labels.key), classes))
        ordered = _in_class_order(tools, labels.classes or ())
        geometry = converter.column(base, f"{key}:geometry", labels.classes or ())
        answers = self.settled(
            answer
            for tool in tools
            for question in tool.questions
            for answer in self.answers(mapping, question, f"{name}/{question.name}", key, "array", {}, tool.name)
        )
        return TensorGroup(
            tools=ordered,
            converter=converter,
            geometry=replace(geometry, archived=archived),
            tracks=Column(f"{base}_tracks", "array", "int32", key=f"{key}:tracks", archived=archived),
            keyframes=Column(f"{base}_keyframes", "array", "uint8", key=f"{key}:keyframes", archived=archived),
            labels=replace(labels, archived=archived) if grouped else None,
            answers=answers,
            key=key,
        )

    def _classes(self, key: str) -> Sequence[Class] | None:
        before = self._stored.get(key)
        return before.classes if before else None

    def answers(
        self,
        mapping: OntologyMapping,
        question: Question,
        name: str,
        parent: str,
        kind: str,
        left_out: dict[str, str],
        hint: str = "",
    ) -> list[AnswerColumn]:
        """The question's column and those of what is asked under its options."""
        key = f"{parent}/{question.key}"
        if not mapping.wants(question) or question.kind not in ("radio", "checklist", "text"):
            left_out[question.key] = f"'{question.name}' ({question.kind}) has no column"
            return []
        hints = [hint] if hint else [question.kind]
        column = self._answer_column(question, name, key, kind, hints)
        found = [AnswerColumn(question, column)]
        for option in question.options:
            for child in option.questions:
                below = f"{column.name}/{child.name}"
                found += self.answers(mapping, child, below, key, kind, left_out, option.label)
        return found

    def settled(self, answers: Iterable[AnswerColumn]) -> tuple[AnswerColumn, ...]:
        """Each column once, with all its classes: old exports have questions of two tools or options share a key."""
        found = {answer.column.key: answer for answer in answers}
        return tuple(AnswerColumn(answer.question, self._handed[key]) for key, answer in found.items())

    def _answer_column(self, question: Question, name: str, key: str, kind: str, hints: Sequence[str]) -> Column:
        gone = question.archived
        if question.kind == "text":
            return self._once(Column(name, "text", key=key, archived=gone), hints)
        classes = tuple(_class(option) for option in question.options)
        if kind == "array" and question.kind == "checklist":
            return self._once(Column(name, "array", "uint8", 2, key=key, classes=classes, archived=gone), hints)
        return self._once(Column(name, "class", "int32", key=key, classes=classes, archived=gone), hints)

    def _once(self, wanted: Column, hints: Sequence[str]) -> Column:
        """As `column`; asked again for the same key (a question under two options), the same one with more classes."""
        before = self._handed.get(wanted.key)
        if before is None:
            self._handed[wanted.key] = self.column(wanted, hints)
        elif wanted.classes is not None:
            self._handed[wanted.key] = replace(before, classes=append_only(before.classes, wanted.classes))
        return self._handed[wanted.key]


def _class(option: Option) -> Class:
    return Class(option.key, option.value, option.archived)


def _in_class_order(tools: Sequence[Tool], classes: Sequence[Class]) -> tuple[Tool, ...]:
    """Tools at the position of their stored class index; a class whose tool is gone keeps its place, without a key."""
    known = {tool.key: tool for tool in tools}
    return tuple(known.get(item.key, Tool("", "", item.name)) for item in classes)
