"""The fake Labelbox, driven by the real SDK over the loopback: upload, label, export."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import labelbox
import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from labelbox.schema.data_row_metadata import DataRowMetadataKind
from labelbox.schema.export_task import StreamType
from labelbox.schema.identifiable import GlobalKey, UniqueId
from labelbox.schema.identifiables import GlobalKeys
from labelbox.schema.media_type import MediaType
from lbox import exceptions as lbx
from PIL import Image
from support.fake_labelbox import FakeLabelbox
from support.projects import OTHER_PROJECT_ID, PROJECT_ID, Project, projects
from support.video import write_image, write_video
from support.write import write_project

pytestmark = [
    # SDK 7.17: connect_ontology says this with every new project
    pytest.mark.filterwarnings("ignore:Connecting default labeling editor:UserWarning"),
    pytest.mark.filterwarnings("ignore:Project has labels:UserWarning"),
]
Json = dict[str, Any]

ALL = {
    "attachments": True, "metadata_fields": True, "data_row_details": True, "project_details": True,
    "label_details": True, "performance_details": True, "embeddings": True,
}  # fmt: skip
ONTOLOGY: Json = {
    "tools": [
        {"tool": "rectangle", "name": "car", "classifications": [{"type": "radio", "instructions": "colour", "options": [{"label": "red"}]}]},
        {"tool": "raster-segmentation", "name": "road"},
    ],
    "classifications": [{"type": "checklist", "instructions": "Weather", "options": [{"value": "rain"}]}],
}  # fmt: skip


@pytest.fixture
def fake() -> Iterator[FakeLabelbox]:
    with FakeLabelbox() as found:
        yield found
        assert not found.crashes
        assert not found.unknown


@pytest.fixture
def client(fake: FakeLabelbox) -> Iterator[labelbox.Client]:
    found = connect(fake)
    yield found
    found.connection.close()
    found._adv_client.session.close()


def connect(fake: FakeLabelbox, key: str | None = None) -> labelbox.Client:
    return labelbox.Client(api_key=key or fake.key, endpoint=fake.endpoint, rest_endpoint=fake.rest_endpoint)


@pytest.fixture
def web() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def png(width: int = 8, height: int = 6) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height), 255).save(buffer, "PNG")
    return buffer.getvalue()


def box(feature_id: str, left: float = 0.0, **more: Any) -> Json:
    sides = {"left": left, "top": 1.0, "width": 2.0, "height": 3.0}
    kind = {"name": "car", "annotation_kind": "ImageBoundingBox", "classifications": []}
    return {"feature_id": feature_id, **kind, "bounding_box": sides, **more}


def image(*objects: Json) -> Json:
    return {"objects": list(objects), "classifications": [], "relationships": []}


def exported(client: labelbox.Client, project_id: str, params: Json | None = None, filters: Any = None) -> list[Json]:
    task = client.get_project(project_id).export(params=params, filters=filters)
    task.wait_till_done()
    return [output.json for output in task.get_buffered_stream()] if task.has_result() else []


def ids(rows: list[Json]) -> list[str]:
    return [row["data_row"]["id"] for row in rows]


def labels_of(row: Json) -> list[Json]:
    (project,) = row["projects"].values()
    return list(project["labels"])


# ------------------------------------------------------------------------ the key


@pytest.mark.parametrize(
    ("refuses", "error", "words"),
    [("code", lbx.AuthenticationError, "Invalid API key"), ("message", lbx.LabelboxError, "401 Unauthorized")],
)
def test_a_wrong_key_is_refused(fake: FakeLabelbox, refuses: Any, error: type[Exception], words: str) -> None:
    fake.refuses = refuses
    with pytest.raises(error, match=words) as caught:
        connect(fake, "wrong").get_user()
    assert type(caught.value) is error


def test_user_and_organization(client: labelbox.Client) -> None:
    assert client.get_user().email == "person@example.com"
    assert client.get_organization().name == "Example"


# ----------------------------------------------------------------------- projects


def test_projects_are_made_found_connected_changed_and_deleted(client: labelbox.Client) -> None:
    project = client.create_project(name="lanes", media_type=MediaType.Video, description="d")
    assert project.media_type == MediaType.Video
    assert project.ontology() is None
    assert project.labeling_frontend() is None
    ontology = client.create_ontology("lanes ontology", ONTOLOGY, media_type=MediaType.Video)
    project.connect_ontology(ontology)
    again = client.get_project(project.uid)
    assert again.ontology().uid == ontology.uid
    assert again.updated_at > project.updated_at
    assert [one.uid for one in client.get_projects(where=labelbox.Project.name == "lanes")] == [project.uid]
    assert not list(client.get_projects(where=labelbox.Project.name == "other"))
    again.update(name="new name")
    assert client.get_project(project.uid).name == "new name"
    again.delete()
    with pytest.raises(lbx.ResourceNotFoundError):
        client.get_project(project.uid)


def test_ontologies_get_ids_and_are_found_by_name(client: labelbox.Client) -> None:
    ontology = client.create_ontology("my lanes", ONTOLOGY, media_type=MediaType.Image)
    assert [one.uid for one in client.get_ontologies("lanes")] == [ontology.uid]
    assert not list(client.get_ontologies("none"))
    found = client.get_ontology(ontology.uid)
    assert found.media_type == MediaType.Image
    car, road = found.tools()
    assert (car.name, road.tool.value, found.classifications()[0].options[0].label) == (
        "car",
        "raster-segmentation",
        "rain",
    )
    assert car.classifications[0].name == "colour"
    assert (
        len({car.feature_schema_id, road.feature_schema_id, car.classifications[0].options[0].feature_schema_id, None})
        == 4
    )
    assert client.get_feature_schema(car.feature_schema_id).normalized["name"] == "car"


def test_features_of_an_ontology_are_edited_over_rest(client: labelbox.Client) -> None:
    ontology = client.create_ontology("one", ONTOLOGY)
    first = ontology.normalized["tools"][0]["featureSchemaId"]
    assert client.update_feature_schema_title(first, "van").normalized["name"] == "van"
    added = client.upsert_feature_schema({"tool": "point", "name": "nose"})
    client.insert_feature_schema_into_ontology(added.uid, ontology.uid, 0)
    assert [tool.name for tool in client.get_ontology(ontology.uid).tools()] == ["nose", "van", "road"]
    assert client.delete_feature_schema_from_ontology(ontology.uid, first).deleted
    assert not client.is_feature_schema_archived(ontology.uid, added.uid)
    client.delete_unused_ontology(ontology.uid)
    with pytest.raises(lbx.ResourceNotFoundError):
        client.get_ontology(ontology.uid)


def test_an_edited_ontology_keeps_its_id(fake: FakeLabelbox, client: labelbox.Client) -> None:
    project_id = fake.add_project("lanes", "IMAGE", ONTOLOGY)
    before = client.get_project(project_id).ontology()
    fake.edit_ontology(project_id, before.normalized | {"tools": before.normalized["tools"][:1]})
    after = client.get_project(project_id).ontology()
    assert after.uid == before.uid
    assert after.updated_at > before.updated_at
    assert after.normalized["tools"] == before.normalized["tools"][:1]


# ------------------------------------------------------------------------- upload


def test_upload_label_export(
    fake: FakeLabelbox, client: labelbox.Client, web: requests.Session, tmp_path: Path
) -> None:
    for number in range(3):
        write_image(tmp_path / f"{number}.png", 64, 48, frame=number)
    write_video(tmp_path / "a.mp4", 5, 64, 48)
    url = fake.put("/public/a.mp4", (tmp_path / "a.mp4").read_bytes())
    dataset = client.create_dataset(name="data")
    items = [
        {"row_data": str(tmp_path / f"{number}.png"), "global_key": f"key{number}", "external_id": f"name {number}"}
        for number in range(3)
    ]
    task = dataset.create_data_rows([*items, {"row_data": url, "global_key": "video"}])
    task.wait_till_done()
    assert task.errors is None
    assert {row["global_key"] for row in task.result} == {"key0", "key1", "key2", "video"}
    found = client.get_data_row_by_global_key("video")
    assert found.media_attributes["frameCount"] == 5
    assert found.row_data == url

    project = client.create_project(name="p", media_type=MediaType.Image)
    batch = project.create_batch("b", global_keys=["key0", "key1"], priority=1)
    assert (batch.size, list(batch.failed_data_row_ids)) == (2, [])
    assert [one.uid for one in project.batches()] == [batch.uid]
    task_of_rest = project.create_batches_from_dataset("rest", dataset.uid)
    task_of_rest.wait_till_done()
    assert task_of_rest.errors() is None
    assert [one.size for one in task_of_rest.result()] == [2]

    row = dataset.data_row_for_external_id("name 1")
    label_id = fake.label(row.uid, image(box("f1")))
    assert project.get_label_count() == 1
    rows = {row["data_row"]["global_key"]: row for row in exported(client, project.uid, ALL)}
    assert set(rows) == {"key0", "key1", "key2", "video"}
    assert [len(labels_of(rows[key])) for key in ("key0", "key1")] == [0, 1]
    assert labels_of(rows["key1"])[0]["id"] == label_id
    media = rows["key1"]["media_attributes"]
    assert media == {"height": 48, "width": 64, "mime_type": "image/png", "asset_type": "image", "exif_rotation": 1}
    video = {
        "height": 48,
        "width": 64,
        "mime_type": "video/mp4",
        "asset_type": "video",
        "frame_rate": 30,
        "frame_count": 5,
    }
    assert rows["video"]["media_attributes"] == video
    assert rows["video"]["data_row"]["row_data"] == url
    assert web.get(rows["key1"]["data_row"]["row_data"]).content == (tmp_path / "1.png").read_bytes()


def test_files_given_as_text_are_uploaded_under_their_path(client: labelbox.Client, tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", 64, 48)
    dataset = client.create_dataset(name="data", iam_integration=None)
    dataset.create_data_rows([str(tmp_path / "a.jpg")]).wait_till_done()
    (row,) = dataset.data_rows()
    assert row.external_id == str(tmp_path / "a.jpg")
    assert row.media_attributes["width"] == 64


def test_rows_that_cannot_be_made_are_reported_each(client: labelbox.Client) -> None:
    dataset = client.create_dataset(name="data")
    task = dataset.create_data_rows([{"row_data": "https://h/a.png", "global_key": "a"}])
    task.wait_till_done()
    task = dataset.create_data_rows(
        [{"row_data": "https://h/b.png", "global_key": key} for key in ("a", "b", "b", "c" * 201)]
    )
    task.wait_till_done()
    assert task.status == "COMPLETE"
    assert [row["global_key"] for row in task.result] == ["b"]
    failed = {error["failedDataRows"][0]["globalKey"][:3]: error["message"] for error in task.errors}
    assert failed == {
        "a": "Duplicate global key: 'a'", "b": "Duplicate global key: 'b'", "ccc": "Global key is longer than 200 characters",
    }  # fmt: skip
    with pytest.raises(lbx.ResourceCreationError, match="Duplicate"):
        dataset.create_data_row(row_data="https://h/a.png", global_key="a")


def test_upsert_changes_rows_by_id_and_by_global_key(client: labelbox.Client) -> None:
    dataset = client.create_dataset(name="data")
    row = dataset.create_data_row(row_data="https://h/a.png", global_key="a")
    task = dataset.upsert_data_rows(
        [
            {"key": GlobalKey("a"), "external_id": "name"},
            {"key": GlobalKey("new"), "row_data": "https://h/n.png"},
            {"key": UniqueId("nobody"), "external_id": "x"},
        ]
    )
    task.wait_till_done()
    assert client.get_data_row(row.uid).external_id == "name"
    assert client.get_data_row_by_global_key("new").row_data == "https://h/n.png"
    assert [error["message"] for error in task.errors] == ["Data row nobody not found"]
    row.update(global_key="z")
    assert client.get_data_row(row.uid).global_key == "z"
    row.delete()
    assert [one.global_key for one in dataset.data_rows()] == ["new"]


def test_datasets_and_their_access(fake: FakeLabelbox, client: labelbox.Client) -> None:
    fake.add_integration("spare")
    dataset = client.create_dataset(name="plain")
    assert dataset.iam_integration() is None
    default = fake.add_integration("bucket", default=True)
    assert client.create_dataset(name="by default").iam_integration().uid == default
    spare, _ = client.get_organization().get_iam_integrations()
    assert client.create_dataset(name="chosen", iam_integration=spare).iam_integration().name == "spare"
    assert client.create_dataset(name="none", iam_integration=None).iam_integration() is None
    assert dataset.add_iam_integration(default).name == "bucket"
    dataset.remove_iam_integration()
    assert client.get_dataset(dataset.uid).iam_integration() is None
    assert [one.uid for one in client.get_datasets(where=labelbox.Dataset.name == "plain")] == [dataset.uid]
    dataset.delete()
    with pytest.raises(lbx.ResourceNotFoundError):
        client.get_dataset(dataset.uid)


def test_an_invalid_integration_takes_the_new_dataset_with_it(fake: FakeLabelbox, client: labelbox.Client) -> None:
    fake.add_integration("broken", default=True, valid=False)
    with pytest.raises(ValueError, match="Integration is not valid"):
        client.create_dataset(name="data")
    assert not list(client.get_datasets())


def test_global_keys(fake: FakeLabelbox, client: labelbox.Client) -> None:
    project_id = fake.add_project("p", "IMAGE")
    first, second = (fake.add_data_row(project_id, row_data=f"https://h/{key}") for key in "ab")
    done = client.assign_global_keys_to_data_rows(
        [{"data_row_id": first, "global_key": "k"}, {"data_row_id": second, "global_key": "k"}]
    )
    assert done["status"] == "PARTIAL SUCCESS"
    assert [error["data_row_id"] for error in done["errors"]] == [second]
    found = client.get_data_row_ids_for_global_keys(["none", "k"])
    assert found["results"] == ["", first]
    assert found["errors"] == [{"global_key": "none", "error": "Data Row not found"}]
    assert client.clear_global_keys(["k"])["status"] == "SUCCESS"
    assert client.get_data_row_ids_for_global_keys(["k"])["status"] == "FAILURE"


def test_metadata_and_attachments(fake: FakeLabelbox, client: labelbox.Client) -> None:
    fake.add_metadata_field("tag", "CustomMetadataString", reserved=True)
    ontology = client.get_data_row_metadata_ontology()
    ontology.create_schema("speed", DataRowMetadataKind.number)
    ontology.create_schema("split", DataRowMetadataKind.enum, ["train", "test"])
    dataset = client.create_dataset(name="data")
    fields = [{"name": "tag", "value": "x"}, {"name": "speed", "value": 3}, {"name": "split", "value": "train"}]
    attachments = [{"type": "RAW_TEXT", "value": "hello", "name": "note"}]
    item = {"row_data": "https://h/a.png", "metadata_fields": fields, "attachments": attachments}
    row = dataset.create_data_row(item)
    assert [(one.name, one.value) for one in row.metadata][:2] == [("tag", "x"), ("speed", 3.0)]
    assert [one.attachment_value for one in row.attachments()] == ["hello"]
    (found,) = ontology.bulk_export([row.uid])
    assert len(found.fields) == 3
    assert ontology.delete_schema("speed")
    assert [one.name for one in client.get_data_row(row.uid).metadata] == ["tag", "train"]
    project = client.create_project(name="p", media_type=MediaType.Image)
    project.create_batch("b", data_rows=[row])
    (line,) = exported(client, project.uid, ALL)
    assert line["metadata_fields"][0]["schema_kind"] == "CustomMetadataString"
    assert line["attachments"] == [{"type": "RAW_TEXT", "value": "hello", "name": "note"}]


def test_batches_of_many_rows_are_filled_in_the_background(fake: FakeLabelbox, client: labelbox.Client) -> None:
    project_id = fake.add_project("p", "IMAGE")
    other_id = fake.add_project("other", "IMAGE")
    rows = [fake.add_data_row(other_id, row_data=f"https://h/{i}") for i in range(1000)]
    project = client.get_project(project_id)
    assert project.create_batch("big", data_rows=rows).size == 1000
    again = project.create_batch("again", data_rows=[rows[0], "nobody"])
    assert (again.size, list(again.failed_data_row_ids)) == (0, [rows[0], "nobody"])
    with pytest.raises(lbx.ResourceConflict):
        project.create_batch("big", data_rows=rows[:1])


def test_lists_longer_than_a_page(fake: FakeLabelbox, client: labelbox.Client) -> None:
    for number in range(205):
        fake.add_project(f"p{number}", "IMAGE", ONTOLOGY)
    project_id = fake.add_project("p", "IMAGE")
    for number in range(501):
        fake.add_data_row(project_id, row_data="https://h/a", dataset="data", batch=f"b{number // 3}")
    assert len(list(client.get_projects())) == 206
    assert len(list(client.get_ontologies("p"))) == 205
    assert len(list(client.get_project(project_id).batches())) == 167
    (dataset,) = client.get_datasets()
    assert len(list(dataset.data_rows())) == dataset.row_count == 501


# ------------------------------------------------------------------------- export


def three_rows(fake: FakeLabelbox) -> tuple[str, list[str]]:
    project_id = fake.add_project("p", "IMAGE", ONTOLOGY)
    options = [{"global_key": f"k{i}", "batch": f"b{i}"} for i in range(3)]
    return project_id, [
        fake.add_data_row(project_id, row_data=f"https://h/{i}.png", **more) for i, more in enumerate(options)
    ]


def test_exports_hold_what_was_asked_for(fake: FakeLabelbox, client: labelbox.Client) -> None:
    project_id, (first, *_) = three_rows(fake)
    fake.label(first, image(box("f")), created_by="ann@example.com")
    row = exported(client, project_id)[0]
    assert set(row) == {"data_row", "media_attributes", "projects"}
    assert set(row["data_row"]) == {"id", "row_data", "global_key"}
    assert set(row["projects"][project_id]) == {"name", "labels"}
    assert set(labels_of(row)[0]) == {"label_kind", "version", "id", "annotations"}
    row = exported(client, project_id, ALL)[0]
    assert {"attachments", "metadata_fields", "embeddings"} < set(row)
    assert row["projects"][project_id]["project_details"]["workflow_status"] == "DONE"
    assert labels_of(row)[0]["label_details"]["created_by"] == "ann@example.com"
    assert labels_of(row)[0]["performance_details"]["skipped"] is False


def test_filters(fake: FakeLabelbox, client: labelbox.Client) -> None:
    start = datetime(2024, 5, 1, 12, tzinfo=UTC)
    fake.org.clock.moment = start
    project_id, rows = three_rows(fake)
    fake.org.clock.moment = start + timedelta(days=1)
    fake.label(rows[0], image(), status="IN_REVIEW")
    fake.org.clock.moment = start + timedelta(days=2)
    fake.label(rows[1], image())
    batches = {batch.name: batch.uid for batch in client.get_project(project_id).batches()}

    def found(**filters: Any) -> list[int]:
        return [rows.index(key) for key in ids(exported(client, project_id, filters=filters))]

    assert found() == [0, 1, 2]
    assert found(data_row_ids=[rows[2], rows[0]]) == [0, 2]
    assert found(global_keys=["k1", "nobody"]) == [1]
    assert found(batch_ids=[batches["b2"]]) == [2]
    states = ("ToLabel", "InReview", "InRework", "Done")
    assert [found(workflow_status=state) for state in states] == [[2], [0], [], [1]]
    assert found(last_activity_at=["2024-05-02", None]) == [0, 1]
    assert found(last_activity_at=["2024-05-02 12:00:00", "2024-05-02 12:00:00"]) == [0]
    assert found(last_activity_at=[None, "2024-05-02T11:59:59+0000"]) == [2]
    assert found(label_created_at=["2024-05-03", None]) == [1]
    fake.timezone = "Asia/Tokyo"
    assert found(last_activity_at=["2024-05-02 21:00:00", "2024-05-02 21:00:00"]) == [0]
    assert found(last_activity_at=["2024-05-02 21:00:00", None], workflow_status="Done") == [1]


def test_labels_change_and_go(fake: FakeLabelbox, client: labelbox.Client) -> None:
    project_id, rows = three_rows(fake)
    label_id = fake.label(rows[0], image(box("f")))
    before = exported(client, project_id, ALL)[0]
    fake.relabel(label_id, image(box("f", left=5.0)))
    after = exported(client, project_id, ALL)[0]
    assert labels_of(after)[0]["id"] == label_id
    assert labels_of(after)[0]["annotations"]["objects"][0]["bounding_box"]["left"] == 5.0
    assert after["data_row"]["details"]["last_activity_at"] > before["data_row"]["details"]["last_activity_at"]
    fake.delete_label(label_id)
    assert [labels_of(row) for row in exported(client, project_id)] == [[], [], []]
    fake.delete_data_row(rows[1])
    assert ids(exported(client, project_id)) == [rows[0], rows[2]]


def test_a_catalog_lists_batches_without_labels(fake: FakeLabelbox, client: labelbox.Client) -> None:
    project_id, rows = three_rows(fake)
    fake.label(rows[0], image(box("f")))
    fake.add_data_row(fake.add_project("other", "IMAGE"), row_data="https://h/other.png")
    batches = list(client.get_project(project_id).batches())
    assert [batch.size for batch in batches] == [1, 1, 1]

    def listed() -> list[Json]:
        asked = {"batch_ids": [batch.uid for batch in batches]}
        task = client.get_catalog().export(filters=asked, params={"data_row_details": True})
        task.wait_till_done()
        return [output.json for output in task.get_buffered_stream()]

    assert ids(listed()) == rows
    assert all(row["projects"] == {} and "last_activity_at" in row["data_row"]["details"] for row in listed())
    fake.catalog_batches = "ignored"
    assert len(listed()) == 4
    fake.catalog_batches = "refused"
    with pytest.raises(KeyError):  # SDK 7.17 stumbles over an export that is refused
        listed()


def test_times_move_with_what_people_do(fake: FakeLabelbox, client: labelbox.Client) -> None:
    project_id, (first, *_) = three_rows(fake)
    before = {"updated_at": "", "last_activity_at": ""}

    def moved() -> set[str]:
        nonlocal before
        found = {row["data_row"]["id"]: row["data_row"]["details"] for row in exported(client, project_id, ALL)}
        changed = {key for key in before if found[first][key] > before[key]}
        before = {key: found[first][key] for key in before}
        return changed

    assert moved() == {"updated_at", "last_activity_at"}
    assert moved() == set()
    label_id = fake.label(first, image(box("f")))
    for edit in (
        lambda: fake.label(first, image()),
        lambda: fake.relabel(label_id, {**image(), "objects": [{**box("g"), "mask": {"url": fake.paint(png(), "m")}}]}),
        lambda: fake.paint(png(9), "m"),
        lambda: fake.delete_label(label_id),
        lambda: fake.set_status(first, "IN_REVIEW"),
        lambda: (fake.remove_from_project(first), fake.add_to_project(project_id, first)),
    ):
        edit()
        assert moved() == {"last_activity_at"}
    fake.edit_data_row(first, external_id="a")
    assert moved() == {"updated_at", "last_activity_at"}


def test_a_data_row_leaves_its_project(fake: FakeLabelbox, client: labelbox.Client) -> None:
    project_id, rows = three_rows(fake)
    fake.label(rows[1], image())
    fake.remove_from_project(rows[1])
    assert ids(exported(client, project_id)) == [rows[0], rows[2]]
    assert client.get_data_row(rows[1]).uid == rows[1]
    fake.add_to_project(project_id, rows[1], "b0")
    (back,) = (row for row in exported(client, project_id) if row["data_row"]["id"] == rows[1])
    assert labels_of(back) == []


@pytest.mark.parametrize("whole_lines", [True, False])
def test_results_come_in_several_files(fake: FakeLabelbox, client: labelbox.Client, whole_lines: bool) -> None:
    project_id, rows = three_rows(fake)
    fake.chunk_bytes, fake.whole_lines = 200, whole_lines
    task = client.get_project(project_id).export()
    task.wait_till_done()
    assert [output.json["data_row"]["id"] for output in task.get_buffered_stream()] == rows
    assert task.get_total_lines(StreamType.RESULT) == 3
    assert fake.count(host="storage", path_contains="/exports/") == fake.count(operation="ExportFileFromOffset") > 2


def test_rows_that_fail_stand_in_the_errors(fake: FakeLabelbox, client: labelbox.Client) -> None:
    project_id, rows = three_rows(fake)
    fake.fail_export_rows({rows[1]: "cannot be read"})
    task = client.get_project(project_id).export()
    task.wait_till_done()
    assert task.has_errors()
    assert [output.json["data_row"]["id"] for output in task.get_buffered_stream()] == [rows[0], rows[2]]
    errors = [output.json for output in task.get_buffered_stream(StreamType.ERRORS)]
    assert errors == [{"data_row_id": rows[1], "error": "cannot be read"}]


def test_exports_that_are_empty_fail_or_never_end(fake: FakeLabelbox, client: labelbox.Client) -> None:
    project = client.get_project(fake.add_project("p", "IMAGE"))
    task = project.export()
    task.wait_till_done()
    assert not task.has_result()
    fake.exports = "failed"
    task = project.export()
    task.wait_till_done()
    with pytest.raises(labelbox.ExportTask.ExportTaskException, match="failed"):
        task.has_result()
    fake.exports = "stuck"
    task = project.export()
    task.wait_till_done(timeout_seconds=2)
    assert task.status == "IN_PROGRESS"


def test_tasks_take_as_long_as_is_wished(fake: FakeLabelbox, client: labelbox.Client) -> None:
    project_id, _ = three_rows(fake)
    fake.polls = 2
    task = client.get_project(project_id).export()
    assert task.status == "IN_PROGRESS"
    task._task.refresh()
    assert task.status == "IN_PROGRESS"
    task.wait_till_done()
    assert task.status == "COMPLETE"
    assert fake.count(operation="GetUserCreatedTasks") == 3
    assert labelbox.ExportTask.get_task(client, task.uid).has_result()


def test_datasets_and_rows_are_exported_too(fake: FakeLabelbox, client: labelbox.Client) -> None:
    project_id, rows = three_rows(fake)
    (dataset,) = client.get_datasets()
    task = dataset.export(params={"project_ids": [project_id]})
    assert [list(output.json["projects"]) for output in task.get_buffered_stream()] == [[project_id]] * 3
    task = labelbox.DataRow.export(client, global_keys=["k1"])
    assert [output.json["data_row"]["id"] for output in task.get_buffered_stream()] == rows[1:2]
    assert task.wait_till_done() is None


def test_rows_move_between_queues(fake: FakeLabelbox, client: labelbox.Client) -> None:
    project_id, rows = three_rows(fake)
    project = client.get_project(project_id)
    review = next(queue for queue in project.task_queues() if queue.queue_type == "MANUAL_REVIEW_QUEUE")
    project.move_data_rows_to_task_queue(GlobalKeys(["k0"]), review.uid)
    project.move_data_rows_to_task_queue(GlobalKeys(["k1"]), None)
    fake.set_status(rows[2], "IN_REWORK")
    states = [
        row["projects"][project_id]["project_details"]["workflow_status"] for row in exported(client, project_id, ALL)
    ]
    assert states == ["IN_REVIEW", "DONE", "IN_REWORK"]


def test_frames_between_keyframes_are_spelled_out(fake: FakeLabelbox, client: labelbox.Client) -> None:
    project_id = fake.add_project("p", "VIDEO", ONTOLOGY)
    row_id = fake.add_data_row(project_id, row_data="https://h/a.mp4", media_attributes={"frame_count": 20})
    spelled = {f: {"objects": {"f": box("f", left=float(f * f))}, "classifications": []} for f in (2, 6, 10, 12)}
    frames = {str(frame): content for frame, content in spelled.items()}
    fake.label(row_id, {"frames": frames, "segments": {"f": [[2, 6], [10, 15]]}, "classifications": []})
    (row,) = exported(client, project_id)
    assert labels_of(row)[0]["label_kind"] == "Video"
    assert list(labels_of(row)[0]["annotations"]["frames"]) == ["2", "6", "10", "12"]
    (row,) = exported(client, project_id, {"interpolated_frames": True})
    found = labels_of(row)[0]["annotations"]["frames"]
    lefts = {int(frame): content["objects"]["f"]["bounding_box"]["left"] for frame, content in found.items()}
    assert lefts == {2: 4, 3: 12, 4: 20, 5: 28, 6: 36, 10: 100, 11: 122, 12: 144}


def test_masks_need_the_key_and_composites_belong_to_an_export(
    fake: FakeLabelbox, client: labelbox.Client, web: requests.Session
) -> None:
    project_id, rows = three_rows(fake)
    single, composite = fake.paint(png(3)), fake.paint(png(4))
    masks = {"mask": {"url": single}, "composite_mask": {"url": composite, "color_rgb": [9, 9, 9]}}
    fake.label(rows[0], image({"feature_id": "f", **masks}))

    def urls() -> tuple[str, str]:
        (node,) = labels_of(exported(client, project_id)[0])[0]["annotations"]["objects"]
        assert node["composite_mask"]["color_rgb"] == [9, 9, 9]
        return node["mask"]["url"], node["composite_mask"]["url"]

    first, second = urls(), urls()
    assert first[0] == second[0] == f"{fake.rest_endpoint}/projects/{project_id}/annotations/f/index/1/mask"
    assert first[1] != second[1]
    assert web.get(first[0]).json()["errors"][0]["extensions"]["code"] == "AUTHENTICATION_ERROR"
    key = {"Authorization": f"Bearer {fake.key}"}
    assert [web.get(url, headers=key).content for url in (*first, second[1])] == [png(3), png(4), png(4)]
    assert web.get(first[0].replace("/index/1", ""), headers=key).content == png(3)
    assert web.get(first[1] + "0", headers=key).status_code == 404
    fake.forget_exports()
    assert [web.get(url, headers=key).status_code for url in first] == [200, 404]
    with pytest.raises(KeyError, match="not painted"):
        fake.label(rows[1], image({"feature_id": "g", "mask": {"url": "nothing"}}))


def expected(rows: list[Json], params: Json) -> list[Json]:
    return rows if params else [_bare(row) for row in rows]


def _bare(row: Json) -> Json:
    found = {key: row[key] for key in ("media_attributes",)}
    found["data_row"] = {key: value for key, value in row["data_row"].items() if key != "details"}
    found["projects"] = {}
    for key, project in row["projects"].items():
        kept = {name: value for name, value in project.items() if name != "project_details"}
        if "labels" in kept:
            left = {"label_details", "performance_details"}
            kept["labels"] = [{k: v for k, v in label.items() if k not in left} for label in kept["labels"]]
        found["projects"][key] = kept
    return found


def without_addresses(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: "address" if k in ("url", "row_data") else without_addresses(v) for k, v in value.items()}
    return [without_addresses(one) for one in value] if isinstance(value, list) else value


SETTINGS = settings(
    max_examples=8,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=True,
)


@SETTINGS
@given(project=projects("video"))
def test_a_loaded_video_project_is_exported_as_it_is(project: Project) -> None:
    check_loaded(project)


@SETTINGS
@given(project=projects("image"))
def test_a_loaded_image_project_is_exported_as_it_is(project: Project) -> None:
    check_loaded(project)


def check_loaded(project: Project) -> None:
    with FakeLabelbox() as fake, requests.Session() as web:
        client = connect(fake)
        web.headers["Authorization"] = f"Bearer {fake.key}"
        fake.load(project.rows, project.ontology, project.masks)
        for params in (ALL, {}):
            rows = exported(client, PROJECT_ID, params)
            assert without_addresses(rows) == without_addresses(expected(project.rows, params))
        names = dict(addresses(project.rows))
        for place, url in addresses(rows):
            assert web.get(url).content == project.masks[names[place]]
        tools = client.get_project(PROJECT_ID).ontology().tools()
        assert [one.feature_schema_id for one in tools] == [one["featureSchemaId"] for one in project.ontology["tools"]]
        assert not fake.crashes + fake.unknown
        client.connection.close()


def addresses(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """The addresses of masks and where they stand."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        if key == "url":
            yield place, child
        else:
            yield from addresses(child, f"{place}/{key}")


