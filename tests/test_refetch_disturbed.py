"""A re-fetch that is killed, or that two people start at once, ends like one that nobody disturbed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.killed import AT_ONCE, Killed, moments
from support.refetch import (
    LENGTHS,
    STEPS,
    TARGETS,
    UNTOUCHED,
    Story,
    add_own,
    check_finished,
    check_own,
    check_same,
    commit,
    make_story,
    write_story,
)
from support.tiny import command, overrides, read_cells, row_keys

from lakebox.adapters.deep_lake import LocalStorage

MOMENTS = 20
Stories = Callable[[str], Story]


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_story(tmp_path_factory.mktemp("projects"))


@pytest.fixture(scope="module", params=TARGETS, ids=lambda target: target.name)
def story(
    request: pytest.FixtureRequest, projects: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Story:
    return make_story(request.param, projects, tmp_path_factory.mktemp(request.param.name))


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
    steps = set()
    for path, delay in delays.items():
        where = f"{story.target.name} killed {delay:.3f} s into {duration:.3f} s"
        check_finished(story, path, where)
        steps.add(str([len(versions) for versions in story.target.versions(path)]))
        report = story.refetch(path)
        assert report.ok, (where, report.failures)
        check_same(story, path, where)
        versions = story.target.versions(path)
        assert story.refetch(path).assets["unchanged"] == len(LENGTHS), where
        assert story.target.versions(path) == versions, where
    assert hits >= MOMENTS // 2, f"only {hits} of {MOMENTS} runs were still there to be killed"
    assert len(steps) >= 3, f"the moments hit only these commits: {steps}"
