"""What `task.media` names: addresses, files, folders, globs, and lists of them. Reads lists and local files only."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lakebox.core.manifest import PARSERS
from lakebox.core.upload import SUFFIXES, Entry, MediaType, refusal
from lakebox.errors import ConfigError

SCHEMES = ("http", "https", "gs")
"""Addresses that Labelbox fetches itself; objects of S3 and Azure are named by https."""
_SAMPLE = 1 << 16
_SAMPLES = 16


@dataclass(slots=True)
class MediaList:
    """Everything that is listed, and what is wrong with it."""

    media_type: MediaType
    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, item: str) -> None:
        """One item of `task.media`."""
        path = _local(item)
        if path is None:
            self._take([Entry(item, "task.media")])
        elif path.is_dir():
            self._folder(path)
        elif path.is_file():
            self._file(path, path.as_posix())
        elif glob.has_magic(str(path)):
            self._glob(path)
        else:
            self.problems.append(f"{item}: no such file or folder")

    def _folder(self, folder: Path) -> None:
        """Media at any depth; hidden files and those of other kinds are left out, the latter with a word."""
        below = sorted(path for path in folder.rglob("*") if path.is_file())
        seen = [path for path in below if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
        media = [path for path in seen if path.suffix.lower() in SUFFIXES[self.media_type]]
        if len(seen) > len(media):
            self.warnings.append(f"{len(seen) - len(media)} files in {folder} are no {self.media_type}s and left out")
        if not media:
            self.problems.append(f"{folder}: no {self.media_type}s in this folder")
        self._take(_entry(path, path.relative_to(folder)) for path in media)

    def _glob(self, pattern: Path) -> None:
        matches = glob.glob(str(pattern), recursive=True)  # noqa: PTH207 - Path.glob finds hidden files, too
        found = sorted(path for path in map(Path, matches) if path.is_file())
        if not found:
            self.problems.append(f"{pattern}: no file matches")
        root = _root(pattern)
        for path in found:
            self._file(path, path.relative_to(root).as_posix())

    def _file(self, path: Path, name: str) -> None:
        if path.suffix.lower() in PARSERS:
            self._manifest(path)
        else:
            self._take([_entry(path, Path(path.name if Path(name).is_absolute() else name))])

    def _manifest(self, path: Path) -> None:
        """Paths in a list are relative to its folder."""
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{path}: cannot be read: {error}")
            return
        entries = PARSERS[path.suffix.lower()](text, path.name)
        if not entries:
            self.problems.append(f"{path}: the list is empty")
        self._take(_below(path.parent, entry) for entry in entries)

    def _take(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            problem = _unsuitable(entry, self.media_type)
            self.problems += [f"{entry.where}: {entry.shown}: {problem}"] if problem else []
            self.entries.append(entry)


def list_media(items: Sequence[str], media_type: MediaType) -> MediaList:
    """Expand everything that is listed.

    Raises:
        ConfigError: something is missing, or cannot be what it is said to be.
    """
    found = MediaList(media_type)
    for item in items:
        found.add(item)
    if found.problems:
        raise ConfigError(refusal("not everything can be uploaded", found.problems))
    return found


def fingerprints(entries: Sequence[Entry]) -> dict[str, str]:
    """Path -> fingerprint of the content, of all local files.

    Raises:
        ConfigError: files that are missing, empty or unreadable, all of them.
    """
    found, problems = {}, []
    for entry in entries:
        try:
            found[entry.media] = _fingerprint(Path(entry.media))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            problems.append(f"{entry.where}: {entry.shown}: {reason}")
    if problems:
        raise ConfigError(refusal("not every file can be read", problems))
    return found


def _fingerprint(path: Path) -> str:
    """Of the size and of pieces spread over the file; of a file up to 1 MiB, that is all of it."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            raise ValueError("the file is empty")
        digest = hashlib.sha256(str(size).encode())
        for offset in _offsets(size):
            file.seek(offset)
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()[:16]


def _offsets(size: int) -> Iterator[int]:
    if size <= _SAMPLE * _SAMPLES:
        yield from range(0, size, _SAMPLE)
        return
    step = (size - _SAMPLE) / (_SAMPLES - 1)
    yield from (int(step * number) for number in range(_SAMPLES))


def _local(item: str) -> Path | None:
    if item.startswith("file://"):
        return Path(unquote(urlsplit(item).path))
    return None if "://" in item else Path(item).expanduser()


def _entry(path: Path, name: Path) -> Entry:
    return Entry(str(path), "task.media", name.as_posix())


def _below(folder: Path, entry: Entry) -> Entry:
    path = _local(entry.media)
    if path is None:
        return entry
    return replace(entry, media=str(folder / path), name=path.name if path.is_absolute() else path.as_posix())


def _root(pattern: Path) -> Path:
    """The part of a glob before its first pattern."""
    fixed = [part for part in pattern.parents if not glob.has_magic(str(part))]
    return fixed[0]


def _unsuitable(entry: Entry, media_type: MediaType) -> str:
    """Why this cannot be media of the type; empty if it may be."""
    scheme = entry.media.partition("://")[0]
    if entry.remote and scheme not in SCHEMES:
        return f"{scheme}:// is not fetched by Labelbox; give an https address (for Google also gs://)"
    suffix = Path(unquote(urlsplit(entry.media).path) if entry.remote else entry.media).suffix.lower()
    other = next((kind for kind, suffixes in SUFFIXES.items() if suffix in suffixes), media_type)
    if other != media_type:
        return f"is named like {other} media, but task.media_type is {media_type}"
    return "is a list or text, not media" if suffix in (*PARSERS, ".json", ".yaml", ".yml") else ""
