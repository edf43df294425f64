"""Videos (PyAV): decoding, and the check of what was declared against what is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import BinaryIO, Literal

import av
import numpy as np
from numpy.typing import NDArray

from lakebox.core.model import Media
from lakebox.core.ports import File, Frame, Planes
from lakebox.core.ranges import full_chroma, full_luma
from lakebox.core.seeking import Stretch, pays, stretches
from lakebox.errors import MediaError

RATE_TOLERANCE = 0.01
"""Declared and real frame rate may differ by so much of it: exports round 30000/1001 in many ways."""

UNEVEN = 0.3
"""Part of a frame's duration that frames of a file that is kept as it is may be off their place."""

_BUFFER = 1 << 18

_BT601 = (2, 5, 6)
"""`AVColorSpace`: not said, which decoders take for BT.601, and its two names. Anything else is converted by way of
RGB: its luma does not carry over."""

_FULL_RANGE = 2
"""`AVColorRange`: JPEG's. What is not said is limited."""


_FEW = 0.8
"""Share of the frames from which on all of them are decoded."""


class _Doubtful(Exception):
    """After a jump another frame came than the packets said."""


class VideoFile:
    """A video file beside what the export declares of it."""

    def __init__(self, file: File, declared: Media, match: Literal["count", "timestamp"], threads: int = 1) -> None:
        self.file = file
        self._declared = declared
        self._match = match
        self._threads = threads

    def numbers(self) -> tuple[NDArray[np.int64], int]:
        """Frame number of each frame in the file, in display order, and the number of frames of the timeline.

        With `match` count the k-th frame is frame k; with timestamp it is the one that its time stamp says at the
        declared rate.

        Raises:
            MediaError: the file is no video, or its frames do not match and are not to be matched by time.
        """
        if self._match == "timestamp":
            return self._by_time()
        total = self._declared.frames
        if total is None:
            total = len(self._times())
        return np.arange(total), total

    def _by_time(self) -> tuple[NDArray[np.int64], int]:
        times = self._times()
        rate, total = self._declared.rate, self._declared.frames
        if rate is None or total is None:
            raise MediaError(
                "frames.match=timestamp needs frame_rate and frame_count, which the export does not declare"
            )
        numbers = np.rint((times - times[0]) * rate).astype(np.int64)
        if numbers[-1] >= total + 1 or len(np.unique(numbers)) != len(numbers):
            raise MediaError(
                f"time stamps of {len(times)} frames do not fit {total} declared frames at {rate:g} frames/s;"
                " re-encode the video at a constant frame rate"
            )
        return numbers, max(total, int(numbers[-1]) + 1)

    def _times(self) -> NDArray[np.float64]:
        """Seconds of each frame in display order, without decoding."""
        with _opened(str(self.file.local())) as (container, stream):  # gone through twice
            try:
                stamps = [packet.pts for packet in container.demux(stream) if _shows(packet)]
            except av.FFmpegError as error:
                raise MediaError(f"not a readable video: {error.strerror}") from error
            if not stamps:
                raise MediaError("the video has no frames")
            return np.sort(np.array(stamps, np.float64)) * float(stream.time_base or 1)

    def check(self) -> None:
        """Check size, frame rate and number of frames against the export, decoding the first frame only; and that a
        reader finds frame k at k / average rate after the first one, upright, as Deep Lake looks for it.

        Raises:
            MediaError: with both numbers.
        """
        with self.file.opened() as handle, _opened(handle) as (container, stream):
            self._check_stream(stream)
            packets = container.demux(stream)
            try:
                first = next(packets)
                picture = _alone(first, stream)
                picture = picture or self._first()
                self._check_size(*_upright_size(picture))
            except (av.FFmpegError, StopIteration) as error:
                raise MediaError("not a readable video: its first frame cannot be decoded") from error
            try:
                stamps = [packet.pts for packet in chain([first], packets) if _shows(packet)]
                if self._match == "count":
                    self._check_count(len(stamps))
                _check_kept(picture, np.sort(np.array(stamps, np.float64)), stream)
                self._check_numbers()
            except av.FFmpegError as error:
                raise MediaError(f"not a readable video: {error.strerror}") from error

    def _check_numbers(self) -> None:
        numbers = self.numbers()[0]
        if (numbers != np.arange(len(numbers))).any():
            raise MediaError(
                f"at the declared {self._declared.rate:g} frames/s its {len(numbers)} frames are not the frames 0, 1,"
                " 2, ..., and Deep Lake counts them like that; choose pixels=jpeg or pixels=png"
            )

    def _first(self) -> av.VideoFrame:
        with self.file.opened() as handle, _opened(handle) as (container, stream):
            return next(container.decode(stream))

    def frames(self, wanted: NDArray[np.int64]) -> Iterator[Frame]:
        """Decode what is needed; everything declared is checked when the last frame is out.

        A file of this machine of which few frames are wanted is not decoded from end to end.

        Raises:
            MediaError: as `check`, or where decoding breaks.
        """
        numbers, _ = self.numbers()
        positions = np.flatnonzero(np.isin(numbers, wanted))
        done = 0
        with self.file.opened() as handle:
            if isinstance(handle, str) and len(positions) < _FEW * len(numbers):
                for frame in self._by_seeking(handle, numbers, positions):
                    yield frame
                    done += 1
            if done < len(positions):
                yield from self._all(handle, numbers, positions[done:])

    def _all(self, handle: str | BinaryIO, numbers: NDArray[np.int64], positions: NDArray[np.int64]) -> Iterator[Frame]:
        chosen = set(positions.tolist())
        count = 0
        with _opened(handle) as (container, stream):
            self._check_stream(stream)
            _spread(stream, self._threads)
            try:
                for picture in container.decode(stream):
                    if count == 0:
                        self._check_size(*_upright_size(picture))
                    if count in chosen:
                        yield _frame(int(numbers[count]), picture)
                    count += 1
            except av.FFmpegError as error:
                raise MediaError(f"decoding broke at frame {count}: {error.strerror}; re-encode the video") from error
        self._check_count(count, len(numbers))

    def _by_seeking(self, path: str, numbers: NDArray[np.int64], positions: NDArray[np.int64]) -> Iterator[Frame]:
        """The first of the frames, as far as jumping to them pays and leaves no doubt which frame is which."""
        with _opened(path) as (container, stream):
            self._check_stream(stream)
            _spread(stream, self._threads)
            index = _index(container, stream)
            if index is None or len(index.stamps) != len(numbers) or not len(positions):
                return
            parts = stretches(positions, index.keyframes)
            if not pays(parts, len(numbers)):
                return
            with suppress(_Doubtful):  # what does not come out here comes by decoding everything
                for part in parts:
                    for position, picture in _decoded(container, stream, index, part):
                        self._check_size(*_upright_size(picture))
                        yield _frame(int(numbers[position]), picture)

    def _check_stream(self, stream: av.VideoStream) -> None:
        declared, real = self._declared.rate, stream.average_rate
        if declared and real and abs(float(real) - declared) > RATE_TOLERANCE * declared and self._match == "count":
            raise MediaError(
                f"the export declares {declared:g} frames/s, the video has {float(real):g}; upload the right video"
                " or set frames.match=timestamp"
            )

    def _check_size(self, width: int, height: int) -> None:
        declared = self._declared.width, self._declared.height
        if None not in declared and declared != (width, height):
            raise MediaError(
                f"the export declares {declared[0]}x{declared[1]} pixels, the video has {width}x{height}; annotations"
                " would not fit"
            )

    def _check_count(self, found: int, expected: int | None = None) -> None:
        expected = self._declared.frames if expected is None else expected
        if expected is not None and found != expected:
            raise MediaError(
                f"{found} frames in the video but {expected} expected; the file is damaged or another one: replace it,"
                " re-encode it, or set frames.match=timestamp"
            )


