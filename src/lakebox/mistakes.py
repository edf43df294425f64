"""Mistakes in what people typed and in their files, as far as Hydra finds them: a line or two each, and all at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import InterpolationKeyError, InterpolationResolutionError, OmegaConfBaseException

from lakebox.core.nearest import hint, nearest
from lakebox.search import GROUPS, choices_of, file_of, where

Compose = Callable[[list[str]], DictConfig]

_PARENT = re.compile(r"^In '([^']+)': ")
_NO_MATCH = re.compile(r"Could not override '([^']+)'\.\s*No match")
_QUOTED = re.compile(r"'([^']+)'")
_MEANT = re.compile(r"(\S*?)([^.\s]+): unknown key, did you mean '([^']+)'")
_EXTRAS = {
    "hydra/launcher/joblib": "pip install 'lakebox[sweep]'",
    "hydra/launcher/submitit": "pip install hydra-submitit-launcher",
}
"""Launcher -> what brings it."""


class Mistake(NamedTuple):
    """What is wrong, with the nearest name; and where, with what is allowed there."""

    what: str
    where: str = ""


def in_lines(mistakes: Iterable[Mistake]) -> str:
    """What is printed: of mistakes at one place, the place once, after them; no mistake twice."""
    found = list(dict.fromkeys(mistakes))
    lines = ["Invalid configuration"]
    for one, after in zip_longest(found, found[1:]):
        lines.append(f"  {one.what}")
        if one.where and (after is None or after.where != one.where):
            lines.append(f"    {one.where}")
    return "\n".join(lines)


def without_consequences(mistakes: Sequence[Mistake]) -> list[Mistake]:
    """Without what is only wrong because of another: a key that is missing because it is misspelt, a root key that
    parts take over."""
    found = [match for one in mistakes if (match := _MEANT.match(one.what))]
    meant = {f"{match[1]}{match[3]}: must be given" for match in found}
    return [
        one for at, one in enumerate(mistakes)
        if not any(one.what.startswith(what) for what in meant)
        and not any(_is_same(one, before) or _is_same(before, one) for before in mistakes[:at])
    ]  # fmt: skip


def _is_same(root: Mistake, other: Mistake) -> bool:
    """Whether a root key is wrong, and with it what took it over."""
    (key, _, one), (_, _, two) = (each.what.partition(": ") for each in (root, other))
    said, known = one.partition(",")[0], two.partition(",")[0]
    return "." not in key and (other.what.endswith(f".{root.what}") or (said == known and "interpolation key" in said))


def every_mistake(
    compose: Compose, overrides: Sequence[str], primary: str = "config"
) -> tuple[list[Mistake], DictConfig | None]:
    """What keeps overrides from being composed, and the configuration of those that are right.

    Hydra stops at the first mistake. So the override that makes it is left out, and Hydra is asked again.

    Args:
        compose: makes a configuration of overrides, with its `hydra` node.
        overrides: as typed.
        primary: name of the primary config.

    Returns:
        The mistakes; and the configuration without what is wrong: None if it cannot be told what that is, or if a
        choice is wrong, which leaves open what is right below it.
    """
    left, found, config = list(overrides), [], None
    while config is None:
        try:
            config = compose(left)
        except Exception as error:  # noqa: BLE001 - files and resolvers of the user raise anything
            culprit = _culprit(error, left, compose)
            found.append((error, culprit))
            if not culprit:
                break
            left = _without(culprit, left)
    choices = config.hydra.runtime.choices if config is not None else {}
    mistakes = [told(error, culprit, choices, primary) for error, culprit in found]
    return mistakes, None if any(isinstance(error, MissingConfigException) for error, _ in found) else config


def _culprit(error: Exception, overrides: Sequence[str], compose: Compose) -> str:
    """The override without which this error does not come; those that it speaks of are tried first."""
    if isinstance(error, OverrideParseException):
        return error.override if error.override in overrides else ""
    return next((one for one in sorted(overrides, key=lambda one: not _spoken_of(one, str(error)))
                 if _error(compose, [other for other in overrides if other != one]) != str(error)), "")  # fmt: skip


def _spoken_of(override: str, said: str) -> bool:
    key, _, value = override.lstrip("+~").partition("=")
    return any(f"'{name}'" in said for name in (key, override, f"{key}/{value}"))


def _error(compose: Compose, overrides: list[str]) -> str:
    try:
        compose(overrides)
    except Exception as error:  # noqa: BLE001 - as above
        return str(error)
    return ""


def _without(culprit: str, overrides: Iterable[str]) -> list[str]:
    """Also without what would only be wrong because of it: keys below the group that it was meant to choose."""
    key = culprit.lstrip("+~").partition("=")[0]
    group = key if "." in key or key in GROUPS else nearest(key, GROUPS)
    return [one for one in overrides if one != culprit and not (group and one.lstrip("+~").startswith(f"{group}."))]


def told(error: BaseException, culprit: str, choices: Mapping[str, str], primary: str = "config") -> Mistake:
    """An error of composing.

    Args:
        error: what Hydra, OmegaConf or YAML raised.
        culprit: the override that makes it; empty: it is in a file.
        choices: group -> choice, as far as they are known.
        primary: name of the primary config.
    """
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    if isinstance(error, MissingConfigException):
        return _no_config(error, culprit, primary)
    if isinstance(error, OverrideParseException) or culprit.startswith("="):
        return _unreadable(culprit or getattr(error, "override", ""))
    if isinstance(cause, InterpolationKeyError | InterpolationResolutionError):
        return Mistake(interpolation(cause))
    if mark := getattr(error, "problem_mark", None):  # YAML's
        return Mistake(f"{mark.name} line {mark.line + 1}: cannot be read as YAML: {getattr(error, 'problem', '')}")
    if isinstance(error, OSError):
        return Mistake(f"{error.filename}: {error.strerror}; hydra.run.dir and hydra.sweep.dir say where runs are kept")
    if match := _NO_MATCH.search(str(error)):
        return _no_group(match[1], _file(str(error), primary))
    if isinstance(cause, OmegaConfBaseException) and re.search(r"is not in struct|^Key '.*' not in '", str(cause)):
        return _no_key(cause, choices)
    return Mistake(f"{culprit}: {_sentence(error, cause)}" if culprit else _sentence(error, cause))


def _sentence(error: BaseException, cause: BaseException) -> str:
    """What Hydra says, in one line and without its own advice; that of OmegaConf where it only passes that on."""
    said = str(cause if str(error).startswith("Error merging") else error)
    if said.startswith("Ambiguous value"):
        return "several values; for a sweep add -m, for a list write key=[a,b], for a text quote it: key=\"'a,b'\""
    if said.startswith("Multiple values for"):
        return "the group has a choice already; without '+' another one takes its place"
    if said.startswith("Could not delete"):
        return "there is no such key that could be taken out"
    if said.startswith("Config group override must be"):
        return "a config group takes the name of a choice"
    return " ".join(said.partition("full_key:")[0].partition("\nTo append")[0].split())


def _no_config(error: MissingConfigException, culprit: str, primary: str) -> Mistake:
    missing = error.missing_cfg_file or next(iter(_QUOTED.findall(str(error))[1:]), "")
    group, _, choice = str(missing).rpartition("/")
    if not group:
        return no_primary(choice, choices_of(""))
    place = "the command line" if culprit.partition("=")[2] == choice else _file(str(error), primary)
    names = sorted({*(error.options or ()), *choices_of(group)})
    if not names:
        return _no_group(group, place)
    extra = next((f"; needs {how}" for name, how in _EXTRAS.items() if str(missing).startswith(name)), "")
    return Mistake(
        f"{group}={choice}: no such choice{extra or hint(choice, names)}", f"from {place}; choices: {', '.join(names)}"
    )


def no_primary(name: str, names: Sequence[str]) -> Mistake:
    """A primary config that is not there, beside those that are."""
    return Mistake(
        f"{name}: no such configuration{hint(name, names)}",
        f"there are: {', '.join(names)}; yours come with -cd <folder>",
    )


def _no_group(group: str, place: str) -> Mistake:
    return Mistake(f"{group}: no such config group{hint(group, GROUPS)}", f"from {place}; groups: {', '.join(GROUPS)}")


def _file(said: str, primary: str) -> str:
    """Where Hydra was: overrides in a primary that builds on lakebox's are told as if they were in that."""
    match = _PARENT.match(said)
    config = match[1] if match and match[1] != "config" else primary
    return file_of(config) or config


