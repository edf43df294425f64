"""Task `upload` end to end: the command line and the real SDK on a fake Labelbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.fake_labelbox import FakeLabelbox
from support.fake_labelbox.records import DataRow
from support.video import write_image, write_video

from lakebox.adapters.documents import read_document
from lakebox.adapters.labelbox_upload import UploadService
from lakebox.core.report import Report
from lakebox.errors import SourceError
from lakebox.runner import Silent
from lakebox.tasks.upload import Upload

pytest_plugins = ["support.labelbox_fixtures"]

ONTOLOGY = """
tools:
- tool: rectangle
  name: car
  featureSchemaId: foreign1
  classifications:
  - {type: radio, name: colour, instructions: colour, options: [{label: Red, value: red}]}
classifications:
- {type: checklist, name: Weather, instructions: Weather, scope: index, options: [{label: Rain, value: rain}]}
"""
CREATING = ("createDataset", "createProject", "upsertRootSchemaNode", "createBatchV2", "UpsertDataRows", "uploadFile",
            "connectOntology", "setSignerForDataset", "createLabelingFrontendOptions")  # fmt: skip

Upl = Callable[..., Report]


@pytest.fixture(autouse=True)
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three real clips in two folders, an ontology file; work happens beside them."""
    folder = tmp_path / "clips"
    (folder / "day2").mkdir(parents=True)
    for number, name in enumerate(("a.mp4", "b.mp4", "day2/a.mp4"), 2):
        write_video(folder / name, number, 64, 48)
    (tmp_path / "ontology.yaml").write_text(ONTOLOGY)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def upload(upload_service: UploadService) -> Upl:
    """Run the task in this process."""

    def call(**changes: Any) -> Report:
        fields: dict[str, Any] = {
            "media": "clips",
            "dataset": "lanes",
            "project": "lanes-2026",
            "ontology": "ontology.yaml",
        }
        return Upload(
            **{"service": upload_service, "progress": Silent(), "read_document": read_document, **fields, **changes}
        )()

    return call