def test_a_loaded_project_has_its_media_and_can_go_on(
    fake: FakeLabelbox, client: labelbox.Client, web: requests.Session, tmp_path: Path
) -> None:
    label = {"label_kind": "Default", "version": "1.0.0", "id": "l", "annotations": image(box("f"))}
    row = {
        "data_row": {"id": "r", "row_data": "media/r.png"},
        "media_attributes": {"width": 64, "height": 48},
        "projects": {OTHER_PROJECT_ID: {"name": "o", "labels": []}, PROJECT_ID: {"name": "p", "labels": [label]}},
    }
    project = Project(PROJECT_ID, ONTOLOGY, [row], {}, {})
    write_project(tmp_path, project, media=True)
    fake.load([row], ONTOLOGY, {}, folder=tmp_path)
    (found,) = exported(client, PROJECT_ID)
    assert web.get(found["data_row"]["row_data"]).content == (tmp_path / "media/r.png").read_bytes()
    fake.relabel("l", image())
    fake.set_status("r", "IN_REWORK")
    assert not exported(client, PROJECT_ID, filters={"workflow_status": "Done"})
    (found,) = exported(client, PROJECT_ID, filters={"data_row_ids": ["r"]})
    assert found["projects"][PROJECT_ID]["labels"][0]["annotations"] == image()


