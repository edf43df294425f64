"""Fixtures on `support.tiny`: built once, copied for every test. Modules ask for them by `pytest_plugins`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.tiny import sync, write_project


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that no test changes."""
    return write_project(tmp_path_factory.mktemp("tiny") / "project")


@pytest.fixture(scope="session")
def tiny_lake(tiny_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `sync` makes of it, with the default configuration."""
    path = tmp_path_factory.mktemp("lake") / "lake"
    report = sync(tiny_project, path)
    assert report.ok, report.failures
    return path


@pytest.fixture
def project(tiny_project: Path, tmp_path: Path) -> Path:
    """A project of the test's own."""
    return Path(shutil.copytree(tiny_project, tmp_path / "project"))


@pytest.fixture
def lake(tiny_lake: Path, tmp_path: Path) -> Path:
    """The synced dataset, of the test's own."""
    return Path(shutil.copytree(tiny_lake, tmp_path / "lake"))
