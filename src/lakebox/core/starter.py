"""Configs to start from, written for one project: the text of a primary config and of its mapping. Task `init`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lakebox.core.columns import Column
from lakebox.core.convert import ClassMasks, Converter, IdMasks, MaskLinks
from lakebox.core.layout import Layout
from lakebox.core.mapping import Mapping as OntologyMapping
from lakebox.core.model import RASTER_KINDS, Ontology, Question, Tool
from lakebox.core.yaml_text import WORDS, block, flow, literal, remark, scalar, words

Node = Mapping[str, Any]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NAMED_ALWAYS = {
    "source": "where the project comes from",
    "presigner": "how a private address becomes a request",
    "mapping": "which tool and which question becomes which column",
    "provider": "which dataset or branch gets the annotations",
}
SUGGESTED = {
    "rectangle": "boxes",
    "point": "points",
    "line": "lines",
    "polygon": "polygons",
    "raster-segmentation": "mask",
    "superpixel": "mask",
}
"""Groups as the choice `by_kind` calls them."""
_ABOUT_GROUPS = """Name or kind of a tool: the group whose columns it shares (a name counts more than a kind);
<group>_labels then says which tool drew each object. A tool that has no group has columns of its own: take off the # of
its line to put it into one. _tracks says which object it is on every frame, _keyframes where a person drew it."""
_ABOUT_LEAVE_OUT = """Names or kinds of tools and questions that get no column. Below are the questions about frames and
whole data rows: take off the # of a line to leave one out. Others can be added."""
_ABOUT_CONVERTERS = """Kind of a tool: what makes cells of its objects. For another converter, put the line with the #
in the place of the one without."""
_MASK_CONVERTERS = (ClassMasks, IdMasks, MaskLinks)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a config group is set to."""

    choice: str
    """Empty: no choice is like it, so that `values` is all of it."""
    values: Node = field(default_factory=dict)
    """What differs from the choice."""
    given: bool = False
    """Whether somebody chose it: it is not lakebox's default as it comes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A composed configuration as the choices and values that make it from lakebox's own."""

    groups: Mapping[str, Chosen]
    """All config groups but `task` and `mapping`."""
    roots: Node
    """Root keys that are not as they come, or that somebody gave as they come."""
    mapping: Node
    """The mapping, whole, as it is composed."""
    reserved: frozenset[str]
    """Names of lakebox's own configs, which would hide those of a user."""


@dataclass(frozen=True, slots=True)
class Described:
    """A project and what its features become."""

    title: str
    """What people call it, with its id."""
    ontology: Ontology
    mapping: OntologyMapping
    """As configured; what becomes of masks is not its business."""
    layout: Layout


def slug(title: str, reserved: Collection[str]) -> str:
    """A name for files and for the command line.

    >>> slug("Straßen: Köln, 2026", ()), slug("3D", ()), slug("by_kind", ["by_kind"])
    ('strassen_koln_2026', 'project_3d', 'by_kind_project')
    """
    plain = unicodedata.normalize("NFKD", title.casefold()).encode("ascii", "ignore").decode()
    name = "_".join(re.findall(r"[a-z0-9]+", plain)) or "project"
    name = name if NAME.fullmatch(name) else f"project_{name}"
    return f"{name}_project" if is_reserved(name, reserved) else name


def is_reserved(name: str, reserved: Collection[str]) -> bool:
    """Whether a config of that name would not be found, or be read as no name."""
    return name in reserved or name.lower() in WORDS


# The primary config.


def primary_text(name: str, command: str, settings: Settings, presigner: Sequence[str], project: Described) -> str:
    """The primary config.

    Args:
        name: of this config and of all that is written with it.
        command: what runs it.
        settings: what it says.
        presigner: what there is to know about the presigner, sentence by sentence.
        project: what it is for.
    """
    said = f"Project {project.title} -> Deep Lake: {command}"
    more = "Written by lakebox task=init, yours to edit. What is not here is as lakebox has it (lakebox --cfg job)."
    lines = [*words("", said), *words("", more), "defaults:", "  - config"]
    for group in dict.fromkeys([*_NAMED_ALWAYS, *settings.groups]):
        chosen = Chosen(name) if group == "mapping" else settings.groups[group]
        if group not in _NAMED_ALWAYS and not chosen.given:
            continue
        if group == "presigner":
            lines += [line for sentence in presigner for line in words("  ", sentence)]
        comment = f"   # {_NAMED_ALWAYS[group]}" if group in _NAMED_ALWAYS else ""
        lines.append(f"  - override {group}: {scalar(chosen.choice or name)}{comment}")
    values = {group: chosen.values for group, chosen in settings.groups.items() if chosen.choice and chosen.values}
    return "\n".join([*lines, "  - _self_", "", *block({**settings.roots, **values})]).rstrip() + "\n"


def choice_text(group: str, node: Node) -> str:
    """A choice of its own for a group that is set to what no choice has."""
    return "\n".join([f"# The {group} as it was configured when lakebox task=init wrote this.", *block(node)]) + "\n"


# The mapping.


