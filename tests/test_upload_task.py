"""The task `upload` on a Labelbox in memory: what is made, what is found again, what is refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.memory_labelbox import MemoryLabelbox

from lakebox.adapters.documents import read_document
from lakebox.core.report import Report
from lakebox.core.upload_port import FoundIntegration, FoundOntology, Workspace
from lakebox.errors import ConfigError, SourceError
from lakebox.runner import Silent
from lakebox.tasks.upload import Upload

BOX: dict[str, Any] = {"tools": [{"tool": "rectangle", "name": "car", "classifications": []}], "classifications": []}


class Counting(Silent):
    """Progress that counts."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, Sequence[int] | None]] = []
        self.done = 0

    def begin(self, what: str, sizes: Sequence[int] | None) -> None:
        self.begun.append((what, sizes))

    def asset(self) -> None:
        self.done += 1


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three clips; work happens beside them."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.mp4").write_bytes(name.encode() * 10)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def box(clips: Path) -> MemoryLabelbox:
    (clips.parent / "lanes.yaml").write_text("tools:\n- {tool: rectangle, name: car}\n")
    return MemoryLabelbox()


def task(box: MemoryLabelbox, **changes: Any) -> Upload:
    fields: dict[str, Any] = {"media": "clips", "dataset": "lanes", "project": "lanes-2026", "progress": Counting()}
    return Upload(**{"service": box, "read_document": read_document, **fields, **changes})


def upload(box: MemoryLabelbox, **changes: Any) -> Report:
    return task(box, **changes)()


def test_the_memory_is_a_workspace(box: MemoryLabelbox) -> None:
    assert isinstance(box, Workspace)


def test_everything_is_created_in_order(box: MemoryLabelbox, clips: Path) -> None:
    progress = Counting()
    report = upload(box, ontology="lanes.yaml", priority=2, progress=progress)
    kinds = [item.partition(" ")[0] for item in box.made]
    assert kinds == ["ontology", "dataset", "row", "row", "row", "project", "connected", "batch"]
    assert box.made[-1] == "batch lanes_batch 2"
    assert {row["content"] for row in box.data_rows.values()} == {path.read_bytes() for path in clips.iterdir()}
    assert report.ok
    assert report.assets == Counter(added=3, relabelled=0, dropped=0, unchanged=0, failed=0)
    (project, dataset, ontology) = (*box.projects_, *box.datasets_, *box.ontologies_)
    assert report.as_dict()["labelbox"] == {
        "project_id": project, "dataset_id": dataset, "ontology_id": ontology, "batches": ["lanes_batch"],
    }  # fmt: skip
    assert progress.begun == [("uploading", [1, 1, 1])]
    assert progress.done == 3


def test_a_second_run_makes_nothing(box: MemoryLabelbox) -> None:
    first = upload(box, ontology="lanes.yaml")
    made = list(box.made)
    again = upload(box, ontology="lanes.yaml")
    assert box.made == made
    assert again.plan == "nothing to do, 3 there already"
    assert again.assets["unchanged"] == 3
    assert {**first.labelbox, "batches": []} == again.labelbox
    assert again.warnings == []


def test_a_dry_run_makes_nothing_and_says_what_would_be(box: MemoryLabelbox) -> None:
    planned = upload(box, ontology="lanes.yaml", dry_run=True)
    assert box.made == []
    assert planned.plan == (
        "create dataset 'lanes', create project 'lanes-2026' (video), create ontology 'lanes' from lanes.yaml,"
        " 3 data rows to upload, 0 there already, 1 batch of 3"
    )
    assert "labelbox" not in planned.as_dict()
    assert upload(box, ontology="lanes.yaml").plan == planned.plan


def test_new_media_go_into_a_second_batch(box: MemoryLabelbox, clips: Path) -> None:
    upload(box)
    (clips / "d.mp4").write_bytes(b"d")
    report = upload(box)
    assert report.plan == "1 data row to upload, 3 there already, 1 batch of 1"
    assert report.labelbox["batches"] == ["lanes_batch-2"]


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_what_broke_off_is_finished_by_the_next_run(box: MemoryLabelbox, rows: int) -> None:
    box.rows_left = rows
    with pytest.raises(SourceError, match=f"{rows} of 3 data rows were uploaded; the same command does the rest"):
        upload(box)
    report = upload(box)
    assert report.assets["added"] == 3 - rows
    assert report.assets["unchanged"] == rows
    assert len(box.data_rows) == 3
    assert (len(box.datasets_), len(box.projects_)) == (1, 1)
    (project,) = box.projects_.values()
    assert project["batches"] == {"lanes_batch": set(box.data_rows)}


