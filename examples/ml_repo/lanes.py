"""Components of a team's own: named by `_target_` in conf/, imported from the folder that lakebox is started in."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from lakebox.adapters.deep_lake import DeepLake, LocalStorage
from lakebox.core.columns import Class, Column, split
from lakebox.core.convert import Marks
from lakebox.core.lake_port import Place
from lakebox.core.ports import Presigner, Request
from lakebox.errors import FetchError


class Gateway(BaseModel):
    """A presigner: media are behind a gateway that wants a token."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    host: str
    token_env: str
    otherwise: Presigner

    def request(self, url: str) -> Request:
        """The same address with the token, for the gateway only."""
        if not url.startswith(f"https://{self.host}/"):
            return self.otherwise.request(url)
        if self.token_env not in os.environ:
            raise FetchError(f"media of {self.host} need a token; set {self.token_env}")
        return Request(url, {"X-Gateway-Token": os.environ[self.token_env]})


class Centres(BaseModel):
    """A converter: boxes as their centres, (n, 2) float32 x, y in pixels."""

    model_config = ConfigDict(extra="forbid")

    def column(self, name: str, key: str, classes: Sequence[Class]) -> Column:
        """A point column."""
        return Column(name, "point", "float32", key=key)

    def cells(self, marks: Marks) -> list[Any]:
        """One array per row; `marks.shapes` are left, top, width, height of all objects, row after row."""
        boxes = np.asarray(marks.shapes, np.float64).reshape(-1, 4)
        centres = boxes[:, :2] + boxes[:, 2:] / 2
        return split(centres.astype(np.float32), marks.offsets)


class TeamStorage(BaseModel):
    """A storage: datasets by name below the team's folder."""

    model_config = ConfigDict(extra="forbid")

    root: Path

    def find(self, path: str) -> DeepLake | None:
        """The dataset of that name, if there is one."""
        return LocalStorage().find(str(self.root / path))

    def create(self, path: str) -> DeepLake:
        """A new dataset of that name."""
        return LocalStorage().create(str(self.root / path))

    def lock(self, path: str) -> AbstractContextManager[None]:
        """Only one run at a time writes the dataset of that name."""
        return LocalStorage().lock(str(self.root / path))


class BySite(BaseModel):
    """A provider: each project has its own dataset, and its annotations are on a branch of that."""

    model_config = ConfigDict(extra="forbid")

    path: str
    """Address with `{site}` in it, which becomes the project's name."""

    def __call__(self, project_name: str) -> Place:
        """The branch `labels` of the project's dataset."""
        name = re.sub(r"[^a-z0-9]+", "-", project_name.lower()).strip("-")
        return Place(self.path.format(site=name), branch="labels")
