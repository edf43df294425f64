"""Fixtures: a fake Labelbox, and the upload service connected to it by the real SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lakebox.adapters.labelbox_upload import UploadService

from .fake_labelbox import FakeLabelbox


@pytest.fixture
def fake() -> Iterator[FakeLabelbox]:
    with FakeLabelbox() as found:
        yield found
        assert not found.crashes
        assert not found.unknown


@pytest.fixture
def connect(fake: FakeLabelbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., UploadService]]:
    """Makes upload services; with small tasks, so that few rows make several."""
    monkeypatch.setenv("LABELBOX_API_KEY", fake.key)
    places = {"endpoint": fake.endpoint, "rest_endpoint": fake.rest_endpoint}
    made: list[UploadService] = []

    def call(kind: type[UploadService] = UploadService, **settings: Any) -> UploadService:
        made.append(kind(**{**places, "patience": 2, "rows_per_task": 2, "files_per_task": 2, **settings}))
        return made[-1]

    yield call
    for service in made:
        if "client" in vars(service):
            service.client.connection.close()
            service.client._adv_client.session.close()


@pytest.fixture
def upload_service(connect: Callable[..., UploadService]) -> UploadService:
    """Connected when first used."""
    return connect()
