"""Which frames of a video become rows. Config group `frames`."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from lakebox.core.compile import frames_with_annotations
from lakebox.core.component import Component
from lakebox.core.model import Label, Media

Frames = NDArray[np.int64]

_BEYOND = 1 << 40  # more frames than any video has


@runtime_checkable
class FrameSelection(Protocol):
    """Chooses frames. `match` says how decoded frames are numbered: by `count`, or by `timestamp`."""

    @property
    def match(self) -> Literal["count", "timestamp"]:
        """How decoded frames are numbered."""

    def select(self, total: int, media: Media, label: Label | None) -> Frames:
        """0-based frame numbers, ascending, out of `total`."""

    def fingerprint(self, media: Media, label: Label | None) -> object:
        """JSON-like: changes when other frames become rows."""


class _Selection(Component):
    match: Literal["count", "timestamp"] = Field(
        default="count",
        description="count: the k-th decoded frame is frame k and the numbers must agree with the export;"
        " timestamp: a decoded frame is the one its time stamp says at the declared frame rate",
    )

    def select(self, total: int, media: Media, label: Label | None) -> Frames:
        """All frames."""
        return np.arange(total)

    def fingerprint(self, media: Media, label: Label | None) -> object:
        """The selection, and its frames where the export says how many there are."""
        return [repr(self), None if media.frames is None else self.select(media.frames, media, label).tolist()]


class All(_Selection):
    """Every frame."""


class Every(_Selection):
    """Every n-th frame, beginning with the first."""

    n: PositiveInt

    def select(self, total: int, media: Media, label: Label | None) -> Frames:
        """0, n, 2n, ..."""
        return np.arange(0, total, self.n)


class Fps(_Selection):
    """So many frames per second of the video; all of them if the video has fewer."""

    rate: PositiveFloat

    def select(self, total: int, media: Media, label: Label | None) -> Frames:
        """The frame shown at 0, 1/rate, 2/rate, ... seconds."""
        step = max((media.rate or self.rate) / self.rate, 1.0)
        return np.unique(np.floor(np.arange(np.ceil(total / step)) * step + 1e-6).astype(np.int64).clip(0, total - 1))


class Annotated(_Selection):
    """Frames with at least one object or frame-level answer, interpolated ones included."""

    def select(self, total: int, media: Media, label: Label | None) -> Frames:
        """The frames that an object or an answer of the label is present on."""
        return frames_with_annotations(label, total)

    def fingerprint(self, media: Media, label: Label | None) -> object:
        """The annotated frames, also where the number of frames is not declared."""
        return [repr(self), frames_with_annotations(label, media.frames or _BEYOND).tolist()]


class Range(_Selection):
    """Frames start to stop - 1, 0-based; to the end without a stop."""

    start: int = Field(default=0, ge=0)
    stop: int | None = Field(default=None, ge=1)

    def select(self, total: int, media: Media, label: Label | None) -> Frames:
        """start, start + 1, ..."""
        return np.arange(self.start, min(self.stop or total, total))
