"""Source `export_file`: a Labelbox export v2 on disk, NDJSON or a JSON array of the same (orjson, ijson)."""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal

import ijson
import orjson
from pydantic import Field, PrivateAttr, validate_call

from lakebox.core.component import Component
from lakebox.core.ports import SourceRow
from lakebox.errors import SourceError

_BOM = b"\xef\xbb\xbf"


class ExportFile(Component):
    """Reads an export from a file, one data row at a time.

    Relative addresses in it are relative to the export's folder.
    """

    export: Path
    """NDJSON as the streamable export writes it, or a JSON array of the same objects."""
    ontology_path: Path | None = Field(default=None, alias="ontology")
    """Labelbox's normalized ontology JSON; without it the ontology is derived from what the labels use."""
    _lines: list[BinaryIO] = PrivateAttr(default_factory=list)
    _latest: list[SourceRow] = PrivateAttr(default_factory=list)
    """The row that was read last, until one is asked for: projects of one long video are read once."""
    _turn: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def __getstate__(self) -> dict[Any, Any]:
        """In another process the working directory may be another one."""
        state = super().__getstate__()
        own = state["__dict__"]
        return {**state, "__dict__": {**own, "export": own["export"].expanduser().absolute()}}

    def describe(self) -> str:
        """The export's path."""
        return str(self.export)

    def rows(self) -> Iterator[SourceRow]:
        """All data rows; lines that are not JSON objects come as errors with their number.

        Raises:
            SourceError: the file cannot be read.
        """
        try:
            with self._opened() as file:
                start = file.read(64).lstrip(_BOM + b" \t\r\n")[:1]
            if start == b"[":
                yield from self._array()
                return
            file = self._opened()
            weakref.finalize(self, file.close)
            with self._turn:
                self._lines[:] = [file]  # stays open: the file may be removed while rows of it are read again
            with self._opened() as lines:
                for row in _ndjson(lines):
                    self._latest[:] = [row]
                    yield row
        except OSError as error:
            raise SourceError(f"export {self.export}: cannot be read: {error.strerror or error}") from error

    def _opened(self) -> BinaryIO:
        return self.export.expanduser().open("rb")

    def _array(self) -> Iterator[SourceRow]:
        """Rows of a JSON array, copied to a temporary NDJSON file as they come, so that one can be read again."""
        spool = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the source
        weakref.finalize(self, spool.close)
        self._lines[:] = [spool]
        with self._opened() as file:
            if file.read(len(_BOM)) != _BOM:
                file.seek(0)
            number, items = 0, ijson.items(file, "item", use_float=True)
            while True:
                number += 1
                position = spool.seek(0, 2)
                try:
                    item = next(items)
                except StopIteration:
                    return
                except ijson.JSONError as error:
                    text = f"the JSON array breaks off at element {number}: {error}; nothing after it was read"
                    yield SourceRow(position, number, None, text)
                    return
                spool.write(orjson.dumps(item) + b"\n")
                yield _row(position, number, item)

    def row(self, position: int) -> Mapping[str, Any]:
        """Read a data row again.

        Raises:
            SourceError: the export is not what it was when `rows` read it.
        """
        with suppress(IndexError):
            latest = self._latest.pop()
            if latest.position == position and latest.data is not None:
                return latest.data
        if self._lines:
            with self._turn:  # one file position, many threads
                self._lines[0].seek(position)
                line = self._lines[0].readline()
        else:
            with self._opened() as file:
                file.seek(position)
                line = file.readline()
        try:
            row: Mapping[str, Any] = orjson.loads(line.removeprefix(_BOM))
        except orjson.JSONDecodeError as error:
            raise SourceError(f"export {self.export}: changed while it was read; run again") from error
        return row

    def ontology(self) -> Mapping[str, Any] | None:
        """The ontology JSON.

        Raises:
            SourceError: the file cannot be read or is not a JSON object.
        """
        if self.ontology_path is None:
            return None
        try:
            raw = orjson.loads(self.ontology_path.expanduser().read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise SourceError(f"ontology {self.ontology_path}: cannot be read: {error}") from error
        if not isinstance(raw, dict):
            raise SourceError(f"ontology {self.ontology_path}: expected a JSON object, found a {type(raw).__name__}")
        return raw

    def resolve(self, url: str) -> str:
        """Relative addresses as paths beside the export; others as they are."""
        return url if "://" in url else str(self.export.expanduser().parent / url)

    def partial(self) -> str:
        """Nothing is left out: the file is the project."""
        return ""

    def forget(self) -> None:
        """Nothing is kept."""


def _ndjson(file: BinaryIO) -> Iterator[SourceRow]:
    """Split at newlines only: text of annotators may hold other line separators."""
    position = 0
    for number, line in enumerate(file, start=1):
        start, position = position, position + len(line)
        text = line.removeprefix(_BOM).strip()
        if not text:
            continue
        try:
            yield _row(start, number, orjson.loads(text))
        except orjson.JSONDecodeError as error:
            yield SourceRow(start, number, None, f"line {number} is not JSON: {error}; export the project again")


def _row(position: int, number: int, item: Any) -> SourceRow:
    if isinstance(item, dict):
        return SourceRow(position, number, item)
    return SourceRow(position, number, None, f"line {number} is a JSON {type(item).__name__}, not a data row")


@validate_call
def example(project: Literal["video", "image"] = "video") -> ExportFile:
    """Source `example`: the annotated project that comes with the package."""
    folder = Path(__file__).parents[1] / "example" / project
    return ExportFile(export=folder / "export.ndjson", ontology=folder / "ontology.json")
