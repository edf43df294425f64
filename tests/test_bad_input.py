"""Whatever is wrong with one data row, file, path or setting: it is named, and everything else is done."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import deeplake
import numpy as np
import pytest
from support.tiny import (
    CLIPS,
    HEIGHT,
    OTHER_PROJECT,
    PROJECT,
    RATE,
    WIDTH,
    Clip,
    Json,
    annotations_of,
    box_node,
    check_frames,
    column,
    command,
    data_row,
    delete_object,
    differences,
    edited,
    edited_ontology,
    expected_keys,
    history,
    mask_url,
    move_object,
    object_of,
    ontology,
    overrides,
    picked,
    read_cells,
    read_rows,
    row_keys,
    rows_of,
    sync,
    thing,
    write_clip,
    write_files,
    write_mask,
    write_project,
    write_rows,
)

from lakebox import load_config, run
from lakebox.core.report import Report
from lakebox.errors import ConfigError, LakeboxError, LakeError, SourceError, Stopped

pytest_plugins = ["support.tiny_fixtures"]

BAD, GOOD = CLIPS[1], (CLIPS[0], CLIPS[2])
KEY = "lb-key-5f2c9a71-do-not-store"


def says(text: str, *words: str) -> None:
    """All words are in the text."""
    missing = [word for word in words if word.lower() not in text.lower()]
    assert not missing, f"{missing} not in: {text}"


def fails_alone(project: Path, lake: Path, stage: str, *words: str, more: tuple[str, ...] = ()) -> Report:
    """A first run reports the bad row only, naming it, and writes the others as if nothing had happened."""
    path = lake.with_name("partly")
    report = sync(project, path, *more)
    assert [failure.data_row_id for failure in report.failures] == [BAD.id]
    failure = report.failures[0]
    assert failure.stage == stage, failure
    assert failure.name == "clip1"
    says(failure.error, *words)
    assert not report.ok
    assert (report.assets["added"], report.assets["failed"]) == (2, 1)
    assert row_keys(path) == expected_keys(*GOOD)
    without = ["video_idx", "lb_meta/state"]
    wanted = rows_of(read_cells(lake, without), *(clip.id for clip in GOOD))
    if not more:
        assert differences(wanted, read_cells(path, without)) == set()
    return report


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# Media.


def _cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def test_video_cut_behind_its_index(project: Path, lake: Path) -> None:
    file = project / BAD.url
    assert file.read_bytes().index(b"moov") < file.read_bytes().index(b"mdat")
    _cut(file, 0.75)
    report = fails_alone(project, lake, "decode", "frame")
    assert any(word in report.failures[0].error for word in ("20", "decoding broke")), report.failures


@pytest.mark.parametrize("more", [("pixels=png",), ("executor=serial",), ("task.commit_assets=1",)])
def test_cut_video_fails_in_every_setting(project: Path, lake: Path, more: tuple[str, ...]) -> None:
    _cut(project / BAD.url, 0.75)
    fails_alone(project, lake, "decode", more=more)


def test_video_cut_within_its_index(project: Path, lake: Path) -> None:
    (project / BAD.url).write_bytes((project / BAD.url).read_bytes()[:200])
    fails_alone(project, lake, "decode", "video")


def test_text_file_in_place_of_a_video(project: Path, lake: Path) -> None:
    (project / BAD.url).write_text("<html>404 not found</html>", encoding="utf-8")
    fails_alone(project, lake, "decode", "not a readable video")


def test_empty_file_in_place_of_a_video(project: Path, lake: Path) -> None:
    (project / BAD.url).write_bytes(b"")
    fails_alone(project, lake, "decode", "not a readable video")


def test_picture_in_place_of_a_video(project: Path, lake: Path) -> None:
    shutil.copy(project / mask_url(0, 2), project / BAD.url)
    fails_alone(project, lake, "decode", "video")


def test_missing_video(project: Path, lake: Path) -> None:
    (project / BAD.url).unlink()
    fails_alone(project, lake, "fetch", "clip1.mp4", "No such file")


def test_folder_in_place_of_a_video(project: Path, lake: Path) -> None:
    (project / BAD.url).unlink()
    (project / BAD.url).mkdir()
    fails_alone(project, lake, "fetch", "clip1.mp4", "directory")


@pytest.mark.parametrize("declared", [19, 21, 200])
@pytest.mark.parametrize("pixels", ["jpeg", "video"])
def test_wrong_number_of_frames(project: Path, lake: Path, declared: int, pixels: str) -> None:
    with edited(project) as rows:
        rows[1]["media_attributes"]["frame_count"] = declared
    more = () if pixels == "jpeg" else (f"pixels={pixels}",)
    fails_alone(project, lake, "decode", "20", str(declared), more=more)


@pytest.mark.parametrize("declared", [19, 200])
def test_wrong_number_of_frames_with_a_selection(project: Path, lake: Path, declared: int) -> None:
    """The number is checked although the frames that are missing are not asked for."""
    with edited(project) as rows:
        rows[1]["media_attributes"]["frame_count"] = declared
    report = sync(project, lake.with_name("some"), "frames=range", "frames.stop=4")
    assert [failure.data_row_id for failure in report.failures] == [BAD.id]
    says(report.failures[0].error, "20", str(declared))


def test_wrong_size(project: Path, lake: Path) -> None:
    with edited(project) as rows:
        rows[1]["media_attributes"].update(width=WIDTH * 2, height=HEIGHT * 2)
        delete_object(rows[1], "road1")
    fails_alone(project, lake, "decode", "128x96", "64x48")


def test_wrong_rate(project: Path, lake: Path) -> None:
    with edited(project) as rows:
        rows[1]["media_attributes"]["frame_rate"] = 25
    fails_alone(project, lake, "decode", "25", str(RATE), "timestamp")


def test_wrong_rate_can_be_mapped_by_time(project: Path, lake: Path) -> None:
    """Exported at half the rate of the file: each second frame of the file has no number, so nothing is guessed."""
    write_clip(project / BAD.url, Clip(1, 40), rate=2 * RATE)
    report = sync(project, lake.with_name("by_time"), "frames.match=timestamp")
    assert [failure.data_row_id for failure in report.failures] == [BAD.id]
    says(report.failures[0].error, "40", "20", "re-encode")


def test_nothing_stays_of_a_long_video_that_breaks_late(tmp_path: Path) -> None:
    """Several blocks and commits of it were written by then."""
    clips = [Clip(0, 5), Clip(1, 200, noise=True), Clip(2, 5)]
    project, path = write_project(tmp_path / "project", clips), tmp_path / "lake"
    _cut(project / clips[1].url, 0.9)
    options = ("pixels=png", "task.commit_megabytes=1", "task.commit_assets=1")
    report = sync(project, path, *options)
    assert [failure.data_row_id for failure in report.failures] == ["row1"]
    assert row_keys(path) == expected_keys(clips[0], clips[2])
    check_frames(path)
    write_clip(project / clips[1].url, clips[1])
    report = sync(project, path, *options)
    assert report.ok and report.assets["added"] == 1
    assert row_keys(path) == expected_keys(clips[0], clips[2], clips[1])
    check_frames(path)


def test_repaired_file_is_added_by_the_same_command(project: Path, lake: Path) -> None:
    whole = (project / BAD.url).read_bytes()
    (project / BAD.url).write_bytes(b"broken")
    fails_alone(project, lake, "decode")
    (project / BAD.url).write_bytes(whole)
    path = lake.with_name("partly")
    report = sync(project, path)
    assert report.ok and (report.assets["added"], report.assets["unchanged"]) == (1, 2)
    assert row_keys(path) == expected_keys(*GOOD, BAD)
    check_frames(path)


def test_a_first_run_where_all_fails_can_be_repeated(project: Path, lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "again"
    shutil.move(project / "media", project / "later")
    report = sync(project, path)
    assert report.assets["failed"] == 3 and report.dataset.rows == 0
    shutil.move(project / "later", project / "media")
    assert sync(project, path).ok
    assert row_keys(path) == expected_keys(*CLIPS)
    assert differences(read_cells(lake), read_cells(path)) == set()


def test_a_dataset_that_became_empty_is_filled_again(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "emptied"
    full = read_rows(project)
    assert sync(project, path, "frames=annotated").ok
    with edited(project) as rows:
        for row in rows:
            row["projects"][PROJECT]["labels"] = []
    assert sync(project, path, "frames=annotated").assets["dropped"] == 3
    assert row_keys(path) == []
    write_rows(project, full)
    assert sync(project, path, "frames=annotated").ok
    assert row_keys(path) == expected_keys(*CLIPS)


def test_replaced_media_that_are_broken_keep_the_old_rows(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    (project / "media/new.mp4").write_bytes(b"broken")
    with edited(project) as rows:
        rows[1]["data_row"]["row_data"] = "media/new.mp4"
    report = sync(project, lake)
    assert [failure.data_row_id for failure in report.failures] == [BAD.id]
    assert differences(before, read_cells(lake)) == set()


# Masks.


def _write_text(path: Path) -> None:
    path.write_text("not a picture", encoding="utf-8")


def _write_small(path: Path) -> None:
    write_mask(path, np.ones((HEIGHT // 2, WIDTH // 2), bool))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_write_text, ("not a readable image",)),
        (lambda path: _cut(path, 0.5), ("not a readable image",)),
        (lambda path: path.write_bytes(b""), ("not a readable image",)),
        (Path.unlink, ("no such file",)),
        (_write_small, ("32x24", "64x48")),
    ],
    ids=["garbage", "cut", "empty", "missing", "size"],
)
@pytest.mark.parametrize("frame", [2, 4])
def test_bad_mask(project: Path, lake: Path, spoil: Callable[[Path], None], words: tuple[str, ...], frame: int) -> None:
    spoil(project / mask_url(1, frame))
    report = fails_alone(project, lake, "mask", f"clip1_{frame}.png", *words)
    assert report.masks["failed"] == 1


@pytest.mark.parametrize("file", [mask_url(1, 2), CLIPS[1].url])
def test_annotations_of_a_failed_row_are_counted_as_read(project: Path, tmp_path: Path, file: str) -> None:
    """Nothing is lost in silence: the report counts what the export holds."""
    (project / file).unlink()
    kinds = sync(project, tmp_path / "new").as_dict()["kinds"]
    assert kinds["VideoSegmentationMask"] == {"read": 3, "written": 2, "skipped": 1}
    assert kinds["VideoBoundingBox"] == {"read": 6, "written": 4, "skipped": 2}


def test_bad_mask_when_relabelling_changes_nothing_of_its_row(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    (project / mask_url(1, 2)).write_bytes(b"")
    with edited(project) as rows:
        move_object(rows[0], "car0", 0, by=1)
        move_object(rows[1], "car1", 0, by=1)
    report = sync(project, lake)
    assert [failure.data_row_id for failure in report.failures] == [BAD.id]
    assert report.assets["relabelled"] == 1
    assert {key.partition(":")[0] for key, _ in differences(before, read_cells(lake))} == {"row0"}


# The export's rows.


def _spoil_line(project: Path, number: int, text: str) -> None:
    file = project / "export.ndjson"
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[number - 1] = text
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("text", ['{"data_row": {"id": "row1", ', "[]", '"row1"', "null", "\x00\x01", "{}"])
def test_broken_line_is_named_and_drops_nothing(project: Path, lake: Path, text: str) -> None:
    before = read_cells(lake)
    _spoil_line(project, 2, text)
    report = sync(project, lake)
    assert report.assets["dropped"] == 0, "a row that cannot be read is not a row that was removed"
    assert len(report.failures) == 1 and not report.ok
    says(report.failures[0].error, "line 2")
    assert differences(before, read_cells(lake)) == set()


def test_last_line_cut_off(project: Path, lake: Path, tmp_path: Path) -> None:
    """A download that broke off: the rest of the export is used, nothing is dropped."""
    file, path = project / "export.ndjson", tmp_path / "new"
    file.write_bytes(file.read_bytes()[:-400])
    before = read_cells(lake)
    report = sync(project, lake)
    says(report.failures[0].error, "line 3", "export")
    assert differences(before, read_cells(lake)) == set()
    assert sync(project, path).assets["added"] == 2
    assert row_keys(path) == expected_keys(*CLIPS[:2])


def test_json_array_cut_off(project: Path, lake: Path) -> None:
    text = json.dumps(read_rows(project))
    (project / "export.ndjson").write_text(text[:-400], encoding="utf-8")
    before = read_cells(lake)
    report = sync(project, lake)
    says(report.failures[0].error, "element 3")
    assert report.assets["unchanged"] == 2
    assert differences(before, read_cells(lake)) == set()


def _annotations_as_list(row: Json) -> None:
    row["projects"][PROJECT]["labels"][0]["annotations"] = ["x"]


def _box_without_numbers(row: Json) -> None:
    object_of(row, "car1", 0)["bounding_box"]["left"] = "wide"


def _segment_backwards(row: Json) -> None:
    annotations_of(row)["segments"]["car1"] = [[9, 2]]


def _frame_zero(row: Json) -> None:
    frames = annotations_of(row)["frames"]
    frames["0"] = frames.pop("1")


def _frame_without_number(row: Json) -> None:
    frames = annotations_of(row)["frames"]
    frames["first"] = frames.pop("1")


def _no_geometry(row: Json) -> None:
    del object_of(row, "car1", 0)["bounding_box"]


def _size_in_words(row: Json) -> None:
    row["media_attributes"]["width"] = "wide"


@pytest.mark.parametrize(
    "spoil",
    [
        _annotations_as_list,
        _box_without_numbers,
        _segment_backwards,
        _frame_zero,
        _frame_without_number,
        _no_geometry,
        _size_in_words,
    ],
)
def test_row_that_is_not_in_labelbox_form(project: Path, lake: Path, spoil: Callable[[Json], None]) -> None:
    before = read_cells(lake)
    with edited(project) as rows:
        spoil(rows[1])
    report = sync(project, lake)
    assert [(failure.data_row_id, failure.stage) for failure in report.failures] == [(BAD.id, "parse")]
    assert report.failures[0].error
    assert differences(before, read_cells(lake)) == set()
    report = sync(project, lake.with_name("fresh"))
    assert [failure.data_row_id for failure in report.failures] == [BAD.id]
    assert row_keys(lake.with_name("fresh")) == expected_keys(*GOOD)


def test_data_row_twice(project: Path, lake: Path, tmp_path: Path) -> None:
    before = read_cells(lake)
    with edited(project) as rows:
        rows.append(rows[1])
    report = sync(project, lake)
    assert [failure.data_row_id for failure in report.failures] == [BAD.id]
    says(report.failures[0].error, "2 times", "2, 4")
    assert differences(before, read_cells(lake)) == set()
    assert not sync(project, tmp_path / "fresh").ok
    assert row_keys(tmp_path / "fresh") == expected_keys(*GOOD)


def test_unknown_option_is_kept_and_said(project: Path, lake: Path) -> None:
    """Archived options still answer; they get an index behind the known ones."""
    with edited(project) as rows:
        annotations_of(rows[1])["frames"]["1"]["classifications"][0]["radio_answer"] = picked("hail", "weather1")
    report = sync(project, lake)
    assert report.ok
    says("\n".join(report.warnings), "hail", "Weather")
    dataset = deeplake.open_read_only(str(lake))
    names = list(dict(dataset["Weather"].metadata)["class_names"])
    assert names == ["sun", "rain", "fog", "hail"]
    cells = column(lake, "Weather")
    assert [names[int(cell[0])] for cell in cells[12:32]] == ["hail"] * 10 + ["rain"] * 10


def test_unknown_annotation_kind_is_counted_by_name(project: Path, lake: Path, tmp_path: Path) -> None:
    with edited(project) as rows:
        cuboid = thing("cube", "Crate", "VideoCuboid", cuboid={"corners": [1, 2, 3]})
        annotations_of(rows[1])["frames"]["1"]["objects"]["cube"] = cuboid
    done = command(*overrides(project, tmp_path / "new", "report=report.json"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["kinds"]["VideoCuboid"] == {"read": 1, "written": 0, "skipped": 1}
    assert report["failures"] == []
    says("\n".join(report["warnings"]), "cuboid", "no converter")
    says(done.stdout, "VideoCuboid")
    without = ["lb_meta/state"]
    assert differences(read_cells(lake, without), read_cells(tmp_path / "new", without)) == set()


def test_text_project(project: Path, tmp_path: Path) -> None:
    with edited(project) as rows:
        for row in rows:
            row["media_attributes"] = {"asset_type": "text"}
    done = command(*overrides(project, tmp_path / "new"), cwd=tmp_path)
    assert done.returncode == 1
    says(done.stdout + done.stderr, "row0", "row1", "row2", "text", "video and image")
    assert not (tmp_path / "new").exists()


def test_image_among_videos(project: Path, lake: Path) -> None:
    with edited(project) as rows:
        rows[1]["media_attributes"].update(asset_type="image", mime_type="image/png")
        rows[1]["projects"][PROJECT]["labels"] = []
    before = read_cells(lake)
    report = sync(project, lake)
    assert [failure.data_row_id for failure in report.failures] == [BAD.id]
    says(report.failures[0].error, "image", "video")
    assert differences(before, read_cells(lake)) == set()


# The export and the ontology as a whole.


def test_export_that_is_empty(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    (project / "export.ndjson").write_text("", encoding="utf-8")
    with pytest.raises(SourceError, match="no data rows"):
        sync(project, lake)
    assert differences(before, read_cells(lake)) == set()


def test_export_that_is_a_folder(project: Path, tmp_path: Path) -> None:
    with pytest.raises(LakeboxError, match=r"(?i)export.*directory"):
        sync(project, tmp_path / "new", f"source.export={project}")
    assert not (tmp_path / "new").exists()


def test_export_that_is_missing(project: Path, tmp_path: Path) -> None:
    with pytest.raises(LakeboxError, match=r"nowhere.ndjson.*No such file"):
        sync(project, tmp_path / "new", f"source.export={project / 'nowhere.ndjson'}")
    assert not (tmp_path / "new").exists()


def test_ontology_of_another_project(project: Path, lake: Path, tmp_path: Path) -> None:
    other = json.loads(json.dumps(ontology()).replace("schema-", "other-"))
    (project / "ontology.json").write_text(json.dumps(other), encoding="utf-8")
    done = command(*overrides(project, tmp_path / "new"), cwd=tmp_path)
    assert done.returncode == 2
    says(done.stderr, "ontology", PROJECT, "Car", "derive")
    assert not (tmp_path / "new").exists()
    before, versions = read_cells(lake), history(lake)
    with pytest.raises(ConfigError):
        sync(project, lake)
    assert (read_cells(lake), history(lake)) == (before, versions)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"tools": 3, "classifications": []}', "not json"])
def test_ontology_that_is_none(project: Path, tmp_path: Path, text: str) -> None:
    (project / "ontology.json").write_text(text, encoding="utf-8")
    with pytest.raises(LakeboxError, match="ontology"):
        sync(project, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_several_projects_and_none_chosen(project: Path, tmp_path: Path) -> None:
    with edited(project) as rows:
        rows[2]["projects"][OTHER_PROJECT] = rows[2]["projects"].pop(PROJECT)
    with pytest.raises(ConfigError, match=f"project_id.*{PROJECT}.*{OTHER_PROJECT}"):
        sync(project, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    report = sync(project, tmp_path / "new", f"project_id={PROJECT}")
    assert report.ok and row_keys(tmp_path / "new") == expected_keys(*CLIPS[:2])
    assert any("1 data row" in warning for warning in report.warnings)


def test_project_that_is_not_in_the_export(project: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"project_id.*clnowhere.*{PROJECT}"):
        sync(project, tmp_path / "new", "project_id=clnowhere")
    assert not (tmp_path / "new").exists()


# Where the dataset goes.


@pytest.mark.parametrize("below", ["file.txt", "file.txt/lake", "file.txt/deep/lake"])
def test_path_at_or_below_a_file(project: Path, tmp_path: Path, below: str) -> None:
    (tmp_path / "file.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(LakeboxError, match=r"path .*file.txt"):
        sync(project, tmp_path / below)
    assert (tmp_path / "file.txt").read_text(encoding="utf-8") == "mine"


def test_path_that_cannot_be_written(project: Path, tmp_path: Path) -> None:
    done = command(*overrides(project, "/proc/lakebox/lake"), cwd=tmp_path)
    assert done.returncode == 1
    says(done.stderr, "path", "/proc/lakebox/lake", "cannot be created")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["notes.txt", ".git/HEAD", "_deeplake_log"])
def test_path_that_holds_something_else(project: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "work" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(LakeError, match="work"):
        sync(project, tmp_path / "work")
    assert tree(tmp_path / "work") == {name: b"mine"}
    assert list((tmp_path / "work").iterdir()) == [tmp_path / "work" / Path(name).parts[0]]


def test_path_of_another_project(project: Path, lake: Path, tmp_path: Path) -> None:
    with edited(project) as rows:
        rows[:] = [data_row(clip, OTHER_PROJECT) for clip in CLIPS]
    before = tree(lake)
    done = command(*overrides(project, lake), cwd=tmp_path)
    assert done.returncode == 2
    says(done.stderr, "path", PROJECT, OTHER_PROJECT, "another path")
    assert tree(lake) == before


def test_path_of_a_foreign_dataset(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    dataset = deeplake.create(str(path))
    dataset.add_column("frames", "int32")
    dataset.append({"frames": np.arange(3, dtype=np.int32)})
    dataset.commit("theirs")
    del dataset
    before = read_versions(path)
    for task in ("sync", "create", "annotate", "plan"):
        with pytest.raises(LakeError, match=r"lakebox did not write.*another path"):
            sync(project, path, f"task={task}")
    assert read_versions(path) == before


def read_versions(path: Path) -> tuple[list[str], list[int], list[str]]:
    dataset = deeplake.open_read_only(str(path))
    names = [item.name for item in dataset.schema.columns]
    return names, dataset["frames"][:].tolist(), [str(version.id) for version in dataset.history]


def test_columns_of_other_owners_survive(project: Path, lake: Path) -> None:
    """A column that somebody added to the dataset is kept, also where rows are added and rewritten."""
    dataset = deeplake.open(str(lake))
    dataset.add_column("score", "float32")
    dataset["score"][0:40] = np.arange(40, dtype=np.float32)
    dataset.commit("scores")
    del dataset
    write_files(project, Clip(3, 5))
    with edited(project) as rows:
        move_object(rows[0], "car0", 0, by=1)
        rows.append(data_row(Clip(3, 5)))
    assert sync(project, lake).ok
    assert [float(x) for x in column(lake, "score")] == [*range(40), 0, 0, 0, 0, 0]
    assert row_keys(lake) == expected_keys(*CLIPS, Clip(3, 5))


# The configuration.


def test_every_typo_of_a_config_is_named_at_once(project: Path, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/typos.yaml").write_text(
        f"""
