"""The slow, obvious reference: what every cell of a dataset must hold.

Written from the contract of cells alone, frame by frame and object by object,
over the raw JSON of an export. Nothing is shared with lakebox. A comment with a
section mark cites the contract: § label, § names, § presence, § frame-level,
§ cells, § meta.

Frames inside this module are those of the export (1-based); they become 0-based
only in `row_key`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import Any

import numpy as np

Json = dict[str, Any]
ReadMask = Callable[[str], np.ndarray]
Answered = tuple[Json, list[Json]]
"""A classification node and those of its answers that are in force."""

MASKS = ("raster-segmentation", "superpixel")
KINDS = ("rectangle", "point", "line", "polygon", *MASKS)


def expected_cells(
    export_rows: list[Json],
    ontology: Json,
    *,
    project_id: str,
    groups: Mapping[str, str] = {},
    read_mask: ReadMask,
) -> dict[str, dict[str, object]]:
    """Return row_key -> column -> cell, in row order."""
    with_relationships = has_relationships(export_rows, ontology, project_id)
    rows: dict[str, dict[str, object]] = {}
    for data_row in export_rows:
        label = counting_label(data_row, project_id)
        annotations = {} if label is None else label.get("annotations", {})
        timeline = annotations if is_video(data_row) else image_timeline(annotations)
        for frame in range(1, frame_count(data_row) + 1):
            row_key = f"{data_row['data_row']['id']}:{frame - 1}"
            cells = meta_cells(data_row, label, project_id, frame)
            for group in grouped_tools(ontology, groups):
                cells |= group_cells(group, groups, ontology, timeline, data_row, frame, read_mask)
            cells |= classification_cells(ontology, timeline, frame)
            if with_relationships and not is_video(data_row):
                cells["relationships"] = relationships_text(annotations)
            rows[row_key] = cells
    return rows


def expected_class_names(ontology: Json, groups: Mapping[str, str] = {}) -> dict[str, list[str]]:
    """Return column -> class names, for every column that holds class indexes."""
    names: dict[str, list[str]] = {}
    for group in grouped_tools(ontology, groups):
        if is_grouped(group, groups):
            column = f"{geometry_column(group, groups)}_labels"
            names[column] = [tool["name"] for tool in group]
        for column, question in nested_columns(group, groups):
            if question["type"] in ("radio", "checklist"):
                names[column] = [option["value"] for option in question["options"]]
    for column, question in question_columns(ontology.get("classifications", []), ""):
        if question["type"] in ("radio", "checklist"):
            names[column] = [option["value"] for option in question["options"]]
    return names


# --------------------------------------------------------------------- data rows


def is_video(data_row: Json) -> bool:
    """Tell whether a data row is a video: only videos have a frame count."""
    return "frame_count" in data_row["media_attributes"]


def frame_count(data_row: Json) -> int:
    """Return the number of rows of a data row. § rows: an image has one frame."""
    if is_video(data_row):
        return int(data_row["media_attributes"]["frame_count"])
    return 1


def image_timeline(annotations: Json) -> Json:
    """Return an image's annotations as those of a one-frame video.

    § rows: every object and every classification of the image is on frame 0.
    """
    return {
        "frames": {"1": {"objects": annotations.get("objects", [])}},
        "classifications": annotations.get("classifications", []),
    }


def counting_label(data_row: Json, project_id: str) -> Json | None:
    """Return the label that counts, or None. § label."""
    best: Json | None = None
    for label in data_row["projects"].get(project_id, {}).get("labels", []):
        # "leave out those with performance_details.skipped true"
        if label.get("performance_details", {}).get("skipped", False):
            continue
        # "the largest created_at; without dates (or on a tie) the last in the list"
        if best is None or created_at(label) >= created_at(best):
            best = label
    return best


def created_at(label: Json) -> datetime:
    """Return when a label was made; one without a date is older than any other."""
    text = label.get("label_details", {}).get("created_at")
    if text is None:
        return datetime.min.replace(tzinfo=UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# ------------------------------------------------------------------------- § meta


def meta_cells(data_row: Json, label: Json | None, project_id: str, frame: int) -> dict[str, object]:
    """Return the lb_meta cells of one row. Missing text is ""."""
    row = data_row["data_row"]
    media = data_row["media_attributes"]
    project = data_row["projects"].get(project_id, {})
    label_details = {} if label is None else label.get("label_details", {})
    row_data = row["row_data"].split("?")[0]  # the signature is removed
    name = PurePosixPath(row.get("external_id") or row_data).stem
    cells: dict[str, object] = {
        "lb_meta/id": row["id"],
        "lb_meta/row_key": f"{row['id']}:{frame - 1}",
        "lb_meta/label_id": "" if label is None else label["id"],
        "lb_meta/label_creator": label_details.get("created_by", ""),
        "lb_meta/external_id": row.get("external_id", ""),
        "lb_meta/global_key": row.get("global_key", ""),
        "lb_meta/row_data": row_data,
        "lb_meta/dataset_id": row.get("details", {}).get("dataset_id", ""),
        "lb_meta/dataset_name": row.get("details", {}).get("dataset_name", ""),
        "lb_meta/project_name": project.get("name", ""),
        "lb_meta/ontology_id": project.get("project_details", {}).get("ontology_id", ""),
        "lb_meta/width": np.int32(media["width"]),
        "lb_meta/height": np.int32(media["height"]),
    }
    if is_video(data_row):
        cells["lb_meta/video_name"] = name
        cells["lb_meta/frame_rate"] = np.float64(media["frame_rate"])
        cells["lb_meta/frame_count"] = np.int32(media["frame_count"])
        cells["lb_meta/frame_number"] = np.int32(frame)
        cells["lb_meta/current_frame_name"] = f"{name}_{frame:06d}"
    else:
        cells["lb_meta/image_name"] = name
    return cells


# ------------------------------------------------------------------------ § names


def group_name(tool: Json, groups: Mapping[str, str]) -> str:
    """Return G: the mapping's group (by tool name, else by kind) or the tool name."""
    if tool["name"] in groups:
        return groups[tool["name"]]
    if tool["tool"] in groups:
        return groups[tool["tool"]]
    return str(tool["name"])


