"""Documents that people write by hand: JSON, and YAML (PyYAML)."""

from __future__ import annotations

import json
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
