"""lakebox turns annotated Labelbox projects into versioned Deep Lake datasets and keeps them in step."""

from lakebox.config import load_config
from lakebox.runner import run

__all__ = ["load_config", "run"]
__version__ = "0.1.0"
