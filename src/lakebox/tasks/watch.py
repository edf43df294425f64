"""Task `watch`: a dataset is kept in step until somebody ends it."""

from __future__ import annotations

import logging
import re
import time
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from lakebox.core.report import Report
from lakebox.errors import ConfigError, LakeboxError
from lakebox.tasks.sync import Sync
from lakebox.tasks.versions import AUTO

log = logging.getLogger(__name__)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = 3600.0
"""Longest pause after errors, in seconds, where `every` is shorter."""


def _seconds(text: object) -> object:
    """`90s`, `10m`, `2h`, `1d`, or a number of seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", str(text).strip())
    if not found:
        raise ValueError("a duration such as 90s, 10m, 2h or 1d")
    return timedelta(seconds=float(found[1]) * _UNITS[found[2] or "s"])


class Watch(Sync):
    """Syncs again and again. SIGTERM or Ctrl-C ends it between commits."""

    every: Annotated[timedelta, BeforeValidator(_seconds)] = Field(description="Pause between two rounds, such as 10m")
    rounds: int | None = Field(default=None, ge=1, description="End after so many; None: when it is asked to")

    def __call__(self) -> Report:
        """Go on until asked to end.

        Raises:
            ConfigError: the configuration is wrong; no later round could be right.
        """
        if self.tag not in (None, AUTO) and self.rounds != 1:
            raise ConfigError(f"tag: {self.tag!r} can name one version only; task=watch takes tag=auto, or none")
        started, total = time.monotonic(), Report(task="watch", config_digest=self.config_digest)
        done = errors = failed = changed = 0
        with self.stop:
            while not self.stop.asked() and done != self.rounds:
                done += 1
                try:
                    report = super().__call__()
                except ConfigError:
                    raise
                except LakeboxError as error:
                    errors, failed = errors + 1, failed + 1
                    log.error("round %d: %s; trying again in %.0f s", done, error, self._pause(errors))
                else:
                    errors = errors + 1 if report.failures else 0
                    failed += bool(report.failures)
                    changed += _changed(report)
                    _add(total, report)
                    log.info("round %d: %s%s, %.1f s", done, report.plan, _failures(report), report.seconds)
                self.progress.begin("", ())
                if done != self.rounds:
                    self.stop.wait(self._pause(errors))
        total.plan = f"{done} round{'s' * (done != 1)}, {changed} with changes, {failed} with errors"
        total.seconds = time.monotonic() - started
        return total

    def _pause(self, errors: int) -> float:
        """Seconds until the next round: `every`, doubled with each error in a row."""
        every = self.every.total_seconds()
        return min(every * 2.0 ** min(errors, 30), max(every, LONGEST))


def _changed(report: Report) -> bool:
    return any(report.assets[what] for what in ("added", "relabelled", "dropped"))


def _failures(report: Report) -> str:
    return f", {len(report.failures)} failed ({report.failures[0].error[:200]})" if report.failures else ""


def _add(total: Report, report: Report) -> None:
    """What the rounds did together, and how things stand after the last one."""
    for what in ("added", "relabelled", "dropped"):
        total.assets[what] += report.assets[what]
    for what in ("unchanged", "failed"):
        total.assets[what] = report.assets[what]
    total.masks.update(report.masks)
    total.media.update(report.media)
    total.tally.add(report.tally)
    total.failures, total.warnings, total.dataset = report.failures, report.warnings, report.dataset
