"""Which dataset, and which branch of it, gets a project's annotations: the choices that there are, and a user's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import deeplake
import numpy as np
import pytest
from PIL import Image
from support.tiny import (
    CLIPS,
    OTHER_PROJECT,
    check_frames,
    columns,
    command,
    data_row,
    differences,
    expected_keys,
    history,
    overrides,
    read_cells,
    row_keys,
    sync,
    write_project,
    write_rows,
)

import lakebox
from lakebox import load_config, run
from lakebox.core.lake_port import Place
from lakebox.errors import ConfigError, LakeError

pytest_plugins = ["support.tiny_fixtures"]

ANNOTATIONS = {"Car/Car", "Walker", "Road", "Weather", "Note"}


def branches(path: Path | str) -> list[str]:
    dataset = deeplake.open_read_only(str(path))  # its branches are gone when it is
    return list(dataset.branches.names())


def places(provider: str, lake: Path) -> tuple[str, ...]:
    own = (f"provider.file={lake.parent / 'datasets.json'}",) if provider == "mapping_file" else ()
    return f"provider={provider}", *own


# ------------------------------------------------------------------------ the choices that there are


@pytest.mark.parametrize("by", ["command line", "Python"])
@pytest.mark.parametrize("provider", ["in_place", "branch", "separate", "mapping_file"])
def test_each_provider_puts_annotations_in_its_place(
    project: Path, lake: Path, tmp_path: Path, provider: str, by: str
) -> None:
    path, whole = tmp_path / "data", read_cells(lake, without=["frames"])
    options = overrides(project, path, *places(provider, path))
    if by == "Python":
        assert run(load_config(*options)).ok
    else:
        done = command(*options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        address = {"branch": f"{path}@labelbox", "separate": f"{path}_annotations"}.get(provider, str(path))
        assert f'deeplake.open_read_only("{address}")' in done.stdout
        hint = next(line for line in done.stdout.splitlines() if line.startswith("see it"))
        seen = command(*hint.split("lakebox ")[1].split(), "preview.format=png", "preview.out=sheet.png", cwd=tmp_path)
        assert seen.returncode == 0 and (tmp_path / "sheet.png").exists(), seen.stderr
    labels = {"branch": f"{path}@labelbox", "separate": f"{path}_annotations"}.get(provider, str(path))
    assert set(columns(labels)) >= ANNOTATIONS
    assert differences(whole, read_cells(labels, without=["frames"])) <= {
        (key, "lb_meta/state") for key in row_keys(labels)
    }
    assert row_keys(path) == expected_keys(*CLIPS)
    assert "frames" in columns(path)
    if provider in ("branch", "separate"):
        assert not ANNOTATIONS & set(columns(path)), "media only"
    assert ("frames" in columns(labels)) == (provider != "separate")
    for folder in ("media", "masks"):
        shutil.rmtree(project / folder)
    again = run(load_config(*options))
    assert (again.ok, again.plan) == (True, "nothing to do, 3 unchanged")


def test_several_branches_of_the_same_media(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "data"
    assert sync(project, path, "provider=branch", "provider.branch=one").ok
    shutil.rmtree(project / "media")
    assert sync(project, path, "provider=branch", "provider.branch=two", "mapping=by_kind").ok
    assert set(branches(path)) == {"main", "one", "two"}
    assert "Car/Car" in columns(f"{path}@one") and "boxes/boxes" in columns(f"{path}@two")


def test_the_main_branch_is_for_media(tmp_path: Path) -> None:
    done = command("provider=branch", "provider.branch=main", f"path={tmp_path / 'x'}", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "provider.branch" in done.stderr and "in_place" in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("spelling", ["data", "./data/", "./x/../data", "{folder}/data", "file://{folder}/data"])
def test_media_and_annotations_cannot_be_one(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.chdir(tmp_path)
    own = f"provider.annotations={spelling.format(folder=tmp_path)}"
    with pytest.raises(ConfigError, match=r"provider\.annotations.*where the media are"):
        sync(project, "data", "provider=separate", own)
    assert not (tmp_path / "data").exists()


def test_annotations_of_other_media_are_refused(project: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    own = ("provider=separate", f"provider.annotations={labels}")
    assert sync(project, tmp_path / "one", *own).ok
    write_rows(project, [data_row(CLIPS[0], OTHER_PROJECT)])
    before = read_cells(labels)
    with pytest.raises((ConfigError, LakeError), match=f"{OTHER_PROJECT}.*nothing was touched"):
        sync(project, tmp_path / "two", *own)
    assert differences(before, read_cells(labels)) == set()


@pytest.mark.parametrize("provider", ["in_place", "branch", "separate"])
def test_a_preview_shows_the_frames_wherever_they_are(
    project: Path, tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same picture, however media and annotations are kept."""
    monkeypatch.chdir(tmp_path)  # the heading has the address, and a long one takes two lines
    sheets = []
    for name in ("in_place", provider):
        assert sync(project, Path(name), f"provider={name}").ok
        sheet = tmp_path / f"{name}.png"
        own = (f"path={name}", f"provider={name}", f"preview.out={sheet}", "preview.format=png")
        assert run(load_config("task=preview", *own)).ok
        sheets.append(np.asarray(Image.open(sheet).convert("RGB"))[60:])  # below the heading, which names the place
    np.testing.assert_array_equal(*sheets)


