"""The test support tested: cells computed by hand, generated variety, pixels."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from PIL import Image

from .compare import differences, same_cell
from .projects import Project, projects
from .reference import expected_cells, expected_class_names
from .varieties import varieties
from .video import UnreadableNumberError, read_number, write_image, write_video
from .write import write_project

Json = dict[str, Any]

# ------------------------------------------------------- exports written by hand

BOX = {"tool": "rectangle", "name": "car", "featureSchemaId": "s-car"}
CAR = {"feature_schema_id": "s-car", "name": "car"}


def radio(name: str, *options: Json | str, scope: str | None = None) -> Json:
    """Return a radio question of an ontology, options given by name or whole."""
    question = {
        "type": "radio",
        "instructions": name,
        "name": name.lower(),
        "featureSchemaId": f"s-{name}",
        "options": [option if isinstance(option, dict) else o(option) for option in options],
    }
    return question | ({} if scope is None else {"scope": scope})


def o(name: str, *children: Json) -> Json:
    """Return an option of an ontology: label "Red", value "red"."""
    option: Json = {
        "label": name,
        "value": name.lower(),
        "featureSchemaId": f"s-{name}",
    }
    return option | ({"options": list(children)} if children else {})


def checklist(name: str, *options: Json | str, scope: str | None = None) -> Json:
    """Return a checklist question of an ontology."""
    return radio(name, *options, scope=scope) | {"type": "checklist"}


def text(name: str, scope: str | None = None) -> Json:
    """Return a text question of an ontology."""
    question = {"type": "text", "instructions": name, "featureSchemaId": f"s-{name}"}
    return question | ({} if scope is None else {"scope": scope})


def box(feature_id: str, left: float, *answers: Json, **node: Any) -> Json:
    """Return a car at (left, 2) of size 3 x 4."""
    sides = {"left": left, "top": 2, "width": 3, "height": 4}
    shared = {"feature_id": feature_id, "bounding_box": sides}
    return CAR | shared | {"classifications": list(answers)} | node


def chosen(question: str, option: str, *children: Json, fid: str = "q") -> Json:
    """Return the answer to a radio question."""
    return {"feature_id": fid, "name": question, "radio_answer": a(option, *children)}


def ticked(question: str, *answers: Json, fid: str = "q") -> Json:
    """Return the answer to a checklist question."""
    return {"feature_id": fid, "name": question, "checklist_answers": list(answers)}


def a(option: str, *children: Json, fid: str = "a") -> Json:
    """Return a chosen option."""
    return {"feature_id": fid, "name": option, "classifications": list(children)}


def typed(question: str, content: str, fid: str = "q") -> Json:
    """Return the answer to a text question."""
    return {"feature_id": fid, "name": question, "text_answer": {"content": content}}


def export_row(annotations: Json | None, frames: int | None = None, **label: Any) -> Json:
    """Return a data row of 4x3 pixels with one label: an image, or a video."""
    media: Json = {"width": 4, "height": 3}
    if frames is not None:
        media |= {"frame_rate": 25, "frame_count": frames}
    labels = [] if annotations is None else [{"id": "L", "annotations": annotations} | label]
    return {
        "data_row": {"id": "d", "row_data": "media/d.mp4"},
        "media_attributes": media,
        "projects": {"p": {"name": "P", "labels": labels}},
    }


def tracks(
    frames: dict[int, list[Json]],
    segments: Json | None = None,
    **more: Any,
) -> Json:
    """Return a video label's annotations, of objects by frame."""
    nodes = {
        str(frame): {"objects": {node["feature_id"]: node for node in objects}} for frame, objects in frames.items()
    }
    return {"frames": nodes, "segments": segments or {}} | more


def questions(frames: dict[int, list[Json]], segments: Json | None = None) -> Json:
    """Return a video label's annotations, of frame-level answers by frame."""
    nodes = {str(frame): {"classifications": nodes} for frame, nodes in frames.items()}
    return {"frames": nodes, "segments": segments or {}}


def no_mask(url: str) -> np.ndarray:
    """Fail: nothing should be read."""
    raise AssertionError(url)


def column(
    name: str,
    row: Json,
    ontology: Json,
    groups: dict[str, str] | None = None,
    masks: dict[str, np.ndarray] | None = None,
) -> list[Any]:
    """Return one column's cells, row by row."""
    cells = expected_cells(
        [row],
        ontology,
        project_id="p",
        groups=groups or {},
        read_mask=(masks or {}).__getitem__,
    )
    return [row_cells[name] for row_cells in cells.values()]


def lefts(row: Json) -> list[list[float]]:
    """Return the left sides of all cars on each frame."""
    return [cell[:, 0].tolist() for cell in column("car", row, {"tools": [BOX]})]


