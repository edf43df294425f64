"""From a row back to the export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.live import ONTOLOGY, Live, image_annotations, objects, png, video_project
from support.tiny import CLIPS, PROJECT, car_box, column, command, delete_label, edited, move_object, overrides, sync

from lakebox import load_config, run
from lakebox.core.explain import around
from lakebox.core.fingerprint import track_number
from lakebox.errors import ConfigError

pytest_plugins = ["support.tiny_fixtures", "support.labelbox_fixtures", "support.live_fixtures"]


def explained(project: Path, lake: Path, row: object, *more: str) -> dict[str, Any]:
    report = run(load_config(*overrides(project, lake, "task=explain", f"task.row='{row}'", "preview=none", *more)))
    assert report.ok and report.explained is not None
    return report.explained


def test_every_fact_of_a_row(project: Path, lake: Path) -> None:
    told = explained(project, lake, 13)
    wanted = {
        "row": 13, "row_key": "row1:1", "data_row_id": "row1", "frame": 1, "global_key": "key1",
        "external_id": "clip1.mp4", "label_id": "label1", "label_creator": "ann@example.com", "project_id": PROJECT,
        "created_at": "2024-05-01T10:00:00.000+00:00", "label_in_export": True,
        "editor": f"https://app.labelbox.com/projects/{PROJECT}/data-rows/row1",
    }  # fmt: skip
    assert {name: told[name] for name in wanted} == wanted
    assert "export.ndjson" in told["export"]
    assert "Weather: sun" in told["answers"] and "Note: clip number 1" in told["answers"]


def test_rows_are_found_by_number_and_by_key(project: Path, lake: Path) -> None:
    keys = column(lake, "lb_meta/row_key")
    for number in (0, 12, len(keys) - 1):
        assert explained(project, lake, number)["row_key"] == keys[number]
        assert explained(project, lake, keys[number])["row"] == number


def test_every_object_of_every_row_is_the_feature_of_the_export(project: Path, lake: Path) -> None:
    exported = [json.loads(line) for line in (project / "export.ndjson").read_text(encoding="utf-8").splitlines()]
    for number in range(0, sum(clip.frames for clip in CLIPS), 3):
        told = explained(project, lake, number)
        clip = next(clip for clip in CLIPS if clip.id == told["data_row_id"])
        raw = exported[clip.number]["projects"][PROJECT]["labels"][0]["annotations"]
        for one in told["objects"]:
            nodes = {
                int(frame) - 1: spelled["objects"][one["feature_id"]]
                for frame, spelled in raw["frames"].items()
                if one["feature_id"] in spelled["objects"]
            }
            node = next(iter(nodes.values()))
            assert (one["schema_id"], one["kind"]) == (node["feature_schema_id"], node["annotation_kind"])
            assert one["track"] == track_number(one["feature_id"])
            assert one["keyframe"] == (told["frame"] in nodes)
            before = max((frame for frame in nodes if frame <= told["frame"]), default=None)
            after = min((frame for frame in nodes if frame > told["frame"]), default=None)
            wanted = [told["frame"]] * 2 if one["keyframe"] else [before, after]
            assert list(one["between"]) == wanted, (told["row_key"], one)
        car = next(one for one in told["objects"] if one["feature_id"].startswith("car"))
        np.testing.assert_allclose(car["shape"], car_box(clip.number, told["frame"]), atol=0.01)


def test_without_the_export_the_dataset_says_what_it_knows(project: Path, lake: Path) -> None:
    told = explained(project, lake, 5)
    (project / "export.ndjson").unlink()
    report = run(load_config(*overrides(project, lake, "task=explain", "task.row=5", "preview=none")))
    alone = report.explained
    assert alone and any("export" in warning for warning in report.warnings)
    assert all(one["feature_id"] == "" for one in alone["objects"])
    known = ("column", "track", "schema_id", "keyframe", "between", "shape")
    assert [[one[name] for name in known] for one in alone["objects"]] == [
        [one[name] for name in known] for one in told["objects"]
    ]


def test_keyframes_of_another_segment_do_not_count(project: Path, tmp_path: Path) -> None:
    with edited(project) as rows:
        annotations = rows[0]["projects"][PROJECT]["labels"][0]["annotations"]
        annotations["segments"]["car0"] = [[1, 4], [8, 12]]
    lake = tmp_path / "lake"
    assert sync(project, lake).ok
    for _ in range(2):
        for row, wanted in ((2, (0, None)), (9, (None, 11))):
            (car,) = (one for one in explained(project, lake, row)["objects"] if one["column"] == "Car/Car")
            assert tuple(car["between"]) == wanted
        (project / "export.ndjson").unlink(missing_ok=True)  # the dataset by itself says the same


def test_a_row_without_a_label(project: Path, tmp_path: Path) -> None:
    with edited(project) as rows:
        delete_label(rows[0])
    assert sync(project, tmp_path / "lake").ok
    told = explained(project, tmp_path / "lake", 0)
    assert (told["label_id"], told["objects"], told["created_at"]) == ("", [], "")


def test_a_label_that_came_since_is_not_taken_for_the_row_s(project: Path, lake: Path) -> None:
    with edited(project) as rows:
        rows[0]["projects"][PROJECT]["labels"][0]["id"] = "another"
    told = explained(project, lake, 0)
    assert told["label_id"] == "label0" and not told["label_in_export"]
    assert all(one["feature_id"] == "" for one in told["objects"]) and told["objects"]


def test_a_row_says_which_configuration_wrote_it(project: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    ran = command(*overrides(project, lake, "report=report.json"), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    first = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["config_digest"]
    (kept,) = (tmp_path / ".lakebox" / "runs").glob("*/.hydra/config.yaml")
    assert first in kept.read_text(encoding="utf-8").splitlines()[0]
    with edited(project) as rows:
        move_object(rows[1], "car1", 0, 3)
    second = sync(project, lake, "task.commit_assets=3").as_dict()["config_digest"]
    assert len({first, second, ""}) == 3
    assert [explained(project, lake, row)["configuration"] for row in (0, 13, 39)] == [first, second, first]


@pytest.mark.parametrize(
    ("row", "said"), [(40, "rows 0 to 39"), (-1, "rows 0 to 39"), ("row1:99", "row1:0"), ("x", "row0:0")]
)
def test_rows_that_are_not_there(project: Path, lake: Path, row: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        explained(project, lake, row)


def test_on_the_command_line_with_the_frame_drawn(project: Path, lake: Path, tmp_path: Path) -> None:
    done = command(
        *overrides(project, lake, "task=explain", "task.row='row2:3'", "report=report.json", "preview=page"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    for said in ("row2:3", "key2", "label2", "ann@example.com", "car2", "between frames 0 and 7", "schema-Car"):
        assert said in done.stdout
    drawn = tmp_path / "lake.row35.png"
    with Image.open(drawn) as picture:
        assert picture.width > 300
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["explained"]
    assert told["row"] == 35


@pytest.mark.parametrize(
    ("frame", "found"), [(0, (None, 2)), (2, (2, 5)), (3, (2, 5)), (5, (5, 9)), (9, (9, None)), (12, (9, None))]
)
def test_keyframes_around(frame: int, found: tuple[int | None, int | None]) -> None:
    assert around([2, 5, 9], frame) == found
    assert around([], frame) == (None, None)


VIDEO_KINDS = {
    "car0": "VideoBoundingBox", "hub0": "VideoPoint", "lane0": "VideoPolyline", "roof0": "VideoPolygon",
    "road0": "VideoSegmentationMask", "sky0": "VideoSegmentationMask", "road100": "VideoSegmentationMask",
}  # fmt: skip


@pytest.mark.parametrize("media", ["video", "image"])
def test_every_kind_of_object_is_traced_to_its_feature(live: Live, media: str) -> None:
    if media == "video":
        video_project(live, (6,))
    else:
        live.fake.add_project("stills", "IMAGE", ONTOLOGY, project_id=live.project_id)
        url = live.fake.store("/o/0.png", png(np.full((48, 64, 3), 9, np.uint8)))
        live.fake.label(live.fake.add_data_row(live.project_id, row_data=url), image_annotations(live.fake, 0))
    assert live.run().ok
    kinds = {uid: kind.replace("Video", media.title()) for uid, kind in VIDEO_KINDS.items()}
    frames = {0: 1, 4: 5} if media == "video" else {0: 1}
    for row in range(6 if media == "video" else 1):
        told = live.run("task=explain", f"task.row={row}").explained
        assert told is not None
        found = {one["feature_id"]: one for one in told["objects"]}
        wanted = {uid: kind for uid, kind in kinds.items() if row < 5}
        assert {uid: one["kind"] for uid, one in found.items()} == wanted
        exported = {node["feature_id"]: node for node in objects(live.fake, 0, frames.get(row, 1))}
        for uid, one in found.items():
            assert (one["name"], one["schema_id"] != "") == (exported[uid]["name"], True)
            assert one["keyframe"] == (row in frames)
            assert list(one["between"]) == ([row, row] if row in frames else [0, 4])
            if row in frames:
                assert list(one["shape"]) == pytest.approx(numbers_of(exported[uid]))


def numbers_of(node: dict[str, Any]) -> list[float]:
    """Coordinates as `Origin.shape` has them."""
    if "bounding_box" in node:
        return [node["bounding_box"][side] for side in ("left", "top", "width", "height")]
    points = [node["point"]] if "point" in node else node.get("line") or node.get("polygon") or []
    return [point[axis] for point in points for axis in ("x", "y")]
