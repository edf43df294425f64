"""Errors in the words of a script: its parameters and its paths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from lakebox.core.urls import unsigned
from lakebox.errors import ConfigError

LIST = "video_paths.jsonl"
"""Name of the list that is made of a script's paths, a line for each."""
UPLOAD = {
    "media": "video_paths",
    "dataset": "lb_dataset_name",
    "project": "lb_project_name",
    "media_type": "media_type",
    "ontology": "lb_ontology",
    "iam_integration": "lb_iam_integration_id",
    "batch": "lb_batches_name",
    "priority": "lb_batch_priority",
    "duplicates": "data_upload_strategy",
}
"""Field of the task -> parameter of `create_labelbox_annotation_project`."""


@contextmanager
def in_its_words(names: Mapping[str, str], paths: Sequence[str]) -> Iterator[None]:
    """Mistakes in what a script gave, told by its own names.

    Args:
        names: field -> parameter.
        paths: the media that the script listed.

    Raises:
        ConfigError: in place of pydantic's error, and of one that speaks of the task.
    """
    try:
        yield
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        raise ConfigError("\n".join(f"{_told(item, names)}; nothing was touched" for item in found)) from None
    except ConfigError as error:
        raise ConfigError(_translated(str(error), names, paths)) from None


def _told(item: Any, names: Mapping[str, str]) -> str:
    field, *inner = map(str, item["loc"])
    found = f"; found {item['input']!r}" if isinstance(item["input"], str | int | None) else ""
    return f"{'.'.join([names.get(field, field), *inner])}: {item['msg']}{found}"


def _translated(text: str, names: Mapping[str, str], paths: Sequence[str]) -> str:
    text = re.sub(r"\btask\.(\w+)", lambda found: names.get(found[1], found[0]), text)
    return re.sub(rf"{re.escape(LIST)} line (\d+)", lambda found: _path(int(found[1]) - 1, paths), text)


def _path(position: int, paths: Sequence[str]) -> str:
    return f"video_paths[{position}] ({unsigned(paths[position])})"
