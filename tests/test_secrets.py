"""Keys, tokens and signatures reach the hosts they are for, and nothing else: no other host, no file, no line."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from support.fake_labelbox import FakeLabelbox
from support.fake_labelbox.faults import Kind
from support.fake_labelbox.server import Host, Response
from support.leaks import told
from support.live import ONTOLOGY, Live, add_video, clip, clip_name, shown, video_project

from lakebox.errors import SourceError

pytest_plugins = ["support.labelbox_fixtures", "support.live_fixtures"]


# --------------------------------------------------------------------------- hosts


def hosts_that_saw(fake: FakeLabelbox, secret: str) -> set[str]:
    return {one.host for one in fake.seen if secret in f"{one.path} {one.query} {one.headers}"}


@pytest.fixture
def shared(live: Live, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Settings for a container whose token is in the environment."""
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", live.fake.sas_token("clips", 60))
    return ("presigner=azure_sas", f"presigner.container={live.fake.bucket.url}/sas/clips")


@pytest.mark.parametrize("fetch", ["stream", "cached"])
def test_the_key_and_the_token_go_to_their_own_hosts_only(live: Live, shared: tuple[str, ...], fetch: str) -> None:
    """Media are at Labelbox, public and in the container; masks are answered by a redirect to the bucket."""
    fake = live.fake
    fake.masks_elsewhere = True
    areas = {1: "/public/", 2: "/sas/clips/"}
    ids = video_project(live, (5,))
    ids += [add_video(live, n, 3, lambda n, data: fake.put(areas[n] + clip_name(n), data)) for n in areas]
    cache = (f"fetch.cache.folder={live.folder / 'kept'}",) if fetch == "cached" else ()
    report = live.run(*shared, f"fetch={fetch}", *cache)
    assert report.ok, report.failures
    assert hosts_that_saw(fake, fake.key) == {"api"}
    token = fake.requests(path_contains="/sas/clips/")[0].query["sig"]
    assert {one.path for one in fake.seen if token in str(one)} == {f"/sas/clips/{clip_name(2)}"}
    assert fake.count(host="bucket", path_contains="/public/masks/") > 0
    assert live.wrong() == []
    assert live.numbers() == shown(ids, 5, 3, 3)


def test_media_that_the_api_host_redirects_are_fetched_without_the_key(live: Live) -> None:
    def place(number: int, data: bytes) -> str:
        url = live.fake.put(f"/public/{clip_name(number)}", data)
        return f"{live.fake.api_url}/redirect?{urlencode({'to': url})}"

    ids = video_project(live, (5, 3), place, masks=False)
    assert live.run().ok
    assert "authorization" in str(live.fake.requests(path_contains="/redirect")[0].headers).lower()
    assert hosts_that_saw(live.fake, live.fake.key) == {"api"}
    assert live.numbers() == shown(ids, 5, 3)


def test_an_api_host_that_has_moved_hands_on_no_key(live: Live) -> None:
    """Where it moved to is not where the key was meant to go."""
    fake = live.fake
    video_project(live, (2,), masks=False)
    answer = Response(307, b"", {"Location": f"{fake.bucket.url}/graphql"})
    moved = Host("moved", lambda request, seen: answer, lambda _: None, fake.faults, fake.seen)
    moved.start()
    try:
        with pytest.raises(SourceError) as caught:
            live.run(f"source.endpoint={moved.url}/graphql", "source.patience=0.2")
    finally:
        moved.stop()
    assert fake.key not in str(caught.value)
    assert fake.count(host="bucket", path_contains="/graphql") > 0
    assert hosts_that_saw(fake, fake.key) == {"moved"}


# ----------------------------------------------------------------- files and lines

WRONG = "lbx-another-key-0123456789"
UPLOAD = ("+task.media=given", "+task.dataset=lanes", "+task.project=lanes")
CHATTY = "hydra.verbose=[urllib3,urllib3.connectionpool,urllib3.util.retry,requests,labelbox,lbox,lakebox]"


