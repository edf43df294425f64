"""One run of a task for a script: configured as on the command line, with components made by hand."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from lakebox.adapters.bars import Bars
from lakebox.config import load_config
from lakebox.errors import DataRowsError
from lakebox.runner import run

log = logging.getLogger(__name__)


def configured(task: str, fail_on_error: bool) -> Any:
    """The configuration of a task; with `fail_on_error` it stops at the first data row that fails."""
    return load_config(f"task={task}", "pixels=png", f"on_error={'stop' if fail_on_error else 'skip'}")


def carried_out(cfg: Any, fail_on_error: bool, given: Mapping[str, Any]) -> None:
    """Run, with a progress bar on terminals; data rows that fail are logged as errors.

    Args:
        cfg: from `configured`.
        fail_on_error: raise if a data row failed.
        given: components and root keys made by hand.

    Raises:
        DataRowsError: data rows failed; what could be done before is done.
        LakeboxError: nothing could be done at all.
    """
    with Bars() as bars:
        report = run(cfg, bars, given)
    for warning in report.warnings:
        log.warning("%s", warning)
    if report.ok:
        return
    told = "; ".join(f"{one.data_row_id} ({one.name}): {one.stage}: {one.error}" for one in report.failures[:5])
    text = f"{report.task}: {len(report.failures)} data rows failed: {told}"
    if fail_on_error:
        raise DataRowsError(text)
    log.error("%s", text)
