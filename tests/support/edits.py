"""What people do to a project at Labelbox: small edits, each of something that is chosen.

An edit says in a few words what it did; None: there was nothing to do it to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

from .annotator import KINDS, RASTER, Annotator, all_questions, named, tracks
from .fake_labelbox.records import DONE, IN_REVIEW, Label
from .fake_labelbox.spelling import feature_ids
from .live import Json

Edit = Callable[[Annotator], str | None]
NAMES = ("Amber", "Größe", "Coral", "Dusk", "Elm", "Flint", "Gold", "Heather", "Iris", "Jade")


# ------------------------------------------------------------------------- objects


def move_object(who: Annotator) -> str | None:
    """The geometry of a keyframe."""

    def move(_: Json, nodes: dict[int, Json]) -> None:
        node = nodes[who.choose(list(nodes))]
        node.update(who.shape(_kind(node)))

    return _edit_object(who, "moved", lambda node: _kind(node) != RASTER, move)


def repaint_mask(who: Annotator) -> str | None:
    """The same object with other pixels."""

    def repaint(_: Json, nodes: dict[int, Json]) -> None:
        node = nodes[who.choose(list(nodes))]
        for form in ("mask", "composite_mask"):
            node.pop(form, None)
        node.update(who.shape(RASTER))

    return _edit_object(who, "repainted", lambda node: _kind(node) == RASTER, repaint)


def reanswer_object(who: Annotator) -> str | None:
    """What an object is said to be: on one of its frames, or on all of them."""
    tools = _tools(who)

    def reanswer(_: Json, nodes: dict[int, Json]) -> None:
        frames = who.choose((list(nodes), [who.choose(list(nodes))]))
        answers = who.answers(tools[nodes[frames[0]]["feature_schema_id"]]["classifications"])
        for frame in frames:
            nodes[frame]["classifications"] = deepcopy(answers)

    return _edit_object(
        who, "answered anew", lambda n: bool(tools[n["feature_schema_id"]]["classifications"]), reanswer
    )


def retool_object(who: Annotator) -> str | None:
    """An object becomes another tool's."""
    tools = _tools(who)

    def others(node: Json) -> list[Json]:
        own = tools[node["feature_schema_id"]]
        return [tool for tool in tools.values() if tool["tool"] == own["tool"] and tool is not own]

    def retool(_: Json, nodes: dict[int, Json]) -> None:
        tool = who.choose(others(next(iter(nodes.values()))))
        answers = who.answers(tool["classifications"])
        for node in nodes.values():
            node.update(named(tool), classifications=deepcopy(answers))

    return _edit_object(who, "given to another tool", lambda node: bool(others(node)), retool)


def delete_object(who: Annotator) -> str | None:
    def delete(annotations: Json, nodes: dict[int, Json]) -> None:
        _strip(annotations, next(iter(nodes.values()))["feature_id"])

    return _edit_object(who, "deleted", lambda _: True, delete)


def add_object(who: Annotator) -> str | None:
    tools = _tools(who)
    if not (who.labels and tools):
        return None
    label, tool = who.choose(who.labels), who.choose(list(tools.values()))
    return _add_object(who, label, tool)


def _add_object(who: Annotator, label: Label, tool: Json) -> str:
    annotations = deepcopy(label.annotations)
    feature_id = who.put_object(annotations, who.frames_of(label.data_row_id), tool)
    who.fake.relabel(label.id, annotations)
    return f"object {feature_id} of {tool['name']!r} added to {label.data_row_id}"


def _edit_object(
    who: Annotator, done: str, fits: Callable[[Json], bool], edit: Callable[[Json, dict[int, Json]], None]
) -> str | None:
    """One of the objects that fit, given to `edit` as its label's annotations and its nodes by frame."""
    found = [
        (label, feature_id)
        for label in who.labels
        for feature_id, nodes in tracks(label.annotations).items()
        if fits(next(iter(nodes.values())))
    ]
    if not found:
        return None
    label, feature_id = who.choose(found)
    annotations = deepcopy(label.annotations)
    edit(annotations, tracks(annotations)[feature_id])
    who.fake.relabel(label.id, annotations)
    return f"object {feature_id} of {label.data_row_id} {done}"


def _tools(who: Annotator) -> dict[str, Json]:
    return {tool["featureSchemaId"]: tool for tool in who.ontology["tools"]}


def _kind(node: Json) -> str:
    return next(kind for kind, name in KINDS.items() if node["annotation_kind"].endswith(name))


