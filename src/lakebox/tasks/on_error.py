"""What happens when an asset fails. Config group `on_error`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from lakebox.core.model import Failure
from lakebox.errors import Stopped


class Skip(BaseModel):
    """Report it and go on with the next asset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __call__(self, failure: Failure) -> None:
        """Go on."""


class Stop(BaseModel):
    """Report it and end the run; assets finished before are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __call__(self, failure: Failure) -> None:
        """End the run.

        Raises:
            Stopped: always.
        """
        raise Stopped(f"{failure.data_row_id or failure.name}: {failure.error}")
