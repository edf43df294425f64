"""The hand-made tables of the two example projects: what is asked, and where everything is.

Coordinates are pixels of the written clip or still; frames are counted from 1, as Labelbox counts them. A box is
``(left, top, right, bottom)``, a point ``(x, y)``, a line or polygon a list of points (a polygon is closed when it is
written). Answers are ``{question: answer}``: a string for radio and text, a list for a checklist, and
``(option, {question: answer})`` for an option that asks something further.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Answers = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """A classification: radio, checklist or text. An option may be ``(label, [questions])``."""

    kind: str
    ask: str
    options: tuple[Any, ...] = ()
    per_frame: bool = False


@dataclass(frozen=True)
class Tool:
    """A kind of object that can be drawn, and the questions asked about each one."""

    kind: str
    name: str
    color: str
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True)
class Track:
    """One object of a video: its geometry at the keyframes and its answers from the given frames on."""

    tool: str
    name: str
    segments: list[tuple[int, int]]
    keyframes: dict[int, Any]
    answers: dict[int, Answers] = field(default_factory=dict)


@dataclass(frozen=True)
class Masks:
    """One instance that is painted frame by frame. ``outline`` names its rings in outlines.json."""

    tool: str
    outline: str
    color: tuple[int, int, int] = (255, 255, 255)


@dataclass(frozen=True)
class FrameAnswer:
    """One question about single frames, with the answers given from the given frames on."""

    ask: str
    segments: list[tuple[int, int]]
    answers: dict[int, Any]


@dataclass(frozen=True)
class VideoLabel:
    """One annotator's work on one clip."""

    author: str
    created: str
    tracks: list[Track] = field(default_factory=list)
    masks: list[Masks] = field(default_factory=list)
    mask_frames: list[int] = field(default_factory=list)
    frame_answers: list[FrameAnswer] = field(default_factory=list)
    answers: Answers = field(default_factory=dict)
    composite: bool = False
    keyframe_list: bool = False
    seconds: int = 300


@dataclass(frozen=True)
class Clip:
    """A stretch of the source, first and last source frame included (counted from 0)."""

    name: str
    first: int
    last: int
    shot: str
    labels: list[VideoLabel] = field(default_factory=list)


@dataclass(frozen=True)
class Shape:
    """One object of an image. ``part_of`` names the shape it belongs to."""

    tool: str
    name: str
    geometry: Any
    answers: Answers = field(default_factory=dict)
    part_of: str = ""


@dataclass(frozen=True)
class ImageLabel:
    """One annotator's work on one still."""

    author: str
    created: str
    shapes: list[Shape] = field(default_factory=list)
    masks: list[Masks] = field(default_factory=list)
    answers: Answers = field(default_factory=dict)
    composite: bool = False
    seconds: int = 120


@dataclass(frozen=True)
class Still:
    """A piece of one source frame: crop in source pixels, then a scale."""

    name: str
    frame: int
    crop: tuple[int, int, int, int]
    scale: float = 1.0
    grey: bool = False
    labels: list[ImageLabel] = field(default_factory=list)


# ---------------------------------------------------------------------------------------------------------------- video

VIDEO_TOOLS = (
    Tool(
        "rectangle",
        "Bunny",
        "#e6194b",
        (
            Question(
                "radio",
                "Pose",
                (
                    "On all fours",
                    ("Upright", [Question("radio", "Arms", ("Stretched out", "Coming down", "At the head"))]),
                ),
            ),
            Question("text", "Note"),
        ),
    ),
    Tool(
        "rectangle", "Paw", "#f58231", (Question("checklist", "State", ("On the stone", "Open", "Closed", "Blurred")),)
    ),
    Tool("rectangle", "Mouth", "#911eb4", (Question("radio", "Opening", ("Wide", "Closing")),)),
    Tool("polygon", "Stone", "#4363d8"),
    Tool("line", "Ear", "#f032e6"),
    Tool("line", "Wall edge", "#46f0f0"),
    Tool("point", "Nose", "#ffe119"),
    Tool("point", "Eye", "#3cb44b"),
    Tool("raster-segmentation", "Bunny mask", "#fabebe"),
    Tool("raster-segmentation", "Stone mask", "#008080"),
)

