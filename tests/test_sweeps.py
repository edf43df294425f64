"""Sweeps: every job's outcome is told, whichever launcher runs them, and one that fails ends no other."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.lake_shown import found
from support.process import Process
from support.tiny import command, overrides, row_keys

from lakebox import sweep
from lakebox.core.facts import ROW_KEY
from lakebox.core.sweep import Job, outcome, own, shared, summary, writing_keys

pytest_plugins = ["support.tiny_fixtures", "support.process_fixtures"]

KEY = "lbx-0123456789-SECRET"
DEADLY = """
import os

from lakebox.core.component import Component


class Deadly(Component):
    def request(self, url):
        os.kill(os.getpid(), 9)
"""


def summaries(folder: Path) -> list[dict[str, Any]]:
    (file,) = folder.glob(".lakebox/sweeps/*/summary.json")
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local"])
def test_every_job_is_told_and_one_that_fails_ends_no_other(project: Path, tmp_path: Path, launcher: str) -> None:
    (tmp_path / "lakes").mkdir()
    (tmp_path / "lakes/5").write_text("in the way", encoding="utf-8")
    asked = overrides(project, "lakes/${frames.n}", "frames=every", "frames.n=5,8", f"hydra/launcher={launcher}")
    more = ["hydra.launcher.n_jobs=2", "executor=process", "executor.workers=1"] if launcher == "joblib" else []
    done = command("-m", *asked, *more, cwd=tmp_path, env={"LABELBOX_API_KEY": KEY})
    assert done.returncode == 1, done.stderr
    bad, good = summaries(tmp_path)
    assert bad.keys() == good.keys() >= {"job", "overrides", "outcome", "rows", "failures", "seconds", "version"}
    assert [(one["job"], one["outcome"], one["failures"]) for one in (bad, good)] == [(0, "failed", 1), (1, "ok", 0)]
    assert {"frames.n=5", "path=lakes/${frames.n}"} <= set(bad["overrides"]) and "lakes/5" in bad["error"]
    assert good["rows"] == len(row_keys(tmp_path / "lakes/8")) > 0
    assert good["version"] and 0 < good["seconds"] < 60
    table = [line.split() for line in done.stdout.splitlines()[-5:]]
    assert table[0] == ["job", "overrides", "outcome", "rows", "failures", "seconds", "version"]
    assert (table[1][:3], table[2][:4]) == (["0", "frames.n=5", "failed"], ["1", "frames.n=8", "ok", str(good["rows"])])
    assert "summary.json" in done.stdout
    said = done.stdout + done.stderr
    assert ("[1] plan: 3 to add" in said, "\nplan: 3 to add" in said) == (launcher == "joblib", launcher == "basic")
    assert "Traceback" not in said and KEY not in said
    kept = [path for path in tmp_path.rglob(".lakebox/**/*") if path.is_file()]
    assert len([path for path in kept if path.name == "outcome.json"]) == 2
    assert not [path for path in kept if KEY.encode() in path.read_bytes()]


def test_storages_and_mappings_side_by_side(project: Path, tmp_path: Path) -> None:
    more = ("storage=local,lance", "mapping=by_name,by_kind", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    done = command("-m", *overrides(project, "lake", *more), cwd=tmp_path)
    assert (done.returncode, (tmp_path / "lake").exists()) == (2, False)
    assert "lake: jobs 0 (storage=local mapping=by_name) and 1 (storage=local mapping=by_kind)" in done.stderr
    apart = "${hydra:runtime.choices.storage}/${hydra:runtime.choices.mapping}"
    done = command("-m", *overrides(project, apart, *more), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [(one["outcome"], one["rows"]) for one in summaries(tmp_path)] == [("ok", 40)] * 4
    for mapping in ("by_name", "by_kind"):
        lance = found(str(tmp_path / "lance" / mapping))
        assert lance.read(ROW_KEY, np.arange(len(lance))) == row_keys(tmp_path / "local" / mapping)


def test_a_job_whose_process_is_killed(project: Path, tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text(DEADLY, encoding="utf-8")
    asked = overrides(project, "lake${hydra:job.num}", "limit=1,2", "hydra/launcher=joblib")
    done = command(
        "-m", *asked, "presigner=none", "presigner._target_=ours.Deadly", "hydra.launcher.n_jobs=2", cwd=tmp_path
    )
    assert done.returncode == 1
    assert "the sweep broke off" in done.stderr and "Traceback" not in done.stderr
    assert [one["outcome"] for one in summaries(tmp_path)] == ["not ended"] * 2


def test_ctrl_c_ends_jobs_that_run_side_by_side(project: Path, tmp_path: Path, start: Callable[..., Process]) -> None:
    clip = project / "media" / "clip0.mp4"
    clip.unlink()
    os.mkfifo(clip)
    asked = overrides(
        project, "lake${hydra:job.num}", "limit=1,2,3", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"
    )
    process = start(tmp_path, ["-m", *asked])
    process.wait_for("plan: 1 to add")
    status, took, said = process.end(signal.SIGINT)
    assert status == 130 and took < 2.5, (status, took, said)
    assert "3 to add" not in said and "Traceback" not in said
    assert said.count("interrupted") == 1
    assert [one["outcome"] for one in summaries(tmp_path)] == ["not ended"] * 3


def test_a_folder_that_is_used_again_tells_of_its_last_sweep_only(tmp_path: Path) -> None:
    for limits, there in (("1,2,3", 3), ("1,x", 2)):
        done = command("-m", "task=check", f"limit={limits}", "hydra.sweep.dir=sweep", cwd=tmp_path)
        found = json.loads((tmp_path / "sweep/summary.json").read_text(encoding="utf-8"))
        assert [one["job"] for one in found] == list(range(there))
    assert done.returncode == 1
    assert [one["outcome"] for one in found] == ["ok", "wrong configuration"]
    assert "limit: Input should be a valid integer" in done.stdout


# As values.


def job(number: int, *overrides: str, writes: Sequence[str] = ()) -> Job:
    return Job(number, overrides, frozenset(writes))


def test_what_two_jobs_would_write_is_told_once() -> None:
    jobs = [job(n, "a=1", f"b={n}", writes=[f"/lake/{n % 2}", f"/report{n}"]) for n in range(4)]
    assert shared(jobs[:2]) == []
    assert shared(jobs) == [
        "/lake/0: jobs 0 (b=0) and 2 (b=2) would write it at once",
        "/lake/1: jobs 1 (b=1) and 3 (b=3) would write it at once",
    ]


@pytest.mark.parametrize(
    ("task", "keys"),
    [("plan", ("report",)), ("join", ("task.out", "report")), ("acme", ("path", "provider.annotations", "preview.out", "report"))],
)  # fmt: skip
def test_what_a_task_writes(task: str, keys: tuple[str, ...]) -> None:
    assert writing_keys(task) == keys


def test_jobs_that_left_no_word_are_in_the_summary() -> None:
    ended = outcome(
        job(1, "b=1"), 0, 1.23456, {"dataset": {"rows": 3, "version": "v", "path": "/lake"}, "failures": []}
    )
    first, second = summary([job(0, "b=0"), job(1, "b=1")], [ended])
    assert (first["outcome"], first["failures"], second) == ("not ended", 0, ended)
    assert (ended["seconds"], ended["rows"], ended["error"]) == (1.235, 3, "")
    assert own(["a=1", "b=1"], [["a=1", "b=0"], ["a=1", "b=1"]]) == ["b=1"]
    assert summary([], []) == own([], []) == []


def test_samples_have_every_value_once_or_more() -> None:
    given = ["a=1,2,3", "b=4,5", "c=6"]
    assert len([*sweep.combinations(given)]) == 6
    assert [*sweep.samples(given)] == [
        ["a=1", "b=4", "c=6"], ["a=2", "b=4", "c=6"], ["a=3", "b=4", "c=6"], ["a=1", "b=5", "c=6"],
    ]  # fmt: skip
