"""The command line with which another task finds the dataset that a run wrote."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

_PLACES = {"path", "provider", "storage", "experiment"}
_PROJECT = {"source", "project_id"}
_BY_PATH = {"in_place", "branch", "separate"}
"""Providers that know the place by themselves; others ask for the project's name."""


def command_for(
    task: str, overrides: Sequence[str], provider: str, path: str, config: Mapping[str, str] | None = None
) -> str:
    """A line for the shell.

    Args:
        task: the other task.
        overrides: what the run was given, each as Hydra takes it.
        provider: the chosen provider.
        path: what `path` came to, for where it is put together of what only that run had (the number of its job).
        config: flags -> values, where the configuration is somebody's own.

    >>> command_for("preview", ["source=labelbox", "project_id=p", "path=./lake", "limit=3"], "in_place", "./lake")
    'lakebox task=preview path=./lake'
    """
    places = [one for one in overrides if _key(one) in _PLACES]
    said = [f"path={path}" if one.startswith("path=") and "$" in one else one for one in places]
    if config or provider not in _BY_PATH or any("$" in one for one in said):
        said = [*(one for one in overrides if _key(one) in _PROJECT), *said]
    flags = [part for flag in (config or {}).items() for part in flag]
    return shlex.join(["lakebox", *flags, f"task={task}", *said])


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0].partition("@")[0].partition(".")[0]
