"""The README is true: its commands run, its Python runs, and it names every choice there is."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import distributed
import pytest
from support.fake_labelbox import FakeLabelbox
from support.live import ONTOLOGY, video_annotations
from support.tiny import command as started
from support.video import write_video

from lakebox import integrations

pytest_plugins = ["support.lake_fixtures"]

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "src" / "lakebox" / "example" / "video"
GROUPS = sorted({path.parent.name for path in (ROOT / "conf").glob("*/*.yaml")})


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


COMMANDS = [line.partition("#")[0].strip() for block in blocks("bash") for line in block.splitlines()]
RUN = [line for line in COMMANDS if line.startswith("lakebox ")]


def run_all(commands: list[str], cwd: Path) -> None:
    for command in commands:
        done = started(*shlex.split(command)[1:], "preview=none", cwd=cwd)
        assert command.startswith("lakebox ") and done.returncode == 0, (command, done.stdout + done.stderr)


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
    own = "ml_repo" if "-cd conf" in command else ""
    where = folder / "examples" / own if own else folder
    arguments = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "lakebox", *arguments, "preview=none"],
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "data rows" in done.stdout


def test_commands_of_keeping_in_step_run(tmp_path: Path) -> None:
    commands = [line.partition("  #")[0] for line in blocks("bash refetch")[0].splitlines()]
    assert len(commands) == 8
    run_all(commands, tmp_path)
    (code,) = blocks("python join")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_commands_of_looking_run(tmp_path: Path) -> None:
    commands = [shlex.split(line.partition("  #")[0]) for line in blocks("bash look")[0].splitlines()]
    for command in (["lakebox", "preview=none"], *commands):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stdout + done.stderr)
    assert len(commands) == 4
    assert {file.name for file in (tmp_path / "lake").glob("example.*")} == {
        "example.html",
        "example.png",
        "example.rrd",
        "example.row100.png",
    }


def test_commands_of_buckets_run(tmp_path: Path, s3: str) -> None:
    commands = [shlex.split(line.partition("  #")[0]) for line in blocks("bash buckets")[0].splitlines()]
    assert len(commands) == 3
    for program, *options in commands:
        assert program == "lakebox"
        done = started(
            *(each.replace("s3://bucket", "s3://lake/readme") for each in options), "preview=page", cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "lanes.html").exists() and "sync with labelbox" in done.stdout


def test_commands_of_a_config_to_start_from_run(folder: Path) -> None:
    commands = [shlex.split(line.partition("  #")[0]) for line in blocks("bash init")[0].splitlines()]
    assert len(commands) == 2
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", *command, "preview=none"], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stdout + done.stderr)
    said = next(block for block in blocks("yaml") if "#Bunny" in block)
    text = (folder / "conf/mapping/bunny_videos.yaml").read_text(encoding="utf-8")
    assert set(said.splitlines()) <= set(text.splitlines())
    for path in folder.glob("conf/**/*.yaml"):  # others have their own
        path.unlink()


def test_commands_of_more_machines_run(tmp_path: Path) -> None:
    """Ray's is only composed: its tests are where it is installed."""
    commands = [shlex.split(line.partition("  #")[0]) for line in blocks("bash workers")[0].splitlines()]
    assert [each[2] for each in commands] == ["executor=process", "executor=dask", "executor=ray"]
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", silence_logs=50, dashboard_address="127.0.0.1:0"
    ) as cluster:
        for each, more in zip(
            commands, ([], [f"executor.address={cluster.scheduler_address}"], ["--cfg", "job"]), strict=True
        ):
            done = subprocess.run(
                [sys.executable, "-m", *each, "preview=none", *more],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, (each, done.stdout + done.stderr)
            assert "3 added" in done.stdout or "address: auto" in done.stdout


def test_commands_of_sweeps_and_help_run(tmp_path: Path) -> None:
    commands = [
        line.rpartition("  #")[0] for name in ("sweep", "help") for line in blocks(f"bash {name}")[0].splitlines()
    ]
    assert len(commands) == 5
    run_all(commands, tmp_path)
    found = [json.loads(file.read_text(encoding="utf-8")) for file in tmp_path.glob(".lakebox/sweeps/*/summary.json")]
    assert [[one["outcome"] for one in summary] for summary in sorted(found, key=len)] == [["ok"] * 2, ["ok"] * 4]


def upload_folder(place: Path) -> Path:
    for number in range(3):
        write_video(place / f"clips/clip{number}.mp4", 6, 64, 48, video=number)
    ontology = {"tools": [{"tool": "rectangle", "name": "Lane", "classifications": []}], "classifications": []}
    (place / "lanes.yaml").write_text(json.dumps(ontology), encoding="utf-8")
    return place


def test_commands_of_the_live_circle_run(tmp_path: Path) -> None:
    commands = [line.partition("   #")[0] for line in blocks("bash labelbox")[0].splitlines()]
    assert len(commands) == 5
    with FakeLabelbox() as fake:
        environment = {**os.environ, "LABELBOX_API_KEY": fake.key}
        at = {"endpoint": fake.endpoint, "rest_endpoint": fake.rest_endpoint}
        project = ""
        for command in commands:
            service = "task.service" if "task=upload" in command else "source"
            arguments = [*shlex.split(command.replace("clx123", project))[1:], "report=report.json", "preview=none"]
            arguments += [f"{service}.{name}={value}" for name, value in at.items()]
            done = subprocess.run(
                [sys.executable, "-m", "lakebox", *arguments], cwd=upload_folder(tmp_path), capture_output=True,
                text=True, check=False, env=environment,
            )  # fmt: skip
            report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
            project = report.get("labelbox", {}).get("project_id", "") or project
            if "Done" in command:  # nobody has finished a label yet
                assert (done.returncode, "passes the filter" in done.stderr) == (1, True), done.stderr
                assert [one["stage"] for one in report["failures"]] == ["run"]
            else:
                rows = report["dataset"]["rows"]
                assert done.returncode == 0, done.stdout + done.stderr
                assert ("data rows" in done.stdout.replace("data rows to", "")) == ("dry_run" not in command)
        assert rows == 18
        assert fake.count(operation="exportDataRowsInProject") == 2  # plan and sync share one
        assert not fake.unknown


def test_the_presigner_of_the_readme_signs(tmp_path: Path) -> None:
    """From a folder outside the package, as its readers would write it; masks are at an endpoint of one's own."""
    imports = [
        f"from {a} import {b}" for a, b in re.findall(r"`from (lakebox[\w.]*|pydantic) import ([\w, ]+)`", README)
    ]
    assert len(imports) == 2
    with FakeLabelbox() as fake:
        write_video(tmp_path / "a.mp4", 6, 64, 48)
        url = fake.put("/bearer/a.mp4", (tmp_path / "a.mp4").read_bytes())
        project = fake.add_project("lanes", "VIDEO", ONTOLOGY)
        fake.label(fake.add_data_row(project, row_data=url, global_key="a"), video_annotations(fake, 0, 6))
        code = blocks("python presigner")[0].replace("https://media.acme.org", url.partition("/bearer")[0])
        (tmp_path / "acme.py").write_text("\n".join(["import os", *imports, "", "", code]), encoding="utf-8")
        (tmp_path / "conf/presigner").mkdir(parents=True)
        (tmp_path / "conf/presigner/acme.yaml").write_text(blocks("yaml presigner")[0], encoding="utf-8")
        arguments = ["-cd", "conf", "presigner=acme", "source=labelbox", f"project_id={project}", "path=lake"]
        arguments += [f"source.endpoint={fake.endpoint}", f"source.rest_endpoint={fake.rest_endpoint}"]
        done = subprocess.run(
            [sys.executable, "-m", "lakebox", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "LABELBOX_API_KEY": fake.key, "ACME_TOKEN": fake.bucket_token},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "6 frames" in done.stdout and "4 files" in done.stdout  # masks
        assert not [one for one in fake.seen if one.host != "api" and fake.key in str(one.headers)]


def test_lance_is_as_the_readme_says(tmp_path: Path) -> None:
    commands = [line.partition("  #")[0] for line in blocks("bash lance")[0].splitlines()]
    assert len(commands) == 2
    for command in commands:
        done = started(*shlex.split(command)[1:], cwd=tmp_path)
        assert done.returncode == 0 and "lanes.lance" in done.stdout, done.stderr
    (code,) = blocks("python lance")
    checked = (
        code + "assert (ds.count_rows(), len(boxes), boxes['Bunny/Bunny'].type.value_type.list_size) == (132, 92, 4)\n"
    )
    done = subprocess.run([sys.executable, "-c", checked], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "lake" / "images").is_dir()


def test_all_of_the_integrations_is_in_the_readme() -> None:
    (code,) = blocks("python integrations")
    scope: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), scope)
    assert scope.keys() - {"__builtins__"} == set(integrations.__all__) - {"Converter"}


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


