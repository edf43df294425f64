"""Exports kept between runs, so that `plan` then `sync`, or a run after a crash, ask Labelbox once. An export is a
folder of its own, complete as soon as it has its final name; nothing in it is ever changed."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lakebox.errors import SourceError

log = logging.getLogger(__name__)

_OURS = re.compile(r"(part-)?([0-9a-f]{20}-){1,2}\w+")
_ABANDONED = 24 * 3600.0  # seconds after which what a dead run was writing is nobody's


class ExportCache:
    """Exports below a folder, named by what was asked for (`key`) and when.

    A key is a digest, or two: of the project and of what was asked of it. They hold signed addresses, so nobody else
    may read them and Git ignores them; they go when a run has used them.
    """

    def __init__(self, folder: Path, key: str, max_age: float) -> None:
        self._folder = folder.expanduser()
        self.key = key
        self._max_age = max_age

    def newest(self) -> Path | None:
        """The newest export of this very key that is at most `max_age` seconds old."""
        exact = re.compile(rf"{self.key}-\d+")
        found = sorted((_made(path), path) for path in self._exports(self.key) if exact.fullmatch(path.name))
        return found[-1][1] if found and time.time() - found[-1][0] <= self._max_age else None

    def find(self) -> Path | None:
        """As `newest`, and said: it is what a run is about to use."""
        if found := self.newest():
            age = (time.time() - _made(found)) / 60
            log.info("using the export of %.0f min ago, kept by a plan or an unfinished run: %s", age, found)
        return found

    def make(self, write: Callable[[Path], None]) -> Path:
        """Have an export written into a new folder; it counts when that ends without an error.

        Raises:
            SourceError: the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / ".gitignore").write_text("*\n", encoding="utf-8")
            part = Path(tempfile.mkdtemp(prefix=f"part-{self.key}-", dir=self._folder))
        except OSError as error:
            raise SourceError(
                f"source.cache {self._folder}: cannot be written: {error.strerror}; choose another folder"
            ) from error
        try:
            write(part)
            return part.rename(self._folder / f"{self.key}-{time.time_ns()}")
        finally:
            shutil.rmtree(part, ignore_errors=True)
            self._clear_abandoned()

    def drop(self) -> None:
        """Remove the exports of this key, and of keys that begin with it. Who reads one has it open, and goes on."""
        for path in self._exports(self.key):
            shutil.rmtree(path, ignore_errors=True)

    def _exports(self, prefix: str) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return [path for path in self._folder.glob(f"{prefix}-*") if _OURS.fullmatch(path.name) and path.is_dir()]

    def _clear_abandoned(self) -> None:
        old = time.time() - max(self._max_age, _ABANDONED)
        for path in (*self._exports("*"), *self._exports("part-*")):
            try:
                if path.stat().st_mtime < old:
                    shutil.rmtree(path, ignore_errors=True)
            except FileNotFoundError:  # another run was quicker
                continue


def _made(path: Path) -> float:
    return int(path.name.rpartition("-")[2]) / 1e9