VIDEO_QUESTIONS = (
    Question(
        "radio",
        "Action",
        ("Crawling out", "Getting up", "Stretching", "Yawning", "Scratching the head", "Wiping the brow"),
        per_frame=True,
    ),
    Question("text", "Remark", per_frame=True),
    Question("checklist", "In view", ("Animal", "Stones", "Flowers", "Sky")),
    Question("radio", "Setting", (("Outdoors", [Question("radio", "Light", ("Daylight", "Dusk"))]), "Indoors")),
    Question("text", "Summary"),
)

LYING_STONE = [
    (59.5, 206.0), (51.5, 208.5), (46.5, 214.5), (42.0, 237.0), (46.0, 254.5), (53.0, 264.0), (74.0, 273.5),
    (87.5, 277.5),
    (94.0, 277.0), (103.5, 281.0), (114.0, 279.5), (122.0, 272.5), (122.5, 254.5), (116.5, 246.5), (109.5, 239.0),
    (103.5, 231.0), (98.0, 224.0), (73.5, 208.0),
]  # fmt: skip
"""Outline of the stone in front, on frame 51 of the first clip."""

WALL_EDGE = [
    (405.0, 187.0), (410.0, 178.5), (417.0, 173.5), (425.0, 170.0), (432.0, 160.5), (439.0, 155.0), (448.0, 152.8),
    (475.0, 152.5), (510.0, 153.0), (545.0, 153.5), (563.0, 154.0), (570.0, 158.0), (576.0, 165.5), (584.0, 174.0),
    (591.0, 180.5), (597.0, 183.0),
]  # fmt: skip
"""Upper edge of the ruined wall, on the last frame of the first clip."""


def moved(points: list[tuple[float, float]], dx: float, dy: float) -> list[tuple[float, float]]:
    """Shift points: what stands still moves with the camera."""
    return [(x + dx, y + dy) for x, y in points]


OUTDOORS = {"Setting": ("Outdoors", {"Light": "Daylight"})}
STRETCHED = {"Pose": ("Upright", {"Arms": "Stretched out"})}

