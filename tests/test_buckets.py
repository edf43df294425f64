"""Datasets in buckets: the whole circle on a real S3 server, locks, and everything that is said when it cannot be."""

from __future__ import annotations

import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.clouds import forget_credentials
from support.lakes import rows
from support.tiny import (
    CLIPS,
    Clip,
    command,
    differences,
    edited,
    expected_keys,
    move_object,
    overrides,
    read_cells,
    row_keys,
    sync,
    write_project,
)

import lakebox
from lakebox import load_config, run
from lakebox.adapters.bucket import Bucket, Lease
from lakebox.adapters.deep_lake_bucket import S3, Activeloop, Azure, Gcs
from lakebox.errors import ConfigError, LakeBusy, LakeError

pytest_plugins = ["support.tiny_fixtures", "support.lake_fixtures", "support.process_fixtures"]

BUCKET = ("storage=s3",)


@pytest.fixture
def place(s3: str) -> str:
    """An address where nothing is."""
    return f"s3://lake/{uuid4()}/lanes"


def bucket() -> Bucket:
    return S3()._bucket("lake")


# --- the whole circle -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["in_place", "branch", "separate"])
def test_a_dataset_in_a_bucket_is_the_one_on_disk(project: Path, tmp_path: Path, place: str, provider: str) -> None:
    ways = {str(tmp_path / "lake"): (), place: BUCKET}
    suffix = {"in_place": "", "branch": "@labelbox", "separate": "_annotations"}[provider]
    for path, how in ways.items():
        assert sync(project, path, f"provider={provider}", "tag=first", *how).ok
        assert sync(project, path, f"provider={provider}", *how).plan == "nothing to do, 3 unchanged"
    with edited(project) as exported:
        move_object(exported[1], "car1", 0, 3)
        del exported[2]
    for path, how in ways.items():
        report = sync(project, path, f"provider={provider}", *how)
        assert (report.assets["relabelled"], report.assets["dropped"], report.media["fetched"]) == (1, 1, 0)
    for where in ("", suffix):
        assert differences(*(read_cells(f"{path}{where}") for path in ways)) == set()
    assert not any(name.endswith("lock") for name in bucket().names(place.split("/")[3]))


def test_tasks_on_a_dataset_in_a_bucket(project: Path, tmp_path: Path, place: str) -> None:
    options = (*BUCKET, f"path={place}", "provider=separate")

    def done(task: str, *more: str) -> Any:
        return run(load_config(f"task={task}", *options, *more))

    assert sync(project, place, *BUCKET, "provider=separate", "tag=before").ok
    with edited(project) as exported:
        move_object(exported[0], "car0", 0, 2)
    assert sync(project, place, *BUCKET, "provider=separate").ok
    page = tmp_path / "page.html"
    assert done("preview", f"preview.out={page}", "task.since=before").ok and page.stat().st_size > 10_000
    changes = done("diff", "task.from_version=before").changes
    assert [one["data_row_id"] for one in changes] == ["row0"]
    assert len(done("history").versions) >= 2
    joined = f"{place}-joined"
    assert done("join", f"task.out={joined}").ok
    assert row_keys(joined) == expected_keys(*CLIPS)
    assert len(lakebox.join(place, f"{place}_annotations")) == len(expected_keys(*CLIPS))
    assert done("revert", "task.to=before").ok
    assert done(
        "explain", "task.row=0", "preview=none", "source=export_file", f"source.export={project}/export.ndjson"
    ).ok