@pytest.mark.parametrize("kind", ["dataset", "project", "ontology"])
def test_what_was_made_without_an_answer_is_found(box: MemoryLabelbox, kind: str) -> None:
    box.fail = {f"create_{kind}": "after"}
    assert upload(box, ontology="lanes.yaml").ok
    assert sorted(Counter(item.partition(" ")[0] for item in box.made).items()) == [
        ("batch", 1), ("connected", 1), ("dataset", 1), ("ontology", 1), ("project", 1), ("row", 3),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["dataset", "project", "ontology"])
def test_what_was_not_made_is_an_error_and_made_by_the_next_run(box: MemoryLabelbox, kind: str) -> None:
    box.fail = {f"create_{kind}": "before"}
    with pytest.raises(SourceError, match=f"creating {kind}"):
        upload(box, ontology="lanes.yaml")
    assert upload(box, ontology="lanes.yaml").ok
    assert (len(box.datasets_), len(box.projects_), len(box.ontologies_), len(box.data_rows)) == (1, 1, 1, 3)


def test_a_batch_without_an_answer_is_found(box: MemoryLabelbox) -> None:
    box.fail = {"create_batch": "after"}
    with pytest.raises(SourceError, match="creating batch"):
        upload(box)
    assert upload(box).plan == "nothing to do, 3 there already"


def test_refused_rows_are_failures_and_tried_again(box: MemoryLabelbox, clips: Path) -> None:
    (key,) = [key for key in upload_keys(box) if key.startswith("b.mp4")]
    box.refuse = {key: "too large"}
    report = upload(box)
    assert not report.ok
    assert [(failure.name, failure.stage, failure.error) for failure in report.failures] == [
        ("b.mp4", "upload", "too large")
    ]
    assert report.assets["failed"] == 1
    assert [len(batch) for project in box.projects_.values() for batch in project["batches"].values()] == [2]
    box.refuse = {}
    assert upload(box).assets["added"] == 1


def upload_keys(box: MemoryLabelbox) -> list[str]:
    probe = MemoryLabelbox()
    upload(probe)
    return [row["key"] for row in probe.data_rows.values()]


def test_rows_of_another_dataset_are_used_and_said(box: MemoryLabelbox) -> None:
    upload(box)
    report = upload(box, dataset="others", project="others")
    assert report.assets["added"] == 0
    assert len(box.data_rows) == 3
    assert "3 data rows exist in another dataset than 'others'" in report.warnings[0]
    assert report.labelbox["batches"] == ["others_batch"]


def test_a_project_without_ontology_is_said(box: MemoryLabelbox) -> None:
    assert upload(box).warnings == ["project 'lanes-2026' has no ontology; nobody can label without one"]


# --- ontologies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["o1", "cars"])
def test_ontology_by_id_and_by_name(box: MemoryLabelbox, name: str) -> None:
    box.ontologies_["o1"] = FoundOntology("o1", "cars", "video", BOX)
    assert upload(box, ontology=name).labelbox["ontology_id"] == "o1"
    (project,) = box.projects_.values()
    assert project["ontology"] == "o1"


def test_ontology_of_a_file_is_reused_if_it_is_the_same(box: MemoryLabelbox) -> None:
    box.ontologies_["o1"] = FoundOntology("o1", "lanes", "video", BOX)
    assert upload(box, ontology="lanes.yaml").labelbox["ontology_id"] == "o1"
    assert len(box.ontologies_) == 1


def test_ontology_named_in_its_file(box: MemoryLabelbox, clips: Path) -> None:
    (clips.parent / "o.json").write_text(json.dumps({**BOX, "name": "from the file"}))
    upload(box, ontology="o.json")
    assert [one.name for one in box.ontologies_.values()] == ["from the file"]