LEAVES_BURROW = VideoLabel(
    author="mara@example.com",
    created="2025-03-11T09:14:27.000+00:00",
    tracks=[
        Track(
            "Bunny",
            "bunny",
            [(1, 56)],
            {
                1: (114.0, 128.0, 262.0, 280.0), 2: (114.0, 128.5, 262.0, 280.0), 3: (107.0, 131.5, 262.0, 280.0),
                4: (88.5, 122.0, 261.5, 280.0), 5: (76.0, 123.5, 262.0, 281.5), 8: (76.0, 123.5, 262.0, 277.5),
                9: (76.0, 124.0, 264.0, 278.0), 11: (76.5, 124.0, 279.0, 278.0), 12: (76.5, 119.0, 282.0, 278.0),
                14: (76.5, 102.0, 284.5, 276.0), 16: (77.0, 88.5, 285.0, 277.0), 19: (77.0, 75.5, 291.0, 280.0),
                21: (78.0, 71.0, 294.0, 289.5), 24: (78.5, 83.5, 287.0, 296.0), 26: (79.0, 93.5, 295.0, 295.5),
                28: (79.5, 96.0, 305.0, 296.5), 32: (80.5, 80.5, 326.0, 298.5), 33: (80.5, 80.5, 326.0, 298.5),
                34: (80.5, 80.0, 332.0, 299.0), 36: (81.5, 66.0, 341.0, 300.0), 38: (81.0, 46.0, 347.5, 301.0),
                40: (86.0, 31.5, 352.0, 302.0), 42: (108.0, 15.0, 354.0, 303.0), 44: (113.5, 4.0, 346.0, 304.0),
                48: (117.0, 21.0, 317.0, 306.0), 50: (113.5, 12.0, 301.0, 306.5), 53: (104.5, 10.0, 302.0, 307.5),
                56: (96.5, 16.0, 303.5, 309.0),
            },
            {
                1: {"Pose": "On all fours", "Note": "Partly inside the burrow"},
                34: {"Pose": "On all fours", "Note": "All of it outside"},
                42: {**STRETCHED, "Note": "All of it outside"},
            },
        ),
        Track(
            "Paw",
            "right paw",
            [(4, 56)],
            {
                4: (88.0, 122.0, 131.0, 178.5), 5: (76.5, 123.5, 127.0, 178.5), 11: (76.5, 124.0, 126.0, 178.0),
                16: (77.0, 123.5, 124.5, 174.0), 21: (78.0, 122.0, 123.0, 170.5), 31: (80.5, 126.0, 127.5, 172.0),
                35: (81.0, 126.5, 128.0, 173.0), 38: (81.5, 128.0, 129.0, 173.5), 39: (83.0, 130.0, 132.0, 169.5),
                40: (86.0, 121.5, 138.0, 160.5), 41: (99.0, 112.5, 141.0, 149.5), 42: (108.5, 103.5, 147.0, 143.5),
                43: (112.0, 95.5, 151.0, 137.5), 44: (113.5, 90.0, 152.0, 128.5), 45: (115.5, 79.0, 153.0, 112.0),
                47: (117.5, 63.0, 154.0, 97.0), 49: (115.5, 45.0, 148.5, 80.5), 51: (110.5, 34.0, 144.0, 67.5),
                53: (104.0, 31.5, 143.0, 63.5), 56: (95.5, 32.5, 136.0, 68.0),
            },
            {
                4: {"State": ["Open", "Blurred"]}, 5: {"State": ["On the stone", "Open"]},
                40: {"State": ["Open", "Blurred"]}, 41: {"State": ["Closed", "Blurred"]}, 45: {"State": ["Closed"]},
            },
        ),
        Track(
            "Stone",
            "lying stone",
            [(1, 56)],
            {
                1: moved(LYING_STONE, -9.5, -16.0), 11: moved(LYING_STONE, -9.0, -15.5),
                21: moved(LYING_STONE, -8.0, -13.0),
                31: moved(LYING_STONE, -6.0, -9.0), 41: moved(LYING_STONE, -3.0, -4.5), 51: LYING_STONE,
                56: moved(LYING_STONE, 1.0, 1.5),
            },
        ),
        Track(
            "Wall edge",
            "wall edge",
            [(1, 56)],
            {
                1: moved(WALL_EDGE, -11.0, -17.0), 11: moved(WALL_EDGE, -11.0, -16.5),
                21: moved(WALL_EDGE, -9.5, -14.5),
                31: moved(WALL_EDGE, -7.0, -10.5), 41: moved(WALL_EDGE, -4.0, -6.0), 56: WALL_EDGE,
            },
        ),
        Track(
            "Nose",
            "nose",
            [(10, 56)],
            {
                10: (219.0, 210.5), 13: (228.0, 184.0), 15: (231.5, 166.0), 17: (234.5, 157.5), 19: (238.0, 154.5),
                21: (242.5, 155.5), 23: (247.5, 166.0), 24: (249.0, 173.5), 25: (253.0, 182.5), 27: (261.5, 192.0),
                28: (264.0, 193.0), 31: (268.0, 185.5), 32: (268.0, 181.5), 33: (268.0, 181.5), 35: (268.0, 170.0),
                37: (267.0, 154.5), 40: (263.0, 123.5), 42: (258.5, 99.5), 44: (253.5, 81.0), 46: (247.5, 66.5),
                47: (245.0, 62.0), 50: (241.0, 56.5), 56: (237.5, 51.5),
            },
        ),
        Track(
            "Eye",
            "right eye",
            [(13, 35)],
            {
                13: (225.5, 167.5), 15: (227.0, 151.0), 17: (229.0, 142.0), 20: (235.0, 138.0), 21: (237.5, 138.5),
                23: (243.0, 148.5), 24: (244.0, 156.5), 25: (248.0, 165.5), 27: (256.5, 174.0), 28: (259.5, 175.5),
                31: (262.5, 167.5), 32: (263.0, 163.5), 33: (263.5, 163.0), 35: (263.0, 153.5),
            },
        ),
    ],
    masks=[Masks("Bunny mask", "bunny"), Masks("Stone mask", "upright stone"), Masks("Stone mask", "lying stone")],
    mask_frames=[11, 21, 31, 41, 51],
    frame_answers=[
        FrameAnswer("Action", [(1, 56)], {1: "Crawling out", 34: "Getting up", 45: "Stretching"}),
        FrameAnswer("Remark", [(3, 4)], {3: "The right paw is blurred by its own speed"}),
        FrameAnswer("Remark", [(33, 33)], {33: "Shows the same picture as frame 32"}),
    ],
    answers={
        **OUTDOORS,
        "In view": ["Animal", "Stones", "Flowers", "Sky"],
        "Summary": "A bunny leaves its burrow and gets up.",
    },
    seconds=2140,
)  # fmt: skip

