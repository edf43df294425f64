"""The files of a finished export. Works on the SDK's client without importing it.

The stream of SDK 7.17 fetches its files without trying again, cuts characters at the borders of files, and its errors
quote signed addresses; so the files are asked for here, and fetched like any other file.
"""

from __future__ import annotations

import shutil
from typing import Any, BinaryIO, Literal

from lakebox.adapters.http import Web
from lakebox.adapters.presign import Plain
from lakebox.errors import FetchError, SourceError

_HEADER = """query GetExportMetadataHeaderPyApi($where: WhereUniqueIdInput, $streamType: TaskStreamType!)
{task(where: $where){exportMetadataHeader(streamType: $streamType){totalSize totalLines}}}"""
_FILE = """query GetExportFileFromOffsetPyApi
($where: WhereUniqueIdInput, $streamType: TaskStreamType!, $offset: UInt64!)
{task(where: $where){exportFileFromOffset(streamType: $streamType, offset: $offset)
{offsets {start end} lines {start end} file}}}"""


def append_stream(
    client: Any, task_id: str, stream: Literal["RESULT", "ERRORS"], file: BinaryIO, patience: float
) -> int:
    """Append all files of a stream, byte for byte: their borders may be inside a character.

    Args:
        client: the SDK's, with its errors not translated yet.
        task_id: the finished export.
        stream: data rows, or those that could not be exported.
        file: open for reading and writing, at its end; gets whole lines.
        patience: longest wait, in seconds, that a busy server may ask for.

    Returns:
        Number of lines.

    Raises:
        SourceError: the files cannot be had, or end too early.
    """
    asked = {"where": {"id": task_id}, "streamType": stream}
    header = client.execute(_HEADER, asked, error_log_key="errors")["task"]["exportMetadataHeader"]
    size = int(header["totalSize"] or 0) if header else 0
    start = file.tell()
    web = Web(Plain(), connections=2, timeout=(10.0, 60.0), attempts=8, patience=patience)
    while (offset := file.tell() - start) < size:
        found = client.execute(_FILE, {**asked, "offset": str(offset)}, error_log_key="errors")
        _append(web, found["task"]["exportFileFromOffset"], file, f"{stream} of task {task_id}")
        if file.tell() - start == offset:
            raise SourceError(f"{stream} of task {task_id}: {offset} of {size} bytes came; try again")
    if size and not _ends_line(file):
        file.write(b"\n")
    return int(header["totalLines"] or 0) if header else 0


def _append(web: Web, found: Any, file: BinaryIO, what: str) -> None:
    if not found:
        raise SourceError(f"{what}: Labelbox has no file for it; try again")
    try:
        with web.open(found["file"]) as body:
            shutil.copyfileobj(body, file, 1 << 20)
    except FetchError as error:
        raise SourceError(f"{what}: {error}") from None


def _ends_line(file: BinaryIO) -> bool:
    """Whether the last byte written is a newline; the next file begins behind one."""
    file.seek(-1, 2)
    return file.read(1) == b"\n"
