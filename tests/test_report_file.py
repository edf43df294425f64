"""The report file is of the run that was asked for, however that run ends; an old success is never taken for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.live import Live, video_project
from support.tiny import command, overrides, sync

from lakebox import load_config, run
from lakebox.core.report import Report
from lakebox.errors import ConfigError, SourceError

pytest_plugins = ["support.tiny_fixtures", "support.labelbox_fixtures", "support.live_fixtures"]

OLD = json.dumps({"task": "sync", "failures": []})


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def failed(report: Mapping[str, Any]) -> str:
    """Why a run failed as a whole, of a report that says that and nothing else."""
    (failure,) = report["failures"]
    assert (failure["data_row_id"], failure["name"], failure["stage"]) == ("", "", "run")
    assert {**report, "failures": [], "task": ""} == Report().as_dict()
    return str(failure["error"])


def test_a_key_that_is_refused(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run before it was a success, and its report is there."""
    video_project(live, (2,), masks=False)
    file = live.folder / "report.json"
    assert live.command("report=report.json").returncode == 0
    assert read(file)["assets"]["added"] == 1
    key, live.fake.key = live.fake.key, "lbx-another-key-0123456789"
    assert live.command("report=report.json").returncode == 1
    assert read(file)["task"] == "sync"
    assert "refused the API key" in failed(read(file))
    assert key not in file.read_text(encoding="utf-8")


def test_a_project_that_is_unknown(live: Live) -> None:
    file = live.folder / "deep/er/report.json"
    with pytest.raises(SourceError) as caught:
        live.run(f"report={file}", "project_id=nowhere", "task=plan")
    assert failed(read(file)) == str(caught.value)
    assert read(file)["task"] == "plan"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    "wrong",
    [["pixels.quality=900"], ["nonsense=1"], ["pixels=nonsense"], ["api_key=lbx-0123456789"]],
    ids=["value", "key", "choice", "secret"],
)
def test_a_configuration_that_is_wrong(project: Path, tmp_path: Path, wrong: list[str]) -> None:
    file = tmp_path / "report.json"
    file.write_text(OLD, encoding="utf-8")
    done = command(*overrides(project, tmp_path / "new", "report=report.json", *wrong), cwd=tmp_path)
    assert done.returncode == 2
    assert "nvalid configuration" in failed(read(file))
    assert "lbx-0123456789" not in file.read_text(encoding="utf-8")


def test_a_component_that_breaks_and_quotes_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python, too; what nobody foresaw is told by its name only."""
    file = tmp_path / "report.json"
    file.write_text(OLD, encoding="utf-8")
    monkeypatch.setenv("ACME_TOKEN", "acme-0123456789")

    class Broken:
        def __init__(self, error: Exception) -> None:
            self.error = error

        def find(self, path: str) -> None:
            raise self.error

        create = lock = find

    for error, said in ((ConfigError("no acme-0123456789"), "no ..."), (ZeroDivisionError("x"), "ZeroDivisionError")):
        with pytest.raises(type(error)):
            run(load_config(f"report={file}", "path=x"), given={"storage": Broken(error)})
        assert said in failed(read(file))
        assert "acme-0123456789" not in file.read_text(encoding="utf-8")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Programs that are started in the background by a shell ignore Ctrl-C, and so do those that they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_run_that_is_interrupted_and_one_that_is_killed(live: Live) -> None:
    video_project(live, (2,), masks=False)
    live.fake.faults.set("slow", path_contains=".mp4", delay=4)
    for how, said in ((signal.SIGINT, "interrupted"), (signal.SIGKILL, "killed")):
        file = live.folder / "report.json"
        file.write_text(OLD, encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "lakebox", *live.overrides("report=report.json", "source.max_age_minutes=0")],
            cwd=live.folder, env={**os.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 30
        before = live.fake.count(path_contains=".mp4")
        while live.fake.count(path_contains=".mp4") == before and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(how)
        process.wait(30)
        assert said in failed(read(file))


def test_a_link_stays_one_and_a_pipe_gets_one_report(project: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.json").write_text(OLD, encoding="utf-8")
    (tmp_path / "link.json").symlink_to("kept.json")
    assert sync(project, tmp_path / "lake", f"report={tmp_path / 'link.json'}").ok
    assert (tmp_path / "link.json").is_symlink()
    assert read(tmp_path / "kept.json")["assets"]["added"] == 3
    done = command(*overrides(project, tmp_path / "lake", "report=/dev/stderr"), cwd=tmp_path)
    assert done.stderr.count('"failures"') == 1