# ------------------------------------------------------------- files and addresses


def test_storage_checks_signatures(fake: FakeLabelbox, client: labelbox.Client, web: requests.Session) -> None:
    project_id = fake.add_project("p", "IMAGE")
    fake.add_data_row(project_id, row_data=fake.store("/o/a b.png", png()))

    def url() -> str:
        return str(exported(client, project_id)[0]["data_row"]["row_data"])

    first = url()
    assert web.get(first).content == png()
    assert int(first.split("Expires=")[1].split("&")[0]) > time.time() * 1000
    assert web.get(first.partition("?")[0]).status_code == 403
    assert web.get(first.replace("Signature=", "Signature=x")).status_code == 403
    assert web.get(first.replace("a%20b", "c")).status_code == 403
    fake.expire_signatures()
    assert web.get(first).status_code == 403
    assert web.get(url()).status_code == 200
    fake.storage.lifetime = 0.5
    short = url()
    assert web.get(short).status_code == 200
    time.sleep(0.51)
    assert web.get(short).status_code == 403


def test_ranges_and_conditions(fake: FakeLabelbox, web: requests.Session) -> None:
    url = fake.put("/public/a.bin", bytes(range(100)))
    whole = web.head(url)
    assert (whole.content, whole.headers["Content-Length"], whole.headers["Accept-Ranges"]) == (b"", "100", "bytes")
    tag = whole.headers["ETag"]

    def asked(**headers: str) -> tuple[int, int, str | None]:
        answer = web.get(url, headers={key.replace("_", "-"): value for key, value in headers.items()})
        return answer.status_code, len(answer.content), answer.headers.get("Content-Range")

    assert asked(Range="bytes=10-19") == (206, 10, "bytes 10-19/100")
    assert asked(Range="bytes=90-") == (206, 10, "bytes 90-99/100")
    assert asked(Range="bytes=-5") == (206, 5, "bytes 95-99/100")
    assert asked(Range="bytes=50-500") == (206, 50, "bytes 50-99/100")
    assert asked(Range="bytes=100-") == (416, 0, "bytes */100")
    assert asked(Range="bytes=0-9", If_Range=tag) == (206, 10, "bytes 0-9/100")
    assert asked(Range="bytes=0-9", If_Range='"old"') == (200, 100, None)
    assert asked(If_None_Match=tag) == (304, 0, None)
    fake.put("/public/a.bin", b"new")
    assert asked(If_None_Match=tag) == (200, 3, None)
    plain = fake.put("/noranges/a.bin", b"content")
    answer = web.get(plain, headers={"Range": "bytes=0-1"})
    assert (answer.status_code, answer.content, "Accept-Ranges" in answer.headers) == (200, b"content", False)
    assert fake.count(host="bucket", method="HEAD") == 1
    assert fake.requests(path_contains="/noranges/")[0].headers["Range"] == "bytes=0-1"
    assert fake.requests(path_contains="/noranges/")[0].sent == 7


