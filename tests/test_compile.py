"""Labels -> cells, and the tally: nothing is lost without being counted. (Exactness is compared in another test.)"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from lakebox.core.annotations import parse_label
from lakebox.core.compile import Compiled, compile_label
from lakebox.core.convert import Boxes, Converter, InstanceMasks, Points, Vertices
from lakebox.core.fingerprint import track_number
from lakebox.core.layout import Layout, make_layout
from lakebox.core.mapping import Mapping
from lakebox.core.model import Label, LabelHead, MaskRef, Ontology
from lakebox.core.ontology import Observer
from lakebox.core.tally import Tally, Timeline

CONVERTERS: dict[str, Converter] = {
    "rectangle": Boxes(), "point": Points(), "line": Vertices(), "polygon": Vertices(),
    "raster-segmentation": InstanceMasks(),
}  # fmt: skip
SIZE = (4, 6)


def label(**annotations: Any) -> Label:
    return parse_label({"annotations": annotations}, LabelHead("L", "ann", 0, False, False))


def laid_out(*labels: Label, **how: Any) -> Layout:
    observer = Observer(Ontology())
    for item in labels:
        observer.see(item)
    return make_layout(observer.ontology(), Mapping(**{"converters": CONVERTERS, **how}), ["frames", "video_idx"], {})


def built(item: Label, frames: list[int] | None = None, total: int = 6, **how: Any) -> Compiled:
    rows = np.array(range(total) if frames is None else frames, np.int64)
    return compile_label(item, laid_out(item, **how), Timeline(rows, total), SIZE)


def box(
    fid: str, name: str = "car", left: float = 0, answers: tuple[Any, ...] = (), ids: bool = True
) -> dict[str, Any]:
    own = {"feature_schema_id": f"s-{name}"} if ids else {}
    shape = {"bounding_box": {"left": left, "top": 0.5, "width": 2, "height": 3}}
    node = {"feature_id": fid, "name": name, "annotation_kind": "VideoBoundingBox", "classifications": list(answers)}
    return {**own, **shape, **node}


def pick(value: str, fid: str = "", below: tuple[Any, ...] = (), ids: bool = True) -> dict[str, Any]:
    own = {"feature_schema_id": f"so-{value}", "value": value} if ids else {}
    return {**own, "feature_id": fid or f"fo-{value}", "name": value, "classifications": list(below)}


def ask(name: str, fid: str = "", ids: bool = True, **answer: Any) -> dict[str, Any]:
    own = {"feature_schema_id": f"sq-{name}"} if ids else {}
    return {**own, "feature_id": fid or f"fq-{name}", "name": name, **answer}


def video(frames: dict[int, list[dict[str, Any]]], segments: dict[str, Any] | None = None, **more: Any) -> Label:
    """Objects (with a geometry) and answers (without) by 1-based frame."""
    spelled = {
        str(frame): {
            "objects": {node["feature_id"]: node for node in nodes if "annotation_kind" in node},
            "classifications": [node for node in nodes if "annotation_kind" not in node],
        }
        for frame, nodes in frames.items()
    }
    timing = {} if segments is None else {"segments": segments}
    return label(frames=spelled, **timing, **more)


def listed(compiled: Compiled, name: str) -> list[Any]:
    return [np.asarray(cell).tolist() for cell in compiled.cells[name]]


def balanced(tally: Tally) -> bool:
    """Whatever is not written has a reason."""
    skipped = {kind: count - tally.written[kind] for kind, count in tally.read.items()}
    return all(
        count <= sum(n for reason, n in tally.reasons.items() if reason.startswith(f"{kind}: "))
        for kind, count in skipped.items()
    )


def test_without_a_label_every_cell_is_a_typed_empty() -> None:
    seen = video(
        {1: [box("f", answers=(ask("colour", radio_answer=pick("red")),)), ask("fog", radio_answer=pick("yes"))]}
    )
    layout = laid_out(seen)
    compiled = compile_label(None, layout, Timeline(np.arange(2), 2), SIZE)
    assert set(compiled.cells) == {column.name for column in layout.columns()}
    forms = {name: [(str(cell.dtype), cell.shape) for cell in cells] for name, cells in compiled.cells.items()}
    assert forms == {
        "car/car": [("float32", (0, 4))] * 2,
        "car/car_tracks": [("int32", (0,))] * 2,
        "car/car_keyframes": [("uint8", (0,))] * 2,
        "car/colour": [("int32", (0,))] * 2,
        "fog": [("int32", (0,))] * 2,
    }
    assert not compiled.tally.read


def test_objects_are_in_the_order_of_their_feature_ids_whatever_their_tool() -> None:
    compiled = built(
        video({1: [box("b", "dog", 2), box("a", "car", 1), box("C", "car", 3)]}), total=1, groups={"rectangle": "boxes"}
    )
    assert compiled.cells["boxes"][0][:, 0].tolist() == [3, 1, 2]
    assert compiled.cells["boxes_labels"][0].tolist() == [0, 0, 1]
    assert compiled.cells["boxes_tracks"][0].tolist() == [track_number(fid) for fid in ("C", "a", "b")]


def test_tracks_and_keyframes() -> None:
    item = video({1: [box("f", left=0)], 3: [box("f", left=4)]}, {"f": [[1, 4]]}, key_frame_feature_map={"f": [1]})
    compiled = built(item)
    assert [cell[:, 0].tolist() for cell in compiled.cells["car"]] == [[0], [2], [4], [4], [], []]
    assert listed(compiled, "car_keyframes") == [[1], [0], [0], [0], [], []]
    assert [cell.dtype for cell in compiled.cells["car_keyframes"]] == [np.uint8] * 6
    assert {number for cell in compiled.cells["car_tracks"] for number in cell} == {track_number("f")}


def test_sampled_rows_get_what_is_there_on_their_frames() -> None:
    compiled = built(video({1: [box("f", left=0)], 5: [box("f", left=8)]}, {"f": [[1, 5]]}), frames=[1, 3, 5])
    assert [cell[:, 0].tolist() for cell in compiled.cells["car"]] == [[2], [6], []]


def test_answers_about_objects_are_aligned_and_hold_from_knot_to_knot() -> None:
    red = ask("colour", radio_answer=pick("red"))
    many = ask("parts", checklist_answers=[pick("wheel"), pick("door")])
    said = ask("note", text_answer={"content": "ünï"})
    frames = {1: [box("a", answers=(red, many)), box("b", answers=(said,))], 3: [box("a")]}
    compiled = built(video(frames, {"a": [[1, 4]], "b": [[1, 2]]}), total=5)
    assert listed(compiled, "car/colour") == [[0, -1], [0, -1], [-1], [-1], []]
    assert listed(compiled, "car/parts") == [[[1, 1], [0, 0]], [[1, 1], [0, 0]], [[0, 0]], [[0, 0]], []]
    assert compiled.cells["car/parts"][4].shape == (0, 2)
    assert [json.loads(cell) for cell in compiled.cells["car/note"]] == [
        [None, "ünï"],
        [None, "ünï"],
        [None],
        [None],
        [],
    ]


def test_answers_about_frames() -> None:
    item = video(
        {2: [ask("fog", radio_answer=pick("thin"))], 4: [ask("fog", radio_answer=pick("thick"))]}, {"fq-fog": [[2, 5]]}
    )
    assert listed(built(item), "fog") == [[], [1], [1], [0], [0], []]


def test_answers_without_segments_are_on_their_frames_only() -> None:
    assert listed(built(video({2: [ask("said", text_answer={"content": "hi"})]})), "said") == ["", "hi", "", "", "", ""]


def test_timed_answers() -> None:
    """Labelbox may time the answers instead of the question: each is in force where its own segment says."""
    deep = pick("car", below=(ask("how", radio_answer=pick("fast")),))
    item = video(
        {1: [ask("seen", checklist_answers=[deep, pick("dog")])], 4: [ask("seen", checklist_answers=[pick("dog")])]},
        {"fo-car": [[1, 3]], "fo-dog": [[1, 2], [4, 9]]},
    )
    compiled = built(item)
    assert listed(compiled, "seen") == [[0, 1], [0, 1], [0], [1], [1], [1]]
    assert listed(compiled, "seen/how") == [[0], [0], [0], [], [], []]
    assert balanced(compiled.tally)


def test_global_answers_are_on_every_row() -> None:
    weather = ask("weather", radio_answer=pick("rain", below=(ask("how", text_answer={"content": "much"}),)))
    compiled = built(video({}, classifications=[weather]), total=2)
    assert (listed(compiled, "weather"), listed(compiled, "weather/how")) == ([[0], [0]], ["much", "much"])
    assert compiled.tally.written == {"radio": 1}


@pytest.mark.parametrize("turned", [False, True])
def test_several_texts_are_joined_in_the_order_of_their_feature_ids(turned: bool) -> None:
    said = [ask("said", fid, text_answer={"content": fid}) for fid in ("a", "b")]
    if turned:
        said.reverse()
    assert listed(built(video({}, classifications=said), total=1), "said") == ["a\nb"]
    assert listed(built(video({1: said}), total=1), "said") == ["a\nb"]


def test_relationships_are_text_on_every_row() -> None:
    link = {"feature_id": "r", "name": "rides", "annotation_kind": "ImageUnidirectionalRelationship",
            "unidirectional_relationship": {"source": "a", "target": "b"}}  # fmt: skip
    compiled = built(label(objects=[box("a"), box("b")], relationships=[link]), total=1)
    (found,) = json.loads(compiled.cells["relationships"][0])
    assert (found["source"], found["target"], found["kind"]) == ("a", "b", "ImageUnidirectionalRelationship")
    assert compiled.tally.written["ImageUnidirectionalRelationship"] == 1


def test_masks_are_listed_once_each() -> None:
    def mask(fid: str, url: str) -> dict[str, Any]:
        return {"feature_id": fid, "name": "road", "annotation_kind": "VideoSegmentationMask", "mask": {"url": url}}

    item = video({1: [mask("a", "1.png"), mask("b", "2.png")], 2: [mask("a", "1.png")]}, {"a": [[1, 4]]})
    assert built(item).masks() == [MaskRef("1.png"), MaskRef("2.png")]
    assert built(item, frames=[5]).masks() == []


# --- the tally -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "how", "read", "written", "reason"),
    [
        (video({1: [box("a"), box("b")]}), {}, 2, 2, ""),
        (video({1: [box("a")], 2: [box("a")]}, {"a": [[1, 3]]}), {}, 1, 1, ""),
        (video({9: [box("a")]}), {}, 1, 0, "frame"),
        (video({9: [box("a")]}, {"a": [[9, 12]]}), {}, 1, 0, "frame"),
        (video({1: [box("a"), box("b", "dog")]}), {"leave_out": ["dog"]}, 2, 1, "'dog'.*left out"),
        (video({1: [box("a")]}), {"converters": {}}, 1, 0, "no converter for kind 'rectangle'"),
    ],
    ids=["written", "a track counts once", "past the end", "past the end with segment", "left out", "no converter"],
)
def test_objects_are_counted(item: Label, how: dict[str, Any], read: int, written: int, reason: str) -> None:
    tally = built(item, **how).tally
    assert (tally.read["VideoBoundingBox"], tally.written["VideoBoundingBox"]) == (read, written)
    assert balanced(tally)
    assert any(re.search(reason, text) for text in tally.reasons) is (read != written)


def test_kinds_that_nothing_converts_are_counted_by_name() -> None:
    cuboid = {"feature_id": "c", "name": "crate", "annotation_kind": "ImageCuboid", "cuboid": {}}
    tally = built(label(objects=[cuboid]), total=1).tally
    assert (tally.read, tally.written) == ({"ImageCuboid": 1}, {})
    assert list(tally.reasons) == ["ImageCuboid: no converter for kind 'cuboid'"]


def test_unselected_frames_are_a_reason() -> None:
    tally = built(video({2: [box("a")]}), frames=[0, 5]).tally
    assert (tally.read, tally.written) == ({"VideoBoundingBox": 1}, {})
    assert balanced(tally)


@pytest.mark.parametrize(
    "node", [box("a"), ask("fog", radio_answer=pick("yes"))], ids=["object", "answer about a frame"]
)
def test_what_lies_past_the_end_of_the_media_is_said_even_if_the_rest_is_written(node: dict[str, Any]) -> None:
    tally = built(video({1: [node], 9: [node]})).tally
    assert sum(tally.written.values()) == 1
    assert sum(tally.reasons.values()) == 1


@pytest.mark.parametrize(
    "answer",
    [{"radio_answer": pick("yes")}, {"checklist_answers": [pick("yes")]}, {"text_answer": {"content": "yes"}}],
    ids=["radio", "checklist", "text"],
)
@pytest.mark.parametrize("everywhere", [True, False], ids=["global", "frame"])
def test_answers_are_counted(answer: dict[str, Any], everywhere: bool) -> None:
    node = ask("q", **answer)
    (kind,) = (key.removesuffix("_answer").removesuffix("_answers") for key in answer)
    item = video({}, classifications=[node]) if everywhere else video({2: [node]})
    assert (built(item).tally.read, built(item).tally.written) == ({kind: 1}, {kind: 1})
    left = built(item, leave_out=["q"]).tally
    assert (left.read, left.written) == ({kind: 1}, {})
    assert balanced(left)
    if not everywhere:
        past = built(item, total=1).tally
        assert (past.read, past.written) == ({kind: 1}, {})
        assert balanced(past)


def test_questions_that_nothing_converts_are_counted_by_name() -> None:
    tally = built(video({}, classifications=[ask("rank", ranking_answer={})])).tally
    assert sum(tally.read.values()) == 1
    assert not tally.written
    assert balanced(tally)


def test_homeless_segments_are_said() -> None:
    assert sum(built(video({}, {"x": [[1, 2]]})).tally.reasons.values()) == 1


def test_values_per_column_are_counted() -> None:
    item = video({1: [box("a"), ask("fog", radio_answer=pick("yes"))]}, {"a": [[1, 3]], "fq-fog": [[1, 2]]})
    assert built(item).tally.columns == {"car": 3, "fog": 2}


def test_only_the_label_that_counts_is_compiled() -> None:
    mine, yours = video({1: [box("a", left=1)]}), video({1: [box("b", left=9)]})
    compiled = compile_label(mine, laid_out(mine, yours), Timeline(np.arange(1), 1), SIZE)
    assert compiled.cells["car"][0][:, 0].tolist() == [1]
    assert compiled.tally.read == {"VideoBoundingBox": 1}


def test_objects_of_an_unknown_tool_are_counted() -> None:
    mine, unknown = video({1: [box("a")]}), video({1: [box("b", "dog")]})
    tally = compile_label(unknown, laid_out(mine), Timeline(np.arange(1), 1), SIZE).tally
    assert (tally.read, tally.written) == ({"VideoBoundingBox": 1}, {})
    assert balanced(tally)


# --- exports from before schema ids ----------------------------------------------------------------------------------


def test_without_schema_ids_equal_questions_of_two_tools_share_all_their_options() -> None:
    def painted(fid: str, name: str, colour: str) -> dict[str, Any]:
        return box(fid, name, ids=False, answers=(ask("colour", ids=False, radio_answer=pick(colour, ids=False)),))

    item = video({1: [painted("a", "car", "red"), painted("b", "dog", "brown")]})
    layout = laid_out(item, groups={"rectangle": "boxes"})
    compiled = compile_label(item, layout, Timeline(np.arange(1), 1), SIZE)
    (colour,) = (column for column in layout.columns() if column.name.startswith("boxes/colour"))
    names = [item.name for item in colour.classes or ()]
    assert [names[i] for i in compiled.cells[colour.name][0]] == ["red", "brown"]


def test_without_schema_ids_equal_questions_under_two_options_share_all_their_options() -> None:
    def nested(option: str, value: str) -> dict[str, Any]:
        below = ask("why", ids=False, radio_answer=pick(value, ids=False))
        return ask("mood", f"f-{option}", ids=False, checklist_answers=[pick(option, below=(below,), ids=False)])

    item = video({1: [nested("good", "sun")], 2: [nested("bad", "rain")]})
    compiled = built(item, total=2)
    column = next(c for c in laid_out(item).columns() if c.name == "mood/why")
    names = [c.name for c in column.classes or ()]
    assert [[names[i] for i in cell] for cell in compiled.cells["mood/why"]] == [["sun"], ["rain"]]


def test_without_schema_ids_equal_questions_under_two_questions_stay_apart() -> None:
    def nested(name: str, text: str) -> dict[str, Any]:
        below = ask("why", f"f-{name}", ids=False, text_answer={"content": text})
        return ask(name, ids=False, radio_answer=pick("yes", below=(below,), ids=False))

    compiled = built(video({}, classifications=[nested("fog", "cold"), nested("rain", "clouds")]), total=1)
    assert (listed(compiled, "fog/why"), listed(compiled, "rain/why")) == (["cold"], ["clouds"])