YAWNS_QUICK = VideoLabel(
    author="jon@example.com",
    created="2025-03-11T10:02:51.000+00:00",
    tracks=[
        Track(
            "Bunny",
            "bunny",
            [(1, 36)],
            {
                1: (76.0, 38.0, 311.0, 316.0), 8: (82.0, 36.0, 310.0, 316.0), 10: (101.0, 29.0, 309.0, 316.0),
                13: (142.0, 21.0, 308.0, 316.0), 22: (132.0, 23.0, 302.0, 316.0), 36: (138.0, 42.0, 301.0, 316.0),
            },
            {1: {"Pose": "Upright"}},
        ),
    ],
    answers={"In view": ["Animal", "Stones"]},
    seconds=95,
)  # fmt: skip

YAWNS = VideoLabel(
    author="mara@example.com",
    created="2025-03-12T08:40:05.000+00:00",
    tracks=[
        Track(
            "Bunny",
            "bunny",
            [(1, 36)],
            {
                1: (79.0, 40.5, 308.5, 314.0), 7: (81.5, 40.0, 308.0, 314.0), 9: (90.0, 35.0, 307.0, 314.0),
                10: (104.0, 31.0, 306.5, 314.0), 11: (128.0, 27.0, 306.0, 314.0), 12: (128.0, 26.5, 306.0, 314.0),
                13: (145.0, 23.5, 305.5, 314.0), 15: (147.0, 22.5, 303.5, 314.0), 19: (136.0, 25.5, 300.0, 314.0),
                26: (134.0, 26.5, 299.0, 314.0), 29: (137.5, 32.0, 298.5, 313.5), 32: (138.5, 31.5, 297.5, 313.5),
                36: (141.0, 45.0, 298.5, 313.5),
            },
            {
                1: {**STRETCHED, "Note": "Eyes closed throughout"},
                9: {"Pose": ("Upright", {"Arms": "Coming down"}), "Note": "Eyes closed throughout"},
                19: {"Pose": ("Upright", {"Arms": "At the head"}), "Note": "Eyes closed throughout"},
            },
        ),
        Track(
            "Paw",
            "left paw",
            [(1, 15), (34, 36)],
            {
                1: (269.5, 62.5, 295.5, 84.0), 5: (269.5, 64.0, 295.0, 85.5), 7: (267.0, 62.5, 293.5, 83.5),
                8: (262.5, 60.0, 292.0, 79.5), 9: (259.5, 54.5, 290.0, 75.5), 10: (254.5, 48.5, 287.0, 73.0),
                11: (247.5, 42.5, 281.0, 71.5), 12: (247.5, 42.5, 281.0, 71.5), 13: (239.0, 39.0, 272.0, 71.0),
                15: (214.5, 42.5, 256.0, 76.0), 34: (221.0, 61.5, 245.0, 74.0), 35: (229.5, 55.0, 255.5, 71.0),
                36: (240.0, 55.5, 271.0, 83.0),
            },
            {
                1: {"State": ["Closed"]}, 9: {"State": ["Open"]}, 11: {"State": ["Open", "Blurred"]},
                34: {"State": ["Closed", "Blurred"]},
            },
        ),
        Track(
            "Paw",
            "right paw",
            [(1, 36)],
            {
                1: (79.0, 83.5, 114.0, 116.5), 5: (80.5, 91.0, 115.0, 121.5), 7: (81.5, 101.0, 115.5, 133.0),
                8: (84.0, 110.0, 118.5, 142.0), 9: (90.0, 125.5, 121.0, 160.5), 10: (104.0, 145.0, 136.5, 183.5),
                11: (128.0, 178.5, 161.5, 220.5), 12: (128.0, 178.5, 161.5, 220.5), 13: (145.0, 207.0, 181.0, 242.5),
                14: (148.0, 211.5, 180.0, 248.5), 15: (147.0, 213.5, 176.0, 251.0), 17: (141.0, 215.5, 169.0, 255.5),
                19: (138.0, 216.0, 166.0, 258.0), 22: (138.0, 216.0, 164.0, 258.5), 29: (139.5, 215.0, 163.5, 258.0),
            },
            {1: {"State": ["Closed"]}, 10: {"State": ["Closed", "Blurred"]}, 14: {"State": ["Open"]}},
        ),
        Track(
            "Mouth",
            "mouth",
            [(1, 10)],
            {
                1: (227.0, 54.0, 246.0, 73.0), 3: (229.0, 56.0, 247.5, 75.0), 5: (230.5, 58.5, 248.5, 78.0),
                7: (230.5, 59.5, 249.0, 80.0), 8: (231.0, 60.5, 250.0, 81.0), 9: (231.5, 64.0, 249.0, 83.0),
                10: (229.5, 69.5, 248.0, 85.0),
            },
            {1: {"Opening": "Wide"}, 9: {"Opening": "Closing"}},
        ),
        Track("Stone", "lying stone", [(1, 36)], {1: moved(LYING_STONE, 5.0, 7.0)}),
        Track(
            "Ear",
            "right ear",
            [(1, 36)],
            {
                1: [(198.5, 58.0), (174.5, 59.0), (151.0, 61.0)], 5: [(199.5, 59.5), (176.5, 59.5), (153.0, 61.0)],
                7: [(201.5, 59.0), (176.5, 59.0), (153.5, 60.5)], 8: [(203.0, 60.5), (178.0, 57.5), (155.0, 58.0)],
                9: [(203.5, 61.0), (178.0, 56.5), (155.0, 54.5)], 10: [(204.0, 62.5), (179.0, 54.5), (155.5, 50.0)],
                11: [(204.5, 65.5), (180.0, 53.0), (156.0, 46.0)], 13: [(204.5, 67.5), (181.0, 52.5), (155.5, 42.5)],
                15: [(198.0, 71.0), (174.0, 56.0), (149.5, 45.5)], 16: [(193.5, 74.5), (169.5, 57.0), (144.5, 49.5)],
                17: [(191.0, 74.5), (166.0, 60.0), (141.0, 52.5)], 19: [(189.0, 75.5), (164.0, 68.0), (136.0, 66.0)],
                21: [(189.0, 75.0), (163.5, 73.0), (135.0, 73.0)], 23: [(189.0, 75.5), (163.0, 73.0), (134.5, 73.5)],
                25: [(188.5, 79.0), (162.0, 75.0), (134.0, 75.0)], 27: [(188.5, 79.5), (163.5, 81.0), (135.5, 84.0)],
                29: [(189.5, 80.0), (163.0, 84.0), (138.0, 93.5)], 31: [(190.0, 78.5), (164.0, 82.5), (138.5, 90.5)],
                33: [(192.5, 76.0), (166.0, 79.5), (140.0, 82.5)], 34: [(196.0, 74.0), (170.0, 76.0), (143.0, 77.5)],
                35: [(202.0, 72.0), (175.0, 69.5), (148.0, 71.0)], 36: [(209.0, 73.0), (182.0, 66.0), (154.5, 64.0)],
            },
        ),
        Track(
            "Ear",
            "left ear",
            [(9, 36)],
            {
                9: [(216.0, 48.0), (210.5, 36.0)], 10: [(218.0, 49.0), (214.0, 32.0)],
                11: [(218.0, 52.5), (217.5, 27.5)],
                13: [(217.0, 57.0), (218.5, 24.5)], 15: [(208.0, 62.5), (214.5, 23.0)],
                16: [(205.0, 64.0), (211.0, 23.5)],
                17: [(204.5, 64.5), (206.5, 24.5)], 19: [(203.5, 66.0), (197.5, 26.0)],
                21: [(203.0, 66.5), (194.0, 27.0)],
                23: [(202.5, 66.5), (193.5, 27.0)], 25: [(199.5, 68.0), (192.5, 25.5)],
                27: [(198.5, 68.0), (183.0, 28.5)],
                29: [(197.5, 69.0), (176.0, 32.5)], 31: [(200.5, 66.5), (180.0, 31.0)],
                33: [(205.5, 66.0), (180.5, 34.0)],
                34: [(207.5, 64.5), (181.0, 38.0)], 35: [(214.5, 64.0), (183.0, 42.0)],
                36: [(220.0, 66.0), (188.0, 45.0)],
            },
        ),
        Track(
            "Nose",
            "nose",
            [(1, 36)],
            {
                1: (228.0, 48.5), 8: (234.0, 57.0), 10: (235.5, 64.0), 11: (235.5, 69.0), 12: (235.5, 69.0),
                14: (232.5, 76.5),
                17: (222.5, 78.5), 23: (221.0, 79.0), 25: (224.0, 78.5), 32: (224.5, 80.0), 34: (228.0, 80.0),
                36: (237.5, 82.0),
            },
        ),
    ],
    masks=[
        Masks("Bunny mask", "bunny", (230, 25, 75)),
        Masks("Stone mask", "upright stone", (60, 180, 75)),
        Masks("Stone mask", "lying stone", (0, 130, 200)),
    ],
    mask_frames=[3, 9, 14, 21, 36],
    frame_answers=[
        FrameAnswer("Action", [(1, 10), (15, 36)], {1: "Yawning", 15: "Scratching the head", 34: "Wiping the brow"}),
        FrameAnswer("Remark", [(12, 12)], {12: "Shows the same picture as frame 11"}),
    ],
    answers={
        **OUTDOORS,
        "In view": ["Animal", "Stones", "Flowers", "Sky"],
        "Summary": "The bunny yawns and scratches its head.",
    },
    composite=True,
    keyframe_list=True,
    seconds=1725,
)  # fmt: skip