def start(fake: FakeLabelbox, *overrides: str, key: str | None = None) -> subprocess.Popen[str]:
    """The command line, running."""
    places = [f"task.service.endpoint={fake.endpoint}", f"task.service.rest_endpoint={fake.rest_endpoint}"]
    named = ["task.dataset=lanes", "task.project=lanes-2026"]
    return subprocess.Popen(
        [sys.executable, "-m", "lakebox", "task=upload", *named, *places, *overrides],
        env={**os.environ, "LABELBOX_API_KEY": key or fake.key}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(fake: FakeLabelbox, *overrides: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
    """The command line, to its end."""
    with start(fake, *overrides, key=key) as process:
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def rows(fake: FakeLabelbox) -> dict[str, DataRow]:
    return {row.external_id or "": row for row in fake.org.data_rows.values()}


def content(fake: FakeLabelbox, row: DataRow) -> bytes | None:
    return fake.content(row.row_data)


def sizes(fake: FakeLabelbox) -> dict[str, int]:
    tables = ("datasets", "projects", "ontologies", "data_rows", "batches", "integrations", "metadata")
    return {name: len(getattr(fake.org, name)) for name in tables}


def mutations(fake: FakeLabelbox) -> int:
    return sum(fake.count(operation=name) for name in CREATING)


# --- the command line ------------------------------------------------------------------------------------------------


def test_plan_then_upload_then_nothing(fake: FakeLabelbox, clips: Path) -> None:
    arguments = ("task.media=clips/**/*.mp4", "task.ontology=ontology.yaml", "task.priority=2", "report=report.json")
    planned = run(fake, *arguments, "task.dry_run=true")
    assert planned.returncode == 0, planned.stderr
    sentence = (
        "create dataset 'lanes', create project 'lanes-2026' (video), create ontology 'ontology' from ontology.yaml,"
        " 3 data rows to upload, 0 there already, 1 batch of 3"
    )
    assert " ".join(planned.stdout.split()).startswith(f"upload {sentence}")
    assert set(sizes(fake).values()) == {0}
    assert mutations(fake) == 0

    done = run(fake, *arguments)
    assert done.returncode == 0, done.stderr
    (project,) = fake.org.projects.values()
    (dataset,) = fake.org.datasets.values()
    (ontology,) = (one for one in fake.org.ontologies.values() if one.name == "ontology")  # the editor brings its own
    (batch,) = fake.org.batches.values()
    assert (project.name, project.media_type, project.ontology_id) == ("lanes-2026", "VIDEO", ontology.id)
    assert (ontology.name, ontology.media_type) == ("ontology", "VIDEO")
    assert "foreign1" not in json.dumps(ontology.normalized)
    assert (batch.name, batch.priority, batch.project_id) == ("lanes_batch", 2, project.id)
    assert set(batch.data_row_ids) == set(fake.org.data_rows)
    found = rows(fake)
    assert sorted(found) == ["a.mp4", "b.mp4", "day2/a.mp4"]
    for name, row in found.items():
        assert content(fake, row) == (clips / name).read_bytes()
        assert row.dataset_id == dataset.id
        assert str(row.global_key).startswith(f"{Path(name).name}-")
    report = json.loads(Path("report.json").read_text(encoding="utf-8"))
    assert report["plan"] == sentence
    assert report["assets"] == {"added": 3, "relabelled": 0, "dropped": 0, "unchanged": 0, "failed": 0}
    assert report["labelbox"] == {
        "project_id": project.id, "dataset_id": dataset.id, "ontology_id": ontology.id, "batches": ["lanes_batch"],
    }  # fmt: skip
    assert f"lakebox source=labelbox project_id={project.id}" in done.stdout

    before, made = sizes(fake), mutations(fake)
    again = run(fake, *arguments)
    assert again.returncode == 0, again.stderr
    assert "nothing to do, 3 there already" in again.stdout
    assert (sizes(fake), mutations(fake)) == (before, made)
    planned = run(fake, *arguments, "task.dry_run=true")
    assert "nothing to do, 3 there already" in planned.stdout
    assert (sizes(fake), mutations(fake)) == (before, made)
    for one in (planned, done, again):
        assert fake.key not in one.stdout + one.stderr + json.dumps(report)
    assert not [
        path for path in Path.cwd().rglob("*") if path.is_file() and fake.key in path.read_text(errors="ignore")
    ]


@pytest.mark.parametrize("how", ["code", "message"])
def test_a_key_that_is_refused(fake: FakeLabelbox, how: Any) -> None:
    fake.refuses = how
    done = run(fake, "task.media=clips", key="another-key")
    assert done.returncode == 1
    assert "refused the API key in LABELBOX_API_KEY" in done.stderr
    assert "another-key" not in done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["task.media=[clips/a.mp4,https://h/b.mp4]"], ["1 local: clips/a.mp4", "1 remote: https://h/b.mp4"]),
        (["task.media=[clips/a.mp4,clips]"], ["listed several times", "clips/a.mp4 (task.media) and a.mp4"]),
        (["task.media=clips", "task.iam_integration=aws"], ["no such IAM integration", "Labelbox has: none"]),
        (["task.media=clips", "task.ontology=cars"], ["no ontology with the id or name 'cars'"]),
        (["task.media=nothing/*.mp4"], ["nothing/*.mp4: no file matches"]),
        (["task.media=clips", "task.media_type=image"], ["clips: no images in this folder"]),
    ],
)  # fmt: skip
def test_mistakes_exit_2_and_touch_nothing(fake: FakeLabelbox, overrides: Sequence[str], words: Sequence[str]) -> None:
    done = run(fake, *overrides)
    assert done.returncode == 2, done.stderr
    for word in [*words, "nothing was touched"]:
        assert word in done.stderr
    assert "Signature" not in done.stderr
    assert set(sizes(fake).values()) == {0}


def test_refused_rows_exit_1_and_the_rest_is_there(fake: FakeLabelbox, clips: Path) -> None:
    (key,) = [key for key in keys(fake) if key.startswith("b.mp4")]
    fake.refused_keys = {key: "The video is too long"}
    done = run(fake, "task.media=clips", "report=report.json")
    assert done.returncode == 1, done.stderr
    assert "failed  (b.mp4): upload: The video is too long" in " ".join(done.stdout.split()).replace(
        "failed ", "failed  "
    )
    report = json.loads(Path("report.json").read_text(encoding="utf-8"))
    assert [(one["name"], one["stage"]) for one in report["failures"]] == [("b.mp4", "upload")]
    assert report["assets"]["added"] == 2
    (batch,) = fake.org.batches.values()
    assert len(batch.data_row_ids) == 2
    fake.refused_keys = {}
    done = run(fake, "task.media=clips")
    assert done.returncode == 0, done.stderr
    assert "1 data row to upload, 2 there already, 1 batch of 1" in done.stdout