def _strip(annotations: Json, feature_id: str) -> None:
    """Take an object or an answer out of annotations, with its timing."""
    for content in (annotations, *annotations.get("frames", {}).values()):
        for key in {"objects", "classifications"} & content.keys():
            content[key] = _without(content[key], feature_id)
    for key in {"segments", "key_frame_feature_map"} & annotations.keys():
        annotations[key].pop(feature_id, None)


def _without(nodes: Any, feature_id: str) -> Any:
    if isinstance(nodes, dict):
        return {key: node for key, node in nodes.items() if key != feature_id}
    return [node for node in nodes if node["feature_id"] != feature_id]


# ------------------------------------------------------------------------- answers


def change_answer(who: Annotator) -> str | None:
    """A question about frames or about the whole data row: answered anew, or no more."""
    questions = who.ontology["classifications"]
    if not (who.labels and questions):
        return None
    label, question = who.choose(who.labels), who.choose(questions)
    annotations, frames = deepcopy(label.annotations), who.frames_of(label.data_row_id)
    for feature_id in {node["feature_id"]: None for node in _answers_to(annotations, question)}:
        _strip(annotations, feature_id)
    _drop_lost_timing(annotations)
    for _ in range(who.choose((1, 0, 2)) if question["scope"] == "index" else who.choose((1, 0))):
        if question["scope"] == "index":
            who.put_frame_answer(annotations, frames, question)
        else:
            annotations["classifications"].append(who.answer(question))
    who.fake.relabel(label.id, annotations)
    return f"{question['instructions']!r} of {label.data_row_id} answered anew"


def _drop_lost_timing(annotations: Json) -> None:
    """Segments may be those of answers."""
    known = set(feature_ids({**annotations, "segments": {}}))
    if "segments" in annotations:
        annotations["segments"] = {key: pairs for key, pairs in annotations["segments"].items() if key in known}


def _answers_to(value: Any, question: Json) -> Iterator[Json]:
    """All nodes that answer a question, at any depth."""
    if isinstance(value, dict) and value.get("feature_schema_id") == question["featureSchemaId"]:
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _answers_to(child, question)


# ---------------------------------------------------------------------- labels, rows


def add_label(who: Annotator) -> str | None:
    """The first one of a data row, or one more; now and then it says that the data row was skipped."""
    labelled = {label.data_row_id for label in who.labels}
    row = who.choose(sorted(who.rows, key=lambda row: row.id in labelled))
    annotations, skipped = who.annotations(row.id, _some(who)), who.choose((False, False, True))
    label_id = who.fake.label(row.id, annotations, skipped=skipped)
    return f"label {label_id} added to {row.id}"


def delete_label(who: Annotator) -> str | None:
    if not who.labels:
        return None
    label = who.choose(who.labels)
    who.fake.delete_label(label.id)
    return f"label {label.id} of {label.data_row_id} deleted"


def add_row(who: Annotator) -> str | None:
    row = who.add_row()
    if who.choose((False, True)):
        who.fake.label(row.id, who.annotations(row.id, _some(who)))
    return f"data row {row.id} added"


def remove_row(who: Annotator) -> str | None:
    if len(who.rows) < 2:
        return None  # a project without data rows is another matter
    row = who.choose(who.rows)
    who.fake.remove_from_project(row.id, who.project_id)
    return f"data row {row.id} removed"


def return_row(who: Annotator) -> str | None:
    """A data row that was removed comes back, without its labels."""
    present = {data_row_id for batch in who.fake.org.batches.values() for data_row_id in batch.data_row_ids}
    gone = [row for row in who.fake.org.data_rows.values() if row.id not in present]
    if not gone:
        return None
    row = who.choose(gone)
    who.fake.add_to_project(who.project_id, row.id)
    return f"data row {row.id} put back"


def rename_row(who: Annotator) -> str | None:
    row = who.choose(who.rows)
    row.external_id = f"{who.choose(NAMES)}.bin"
    who.fake.org.touch(who.project_id, row.id)
    return f"data row {row.id} is called {row.external_id}"


def review_row(who: Annotator) -> str | None:
    """Nothing that a dataset holds."""
    row = who.choose(who.rows)
    who.fake.set_status(row.id, who.choose((DONE, IN_REVIEW)), who.project_id)
    return f"data row {row.id} moved on in the workflow"


