"""The values that flow between the stages: what Labelbox says, freed from its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Segment = tuple[int, int]
"""First and last frame on which something is present, 0-based, both inclusive."""

RASTER_KINDS = ("raster-segmentation", "superpixel")
"""Labelbox's tool kinds whose objects are mask files; `superpixel` is the old name."""


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a radio or checklist question."""

    key: str
    """Feature schema id; the value where an old export has no ids."""
    value: str
    """Machine name (a lower-case slug); becomes the class name."""
    label: str
    questions: tuple[Question, ...] = ()
    """What is asked when this option is chosen."""
    archived: bool = False
    """Labelbox no longer lists it; what was answered with it stays."""


@dataclass(frozen=True, slots=True)
class Question:
    """A classification: of an object, of a frame (`scope` index) or of the whole data row (`scope` global)."""

    key: str
    kind: str
    """`radio`, `checklist` or `text`, or another type of Labelbox's that nothing here converts."""
    name: str
    options: tuple[Option, ...] = ()
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """What annotators draw with: a class of objects of one geometry."""

    key: str
    kind: str
    """Labelbox's tool name: `rectangle`, `polygon`, `line`, `point`, `raster-segmentation`, ..."""
    name: str
    questions: tuple[Question, ...] = ()
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Ontology:
    """The tools and questions of a project, in the order in which Labelbox lists them."""

    tools: tuple[Tool, ...] = ()
    questions: tuple[Question, ...] = ()
    id: str = ""
    relationships: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    """What the export declares about a media file. What was decoded is checked against it."""

    kind: str
    """`video` or `image`."""
    width: int | None
    height: int | None
    frames: int | None
    """Number of frames; 1 for an image; None where the export does not say."""
    rate: float | None
    """Frames per second of a video."""


@dataclass(frozen=True, slots=True)
class MaskRef:
    """Where a mask is, and which colour of it (None: everything that is not background)."""

    url: str
    color: tuple[int, int, int] | None = None


Shape = NDArray[np.float64] | MaskRef | Mapping[str, Any]
"""Geometry of one object on one frame: box (4,) left, top, width, height; point (2,); line or polygon (k, 2) x, y in
pixels; a mask; for a kind that lakebox does not know, the object as exported."""


@dataclass(frozen=True, slots=True)
class Picked:
    """An option that an annotator chose."""

    schema_id: str
    value: str
    name: str
    feature_id: str
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A question as answered at one place: options for radio and checklist, `text` for free text."""

    schema_id: str
    name: str
    kind: str
    feature_id: str
    picked: tuple[Picked, ...] = ()
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """One object: everything that an export says of one feature id.

    `frames` are the frames that the export spells out (int64, ascending, 0-based); `shapes` and `answers` belong to
    them one by one. `segments` is None where the export lists none for the object.
    """

    feature_id: str
    schema_id: str
    name: str
    kind: str
    """Labelbox's `annotation_kind`, such as `VideoBoundingBox`."""
    frames: NDArray[np.int64]
    shapes: NDArray[np.float64] | Sequence[Shape]
    answers: tuple[tuple[Answer, ...], ...]
    segments: tuple[Segment, ...] | None
    drawn: NDArray[np.bool_]
    """Which of `frames` a person drew (the others were interpolated by Labelbox)."""


@dataclass(frozen=True, slots=True)
class FrameAnswer:
    """One question answered over frames. `answer_segments` is set where the export times answers, not the question."""

    frames: NDArray[np.int64]
    answers: tuple[Answer, ...]
    segments: tuple[Segment, ...] | None
    answer_segments: Mapping[str, tuple[Segment, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Label:
    """One annotator's work on one data row."""

    id: str
    creator: str
    tracks: tuple[Track, ...] = ()
    frame_answers: tuple[FrameAnswer, ...] = ()
    answers: tuple[Answer, ...] = ()
    """Answers that hold for the whole data row."""
    relationships: tuple[Mapping[str, str], ...] = ()
    homeless: int = 0
    """Features that have segments but are spelled out on no frame: present, but nobody knows as what."""


@dataclass(frozen=True, slots=True)
class LabelHead:
    """What is needed to choose between the labels of a data row."""

    id: str
    creator: str
    created_at: float
    """Seconds since 1970; 0 where the export does not say."""
    skipped: bool
    benchmark: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What the `lb_meta` columns say of a data row. Missing text is empty."""

    global_key: str = ""
    external_id: str = ""
    dataset_id: str = ""
    dataset_name: str = ""
    project_name: str = ""
    ontology_id: str = ""


@dataclass(frozen=True, slots=True)
class Asset:
    """One data row, light enough to hold all of a project's: what the plan needs, and where the rest is."""

    id: str
    name: str
    """Stem of the external id, else of the address: what people know the file as."""
    url: str
    """As exported; may be signed, so it is used for fetching only."""
    media: Media
    facts: Facts
    label_id: str
    """The label that counts; empty if there is none."""
    media_stamp: str
    """Fingerprint of the media: changed means drop and add."""
    labels_stamp: str
    """Fingerprint of the label that counts and of the facts: changed means write the annotations again."""
    position: int
    """Where the source finds the data row again."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that could not be done. `data_row_id` is empty where not even that could be read."""

    data_row_id: str
    name: str
    stage: str
    error: str
