"""Colours: what a stored frame shows against what the video's own numbers mean, for every way of writing them."""

from __future__ import annotations

import io
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from lakebox.adapters.files import LocalFile
from lakebox.adapters.pixels import Jpeg, Png
from lakebox.adapters.png import png
from lakebox.adapters.video import VideoFile
from lakebox.core.jpeg import is_whole
from lakebox.core.model import Media
from lakebox.core.ports import Frame

WIDTH, HEIGHT = 128, 96
LUMA = {1: (0.2126, 0.0722), 2: (0.299, 0.114), 5: (0.299, 0.114), 6: (0.299, 0.114)}
"""Colour space (ITU-T H.273) -> weights of red and blue; 1 is BT.709, 2 is not said, 5 and 6 are BT.601."""
LIMITED, FULL = 1, 2

Floats = NDArray[np.float64]


def painted() -> NDArray[np.uint8]:
    """Slow gradients: the size of a chroma sample does not matter, wrong colours do."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x * 255 // WIDTH, y * 255 // HEIGHT, 255 - (x + y) * 255 // (WIDTH + HEIGHT)], -1).astype(np.uint8)


def clip(path: Path, space: int, range_: int, format: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"qp": "0" if "444" in format else "1"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, format
        stream.codec_context.color_range, stream.codec_context.colorspace = range_, space
        picture = av.VideoFrame.from_ndarray(painted(), format="rgb24")
        picture = picture.reformat(
            format=format, dst_colorspace=5 if space == 2 else space, dst_color_range=range_ or LIMITED
        )
        picture.pts, picture.time_base = 0, Fraction(1, 10)
        container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def meant(path: Path, space: int, full: bool) -> Floats:
    """RGB of the decoded planes, by the definition (ITU-T H.273), in floating point."""
    with av.open(str(path)) as container:
        planes = [
            np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].astype(np.float64)
            for plane in next(container.decode(video=0)).planes
        ]
    luma, *chroma = planes
    blue, red = (np.kron(plane, np.ones((HEIGHT // plane.shape[0], WIDTH // plane.shape[1]))) - 128 for plane in chroma)
    if not full:
        luma, blue, red = (luma - 16) * 255 / 219, blue * 255 / 224, red * 255 / 224
    weight_red, weight_blue = LUMA[space]
    r, b = luma + 2 * (1 - weight_red) * red, luma + 2 * (1 - weight_blue) * blue
    g = (luma - weight_red * r - weight_blue * b) / (1 - weight_red - weight_blue)
    return np.stack([r, g, b], -1).clip(0, 255)


def frame_of(path: Path) -> Frame:
    (frame,) = VideoFile(LocalFile(path), Media("video", WIDTH, HEIGHT, 1, 10.0), "count").frames(np.array([0]))
    return frame


def shown(data: bytes) -> NDArray[np.int64]:
    return np.asarray(Image.open(io.BytesIO(data)), np.int64)


SAID = [
    (space, range_, format)
    for space in LUMA
    for range_ in (0, LIMITED, FULL)
    for format in ("yuv420p", "yuvj420p", "yuv422p", "yuv444p")
    if not (format == "yuvj420p" and range_ == LIMITED)
]


@pytest.mark.parametrize(("space", "range_", "format"), SAID)
@pytest.mark.parametrize("pixels", [Jpeg(quality=100), Jpeg(quality=100, subsampling="444"), Png()], ids=repr)
def test_colours_are_those_of_the_video(
    tmp_path: Path, pixels: Jpeg | Png, space: int, range_: int, format: str
) -> None:
    path = clip(tmp_path / "clip.mp4", space, range_, format)
    truth = meant(path, space, full=range_ == FULL or format.startswith("yuvj"))
    (data,) = pixels.cells(
        VideoFile(LocalFile(path), Media("video", WIDTH, HEIGHT, 1, 10.0), "count"), np.array([0]), map
    )
    error = shown(data) - truth
    assert np.abs(error).mean() < 2.2
    assert np.abs(error.mean((0, 1))).max() < 1.6  # a wrong range or matrix shifts a channel by five and more


@pytest.mark.parametrize(("space", "range_", "format"), SAID)
def test_planes_come_only_where_they_are_those_of_jpeg(tmp_path: Path, space: int, range_: int, format: str) -> None:
    frame = frame_of(clip(tmp_path / "clip.mp4", space, range_, format))
    assert (frame.planes is not None) == (space != 1 and "420" in format)
    if frame.planes is None:
        return
    luma, blue, red = frame.planes()
    assert (luma.shape, blue.shape, red.shape) == ((HEIGHT, WIDTH), *[(HEIGHT // 2, WIDTH // 2)] * 2)
    assert {luma.dtype, blue.dtype, red.dtype} == {np.dtype(np.uint8)}


def test_the_way_without_rgb_is_the_more_exact_one(tmp_path: Path) -> None:
    path = clip(tmp_path / "clip.mp4", 6, LIMITED, "yuv420p")
    truth, frame = meant(path, 6, full=False), frame_of(path)
    direct = Jpeg(quality=100)._encode(frame)
    by_rgb = Jpeg(quality=100)._encode(Frame(0, frame.pixels))
    assert np.abs(shown(direct) - truth).mean() < np.abs(shown(by_rgb) - truth).mean()


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3, 4])).flatmap(
        lambda shape: arrays(np.uint8, shape)
    )
)
def test_png_loses_nothing(pixels: NDArray[np.uint8]) -> None:
    data = png(pixels)
    picture = Image.open(io.BytesIO(data))
    picture.verify()  # sums of all chunks
    picture = Image.open(io.BytesIO(data))
    assert picture.mode == {1: "L", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
    assert np.array_equal(np.asarray(picture).reshape(pixels.shape), pixels)


def jpegs() -> dict[str, bytes]:
    """Files as cameras, phones and programs write them."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8)
    picture, small = Image.fromarray(noise), io.BytesIO()
    picture.resize((16, 16)).save(small, "JPEG")
    exif = picture.getexif()
    exif[0x010E] = "a thumbnail's end lies in here: " + small.getvalue().decode("latin-1")
    ways: dict[str, dict[str, Any]] = {
        "baseline": {}, "progressive": {"progressive": True}, "restarts": {"restart_marker_blocks": 2},
        "gray": {}, "with a thumbnail": {"exif": exif}, "comment": {"comment": b"\xff\xd9"}, "optimized": {"optimize": True},
    }  # fmt: skip
    files = {}
    for name, how in ways.items():
        buffer = io.BytesIO()
        (picture.convert("L") if name == "gray" else picture).save(buffer, "JPEG", **how)
        files[name] = buffer.getvalue()
    return files


@pytest.mark.parametrize(("name", "data"), jpegs().items(), ids=jpegs())
def test_jpeg_files_that_miss_anything_are_told(name: str, data: bytes) -> None:
    assert is_whole(data)
    cuts = {*range(0, len(data), 61), *range(len(data) - 40, len(data))}
    assert not [cut for cut in cuts if is_whole(data[:cut])]
    assert not is_whole(data[: len(data) // 2] + bytes(len(data) - len(data) // 2)), "a download that was made room for"
    assert not is_whole(data + b"\0"), "what comes behind the end is for a decoder to judge"
    assert not is_whole(b"\0" + data)


@given(st.binary(max_size=40), st.integers(0, 200))
def test_any_bytes_can_be_looked_at(junk: bytes, at: int) -> None:
    data = jpegs_once()["baseline"]
    assert is_whole(data[:at] + junk + data[at:]) in (True, False)


@cache
def jpegs_once() -> dict[str, bytes]:
    return jpegs()