def test_the_bucket_lets_in_who_may(fake: FakeLabelbox, web: requests.Session) -> None:
    private = fake.put("/bearer/a.bin", b"a")
    assert web.get(private).status_code == 401
    assert web.get(private, headers={"Authorization": f"Bearer {fake.key}"}).status_code == 401
    assert web.get(private, headers={"Authorization": f"Bearer {fake.bucket_token}"}).content == b"a"
    shared = fake.put("/sas/videos/ü b.bin", b"s")
    token = fake.sas_token("videos", 60)
    assert web.get(f"{shared}?{token}").content == b"s"
    for wrong in ("", fake.sas_token("other", 60), fake.sas_token("videos", -1), token.replace("sig=", "sig=x")):
        answer = web.get(f"{shared}?{wrong}")
        assert (answer.status_code, "AuthenticationFailed" in answer.text) == (403, True)
    fake.expire_signatures()
    assert web.get(f"{shared}?{token}").status_code == 403
    assert web.get(shared.replace("/sas/videos", "/public")).status_code == 404
    with pytest.raises(ValueError, match="areas"):
        fake.put("/elsewhere/a", b"")


def test_redirects(fake: FakeLabelbox, web: requests.Session) -> None:
    target = fake.put("/public/a.bin", b"a")
    for host in (fake.api_url, fake.bucket.url):
        assert web.get(f"{host}/redirect", params={"to": target}).content == b"a"
    assert [seen.status for seen in fake.seen] == [302, 200, 302, 200]


