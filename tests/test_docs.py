"""The README is true: its commands run, its Python runs, and it names every choice there is."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "src" / "lakebox" / "example" / "video"
GROUPS = sorted(folder.name for folder in (ROOT / "conf").iterdir() if folder.is_dir() and folder.name != "hydra")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


COMMANDS = [line.partition("#")[0].strip() for block in blocks("bash") for line in block.splitlines()]
RUN = [line for line in COMMANDS if line.startswith("lakebox ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: an export with its files, and the example repository."""
    place = tmp_path_factory.mktemp("user")
    shutil.copytree(EXAMPLE, place, dirs_exist_ok=True)
    shutil.copytree(ROOT / "examples", place / "examples")
    return place


def test_the_readme_has_commands() -> None:
    assert len(RUN) == 4


@pytest.mark.parametrize("command", RUN)
def test_command_runs(command: str, folder: Path) -> None:
    own = "own_repo" if "-cd conf" in command else ""
    where = folder / "examples" / own if own else folder
    arguments = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "lakebox", *arguments], cwd=where, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "data rows" in done.stdout


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "lake" / "images").is_dir()


def test_training_loop(tmp_path: Path) -> None:
    """The loop runs where PyTorch is installed; it is too heavy to install for this, so elsewhere its query runs."""
    (code,) = blocks("python torch")
    made = subprocess.run([sys.executable, "-m", "lakebox"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    if importlib.util.find_spec("torch") is None:
        head, _, _ = code.partition("for batch in")
        code = head.replace("from torch.utils.data import DataLoader\n", "") + "assert len(boxes) == 92\n"
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_and_choice_is_in_the_table(group: str) -> None:
    (row,) = re.findall(rf"^\| `{group}` \|(.*)$", README, re.MULTILINE)
    listed = set(re.findall(r"`([a-z_0-9]+)`", row.partition("|")[0]))
    assert listed == {file.stem for file in (ROOT / "conf" / group).glob("*.yaml")}


def test_every_file_named_in_the_readme_exists() -> None:
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
