"""Runs whose work is done by other processes: the same dataset, the same failures, no secret on the way, nothing left."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import distributed
import psutil
import pytest
from support.live import Live, video_project
from support.tiny import (
    CLIPS,
    Clip,
    data_row,
    differences,
    edited,
    move_object,
    overrides,
    read_cells,
    sync,
    write_project,
    write_rows,
)
from support.workers import Deadly

from lakebox import load_config, run
from lakebox.adapters.export_file import ExportFile, example
from lakebox.adapters.files import Fetch
from lakebox.adapters.labelbox_export import LabelboxProject
from lakebox.adapters.labelbox_sdk import Account
from lakebox.adapters.masks import fetch_masks
from lakebox.adapters.media import open_media
from lakebox.adapters.media_cache import MediaCache
from lakebox.adapters.pixels import Jpeg
from lakebox.adapters.presign import AzureSas, LabelboxKey
from lakebox.adapters.processes import Processes
from lakebox.adapters.remote import Job
from lakebox.core.component import Component
from lakebox.core.frames import All
from lakebox.core.labels import Latest
from lakebox.core.layout import make_layout
from lakebox.core.mapping import Mapping
from lakebox.core.ontology import parse_ontology
from lakebox.core.ports import Files, Tools
from lakebox.core.progress import Here
from lakebox.runner import Silent
from lakebox.tasks.assets import AssetWork

pytest_plugins = ["support.labelbox_fixtures", "support.live_fixtures"]

TWO = "executor.workers=2"
KEY = "a-key-that-stays-at-home-0123456789"


@pytest.fixture(scope="module")
def dask() -> Iterator[str]:
    """Overrides for a cluster that is there already."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", silence_logs=50, dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield f"executor.address={cluster.scheduler_address}"


@pytest.fixture(params=["process", "dask"])
def elsewhere(request: pytest.FixtureRequest) -> list[str]:
    where = TWO if request.param == "process" else request.getfixturevalue("dask")
    return [f"executor={request.param}", where]


