"""What changed between two versions: data rows, frames, objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.memory_lake import MemoryStorage
from support.tiny import (
    Clip,
    annotations_of,
    command,
    data_row,
    delete_object,
    edited,
    edited_ontology,
    label_of,
    mask_url,
    move_object,
    object_of,
    picked,
    question,
    road_mask,
    write_clip,
    write_files,
    write_mask,
)
from test_drift import rename_tool
from test_versions import PROVIDERS, World

from lakebox.core.columns import Class, Column
from lakebox.core.diff import RowChange, changes
from lakebox.core.facts import state_cell
from lakebox.core.lake_port import View

pytest_plugins = ["support.tiny_fixtures"]

# ------------------------------------------------------------------------ tables

KINDS, COLOURS, TAGS = ("car", "van"), ("red", "blue"), ("old", "wet", "lit")


@dataclass(frozen=True)
class Thing:
    """An object on a frame."""

    left: float = 0
    kind: int = 0
    colour: int = -1
    tags: tuple[int, ...] = ()
    note: str = ""
    mask: int = 0
    outline: float = 1


@dataclass(frozen=True)
class Frame:
    """What a frame holds."""

    things: Mapping[int, Thing] = field(default_factory=dict)
    """Track -> object."""
    weather: int = -1


Content = Mapping[str, tuple[str, list[Frame]]]
"""Data row -> (media stamp, frames)."""


def _base(name: str) -> Column:
    if name == "video_idx":
        return Column(name, "scalar", "int32", key="lakebox:video_idx")
    return Column(f"lb_meta/{name}", "text", key=f"lakebox:lb_meta/{name}")


def _columns(names: Mapping[str, str], tags: int) -> dict[str, Column]:
    def column(key: str, type: str, dtype: str = "", ndim: int = 1, classes: tuple[str, ...] | None = None) -> Column:
        listed = None if classes is None else tuple(Class(one, one) for one in classes)
        return Column(names.get(key, key), type, dtype, ndim, key, listed)

    return {
        "box": column("box:geometry", "box", "float32"),
        "box_tracks": column("box:tracks", "array", "int32"),
        "box_labels": column("box:labels", "class", "int32", classes=KINDS),
        "colour": column("box/colour", "class", "int32", classes=COLOURS),
        "tags": column("box/tags", "array", "uint8", 2, TAGS[:tags]),
        "note": column("box/note", "text"),
        "mask": column("mask:geometry", "mask"),
        "mask_tracks": column("mask:tracks", "array", "int32"),
        "outline": column("lane:geometry", "polygon"),
        "outline_tracks": column("lane:tracks", "array", "int32"),
        "weather": column("weather", "class", "int32", classes=("sun", "rain")),
    }


def _cells(frame: Frame, tags: int) -> dict[str, Any]:
    things = frame.things.values()
    tracks = np.array(list(frame.things), np.int32)
    painted = np.zeros((3, 4, len(tracks)), bool)
    for at, thing in enumerate(things):
        painted[:, : thing.mask, at] = True
    multi = np.zeros((len(tracks), tags), np.uint8)
    for at, thing in enumerate(things):
        multi[at, list(thing.tags)] = 1
    return {
        "box": np.array([[t.left, 0, 1, 1] for t in things], np.float32).reshape(-1, 4),
        "box_tracks": tracks,
        "box_labels": np.array([t.kind for t in things], np.int32),
        "colour": np.array([t.colour for t in things], np.int32),
        "tags": multi,
        "note": json.dumps([t.note for t in things]),
        "mask": painted,
        "mask_tracks": tracks,
        "outline": [np.array([[0, 0], [t.outline, 0], [1, 1]], np.float32) for t in things],
        "outline_tracks": tracks,
        "weather": np.array([frame.weather] if frame.weather >= 0 else [], np.int32),
    }


def view(content: Content, names: Mapping[str, str] = {}, tags: int = len(TAGS)) -> View:
    """A dataset of that content."""
    lake = MemoryStorage().create("lake")
    base = {name: _base(name) for name in ("state", "id", "row_key", "video_name", "video_idx")}
    columns = base | _columns(names, tags)
    lake.arrange(list(columns.values()), ())
    for number, (uid, (media, frames)) in enumerate(content.items()):
        rows = [_cells(frame, tags) for frame in frames]
        states = [""] * (len(frames) - 1) + [state_cell(media, repr(frames), len(frames))]
        cells: dict[str, Any] = {key: [row[key] for row in rows] for key in rows[0]}
        cells |= {
            "state": states,
            "id": [uid] * len(frames),
            "row_key": [f"{uid}:{frame}" for frame in range(len(frames))],
            "video_name": [f"name of {uid}"] * len(frames),
            "video_idx": np.full(len(frames), number, np.int32),
        }
        lake.append({columns[key].name: values for key, values in cells.items()})
    lake.commit("made")
    return lake


def diff(before: Content, after: Content, **more: Any) -> list[RowChange]:
    return list(changes(view(before), view(after, **more)))


def video(*frames: Frame, media: str = "m") -> tuple[str, list[Frame]]:
    return media, list(frames)


def told(change: RowChange) -> set[tuple[str, int, str, tuple[int, ...]]]:
    return {(one.column, one.track, one.change, one.frames) for one in change.objects}


@pytest.mark.parametrize(
    ("old", "new", "objects", "columns"),
    [
        ({}, {7: Thing()}, {("box:geometry", 7, "added"), ("mask:geometry", 7, "added"), ("lane:geometry", 7, "added")},
         {"box:geometry", "box:tracks", "box:labels", "box/colour", "box/tags", "box/note", "mask:geometry",
          "mask:tracks", "lane:geometry", "lane:tracks"}),
        ({7: Thing(left=1)}, {7: Thing(left=2)}, {("box:geometry", 7, "changed")}, {"box:geometry"}),
        ({7: Thing(kind=0)}, {7: Thing(kind=1)}, {("box:geometry", 7, "changed")}, {"box:labels"}),
        ({7: Thing(colour=0)}, {7: Thing(colour=1)}, {("box:geometry", 7, "changed")}, {"box/colour"}),
        ({7: Thing(), 8: Thing(colour=0)}, {7: Thing(), 8: Thing(colour=1)}, {("box:geometry", 8, "changed")},
         {"box/colour"}),
        ({7: Thing(tags=(1,)), 8: Thing()}, {7: Thing(tags=(1, 2)), 8: Thing()}, {("box:geometry", 7, "changed")},
         {"box/tags"}),
        ({7: Thing(note="a"), 8: Thing(note="b")}, {7: Thing(note="a"), 8: Thing(note="c")},
         {("box:geometry", 8, "changed")}, {"box/note"}),
        ({7: Thing(mask=1), 8: Thing(mask=2)}, {7: Thing(mask=1), 8: Thing(mask=3)},
         {("mask:geometry", 8, "changed")}, {"mask:geometry"}),
        ({7: Thing(outline=1), 8: Thing()}, {7: Thing(outline=5), 8: Thing()}, {("lane:geometry", 7, "changed")},
         {"lane:geometry"}),
    ],
)  # fmt: skip
def test_objects_of_a_frame(
    old: dict[int, Thing], new: dict[int, Thing], objects: set[tuple[str, int, str]], columns: set[str]
) -> None:
    same = Frame({1: Thing(3)})
    before, after = {"a": video(same, Frame(old), same)}, {"a": video(same, Frame(new), same)}
    (change,) = diff(before, after)
    assert (change.data_row_id, change.name, change.change, change.frames) == ("a", "name of a", "changed", (1,))
    assert told(change) == {(*one, (1,)) for one in objects}
    assert set(change.columns) == columns
    (back,) = diff(after, before)
    opposite = {"added": "removed", "removed": "added", "changed": "changed"}
    assert told(back) == {(column, track, opposite[what], (1,)) for column, track, what in objects}
    assert (back.frames, set(back.columns)) == ((1,), columns)


def test_an_object_that_came_on_one_frame_and_moved_on_another_changed() -> None:
    before = {"a": video(Frame({7: Thing(1)}), Frame())}
    after = {"a": video(Frame({7: Thing(2)}), Frame({7: Thing(2)}))}
    (change,) = diff(before, after)
    assert ("box:geometry", 7, "changed", (0, 1)) in told(change)
    assert ("mask:geometry", 7, "added", (1,)) in told(change)


def test_answers_of_frames_are_no_objects() -> None:
    (change,) = diff({"a": video(Frame(), Frame(weather=0))}, {"a": video(Frame(weather=1), Frame(weather=0))})
    assert (change.frames, change.objects, change.columns) == ((0,), (), ("weather",))


def test_data_rows_come_and_go() -> None:
    one, two = video(Frame(), Frame()), video(Frame())
    found = diff({"a": one, "b": two}, {"c": two, "a": one})
    assert [(c.data_row_id, c.name, c.change, c.frames) for c in found] == [
        ("c", "name of c", "added", (0,)),
        ("b", "name of b", "removed", (0,)),
    ]


def test_the_order_of_objects_in_a_cell_does_not_matter() -> None:
    things = {7: Thing(1), 8: Thing(2, 1, 1, (0,), "x", 2, 3)}
    turned = dict(reversed(things.items()))
    found = diff({"a": video(Frame(things))}, {"a": video(Frame(turned))})
    assert [one.objects for one in found] in ([], [()])


def test_a_renamed_column_is_the_same() -> None:
    content = {"a": video(Frame({7: Thing(1)}))}
    assert diff(content, content, names={"box:geometry": "Auto"}) == []
    (change,) = diff(content, {"a": video(Frame({7: Thing(2)}))}, names={"box:geometry": "Auto"})
    assert told(change) == {("Auto", 7, "changed", (0,))}
    assert change.columns == ("Auto",)


def test_a_new_option_of_a_checklist_changes_no_object() -> None:
    """Cells get wider, and another fingerprint says that they were written again."""
    before = view({"a": video(Frame({7: Thing(1, tags=(1,))}))}, tags=2)
    same = view({"a": video(Frame({7: Thing(1, tags=(1,))}), media="m")}, tags=3)
    for left, right in ((before, same), (same, before)):
        assert list(changes(left, right)) == []
    lit = view({"a": video(Frame({7: Thing(1, tags=(1, 2))}))}, tags=3)
    (change,) = changes(before, lit)
    assert (told(change), change.columns) == ({("box:geometry", 7, "changed", (0,))}, ("box/tags",))


def test_other_media_are_a_change_of_every_frame() -> None:
    frames = [Frame(), Frame({7: Thing(1)})]
    (change,) = diff({"a": ("m", frames)}, {"a": ("other", frames)})
    assert (change.change, change.frames, change.objects) == ("changed", (0, 1), ())


def test_frames_that_came_are_named() -> None:
    (change,) = diff({"a": ("m", [Frame()])}, {"a": ("n", [Frame(), Frame({7: Thing(1)})])})
    assert change.frames == (0, 1)
    assert ("box:geometry", 7, "added", (1,)) in told(change)


things = st.builds(
    Thing, st.integers(0, 2).map(float), st.integers(0, 1), st.integers(-1, 1), st.sets(st.integers(0, 2)).map(tuple),
    st.sampled_from(["", "x"]), st.integers(0, 2), st.integers(0, 2).map(float),
)  # fmt: skip
frames = st.builds(Frame, st.dictionaries(st.integers(1, 3), things, max_size=3), st.integers(-1, 1))
contents = st.dictionaries(
    st.sampled_from("abcd"), st.lists(frames, min_size=2, max_size=2).map(lambda listed: ("m", listed)), max_size=3
)
PARTS = {
    "box:geometry": lambda t: (t.left, t.kind, t.colour, set(t.tags), t.note),
    "mask:geometry": lambda t: t.mask,
    "lane:geometry": lambda t: t.outline,
}


def expected(before: Content, after: Content) -> dict[str, tuple[str, set[int], dict[tuple[str, int], set[int]]]]:
    """Data row -> (change, frames, (column, track) -> frames), told from the contents alone."""
    found: dict[str, tuple[str, set[int], dict[tuple[str, int], set[int]]]] = {}
    for uid in {*before, *after}:
        if uid not in before or uid not in after:
            found[uid] = ("added" if uid in after else "removed", {0, 1}, {})
            continue
        differing: set[int] = set()
        objects: dict[tuple[str, int], set[int]] = {}
        for at, (old, new) in enumerate(zip(before[uid][1], after[uid][1], strict=True)):
            if old.weather != new.weather:
                differing.add(at)
            for track in {*old.things, *new.things}:
                pair = old.things.get(track), new.things.get(track)
                for column, part in PARTS.items():
                    if None in pair or part(pair[0]) != part(pair[1]):
                        objects.setdefault((column, track), set()).add(at)
                        differing.add(at)
        if differing:
            found[uid] = ("changed", differing, objects)
    return found


def _sorted(content: Content) -> Content:
    """Cells list objects by track, as lakebox writes them."""
    return {
        uid: (media, [Frame(dict(sorted(frame.things.items())), frame.weather) for frame in listed])
        for uid, (media, listed) in content.items()
    }


@given(contents, contents)
def test_all_changes_and_no_others(before: Content, after: Content) -> None:
    found = diff(_sorted(before), _sorted(after))
    said = {
        one.data_row_id: (one.change, set(one.frames), {(o.column, o.track): set(o.frames) for o in one.objects})
        for one in found
    }
    assert said == expected(before, after)
    assert len(found) == len(said)


@given(contents)
def test_a_version_does_not_differ_from_itself(content: Content) -> None:
    assert diff(_sorted(content), _sorted(content)) == []


# ------------------------------------------------------------------------ whole runs


@pytest.fixture(params=PROVIDERS)
def world(request: pytest.FixtureRequest, project: Path, tmp_path: Path) -> World:
    return World(project, tmp_path, request.param)


def compared(world: World, *more: str) -> dict[str, dict[str, Any]]:
    found = world.task("diff", "task.from_version=a", *more).changes
    assert found is not None
    return {one["data_row_id"]: one for one in found}


def objects(change: dict[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {one["column"]: (one["change"], tuple(one["frames"])) for one in change["objects"]}


def test_every_kind_of_edit_is_found(world: World) -> None:
    world.sync("tag=a")
    new = Clip(3, 6)
    write_files(world.project, new)
    with edited(world.project) as rows:
        move_object(rows[0], "car0", 11, by=3)
        delete_object(rows[0], "walker0")
        object_of(rows[0], "car0", 0)["classifications"][0]["radio_answer"] = picked("green", "car0-colour")
        annotations_of(rows[1])["frames"]["11"]["classifications"][0]["radio_answer"] = picked("fog", "weather1")
        write_mask(world.project / mask_url(1, 4), ~road_mask(1, 4))
        label_of(rows[1])["label_details"]["updated_at"] = "2024-06-01T10:00:00.000+00:00"
        del rows[2]
        rows.append(data_row(new))
    world.sync("tag=b")
    found = compared(world, "task.to_version=b")
    assert {uid: one["change"] for uid, one in found.items()} == {
        "row0": "changed", "row1": "changed", "row2": "removed", "row3": "added",
    }  # fmt: skip
    assert objects(found["row0"]) == {"Car/Car": ("changed", tuple(range(12))), "Walker": ("removed", (1, 3))}
    assert objects(found["row1"]) == {"Road": ("changed", (4,))}
    assert tuple(found["row1"]["frames"]) == (4, *range(10, 20))
    assert set(found["row1"]["columns"]) == {"Road", "Weather"}
    assert tuple(found["row3"]["frames"]) == tuple(range(6))
    back = world.task("diff", "task.from_version=b", "task.to_version=a").changes or []
    opposite = {one["data_row_id"]: one for one in back}
    assert {uid: one["change"] for uid, one in opposite.items()} == {
        "row0": "changed", "row1": "changed", "row2": "added", "row3": "removed",
    }  # fmt: skip
    assert objects(opposite["row0"])["Walker"] == ("added", (1, 3))


def test_equal_versions_do_not_differ(world: World) -> None:
    version = world.sync("tag=a").dataset.version
    world.sync("tag=b")
    for more in ((), ("task.to_version=b",), (f"task.to_version={version}",)):
        report = world.task("diff", "task.from_version=a", *more)
        assert (report.changes, "nothing differs" in report.plan) == ([], True)


def test_the_present_may_be_left_out(world: World) -> None:
    world.sync("tag=a")
    with edited(world.project) as rows:
        delete_object(rows[2], "lane2")
    world.sync()
    (change,) = compared(world).values()
    assert objects(change) == {"Lane": ("removed", (2, 3, 4, 5))}
    assert "the present: data rows 0 added, 0 removed, 1 changed; 4 frames" in (
        world.task("diff", "task.from_version=a").plan
    )


def test_a_renamed_or_archived_tool_and_a_new_option_are_no_change_of_labels(world: World) -> None:
    world.sync("tag=a")
    rename_tool(world.project, "Walker", "Person")
    with edited_ontology(world.project) as ontology:
        ontology["tools"] = [tool for tool in ontology["tools"] if tool["name"] != "Lane"]
        ontology["classifications"][1]["options"].append(question("x", ["sea"])["options"][0])
    assert "drift" in world.sync("tag=b").plan
    assert compared(world) == {}


def test_changed_media_are_a_change_of_every_frame(project: Path, tmp_path: Path) -> None:
    world = World(project, tmp_path, "in_place")
    world.sync("tag=a")
    write_clip(project / "media/other.mp4", Clip(9, 15))
    with edited(project) as rows:
        rows[1]["data_row"]["row_data"] = "media/other.mp4"
        rows[1]["media_attributes"]["frame_count"] = 15
    world.sync("tag=b")
    (change,) = compared(world).values()
    assert (change["data_row_id"], tuple(change["frames"])) == ("row1", tuple(range(20)))
    assert "frames" in change["columns"] and "lb_meta/row_data" in change["columns"]


def test_table_and_json_say_the_same(project: Path, tmp_path: Path) -> None:
    world = World(project, tmp_path, "in_place")
    world.sync("tag=a")
    with edited(project) as rows:
        delete_object(rows[0], "walker0")
        move_object(rows[1], "car1", 0, by=2)
    world.sync("tag=b")
    options = (f"path={world.lake}", "task.from_version=a", "task.to_version=b", "report=diff.json")
    done = command("task=diff", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "diff.json").read_text(encoding="utf-8"))
    assert [(c["data_row_id"], c["change"], c["frames"]) for c in report["changes"]] == [
        ("row0", "changed", [1, 3]),
        ("row1", "changed", list(range(19))),
    ]
    assert report["changes"][0]["objects"] == [
        {
            "column": "Walker",
            "track": report["changes"][0]["objects"][0]["track"],
            "change": "removed",
            "frames": [1, 3],
        }
    ]
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith("row")}
    assert "1, 3" in lines["row0"] and "1 removed" in lines["row0"]
    assert "0-18" in lines["row1"] and "1 changed" in lines["row1"]
    assert report["plan"] == (
        "a -> b: data rows 0 added, 0 removed, 2 changed; 21 frames; objects 0 added, 1 removed, 1 changed"
    )
