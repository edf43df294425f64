"""Pytest fixtures of `lakes`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from lakebox.adapters.deep_lake import LocalStorage, MemoryStorage
from lakebox.adapters.lance_lake import LanceStorage

from .lakes import World
from .memory_lake import MemoryStorage as PlainStorage


@pytest.fixture(params=["deep lake on disk", "deep lake in memory", "lance", "plain python"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param in ("deep lake on disk", "lance"):
        path = str(tmp_path / "lakes" / "one")
        yield World(LanceStorage() if request.param == "lance" else LocalStorage(), path, path)
        return
    name = f"lake-{uuid4()}"
    yield World(MemoryStorage() if "memory" in request.param else PlainStorage(), name, f"mem://{name}")