def keys(fake: FakeLabelbox) -> list[str]:
    """The keys that the clips will have."""
    from lakebox.core.upload import make_rows
    from lakebox.tasks.media_list import fingerprints, list_media

    entries = list_media(["clips"], "video").entries
    return [row.global_key for row in make_rows(entries, fingerprints(entries), "fail")]


# --- broken off ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dropped", "error502", "error500"])
@pytest.mark.parametrize(
    "operation",
    ["CreateDataset", "CreateProject", "upsertRootSchemaNode", "createBatchV2", "UpsertDataRows", "ConnectOntology"],
)
def test_a_lost_answer_makes_nothing_twice(fake: FakeLabelbox, upload: Upl, operation: str, kind: Any) -> None:
    fault = fake.faults.set(kind, host="api", operation=operation, times=1, after=True)
    try:
        upload()
    except SourceError as error:
        assert "the same command does the rest" in str(error)
    assert fault.hits
    fake.faults.clear()
    report = upload()
    assert report.ok
    assert (len(fake.org.datasets), len(fake.org.projects), len(fake.org.data_rows)) == (1, 1, 3)
    assert Counter(one.name for one in fake.org.ontologies.values())["ontology"] == 1
    assert sorted(key for batch in fake.org.batches.values() for key in batch.data_row_ids) == sorted(
        fake.org.data_rows
    )
    assert upload().plan == "nothing to do, 3 there already"


@pytest.mark.parametrize(("sent", "request_number"), [(0, 1), (1, 2), (2, 5)])
def test_files_that_were_sent_are_kept_when_the_next_fails(
    fake: FakeLabelbox, upload: Upl, connect: Callable[..., UploadService], sent: int, request_number: int
) -> None:
    """Two files make a task, which sends two files of its own: the rows and the list of them."""
    passed = 0

    def strikes(host: str, path: str, operation: str | None) -> bool:
        nonlocal passed
        passed += operation == "UploadFile"
        return operation == "UploadFile" and passed == request_number

    fake.faults.set("expired").strikes = strikes  # type: ignore[method-assign]
    with pytest.raises(SourceError, match=f"{sent} of 3 data rows were uploaded; the same command does the rest"):
        upload(service=connect(files_at_once=1))
    assert len(fake.org.data_rows) == sent
    report = upload()
    assert (report.assets["added"], report.assets["unchanged"]) == (3 - sent, sent)
    assert len(fake.org.batches) == 1


def test_a_killed_upload_is_finished_by_the_same_command(fake: FakeLabelbox, clips: Path) -> None:
    fake.faults.set("slow", operation="UploadFile", delay=0.2)
    one_by_one = ("task.media=clips", "+task.service.files_per_task=1", "task.service.files_at_once=1")
    with start(fake, *one_by_one) as process:
        deadline = time.monotonic() + 60
        while len(fake.org.data_rows) < 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    assert 1 <= len(fake.org.data_rows) < 3
    assert not fake.org.projects
    fake.faults.clear()
    done = run(fake, *one_by_one)
    assert done.returncode == 0, done.stderr
    assert len(fake.org.datasets) == len(fake.org.projects) == len(fake.org.batches) == 1
    (batch,) = fake.org.batches.values()
    assert set(batch.data_row_ids) == set(fake.org.data_rows)
    assert sorted(rows(fake)) == ["a.mp4", "b.mp4", "day2/a.mp4"]


def test_a_busy_labelbox_is_waited_for(fake: FakeLabelbox, upload: Upl) -> None:
    fake.faults.set("busy", host="api", once=True)
    fake.faults.set("error503", host="api", once=True)
    fake.polls = 1
    assert upload().ok
    assert sizes(fake)["data_rows"] == 3
    assert sizes(fake)["datasets"] == sizes(fake)["projects"] == 1


