"""The one place that tells media types apart: which decoder opens which."""

from __future__ import annotations

from typing import Literal

from lakebox.adapters.image import ImageFile
from lakebox.adapters.video import VideoFile
from lakebox.core.model import Media
from lakebox.core.ports import File, OpenMedia


def open_media(file: File, declared: Media, match: Literal["count", "timestamp"], threads: int = 1) -> OpenMedia:
    """The file with its decoder."""
    return VideoFile(file, declared, match, threads) if declared.kind == "video" else ImageFile(file, declared)
