"""A few frames of a video come as they would if all of it were decoded, and without decoding all of it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.video import numbered, read_number

from lakebox.adapters.files import LocalFile
from lakebox.adapters.video import VideoFile
from lakebox.core.model import Media
from lakebox.core.seeking import SEEK, pays, stretches
from lakebox.errors import MediaError

WIDTH, HEIGHT, FRAMES, GOP = 64, 48, 150, 12
WAYS = {
    "closed groups": ("closed.mp4", "libx264", {"x264-params": "bframes=3:keyint=12:min-keyint=12:scenecut=0"}),
    "open groups": ("open.mp4", "libx264", {"x264-params": "open-gop=1:bframes=3:keyint=12:min-keyint=12:scenecut=0"}),
    "no B-frames": ("plain.mkv", "libx264", {"g": "12", "bf": "0"}),
    "one keyframe": ("long.mp4", "libx264", {"g": "1000", "bf": "2"}),
    "keyframes only": ("intra.avi", "mjpeg", {}),
    "mpeg4": ("old.avi", "mpeg4", {"g": "12", "bf": "0"}),
    "vp9": ("web.webm", "libvpx-vp9", {"g": "12", "deadline": "realtime", "cpu-used": "8"}),
}


@pytest.fixture(scope="module", params=list(WAYS), ids=list(WAYS))
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encoded(tmp_path_factory.mktemp("seeking"), request.param)


def encoded(folder: Path, way: str) -> Path:
    name, codec, options = WAYS[way]
    with av.open(str(folder / name), "w") as container:
        stream = container.add_stream(codec, rate=30, options=options)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(FRAMES):
            picture = av.VideoFrame.from_ndarray(numbered(WIDTH, HEIGHT, video=1, frame=number), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return folder / name


def video(path: Path, frames: int | None = FRAMES) -> VideoFile:
    return VideoFile(LocalFile(path), Media("video", WIDTH, HEIGHT, frames, 30.0), "count")


@cache
def everything(path: Path) -> list[NDArray[np.uint8]]:
    return [frame.pixels() for frame in video(path).frames(np.arange(FRAMES))]


@settings(max_examples=25, deadline=None)
@given(wanted=st.sets(st.integers(0, FRAMES - 1), min_size=1, max_size=20))
def test_any_few_frames_are_those_of_the_whole(clip: Path, wanted: set[int]) -> None:
    found = list(video(clip).frames(np.array(sorted(wanted))))
    assert [frame.index for frame in found] == sorted(wanted)
    for frame in found:
        assert np.array_equal(frame.pixels(), everything(clip)[frame.index])
        assert read_number(frame.pixels()) == (1, frame.index)


@pytest.mark.parametrize(
    "wanted",
    [range(0, FRAMES, 30), range(100, 110), [FRAMES - 1], [0], []],
    ids=["every", "range", "last", "first", "none"],
)
def test_selections_come_whole(clip: Path, wanted: list[int]) -> None:
    assert [frame.index for frame in video(clip).frames(np.array(wanted, np.int64))] == list(wanted)


def test_a_declared_number_of_frames_is_checked_all_the_same(clip: Path) -> None:
    with pytest.raises(MediaError, match=f"{FRAMES}.*{FRAMES + 5}"):
        list(video(clip, FRAMES + 5).frames(np.array([3])))


@pytest.mark.parametrize("way", ["closed groups", "no B-frames", "keyframes only", "mpeg4"])
def test_what_lies_between_is_not_decoded(tmp_path: Path, way: str) -> None:
    """What is damaged there does not matter."""
    clip = encoded(tmp_path, way)
    (whole,) = video(clip).frames(np.array([9 * GOP + 3]))
    data = bytearray(clip.read_bytes())
    for start, size in packets(clip, range(3 * GOP, 6 * GOP)):
        data[start + 8 : start + size] = bytes(size - 8)
    clip.write_bytes(data)
    (frame,) = video(clip).frames(np.array([9 * GOP + 3]))
    assert np.array_equal(frame.pixels(), whole.pixels())


def packets(path: Path, numbers: range) -> Iterator[tuple[int, int]]:
    with av.open(str(path)) as container:
        found = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    yield from (found[number] for number in numbers)


positions = st.sets(st.integers(0, 300), min_size=1, max_size=30).map(lambda found: np.array(sorted(found)))
keys = st.sets(st.integers(1, 300), max_size=30).map(lambda found: np.array(sorted({0, *found})))


@given(positions, keys)
def test_stretches_hold_what_is_wanted_and_begin_at_keyframes(
    wanted: NDArray[np.int64], keyframes: NDArray[np.int64]
) -> None:
    parts = stretches(wanted, keyframes)
    assert np.concatenate([part.wanted for part in parts]).tolist() == wanted.tolist()
    for part in parts:
        assert part.start in keyframes
        assert part.start <= part.wanted[0]
    ends = [int(part.wanted[-1]) for part in parts]
    assert all(part.start > end + SEEK for part, end in zip(parts[1:], ends, strict=False))


def test_jumping_pays_where_little_is_decoded() -> None:
    keyframes = np.arange(0, 3000, 250)
    assert pays(stretches(np.array([1000, 1010]), keyframes), 3000)
    assert pays(stretches(np.arange(0, 3000, 250), keyframes), 3000)
    assert not pays(stretches(np.arange(0, 3000, 30), keyframes), 3000)
    assert not pays(stretches(np.array([2999]), np.array([0])), 3000)
