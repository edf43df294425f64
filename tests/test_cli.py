"""What people type, what programs read, and what other repositories add."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.tiny import (
    CLIPS,
    RATE,
    ROAD_FRAMES,
    annotations_of,
    check_frames,
    class_names,
    column,
    columns,
    command,
    differences,
    edited,
    edited_ontology,
    expected_keys,
    history,
    overrides,
    read_cells,
    road_mask,
    row_keys,
    sync,
    thing,
)

from lakebox import load_config, run
from lakebox.core.report import Report
from lakebox.errors import ConfigError

pytest_plugins = ["support.tiny_fixtures"]

ROWS = sum(clip.frames for clip in CLIPS)
COMPONENTS = '''
"""Components of a user's own repository."""

import numpy as np
from lakebox.core.columns import Column, split
from lakebox.core.ports import Request
from pydantic import BaseModel, ConfigDict


class Bucket(BaseModel):
    """`ours://name` -> a file below a folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    folder: str

    def request(self, url):
        return Request(url.replace("ours://", f"{self.folder}/"))


class Corners(BaseModel):
    """Cuboids -> (n, 3) float32."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    scale: float = 1.0

    def column(self, name, key, classes):
        return Column(name, "array", "float32", 2, key=key)

    def cells(self, marks):
        corners = [shape["cuboid"]["corners"] for shape in marks.shapes]
        return split(np.array(corners, np.float32).reshape(-1, 3) * self.scale, marks.offsets)
