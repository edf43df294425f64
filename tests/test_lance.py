"""Lance datasets beside the contract of all lakes: what is in the folder, who may write there, and runs that die."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest
from support.killed import Killed, moments
from support.lake_shown import found
from support.lakes import BASE, rows
from support.tiny import Clip, command, expected_keys, overrides, write_project

from lakebox import load_config, run
from lakebox.adapters.deep_lake import LocalStorage
from lakebox.adapters.lance_lake import LanceStorage
from lakebox.core.columns import Class, Column
from lakebox.core.facts import ID, ROW_KEY, STATE
from lakebox.core.lake_port import View
from lakebox.core.report import Report
from lakebox.errors import ConfigError, LakeBusy, LakeError

MOMENTS = 12 if os.environ.get("LAKEBOX_EXAMPLES") else 3
CLIPS = (Clip(0, 30), Clip(1, 200, noise=True), Clip(2, 40))
STEPS = ("storage=lance", "pixels=png", "task.commit_assets=1", "task.commit_megabytes=1", "executor.workers=2")
NUMBER = Column("n", "scalar", "int32", key="n")
COLOURS = Column("a.`%/c", "class", "int32", key="c", classes=(Class("k1", "red"), Class("k2", "bläu")))

STRANGE: Mapping[str, Mapping[str, str]] = {
    "a file in it": {"lake/notes.txt": "mine"},
    "it is a file": {"lake": "mine"},
    "Deep Lake": {"lake/_deeplake_log/x": "theirs"},
}


@pytest.mark.parametrize("files", STRANGE.values(), ids=STRANGE.keys())
def test_what_is_not_ours_is_refused_and_untouched(tmp_path: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(LakeError, match="nothing was touched"):
        LanceStorage().find(str(tmp_path / "lake"))
    left = {str(p.relative_to(tmp_path)): p.read_text(encoding="utf-8") for p in tmp_path.rglob("*") if p.is_file()}
    assert left == dict(files)


def test_a_run_that_was_killed_while_it_made_the_dataset_leaves_a_place_for_one(tmp_path: Path) -> None:
    (tmp_path / "_transactions").mkdir()
    (tmp_path / "_transactions" / "0-x.txn").write_bytes(b"")
    assert LanceStorage().find(str(tmp_path)) is None
    LanceStorage().create(str(tmp_path)).arrange(BASE, ())


def test_each_kind_of_dataset_says_which_storage_reads_it(tmp_path: Path) -> None:
    for name, storage in {"lance": LanceStorage(), "deep": LocalStorage()}.items():
        lake = storage.create(str(tmp_path / name))
        lake.arrange(BASE, ())
        lake.commit("made")
    with pytest.raises(LakeError, match="holds a Lance dataset; nothing was touched, say storage=lance"):
        LocalStorage().find(str(tmp_path / "lance"))
    with pytest.raises(LakeError, match="holds a Deep Lake dataset; nothing was touched, say storage=local"):
        LanceStorage().find(str(tmp_path / "deep"))


@pytest.mark.parametrize("path", ["s3://bucket/lake", "mem://x"])
def test_addresses_of_other_storages_are_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="storage=lance keeps datasets in folders"):
        LanceStorage().find(path)


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['lance'] = None\n"
        "from lakebox.adapters.lance_lake import LanceStorage\n"
        "from lakebox.errors import ConfigError\n"
        "try: LanceStorage().create(sys.argv[1])\n"
        "except ConfigError as error: sys.exit(0 if \"pip install 'lakebox[lance]'\" in str(error) else 2)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "lake")], check=False).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_cells_are_read_without_lakebox(tmp_path: Path) -> None:
    """As the README says."""
    path, mask = str(tmp_path), np.arange(24).reshape(4, 6, 1) % 3 == 0
    columns = (COLOURS, Column("m", "mask", "bool", key="m"), Column("b", "box", "float32", key="b"))
    lake = LanceStorage().create(path)
    lake.arrange([*BASE, *columns], ())
    boxes = [np.array([[1, 2, 3, 4.5]], np.float32)]
    lake.append(rows("a", **{COLOURS.name: [np.array([1], np.int32)], "m": [mask], "b": boxes}))
    lake.describe({"project_id": "p", "type": "video", "project_name": "Ü", "sources": []})
    lake.commit("first")
    dataset = lance.dataset(path)
    row = dataset.to_table().to_pylist()[0]
    assert (row["b"], row["a%2E%60%25/c"]) == ([[1, 2, 3, 4.5]], [1])
    assert json.loads(dataset.schema.field("a%2E%60%25/c").metadata[b"class_names"]) == ["red", "bläu"]
    assert json.loads(dataset.schema.metadata[b"labelbox_meta"])["project_name"] == "Ü"
    packed = pa.CompressedInputStream(pa.BufferReader(row["m"]), "zstd").read()
    assert np.array_equal(np.load(io.BytesIO(packed)), mask)


def test_what_waits_is_not_written_and_what_stays_is_not_written_again(tmp_path: Path) -> None:
    lake = LanceStorage().create(str(tmp_path))
    before = files(tmp_path)
    lake.arrange([*BASE, NUMBER], ())
    lake.append(rows("aab", n=np.arange(3, dtype=np.int32)))
    assert files(tmp_path) == before
    lake.commit("first")
    (data,) = files(tmp_path, "data")
    lake.arrange([*BASE, Column("m", "scalar", "int32", key="n")], (), {"n": "m"})
    lake.delete(np.array([0]))
    lake.commit("renamed and removed")
    assert files(tmp_path, "data") == {data}
    lake.update(np.array([0]), {"m": np.array([9], np.int32)})
    lake.commit("updated")
    assert [lance.dataset(str(tmp_path)).to_table()["m"].to_pylist(), len(files(tmp_path, "data"))] == [[9, 2], 2]


def files(folder: Path, part: str = "") -> set[Path]:
    return {path for path in (folder / part).rglob("*") if path.is_file()}


def test_parts_of_which_nothing_is_left_go(tmp_path: Path) -> None:
    """Also together with other changes, and all of them."""
    lake = LanceStorage().create(str(tmp_path))
    lake.arrange([*BASE, NUMBER], ())
    for number, key in enumerate("abcd"):
        lake.append(rows(key * 2, n=np.array([number, number], np.int32)))
        lake.commit(key)
    lake.delete(np.array([0, 1, 2, 4, 5]))
    lake.update(np.array([1]), {"n": np.array([9], np.int32)})
    lake.note({"about": "three of eight"})
    lake.commit("removed")
    dataset = lance.dataset(str(tmp_path))
    dataset.validate()
    assert (dataset.to_table()["n"].to_pylist(), len(dataset.get_fragments())) == ([1, 9, 3], 2)
    lake.delete(np.arange(3))
    lake.arrange(BASE, ["n"])
    lake.commit("all")
    assert len(found(str(tmp_path))) == 0
    lake.append(rows("e"))
    lake.commit("and one")
    assert found(str(tmp_path)).read(ID, np.arange(1)) == ["e"]


def test_a_column_of_others_that_takes_no_nulls_and_a_dataset_that_others_tidy(tmp_path: Path) -> None:
    lake = LanceStorage().create(str(tmp_path))
    lake.arrange([*BASE, NUMBER], ())
    for number, key in enumerate("abc"):
        lake.append(rows(key, n=np.array([number], np.int32)))
        lake.commit(key)
    theirs = lance.dataset(str(tmp_path))
    theirs.add_columns({"who": "'me'", "score": "1.5"})
    theirs.delete("n = 0")
    theirs.optimize.compact_files()
    own = LanceStorage().find(str(tmp_path))
    assert own is not None
    own.append(rows("d", n=np.array([7], np.int32)))
    own.update(np.array([1]), {"n": np.array([8], np.int32)})
    own.delete(np.array([0]))
    own.commit("on")
    table = lance.dataset(str(tmp_path)).to_table().to_pydict()
    assert (table["n"], table["who"], table["score"]) == ([8, 7], ["me", ""], [1.5, 0.0])


def test_a_branch_of_a_dataset_that_was_moved_is_not_read_from_elsewhere(tmp_path: Path) -> None:
    lake = LanceStorage().create(str(tmp_path / "one"))
    lake.arrange([*BASE], ())
    lake.append(rows("a"))
    lake.commit("first")
    lake.fork("labels")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    copied = LanceStorage().find(str(tmp_path / "two"))
    assert copied is not None and copied.read(ID, np.arange(1)) == ["a"]
    with pytest.raises(LakeError, match="was made when the dataset was at"):
        copied.branch("labels")


def test_a_branch_that_was_only_begun_is_made_anew(tmp_path: Path) -> None:
    lake = LanceStorage().create(str(tmp_path))
    lake.arrange([*BASE], ())
    lake.commit("first")
    lake.fork("labels")
    (tmp_path / "_refs" / "branches" / "labels.json").unlink()  # as if killed before this was written
    again = LanceStorage().find(str(tmp_path))
    assert again is not None and again.branch("labels") is None
    assert len(again.fork("labels")) == 0


# ---------------------------------------------------------------------------------------------------------- whole runs


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("lance") / "project", CLIPS)


def synced(project: Path, path: Path, *more: str) -> Report:
    return run(load_config(*overrides(project, path, *STEPS, *more)))


def cells(view: View) -> dict[str, list[Any]]:
    """By column; the state says also which configuration wrote it, and that has a path."""
    names = [column.name for column in view.stored().columns if column.name != STATE]
    return {name: view.read(name, np.arange(len(view))) for name in names}


def same(left: Any, right: Any) -> bool:
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(np.array_equal(left, right))


def test_killed_and_run_again(project: Path, tmp_path: Path) -> None:
    """kill -9 at moments of the time in which a run writes: the next one ends with the same dataset."""
    killed = Killed(project, tmp_path, STEPS)
    duration = killed.duration(tmp_path / "whole")
    wanted = cells(found(str(tmp_path / "whole")))
    delays = {tmp_path / f"lake{i}": delay for i, delay in enumerate(moments(MOMENTS, 5, 0.9 * duration))}
    hits = killed.runs(delays)
    for path, delay in delays.items():
        where = f"killed {delay:.3f} s into {duration:.3f} s"
        assert synced(project, path).ok, where
        lake = found(str(path))
        assert lake.read(ROW_KEY, np.arange(len(lake))) == expected_keys(*CLIPS), where
        own = cells(lake)
        assert own.keys() == wanted.keys()
        assert [name for name, values in own.items() if not same(values, wanted[name])] == [], where
        assert synced(project, path).assets["unchanged"] == len(CLIPS), where
    assert hits, "no run was still there to be killed"


def test_what_a_run_says_to_go_on_with_works(project: Path, tmp_path: Path) -> None:
    done = command(*overrides(project, Path("lake"), "storage=lance", "provider=branch"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = {line[:7]: line[7:].strip() for line in done.stdout.splitlines()}
    reading = [sys.executable, "-c", f"import lance; print({said['open it']}.count_rows())"]
    read = subprocess.run(reading, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(read.stdout) == sum(clip.frames for clip in CLIPS)
    shown = command(*said["see it "].split()[1:], "preview.out=page.html", cwd=tmp_path)
    assert shown.returncode == 0 and (tmp_path / "page.html").exists(), (said, shown.stderr)


def test_tasks_of_versions(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "lake"
    own = ("storage=lance", f"path={path}")
    assert run(load_config(*overrides(project, path, *STEPS), "task=create", "tag=media")).ok
    assert run(load_config(*overrides(project, path, *STEPS), "task=annotate", "tag=labels")).ok
    assert synced(project, path).plan == f"nothing to do, {len(CLIPS)} unchanged"
    versions = run(load_config("task=history", *own)).versions
    assert versions[0]["tags"] == ["labels"] and versions[-1]["message"] == "created"
    assert [one["tags"] for one in versions].count(["media"]) == 1
    assert run(load_config("task=diff", "task.from_version=media", *own)).changes
    assert run(load_config("task=revert", "task.to=media", *own)).ok
    assert run(load_config("task=diff", "task.from_version=media", *own)).changes == []
    page = tmp_path / "page.html"
    assert run(load_config("task=preview", f"preview.out={page}", *own)).ok and page.exists()
    assert run(load_config("task=explain", "task.row=0", *own)).ok
    with LanceStorage().lock(str(path)), pytest.raises(LakeBusy):
        synced(project, path)


def test_joining_into_a_dataset_is_deep_lakes(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "lake"
    assert synced(project, path, "provider=separate").ok
    config = ["task=join", "storage=lance", f"path={path}", "provider=separate", f"task.out={tmp_path / 'joined'}"]
    with pytest.raises(ConfigError, match=r"task\.out: only Deep Lake"):
        run(load_config(*config))
    assert not (tmp_path / "joined").exists()