def lists(cells: list[Any]) -> list[Any]:
    """Return arrays as plain lists."""
    return [cell.tolist() for cell in cells]


# -------------------------------------------------------------- presence, values


def test_image_is_a_one_frame_video() -> None:
    row = export_row({"objects": [box("a", 1.5)]})
    cells = expected_cells([row], {"tools": [BOX]}, project_id="p", read_mask=no_mask)
    assert list(cells) == ["d:0"]
    cell = cells["d:0"]["car"]
    assert isinstance(cell, np.ndarray)
    assert cell.dtype == np.float32
    assert cell.tolist() == [[1.5, 2.0, 3.0, 4.0]]  # left, top, width, height


def test_objects_as_dict_or_list_give_the_same() -> None:
    as_list = export_row({"objects": [box("a", 1)]})
    as_dict = export_row({"objects": {"a": box("a", 1)}})
    assert lefts(as_list) == lefts(as_dict) == [[1.0]]
    video = export_row({"frames": {"1": {"objects": [box("a", 1)]}}}, frames=1)
    assert lefts(video) == [[1.0]]


def test_linear_between_knots_of_a_segment() -> None:
    row = export_row(tracks({2: [box("a", 10)], 5: [box("a", 40)]}, {"a": [[2, 5]]}), 6)
    assert lefts(row) == [[], [10.0], [20.0], [30.0], [40.0], []]


def test_linear_is_float64_cast_to_float32_at_the_end() -> None:
    row = export_row(tracks({1: [box("a", 0.1)], 4: [box("a", 1.1)]}, {"a": [[1, 4]]}), 2)
    assert lefts(row) == [[float(np.float32(0.1))], [float(np.float32(0.1 + 1.0 / 3))]]


def test_last_knot_holds_to_the_end_of_the_segment() -> None:
    row = export_row(tracks({1: [box("a", 7)]}, {"a": [[1, 3]]}), 4)
    assert lefts(row) == [[7.0], [7.0], [7.0], []]


def test_before_the_first_knot_of_a_segment_is_the_first_knot() -> None:
    row = export_row(tracks({3: [box("a", 7)]}, {"a": [[2, 3]]}), 4)
    assert lefts(row) == [[], [7.0], [7.0], []]


def test_no_movement_across_a_gap() -> None:
    annotations = tracks({1: [box("a", 0)], 5: [box("a", 40)]}, {"a": [[1, 2], [4, 5]]})
    assert lefts(export_row(annotations, 5)) == [[0.0], [0.0], [], [40.0], [40.0]]


def test_segment_without_knot_takes_the_last_knot_before_it() -> None:
    annotations = tracks({2: [box("a", 7)]}, {"a": [[1, 1], [2, 2], [4, 4]]})
    # nothing is before segment [1, 1]: absent there
    assert lefts(export_row(annotations, 4)) == [[], [7.0], [], [7.0]]


def test_knot_outside_all_segments_counts() -> None:
    row = export_row(tracks({1: [box("a", 7)]}, {"a": [[3, 3]]}), 4)
    assert lefts(row) == [[7.0], [], [7.0], []]


def test_without_segments_only_the_knots() -> None:
    row = export_row(tracks({1: [box("a", 0)], 3: [box("a", 20)]}), 3)
    assert lefts(row) == [[0.0], [], [20.0]]


def test_spelled_out_frames_are_taken_as_they_are() -> None:
    frames = {1: [box("a", 0)], 2: [box("a", 99)], 3: [box("a", 2)]}
    assert lefts(export_row(tracks(frames, {"a": [[1, 3]]}), 3)) == [
        [0.0],
        [99.0],
        [2.0],
    ]


def test_segments_of_a_feature_never_spelled_out_are_nothing() -> None:
    row = export_row(tracks({}, {"ghost": [[1, 2]]}), 2)
    assert lefts(row) == [[], []]


def test_frames_past_the_end_are_knots_that_are_not_written() -> None:
    row = export_row(tracks({1: [box("a", 0)], 5: [box("a", 40)]}, {"a": [[1, 5]]}), 3)
    assert lefts(row) == [[0.0], [10.0], [20.0]]


def test_objects_are_ordered_by_feature_id_as_text() -> None:
    row = export_row({"objects": [box("9", 9), box("b", 11), box("10", 10)]})
    assert lefts(row) == [[10.0, 9.0, 11.0]]