REFUSED = [
    ({"ontology": "nope"}, ["no ontology with the id or name 'nope'", ".yaml"]),
    ({"ontology": "twins"}, ["several of the name 'twins'", "o2", "o3"]),
    ({"ontology": "pictures"}, ["is for image, not for video"]),
    ({"ontology": "missing.yaml"}, ["missing.yaml cannot be read"]),
    ({"ontology": "other/lanes.yaml"}, ["only in the file: bus", "only in Labelbox: car"]),
    ({"ontology": "pictures", "media_type": "image", "media": "https://h/a.jpg", "project": "full"}, ["'full' (p1) is a project for video"]),
    ({"ontology": "lanes", "project": "full"}, ["project p1 has ontology 'twins' (o2), not 'lanes'"]),
    ({"ontology": "new.yaml", "project": "full"}, ["project p1 has ontology 'twins' (o2), not 'new'"]),
    ({"ontology": "typo.yaml", "dry_run": True}, ["typo.yaml", "tools[0] 'bus': unknown tool 'rectangel', did you mean 'rectangle'?"]),
    ({"dataset": "double"}, ["several of the name 'double'", "d1, d2"]),
    ({"iam_integration": "nope"}, ["no such IAM integration", "aws (i1)"]),
    ({"media": ["clips", "https://h/a.mp4?Signature=s"]}, ["3 local: a.mp4", "1 remote: https://h/a.mp4"]),
    ({"media": ["clips/*.mp4", "clips/a.mp4"]}, ["listed several times", "a.mp4 (task.media)"]),
    ({"media": []}, ["the list is empty"]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_is_refused_touches_nothing(
    box: MemoryLabelbox, clips: Path, changes: dict[str, Any], words: list[str]
) -> None:
    (clips.parent / "other").mkdir()
    (clips.parent / "other/lanes.yaml").write_text("tools:\n- {tool: rectangle, name: bus}\n")
    (clips.parent / "new.yaml").write_text("tools:\n- {tool: rectangle, name: bus}\n")
    (clips.parent / "typo.yaml").write_text("tools:\n- {tool: rectangel, name: bus}\n")
    named = {"o1": ("lanes", "video"), "o2": ("twins", "video"), "o3": ("twins", "video"), "o4": ("pictures", "image")}
    box.ontologies_ = {uid: FoundOntology(uid, name, media, BOX) for uid, (name, media) in named.items()}
    box.projects_["p1"] = {"name": "full", "media_type": "video", "ontology": "o2", "batches": {}}
    box.datasets_ = {uid: {"name": "double", "integration": ""} for uid in ("d1", "d2")}
    box.integrations_ = [FoundIntegration("i1", "aws")]
    with pytest.raises(ConfigError) as error:
        upload(box, **changes)
    for word in [*words, "nothing was touched"]:
        assert word in str(error.value), str(error.value)
    assert "Signature" not in str(error.value)
    assert box.made == []


def test_a_list_that_says_more_of_data_rows_that_exist(box: MemoryLabelbox, clips: Path) -> None:
    """What is edited there is not brought to Labelbox, and that is said: in the plan, too."""
    upload(box)
    (clips.parent / "m.csv").write_text("path,external_id\nclips/a.mp4,new name\nclips/b.mp4,\n")
    for dry_run in (True, False):
        (note,) = upload(box, media="m.csv", ontology="lanes.yaml", dry_run=dry_run).warnings
        assert note.startswith("1 data row exists; its metadata, attachments and external ids are left as they are")


# --- integrations, addresses -----------------------------------------------------------------------------------------


def test_integrations(box: MemoryLabelbox) -> None:
    box.integrations_ = [FoundIntegration("i1", "aws", default=True), FoundIntegration("i2", "gcp")]
    for name, asked, integration in (("a", "DEFAULT", "i1"), ("b", "gcp", "i2"), ("c", "i2", "i2"), ("d", None, "")):
        upload(box, dataset=name, iam_integration=asked)
        assert {one["integration"] for one in box.datasets_.values() if one["name"] == name} == {integration}


def test_an_empty_dataset_that_lost_its_integration_gets_it(box: MemoryLabelbox) -> None:
    box.integrations_ = [FoundIntegration("i1", "aws", default=True)]
    box.datasets_["d"] = {"name": "lanes", "integration": ""}
    assert "connect integration aws to dataset 'lanes'" in upload(box).plan
    assert box.datasets_["d"]["integration"] == "i1"


def test_addresses_keep_their_signature_for_labelbox_only(box: MemoryLabelbox) -> None:
    url = "https://h/dir/clip%201.mp4?X-Amz-Signature=secret"
    report = upload(box, media=url)
    (row,) = box.data_rows.values()
    assert row["content"] == url
    assert (row["key"], row["row"].external_id) == ("https://h/dir/clip%201.mp4", "clip 1.mp4")
    assert "secret" not in repr(row["row"]) + json.dumps(report.as_dict())
    again = upload(box, media=url.replace("secret", "newer"))
    assert again.assets["unchanged"] == 1


def test_a_manifest_reaches_labelbox(box: MemoryLabelbox, clips: Path) -> None:
    (clips.parent / "m.csv").write_text(
        "path,global_key,external_id,attachment.IMAGE\nclips/a.mp4,key-a,A,https://h/map.png\nclips/b.mp4,,,\n"
    )
    upload(box, media="m.csv")
    a, b = (one["row"] for one in box.data_rows.values())
    assert (a.global_key, a.external_id, a.attachments) == (
        "key-a",
        "A",
        ({"type": "IMAGE", "value": "https://h/map.png"},),
    )
    assert b.global_key.startswith("b.mp4-")
    assert (b.external_id, b.attachments) == ("clips/b.mp4", ())


@pytest.mark.parametrize(("rule", "rows"), [("skip", 3), ("all", 4)])
def test_duplicates(box: MemoryLabelbox, rule: str, rows: int) -> None:
    report = upload(box, media=["clips", "clips/a.mp4"], duplicates=rule)
    assert len(box.data_rows) == rows
    assert any("listed more than once" in warning for warning in report.warnings) is (rule == "skip")
    assert upload(box, media=["clips", "clips/a.mp4"], duplicates=rule).plan == f"nothing to do, {rows} there already"
