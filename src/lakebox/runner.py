"""The runner: composes nothing, knows no task. It builds the components, hands them to the task and calls it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from lakebox.adapters.documents import read_document
from lakebox.adapters.masks import fetch_masks
from lakebox.adapters.media import open_media
from lakebox.adapters.signals import Signals
from lakebox.config import build
from lakebox.core.ports import Progress, Tools
from lakebox.core.preview import Tile
from lakebox.core.report import Report
from lakebox.errors import ConfigError


class Silent:
    """Progress that nobody watches."""

    def begin(self, what: str, assets: int) -> None:
        """Nothing."""

    def rows(self, count: int) -> None:
        """Nothing."""

    def asset(self) -> None:
        """Nothing."""


def run(cfg: DictConfig, progress: Progress | None = None, given: Mapping[str, object] | None = None) -> Report:
    """Run a composed configuration.

    Args:
        cfg: from `load_config`, or from `hydra.main` of your own application.
        progress: shows how far the run is; None: nobody looks.
        given: config group or root key -> an object made by hand, used in place of the configured one.

    Raises:
        ConfigError: the configuration is wrong; nothing was touched.
        SourceError: the project cannot be read.
        LakeError: the dataset cannot be read or written.

    What fails for single data rows is not raised: see `Report.failures`.
    """
    handed = {
        "tools": Tools(open_media, fetch_masks),
        "progress": progress or Silent(),
        "stop": Signals(),
        "draw": _draw,
        "save": _save,
        "read_document": read_document,
        **(given or {}),
    }
    task = build(cfg, handed)
    target = Path(cfg.report) if cfg.report else None
    if target:
        _refuse_unwritable(target)
    report: Report = task()
    if target:
        target.write_text(json.dumps(report.as_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return report


def _save(media: Any, labels: Any, make: Any) -> Any:
    """Joining is Deep Lake's; other storages bring their own."""
    from lakebox.adapters.deep_lake_join import save

    return save(media, labels, make)


def _draw(tiles: Sequence[Tile], heading: str, classes: Sequence[str]) -> bytes:
    """The contact sheet; what draws it is an extra, so it is imported when it is asked for."""
    try:
        from lakebox.adapters.drawing import contact_sheet
    except ImportError as error:
        raise ConfigError(f"task=preview needs '{error.name}'; install it: pip install 'lakebox[preview]'") from error
    return contact_sheet(tiles, heading=heading, classes=classes)


def _refuse_unwritable(target: Path) -> None:
    """A report that cannot be written is better known before the run than after it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise ConfigError(f"report: {target} cannot be written: {error.strerror}; nothing was done") from error
