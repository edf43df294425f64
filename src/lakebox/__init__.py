"""lakebox turns annotated Labelbox projects into versioned Deep Lake datasets and keeps them in step."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakebox.adapters.deep_lake_join import join
    from lakebox.config import load_config
    from lakebox.runner import run

__all__ = ["__version__", "join", "load_config", "run"]
__version__ = "0.1.0"

_HOMES = {"join": "lakebox.adapters.deep_lake_join", "load_config": "lakebox.config", "run": "lakebox.runner"}


def __getattr__(name: str) -> Any:
    """Import on first use: `lakebox --help` must not wait for decoders and storage."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lakebox' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
