"""What Labelbox finds out about a file when it processes it."""

from __future__ import annotations

import io
import mimetypes
from typing import Any

import av
from PIL import Image, UnidentifiedImageError

from .records import Json

EXIF_ORIENTATION = 0x0112
_CAMEL = {
    "mime_type": "mimeType", "asset_type": "assetType", "frame_rate": "frameRate", "frame_count": "frameCount",
    "exif_rotation": "exifRotation",
}  # fmt: skip


def media_attributes(content: bytes | None, path: str) -> Json:
    """The media attributes of a file as exports spell them; nothing but its type if it cannot be read."""
    mime = mimetypes.guess_type(path)[0] or "application/octet-stream"
    if content is None:
        return {"mime_type": mime}
    try:
        return _video(content, mime) if mime.startswith("video/") else _image(content)
    except (av.FFmpegError, UnidentifiedImageError, StopIteration):
        return {"mime_type": mime}


def camel(media: Json) -> Json:
    """Media attributes as `DataRow.media_attributes` has them."""
    return {_CAMEL.get(key, key): value for key, value in media.items()}


def _image(content: bytes) -> Json:
    with Image.open(io.BytesIO(content)) as picture:
        found: Json = {"height": picture.height, "width": picture.width, "mime_type": picture.get_format_mimetype()}
        return found | {"asset_type": "image", "exif_rotation": picture.getexif().get(EXIF_ORIENTATION, 1)}


def _video(content: bytes, mime: str) -> Json:
    with av.open(io.BytesIO(content), "r") as container:
        stream = next(iter(container.streams.video))
        rate: Any = stream.average_rate or 0
        found: Json = {"height": stream.height, "width": stream.width, "mime_type": mime}
        found["frame_rate"] = int(rate) if rate == int(rate) else float(rate)
        found["frame_count"] = stream.frames or len(list(container.decode(stream)))
        return found | {"asset_type": "video"}