def test_a_frame_of_a_whole_video(tmp_path: Path) -> None:
    (code,) = blocks("python video")
    checked = code + "assert frame.shape == (360, 640, 3) and frame.dtype == 'uint8' and frame.std() > 0\n"
    for arguments in (["-m", "lakebox", "pixels=video"], ["-c", checked]):
        done = subprocess.run([sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_and_choice_is_in_the_table(group: str) -> None:
    (row,) = re.findall(rf"^\| `{group}` \|(.*)$", README, re.MULTILINE)
    listed = set(re.findall(r"`([a-z_0-9]+)`", row.partition("|")[0]))
    assert listed == {file.stem for file in (ROOT / "conf" / group).glob("*.yaml")}


def test_every_extra_is_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = set(re.findall(r"lakebox\[(\w+)\]", README))
    assert named == set(project["optional-dependencies"])


def test_no_block_is_left_out() -> None:
    """Each kind of block has a test here or in test_presign; a new kind needs one."""
    commands = ("labelbox", "refetch", "look", "buckets", "workers", "sweep", "help", "init", "lance")
    code = ("presigner", "join", "integrations", "torch", "video", "lance")
    kinds = {"bash", "python", *(f"bash {name}" for name in commands), *(f"python {name}" for name in code)}
    assert set(re.findall(r"^```(.+)$", README, re.MULTILINE)) == kinds | {"console", "yaml", "yaml presigner"}


def test_every_file_named_in_the_readme_exists() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall("^#+ (.+)$", README, re.MULTILINE)
    }
    targets = re.findall(r"\]\((?!http)([^)]+)\)", README)
    assert len(targets) > 12
    for target in targets:
        assert target[1:] in headings if target.startswith("#") else (ROOT / target).exists(), target
