"""A second run does what changed since the first one and nothing else."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import deeplake
import numpy as np
import pytest
from support.tiny import (
    CLIPS,
    HEIGHT,
    ROAD_FRAMES,
    WIDTH,
    Clip,
    Json,
    annotations_of,
    car_box,
    check_frames,
    class_names,
    column,
    columns,
    command,
    data_row,
    delete_label,
    delete_object,
    differences,
    edited,
    edited_ontology,
    expected_keys,
    history,
    label_of,
    mask_url,
    move_object,
    object_of,
    overrides,
    picked,
    question,
    read_cells,
    read_number,
    remove_files,
    road_mask,
    row_keys,
    rows_of,
    shuffled,
    sign,
    sync,
    thing,
    write_clip,
    write_files,
    write_mask,
    write_project,
)

from lakebox import load_config, run
from lakebox.core.report import Report
from lakebox.errors import ConfigError

pytest_plugins = ["support.tiny_fixtures"]

STATE = "lb_meta/state"
NEW = Clip(3, 6)


def counts(report: Report) -> dict[str, int]:
    """What happened to data rows, without the zeros."""
    return {name: number for name, number in report.assets.items() if number}


def assert_untouched(lake: Path, action: Callable[[], Report]) -> Report:
    """The action commits nothing and changes no cell."""
    cells, order, versions = read_cells(lake), row_keys(lake), history(lake)
    report = action()
    assert report.ok, report.failures
    assert differences(cells, read_cells(lake)) == set()
    assert row_keys(lake) == order
    assert history(lake) == versions
    assert counts(report) == {"unchanged": len(CLIPS)}
    assert report.media["frames"] == report.media["fetched"] == report.masks["fetched"] == 0
    return report


def assert_same_dataset(left: Path, right: Path) -> None:
    assert set(columns(left)) == set(columns(right))
    assert row_keys(left) == row_keys(right)
    assert differences(read_cells(left), read_cells(right)) == set()


# What the first run writes.


def test_rows_come_in_order_and_carry_their_own_pixels_and_boxes(lake: Path) -> None:
    assert row_keys(lake) == expected_keys(*CLIPS)
    check_frames(lake)
    assert column(lake, "video_idx") == [clip.number for clip in CLIPS for _ in range(clip.frames)]


def test_masks_nested_answers_and_flags_sit_on_their_frames(lake: Path) -> None:
    masks, colours, flags = column(lake, "Road"), column(lake, "Car/Colour"), column(lake, "Car/Car_keyframes")
    weather, notes = column(lake, "Weather"), column(lake, "Note")
    frames = [(clip, frame) for clip in CLIPS for frame in range(clip.frames)]
    for row, (clip, frame) in enumerate(frames):
        last = frame == clip.frames - 1
        assert np.asarray(colours[row]).tolist() == [2 if last else 0]
        assert np.asarray(flags[row]).tolist() == [int(last or frame == 0)]
        assert np.asarray(weather[row]).tolist() == [int(frame >= clip.frames // 2)]
        assert notes[row] == f"clip number {clip.number}"
        assert masks[row].shape == (HEIGHT, WIDTH, int(frame in ROAD_FRAMES))
        if frame in ROAD_FRAMES:
            np.testing.assert_array_equal(masks[row][..., 0], road_mask(clip.number, frame))


# Nothing changed.


@pytest.mark.parametrize("task", ["sync", "create", "annotate", "plan"])
def test_second_run_does_nothing_and_needs_no_file(project: Path, lake: Path, task: str) -> None:
    remove_files(project)
    report = assert_untouched(lake, lambda: sync(project, lake, f"task={task}"))
    assert report.dataset.rows == sum(clip.frames for clip in CLIPS)
    assert report.dataset.version == history(lake)[-1]


@pytest.mark.parametrize("task", ["sync", "annotate"])
def test_third_run_after_an_edit_does_nothing(project: Path, lake: Path, task: str) -> None:
    with edited(project) as rows:
        move_object(rows[0], "car0", 0, by=2)
    assert counts(sync(project, lake, f"task={task}")) == {"relabelled": 1, "unchanged": 2}
    remove_files(project)
    assert_untouched(lake, lambda: sync(project, lake, f"task={task}"))


def test_key_order_and_row_order_do_not_matter(project: Path, lake: Path) -> None:
    with edited(project) as rows:
        rows[:] = [shuffled(row, random.Random(5)) for row in reversed(rows)]
    remove_files(project)
    assert_untouched(lake, lambda: sync(project, lake))


def test_order_of_answers_does_not_matter(project: Path, lake: Path) -> None:
    with edited(project) as rows:
        for row in rows:
            annotations_of(row)["classifications"].reverse()
    remove_files(project)
    assert_untouched(lake, lambda: sync(project, lake))


def test_new_signatures_do_not_matter_and_are_not_stored(project: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with edited(project) as rows:
        sign(rows, project, "first-secret")
    assert sync(project, lake).ok
    check_frames(lake)
    with edited(project) as rows:
        sign(rows, project, "second-secret")
    remove_files(project)
    assert_untouched(lake, lambda: sync(project, lake))
    assert column(lake, "lb_meta/row_data")[0] == (project / CLIPS[0].url).as_uri()


def test_a_new_export_task_does_not_matter(project: Path, tmp_path: Path) -> None:
    """Labelbox makes new mask addresses for every export: `.../tasks/<task>/masks/...`."""
    lake = tmp_path / "lake"

    def exported_by(task: str) -> None:
        with edited(project) as rows:
            for clip, row in zip(CLIPS, rows, strict=True):
                for frame in ROAD_FRAMES:
                    path = project / "tasks" / task / "masks" / f"{clip.number}_{frame}.png"
                    write_mask(path, road_mask(clip.number, frame))
                    object_of(row, f"road{clip.number}", frame)["mask"]["url"] = path.as_uri()

    exported_by("one")
    assert sync(project, lake).ok
    exported_by("two")
    shutil.rmtree(project / "tasks")
    assert_untouched(lake, lambda: sync(project, lake))


def test_second_run_of_an_image_project_does_nothing(tmp_path: Path) -> None:
    config = load_config("source.project=image", f"path={tmp_path / 'images'}")
    first = run(config)
    assert first.ok and first.assets["added"] > 1
    versions = history(tmp_path / "images")
    second = run(config)
    assert counts(second) == {"unchanged": first.assets["added"]}
    assert history(tmp_path / "images") == versions


def test_two_datasets_of_one_project_live_side_by_side(project: Path, lake: Path, tmp_path: Path) -> None:
    other = tmp_path / "by_kind"
    assert sync(project, other, "mapping=by_kind", "pixels=png").ok
    remove_files(project)
    assert_untouched(lake, lambda: sync(project, lake))
    assert_untouched(other, lambda: sync(project, other, "mapping=by_kind", "pixels=png"))
    assert {"boxes/boxes", "boxes/boxes_labels"} <= set(columns(other))


# Labels changed: these cells and no others.


def test_a_moved_object_rewrites_only_its_cells(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    with edited(project) as rows:
        move_object(rows[1], "car1", 0, by=4)
    shutil.rmtree(project / "media")
    for clip in (0, 2):
        for frame in ROAD_FRAMES:
            (project / mask_url(clip, frame)).unlink()
    report = sync(project, lake)
    assert counts(report) == {"relabelled": 1, "unchanged": 2}
    assert report.media["fetched"] == report.media["frames"] == 0
    assert report.masks["fetched"] == len(ROAD_FRAMES)
    last = CLIPS[1].frames - 1
    moved = {(f"row1:{frame}", "Car/Car") for frame in range(last)}
    assert differences(before, read_cells(lake)) == moved | {(f"row1:{last}", STATE)}
    for frame, box in enumerate(column(lake, "Car/Car")[12:32]):
        left, *rest = car_box(1, frame)
        np.testing.assert_allclose(box, [[left + 4 * (1 - frame / last), *rest]], atol=1e-5)
    assert report.as_dict()["kinds"]["VideoBoundingBox"] == {"read": 2, "written": 2, "skipped": 0}


def test_a_deleted_object_disappears(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    with edited(project) as rows:
        delete_object(rows[0], "walker0")
        delete_object(rows[0], "road0")
    assert counts(sync(project, lake)) == {"relabelled": 1, "unchanged": 2}
    changed = differences(before, read_cells(lake))
    own = {(f"row0:{frame}", f"Walker{part}") for frame in (1, 3) for part in ("", "_tracks", "_keyframes")}
    own |= {(f"row0:{frame}", f"Road{part}") for frame in ROAD_FRAMES for part in ("", "_tracks", "_keyframes")}
    assert changed == own | {("row0:11", STATE)}
    walkers, masks = column(lake, "Walker"), column(lake, "Road")
    assert {cell.shape for cell in walkers[:12]} == {(0, 4)}
    assert {cell.shape for cell in masks[:12]} == {(HEIGHT, WIDTH, 0)}


def test_a_deleted_label_leaves_unlabelled_rows(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    with edited(project) as rows:
        delete_label(rows[2])
    assert counts(sync(project, lake)) == {"relabelled": 1, "unchanged": 2}
    assert {key.partition(":")[0] for key, _ in differences(before, read_cells(lake))} == {"row2"}
    assert row_keys(lake) == expected_keys(*CLIPS)
    own = slice(32, None)
    assert not any(column(lake, "lb_meta/label_id")[own]) and not any(column(lake, "Note")[own])
    for name in ("Car/Car", "Car/Car_tracks", "Car/Colour", "Walker", "Weather", "Site"):
        assert all(len(cell) == 0 for cell in column(lake, name)[own]), name
    assert read_number(column(lake, "frames")[-1]) == (2, 7)


def test_a_label_for_an_unlabelled_row_fills_its_cells(project: Path, lake: Path, tmp_path: Path) -> None:
    with edited(project) as rows:
        labels = rows[1]["projects"]["clproject0"].pop("labels")
    assert sync(project, tmp_path / "late").ok
    with edited(project) as rows:
        rows[1]["projects"]["clproject0"]["labels"] = labels
    shutil.rmtree(project / "media")
    assert counts(sync(project, tmp_path / "late")) == {"relabelled": 1, "unchanged": 2}
    assert_same_dataset(tmp_path / "late", lake)


def test_a_changed_fact_reaches_every_row(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    with edited(project) as rows:
        rows[2]["data_row"]["global_key"] = "renamed"
    shutil.rmtree(project / "media")
    assert counts(sync(project, lake)) == {"relabelled": 1, "unchanged": 2}
    keys = {(key, "lb_meta/global_key") for key in expected_keys(CLIPS[2])}
    assert differences(before, read_cells(lake)) == keys | {("row2:7", STATE)}


def test_a_repainted_mask_is_read_again(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    write_mask(project / mask_url(0, 2), ~road_mask(0, 2))
    with edited(project) as rows:
        label_of(rows[0])["label_details"]["updated_at"] = "2024-06-01T10:00:00.000+00:00"
    assert counts(sync(project, lake)) == {"relabelled": 1, "unchanged": 2}
    assert differences(before, read_cells(lake)) == {("row0:2", "Road"), ("row0:11", STATE)}
    np.testing.assert_array_equal(column(lake, "Road")[2][..., 0], ~road_mask(0, 2))


def test_an_edited_row_that_fails_keeps_its_old_cells(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    with edited(project) as rows:
        move_object(rows[0], "car0", 0, by=2)
        move_object(rows[1], "car1", 0, by=2)
    (project / mask_url(0, 4)).unlink()
    report = sync(project, lake)
    assert counts(report) == {"relabelled": 1, "unchanged": 1, "failed": 1}
    assert {key.partition(":")[0] for key, _ in differences(before, read_cells(lake))} == {"row1"}
    write_mask(project / mask_url(0, 4), road_mask(0, 4))
    assert counts(sync(project, lake)) == {"relabelled": 1, "unchanged": 2}


# Data rows come and go.


def test_a_new_data_row_is_appended(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    remove_files(project)
    write_files(project, NEW)
    with edited(project) as rows:
        rows.insert(0, data_row(NEW))
    report = sync(project, lake)
    assert counts(report) == {"added": 1, "unchanged": 3}
    assert report.media == {"fetched": 1, "frames": NEW.frames}
    after = read_cells(lake)
    assert differences(before, {key: row for key, row in after.items() if key in before}) == set()
    assert row_keys(lake) == expected_keys(*CLIPS, NEW)
    check_frames(lake)
    assert column(lake, "video_idx")[-1] == 3


def test_a_removed_data_row_is_dropped(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    with edited(project) as rows:
        del rows[1]
    remove_files(project)
    report = sync(project, lake)
    assert counts(report) == {"dropped": 1, "unchanged": 2}
    assert row_keys(lake) == expected_keys(CLIPS[0], CLIPS[2])
    assert differences(rows_of(before, "row0", "row2"), read_cells(lake)) == set()
    check_frames(lake)
    assert report.dataset.rows == 20


def test_changed_media_replace_the_rows(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    write_clip(project / "media/other.mp4", Clip(9, 15))
    with edited(project) as rows:
        rows[1]["data_row"]["row_data"] = "media/other.mp4"
        rows[1]["media_attributes"]["frame_count"] = 15
    (project / CLIPS[0].url).unlink()
    (project / CLIPS[2].url).unlink()
    report = sync(project, lake)
    assert report.ok
    assert (report.assets["added"], report.assets["unchanged"], report.dataset.rows) == (1, 2, 35)
    after = read_cells(lake)
    assert differences(rows_of(before, "row0", "row2"), rows_of(after, "row0", "row2")) == set()
    assert sorted(rows_of(after, "row1")) == sorted(f"row1:{frame}" for frame in range(15))
    keys, images = row_keys(lake), column(lake, "frames")
    own = [(key, read_number(image)) for key, image in zip(keys, images, strict=True) if key.startswith("row1:")]
    assert own == [(f"row1:{frame}", (9, frame)) for frame in range(15)]
    assert {int(number) for key, number in zip(keys, column(lake, "video_idx"), strict=True) if "row1" in key} == {1}


def test_everything_at_once(project: Path, lake: Path, tmp_path: Path) -> None:
    write_files(project, NEW)
    write_clip(project / "media/other.mp4", CLIPS[2])
    with edited(project) as rows:
        move_object(rows[0], "car0", 11, by=-2)
        del rows[1]
        rows[1]["data_row"]["row_data"] = "media/other.mp4"
        rows.append(data_row(NEW))
    plan = sync(project, lake, "task=plan")
    assert row_keys(lake) == expected_keys(*CLIPS)
    report = sync(project, lake)
    assert report.ok and report.plan == plan.plan
    assert (report.assets["relabelled"], report.assets["added"]) == (1, 2)
    assert row_keys(lake) == expected_keys(CLIPS[0], CLIPS[2], NEW)
    assert sync(project, tmp_path / "fresh").ok
    fresh = read_cells(tmp_path / "fresh", without=["video_idx"])
    assert differences(read_cells(lake, without=["video_idx"]), fresh) == set()


def test_limit_drops_nothing(project: Path, lake: Path) -> None:
    report = sync(project, lake, "limit=1")
    assert counts(report) == {"unchanged": 1}
    assert row_keys(lake) == expected_keys(*CLIPS)


def test_limit_grows_a_dataset(project: Path, lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "grown"
    assert counts(sync(project, path, "limit=1")) == {"added": 1}
    assert counts(sync(project, path, "limit=2")) == {"added": 1, "unchanged": 1}
    assert counts(sync(project, path)) == {"added": 1, "unchanged": 2}
    assert_same_dataset(path, lake)


# create and annotate.


def test_create_then_annotate_equals_sync(project: Path, lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "steps"
    assert counts(sync(project, path, "task=create")) == {"added": 3}
    assert "Car/Car" not in columns(path)
    shutil.rmtree(project / "media")
    assert counts(sync(project, path, "task=annotate")) == {"relabelled": 3}
    assert_same_dataset(path, lake)
    assert_untouched(path, lambda: sync(project, path))


def test_create_adds_a_row_to_an_annotated_dataset(project: Path, lake: Path, tmp_path: Path) -> None:
    before = read_cells(lake)
    write_files(project, NEW)
    with edited(project) as rows:
        rows.append(data_row(NEW))
    assert counts(sync(project, lake, "task=create")) == {"added": 1, "unchanged": 3}
    assert differences(before, rows_of(read_cells(lake), "row0", "row1", "row2")) == set()
    assert counts(sync(project, lake, "task=annotate")) == {"relabelled": 1, "unchanged": 3}
    assert sync(project, tmp_path / "fresh").ok
    assert_same_dataset(lake, tmp_path / "fresh")


def test_annotate_names_a_data_row_without_rows(project: Path, lake: Path, tmp_path: Path) -> None:
    write_files(project, NEW)
    with edited(project) as rows:
        move_object(rows[0], "car0", 0, by=1)
        rows.append(data_row(NEW))
    shutil.rmtree(project / "media")
    done = command(*overrides(project, lake, "task=annotate", "report=report.json"), cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["assets"] == {"added": 0, "relabelled": 1, "dropped": 0, "unchanged": 2, "failed": 1}
    (failure,) = report["failures"]
    assert (failure["data_row_id"], failure["name"]) == ("row3", "clip3")
    assert "no rows" in failure["error"] and "task=" in failure["error"]
    assert "row3" in done.stdout and "no rows" in done.stdout
    assert row_keys(lake) == expected_keys(*CLIPS)


# The configuration changed.


def test_masks_link_then_fetch_switches_the_columns(project: Path, lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "linked"
    shutil.move(project / "masks", tmp_path / "masks")
    report = sync(project, path, "masks=link")
    assert report.ok and report.masks["fetched"] == 0
    text = json.loads(column(path, "Road")[2])
    assert text == [{"url": mask_url(0, 2), "color_rgb": None}]
    shutil.move(tmp_path / "masks", project / "masks")
    shutil.rmtree(project / "media")
    assert counts(sync(project, path)) == {"relabelled": 3}
    assert_same_dataset(path, lake)
    shutil.rmtree(project / "masks")
    assert counts(sync(project, path, "masks=link")) == {"relabelled": 3}
    assert json.loads(column(path, "Road")[2]) == text


def test_masks_none_removes_the_columns(project: Path, lake: Path) -> None:
    remove_files(project)
    assert counts(sync(project, lake, "masks=none")) == {"relabelled": 3}
    assert not [name for name in columns(lake) if name.startswith("Road")]


def test_another_mapping_relabels_without_media(project: Path, lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "by_kind"
    assert sync(project, path, "mapping=by_kind").ok
    shutil.rmtree(project / "media")
    report = sync(project, lake, "mapping=by_kind")
    assert counts(report) == {"relabelled": 3}
    assert report.media["fetched"] == 0
    assert_same_dataset(lake, path)
    assert class_names(lake, "boxes/boxes_labels") == ["Car", "Walker"]
    assert_untouched(lake, lambda: sync(project, lake, "mapping=by_kind"))


def test_another_converter_relabels_without_media(project: Path, lake: Path) -> None:
    shutil.rmtree(project / "media")
    assert counts(sync(project, lake, "++mapping.converters.rectangle.dtype=int32")) == {"relabelled": 3}
    boxes = column(lake, "Car/Car")
    assert boxes[0].dtype == np.int32
    np.testing.assert_array_equal(boxes[1], np.rint([car_box(0, 1)]))


def _insert_option(ontology: Json) -> None:
    weather = next(node for node in ontology["classifications"] if node["name"] == "Weather")
    weather["options"].insert(1, question("x", ["dusk"])["options"][0])


def test_an_inserted_option_renumbers_nothing(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    with edited_ontology(project) as ontology:
        _insert_option(ontology)
    with edited(project) as rows:
        middle = annotations_of(rows[0])["frames"]["7"]["classifications"][0]
        middle["radio_answer"] = picked("dusk", "weather0")
    shutil.rmtree(project / "media")
    assert counts(sync(project, lake)) == {"relabelled": 1, "unchanged": 2}
    names = class_names(lake, "Weather")
    assert names[:3] == ["sun", "rain", "fog"] and sorted(names) == ["dusk", "fog", "rain", "sun"]
    changed = {(f"row0:{frame}", "Weather") for frame in range(6, 12)}
    assert differences(before, read_cells(lake)) == changed | {("row0:11", STATE)}
    cells = column(lake, "Weather")
    assert [names[int(cell[0])] for cell in cells[:12]] == ["sun"] * 6 + ["dusk"] * 6
    assert [names[int(cell[0])] for cell in cells[12:32]] == ["sun"] * 10 + ["rain"] * 10


def test_a_new_tool_adds_columns_and_fills_old_rows(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    with edited_ontology(project) as ontology:
        ontology["tools"].insert(0, {"tool": "point", "name": "Ball", "featureSchemaId": "schema-Ball"})
    with edited(project) as rows:
        ball = thing("ball", "Ball", "VideoPoint", point={"x": 1.5, "y": 2.5})
        annotations_of(rows[1])["frames"]["1"]["objects"]["ball"] = ball
    shutil.rmtree(project / "media")
    assert sync(project, lake).ok
    changed = {name for _, name in differences(before, read_cells(lake))}
    assert changed == {"Ball", "Ball_tracks", "Ball_keyframes", STATE}
    points = column(lake, "Ball")
    assert {cell.shape for cell in points[:12] + points[13:]} == {(0, 2)}
    assert points[12].tolist() == [[1.5, 2.5]]


# Which frames, and how they are stored.


@pytest.mark.parametrize(
    ("choice", "frames"),
    [
        (["frames=every", "frames.n=5"], {0: [0, 5, 10], 1: [0, 5, 10, 15], 2: [0, 5]}),
        (["frames=fps", "frames.rate=2"], {0: [0, 5, 10], 1: [0, 5, 10, 15], 2: [0, 5]}),
        (["frames=fps", "frames.rate=4"], {0: [0, 2, 5, 7, 10], 1: [0, 2, 5, 7, 10, 12, 15, 17], 2: [0, 2, 5, 7]}),
        (["frames=range", "frames.start=6", "frames.stop=9"], {0: [6, 7, 8], 1: [6, 7, 8], 2: [6, 7]}),
        (["frames=range", "frames.start=10"], {0: [10, 11], 1: list(range(10, 20)), 2: []}),
    ],
)
def test_selected_frames_become_rows(
    project: Path, tmp_path: Path, choice: list[str], frames: dict[int, list[int]]
) -> None:
    path = tmp_path / "some"
    assert sync(project, path, *choice).ok
    assert row_keys(path) == [f"row{clip}:{frame}" for clip, own in frames.items() for frame in own]
    check_frames(path)
    versions = history(path)
    remove_files(project)
    again = sync(project, path, *choice)
    assert again.ok and history(path) == versions


def test_annotated_frames_become_rows(project: Path, tmp_path: Path) -> None:
    with edited(project) as rows:
        for row in rows[:2]:
            delete_object(row, f"car{row['data_row']['id'][-1]}")
            for spelled in annotations_of(row)["frames"].values():
                spelled["classifications"] = []
        delete_label(rows[2])
    path = tmp_path / "annotated"
    report = sync(project, path, "frames=annotated")
    assert report.ok
    assert row_keys(path) == [f"row{clip}:{frame}" for clip in (0, 1) for frame in (1, 2, 3, 4, 5)]
    numbers = [read_number(image) for image in column(path, "frames")]
    assert numbers == [(clip, frame) for clip in (0, 1) for frame in (1, 2, 3, 4, 5)]
    assert any("1 data row" in warning for warning in report.warnings)


@pytest.mark.parametrize("pixels", ["jpeg", "png"])
def test_pixels_are_those_of_the_frame(project: Path, tmp_path: Path, pixels: str) -> None:
    path = tmp_path / pixels
    assert sync(project, path, f"pixels={pixels}").ok
    assert row_keys(path) == expected_keys(*CLIPS)
    check_frames(path)


def test_pixels_none_fetches_no_media(project: Path, lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels"
    shutil.rmtree(project / "media")
    report = sync(project, path, "pixels=none")
    assert report.ok and report.media == {"fetched": 0, "frames": 0}
    assert "frames" not in columns(path)
    without = ["frames", STATE]
    assert differences(read_cells(lake, without), read_cells(path, without)) == set()


def test_pixels_of_a_dataset_cannot_change(project: Path, lake: Path, tmp_path: Path) -> None:
    cells, versions = read_cells(lake), history(lake)
    done = command(*overrides(project, lake, "pixels=png"), cwd=tmp_path)
    assert done.returncode == 2
    assert "pixels" in done.stderr and "png" in done.stderr and "another path" in done.stderr
    assert (read_cells(lake), history(lake)) == (cells, versions)


def test_frames_of_several_blocks_keep_their_order(tmp_path: Path) -> None:
    """More frames than a block holds, more workers than cores, and the smallest queue."""
    clips = [Clip(0, 150), Clip(1, 70), Clip(2, 3)]
    project, path = write_project(tmp_path / "long", clips), tmp_path / "lake"
    assert sync(project, path, "executor.workers=5", "executor.ahead=1", "task.commit_assets=1").ok
    assert row_keys(path) == expected_keys(*clips)
    check_frames(path)
    assert sync(project, tmp_path / "serial", "executor=serial").ok
    assert_same_dataset(path, tmp_path / "serial")


def test_reading_a_part_removes_no_column_of_the_rest(project: Path, lake: Path) -> None:
    """Without an ontology file, columns come from what was read: a limit must not take those of other data rows."""
    options = ("source.ontology=null",)
    path = lake.parent / "derived"
    assert sync(project, path, *options).ok
    with edited(project) as rows:
        annotations_of(rows[0])["frames"] = {}
        annotations_of(rows[0])["segments"] = {}
    before = {c.name for c in deeplake.open_read_only(str(path)).schema.columns}
    report = sync(project, path, "limit=1", *options)
    assert report.ok
    assert report.assets["relabelled"] == 1
    assert {c.name for c in deeplake.open_read_only(str(path)).schema.columns} == before
    with pytest.raises(ConfigError, match="limit"):
        sync(project, path, "limit=2", "+mapping.converters.rectangle.dtype=int32", *options)
    assert {c.name for c in deeplake.open_read_only(str(path)).schema.columns} == before


def test_new_labels_bring_back_facts_that_somebody_took_away(project: Path, lake: Path) -> None:
    dataset = deeplake.open(str(lake))
    dataset.remove_column("lb_meta/global_key")
    dataset.commit("no keys")
    del dataset
    with edited(project) as rows:
        next(iter(rows[0]["projects"].values()))["labels"][0]["label_details"]["created_by"] = "somebody@example.com"
    report = sync(project, lake)
    assert report.ok and counts(report)["relabelled"] == 1
    cells = read_cells(lake)
    found = {row["lb_meta/global_key"] for key, row in cells.items() if key.startswith(f"{rows[0]['data_row']['id']}:")}
    assert found == {rows[0]["data_row"].get("global_key") or ""} != {""}
