"""Shared by all tests: no secrets and no colours from the outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.composed import composed

from lakebox import run
from lakebox.core.report import Report


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no key of the person who runs them."""
    monkeypatch.delenv("LABELBOX_API_KEY", raising=False)


@pytest.fixture
def lakebox() -> Callable[..., Report]:
    """Run a configuration the way Python users do: `lakebox("source=example", "path=...")`."""

    def call(*overrides: str, **kwargs: Any) -> Report:
        return run(composed(*overrides, **kwargs))

    return call
