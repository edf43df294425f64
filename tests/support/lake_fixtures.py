"""Pytest fixtures of `lakes`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from lakebox.adapters.deep_lake import LocalStorage, MemoryStorage
from lakebox.adapters.deep_lake_bucket import S3
from lakebox.adapters.lance_lake import LanceStorage

from .clouds import forget_credentials, s3_bucket, s3_process
from .lakes import World
from .memory_lake import MemoryStorage as PlainStorage


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A server with the bucket `lake`."""
    with s3_process() as endpoint:
        s3_bucket(endpoint, "lake")
        yield endpoint


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server, and the environment of somebody who uses it."""
    forget_credentials(monkeypatch)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "access-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-key-of-a-test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    return s3_endpoint


@pytest.fixture(params=["deep lake on disk", "deep lake in memory", "deep lake in a bucket", "lance", "plain python"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "deep lake in a bucket":
        request.getfixturevalue("s3")
        path = f"s3://lake/{uuid4()}/one"
        yield World(S3(), path, path)
        return
    if request.param in ("deep lake on disk", "lance"):
        path = str(tmp_path / "lakes" / "one")
        yield World(LanceStorage() if request.param == "lance" else LocalStorage(), path, path)
        return
    name = f"lake-{uuid4()}"
    yield World(MemoryStorage() if "memory" in request.param else PlainStorage(), name, f"mem://{name}")
