"""The random edits: each does what it says, leaves a project that Labelbox could hold, and moves the dates it should."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime
from typing import Any

import pytest

from . import edits
from .annotator import Annotator, by_dice, small_project, tracks
from .edits import Edit
from .fake_labelbox import FakeLabelbox
from .fake_labelbox.spelling import feature_ids, features, respelled

pytest_plugins = ["support.labelbox_fixtures"]

ALL: tuple[Edit, ...] = (*edits.OF_LABELS, *edits.OF_ROWS, *edits.OF_ONTOLOGIES, *edits.THAT_NAME_COLUMNS_ANEW)


def annotator(fake: FakeLabelbox, media: str, seed: int = 0) -> Annotator:
    small_project(fake, media)
    return Annotator(fake, "project1", by_dice(seed))


def state(who: Annotator) -> Any:
    """All that an export shows, without dates."""
    rows = [(row.id, row.external_id, who.fake.project(who.project_id).status[row.id]) for row in who.rows]
    labels = {label.id: (label.skipped, deepcopy(label.annotations)) for label in who.labels}
    return who.fake.project(who.project_id).name, rows, labels, who.ontology


def used_schema_ids(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and "feature_id" in value:
        yield value["feature_schema_id"]
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from used_schema_ids(child)


def assert_sound(who: Annotator) -> None:
    """Labels use what the ontology has, by its name; timing belongs to what is there; no id comes twice in it."""
    ontology = who.ontology
    ids = [feature["featureSchemaId"] for feature in features(ontology)]
    known = set(ids)
    assert len(known) == len(ids)
    for label in who.labels:
        who.fake.masks.check(label.annotations)
        assert set(used_schema_ids(label.annotations)) <= known
        assert respelled(label.annotations, ontology) == label.annotations
        there = set(feature_ids({key: label.annotations.get(key) for key in ("frames", "objects", "classifications")}))
        timed = {*label.annotations.get("segments", {}), *label.annotations.get("key_frame_feature_map", {})}
        assert timed <= there
        frames = who.frames_of(label.data_row_id)
        assert all(1 <= frame <= frames for nodes in tracks(label.annotations).values() for frame in nodes)


@pytest.mark.parametrize("media", ["video", "image"])
@pytest.mark.parametrize("edit", ALL, ids=lambda edit: edit.__name__)
def test_every_edit_does_something(fake: FakeLabelbox, media: str, edit: Edit) -> None:
    who = annotator(fake, media)
    if edit is edits.return_row:
        edits.remove_row(who)
    before = [state(who)]
    assert edit(who)
    for _ in range(3):  # what is chosen may be what was there before
        assert_sound(who)
        before.append(state(who))
        edit(who)
    assert any(one != before[0] for one in before)


@pytest.mark.parametrize("media", ["video", "image"])
def test_a_project_stays_sound(fake: FakeLabelbox, media: str) -> None:
    who = annotator(fake, media)
    for _ in range(200):
        who.choose(ALL)(who)
        assert_sound(who)
    assert who.rows


def dates(who: Annotator) -> tuple[dict[str, datetime], dict[str, datetime]]:
    labels = {label.id: label.updated_at for label in who.labels}
    return labels, {row.id: row.last_activity_at for row in who.rows}


@pytest.mark.parametrize("edit", edits.OF_LABELS, ids=lambda edit: edit.__name__)
def test_editing_a_label_moves_its_dates_and_no_others(fake: FakeLabelbox, edit: Edit) -> None:
    who = annotator(fake, "video")
    labels, rows = dates(who)
    edit(who)
    new_labels, new_rows = dates(who)
    (label_id,) = [key for key in labels if new_labels[key] > labels[key]]
    (row_id,) = [key for key in rows if new_rows[key] > rows[key]]
    assert fake.org.labels[label_id].data_row_id == row_id


@pytest.mark.parametrize("edit", [edits.rename_option, edits.rename_tool, edits.archive_tool, edits.archive_option])
def test_editing_an_ontology_moves_no_dates(fake: FakeLabelbox, edit: Edit) -> None:
    who = annotator(fake, "image")
    before = dates(who)
    assert edit(who)
    assert dates(who) == before


def test_what_is_archived_is_gone_from_labels_with_its_timing() -> None:
    ontology = {
        "tools": [{"featureSchemaId": "s-car", "name": "Auto", "classifications": []}],
        "classifications": [
            {"featureSchemaId": "s-q", "instructions": "Wetter", "name": "weather", "options": [
                {"featureSchemaId": "s-rain", "label": "Regen", "value": "regen"}]},
        ],
    }  # fmt: skip
    old = {"feature_schema_id": "s-car", "name": "car", "value": "car", "classifications": []}
    rain = {"feature_id": "rain", "feature_schema_id": "s-rain", "name": "Rain", "value": "rain", "classifications": []}
    fog = {"feature_id": "fog", "feature_schema_id": "s-fog", "name": "Fog", "value": "fog", "classifications": []}
    question = {"feature_schema_id": "s-q", "name": "Weather", "value": "weather"}
    car, van = {**old, "feature_id": "car"}, {**old, "feature_id": "van", "feature_schema_id": "s-van"}
    found = respelled(
        {
            "frames": {"1": {"objects": {"car": car, "van": van}, "classifications": [
                {**question, "feature_id": "both", "checklist_answers": [rain, fog]},
                {**question, "feature_id": "gone", "checklist_answers": [fog]},
            ]}},
            "segments": {"car": [[1, 2]], "van": [[1, 2]], "fog": [[1, 1]], "rain": [[1, 1]], "unknown": [[1, 1]]},
            "key_frame_feature_map": {"car": {"1": True}, "van": {"1": True}},
            "classifications": [{**question, "feature_id": "radio", "radio_answer": fog}],
        },
        ontology,
    )  # fmt: skip
    frame = found["frames"]["1"]
    assert list(frame["objects"]) == ["car"]
    assert (frame["objects"]["car"]["name"], frame["objects"]["car"]["value"]) == ("Auto", "auto")
    (answered,) = frame["classifications"]
    assert (answered["feature_id"], answered["name"], answered["value"]) == ("both", "Wetter", "weather")
    assert [(one["name"], one["value"]) for one in answered["checklist_answers"]] == [("Regen", "regen")]
    assert found["classifications"] == []
    assert list(found["segments"]) == ["car", "rain", "unknown"]
    assert list(found["key_frame_feature_map"]) == ["car"]


def test_features_without_a_schema_id_stay_as_they_are() -> None:
    annotations = {"objects": [{"feature_id": "a", "name": "car"}], "classifications": []}
    assert respelled(annotations, {"tools": [], "classifications": []}) == annotations


def test_a_data_row_leaves_a_project_and_comes_back_without_its_labels(fake: FakeLabelbox) -> None:
    who = annotator(fake, "image")
    row = who.rows[0]
    fake.remove_from_project(row.id)
    assert row.id not in {one.id for one in who.rows} | {label.data_row_id for label in who.labels}
    fake.add_to_project("project1", row.id)
    assert row in who.rows
    assert fake.org.labels_of("project1", row.id) == []
