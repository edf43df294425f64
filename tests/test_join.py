"""Media and annotations that are kept apart, as one."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import deeplake
import numpy as np
import pytest
from support.tiny import (
    CLIPS,
    Clip,
    Json,
    annotations_of,
    check_frames,
    class_names,
    column,
    command,
    data_row,
    delete_object,
    differences,
    edited,
    edited_ontology,
    expected_keys,
    history,
    read_cells,
    read_number,
    row_keys,
    sync,
    thing,
    write_files,
    write_project,
)
from test_drift import tool
from test_versions import World

import lakebox
from lakebox import load_config, run
from lakebox.errors import ConfigError, LakeError

pytest_plugins = ["support.tiny_fixtures"]

STATE = "lb_meta/state"
HOSTILE = ("Grüße / 100 %", "a b/c", "50%s", "x'y", "select", "m.frames", "ß\\n", "Ünï_{0}")


@pytest.fixture(params=["separate", "branch"])
def world(request: pytest.FixtureRequest, project: Path, tmp_path: Path) -> World:
    return World(project, tmp_path, request.param)


def joined(world: World, at: str = "") -> Any:
    labels = f"{world.labels.partition('@')[0]}@{at}" if at else world.labels
    return lakebox.join(str(world.lake), labels)


def names(view: Any) -> set[str]:
    return {item.name for item in view.schema.columns}


def grow(world: World, clip: Clip) -> None:
    write_files(world.project, clip)
    with edited(world.project) as rows:
        rows.append(data_row(clip))


# ------------------------------------------------------------------------ lakebox.join


def test_pictures_and_annotations_meet_on_their_rows(world: World) -> None:
    world.sync()
    view = joined(world)
    assert [str(key) for key in view["lb_meta/row_key"][:]] == expected_keys(*CLIPS)
    numbers = [read_number(np.asarray(image)) for image in view["frames"][:]]
    assert numbers == [(clip.number, frame) for clip in CLIPS for frame in range(clip.frames)]
    labels = deeplake.open_read_only(world.labels)
    for name in ("Car/Car", "Car/Car_tracks", "Weather", "Road"):
        for mine, theirs in zip(view[name][:], labels[name][:], strict=True):
            np.testing.assert_array_equal(np.asarray(mine), np.asarray(theirs), err_msg=name)
    assert list(view["Note"][:]) == [f"clip number {clip.number}" for clip in CLIPS for _ in range(clip.frames)]


def test_frames_without_annotations_are_kept(world: World) -> None:
    world.sync()
    grow(world, Clip(3, 6))
    assert sync(world.project, world.lake, *world.more, "task=create").ok
    view = joined(world)
    assert [str(key) for key in view["lb_meta/row_key"][:]] == expected_keys(*CLIPS, Clip(3, 6))
    cells = list(view["Car/Car"][:])
    assert all(len(cell) == 1 for cell in cells[:40])
    assert all(cell is None or len(cell) == 0 for cell in cells[40:])
    assert [read_number(np.asarray(view["frames"][row])) for row in (40, 45)] == [(3, 0), (3, 5)]
    report = world.task("join")
    assert report.plan == "46 rows, 40 of them with annotations, 0 annotated rows without"


def test_rows_come_in_the_order_of_the_media_however_many(tmp_path: Path) -> None:
    """More than ten thousand: in the order of texts, row 10000 would come before row 2."""
    clips = [Clip(number, 2100) for number in range(5)]
    project = write_project(tmp_path / "project", clips, media=False)
    world = World(project, tmp_path, "separate")
    assert sync(project, world.lake, *world.more, "pixels=none", "masks=none").ok
    view = joined(world)
    keys = [str(key) for key in view["lb_meta/row_key"][:]]
    assert len(keys) == 10500 and keys == row_keys(world.lake)
    frames = np.array([cell[0][0] for cell in view["Car/Car"][:]])
    np.testing.assert_allclose(frames, np.tile(np.arange(2100) / 4, 5))


def test_the_view_can_be_iterated_queried_and_cut(world: World) -> None:
    world.sync()
    view = joined(world)
    seen = [(str(row["lb_meta/row_key"]), len(row["Walker"]), row["frames"].shape) for row in view]
    assert [key for key, _, _ in seen] == expected_keys(*CLIPS)
    assert {key for key, walkers, _ in seen if walkers} == {
        f"row{clip}:{frame}" for clip in (0, 1, 2) for frame in (1, 3)
    }
    assert len({shape for _, _, shape in seen}) == 1
    first = view.query("SELECT * WHERE \"lb_meta/video_name\" = 'clip1'")
    assert [str(key) for key in first["lb_meta/row_key"][:]] == expected_keys(CLIPS[1])
    assert [read_number(np.asarray(image)) for image in first["frames"][:3]] == [(1, 0), (1, 1), (1, 2)]
    cut = view[5:8]
    assert [str(key) for key in cut["lb_meta/row_key"][:]] == expected_keys(*CLIPS)[5:8]


def test_the_view_offers_loaders(world: World) -> None:
    world.sync()
    assert callable(joined(world).pytorch)


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed, so there is no loader to run")
def test_a_loader_gives_every_row(world: World) -> None:
    world.sync()
    loader = joined(world).pytorch()
    assert [str(row["lb_meta/row_key"]) for row in loader] == expected_keys(*CLIPS)


def test_annotations_as_they_were_at_a_tag(world: World) -> None:
    world.sync("tag=monday")
    with edited(world.project) as rows:
        delete_object(rows[0], "car0")
    world.sync()
    then, now = joined(world, "monday"), joined(world)
    assert [len(cell) for cell in then["Car/Car"][:12]] == [1] * 12
    assert [0 if cell is None else len(cell) for cell in now["Car/Car"][:12]] == [0] * 12
    out = world.lake.parent / "out"
    report = world.task("join", "task.at=monday", f"task.out={out}")
    assert report.plan.startswith("40 rows, 40 of them")
    assert [len(cell) for cell in column(out, "Car/Car")[:12]] == [1] * 12


def test_an_unknown_place_is_named(world: World) -> None:
    world.sync("tag=monday")
    with pytest.raises(LakeError, match=r"'sunday' \(tags: monday\)"):
        joined(world, "sunday")
    with pytest.raises(ConfigError, match=r"no dataset at .*nothing"):
        lakebox.join(str(world.lake.parent / "nothing"), world.labels)
    with pytest.raises(LakeError, match="sunday"):
        world.task("join", "task.at=sunday")


def test_a_version_without_a_tag_can_be_saved_but_not_queried(world: World) -> None:
    version = world.sync().dataset.version
    with edited(world.project) as rows:
        delete_object(rows[0], "car0")
    world.sync()
    if world.provider == "separate":
        with pytest.raises(LakeError, match="tags only.*tag="):
            lakebox.join(str(world.lake), f"{world.labels}@{version}")
    out = world.lake.parent / "out"
    assert world.task("join", f"task.at={version}", f"task.out={out}").ok
    assert [len(cell) for cell in column(out, "Car/Car")[:12]] == [1] * 12


def add_own_columns(world: World) -> None:
    """People keep something of their own on both sides."""
    media = deeplake.open(str(world.lake))
    media.add_column("split", deeplake.types.Text())
    media["split"][0:2] = ["train", "test"]
    media.commit("mine")
    root = deeplake.open(world.labels.partition("@")[0])
    labels = root.branches["labelbox"].open() if world.provider == "branch" else root
    labels.add_column("checked", "int32")
    labels["checked"][0:3] = np.array([1, 0, 1], np.int32)
    if world.provider == "separate":
        labels.add_column("split", deeplake.types.Text())
        labels["split"][0:2] = ["a", "b"]
    labels.commit("mine")


def test_columns_of_others_come_along(world: World) -> None:
    world.sync()
    add_own_columns(world)
    view = joined(world)
    assert list(view["split"][:2]) == ["train", "test"]
    assert [int(cell) for cell in view["checked"][:3]] == [1, 0, 1]
    out = world.lake.parent / "out"
    assert world.task("join", f"task.out={out}").ok
    assert column(out, "split")[:2] == ["train", "test"]
    assert [int(cell) for cell in column(out, "checked")[:3]] == [1, 0, 1]
    if world.provider == "separate":
        for found in (view, deeplake.open_read_only(str(out))):
            assert list(found["split (annotations)"][:2]) == ["a", "b"]


def with_hostile_names(project: Path) -> None:
    with edited_ontology(project) as ontology:
        for number, name in enumerate(HOSTILE):
            ontology["tools"].append({"tool": "point", "name": name, "featureSchemaId": f"schema-h{number}"})
        tool(ontology, "Walker")["name"] = 'say "hi"'
    with edited(project) as rows:
        for number, name in enumerate(HOSTILE):
            point: Json = thing(f"h{number}", name, "VideoPoint", point={"x": number, "y": 1})
            point["feature_schema_id"] = f"schema-h{number}"
            annotations_of(rows[0])["frames"]["1"]["objects"][f"h{number}"] = point


def test_hostile_names_of_columns(world: World) -> None:
    with_hostile_names(world.project)
    world.sync()
    view, out = joined(world), world.lake.parent / "out"
    assert world.task("join", f"task.out={out}").ok
    for found in (view, deeplake.open_read_only(str(out))):
        for number, name in enumerate(HOSTILE):
            np.testing.assert_array_equal(np.asarray(found[name][0]), [[number, 1]], err_msg=name)
        assert len(found["say _hi_"][1]) == 1
    query = f'SELECT "{HOSTILE[0]}" WHERE "lb_meta/video_name" = \'clip0\''
    assert len(view.query(query)) == CLIPS[0].frames


# ------------------------------------------------------------------------ task=join


@pytest.mark.parametrize("pixels", ["jpeg", "png"])
def test_what_is_saved_is_a_dataset_like_any_other(world: World, tmp_path: Path, pixels: str) -> None:
    more = f"pixels={pixels}"
    world.sync(more)
    out = tmp_path / "out"
    report = world.task("join", f"task.out={out}")
    assert (report.dataset.path, report.dataset.rows, report.dataset.branch) == (str(out), 40, "main")
    check_frames(out)
    media, saved = deeplake.open_read_only(str(world.lake)), deeplake.open_read_only(str(out))
    assert all(media["frames"].get_bytes(row) == saved["frames"].get_bytes(row) for row in range(40))
    assert sync(world.project, tmp_path / "whole", more).ok
    assert differences(read_cells(tmp_path / "whole"), read_cells(out)) == set()
    assert class_names(out, "Weather") == class_names(tmp_path / "whole", "Weather")
    assert dict(saved.metadata["labelbox_meta"]) == dict(
        deeplake.open_read_only(str(tmp_path / "whole")).metadata["labelbox_meta"]
    )
    for folder in ("media", "masks"):
        shutil.rmtree(world.project / folder)
    versions = history(out)
    again = sync(world.project, out, more)
    assert (again.ok, again.plan, history(out)) == (True, "nothing to do, 3 unchanged", versions)


def test_what_is_saved_can_be_grown(world: World, tmp_path: Path) -> None:
    world.sync()
    grow(world, Clip(3, 6))
    assert sync(world.project, world.lake, *world.more, "task=create").ok
    out = tmp_path / "out"
    world.task("join", f"task.out={out}")
    assert row_keys(out) == expected_keys(*CLIPS, Clip(3, 6))
    assert {cell.shape for cell in column(out, "Car/Car")[40:]} == {(0, 4)}
    shutil.rmtree(world.project / "media")
    report = sync(world.project, out)
    assert report.ok and (report.assets["relabelled"], report.assets["unchanged"]) == (1, 3)
    check_frames(out)


def test_an_existing_dataset_is_not_written_over(world: World, tmp_path: Path) -> None:
    world.sync()
    before, versions = read_cells(world.lake), history(world.lake)
    done = command("task=join", f"path={world.lake}", *world.more, f"task.out={world.lake}", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "task.out" in done.stderr and "nothing was touched" in done.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(LakeError, match="no Deep Lake dataset.*nothing was touched"):
        world.task("join", f"task.out={tmp_path / 'mine'}")
    assert (history(world.lake), differences(before, read_cells(world.lake))) == (versions, set())


def test_a_dataset_that_was_cut_short_is_taken_up_again(world: World, tmp_path: Path) -> None:
    world.sync()
    deeplake.create(str(tmp_path / "out"))  # what a killed run leaves: everything comes with one commit
    assert world.task("join", f"task.out={tmp_path / 'out'}").ok
    check_frames(tmp_path / "out")


def test_whole_videos_cannot_be_saved(world: World, tmp_path: Path) -> None:
    world.sync("pixels=video")
    done = command("task=join", f"path={world.lake}", *world.more, "task.out=./out", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "whole videos" in done.stderr and "pixels=jpeg" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists(), "what cannot be filled is not begun"
    assert len(joined(world)) == 40


def test_the_report_says_what_there_is(world: World, tmp_path: Path) -> None:
    world.sync()
    versions = history(world.lake)
    options = [f"path={world.lake}", *world.more, "report=join.json"]
    done = command("task=join", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "join.json").read_text(encoding="utf-8"))
    assert report["plan"] == "40 rows, 40 of them with annotations, 0 annotated rows without"
    assert report["dataset"]["media"] == str(world.lake)
    assert history(world.lake) == versions


def test_what_is_together_is_not_joined(project: Path, lake: Path, tmp_path: Path) -> None:
    """Else somebody who forgets the provider gets a copy without annotations, and is told that all have some."""
    done = command("task=join", f"path={lake}", "task.out=./out", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "nothing to join" in done.stderr and "provider=separate" in done.stderr
    assert not (tmp_path / "out").exists()


def test_images_are_joined_too(tmp_path: Path) -> None:
    places = [f"path={tmp_path / 'images'}", "provider=separate"]
    assert run(load_config("source.project=image", *places)).ok
    view = lakebox.join(str(tmp_path / "images"), str(tmp_path / "images_annotations"))
    whole = tmp_path / "whole"
    assert run(load_config("source.project=image", f"path={whole}")).ok
    assert names(view) == names(deeplake.open_read_only(str(whole)))
    assert run(load_config("task=join", *places, f"task.out={tmp_path / 'out'}")).ok
    assert differences(read_cells(whole), read_cells(tmp_path / "out")) == set()
