"""Documents that people write by hand: JSON, and YAML (PyYAML)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lakebox.errors import ConfigError


def read_document(path: Path) -> Any:
    """What a JSON or YAML file says.

    Raises:
        ConfigError: it is missing or no such document.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; nothing was touched") from error
    except (ValueError, yaml.YAMLError) as error:
        said = str(error).replace("\n", " ")
        raise ConfigError(f"{path} is no {path.suffix[1:].upper()} document: {said}; nothing was touched") from error


def write_new(documents: Mapping[Path, str]) -> list[Path]:
    """Write documents that are not there yet; those that are there with the same text stay.

    Returns:
        those that were written.

    Raises:
        ConfigError: there is something else at one of the places, or one cannot be written; then none was.
    """
    new = {path: text.encode() for path, text in documents.items() if not _is_there(path, text.encode())}
    if taken := [str(path) for path in new if os.path.lexists(path)]:
        raise ConfigError(
            f"{', '.join(taken)}: there already, with other content than would be written now; nothing was written,"
            " move it away or choose another name"
        )
    parts: dict[Path, Path] = {}
    try:
        for path, content in new.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            parts[path] = path.with_name(f".{path.name}.{os.getpid()}.part")
            parts[path].write_bytes(content)
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}; nothing was written") from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return list(new)


def _is_there(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:  # no such file, or none that can be read, and then it is another one
        return False
