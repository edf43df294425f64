"""What a configured component is: values that were checked when it was built and never change."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Component(BaseModel):
    """Travels to other processes as its configuration, and as nothing that it has opened, remembered or been handed.

    Keys, connections, files and locks are private attributes or cached properties: they stay where they are, and where
    the component arrives it is as if it had just been built. A key is read from the environment there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __getstate__(self) -> dict[Any, Any]:
        """The fields."""
        fields = type(self).model_fields
        own = {name: value for name, value in self.__dict__.items() if name in fields}
        return {**super().__getstate__(), "__dict__": own, "__pydantic_private__": None}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """The fields, and private attributes as they are at first."""
        super().__setstate__(state)
        self.model_post_init(None)