'''
MAPPING = """
defaults: [by_name]
groups: {Car: vehicles, polygon: shapes}
leave_out: [Note, Walker]
converters:
  raster-segmentation: {_target_: lakebox.core.convert.ClassMasks}
  cuboid: {_target_: ours.Corners, scale: 2.0}
"""


# The report.


def test_report_counts_what_was_done(project: Path, lake: Path, tmp_path: Path) -> None:
    path = tmp_path / "new"
    done = command(*overrides(project, path, "report=out/report.json", "tag=v1"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))
    assert report["dataset"] == {
        "path": str(path),
        "branch": "main",
        "media": "",
        "version": history(path)[-1],
        "tag": "v1",
        "rows": ROWS,
        "opening": f'deeplake.open_read_only("{path}")',
    }
    assert report["assets"] == {"added": 3, "relabelled": 0, "dropped": 0, "unchanged": 0, "failed": 0}
    assert report["kinds"] == {
        "VideoBoundingBox": {"read": 6, "written": 6, "skipped": 0},
        "VideoPolygon": {"read": 3, "written": 3, "skipped": 0},
        "VideoSegmentationMask": {"read": 3, "written": 3, "skipped": 0},
        "checklist": {"read": 3, "written": 3, "skipped": 0},
        "radio": {"read": 3, "written": 3, "skipped": 0},
        "text": {"read": 3, "written": 3, "skipped": 0},
    }
    assert report["masks"] == {"fetched": 3 * len(ROAD_FRAMES), "cached": 0, "failed": 0}
    assert report["media"] == {"fetched": 3, "frames": ROWS}
    assert report["failures"] == report["warnings"] == []
    assert "3 to add" in report["plan"]
    assert 0 < report["seconds"] < 60
    assert differences(read_cells(lake), read_cells(path)) == set()
    for word in ("VideoBoundingBox", "Car/Car", str(ROWS), "added", "frames"):
        assert word in done.stdout, word
    assert path.name in done.stdout.replace("\n", "")


def test_report_of_a_run_with_nothing_to_do(project: Path, lake: Path, tmp_path: Path) -> None:
    report = sync(project, lake, f"report={tmp_path}/deep/er/report.json")
    written = json.loads((tmp_path / "deep/er/report.json").read_text(encoding="utf-8"))
    assert written == report.as_dict()
    assert written["assets"] == {"added": 0, "relabelled": 0, "dropped": 0, "unchanged": 3, "failed": 0}
    assert (written["dataset"]["rows"], written["dataset"]["version"]) == (ROWS, history(lake)[-1])


def test_failures_in_the_report_and_exit_status_1(project: Path, tmp_path: Path) -> None:
    (project / CLIPS[1].url).unlink()
    done = command(*overrides(project, tmp_path / "new", "report=report.json"), cwd=tmp_path)
    assert done.returncode == 1
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    (failure,) = report["failures"]
    assert failure.keys() == {"data_row_id", "name", "stage", "error"}
    assert (failure["data_row_id"], failure["name"], failure["stage"]) == ("row1", "clip1", "fetch")
    assert report["assets"] == {"added": 2, "relabelled": 0, "dropped": 0, "unchanged": 0, "failed": 1}
    assert report["dataset"]["rows"] == ROWS - CLIPS[1].frames
    flat = " ".join(done.stdout.split())
    assert "row1" in flat and "clip1" in flat and "No such file" in flat
    assert "Traceback" not in done.stdout + done.stderr


# The command line.


def test_console_script_runs_the_example_and_is_quiet_when_piped(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("lakebox")
    done = subprocess.run([script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for sign in ("\x1b", "\r", "━"):
        assert sign not in done.stdout + done.stderr
    assert len(row_keys(tmp_path / "lake/example")) > 0
    assert {path.name for path in tmp_path.iterdir()} <= {"lake", ".lakebox"}


def test_help_is_quick_and_names_what_there_is(tmp_path: Path) -> None:
    started = time.monotonic()
    done = command("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert time.monotonic() - started < 10
    for word in ("task", "source", "mapping", "pixels", "export_file", "by_kind", "project_id", "path"):
        assert word in done.stdout, word
    assert list(tmp_path.iterdir()) == []


def test_cfg_job_shows_the_configuration_and_does_nothing(project: Path, tmp_path: Path) -> None:
    done = command(*overrides(project, "lake", "frames=every", "frames.n=4", "--cfg", "job"), cwd=tmp_path)
    assert done.returncode == 0
    for word in ("lakebox.core.frames.Every", "'n': 4", "path: lake", str(project / "export.ndjson")):
        assert word in done.stdout, word
    assert {path.name for path in tmp_path.iterdir()} == {"project"}


@pytest.mark.parametrize("task", ["check", "plan"])
def test_check_and_plan_create_nothing(project: Path, tmp_path: Path, task: str) -> None:
    report = sync(project, tmp_path / "new", f"task={task}")
    assert report.ok and str(tmp_path / "new") in report.dataset.path
    assert not (tmp_path / "new").exists()
    if task == "plan":
        assert "3 to add" in report.plan


def test_sweep_runs_every_combination(project: Path, tmp_path: Path) -> None:
    options = ["frames=every", "frames.n=5,8", "-m"]
    done = command(*overrides(project, "lakes/${frames.n}", *options), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert row_keys(tmp_path / "lakes/5") == [f"row{c.number}:{f}" for c in CLIPS for f in range(0, c.frames, 5)]
    assert row_keys(tmp_path / "lakes/8") == [f"row{c.number}:{f}" for c in CLIPS for f in range(0, c.frames, 8)]


def test_sweep_with_a_failure_goes_on_and_exits_1(project: Path, tmp_path: Path) -> None:
    (tmp_path / "lakes").mkdir()
    (tmp_path / "lakes/5").write_text("in the way", encoding="utf-8")
    options = ["frames=every", "frames.n=5,8", "-m"]
    done = command(*overrides(project, "lakes/${frames.n}", *options), cwd=tmp_path)
    assert len(row_keys(tmp_path / "lakes/8")) > 0
    assert done.returncode == 1, "a sweep in which something failed must not look like a good one"


# Other repositories.


@pytest.fixture
def repository(project: Path, tmp_path: Path) -> Path:
    """A folder with a user's own configs and components, and an export that needs both."""
    work = tmp_path / "repository"
    (work / "conf/mapping").mkdir(parents=True)
    (work / "conf/presigner").mkdir()
    (work / "ours.py").write_text(COMPONENTS, encoding="utf-8")
    (work / "conf/mapping/lanes.yaml").write_text(MAPPING, encoding="utf-8")
    (work / "conf/presigner/bucket.yaml").write_text("_target_: ours.Bucket\nfolder: ???\n", encoding="utf-8")
    (work / "conf/lanes_v3.yaml").write_text(
        f"""
defaults:
- config
- override source: export_file
- override mapping: lanes
- override presigner: bucket
- _self_
path: lake/lanes
source: {{export: {project}/export.ndjson, ontology: {project}/ontology.json}}
presigner: {{folder: {project}}}
""",
        encoding="utf-8",
    )
    with edited_ontology(project) as node:
        node["tools"].append({"tool": "cuboid", "name": "Crate", "featureSchemaId": "schema-Crate"})
    with edited(project) as rows:
        for row in rows:
            row["data_row"]["row_data"] = f"ours://{row['data_row']['row_data']}"
            for spelled in annotations_of(row)["frames"].values():
                for each in spelled["objects"].values():
                    if "mask" in each:
                        each["mask"]["url"] = f"ours://{each['mask']['url']}"
        crate = thing("crate", "Crate", "VideoCuboid", cuboid={"corners": [1, 2, 3]})
        annotations_of(rows[0])["frames"]["1"]["objects"]["crate"] = crate
        annotations_of(rows[0])["segments"]["crate"] = [[1, 3]]
    return work


def assert_mapped(path: Path) -> None:
    """The dataset is as the user's mapping, presigner and converter say."""
    assert row_keys(path) == expected_keys(*CLIPS)
    names = set(columns(path))
    assert {"vehicles/vehicles", "vehicles/Colour", "vehicles/vehicles_labels", "shapes", "shapes_labels"} <= names
    assert not {name for name in names if name.startswith(("Note", "Walker", "Car", "Lane"))}
    assert class_names(path, "vehicles/vehicles_labels") == ["Car"]
    assert [np.asarray(cell).tolist() for cell in column(path, "Crate")[:4]] == [[[2, 4, 6]]] * 3 + [[]]
    assert [len(cell) for cell in column(path, "Crate_tracks")[:4]] == [1, 1, 1, 0]
    masks = column(path, "Road")
    for frame in range(CLIPS[0].frames):
        wanted = road_mask(0, frame) if frame in ROAD_FRAMES else np.zeros_like(road_mask(0, 0))
        np.testing.assert_array_equal(np.asarray(masks[frame]).squeeze(), wanted.astype(np.uint8))
    assert column(path, "lb_meta/row_data")[0] == "ours://media/clip0.mp4"


def test_a_repository_of_ones_own(repository: Path) -> None:
    done = command("path=lake/other", "-cd", "conf", "-cn", "lanes_v3", "report=report.json", cwd=repository)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_mapped(repository / "lake/other")
    report = json.loads((repository / "report.json").read_text(encoding="utf-8"))
    assert report["kinds"]["VideoCuboid"] == {"read": 1, "written": 1, "skipped": 0}
    assert report["kinds"]["VideoBoundingBox"] == {"read": 6, "written": 3, "skipped": 3}
    assert any("Walker" in warning for warning in report["warnings"])


def test_ones_own_choices_with_lakeboxs_own_config(project: Path, repository: Path) -> None:
    choices = ["-cd", "conf", "mapping=lanes", "presigner=bucket", f"presigner.folder={project}"]
    done = command(*overrides(project, "lake/two"), *choices, cwd=repository)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_mapped(repository / "lake/two")


def test_ones_own_configs_from_python(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(repository))
    config = load_config(f"path={repository}/lake/api", config_name="lanes_v3", config_dir=repository / "conf")
    report = run(config)
    assert report.ok, report.failures
    assert_mapped(repository / "lake/api")
    wrong = ["presigner.folder=[1]", "+mapping.converters.cuboid.skale=1"]
    with pytest.raises(ConfigError) as caught:
        run(load_config(*wrong, config_name="lanes_v3", config_dir=repository / "conf"))
    for word in ("presigner.folder", "cuboid", "skale", "did you mean 'scale'"):
        assert word in str(caught.value), word


def test_a_converter_that_breaks_is_one_row_s_failure(project: Path, repository: Path) -> None:
    """A user's own code may raise anything; the other data rows are done and the row is named."""
    with edited(project) as rows:
        del annotations_of(rows[0])["frames"]["1"]["objects"]["crate"]["cuboid"]
    done = command("-cd", "conf", "-cn", "lanes_v3", cwd=repository)
    assert done.returncode == 1
    assert "row0" in done.stdout + done.stderr
    assert "cuboid" in done.stdout + done.stderr
    assert row_keys(repository / "lake/lanes") == expected_keys(*CLIPS[1:])


# From Python.


def test_the_same_process_runs_many(project: Path, tmp_path: Path, lakebox: Callable[..., Report]) -> None:
    """Good and bad runs in turn leave nothing behind in the process."""
    for number in range(3):
        path = tmp_path / f"lake{number}"
        assert lakebox(*overrides(project, path)).assets["added"] == 3
        assert lakebox(*overrides(project, path)).assets["unchanged"] == 3
        with pytest.raises(ConfigError):
            lakebox(*overrides(project, path, "pixels=nonsense"))
        check_frames(path)


def test_a_config_can_be_run_twice(project: Path, tmp_path: Path) -> None:
    config = load_config(*overrides(project, tmp_path / "lake"))
    assert run(config).assets["added"] == 3
    assert run(config).assets["unchanged"] == 3


def test_threads_run_side_by_side(project: Path, lake: Path, tmp_path: Path) -> None:
    def work(number: int) -> Report:
        return sync(project, tmp_path / f"lake{number}", f"pixels={'png' if number % 2 else 'jpeg'}")

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(work, range(8)))
    assert [report.assets["added"] for report in reports] == [3] * 8
    for number in range(8):
        check_frames(tmp_path / f"lake{number}")
    assert differences(read_cells(lake), read_cells(tmp_path / "lake0")) == set()


def test_storage_memory_lasts_as_long_as_the_process(project: Path, tmp_path: Path) -> None:
    name = f"cli-{tmp_path.name}"
    assert sync(project, name, "storage=memory").assets["added"] == 3
    assert sync(project, name, "storage=memory").assets["unchanged"] == 3
    assert not Path(name).exists()


def test_relative_paths_start_where_the_command_was_typed(project: Path, tmp_path: Path) -> None:
    done = command(
        "source=export_file", "source.export=project/export.ndjson", "path=here/lake", "report=here/report.json",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert row_keys(tmp_path / "here/lake") == expected_keys(*CLIPS)
    assert (tmp_path / "here/report.json").is_file()
    assert column(tmp_path / "here/lake", "lb_meta/frame_rate")[0] == RATE
