"""What DESIGN promises about the shape of the code and of the configuration, read from the files themselves."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import setuptools
import yaml
from hydra.utils import get_object
from omegaconf import OmegaConf
from pydantic import BaseModel

from lakebox import load_config, run
from lakebox.search import GROUPS, ROOT_KEYS

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
CONF = ROOT / "conf"
MODULES = {".".join(path.relative_to(SRC).with_suffix("").parts): path for path in sorted(SRC.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}

FLOORS = {
    "lakebox.core": ("lakebox.core", "lakebox.errors"),
    "lakebox.adapters": ("lakebox.adapters", "lakebox.core", "lakebox.errors"),
    "lakebox.tasks": ("lakebox.tasks", "lakebox.core", "lakebox.errors"),
}
VENDORS_OF_CORE = {"numpy", "pydantic"}
EVERYWHERE = {"numpy", "pydantic"}
VENDORS = {
    "av": {"lakebox.adapters.video"},
    "deeplake": {  # where datasets are, reading, writing, joining, and the handles of scripts
        f"lakebox.adapters.deep_lake{part}" for part in ("", "_view", "_dataset", "_join", "_handles", "_bucket")
    },
    "lance": {f"lakebox.adapters.lance_{part}" for part in ("view", "dataset", "changes")},
    "pyarrow": {  # what Lance's data are given as
        f"lakebox.adapters.lance_{part}" for part in ("view", "dataset", "changes", "cells", "merge")
    },
    "PIL": {"lakebox.adapters.image", "lakebox.adapters.drawing"},  # decoding, and drawing in an extra
    "simplejpeg": {"lakebox.adapters.pixels"},
    "isal": {"lakebox.adapters.png"},
    "requests": {"lakebox.adapters.http", "lakebox.adapters.labelbox_session"},  # files, and the session of the SDK
    "tenacity": {"lakebox.adapters.http", "lakebox.adapters.labelbox_session"},
    "urllib3": {"lakebox.adapters.http", "lakebox.adapters.labelbox_session"},
    "labelbox": {"lakebox.adapters.labelbox_sdk"},
    "lbox": {"lakebox.adapters.labelbox_sdk"},
    "google": {"lakebox.adapters.labelbox_sdk"},  # whose error the SDK raises when it has tried for long
    "obstore": {"lakebox.adapters.object_store", "lakebox.adapters.bucket"},  # signing, and where datasets are
    "distributed": {"lakebox.adapters.dask_cluster"},
    "ray": {"lakebox.adapters.ray_cluster"},
    "ijson": {"lakebox.adapters.export_file"},
    "orjson": {"lakebox.adapters.export_file", "lakebox.adapters.labelbox_kept"},  # two sources of the same JSON
    "supervision": {"lakebox.adapters.drawing"},
    "matplotlib": {"lakebox.adapters.charts", "lakebox.adapters.drawing"},  # charts, and a font
    "jinja2": {"lakebox.adapters.page"},
    "rich": {"lakebox.adapters.terminal", "lakebox.adapters.bars"},  # the report, and how far a run is
    "rerun": {"lakebox.adapters.recording"},
    "yaml": {"lakebox.adapters.documents"},
    "hydra": {
        f"lakebox.{module}" for module in ("cli", "config", "mistakes", "run_folder", "search", "settings", "sweep")
    },
    "omegaconf": {
        f"lakebox.{module}" for module in ("cli", "config", "mistakes", "run_folder", "runner", "settings", "sweep")
    },
}
"""Package -> the modules that may import it: one each, but for Hydra, which the command line is made of."""


def imports(module: str) -> Iterator[str]:
    """Everything imported anywhere in a module, also within functions, by absolute name."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            yield str(node.module)


def outside(module: str) -> set[str]:
    """Packages of others that a module imports."""
    packages = {name.partition(".")[0] for name in imports(module)}
    return packages - set(sys.stdlib_module_names) - {"lakebox"}


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


# --- floors ----------------------------------------------------------------------------------------------------------


def test_there_are_modules_on_every_floor() -> None:
    for floor in FLOORS:
        assert sum(is_in(module, floor) for module in MODULES) >= 6


@pytest.mark.parametrize("floor", FLOORS)
def test_floors(floor: str) -> None:
    wrong = {
        module: name
        for module in MODULES
        if is_in(module, floor)
        for name in imports(module)
        if is_in(name, "lakebox") and not any(is_in(name, allowed) for allowed in FLOORS[floor])
    }
    assert wrong == {}


