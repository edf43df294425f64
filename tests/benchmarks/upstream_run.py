"""Runs `deeplake.integrations.labelbox`, unmodified, on a synthetic project. Prints one line of JSON.

Usage: `python upstream_run.py PROJECT DATASET [--export FILE] [--tasks create annotate]`

The only thing added is an import that upstream forgot (`requests`, without which no image is read), and the only thing
replaced is the service on the other side. Upstream imports `labelbox` inside its functions and uses the
client, the export task and the ontology of it, so a module with just these stands in for the SDK. That spares upstream
the SDK's import time and memory. It gets local files, an export that needs no network, and the export that creating
read is handed on to the converter.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import deeplake
import requests
from measure import held, measured, media_of
from projects import PROJECT_ID

API_KEY = "not-a-key"
upstream: Any = importlib.import_module("deeplake.integrations.labelbox")


@dataclass(frozen=True)
class Named:
    """An enum member as upstream reads it: something with a `.value`."""

    value: str


@dataclass(frozen=True)
class Option:
    """An answer of the ontology."""

    value: str
    feature_schema_id: str


@dataclass(frozen=True)
class Question:
    """A classification of the ontology."""

    class_type: Named
    name: str
    feature_schema_id: str
    scope: Named
    options: list[Option]

    @classmethod
    def parse(cls, node: dict[str, Any]) -> Question:
        """From Labelbox's normalized JSON."""
        options = [Option(option["value"], option["featureSchemaId"]) for option in node["options"]]
        scope = Named(node.get("scope", "global"))
        return cls(Named(node["type"]), node["name"], node["featureSchemaId"], scope, options)


@dataclass(frozen=True)
class Tool:
    """A tool of the ontology."""

    tool: Named
    name: str
    feature_schema_id: str
    classifications: list[Question] = field(default_factory=list)

    @classmethod
    def parse(cls, node: dict[str, Any]) -> Tool:
        """From Labelbox's normalized JSON."""
        questions = [Question.parse(child) for child in node["classifications"]]
        return cls(Named(node["tool"]), node["name"], node["featureSchemaId"], questions)


class Ontology:
    """What `Client.get_ontology` returns."""

    def __init__(self, normalized: dict[str, Any]) -> None:
        self._tools = [Tool.parse(node) for node in normalized["tools"]]
        self._questions = [Question.parse(node) for node in normalized["classifications"]]

    def tools(self) -> list[Tool]:
        """The tools."""
        return self._tools

    def classifications(self) -> list[Question]:
        """The top-level classifications."""
        return self._questions


@dataclass(frozen=True)
class ExportedRow:
    """One element of the export stream."""

    json: dict[str, Any]


class ExportTask:
    """A finished export: the file's rows, with media addressed by absolute local paths."""

    uid = "export"

    def __init__(self, project: Path, export: Path) -> None:
        self._project = project
        self._export = export

    def wait_till_done(self) -> None:
        """It is done."""

    def has_errors(self) -> bool:
        """It has none."""
        return False

    def has_result(self) -> bool:
        """It has one."""
        return True

    def get_buffered_stream(self) -> Iterator[ExportedRow]:
        """The rows of the export file."""
        with self._export.open(encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                if "://" not in row["data_row"]["row_data"]:
                    row["data_row"]["row_data"] = str(self._project / row["data_row"]["row_data"])
                yield ExportedRow(row)


class Project:
    """What `Client.get_project` returns."""

    def __init__(self, project: Path, export: Path) -> None:
        self._project = project
        self._export = export

    def export(self, params: dict[str, Any], filters: dict[str, Any]) -> ExportTask:
        """Start an export of everything."""
        return ExportTask(self._project, self._export)


def labelbox_module(project: Path, export: Path) -> ModuleType:
    """A module to import as `labelbox` that serves one project folder."""

    class Client:
        """As much of `labelbox.Client` as upstream touches."""

        def __init__(self, api_key: str) -> None:
            """Take any key."""

        def get_project(self, project_id: str) -> Project:
            """The project of the folder."""
            return Project(project, export)

        def get_ontology(self, ontology_id: str) -> Ontology:
            """The ontology of the folder."""
            return Ontology(json.loads(project.joinpath("ontology.json").read_text(encoding="utf-8")))

    module = ModuleType("labelbox")
    module.__dict__["Client"] = Client
    return module


MAKERS = {
    "video": ("create_dataset_from_video_annotation_project", "converter_for_video_project_with_id"),
    "image": ("create_dataset_from_image_annotation_project", "converter_for_image_project_with_id"),
}


def run(project: Path, dataset: Path, export: Path, tasks: list[str]) -> dict[str, Any]:
    """Create and apply as upstream's guide does, each with its commit."""
    sys.modules["labelbox"] = labelbox_module(project, export)
    sys.modules[f"{upstream.__name__}.labelbox_utils"].__dict__.setdefault("requests", requests)
    make, convert = (getattr(upstream, name) for name in MAKERS[media_of(project)])

    def create() -> Any:
        created, rows = make(str(dataset), PROJECT_ID, API_KEY)
        created.commit("create dataset")
        return rows

    def apply() -> None:
        converter = convert(
            PROJECT_ID, lambda _: deeplake.open(str(dataset)), API_KEY, fail_on_error=True, project_json=rows,
            group_mapping={"raster-segmentation": "mask"},
        )  # fmt: skip
        converter.dataset_with_applied_annotations().commit("add labelbox annotations")

    rows, costs = None, {}
    rows, costs["create"] = measured(create)
    if "annotate" in tasks:
        _, costs["annotate"] = measured(apply)
    for cost in costs.values():
        cost["stage"] = cost["wall"]
    return {
        "contender": "upstream",
        "version": importlib.metadata.version("deeplake"),
        "tasks": costs,
        "failures": [],
        **held(project, dataset, annotated="annotate" in tasks),
    }


def main() -> None:
    """Run it; what upstream prints goes to stderr."""
    parser = argparse.ArgumentParser(description="Measure upstream on one project.")
    parser.add_argument("project", type=Path, help="a folder written by projects.py or images.py")
    parser.add_argument("dataset", type=Path, help="where to create the dataset; must not exist")
    parser.add_argument("--export", type=Path, help="another export of the same project")
    parser.add_argument("--tasks", nargs="+", default=["create", "annotate"])
    given = parser.parse_args()
    project = given.project.resolve()
    with contextlib.redirect_stdout(sys.stderr):
        result = run(project, given.dataset.resolve(), given.export or project / "export.ndjson", given.tasks)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