defaults: [config, {{override source: export_file}}, {{override frames: every}}, _self_]
projekt_id: clproject0
limit: many
source: {{export: {project}/export.ndjson, ontologie: x.json}}
presigner: {{_target_: lakebox.adapters.presign.Labelboxkey}}
mapping: {{gruops: {{rectangle: boxes}}}}
storage: {{_target_: nowhere.Storage}}
pixels: {{quality: 900}}
masks: {{_target_: lakebox.core.mapping.FetchMask}}
frames: {{n: -3}}
labels: {{stati: [DONE]}}
executor: {{workers: none}}
task: {{commit_asets: 3, commit_megabytes: 0}}
""",
        encoding="utf-8",
    )
    done = command("-cd", "conf", "-cn", "typos", f"path={tmp_path / 'new'}", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    said = done.stderr + done.stdout
    says(said, "projekt_id", "did you mean 'project_id'", "limit", "source.ontologie", "did you mean 'ontology")
    says(said, "presigner._target_", "Labelboxkey", "mapping.gruops", "did you mean 'groups'", "storage._target_")
    says(said, "nowhere", "pixels.quality", "100", "masks._target_", "FetchMask", "frames.n", "labels.stati")
    says(said, "did you mean 'statuses'", "executor.workers", "task.commit_asets", "did you mean 'commit_assets'")
    says(said, "task.commit_megabytes", "choices")
    assert "Traceback" not in said
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pixels=jpg"], ["pixels", "jpg", "jpeg", "png", "none"]),
        (["taks=sync"], ["taks"]),
        (["pixels.qualty=3"], ["pixels.qualty"]),
        (["path="], ["path"]),
        (["limit=none"], ["limit"]),
        (["source=export_file"], ["source.export"]),
        (["labels=by_creator"], ["labels.creators"]),
        (["+storage.root=x"], ["storage.root", "unknown key"]),
        (["path=s3://bucket/lane"], ["path", "s3://bucket/lane", "storage"]),
        (["path=lake@v1"], ["path", "@"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_wrong_overrides_from_python(arguments: list[str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        run(load_config(*arguments))
    says(str(caught.value), *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pixels=jpg", "frames=all"], ["pixels", "jpg", "jpeg", "png", "none"]),
        (["pixels.quality=900", "limit=0", "executor.workers=-1"], ["pixels.quality", "limit", "executor.workers"]),
        (["-cn", "nowhere"], ["nowhere"]),
    ],
    ids=["choice", "values", "name"],
)
def test_wrong_overrides_touch_nothing(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == 2, (done.stdout, done.stderr)
    says(done.stderr + done.stdout, *words)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "lake").exists()


def test_report_that_cannot_be_written_is_said_before_anything_is_done(project: Path, tmp_path: Path) -> None:
    """Exit 2 promises that nothing was touched."""
    (tmp_path / "file.txt").write_text("mine", encoding="utf-8")
    done = command(*overrides(project, tmp_path / "new", "report=file.txt/report.json"), cwd=tmp_path)
    says(done.stderr, "report", "file.txt/report.json")
    assert "Traceback" not in done.stderr
    assert (done.returncode, (tmp_path / "new").exists()) in [(2, False), (1, True)]


def test_tag_that_is_taken_is_said_before_anything_is_done(project: Path, lake: Path) -> None:
    with edited(project) as rows:
        move_object(rows[0], "car0", 0, by=1)
    assert sync(project, lake, "tag=v1").dataset.tag == "v1"
    before, versions = read_cells(lake), history(lake)
    with edited(project) as rows:
        move_object(rows[0], "car0", 0, by=1)
    with pytest.raises(LakeboxError, match="v1"):
        sync(project, lake, "tag=v1")
    assert (read_cells(lake), history(lake)) == (before, versions)


# Stopping.


def test_stop_keeps_what_was_finished(project: Path, lake: Path, tmp_path: Path) -> None:
    """The first data row is done, the second fails, the third is not begun; the next run goes on."""
    path = tmp_path / "stopped"
    whole = (project / BAD.url).read_bytes()
    (project / BAD.url).write_bytes(b"broken")
    done = command(*overrides(project, path, "on_error=stop", "executor=serial", "report=r.json"), cwd=tmp_path)
    assert done.returncode == 1
    says(done.stdout + done.stderr, BAD.id, "not a readable video")
    assert row_keys(path) == expected_keys(CLIPS[0])
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert (report["assets"]["added"], report["assets"]["failed"]) == (1, 1)
    (project / BAD.url).write_bytes(whole)
    assert sync(project, path, "on_error=stop").ok
    assert row_keys(path) == expected_keys(*CLIPS)
    assert differences(read_cells(lake), read_cells(path)) == set()


def test_stop_drops_nothing(project: Path, lake: Path) -> None:
    (project / "media/new.mp4").write_bytes(b"broken")
    with edited(project) as rows:
        rows[1]["data_row"]["row_data"] = "media/new.mp4"
        del rows[2]
    before = read_cells(lake)
    sync(project, lake, "on_error=stop")
    assert differences(before, read_cells(lake)) == set()


def test_stop_at_a_row_that_cannot_be_read(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    _spoil_line(project, 2, "{broken")
    with edited_ontology(project) as node:
        node["tools"].reverse()
    try:
        report = sync(project, lake, "on_error=stop")
    except Stopped as error:
        says(str(error), "line 2")
    else:
        assert not report.ok
    assert differences(before, read_cells(lake)) == set()


# The API key.


@pytest.fixture
def masks_refused() -> Iterator[str]:
    """Address of a mask at a host that refuses; below /echo it says which header it got."""

    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            echo = self.path.startswith("/echo")
            self.send_response(403, self.headers.get("Authorization", "none") if echo else "Forbidden")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_api_key_is_nowhere(project: Path, tmp_path: Path, masks_refused: str) -> None:
    """Not in any file, log or output, also where a host that gets the key refuses or cannot be reached."""
    run = tmp_path / "run"
    run.mkdir()
    with edited(project) as rows:
        object_of(rows[1], "road1", 2)["mask"]["url"] = f"{masks_refused}m.png?Signature=sssecret"
        object_of(rows[2], "road2", 2)["mask"]["url"] = "https://api.labelbox.com/masks/x.png?token=sssecret"
    env = {"LABELBOX_API_KEY": KEY, "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    options = ["presigner.hosts=[127.0.0.1]", "report=report.json"]
    done = command(*overrides(project, "lake", *options), cwd=run, env=env)
    assert done.returncode == 1, done.stderr
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    assert [failure["data_row_id"] for failure in report["failures"]] == ["row1", "row2"]
    says(report["failures"][0]["error"], "403", "127.0.0.1")
    says(report["failures"][1]["error"], "api.labelbox.com")
    shown = command(*overrides(project, "lake", *options, "--cfg", "job", "--resolve"), cwd=run, env=env)
    assert shown.returncode == 0
    says(shown.stdout, "LABELBOX_API_KEY")
    places = {name: content for name, content in tree(tmp_path).items() if not name.startswith("project/")}
    places |= {"output": (done.stdout + done.stderr + shown.stdout + shown.stderr).encode()}
    assert any(name.endswith(".log") for name in places)
    for secret in (KEY, "sssecret"):
        assert [name for name, content in places.items() if secret.encode() in content] == []


def test_signatures_are_not_logged_in_verbose_runs(project: Path, tmp_path: Path, masks_refused: str) -> None:
    """Who looks for a mistake with hydra.verbose=true may send the log to somebody."""
    with edited(project) as rows:
        object_of(rows[1], "road1", 2)["mask"]["url"] = f"{masks_refused}m.png?Signature=sssecret"
    options = ["presigner.hosts=[127.0.0.1]", "hydra.verbose=true"]
    done = command(*overrides(project, "lake", *options), cwd=tmp_path, env={"LABELBOX_API_KEY": KEY})
    assert done.returncode == 1, done.stderr
    (log,) = (tmp_path / ".lakebox").rglob("*.log")
    for text in (log.read_text(encoding="utf-8"), done.stdout, done.stderr):
        assert KEY not in text and "sssecret" not in text


def test_a_server_that_echoes_the_key(
    project: Path, lake: Path, masks_refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gateways repeat what they were sent; none of it may be repeated once more."""
    monkeypatch.setenv("LABELBOX_API_KEY", KEY)
    with edited(project) as rows:
        object_of(rows[1], "road1", 2)["mask"]["url"] = f"{masks_refused}echo.png"
    report = fails_alone(project, lake, "mask", "403", more=("presigner.hosts=[127.0.0.1]",))
    assert KEY not in json.dumps(report.as_dict())