def everywhere(live: Live) -> list[str]:
    """Videos at Labelbox, and the last in the container."""
    place = {2: lambda n, data: live.fake.put(f"/sas/clips/{clip_name(n)}", data)}
    live.fake.add_project("lanes", "VIDEO", ONTOLOGY, project_id=live.project_id)
    return [add_video(live, number, 2, place.get(number)) for number in range(3)]


@pytest.mark.parametrize("verbose", ["hydra.verbose=true", CHATTY], ids=["verbose", "chatty"])
def test_runs_that_go_well(live: Live, shared: tuple[str, ...], verbose: str) -> None:
    everywhere(live)
    kept = f"fetch.cache.folder={live.folder / 'kept'}"
    planned = told(live, *shared, verbose, "task=plan")
    assert (planned.status, planned.leaks()) == (0, [])
    for lake, more in {"lake": (), "kept-lake": ("fetch=cached", kept, "masks=link")}.items():
        done = told(live, *shared, *more, verbose, f"path={live.folder / lake}", "preview=page")
        assert (done.status, done.leaks()) == (0, [])
        assert (live.folder / f"{lake}.html").is_file(), "what is looked at has no key either"
    assert live.wrong() == []
    assert len(list((live.folder / ".lakebox/runs").glob("*/lakebox.log"))) == 3


def test_a_kept_export_is_its_owners_and_no_commit_has_it(live: Live) -> None:
    """It is what Labelbox gave, signed addresses and all."""
    everywhere(live)
    subprocess.run(["git", "init", "-q"], cwd=live.folder, check=True)
    assert live.command("task=plan").returncode == 0
    exports = [path for path in (live.folder / "exports").iterdir() if path.is_dir()]
    assert len(exports) == 1
    assert stat.S_IMODE(exports[0].stat().st_mode) == 0o700
    assert b"Signature=" in (exports[0] / "export.ndjson").read_bytes()
    git = ["git", "ls-files", "--others", "--exclude-standard", "exports"]
    assert subprocess.run(git, cwd=live.folder, check=True, capture_output=True, text=True).stdout == ""


def test_a_sweep_whose_libraries_say_everything(live: Live, shared: tuple[str, ...]) -> None:
    """The second job finds the libraries loaded and their loggers made, and switches them on again."""
    everywhere(live)
    done = told(live, *shared, CHATTY, "-m", "limit=1,3", f"path={live.folder}/lake-${{limit}}")
    assert (done.status, done.leaks()) == (0, [])
    logs = "".join(log.read_text(encoding="utf-8") for log in (live.folder / ".lakebox/sweeps").glob("*/*/lakebox.log"))
    assert ".mp4?... HTTP/1.1" in logs and "[labelbox" not in logs


def test_the_composed_configuration(live: Live, shared: tuple[str, ...]) -> None:
    for task in ("sync", "plan", "upload"):
        said = told(live, *shared, *UPLOAD, f"task={task}", "--cfg", "job", "--resolve")
        assert (said.status, said.leaks()) == (0, [])
        assert "LABELBOX_API_KEY" in said.said


# ---------------------------------------------------------------- runs that go wrong


def wrong_key(live: Live) -> None:
    live.fake.key = WRONG


def refused_by_status(live: Live) -> None:
    live.fake.key, live.fake.refuses = WRONG, "message"


def faults(kind: Kind, **options: Any) -> Callable[[Live], object]:
    return lambda live: live.fake.faults.set(kind, **options)


MEDIA = {"path_contains": ".mp4"}
WAYS_TO_FAIL: dict[str, Callable[[Live], object]] = {
    "wrong key": wrong_key,
    "wrong key, HTTP 401": refused_by_status,
    "API failing": faults("error500", host="api"),
    "API hangs up": faults("dropped", host="api"),
    "export gone": faults("missing", path_contains="/exports/"),
    "export refused": faults("expired", path_contains="/exports/"),
    "media missing": faults("missing", **MEDIA),
    "media refused": faults("expired", **MEDIA),
    "media broken off": faults("truncated", **MEDIA),
    "media hang up": faults("dropped", **MEDIA),
    "masks missing": faults("missing", path_contains="/mask"),
}


