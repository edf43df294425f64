"""Which label counts, and which frames become rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from lakebox.core.annotations import parse_label
from lakebox.core.frames import All, Annotated, Every, Fps, FrameSelection, Range
from lakebox.core.labels import Benchmark, ByCreator, First, LabelPolicy, Latest, Single, same_status
from lakebox.core.model import Label, LabelHead, Media
from lakebox.errors import RowError


def head(id: str, created: float = 0.0, creator: str = "", benchmark: bool = False) -> LabelHead:
    return LabelHead(id, creator, created, False, benchmark)


DATED = [head("b", 20, "ann"), head("c", 30, "bob"), head("a", 10, "ann")]
UNDATED = [head("x"), head("y"), head("z")]
TIED = [head("x", 5), head("y", 5)]


@pytest.mark.parametrize(
    ("policy", "labels", "expected"),
    [
        (Latest(), DATED, "c"),
        (Latest(), UNDATED, "z"),
        (Latest(), TIED, "y"),
        (First(), DATED, "a"),
        (First(), UNDATED, "x"),
        (First(), TIED, "x"),
        (Benchmark(), [head("x"), head("y", benchmark=True), head("z")], "y"),
        (Benchmark(), DATED, None),
        (ByCreator(creators=["zoe", "ann", "bob"]), DATED, "b"),
        (ByCreator(creators=["bob", "ann"]), DATED, "c"),
        (ByCreator(creators=["zoe"]), DATED, None),
        (Single(), DATED[:1], "b"),
    ],
)
def test_policies(policy: LabelPolicy, labels: list[LabelHead], expected: str | None) -> None:
    found = policy.choose(labels)
    assert (found.id if found else None) == expected


@pytest.mark.parametrize("policy", [Latest(), First(), Benchmark(), ByCreator(creators=["ann"]), Single()])
def test_no_label_is_no_label(policy: LabelPolicy) -> None:
    assert policy.choose([]) is None


def test_single_names_the_labels_and_the_way_out() -> None:
    with pytest.raises(RowError, match=r"b by ann.*c by bob.*labels=latest"):
        Single().choose(DATED)


def test_by_creator_needs_somebody() -> None:
    with pytest.raises(ValidationError):
        ByCreator(creators=[])


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [("IN_REVIEW", "InReview", True), ("DONE", "Done", True), ("TO_LABEL", "ToLabel", True), ("DONE", "", False)],
)
def test_both_spellings_of_a_workflow_status(left: str, right: str, same: bool) -> None:
    assert same_status(left, right) is same


def media(rate: float | None = 30.0) -> Media:
    return Media("video", 8, 8, None, rate)


@pytest.mark.parametrize(
    ("selection", "total", "rate", "expected"),
    [
        (All(), 3, 30, [0, 1, 2]),
        (Every(n=2), 5, 30, [0, 2, 4]),
        (Every(n=9), 5, 30, [0]),
        (Fps(rate=10), 10, 30, [0, 3, 6, 9]),
        (Fps(rate=1), 61, 30, [0, 30, 60]),
        (Fps(rate=60), 4, 30, [0, 1, 2, 3]),
        (Fps(rate=1), 4, None, [0, 1, 2, 3]),
        (Fps(rate=20), 6, 30, [0, 1, 3, 4]),
        (Range(start=1, stop=3), 9, 30, [1, 2]),
        (Range(start=7), 9, 30, [7, 8]),
        (Range(start=7, stop=99), 9, 30, [7, 8]),
        (Range(start=9), 9, 30, []),
        (Range(start=5, stop=2), 9, 30, []),
        (Annotated(), 9, 30, []),
    ],
)
def test_selections(selection: FrameSelection, total: int, rate: float | None, expected: list[int]) -> None:
    assert selection.select(total, media(rate), None).tolist() == expected


@pytest.mark.parametrize("rate", [24, 25, 29.97002997002997, 59.94])
@pytest.mark.parametrize("wanted", [1, 5, 7.5, 24, 59])
def test_fps_keeps_its_rate(rate: float, wanted: float) -> None:
    total = 600
    frames = Fps(rate=wanted).select(total, media(rate), None)
    assert frames.dtype.kind == "i"
    assert (np.diff(frames) > 0).all()
    assert frames[0] == 0
    assert frames[-1] < total
    assert len(frames) == pytest.approx(total * min(wanted / rate, 1), abs=1)


def label(**annotations: Any) -> Label:
    return parse_label({"annotations": annotations}, LabelHead("L", "", 0, False, False))


def test_annotated_frames_are_those_of_objects_and_of_answers_about_frames() -> None:
    box = {"feature_id": "f", "bounding_box": {"left": 0, "top": 0, "width": 1, "height": 1}}
    fog = {"feature_id": "q", "name": "fog", "radio_answer": {"feature_id": "o", "value": "yes"}}
    found = label(
        frames={"2": {"objects": {"f": box}}, "8": {"classifications": [fog]}, "90": {"objects": {"f": box}}},
        segments={"f": [[2, 4]], "q": [[8, 9]]},
        classifications=[fog],
    )
    assert Annotated().select(20, media(), found).tolist() == [1, 2, 3, 7, 8]
    assert Annotated().select(3, media(), found).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Every, {"n": 0}),
        (Every, {}),
        (Fps, {"rate": 0}),
        (Fps, {"rate": -1}),
        (Range, {"start": -1}),
        (Range, {"stop": 0}),
        (All, {"match": "guess"}),
        (All, {"typo": 1}),
    ],
)
def test_nonsense_is_refused_when_built(kind: type[Any], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kind(**wrong)
