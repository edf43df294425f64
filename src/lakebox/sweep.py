"""A sweep, from its beginning to its summary.

Jobs may run in other processes, so what came of each is told by a file in its folder. Those that run side by side write
nothing that another one writes.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict

from lakebox.core.secrets import redacted
from lakebox.core.sweep import Job, outcome, shared, summary, writing_keys
from lakebox.core.urls import hushed

OUTCOME, SUMMARY = "outcome.json", "summary.json"
_INSTEAD = (
    "  give each job its own, such as 'path=./lake/${hydra:job.num}', or run one after another: hydra/launcher=basic\n"
)
_BASIC = ("BasicLauncher", "BasicSweeper")
"""Hydra's own: one job after another, and every combination of what was listed."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is known of a sweep when it begins."""

    folder: Path
    jobs: Sequence[Job]

    @property
    def file(self) -> Path:
        """Where the summary goes."""
        return self.folder / SUMMARY

    def outcomes(self) -> list[dict[str, Any]]:
        """What came of every job, as far as it is known by now."""
        told = [json.loads(file.read_text(encoding="utf-8")) for file in self.folder.rglob(OUTCOME)]
        return summary(self.jobs, ({key: one[key] for key in one if key != "report"} for one in told))


running: list[Sweep] = []
"""The sweep of this process, once it may begin."""


class Beginning(Callback):
    """Looks at the jobs of a sweep before the first one begins."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """End the program if jobs that run side by side would write the same."""
        try:
            jobs = _jobs(config)
        except Exception:  # noqa: BLE001 - Hydra looks at all jobs, too, and ends with the same error
            return
        if lines := shared(jobs):
            sys.stderr.write("\n".join(["Invalid configuration", *(f"  {line}" for line in lines), _INSTEAD]))
            sys.exit(2)
        folder = Path(config.hydra.sweep.dir)
        for file in folder.rglob(OUTCOME):  # of another sweep with the same folder
            file.unlink()
        running[:] = [Sweep(folder, jobs)]


def is_parallel(hydra: Any) -> bool:
    """Whether jobs may run at the same time: with every launcher but Hydra's own.

    Args:
        hydra: the node of that name.
    """
    return not str(OmegaConf.select(hydra, "launcher._target_")).endswith(_BASIC[0])


def combinations(overrides: Sequence[str]) -> Iterator[list[str]]:
    """The overrides of each job, in the order of Hydra's own sweeper.

    Raises:
        HydraException: overrides cannot be read.
    """
    for combination in itertools.product(*_listed(overrides)):
        yield list(combination)


def samples(overrides: Sequence[str]) -> Iterator[list[str]]:
    """So few of the combinations that every value is in one of them.

    Raises:
        HydraException: overrides cannot be read.
    """
    values = _listed(overrides)
    first = [one[0] for one in values]
    yield first
    for at, others in enumerate(values):
        yield from ([*first[:at], other, *first[at + 1 :]] for other in others[1:])


def _listed(overrides: Sequence[str]) -> list[list[str]]:
    """What was listed for each key, as overrides of one value."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return list({one.get_key_element(): _values(one) for one in parsed}.values())


def _values(override: Override) -> list[str]:
    key = override.get_key_element()
    if override.is_discrete_sweep():
        return [f"{key}={value}" for value in override.sweep_string_iterator()]
    return [f"{key}={override.get_value_element_as_str()}"]


def _jobs(config: DictConfig) -> list[Job]:
    """The jobs of a sweep; none if its sweeper is not Hydra's own, which only it can tell."""
    if not str(config.hydra.sweeper._target_).endswith(_BASIC[1]):
        return []
    listed = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    given = enumerate(combinations([*listed, *_typed(config.hydra.overrides.task)]))
    if is_parallel(config.hydra):
        return [Job(number, _plain(one), frozenset(_written(config, number, one))) for number, one in given]
    return [Job(number, _plain(one)) for number, one in given]


def _typed(overrides: Any) -> list[str]:
    """As they were typed: what is read one by one is resolved."""
    typed: Any = OmegaConf.to_container(overrides, resolve=False)
    return [str(one) for one in typed]


def _plain(overrides: Sequence[str]) -> tuple[str, ...]:
    """Interpolations as people write them; Hydra escapes them for the next time they are read."""
    return tuple(re.sub(r"\\([\\()\[\]{}:=, \t])", r"\1", one) for one in overrides)


def _written(sweep: DictConfig, number: int, overrides: list[str]) -> Iterator[str]:
    """What a job would write; a provider that keeps addresses in a file says where only when it is asked."""
    config = GlobalHydra.instance().config_loader().load_sweep_config(sweep, overrides)
    with open_dict(config):
        config.hydra.job.num, config.hydra.job.id = number, f"{config.hydra.job.name}_{number}"
    outer = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)  # for paths with ${hydra:job.num}
    try:
        for key in writing_keys(str(config.hydra.runtime.choices.get("task"))):
            value = str(OmegaConf.select(config, key) or "")
            if value and not (key == "path" and OmegaConf.select(config, "provider.file")):
                yield value if "://" in value else str(Path(value).expanduser().absolute())
    finally:
        HydraConfig.instance().cfg = outer


def settle() -> None:
    """Let a job start processes of its own, which joblib's workers would start in a way that only joblib knows."""
    if multiprocessing.get_start_method(allow_none=True) == "loky":
        multiprocessing.set_start_method("spawn", force=True)


def keep(status: int, seconds: float, report: Mapping[str, Any]) -> None:
    """Write down in the folder of this job what came of it."""
    own = HydraConfig.get()
    job = Job(own.job.num, _plain(_typed(own.overrides.task)))
    if "error" in report:
        report = {"error": redacted(hushed(report["error"]), os.environ)}
    write(Path(own.runtime.output_dir) / OUTCOME, outcome(job, status, seconds, report) | {"report": report})


def write(file: Path, found: Any) -> None:
    """Write JSON, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    part.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(file)