CLIPS = (
    Clip("bunny_leaves_burrow", 0, 55, "burrow", [LEAVES_BURROW]),
    Clip("bunny_stretches", 56, 95, "stretch"),
    Clip("bunny_yawns", 96, 131, "yawn", [YAWNS_QUICK, YAWNS]),
)

# --------------------------------------------------------------------------------------------------------------- images

IMAGE_TOOLS = (
    Tool(
        "rectangle",
        "Animal",
        "#e6194b",
        (
            Question(
                "radio",
                "Behaviour",
                (
                    ("Moving", [Question("radio", "Gait", ("On all fours", "Upright"))]),
                    ("Stretching", [Question("checklist", "Stretched", ("Arms", "Legs"))]),
                    "Still",
                ),
            ),
            Question("checklist", "Parts in view", ("Ears", "Eyes", "Paws", "Tail")),
            Question("text", "Comment"),
        ),
    ),
    Tool("rectangle", "Paw", "#f58231"),
    Tool("rectangle", "Opening", "#911eb4", (Question("text", "Leads to"),)),
    Tool("polygon", "Ear", "#f032e6", (Question("radio", "Side", ("Left", "Right")),)),
    Tool("polygon", "Mouth", "#bcf60c"),
    Tool("polygon", "Stone", "#4363d8"),
    Tool("line", "Contour", "#46f0f0", (Question("radio", "Contour of", ("Hills", "Lips")),)),
    Tool("point", "Eye", "#3cb44b"),
    Tool("point", "Nose", "#ffe119"),
    Tool("raster-segmentation", "Bunny mask", "#fabebe"),
    Tool("raster-segmentation", "Stone mask", "#008080"),
    Tool("edge", "Part of", "#808080"),
)

