"""What a composed configuration says, as choices and values: those that make it from lakebox's own config.

They are found by what the configuration is, not by what was typed, so it does not matter who composed it, and of what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from lakebox.config import load_config
from lakebox.core.starter import Chosen, Settings
from lakebox.search import CONF, GROUPS, own_choices

Node = Mapping[str, Any]

_OF_THIS_RUN = ("task", "report", "hydra")
_MISSING = object()


def settings(cfg: DictConfig, folder: Path) -> Settings:
    """The choices and values of a configuration.

    Args:
        cfg: the configuration.
        folder: of a user's own configs, whose choices are there when what is written is run. It need not exist.
    """
    wanted, usual, choices = _node(cfg), _own(), _usual_choices()
    groups = {
        group: Chosen(choices[group], given=_is_typed(group))
        if _same(wanted[group], usual[group])
        else _chosen(group, wanted[group], folder)
        for group in GROUPS
        if group not in ("task", "mapping")
    }
    roots = {
        key: value
        for key, value in wanted.items()
        if key not in (*_OF_THIS_RUN, *GROUPS) and (_is_typed(key) or not _same(value, usual.get(key, _MISSING)))
    }
    written = ["mapping", *(group for group, chosen in groups.items() if not chosen.choice)]
    reserved = frozenset(("config", *(choice for group in written for choice in own_choices(group))))
    return Settings(groups, roots, wanted["mapping"], reserved)


def _node(cfg: DictConfig) -> dict[str, Any]:
    """As composed: interpolations stay what they are."""
    node: Any = OmegaConf.to_container(cfg, resolve=False)
    return {str(key): value for key, value in node.items()}


def _usual_choices() -> dict[str, str]:
    """Group -> choice, as lakebox's own config has them."""
    listed: Any = OmegaConf.to_container(OmegaConf.create((files(CONF) / "config.yaml").read_text(encoding="utf-8")))
    return {group: choice for item in listed["defaults"] if isinstance(item, dict) for group, choice in item.items()}


def _is_typed(key: str) -> bool:
    """Whether the command line sets a group or root key, if only to what it would be anyway."""
    typed = HydraConfig.get().overrides.task if HydraConfig.initialized() else ()
    return any(str(override).lstrip("+~").partition("=")[0] == key for override in typed)


def _chosen(group: str, wanted: Any, folder: Path) -> Chosen:
    """The choice that is nearest, with what differs; the whole node where none can become it."""
    found = []
    for choice, there in _candidates(group, wanted.get("_target_"), folder):
        difference = _difference(there, wanted)
        if difference is not None:
            found.append((len(list(_leaves(difference))), choice, difference))
    if not found:
        return Chosen("", wanted, given=True)
    _, choice, difference = min(found, key=lambda one: one[:2])
    return Chosen(choice, difference, given=True)


def _candidates(group: str, target: object, folder: Path) -> Iterator[tuple[str, Node]]:
    """Choices of a component, with what they are; lakebox's hide a user's of the same name."""
    own = own_choices(group)
    for choice in own:
        if _may_be(files(CONF) / group / f"{choice}.yaml", target):
            yield choice, _own(f"{group}={choice}")[group]
    for file in sorted((folder / group).glob("*.yaml")):
        if file.stem not in own and _may_be(file, target):
            search = f"hydra.searchpath=['file://{folder.resolve()}']"
            yield file.stem, _node(load_config(f"{group}={file.stem}", search))[group]


def _may_be(file: Traversable, target: object) -> bool:
    """Whether a file makes the component, or does not say what it makes: composing all of them takes a while."""
    return OmegaConf.select(OmegaConf.create(file.read_text(encoding="utf-8")), "_target_") in (None, target)


@cache
def _own(*choice: str) -> dict[str, Any]:
    """Lakebox's own config, with another choice."""
    return _node(load_config(*choice))


def _difference(there: Node, wanted: Node) -> dict[str, Any] | None:
    """What to merge into a node to get another; None if merging does not, because it cannot take keys away."""
    if there.keys() - wanted.keys():
        return None
    found: dict[str, Any] = {}
    for key, value in wanted.items():
        before = there.get(key, _MISSING)
        if _same(value, before):
            continue
        found[key] = value
        if isinstance(value, dict) and isinstance(before, dict):
            inner = _difference(before, value)
            if inner is None:
                return None
            found[key] = inner
    return found


def _same(left: Any, right: Any) -> bool:
    """Equal, and of one type: 1 is not true."""
    return left == right and repr(left) == repr(right)


def _leaves(node: Any) -> Iterator[Any]:
    for value in node.values():
        yield from _leaves(value) if isinstance(value, dict) and value else (value,)
