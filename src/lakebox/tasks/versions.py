"""Names of versions: as people type them, and as runs give them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator

from lakebox.core.lake_port import Lake
from lakebox.errors import ConfigError

AUTO = "auto"
_DATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(\.\d+)?")


def _typed(value: object) -> object:
    """Hydra reads `tag=2026` as a number; of `tag=1.10` it keeps 1.1, which is another name."""
    if isinstance(value, bool | float):
        raise ValueError(f"Hydra reads this as {value!r}; put the name into quotes, such as 'key=\"1.10\"'")
    return str(value) if isinstance(value, int) else value


Name = Annotated[str, BeforeValidator(_typed)]
"""A tag or version."""


def version_name(lakes: Sequence[Lake], wanted: str | None, *, changes: bool) -> str:
    """The tag for the version that a run makes, or for the present one where nothing `changes`; empty for none.

    Args:
        lakes: what is there and gets the tag; the one with the annotations comes last.
        wanted: a tag, or `auto`.
        changes: whether a version is about to be made.

    Raises:
        ConfigError: it names another version already.
    """
    taken = {name: version for lake in lakes for name, version in lake.tags().items()}
    # Ids alone do not tell which version a tag names: those of two branches may be the same.
    present = lakes[-1].history()[-1].tags if lakes and not changes else ()
    if wanted == AUTO:
        return _dated(taken, present)
    if wanted and wanted in taken and wanted not in present:
        raise ConfigError(f"tag: {wanted!r} names version {taken[wanted]} already; nothing was touched, choose another")
    return wanted or ""


def _dated(taken: Collection[str], present: Iterable[str]) -> str:
    if own := [name for name in present if _DATED.fullmatch(name)]:
        return max(own)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    return next(name for name in (now, *(f"{now}.{number}" for number in range(2, 1000))) if name not in taken)
