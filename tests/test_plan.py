"""The plan: what is added, relabelled, dropped and kept; and that applying it leaves nothing to do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebox.core.columns import Class, Column
from lakebox.core.facts import read_state, state_cell
from lakebox.core.lake_port import Stored, StoredAsset
from lakebox.core.model import Asset, Facts, Media
from lakebox.core.plan import Plan, column_changes, copies, make_plan, with_columns

Stamps = dict[str, tuple[str, str]]
"""Data row id -> media stamp, labels stamp."""


def wanted(stamps: Stamps) -> list[Asset]:
    media = Media("video", 4, 4, 2, 10.0)
    return [Asset(key, key, "u", media, Facts(), "", m, labels, 0) for key, (m, labels) in stamps.items()]


def stored(stamps: Stamps, complete: bool = True) -> list[StoredAsset]:
    rows = [np.arange(2) + 2 * i for i in range(len(stamps))]
    return [StoredAsset(key, m, labels, rows[i], i, complete) for i, (key, (m, labels)) in enumerate(stamps.items())]


def ids(plan: Plan) -> dict[str, list[str]]:
    found = {
        "add": [asset.id for asset, _ in plan.add],
        "relabel": [asset.id for asset, _ in plan.relabel],
        "drop": [asset.id for asset in plan.drop],
        "keep": list(plan.keep),
        "unfinished": [asset.id for asset in plan.unfinished],
    }
    return {key: value for key, value in found.items() if value}


@pytest.mark.parametrize(
    ("want", "have", "expected", "sentence"),
    [
        ({}, {}, {}, "nothing to do, 0 unchanged"),
        ({"a": ("m", "l")}, {}, {"add": ["a"]}, "1 to add, 0 to relabel, 0 to drop, 0 unchanged"),
        ({"a": ("m", "l")}, {"a": ("m", "l")}, {"keep": ["a"]}, "nothing to do, 1 unchanged"),
        ({"a": ("m", "l2")}, {"a": ("m", "l")}, {"relabel": ["a"]}, "0 to add, 1 to relabel, 0 to drop, 0 unchanged"),
        (
            {"a": ("m2", "l")},
            {"a": ("m", "l")},
            {"add": ["a"]},
            "1 to add (1 in place of changed media), 0 to relabel, 0 to drop, 0 unchanged",
        ),
        ({}, {"a": ("m", "l")}, {"drop": ["a"]}, "0 to add, 0 to relabel, 1 to drop, 0 unchanged"),
    ],
    ids=["nothing", "new", "same", "other labels", "other media", "gone"],
)
def test_table(want: Stamps, have: Stamps, expected: dict[str, list[str]], sentence: str) -> None:
    plan = make_plan(wanted(want), stored(have), ())
    assert (ids(plan), str(plan)) == (expected, sentence)
    assert plan.empty is not bool(expected.keys() - {"keep"})


def test_changed_media_name_the_copy_that_they_replace() -> None:
    old = stored({"a": ("m", "l")})
    ((_, replaced),) = make_plan(wanted({"a": ("m2", "l2")}), old, ()).add
    assert replaced is old[0]


@pytest.mark.parametrize(("untouchable", "dropped"), [((), ["a", "b"]), (("a",), ["b"]), (("a", "b"), []), (None, [])])
def test_nothing_is_dropped_that_merely_could_not_be_read(
    untouchable: tuple[str, ...] | None, dropped: list[str]
) -> None:
    plan = make_plan([], stored({"a": ("m", "l"), "b": ("m", "l")}), untouchable)
    assert [asset.id for asset in plan.drop] == dropped
    assert plan.empty is (not dropped)


def test_unfinished_copies_count_for_nothing_and_are_cleared() -> None:
    plan = make_plan(wanted({"a": ("m", "l")}), stored({"a": ("m", "l")}, complete=False), ())
    assert ids(plan) == {"add": ["a"], "unfinished": ["a"]}
    assert plan.add[0][1] is None


def test_unfinished_copies_of_unreadable_rows_are_cleared_too() -> None:
    assert ids(make_plan([], stored({"a": ("", "")}, complete=False), None)) == {"unfinished": ["a"]}


def test_of_two_finished_copies_the_last_counts() -> None:
    first, last = [*stored({"a": ("m", "l")}), *stored({"a": ("m2", "l")})]
    plan = make_plan(wanted({"a": ("m2", "l")}), [first, last], ())
    assert ids(plan) == {"keep": ["a"], "unfinished": ["a"]}
    assert plan.unfinished[0] is first


STAMP = st.tuples(st.sampled_from("mn"), st.sampled_from("lk"))
PROJECT = st.dictionaries(st.sampled_from("abcde"), STAMP)
COPIES = st.lists(st.tuples(st.sampled_from("abcdef"), STAMP, st.booleans()), max_size=8)


def applied(plan: Plan, have: list[StoredAsset]) -> list[StoredAsset]:
    """What a lake holds after the plan: the slow, obvious way."""
    gone = {id(copy) for copy in (*plan.drop, *plan.unfinished)} | {id(old) for _, old in plan.add if old}
    new = {asset.id: asset.labels_stamp for asset, _ in plan.relabel}
    kept = [
        StoredAsset(c.id, c.media_stamp, new.get(c.id, c.labels_stamp), c.rows, c.index, c.complete)
        for c in have
        if id(c) not in gone
    ]
    added = [StoredAsset(a.id, a.media_stamp, a.labels_stamp, np.arange(2), 0, True) for a, _ in plan.add]
    return kept + added


@given(PROJECT, COPIES)
def test_applying_a_plan_reaches_what_is_wanted_and_leaves_nothing_to_do(
    want: Stamps, have: list[tuple[str, tuple[str, str], bool]]
) -> None:
    before = [StoredAsset(key, m, labels, np.arange(2), i, done) for i, (key, (m, labels), done) in enumerate(have)]
    after = applied(make_plan(wanted(want), before, ()), before)
    assert {copy.id: (copy.media_stamp, copy.labels_stamp) for copy in after} == want
    assert len(after) == len(want)
    second = make_plan(wanted(want), after, ())
    assert second.empty
    assert len(second.keep) == len(want)


@given(PROJECT, COPIES, st.sets(st.sampled_from("abcdef")))
def test_every_wanted_asset_is_in_one_place_and_untouchables_stay(
    want: Stamps, have: list[tuple[str, tuple[str, str], bool]], untouchable: set[str]
) -> None:
    before = [StoredAsset(key, m, labels, np.arange(2), i, done) for i, (key, (m, labels), done) in enumerate(have)]
    plan = make_plan(wanted(want), before, untouchable)
    planned = [a.id for a, _ in plan.add] + [a.id for a, _ in plan.relabel] + list(plan.keep)
    assert sorted(planned) == sorted(want)
    assert not {copy.id for copy in plan.drop} & (untouchable | set(want))


BOX, MASK = Column("box", "box", "float32", key="b"), Column("mask", "mask", "bool", key="m")
OURS = Column("lb_meta/id", "text", key="lakebox:lb_meta/id")


@pytest.mark.parametrize(
    ("want", "have", "add", "remove"),
    [
        ([BOX], [OURS], ["box"], []),
        ([BOX], [OURS, BOX], [], []),
        ([], [OURS, BOX], [], ["box"]),
        ([Column("box", "box", "int32", key="b")], [OURS, BOX], ["box"], ["box"]),
        ([BOX, MASK], [BOX], ["mask"], []),
    ],
    ids=["new", "same", "left", "other dtype", "one more"],
)
def test_columns(want: list[Column], have: list[Column], add: list[str], remove: list[str]) -> None:
    state = Stored(columns=tuple(have), foreign=("theirs",))
    assert column_changes(want, state, {OURS.name}) == (add, remove)
    plan = with_columns(Plan(), want, state, {OURS.name})
    assert plan.empty is (not add and not remove)
    assert all(name in str(plan) for name in remove)


def test_new_class_names_alone_are_no_change_of_columns() -> None:
    old = Column("c", "class", "int32", key="c", classes=(Class("r", "red"),))
    new = Column("c", "class", "int32", key="c", classes=(Class("r", "crimson"), Class("b", "blue")))
    assert column_changes([new], Stored(columns=(old,)), ()) == ([], [])


@pytest.mark.parametrize(
    ("rows", "states", "expected"),
    [
        ("", {}, []),
        ("aabb", {1: 2, 3: 2}, [("a", 2, 2), ("b", 2, 2)]),
        ("aabb", {3: 2}, [("a", 2, None), ("b", 2, 2)]),
        ("aaaa", {1: 2, 3: 2}, [("a", 2, 2), ("a", 2, 2)]),
        ("aaa", {1: 2}, [("a", 2, 2), ("a", 1, None)]),
        ("aba", {0: 1, 1: 1, 2: 1}, [("a", 1, 1), ("b", 1, 1), ("a", 1, 1)]),
        ("aaaaa", {4: 3}, [("a", 2, None), ("a", 3, 3)]),  # finished behind what an interrupted run left
        ("baa", {2: 3}, [("b", 1, None), ("a", 2, 3)]),  # rows of it were deleted: it does not reach into its neighbour
    ],
)
def test_copies(rows: str, states: dict[int, int], expected: list[tuple[str, int, int | None]]) -> None:
    """`states`: row -> how many rows the data row that ends there had when it was written."""
    found = copies(list(rows), {row: state_cell("m", "l", count) for row, count in states.items()})
    assert [(key, len(n), read_state(text)["rows"] if text else None) for key, n, text in found] == expected
    assert np.concatenate([np.zeros(0), *(numbers for _, numbers, _ in found)]).tolist() == list(range(len(rows)))
