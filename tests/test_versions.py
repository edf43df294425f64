"""Versions by name: tags, the history, and going back to what was."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import deeplake
import numpy as np
import pytest
from support.composed import composed
from support.tiny import (
    CLIPS,
    Clip,
    column,
    command,
    data_row,
    delete_object,
    differences,
    edited,
    history,
    move_object,
    read_cells,
    row_keys,
    sync,
    write_files,
)

from lakebox import run
from lakebox.adapters.deep_lake import LocalStorage
from lakebox.core.report import Report
from lakebox.errors import ConfigError, LakeError

pytest_plugins = ["support.tiny_fixtures"]

DATED = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(\.\d+)?"
PROVIDERS = ["in_place", "branch", "separate", "mapping_file"]


class World:
    """A project, and a dataset that a provider chooses."""

    def __init__(self, project: Path, folder: Path, provider: str) -> None:
        self.project, self.lake, self.provider = project, folder / "lake", provider
        self.more = [f"provider={provider}"]
        if provider == "mapping_file":
            self.more.append(f"provider.file={folder / 'datasets.json'}")

    def sync(self, *more: str) -> Report:
        report = sync(self.project, self.lake, *self.more, *more)
        assert report.ok, report.failures
        return report

    def task(self, name: str, *more: str) -> Report:
        """A task that reads no project."""
        return run(composed(f"task={name}", f"path={self.lake}", *self.more, *more))

    @property
    def labels(self) -> str:
        """Where the annotations are, for plain Deep Lake."""
        return {"branch": f"{self.lake}@labelbox", "separate": f"{self.lake}_annotations"}.get(
            self.provider, str(self.lake)
        )

    def cells(self) -> Any:
        return read_cells(self.labels)

    def edit(self) -> None:
        with edited(self.project) as rows:
            move_object(rows[0], "car0", 0, by=3)
            delete_object(rows[1], "walker1")

    def grow(self) -> None:
        """A data row more, and one less."""
        new = Clip(3, 6)
        write_files(self.project, new)
        with edited(self.project) as rows:
            del rows[2]
            rows.append(data_row(new))


@pytest.fixture(params=PROVIDERS)
def world(request: pytest.FixtureRequest, project: Path, tmp_path: Path) -> World:
    return World(project, tmp_path, request.param)


# ------------------------------------------------------------------------ tags


def test_a_tag_names_the_labels_of_its_run(world: World) -> None:
    assert world.sync("tag=monday").dataset.tag == "monday"
    monday = world.cells()
    world.edit()
    world.sync("tag=tuesday")
    address = world.labels.partition("@")[0]
    assert differences(monday, read_cells(f"{address}@monday")) == set()
    assert differences(world.cells(), read_cells(f"{address}@tuesday")) == set()
    assert differences(monday, world.cells()) != set()
    lake = LocalStorage().find(address)
    assert lake is not None
    boxes = lake.at("monday").read("Car/Car", np.array([0]))
    np.testing.assert_array_equal(boxes[0], column(f"{address}@monday", "Car/Car")[0])


def test_separate_datasets_have_their_tags_both(project: Path, tmp_path: Path) -> None:
    world = World(project, tmp_path, "separate")
    world.sync("tag=monday")
    for path in (world.lake, f"{world.lake}_annotations"):
        assert deeplake.open_read_only(str(path)).tags.names() == ["monday"]


def test_auto_is_a_date_and_the_same_as_long_as_nothing_changes(world: World) -> None:
    first = world.sync("tag=auto")
    assert re.fullmatch(DATED, first.dataset.tag)
    versions = history(world.labels)
    again = world.sync("tag=auto")
    assert (again.dataset.tag, history(world.labels)) == (first.dataset.tag, versions)
    world.edit()
    later = world.sync("tag=auto")
    assert re.fullmatch(DATED, later.dataset.tag) and later.dataset.tag != first.dataset.tag
    tags = deeplake.open_read_only(world.labels.partition("@")[0]).tags.names()
    assert sorted(tags) == sorted({first.dataset.tag, later.dataset.tag})


def test_auto_names_a_version_that_has_no_dated_name_yet(project: Path, lake: Path) -> None:
    assert sync(project, lake, "tag=mine").dataset.tag == "mine"
    assert re.fullmatch(DATED, sync(project, lake, "tag=auto").dataset.tag)


def test_a_tag_of_another_version_is_refused_before_anything_is_touched(world: World) -> None:
    world.sync("tag=monday")
    world.edit()
    cells, versions = world.cells(), history(world.labels)
    with pytest.raises(ConfigError, match="tag: 'monday' names version .* choose another"):
        world.sync("tag=monday")
    assert (differences(cells, world.cells()), history(world.labels)) == (set(), versions)
    world.sync("tag=tuesday")
    with pytest.raises(ConfigError, match="'monday'"):
        world.sync("tag=monday")
    assert world.sync("tag=tuesday").dataset.tag == "tuesday"


def test_tags_of_digits_are_tags(project: Path, lake: Path) -> None:
    assert sync(project, lake, "tag=2026").dataset.tag == "2026"
    path = f"path={lake}"
    assert run(composed("task=diff", path, "task.from_version=2026", "task.to_version=2026")).changes == []
    assert "present version" in run(composed("task=revert", path, "task.to=2026")).plan


@pytest.mark.parametrize("name", ["1.10", "1e5", "true"])
def test_what_hydra_would_make_another_name_of_is_refused(project: Path, lake: Path, name: str) -> None:
    versions = history(lake)
    with pytest.raises(ConfigError, match=r"tag.*quotes"):
        sync(project, lake, f"tag={name}")
    with pytest.raises(ConfigError, match=r"task\.from_version.*quotes"):
        run(composed("task=diff", f"path={lake}", f"task.from_version={name}"))
    assert (history(lake), deeplake.open_read_only(str(lake)).tags.names()) == (versions, [])
    assert sync(project, lake, f'tag="{name}"').dataset.tag == name


def test_tags_of_the_media_are_not_those_of_a_branch(project: Path, tmp_path: Path) -> None:
    """Deep Lake counts the versions of each branch from the start, so two have the same id."""
    world = World(project, tmp_path, "branch")
    assert sync(project, world.lake, "task=create", "tag=media").ok
    world.sync("tag=labels")
    media = run(composed("task=history", f"path={world.lake}")).versions or []
    labels = world.task("history").versions or []
    assert [one["tags"] for one in media if one["tags"]] == [["media"]]
    assert [one["tags"] for one in labels if one["tags"]] == [["labels"]]
    assert media[0]["id"] == labels[0]["id"], "else this test shows nothing"
    with pytest.raises(ConfigError, match=r"'media'.*tags: labels"):
        world.task("revert", "task.to=media")
    with pytest.raises(ConfigError, match="'media'"):
        world.sync("tag=media")


@pytest.mark.parametrize("provider", ["branch", "separate"])
def test_a_tag_of_the_media_is_taken_before_there_are_annotations(project: Path, tmp_path: Path, provider: str) -> None:
    world = World(project, tmp_path, provider)
    assert sync(project, world.lake, "task=create", "tag=monday").ok
    versions = history(world.lake)
    with pytest.raises(ConfigError, match="tag: 'monday' names"):
        world.sync("tag=monday")
    assert history(world.lake) == versions
    assert world.sync("tag=tuesday").dataset.tag == "tuesday"
    assert "Walker" in [
        c.name for c in deeplake.open_read_only(f"{world.labels.partition('@')[0]}@tuesday").schema.columns
    ]


# ------------------------------------------------------------------------ history


def test_history_says_what_each_run_did(world: World) -> None:
    first = world.sync("tag=monday")
    world.edit()
    second = world.sync()
    found = world.task("history").versions or []
    assert second.plan in found[0]["message"]
    assert found[0]["id"] == second.dataset.version
    named = [one for one in found if one["tags"]]
    assert [(one["id"], one["tags"]) for one in named] == [(first.dataset.version, ["monday"])]
    assert first.plan in named[0]["message"] or "3 to relabel" in named[0]["message"]
    times = [one["time"] for one in found]
    assert times == sorted(times, reverse=True) and all(time.endswith("+00:00") for time in times)


def test_history_as_table_and_json(project: Path, lake: Path, tmp_path: Path) -> None:
    sync(project, lake, "tag=monday")
    with edited(project) as rows:
        move_object(rows[0], "car0", 0, by=3)
    sync(project, lake, "tag=tuesday")
    done = command("task=history", f"path={lake}", "report=history.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    listed = json.loads((tmp_path / "history.json").read_text(encoding="utf-8"))["versions"]
    assert [one["tags"] for one in listed[:2]] == [["tuesday"], ["monday"]]
    for one in listed:
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(one["id"])]
        assert all(tag in line for tag in one["tags"])
    said = " ".join(done.stdout.split())
    assert "0 to add, 1 to relabel, 0 to drop, 2 unchanged" in said
    assert said.index("tuesday") < said.index("monday")


@pytest.mark.parametrize("provider", ["in_place", "branch"])
@pytest.mark.parametrize("task", ["history", "diff task.from_version=a", "revert task.to=a", "join"])
def test_a_dataset_that_is_not_there(tmp_path: Path, task: str, provider: str) -> None:
    name, *rest = task.split()
    if (name, provider) == ("join", "in_place"):
        provider = "separate"
    done = command(f"task={name}", *rest, "path=./nothing", f"provider={provider}", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "path: there is no" in done.stderr and "nothing" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "nothing").exists()


# ------------------------------------------------------------------------ going back


@pytest.mark.parametrize("by", ["tag", "version"])
def test_going_back_and_forth_again(world: World, by: str) -> None:
    first = world.sync("tag=monday")
    monday = world.cells()
    world.edit()
    assert world.sync().assets["relabelled"] == 2
    present = world.cells()
    before = history(world.labels)
    back = world.task("revert", f"task.to={'monday' if by == 'tag' else first.dataset.version}")
    assert back.ok and first.dataset.version in back.plan
    assert differences(monday, world.cells()) == set()
    assert history(world.labels)[: len(before)] == before, "what was is still there"
    shutil.rmtree(world.project / "media")
    plan = world.sync("task=plan")
    assert plan.plan.startswith("0 to add, 2 to relabel, 0 to drop, 1 unchanged")
    assert world.sync().assets["relabelled"] == 2
    assert differences(present, world.cells()) == set()
    assert world.sync().plan == "nothing to do, 3 unchanged"


def test_going_back_over_added_and_dropped_data_rows(world: World) -> None:
    world.sync("tag=monday")
    world.grow()
    world.sync()
    present, order = world.cells(), row_keys(world.labels)
    world.task("revert", "task.to=monday")
    plan = world.sync("task=plan").plan
    done = world.sync()
    assert done.plan == plan and "nothing to do" not in plan
    assert differences(present, world.cells()) == set()
    assert row_keys(world.labels) == order
    if world.provider in ("branch", "separate"):
        assert row_keys(world.lake) == order
        assert done.media["fetched"] == 0, "the media are as they were"
    assert world.sync().plan == "nothing to do, 3 unchanged"


def test_the_version_after_going_back_can_be_named(world: World) -> None:
    world.sync("tag=monday")
    world.edit()
    world.sync()
    assert world.task("revert", "task.to=monday", "tag=again").dataset.tag == "again"
    with pytest.raises(ConfigError, match="tag: 'monday' names"):
        world.task("revert", "task.to=monday", "tag=monday")
    found = world.task("history").versions or []
    assert found[0]["tags"] == ["again"]


def test_going_back_to_the_present_does_nothing(world: World) -> None:
    report = world.sync("tag=monday")
    versions = history(world.labels)
    for name in ("monday", report.dataset.version):
        assert "nothing to do" in world.task("revert", f"task.to={name}").plan
    assert history(world.labels) == versions


def test_going_back_twice_to_the_same_tag(project: Path, lake: Path) -> None:
    """The second time the version is no longer among Deep Lake's live commits, but its content is there."""
    path = f"path={lake}"
    sync(project, lake, "tag=monday")
    with edited(project) as rows:
        move_object(rows[0], "car0", 0, by=3)
    sync(project, lake)
    run(composed("task=revert", path, "task.to=monday"))
    assert "nothing to do" in run(composed("task=revert", path, "task.to=monday")).plan


