"""Changes to Lance datasets: columns that take over names, parts that go, cells that do not fit, columns of others."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest
from support.lake_shown import found
from support.lakes import BASE, rows

from lakebox.adapters.lance_lake import LanceStorage
from lakebox.core.columns import Column
from lakebox.core.facts import ID, STATE
from lakebox.core.lake_port import Lake
from lakebox.errors import LakeError

NUMBER = Column("n", "scalar", "int32", key="n")
TEXT = Column("w", "text", key="w")
VIDEO = Column("v", "video", key="v")
SEEDS = range(12)


def numbers(*values: int) -> Any:
    return np.array(values, np.int32)


def made(path: Path, *columns: Column) -> Any:
    lake = LanceStorage().create(str(path))
    lake.arrange([*BASE, *columns], ())
    return lake


def again(path: Path) -> Lake:
    lake = LanceStorage().find(str(path))
    assert lake is not None
    return lake


def read(path: Path, column: str) -> list[Any]:
    lance.dataset(str(path)).validate()
    lake = again(path)
    return lake.read(column, np.arange(len(lake)))


# ------------------------------------------------------------------------------------------- columns that change names


def test_a_column_that_changes_its_type_gets_cells_in_more_than_one_commit(tmp_path: Path) -> None:
    lake = made(tmp_path, NUMBER)
    for key in "abc":
        lake.append(rows(key, n=numbers(1)))
        lake.commit(key)
    lake.arrange([*BASE, Column("n", "text", key="other")], ["n"])
    for row, text in enumerate(("one", "two", "three")):
        lake.update(np.array([row]), {"n": [text]})
        lake.commit(text)
        assert read(tmp_path, "n") == ["one", "two", "three"][: row + 1] + [""] * (2 - row)


def test_a_column_changes_its_type_where_a_part_loses_all_rows(tmp_path: Path) -> None:
    lake = made(tmp_path, NUMBER, Column("m", "scalar", "int32", key="m"))
    for number, key in enumerate("ab"):
        lake.append(rows(key, n=numbers(number), m=numbers(number + 5)))
        lake.commit(key)
    lake.arrange([*BASE, Column("n", "scalar", "int32", key="m")], ["n"], {"m": "n"})
    lake.delete(np.array([0]))
    lake.commit("taken over and removed")
    assert (read(tmp_path, "n"), read(tmp_path, ID)) == ([6], ["b"])


def test_names_are_swapped_with_a_column_that_older_parts_have_no_cells_of(tmp_path: Path) -> None:
    lake = made(tmp_path, NUMBER)
    lake.append(rows("a", n=numbers(1)))
    lake.commit("a")
    lake.arrange([*BASE, NUMBER, TEXT], ())
    lake.append(rows("b", n=numbers(2), w=["two"]))
    lake.commit("b")
    lake.arrange([*BASE, replace(NUMBER, name="w"), replace(TEXT, name="n")], (), {"n": "w", "w": "n"})
    lake.commit("swapped")
    assert (read(tmp_path, "n"), read(tmp_path, "w")) == (["", "two"], [1, 2])


def test_no_file_is_left_of_a_removed_column_that_had_its_own(tmp_path: Path) -> None:
    lake = made(tmp_path)
    lake.append(rows("ab"))
    lake.commit("rows")
    lake.arrange([*BASE, NUMBER], ())
    lake.update(np.arange(2), {"n": numbers(1, 2)})
    lake.commit("a column")
    lake.arrange(BASE, ["n"])
    lake.commit("removed")
    assert read(tmp_path, ID) == ["a", "b"]
    (fragment,) = lance.dataset(str(tmp_path)).get_fragments()
    assert len(fragment.metadata.files) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_changes_the_dataset_holds_what_a_plain_model_does(seed: int, tmp_path: Path) -> None:
    _Model(random.Random(seed), tmp_path).play(25)


class _Model:
    """A dataset and what it has to hold: of each row the id, and cells by the names of columns."""

    NAMES = ("p", "q", "r")
    EMPTY: Mapping[str, Any] = {"scalar": 0, "text": "", "polygon": []}

    def __init__(self, chance: random.Random, path: Path) -> None:
        self.chance, self.path = chance, path
        self.columns = {
            name: Column(name, kind, _dtype(kind), key=name) for name, kind in (("p", "text"), ("q", "scalar"))
        }
        self.rows: list[dict[str, Any]] = []
        self.made = 0
        self.lake: Any = made(path, *self.columns.values())

    def play(self, steps: int) -> None:
        steps_ = (
            self.append,
            self.append,
            self.update,
            self.delete,
            self.retype,
            self.swap,
            self.take_over,
            self.commit,
        )
        for _ in range(steps):
            self.chance.choice(steps_)()
            self.check(self.lake)
        self.commit()

    def cell(self, kind: str) -> Any:
        number = self.chance.randrange(1, 90)
        if kind == "polygon":
            return [np.full((n, 2), number, np.float32) for n in range(self.chance.randrange(3))]
        return number if kind == "scalar" else "x" * number

    def append(self) -> None:
        cells: dict[str, Any] = {name: [self.cell(one.type) for _ in range(2)] for name, one in self.columns.items()}
        ids = [f"i{self.made}", f"i{self.made + 1}"]
        self.made += 2
        self.rows += [{ID: ids[i], **{name: values[i] for name, values in cells.items()}} for i in range(2)]
        self.lake.append({STATE: ["", ""], ID: ids, "video_idx": numbers(0, 0), **cells})

    def update(self) -> None:
        if self.rows and self.columns:
            at = self.chance.sample(range(len(self.rows)), self.chance.randint(1, len(self.rows)))
            name = self.chance.choice(sorted(self.columns))
            cells = [self.cell(self.columns[name].type) for _ in at]
            self.lake.update(np.array(at), {name: cells})
            for row, cell in zip(at, cells, strict=True):
                self.rows[row][name] = cell

    def delete(self) -> None:
        if self.rows:
            start = self.chance.randrange(len(self.rows))
            gone = range(start, min(len(self.rows), start + self.chance.choice((1, 2, 4))))
            self.lake.delete(np.array(gone))
            self.rows = [row for i, row in enumerate(self.rows) if i not in gone]

    def retype(self) -> None:
        """A column of another type under a name, which may have been in use."""
        name, kind = self.chance.choice(self.NAMES), self.chance.choice(sorted(self.EMPTY))
        remove = [name] if name in self.columns else []
        self.columns[name] = Column(name, kind, _dtype(kind), key=f"{name}{kind}")
        self.arrange(remove, {})
        for row in self.rows:
            row[name] = self.EMPTY[kind]

    def swap(self) -> None:
        if len(self.columns) > 1:
            one, two = self.chance.sample(sorted(self.columns), 2)
            self.rename((), {one: two, two: one})

    def take_over(self) -> None:
        """A column gets the name of one that is removed."""
        if len(self.columns) > 1:
            one, two = self.chance.sample(sorted(self.columns), 2)
            self.rename((two,), {one: two})

    def rename(self, remove: Sequence[str], names: Mapping[str, str]) -> None:
        kept = {name: one for name, one in self.columns.items() if name not in remove}
        self.columns = {names.get(name, name): replace(one, name=names.get(name, name)) for name, one in kept.items()}
        self.arrange(remove, names)
        self.rows = [
            {names.get(name, name): cell for name, cell in row.items() if name not in remove} for row in self.rows
        ]

    def arrange(self, remove: Sequence[str], names: Mapping[str, str]) -> None:
        self.lake.arrange([*BASE, *self.columns.values()], remove, names)

    def commit(self) -> None:
        self.lake.commit("so far")
        lance.dataset(str(self.path)).validate()
        self.check(found(str(self.path)))

    def check(self, view: Any) -> None:
        for name in (ID, *self.columns):
            cells = view.read(name, np.arange(len(self.rows)))
            for cell, row in zip(cells, self.rows, strict=True):
                assert len(cell) == len(row[name]) if isinstance(cell, list) else cell == row[name]
                assert not isinstance(cell, list) or all(map(np.array_equal, cell, row[name]))
        assert len(view) == len(self.rows)


def _dtype(kind: str) -> str:
    return "" if kind == "text" else "int32" if kind == "scalar" else "float32"


# ----------------------------------------------------------------------------------------------------- others' indexes


@pytest.mark.parametrize("early", [True, False], ids=["made before", "made of an earlier version meanwhile"])
def test_an_index_of_others_does_not_lie_about_new_rows(early: bool, tmp_path: Path) -> None:
    lake = made(tmp_path, NUMBER)
    for key, first in (("a", 0), ("b", 50)):
        lake.append(rows(key * 50, n=np.arange(first, first + 50, dtype=np.int32)))
        lake.commit(key)
    theirs = lance.dataset(str(tmp_path))
    if early:
        theirs.create_scalar_index("n", "BTREE")
    own = again(tmp_path)
    own.delete(np.arange(50, 100))
    own.commit("removed")
    own.append(rows("c" * 50, n=np.arange(200, 250, dtype=np.int32)))
    own.commit("added")
    if not early:
        theirs.create_scalar_index("n", "BTREE")
    assert counted(tmp_path, "n", 1, 51, 201) == [1, 0, 1]


def counted(path: Path, column: str, *values: int) -> list[int]:
    """In how many rows each value is."""
    theirs = lance.dataset(str(path))
    return [theirs.to_table(columns=[column], filter=f"{column} = {value}").num_rows for value in values]


def test_an_index_of_others_for_a_column_that_goes_does_not_become_another_ones(tmp_path: Path) -> None:
    lake = made(tmp_path, NUMBER)
    lake.append(rows("ab", n=numbers(1, 2)))
    lake.commit("rows")
    theirs = lance.dataset(str(tmp_path))
    lake.arrange(BASE, ["n"])
    lake.commit("removed")
    lake.arrange([*BASE, Column("m", "scalar", "int32", key="m")], ())
    lake.update(np.arange(2), {"m": numbers(7, 8)})
    lake.commit("added")
    theirs.create_scalar_index("n", "BTREE")  # of the version that had it
    own = again(tmp_path)
    own.note({"about": "Lance clears that away with the next commit"})
    own.commit("noted")
    assert counted(tmp_path, "m", 1, 2, 7, 8) == [0, 0, 1, 1]


# ------------------------------------------------------------------------------------------------- cells that do not fit


MISFITS: Mapping[str, tuple[Column, Any]] = {
    "box": (Column("q", "box", "float32", key="q"), [np.ones((2, 6), np.float32)]),
    "point": (Column("q", "point", "float32", key="q"), [np.ones((2, 4), np.float32)]),
    "polygon": (Column("q", "polygon", "float32", key="q"), [[np.ones((2, 3), np.float32)]]),
    "array of other axes": (Column("q", "array", "float32", 1, key="q"), [np.ones((2, 3), np.float32)]),
    "classes": (Column("q", "class", "int32", key="q"), [np.ones((2, 3), np.int32)]),
    "mask": (Column("q", "mask", "bool", key="q"), [np.ones((2, 3), np.bool_)]),
    "number": (Column("q", "scalar", "uint8", key="q"), np.array([300])),
    "negative number": (Column("q", "scalar", "uint8", key="q"), np.array([-1])),
    "fraction": (Column("q", "scalar", "int32", key="q"), np.array([1.5])),
    "number too big for all": (Column("q", "scalar", "int64", key="q"), [2**70]),
    "float": (Column("q", "scalar", "float32", key="q"), np.array([1e300])),
    "text": (Column("q", "text", key="q"), [3]),
    "no array": (Column("q", "mask", "bool", key="q"), [None]),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_cell_that_its_column_does_not_take_is_refused(name: str, tmp_path: Path) -> None:
    column, cells = MISFITS[name]
    lake = made(tmp_path, column)
    with pytest.raises(LakeError, match="column q: "):
        lake.append(rows("a", q=cells))
    assert len(lake) == 0


def test_numbers_that_fit_are_taken_whatever_their_dtype(tmp_path: Path) -> None:
    small, part = Column("s", "scalar", "uint8", key="s"), Column("f", "scalar", "float32", key="f")
    lake = made(tmp_path, small, part, Column("b", "box", "float32", key="b"))
    boxes = [np.zeros((0, 4), np.float32), np.zeros(0, np.float32).reshape(0, 4)]
    lake.append(rows("ab", s=np.array([255, 0]), f=np.array([0.1, np.nan]), b=boxes))
    assert lake.read("s", np.arange(2)) == [255, 0]
    assert np.array_equal(lake.read("f", np.arange(2)), np.array([0.1, np.nan], np.float32), equal_nan=True)
    assert [cell.shape for cell in lake.read("b", np.arange(2))] == [(0, 4), (0, 4)]


def test_as_many_cells_as_rows(tmp_path: Path) -> None:
    lake = made(tmp_path, NUMBER)
    lake.append(rows("abc", n=numbers(1, 2, 3)))
    lake.commit("rows")
    with pytest.raises(LakeError, match="column n: 1 cells were given for 3 rows"):
        lake.update(np.arange(3), {"n": numbers(5)})
    lance.dataset(str(tmp_path)).add_columns(pa.field("theirs", pa.string()))
    other = again(tmp_path)
    with pytest.raises(LakeError, match="column theirs: 1 cells were given for 2 rows"):
        other.append(rows("de", n=numbers(4, 5)), {"theirs": ["one"]})
    assert (lake.read("n", np.arange(3)), len(other)) == ([1, 2, 3], 3)


@pytest.mark.parametrize("row", [-1, 2])
def test_rows_that_are_not_there(row: int, tmp_path: Path) -> None:
    lake = made(tmp_path, NUMBER)
    lake.append(rows("ab", n=numbers(1, 2)))
    said = f"there is no row {row}, rows have numbers from 0 and there are 2"
    with pytest.raises(LakeError, match=said):
        lake.read("n", np.array([0, row]))
    with pytest.raises(LakeError, match=said):
        lake.update(np.array([row]), {"n": numbers(1)})
    with pytest.raises(LakeError, match=said):
        lake.delete(np.array([row]))
    assert lake.read("n", np.arange(2)) == [1, 2]


# ----------------------------------------------------------------------------------------------------- columns of others


def test_a_column_called_star_is_one_column(tmp_path: Path) -> None:
    lake = made(tmp_path / "own", replace(TEXT, name="*"))
    lake.append(rows("aab", **{"*": ["x", "y", "z"]}))
    lake.commit("rows")
    assert read(tmp_path / "own", "*") == ["x", "y", "z"]
    own = again(tmp_path / "own")
    own.update(np.array([0]), {"*": ["X"]})
    own.commit("updated")
    assert own.read("*", np.array([2, 0])) == ["z", "X"] == read(tmp_path / "own", "*")[::-2]
    other = made(tmp_path / "theirs")
    other.append(rows("ab"))
    other.commit("rows")
    lance.dataset(str(tmp_path / "theirs")).add_columns(pa.table({"*": ["s", "t"]}).to_reader())
    assert read(tmp_path / "theirs", "*") == ["s", "t"]


THEIRS: Mapping[str, tuple[pa.Array, Any]] = {
    "list": (pa.array([[1], [2]]), []),
    "embedding": (pa.array([[1.0, 2.0]] * 2, pa.list_(pa.float32(), 2)), [0.0, 0.0]),
    "struct": (pa.array([{"a": 1, "b": "x"}] * 2), {"a": 0, "b": ""}),
    "binary": (pa.array([b"a", b"b"]), b""),
    "as many bytes": (pa.array([b"aa", b"bb"], pa.binary(2)), b"\0\0"),
    "date": (pa.array([date(2020, 1, 1)] * 2), date(1970, 1, 1)),
    "bool": (pa.array([True, True]), False),
}


def with_theirs(path: Path, cells: pa.Array, nullable: bool) -> Lake:
    lake = made(path, NUMBER)
    lake.append(rows("ab", n=numbers(1, 2)))
    lake.commit("rows")
    schema = pa.schema([pa.field("theirs", cells.type, nullable=nullable)])
    lance.dataset(str(path)).add_columns(pa.Table.from_arrays([cells], schema=schema).to_reader())
    return again(path)


@pytest.mark.parametrize("name", THEIRS)
def test_rows_are_added_where_columns_of_others_take_no_nulls(name: str, tmp_path: Path) -> None:
    cells, least = THEIRS[name]
    lake = with_theirs(tmp_path, cells, nullable=False)
    lake.append(rows("c", n=numbers(3)))
    lake.commit("one more")
    assert read(tmp_path, "theirs") == [*cells.to_pylist(), least]


def test_dictionaries_of_others(tmp_path: Path) -> None:
    cells = pa.array(["x", "y"]).dictionary_encode()
    lake = with_theirs(tmp_path / "nulls", cells, nullable=True)
    lake.append(rows("cd", n=numbers(3, 4)), {"theirs": ["z", None]})
    lake.commit("more")
    lake.put("theirs", np.array([1, 3]), ["new", "x"])
    lake.commit("put")
    assert read(tmp_path / "nulls", "theirs") == ["x", "new", "z", "x"]
    strict = with_theirs(tmp_path / "none", cells, nullable=False)
    strict.append(rows("c", n=numbers(3)))
    with pytest.raises(LakeError, match="column theirs, which is not lakebox's, takes no nulls.*let it take nulls"):
        strict.commit("more")


# --------------------------------------------------------------------------------------------------------------- memory


def test_cells_are_written_in_portions(tmp_path: Path) -> None:
    lake = made(tmp_path, TEXT)
    texts = [str(i) * 50 for i in range(500)]
    lake.append(rows("a" * 500, w=texts))
    lake.commit("rows")
    lake.delete(np.arange(0, 500, 7))
    left = [text for i, text in enumerate(texts) if i % 7]
    for row in (0, 100, len(left) - 1):
        left[row] = "other"
        lake.update(np.array([row]), {"w": ["other"]})
    lake.commit("updated")
    assert read(tmp_path, "w") == left
    assert len(lance.dataset(str(tmp_path)).get_fragments()) == 1


def test_a_large_column_is_not_held_in_memory_for_one_cell(tmp_path: Path) -> None:
    lake = made(tmp_path, VIDEO)
    lake.append(rows("a" * 1000, v=[bytes([i % 256]) * 60_000 for i in range(1000)]))
    lake.commit("60 MB")
    code = (
        "import sys, numpy as np, pyarrow as pa\n"
        "from lakebox.adapters.lance_lake import LanceStorage\n"
        "lake = LanceStorage().find(sys.argv[1])\n"
        "lake.update(np.array([500]), {'v': [b'x']})\n"
        "lake.commit('updated')\n"
        "print(pa.default_memory_pool().max_memory())\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 30_000_000
    assert again(tmp_path).read("v", np.array([499, 500])) == [bytes([499 % 256]) * 60_000, b"x"]