@pytest.mark.parametrize("floor", ["lakebox.core", "lakebox.tasks"])
def test_core_and_tasks_know_no_vendor(floor: str) -> None:
    found = {module: outside(module) - VENDORS_OF_CORE for module in MODULES if is_in(module, floor)}
    assert {module: names for module, names in found.items() if names} == {}


def test_errors_import_nothing() -> None:
    assert set(imports("lakebox.errors")) <= {"__future__"}


def test_every_vendor_has_its_module() -> None:
    found: dict[str, set[str]] = {}
    for module in MODULES:
        for package in outside(module) - EVERYWHERE:
            found.setdefault(package, set()).add(module)
    assert found == VENDORS


def test_every_vendor_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [item for items in project["optional-dependencies"].values() for item in items]
    declared = {name.split(">")[0].split("=")[0].split("<")[0].lower() for name in [*project["dependencies"], *extras]}
    called = {
        "PIL": "pillow",
        "google": "google-api-core",
        "hydra": "hydra-core",
        "lance": "pylance",
        "lbox": "lbox-clients",
        "rerun": "rerun-sdk",
        "yaml": "pyyaml",
    }
    needed = {called.get(name, name.lower()) for name in {*VENDORS, *EVERYWHERE}}
    assert declared == needed | {"hydra-joblib-launcher"}  # a plugin, which Hydra finds


# --- style -----------------------------------------------------------------------------------------------------------


def test_nothing_prints() -> None:
    found = [
        (module, node.lineno)
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert found == []


def test_nothing_is_excepted_without_a_name() -> None:
    found = [
        (module, node.lineno)
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or any(isinstance(x, ast.Pass) for x in node.body))
    ]
    assert found == []


@pytest.mark.parametrize("module", MODULES)
def test_modules_stay_small(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= 350


# --- packaging -------------------------------------------------------------------------------------------------------


def pyproject() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_package_is_packed() -> None:
    listed = pyproject()["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted([*setuptools.find_packages(str(SRC)), "lakebox.conf"])


def test_every_data_file_is_packed() -> None:
    data = pyproject()["tool"]["setuptools"]["package-data"]
    own = SRC / "lakebox"
    for package, folder in (("lakebox.conf", CONF), ("lakebox.example", own / "example"), ("lakebox.web", own / "web")):
        packed = {path for pattern in data[package] for path in folder.glob(pattern)}
        there = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
        assert there - packed == set()
    assert (SRC / "lakebox" / "py.typed").is_file()


# --- configuration ---------------------------------------------------------------------------------------------------

ENTRIES = sorted(path for path in CONF.rglob("*.yaml") if path.parent != CONF)
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))
PRIMARY = sorted(CONF.glob("*.yaml"))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def config_dir(path: Path) -> Path:
    """The folder that Hydra is given for a file of somebody's own repository: the one named `conf`."""
    return next(up for up in path.parents if up.name == "conf")


