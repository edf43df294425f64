"""Comparison by meaning: what makes no difference, and that everything else does."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import deeplake
import numpy as np
import pytest
from deeplake import types

from . import meaning
from .video import numbered

Content = dict[str, tuple[Any, list[str] | None, list[Any]]]
"""Column -> type, class names, one cell per row."""
Change = Callable[[Content], object]
FREE = count()

CLASS = types.ClassLabel(types.Array("int32", 1))
INTS = types.Array("int32", 1)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def content() -> Content:
    """Two data rows, of two frames and of one; the last row has no objects."""
    return {
        "lb_meta/row_key": (types.Text(), None, ["a:0", "a:1", "b:0"]),
        "lb_meta/state": (types.Text(), None, ["", "one", "one"]),
        "lb_meta/global_key": (types.Text(), None, ["", "ü", "ü"]),
        "lb_meta/width": (types.Int32(), None, ints(64, 64, 32)),
        "video_idx": (types.Int32(), None, ints(0, 0, 1)),
        "frames": (types.Image(types.UInt8(), "png"), None, [numbered(64, 48, video=v, frame=f) for v, f in ((7, 0), (7, 1), (8, 0))]),
        "boxes/boxes": (types.BoundingBox("float32", "ltwh", "pixel"), None, [boxes(1, 2), boxes(3), boxes()]),
        "boxes/boxes_tracks": (INTS, None, [ints(5, 6), ints(5), ints()]),
        "boxes/boxes_labels": (CLASS, ["car", "van"], [ints(0, 1), ints(0), ints()]),
        "boxes/colour": (CLASS, ["red", "blue"], [ints(1, -1), ints(0), ints()]),
        "boxes/parts": (types.Array("uint8", 2), ["door", "roof"], [ticks((1, 0), (1, 1)), ticks((0, 1)), ticks()]),
        "boxes/plate": (types.Text(), None, ['["x", null]', "[null]", "[]"]),
        "lane": (types.Polygon(), None, [lines(2, 3), lines(2), np.zeros((0, 0, 2), np.float32)]),
        "road": (types.BinaryMask(sample_compression="lz4"), None, [mask(2), mask(1), mask(0)]),
        "ground": (types.SegmentMask(dtype="uint8", sample_compression="lz4"), ["background", "road", "sky"], [ground(0, 1), ground(1, 2), ground(0, 0)]),
        "Weather": (CLASS, ["rain", "fog", "sun"], [ints(0, 2), ints(1), ints()]),
    }  # fmt: skip


def boxes(*lefts: float) -> np.ndarray:
    return np.array([[left, 0, 9, 9] for left in lefts], np.float32).reshape(-1, 4)


def ticks(*rows: tuple[int, ...]) -> np.ndarray:
    return np.array(rows, np.uint8).reshape(len(rows), -1 if rows else 2)


def lines(*lengths: int) -> list[np.ndarray]:
    return [np.arange(2 * length, dtype=np.float32).reshape(-1, 2) for length in lengths]


def mask(objects: int) -> np.ndarray:
    pixels = np.zeros((4, 5, objects), bool)
    pixels[1, :objects] = True
    return pixels


def ground(left: int, right: int) -> np.ndarray:
    return np.array([[left, right]] * 3, np.uint8)


def dataset(found: Content) -> Any:
    made = deeplake.create(f"mem://meaning{next(FREE)}")
    for name, (kind, classes, _) in found.items():
        made.add_column(name, kind)
        if classes is not None:
            made[name].metadata["class_names"] = classes
    made.append({name: cells for name, (_, _, cells) in found.items()})
    made.commit()
    return made


def changed(change: Change) -> Any:
    found = content()
    change(found)
    return dataset(found)


def put(column: str, row: int, cell: Any) -> Change:
    return lambda found: found[column][2].__setitem__(row, cell)


def classes(column: str, names: list[str], *cells: Any) -> Change:
    """Other class names and, unless they are to stay, other cells."""
    return lambda found: found.update({column: (found[column][0], names, list(cells) or found[column][2])})


def archived(kind: Any, names: list[str] | None, *cells: Any) -> Change:
    """A column that the other one does not have."""
    return lambda found: found.update({"old": (kind, names, list(cells))})


def objects_of_archived(kind: Any, names: list[str] | None, *cells: Any) -> Change:
    return lambda found: found.update({"boxes/old": (kind, names, list(cells))})


def reordered(found: Content) -> None:
    for name, (kind, names, cells) in found.items():
        found[name] = kind, names, [cells[row] for row in (2, 0, 1)]


SAME: dict[str, Change] = {
    "nothing": lambda _: None,
    "order of rows": reordered,
    "numbers of videos": lambda found: found.update({"video_idx": (types.Int32(), None, ints(9, 9, 4))}),
    "state": put("lb_meta/state", 1, "two"),
    "classes of objects": classes("boxes/boxes_labels", ["bus", "van", "car"], ints(2, 1), ints(2), ints()),
    "options of a radio": classes("boxes/colour", ["blue", "green", "red"], ints(0, -1), ints(2), ints()),
    "options of a checklist": classes("boxes/parts", ["roof", "wheel", "door"], ticks((0, 0, 1), (1, 0, 1)), ticks((1, 0, 0)), np.zeros((0, 3), np.uint8)),
    "options of a question": classes("Weather", ["sun", "rain", "hail", "fog"], ints(0, 1), ints(3), ints()),
    "classes of pixels": classes("ground", ["background", "sky", "road"], ground(0, 2), ground(2, 1), ground(0, 0)),
    "pixels": put("frames", 0, numbered(128, 96, video=7, frame=0)),
    "archived box": archived(types.BoundingBox("float32", "ltwh", "pixel"), None, boxes(), boxes(), boxes()),
    "archived lines": archived(types.Polygon(), None, *[np.zeros((0, 0, 2), np.float32)] * 3),
    "archived mask": archived(types.BinaryMask(sample_compression="lz4"), None, mask(0), mask(0), mask(0)),
    "archived text": archived(types.Text(), None, "", "", ""),
    "archived question": archived(CLASS, ["x"], ints(), ints(), ints()),
    "archived radio": objects_of_archived(CLASS, ["x"], ints(-1, -1), ints(-1), ints()),
    "archived checklist": objects_of_archived(types.Array("uint8", 2), ["x"], np.zeros((2, 1), np.uint8), np.zeros((1, 1), np.uint8), np.zeros((0, 1), np.uint8)),
    "archived nested text": objects_of_archived(types.Text(), None, "[null, null]", "[null]", "[]"),
    "archived classes of pixels": archived(types.SegmentMask(dtype="uint8", sample_compression="lz4"), ["background", "x"], ground(0, 0), ground(0, 0), ground(0, 0)),
}  # fmt: skip

OTHER: dict[str, tuple[Change, str]] = {
    "text": (put("lb_meta/global_key", 1, "u"), "a:1 'lb_meta/global_key'"),
    "text instead of none": (put("lb_meta/global_key", 0, "ü"), "a:0 'lb_meta/global_key'"),
    "number": (put("lb_meta/width", 2, 64), "b:0 'lb_meta/width'"),
    "numbers of videos": (put("video_idx", 1, 1), "a:1 'video_idx'"),
    "frame": (put("frames", 1, numbered(64, 48, video=7, frame=2)), "a:1 'frames'"),
    "video": (put("frames", 1, numbered(64, 48, video=8, frame=1)), "a:1 'frames'"),
    "unreadable frame": (put("frames", 1, np.zeros((48, 64, 3), np.uint8)), "a:1 'frames'"),
    "box": (put("boxes/boxes", 1, boxes(3.5)), "a:1 'boxes/boxes'"),
    "one box less": (put("boxes/boxes", 0, boxes(1)), "a:0 'boxes/boxes'"),
    "order of boxes": (put("boxes/boxes", 0, boxes(2, 1)), "a:0 'boxes/boxes'"),
    "track": (put("boxes/boxes_tracks", 1, ints(6)), "a:1 'boxes/boxes_tracks'"),
    "class": (put("boxes/boxes_labels", 1, ints(1)), "a:1 'boxes/boxes_labels'"),
    "order of classes": (put("boxes/boxes_labels", 0, ints(1, 0)), "a:0 'boxes/boxes_labels'"),
    "class name": (classes("boxes/boxes_labels", ["car", "lorry"]), "a:0 'boxes/boxes_labels'"),
    "class without a name": (classes("boxes/boxes_labels", ["car"]), "a:0 'boxes/boxes_labels'"),
    "radio": (put("boxes/colour", 1, ints(1)), "a:1 'boxes/colour'"),
    "radio unanswered": (put("boxes/colour", 1, ints(-1)), "a:1 'boxes/colour'"),
    "radio of the other object": (put("boxes/colour", 0, ints(-1, 1)), "a:0 'boxes/colour'"),
    "name of a radio's option": (classes("boxes/colour", ["blue", "red"]), "a:0 'boxes/colour'"),
    "checklist": (put("boxes/parts", 1, ticks((1, 1))), "a:1 'boxes/parts'"),
    "checklist of the other object": (put("boxes/parts", 0, ticks((1, 1), (1, 0))), "a:0 'boxes/parts'"),
    "checklist wider than its names": (classes("boxes/parts", ["door"]), "a:0 'boxes/parts'"),
    "checklist narrower than its names": (classes("boxes/parts", ["door", "roof", "wheel"]), "a:0 'boxes/parts'"),
    "name of a checklist's option": (classes("boxes/parts", ["door", "wheel"]), "a:0 'boxes/parts'"),
    "nested text": (put("boxes/plate", 0, '[null, "x"]'), "a:0 'boxes/plate'"),
    "line": (put("lane", 0, lines(2, 4)), "a:0 'lane'"),
    "one line more": (put("lane", 1, lines(2, 2)), "a:1 'lane'"),
    "mask": (put("road", 1, ~mask(1)), "a:1 'road'"),
    "one mask less": (put("road", 0, mask(1)), "a:0 'road'"),
    "classes of pixels": (put("ground", 1, ground(2, 1)), "a:1 'ground'"),
    "name of a pixel's class": (classes("ground", ["background", "sky", "road"]), "a:0 'ground'"),
    "answer": (put("Weather", 1, ints(2)), "a:1 'Weather'"),
    "one answer more": (put("Weather", 1, ints(1, 2)), "a:1 'Weather'"),
    "name of an answer": (classes("Weather", ["rain", "snow", "sun"]), "a:1 'Weather'"),
    "an answer more": (archived(CLASS, ["x"], ints(), ints(0), ints()), "a:1 'old'"),
    "a box more": (archived(types.BoundingBox("float32", "ltwh", "pixel"), None, boxes(), boxes(), boxes(0)), "b:0 'old'"),
    "a text more": (archived(types.Text(), None, "", "", "x"), "b:0 'old'"),
    "a number more": (archived(types.Int32(), None, *ints(0, 0, 0)), "a:0 'old'"),
    "a radio more": (objects_of_archived(CLASS, ["x"], ints(-1, 0), ints(-1), ints()), "a:0 'boxes/old'"),
    "a checklist more": (objects_of_archived(types.Array("uint8", 2), ["x"], ticks((0,), (1,)), ticks((0,)), np.zeros((0, 1), np.uint8)), "a:0 'boxes/old'"),
    "a nested text more": (objects_of_archived(types.Text(), None, '[null, "x"]', "[null]", "[]"), "a:0 'boxes/old'"),
    "row": (put("lb_meta/row_key", 1, "a:2"), "rows only in the first: ['a:1']"),
}  # fmt: skip


@pytest.mark.parametrize("change", SAME.values(), ids=list(SAME))
def test_what_means_the_same(change: Change) -> None:
    before, after = dataset(content()), changed(change)
    assert meaning.differences(before, after) == meaning.differences(after, before) == []


@pytest.mark.parametrize(("change", "said"), OTHER.values(), ids=list(OTHER))
def test_what_means_something_else(change: Change, said: str) -> None:
    before, after = dataset(content()), changed(change)
    assert any(line.startswith(said) for line in meaning.differences(before, after)), said
    assert meaning.differences(after, before)


def test_both_values_are_said() -> None:
    (line,) = meaning.differences(dataset(content()), changed(put("boxes/boxes_labels", 1, ints(1))))
    assert line == "a:1 'boxes/boxes_labels': ['car'] and ['van']"


def test_columns_may_be_left_out() -> None:
    others = changed(archived(types.Text(), None, "x", "y", "z"))
    assert meaning.differences(dataset(content()), others, without={*meaning.LEFT_OUT, "old"}) == []


def test_a_cell_that_was_never_written_is_not_an_empty_one() -> None:
    before, after = dataset(content()), dataset(content())
    before.add_column("late", CLASS)
    after.add_column("late", CLASS)
    after["late"][:] = [ints()] * 3
    assert len(meaning.differences(before, after)) == 3


def test_rows_that_are_there_twice_are_refused() -> None:
    with pytest.raises(ValueError, match="twice: \\['a:0'\\]"):
        meaning.differences(changed(put("lb_meta/row_key", 1, "a:0")), dataset(content()))


def test_paths_and_branches(tmp_path: Path) -> None:
    path = str(tmp_path / "lake")
    made = deeplake.create(path)
    made.add_column("lb_meta/row_key", types.Text())
    made.append({"lb_meta/row_key": ["a:0"]})
    made.commit()
    made.branch("labels")
    branch = made.branches["labels"].open()
    branch.add_column("Note", types.Text())
    branch["Note"][:] = [json.dumps("x")]
    branch.commit()
    assert meaning.differences(path, Path(path)) == []
    assert meaning.differences(path, f"{path}@labels") == ["a:0 'Note': no such column and '\"x\"'"]
