"""Configurations: composing them from Python, and building their components with every mistake named at once."""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    InterpolationKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from pydantic import BaseModel, ValidationError

from lakebox.core.nearest import RENAMED, hint, nearest
from lakebox.errors import ConfigError
from lakebox.mistakes import (
    Compose,
    Mistake,
    every_mistake,
    in_lines,
    interpolation,
    no_primary,
    told,
    without_consequences,
)
from lakebox.search import CONF, GROUPS, ROOT_KEYS, choices_of, chosen, looking_into, where
from lakebox.targets import unknown_target

_QUOTED = re.compile(r"'([^']+)'")
_FULL_KEY = re.compile(r"^full_key: (\S+)$", re.MULTILINE)  # Hydra says where it was instantiating

_FILLED = (*ROOT_KEYS, *GROUPS, "tools", "progress", "stop", "draw", "shows", "config_digest", "save", "read_document",
           "as_choices", "write_new")  # fmt: skip
"""Fields of tasks that the runner fills; nobody configures them below `task`."""

_LOCK = threading.Lock()  # Hydra keeps one state per process


def load_config(*overrides: str, config_name: str = "config", config_dir: str | Path | None = None) -> DictConfig:
    """Compose a configuration as the command line does.

    Args:
        overrides: as on the command line, such as `"source=export_file"`.
        config_name: the primary config, lakebox's own or one in `config_dir`.
        config_dir: a folder with config groups (and primary configs) of your own.

    Raises:
        ConfigError: overrides name what does not exist, or a file is not valid; all of that at once.

    May be called any number of times, from threads, and inside other Hydra applications.
    """
    with _LOCK, _own_hydra(), _searching(config_name, config_dir) as search:
        try:
            return compose(config_name, [*overrides, *search])
        except Exception as error:
            found, _ = every_mistake(_composing(config_name, search), overrides, config_name)
            raise ConfigError(in_lines(found or [told(error, "", {})])) from error


def mistakes_of(
    jobs: Iterable[Sequence[str]], config_name: str, config_dir: str | Path | None, handed: Mapping[str, Any]
) -> list[Mistake]:
    """Everything that is wrong with overrides: what Hydra finds, and what building their components does.

    Args:
        jobs: overrides of one run, or of each job of a sweep.
        config_name: as for `load_config`.
        config_dir: as for `load_config`.
        handed: as for `build`.

    Raises:
        ConfigError: there is no such folder or primary config.
    """
    found: list[Mistake] = []
    with _LOCK, _own_hydra(), _searching(config_name, config_dir) as search:
        for overrides in jobs:
            mistakes, config = every_mistake(_composing(config_name, search), overrides, config_name)
            found += without_consequences([*mistakes, *(_building(config, handed) if config is not None else ())])
    return found


def _building(config: DictConfig, handed: Mapping[str, Any]) -> list[Mistake]:
    """What is wrong with a configuration that has its `hydra` node, which tells where its parts are from."""
    outer = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        return _built(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]), handed)[1]
    finally:
        HydraConfig.instance().cfg = outer


def _composing(config_name: str, search: Sequence[str]) -> Compose:
    return lambda overrides: compose(config_name, [*overrides, *search], return_hydra_config=True)


@contextmanager
def _searching(config_name: str, config_dir: str | Path | None) -> Iterator[list[str]]:
    """Hydra looks into lakebox's folder and theirs; gives the overrides that this takes."""
    theirs = Path(config_dir).resolve() if config_dir else None
    if theirs and not theirs.is_dir():
        near = nearest(theirs.name, [one.name for one in theirs.parent.glob("*/")])
        said = f"{theirs}: there is no such folder" + (f", did you mean '{near}'?" if near else "")
        raise ConfigError(in_lines([Mistake(said)]))
    name = config_name.removesuffix(".yaml")
    with looking_into(theirs):
        yield from _initialized(name, theirs)


def _initialized(name: str, theirs: Path | None) -> Iterator[list[str]]:
    if theirs and (theirs / f"{name}.yaml").is_file():
        with initialize_config_dir(str(theirs), version_base="1.3"):
            yield [f"hydra.searchpath=[pkg://{CONF}]"]
    elif not (files(CONF) / f"{name}.yaml").is_file():
        raise ConfigError(in_lines([no_primary(name, choices_of(""))]))
    else:
        with initialize_config_module(CONF, version_base="1.3"):
            yield [f"hydra.searchpath=['file://{theirs}']"] if theirs else []


@contextmanager
def _own_hydra() -> Iterator[None]:
    """Hydra is set aside and put back, so that this works inside a running Hydra application."""
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().hydra = None
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = outer


def build(cfg: DictConfig, handed: Mapping[str, Any]) -> Callable[[], Any]:
    """The task with all its components; building does no I/O, so this is the whole check of a configuration.

    Config groups become objects, root keys plain values; the task gets those that it has fields for.

    Args:
        cfg: a composed configuration.
        handed: what is not configured: the runner's tools, and groups or root keys that somebody made by hand.

    Raises:
        ConfigError: with one line per mistake: key, what was found, what is allowed, and the file.
    """
    task, mistakes = _built(cfg, handed)
    if task is None or mistakes:
        raise ConfigError(in_lines(without_consequences(mistakes)))
    return task


