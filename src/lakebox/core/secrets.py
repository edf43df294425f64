"""Secrets where they do not belong: on the command line, which shells remember, and in configurations, which are copied
to the run's folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_SECRET = re.compile(
    r"(.*[_-])?(api_?key|account_?key|access_?key|secret(_?key)?|token|password|passwd|credentials?|sas)", re.IGNORECASE
)
_TOKEN = re.compile(r"\beyJ[\w-]{10,}\.[\w-]+")  # a JSON web token, which Labelbox's keys are
_SIGNED = re.compile(r"[?&](sig|signature|x-amz-signature|x-goog-signature|x-amz-credential)=", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FROM_ENVIRONMENT = re.compile(r"""\$\{\s*(?:oc\.)?env\s*:\s*["'\\]*([^,}"'\\]*)""")
_LONG_ENOUGH = 8

_INSTEAD = "set the environment variable instead, for Labelbox: export LABELBOX_API_KEY=..."
_NAMED = "takes the name of an environment variable, never the secret itself; set the variable"


def refused_override(overrides: Iterable[str], environment: Mapping[str, str]) -> str:
    """Why one of the overrides may not be given, without its value; empty if all may.

    Args:
        overrides: as typed, `key=value`.
        environment: variables whose names tell that they hold secrets; their values are looked for.
    """
    known = _known(environment)
    for override in overrides:
        key, _, value = override.partition("=")
        plain = value.replace("\\", "").strip("'\" ")  # Hydra's grammar wants some signs escaped
        if reason := _reason(key.lstrip("+~"), plain, known):
            return f"{key.lstrip('+~')}: {reason}"
    return ""


def _reason(key: str, value: str, known: Iterable[str]) -> str:
    last = key.rpartition(".")[2]
    if value in ("", "null"):
        return ""
    if last.lower().endswith("_env"):
        return "" if _names_variable(value, known) else _NAMED
    if _SECRET.fullmatch(last) or _holds_secret(value, known) or _resolves_to_secret(value):
        return f"secrets are not taken from the command line, which shells remember and runs record; {_INSTEAD}"
    if _SIGNED.search(value):
        return "signed addresses are not taken from the command line, which runs record; list them in a file"
    return ""


def refused_settings(composed: Mapping[str, Any], environment: Mapping[str, str]) -> list[str]:
    """What of a composed configuration may not be in it, one line per key, without values.

    Interpolations are read as they are written: what they resolve to is no part of the copy. Keys below `mapping` are
    people's words for what they annotate, so only values count there.

    Args:
        composed: the configuration, with its interpolations.
        environment: as for `refused_override`.
    """
    known = _known(environment)
    settings = ((path, value) for path, value in _settings(composed) if value is not None and str(value))
    return [f"{'.'.join(path)}: {said}" for path, value in settings if (said := _misplaced(path, str(value), known))]


def _settings(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value and the keys that lead to it; items of a list have those of the list."""
    if isinstance(node, Mapping):
        for key, child in node.items():
            yield from _settings(child, (*path, str(key)))
    elif isinstance(node, list | tuple):
        for child in node:
            yield from _settings(child, path)
    elif not isinstance(node, bool):
        yield path, node


def _misplaced(path: tuple[str, ...], value: str, known: Iterable[str]) -> str:
    last, interpolated = path[-1], "${" in value
    instead = f"secrets are not kept in configurations, which runs copy to their folders; {_INSTEAD}"
    if last.lower().endswith("_env") and not (interpolated or _names_variable(value, known)):
        return f"{_NAMED}: export LABELBOX_API_KEY=..., and {last}: LABELBOX_API_KEY"
    if _holds_secret(value, known) or (len(path) == 1 and _resolves_to_secret(value)):
        return instead
    if path[0] != "mapping" and _SECRET.fullmatch(last) and not interpolated:
        return f"{instead}; where a key names it, it ends in _env, such as api_key_env: LABELBOX_API_KEY"
    if _SIGNED.search(value):
        return "signed addresses are not kept in configurations, which runs copy to their folders; list them in a file"
    return ""


def is_secret(name: str) -> bool:
    """Whether a key's or variable's name tells that it holds a secret.

    >>> is_secret("sas_token"), is_secret("api_key_env")
    (True, False)
    """
    return _SECRET.fullmatch(name) is not None


def redacted(text: str, environment: Mapping[str, str]) -> str:
    """Text without the values of variables whose names tell that they hold secrets, and without tokens."""
    for secret in _known(environment):
        text = text.replace(secret, "...")
    return _TOKEN.sub("...", text)


def _known(environment: Mapping[str, str]) -> list[str]:
    return [value for name, value in environment.items() if _SECRET.fullmatch(name) and len(value) >= _LONG_ENOUGH]


def _names_variable(value: str, known: Iterable[str]) -> bool:
    return bool(_VARIABLE.fullmatch(value)) and value not in known


def _holds_secret(value: str, known: Iterable[str]) -> bool:
    return bool(_TOKEN.search(value)) or any(secret in value for secret in known)


def _resolves_to_secret(value: str) -> bool:
    """Whether it takes a secret from the environment; a variable whose name is put together may be any."""
    return any("$" in name or _SECRET.fullmatch(name.strip()) for name in _FROM_ENVIRONMENT.findall(value))
