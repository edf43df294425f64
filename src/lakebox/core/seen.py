"""What a dataset notes of the project that it was brought in step with, so that the next run may ask for less."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from lakebox.core.lake_port import Stored
from lakebox.core.ports import Since

SEEN, ONTOLOGY, MAPPING = "seen", "ontology", "mapping"
"""Keys of `Stored.notes`."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that happened in the project before `moment` is in the dataset."""

    moment: str
    """ISO 8601, UTC."""
    whole: str
    """When all of the project was last looked at; ISO 8601, UTC."""
    recipe: str
    """Names the configuration that decides what is read and how."""
    layout: str
    """Names how the cells were written."""

    def text(self) -> str:
        """What is noted."""
        return json.dumps(asdict(self))

    @staticmethod
    def of(stored: Stored) -> Seen | None:
        """What a dataset has noted; None if it was never in step."""
        text = stored.notes.get(SEEN)
        return Seen(**json.loads(text)) if text else None


def since(stored: Stored, recipe: str) -> Since | None:
    """What need not be asked for again; None: everything has to be looked at."""
    seen = Seen.of(stored)
    if seen is None or seen.recipe != recipe:
        return None
    # Data rows without labels stamp wait for their annotations: they are not as they should be.
    ids = frozenset(asset.id for asset in stored.assets if asset.complete and asset.labels_stamp)
    return Since(datetime.fromisoformat(seen.moment), datetime.fromisoformat(seen.whole), ids)