@pytest.mark.parametrize(
    ("knots_of_a", "flags"),
    [
        ({}, [1, 0, 1]),  # not in the map: every knot is a keyframe
        ({"a": [1]}, [1, 0, 0]),
        ({"a": [2, 3]}, [0, 0, 1]),  # frame 2 is not spelled out: no knot
        ({"a": {"1": False, "3": True}}, [0, 0, 1]),
        ({"a": {}}, [0, 0, 0]),
        ({"b": [1]}, [1, 0, 1]),
    ],
)
def test_keyframe_flags(knots_of_a: Json, flags: list[int]) -> None:
    annotations = tracks(
        {1: [box("a", 0)], 3: [box("a", 1)]},
        {"a": [[1, 3]]},
        key_frame_feature_map=knots_of_a,
    )
    cells = column("car_keyframes", export_row(annotations, 3), {"tools": [BOX]})
    assert [cell.dtype for cell in cells] == [np.uint8] * 3
    assert lists(cells) == [[flag] for flag in flags]


def test_image_objects_are_keyframes_and_have_a_track() -> None:
    row = export_row({"objects": [box("abc", 0)]})
    assert lists(column("car_keyframes", row, {"tools": [BOX]})) == [[1]]
    (cell,) = column("car_tracks", row, {"tools": [BOX]})
    # printf abc | b2sum -l 32  ->  63906248; the top bit is clear
    assert cell.dtype == np.int32
    assert cell.tolist() == [0x63906248]


# --------------------------------------------------------------------- geometry


def shape(kind: str, *vertices: tuple[float, float]) -> Json:
    """Return a line or polygon of feature "a"."""
    corners = [{"x": x, "y": y} for x, y in vertices]
    return {"feature_id": "a", "name": kind, kind: corners, "classifications": []}


def test_polygon_moves_when_vertex_counts_are_equal_and_stays_closed() -> None:
    ontology = {"tools": [{"tool": "polygon", "name": "polygon"}]}
    first = shape("polygon", (0, 0), (2, 0), (0, 0))
    second = shape("polygon", (2, 4), (4, 4), (2, 4))
    row = export_row(tracks({1: [first], 3: [second]}, {"a": [[1, 3]]}), 3)
    cells = column("polygon", row, ontology)
    assert [len(cell) for cell in cells] == [1, 1, 1]
    assert cells[1][0].dtype == np.float32
    assert cells[1][0].tolist() == [[1, 2], [3, 2], [1, 2]]


def test_line_holds_when_vertex_counts_differ() -> None:
    ontology = {"tools": [{"tool": "line", "name": "line"}]}
    first, second = shape("line", (0, 0), (2, 0)), shape("line", (5, 5), (6, 6), (7, 7))
    row = export_row(tracks({1: [first], 3: [second]}, {"a": [[1, 3]]}), 4)
    cells = column("line", row, ontology)
    assert cells[1][0].tolist() == [[0, 0], [2, 0]]
    assert cells[2][0].tolist() == [[5, 5], [6, 6], [7, 7]]
    assert cells[3] == []


def test_point_moves_and_its_empty_cell_is_typed() -> None:
    ontology = {"tools": [{"tool": "point", "name": "dot"}]}
    nodes = [{"feature_id": "a", "name": "dot", "point": {"x": x, "y": y}} for x, y in ((1, 1), (2, 5))]
    row = export_row(tracks({1: [nodes[0]], 3: [nodes[1]]}, {"a": [[1, 3]]}), 4)
    cells = column("dot", row, ontology)
    assert lists(cells) == [[[1, 1]], [[1.5, 3]], [[2, 5]], []]
    assert cells[3].shape == (0, 2)
    assert cells[3].dtype == np.float32