def test_a_killed_run_is_finished_by_the_same_command(tmp_path: Path, place: str) -> None:
    """Its lock stays behind, and counts for nothing, because its process is gone."""
    project = write_project(tmp_path / "project", [Clip(number, 60) for number in range(4)])
    slow = ("pixels=png", "executor=serial", "task.commit_megabytes=1", *BUCKET)
    process = subprocess.Popen(
        [sys.executable, "-m", "lakebox", *overrides(project, place, *slow, "preview=none")], cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    folder = place.split("/", 3)[3]
    until(lambda: LOG in bucket().names(folder) and len(bucket().names(f"{folder}/{LOG}")) > 1 and committed(place) > 0)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    assert bucket().read(f"{folder}.lakebox-lock") is not None
    left = committed(place)
    report = sync(project, place, *slow)
    assert report.ok and row_keys(place) == expected_keys(*(Clip(number, 60) for number in range(4)))
    assert sync(project, tmp_path / "lake", *slow[:3]).ok
    assert differences(read_cells(place), read_cells(tmp_path / "lake")) == set()
    assert left > 0


LOG = "_deeplake_log"


def committed(path: str) -> int:
    lake = S3().find(path)
    return 0 if lake is None else len(lake)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_no_secret_is_written(project: Path, tmp_path: Path, place: str) -> None:
    done = command(
        *overrides(project, place, *BUCKET, "report=report.json", "preview=page", "hydra.verbose=true"), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    said = [done.stdout + done.stderr, *(f.read_text("utf-8", "replace") for f in tmp_path.rglob("*") if f.is_file())]
    assert not any("secret-key-of-a-test" in text for text in said) and len(said) > 4


# --- locks ------------------------------------------------------------------------------------------------------------------


def lease(key: str, seconds: float = 60.0) -> Lease:
    return Lease(bucket(), key, "s3://lake/x", seconds)


@pytest.fixture
def key(s3: str) -> str:
    return f"{uuid4()}.lakebox-lock"


def holder(**more: Any) -> bytes:
    return json.dumps({"host": "another.example", "process": 1, **more}).encode()


def test_one_run_at_a_time(place: str) -> None:
    storage, other = S3(), S3()
    with storage.lock(place):
        with (
            pytest.raises(LakeBusy, match=f"process {os.getpid()} on {re.escape(socket.gethostname())}"),
            other.lock(place),
        ):
            pass
        with other.lock(f"{place}_annotations"):
            pass
    with other.lock(place):
        pass


def test_many_at_once_one_gets_it(key: str) -> None:
    got: list[Lease] = []

    def take() -> None:
        own = lease(key)
        try:
            own.take()
        except LakeBusy:
            return
        got.append(own)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    got[0].give_back()
    assert bucket().read(key) is None


def test_the_lock_of_a_run_elsewhere_counts_until_it_is_old(key: str) -> None:
    bucket().write(key, holder(), None)
    with pytest.raises(LakeBusy, match="process 1 on another.example"):
        lease(key).take()
    time.sleep(1.1)  # the server's times are whole seconds
    own = lease(key, 1.0)
    own.take()
    own.give_back()


@pytest.mark.parametrize("content", [b"", b"[]", b"no json", holder(process="x"), holder(host=None)])
def test_a_lock_that_says_nothing_counts_as_well(key: str, content: bytes) -> None:
    bucket().write(key, content, None)
    with pytest.raises(LakeBusy):
        lease(key).take()


def test_the_lock_of_a_process_that_ended_counts_for_nothing(key: str) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    bucket().write(key, holder(host=socket.gethostname(), process=ended.pid), None)
    own = lease(key)
    own.take()
    own.give_back()


def test_a_lock_is_renewed_while_it_is_held(key: str) -> None:
    own = lease(key, 4)
    own.take()
    first = bucket().read(key)
    until(lambda: bucket().read(key)[1]["last_modified"] > first[1]["last_modified"])  # type: ignore[index]
    own.check()
    own.give_back()


def test_an_answer_that_was_lost_on_the_way_loses_no_lock(key: str) -> None:
    own = lease(key)
    bucket().write(key, own._content, None)  # what a request leaves whose answer did not come
    own.take()
    own._tag = "another"
    assert own._written() == bucket().read(key)[1]["e_tag"]  # type: ignore[index]
    with pytest.raises(LakeBusy):
        lease(key).take()
    own.give_back()


def test_a_lock_that_was_not_renewed_in_time_counts_no_more(key: str) -> None:
    own = lease(key, 3600)
    own.take()
    own.check()
    own._renewed -= 3601  # the network was down for so long
    with pytest.raises(LakeError, match="was not renewed for 3600 s"):
        own.check()
    own.give_back()


def test_whoever_lost_the_lock_commits_nothing(place: str) -> None:
    storage = S3(lease_seconds=4)
    with storage.lock(place):
        lake = storage.create(place)
        from support.lakes import BASE

        lake.arrange(BASE, [])
        lake.append(rows("aa"))
        lake.commit("one")
        before = [one.id for one in lake.history()]
        own = storage._leases[place]
        content = bucket().read(own.key)
        assert content is not None
        bucket().remove(own.key)
        bucket().write(own.key, holder(), None)
        until(lambda: own._lost)
        lake.append(rows("bb"))
        with pytest.raises(LakeError, match="another run may have taken it; what was committed is safe"):
            lake.commit("two")
    del lake
    found = S3().find(place)
    assert found is not None and [one.id for one in found.history()] == before
    assert bucket().read(own.key) is not None  # it is the other one's


# --- what cannot be -----------------------------------------------------------------------------------------------------------


class Answers(http.server.BaseHTTPRequestHandler):
    """An S3 server that says no."""

    status = 403

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        body = b"<Error><Code>SignatureDoesNotMatch</Code><Message>AKIA-SECRET-IN-AN-ERROR</Message></Error>"
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_is_wrong_is_said_within_seconds(project: Path, place: str, refusing: str) -> None:
    cases = {
        "s3://nope/a": ("", "there is no such bucket; create it"),
        "s3://lake/a": ("http://127.0.0.1:9", "nobody answers; check the network, and storage.endpoint"),
        "s3://lake/b": (refusing, "the credentials are refused, or may not do that; set AWS_ACCESS_KEY_ID"),
    }
    for path, (endpoint, said) in cases.items():
        started = time.monotonic()
        with pytest.raises(LakeError) as caught:
            sync(project, path, *BUCKET, *([f"storage.endpoint={endpoint}"] if endpoint else []))
        text = str(caught.value)
        assert said in text and path.split("/")[2] in text and "AKIA" not in text
        assert "secret-key-of-a-test" not in text
        assert time.monotonic() - started < 15


def test_without_credentials(monkeypatch: pytest.MonkeyPatch, s3: str) -> None:
    forget_credentials(monkeypatch)
    started = time.monotonic()
    with pytest.raises(LakeError, match=r"bucket lake: .*AWS_ACCESS_KEY_ID"):
        S3(endpoint=s3).find("s3://lake/a")
    assert time.monotonic() - started < 15


def test_something_else_is_there(place: str) -> None:
    folder = place.split("/", 3)[3]
    bucket().write(f"{folder}/holiday.jpg", b"jpeg", None)
    with pytest.raises(LakeError, match="no Deep Lake dataset; nothing was touched"):
        S3().find(place)


@pytest.mark.parametrize(
    ("storage", "path"),
    [
        (S3(), "./lake/x"), (S3(), "s3://lake"), (S3(), "s3://lake/"), (S3(), "gs://lake/x"), (S3(), "s3://lake/x@y"),
        (Gcs(), "s3://lake/x"), (Azure(account="acme"), "./x"), (Activeloop(), "s3://lake/x"), (Activeloop(), "al://acme"),
        (Activeloop(), "al://acme/x@y"),
    ],
)  # fmt: skip
def test_addresses_of_another_storage(storage: Any, path: str) -> None:
    for use in (storage.find, storage.create, lambda where: storage.lock(where).__enter__()):
        with pytest.raises(ConfigError, match=re.escape(path)):
            use(path)


def test_what_has_to_be_told_before(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_credentials(monkeypatch)
    monkeypatch.delenv("ACTIVELOOP_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="export ACTIVELOOP_TOKEN"):
        Activeloop().find("al://acme/lanes")
    with pytest.raises(ConfigError, match="AZURE_STORAGE_ACCOUNT_NAME"):
        Azure().find("azure://clips/lanes")


def test_without_obstore_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['obstore'] = None\n"
        "from lakebox.adapters.deep_lake_bucket import S3\n"
        "from lakebox.errors import ConfigError\n"
        "try: S3().find('s3://clips/a')\n"
        "except ConfigError as error: sys.exit(0 if \"pip install 'lakebox[cloud]'\" in str(error) else 2)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
