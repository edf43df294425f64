"""The runner: composes nothing, knows no task. It builds the components, hands them to the task and calls it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lakebox.adapters.documents import read_document, write_new
from lakebox.adapters.masks import fetch_masks
from lakebox.adapters.media import open_media
from lakebox.adapters.report_file import ReportFile
from lakebox.adapters.screen import Silent
from lakebox.adapters.signals import Signals
from lakebox.config import build
from lakebox.core.fingerprint import digest
from lakebox.core.page import Shown
from lakebox.core.ports import Tools
from lakebox.core.progress import Progress
from lakebox.core.report import Report
from lakebox.errors import ConfigError
from lakebox.settings import settings

_DRAWN_BY = {"html": ("page", "preview"), "png": ("drawing", "preview"), "rerun": ("recording", "rerun")}
"""Format -> the adapter and the extra that it needs."""


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

    What fails for single data rows is not raised: see `Report.failures`. The file `report` tells all of it.
    """
    file = report_file(cfg)
    with file.told():
        task = build(cfg, tools(cfg, progress, given or {}))
        file.begin()
        report: Report = task()
    file.end(report)
    return report


def tools(cfg: DictConfig, progress: Progress | None, given: Mapping[str, object]) -> dict[str, object]:
    """What tasks get that is not configured.

    Args:
        cfg: as for `run`.
        progress: as for `run`.
        given: as for `run`.
    """
    return {
        "tools": Tools(open_media, fetch_masks),
        "progress": progress or Silent(),
        "stop": Signals(),
        "draw": draw,
        "config_digest": digest(OmegaConf.to_container(cfg, resolve=False)),
        "save": _save,
        "read_document": read_document,
        "write_new": write_new,
        "as_choices": partial(settings, cfg),
        **given,
    }


def _save(media: Any, labels: Any, make: Any) -> Any:
    """Joining is Deep Lake's; other storages bring their own."""
    from lakebox.adapters.deep_lake_join import save

    return save(media, labels, make)


def report_file(cfg: DictConfig) -> ReportFile:
    """Where a configuration wants its report; the task is called as it calls itself: the `name` of one that syncs, or
    its module's.

    What cannot be resolved is nowhere: `build` names it, beside all else that is wrong.
    """
    target = str(_selected(cfg, "task._target_") or "").split(".")
    name = _selected(cfg, "task.name") if _selected(cfg, "task.does") else ""
    return ReportFile(_selected(cfg, "report"), name or "".join(target[-2:-1]))


def _selected(cfg: DictConfig, key: str) -> Any:
    try:
        return OmegaConf.select(cfg, key)
    except OmegaConfBaseException:
        return None


def draw(format: str, shown: Shown, file: Path) -> None:
    """Draw into a file. What draws is an extra, so it is imported when it is asked for.

    Raises:
        ConfigError: it is not installed.
        OSError: the file cannot be written.
    """
    module, extra = _DRAWN_BY[format]
    try:
        adapter = importlib.import_module(f"lakebox.adapters.{module}")
    except ImportError as error:
        raise ConfigError(
            f"preview.format={format} needs '{error.name}'; install it: pip install 'lakebox[{extra}]'"
        ) from error
    if format == "rerun":
        adapter.record(shown, file)  # too large to be held
    else:
        file.write_bytes(adapter.draw(shown))
