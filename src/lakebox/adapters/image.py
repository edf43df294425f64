"""Images (Pillow): an image is a video of one frame. Also the pixels of mask files."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from lakebox.core.jpeg import is_whole
from lakebox.core.model import MaskRef, Media
from lakebox.core.ports import File, Frame
from lakebox.errors import MaskError, MediaError

_ORIENTATION = 0x0112  # EXIF tag
_PNG_DEPTH = 24  # where a PNG file says how many bits a channel has
_BROKEN = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)
_FORMATS = {"JPEG": "jpg", "PNG": "png"}
_PLAIN_MODES = {"jpg": ("RGB", "L"), "png": ("RGB", "RGBA", "L")}
"""Modes in which a file's own bytes read back as (h, w, c) uint8."""


class ImageFile:
    """An image file beside what the export declares of it."""

    def __init__(self, file: File, declared: Media) -> None:
        self.file = file
        self._declared = declared

    def numbers(self) -> tuple[NDArray[np.int64], int]:
        """Frame 0 of 1."""
        return np.arange(1), 1

    def check(self) -> None:
        """Decode and compare with the export.

        Raises:
            MediaError: the image cannot be decoded or has another size.
        """
        next(self.frames(np.arange(1)))

    def frames(self, wanted: NDArray[np.int64]) -> Iterator[Frame]:
        """The image. It is known to be whole: by walking over the parts of a JPEG file that is stored as it is, which
        finds whatever is missing without decoding it, and by decoding any other one.

        Raises:
            MediaError: as `check`.
        """
        data = self.file.read()
        try:
            picture = Image.open(io.BytesIO(data))
            if self._passes(picture, data):
                yield Frame(0, partial(decoded, data), data, "jpg")
                return
            picture.load()
        except _BROKEN as error:
            raise MediaError(f"not a readable image: {_reason(error, data)}") from error
        kind = _FORMATS.get(picture.format or "", "")
        upright = self._upright(picture)
        depth = data[_PNG_DEPTH] if kind == "png" else 8
        if depth > 8 or upright.mode.startswith(("I", "F")):
            raise MediaError("images of more than 8 bits per channel are not supported; convert it to 8 bits")
        plain = picture.mode in _PLAIN_MODES.get(kind, ()) and depth == 8 and "transparency" not in picture.info
        as_is = plain and upright is picture
        yield Frame(0, partial(_pixels, upright), data if as_is else None, kind if as_is else "")

    def _passes(self, picture: Image.Image, data: bytes) -> bool:
        """Whether it is a plain upright JPEG of the declared size, with nothing missing: then nobody decodes it."""
        turned = picture.getexif().get(_ORIENTATION, 1) != 1
        if picture.format != "JPEG" or picture.mode not in _PLAIN_MODES["jpg"] or turned:
            return False
        self._upright(picture)
        return is_whole(data)

    def _upright(self, picture: Image.Image) -> Image.Image:
        """The picture as the annotator saw it: turned by its EXIF orientation unless only the raw size fits."""
        declared = self._declared.width, self._declared.height
        turned = picture
        if picture.getexif().get(_ORIENTATION, 1) != 1:
            turned = ImageOps.exif_transpose(picture)
        if None in declared or turned.size == declared:
            return turned
        if picture.size == declared:
            return picture
        raise MediaError(
            f"the export declares {declared[0]}x{declared[1]} pixels, the image has {turned.width}x{turned.height};"
            " annotations would not fit"
        )


def decoded(data: bytes) -> NDArray[np.uint8]:
    """(h, w, c): the pixels of an image file that is known to be whole."""
    return _pixels(Image.open(io.BytesIO(data)))


def _pixels(picture: Image.Image) -> NDArray[np.uint8]:
    plain = (
        picture if picture.mode in ("RGB", "RGBA", "L") else picture.convert("RGBA" if "A" in picture.mode else "RGB")
    )
    pixels: NDArray[np.uint8] = np.asarray(plain)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _reason(error: Exception, data: bytes) -> str:
    """Why bytes are no image. What is none at all shows how it begins: often a server's error in words."""
    if not isinstance(error, UnidentifiedImageError):
        return str(error)
    page = data.lstrip()[:1] in (b"<", b"{")  # HTML, XML or JSON
    hint = (
        "; servers that want a login answer so: choose the presigner that signs for them (presigner=...)"
        if page
        else ""
    )
    return f"it begins with {data[:40]!r}{hint}"


def mask_colors(data: bytes, size: tuple[int, int]) -> NDArray[np.int32]:
    """The (h, w) int32 colours of a mask file, 0xBBGGRR; -1 where it is transparent, 0 where it is black.

    Args:
        data: the file's bytes.
        size: height and width it must have; (0, 0) for any.

    Raises:
        MaskError: it is not an image, or has another size.
    """
    picture = mask_picture(data, size)
    if picture.mode == "L":
        colors: NDArray[np.int32] = np.multiply(np.asarray(picture), 0x010101, dtype=np.int32)
        return colors
    if picture.mode in ("1", "I", "I;16"):
        return np.minimum(np.asarray(picture).astype(np.int32) * (255 if picture.mode == "1" else 1), 255) * 0x010101
    packed = np.asarray(picture.convert("RGBA")).view("<u4")[:, :, 0]
    return np.where(packed >> 24, packed & 0xFFFFFF, np.uint32(0xFFFFFFFF)).view(np.int32)


def mask_picture(data: bytes, size: tuple[int, int]) -> Image.Image:
    """The decoded picture of a mask file; arguments and errors as `mask_colors`."""
    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except _BROKEN as error:
        raise MaskError(f"not a readable image: {_reason(error, data)}") from error
    if size != (0, 0) and picture.size != (size[1], size[0]):
        raise MaskError(f"the mask has {picture.width}x{picture.height} pixels, its frame {size[1]}x{size[0]}")
    return picture


def mask_of(colors: NDArray[np.int32], ref: MaskRef) -> NDArray[np.bool_]:
    """The (h, w) bool mask in a file's colours: pixels of the reference's colour, else all that are not black."""
    if ref.color is None:
        return colors > 0
    red, green, blue = ref.color
    mask: NDArray[np.bool_] = colors == (blue << 16 | green << 8 | red)
    return mask


def jpeg_address(pixels: NDArray[np.uint8], widest: int) -> tuple[str, tuple[int, int]]:
    """A picture of (h, w, 3) RGB as a data address for a browser, no side longer than `widest`; its size (h, w)."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((widest, widest), Image.Resampling.BILINEAR)
    address = f"data:image/jpeg;base64,{base64.b64encode(_jpeg(picture)).decode('ascii')}"
    return address, (picture.height, picture.width)


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A picture of (h, w, 3) RGB as a JPEG file of the same size."""
    return _jpeg(Image.fromarray(pixels))


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    return file.getvalue()