# --- the same dataset ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("project", "pixels"), [("video", "jpeg"), ("image", "jpeg"), ("video", "none")])
def test_the_example_becomes_the_same_dataset(
    project: str, pixels: str, elsewhere: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reports = [
        run(load_config(f"source.project={project}", f"pixels={pixels}", f"path=./{name}", *how))
        for name, how in (("here", ["executor=serial"]), ("there", elsewhere))
    ]
    here, there = (report.as_dict() for report in reports)
    for told in (here, there):
        for own in ("dataset", "config_digest", "seconds", "media_rate"):
            told.pop(own, None)
    assert here == there
    assert differences(read_cells("here"), read_cells("there")) == set()


def test_an_edit_comes_in_the_same_way(elsewhere: list[str], tmp_path: Path) -> None:
    project = write_project(tmp_path / "project")
    ways = {"here": ["executor=serial"], "there": elsewhere}
    for name, how in ways.items():
        assert sync(project, tmp_path / name, *how).ok
    with edited(project) as rows:
        move_object(rows[1], "car1", 0, 3)
    for name, how in ways.items():
        assert sync(project, tmp_path / name, *how).assets["relabelled"] == 1
    assert differences(*(read_cells(tmp_path / name) for name in ways)) == set()


def test_an_export_whose_address_is_relative(
    elsewhere: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers may have another working directory."""
    write_project(tmp_path / "project", CLIPS[:1])
    monkeypatch.chdir(tmp_path)
    assert run(load_config("source=export_file", "source.export=project/export.ndjson", "path=lake", *elsewhere)).ok
    assert len(read_cells("lake")) == CLIPS[0].frames


def broken_project(folder: Path) -> Path:
    """Of four clips, one is cut short, one's mask is missing, and one's label cannot be read."""
    project = write_project(folder, [*CLIPS, Clip(3, 6)])
    clip = project / CLIPS[0].url
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    next((project / "masks").glob("clip1_*")).unlink()
    with edited(project) as rows:
        rows[2]["projects"]["clproject0"]["labels"][0]["annotations"]["frames"]["1"] = "nonsense"
    return project


def test_failing_data_rows_are_reported_in_the_same_way(elsewhere: list[str], tmp_path: Path) -> None:
    project = broken_project(tmp_path / "project")
    here = sync(project, tmp_path / "here", "executor=serial").as_dict()
    there = sync(project, tmp_path / "there", *elsewhere).as_dict()
    assert len(here["failures"]) == 3 and here["assets"]["added"] == 1
    assert [here[part] for part in ("failures", "assets", "kinds", "masks")] == [
        there[part] for part in ("failures", "assets", "kinds", "masks")
    ]
    assert differences(read_cells(tmp_path / "here"), read_cells(tmp_path / "there")) == set()


@pytest.mark.parametrize("at", [0, 150], ids=["before the first rows", "after some of its rows"])
def test_a_worker_that_dies_in_the_middle_of_a_video_changes_nothing(
    elsewhere: list[str], at: int, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "project", [Clip(0, 200), Clip(1, 30)])
    assert sync(project, tmp_path / "undisturbed", "executor=serial").ok
    deadly = Deadly(marker=tmp_path / "died", at=at)
    config = load_config(*overrides(project, tmp_path / "disturbed", *elsewhere))
    report = run(config, given={"pixels": deadly})
    assert deadly.marker.exists() and report.ok, report.failures
    assert differences(read_cells(tmp_path / "undisturbed"), read_cells(tmp_path / "disturbed")) == set()


# --- what travels -------------------------------------------------------------------------------------------------------


def work(source: Any, files: Files) -> AssetWork:
    """All that a worker gets, with the whole layout of the bundled example."""
    bundled = example()
    ontology = parse_ontology(bundled.ontology() or {}, "example")
    config = load_config()
    mapping = Mapping.model_validate({"converters": built(config.mapping.converters)})
    layout = make_layout(ontology, mapping, (), {})
    return AssetWork(
        source, files, Here(Silent()), Tools(open_media, fetch_masks), Latest(), All(), Jpeg(), Processes(), "clproject0", "0123", layout,
        Jpeg().column("video"), 1,
    )  # fmt: skip


def built(nodes: Any) -> dict[str, Any]:
    from hydra.utils import instantiate

    return {name: instantiate(node) for name, node in nodes.items()}


def used(source: Any, presigner: Any, tmp_path: Path) -> AssetWork:
    """After it has been at work here: the key was read, requests were signed and remembered, files are open."""
    files = Fetch(cache=MediaCache(folder=tmp_path)).files(presigner)
    files._web.signer.request("https://api.labelbox.com/masks/1")
    return work(source, files)


def test_what_travels_holds_no_key_and_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELBOX_API_KEY", KEY)
    source = example()
    assert list(source.rows())  # the file stays open
    asset_work = used(source, LabelboxKey(), tmp_path)
    for method in (asset_work.add, asset_work.relabel):
        packed = Job(method, asset_work._prefetched).packed()
        assert KEY.encode() not in packed and b"Bearer" not in packed
        assert len(packed) < 20_000
    arrived = pickle.loads(packed.partition(b"\n")[2]).work.__self__
    assert repr(arrived.source) == repr(source) and arrived.layout == asset_work.layout
    assert arrived.files.at_once == asset_work.files.at_once
    headers = arrived.files._web.signer.request("https://api.labelbox.com/masks/1").headers
    assert headers == {"Authorization": f"Bearer {KEY}"}  # from the environment, there


def test_keys_that_a_script_handed_over_stay_with_it(tmp_path: Path) -> None:
    source = LabelboxProject(project_id="clx123").with_key(KEY)
    presigner = LabelboxKey().with_key(KEY)
    other = AzureSas(container="https://acme.blob.core.windows.net/videos", otherwise=presigner)
    source.client.connection.close()
    assert presigner.request("https://api.labelbox.com/1").headers
    for signer in (presigner, other):
        packed = Job(used(source, signer, tmp_path).add).packed()
        assert KEY.encode() not in packed
    alone = pickle.loads(pickle.dumps(source))
    assert repr(alone) == repr(source) and alone._key is None and "client" not in vars(alone)


class Remembers(Component):
    """A component with all that may be opened or remembered."""

    name: str = "a"


@pytest.mark.parametrize("component", [Remembers(), Account(), LabelboxKey(), Jpeg(quality=7), Fetch(), Latest()])
def test_a_component_arrives_as_it_was_configured(component: Component) -> None:
    arrived = pickle.loads(pickle.dumps(component))
    assert arrived == component and repr(arrived) == repr(component)
    assert arrived.model_fields_set == component.model_fields_set
    assert arrived.__pydantic_private__ == component.__pydantic_private__


def test_a_source_arrives_usable(tmp_path: Path) -> None:
    source = example()
    rows = list(source.rows())
    arrived = pickle.loads(pickle.dumps(source))
    assert isinstance(arrived, ExportFile) and arrived.row(rows[1].position) == rows[1].data
    assert arrived.resolve("media/a.mp4") == source.resolve("media/a.mp4")


def test_workers_read_the_key_from_their_environment(live: Live) -> None:
    video_project(live, (5, 3))
    report = live.run("executor=process", TWO)
    assert report.ok, report.failures
    assert live.wrong() == []


# --- nothing is left ----------------------------------------------------------------------------------------------------


@pytest.fixture
def deaf() -> Iterator[str]:
    """An address whose server takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/media"


def waiting_run(folder: Path, address: str, *more: str) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """A run whose workers wait for a server, and all processes that it has started."""
    rows = [data_row(clip) for clip in CLIPS[:2]]
    for row in rows:
        row["data_row"]["row_data"] = f"{address}/clip.mp4"
    (folder / "project").mkdir()
    write_rows(folder / "project", rows)
    command = [
        "source=export_file",
        "source.export=project/export.ndjson",
        "path=lake",
        "masks=none",
        "preview=none",
        *more,
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "lakebox", *command], cwd=folder, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until = time.monotonic() + 30
    while time.monotonic() < until:
        workers = [one for one in psutil.Process(process.pid).children(recursive=True) if _is_connected(one)]
        if len(workers) == 2:
            return process, psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.05)
    raise AssertionError("the workers did not begin")


def _is_connected(process: psutil.Process) -> bool:
    try:
        return any(one.status == psutil.CONN_ESTABLISHED for one in process.net_connections("inet"))
    except psutil.NoSuchProcess:
        return False


def test_a_run_that_is_killed_leaves_no_worker(deaf: str, tmp_path: Path) -> None:
    process, started = waiting_run(tmp_path, deaf, "executor=process", TWO)
    process.kill()
    process.wait(10)
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []


@pytest.mark.skipif(os.name == "nt", reason="needs process groups")
def test_ctrl_c_reaches_the_run_and_leaves_no_worker(deaf: str, tmp_path: Path) -> None:
    """Shells send it to all processes of a run."""
    process, started = waiting_run(tmp_path, deaf, "executor=process", TWO, "fetch.read_seconds=2", "fetch.attempts=1")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 130
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []


def test_a_script_without_a_guard_is_told(tmp_path: Path) -> None:
    """Workers read the script that started them."""
    script = tmp_path / "script.py"
    script.write_text(
        "from lakebox import load_config, run\nrun(load_config('executor=process', 'path=./lake'))\n", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "a worker process did not start" in done.stderr and "if __name__ == '__main__':" in done.stderr