IMAGE_QUESTIONS = (
    Question("radio", "Place", (("Meadow", [Question("text", "Landmark")]), "Burrow", "Close-up")),
    Question("checklist", "Plants", ("Grass", "Bush", "Tree", "Flowers")),
    Question("text", "Caption"),
)

STILLS = (
    Still(
        "bunny_on_all_fours.jpg",
        30,
        (0, 0, 1280, 720),
        0.5,
        labels=[
            ImageLabel(
                "mara@example.com",
                "2025-04-02T13:20:11.000+00:00",
                [
                    Shape(
                        "Animal",
                        "bunny",
                        (80.25, 84.25, 320.0, 298.0),
                        {
                            "Behaviour": ("Moving", {"Gait": "On all fours"}),
                            "Parts in view": ["Ears", "Eyes", "Paws"],
                            "Comment": "Leaves the burrow, one paw on the stone",
                        },
                    ),
                    Shape("Paw", "right paw", (80.25, 126.0, 127.75, 172.25), part_of="bunny"),
                    Shape("Eye", "right eye", (262.5, 167.5)),
                    Shape("Nose", "nose", (268.0, 185.5)),
                    Shape(
                        "Stone",
                        "small stone",
                        [(316.5, 210.0), (322.0, 207.0), (329.0, 206.5), (333.5, 212.0), (334.0, 221.0),
                        (331.0, 228.0),
                         (325.0, 230.0), (319.0, 229.5), (319.3, 220.0)],
                    ),
                ],
                [
                    Masks("Bunny mask", "bunny"),
                    Masks("Stone mask", "upright stone"),
                    Masks("Stone mask", "lying stone"),
                ],
                {
                    "Place": "Burrow",
                    "Plants": ["Grass", "Bush", "Flowers"],
                    "Caption": "A bunny crawls out of its burrow.",
                },
                seconds=412,
            )
        ],
    ),
    Still(
        "bunny_yawning.jpg",
        98,
        (130, 50, 690, 650),
        labels=[
            ImageLabel(
                "mara@example.com",
                "2025-04-02T13:34:40.000+00:00",
                [
                    Shape(
                        "Animal",
                        "bunny",
                        (29.0, 33.0, 487.0, 578.0),
                        {
                            "Behaviour": ("Stretching", {"Stretched": ["Arms"]}),
                            "Parts in view": ["Ears", "Paws"],
                            "Comment": "Yawning, eyes closed",
                        },
                    ),
                    Shape("Paw", "right paw", (29.0, 121.0, 101.0, 185.5), part_of="bunny"),
                    Shape("Paw", "left paw", (424.0, 76.5, 461.5, 120.0), part_of="bunny"),
                    Shape(
                        "Mouth",
                        "mouth",
                        [(342.6, 63.2), (349.0, 67.0), (356.0, 76.0), (363.5, 93.5), (363.0, 97.5), (352.6, 98.9),
                         (331.6, 97.4), (329.5, 86.0), (332.6, 71.1), (337.0, 65.0)],
                    ),
                    Shape("Nose", "nose", (331.0, 52.5)),
                    Shape("Eye", "right eye", (300.0, 58.5)),
                ],
                [
                    Masks("Bunny mask", "bunny", (230, 25, 75)),
                    Masks("Stone mask", "upright stone", (60, 180, 75)),
                    Masks("Stone mask", "lying stone", (0, 130, 200)),
                ],
                {"Place": "Burrow", "Plants": ["Grass", "Bush", "Flowers"], "Caption": "Good morning."},
                composite=True,
                seconds=530,
            )
        ],
    ),
    Still(
        "ruined_wall_grey.jpg",
        75,
        (700, 200, 1280, 520),
        grey=True,
        labels=[
            ImageLabel(
                "jon@example.com",
                "2025-04-02T14:01:09.000+00:00",
                [
                    Shape(
                        "Stone",
                        "capstone",
                        [(155.6, 151.3), (161.5, 139.9), (173.4, 124.1), (185.2, 116.6), (200.9, 114.3),
                        (252.2, 113.1),
                         (299.4, 113.9), (338.9, 115.0), (366.4, 114.7), (409.8, 115.8), (433.4, 115.4),
                         (441.3, 120.2),
                         (457.1, 134.8), (470.8, 152.5), (478.7, 159.6), (490.5, 170.2), (480.7, 171.8),
                         (433.4, 169.4),
                         (386.1, 167.1), (342.8, 160.8), (299.4, 155.2), (236.4, 152.5), (177.3, 151.3)],
                    ),
                    Shape(
                        "Stone",
                        "fallen block",
                        [(348.7, 279.7), (356.6, 262.0), (368.4, 246.3), (380.2, 235.6), (433.4, 236.4),
                        (500.4, 241.1),
                         (524.0, 243.1), (531.9, 250.2), (543.7, 267.9), (547.7, 276.6), (500.4, 279.0),
                         (441.3, 280.5),
                         (398.0, 285.7), (378.3, 281.7)],
                    ),
                    Shape(
                        "Contour",
                        "hills",
                        [(370.4, 97.3), (394.0, 96.9), (417.7, 94.2), (441.3, 95.7), (468.9, 93.4), (504.3, 97.7),
                         (535.9, 94.6), (551.6, 87.5), (571.3, 79.6), (579.5, 77.8)],
                        {"Contour of": "Hills"},
                    ),
                    Shape("Opening", "gap", (474.8, 172.2, 503.2, 238.0), {"Leads to": "The other side of the wall"}),
                ],
                answers={
                    "Place": ("Meadow", {"Landmark": "Ruined wall"}),
                    "Plants": ["Grass", "Bush", "Tree"],
                    "Caption": "Old wall below the hills",
                },
                seconds=288,
            )
        ],
    ),
    Still(
        "bunny_face.png",
        20,
        (400, 130, 640, 400),
        labels=[
            ImageLabel(
                "mara@example.com",
                "2025-04-03T08:12:54.000+00:00",
                [
                    Shape(
                        "Animal",
                        "bunny",
                        (0.0, 11.8, 188.3, 270.0),
                        {"Behaviour": "Still", "Parts in view": ["Ears", "Eyes"]},
                    ),
                    Shape(
                        "Ear",
                        "right ear",
                        [(15.8, 12.7), (23.2, 12.0), (32.4, 13.9), (41.7, 16.2), (53.3, 24.3), (64.9, 34.7),
                        (73.0, 46.3),
                         (76.4, 62.5), (79.9, 79.9), (82.9, 92.7), (85.7, 100.8), (77.6, 103.0), (67.2, 101.9),
                         (61.4, 92.7),
                         (49.8, 78.8), (34.7, 62.5), (25.5, 41.7), (17.4, 23.2)],
                        {"Side": "Right"},
                        part_of="bunny",
                    ),
                    Shape(
                        "Ear",
                        "left ear",
                        [(101.9, 110.0), (110.0, 99.6), (120.5, 86.9), (132.0, 73.0), (148.3, 64.9), (162.1, 57.9),
                         (171.4, 55.6), (180.7, 57.4), (188.1, 57.9), (188.1, 61.4), (183.0, 67.2), (177.2, 76.4),
                         (166.8, 85.7), (157.5, 93.8), (145.9, 101.9), (132.0, 110.0), (118.1, 118.1), (114.0, 126.2),
                         (108.9, 118.1)],
                        {"Side": "Left"},
                        part_of="bunny",
                    ),
                    Shape("Eye", "right eye", (69.8, 147.0)),
                    Shape("Eye", "left eye", (103.5, 159.5)),
                    Shape("Nose", "nose", (84.5, 183.5)),
                    Shape(
                        "Contour",
                        "lips",
                        [(52.1, 181.8), (57.9, 188.8), (63.5, 191.5), (69.5, 192.7), (79.9, 193.4)],
                        {"Contour of": "Lips"},
                    ),
                ],
                answers={"Place": "Close-up", "Caption": "Looking sideways, « hm? »"},
                seconds=305,
            )
        ],
    ),
    Still(
        "empty_meadow.jpg",
        60,
        (760, 475, 1240, 715),
        labels=[ImageLabel("jon@example.com", "2025-04-03T08:20:33.000+00:00", seconds=6)],
    ),
    Still("not_labelled_yet.jpg", 70, (0, 0, 1280, 720), 0.5),
)  # fmt: skip