def grouped_tools(ontology: Json, groups: Mapping[str, str]) -> list[list[Json]]:
    """Return the groups: lists of tools in ontology order."""
    found: dict[str, list[Json]] = {}
    for tool in ontology.get("tools", []):
        if tool["tool"] in KINDS:
            found.setdefault(group_name(tool, groups), []).append(tool)
    return list(found.values())


def is_grouped(group: list[Json], groups: Mapping[str, str]) -> bool:
    """Tell whether the mapping groups these tools explicitly."""
    return any(tool["name"] in groups or tool["tool"] in groups for tool in group)


def geometry_column(group: list[Json], groups: Mapping[str, str]) -> str:
    """Return C: "any tool of the group has classifications -> G/G, else G"."""
    name = group_name(group[0], groups)
    for tool in group:
        if tool.get("classifications"):
            return f"{name}/{name}"
    return name


def nested_columns(group: list[Json], groups: Mapping[str, str]) -> list[tuple[str, Json]]:
    """Return (column, question) of all questions nested in a group's tools."""
    found = []
    for tool in group:
        name = group_name(tool, groups)
        found += question_columns(tool.get("classifications", []), f"{name}/")
    return found


def question_columns(questions: list[Json], prefix: str) -> list[tuple[str, Json]]:
    """Return (column, question), also for questions under options, at any depth."""
    found = []
    for question in questions:
        column = prefix + question["instructions"]
        found.append((column, question))
        for option in question.get("options", []):
            found += question_columns(option.get("options", []), f"{column}/")
    return found


