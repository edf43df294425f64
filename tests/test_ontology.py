"""Ontologies: read, found again, and derived from what labels use."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from lakebox.core.annotations import parse_label
from lakebox.core.model import Label, LabelHead, Ontology, Option, Picked, Question, Tool
from lakebox.core.ontology import Observer, find_option, find_question, find_tool, parse_ontology, tool_kind
from lakebox.errors import SourceError

BOX = {"left": 0, "top": 0, "width": 1, "height": 1}


def label(*objects: dict[str, Any], answers: tuple[dict[str, Any], ...] = (), **more: Any) -> Label:
    annotations = {"objects": list(objects), "classifications": list(answers), **more}
    return parse_label({"annotations": annotations}, LabelHead("L", "", 0.0, False, False))


def thing(name: str, schema: str = "", kind: str = "ImageBoundingBox", *answers: dict[str, Any]) -> dict[str, Any]:
    ids = {"feature_schema_id": schema} if schema else {}
    shape = {"feature_id": f"f-{name}-{schema}", "name": name, "annotation_kind": kind, "bounding_box": BOX}
    return {**ids, **shape, "classifications": list(answers)}


def radio(name: str, picked: str, *below: dict[str, Any], ids: bool = True) -> dict[str, Any]:
    own = {"feature_schema_id": f"s-{name}"} if ids else {}
    answer = {"feature_id": "x", "name": picked.title(), "value": picked, "classifications": list(below)}
    chosen = {**answer, **({"feature_schema_id": f"s-{name}-{picked}"} if ids else {})}
    return {**own, "feature_id": f"f-{name}", "name": name, "radio_answer": chosen}


def observed(*labels: Label, given: Ontology | None = None) -> Observer:
    observer = Observer(given or Ontology())
    for item in labels:
        observer.see(item)
    return observer


@pytest.mark.parametrize(
    ("kind", "tool"),
    [
        ("VideoBoundingBox", "rectangle"),
        ("ImageBoundingBox", "rectangle"),
        ("ImagePolygon", "polygon"),
        ("VideoPolyline", "line"),
        ("ImagePoint", "point"),
        ("VideoSegmentationMask", "raster-segmentation"),
        ("ImageCuboid", "cuboid"),
        ("TextEntity", "entity"),
    ],
)
def test_tool_kind(kind: str, tool: str) -> None:
    assert tool_kind(kind) == tool


NORMALIZED: dict[str, Any] = {
    "id": "ont1",
    "tools": [
        {
            "tool": "rectangle", "name": "Car", "featureSchemaId": "s-car", "required": False,
            "classifications": [
                {"type": "radio", "instructions": "Colour", "name": "colour", "featureSchemaId": "s-colour",
                 "options": [{"label": "Red", "value": "red", "featureSchemaId": "s-red", "options": [
                     {"type": "text", "instructions": "Shade", "name": "shade", "featureSchemaId": "s-shade"}]}]},
            ],
        },
        {"tool": "superpixel", "name": "Road"},
    ],
    "classifications": [{"type": "checklist", "name": "seen", "options": [{"label": "Dog"}]}],
    "relationships": [],
}  # fmt: skip


def test_parse() -> None:
    ontology = parse_ontology(NORMALIZED, "o.json")
    shade = Question("s-shade", "text", "Shade")
    colour = Question("s-colour", "radio", "Colour", (Option("s-red", "red", "Red", (shade,)),))
    assert ontology.tools == (Tool("s-car", "rectangle", "Car", (colour,)), Tool("Road", "superpixel", "Road"))
    assert ontology.questions == (Question("seen", "checklist", "seen", (Option("Dog", "Dog", "Dog"),)),)
    assert (ontology.id, ontology.relationships) == ("ont1", False)


def test_relationships_are_asked_for_by_the_ontology() -> None:
    assert parse_ontology({**NORMALIZED, "relationships": [{"name": "rides"}]}, "o.json").relationships


@pytest.mark.parametrize("raw", [{}, {"tools": []}, {"tools": None, "classifications": []}, {"tools": [{}]}])
def test_what_is_no_ontology_is_refused_with_its_file(raw: dict[str, Any]) -> None:
    with pytest.raises(SourceError, match=r"o\.json"):
        parse_ontology(raw, "o.json")


CAR, OTHER_CAR = Tool("s1", "rectangle", "Car"), Tool("s2", "polygon", "Car")
NAMELESS = Tool("Car", "rectangle", "Car")


@pytest.mark.parametrize(
    ("tools", "node", "found"),
    [
        ((OTHER_CAR, CAR), thing("Car", "s1"), CAR),
        ((CAR,), thing("Renamed since", "s1"), CAR),
        ((OTHER_CAR, CAR), thing("Car"), CAR),
        ((NAMELESS,), thing("Car", "s9"), NAMELESS),
        ((CAR,), thing("Car", "s9"), None),
        ((OTHER_CAR,), thing("Car"), None),
    ],
    ids=["id", "id before name", "name and kind", "ontology without ids", "other id", "other kind"],
)
def test_find_tool(tools: tuple[Tool, ...], node: dict[str, Any], found: Tool | None) -> None:
    assert find_tool(tools, label(node).tracks[0]) == found


def test_superpixel_is_the_old_name_of_raster_segmentation() -> None:
    road = Tool("Road", "superpixel", "Road")
    track = label({**thing("Road", "", "ImageSegmentationMask"), "mask": {"url": "m"}}).tracks[0]
    assert find_tool([road], track) == road


@pytest.mark.parametrize(
    ("questions", "answer", "found"),
    [
        ([Question("s-q", "radio", "was q"), Question("s-p", "radio", "q")], radio("q", "a"), 0),
        ([Question("s-p", "radio", "p"), Question("s-z", "radio", "q")], radio("q", "a", ids=False), 1),
        ([Question("q", "radio", "q")], radio("q", "a"), 0),
        ([Question("s-z", "radio", "q")], radio("q", "a"), None),
    ],
    ids=["id", "answer without id", "ontology without ids", "same name, other id"],
)
def test_find_question(questions: list[Question], answer: dict[str, Any], found: int | None) -> None:
    assert find_question(questions, label(answers=(answer,)).answers[0]) == (
        None if found is None else questions[found]
    )


RED, BLUE = Option("s-red", "red", "Red"), Option("s-blue", "blue", "Blue")


@pytest.mark.parametrize(
    ("options", "picked", "found"),
    [
        ([BLUE, RED], Picked("s-red", "blue", "Blue", ""), RED),
        ([BLUE, RED], Picked("", "red", "Blue", ""), RED),
        ([BLUE, RED], Picked("", "", "Red", ""), RED),
        ([Option("red", "red", "Red")], Picked("s-red", "red", "", ""), Option("red", "red", "Red")),
        ([BLUE, RED], Picked("s-new", "red", "Red", ""), None),
        ([BLUE, RED], Picked("", "green", "Green", ""), None),
    ],
    ids=["id", "value", "label", "ontology without ids", "other id", "unknown"],
)
def test_find_option(options: list[Option], picked: Picked, found: Option | None) -> None:
    assert find_option(options, picked) == found


LABELS = (
    label(thing("Dog", "s-dog"), answers=(radio("weather", "sunny"),)),
    label(thing("Car", "s-car", "ImageBoundingBox", radio("colour", "red"))),
    label(thing("Car", "s-car", "ImageBoundingBox", radio("colour", "blue", radio("shade", "dark")))),
    label(answers=(radio("weather", "rainy", radio("how", "much")), radio("mood", "good"))),
)


def test_derivation_does_not_depend_on_the_order_of_the_export() -> None:
    results = {repr(observed(*order).ontology()) for order in permutations(LABELS)}
    assert len(results) == 1


def test_derivation_finds_everything_at_every_depth() -> None:
    ontology = observed(*LABELS).ontology()
    assert [tool.name for tool in ontology.tools] == ["Car", "Dog"]
    (colour,) = ontology.tools[0].questions
    assert [option.value for option in colour.options] == ["blue", "red"]
    assert colour.options[0].questions[0].name == "shade"
    assert [question.name for question in ontology.questions] == ["mood", "weather"]
    weather = ontology.questions[1]
    assert [option.value for option in weather.options] == ["rainy", "sunny"]
    assert weather.options[0].questions[0].name == "how"


def test_derivation_sees_questions_about_frames_and_relationships() -> None:
    link = {"feature_id": "r", "unidirectional_relationship": {"source": "a", "target": "b"}}
    found = observed(label(frames={"1": {"classifications": [radio("fog", "thick")]}}, relationships=[link])).ontology()
    assert ([question.name for question in found.questions], found.relationships) == (["fog"], True)


def test_what_the_ontology_does_not_list_is_added_behind_it() -> None:
    given = parse_ontology(NORMALIZED, "o.json")
    observer = observed(
        label(thing("Archived", "s-old"), thing("Car", "s-car", "ImageBoundingBox")),
        label(answers=(radio("gone", "yes"),)),
        given=given,
    )
    assert [tool.name for tool in observer.ontology().tools] == ["Car", "Road", "Archived"]
    assert [question.name for question in observer.ontology().questions] == ["seen", "gone"]
    text = " ".join(observer.additions())
    assert all(name in text for name in ("Archived", "gone", "yes"))
    assert "Road" not in text


def test_options_in_use_are_added_behind_those_of_the_ontology() -> None:
    node = {**radio("Colour", "aqua", ids=False), "feature_schema_id": "s-colour"}
    observer = observed(label(thing("Car", "s-car", "ImageBoundingBox", node)), given=parse_ontology(NORMALIZED, "o"))
    (colour,) = observer.ontology().tools[0].questions
    assert [option.value for option in colour.options] == ["red", "aqua"]


def test_an_ontology_that_lists_everything_stays_as_it_is() -> None:
    given = parse_ontology(NORMALIZED, "o.json")
    observer = observed(label(thing("Car", "s-car")), given=given)
    assert observer.ontology() == given
    assert observer.additions() == []
    assert observer.met == {"s-car"}


def test_tools_of_one_name_and_two_kinds_stay_two_without_schema_ids() -> None:
    polygon = {**thing("Car", "", "ImagePolygon"), "feature_id": "p", "polygon": [{"x": 0, "y": 0}]}
    polygon.pop("bounding_box")
    observer = observed(label(thing("Car"), polygon))
    assert sorted(tool.kind for tool in observer.ontology().tools) == ["polygon", "rectangle"]