def test_a_version_that_was_undone_is_a_clear_error(project: Path, lake: Path, tmp_path: Path) -> None:
    sync(project, lake, "tag=monday")
    with edited(project) as rows:
        move_object(rows[0], "car0", 0, by=3)
    sync(project, lake, "tag=tuesday")
    tuesday = read_cells(lake)
    run(composed("task=revert", f"path={lake}", "task.to=monday"))
    versions, cells = history(lake), read_cells(lake)
    done = command("task=revert", f"path={lake}", "task.to=tuesday", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "tuesday" in done.stderr and "undone" in done.stderr and "Traceback" not in done.stderr
    assert (history(lake), differences(cells, read_cells(lake))) == (versions, set())
    assert differences(tuesday, read_cells(f"{lake}@tuesday")) == set()


def test_going_back_with_a_dated_name(project: Path, lake: Path) -> None:
    sync(project, lake, "tag=monday")
    with edited(project) as rows:
        move_object(rows[0], "car0", 0, by=3)
    sync(project, lake)
    report = run(composed("task=revert", f"path={lake}", "task.to=monday", "tag=auto"))
    assert re.fullmatch(DATED, report.dataset.tag)


def test_an_unknown_tag_lists_those_that_there_are(world: World) -> None:
    world.sync("tag=monday")
    with pytest.raises(ConfigError, match=r"task\.to: no tag or version 'sunday' here \(tags: monday\)"):
        world.task("revert", "task.to=sunday")
    with pytest.raises(LakeError, match=r"'sunday' \(tags: monday\)"):
        world.task("diff", "task.from_version=sunday")


def test_the_beginning_is_no_version_to_go_back_to(project: Path, lake: Path) -> None:
    first = history(lake)[0]
    with pytest.raises(LakeError, match="empty beginning"):
        run(composed("task=revert", f"path={lake}", f"task.to={first}"))


def test_going_back_waits_for_nobody(project: Path, lake: Path, tmp_path: Path) -> None:
    """Another run is writing: nothing is touched."""
    sync(project, lake, "tag=monday")
    with LocalStorage().lock(str(lake)):
        done = command("task=revert", f"path={lake}", "task.to=monday", cwd=tmp_path)
    assert done.returncode == 1
    assert "another run" in done.stderr


def test_going_back_before_a_renamed_tool(project: Path, lake: Path) -> None:
    from test_drift import rename_tool

    sync(project, lake, "tag=monday")
    rename_tool(project, "Walker", "Person")
    sync(project, lake)
    present = read_cells(lake)
    run(composed("task=revert", f"path={lake}", "task.to=monday"))
    shutil.rmtree(project / "media")
    shutil.rmtree(project / "masks")
    again = sync(project, lake)
    assert again.ok and "columns to rename: Walker to Person" in again.plan
    assert differences(present, read_cells(lake)) == set()


def test_history_of_rows_of_each_version(project: Path, lake: Path) -> None:
    """A dataset as it was has as many rows as it had."""
    sync(project, lake, "tag=three")
    with edited(project) as rows:
        del rows[1]
    sync(project, lake, "tag=two")
    lengths = [len(deeplake.open_read_only(f"{lake}@{tag}")) for tag in ("three", "two")]
    assert lengths == [sum(clip.frames for clip in CLIPS), CLIPS[0].frames + CLIPS[2].frames]