def mapping_text(project: Described, node: Node) -> str:
    """The mapping, with every tool and question, its kind, its columns and its classes.

    Args:
        project: what it is for; `project.mapping` is what the node makes.
        node: the mapping as it is composed; what `Mapping` does not know is a user's own and stays.
    """
    head = (
        f"Which tool and which question of project {project.title} becomes which column. Written by lakebox task=init,"
    )
    lines = [*words("", f"{head} yours to edit: the next run follows, and fetches no media again.")]
    own = {key: value for key, value in node.items() if key not in ("groups", "leave_out", "converters")}
    return "\n".join([
        *lines, *block(own), "", *_groups(project), "", *_leave_out(project), "", *_converters(project, node)
    ]) + "\n"  # fmt: skip


def _groups(project: Described) -> Iterator[str]:
    groups, tools = project.mapping.groups, project.ontology.tools
    yield from words("", _ABOUT_GROUPS)
    yield "groups:"
    offered = set(groups)
    for key, group in groups.items():
        own = [tool for tool in tools if key == (tool.name if tool.name in groups else tool.kind)]
        for tool in own:
            yield from _tool(tool, project)
            yield from _offer(tool, group, offered, project)
        if not own:
            yield from remark("  ", "no tool of this project")
        yield f"  {scalar(key)}: {literal(group)}"
    for tool in tools:
        if project.mapping.group(tool) is None:
            yield from _tool(tool, project)
            yield from _offer(tool, SUGGESTED.get(tool.kind, tool.kind), offered, project)


def _offer(tool: Tool, group: str, offered: set[str], project: Described) -> Iterator[str]:
    """A line that works once its # is gone; of a name that two tools have, one, since keys are there once."""
    if tool.name not in offered and tool.kind in project.mapping.converters:
        offered.add(tool.name)
        yield f"  #{scalar(tool.name)}: {literal(group)}"


def _tool(tool: Tool, project: Described) -> Iterator[str]:
    said = f"{scalar(tool.kind)} {scalar(tool.name)} ->"
    group = next((g for g in project.layout.groups if any(_is_same(tool, one) for one in g.tools)), None)
    if group is None:
        known = tool.kind in project.mapping.converters
        yield from remark("  ", f"{said} no column: {'left out' if known else 'no converter for its kind'}")
        return
    own = [group.geometry, group.tracks, group.keyframes, *([group.labels] if group.labels else [])]
    yield from remark("  ", said, [scalar(column.name) for column in own])
    columns = {answer.column.key: answer.column for answer in group.answers}
    for question in tool.questions:
        yield from _question(question, group.key, columns, "  ")


def _is_same(tool: Tool, other: Tool) -> bool:
    return (tool.key, tool.kind) == (other.key, other.kind)


def _question(question: Question, parent: str, columns: Mapping[str, Column], indent: str) -> Iterator[str]:
    """The question, and further in what is asked under its options."""
    key = f"{parent}/{question.key}"
    column = columns.get(key)
    said = f"{indent}{scalar(question.kind)} {scalar(question.name)} -> "
    if column is None:
        yield from remark("  ", f"{said}no column")
        return
    classes = [scalar(one.name) for one in column.classes or ()]
    yield from remark("  ", f"{said}{scalar(column.name)}{':' if classes else ''}", classes)
    for option in question.options:
        for child in option.questions:
            yield from remark("  ", f"{indent}  under {scalar(option.value)}:")
            yield from _question(child, key, columns, f"{indent}    ")


def _leave_out(project: Described) -> Iterator[str]:
    named = dict.fromkeys(project.mapping.leave_out)
    yield from words("", _ABOUT_LEAVE_OUT)
    yield "leave_out:"
    columns = {answer.column.key: answer.column for answer in project.layout.answers}
    offered = set(named)
    yield from (f"  {scalar(name)}:" for name in named)
    for question in project.ontology.questions:
        yield from _question(question, "", columns, "")
        if question.name not in offered:
            offered.add(question.name)
            yield f"  #{scalar(question.name)}:"
    if project.layout.relationships:
        yield from remark("  ", f"relationships -> {scalar(project.layout.relationships.name)}")


def _converters(project: Described, node: Node) -> Iterator[str]:
    kinds = {tool.kind for tool in project.ontology.tools}
    yield from words("", _ABOUT_CONVERTERS)
    yield "converters:"
    for kind, converter in node["converters"].items():
        line = f"  {scalar(kind)}: {flow(converter)}"
        if kind in kinds:
            yield from words("  ", _doc(project.mapping.converters[kind]))
        yield line
        if kind in kinds:
            yield from (other for other in _other_converters(kind) if f"  {other.lstrip(' #')}" != line)


def _other_converters(kind: str) -> Iterator[str]:
    if kind == "rectangle":
        yield "  # The same in whole numbers:"
        yield "  #rectangle: {_target_: lakebox.core.convert.Boxes, dtype: int32}"
    for converter in _MASK_CONVERTERS if kind in RASTER_KINDS else ():
        yield from words("  ", _doc(converter()))
        yield f"  #{kind}: {{_target_: {converter.__module__}.{converter.__name__}}}"


def _doc(converter: Converter) -> str:
    """What a converter says of itself, in one line."""
    return (type(converter).__doc__ or "").strip().partition("\n")[0]
