"""Names of versions: as people type them, and as runs give them."""

from __future__ import annotations

import re
from collections.abc import Iterable
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


def version_name(lake: Lake | None, wanted: str | None, *, changes: bool) -> str:
    """The tag for the version that a run makes, or for the present one where nothing `changes`; empty for none.

    Raises:
        ConfigError: it names another version already.
    """
    if wanted == AUTO:
        return _dated(lake, changes)
    tags = {} if lake is None else lake.tags()
    if wanted and wanted in tags and (changes or wanted not in _present(lake)):
        raise ConfigError(f"tag: {wanted!r} names version {tags[wanted]} already; nothing was touched, choose another")
    return wanted or ""


def _dated(lake: Lake | None, changes: bool) -> str:
    own = [] if changes else [name for name in _present(lake) if _DATED.fullmatch(name)]
    if own:
        return max(own)
    tags = {} if lake is None else lake.tags()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    return next(name for name in (now, *(f"{now}.{number}" for number in range(2, 1000))) if name not in tags)


def _present(lake: Lake | None) -> Iterable[str]:
    """Tags of the version that is there. Ids alone do not tell: those of two branches may be the same."""
    return lake.history()[-1].tags if lake is not None else ()