# --------------------------------------------------------------------- § matching


def position(definitions: list[Json], node: Json, keys: Sequence[tuple[str, str]]) -> int | None:
    """Return the index of a node's definition, trying the keys one after another."""
    for key_in_export, key_in_ontology in keys:
        for index, definition in enumerate(definitions):
            given = node.get(key_in_export)
            if given is not None and given == definition.get(key_in_ontology):
                return index
    return None


def tool_of(ontology: Json, node: Json) -> Json | None:
    """Return an object's tool: by feature_schema_id, else by name."""
    keys = [("feature_schema_id", "featureSchemaId"), ("name", "name")]
    tools: list[Json] = ontology.get("tools", [])
    index = position(tools, node, keys)
    return None if index is None else tools[index]


def question_of(questions: list[Json], node: Json) -> Json | None:
    """Return a node's question: by feature_schema_id, else by name."""
    keys = [("feature_schema_id", "featureSchemaId"), ("name", "instructions")]
    index = position(questions, node, keys)
    return None if index is None else questions[index]


def option_index(question: Json, answer: Json) -> int | None:
    """Return an answer's index: by feature_schema_id, else value, else name."""
    keys = [
        ("feature_schema_id", "featureSchemaId"),
        ("value", "value"),
        ("name", "label"),
    ]
    return position(question["options"], answer, keys)


# --------------------------------------------------------------------- § presence


def spelled_objects(timeline: Json, frame: int) -> list[Json]:
    """Return the objects spelled out on a frame, whether a dict or a list."""
    objects = timeline.get("frames", {}).get(str(frame), {}).get("objects", [])
    return list(objects.values()) if isinstance(objects, dict) else list(objects)


def spelled_classifications(timeline: Json, frame: int) -> list[Json]:
    """Return the classifications spelled out on a frame."""
    spelled = timeline.get("frames", {}).get(str(frame), {})
    return list(spelled.get("classifications", []))


def knots_of(timeline: Json, spelled: Callable[[Json, int], list[Json]]) -> dict[str, dict[int, Json]]:
    """Return feature_id -> frame -> node as spelled out, in feature_id order.

    Frames at or after the end of the video are knots like all others; they are
    only not written.
    """
    knots: dict[str, dict[int, Json]] = {}
    for frame in sorted(int(key) for key in timeline.get("frames", {})):
        for node in spelled(timeline, frame):
            knots.setdefault(node["feature_id"], {})[frame] = node
    return dict(sorted(knots.items()))


def frames_in_force(knots: dict[int, Json], segments: list[list[int]], frame: int) -> tuple[int, int | None] | None:
    """Return the knot that gives the value, and the knot it moves towards if any.

    None: the feature is absent.
    """
    if frame in knots:  # rule 1: also outside all segments
        return frame, None
    for start, end in segments:
        if not start <= frame <= end:
            continue
        inside = [knot for knot in knots if start <= knot <= end]
        before = [knot for knot in inside if knot < frame]
        after = [knot for knot in inside if knot > frame]
        if before and after:  # rule 2: between two neighbouring knots of s
            return max(before), min(after)
        if before:  # rule 2: after the last knot of s
            return max(before), None
        if after:  # rule 2: before the first knot of s
            return min(after), None
        earlier = [knot for knot in knots if knot < start]
        if earlier:  # rule 3: s holds no knot: the last knot before s
            return max(earlier), None
    return None


def is_keyframe(timeline: Json, feature_id: str, frame: int, is_knot: bool) -> bool:
    """Return the keyframe flag of one object on one frame."""
    if not is_knot:
        return False
    key_frames = timeline.get("key_frame_feature_map", {})
    if feature_id not in key_frames:
        return True
    listed = key_frames[feature_id]
    if isinstance(listed, dict):
        return listed.get(str(frame), False) is True
    return frame in listed


# --------------------------------------------------------------------- § geometry