def components(node: Any, where: str = "") -> Iterator[tuple[str, str, list[str]]]:
    """(place, target, keys) of everything with a `_target_`, at any depth."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield where, str(node["_target_"]), [str(key) for key in node if not str(key).startswith("_")]
        for key, child in node.items():
            yield from components(child, f"{where}.{key}")
    elif isinstance(node, list):
        for i, child in enumerate(node):
            yield from components(child, f"{where}[{i}]")


def accepted(target: str) -> set[str]:
    found = get_object(target)
    if isinstance(found, type) and issubclass(found, BaseModel):
        fields = found.model_fields
        return {field.alias or name for name, field in fields.items()} | set(fields)
    return {name for name in inspect.signature(found).parameters if name != "self"}


def strangers(node: Any) -> list[str]:
    """Keys that their component does not know."""
    return [
        f"{where}.{key} ({target})"
        for where, target, keys in components(node)
        for key in keys
        if key not in accepted(target)
    ]


def choice(path: Path, folder: Path) -> list[str]:
    """The overrides that choose a file; none for a primary config."""
    group = path.parent.relative_to(folder).as_posix()
    return [] if group == "." else [f"{group}={path.stem}"]


NEEDED = {
    "export_file": ["source.export=missing.ndjson"],
    "labelbox": ["project_id=clx123"],
    "by_creator": ["labels.creators=[ann@x.org]"],
    "upload": ["task.media=clips", "task.dataset=lanes", "task.project=lanes-2026"],
    "init": ["task.out=conf"],
    "azure_sas": ["presigner.container=https://acme.blob.core.windows.net/videos"],
}
"""What some choices ask of the user."""


@pytest.mark.parametrize("path", [*ENTRIES, *PRIMARY], ids=shown)
def test_every_choice_composes_binds_and_builds_without_touching_anything(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = path.parent.relative_to(CONF).as_posix()
    monkeypatch.chdir(tmp_path)
    overrides = [f"hydra/job_logging={path.stem}"] if group.startswith("hydra") else choice(path, CONF)
    check = [] if group == "task" else ["task=check"]
    cfg = load_config(*overrides, *NEEDED.get(path.stem, []), *check)
    node: Any = OmegaConf.to_container(cfg, resolve=False)
    assert set(GROUPS) <= {place.lstrip(".") for place, _, _ in components(node)}
    assert strangers(node) == []
    assert not check or run(cfg).ok
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=shown)
def test_every_example_composes_binds_and_builds(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = config_dir(path)
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.chdir(tmp_path)
    overrides = choice(path, folder)
    primary = {} if overrides else {"config_name": path.stem}
    cfg = load_config(*overrides, "task=check", config_dir=folder, **primary)
    node: Any = OmegaConf.to_container(cfg, resolve=False)
    assert path.parent.name in ("conf", "experiment") or list(components(node[path.parent.name]))
    assert strangers(node) == []
    assert run(cfg).ok


def test_the_sweep_is_whole() -> None:
    """A sweep that silently misses files is worth nothing: the numbers are said here, too."""
    every = [path for top in (CONF, ROOT / "examples") for path in top.rglob("*") if path.suffix in (".yaml", ".yml")]
    (workflow,) = (path for path in every if ".github" in path.parts)  # see test_ml_repo
    assert sorted([*ENTRIES, *PRIMARY, *EXAMPLES, workflow]) == sorted(every)
    assert (len(ENTRIES), len(PRIMARY), len(EXAMPLES)) == (68, 1, 10)


def test_examples_in_docstrings_are_true() -> None:
    modules = [path for path in (ROOT / "src/lakebox").rglob("*.py") if ">>>" in path.read_text(encoding="utf-8")]
    names = [".".join(path.relative_to(ROOT / "src").with_suffix("").parts) for path in modules]
    results = [doctest.testmod(importlib.import_module(name)) for name in names]
    assert [result.failed for result in results] == [0] * len(names)
    assert sum(result.attempted for result in results) > 10


def test_every_folder_of_conf_is_a_known_group() -> None:
    folders = {path.relative_to(CONF).parts[0] for path in ENTRIES}
    assert folders - {"hydra", "experiment"} <= set(GROUPS)
    assert set(GROUPS) <= folders


def test_the_primary_config_names_every_group_and_root_key() -> None:
    raw = yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8"))
    named = [next(iter(item)) for item in raw["defaults"] if isinstance(item, dict)]
    assert [name for name in named if name in GROUPS] == list(GROUPS)
    assert set(ROOT_KEYS) <= set(raw)
    assert raw.keys() - {"defaults", "hydra"} <= set(ROOT_KEYS)


def test_the_primary_config_names_every_choice() -> None:
    """Its comments are what `lakebox --help` readers see first."""
    text = (CONF / "config.yaml").read_text(encoding="utf-8")
    for path in ENTRIES:
        group = path.parent.relative_to(CONF).as_posix()
        if group in GROUPS:
            (line,) = [item for item in text.splitlines() if item.startswith(f"  - {group}: ")]
            assert path.stem in line, f"{group}={path.stem} is not mentioned"


@pytest.mark.parametrize("path", [*ENTRIES, *PRIMARY, *EXAMPLES], ids=shown)
def test_every_file_says_what_it_is_for(path: Path) -> None:
    assert path.read_text(encoding="utf-8").lstrip().startswith("#")


def test_no_configuration_holds_a_key() -> None:
    for path in (*ENTRIES, *PRIMARY, *EXAMPLES):
        assert "oc.env" not in path.read_text(encoding="utf-8"), f"{path.name} resolves the environment into the config"
