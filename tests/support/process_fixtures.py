"""Fixtures on `support.process`, and a project that takes a while. Modules ask for them by `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.process import Process
from support.tiny import Clip, edited, write_clip, write_project


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    running: list[Process] = []

    def begin(*arguments: Any) -> Process:
        running.append(Process(*arguments))
        return running[-1]

    yield begin
    for process in running:
        process.close()


@pytest.fixture(scope="session")
def long_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many data rows, and one that takes long."""
    clips = [Clip(number, 40) for number in range(6)]
    project = write_project(tmp_path_factory.mktemp("long") / "project", clips, media=False)
    for clip in clips:
        write_clip(project / clip.url, clip, size=(640, 480) if clip.number else (64, 48))
    with edited(project) as rows:
        for row in rows[1:]:
            row["media_attributes"] |= {"width": 640, "height": 480}
            for spelled in row["projects"]["clproject0"]["labels"][0]["annotations"]["frames"].values():
                for name in [name for name in spelled["objects"] if name.startswith("road")]:
                    del spelled["objects"][name]
    return project