@pytest.mark.parametrize("seed", range(int(os.environ.get("LAKEBOX_EXAMPLES", "1"))))
@pytest.mark.parametrize(
    ("kind", "after"),
    [
        *((kind, False) for kind in ("error500", "busy", "slow", "truncated", "dropped")),
        *((kind, True) for kind in ("error500", "truncated", "dropped")),  # executed, and the answer was lost
    ],
)
def test_a_fifth_of_all_requests_goes_wrong(
    fake: FakeLabelbox, upload: Upl, clips: Path, kind: Any, after: bool, seed: int
) -> None:
    """However often it breaks off, the same command makes it whole, and makes nothing twice."""
    fault = fake.faults.set(kind, rate=0.2, seed=seed, after=after, delay=0.2)
    for _ in range(3):
        try:
            assert upload().ok
        except SourceError as error:
            assert "the same command does the rest" in str(error) or "try again" in str(error)
    assert fault.hits
    fake.faults.clear()
    assert upload().ok
    assert upload().plan == "nothing to do, 3 there already"
    assert {name: content(fake, row) for name, row in rows(fake).items()} == {
        name: (clips / name).read_bytes() for name in ("a.mp4", "b.mp4", "day2/a.mp4")
    }
    assert (len(fake.org.datasets), len(fake.org.projects), len(fake.org.data_rows)) == (1, 1, 3)
    assert Counter(one.name for one in fake.org.ontologies.values())["ontology"] == 1
    assert sorted(key for batch in fake.org.batches.values() for key in batch.data_row_ids) == sorted(
        fake.org.data_rows
    )


# --- ontologies and integrations -------------------------------------------------------------------------------------


def test_ontology_by_id_by_name_and_of_a_file_that_made_it(fake: FakeLabelbox, upload: Upl) -> None:
    first = upload().labelbox["ontology_id"]
    for number, asked in enumerate((first, "ontology", "ontology.yaml")):
        assert upload(ontology=asked, project=f"p{number}").labelbox["ontology_id"] == first
    assert {one.ontology_id for one in fake.org.projects.values()} == {first}
    assert sum(one.name == "ontology" for one in fake.org.ontologies.values()) == 1


def test_a_project_that_was_made_by_hand_gets_its_ontology(fake: FakeLabelbox, upload: Upl) -> None:
    project = fake.add_project("lanes-2026", "VIDEO")
    report = upload()
    assert report.labelbox["project_id"] == project
    assert fake.project(project).ontology_id == report.labelbox["ontology_id"]


@pytest.mark.parametrize("asked", ["aws", "id", "DEFAULT"])
def test_integration_of_a_new_dataset(fake: FakeLabelbox, upload: Upl, asked: str) -> None:
    fake.add_integration("gcp")
    aws = fake.add_integration("aws", default=True)
    upload(iam_integration=aws if asked == "id" else asked)
    (dataset,) = fake.org.datasets.values()
    assert dataset.integration_id == aws
    assert upload(iam_integration=aws).plan == "nothing to do, 3 there already"


def test_no_integration(fake: FakeLabelbox, upload: Upl) -> None:
    fake.add_integration("aws", default=True)
    upload(iam_integration=None)
    (dataset,) = fake.org.datasets.values()
    assert dataset.integration_id is None
    plan = upload(iam_integration="aws").plan
    assert plan == "connect integration aws to dataset 'lanes', 3 there already"
    assert dataset.integration_id is not None


# --- manifests, addresses, images ------------------------------------------------------------------------------------


