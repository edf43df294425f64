"""A re-fetch that is killed, or that two people start at once, ends like one that nobody disturbed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.killed import AT_ONCE, Killed, moments
from support.refetch import LENGTHS, STEPS, UNTOUCHED, Owned, Story, check_finished, check_same, opened
from support.tiny import command, differences, overrides, read_cells, row_keys

from lakebox.adapters.deep_lake import LocalStorage
from lakebox.errors import LakeBusy, LakeError

pytest_plugins = ["support.refetch_fixtures"]

MOMENTS, OWN_MOMENTS = (20, 4) if os.environ.get("LAKEBOX_EXAMPLES") else (4, 2)
COMMITS = (1, 2, 4)


@pytest.fixture(scope="module")
def killed(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    return Killed(story.new, tmp_path_factory.mktemp("runs"), (*STEPS, *story.target.options))


@pytest.fixture(scope="module")
def duration(story: Story, killed: Killed, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds in which an undisturbed re-fetch writes."""
    folder = tmp_path_factory.mktemp("measured")
    return killed.duration(*(story.start(folder, f"lake{i}") for i in range(AT_ONCE)))


# Killed.


def test_killed_at_any_moment_then_run_again(story: Story, killed: Killed, duration: float, tmp_path: Path) -> None:
    delays = {story.start(tmp_path, f"lake{i}"): delay for i, delay in enumerate(moments(MOMENTS, 3, duration))}
    hits = killed.runs(delays)
    for path, delay in delays.items():
        check_killed(story, path, f"{story.target.name} killed {delay:.3f} s into {duration:.3f} s")
    assert hits >= MOMENTS // 3, f"only {hits} of {MOMENTS} runs were still there to be killed"


def test_killed_behind_a_commit_then_run_again(story: Story, killed: Killed, tmp_path: Path) -> None:
    commits = {story.start(tmp_path, f"lake{nth}"): nth for nth in COMMITS}
    killed.runs_behind(commits)
    steps = {str([len(versions) for versions in story.target.versions(path)]) for path in commits}
    for path, nth in commits.items():
        check_killed(story, path, f"{story.target.name} killed behind commit {nth}")
    assert len(steps) == len(COMMITS), steps


def check_killed(story: Story, path: Path, where: str) -> None:
    check_finished(story, path, where)
    report = story.refetch(path)
    assert report.ok, (where, report.failures)
    check_same(story, path, where)
    versions = story.target.versions(path)
    assert story.refetch(path).assets["unchanged"] == len(LENGTHS), where
    assert story.target.versions(path) == versions, where


# Somebody's own columns and tags.


def test_own_columns_stay_beside_their_rows(owned: Owned, tmp_path: Path) -> None:
    path = owned.start(tmp_path)
    order = [key for key in row_keys(owned.at(path)) if key.partition(":")[0] in UNTOUCHED]
    assert owned.story.refetch(path).ok
    owned.check(path, "undisturbed")
    assert [key for key in row_keys(owned.at(path)) if key.partition(":")[0] in UNTOUCHED][: len(order)] == order


def test_own_columns_survive_a_kill(owned: Owned, killed: Killed, duration: float, tmp_path: Path) -> None:
    delays = {owned.start(tmp_path, f"lake{i}"): at for i, at in enumerate(moments(OWN_MOMENTS, 4, duration))}
    killed.runs(delays)
    for path, delay in delays.items():
        where = f"killed {delay:.3f} s into {duration:.3f} s"
        assert owned.story.refetch(path).ok, where
        owned.check(path, where)


def test_tags_still_read_what_they_named(story: Story, tmp_path: Path) -> None:
    path = story.start(tmp_path)
    named = {}
    for address in story.target.addresses(path):
        dataset, _root = opened(address)
        dataset.tag(f"mine-{len(named)}")
        named[f"mine-{len(named)}"] = address.partition("@")[0], read_cells(address)
    assert story.refetch(path).ok
    check_same(story, path, "tagged")
    for tag, (folder, cells) in named.items():
        assert differences(read_cells(f"{folder}@{tag}"), cells) == set(), tag


# Two at once.


def start(story: Story, path: Path, cwd: Path) -> subprocess.Popen[str]:
    arguments = overrides(story.new, path, *STEPS, *story.target.options)
    return subprocess.Popen(
        [sys.executable, "-m", "lakebox", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_run_beside_another_says_so_and_touches_nothing(story: Story, tmp_path: Path) -> None:
    path = story.start(tmp_path)
    before = story.target.versions(path), story.target.cells(path)
    for folder in story.target.folders(path):
        with LocalStorage().lock(str(folder)):
            done = command(*overrides(story.new, path, *STEPS, *story.target.options), cwd=tmp_path)
        assert done.returncode == 1, done.stderr
        (line,) = [line for line in done.stderr.splitlines() if line]
        assert str(folder) in line and "another run is writing" in line
    assert (story.target.versions(path), story.target.cells(path)) == before


def finished(runs: list[subprocess.Popen[str]]) -> None:
    """One did the work; the other was refused, or came when it was done."""
    said = [run.communicate(timeout=60) for run in runs]
    codes = sorted(run.returncode for run in runs)
    assert codes in ([0, 0], [0, 1]), said
    for run, (_, error) in zip(runs, said, strict=True):
        assert "Traceback" not in error, error
        assert run.returncode == 0 or "another run is writing" in error, error


def test_two_runs_started_at_once_do_the_work_once(story: Story, tmp_path: Path) -> None:
    path = story.start(tmp_path)
    finished([start(story, path, tmp_path) for _ in range(2)])
    check_same(story, path, "two at once")
    assert story.refetch(path).plan.startswith("nothing to do")


def test_two_runs_that_both_create(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "lake"
    finished([start(story, path, tmp_path) for _ in range(2)])
    report = story.refetch(path)
    assert report.ok and report.plan.startswith("nothing to do")
    assert report.dataset.rows == sum(LENGTHS.values())


def test_never_do_two_have_a_lock_of_a_dataset_to_be(tmp_path: Path) -> None:
    """Who locks makes the folder, and takes it away again if nothing came into it: others must not lock its ghost."""
    path, holders, most = str(tmp_path / "lake"), [0], [0]

    def hold(_: int) -> None:
        try:
            with LocalStorage().lock(path):
                holders[0] += 1
                most[0] = max(most[0], holders[0])
                time.sleep(0.0002)
                assert Path(path).is_dir(), "somebody took the folder of a lock away"
                holders[0] -= 1
        except LakeBusy:
            pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hold, range(1000)))
    assert most == [1]


@pytest.mark.parametrize("text", ["mine", None])
def test_a_file_in_the_place_of_a_dataset_is_refused(tmp_path: Path, text: str | None) -> None:
    """Also a link to one, and a link to nowhere."""
    file, link = tmp_path / "file", tmp_path / "link"
    link.symlink_to(file)
    if text is not None:
        file.write_text(text)
    for path in [link] if text is None else [link, file]:
        with pytest.raises(LakeError, match="holds a file; nothing was touched"), LocalStorage().lock(str(path)):
            pass
    assert link.is_symlink()
    assert file.exists() == (text is not None) and (text is None or file.read_text() == text)