def _some(who: Annotator) -> Callable[[Sequence[Json]], Sequence[Json]]:
    return lambda features: [feature for feature in features if who.choose((False, False, True))]


# ------------------------------------------------------------------------ ontologies


def insert_option(who: Annotator) -> str | None:
    """Before another one; now and then with a question below it, and then and now somebody chooses it."""
    ontology = who.ontology
    question = _one_with_options(who, ontology)
    if question is None:
        return None
    options: list[Json] = question["options"]
    name = _free_name(who, [option["label"] for option in options])
    below = [{"type": "text", "instructions": who.new_name("why")}] if who.choose((False, True)) else []
    options.insert(who.choose(range(len(options))), {"label": name, "options": below})
    _publish(who, ontology)
    chosen = _choose_option(who, question["featureSchemaId"], name) if who.choose((True, False)) else ""
    return f"option {name!r} inserted in {question['instructions']!r}{chosen}"


def _choose_option(who: Annotator, question_id: str, name: str) -> str:
    """Wherever one label answers the question, it now says this."""
    question = next(one for one in all_questions(who.ontology) if one["featureSchemaId"] == question_id)
    option = next(option for option in question["options"] if option["label"] == name)
    labels = [label for label in who.labels if any(_answers_to(label.annotations, question))]
    if not labels:
        return ""
    label = who.choose(labels)
    annotations = deepcopy(label.annotations)
    for node in _answers_to(annotations, question):
        if "radio_answer" in node:
            node["radio_answer"] = who.picked(option)
        else:
            node["checklist_answers"].append(who.picked(option))
    _drop_lost_timing(annotations)
    who.fake.relabel(label.id, annotations)
    return f" and chosen in {label.data_row_id}"


def move_option(who: Annotator) -> str | None:
    """The first option becomes the last."""
    ontology = who.ontology
    question = _one_with_options(who, ontology)
    if question is None:
        return None
    question["options"].append(question["options"].pop(0))
    _publish(who, ontology)
    return f"options of {question['instructions']!r} in another order"


def rename_option(who: Annotator) -> str | None:
    ontology = who.ontology
    question = _one_with_options(who, ontology)
    if question is None:
        return None
    option = who.choose(question["options"])
    before, name = option["label"], _free_name(who, [option["label"] for option in question["options"]])
    option.update(label=name, value=name.lower())
    _publish(who, ontology)
    return f"option {before!r} of {question['instructions']!r} is called {name!r}"


def archive_option(who: Annotator) -> str | None:
    """One that is not the last one left; nobody chose it any more."""
    ontology = who.ontology
    question = _one_with_options(who, ontology, 2)
    if question is None:
        return None
    option = who.choose(question["options"])
    question["options"].remove(option)
    _publish(who, ontology)
    return f"option {option['label']!r} of {question['instructions']!r} archived"


def add_tool(who: Annotator) -> str | None:
    """Before another one, with its first object."""
    ontology, kind = who.ontology, who.choose(tuple(KINDS))
    asked = [{"type": "radio", "instructions": "state", "options": [{"label": "Old"}, {"label": "New"}]}]
    tool: Json = {"tool": kind, "name": who.new_name("tool")}
    tool["classifications"] = asked if _asking(ontology).get(kind, True) and who.choose((False, True)) else []
    ontology["tools"].insert(who.choose(range(len(ontology["tools"]) + 1)), tool)
    _publish(who, ontology)
    added = next(one for one in who.ontology["tools"] if one["name"] == tool["name"])
    drawn = _add_object(who, who.choose(who.labels), added) if who.labels else "no label"
    return f"tool {tool['name']!r} ({kind}) added: {drawn}"


def _asking(ontology: Json) -> dict[str, bool]:
    """Kind of tool -> whether anything is asked of its objects: then columns have names of two parts."""
    tools = ontology["tools"]
    return {kind: any(one["classifications"] for one in tools if one["tool"] == kind) for kind in _kinds(ontology)}


def _kinds(ontology: Json) -> set[str]:
    return {tool["tool"] for tool in ontology["tools"]}


def rename_tool(who: Annotator) -> str | None:
    ontology = who.ontology
    if not ontology["tools"]:
        return None
    tool = who.choose(ontology["tools"])
    before, tool["name"] = tool["name"], who.new_name("tool")
    _publish(who, ontology)
    return f"tool {before!r} is called {tool['name']!r}"


def archive_tool(who: Annotator) -> str | None:
    """Its objects are gone from all labels. Others of its kind are still asked about, if they were."""
    return _archive_tool(who, last_asked=False)


