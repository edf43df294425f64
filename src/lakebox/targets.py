"""What is wrong with a `_target_` that cannot be imported, and the nearest one that can."""

from __future__ import annotations

import importlib.util
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

from lakebox.core.nearest import nearest


def unknown_target(target: str, error: BaseException) -> str:
    """Why `package.module.Name` is not there.

    Args:
        target: as it was configured.
        error: what importing it raised.
    """
    parts, module = target.split("."), None
    for depth, part in enumerate(parts):
        if not _has(module, part):
            known = parts[:depth]
            near = nearest(part, _names(module))
            place = ".".join(known) or f"{Path.cwd()}, and what is installed,"
            meant = f", did you mean '{'.'.join([*known, near])}'?" if near else ""
            return f"cannot import '{target}': in {place} there is no '{part}'{meant}"
        try:
            module = importlib.import_module(".".join(parts[: depth + 1]))
        except Exception:  # noqa: BLE001 - a user's module may raise anything; the error that was given tells of it
            break
    return f"cannot import '{target}': {' '.join(str(error).split())}"


def _has(module: ModuleType | None, name: str) -> bool:
    if module is None:
        return name in sys.modules or importlib.util.find_spec(name) is not None
    return hasattr(module, name) or name in _modules(module)


def _modules(module: ModuleType) -> list[str]:
    return [one.name for one in pkgutil.iter_modules(getattr(module, "__path__", ()))]


def _names(module: ModuleType | None) -> list[str]:
    """What people may have meant: modules here, or what a module holds of its own."""
    if module is None:
        return ["lakebox", *(one.name for one in pkgutil.iter_modules([str(Path.cwd())]))]
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return [*_modules(module), *(name for name in own if not name.startswith("_"))]
