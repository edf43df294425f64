"""Configurations: composing them from Python, and building their components with every mistake named at once."""

from __future__ import annotations

import difflib
import inspect
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from pydantic import BaseModel, ValidationError

from lakebox.errors import ConfigError

CONF = "lakebox.conf"
ROOT_KEYS = ("project_id", "path", "limit", "report", "tag")
GROUPS = (
    "task", "source", "presigner", "fetch", "mapping", "provider", "drift", "storage", "pixels", "masks", "frames",
    "labels", "executor", "on_error", "preview",
)  # fmt: skip

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
        ConfigError: an override names what does not exist, or a file is not valid.

    May be called any number of times, from threads, and inside other Hydra applications.
    """
    theirs = Path(config_dir).resolve() if config_dir else None
    own_primary = theirs is not None and (theirs / f"{config_name}.yaml").is_file()
    try:
        with _LOCK, _own_hydra():
            if own_primary:
                with initialize_config_dir(str(theirs), version_base="1.3"):
                    return compose(config_name, [*overrides, f"hydra.searchpath=[pkg://{CONF}]"])
            search = [f"hydra.searchpath=['file://{theirs}']"] if theirs else []
            with initialize_config_module(CONF, version_base="1.3"):
                return compose(config_name, [*overrides, *search])
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"Invalid configuration\n  {error}") from error


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
    problems = _root_problems(cfg)
    parts: dict[str, Any] = dict(handed)
    for key in (key for key in (*ROOT_KEYS, *GROUPS[1:]) if key not in handed):
        try:
            if key in GROUPS:
                parts[key] = instantiate(cfg[key], _convert_="all")
            elif key in cfg:
                parts[key] = cfg[key]
        except Exception as error:  # noqa: BLE001 - a user's component may raise anything, and all of it is reported
            problems += _explained(cfg, key, error)
    try:
        task: Callable[[], Any] = _task(cfg, parts)
    except Exception as error:  # noqa: BLE001 - as above
        problems += _explained(cfg, "task", error)
    if problems:
        raise ConfigError("\n".join(["Invalid configuration", *(f"  {problem}" for problem in problems)]))
    return task


def _task(cfg: DictConfig, parts: Mapping[str, Any]) -> Callable[[], Any]:
    names = _accepts(cfg.task["_target_"])
    make = instantiate(cfg.task, _partial_=True, _convert_="all")
    task: Callable[[], Any] = make(**{name: part for name, part in parts.items() if name in names})
    return task


def _root_problems(cfg: DictConfig) -> list[str]:
    """Missing groups, and root keys that look like a misspelt one; other keys are the user's own variables."""
    problems = [
        f"{group}: missing; put '{group}: <choice>' into the defaults list" for group in GROUPS if group not in cfg
    ]
    for key in map(str, cfg):
        near = difflib.get_close_matches(key, (*ROOT_KEYS, *GROUPS), 1, cutoff=0.75)
        if near and near[0] != key and key not in (*ROOT_KEYS, *GROUPS):
            problems.append(f"{key}: unknown key, did you mean '{near[0]}'?")
    return problems


def _explained(cfg: DictConfig, key: str, error: Exception) -> list[str]:
    """One line per mistake in a component, and where it comes from. Values are not shown: one may be a secret."""
    cause: BaseException = error
    while cause.__cause__ is not None and not isinstance(cause, ValidationError):
        cause = cause.__cause__
    at = _FULL_KEY.search(str(error))
    group, key = key, at[1] if at else key
    target = OmegaConf.select(cfg, f"{key}._target_")
    if isinstance(cause, ValidationError):
        found = cause.errors(include_url=False, include_input=False)
        lines = [_field_problem(key, target, item) for item in found if not _said_already(cfg, item)]
        if not lines:
            return []
    elif isinstance(cause, MissingMandatoryValue):
        lines = [f"{cause.full_key}: must be given, it has no default"]
    elif isinstance(cause, ImportError | AttributeError):
        lines = [f"{key}._target_: cannot import {target!r}: {cause}"]
    else:
        lines = [f"{key}: {type(cause).__name__}: {cause}"]
    return [*lines, f"  from {_where(group)}"]


def _said_already(cfg: DictConfig, item: Any) -> bool:
    """A part that the task misses because it could not be built."""
    return item["type"] == "missing" and item["loc"][0] in GROUPS and item["loc"][0] in cfg


def _field_problem(key: str, target: Any, item: Any) -> str:
    own = () if item["loc"][:1] and item["loc"][0] in (*ROOT_KEYS, *GROUPS) and key == "task" else (key,)
    path = ".".join(map(str, (*own, *item["loc"])))
    if item["type"] not in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{path}: {item['msg']}"
    names = [name for name in _accepts(target) if key != "task" or name not in _FILLED]
    near = difflib.get_close_matches(str(item["loc"][-1]), names, 1)
    hint = f", did you mean '{near[0]}'?" if near else ""
    return f"{path}: unknown key{hint} (accepts: {', '.join(names) or 'nothing'})"


def _accepts(target: str) -> list[str]:
    found = get_object(target)
    if isinstance(found, type) and issubclass(found, BaseModel):
        return list(found.model_fields)
    return [name for name in inspect.signature(found).parameters if name != "self"]


def _where(group: str) -> str:
    """`group=choice (file); choices: ...`, as far as Hydra knows."""
    if not (HydraConfig.initialized() and GlobalHydra.instance().is_initialized()):
        return f"{group} (choices: {', '.join(own_choices(group))})"
    choice = HydraConfig.get().runtime.choices.get(group)
    loader = GlobalHydra.instance().config_loader()
    choices = ", ".join(loader.get_group_options(group, ObjectType.CONFIG))
    sources = getattr(loader, "repository", None)
    found = next((s for s in sources.get_sources() if s.is_config(f"{group}/{choice}")), None) if sources else None
    file = f" ({found.scheme()}://{found.path}/{group}/{choice}.yaml)" if found else ""
    return f"{group}={choice}{file}; choices: {choices}"


def own_choices(group: str) -> list[str]:
    """Names of lakebox's own choices of a group."""
    from importlib.resources import files

    folder = files(CONF) / group
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))