def geometry(kind: str, node: Json, data_row: Json, read_mask: ReadMask) -> np.ndarray:
    """Return one object's geometry as spelled out: float64, or bool for a mask."""
    if kind == "rectangle":
        box = node["bounding_box"]
        sides = [box["left"], box["top"], box["width"], box["height"]]
        return np.array(sides, dtype=np.float64)
    if kind == "point":
        return np.array([node["point"]["x"], node["point"]["y"]], dtype=np.float64)
    if kind in ("line", "polygon"):
        vertices = [[vertex["x"], vertex["y"]] for vertex in node[kind]]
        return np.array(vertices, dtype=np.float64).reshape(len(vertices), 2)
    return mask_pixels(node, data_row, read_mask)


def mask_pixels(node: Json, data_row: Json, read_mask: ReadMask) -> np.ndarray:
    """Return a mask, bool (h, w). "Both given: composite"."""
    composite = node.get("composite_mask")
    if composite is not None:
        picture = read_mask(composite["url"])
        same = picture[:, :, :3] == np.array(composite["color_rgb"])
        pixels = np.asarray(same.all(axis=2))
    else:
        picture = read_mask(node["mask"]["url"])
        if picture.ndim == 3:  # "RGB: any channel" (alpha is not a colour)
            pixels = np.asarray((picture[:, :, :3] > 0).any(axis=2))
        else:
            pixels = np.asarray(picture > 0)
    media = data_row["media_attributes"]
    if pixels.shape != (media["height"], media["width"]):
        raise ValueError(f"mask of {pixels.shape} on a picture of {media}")
    return pixels


def geometry_between(
    kind: str,
    nodes: dict[int, Json],
    first: int,
    second: int | None,
    frame: int,
    data_row: Json,
    read_mask: ReadMask,
) -> np.ndarray:
    """Return an object's geometry on a frame, between two knots or held."""
    here = geometry(kind, nodes[first], data_row, read_mask)
    if second is None or kind in MASKS:
        return here
    there = geometry(kind, nodes[second], data_row, read_mask)
    if here.shape != there.shape:  # "of equal shape, else the value of a"
        return here
    moved = here + (there - here) * (frame - first) / (second - first)
    return np.asarray(moved)


# ------------------------------------------------------------------------ § cells


def group_cells(
    group: list[Json],
    groups: Mapping[str, str],
    ontology: Json,
    timeline: Json,
    data_row: Json,
    frame: int,
    read_mask: ReadMask,
) -> dict[str, object]:
    """Return all cells of one group on one frame, objects in feature_id order."""
    shapes: list[np.ndarray] = []
    tracks: list[int] = []
    keyframes: list[int] = []
    classes: list[int] = []
    answers: list[list[tuple[str, Json, Answered]]] = []
    for feature_id, knots in knots_of(timeline, spelled_objects).items():
        segments = timeline.get("segments", {}).get(feature_id, [])
        in_force = frames_in_force(knots, segments, frame)
        if in_force is None:
            continue
        first, second = in_force
        tool = tool_of(ontology, knots[first])
        if tool is None or tool not in group:
            continue
        kind = tool["tool"]
        shapes.append(geometry_between(kind, knots, first, second, frame, data_row, read_mask))
        tracks.append(track_number(feature_id))
        keyframes.append(int(is_keyframe(timeline, feature_id, frame, frame in knots)))
        classes.append(group.index(tool))
        # "nested classifications: those spelled out at the knot it takes values from"
        nodes = knots[first].get("classifications", [])
        answers.append(
            answered_columns(
                [(node, answers_of(node)) for node in nodes],
                tool.get("classifications", []),
                f"{group_name(tool, groups)}/",
            )
        )
    column = geometry_column(group, groups)
    cells: dict[str, object] = {
        column: geometry_cell(group[0]["tool"], shapes, data_row),
        f"{column}_tracks": np.array(tracks, dtype=np.int32),
        f"{column}_keyframes": np.array(keyframes, dtype=np.uint8),
    }
    if is_grouped(group, groups):
        cells[f"{column}_labels"] = np.array(classes, dtype=np.int32)
    for column, question in nested_columns(group, groups):
        cells[column] = nested_cell(column, question, answers)
    return cells


