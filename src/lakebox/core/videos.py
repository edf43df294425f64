"""The dataset of a dataset's video files: one row per file, and rows of frames say which row theirs is.

```
<path>           video_row  frame_idx        <path>_videos   video   lb_meta/id
  row 0             0          0       -->     row 0          ...       a
  row 1             0          1       -->     row 0
  row 2             1          0       -->     row 1          ...       b
```

Its rows never change and never go, so that their numbers hold for all versions, tags and branches of the dataset.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lakebox.core.columns import Cells, Column
from lakebox.core.facts import ID, STATE
from lakebox.core.fingerprint import digest
from lakebox.core.model import Asset
from lakebox.core.urls import unsigned

VIDEO_ROW = Column("video_row", "scalar", "int32", key="lakebox:pixels")
"""What a dataset has in place of pixels: the row of the file that its frame is in."""

_FILE = "lakebox:file"


def _column(name: str, type: str, dtype: str = "") -> Column:
    return Column(name, type, dtype, key=f"{_FILE}/{name}")


COLUMNS = (
    Column("video", "video", key=_FILE),
    _column(ID, "text"),
    _column("name", "text"),
    _column("width", "scalar", "int32"),
    _column("height", "scalar", "int32"),
    _column("frame_rate", "scalar", "float64"),
    _column("frame_count", "scalar", "int32"),
    _column(STATE, "text"),
)
"""All columns of the files' dataset. The state is `file_stamp`."""


def address_of_videos(path: str) -> str:
    """Address of the video files of the dataset at a path."""
    return f"{path.rstrip('/')}_videos"


def holds_videos(columns: Iterable[Column]) -> bool:
    """Whether these are the columns of a dataset of video files."""
    return any(column.key == _FILE for column in columns)


def file_stamp(asset: Asset, match: str) -> str:
    """Fingerprint of a file and of what was checked of it. Other than the media's, it does not say which frames are
    wanted: the file is the same for any of them."""
    return digest([unsigned(asset.url), repr(asset.media), match])


def file_cells(asset: Asset, data: bytes, frames: int, stamp: str) -> Cells:
    """The row of a file with so many frames; what is not declared is 0."""
    media = asset.media
    return {
        "video": [data],
        ID: [asset.id],
        "name": [asset.name],
        "width": np.array([media.width or 0], np.int32),
        "height": np.array([media.height or 0], np.int32),
        "frame_rate": np.array([media.rate or 0.0], np.float64),
        "frame_count": np.array([frames], np.int32),
        STATE: [stamp],
    }