def _unreadable(override: str) -> Mistake:
    """What is no `key=value`."""
    if "=" not in override.lstrip("="):
        tasks = choices_of("task")
        near = nearest(override, tasks)
        return Mistake(f"{override}: is no key=value" + (f", did you mean task={near}?" if near else ""),
                       f"tasks: {', '.join(tasks)}")  # fmt: skip
    return Mistake(
        f"{override}: cannot be read; text with brackets, commas, colons, quotes or equals signs is quoted twice:",
        f"{override.partition('=')[0]}=\"'...'\"",
    )


def _no_key(cause: OmegaConfBaseException, choices: Mapping[str, str]) -> Mistake:
    key, path = str(cause.key), str(cause.full_key)
    node: Any = cause.parent_node
    names = [str(name) for name in node if name not in ("_target_", "hydra")] if isinstance(node, DictConfig) else []
    group, listed = path.partition(".")[0], ", ".join(names) or "none"
    if path == "experiment":
        return Mistake(
            f"{path}: there is none; put conf/experiment/<name>.yaml into a folder of yours, and add -cd conf"
        )
    what = f"{path}: unknown key{hint(key, names)}"
    if path == key:
        return Mistake(what, f"keys: {listed}; one of your own needs '+'")
    if group not in GROUPS:
        return Mistake(what, f"keys: {listed}")
    place = where(group, choices).partition("; choices")[0]
    new = "" if "_target_" in node else f"; a new one needs '+': +{path}=..."
    return Mistake(what, f"from {place}; keys: {listed}{new}")


def interpolation(error: OmegaConfBaseException) -> str:
    """An interpolation that leads nowhere."""
    said = str(error.msg or error).partition("\n")[0]
    missing = next(iter(_QUOTED.findall(said)), "")
    names = [str(name) for name in error.parent_node] if isinstance(error.parent_node, DictConfig) else []
    return f"{error.full_key or 'interpolation'}: {said[:1].lower()}{said[1:]}{hint(missing, names)}"


def is_mistake(error: BaseException) -> bool:
    """Whether it says that a configuration is wrong, and not that a program is."""
    known = (HydraException, OmegaConfBaseException, OSError, ValueError)
    return isinstance(error, known) or hasattr(error, "problem_mark")
