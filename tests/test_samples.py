"""Real exports, on the machines that have some: `LAKEBOX_SAMPLES=folder pytest tests/test_samples.py`.

None are part of the project. Every object of the labels that count must be in the report and in the dataset.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lakebox import load_config, run


def objects(rows: list[dict[str, Any]], project: str) -> Counter[str]:
    """Objects per kind in the newest label of each data row, each feature id once."""
    found: Counter[str] = Counter()
    for row in rows:
        labels = row["projects"].get(project, {}).get("labels", [])
        counting = [label for label in labels if not label.get("performance_details", {}).get("skipped")]
        if counting:
            dated = enumerate(counting)
            newest = max(dated, key=lambda item: (item[1].get("label_details", {}).get("created_at", ""), item[0]))[1]
            annotations = newest["annotations"]
            nodes = [*annotations.get("objects", []), *annotations.get("relationships", [])]
            found.update({node["feature_id"]: node["annotation_kind"] for node in nodes}.values())
    return found


if folder := os.environ.get("LAKEBOX_SAMPLES"):
    FILES = sorted(Path(folder).glob("img_*.ndjson"))

    def test_there_are_samples() -> None:
        assert FILES

    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
    def test_every_object_is_imported(file: Path, tmp_path: Path) -> None:
        rows = [json.loads(line) for line in file.read_bytes().split(b"\n") if line]
        for project in {key for row in rows for key in row["projects"]}:
            export = ["source=export_file", f"source.export={file.resolve()}", f"project_id={project}"]
            how = ["pixels=none", "masks=link", f"path={tmp_path / project}"]
            report = run(load_config(*export, *how))
            assert report.ok, report.failures
            kinds = report.as_dict()["kinds"].items()
            assert {kind: count["written"] for kind, count in kinds if kind.startswith("Image")} == objects(
                rows, project
            )
            assert report.dataset.rows == sum(project in row["projects"] for row in rows)
            assert run(load_config(*export, *how)).plan.startswith("nothing to do")
