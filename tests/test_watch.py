"""A dataset that is kept in step until somebody ends it."""

from __future__ import annotations

import _thread
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import deeplake
import pytest
from support.process import Process
from support.tiny import (
    CLIPS,
    Clip,
    check_frames,
    command,
    data_row,
    differences,
    edited,
    expected_keys,
    history,
    move_object,
    overrides,
    read_cells,
    remove_files,
    row_keys,
    sync,
    write_files,
)

from lakebox import load_config, run
from lakebox.adapters.signals import Signals
from lakebox.core.report import Report
from lakebox.errors import ConfigError

pytest_plugins = ["support.tiny_fixtures", "support.process_fixtures"]


class Script:
    """Somebody who does something in each pause, and then wants the run to end."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)
        self.pauses: list[float] = []
        self.ended = False

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = True

    def asked(self) -> bool:
        return len(self.pauses) > len(self.steps)

    def wait(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        if not self.asked():
            self.steps[len(self.pauses) - 1]()
        return self.asked()


def nothing() -> None:
    """Let time pass."""


def watch(project: Path, lake: Path, script: Script, *more: str) -> Report:
    config = load_config(*overrides(project, lake, "task=watch", *more))
    return run(config, given={"stop": script})


def rounds(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith("round")]


def test_edits_between_rounds_are_brought_in(
    project: Path, lake: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    new = Clip(3, 6)

    def edit() -> None:
        with edited(project) as rows:
            move_object(rows[0], "car0", 0, by=2)

    def add() -> None:
        write_files(project, new)
        with edited(project) as rows:
            rows.append(data_row(new))

    script = Script(edit, nothing, add)
    with caplog.at_level(logging.INFO):
        report = watch(project, lake, script, "task.every=10m")
    assert (report.ok, report.plan) == (True, "4 rounds, 2 with changes, 0 with errors")
    assert script.pauses == [600] * 4 and script.ended
    assert (report.assets["relabelled"], report.assets["added"], report.assets["unchanged"]) == (1, 1, 3)
    assert (report.media["fetched"], report.dataset.rows) == (1, 46)
    said = rounds(caplog)
    assert ["nothing to do" in line for line in said] == [True, False, True, False]
    assert "0 to add, 1 to relabel" in said[1] and "1 to add" in said[3]
    assert sync(project, tmp_path / "fresh").ok
    assert differences(read_cells(tmp_path / "fresh"), read_cells(lake)) == set()


def test_a_number_of_rounds(project: Path, lake: Path) -> None:
    script = Script(*[nothing] * 9)
    assert watch(project, lake, script, "task.rounds=2", "task.every=1h").plan.startswith("2 rounds")
    assert script.pauses == [3600], "nobody waits after the last round"


@pytest.mark.parametrize(
    ("every", "seconds"),
    [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400), ("45", 45), ("0.5s", 0.5), ("1.5m", 90)],
)
def test_durations(project: Path, lake: Path, every: str, seconds: float) -> None:
    script = Script()
    watch(project, lake, script, f"task.every={every}")
    assert script.pauses == [seconds]


@pytest.mark.parametrize("every", ["soon", "-5s", "10 parsecs", "5x", "null", "''"])
def test_what_is_no_duration_is_a_configuration_error(project: Path, lake: Path, every: str) -> None:
    with pytest.raises(ConfigError, match=r"task\.every.*10m"):
        watch(project, lake, Script(), f"task.every={every}")


def test_pauses_double_with_each_error_and_are_as_before_afterwards(
    project: Path, lake: Path, caplog: pytest.LogCaptureFixture
) -> None:
    export, away = project / "export.ndjson", project / "away"
    export.rename(away)
    script = Script(*[nothing] * 3, lambda: away.rename(export), nothing)
    with caplog.at_level(logging.INFO):
        report = watch(project, lake, script, "task.every=10m")
    assert script.pauses == [1200, 2400, 3600, 3600, 600, 600]
    assert report.plan == "6 rounds, 0 with changes, 4 with errors"
    said = rounds(caplog)
    assert "export.ndjson" in said[0] and "trying again in 1200 s" in said[0]
    assert "trying again in 3600 s" in said[3] and "nothing to do" in said[4]


def test_a_long_pause_gets_no_longer(project: Path, lake: Path) -> None:
    (project / "export.ndjson").unlink()
    script = Script(nothing, nothing)
    watch(project, lake, script, "task.every=2h")
    assert script.pauses == [7200] * 3


def test_many_errors_are_no_overflow(project: Path, lake: Path) -> None:
    (project / "export.ndjson").unlink()
    script = Script(*[nothing] * 1200)
    watch(project, lake, script, "task.every=1s")
    assert script.pauses[-1] == 3600


def test_failed_data_rows_are_errors_and_tried_again(
    project: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip, away = project / CLIPS[1].url, tmp_path / "away.mp4"
    clip.rename(away)
    script = Script(lambda: away.rename(clip))
    with caplog.at_level(logging.INFO):
        report = watch(project, tmp_path / "new", script, "task.every=10m")
    assert script.pauses == [1200, 600]
    assert (report.ok, report.assets["added"], report.assets["failed"]) == (True, 3, 0)
    assert report.plan == "2 rounds, 2 with changes, 1 with errors"
    assert "1 failed" in rounds(caplog)[0] and "clip1.mp4" in rounds(caplog)[0]


def test_failures_of_the_last_round_are_the_result(project: Path, tmp_path: Path) -> None:
    (project / CLIPS[1].url).unlink()
    done = command(*overrides(project, "lake", "task=watch", "task.rounds=2", "task.every=0.1s"), cwd=tmp_path)
    assert done.returncode == 1
    assert "row1" in done.stdout and "2 rounds, 1 with changes, 2 with errors" in done.stdout


def test_a_wrong_configuration_ends_it(project: Path, lake: Path) -> None:
    script = Script(nothing)
    with pytest.raises(ConfigError, match="nobody"):
        watch(project, lake, script, "project_id=nobody")
    assert script.pauses == [] and script.ended


def test_one_name_cannot_be_given_to_many_versions(project: Path, lake: Path) -> None:
    with pytest.raises(ConfigError, match="tag.*auto"):
        watch(project, lake, Script(), "tag=monday")
    assert watch(project, lake, Script(), "tag=monday", "task.rounds=1").dataset.tag == "monday"


def test_every_changed_round_gets_a_date(project: Path, lake: Path) -> None:
    def edit() -> None:
        with edited(project) as rows:
            move_object(rows[0], "car0", 0, by=2)

    report = watch(project, lake, Script(nothing, edit, nothing), "tag=auto")
    tags = deeplake.open_read_only(str(lake))
    assert len(tags.tags.names()) == 2 and report.dataset.tag == max(tags.tags.names())


@pytest.mark.parametrize("provider", ["branch", "separate"])
def test_annotations_apart_are_watched_too(project: Path, tmp_path: Path, provider: str) -> None:
    def edit() -> None:
        with edited(project) as rows:
            move_object(rows[0], "car0", 0, by=2)

    report = watch(project, tmp_path / "data", Script(edit), f"provider={provider}")
    assert report.plan == "2 rounds, 2 with changes, 0 with errors"
    assert (report.assets["added"], report.assets["relabelled"]) == (3, 1)


# ------------------------------------------------------------------------ signals, for real


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_a_pause_ends_it(
    project: Path, lake: Path, tmp_path: Path, start: Callable[..., Process], number: int
) -> None:
    versions = history(lake)
    process = start(tmp_path, overrides(project, lake, "task=watch", "task.every=1h"))
    process.wait_for("round 1: nothing to do")
    status, took, said = process.end(number)
    assert status == 0, said
    assert took < 2
    assert "1 round, 0 with changes, 0 with errors" in said
    assert "Traceback" not in said
    assert history(lake) == versions


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_leaves_whole_data_rows_and_the_next_run_goes_on(
    long_project: Path, tmp_path: Path, start: Callable[..., Process], number: int
) -> None:
    lake = tmp_path / "lake"
    options = overrides(
        long_project, lake, "task=watch", "pixels=png", "executor.workers=1", "executor.ahead=1",
        "task.commit_megabytes=1", "task.every=1h",
    )  # fmt: skip
    process = start(tmp_path, options)
    process.wait_for("plan: 6 to add")
    deadline = time.monotonic() + 30
    while len(history(lake) if (lake / "_deeplake_log").exists() else ()) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    status, took, said = process.end(number)
    assert status == 0, said
    assert took < 2, said
    assert "stopped because it was asked to" in said and "Traceback" not in said
    keys = row_keys(lake)
    whole = len(keys) // 40
    assert 0 < whole < 6, "else the signal came too early or too late to show anything"
    assert keys == expected_keys(*(Clip(at, 40) for at in range(whole)))
    report = sync(long_project, lake, "pixels=png")
    assert report.ok and (report.assets["added"], report.assets["unchanged"]) == (6 - whole, whole)
    assert "unfinished" not in report.plan
    assert row_keys(lake) == expected_keys(*(Clip(at, 40) for at in range(6)))


def test_a_second_signal_ends_it_as_usual(project: Path, tmp_path: Path, start: Callable[..., Process]) -> None:
    """Somebody who has no patience is not kept: the source hangs, and the run cannot look up from it."""
    export = project / "export.ndjson"
    export.unlink()
    os.mkfifo(export)
    process = start(tmp_path, overrides(project, tmp_path / "lake", "task=watch", "task.every=1h"))
    deadline = time.monotonic() + 30
    while process.lines == [] and time.monotonic() < deadline and not _reads(process):
        time.sleep(0.05)
    process._process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    status, took, _ = process.end(signal.SIGTERM)
    assert status == -signal.SIGTERM and took < 2


def _reads(process: Process) -> bool:
    """Whether it is that far: signals are listened to before the source is opened."""
    status = Path(f"/proc/{process._process.pid}/status").read_text(encoding="ascii")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_a_signal_that_does_not_wake_the_pause_ends_it_all_the_same() -> None:
    """As one that comes just before the wait begins: it is noted, and nothing interrupts the wait."""
    with Signals() as stop:
        note = threading.Timer(0.3, _thread.interrupt_main, (signal.SIGTERM,))
        note.start()
        started = time.monotonic()
        assert stop.wait(20)
        note.join()
    assert time.monotonic() - started < 2


def test_a_pause_lasts_as_long_as_it_is_said() -> None:
    with Signals() as stop:
        started = time.monotonic()
        assert not stop.wait(0.5)
        assert 0.5 <= time.monotonic() - started < 2


def test_signals_are_given_back(project: Path, lake: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    config = load_config(*overrides(project, lake, "task=watch", "task.rounds=1"))
    assert run(config).ok
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_it_runs_in_a_thread_where_no_signal_is_heard(project: Path, lake: Path) -> None:
    found: list[Report] = []
    config = load_config(*overrides(project, lake, "task=watch", "task.rounds=2", "task.every=0.1s"))
    thread = threading.Thread(target=lambda: found.append(run(config)))
    thread.start()
    thread.join(60)
    assert found[0].plan.startswith("2 rounds")


def test_rounds_without_change_fetch_nothing(project: Path, lake: Path) -> None:
    remove_files(project)
    versions = history(lake)
    report = watch(project, lake, Script(nothing, nothing))
    assert report.ok and (report.media["fetched"], report.masks["fetched"]) == (0, 0)
    assert history(lake) == versions
    assert row_keys(lake) == expected_keys(*CLIPS)


def test_a_new_dataset_is_made_in_the_first_round(project: Path, tmp_path: Path) -> None:
    report = watch(project, tmp_path / "new", Script(nothing))
    assert report.ok and report.assets["added"] == 3
    check_frames(tmp_path / "new")