# ------------------------------------------------------------------------ a user's own

ACME = """
from lakebox.core.lake_port import Place

def where(project_name, root="."):
    return f"{root}/by name/{project_name}"

def apart(project_name, root="."):
    return Place(f"{root}/media", annotations=f"{root}/labels of {project_name}")

def on_branch(project_name, root="."):
    return Place(f"{root}/media", branch="people")

def nothing(project_name, root="."):
    return None

def empty(project_name, root="."):
    return ""

def number(project_name, root="."):
    return 7

def broken(project_name, root="."):
    return {}[project_name]

def both(project_name, root="."):
    return Place(f"{root}/media", annotations=f"{root}/labels", branch="people")

def same(project_name, root="."):
    return Place(f"{root}/media", annotations=f"{root}/media/")
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository with a module and a config of its own; the folder of the config."""
    import sys

    name = f"acme_{abs(hash(tmp_path)) % 10**8}"
    (tmp_path / f"{name}.py").write_text(ACME, encoding="utf-8")
    (tmp_path / "conf" / "provider").mkdir(parents=True)
    (tmp_path / "conf" / "provider" / "acme.yaml").write_text(
        f"_target_: {name}.where\n_partial_: true\nroot: {tmp_path}\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "conf"
    sys.modules.pop(name, None)


def function(acme: Path, name: str) -> str:
    module = next(acme.parent.glob("acme_*.py")).stem
    return f"provider._target_={module}.{name}"


def theirs(project: Path, acme: Path, *more: str) -> Any:
    return run(load_config(*overrides(project, "unused", "provider=acme", *more), config_dir=acme))


def test_a_function_that_gives_an_address(project: Path, acme: Path, tmp_path: Path) -> None:
    report = theirs(project, acme)
    assert report.ok
    assert report.dataset.path == f"{tmp_path}/by name/tiny"
    check_frames(tmp_path / "by name" / "tiny")
    assert not (tmp_path / "unused").exists()
    done = command("-cd", str(acme), *overrides(project, "unused", "provider=acme"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "nothing to do, 3 unchanged" in done.stdout


def test_tasks_on_a_dataset_ask_for_the_name(project: Path, acme: Path, tmp_path: Path) -> None:
    """A function needs it, whatever the task; they read no further."""
    assert theirs(project, acme).ok
    export = project / "export.ndjson"
    first, *_ = export.read_text(encoding="utf-8").splitlines()
    export.write_text(f"{first}\nno JSON\n", encoding="utf-8")
    for task in ("history", "explain task.row=0", "preview preview.out=page.png preview.format=png"):
        assert theirs(project, acme, *f"task={task}".split()).dataset.path == f"{tmp_path}/by name/tiny"
    with pytest.raises(ConfigError, match="no data row of project nobody; give the source and the project_id"):
        theirs(project, acme, "task=history", "project_id=nobody")


def test_a_provider_that_knows_the_place_is_not_told_the_name(lake: Path) -> None:
    assert run(load_config("source=export_file", "source.export=gone.ndjson", f"path={lake}", "task=history")).ok


def test_a_function_that_gives_a_place(project: Path, acme: Path, tmp_path: Path) -> None:
    assert theirs(project, acme, function(acme, "apart")).ok
    assert "frames" in columns(tmp_path / "media") and "Walker" in columns(tmp_path / "labels of tiny")
    view = lakebox.join(str(tmp_path / "media"), str(tmp_path / "labels of tiny"))
    assert len(view["Walker"][1]) == 1
    assert theirs(project, acme, function(acme, "on_branch")).ok
    assert "people" in branches(tmp_path / "media")


@pytest.mark.parametrize("make", [lambda root: f"{root}/x", lambda root: Place(f"{root}/x", branch="people")])
def test_a_provider_handed_over_in_python(project: Path, tmp_path: Path, make: Any) -> None:
    seen: list[str] = []

    def provider(name: str) -> Any:
        seen.append(name)
        return make(tmp_path)

    report = run(load_config(*overrides(project, "unused")), given={"provider": provider})
    assert report.ok and set(seen) == {"tiny"}
    assert row_keys(tmp_path / "x") == expected_keys(*CLIPS)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "gave NoneType None for project 'tiny'"),
        ("empty", "not an address"),
        ("number", "gave int 7"),
        ("broken", "failed for project 'tiny': KeyError: 'tiny'"),
        ("both", "both in a dataset of their own"),
        ("same", "where the media are"),
    ],
)
def test_what_is_no_place_is_a_clear_error(project: Path, acme: Path, tmp_path: Path, name: str, said: str) -> None:
    options = overrides(project, "unused", "provider=acme", function(acme, name))
    done = command("-cd", str(acme), *options, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in " ".join(done.stderr.split()) and "provider" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "media").exists() and not (tmp_path / "unused").exists()


