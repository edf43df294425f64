"""What every lake has to do with branches, versions, notes, names, locks, and others who write at the same time."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import deeplake
import lance
import numpy as np
import pytest
from support.lakes import BASE, World, rows
from support.memory_lake import MemoryStorage as PlainStorage

from lakebox.adapters.deep_lake import LocalStorage
from lakebox.core.columns import Class, Column
from lakebox.core.facts import ID
from lakebox.core.lake_port import Lake
from lakebox.errors import LakeBusy, LakeError, LakeMoved

pytest_plugins = ["support.lake_fixtures"]

NUMBER = Column("n", "scalar", "int32", key="k/n")
WORDS = Column("w", "text", key="k/w")
I4 = np.int32


def ids(lake: Lake) -> list[Any]:
    return lake.read(ID, np.arange(len(lake)))


def numbers(*values: int) -> Any:
    return np.array(values, I4)


def filled(world: World) -> Lake:
    """Data rows a, b and c of one row each, numbered 0 to 2, committed."""
    lake = world.lake(NUMBER)
    lake.append(rows("abc", n=numbers(0, 1, 2)))
    lake.commit("first")
    return lake


class TestBranches:
    def test_there_is_none_until_one_is_made(self, world: World) -> None:
        lake = filled(world)
        assert lake.branch("labels") is None
        made = lake.fork("labels")
        assert ids(made) == ["a", "b", "c"]
        found = world.found().branch("labels")
        assert found is not None
        assert ids(found) == ["a", "b", "c"]
        with pytest.raises(LakeError):
            lake.fork("labels")

    def test_it_is_opened_as_it_says(self, world: World) -> None:
        lake = filled(world)
        branch = lake.fork("labels")
        branch.append(rows("d", n=numbers(3)))
        branch.commit("one more")
        for each in (lake, branch):
            if each.opening:
                opened = eval(each.opening, {"deeplake": deeplake, "lance": lance})
                assert (len(opened) if hasattr(opened, "__len__") else opened.count_rows()) == len(each)
            else:
                assert isinstance(world.storage, PlainStorage)

    def test_a_branch_changes_alone(self, world: World) -> None:
        lake = filled(world)
        branch = lake.fork("labels")
        branch.arrange([*BASE, NUMBER, WORDS], ())
        branch.update(np.arange(3), {"w": ["x", "y", "z"], "n": numbers(7, 8, 9)})
        branch.note({"about": "labels"})
        branch.commit("labels")
        assert branch.version != ""
        main = world.found()
        assert main.read("n", np.arange(3)) == [0, 1, 2]
        assert "w" not in {column.name for column in main.stored().columns}
        assert main.stored().notes == {}
        again = main.branch("labels")
        assert again is not None
        assert again.read("w", np.arange(3)) == ["x", "y", "z"]
        assert again.stored().notes == {"about": "labels"}

    def test_merging_brings_new_rows_and_deletions_and_keeps_what_the_branch_wrote(self, world: World) -> None:
        lake = filled(world)
        branch = lake.fork("labels")
        branch.arrange([*BASE, NUMBER, WORDS], ())
        branch.update(np.arange(3), {"w": ["A", "B", "C"]})
        branch.commit("labels")
        main = world.found()
        main.delete(np.array([1]))
        main.append(rows("de", n=numbers(3, 4)))
        main.commit("moved on")
        branch = main.branch("labels")
        assert branch is not None
        before = len(branch.history())
        branch.merge()
        assert ids(branch) == ["a", "c", "d", "e"]
        assert branch.read("n", np.arange(4)) == [0, 2, 3, 4]
        assert [text or "" for text in branch.read("w", np.arange(4))] == ["A", "C", "", ""]
        assert len(branch.history()) == before + 1, "a merge is committed"
        branch.update(np.array([2]), {"w": ["D"]})
        branch.commit("more labels")
        found = world.found().branch("labels")
        assert found is not None
        assert [text or "" for text in found.read("w", np.arange(4))] == ["A", "C", "D", ""]

    def test_what_was_reverted_can_be_merged_again(self, world: World) -> None:
        lake = filled(world)
        branch = lake.fork("labels")
        branch.arrange([*BASE, NUMBER, WORDS], ())
        branch.update(np.arange(3), {"w": ["A", "B", "C"]})
        branch.commit("labels")
        then = branch.version
        main = world.found()
        main.delete(np.array([0]))
        main.append(rows("d", n=numbers(3)))
        main.commit("moved on")
        branch = main.branch("labels")
        assert branch is not None
        branch.merge()
        branch.revert(then)
        assert (ids(branch), branch.read("w", np.arange(3))) == (["a", "b", "c"], ["A", "B", "C"])
        branch.merge()
        assert ids(branch) == ["b", "c", "d"]
        assert [text or "" for text in branch.read("w", np.arange(3))] == ["B", "C", ""]


class TestVersions:
    def test_history_names_every_commit_and_its_tags(self, world: World) -> None:
        lake = filled(world)
        lake.append(rows("d", n=numbers(3)))
        lake.commit("second – ünï")
        lake.tag("t")
        found = world.found().history()
        assert [one.message for one in found][-2:] == ["first", "second – ünï"]
        assert [one.tags for one in found][-2:] == [(), ("t",)]
        assert found[-1].id == lake.version
        assert all(one.time.endswith("+00:00") for one in found)

    def test_changes_that_wait_are_no_version(self, world: World) -> None:
        lake = filled(world)
        before = lake.history()
        lake.append(rows("d", n=numbers(3)))
        assert lake.history() == before

    def test_an_earlier_state_can_be_read_by_tag_and_by_version(self, world: World) -> None:
        lake = filled(world)
        lake.tag("then")
        then = lake.version
        lake.update(np.array([1]), {"n": numbers(9)})
        lake.delete(np.array([0]))
        lake.commit("second")
        for name in ("then", then):
            view = world.found().at(name)
            assert (len(view), view.read("n", np.arange(3))) == (3, [0, 1, 2])
            assert [asset.id for asset in view.stored().assets] == ["a", "b", "c"]
        with pytest.raises(LakeError, match="nope.*then"):
            world.found().at("nope")

    def test_a_tag_of_a_branch_is_known_to_all(self, world: World) -> None:
        lake = filled(world)
        branch = lake.fork("labels")
        branch.update(np.array([0]), {"n": numbers(5)})
        branch.commit("labels")
        branch.tag("monday")
        assert world.found().tags()["monday"] == branch.version
        assert world.found().at("monday").read("n", np.array([0])) == [5]

    def test_going_back_is_a_new_version_with_the_old_content(self, world: World) -> None:
        lake = filled(world)
        lake.note({"about": "then"})
        lake.commit("noted")
        then = lake.version
        lake.arrange([*BASE, Column("number", "scalar", "int32", key="k/n")], (), {"n": "number"})
        lake.append({**rows("d"), "number": numbers(3)})
        lake.delete(np.array([0]))
        lake.note({"about": "now"})
        lake.commit("second")
        lake.revert(then)
        assert lake.version not in (then, "")
        lake = world.found()
        assert (ids(lake), lake.read("n", np.arange(3))) == (["a", "b", "c"], [0, 1, 2])
        assert lake.stored().notes == {"about": "then"}
        lake.append(rows("e", n=numbers(4)))
        lake.commit("goes on")
        assert ids(world.found()) == ["a", "b", "c", "e"]


class TestNamesAndNotes:
    def test_notes_stay_and_say_whether_they_changed(self, world: World) -> None:
        lake = filled(world)
        assert lake.note({"one": '{"ä": 1}', "two": ""})
        lake.commit("noted")
        lake = world.found()
        assert lake.stored().notes == {"one": '{"ä": 1}', "two": ""}
        assert not lake.note({"one": '{"ä": 1}'})

    def test_describing_says_whether_anything_changed(self, world: World) -> None:
        lake = filled(world)
        facts = {"project_id": "p", "type": "video", "project_name": "P", "sources": ["x"]}
        assert lake.describe(facts)
        lake.commit("described")
        lake = world.found()
        assert lake.described() == facts
        assert not lake.describe(facts)
        assert lake.describe({**facts, "project_name": "Q"})
        lake.commit("again")

    def test_columns_swap_their_names_and_keep_their_cells(self, world: World) -> None:
        lake = world.lake(NUMBER, WORDS)
        lake.append(rows("ab", n=numbers(1, 2), w=["x", "y"]))
        lake.commit("first")
        swapped = [Column("w", "scalar", "int32", key="k/n"), Column("n", "text", key="k/w")]
        lake = world.found()
        assert lake.arrange([*BASE, *swapped], (), {"n": "w", "w": "n"})
        lake.commit("renamed")
        lake = world.found()
        assert (lake.read("w", np.arange(2)), lake.read("n", np.arange(2))) == ([1, 2], ["x", "y"])
        assert {*swapped} <= {*lake.stored().columns}

    def test_archived_columns_and_classes_are_known_again(self, world: World) -> None:
        column = Column(
            "c", "class", "int32", key="k", classes=(Class("a", "A", archived=True), Class("b", "B")), archived=True
        )
        world.lake(column).commit("first")
        assert column in world.found().stored().columns

    def test_cells_of_others_can_be_kept(self, world: World) -> None:
        lake = filled(world)
        world.add_foreign_column()
        lake = world.found()
        before = lake.foreign("theirs", np.array([0, 1]))
        lake.append(rows("d", n=numbers(3)))
        lake.put("theirs", np.array([3, 2]), before)
        lake.commit("kept")
        found = world.found().read("theirs", np.arange(4))
        assert (found[3], found[0]) == (found[0], before[0])


class TestTwoWriters:
    def test_what_somebody_else_committed_is_not_written_over(self, world: World) -> None:
        mine = filled(world)
        other = world.found()
        other.update(np.array([1]), {"n": numbers(77)})
        other.commit("other")
        mine.update(np.array([1]), {"n": numbers(55)})
        with pytest.raises(LakeMoved, match="somebody else"):
            mine.commit("mine")
        assert world.found().read("n", np.arange(3)) == [0, 77, 2]
        assert [one.message for one in world.found().history()][-1] == "other"

    def test_the_same_on_a_branch(self, world: World) -> None:
        mine = filled(world).fork("labels")
        other = world.found().branch("labels")
        assert other is not None
        other.append(rows("d", n=numbers(3)))
        other.commit("other")
        mine.delete(np.array([0]))
        with pytest.raises(LakeMoved):
            mine.commit("mine")
        found = world.found().branch("labels")
        assert found is not None
        assert ids(found) == ["a", "b", "c", "d"]

    def test_a_merge_does_not_bury_what_somebody_else_committed(self, world: World) -> None:
        main = filled(world)
        mine = main.fork("labels")
        main.append(rows("d", n=numbers(3)))
        main.commit("main")
        other = world.found().branch("labels")
        assert other is not None
        other.update(np.array([0]), {"n": numbers(77)})
        other.commit("other")
        with pytest.raises(LakeMoved):
            mine.merge()
        found = world.found().branch("labels")
        assert found is not None
        assert found.read("n", np.arange(len(found))) == [77, 1, 2]

    def test_commits_to_another_branch_do_not_matter(self, world: World) -> None:
        main = filled(world)
        branch = main.fork("labels")
        main.append(rows("d", n=numbers(3)))
        main.commit("main")
        branch.update(np.array([0]), {"n": numbers(9)})
        branch.commit("labels")
        assert branch.read("n", np.arange(3)) == [9, 1, 2]

    def test_one_run_at_a_time(self, world: World) -> None:
        filled(world)
        with world.storage.lock(world.path):
            with pytest.raises(LakeBusy, match="another run"), world.storage.lock(world.path):
                pass
            refused: list[LakeBusy] = []
            thread = threading.Thread(target=lambda: refused.extend(_tried(world)))
            thread.start()
            thread.join()
            assert len(refused) == 1
            with world.storage.lock(f"{world.path}-two"):
                pass
        with world.storage.lock(world.path):
            pass

    def test_a_lock_of_a_lake_to_be(self, world: World) -> None:
        with world.storage.lock(world.path):
            assert world.storage.find(world.path) is None
        assert world.storage.find(world.path) is None


def _tried(world: World) -> list[LakeBusy]:
    try:
        with world.storage.lock(world.path):
            return []
    except LakeBusy as error:
        return [error]


# --- folders ---------------------------------------------------------------------------------------------------------


def test_a_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    with LocalStorage().lock(str(tmp_path / "a" / "lake")):
        pass
    assert list(tmp_path.rglob("lake")) == []


def test_a_dead_run_leaves_no_lock(tmp_path: Path) -> None:
    code = """