def archive_last_asked_tool(who: Annotator) -> str | None:
    """There are others of its kind, and nothing is asked about them."""
    return _archive_tool(who, last_asked=True)


def _archive_tool(who: Annotator, *, last_asked: bool) -> str | None:
    ontology = who.ontology
    asking, found = _asking(ontology), []
    for tool in ontology["tools"]:
        rest = _asking({"tools": [other for other in ontology["tools"] if other is not tool]})
        if any(asking[kind] != asked for kind, asked in rest.items()) == last_asked:
            found.append(tool)
    if not found or len(ontology["tools"]) < 2:
        return None
    tool = who.choose(found)
    ontology["tools"].remove(tool)
    _publish(who, ontology)
    return f"tool {tool['name']!r} archived"


def add_question(who: Annotator) -> str | None:
    """About frames or the whole data row, with its first answer; or to objects of which something was asked before."""
    ontology = who.ontology
    lists = [ontology["classifications"], *(t["classifications"] for t in ontology["tools"] if t["classifications"])]
    questions: list[Json] = who.choose(lists)
    return _add_question(who, ontology, questions)


def add_first_question(who: Annotator) -> str | None:
    """To objects of which nothing was asked before."""
    ontology = who.ontology
    tools = [tool for tool in ontology["tools"] if not tool["classifications"]]
    return _add_question(who, ontology, who.choose(tools)["classifications"]) if tools else None


def _add_question(who: Annotator, ontology: Json, questions: list[Json]) -> str:
    options = [{"label": name} for name in NAMES[:2]]
    kind = who.choose(("radio", "checklist", "text"))
    question = {"type": kind, "instructions": who.new_name("question"), "options": options}
    question["options"] = options if kind != "text" else []
    questions.insert(who.choose(range(len(questions) + 1)), {**question, "scope": who.choose(("global", "index"))})
    _publish(who, ontology)
    return f"question {question['instructions']!r} ({kind}) added"


def rename_question(who: Annotator) -> str | None:
    ontology = who.ontology
    questions = all_questions(ontology)
    if not questions:
        return None
    question = who.choose(questions)
    before, question["instructions"] = question["instructions"], who.new_name("question")
    _publish(who, ontology)
    return f"question {before!r} is called {question['instructions']!r}"


def archive_question(who: Annotator) -> str | None:
    """One of several; its answers are gone from all labels."""
    ontology = who.ontology
    lists = [ontology["classifications"], *(tool["classifications"] for tool in ontology["tools"])]
    lists = [questions for questions in lists if len(questions) > 1]
    if not lists:
        return None
    questions: list[Json] = who.choose(lists)
    question = who.choose(questions)
    questions.remove(question)
    _publish(who, ontology)
    return f"question {question['instructions']!r} archived"


def rename_project(who: Annotator) -> str | None:
    """The name stands in every row."""
    project = who.fake.project(who.project_id)
    project.name = who.choose(NAMES)
    return f"the project is called {project.name}"


def _one_with_options(who: Annotator, ontology: Json, least: int = 1) -> Json | None:
    found = [question for question in all_questions(ontology) if len(question["options"]) >= least]
    return who.choose(found) if found else None


def _free_name(who: Annotator, taken: list[str]) -> str:
    """One that no other has now; an archived one may have had it."""
    return who.choose([name for name in NAMES if name not in taken] or [who.new_name("Option")])


def _publish(who: Annotator, ontology: Json) -> None:
    who.fake.edit_ontology(who.project_id, ontology)
    who.fake.respell(who.project_id)


OF_LABELS: tuple[Edit, ...] = (
    move_object, repaint_mask, reanswer_object, retool_object, delete_object, add_object, change_answer,
)  # fmt: skip
OF_ROWS: tuple[Edit, ...] = (add_label, delete_label, add_row, remove_row, return_row, rename_row, review_row)
OF_ONTOLOGIES: tuple[Edit, ...] = (
    rename_tool, rename_question, insert_option, move_option, rename_option, archive_option, add_tool, archive_tool, add_question, archive_question,
    rename_project,
)  # fmt: skip
THAT_NAME_COLUMNS_ANEW: tuple[Edit, ...] = (add_first_question, archive_last_asked_tool)
"""A dataset built from nothing has other column names after them: `X` instead of `X/X`. One that is kept keeps its
names, since no feature was renamed."""
