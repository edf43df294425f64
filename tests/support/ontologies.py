"""Generated ontologies in Labelbox's normalized JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
Draw = st.DrawFn

KINDS = ("rectangle", "polygon", "line", "point", "raster-segmentation", "superpixel")
QUESTIONS = ("radio", "checklist", "text")

_WORDS = ("car", "Fußgänger", "traffic light", "車", "lane-mark", "v1.0", "Ünïcode_é")


@dataclass
class Names:
    """Hands out names and schema ids, each once in an ontology."""

    used: int = 0
    seen: list[str] = field(default_factory=list)

    def new(self, word: str) -> str:
        """Return a name never handed out before."""
        self.used += 1
        self.seen.append(f"{word} {self.used}")
        return self.seen[-1]

    def schema(self) -> str:
        """Return a schema id never handed out before."""
        self.used += 1
        return f"schema{self.used:04d}"


@st.composite
def ontologies(draw: Draw, media: str) -> Json:
    """Draw an ontology: tools of every kind in any order, questions everywhere."""
    names = Names()
    tools = []
    for kind in KINDS:
        for _ in range(draw(st.sampled_from([0, 1, 0, 1, 2, 1, 3, 4]))):
            tools.append(_tool(draw, names, kind))
    if draw(st.booleans()):  # kinds mixed instead of one after another
        tools = tools[::2] + tools[1::2]
    questions = []
    for _ in range(draw(st.sampled_from([1, 0, 2, 3, 4]))):
        question = _question(draw, names, depth=2)
        scopes = ["index", "global"] if media == "video" else ["global", "index"]
        question["scope"] = draw(st.sampled_from(scopes))
        questions.append(question)
    ontology: Json = {"tools": tools, "classifications": questions}
    if media == "image":
        relationships = draw(st.sampled_from(["absent", "empty", "one"]))
        if relationships != "absent":
            ontology["relationships"] = []
        if relationships == "one":
            ontology["relationships"].append(_relationship(names))
    return ontology


def _word(draw: Draw) -> str:
    return draw(st.sampled_from(_WORDS))


def _tool(draw: Draw, names: Names, kind: str) -> Json:
    count = draw(st.sampled_from([0, 0, 1, 2]))
    return {
        "tool": kind,
        "name": names.new(_word(draw)),
        "required": False,
        "color": "#ff0000",
        "classifications": [_question(draw, names, depth=2) for _ in range(count)],
        "schemaNodeId": names.schema(),
        "featureSchemaId": names.schema(),
    }


def _question(draw: Draw, names: Names, depth: int) -> Json:
    kind = draw(st.sampled_from(QUESTIONS))
    title = names.new(_word(draw))
    question: Json = {
        "type": kind,
        "instructions": title,
        "name": slug(title),
        "required": False,
        "schemaNodeId": names.schema(),
        "featureSchemaId": names.schema(),
    }
    if kind != "text":
        count = draw(st.sampled_from([2, 1, 3]))
        question["options"] = [_option(draw, names, depth) for _ in range(count)]
    elif draw(st.booleans()):
        question["options"] = []
    return question


def _option(draw: Draw, names: Names, depth: int) -> Json:
    label = names.new(_word(draw))
    option: Json = {
        "label": label,
        "value": slug(label),
        "schemaNodeId": names.schema(),
        "featureSchemaId": names.schema(),
    }
    if depth and draw(st.sampled_from([False, False, True])):
        option["options"] = [_question(draw, names, depth - 1)]
    return option


def _relationship(names: Names) -> Json:
    return {
        "tool": "edge",
        "name": names.new("belongs to"),
        "schemaNodeId": names.schema(),
        "featureSchemaId": names.schema(),
    }


def slug(name: str) -> str:
    """Return a name as Labelbox writes it in `value`."""
    return name.lower().replace(" ", "_")


@st.composite
def groupings(draw: Draw, ontology: Json) -> dict[str, str]:
    """Draw a mapping of tool names and kinds to group names.

    A group never mixes kinds, and no group is named like another column.
    """
    style = draw(st.sampled_from(["none", "kind", "name", "both"]))
    groups: dict[str, str] = {}
    for kind in KINDS:
        tools = [tool for tool in ontology["tools"] if tool["tool"] == kind]
        if style in ("kind", "both") and draw(st.booleans()):
            groups[kind] = f"all {kind}"
        if style in ("name", "both") and draw(st.booleans()) and tools:
            first = draw(st.integers(0, len(tools) - 1))
            for tool in tools[first:]:
                groups[tool["name"]] = f"some {kind}"
    return groups
