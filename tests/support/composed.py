"""`load_config` for tests that run one configuration on many folders: composing takes longer than most of these runs."""

from __future__ import annotations

import copy
import re
from functools import lru_cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lakebox import load_config

_PLACE = re.compile(
    r"(path|report|source\.(?:export|ontology|cache|endpoint|rest_endpoint)|project_id)=((?!null$|true$|false$)[\w/.:-]*[a-z/][\w/.:-]*)"
)
"""An override of a single value that says where something is, without anything that Hydra's grammar knows."""


def composed(*overrides: str, **places: Any) -> DictConfig:
    """The same as `load_config`, which is asked once for all calls that differ in places only."""
    found = {text: match for text in overrides if (match := _PLACE.fullmatch(text))}
    config = copy.deepcopy(
        _composed(tuple(found[text][1] + "=there" if text in found else text for text in overrides), **places)
    )
    for match in found.values():
        OmegaConf.update(config, match[1], match[2])
    return config


@lru_cache(256)
def _composed(overrides: tuple[str, ...], **places: Any) -> DictConfig:
    return load_config(*overrides, **places)
