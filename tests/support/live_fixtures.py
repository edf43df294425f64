"""The fixture `live`: lakebox on a fake Labelbox, its key in the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from .fake_labelbox import FakeLabelbox
from .live import Live


@pytest.fixture
def live(fake: FakeLabelbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Live:
    monkeypatch.setenv("LABELBOX_API_KEY", fake.key)
    monkeypatch.chdir(tmp_path)
    return Live(fake, tmp_path)
