"""Where configurations are found: files and choices on Hydra's search path, as far as there is a Hydra to ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType

CONF = "lakebox.conf"
ROOT_KEYS = ("project_id", "path", "limit", "report", "tag")
GROUPS = (
    "task", "source", "presigner", "fetch", "mapping", "provider", "drift", "storage", "pixels", "masks", "frames",
    "labels", "executor", "on_error", "preview",
)  # fmt: skip


_folders: list[Path] = []
"""Of somebody's own; Hydra looks into some of them only while it composes."""


@contextmanager
def looking_into(folder: Path | None) -> Iterator[None]:
    """Look into a folder with configurations of somebody's own, too."""
    _folders[:] = [folder] if folder else []
    try:
        yield
    finally:
        _folders.clear()


def choices_of(group: str) -> list[str]:
    """The choices of a group, as far as they are known; primary configs for the group ''."""
    known = {file.name.removesuffix(".yaml") for file in _listed(group) if file.name.endswith(".yaml")}
    if GlobalHydra.instance().is_initialized():  # knows Hydra's own, and those of the user
        known |= set(GlobalHydra.instance().config_loader().get_group_options(group, ObjectType.CONFIG))
    return sorted(name for name in known if not name.startswith("_"))


def own_choices(group: str) -> list[str]:
    """Names of lakebox's own choices of a group."""
    return sorted(
        item.name.removesuffix(".yaml") for item in (files(CONF) / group).iterdir() if item.name.endswith(".yaml")
    )


def _listed(group: str) -> Iterator[Traversable | Path]:
    for top in (files(CONF), *_folders):
        folder = top / group if group else top
        if folder.is_dir():
            yield from folder.iterdir()


def chosen() -> Mapping[str, str]:
    """Group -> choice of the configuration that runs; empty where Hydra does not run."""
    return HydraConfig.get().runtime.choices if HydraConfig.initialized() else {}


def file_of(config: str) -> str:
    """The file of a config such as `pixels/jpeg`; empty if that cannot be told."""
    if not GlobalHydra.instance().is_initialized():
        return ""
    repository = getattr(GlobalHydra.instance().config_loader(), "repository", None)
    sources = repository.get_sources() if repository else ()
    tops = [f"{source.scheme()}://{source.path}" for source in sources if source.is_config(config)]
    tops += [f"file://{folder}" for folder in _folders if (folder / f"{config}.yaml").is_file()]
    tops += [f"pkg://{CONF}"] if (files(CONF) / f"{config}.yaml").is_file() else []
    return f"{tops[0]}/{config}.yaml" if tops else ""


def where(group: str, choices: Mapping[str, str]) -> str:
    """`group=choice (file); choices: ...`, as far as Hydra knows."""
    choice = choices.get(group)
    file = file_of(f"{group}/{choice}") if choice else ""
    said = f"{group}={choice} ({file}); " if file else f"{group}; "
    return f"{said}choices: {', '.join(choices_of(group))}"
