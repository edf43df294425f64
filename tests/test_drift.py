"""The ontology or the mapping changed: what is stored keeps its meaning, and people read today's names."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import deeplake
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.live import Live, fetched, sdk, video_annotations, video_project
from support.tiny import (
    Json,
    annotations_of,
    class_names,
    column,
    columns,
    command,
    delete_object,
    differences,
    edited,
    edited_ontology,
    history,
    overrides,
    picked,
    question,
    read_cells,
    remove_files,
    sync,
    thing,
)

from lakebox.core.drift import Difference, Drift, recalled, remembered, united
from lakebox.core.drift import differences as drifted
from lakebox.core.model import Ontology, Option, Question, Tool
from lakebox.core.report import Report
from lakebox.errors import ConfigError, DriftError

pytest_plugins = ["support.tiny_fixtures", "support.labelbox_fixtures", "support.live_fixtures"]

STATE = "lb_meta/state"

# ------------------------------------------------------------------------ values

names = st.text(max_size=6)
ids = st.text("abcdef", min_size=1, max_size=2)


def _unique(items: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=3, unique_by=lambda item: item.key).map(tuple)


def _question(options: st.SearchStrategy[Any]) -> st.SearchStrategy[Question]:
    return st.builds(
        Question, ids, st.sampled_from(["radio", "checklist", "text"]), names, _unique(options), st.booleans()
    )


leaves = st.builds(Option, ids, names, names, archived=st.booleans())
nested = st.builds(Option, ids, names, names, _unique(_question(leaves)), st.booleans())
questions = _question(nested)
tools = st.builds(
    Tool, ids, st.sampled_from(["rectangle", "point", "superpixel"]), names, _unique(questions), st.booleans()
)
ontologies = st.builds(Ontology, _unique(tools), _unique(questions), names, st.booleans())


@given(ontologies)
def test_a_dataset_recalls_the_ontology_that_it_was_told(ontology: Ontology) -> None:
    assert recalled(remembered(ontology)) == ontology


def test_a_dataset_that_was_told_nothing_recalls_nothing() -> None:
    assert recalled("") == Ontology()
    assert drifted(Ontology(), Ontology((CAR,))) == []


@given(ontologies)
def test_what_did_not_change_is_no_difference(ontology: Ontology) -> None:
    assert drifted(ontology, ontology) == []
    same = united(ontology, ontology, None)
    assert [one.key for one in same.tools] == [one.key for one in ontology.tools]


@settings(max_examples=40)
@given(ontologies, ontologies)
def test_a_second_run_finds_no_difference(before: Ontology, now: Ontology) -> None:
    """Whatever happened between two runs, it is brought in once."""
    once = united(before, now, now)
    assert united(once, now, now) == once
    assert drifted(once, united(once, now, now)) == []


@settings(max_examples=40)
@given(ontologies, ontologies)
def test_no_option_that_cells_may_point_to_gets_lost(before: Ontology, now: Ontology) -> None:
    both = united(before, now, now)
    old = {one.key: one for one in before.questions}
    for one in both.questions:
        if one.key in old:
            assert {option.key for option in old[one.key].options} <= {option.key for option in one.options}


COLOUR = Question("q1", "radio", "Colour", (Option("o1", "red", "Red"), Option("o2", "blue", "Blue")))
CAR = Tool("t1", "rectangle", "Car", (COLOUR,))
LANE = Tool("t2", "polygon", "Lane")
BEFORE = Ontology((CAR, LANE), (Question("q2", "radio", "Weather", (Option("o3", "sun", "Sun"),)),))


def _with_colour(**changes: Any) -> Ontology:
    return replace(BEFORE, tools=(replace(CAR, questions=(replace(COLOUR, **changes),)), LANE))


GREEN = Option("o9", "green", "Green", (Question("q9", "text", "Shade"),))


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (replace(BEFORE, tools=(*BEFORE.tools, Tool("t3", "point", "Ball"))), [("added", "new tool 'Ball'")]),
        (replace(BEFORE, tools=(replace(CAR, name="Auto"), LANE)), [("renamed", "tool 'Car' is named 'Auto' now")]),
        (replace(BEFORE, tools=(CAR,)), [("archived", "tool 'Lane' archived")]),
        (replace(BEFORE, tools=(LANE, CAR)), []),
        (replace(BEFORE, questions=()), [("archived", "question 'Weather' archived"),
                                         ("archived", "option 'Weather' / 'sun' archived")]),
        (_with_colour(name="Paint"), [("renamed", "question 'Car' / 'Colour' is named 'Paint' now")]),
        (_with_colour(options=(*COLOUR.options, GREEN)), [("added", "new option 'Car' / 'Colour' / 'green'")]),
        (_with_colour(options=COLOUR.options[1:]), [("archived", "option 'Car' / 'Colour' / 'red' archived")]),
        (_with_colour(options=(COLOUR.options[0], replace(COLOUR.options[1], value="navy"))),
         [("renamed", "option 'Car' / 'Colour' / 'blue' is named 'navy' now")]),
        (_with_colour(options=(replace(COLOUR.options[0], questions=GREEN.questions), COLOUR.options[1])),
         [("added", "new question 'Car' / 'Colour' / 'red' / 'Shade'")]),
        (replace(BEFORE, tools=(replace(CAR, name="Lane"), replace(LANE, name="Car"))),
         [("renamed", "tool 'Car' is named 'Lane' now"), ("renamed", "tool 'Lane' is named 'Car' now")]),
        (replace(BEFORE, tools=(CAR, replace(LANE, key="t7"))),
         [("added", "new tool 'Lane'"), ("archived", "tool 'Lane' made way for a new one of that name")]),
    ],
)  # fmt: skip
def test_differences_are_said_in_words(now: Ontology, said: list[tuple[str, str]]) -> None:
    found = drifted(BEFORE, united(BEFORE, now, now))
    assert [(one.kind, one.text) for one in found] == said


def test_what_is_archived_can_come_back() -> None:
    without = united(BEFORE, replace(BEFORE, tools=(CAR,)), replace(BEFORE, tools=(CAR,)))
    assert [(tool.name, tool.archived) for tool in without.tools] == [("Car", False), ("Lane", True)]
    again = united(without, BEFORE, BEFORE)
    assert not any(tool.archived for tool in again.tools)
    assert [one.text for one in drifted(without, again)] == ["tool 'Lane' is back"]


def test_what_is_below_an_archived_feature_is_archived() -> None:
    given = replace(BEFORE, tools=(LANE,))
    (_, car) = united(BEFORE, given, given).tools
    assert car.archived and car.questions[0].archived and all(option.archived for option in car.questions[0].options)


def test_without_a_given_ontology_nothing_is_archived() -> None:
    """A label that is gone says nothing of whether its tool is."""
    derived = Ontology((CAR,))
    both = united(BEFORE, derived, None)
    assert {tool.name: tool.archived for tool in both.tools} == {"Car": False, "Lane": False}
    assert drifted(BEFORE, both) == []


def test_what_was_archived_stays_so_when_nobody_gives_the_ontology() -> None:
    archived = replace(BEFORE, tools=(CAR, replace(LANE, archived=True)))
    assert united(archived, Ontology((CAR,)), None).tools[1].archived


def test_a_feature_in_use_that_is_not_listed_is_archived_from_the_start() -> None:
    now = replace(BEFORE, tools=(*BEFORE.tools, Tool("t8", "point", "Old")))
    found = drifted(BEFORE, united(BEFORE, now, BEFORE))
    assert [one.text for one in found] == ["new tool 'Old' (archived)"]


def test_options_of_one_value_are_two_options() -> None:
    """An option made anew under its old name has an index of its own: cells point to the old one."""
    anew = _with_colour(options=(replace(COLOUR.options[0], key="o7"), COLOUR.options[1]))
    (car, _) = united(BEFORE, anew, anew).tools
    assert [(o.key, o.archived) for o in car.questions[0].options] == [("o7", False), ("o2", False), ("o1", True)]


@pytest.mark.parametrize(
    "now",
    [
        replace(BEFORE, tools=(replace(CAR, kind="polygon"), LANE)),
        _with_colour(kind="checklist"),
    ],
)
def test_another_kind_is_an_error(now: Ontology) -> None:
    with pytest.raises(DriftError, match=r"schema id (t1|q1).*was of kind (rectangle|radio) and is.*another path"):
        drifted(BEFORE, united(BEFORE, now, now))


def test_both_names_of_masks_are_one_kind() -> None:
    old, new = (Ontology((Tool("m", kind, "Road"),)) for kind in ("superpixel", "raster-segmentation"))
    assert drifted(old, united(old, new, new)) == []


@pytest.mark.parametrize("kind", ["added", "renamed", "archived", "mapping"])
def test_each_kind_can_be_refused_alone(kind: Any) -> None:
    every: list[Any] = ["added", "renamed", "archived", "mapping"]
    found = [Difference(one, f"<{one}>") for one in every]
    assert Drift(**{kind: "fail"}).refused(found) == [f"<{kind}>"]
    assert Drift().refused(found) == []


# ------------------------------------------------------------------------ whole runs


def weather(ontology: Json) -> Json:
    node: Json = next(node for node in ontology["classifications"] if node["name"] == "Weather")
    return node


def tool(ontology: Json, name: str) -> Json:
    node: Json = next(node for node in ontology["tools"] if node["name"] == name)
    return node


def rename_everywhere(node: Any, schema: str, name: str) -> None:
    """Labelbox exports the names of today."""
    if isinstance(node, dict):
        if node.get("feature_schema_id") == schema:
            node |= {"name": name, "value": name.lower()}
        for child in node.values():
            rename_everywhere(child, schema, name)
    if isinstance(node, list):
        for child in node:
            rename_everywhere(child, schema, name)


def rename_tool(project: Path, name: str, new: str) -> None:
    with edited_ontology(project) as ontology:
        tool(ontology, name)["name"] = new
    with edited(project) as rows:
        rename_everywhere(rows, f"schema-{name}", new)


def described(lake: Path, name: str) -> Json:
    dataset = deeplake.open_read_only(str(lake))
    found: Json = json.loads(dict(dataset[name].metadata)["lakebox"])
    return found


def assert_nothing_left(project: Path, lake: Path) -> None:
    """The next run does nothing, and needs no file."""
    for folder in ("media", "masks"):
        shutil.rmtree(project / folder, ignore_errors=True)
    versions = history(lake)
    report = sync(project, lake)
    assert (report.ok, report.plan) == (True, "nothing to do, 3 unchanged")
    assert history(lake) == versions


def only_renamed(lake: Path, before: dict[str, dict[str, Any]], renames: dict[str, str]) -> None:
    """The cells are the old ones under the new names."""
    expected = {key: {renames.get(name, name): cell for name, cell in row.items()} for key, row in before.items()}
    assert differences(expected, read_cells(lake)) == set()


def test_an_option_in_the_middle_renumbers_nothing(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    with edited_ontology(project) as ontology:
        weather(ontology)["options"].insert(1, question("x", ["dusk"])["options"][0])
    remove_files(project)
    report = sync(project, lake)
    assert report.ok and "new option 'Weather' / 'dusk'" in report.plan
    assert (report.assets["relabelled"], report.assets["unchanged"]) == (0, 3)
    assert class_names(lake, "Weather") == ["sun", "rain", "fog", "dusk"]
    assert differences(before, read_cells(lake)) == set()
    assert_nothing_left(project, lake)


def test_a_renamed_option_keeps_its_index_and_no_cell_is_written(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    deeplake.open(str(lake)).tag("before")
    with edited_ontology(project) as ontology:
        weather(ontology)["options"][0] |= {"label": "Sonne", "value": "sonne"}
    with edited(project) as rows:
        rename_everywhere(rows, "schema-sun", "sonne")
    remove_files(project)
    report = sync(project, lake)
    assert report.ok, report.failures
    assert "option 'Weather' / 'sun' is named 'sonne' now" in report.plan
    assert (report.assets["unchanged"], report.media["fetched"], report.masks["fetched"]) == (3, 0, 0)
    assert class_names(lake, "Weather") == ["sonne", "rain", "fog"]
    assert differences(before, read_cells(lake)) == set()
    root = deeplake.open_read_only(str(lake))
    assert list(dict(root.tags["before"].open()["Weather"].metadata)["class_names"]) == ["sun", "rain", "fog"]
    assert_nothing_left(project, lake)


def test_a_renamed_option_that_changed_a_label_too(project: Path, lake: Path) -> None:
    with edited_ontology(project) as ontology:
        weather(ontology)["options"][0] |= {"label": "Sonne", "value": "sonne"}
    with edited(project) as rows:
        rename_everywhere(rows, "schema-sun", "sonne")
        answer = annotations_of(rows[0])["frames"]["7"]["classifications"][0]
        answer["radio_answer"] = {**picked("sun", "weather0"), "name": "sonne", "value": "sonne"}
    report = sync(project, lake)
    assert (report.ok, report.assets["relabelled"], report.assets["unchanged"]) == (True, 1, 2)
    assert [int(cell[0]) for cell in column(lake, "Weather")[:12]] == [0] * 12


def test_a_renamed_option_of_an_ontology_without_ids_is_another_option(project: Path, tmp_path: Path) -> None:
    """There names alone say what was answered, whatever ids the export has: cells have to follow them."""
    lake = tmp_path / "lake"
    with edited_ontology(project) as ontology:
        for one in weather(ontology)["options"]:
            del one["featureSchemaId"]
    assert sync(project, lake).ok
    with edited_ontology(project) as ontology:
        weather(ontology)["options"][1] |= {"label": "Drizzle", "value": "drizzle"}
    with edited(project) as rows:
        rename_everywhere(rows, "schema-rain", "drizzle")
    assert sync(project, lake).assets["relabelled"] == 3
    assert class_names(lake, "Weather") == ["sun", "rain", "fog", "drizzle"]
    assert [int(cell[0]) for cell in column(lake, "Weather")[:12]] == [0] * 6 + [3] * 6


def test_a_new_tool_is_filled_from_the_labels_that_use_it(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    with edited_ontology(project) as ontology:
        ontology["tools"].insert(1, {"tool": "point", "name": "Ball", "featureSchemaId": "schema-Ball"})
    with edited(project) as rows:
        ball = thing("ball", "Ball", "VideoPoint", point={"x": 1.5, "y": 2.5})
        annotations_of(rows[1])["frames"]["1"]["objects"]["ball"] = ball
    shutil.rmtree(project / "media")
    report = sync(project, lake)
    assert report.ok and "new tool 'Ball'" in report.plan
    assert {name for _, name in differences(before, read_cells(lake))} == {
        "Ball", "Ball_tracks", "Ball_keyframes", STATE,
    }  # fmt: skip
    assert column(lake, "Ball")[12].tolist() == [[1.5, 2.5]]
    assert column(lake, "Ball")[0].shape == (0, 2)
    assert_nothing_left(project, lake)


def test_a_renamed_tool_renames_its_columns_and_fetches_nothing(project: Path, lake: Path) -> None:
    before, others = read_cells(lake), set(columns(lake))
    deeplake.open(str(lake)).tag("before")
    rename_tool(project, "Road", "Straße")
    remove_files(project)
    report = sync(project, lake)
    assert report.ok, report.failures
    assert "columns to rename: Road to Straße" in report.plan and "tool 'Road' is named 'Straße' now" in report.plan
    assert (report.assets["unchanged"], report.assets["relabelled"], report.masks["fetched"]) == (3, 0, 0)
    renames = {f"Road{part}": f"Straße{part}" for part in ("", "_tracks", "_keyframes")}
    only_renamed(lake, before, renames)
    assert set(columns(lake)) == (others - set(renames)) | set(renames.values())
    root = deeplake.open_read_only(str(lake))
    then = root.tags["before"].open()
    assert then["Road"][2].shape[2] == 1 and "Straße" not in {item.name for item in then.schema.columns}
    assert_nothing_left(project, lake)


def test_columns_of_nested_answers_follow_their_tool(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    rename_tool(project, "Car", "Auto")
    remove_files(project)
    assert sync(project, lake).ok
    own = {"Car/Car": "Auto/Auto", "Car/Car_tracks": "Auto/Auto_tracks", "Car/Car_keyframes": "Auto/Auto_keyframes"}
    only_renamed(lake, before, {**own, "Car/Colour": "Auto/Colour"})
    assert class_names(lake, "Auto/Colour") == ["red", "green", "blue"]
    assert_nothing_left(project, lake)


def test_two_tools_change_names_with_each_other(project: Path, lake: Path) -> None:
    """Boxes of walkers and outlines of lanes: cells stay with what was drawn, names go."""
    before = read_cells(lake)
    rename_tool(project, "Walker", "x")
    with edited_ontology(project) as ontology:
        tool(ontology, "Lane")["name"] = "Walker"
        tool(ontology, "x")["name"] = "Lane"
    with edited(project) as rows:
        rename_everywhere(rows, "schema-Walker", "Lane")
        rename_everywhere(rows, "schema-Lane", "Walker")
    remove_files(project)
    report = sync(project, lake)
    assert report.ok and report.assets["unchanged"] == 3
    swapped = {f"{a}{part}": f"{b}{part}" for part in ("", "_tracks", "_keyframes")
               for a, b in (("Walker", "Lane"), ("Lane", "Walker"))}  # fmt: skip
    only_renamed(lake, before, swapped)
    assert_nothing_left(project, lake)


def test_an_archived_tool_keeps_its_columns_and_comes_back(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    with edited_ontology(project) as ontology:
        walker = tool(ontology, "Walker")
        ontology["tools"].remove(walker)
    with edited(project) as rows:
        for row in rows:
            delete_object(row, f"walker{row['data_row']['id'][-1]}")
    shutil.rmtree(project / "media")
    report = sync(project, lake)
    assert report.ok and "tool 'Walker' archived" in report.plan
    assert described(lake, "Walker")["archived"] and described(lake, "Walker_tracks")["archived"]
    assert {cell.shape for cell in column(lake, "Walker")} == {(0, 4)}
    assert set(columns(lake)) == set(next(iter(before.values())))
    versions = history(lake)
    assert sync(project, lake).plan == "nothing to do, 3 unchanged"
    assert history(lake) == versions
    with edited_ontology(project) as ontology:
        ontology["tools"].append(walker)
    shutil.rmtree(project / "masks")
    report = sync(project, lake)
    assert report.ok and "tool 'Walker' is back" in report.plan
    assert "archived" not in described(lake, "Walker")
    assert sync(project, lake).plan == "nothing to do, 3 unchanged"


def test_an_archived_tool_that_labels_still_use_keeps_its_cells(project: Path, lake: Path) -> None:
    before = read_cells(lake)
    with edited_ontology(project) as ontology:
        ontology["tools"].remove(tool(ontology, "Walker"))
        ontology["classifications"].remove(weather(ontology))
    remove_files(project)
    report = sync(project, lake)
    assert report.ok and report.assets["unchanged"] == 3
    assert described(lake, "Walker")["archived"] and described(lake, "Weather")["archived"]
    assert differences(before, read_cells(lake)) == set()
    assert_nothing_left(project, lake)


def test_the_order_of_tools_and_questions_does_not_matter(project: Path, lake: Path) -> None:
    with edited_ontology(project) as ontology:
        ontology["tools"].reverse()
        ontology["classifications"].reverse()
        weather(ontology)["options"].reverse()
    assert_nothing_left(project, lake)


def test_a_tool_made_anew_under_its_old_name_takes_the_column(project: Path, lake: Path) -> None:
    with edited_ontology(project) as ontology:
        tool(ontology, "Walker")["featureSchemaId"] = "schema-again"
    with edited(project) as rows:
        for row in rows:
            delete_object(row, f"walker{row['data_row']['id'][-1]}")
        node = thing("again", "Walker", "VideoBoundingBox", bounding_box={"left": 1, "top": 2, "width": 3, "height": 4})
        annotations_of(rows[0])["frames"]["1"]["objects"]["again"] = {**node, "feature_schema_id": "schema-again"}
    report = sync(project, lake)
    assert report.ok and "made way for a new one of that name" in report.plan
    cells = column(lake, "Walker")
    assert np.asarray(cells[0]).tolist() == [[1, 2, 3, 4]]
    assert {cell.shape for cell in cells[1:]} == {(0, 4)}
    assert [name for name in columns(lake) if name.startswith("Walker")] != []
    assert not [name for name in columns(lake) if name.startswith("Walker (")]
    assert_nothing_left(project, lake)


def test_without_an_ontology_file_a_tool_that_nobody_uses_any_more_is_not_archived(
    project: Path, tmp_path: Path
) -> None:
    lake, derived = tmp_path / "derived", ("source.ontology=null",)
    assert sync(project, lake, *derived).ok
    with edited(project) as rows:
        for row in rows:
            delete_object(row, f"walker{row['data_row']['id'][-1]}")
    report = sync(project, lake, *derived)
    assert report.ok and "archived" not in report.plan
    assert "archived" not in described(lake, "Walker")
    assert {cell.shape for cell in column(lake, "Walker")} == {(0, 4)}


@pytest.mark.parametrize("task", ["sync", "annotate", "create", "plan"])
def test_another_kind_under_the_same_id_touches_nothing(project: Path, lake: Path, tmp_path: Path, task: str) -> None:
    before, versions = read_cells(lake), history(lake)
    with edited_ontology(project) as ontology:
        tool(ontology, "Walker")["tool"] = "polygon"
    done = command(*overrides(project, lake, f"task={task}"), cwd=tmp_path)
    if task == "create":  # it writes media only
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1, done.stderr
        for word in ("Walker", "schema-Walker", "rectangle", "polygon", "another path"):
            assert word in done.stderr
        assert "Traceback" not in done.stderr
    assert (history(lake), differences(before, read_cells(lake))) == (versions, set())


def test_another_mapping_rewrites_the_columns_and_fetches_no_media(project: Path, lake: Path) -> None:
    shutil.rmtree(project / "media")
    report = sync(project, lake, "mapping=by_kind")
    assert report.ok and "the mapping changed in the configuration" in report.plan
    assert (report.assets["relabelled"], report.media["fetched"]) == (3, 0)
    assert {"boxes/boxes", "boxes/Colour"} <= set(columns(lake)) and "Car/Car" not in columns(lake)
    versions = history(lake)
    assert sync(project, lake, "mapping=by_kind").plan == "nothing to do, 3 unchanged"
    assert history(lake) == versions


# ------------------------------------------------------------------------ drift=fail


def _add(project: Path) -> list[str]:
    with edited_ontology(project) as ontology:
        ontology["tools"].append({"tool": "point", "name": "Ball", "featureSchemaId": "schema-Ball"})
        weather(ontology)["options"].append(question("x", ["dusk"])["options"][0])
    return ["new tool 'Ball'", "new option 'Weather' / 'dusk'"]


def _rename(project: Path) -> list[str]:
    rename_tool(project, "Road", "Street")
    rename_tool(project, "Lane", "Track")
    return ["tool 'Road' is named 'Street' now", "tool 'Lane' is named 'Track' now"]


def _archive(project: Path) -> list[str]:
    with edited_ontology(project) as ontology:
        ontology["tools"].remove(tool(ontology, "Walker"))
        ontology["tools"].remove(tool(ontology, "Lane"))
    return ["tool 'Walker' archived", "tool 'Lane' archived"]


def _map(project: Path) -> list[str]:
    return ["the mapping changed in the configuration"]


@pytest.mark.parametrize(
    ("kind", "change", "more"),
    [
        ("added", _add, ()),
        ("renamed", _rename, ()),
        ("archived", _archive, ()),
        ("mapping", _map, ("mapping=by_kind",)),
    ],
)
def test_drift_is_refused_where_that_is_wanted(
    project: Path, lake: Path, tmp_path: Path, kind: str, change: Callable[[Path], list[str]], more: tuple[str, ...]
) -> None:
    before, versions = read_cells(lake), history(lake)
    said = change(project)
    done = command(*overrides(project, lake, "drift=fail", *more), cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    for text in (*said, "nothing was touched", "drift=follow"):
        assert text in done.stderr
    with pytest.raises(DriftError):
        sync(project, lake, f"drift.{kind}=fail", *more)
    assert (history(lake), differences(before, read_cells(lake))) == (versions, set())
    plan = sync(project, lake, "task=plan", "drift=fail", *more)
    assert all(text in plan.plan for text in said)
    assert [text for text in plan.warnings if "a sync would refuse" in text and any(one in text for one in said)]
    others = [f"drift.{other}=fail" for other in ("added", "renamed", "archived", "mapping") if other != kind]
    followed: Report = sync(project, lake, *others, *more)
    assert followed.ok and followed.plan == plan.plan


def test_an_unknown_drift_choice_is_a_configuration_error(project: Path, lake: Path) -> None:
    with pytest.raises(ConfigError, match=r"drift\.renamed.*follow.*fail"):
        sync(project, lake, "drift.renamed=perhaps")


@pytest.mark.parametrize("provider", ["branch", "separate"])
def test_renamed_columns_where_annotations_are_apart(project: Path, tmp_path: Path, provider: str) -> None:
    lake = tmp_path / "lake"
    assert sync(project, lake, f"provider={provider}").ok
    rename_tool(project, "Road", "Street")
    remove_files(project)
    report = sync(project, lake, f"provider={provider}")
    assert report.ok and "columns to rename: Road to Street" in report.plan
    where = f"{lake}@labelbox" if provider == "branch" else f"{lake}_annotations"
    assert column(where, "Street")[2].shape[2] == 1 and "Road" not in columns(where)
    assert "Street" not in columns(lake)
    assert sync(project, lake, f"provider={provider}").plan == "nothing to do, 3 unchanged"


# ------------------------------------------------------------------------ a live service


def schema_ids(node: Any) -> dict[str, str]:
    """Name or value of a feature -> its schema id."""
    if isinstance(node, list):
        return {name: uid for child in node for name, uid in schema_ids(child).items()}
    if not isinstance(node, dict):
        return {}
    below = {name: uid for child in node.values() for name, uid in schema_ids(child).items()}
    name = node.get("instructions") or node.get("value") or node.get("name")
    return below | ({str(name): str(node["featureSchemaId"])} if "featureSchemaId" in node else {})


def with_ids(node: Any, known: dict[str, str]) -> Any:
    """Annotations that say which feature they are of, as exports do."""
    if isinstance(node, list):
        return [with_ids(child, known) for child in node]
    if not isinstance(node, dict):
        return node
    name = node.get("value") if node.get("value") in known else node.get("name")
    own = {"feature_schema_id": known[name]} if "feature_id" in node and name in known else {}
    return {key: with_ids(child, known) for key, child in node.items()} | own


def test_what_is_edited_in_labelbox_is_brought_in_without_fetching_anything(live: Live) -> None:
    """By the SDK, as people do: a tool renamed, another one removed from the ontology while labels use it."""
    ids = video_project(live, (6, 4))
    with sdk(live.fake) as client:
        ontology = client.get_project(live.project_id).ontology()
        for number, (uid, frames) in enumerate(zip(ids, (6, 4), strict=True)):
            live.fake.label(
                uid, with_ids(video_annotations(live.fake, number, frames), schema_ids(ontology.normalized))
            )
        assert live.run("tag=before").ok
        tools = {one["name"]: one["featureSchemaId"] for one in ontology.normalized["tools"]}
        client.update_feature_schema_title(tools["road"], "Straße")
        client.delete_feature_schema_from_ontology(ontology.uid, tools["hub"])
    before = len(live.fake.seen)
    report = live.run()
    assert report.ok, report.failures
    for text in ("tool 'road' is named 'Straße' now", "tool 'hub' archived", "columns to rename: road to Straße"):
        assert text in report.plan
    assert (report.assets["unchanged"], report.assets["relabelled"]) == (len(ids), 0)
    assert not fetched(live.fake.seen[before:])
    lake = live.folder / "lake"
    old, new = column(f"{lake}@before", "road"), column(lake, "Straße")
    assert sum(cell.shape[2] for cell in new) > 0
    for left, right in zip(old, new, strict=True):
        np.testing.assert_array_equal(left, right)
    assert described(lake, "hub")["archived"]
    assert [np.asarray(cell).tolist() for cell in column(lake, "hub")] == [
        np.asarray(cell).tolist() for cell in column(f"{lake}@before", "hub")
    ]
    assert live.run().plan == f"nothing to do, {len(ids)} unchanged"