import os, sys
from lakebox.adapters.deep_lake import LocalStorage
lock = LocalStorage().lock(sys.argv[1])
lock.__enter__()
os.kill(os.getpid(), 9)
"""
    path = str(tmp_path / "lake")
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == -9
    with LocalStorage().lock(path):
        pass


def test_two_spellings_of_a_path_are_one_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "lake")
    with LocalStorage().lock("lake"):
        for path in (str(tmp_path / "lake"), f"file://{tmp_path}/lake", "./lake/../lake", "link"):
            with pytest.raises(LakeBusy), LocalStorage().lock(path):
                pass


def test_a_commit_without_room_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = str(tmp_path / "lake")
    lake = LocalStorage(reserve_megabytes=0).create(path)
    lake.arrange([*BASE], ())
    lake.append(rows("ab"))
    lake.commit("first")
    full = LocalStorage(reserve_megabytes=1 << 40).find(path)
    assert full is not None
    full.append(rows("c"))
    with pytest.raises(LakeError, match="no room"):
        full.commit("second")
    del full
    found = LocalStorage().find(path)
    assert found is not None
    assert ids(found) == ["a", "b"]
    found.append(rows("d"))
    found.commit("third")
    assert not list(tmp_path.rglob(".room*"))


CUT_SHORT = """
import os, resource, signal, sys
import numpy as np
from lakebox.adapters.deep_lake import LocalStorage
from lakebox.core.columns import Column
from lakebox.core.facts import ID, STATE
from lakebox.errors import LakeError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
lake = LocalStorage(reserve_megabytes=0).find(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
lake.append({STATE: [""], ID: [os.urandom(200000).hex()], "video_idx": np.zeros(1, np.int32)})
try:
    lake.commit("big")
except LakeError as error:
    print(error)
"""


def test_a_disk_that_takes_only_a_part_is_an_error_and_the_next_run_works(tmp_path: Path) -> None:
    """Deep Lake itself reports such a commit as done."""
    path = str(tmp_path / "lake")
    lake = LocalStorage().create(path)
    lake.arrange([*BASE], ())
    lake.append(rows("ab"))
    lake.commit("first")
    done = subprocess.run(
        [sys.executable, "-c", CUT_SHORT, path], capture_output=True, text=True, timeout=60, check=True
    )
    assert "no room" in done.stdout, done
    found = LocalStorage().find(path)
    assert found is not None
    found.append(rows("c"))
    found.commit("next")
    assert ids(found) == ["a", "b", "c"]


def test_a_dataset_whose_disk_was_full_is_mended_and_the_half_commit_taken_back(tmp_path: Path) -> None:
    """What Deep Lake 4.7 leaves behind on a full disk: a part of the last commit, and an empty counter."""
    path = tmp_path / "lake"
    lake = LocalStorage().create(str(path))
    lake.arrange([*BASE, NUMBER], ())
    lake.append(rows("ab", n=numbers(1, 2)))
    lake.commit("first")
    lake.update(np.arange(2), {"n": numbers(8, 9)})
    lake.append(rows("c", n=numbers(3)))
    lake.commit("half")
    del lake
    (branch,) = (one for one in (path / "_deeplake_log").iterdir() if one.name != "_meta")
    last = sorted(branch.glob("0*"))[-1]
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    (branch / "next_base").write_bytes(b"")
    broken = LocalStorage().find(str(path))
    assert broken is not None
    broken.append(rows("d", n=numbers(4)))
    with pytest.raises(LakeError):
        broken.commit("cannot be")
    del broken
    with LocalStorage().lock(str(path)):
        found = LocalStorage().find(str(path))
        assert found is not None
        assert (ids(found), found.read("n", np.arange(len(found)))) == (["a", "b"], [1, 2])
        found.append(rows("d", n=numbers(4)))
        found.commit("goes on")
    assert len(deeplake.open_read_only(str(path))) == 3


def test_plain_lakes_are_plain(world: World) -> None:
    """The double holds no Deep Lake object: it is there to keep the port honest."""
    if isinstance(world.storage, PlainStorage):
        assert not hasattr(filled(world), "handle")