def _built(cfg: DictConfig, handed: Mapping[str, Any]) -> tuple[Callable[[], Any] | None, list[Mistake]]:
    mistakes = _root_mistakes(cfg)
    parts: dict[str, Any] = dict(handed)
    told = {group for group in GROUPS if group not in cfg.keys()}  # noqa: SIM118 - `in cfg` leaves ??? out
    for key in (key for key in (*ROOT_KEYS, *GROUPS[1:]) if key in cfg.keys() and key not in handed):  # noqa: SIM118
        try:
            parts[key] = instantiate(cfg[key], _convert_="all") if key in GROUPS else cfg[key]
        except Exception as error:  # noqa: BLE001 - a user's component may raise anything, and all of it is reported
            told.add(key)
            mistakes += _explained(cfg, key, error)
    try:
        return _task(cfg, parts), mistakes
    except Exception as error:  # noqa: BLE001 - as above
        said = _explained(cfg, "task", error) if "task" not in told else []
        return None, [*mistakes, *(one for one in said if not _is_missing(one, told))]


def _task(cfg: DictConfig, parts: Mapping[str, Any]) -> Callable[[], Any]:
    names = _accepts(cfg.task["_target_"])
    make = instantiate(cfg.task, _partial_=True, _convert_="all")
    task: Callable[[], Any] = make(**{name: part for name, part in parts.items() if name in names})
    return task


def _root_mistakes(cfg: DictConfig) -> list[Mistake]:
    """Missing groups, and root keys that look like a misspelt one; other keys are the user's own variables."""
    found, known = [], (*ROOT_KEYS, *GROUPS)
    if missing := [group for group in GROUPS if group not in cfg.keys()]:  # noqa: SIM118 - as below
        found += [Mistake(f"{', '.join(missing)}: missing; a configuration begins with 'defaults: [config, ...]'")]
    for key in (key for key in map(str, cfg) if key not in known):
        if key in RENAMED or nearest(key, known, 0.75):
            found.append(Mistake(f"{key}: unknown key{hint(key, known)}", f"keys: {', '.join(known)}"))
    return found


def _explained(cfg: DictConfig, key: str, error: Exception) -> list[Mistake]:
    """The mistakes in a component, and where it comes from. Values are not shown: one may be a secret."""
    cause: BaseException = error
    while cause.__cause__ is not None and not isinstance(cause, ValidationError):
        cause = cause.__cause__
    at = _FULL_KEY.search(str(error))
    group, key = key, at[1] if at else key
    target = _target(cfg, key)
    if isinstance(cause, ValidationError):
        found = cause.errors(include_url=False)
        return [
            Mistake(_field_problem(key, target, one), _from("" if _is_rooted(key, one) else group)) for one in found
        ]
    if isinstance(cause, InterpolationKeyError | InterpolationResolutionError):
        said = interpolation(cause)
    elif isinstance(cause, MissingMandatoryValue):
        said = f"{cause.full_key}: must be given, it has no default"
    elif isinstance(cause, ImportError | AttributeError):
        said = f"{key}._target_: {unknown_target(str(target), cause)}"
    else:
        kind = "" if isinstance(cause, HydraException | OmegaConfBaseException) else f"{type(cause).__name__}: "
        said = f"{key}: {kind}{' '.join(str(cause).partition('full_key:')[0].split())}"
    return [Mistake(said, _from(group))]


def _target(cfg: DictConfig, key: str) -> Any:
    node: Any = OmegaConf.to_container(cfg, resolve=False)
    for name in filter(None, re.split(r"[.\[\]]", key)):
        node = node[int(name)] if isinstance(node, list) else node.get(name) if isinstance(node, dict) else None
    return node.get("_target_") if isinstance(node, dict) else None


def _from(group: str) -> str:
    """Where a part comes from, and what else could be there; root keys for the group ''."""
    if group in GROUPS:
        return f"from {where(group, chosen())}"
    return f"from the command line or the primary config; keys: {', '.join(ROOT_KEYS)}"


def _is_missing(one: Mistake, told: Container[str]) -> bool:
    """What the task misses because it could not be built."""
    key, _, said = one.what.partition(": ")
    return said.startswith("must be given") and key in told


def _is_rooted(key: str, item: Any) -> bool:
    """A value that the task gets, but that is not configured below it."""
    return key == "task" and bool(item["loc"]) and item["loc"][0] in (*ROOT_KEYS, *GROUPS)


def _field_problem(key: str, target: Any, item: Any) -> str:
    path = ".".join(map(str, (*(() if _is_rooted(key, item) else (key,)), *item["loc"])))
    if item["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{path}: must be given, it has no default"
    if item["type"] == "literal_error":
        return f"{path}: {item['msg']}{hint(str(item['input']), re.findall(_QUOTED, item['ctx']['expected']))}"
    if item["type"] not in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{path}: {item['msg'].removeprefix('Value error, ')}"
    names = [name for name in _accepts(target) if key != "task" or name not in _FILLED] if target else []
    return f"{path}: unknown key{hint(str(item['loc'][-1]), names)} (accepts: {', '.join(names) or 'nothing'})"


def _accepts(target: str) -> list[str]:
    found = get_object(target)
    if isinstance(found, type) and issubclass(found, BaseModel):
        return list(found.model_fields)
    return [name for name in inspect.signature(found).parameters if name != "self"]