# ------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("kind", "status"), [("error500", 500), ("error503", 503), ("busy", 429), ("missing", 404), ("expired", 403)]
)  # fmt: skip
def test_refusals(fake: FakeLabelbox, web: requests.Session, kind: Any, status: int) -> None:
    first, other = fake.put("/public/a.bin", b"a"), fake.put("/public/b.bin", b"b")
    fake.faults.set(kind=kind, host="bucket", path_contains="/a", retry_after=0.4)
    answer = web.get(first)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, "0" if kind == "busy" else None)
    assert fake.seen[-1].faults == (kind,)
    assert web.get(other).status_code == 200
    fake.faults.clear()
    assert web.get(first).status_code == 200


def test_a_body_that_is_cut_is_slow_or_never_comes(fake: FakeLabelbox, web: requests.Session) -> None:
    url = fake.put("/public/a.bin", bytes(1000))
    fake.faults.set(kind="truncated", once=True)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        web.get(url)
    assert len(web.get(url).content) == 1000
    fake.faults.clear()
    fake.faults.set(kind="dropped", times=1)
    with pytest.raises(requests.exceptions.ConnectionError):
        web.get(url)
    fake.faults.set(kind="slow", delay=0.1)
    start = time.monotonic()
    assert len(web.get(url).content) == 1000
    assert time.monotonic() - start >= 0.1
    assert [seen.status for seen in fake.seen] == [200, 200, 0, 200]