def test_a_missing_api_key_is_said_with_the_variables_name(project: Path, lake: Path) -> None:
    assert "LABELBOX_API_KEY" not in os.environ
    with edited(project) as rows:
        object_of(rows[1], "road1", 2)["mask"]["url"] = "https://api.labelbox.com/masks/x.png"
    fails_alone(project, lake, "mask", "api.labelbox.com", "LABELBOX_API_KEY")


def test_a_key_in_a_component_is_not_shown_when_it_is_wrong(tmp_path: Path) -> None:
    done = command(f"presigner.hosts={KEY}", cwd=tmp_path)
    assert done.returncode == 2
    says(done.stderr, "presigner.hosts")
    assert KEY not in done.stdout + done.stderr


def test_a_drawn_box_of_a_broken_row_reaches_no_other_row(project: Path, tmp_path: Path) -> None:
    """Objects of several rows with the same feature id stay apart, also when one of the rows fails."""
    with edited(project) as rows:
        for clip, row in zip(CLIPS, rows, strict=True):
            node = thing("same", "Walker", "VideoBoundingBox", bounding_box=box_node([clip.number, 7, 1, 1]))
            annotations_of(row)["frames"]["1"]["objects"]["same"] = node
    (project / CLIPS[1].url).write_bytes(b"")
    path = tmp_path / "new"
    assert not sync(project, path).ok
    walkers = column(path, "Walker")
    assert walkers[0].tolist() == [[0, 7, 1, 1]] and walkers[12].tolist() == [[2, 7, 1, 1]]