ROAD = {"tools": [{"tool": "raster-segmentation", "name": "road"}]}
TOP = [[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
LEFT = [[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]


def road(feature_id: str, **mask: Json) -> Json:
    """Return a road with a mask in some form."""
    return {"feature_id": feature_id, "name": "road", "classifications": []} | mask


def test_mask_pixels_are_those_above_zero_in_any_channel() -> None:
    blue = np.zeros((3, 4, 3), np.uint8)
    blue[:, 0, 2] = 1
    masks = {"grey": np.array(TOP, np.uint8), "blue": blue}
    objects = [road("b", mask={"url": "blue"}), road("a", mask={"url": "grey"})]
    (cell,) = column("road", export_row({"objects": objects}), ROAD, masks=masks)
    assert cell.dtype == np.bool_
    assert cell.shape == (3, 4, 2)
    assert cell[:, :, 0].astype(int).tolist() == TOP  # "a" before "b"
    assert cell[:, :, 1].astype(int).tolist() == LEFT


def test_composite_mask_is_picked_by_color_and_wins() -> None:
    picture = np.zeros((3, 4, 3), np.uint8)
    picture[0] = (1, 2, 3)
    picture[1] = (1, 2, 4)
    masks = {"all": picture, "own": np.array(LEFT, np.uint8)}
    composite = {"url": "all", "color_rgb": [1, 2, 3]}
    node = road("a", composite_mask=composite, mask={"url": "own"})
    (cell,) = column("road", export_row({"objects": [node]}), ROAD, masks=masks)
    assert cell[:, :, 0].astype(int).tolist() == TOP


def test_masks_hold_between_knots_and_are_empty_of_the_pictures_size() -> None:
    masks = {"1": np.array(TOP, np.uint8), "3": np.array(LEFT, np.uint8)}
    frames = {n: [road("a", mask={"url": str(n)})] for n in (1, 3)}
    row = export_row(tracks(frames, {"a": [[1, 3]]}), 4)
    cells = column("road", row, ROAD, masks=masks)
    held = [cell[:, :, 0].astype(int).tolist() for cell in cells[:3]]
    assert held == [TOP, TOP, LEFT]
    assert cells[3].shape == (3, 4, 0)
    assert cells[3].dtype == np.bool_


# ------------------------------------------------------------------------- names

QUESTION = radio("Color", o("Red", text("Shade")), "Blue")
RICH = BOX | {"classifications": [QUESTION]}
BUS = {"tool": "rectangle", "name": "bus", "featureSchemaId": "s-bus"}


@pytest.mark.parametrize(
    ("tools", "groups", "names"),
    [
        ([BOX], {}, "car car_tracks car_keyframes"),
        (
            [RICH, BUS],
            {},
            ("car/car car/car_tracks car/car_keyframes car/Color car/Color/Shade bus bus_tracks bus_keyframes"),
        ),
        (
            [BUS, RICH],
            {"rectangle": "boxes"},
            ("boxes/boxes boxes/boxes_tracks boxes/boxes_keyframes boxes/boxes_labels boxes/Color boxes/Color/Shade"),
        ),
        (
            [BUS, BOX],
            {"bus": "big"},
            "big big_tracks big_keyframes big_labels car car_tracks car_keyframes",
        ),
        (
            [BUS, BOX],  # the tool's name goes before its kind
            {"bus": "big", "rectangle": "boxes"},
            ("big big_tracks big_keyframes big_labels boxes boxes_tracks boxes_keyframes boxes_labels"),
        ),
    ],
)
def test_names(tools: list[Json], groups: dict[str, str], names: str) -> None:
    ontology = {"tools": tools, "classifications": [radio("Day", o("No", text("Why")))]}
    (cells,) = expected_cells([export_row(None)], ontology, project_id="p", groups=groups, read_mask=no_mask).values()
    found = {name for name in cells if not name.startswith("lb_meta/")}
    assert found == {*names.split(), "Day", "Day/Why"}


def test_group_cells_hold_all_tools_with_their_class() -> None:
    ontology = {"tools": [BUS, RICH]}
    bus = {"feature_schema_id": "s-bus", "name": "bus"}
    objects = [box("c", 3), box("b", 2, **bus), box("a", 1, chosen("Color", "Blue"))]
    row, groups = export_row({"objects": objects}), {"rectangle": "boxes"}
    (boxes,) = column("boxes/boxes", row, ontology, groups)
    (labels,) = column("boxes/boxes_labels", row, ontology, groups)
    (colors,) = column("boxes/Color", row, ontology, groups)
    assert boxes[:, 0].tolist() == [1, 2, 3]
    assert labels.tolist() == [1, 0, 1]  # bus is 0, car is 1
    assert labels.dtype == np.int32
    assert colors.tolist() == [1, -1, -1]  # the bus has no such question
    assert expected_class_names(ontology, groups) == {
        "boxes/boxes_labels": ["bus", "car"],
        "boxes/Color": ["red", "blue"],
    }


# ---------------------------------------------------------------- nested answers

PARTS = checklist("Parts", o("Door", radio("Side", "Left", "Right")), "Roof", "Tire")
NESTED = {"tools": [BOX | {"classifications": [QUESTION, PARTS, text("Note")]}]}


def test_nested_answers_are_aligned_with_their_objects() -> None:
    door = a("Door", chosen("Side", "Right"))
    objects = [
        box("a", 1, chosen("Color", "Red", typed("Shade", "wine")), typed("Note", "é")),
        box("b", 2),
        box("c", 3, ticked("Parts", a("Tire"), door), chosen("Color", "Blue")),
    ]
    row = export_row({"objects": objects})
    (parts,) = column("car/Parts", row, NESTED)
    assert lists(column("car/Color", row, NESTED)) == [[0, -1, 1]]
    assert json.loads(column("car/Color/Shade", row, NESTED)[0]) == ["wine", None, None]
    assert parts.tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 1]]
    assert parts.dtype == np.uint8
    assert lists(column("car/Parts/Side", row, NESTED)) == [[-1, -1, 1]]
    assert json.loads(column("car/Note", row, NESTED)[0]) == ["é", None, None]


def test_nested_answers_hold_and_a_knot_without_any_ends_them() -> None:
    frames = {
        2: [box("a", 0, chosen("Color", "Red"))],
        4: [box("a", 0)],
        6: [box("a", 0, chosen("Color", "Blue"))],
    }
    row = export_row(tracks(frames, {"a": [[1, 6]]}), 6)
    # frame 1 is before the first knot: that first knot's
    expected = [[0], [0], [0], [-1], [-1], [1]]
    assert lists(column("car/Color", row, NESTED)) == expected


def test_nested_cells_without_objects_are_typed() -> None:
    row = export_row({})
    (parts,) = column("car/Parts", row, NESTED)
    assert (parts.shape, parts.dtype) == ((0, 3), np.uint8)
    (color,) = column("car/Color", row, NESTED)
    assert (color.shape, color.dtype) == ((0,), np.int32)
    assert column("car/Note", row, NESTED) == ["[]"]


@pytest.mark.parametrize(
    "answer",
    [
        {"feature_schema_id": "s-Blue", "value": "red", "name": "Red"},
        {"value": "blue", "name": "Red"},
        {"feature_schema_id": "from elsewhere", "value": "blue"},
        {"name": "Blue"},
    ],
)
def test_answers_match_by_schema_id_else_value_else_name(answer: Json) -> None:
    node = chosen("Color", "") | {"radio_answer": {"feature_id": "a"} | answer}
    row = export_row({"objects": [box("a", 1, node)]})
    assert lists(column("car/Color", row, NESTED)) == [[1]]


# ------------------------------------------------------- frame-level and global

WEATHER = {
    "classifications": [
        radio("Sky", o("Clear", text("Why")), "Grey", scope="index"),
        checklist("Seen", "Man", "Dog", "Cat", scope="index"),
        text("Words", scope="index"),
    ]
}


def test_frame_level_keyed_by_itself_holds_in_its_segments() -> None:
    frames = {
        2: [chosen("Sky", "Clear", typed("Why", "x"))],
        4: [chosen("Sky", "Grey")],
    }
    row = export_row(questions(frames, {"q": [[1, 4], [6, 6]]}), 6)
    assert lists(column("Sky", row, WEATHER)) == [[0], [0], [0], [1], [], [1]]
    assert column("Sky/Why", row, WEATHER) == ["x", "x", "x", "", "", ""]


def test_frame_level_radio_keyed_by_its_answers() -> None:
    clear = a("Clear", typed("Why", "x"), fid="a0")
    node = {"feature_id": "q", "name": "Sky"}
    frames = {
        2: [node | {"radio_answer": clear}],
        5: [node | {"radio_answer": a("Grey", fid="a1")}],
    }
    row = export_row(questions(frames, {"a0": [[1, 3]], "a1": [[5, 6]]}), 7)
    assert lists(column("Sky", row, WEATHER)) == [[0], [0], [0], [], [1], [1], []]
    assert column("Sky/Why", row, WEATHER) == ["x", "x", "x", "", "", "", ""]


def test_children_of_a_covering_answer_are_of_its_last_knot_else_its_next() -> None:
    node = {"feature_id": "q", "name": "Sky"}
    frames = {
        frame: [node | {"radio_answer": a("Clear", typed("Why", why), fid="a0")}] for frame, why in ((2, "x"), (4, "y"))
    }
    row = export_row(questions(frames, {"a0": [[1, 3], [4, 5]]}), 6)
    assert column("Sky/Why", row, WEATHER) == ["x", "x", "x", "y", "y", ""]


def test_frame_level_checklist_keyed_by_its_answers() -> None:
    cat, man = a("Cat", fid="a2"), a("Man", fid="a0")
    frames = {1: [ticked("Seen", cat, man)], 3: [ticked("Seen", man)]}
    segments = {"a2": [[1, 3]], "a0": [[1, 1], [4, 4]]}
    row = export_row(questions(frames, segments), 5)
    # frame 3 is a knot: as spelled out, whatever the segments say
    assert lists(column("Seen", row, WEATHER)) == [[0, 2], [2], [0], [0], []]


def test_frame_level_without_segments_is_on_its_knots_only() -> None:
    frames = {1: [typed("Words", "hi"), chosen("Sky", "Grey", fid="r")]}
    row = export_row(questions(frames), 2)
    assert column("Words", row, WEATHER) == ["hi", ""]
    cells = column("Sky", row, WEATHER)
    assert lists(cells) == [[1], []]
    assert cells[1].dtype == np.int32
    assert cells[1].shape == (0,)


def test_global_answers_are_on_every_frame() -> None:
    ontology = {"classifications": [checklist("Seen", "Man", "Dog"), text("Words")]}
    answers = [
        ticked("Seen", a("Dog"), a("Man")),
        typed("Words", "second", fid="9"),
        typed("Words", "first", fid="10"),
    ]
    row = export_row({"classifications": answers}, 2)
    assert lists(column("Seen", row, ontology)) == [[0, 1], [0, 1]]
    assert column("Words", row, ontology) == ["first\nsecond"] * 2
    assert expected_class_names(ontology) == {"Seen": ["man", "dog"]}


# ------------------------------------------------------------------ label, meta


def labelled(*labels: Json) -> Json:
    """Return an image with these labels; label i has one car at left i."""
    row = export_row(None)
    row["projects"]["p"]["labels"] = [
        {"id": f"L{i}", "annotations": {"objects": [box("a", i)]}} | label for i, label in enumerate(labels)
    ]
    return row


def dated(date: str) -> Json:
    """Return what dates a label."""
    return {"label_details": {"created_at": date, "created_by": date}}


SKIPPED = {"performance_details": {"skipped": True}}
EARLY, LATE = "2024-01-01T00:00:00.000+00:00", "2024-01-02T00:00:00.000+00:00"


@pytest.mark.parametrize(
    ("labels", "counts"),
    [
        ([{}, {}], 1),
        ([dated(LATE), dated(EARLY)], 0),
        ([dated(LATE), dated(LATE)], 1),
        ([dated(EARLY), dated(LATE) | SKIPPED], 0),
        ([{}, {}, SKIPPED], 1),
        ([{"performance_details": {"skipped": False}}], 0),
        ([dated(EARLY), {}], 0),
        ([SKIPPED], None),
        ([], None),
    ],
)
def test_which_label_counts(labels: list[Json], counts: int | None) -> None:
    row = labelled(*labels)
    assert lefts(row) == [[] if counts is None else [float(counts)]]
    label_id = "" if counts is None else f"L{counts}"
    assert column("lb_meta/label_id", row, {}) == [label_id]


def test_only_the_project_counts() -> None:
    row = labelled({})
    row["projects"] = {"other": labelled({}, {})["projects"]["p"]} | row["projects"]
    assert lefts(row) == [[0.0]]
    row["projects"]["p"].pop("labels")
    assert lefts(row) == [[]]


def test_an_empty_label_is_not_an_unlabelled_row() -> None:
    assert column("lb_meta/label_id", export_row({}), {}) == ["L"]
    assert column("lb_meta/label_id", export_row(None), {}) == [""]


def test_meta_of_a_video() -> None:
    row = export_row({}, 2, label_details={"created_by": "me@example.com"})
    row["data_row"] |= {
        "row_data": "https://host/a/clip%20x.mp4?Expires=1&Signature=2",
        "external_id": "clips/Straße 7.mp4",
        "details": {"dataset_id": "ds", "dataset_name": "DS"},
    }
    cells = expected_cells([row], {}, project_id="p", read_mask=no_mask)["d:1"]
    assert cells == {
        "lb_meta/id": "d",
        "lb_meta/row_key": "d:1",
        "lb_meta/label_id": "L",
        "lb_meta/label_creator": "me@example.com",
        "lb_meta/external_id": "clips/Straße 7.mp4",
        "lb_meta/global_key": "",
        "lb_meta/row_data": "https://host/a/clip%20x.mp4",
        "lb_meta/dataset_id": "ds",
        "lb_meta/dataset_name": "DS",
        "lb_meta/project_name": "P",
        "lb_meta/ontology_id": "",
        "lb_meta/width": 4,
        "lb_meta/height": 3,
        "lb_meta/video_name": "Straße 7",
        "lb_meta/frame_rate": 25.0,
        "lb_meta/frame_count": 2,
        "lb_meta/frame_number": 2,
        "lb_meta/current_frame_name": "Straße 7_000002",
    }
    numbers = {name: cell.dtype for name, cell in cells.items() if hasattr(cell, "dtype")}
    assert numbers.pop("lb_meta/frame_rate") == np.float64
    assert set(numbers.values()) == {np.dtype(np.int32)}
    assert len(numbers) == 4


def test_meta_of_an_image() -> None:
    (cells,) = expected_cells([export_row(None)], {}, project_id="p", read_mask=no_mask).values()
    assert cells["lb_meta/image_name"] == "d"  # the stem of row_data
    assert not {"lb_meta/video_name", "lb_meta/frame_number"} & cells.keys()


# ---------------------------------------------------------------- relationships


def link(feature_id: str, source: str, target: str) -> Json:
    """Return a relationship."""
    return {
        "feature_id": feature_id,
        "name": "on",
        "annotation_kind": "ImageUnidirectionalRelationship",
        "unidirectional_relationship": {"source": source, "target": target},
    }


def test_relationships_from_either_place_each_once() -> None:
    both = {"objects": [box("a", 1), link("y", "a", "b")]}
    both["relationships"] = [link("y", "a", "b"), link("x", "b", "a")]
    (cell,) = column("relationships", export_row(both), {"tools": [BOX]})
    kind = {"name": "on", "kind": "ImageUnidirectionalRelationship"}
    assert json.loads(cell) == [
        {"source": "b", "target": "a", "feature_id": "x"} | kind,
        {"source": "a", "target": "b", "feature_id": "y"} | kind,
    ]
    assert lefts(export_row(both)) == [[1.0]]


def test_relationships_column_only_where_there_can_be_any() -> None:
    row, with_edge = export_row({}), {"relationships": [{"name": "on"}]}
    assert column("relationships", row, with_edge) == ["[]"]
    for ontology, other in (({}, row), (with_edge, export_row({}, 1))):
        cells = expected_cells([other], ontology, project_id="p", read_mask=no_mask)
        assert all("relationships" not in cell for cell in cells.values())


# ---------------------------------------------------------------- the comparison


def test_same_cell_is_exact_but_for_json_spacing() -> None:
    assert same_cell(np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32))
    assert not same_cell(np.zeros((0, 4), np.float32), np.zeros((0, 4)))
    assert not same_cell(np.zeros((0, 4)), np.zeros((0, 2)))
    assert same_cell([np.ones((2, 2))], [np.ones((2, 2))])
    assert not same_cell([np.ones((2, 2))], [])
    assert same_cell('["é", null]', '["\\u00e9",null]')
    assert not same_cell("[]", "")
    assert not same_cell("[x", "[y")
    rows = {"d:0": {"a": "x", "b": "y"}}
    assert differences(rows, rows) == []
    assert len(differences(rows, {"d:0": {"a": "z", "c": ""}})) == 3
    assert len(differences(rows, {})) == 1