def test_a_manifest_with_metadata_and_attachments(fake: FakeLabelbox, upload: Upl) -> None:
    weather = fake.add_metadata_field("weather", "CustomMetadataEnum", ("rain", "sun"))
    camera = fake.add_metadata_field("camera", "CustomMetadataNumber")
    note = fake.add_metadata_field("note", "CustomMetadataString")
    taken = fake.add_metadata_field("taken", "CustomMetadataDateTime")
    Path("m.csv").write_text(
        "path,global_key,external_id,metadata.weather,metadata.camera,metadata.note,metadata.taken,attachment.IMAGE\n"
        "clips/a.mp4,key-a,clip a,rain,3,7,2026-01-02T03:04:05Z,https://h/map.png\n"
        "clips/b.mp4,,,,,,,\n"
    )
    upload(media="m.csv")
    a, b = (rows(fake)[name] for name in ("clip a", "clips/b.mp4"))
    assert a.global_key == "key-a"
    assert [(one["type"], one["value"]) for one in a.attachments] == [("IMAGE", "https://h/map.png")]
    values = {one["schemaId"]: one["value"] for one in a.metadata}
    rain = fake.org.metadata[weather]["options"][0]["id"]
    assert values == {weather: {}, rain: {}, camera: 3.0, note: "7", taken: "2026-01-02T03:04:05Z"}
    assert (b.attachments, b.metadata) == ([], [])
    assert upload(media="m.csv").plan == "nothing to do, 2 there already"


def test_addresses_keep_their_signature_in_labelbox_only(fake: FakeLabelbox, upload: Upl) -> None:
    base = fake.put("/public/clip_1.mp4", b"x")
    report = upload(media=[f"{base}?X-Amz-Signature=one&X-Amz-Date=1"])
    (row,) = fake.org.data_rows.values()
    assert "X-Amz-Signature=one" in row.row_data
    assert (row.global_key, row.external_id) == (base, "clip_1.mp4")
    assert "Signature" not in json.dumps(report.as_dict())
    assert upload(media=[f"{base}?X-Amz-Signature=two"]).plan == "nothing to do, 1 there already"
    assert fake.count(operation="UploadFile") == 2  # the lists of data rows and of their chunks, no media


def test_images(fake: FakeLabelbox, upload: Upl, tmp_path: Path) -> None:
    (tmp_path / "stills").mkdir()
    for number, name in enumerate(("a.png", "b.jpg"), 1):
        write_image(tmp_path / "stills" / name, 64 * number, 48)
    report = upload(media="stills", media_type="image")
    assert report.assets["added"] == 2
    (project,) = fake.org.projects.values()
    assert project.media_type == "IMAGE"
    assert {row.media["asset_type"] for row in fake.org.data_rows.values()} == {"image"}


@pytest.mark.parametrize(("rule", "count"), [("skip", 3), ("all", 4)])
def test_duplicates(fake: FakeLabelbox, upload: Upl, rule: str, count: int) -> None:
    media = ["clips", "clips/b.mp4"]
    assert upload(media=media, duplicates=rule).assets["added"] == count
    assert len({row.global_key for row in fake.org.data_rows.values()}) == count
    assert upload(media=media, duplicates=rule).plan == f"nothing to do, {count} there already"


def test_rows_of_another_dataset_are_used(fake: FakeLabelbox, upload: Upl) -> None:
    upload()
    report = upload(dataset="others", project="others")
    assert "3 data rows exist in another dataset than 'others'" in report.warnings[0]
    assert sizes(fake)["data_rows"] == 3
    assert sizes(fake)["batches"] == 2


def test_what_a_batch_does_not_take_is_reported(upload: Upl, connect: Callable[..., UploadService]) -> None:
    """A data row that somebody deleted in the meantime, say."""

    class Forgetful(UploadService):
        def data_row_ids(self, keys: Sequence[str]) -> dict[str, str]:
            return {keys[0]: "c" * 25, **super().data_row_ids(keys[1:])}

    report = upload(service=connect(Forgetful))
    assert [(one.stage, one.data_row_id) for one in report.failures] == [("batch", "c" * 25)]
    assert "did not put it into project 'lanes-2026'" in report.failures[0].error


def test_many_addresses(fake: FakeLabelbox, upload: Upl, connect: Callable[..., UploadService]) -> None:
    """More than a task, a question for keys and a batch at once take."""
    Path("many.txt").write_text("".join(f"https://h/{number}.mp4?Signature={number}\n" for number in range(2100)))
    service = connect(rows_per_task=500)
    report = upload(service=service, media="many.txt")
    assert report.assets["added"] == 2100
    assert fake.count(operation="UpsertDataRows") == 5
    (batch,) = fake.org.batches.values()
    assert len(batch.data_row_ids) == 2100
    assert upload(service=service, media="many.txt").plan == "nothing to do, 2100 there already"