@contextmanager
def _opened(handle: str | BinaryIO) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    try:
        container = av.open(handle, "r", buffer_size=_BUFFER)
    except av.FFmpegError as error:
        raise MediaError(f"not a readable video: {error.strerror}") from error
    with container:
        if not container.streams.video:
            raise MediaError("the file has no video stream")
        yield container, container.streams.video[0]


def _check_kept(picture: av.VideoFrame, stamps: NDArray[np.float64], stream: av.VideoStream) -> None:
    """Found by running Deep Lake 4.7: it looks for frame k at k / average rate, whatever the frames' own times are, and
    does not turn pictures."""
    if _turns(picture):
        raise MediaError(
            f"players turn the video by {90 * _turns(picture)} degrees, and Deep Lake does not, so that labels would"
            " not fit; choose pixels=jpeg or pixels=png"
        )
    step = 1 / float((stream.average_rate or 1) * (stream.time_base or 1))
    off = np.abs(stamps - stamps[0] - np.arange(len(stamps)) * step) / step
    if off.max() > UNEVEN:
        at = int(off.argmax())
        raise MediaError(
            f"its frames are not evenly spaced: frame {at} comes {off[at]:.1f} frames off its place, and Deep Lake"
            " would find other frames; choose pixels=jpeg or pixels=png, or re-encode it at a constant frame rate"
        )


