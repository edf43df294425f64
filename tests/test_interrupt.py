"""Ctrl-C: what was committed is kept and said, the process ends soon, and the same command does the rest."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.process import Process
from support.refetch import Refusing
from support.tiny import Clip, expected_keys, history, overrides, row_keys, sync

from lakebox import load_config, run

pytest_plugins = ["support.tiny_fixtures", "support.process_fixtures"]

SLOW = ("pixels=png", "executor.workers=1", "executor.ahead=1", "task.commit_megabytes=1")


def test_what_was_committed_is_kept_and_said(long_project: Path, tmp_path: Path, start: Callable[..., Process]) -> None:
    lake = tmp_path / "lake"
    process = start(tmp_path, overrides(long_project, lake, *SLOW, "report=report.json"))
    process.wait_for("plan: 6 to add")
    deadline = time.monotonic() + 30
    while len(history(lake) if (lake / "_deeplake_log").exists() else ()) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    status, took, said = process.end(signal.SIGINT)
    assert status == 130, said
    assert took < 2 and "Traceback" not in said
    kept = re.search(r"interrupted; data rows committed and kept: (\d+) added, 0 relabelled, 0 dropped", said)
    assert kept, said
    whole = int(kept[1])
    assert 0 < whole < 6 and row_keys(lake)[: 40 * whole] == expected_keys(*(Clip(at, 40) for at in range(whole)))
    (failure,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["failures"]
    assert failure["error"].startswith("interrupted; data rows committed and kept")
    report = sync(long_project, lake, "pixels=png")
    assert report.ok and (report.assets["added"], report.assets["unchanged"]) == (6 - whole, whole)
    assert row_keys(lake) == expected_keys(*(Clip(at, 40) for at in range(6)))


class Pressed(Refusing):
    """Ctrl-C is pressed while the n-th commit is being made, and seen before or after it."""

    def __init__(self, nth: int, seen: str) -> None:
        super().__init__(nth)
        self.seen = seen

    def count(self) -> None:
        self.left -= 1
        if self.left == 0 and self.seen == "before":
            raise KeyboardInterrupt

    def counted(self) -> None:
        if self.left == 0 and self.seen == "after":
            raise KeyboardInterrupt


@pytest.mark.parametrize("seen", ["before", "after"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_commit_that_is_interrupted_counts_if_it_was_made(project: Path, tmp_path: Path, nth: int, seen: str) -> None:
    lake, more = tmp_path / "lake", ("executor=serial", "task.commit_assets=1")
    config = load_config(*overrides(project, lake, *more))
    with pytest.raises(KeyboardInterrupt, match=r"kept: \d added, 0 relabelled") as caught:
        run(config, given={"storage": Pressed(nth, seen)})
    kept = int(re.search(r"(\d) added", str(caught.value))[1])  # type: ignore[index]
    del caught
    report = sync(project, lake, *more)
    assert (report.assets["added"], report.assets["unchanged"]) == (3 - kept, kept)
    assert kept == nth - (seen == "before")


@pytest.mark.parametrize("executor", ["thread", "serial"])
def test_what_hangs_is_not_waited_for(
    project: Path, tmp_path: Path, start: Callable[..., Process], executor: str
) -> None:
    """A file of which nothing comes, ever."""
    clip = project / "media" / "clip1.mp4"
    clip.unlink()
    os.mkfifo(clip)
    lake = tmp_path / "lake"
    options = overrides(project, lake, f"executor={executor}", "task.commit_assets=1", "report=report.json")
    process = start(tmp_path, options)
    process.wait_for("plan: 3 to add")
    time.sleep(1)
    status, took, said = process.end(signal.SIGINT)
    assert status == 130 and took < 2.5, (status, took, said)
    assert said.count("interrupted") == 1 and "Traceback" not in said
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["failures"][0]["error"].startswith("interrupted")


def test_a_sweep_ends(project: Path, tmp_path: Path, start: Callable[..., Process]) -> None:
    clip = project / "media" / "clip0.mp4"
    clip.unlink()
    os.mkfifo(clip)
    process = start(tmp_path, ["-m", *overrides(project, "lake${hydra:job.num}"), "limit=1,2,3"])
    process.wait_for("plan: 1 to add")
    time.sleep(0.5)
    status, took, said = process.end(signal.SIGINT)
    assert status == 130 and took < 2.5, (status, took, said)
    assert "2 to add" not in said and said.count("interrupted") == 1
    (summary,) = tmp_path.glob(".lakebox/sweeps/*/summary.json")
    first, *others = [one["outcome"] for one in json.loads(summary.read_text(encoding="utf-8"))]
    assert first in ("stopped", "not ended") and others == ["not ended"] * 2
