"""Which dataset gets a project's annotations. Config group `provider`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class InPlace(BaseModel):
    """Media and annotations share the dataset at `path`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def address(self, path: str, project_name: str) -> str:
        """`path`."""
        return path
