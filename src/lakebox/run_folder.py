"""What lies in a run's folder: the composed configuration, and never a secret.

Hydra copies configurations before anybody can look at them. So it is told not to, and the copy is made here, of what
was looked at. A sweep's own file, `multirun.yaml`, is written in any case, so a callback looks at it before.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from lakebox.core.secrets import refused_settings
from lakebox.errors import ConfigError

HYDRA = (
    "hydra.output_subdir=null",
    "++hydra.callbacks.lakebox={_target_: lakebox.run_folder.Refusal}",
    "++hydra.callbacks.lakebox_sweep={_target_: lakebox.sweep.Beginning}",
)
"""Overrides of the command line, so that they hold for everybody's configurations."""
_LEFT_OUT = ("runtime", "overrides", "help", "hydra_help")
"""Hydra's own words, and overrides, which were looked at when they were typed."""


class Refusal(Callback):
    """Ends the program before Hydra writes a configuration that holds a secret."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Before the run's folder is made."""
        _end_if_refused(config)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Before the sweep's folder is made."""
        _end_if_refused(config)


def _end_if_refused(config: DictConfig) -> None:
    from lakebox.runner import report_file  # slow to import: not for --help and --cfg

    try:
        with report_file(config).told():
            refuse_secrets(config)
    except ConfigError as error:  # Hydra makes warnings of what callbacks raise
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


def refuse_secrets(config: DictConfig) -> None:
    """Look for secrets in a composed configuration.

    Raises:
        ConfigError: there are some, with their keys and without their values.
    """
    composed: Any = OmegaConf.to_container(config, resolve=False)
    composed["hydra"] = {key: node for key, node in composed.get("hydra", {}).items() if key not in _LEFT_OUT}
    if refused := refused_settings(composed, os.environ):
        raise ConfigError("\n".join(["Invalid configuration", *(f"  {one}" for one in refused)]))


def keep_copies(config: DictConfig) -> None:
    """The configuration and the overrides of this job beside its log, as Hydra names them; unless Hydra did it."""
    from lakebox.core.fingerprint import digest  # slow to import: not for --help and --cfg

    own = HydraConfig.get()
    if own.output_subdir is not None:
        return
    folder = Path(own.runtime.output_dir) / ".hydra"
    folder.mkdir(parents=True, exist_ok=True)
    said = f"# configuration {digest(OmegaConf.to_container(config, resolve=False))}, as rows and reports call it\n"
    (folder / "config.yaml").write_text(said + OmegaConf.to_yaml(config), encoding="utf-8")
    OmegaConf.save(own.overrides.task, folder / "overrides.yaml")
    OmegaConf.save(HydraConfig.instance().cfg, folder / "hydra.yaml")
