"""Every cell of every generated project equals an independent, slow, obvious reference."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import deeplake
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.compare import Rows, differences, without_empty_relationships
from support.fake_labelbox import FakeLabelbox
from support.live import Live, cells
from support.projects import Project, projects
from support.reference import expected_cells, expected_class_names
from support.video import read_number
from support.write import write_project

from lakebox import load_config, run
from lakebox.core.report import Report

LONG = bool(os.environ.get("LAKEBOX_EXAMPLES"))
SLOW = settings(
    deadline=None,
    max_examples=50 if LONG else 20,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def synced(folder: Path, project: Project, *more: str) -> Report:
    """Sync the project written to `folder` with the mapping that its groups ask for."""
    report = run(
        load_config(
            "source=export_file",
            f"source.export={folder / 'export.ndjson'}",
            f"source.ontology={folder / 'ontology.json'}",
            f"project_id={project.project_id}",
            f"path={folder / 'lake'}",
            "mapping=own",
            *more,
            config_dir=own_mapping(folder, json.dumps(project.groups)),
        )
    )
    assert report.ok, report.failures
    counts = report.as_dict()["kinds"].values()
    assert all(kind["read"] == kind["written"] + kind["skipped"] for kind in counts)
    return report


def own_mapping(folder: Path, groups: str) -> Path:
    (folder / "conf" / "mapping").mkdir(parents=True, exist_ok=True)
    (folder / "conf" / "mapping" / "own.yaml").write_text(f"defaults: [by_name]\ngroups: {groups}\n", encoding="utf-8")
    return folder / "conf"


def wanted(project: Project) -> Rows:
    rows = expected_cells(
        project.rows,
        project.ontology,
        project_id=project.project_id,
        groups=project.groups,
        read_mask=project.read_mask,
    )
    return without_empty_relationships(rows)


@pytest.mark.parametrize("media", ["video", "image"])
@SLOW
@given(data=st.data())
def test_every_cell_equals_the_reference(media: str, data: st.DataObject) -> None:
    project = data.draw(projects(media=media))
    with tempfile.TemporaryDirectory() as folder:
        write_project(Path(folder), project, media=False)
        synced(Path(folder), project, "pixels=none")
        lake = Path(folder) / "lake"
        assert differences(wanted(project), without_empty_relationships(cells(lake))) == []
        dataset = deeplake.open_read_only(str(lake))
        for column, names in expected_class_names(project.ontology, project.groups).items():
            assert list(dataset[column].metadata["class_names"]) == names, column
        assert synced(Path(folder), project, "pixels=none").plan.startswith("nothing to do")
        assert deeplake.open_read_only(str(lake)).version == dataset.version


@pytest.mark.parametrize("media", ["video", "image"])
@settings(SLOW, max_examples=8 if LONG else 5)
@given(data=st.data())
def test_every_row_shows_its_own_frame(media: str, data: st.DataObject) -> None:
    project = data.draw(projects(media=media, size=(64, 48)))
    with tempfile.TemporaryDirectory() as folder:
        write_project(Path(folder), project, media=True)
        synced(Path(folder), project)
        lake = Path(folder) / "lake"
        assert differences(wanted(project), without_empty_relationships(cells(lake))) == []
        dataset = deeplake.open_read_only(str(lake))
        order = [row["data_row"]["id"] for row in project.rows]
        pixels = "frames" if media == "video" else "image"
        for i, key in enumerate(dataset["lb_meta/row_key"][:]):
            data_row, _, frame = str(key).partition(":")
            assert read_number(np.asarray(dataset[pixels][i])) == (order.index(data_row), int(frame))


@pytest.mark.parametrize("media", ["video", "image"])
@settings(SLOW, max_examples=6 if LONG else 4)
@given(data=st.data())
def test_every_cell_and_frame_by_way_of_the_service(
    media: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    project = data.draw(projects(media=media, size=(64, 48)))
    folder = tmp_path_factory.mktemp("live")
    write_project(folder, project, media=True)
    own = {"config_dir": own_mapping(folder, json.dumps(project.groups))}
    with FakeLabelbox() as fake, pytest.MonkeyPatch.context() as environment:
        environment.setenv("LABELBOX_API_KEY", fake.key)
        fake.load(project.rows, project.ontology, project.masks, project_id=project.project_id, folder=folder)
        live = Live(fake, folder, project.project_id)
        report = live.run("mapping=own", **own)
        assert report.ok, report.failures
        assert live.wrong(project.groups) == []
        order = [row["data_row"]["id"] for row in project.rows]
        for key, seen in live.numbers("frames" if media == "video" else "image").items():
            uid, _, frame = key.partition(":")
            assert seen == (order.index(uid), int(frame))
        assert live.run("mapping=own", **own).plan.startswith("nothing to do")
        filled = ("source.interpolation=server", "pixels=none", f"path={folder / 'filled'}")
        assert live.run("mapping=own", *filled, **own).ok
        differing = differences(cells(folder / "lake"), cells(folder / "filled"))
        assert [line for line in differing if "_keyframes'" not in line] == []  # exports may not say which are drawn
        assert not (fake.crashes or fake.unknown)