def test_faults_at_random_are_the_same_each_time(fake: FakeLabelbox, web: requests.Session) -> None:
    url = fake.put("/public/a.bin", b"")

    def found(seed: int) -> list[int]:
        fake.faults.clear()
        fake.faults.set(kind="error500", rate=0.5, seed=seed)
        return [web.get(url).status_code for _ in range(20)]

    assert found(1) == found(1) != found(2)
    assert set(found(1)) == {200, 500}
    with pytest.raises(ValueError, match="no such fault"):
        fake.faults.set(kind="typo")  # type: ignore[arg-type]


def test_a_fault_of_the_api_changes_nothing_unless_it_comes_after(fake: FakeLabelbox, client: labelbox.Client) -> None:
    fake.faults.set(host="api", kind="dropped", operation="CreateDataset", times=1)
    with pytest.raises(lbx.NetworkError):
        client.create_dataset(name="data", iam_integration=None)
    assert not list(client.get_datasets())
    fake.faults.set(host="api", kind="dropped", operation="CreateDataset", after=True, times=1)
    with pytest.raises(lbx.NetworkError):
        client.create_dataset(name="data", iam_integration=None)
    assert len(list(client.get_datasets())) == 1


def test_what_the_sdk_makes_of_a_busy_and_a_failing_api(fake: FakeLabelbox, client: labelbox.Client) -> None:
    fake.faults.set(host="api", kind="busy", times=1)
    with pytest.raises(lbx.ApiLimitError):
        client.get_user()
    fake.faults.set(host="api", kind="error503", times=1)
    assert client.get_user().email
    assert fake.count(operation="GetUser") == 3


