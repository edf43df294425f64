"""The page for contributors is true: its components run as they are written there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny import CLIPS, PROJECT, column, delete_label, edited, expected_keys, row_keys

from lakebox import load_config, run
from lakebox.core.report import Report

pytest_plugins = ["support.tiny_fixtures"]

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python mine\n(.*?)```", TEXT, re.DOTALL)
CHOICES: dict[str, str] = dict(re.findall(r"```yaml (\w+/\w+)\n(.*?)```", TEXT, re.DOTALL))


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with what the page says."""
    (tmp_path / "mine.py").write_text("\n\n".join(CODE), encoding="utf-8")
    for name, text in CHOICES.items():
        file = tmp_path / "conf" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    import sys

    sys.modules.pop("mine", None)


def ran(user: Path, project: Path, *more: str) -> Report:
    source = () if any(one.startswith("source=") for one in more) else ("source=export_file",)
    files = (f"source.export={project}/export.ndjson", f"source.ontology={project}/ontology.json")
    report = run(load_config(*source, *files, "path=lake", "preview=none", *more, config_dir=user / "conf"))
    assert report.ok, report.failures
    return report


def test_there_is_one_of_each() -> None:
    assert {name.partition("/")[0] for name in CHOICES} == {
        "presigner", "mapping", "provider", "source", "storage", "executor", "task",
    }  # fmt: skip
    assert len(CODE) == 8


def test_a_presigner(user: Path, project: Path) -> None:
    with edited(project) as rows:
        for row in rows:
            row["data_row"]["row_data"] = f"https://media.example.com/{Path(row['data_row']['row_data']).name}"
    for path in (project / "media").iterdir():
        (user / "mirror").mkdir(exist_ok=True)
        path.rename(user / "mirror" / path.name)
    for path in (project / "masks").iterdir():
        path.rename(user / "mirror" / path.name)
    ran(user, project, "presigner=mirror")
    assert row_keys("lake") == expected_keys(*CLIPS)


def test_a_converter_and_a_mapping(user: Path, project: Path) -> None:
    ontology = json.loads((project / "ontology.json").read_text(encoding="utf-8"))
    crate: dict[str, Any] = {
        "tool": "cuboid",
        "name": "Crate",
        "featureSchemaId": "schema-Crate",
        "classifications": [],
    }
    ontology["tools"].append(crate)
    (project / "ontology.json").write_text(json.dumps(ontology), encoding="utf-8")
    with edited(project) as rows:
        annotations = rows[0]["projects"][PROJECT]["labels"][0]["annotations"]
        node = {"feature_id": "crate", "feature_schema_id": "schema-Crate", "name": "Crate", "value": "crate",
                "annotation_kind": "VideoCuboid", "cuboid": {"corners": [1, 2, 30.5, 40]}, "classifications": []}  # fmt: skip
        annotations["frames"]["1"]["objects"]["crate"] = node
        annotations["segments"]["crate"] = [[1, 1]]
        annotations["key_frame_feature_map"]["crate"] = [1]
    ran(user, project, "mapping=cuboids")
    first, second = column("lake", "Crate")[:2]
    assert np.array_equal(first, np.array([[1, 2, 30.5, 40]], np.float32)) and len(second) == 0


def test_a_provider(user: Path, project: Path) -> None:
    ran(user, project, "provider=by_project")
    assert row_keys("lake/tiny@labels") == expected_keys(*CLIPS)


def test_a_source(user: Path, project: Path) -> None:
    with edited(project) as rows:
        delete_label(rows[1])
    ran(user, project, "source=labelled")
    assert row_keys("lake") == expected_keys(CLIPS[0], CLIPS[2])


def test_a_storage_an_executor_and_a_task(user: Path, project: Path) -> None:
    ran(user, project, "storage=shelf", "executor=in_turn")
    assert row_keys("shelf/lake") == expected_keys(*CLIPS)
    assert ran(user, project, "storage=shelf", "task=count").plan == "40 rows"