@pytest.mark.parametrize("way", WAYS_TO_FAIL)
def test_runs_that_fail(live: Live, shared: tuple[str, ...], way: str) -> None:
    key = live.fake.key
    everywhere(live)
    WAYS_TO_FAIL[way](live)
    done = told(live, *shared, "hydra.verbose=true", "fetch.attempts=2", "source.patience=0.2")
    assert done.status == 1
    assert done.leaks(key) == []
    assert "failed" in done.said or "project project1" in done.said


# --------------------------------------------------------------------------- uploads


@pytest.fixture
def listed(live: Live) -> tuple[str, ...]:
    """Settings of an upload of signed addresses, which the user listed in a file."""
    urls = [live.fake.put(f"/public/{clip_name(n)}", clip(live.folder / "given", n, 2)) for n in range(3)]
    signed = [f"{url}?sv=1&sig=UPLOADED-{n}-SIGNATURE" for n, url in enumerate(urls)]
    (live.folder / "given/list.txt").write_text("\n".join(signed), encoding="utf-8")
    return ("task=upload", "task.media=given/list.txt", "task.dataset=lanes", "task.project=lanes")


def refused_row(live: Live) -> None:
    """Labelbox says why, and quotes the address."""
    address = f"{live.fake.bucket.url}/public/{quote(clip_name(1))}"
    live.fake.refused_keys = {address: f"no video at {address}?sv=1&sig=UPLOADED-1-SIGNATURE"}


UPLOADS: dict[str, tuple[Callable[[Live], object], int]] = {
    "all well": (lambda live: None, 0),
    "wrong key": (wrong_key, 1),
    "API failing": (faults("error500", host="api"), 1),
    "no dataset": (faults("error503", operation="CreateDataset"), 1),
    "one refused": (refused_row, 1),
    "lost on the way": (faults("error500", operation="UpsertDataRows"), 1),
}


@pytest.mark.parametrize("way", UPLOADS)
def test_uploads(live: Live, listed: tuple[str, ...], way: str) -> None:
    key = live.fake.key
    spoil, status = UPLOADS[way]
    if not status:
        planned = told(live, *listed, "task.dry_run=true")
        assert ("3 data rows to upload" in planned.said, planned.leaks("UPLOADED-", "sig=")) == (True, [])
    spoil(live)
    done = told(live, *listed, "hydra.verbose=true", "source.patience=0.2")
    assert (done.status, done.leaks(key, "UPLOADED-", "sig=")) == (status, [])
    assert status == 0 or clip_name(1) in done.said or "Labelbox" in done.said


def test_what_an_export_says_of_a_data_row(live: Live, shared: tuple[str, ...]) -> None:
    (*_, last) = everywhere(live)
    live.fake.fail_export_rows({last: f"cannot read {live.fake.bucket.url}/sas/a.mp4?sv=1&sig=QUOTED-SIGNATURE for it"})
    done = told(live, *shared)
    assert (done.status, done.leaks("QUOTED-")) == (1, [])
    assert "cannot read" in done.said


# ------------------------------------------------------------------------- overrides


@pytest.mark.parametrize("task", ["sync", "plan", "upload"])
def test_the_key_as_an_override_is_refused_and_nothing_is_written(live: Live, task: str) -> None:
    before = sorted(live.folder.rglob("*"))
    key = live.fake.key
    for override in (
        f"+api_key={key}", f"+source.account.api_key_env={key}", f"source.api_key_env={key}", f"tag={key}",
        f"++anything.at.all=[a,'{key}']", f"path=./lake/{key}", f"hydra.run.dir=runs/{key}",
    ):  # fmt: skip
        done = live.command(f"task={task}", override)
        assert done.returncode == 2, override
        assert "environment variable" in done.stderr
        assert override.partition("=")[0].lstrip("+") in done.stderr
        assert key not in done.stderr + done.stdout
    assert sorted(live.folder.rglob("*")) == before
    assert live.fake.seen == []