def geometry_cell(kind: str, shapes: list[np.ndarray], data_row: Json) -> object:
    """Return the cell of all objects' geometry."""
    if kind == "rectangle":
        return np.array(shapes, dtype=np.float32).reshape(len(shapes), 4)
    if kind == "point":
        return np.array(shapes, dtype=np.float32).reshape(len(shapes), 2)
    if kind in ("line", "polygon"):
        return [shape.astype(np.float32) for shape in shapes]
    media = data_row["media_attributes"]
    cell = np.zeros((media["height"], media["width"], len(shapes)), dtype=np.bool_)
    for channel, shape in enumerate(shapes):
        cell[:, :, channel] = shape
    return cell


def track_number(feature_id: str) -> int:
    """Return the track number: 31 bits of the feature_id's blake2b digest."""
    digest = blake2b(feature_id.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") & 0x7FFFFFFF


def answers_of(node: Json) -> list[Json]:
    """Return the answers of a radio or checklist node as spelled out."""
    if node.get("radio_answer") is not None:
        return [node["radio_answer"]]
    return list(node.get("checklist_answers") or [])


def answered_columns(answered: list[Answered], questions: list[Json], prefix: str) -> list[tuple[str, Json, Answered]]:
    """Return (column, question, answered node), also for nodes under answers."""
    found = []
    for node, answers in answered:
        question = question_of(questions, node)
        if question is None:
            continue
        column = prefix + question["instructions"]
        found.append((column, question, (node, answers)))
        for answer in answers:
            index = option_index(question, answer)
            if index is None:
                continue
            children = answer.get("classifications", [])
            found += answered_columns(
                [(child, answers_of(child)) for child in children],
                question["options"][index].get("options", []),
                f"{column}/",
            )
    return found


def nested_cell(column: str, question: Json, objects: list[list[tuple[str, Json, Answered]]]) -> object:
    """Return the cell of a nested question: one entry per object."""
    radio: list[int] = []
    checklist: list[list[int]] = []
    text: list[str | None] = []
    options = question.get("options", [])
    for answered in objects:
        chosen: list[int] = []
        content = None
        for answered_column, _, (node, answers) in answered:
            if answered_column != column:
                continue
            for answer in answers:
                index = option_index(question, answer)
                if index is not None:
                    chosen.append(index)
            content = text_content(node)
        radio.append(chosen[0] if chosen else -1)
        checklist.append([int(index in chosen) for index in range(len(options))])
        text.append(content)
    if question["type"] == "radio":
        return np.array(radio, dtype=np.int32)
    if question["type"] == "checklist":
        return np.array(checklist, dtype=np.uint8).reshape(len(objects), len(options))
    return json.dumps(text, ensure_ascii=False)


def text_content(node: Json) -> str | None:
    """Return the content of a text node, None when there is none."""
    answer = node.get("text_answer")
    return None if answer is None else answer.get("content")


# ------------------------------------------------------------------ § frame-level


def classification_cells(ontology: Json, timeline: Json, frame: int) -> dict[str, object]:
    """Return the cells of frame-level and global questions on one frame."""
    # "Global ones (annotations.classifications): every frame of the data row"
    nodes = timeline.get("classifications", [])
    in_force: list[Answered] = [(node, answers_of(node)) for node in nodes]
    for feature_id, knots in knots_of(timeline, spelled_classifications).items():
        in_force += frame_level(feature_id, knots, timeline, frame)
    questions = ontology.get("classifications", [])
    answered = answered_columns(in_force, questions, "")
    cells: dict[str, object] = {}
    for column, question in question_columns(questions, ""):
        cells[column] = frame_cell(column, question, answered)
    return cells


def frame_level(feature_id: str, knots: dict[int, Json], timeline: Json, frame: int) -> list[Answered]:
    """Return what one frame-level classification answers on one frame."""
    segments = timeline.get("segments", {})
    if feature_id in segments:  # "same rule as objects (hold, never linear)"
        in_force = frames_in_force(knots, segments[feature_id], frame)
        if in_force is None:
            return []
        node = knots[in_force[0]]
        return [(node, answers_of(node))]
    if frame in knots:  # "on a knot: as spelled out", and "else: knots only"
        return [(knots[frame], answers_of(knots[frame]))]
    answers = []
    for answer_id in answer_ids(knots):
        # "the answers whose segments cover f"
        for start, end in segments.get(answer_id, []):
            if start <= frame <= end:
                answers.append(answer_near(answer_id, knots, frame))
                break
    some_node = next(iter(knots.values()))
    return [(some_node, answers)] if answers else []


def answer_ids(knots: dict[int, Json]) -> list[str]:
    """Return the ids of all answers that any knot spells out."""
    found: list[str] = []
    for node in knots.values():
        for answer in answers_of(node):
            if answer["feature_id"] not in found:
                found.append(answer["feature_id"])
    return found


def answer_near(answer_id: str, knots: dict[int, Json], frame: int) -> Json:
    """Return an answer from the last knot before that has it, or the first after."""
    having: dict[int, Json] = {}
    for knot, node in knots.items():
        for answer in answers_of(node):
            if answer["feature_id"] == answer_id:
                having[knot] = answer
    before = [knot for knot in having if knot < frame]
    return having[max(before) if before else min(having)]


def frame_cell(column: str, question: Json, answered: list[tuple[str, Json, Answered]]) -> object:
    """Return the cell of one frame-level or global question."""
    chosen: set[int] = set()
    texts: list[tuple[str, str]] = []
    for answered_column, _, (node, answers) in answered:
        if answered_column != column:
            continue
        for answer in answers:
            index = option_index(question, answer)
            if index is not None:
                chosen.add(index)
        content = text_content(node)
        if content is not None:
            texts.append((node["feature_id"], content))
    if question["type"] == "text":
        # "several answers: joined with "\n" in feature_id order"
        return "\n".join(content for _, content in sorted(texts))
    return np.array(sorted(chosen), dtype=np.int32)


# --------------------------------------------------------------- § relationships


def relationships_of(annotations: Json) -> list[Json]:
    """Return an image label's relationships, from either place, each once."""
    objects = annotations.get("objects", [])
    nodes = list(objects.values()) if isinstance(objects, dict) else list(objects)
    found: dict[str, Json] = {}
    for node in nodes + list(annotations.get("relationships", [])):
        if "unidirectional_relationship" in node:
            found[node["feature_id"]] = node
    return [found[feature_id] for feature_id in sorted(found)]


def has_relationships(export_rows: list[Json], ontology: Json, project_id: str) -> bool:
    """Tell whether the ontology or any label of this project has relationships."""
    if ontology.get("relationships"):
        return True
    for data_row in export_rows:
        project = data_row["projects"].get(project_id, {})
        for label in project.get("labels", []):
            if relationships_of(label.get("annotations", {})):
                return True
    return False


def relationships_text(annotations: Json) -> str:
    """Return the cell `relationships`: a JSON list sorted by feature_id."""
    found = []
    for node in relationships_of(annotations):
        ends = node["unidirectional_relationship"]
        found.append(
            {
                "source": ends["source"],
                "target": ends["target"],
                "name": node.get("name", ""),
                "feature_id": node["feature_id"],
                "kind": node.get("annotation_kind", ""),
            }
        )
    return json.dumps(found, ensure_ascii=False)
