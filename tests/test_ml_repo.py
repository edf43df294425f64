"""The example repository, used as its owner would, from a folder that knows nothing of this one."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import deeplake
import numpy as np
import pytest
import yaml
from support.tiny import row_keys

pytest_plugins = ["support.lake_fixtures"]

REPO = Path(__file__).parents[1] / "examples" / "ml_repo"
Ran = Callable[..., str]


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy; what its runs make stays for the next test of this module."""
    return Path(shutil.copytree(REPO, tmp_path_factory.mktemp("user") / "ml_repo"))


@pytest.fixture
def ran(repo: Path) -> Ran:
    """Run a command line in it; everything that it says."""

    def run(line: str, **env: str) -> str:
        program, *arguments = shlex.split(line)
        page = [] if "preview.out" in line else ["preview=none"]
        command = ["-m", "lakebox", *arguments, *page] if program == "lakebox" else arguments
        done = subprocess.run(
            [sys.executable, *command], cwd=repo, text=True, capture_output=True, check=False, env={**os.environ, **env}
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_a_config_of_ones_own(repo: Path, ran: Ran) -> None:
    said = ran("lakebox -cd conf -cn lanes_v3")
    assert "3 added" in said
    code, command = (re.search(f"^{name} it +(.+)$", said, re.MULTILINE)[1] for name in ("open", "see"))  # type: ignore[index]
    assert ran(shlex.join(["python", "-c", f"import deeplake; print(len({code}))"])).strip() == "132"
    assert "48 of 132 rows drawn" in ran(f"{command} preview.out=page.html")
    for task in ("history", "diff task.from_version=0000000000v00000000", "explain task.row=0"):
        assert "bunny-videos@labels, 132 rows" in ran(f"lakebox -cd conf -cn lanes_v3 task={task}")
    assert "nothing to do, 3 unchanged" in ran("lakebox -cd conf -cn lanes_v3")
    path = repo / "datasets/lanes_v3/bunny-videos"  # by the storage, the config and the provider
    dataset = deeplake.open_read_only(f"{path}@labels")
    names = {one.name for one in dataset.schema.columns}
    assert {"animals/animals", "animals/animals_labels", "Ear"} <= names and not {
        "Remark",
        "Summary",
    } & names  # by the mapping
    centres = [cell for cell in dataset["animals/animals"][:] if len(cell)]
    assert len(centres) > 50 and {cell.shape[1] for cell in centres} == {2}  # by the converter
    assert np.concatenate(centres).min() > 0


def test_an_application_of_ones_own(repo: Path, ran: Ran) -> None:
    epochs = 2 if importlib.util.find_spec("torch") else 0  # PyTorch is too heavy to be installed for this
    said = ran(f"python train.py tag=first epochs={epochs} preview=none")
    assert "frames to train on" in said and len(re.findall(r"epoch \d: loss", said)) == epochs
    again = ran("python train.py tag=second epochs=0 +mapping.groups.Mouth=animals preview=none")
    assert "3 to relabel" in again
    with_tag, now = (deeplake.open_read_only(f"{repo}/lake/train{at}") for at in ("@first", ""))
    assert "Mouth/Mouth" in {one.name for one in with_tag.schema.columns}
    assert "Mouth/Mouth" not in {one.name for one in now.schema.columns}


def test_from_python(ran: Ran) -> None:
    assert re.search(r"-> lanes_v3/bunny-videos \w+", ran("python from_python.py"))


def test_every_project_in_one_sweep(repo: Path, ran: Ran) -> None:
    ran("lakebox -cd conf -cn every_project -m limit=1")
    assert len(row_keys(repo / "lake/video")) > 1 and len(row_keys(repo / "lake/image")) == 1


def test_every_night(repo: Path, ran: Ran) -> None:
    (line,) = re.findall(r"^30 2 .*&& (lakebox .*) >>", (repo / "crontab").read_text(encoding="utf-8"), re.MULTILINE)
    ran(line)
    report = json.loads((repo / "nightly.json").read_text(encoding="utf-8"))
    assert report["dataset"]["tag"] and not report["failures"]


def test_in_a_bucket_as_the_workflow_does(repo: Path, ran: Ran, s3: str) -> None:
    workflow = yaml.safe_load((repo / ".github/workflows/nightly.yml").read_text(encoding="utf-8"))
    (line,) = (
        step["run"] for step in workflow["jobs"]["refetch"]["steps"] if step.get("run", "").startswith("lakebox")
    )
    said = ran(f"{line} path=s3://lake/ml_repo limit=1")
    assert (repo / "page.html").exists()
    assert "1 added" in said and "s3://lake/ml_repo" in said
    secrets = re.findall(r"secrets\.(\w+)", str(workflow))
    assert sorted(secrets) == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "LABELBOX_API_KEY"]


def test_in_azure(ran: Ran) -> None:
    """As far as it can be looked at without an account."""
    assert "azure://lake/lanes" in ran("lakebox -cd conf experiment=azure task=check")


def test_its_readme_names_every_file() -> None:
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in REPO.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {name for name in files if name.endswith((".py", "crontab", ".yml")) and name not in readme} == set()
