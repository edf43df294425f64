"""Branches, tags and columns of others in Lance datasets: what the contract of all lakes does not ask."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest
from support.lake_shown import found
from support.lakes import BASE, rows

from lakebox.adapters.deep_lake import LocalStorage
from lakebox.adapters.lance_dataset import LanceLake
from lakebox.adapters.lance_lake import LanceStorage
from lakebox.core.columns import Class, Column
from lakebox.core.facts import ID, STATE, read_state
from lakebox.errors import ConfigError, LakeError, LakeMoved

NUMBER = Column("n", "scalar", "int32", key="k/n")
TEXT = Column("w", "text", key="k/w")


def numbers(*values: int) -> Any:
    return np.array(values, np.int32)


def classes(*names: str) -> Column:
    return Column("c", "class", "int32", key="k/c", classes=tuple(Class(name, name) for name in names))


def made(path: Path, *columns: Column, ids: str = "ab", **cells: Any) -> Any:
    lake = LanceStorage().create(str(path))
    lake.arrange([*BASE, *columns], ())
    lake.append(rows(ids, **cells))
    lake.commit("first")
    return lake


def every(lake: Any, column: str) -> list[Any]:
    return list(lake.read(column, np.arange(len(lake))))


# Names.


@pytest.mark.parametrize("name", ["..", ".", "a/data", "/tmp/x", "März", "", ".hidden"])
def test_names_that_would_be_other_folders_are_refused_before_anything_is_touched(tmp_path: Path, name: str) -> None:
    lake = made(tmp_path / "lake", NUMBER, n=numbers(1, 2))
    lake.fork("data")
    outside = tmp_path / "x" / "data" / "precious"
    outside.parent.mkdir(parents=True)
    outside.touch()
    with pytest.raises(LakeError, match="choose another"):
        lake.fork(str(outside.parent.parent) if name == "/tmp/x" else name)
    with pytest.raises(LakeError, match="choose another"):
        lake.tag(name if name != ".hidden" else "2")
    assert outside.exists()
    again = found(str(tmp_path / "lake"))
    assert (every(again, "n"), every(again.branch("data"), "n"), again.tags()) == ([1, 2], [1, 2], {})


def test_a_tag_that_is_called_like_a_version_means_the_same_to_all(tmp_path: Path) -> None:
    lake = made(tmp_path, NUMBER, n=numbers(1, 2))
    for value in (3, 4):
        lake.update(np.array([0]), {"n": numbers(value)})
        lake.commit(f"n = {value}")
    lance.dataset(str(tmp_path)).tags.create("2", 3)  # by somebody else: lakebox makes none
    assert every(lake.at("2"), "n") == [3, 2]
    lake.revert("2")
    assert every(lake, "n") == [3, 2]


def test_a_version_of_another_branch_is_no_way_back(tmp_path: Path) -> None:
    lake = made(tmp_path, NUMBER, n=numbers(1, 2))
    branch = lake.fork("labels")
    branch.tag("theirs")
    with pytest.raises(LakeError, match="is of branch 'labels', not of 'main'"):
        lake.revert("theirs")


# Moved and copied.


def test_files_of_a_dataset_elsewhere_are_never_read(tmp_path: Path) -> None:
    lake = made(tmp_path / "one")
    branch = lake.fork("labels")
    branch.append(rows("c"))
    branch.commit("c")
    branch.tag("monday")
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    copy = found(str(tmp_path / "copy"))
    for use in (lambda: copy.branch("labels"), lambda: copy.at("monday"), lambda: copy.merge("labels")):
        with pytest.raises(LakeError, match="was made when the dataset was at"):
            use()
    (tmp_path / "one").rename(tmp_path / "two")
    with pytest.raises(LakeError, match="was made when the dataset was at"):
        found(str(tmp_path / "two")).branch("labels")


def test_a_branch_of_a_branch_is_opened_again(tmp_path: Path) -> None:
    lake = made(tmp_path)
    lake.fork("one").fork("two")
    assert every(found(str(tmp_path)).branch("two"), ID) == ["a", "b"]


@pytest.mark.parametrize("storage", [LanceStorage(), LocalStorage()])
def test_places_that_are_none(tmp_path: Path, storage: Any) -> None:
    """A disk that is not there, a link to itself, a name that is too long, another user's home that is nobody's."""
    (tmp_path / "disk").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path / "disk/lake", tmp_path / "loop", tmp_path / "loop/lake", tmp_path / ("x" * 300)):
        with pytest.raises(LakeError, match=r"cannot be|holds a file"):
            storage.create(str(path))
        with pytest.raises(LakeError, match=r"cannot be|holds a file"), storage.lock(str(path)):
            pass
    for path in ("~nobody-of-that-name/lake", "a\0b"):
        with pytest.raises(ConfigError, match="correct path"):
            storage.find(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["disk", "loop"]


def test_a_question_mark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds a '\?'"):
        LanceStorage().create(str(tmp_path / "set?1"))


# Columns of others.


def test_what_others_say_of_a_column_stays(tmp_path: Path) -> None:
    lake = made(tmp_path, NUMBER, n=numbers(1, 2))
    theirs = lance.dataset(str(tmp_path))
    theirs.update_field_metadata({"n": {"unit": "px"}})
    lake = found(str(tmp_path))
    assert not lake.arrange([*BASE, NUMBER], ())
    assert lake.arrange([*BASE, Column("n", "scalar", "int32", key="k/n", archived=True)], ())
    lake.commit("archived")
    assert lance.dataset(str(tmp_path)).schema.field("n").metadata[b"unit"] == b"px"


def test_a_column_of_others_is_not_taken_over(tmp_path: Path) -> None:
    made(tmp_path)
    lance.dataset(str(tmp_path)).add_columns(pa.field("a%2Eb", pa.string()))
    lake = found(str(tmp_path))
    with pytest.raises(LakeError, match="column 'a%2Eb' of somebody else's"):
        lake.arrange([*BASE, Column("a.b", "text", key="k")], ())
    with pytest.raises(LakeError, match="there is no column 'nobody'"):
        lake.put("nobody", np.array([0]), ["x"])
    with pytest.raises(LakeError, match="2 cells of a%2Eb for 1 rows"):
        lake.put("a%2Eb", np.array([0]), ["x", "y"])


# Merging main into a branch.


def on_main(path: Path, *columns: Column, ids: str = "c", **cells: Any) -> Any:
    lake = found(str(path))
    lake.arrange([*BASE, *columns], ())
    lake.append(rows(ids, **cells))
    lake.commit("main")
    return lake


def merged(path: Path) -> Any:
    branch = found(str(path)).branch("labels")
    branch.merge()
    lance.dataset(str(path)).checkout_version(("labels", None)).validate()
    return found(str(path)).branch("labels")


def names_of(lake: Any) -> list[list[str]]:
    (column,) = [one for one in lake.stored().columns if one.name == "c"]
    return [[column.classes[index].name for index in cell] for cell in every(lake, "c")]


def test_classes_that_only_main_has_come_along(tmp_path: Path) -> None:
    made(tmp_path, classes("red"), c=[numbers(0), numbers(0)]).fork("labels")
    on_main(tmp_path, classes("red", "blue"), c=[numbers(1)])
    assert names_of(merged(tmp_path)) == [["red"], ["red"], ["blue"]]


def test_indexes_that_mean_other_classes_are_annotated_anew(tmp_path: Path) -> None:
    branch = made(tmp_path, classes("red"), c=[numbers(0), numbers(0)]).fork("labels")
    branch.arrange([*BASE, classes("red", "green")], ())
    branch.commit("green")
    on_main(tmp_path, classes("red", "blue"), c=[numbers(1)])
    lake = merged(tmp_path)
    assert names_of(lake) == [["red"], ["red"], []]
    assert [asset.labels_stamp for asset in lake.stored().assets] == ["l-a", "l-b", ""]
    assert all(asset.complete for asset in lake.stored().assets)


def test_a_column_that_only_main_has_comes_with_its_cells(tmp_path: Path) -> None:
    made(tmp_path, NUMBER, n=numbers(1, 2)).fork("labels")
    lake = found(str(tmp_path))
    lake.arrange([*BASE, NUMBER, TEXT], ())
    lake.update(np.arange(2), {"w": ["x", "y"]})
    lake.append(rows("c", n=numbers(3), w=["z"]))
    lake.commit("w")
    assert every(merged(tmp_path), "w") == ["x", "y", "z"]


def test_a_column_of_others_that_takes_no_nulls_leaves_the_branch_readable(tmp_path: Path) -> None:
    made(tmp_path, NUMBER, n=numbers(1, 2)).fork("labels")
    lance.dataset(str(tmp_path)).add_columns({"who": "'me'"})
    on_main(tmp_path, NUMBER, n=numbers(3))
    merged(tmp_path)
    table = lance.dataset(str(tmp_path)).checkout_version(("labels", None)).to_table()
    assert table["who"].to_pylist()[:2] == ["me", "me"] and table["n"].to_pylist() == [1, 2, 3]


class InSteps(LanceLake):
    """Commits after every few data rows."""

    step = 1


def test_a_merge_of_much_is_done_in_steps_that_each_are_whole(tmp_path: Path) -> None:
    """Whichever of them is the last of a run that was killed, the next merge does the rest."""
    made(tmp_path, NUMBER, n=numbers(1, 2)).fork("labels")
    keys = [key for key in "cdef" for _ in range(300)]
    on_main(tmp_path, NUMBER, ids="".join(keys), n=np.arange(len(keys), dtype=np.int32))
    branch = found(str(tmp_path)).branch("labels")
    lake = InSteps(lance.dataset(str(tmp_path)).checkout_version(("labels", None)), str(tmp_path), "labels")
    lake.merge()
    assert [one for one in lake.messages() if one.startswith("merge")] == [
        *["merge main (in progress)"] * 2,
        "merge main",
    ]
    whole = every(lake, "n")
    assert whole == [1, 2, *range(len(keys))]
    branch = found(str(tmp_path)).branch("labels")
    first = next(one for one in branch.history() if one.message.startswith("merge"))
    assert all(asset.complete for asset in branch.at(first.id).stored().assets)
    branch.revert(first.id)
    branch.merge()
    assert every(branch, "n") == whole


def test_columns_are_the_same_by_what_they_hold(tmp_path: Path) -> None:
    """Renamed on the branch; and another one of the same name, or of another type."""
    branch = made(tmp_path, NUMBER, n=numbers(1, 2)).fork("labels")
    branch.arrange([*BASE, Column("m", "scalar", "int32", key="k/n")], (), {"n": "m"})
    branch.commit("renamed")
    on_main(tmp_path, NUMBER, n=numbers(3))
    lake = merged(tmp_path)
    assert every(lake, "m") == [1, 2, 3] and "n" not in {one.name for one in lake.stored().columns}


@pytest.mark.parametrize("theirs", [Column("x", "scalar", "int32", key="age"), Column("x", "text", key="speed")])
def test_cells_that_mean_something_else_stay_behind_and_are_made_anew(tmp_path: Path, theirs: Column) -> None:
    branch = made(tmp_path).fork("labels")
    branch.arrange([*BASE, Column("x", "scalar", "int32", key="speed")], ())
    branch.update(np.arange(2), {"x": numbers(1, 2)})
    branch.commit("speed")
    on_main(tmp_path, theirs, x=["5"] if theirs.type == "text" else numbers(5))
    lake = merged(tmp_path)
    assert every(lake, "x")[:2] == [1, 2] and every(lake, "x")[2] != 5
    assert [read_state(cell)["labels"] for cell in every(lake, STATE)] == ["l-a", "l-b", ""]


def test_foreign_cells_of_another_type_stay_behind_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made(tmp_path).fork("labels")
    lance.dataset(str(tmp_path)).add_columns(pa.field("note", pa.string()))
    branch = lance.dataset(str(tmp_path)).checkout_version(("labels", None))
    branch.add_columns(pa.field("note", pa.int32()))
    on_main(tmp_path)
    assert len(merged(tmp_path)) == 3
    assert "columns note of branch main are of another type here" in caplog.text


def test_a_dataset_that_was_taken_away_meanwhile(tmp_path: Path) -> None:
    lake = made(tmp_path / "lake")
    lake.append(rows("c"))
    shutil.rmtree(tmp_path / "lake")
    with pytest.raises((LakeError, LakeMoved), match=str(tmp_path / "lake")):
        lake.commit("late")