# ------------------------------------------------------------ generated projects

SHARED = [
    *(f"{n} rows" for n in (1, 2, 3, 4)),
    *(f"{n} tools of a kind" for n in (1, 2, 3, 4)),
    *(f"{n} labels" for n in (0, 1, 2, 3)),
    *(f"{n} objects" for n in range(7)),
    *(f"tool {kind}" for kind in ("rectangle", "polygon", "line", "point")),
    *(f"tool {kind}" for kind in ("raster-segmentation", "superpixel")),
    *(f"tool {question} at depth {depth}" for depth in range(3)
      for question in ("radio", "checklist", "text")),
    *(f"{level} {question} answered" for question in ("radio", "checklist", "text")
      for level in ("global", "global>", "nested", "nested>")),
    *(f"{key} {state}" for state in ("given", "missing") for key in (
        "feature_schema_id", "value", "label_details", "performance_details",
        "project_details", "details", "asset_type", "external_id", "global_key")),
    *(f"grouped by {way}" for way in ("none", "kind", "name", "both")),
    *(f"consensus {dates}" for dates in ("dated", "undated", "mixed", "with a tie")),
    "absent labels", "the latest is not the last", "one of several skipped",
    "all skipped", "empty label", "several tools in a group", "matched by name only",
    "several projects, project0 first", "several projects, project1 first",
    "objects as dict", "objects as list", "mask", "composite_mask",
    "mask and composite_mask", "several masks in one composite", "float coordinate",
    "whole coordinate", "unicode name", "no nested answers", "ontology_id missing",
]  # fmt: skip
VIDEO = [
    *(f"{n} frames" for n in range(1, 15)),
    *(f"index {question} at depth 0" for question in ("radio", "checklist", "text")),
    *(f"Video{kind} between knots" for kind in (
        "BoundingBox", "Polygon", "Polyline", "Point", "SegmentationMask")),
    *(f"{what}{how}" for what in ("track", "question") for how in (
        " with several segments", ": gap", ": neighbouring segments",
        ": segment of one frame", ": segment ends without a knot",
        ": segment starts without a knot", ": knot outside segments",
        ": segment without knot, knot before True",
        ": segment without knot, knot before False")),
    *(f"frame-level {question} answered"
      for question in ("radio", "checklist", "text")),
    *(f"frame-level {question} keyed by {key}" for question in ("radio", "checklist")
      for key in ("answers", "nothing")),
    "frame-level keyed by question", "track without segments",
    "segments of a feature never spelled out", "interpolated export",
    "frames empty", "frames absent", "segments empty", "segments absent",
    "segments without frames", "frames without segments", "key frames as list",
    "key frames as dict", "key_frame_feature_map absent",
    "track not in the key frame map", "key_frame_feature_map empty", "past the end",
    "polygon with changing vertex count",
    "line with changing vertex count",
]  # fmt: skip
IMAGE = [
    "relationships in their own place", "relationships among the objects",
    "ontology with 0 relationships", "ontology with 1 relationships",
    "ImageUnidirectionalRelationship",
]  # fmt: skip