def test_many_downloads_at_once_through_faults_of_the_storage(
    fake: FakeLabelbox, client: labelbox.Client, web: requests.Session
) -> None:
    project_id = fake.add_project("p", "IMAGE")
    for number in range(30):
        fake.add_data_row(project_id, row_data=fake.store(f"/o/{number}.bin", bytes([number]) * 1000))
    urls = [row["data_row"]["row_data"] for row in exported(client, project_id)]
    for kind in ("error500", "truncated", "dropped"):
        fake.faults.set(host="storage", kind=kind, rate=0.2, seed=3)  # type: ignore[arg-type]

    def fetched(url: str) -> bytes:
        while True:
            try:
                answer = requests.get(url, timeout=5)
            except requests.RequestException:
                continue
            if answer.ok:
                return answer.content

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(fetched, urls)) == [bytes([number]) * 1000 for number in range(30)]
    assert len([seen for seen in fake.seen if seen.faults]) > 5


def test_what_the_fake_does_not_know_is_loud() -> None:
    with FakeLabelbox() as fake, requests.Session() as web:
        client = connect(fake)
        with pytest.raises(lbx.InvalidQueryError, match=r"does not know .*\.webhooks"):
            client.execute("query GetX { user { webhooks { id } } }")
        assert len(fake.unknown) == 1
        assert web.get(f"{fake.rest_endpoint}/x", headers={"Authorization": f"Bearer {fake.key}"}).status_code == 404
        assert fake.unknown[1] == "GET /api/v1/x"
        assert fake.requests(operation="GetX")[0].host == "api"
        client.connection.close()


def test_a_request_that_was_cut_off_is_no_request(fake: FakeLabelbox) -> None:
    place = urlsplit(fake.endpoint)
    for body in (b"", b'{"query": "qu'):
        with socket.create_connection((str(place.hostname), int(place.port or 0))) as connection:
            head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
            connection.sendall(head + body)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
    assert fake.count() == 0
