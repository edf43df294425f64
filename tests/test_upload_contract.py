"""What every `Workspace` does: the one in memory, and the SDK on a fake Labelbox."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.memory_labelbox import MemoryLabelbox

from lakebox.core.upload import UploadRow
from lakebox.core.upload_port import Uploaded, Workspace

pytest_plugins = ["support.labelbox_fixtures"]

BOX: dict[str, Any] = {"tools": [{"tool": "rectangle", "name": "car", "classifications": []}], "classifications": []}


@pytest.fixture(params=["memory", "sdk"])
def workspace(request: pytest.FixtureRequest) -> Workspace:
    if request.param == "memory":
        return MemoryLabelbox()
    service: Workspace = request.getfixturevalue("upload_service")
    return service


@pytest.fixture
def dataset(workspace: Workspace) -> str:
    return workspace.create_dataset("lanes", "")


@pytest.fixture
def project(workspace: Workspace) -> str:
    return workspace.create_project("lanes-2026", "image")


@pytest.fixture
def rows(tmp_path: Path) -> list[UploadRow]:
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path in paths:
        path.write_bytes(path.name.encode())
    return [UploadRow(str(path), f"key-{path.stem}", path.name, shown=path.name) for path in paths]


def upload(workspace: Workspace, dataset: str, rows: Sequence[UploadRow]) -> list[Uploaded]:
    return list(workspace.upload(dataset, rows, "image", lambda: None))


def ids(workspace: Workspace, rows: Sequence[UploadRow]) -> list[str]:
    known = workspace.data_row_ids([row.global_key for row in rows])
    return [known[row.global_key] for row in rows]


def test_datasets_by_exact_name(workspace: Workspace, dataset: str, rows: list[UploadRow]) -> None:
    workspace.create_dataset("lanes of others", "")
    twin = workspace.create_dataset("lanes", "")
    assert {one.id for one in workspace.datasets("lanes")} == {dataset, twin}
    assert workspace.datasets("lane") == []
    assert [one.rows for one in workspace.datasets("lanes")] == [0, 0]
    upload(workspace, dataset, rows)
    assert {one.id: one.rows for one in workspace.datasets("lanes")} == {dataset: 3, twin: 0}


def test_projects_by_exact_name(workspace: Workspace, project: str) -> None:
    workspace.create_project("lanes-2026 b", "video")
    (found,) = workspace.projects("lanes-2026")
    assert (found.id, found.media_type) == (project, "image")
    assert found.ontology is None or not found.ontology.normalized.get("tools")
    assert workspace.projects("lanes") == []


def test_ontologies_by_id_and_exact_name(workspace: Workspace, project: str) -> None:
    own = workspace.create_ontology("cars", BOX, "image")
    workspace.create_ontology("cars and buses", BOX, "image")
    for asked in (own, "cars"):
        (found,) = workspace.ontologies(asked)
        assert (found.id, found.name, found.media_type) == (own, "cars", "image")
        assert [tool["name"] for tool in found.normalized["tools"]] == ["car"]
    assert list(workspace.ontologies("car")) == []
    assert list(workspace.ontologies("c" * 25)) == []
    workspace.connect_ontology(project, own)
    (connected,) = workspace.projects("lanes-2026")
    assert connected.ontology is not None
    assert connected.ontology.id == own


def test_rows_are_created_and_found_by_key(workspace: Workspace, dataset: str, rows: list[UploadRow]) -> None:
    sent: list[int] = []
    made = list(workspace.upload(dataset, rows, "image", lambda: sent.append(1)))
    assert sorted(one.row.global_key for one in made) == ["key-a", "key-b", "key-c"]
    assert len(sent) == 3
    assert not any(one.refused for one in made)
    keys = ["nothing", "key-c", "key-a", "none"]
    known = workspace.data_row_ids(keys)
    assert known == {one.row.global_key: one.data_row_id for one in made if one.row.global_key in keys}
    assert workspace.data_row_ids(["nothing"]) == {}
    assert workspace.data_row_ids([]) == {}


def test_which_rows_are_in_a_dataset(workspace: Workspace, dataset: str, rows: list[UploadRow]) -> None:
    other = workspace.create_dataset("other", "")
    upload(workspace, dataset, rows[:2])
    upload(workspace, other, rows[2:])
    a, b, c = ids(workspace, rows)
    assert workspace.in_dataset(dataset, [a, b, c]) == {a, b}
    assert workspace.in_dataset(other, [a, b, c]) == {c}


def test_batches(workspace: Workspace, dataset: str, project: str, rows: list[UploadRow]) -> None:
    upload(workspace, dataset, rows)
    a, b, c = ids(workspace, rows)
    assert workspace.in_project(project, [a]) == frozenset()
    assert workspace.batches(project) == frozenset()
    assert workspace.create_batch(project, "first", [a, b], 3) == frozenset()
    assert workspace.in_project(project, [a, b, c]) == {a, b}
    assert workspace.create_batch(project, "second", [c], 5) == frozenset()
    assert workspace.in_project(project, [a, c]) == {a, c}
    assert workspace.batches(project) == {"first", "second"}