plain = settings(
    database=None,
    deadline=None,
    derandomize=True,
    max_examples=400,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(("media", "wanted"), [("video", VIDEO), ("image", IMAGE)])
def test_generated_projects_show_every_variety(media: str, wanted: list[str]) -> None:
    found: Counter[str] = Counter()

    @plain
    @given(projects(media))
    def collect(project: Project) -> None:
        found.update(varieties(project))

    collect()
    assert [name for name in SHARED + wanted if not found[name]] == []


@pytest.mark.parametrize("media", ["video", "image"])
def test_generated_projects_are_valid_and_their_cells_aligned(media: str) -> None:
    @settings(plain, max_examples=100)
    @given(projects(media))
    def check(project: Project) -> None:
        json.dumps(project.rows)
        cells = expected_cells(
            project.rows,
            project.ontology,
            project_id=project.project_id,
            groups=project.groups,
            read_mask=project.read_mask,
        )
        counts = [row["media_attributes"].get("frame_count", 1) for row in project.rows]
        assert len(cells) == sum(counts)
        names = expected_class_names(project.ontology, project.groups)
        assert len({frozenset(row) for row in cells.values()}) == 1
        for row in cells.values():
            assert names.keys() <= row.keys()
            for name in [name for name in row if name.endswith("_tracks")]:
                assert_aligned(row, name.removesuffix("_tracks"))

    check()


def assert_aligned(row: dict[str, object], geometry: str) -> None:
    """Check that geometry, tracks and flags of a row have the same number."""
    shapes, numbers = row[geometry], row[f"{geometry}_tracks"]
    assert isinstance(numbers, np.ndarray)
    assert len(set(numbers.tolist())) == len(numbers) <= 6
    count = len(shapes) if isinstance(shapes, list) else None
    if isinstance(shapes, np.ndarray):
        count = shapes.shape[2] if shapes.ndim == 3 else len(shapes)
    flags = row[f"{geometry}_keyframes"]
    assert isinstance(flags, np.ndarray)
    assert count == len(numbers) == len(flags)


@pytest.mark.parametrize("media", ["video", "image"])
def test_projects_are_written_with_readable_media(media: str, tmp_path: Path) -> None:
    @settings(plain, max_examples=5)
    @given(projects(media, size=(64, 48)))
    def check(project: Project) -> None:
        export = write_project(tmp_path, project, media=True)
        lines = export.read_bytes().decode().removesuffix("\n").split("\n")
        assert [json.loads(line) for line in lines] == project.rows
        ontology = json.loads((tmp_path / "ontology.json").read_bytes())
        assert ontology == project.ontology
        for url, content in project.masks.items():
            assert (tmp_path / url).read_bytes() == content
        for index, row in enumerate(project.rows):
            attributes = row["media_attributes"]
            size = (attributes["height"], attributes["width"], 3)
            images = decoded(tmp_path / row["data_row"]["row_data"])
            assert {image.shape for image in images} == {size}
            wanted = [(index, f) for f in range(attributes.get("frame_count", 1))]
            assert [read_number(image) for image in images] == wanted

    check()


# ----------------------------------------------------------------------- numbers


def decoded(path: Path) -> list[np.ndarray]:
    """Return all frames of a video, or an image alone."""
    if path.suffix != ".mp4":
        return [np.asarray(Image.open(path))]
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def through_jpeg(image: np.ndarray) -> np.ndarray:
    """Return a picture after JPEG at quality 90."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=90)
    return np.asarray(Image.open(buffer))


@pytest.mark.parametrize(("width", "height"), [(64, 48), (160, 96), (640, 360)])
def test_numbers_survive_h264_and_jpeg(width: int, height: int, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, 300, width, height, Fraction(30000, 1001), start=65_000, video=4095)
    images = decoded(path)
    numbers = [read_number(through_jpeg(image)) for image in images]
    assert numbers == [(4095, 65_000 + index) for index in range(300)]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.frames == 300
        assert stream.average_rate == Fraction(30000, 1001)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_numbers_of_images(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{suffix}"
    write_image(path, 66, 51, video=3, frame=7)
    (image,) = decoded(path)
    assert read_number(image) == (3, 7)
    assert read_number(image.mean(axis=2)) == (3, 7)


def test_a_picture_without_number_is_refused() -> None:
    for shade in (0, 128, 255):
        with pytest.raises(UnreadableNumberError):
            read_number(np.full((48, 64, 3), shade, np.uint8))
    with pytest.raises(ValueError, match="smaller than 64x48"):
        read_number(np.zeros((12, 16, 3), np.uint8))
