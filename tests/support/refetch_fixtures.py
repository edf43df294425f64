"""Fixtures on `support.refetch`, for each provider: built once, copied by every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from .refetch import TARGETS, Owned, Story, make_story, write_story


@pytest.fixture(scope="session")
def refetch_projects(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_story(tmp_path_factory.mktemp("projects"))


@pytest.fixture(scope="session", params=TARGETS, ids=lambda target: target.name)
def story(
    request: pytest.FixtureRequest, refetch_projects: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Story:
    return make_story(request.param, refetch_projects, tmp_path_factory.mktemp(request.param.name))


@pytest.fixture(params=["media", "labels"])
def owned(request: pytest.FixtureRequest, story: Story) -> Owned:
    if request.param == "labels" and story.target.labels(Path()) == story.target.media(Path()):
        pytest.skip("there is one dataset only")
    return Owned(story, request.param)