def _shows(packet: av.Packet[av.VideoStream]) -> bool:
    return packet.size > 0 and packet.pts is not None


def _alone(packet: av.Packet[av.VideoStream], stream: av.VideoStream) -> av.VideoFrame | None:
    """The picture of the first packet, if it has one by itself: a decoder that is told that there is no more gives it
    out at once and does not wait for the pictures that may come before it."""
    pictures = [*packet.decode(), *stream.codec_context.decode(None)]
    return next((picture for picture in pictures if isinstance(picture, av.VideoFrame)), None)


@dataclass(frozen=True, slots=True)
class _Index:
    """What the packets of a file say of its frames, in display order."""

    stamps: NDArray[np.int64]
    """Time stamp of each frame, ascending, each once."""
    keyframes: NDArray[np.int64]
    """Positions at which decoding may start; 0 is the first."""


def _index(container: av.container.InputContainer, stream: av.VideoStream) -> _Index | None:
    """None where packets do not say which frame is which."""
    stamps, keys = [], []
    try:
        for packet in container.demux(stream):
            if packet.size:
                if packet.pts is None or packet.is_discard or packet.is_corrupt:
                    return None
                stamps.append(packet.pts)
                keys.append(packet.is_keyframe)
    except av.FFmpegError:
        return None
    order = np.argsort(stamps)
    times, keyframes = np.array(stamps, np.int64)[order], np.flatnonzero(np.array(keys, bool)[order])
    if not len(keyframes) or keyframes[0] != 0 or (np.diff(times) == 0).any():
        return None
    return _Index(times, keyframes)


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream, index: _Index, part: Stretch
) -> Iterator[tuple[int, av.VideoFrame]]:
    """The wanted frames of a stretch with their positions, up to the first one that is not there as it should be."""
    waiting = deque(part.wanted.tolist())
    try:
        container.seek(int(index.stamps[part.start]), stream=stream)
        for picture in container.decode(stream):
            position = -1 if picture.pts is None else int(np.searchsorted(index.stamps, picture.pts))
            if position >= len(index.stamps) or index.stamps[position] != picture.pts or position > waiting[0]:
                raise _Doubtful
            if position == waiting[0]:
                yield waiting.popleft(), picture
            if not waiting:
                return
    except av.FFmpegError as error:
        raise _Doubtful from error
    raise _Doubtful


def _frame(number: int, picture: av.VideoFrame) -> Frame:
    return Frame(number, partial(_rgb, picture), planes=partial(_planes, picture) if _is_like_jpeg(picture) else None)


def _spread(stream: av.VideoStream, threads: int) -> None:
    """Decode on so many threads; by default FFmpeg takes one per core for each of the videos that run at a time."""
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = threads


def _turns(picture: av.VideoFrame) -> int:
    """Quarter turns, counter-clockwise, that a player makes to show the picture upright."""
    return round(picture.rotation / 90) % 4


def _upright_size(picture: av.VideoFrame) -> tuple[int, int]:
    return (picture.height, picture.width) if _turns(picture) % 2 else (picture.width, picture.height)


def _rgb(picture: av.VideoFrame) -> NDArray[np.uint8]:
    (plane,) = picture.reformat(format="rgb24").planes  # as it lies there: `to_ndarray` would copy it
    pixels = _cells(plane, 3).reshape(plane.height, plane.width, 3)
    return np.ascontiguousarray(np.rot90(pixels, _turns(picture))) if _turns(picture) else pixels


def _is_like_jpeg(picture: av.VideoFrame) -> bool:
    upright = _turns(picture) == 0
    return upright and picture.format.name in ("yuv420p", "yuvj420p") and int(picture.colorspace) in _BT601


def _planes(picture: av.VideoFrame) -> Planes:
    luma, blue, red = (_cells(plane) for plane in picture.planes)
    if picture.format.name == "yuvj420p" or int(picture.color_range) == _FULL_RANGE:
        return luma, blue, red
    return full_luma(luma), full_chroma(blue), full_chroma(red)


def _cells(plane: av.video.plane.VideoPlane, channels: int = 1) -> NDArray[np.uint8]:
    """The plane without the padding of its lines: (h, w x channels)."""
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return lines[:, : plane.width * channels]
