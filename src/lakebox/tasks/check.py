"""Task `check`: is the configuration right? Building every component is the check; nothing is read or written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from lakebox.core.lake_port import Storage
from lakebox.core.ports import Source
from lakebox.core.report import Report
from lakebox.core.secrets import is_secret, redacted
from lakebox.core.urls import hushed
from lakebox.tasks.versions import Name

_PARTS = (
    "presigner", "fetch", "mapping", "provider", "drift", "storage", "pixels", "masks", "frames", "labels", "executor",
    "on_error", "preview",
)  # fmt: skip
_SHORT = 60


class Check(BaseModel):
    """Says what the configuration would run on, part by part. All of them are built by the time this is called."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    source: Source
    storage: Storage
    project_id: str | None
    path: str
    limit: PositiveInt | None = None
    tag: Name | None = Field(default=None, pattern=r"^[^@\s]+$")
    report: str | None = None
    presigner: Any = None
    fetch: Any = None
    mapping: Any = None
    provider: Any = None
    drift: Any = None
    pixels: Any = None
    masks: Any = None
    frames: Any = None
    labels: Any = None
    executor: Any = None
    on_error: Any = None
    preview: Any = None

    def __call__(self) -> Report:
        """A report whose plan sentence says that all is well, and whose `settings` say what that means."""
        report = Report(task="check")
        report.plan = f"the configuration is right: {self.source.describe()} -> {self.path}"
        report.dataset.path = self.path
        report.settings = dict(self._settings())
        return report

    def _settings(self) -> Iterator[tuple[str, str]]:
        which = f"project {self.project_id}" if self.project_id else "its only project"
        some = f", the first {self.limit} data rows" if self.limit else ""
        yield "source", f"{self.source.describe()}: {which}{some}"
        for name in _PARTS:
            if (part := getattr(self, name)) is not None:
                yield name, described(part)
        yield "writes", ", ".join(self._written())

    def _written(self) -> Iterator[str]:
        place = getattr(self.provider, "path", self.path)
        yield f"dataset {place}" + (f" with version {self.tag}" if self.tag else "")
        if annotations := getattr(self.provider, "annotations", None):
            yield f"annotations {annotations}"
        if self.report:
            yield f"report {self.report}"


def described(part: Any) -> str:
    """A component in words: the first sentence of its docstring, and its settings."""
    while isinstance(part, partial):
        part = part.func
    kind = part if callable(part) and hasattr(part, "__name__") else type(part)
    first = " ".join((kind.__doc__ or kind.__name__).split()).partition(". ")[0].rstrip(".")
    fields = type(part).model_fields if isinstance(part, BaseModel) else {}
    said = ", ".join(f"{name}={value}" for name in fields if _can_be_said(name, value := getattr(part, name)))
    return first + (f" ({redacted(hushed(said), os.environ)})" if said else "")


def _can_be_said(name: str, value: Any) -> bool:
    """Whether it is short, and no secret that was taken from the environment."""
    if isinstance(value, Mapping):
        return bool(value) and len(str(value)) <= _SHORT and all(_can_be_said(*item) for item in value.items())
    if isinstance(value, list | tuple):
        return bool(value) and len(str(value)) <= _SHORT and all(_can_be_said(name, one) for one in value)
    return isinstance(value, str | int | float) and 0 < len(str(value)) <= _SHORT and not is_secret(str(name))
