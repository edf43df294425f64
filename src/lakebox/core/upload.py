"""What is to be uploaded: rows, their global keys, duplicates, and the plan. Pure values; nothing is read or sent here.

Global keys are the same for the same media on every machine and in every working directory, so that a second run finds
what the first one made:

    from the manifest   as it is given
    remote              the address without its signature
    local               the file's name and a fingerprint of its content: `clip_07.mp4-3f2a9c0d51b7e846`

A local file's folder is not part of its key. `day1/GOPR0001.MP4` and `day2/GOPR0001.MP4` differ by their content, and
one file is the same file whether it was listed by a folder, a glob or its absolute path. A file that was encoded anew
is another data row, as it should be: labels of the old one need not fit it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from lakebox.core.urls import unsigned
from lakebox.errors import ConfigError

KEY_LIMIT = 200
"""Labelbox's limit for global keys, in characters (docs.labelbox.com/docs/limits)."""
_HASH = 16

MediaType = Literal["video", "image"]
Duplicates = Literal["fail", "skip", "all"]

SUFFIXES: Mapping[MediaType, frozenset[str]] = {
    "video": frozenset({".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv"}),
    "image": frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}),
}
"""File names that say what they are; others are believed to be what `task.media_type` says."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list of media, before anything was looked at."""

    media: str = field(repr=False)
    """Address, or path as it can be opened. An address may be signed."""
    where: str
    """Where it was listed, for messages: `clips.csv line 3`."""
    name: str = ""
    """What people know it as: the path as it was listed; empty for an address."""
    global_key: str = ""
    external_id: str = ""
    attachments: tuple[Mapping[str, str], ...] = ()
    metadata: tuple[Mapping[str, Any], ...] = ()
    """`{"name" or "schema_id": ..., "value": ...}`."""

    @property
    def remote(self) -> bool:
        """Whether it is an address."""
        return is_remote(self.media)

    @property
    def shown(self) -> str:
        """What messages call it, without a signature."""
        return self.name or unsigned(self.media)


@dataclass(frozen=True, slots=True)
class UploadRow:
    """One data row to be."""

    row_data: str = field(repr=False)
    """Address with its signature (Labelbox needs it), or a local path."""
    global_key: str
    external_id: str = ""
    attachments: tuple[Mapping[str, str], ...] = ()
    metadata: tuple[Mapping[str, Any], ...] = ()
    shown: str = ""
    where: str = ""
    """Both for messages, as of its entry."""
    described: bool = False
    """Whether its list gives an external id, attachments or metadata."""

    @property
    def remote(self) -> bool:
        """Whether Labelbox fetches it itself."""
        return is_remote(self.row_data)


def is_remote(media: str) -> bool:
    """Whether this is an address of another machine."""
    return "://" in media and not media.startswith("file://")


def url_key(url: str) -> str:
    """The global key of an address; signatures and credentials are no part of it.

    >>> url_key("https://h/a.mp4?X-Amz-Signature=abc")
    'https://h/a.mp4'
    """
    return shortened(unsigned(url))


def file_key(name: str, fingerprint: str) -> str:
    """The global key of a local file.

    >>> file_key("day1/clip_07.mp4", "3f2a9c0d51b7e846")
    'clip_07.mp4-3f2a9c0d51b7e846'
    """
    bare = name.replace("\\", "/").rpartition("/")[2]
    return shortened(bare, f"-{fingerprint}")


def shortened(text: str, suffix: str = "") -> str:
    """`text + suffix` within the limit: of a long text the beginning and the end, and a hash of all of it."""
    if len(text) + len(suffix) <= KEY_LIMIT:
        return text + suffix
    whole = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    room = KEY_LIMIT - len(suffix) - len(whole) - len("...-")
    head = room // 3
    return f"{text[:head]}...{text[len(text) - (room - head) :]}-{whole}{suffix}"


def refuse_mixture(entries: Sequence[Entry]) -> None:
    """Media must be all local or all remote.

    Raises:
        ConfigError: they are mixed, or there are none.
    """
    if not entries:
        raise ConfigError("task.media: the list is empty; nothing was touched")
    local = [entry.shown for entry in entries if not entry.remote]
    remote = [entry.shown for entry in entries if entry.remote]
    if local and remote:
        lines = [f"{len(local)} local: {_some(local)}", f"{len(remote)} remote: {_some(remote)}"]
        raise ConfigError(refusal("media are partly local and partly remote; upload them separately", lines))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def refusal(what: str, found: Iterable[str], most: int = 20) -> str:
    """One message for many problems."""
    problems = list(found)
    more = [f"... and {len(problems) - most} more"] if len(problems) > most else []
    return "\n".join([f"task.media: {what}; nothing was touched", *(f"  {p}" for p in [*problems[:most], *more])])


def make_rows(entries: Iterable[Entry], fingerprints: Mapping[str, str], duplicates: Duplicates) -> list[UploadRow]:
    """Rows, each with a global key of its own.

    Args:
        entries: the list of media.
        fingerprints: those of local files, by path.
        duplicates: what becomes of media that are listed several times. fail: nothing is done; skip: the first one
            counts; all: each is a data row, the k-th with `#k` behind its key.

    Raises:
        ConfigError: different media have one global key, or media are listed several times and that is not wanted.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.global_key or _derived_key(entry, fingerprints), []).append(entry)
    several = [group for group in groups.values() if len(group) > 1]
    clashes = [group for group in several if len({_derived_key(entry, fingerprints) for entry in group}) > 1]
    if clashes:
        raise ConfigError(refusal("different media have one global key; give each its own", map(_together, clashes)))
    if several and duplicates == "fail":
        hint = "set task.duplicates to skip (upload once) or all (upload each)"
        raise ConfigError(refusal(f"media are listed several times; {hint}", map(_together, several)))
    kept = {key: group if duplicates == "all" else group[:1] for key, group in groups.items()}
    rows = [_row(entry, _copy_key(key, k)) for key, group in kept.items() for k, entry in enumerate(group, 1)]
    taken = [key for key, times in Counter(row.global_key for row in rows).items() if times > 1]
    if taken:
        raise ConfigError(refusal("global keys of copies are given to other media, too", taken))
    return rows


def _derived_key(entry: Entry, fingerprints: Mapping[str, str]) -> str:
    return url_key(entry.media) if entry.remote else file_key(entry.name, fingerprints[entry.media])


def _copy_key(key: str, copy: int) -> str:
    return key if copy == 1 else shortened(key, f"#{copy}")


def _together(entries: Sequence[Entry]) -> str:
    return " and ".join(f"{entry.shown} ({entry.where})" for entry in entries[:5])


def _row(entry: Entry, key: str) -> UploadRow:
    name = unquote(urlsplit(unsigned(entry.media)).path.rpartition("/")[2]) if entry.remote else entry.name
    return UploadRow(
        row_data=entry.media,
        global_key=key,
        external_id=entry.external_id or name or unsigned(entry.media),
        attachments=entry.attachments,
        metadata=entry.metadata,
        shown=entry.shown,
        where=entry.where,
        described=bool(entry.external_id or entry.attachments or entry.metadata),
    )
