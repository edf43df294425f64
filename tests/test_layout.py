"""Column names and class indexes: what users' training code relies on from one run to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from lakebox.core.columns import Column
from lakebox.core.convert import Boxes, ClassMasks, Converter, InstanceMasks, Points, Vertices
from lakebox.core.facts import fact_columns, media_columns
from lakebox.core.layout import Layout, make_layout
from lakebox.core.mapping import LinkMasks, Mapping, NoMasks
from lakebox.core.model import Ontology, Option, Question, Tool

CONVERTERS: dict[str, Converter] = {
    "rectangle": Boxes(),
    "point": Points(),
    "line": Vertices(),
    "polygon": Vertices(),
    "raster-segmentation": InstanceMasks(),
    "superpixel": InstanceMasks(),
}
BY_KIND = {"rectangle": "boxes", "point": "points", "line": "lines", "polygon": "polygons",
           "raster-segmentation": "mask", "superpixel": "mask"}  # fmt: skip
TAKEN = [c.name for c in (*media_columns("video", Column("frames", "jpg")), *fact_columns("video"))]


def mapping(**more: Any) -> Mapping:
    return Mapping(**{"converters": CONVERTERS, **more})


def lay(
    tools: Iterable[Tool] = (),
    questions: Iterable[Question] = (),
    how: Mapping | None = None,
    before: Layout | None = None,
) -> Layout:
    stored = {column.key: column for column in before.columns()} if before else {}
    return make_layout(Ontology(tuple(tools), tuple(questions)), how or mapping(), TAKEN, stored)


def names(layout: Layout) -> set[str]:
    return {column.name for column in layout.columns()}


def column(layout: Layout, name: str) -> Column:
    return next(item for item in layout.columns() if item.name == name)


def classes(layout: Layout, name: str) -> list[str]:
    return [item.name for item in column(layout, name).classes or ()]


def geometry(name: str, *more: str, grouped: bool = False) -> set[str]:
    own = {name, f"{name}_tracks", f"{name}_keyframes"} | ({f"{name}_labels"} if grouped else set())
    return own | set(more)


def ask(name: str, kind: str = "radio", *options: Option, key: str = "") -> Question:
    return Question(key or f"s-{name}", kind, name, options)


def opt(value: str, *questions: Question, key: str = "") -> Option:
    return Option(key or f"s-{value}", value, value.title(), questions)


RED, BLUE, GREEN = opt("red"), opt("blue"), opt("green")
COLOUR = ask("colour", "radio", RED, BLUE)
CAR, DOG = Tool("s-car", "rectangle", "car"), Tool("s-dog", "rectangle", "dog")
PAINTED = replace(CAR, questions=(COLOUR,))


@pytest.mark.parametrize(
    ("tools", "how", "expected"),
    [
        ([CAR], {}, geometry("car")),
        ([PAINTED], {}, geometry("car/car", "car/colour")),
        ([CAR, DOG], {}, geometry("car") | geometry("dog")),
        ([CAR, DOG], {"groups": BY_KIND}, geometry("boxes", grouped=True)),
        ([CAR], {"groups": BY_KIND}, geometry("boxes", grouped=True)),
        ([PAINTED, DOG], {"groups": BY_KIND}, geometry("boxes/boxes", "boxes/colour", grouped=True)),
        (
            [CAR, DOG],
            {"groups": {**BY_KIND, "dog": "pets"}},
            geometry("boxes", grouped=True) | geometry("pets", grouped=True),
        ),
        ([CAR, DOG], {"leave_out": ["dog"]}, geometry("car")),
        ([CAR, DOG], {"leave_out": ["rectangle"]}, set()),
        ([PAINTED], {"leave_out": ["colour"]}, geometry("car/car")),
    ],
    ids=[
        "by name",
        "nested",
        "two",
        "by kind",
        "one by kind",
        "nested by kind",
        "name wins over kind",
        "without one",
        "without a kind",
        "without a question",
    ],
)
def test_names_of_tools(tools: list[Tool], how: dict[str, Any], expected: set[str]) -> None:
    assert names(lay(tools, how=mapping(**how))) == expected


def test_names_of_questions_about_frames_and_under_options() -> None:
    why = ask("why", "text")
    weather = ask("weather", "radio", opt("rainy", ask("how", "checklist", opt("much", why))), opt("dry"))
    assert names(lay(questions=[weather])) == {"weather", "weather/how", "weather/how/why"}


def test_names_under_options_of_a_tools_question() -> None:
    colour = ask("colour", "radio", opt("red", ask("shade", "text")))
    assert names(lay([replace(CAR, questions=(colour,))])) == geometry("car/car", "car/colour", "car/colour/shade")


def test_types_of_columns() -> None:
    seen = ask("seen", "checklist", RED, BLUE)
    tools = [replace(CAR, questions=(COLOUR, seen, ask("note", "text")))]
    layout = lay(tools, [replace(COLOUR, key="g"), replace(seen, key="h"), ask("said", "text")])
    assert {c.name: (c.type, c.dtype, c.ndim) for c in layout.columns()} == {
        "car/car": ("box", "float32", 1),
        "car/car_tracks": ("array", "int32", 1),
        "car/car_keyframes": ("array", "uint8", 1),
        "car/colour": ("class", "int32", 1),
        "car/seen": ("array", "uint8", 2),
        "car/note": ("text", "", 1),
        "colour": ("class", "int32", 1),
        "seen": ("class", "int32", 1),
        "said": ("text", "", 1),
    }
    assert classes(layout, "car/seen") == ["red", "blue"]


def test_relationships_column_only_where_there_are_any() -> None:
    stored: dict[str, Column] = {}
    assert make_layout(Ontology(relationships=True), mapping(), TAKEN, stored).relationships
    assert make_layout(Ontology(), mapping(), TAKEN, stored).relationships is None


@pytest.mark.parametrize("name", [name for name in TAKEN if "/" not in name])
@pytest.mark.parametrize("kind", ["rectangle", "question"])
def test_lakebox_keeps_its_own_names(name: str, kind: str) -> None:
    layout = lay([Tool("s", kind, name)]) if kind != "question" else lay(questions=[ask(name, "text")])
    assert names(layout)
    assert not names(layout) & set(TAKEN)


@pytest.mark.parametrize(
    "tools",
    [
        [CAR, Tool("s2", "rectangle", "car")],
        [CAR, Tool("s2", "polygon", "car")],
        [CAR, Tool("s2", "polygon", "car"), Tool("s3", "polygon", "car"), Tool("s4", "polygon", "car")],
        [CAR, Tool("s2", "rectangle", "car_tracks")],
        [Tool("s2", "rectangle", "car_tracks"), CAR],
        [PAINTED, replace(PAINTED, key="s2", questions=(replace(COLOUR, key="s-paint"),))],
        [Tool("s2", "rectangle", "car", (ask("car"),))],
        [Tool("s2", "rectangle", "car", (ask("car_tracks"), ask("car_keyframes"), ask("car_labels")))],
        [Tool("s2", "rectangle", "car", (ask("q", key="k1"), ask("q", key="k2")))],
        [Tool("s2", "rectangle", "")],
        [Tool("s2", "rectangle", 'a"b\nc'), Tool("s3", "rectangle", "a_b_c")],
    ],
)
@pytest.mark.parametrize("groups", [{}, BY_KIND], ids=["by name", "by kind"])
def test_collisions_are_told_apart_and_never_merged(tools: list[Tool], groups: dict[str, str]) -> None:
    questions = [ask("car", "text"), ask("car", "radio", RED, key="other"), ask("colour")]
    layout = lay(tools, questions, mapping(groups=groups))
    listed = [item.name for item in layout.columns()]
    assert len(set(listed)) == len(listed)
    assert all(name and '"' not in name and "\n" not in name for name in listed)
    assert sum(len(group.tools) for group in layout.groups) == len(tools)
    asked = sum(len(tool.questions) for tool in tools)
    assert sum(len(group.answers) for group in layout.groups) == asked
    assert len(layout.answers) == 3
    again = lay(tools, questions, mapping(groups=groups), layout)
    assert [item.name for item in again.columns()] == listed
    assert again.digest() == layout.digest()


def test_one_group_of_two_kinds_becomes_two_tensors() -> None:
    layout = lay([CAR, Tool("s2", "polygon", "lane")], how=mapping(groups={"rectangle": "g", "polygon": "g"}))
    assert len(layout.groups) == 2
    assert len({group.geometry.name for group in layout.groups}) == 2


def test_superpixel_shares_the_tensor_of_raster_segmentation() -> None:
    tools = [Tool("a", "superpixel", "road"), Tool("b", "raster-segmentation", "sky")]
    assert names(lay(tools, how=mapping(groups=BY_KIND))) == geometry("mask", grouped=True)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([BLUE, RED], ["red", "blue"]),
        ([GREEN, RED, BLUE], ["red", "blue", "green"]),
        ([RED], ["red", "blue"]),
        ([opt("crimson", key="s-red"), BLUE], ["crimson", "blue"]),
        ([GREEN], ["red", "blue", "green"]),
    ],
    ids=["reordered", "inserted", "archived", "renamed", "replaced"],
)
@pytest.mark.parametrize("where", ["frame", "object", "checklist of an object"])
def test_option_indexes_only_grow(after: list[Option], expected: list[str], where: str) -> None:
    def layout(options: Iterable[Option], before: Layout | None = None) -> Layout:
        question = ask("colour", "checklist" if "checklist" in where else "radio", *options)
        if where == "frame":
            return lay(questions=[question], before=before)
        return lay([replace(CAR, questions=(question,))], before=before)

    found = layout(after, layout([RED, BLUE]))
    assert classes(found, "colour" if where == "frame" else "car/colour") == expected


def test_class_indexes_of_a_group_only_grow() -> None:
    cat = Tool("s-cat", "rectangle", "cat")
    how = mapping(groups=BY_KIND)
    before = lay([CAR, DOG], how=how)
    after = lay([cat, DOG], how=how, before=before)
    assert classes(after, "boxes_labels") == ["car", "dog", "cat"]
    assert [tool.name for tool in after.groups[0].tools] == ["car", "dog", "cat"]


def test_class_numbers_of_class_masks_only_grow() -> None:
    how = mapping(groups=BY_KIND, converters={**CONVERTERS, "raster-segmentation": ClassMasks()})
    sky, road = Tool("s-sky", "raster-segmentation", "sky"), Tool("s-road", "raster-segmentation", "road")
    assert classes(lay([road, sky], how=how, before=lay([sky], how=how)), "mask") == ["background", "sky", "road"]


def test_names_stay_when_features_are_renamed() -> None:
    weather = ask("weather", "radio", opt("rainy", ask("how", "text")))
    before = lay([PAINTED], [weather])
    renamed = replace(PAINTED, name="vehicle", questions=(replace(COLOUR, name="paint"),))
    moved = replace(weather, name="sky", options=(opt("rainy", ask("so", "text", key="s-how")),))
    after = lay([renamed], [moved], before=before)
    assert names(after) == names(before)
    assert after.digest() == before.digest()


def test_names_stay_when_the_ontology_is_reordered() -> None:
    tools = [CAR, Tool("s2", "polygon", "car"), Tool("s3", "rectangle", "car_tracks")]
    before = lay(tools)
    after = lay(reversed(tools), before=before)
    assert {c.key: c.name for c in after.columns()} == {c.key: c.name for c in before.columns()}


CUBOID = Tool("s-cuboid", "cuboid", "crate")
SAME_CELLS: dict[str, Any] = {
    "a renamed tool": {"tools": [replace(PAINTED, name="auto")]},
    "another radio option": {"tools": [replace(PAINTED, questions=(replace(COLOUR, options=(RED, BLUE, GREEN)),))]},
    "options reordered": {"tools": [replace(PAINTED, questions=(replace(COLOUR, options=(BLUE, RED)),))]},
    "a tool that nothing converts": {"tools": [PAINTED, CUBOID]},
}
OTHER_CELLS: dict[str, Any] = {
    "another tool": {"tools": [PAINTED, DOG]},
    "another dtype": {"how": mapping(converters={**CONVERTERS, "rectangle": Boxes(dtype="int32")})},
    "groups": {"how": mapping(groups=BY_KIND)},
    "a tool left out": {"how": mapping(leave_out=["car"])},
    "a question left out": {"how": mapping(leave_out=["colour"])},
}


@pytest.mark.parametrize("change", SAME_CELLS.values(), ids=SAME_CELLS.keys())
def test_digest_stays_when_cells_do(change: dict[str, Any]) -> None:
    before = lay([PAINTED])
    assert lay(**{"tools": [PAINTED], "before": before, **change}).digest() == before.digest()


@pytest.mark.parametrize("change", OTHER_CELLS.values(), ids=OTHER_CELLS.keys())
def test_digest_changes_when_cells_do(change: dict[str, Any]) -> None:
    before = lay([PAINTED])
    assert lay(**{"tools": [PAINTED], "before": before, **change}).digest() != before.digest()


def test_digest_changes_when_a_multi_hot_cell_grows_or_a_group_loses_a_tool() -> None:
    seen = ask("seen", "checklist", RED, BLUE)
    before = lay([replace(CAR, questions=(seen,))])
    after = lay([replace(CAR, questions=(replace(seen, options=(RED, BLUE, GREEN)),))], before=before)
    assert after.digest() != before.digest()
    whole = lay([CAR, DOG], how=mapping(groups=BY_KIND))
    part = lay([CAR, DOG], how=mapping(groups=BY_KIND, leave_out=["dog"]), before=whole)
    assert part.digest() != whole.digest()


def test_what_has_no_column_is_named_with_the_reason() -> None:
    layout = lay([CUBOID, CAR], [ask("rank", "ranking")], mapping(leave_out=["car"]))
    assert "cuboid" in layout.left_out["s-cuboid"]
    assert "car" in layout.left_out["s-car"]
    assert "rank" in layout.left_out["s-rank"]


def test_mask_policies() -> None:
    road = Tool("r", "raster-segmentation", "road")
    assert column(lay([road], how=LinkMasks().adapt(mapping())), "road").type == "text"
    assert names(lay([road], how=NoMasks().adapt(mapping()))) == set()


def test_typos_in_a_mapping_are_found() -> None:
    weather = ask("weather", "radio", opt("rainy", ask("how", "text")))
    how = mapping(groups={"car": "a", "rectangle": "b", "cra": "c"}, leave_out=["how", "colour", "text", "hwo"])
    assert how.unknown((PAINTED,), (weather,)) == ["cra", "hwo"]


def test_columns_are_known_again_from_what_is_stored_beside_them() -> None:
    for item in lay([PAINTED], [ask("weather", "radio", RED)], mapping(groups=BY_KIND)).columns():
        assert Column.recalled(item.name, item.described()) == item
