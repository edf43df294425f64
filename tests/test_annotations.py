"""The parser: every shape of EXPORT_FORMAT, and a clear refusal of everything else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lakebox.core.annotations import parse_label
from lakebox.core.model import Label, LabelHead, MaskRef, Track
from lakebox.errors import RowError

HEAD = LabelHead("L1", "ann@x.org", 0.0, False, False)
BOX = {"left": 1.5, "top": 2.25, "width": 3.0, "height": 4.0}


def parse(**annotations: Any) -> Label:
    return parse_label({"annotations": annotations}, HEAD)


def thing(feature_id: str = "f1", kind: str = "VideoBoundingBox", **more: Any) -> dict[str, Any]:
    """An object; a box unless `more` brings another geometry."""
    shape = more if any(key not in ("classifications", "feature_schema_id") for key in more) else {"bounding_box": BOX}
    return {
        "feature_id": feature_id,
        "feature_schema_id": "s1",
        "name": "Car",
        "annotation_kind": kind,
        **shape,
        **more,
    }


def on_frames(*frames: int, **more: Any) -> dict[str, Any]:
    return {str(frame): {"objects": {"f1": thing(**more)}, "classifications": []} for frame in frames}


def option(name: str, *classifications: dict[str, Any]) -> dict[str, Any]:
    return {
        "feature_id": f"fo-{name}", "feature_schema_id": f"so-{name}", "name": name.title(), "value": name,
        "classifications": list(classifications),
    }  # fmt: skip


def question(name: str, **answer: Any) -> dict[str, Any]:
    return {"feature_id": f"fq-{name}", "feature_schema_id": f"sq-{name}", "name": name, "value": name, **answer}


def only(label: Label) -> Track:
    (track,) = label.tracks
    return track


def test_head_is_kept() -> None:
    label = parse()
    assert (label.id, label.creator) == ("L1", "ann@x.org")


@pytest.mark.parametrize("raw", [{}, {"annotations": None}, {"annotations": {}}])
def test_a_label_without_annotations_is_empty(raw: dict[str, Any]) -> None:
    label = parse_label(raw, HEAD)
    assert (label.tracks, label.frame_answers, label.answers, label.relationships, label.homeless) == (
        (),
        (),
        (),
        (),
        0,
    )


def test_image_objects_come_as_a_list_and_are_on_frame_0() -> None:
    track = only(parse(objects=[thing(kind="ImageBoundingBox")], classifications=[], relationships=[]))
    assert track.frames.tolist() == [0]
    assert np.asarray(track.shapes).tolist() == [[1.5, 2.25, 3.0, 4.0]]
    assert (track.feature_id, track.schema_id, track.name, track.kind) == ("f1", "s1", "Car", "ImageBoundingBox")
    assert track.segments is None
    assert track.drawn.tolist() == [True]


def test_video_objects_as_list_and_as_dictionary_mean_the_same() -> None:
    as_dict = parse(frames={"3": {"objects": {"f1": thing()}}})
    as_list = parse(frames={"3": {"objects": [thing()]}})
    assert only(as_dict).frames.tolist() == only(as_list).frames.tolist() == [2]
    assert np.array_equal(np.asarray(only(as_dict).shapes), np.asarray(only(as_list).shapes))


def test_the_dictionary_key_stands_in_for_a_missing_feature_id() -> None:
    node = {key: value for key, value in thing().items() if key != "feature_id"}
    assert only(parse(frames={"1": {"objects": {"from-key": node}}})).feature_id == "from-key"


def test_frames_are_sorted_by_number_not_as_text() -> None:
    assert only(parse(frames=on_frames(10, 9, 100))).frames.tolist() == [8, 9, 99]


def test_tracks_are_sorted_by_feature_id() -> None:
    label = parse(objects=[thing("b"), thing("a"), thing("C")])
    assert [track.feature_id for track in label.tracks] == ["C", "a", "b"]


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        ({"bounding_box": BOX}, [1.5, 2.25, 3.0, 4.0]),
        ({"bounding_box": {"left": 0, "top": 0, "width": 0, "height": 0}}, [0, 0, 0, 0]),
        ({"point": {"x": 7.5, "y": 8}}, [7.5, 8.0]),
        ({"point": {"x": 0, "y": 0}}, [0, 0]),
        ({"line": [{"x": 0, "y": 1}, {"x": 2.5, "y": 3}]}, [[0, 1], [2.5, 3]]),
        ({"polygon": [{"x": 0, "y": 0}, {"x": 2, "y": 0}, {"x": 0, "y": 0}]}, [[0, 0], [2, 0], [0, 0]]),
    ],
    ids=["box", "box of zeros", "point", "point of zeros", "line", "polygon stays closed"],
)
def test_geometry_of_numbers(geometry: dict[str, Any], expected: list[Any]) -> None:
    shape = np.asarray(only(parse(objects=[thing(**geometry)])).shapes[0])
    assert shape.dtype == np.float64
    assert shape.tolist() == expected


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        ({"mask": {"url": "m.png"}}, MaskRef("m.png")),
        ({"composite_mask": {"url": "c.png", "color_rgb": [1, 2, 3]}}, MaskRef("c.png", (1, 2, 3))),
        (
            {"mask": {"url": "m.png"}, "composite_mask": {"url": "c.png", "color_rgb": [1, 2, 3]}},
            MaskRef("c.png", (1, 2, 3)),
        ),
        ({"mask": {"url": "m.png"}, "composite_mask": {"url": "c.png"}}, MaskRef("m.png")),
        ({"mask": {"url": "m.png"}, "composite_mask": None}, MaskRef("m.png")),
    ],
    ids=["mask", "composite", "both: composite counts", "composite without colour", "null composite"],
)
def test_masks(geometry: dict[str, Any], expected: MaskRef) -> None:
    assert only(parse(objects=[thing(kind="ImageSegmentationMask", **geometry)])).shapes[0] == expected


def test_unknown_geometry_is_kept_and_named_by_its_kind() -> None:
    track = only(parse(objects=[thing(kind="ImageCuboid", cuboid={"x": 1})]))
    assert track.kind == "ImageCuboid"


def test_polygons_may_change_their_number_of_vertices() -> None:
    outline = [{"x": i, "y": i} for i in range(4)]
    frames = {
        "1": {"objects": {"f1": thing(polygon=outline[:3])}},
        "2": {"objects": {"f1": thing(polygon=outline)}},
    }
    assert [np.asarray(shape).shape for shape in only(parse(frames=frames)).shapes] == [(3, 2), (4, 2)]


@pytest.mark.parametrize(
    ("listed", "drawn"),
    [
        ([3, 9], [True, False, True]),
        ({"3": True, "5": False, "9": True}, [True, False, True]),
        ({"3": True}, [True, False, False]),
        ([], [False, False, False]),
        (None, [False, False, False]),
    ],
    ids=["list", "dictionary", "dictionary of true ones", "empty", "null"],
)
def test_both_forms_of_key_frame_feature_map(listed: Any, drawn: list[bool]) -> None:
    track = only(parse(frames=on_frames(3, 5, 9), key_frame_feature_map={"f1": listed}))
    assert track.drawn.tolist() == drawn


def test_without_key_frame_feature_map_everything_was_drawn() -> None:
    assert only(parse(frames=on_frames(3, 5))).drawn.tolist() == [True, True]


def test_segments_are_inclusive_and_zero_based() -> None:
    track = only(parse(frames=on_frames(13), segments={"f1": [[13, 13], [18, 19]]}))
    assert track.segments == ((12, 12), (17, 18))


def test_frames_without_segments() -> None:
    assert only(parse(frames=on_frames(1))).segments is None


def test_segments_without_frames_make_nothing_but_are_counted() -> None:
    label = parse(frames={}, segments={"f1": [[1, 5]], "f2": [[2, 3]]})
    assert (label.tracks, label.homeless) == ((), 2)


def test_segments_of_questions_and_answers_are_not_homeless() -> None:
    node = question("weather", radio_answer=option("sunny"))
    label = parse(
        frames={"1": {"classifications": [node]}},
        segments={"fq-weather": [[1, 5]], "fo-sunny": [[1, 5]]},
    )
    assert label.homeless == 0


def test_answers_about_objects_need_no_segment_and_make_nothing_homeless() -> None:
    node = thing(classifications=[question("colour", radio_answer=option("red"))])
    label = parse(frames={"1": {"objects": {"f1": node}}}, segments={"f1": [[1, 2]], "fq-colour": [[1, 2]]})
    assert label.homeless == 0


LINK: dict[str, Any] = {
    "feature_id": "r1",
    "name": "rides",
    "annotation_kind": "ImageUnidirectionalRelationship",
    "unidirectional_relationship": {"source": "f1", "target": "f2"},
}


@pytest.mark.parametrize(
    "places",
    [{"relationships": [LINK]}, {"objects": [LINK]}, {"objects": [LINK], "relationships": [LINK]}],
    ids=["relationships", "objects", "both"],
)
def test_relationships_in_either_place_count_once(places: dict[str, Any]) -> None:
    label = parse(**places)
    assert label.tracks == ()
    assert label.relationships == (
        {
            "feature_id": "r1", "kind": "ImageUnidirectionalRelationship", "name": "rides",
            "source": "f1", "target": "f2",
        },
    )  # fmt: skip


def test_relationships_are_sorted_by_feature_id() -> None:
    label = parse(relationships=[{**LINK, "feature_id": "z"}, {**LINK, "feature_id": "a"}])
    assert [link["feature_id"] for link in label.relationships] == ["a", "z"]


@pytest.mark.parametrize(
    ("answer", "kind", "picked", "text"),
    [
        ({"radio_answer": option("sunny")}, "radio", ["sunny"], None),
        ({"radio_answer": None}, "radio", [], None),
        ({"checklist_answers": [option("a"), option("b")]}, "checklist", ["a", "b"], None),
        ({"checklist_answers": []}, "checklist", [], None),
        ({"checklist_answers": None}, "checklist", [], None),
        ({"text_answer": {"content": "zwei\u2028Zeilen"}}, "text", [], "zwei\u2028Zeilen"),
        ({"text_answer": {"content": None}}, "text", [], ""),
    ],
)
def test_answers(answer: dict[str, Any], kind: str, picked: list[str], text: str | None) -> None:
    (found,) = parse(classifications=[question("q", **answer)]).answers
    assert (found.kind, [item.value for item in found.picked], found.text) == (kind, picked, text)


def test_questions_nest_to_any_depth() -> None:
    node = question("q5", text_answer={"content": "deep"})
    for depth in (4, 3, 2, 1):
        key = "radio_answer" if depth % 2 else "checklist_answers"
        chosen = option(f"o{depth}", node)
        node = question(f"q{depth}", **{key: chosen if depth % 2 else [chosen]})
    (answer,) = parse(classifications=[node]).answers
    names = []
    while answer.picked:
        names.append(answer.name)
        (answer,) = answer.picked[0].answers
    assert ([*names, answer.name], answer.text) == (["q1", "q2", "q3", "q4", "q5"], "deep")


def test_answers_about_an_object_belong_to_their_frame() -> None:
    red, none = [question("colour", radio_answer=option("red"))], list[Any]()
    frames = {
        "13": {"objects": {"f1": thing(classifications=red)}},
        "19": {"objects": {"f1": thing(classifications=none)}},
    }
    assert [len(answers) for answers in only(parse(frames=frames)).answers] == [1, 0]


def test_questions_about_frames_are_gathered_by_feature_id() -> None:
    sunny, rainy = (question("weather", radio_answer=option(name)) for name in ("sunny", "rainy"))
    label = parse(
        frames={"5": {"objects": {}, "classifications": [sunny]}, "2": {"classifications": [rainy]}},
        segments={"fq-weather": [[2, 9]]},
    )
    (found,) = label.frame_answers
    assert found.frames.tolist() == [1, 4]
    assert [answer.picked[0].value for answer in found.answers] == ["rainy", "sunny"]
    assert (found.segments, found.answer_segments) == (((1, 8),), {})


def test_timed_answers() -> None:
    both = question("seen", checklist_answers=[option("car"), option("dog")])
    label = parse(frames={"1": {"classifications": [both]}}, segments={"fo-car": [[1, 3]], "fo-dog": [[1, 1], [4, 5]]})
    (found,) = label.frame_answers
    assert found.segments is None
    assert found.answer_segments == {"fo-car": ((0, 2),), "fo-dog": ((0, 0), (3, 4))}


def test_oldest_exports_have_neither_schema_ids_nor_values() -> None:
    node = {"feature_id": "f1", "name": "Car", "annotation_kind": "ImageBoundingBox", "bounding_box": BOX}
    asked = {"feature_id": "q", "name": "Colour", "radio_answer": {"feature_id": "o", "name": "Red"}}
    label = parse(objects=[{**node, "classifications": [asked]}])
    track = only(label)
    (answer,) = track.answers[0]
    assert (track.schema_id, track.name) == ("", "Car")
    assert (answer.schema_id, answer.picked[0].schema_id, answer.picked[0].value) == ("", "", "")
    assert answer.picked[0].name == "Red"


@pytest.mark.parametrize("missing", ["name", "annotation_kind", "classifications", "feature_schema_id"])
def test_optional_keys_of_objects_may_be_missing(missing: str) -> None:
    node = {key: value for key, value in thing(classifications=[]).items() if key != missing}
    assert len(parse(objects=[{**node, "bounding_box": BOX}]).tracks) == 1


@pytest.mark.parametrize(
    "annotations",
    [
        {"frames": on_frames(0)},
        {"frames": on_frames(-3)},
        {"frames": {"one": {"objects": {"f1": thing()}}}},
        {"frames": [1, 2]},
        {"frames": {"1": ["f1"]}},
        {"frames": on_frames(1), "segments": {"f1": [[0, 4]]}},
        {"frames": on_frames(1), "segments": {"f1": [[9, 4]]}},
        {"frames": on_frames(1), "segments": {"f1": [[1]]}},
        {"frames": on_frames(1), "segments": [[1, 2]]},
        {"frames": on_frames(1), "key_frame_feature_map": {"f1": ["x"]}},
        {"objects": [{"name": "no feature_id"}]},
        {"objects": ["text"]},
        {"objects": [thing(bounding_box={"left": 1, "top": 2, "width": 3})]},
        {"objects": [thing(bounding_box={**BOX, "left": "wide"})]},
        {"objects": [thing(bounding_box={**BOX, "left": None})]},
        {"objects": [thing(point={"x": None, "y": 1})]},
        {"objects": [thing(polygon=[{"x": 1, "y": None}, {"x": 1, "y": 2}])]},
        {"objects": [thing(polygon=[{"x": 1}])]},
        {"objects": [thing(composite_mask={"url": "c.png"})]},
        {"classifications": [["radio"]]},
        {"relationships": [{"name": "no feature_id"}]},
    ],
)
def test_what_is_not_labelbox_is_refused_with_the_labels_name(annotations: dict[str, Any]) -> None:
    with pytest.raises(RowError, match="label L1: "):
        label = parse(**annotations)
        raise AssertionError(f"accepted as {label}")