def test_a_target_that_is_not_there_names_the_file(project: Path, acme: Path, tmp_path: Path) -> None:
    options = overrides(project, "unused", "provider=acme", function(acme, "wheer"))
    done = command("-cd", str(acme), *options, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "wheer" in done.stderr and "provider" in done.stderr and "Traceback" not in done.stderr


# ------------------------------------------------------------------------ the mapping file


def other_project(folder: Path) -> Path:
    """A second project, by another name."""
    write_project(folder, CLIPS[:1])
    row = data_row(CLIPS[0], OTHER_PROJECT)
    row["projects"][OTHER_PROJECT]["name"] = "öther"
    write_rows(folder, [row])
    return folder


def known(file: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "datasets.json"


def mapped(file: Path, *more: str) -> tuple[str, ...]:
    return "provider=mapping_file", f"provider.file={file}", *more


def test_a_later_run_finds_the_dataset_whatever_the_path(project: Path, tmp_path: Path, file: Path) -> None:
    assert sync(project, tmp_path / "first", *mapped(file)).ok
    assert known(file) == {"tiny": str(tmp_path / "first")}
    versions = history(tmp_path / "first")
    shutil.rmtree(project / "media")
    again = sync(project, tmp_path / "elsewhere", *mapped(file))
    assert (again.ok, again.plan, again.dataset.path) == (True, "nothing to do, 3 unchanged", str(tmp_path / "first"))
    assert history(tmp_path / "first") == versions and not (tmp_path / "elsewhere").exists()
    assert known(file) == {"tiny": str(tmp_path / "first")}


def test_nothing_is_written_down_before_the_dataset_is_there(project: Path, tmp_path: Path, file: Path) -> None:
    assert sync(project, tmp_path / "lake", "task=plan", *mapped(file)).ok
    assert not file.exists()
    (tmp_path / "blocked").write_text("in the way", encoding="utf-8")
    with pytest.raises(LakeError):
        sync(project, tmp_path / "blocked", *mapped(file))
    (project / "export.ndjson").rename(project / "gone.ndjson")
    with pytest.raises(Exception, match=r"export\.ndjson"):
        sync(project, tmp_path / "lake", *mapped(file))
    assert not file.exists()


def test_several_projects_share_a_file(project: Path, tmp_path: Path, file: Path) -> None:
    other = other_project(tmp_path / "other project")
    assert sync(project, tmp_path / "one", *mapped(file)).ok
    assert sync(other, tmp_path / "two", *mapped(file)).ok
    assert known(file) == {"tiny": str(tmp_path / "one"), "öther": str(tmp_path / "two")}
    assert sync(project, tmp_path / "two", *mapped(file)).dataset.path == str(tmp_path / "one")
    path = f"path={tmp_path / 'none'}"
    with pytest.raises(ConfigError, match=r"provider\.project.*tiny, öther"):
        run(load_config("task=history", path, *mapped(file)))
    report = run(load_config("task=history", path, *mapped(file, 'provider.project="öther"')))
    assert report.dataset.path == str(tmp_path / "two")


def test_two_projects_at_the_same_time(project: Path, tmp_path: Path, file: Path) -> None:
    projects = [project, other_project(tmp_path / "other project")]
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(sync, one, tmp_path / f"lake{at}", *mapped(file)) for at, one in enumerate(projects)]
        assert all(one.result().ok for one in runs)
    assert known(file) == {"tiny": str(tmp_path / "lake0"), "öther": str(tmp_path / "lake1")}
    assert [one.name for one in file.parent.iterdir()] == [file.name], "no part of a file is left"


def test_many_writers_lose_no_line(tmp_path: Path, file: Path) -> None:
    from lakebox.adapters.mapping_file import MappingFile

    provider = MappingFile(file=file, path="unused")
    with ThreadPoolExecutor(8) as pool:
        for number in range(60):
            pool.submit(provider.remember, f"project {number}", Place(f"lake {number}"))
    assert known(file) == {f"project {number}": f"lake {number}" for number in range(60)}


@pytest.mark.parametrize("text", ["{", "", "[]", '{"tiny": 7}', '"x"', '{"tiny": null}', "\x00"])
def test_a_damaged_file_is_named_and_left_alone(project: Path, tmp_path: Path, file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"provider\.file .*datasets\.json"):
        sync(project, tmp_path / "lake", *mapped(file))
    assert file.read_text(encoding="utf-8") == text
    assert not (tmp_path / "lake").exists()


def test_a_file_in_the_folder_of_its_dataset_is_refused(project: Path, tmp_path: Path) -> None:
    """The dataset's folder is its own, and locked while the file would be written."""
    lake = tmp_path / "lake"
    with pytest.raises(ConfigError, match="the dataset's own folder"):
        sync(project, lake, "provider=mapping_file", f"provider.file={lake / 'datasets.json'}")
    assert not lake.exists()


def test_a_dataset_that_is_gone_is_made_anew_where_the_file_says(project: Path, tmp_path: Path, file: Path) -> None:
    assert sync(project, tmp_path / "first", *mapped(file)).ok
    shutil.rmtree(tmp_path / "first")
    assert sync(project, tmp_path / "elsewhere", *mapped(file)).assets["added"] == 3
    assert row_keys(tmp_path / "first") == expected_keys(*CLIPS)


def test_the_file_may_choose_a_branch(project: Path, tmp_path: Path, file: Path) -> None:
    assert sync(project, tmp_path / "lake", *mapped(file, "provider.branch=people")).ok
    assert "Walker" in columns(f"{tmp_path / 'lake'}@people") and "Walker" not in columns(tmp_path / "lake")
    assert known(file) == {"tiny": str(tmp_path / "lake")}


def test_another_project_at_the_path_is_refused(project: Path, tmp_path: Path, file: Path) -> None:
    assert sync(project, tmp_path / "lake", *mapped(file)).ok
    other = other_project(tmp_path / "other project")
    with pytest.raises(ConfigError, match="holds project .*choose another path"):
        sync(other, tmp_path / "lake", *mapped(file))
    assert known(file) == {"tiny": str(tmp_path / "lake")}
