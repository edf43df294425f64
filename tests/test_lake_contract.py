"""One contract for every lake: Deep Lake on disk and in memory, Lance, and the plain Python one of our tests."""

from __future__ import annotations

import gc
import io
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import deeplake
import numpy as np
import pytest
from PIL import Image
from support.lakes import BASE, World, rows

from lakebox.adapters.deep_lake import LocalStorage
from lakebox.core.columns import Class, Column
from lakebox.core.facts import ID, STATE, state_cell
from lakebox.core.lake_port import Lake, Storage
from lakebox.errors import ConfigError, LakeError

pytest_plugins = ["support.lake_fixtures"]


def png(value: int, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (6, 4), value if mode == "L" else (value,) * 3).save(buffer, "PNG")
    return buffer.getvalue()


def jpeg(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (value,) * 3).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


F4, I4, U1 = np.float32, np.int32, np.uint8
CLASSES = (Class("k1", "red"), Class("k2", "bläu"))
RNG = np.random.default_rng(1)
FULL_MASK = RNG.random((4, 6, 2)) > 0.5

# One column of every type with cells that a row may hold: full, empty, full again.
CELLS: dict[str, tuple[Column, list[Any]]] = {
    "whole numbers": (Column("n", "scalar", "int32"), [np.int32(-7), np.int32(0), np.int32(2**31 - 1)]),
    "fractions": (Column("n", "scalar", "float64"), [np.float64(29.97002997002997), np.float64(0), np.float64(-1e-9)]),
    "text": (Column("n", "text"), ["zwei\u2028Zeilen \U0001f600\n", "", '["a", null]']),
    "boxes": (
        Column("n", "box", "float32"),
        [np.array([[0.1, 2, 3, 4], [5, 6, 7, 8.5]], F4), np.zeros((0, 4), F4), np.ones((1, 4), F4)],
    ),
    "whole boxes": (
        Column("n", "box", "int32"),
        [np.array([[-1, 2, 3, 70000]], I4), np.zeros((0, 4), I4), np.ones((2, 4), I4)],
    ),
    "points": (
        Column("n", "point", "float32"),
        [np.array([[0.1, 2.5]], F4), np.zeros((0, 2), F4), np.ones((3, 2), F4)],
    ),
    "outlines": (
        Column("n", "polygon", "float32"),
        [[np.array([[0.1, 0], [1, 1], [2, 2]], F4), np.ones((5, 2), F4)], [], [np.ones((1, 2), F4)]],
    ),
    "equal outlines": (
        Column("n", "polygon", "float32"),
        [[np.zeros((3, 2), F4), np.ones((3, 2), F4)], [], [np.ones((4, 2), F4)]],
    ),
    "masks": (Column("n", "mask", "bool"), [FULL_MASK, np.zeros((4, 6, 0), bool), FULL_MASK[:, :, :1]]),
    "class masks": (
        Column("n", "segment_mask", "uint8"),
        [np.full((4, 6), 255, U1), np.zeros((4, 6), U1), np.eye(4, 6, dtype=U1)],
    ),
    "id masks": (
        Column("n", "segment_mask", "uint16"),
        [np.full((4, 6), 65535, np.uint16), np.zeros((4, 6), np.uint16), np.eye(4, 6, dtype=np.uint16)],
    ),
    "classes": (
        Column("n", "class", "int32", classes=CLASSES),
        [np.array([1], I4), np.zeros(0, I4), np.array([0, 1], I4)],
    ),
    "unanswered": (
        Column("n", "class", "int32", classes=CLASSES),
        [np.array([-1, 0], I4), np.zeros(0, I4), np.array([-1], I4)],
    ),
    "tracks": (Column("n", "array", "int32"), [np.array([1, 2**31 - 1], I4), np.zeros(0, I4), np.array([3], I4)]),
    "flags": (Column("n", "array", "uint8"), [np.array([1, 0], U1), np.zeros(0, U1), np.array([1], U1)]),
    "multi-hot": (
        Column("n", "array", "uint8", 2),
        [np.array([[1, 0, 1]], U1), np.zeros((0, 3), U1), np.ones((2, 3), U1)],
    ),
}
PIXELS = {
    "png": (Column("n", "png", "uint8"), [png(7), png(0), png(255)]),
    "gray png": (Column("n", "png", "uint8"), [png(7, "L"), png(0, "L"), png(255, "L")]),
    "jpg": (Column("n", "jpg", "uint8"), [jpeg(7), jpeg(0), jpeg(255)]),
}


