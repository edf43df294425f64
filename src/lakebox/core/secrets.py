"""Secrets where they do not belong: on the command line, which shells remember and Hydra writes to the run's folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_SECRET = re.compile(
    r"(.*[_-])?(api_?key|account_?key|access_?key|secret(_?key)?|token|password|passwd|credentials?|sas)", re.IGNORECASE
)
_TOKEN = re.compile(r"\beyJ[\w-]{10,}\.[\w-]+")  # a JSON web token, which Labelbox's keys are
_SIGNED = re.compile(r"[?&](sig|signature|x-amz-signature|x-goog-signature|x-amz-credential)=", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONG_ENOUGH = 8


def refused_override(overrides: Iterable[str], environment: Mapping[str, str]) -> str:
    """Why one of the overrides may not be given, without its value; empty if all may.

    Args:
        overrides: as typed, `key=value`.
        environment: variables whose names tell that they hold secrets; their values are looked for.
    """
    known = [value for name, value in environment.items() if _SECRET.fullmatch(name) and len(value) >= _LONG_ENOUGH]
    for override in overrides:
        key, _, value = override.partition("=")
        if reason := _reason(key.lstrip("+~"), value.strip("'\" "), known):
            return f"{key.lstrip('+~')}: {reason}"
    return ""


def _reason(key: str, value: str, known: Iterable[str]) -> str:
    last = key.rpartition(".")[2]
    if value in ("", "null"):
        return ""
    if last.lower().endswith("_env"):
        named = _VARIABLE.fullmatch(value) and value not in known
        return "" if named else "takes the name of an environment variable, never the secret itself; set the variable"
    if _SECRET.fullmatch(last) or _TOKEN.search(value) or any(secret in value for secret in known):
        return (
            "secrets are not taken from the command line, which shells remember and runs record; set the environment"
            " variable instead, for Labelbox: export LABELBOX_API_KEY=..."
        )
    if _SIGNED.search(value):
        return "signed addresses are not taken from the command line, which runs record; list them in a file"
    return ""