def same(column: Column, left: Any, right: Any) -> bool:
    """Equal in value, dtype and shape. Outlines may come as one array where they are of equal length."""
    if column.type == "polygon":
        return len(left) == len(right) and all(
            np.asarray(a).dtype == b.dtype and np.array_equal(a, b) for a, b in zip(left, right, strict=True)
        )
    if isinstance(right, str):
        return type(left) is str and left == right
    same_form = np.asarray(left).dtype == np.asarray(right).dtype and np.shape(left) == np.shape(right)
    return same_form and bool(np.array_equal(left, right))


def everything(lake: Lake) -> Any:
    return np.arange(len(lake))


class TestLake:
    """The contract."""

    def test_is_a_storage(self, world: World) -> None:
        assert isinstance(world.storage, Storage)

    def test_nothing_is_there_at_first(self, world: World) -> None:
        assert world.storage.find(world.path) is None

    def test_a_new_lake_is_empty(self, world: World) -> None:
        lake = world.storage.create(world.path)
        stored = lake.stored()
        assert (len(lake), stored.assets, stored.columns, stored.foreign, stored.media, stored.project_id) == (
            0, (), (), (), "", "",
        )  # fmt: skip

    def test_a_lake_is_not_made_twice(self, world: World) -> None:
        world.lake().commit("first")
        with pytest.raises(LakeError):
            world.storage.create(world.path)

    @pytest.mark.parametrize(("column", "cells"), CELLS.values(), ids=CELLS.keys())
    def test_cells_are_appended_and_updated_exactly(self, world: World, column: Column, cells: list[Any]) -> None:
        lake = world.lake(column)
        values = np.array(cells) if column.type == "scalar" else cells
        lake.append(rows("aab", n=values))
        lake.commit("appended")
        found = world.found().read("n", np.arange(3))
        assert all(same(column, a, b) for a, b in zip(found, cells, strict=True))
        turned = cells[::-1]
        lake = world.found()
        lake.update(np.arange(3), {"n": np.array(turned) if column.type == "scalar" else turned})
        lake.commit("updated")
        again = world.found().read("n", np.array([2, 0, 1]))
        assert all(same(column, a, turned[i]) for a, i in zip(again, (2, 0, 1), strict=True))

    @pytest.mark.parametrize(("column", "cells"), PIXELS.values(), ids=PIXELS.keys())
    def test_pictures_read_back_as_pixels(self, world: World, column: Column, cells: list[bytes]) -> None:
        lake = world.lake(column)
        lake.append(rows("aab", n=cells))
        lake.commit("pixels")
        for found, data in zip(world.found().read("n", np.arange(3)), cells, strict=True):
            expected = np.asarray(Image.open(io.BytesIO(data)))
            expected = expected if expected.ndim == 3 else expected[:, :, None]
            assert (found.dtype, found.shape) == (np.uint8, expected.shape)
            assert np.abs(found.astype(int) - expected).max() <= (3 if column.type == "jpg" else 0)

    def test_columns_are_known_again(self, world: World) -> None:
        columns = [
            Column(f"g/ü {i}", c.type, c.dtype, c.ndim, f"key {i}", c.classes)
            for i, (c, _) in enumerate(CELLS.values())
        ]
        world.lake(*columns).commit("columns")
        assert set(world.found().stored().columns) == {*BASE, *columns}

    def test_only_the_named_cells_of_the_named_rows_change(self, world: World) -> None:
        numbers = Column("n", "scalar", "int32")
        lake = world.lake(numbers, Column("m", "scalar", "int32"))
        lake.append(rows("aaabbb", n=np.arange(6, dtype=I4), m=np.arange(6, dtype=I4)))
        lake.commit("first")
        lake.update(np.array([0, 2, 3, 5]), {"n": np.array([10, 12, 13, 15], I4)})
        lake.commit("second")
        assert world.found().read("n", np.arange(6)) == [10, 1, 12, 13, 4, 15]
        assert world.found().read("m", np.arange(6)) == list(range(6))

    def test_update_before_the_commit_of_the_rows(self, world: World) -> None:
        lake = world.lake()
        lake.append(rows("aab"))
        lake.update(np.array([1]), {"video_idx": np.array([9], I4)})
        lake.commit("both")
        assert world.found().read("video_idx", np.arange(3)) == [0, 9, 1]

    def test_deleted_rows_are_gone_and_the_others_move_up(self, world: World) -> None:
        lake = world.lake()
        lake.append(rows("aabbcc"))
        lake.commit("first")
        lake.delete(np.array([5, 1, 2]))
        assert len(lake) == 3
        lake.commit("second")
        assert world.found().read(ID, np.arange(3)) == ["a", "b", "c"]

    def test_rows_can_be_taken_back_before_the_commit(self, world: World) -> None:
        lake = world.lake()
        lake.append(rows("aa"))
        lake.commit("first")
        lake.append(rows("bbb"))
        lake.delete(np.arange(2, 5))
        lake.append(rows("c"))
        lake.commit("second")
        assert world.found().read(ID, np.arange(3)) == ["a", "a", "c"]

    def test_what_is_stored_is_read_from_the_rows(self, world: World) -> None:
        lake = world.lake()
        lake.append(rows("aab"))
        lake.describe({"project_id": "p1", "type": "video", "project_name": "P", "sources": ["x"]})
        lake.commit("first")
        stored = world.found().stored()
        assert [(a.id, a.media_stamp, a.labels_stamp, a.rows.tolist(), a.index, a.complete) for a in stored.assets] == [
            ("a", "m-a", "l-a", [0, 1], 0, True),
            ("b", "m-b", "l-b", [2], 1, True),
        ]
        assert (stored.media, stored.project_id) == ("video", "p1")

    def test_what_was_not_finished_does_not_count(self, world: World) -> None:
        lake = world.lake()
        cells = rows("aabb")
        cells[STATE][1] = ""
        cells[STATE][3] = state_cell("m", "l", 5)
        lake.append(cells)
        lake.commit("first")
        assert [(asset.id, asset.complete) for asset in world.found().stored().assets] == [("a", False), ("b", False)]

    def test_what_is_not_committed_is_seen_by_nobody_else(self, world: World) -> None:
        lake = world.lake()
        lake.append(rows("aa"))
        lake.commit("first")
        lake.append(rows("bb"))
        assert (len(lake), len(world.found())) == (4, 2)
        lake.commit("second")
        assert len(world.found()) == 4

    def test_what_was_never_committed_is_not_there_after_reopening(self, world: World) -> None:
        """As after an error: the handle is let go, and the next run opens the lake again."""
        lake = world.lake()
        lake.append(rows("aa"))
        lake.commit("first")
        lake.append(rows("bb"))
        lake.update(np.array([0]), {"video_idx": np.array([9], I4)})
        keep = world.found()  # a dataset in memory is gone with its last handle
        del lake
        gc.collect()
        lake = world.found()
        assert lake.read(ID, everything(lake)) == ["a", "a"]
        assert lake.read("video_idx", np.arange(2)) == [0, 0]
        assert len(keep) == 2

    def test_arrange_says_whether_anything_changed(self, world: World) -> None:
        lake = world.storage.create(world.path)
        column = Column("n", "class", "int32", key="k", classes=CLASSES[:1])
        grown = Column("n", "class", "int32", key="k", classes=CLASSES)
        changed = [lake.arrange(columns, []) for columns in ([*BASE, column], [*BASE, column], [*BASE, grown])]
        assert changed == [True, False, True]
        lake.append(rows("a", n=[np.array([1], I4)]))
        lake.commit("first")
        assert grown in world.found().stored().columns
        assert world.found().arrange([*BASE, grown], []) is False

    def test_columns_come_and_go_while_rows_stay(self, world: World) -> None:
        old, new = Column("n", "box", "float32", key="n"), Column("m", "box", "float32", key="m")
        lake = world.lake(old)
        lake.append(rows("aab", n=CELLS["boxes"][1]))
        lake.commit("first")
        lake = world.found()
        assert lake.arrange([*BASE, new], ["n"])
        lake.update(np.arange(3), {"m": CELLS["boxes"][1]})
        lake.commit("second")
        stored = world.found().stored()
        assert {column.name for column in stored.columns} == {STATE, ID, "video_idx", "m"}
        assert all(
            same(new, a, b) for a, b in zip(world.found().read("m", np.arange(3)), CELLS["boxes"][1], strict=True)
        )

    def test_a_column_may_change_its_type(self, world: World) -> None:
        lake = world.lake(Column("n", "box", "float32", key="n"))
        lake.append(rows("aab", n=CELLS["boxes"][1]))
        lake.commit("first")
        column, cells = CELLS["whole boxes"]
        lake = world.found()
        lake.arrange([*BASE, column], ["n"])
        lake.update(np.arange(3), {"n": cells})
        lake.commit("second")
        assert all(same(column, a, b) for a, b in zip(world.found().read("n", np.arange(3)), cells, strict=True))

    def test_versions_messages_and_tags(self, world: World) -> None:
        lake = world.lake()
        lake.append(rows("a"))
        lake.commit("one – ünï")
        first = lake.version
        lake.append(rows("b"))
        lake.commit("two")
        lake.tag("v1")
        assert first != lake.version
        assert [text for text in world.found().messages() if text in ("one – ünï", "two")] == ["one – ünï", "two"]  # type: ignore[attr-defined]
        assert world.found().version == lake.version
        with pytest.raises(LakeError, match="v1"):
            world.found().tag("v1")

    def test_columns_of_others_are_kept_and_filled(self, world: World) -> None:
        lake = world.lake()
        lake.append(rows("aa"))
        lake.commit("ours")
        world.add_foreign_column()
        lake = world.found()
        assert lake.stored().foreign == ("theirs",)
        before = lake.read("theirs", np.arange(2))
        lake.append(rows("b"))
        lake.update(np.array([0]), {"video_idx": np.array([4], I4)})
        lake.commit("ours again")
        lake = world.found()
        assert (len(lake), lake.stored().foreign) == (3, ("theirs",))
        assert lake.read("theirs", np.arange(2)) == before
        assert lake.read("theirs", np.array([2]))[0] in (None, "")

    def test_a_dataset_of_others_is_refused_and_untouched(self, world: World) -> None:
        world.make_foreign()
        with pytest.raises(LakeError, match="did not write"):
            world.storage.find(world.path)
        with pytest.raises(LakeError):
            world.storage.create(world.path)
        assert world.foreign_images() == ["x"]

    @pytest.mark.parametrize("path", ["a@b", "lake@main", "x@y/lake"])
    def test_versions_in_paths_are_refused(self, world: World, path: str, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.chdir(tmp_path)
        for call in (world.storage.find, world.storage.create):
            with pytest.raises(ConfigError, match="@"):
                call(path)
        assert list(tmp_path.iterdir()) == []

    def test_two_lakes_are_two(self, world: World) -> None:
        world.lake().commit("one")
        other = World(world.storage, f"{world.path}-two", f"{world.address}-two")
        assert other.storage.find(other.path) is None
        other.lake()
        assert len(world.found()) == 0


# --- folders ---------------------------------------------------------------------------------------------------------

STRANGE: Mapping[str, Mapping[str, str]] = {
    "a file in it": {"lake/notes.txt": "mine"},
    "a folder in it": {"lake/photos/a.jpg": "mine"},
    "it is a file": {"lake": "mine"},
    "another format": {"lake/dataset_meta.json": "{}", "lake/tensor_meta.json": "{}"},
    "an empty log": {"lake/_deeplake_log/notes.txt": "mine"},
}


@pytest.mark.parametrize("files", STRANGE.values(), ids=STRANGE.keys())
def test_what_is_not_ours_is_refused_and_untouched(tmp_path: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(LakeError, match="lake"):
        LocalStorage().find(str(tmp_path / "lake"))
    left = {str(p.relative_to(tmp_path)): p.read_text(encoding="utf-8") for p in tmp_path.rglob("*") if p.is_file()}
    assert left == dict(files)


def test_an_empty_folder_can_become_a_lake(tmp_path: Path) -> None:
    assert LocalStorage().find(str(tmp_path)) is None
    LocalStorage().create(str(tmp_path)).arrange(BASE, [])


def test_a_killed_run_leaves_what_was_committed(tmp_path: Path) -> None:
    code = """
import os, sys
from lakebox.adapters.deep_lake import LocalStorage
from lakebox.core.columns import Column
from lakebox.core.facts import STATE
lake = LocalStorage().create(sys.argv[1])
lake.arrange([Column(STATE, "text", key="s")], [])
lake.append({STATE: ["a"]})
lake.commit("first")
lake.append({STATE: ["b"]})
os._exit(9)
"""
    path = str(tmp_path / "lake")
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == 9
    lake = LocalStorage().find(path)
    assert lake is not None
    assert lake.read(STATE, np.arange(len(lake))) == ["a"]


def test_looking_for_a_lake_makes_no_folder(tmp_path: Path) -> None:
    assert LocalStorage().find(str(tmp_path / "a" / "b")) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_relative_paths_and_file_addresses_name_the_same_folder(tmp_path: Path, form: str, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    lake = LocalStorage().create("one")
    lake.arrange(BASE, [])
    lake.commit("first")
    assert LocalStorage().find(form.format(tmp_path / "one")) is not None


def test_a_working_directory_with_a_version_sign_leads_nowhere_else(tmp_path: Path, monkeypatch: Any) -> None:
    """Deep Lake cuts the whole path at '@': a relative path must not let it write outside."""
    work = tmp_path / "me@corp" / "project"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    try:
        lake = LocalStorage().create("lake")
        lake.arrange(BASE, [])
        lake.commit("first")
    except ConfigError as error:
        assert "@" in str(error)
    assert [item.name for item in tmp_path.iterdir()] == ["me@corp"]


@pytest.mark.parametrize("path", ["s3://bucket/lake", "gs://b/x", "mem://x", "al://org/x"])
def test_addresses_of_other_storages_are_refused(path: str) -> None:
    for call in (LocalStorage().find, LocalStorage().create):
        with pytest.raises(ConfigError, match="folder"):
            call(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(LakeError, match="file"):
        LocalStorage().create(str(tmp_path / "file" / "lake"))


def test_labelbox_meta_is_where_upstream_keeps_it(tmp_path: Path) -> None:
    lake = LocalStorage().create(str(tmp_path / "lake"))
    lake.arrange(BASE, [])
    facts = {"project_id": "p1", "type": "video", "project_name": "Ü", "sources": ["a.mp4", "b.mp4"]}
    lake.describe(facts)
    lake.commit("first")
    assert dict(deeplake.open_read_only(str(tmp_path / "lake")).metadata)["labelbox_meta"] == facts


def test_class_names_are_where_training_code_looks(tmp_path: Path) -> None:
    lake = LocalStorage().create(str(tmp_path / "lake"))
    lake.arrange([*BASE, Column("c", "class", "int32", key="c", classes=CLASSES)], [])
    lake.commit("first")
    dataset = deeplake.open_read_only(str(tmp_path / "lake"))
    assert list(dataset["c"].metadata["class_names"]) == ["red", "bläu"]
