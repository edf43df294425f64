"""`fetch=cached`: media stay on this machine, are fetched again only when they changed, and are never half a file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.fake_labelbox import Seen
from support.fake_labelbox.faults import Kind
from support.fake_labelbox.server import Host, Request, Response
from support.live import ONTOLOGY, Live, clip, clip_name, image_annotations, png, shown, video_project
from support.video import numbered

pytest_plugins = ["support.labelbox_fixtures", "support.live_fixtures"]

LENGTHS = (4, 5, 6)


def cached(live: Live, lake: str = "lake", *more: str) -> list[str]:
    """Overrides for a dataset from cached media."""
    return ["fetch=cached", f"fetch.cache.folder={live.folder / 'kept'}", f"path={live.folder / lake}", *more]


def kept(live: Live) -> dict[str, bytes]:
    """The files that count as whole."""
    folder = live.folder / "kept/lakebox-media"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} if folder.exists() else {}


def media(live: Live, since: int = 0) -> list[Seen]:
    """Requests for media, after the first `since` requests."""
    return [one for one in live.fake.seen[since:] if one.path.endswith((".mp4", ".png"))]


def in_bucket(live: Live, area: str = "/public/") -> list[str]:
    """A project of videos in a bucket."""
    return video_project(live, LENGTHS, lambda n, data: live.fake.put(f"{area}{clip_name(n)}", data), masks=False)


def images(live: Live) -> list[str]:
    """A project of images at Labelbox's storage."""
    live.fake.add_project("stills", "IMAGE", ONTOLOGY, project_id=live.project_id)
    ids = []
    for number in range(3):
        url = live.fake.store(f"/o/{number}.png", png(numbered(64, 48, video=number, frame=0)))
        ids.append(live.fake.add_data_row(live.project_id, row_data=url))
        live.fake.label(ids[-1], image_annotations(live.fake, number))
    return ids


# ---------------------------------------------------------------------- kept and used


@pytest.mark.parametrize("kind", ["video", "image"])
def test_a_second_dataset_fetches_nothing(live: Live, kind: str) -> None:
    """Addresses at Labelbox are signed anew in each export; that makes no other file of them."""
    column, lengths = ("frames", LENGTHS) if kind == "video" else ("image", (1, 1, 1))
    ids = video_project(live, LENGTHS) if kind == "video" else images(live)
    assert live.run(*cached(live, "first")).ok
    first = media(live)
    assert [one.method for one in first] == ["GET"] * 3
    sizes = sorted(len(content) for content in kept(live).values())
    assert sorted(one.sent for one in first) == sizes
    live.fake.expire_signatures()
    since = len(live.fake.seen)
    assert live.run(*cached(live)).ok
    assert [one.method for one in media(live, since)] == ["GET"] * 3  # is it still the same?
    assert sum(one.sent for one in media(live, since)) <= 3
    assert sorted(len(content) for content in kept(live).values()) == sizes
    assert live.wrong() == []
    assert live.numbers(column) == shown(ids, *lengths)


def of_size(data: bytes, size: int) -> bytes:
    """The video with a box at its end that holds nothing."""
    return data + (size - len(data)).to_bytes(4, "big") + b"free" + bytes(size - len(data) - 8)


def test_changed_media_are_fetched_again(live: Live) -> None:
    """Also where the new file is as long as the old one."""
    ids = in_bucket(live)
    before, changed = (of_size(clip(live.folder / "media", n, LENGTHS[1]), 4000) for n in (1, 7))
    live.fake.put(f"/public/{clip_name(1)}", before)
    assert live.run(*cached(live, "first")).ok
    assert before in kept(live).values()
    live.fake.put(f"/public/{clip_name(1)}", changed)
    assert live.run(*cached(live)).ok
    numbers = {number for key, (number, _) in live.numbers().items() if key.startswith(ids[1])}
    assert numbers == {7}
    assert changed in kept(live).values()


def test_a_server_that_does_not_name_its_content_is_believed_nothing(live: Live) -> None:
    files: dict[str, bytes] = {}
    server = Host("mute", lambda asked, _: Response(200, files[asked.path]), nothing, live.fake.faults, live.fake.seen)
    server.start()

    def place(number: int, data: bytes) -> str:
        files[f"/{number}.mp4"] = data
        return f"{server.url}/{number}.mp4"

    ids = video_project(live, LENGTHS, place, masks=False)
    assert live.run(*cached(live, "first")).ok
    assert live.run(*cached(live)).ok
    server.stop()
    assert [one.sent for one in media(live)] == [len(files[one.path]) for one in media(live)]
    assert (len(media(live)), kept(live)) == (6, {})
    assert live.numbers() == shown(ids, *LENGTHS)


def nothing(_: Request) -> None:
    return None


# ----------------------------------------------------------------------- what goes


def test_the_limit_takes_the_least_recently_used_and_nobody_elses(live: Live) -> None:
    in_bucket(live)
    others = [live.folder / "kept/notes.txt", live.folder / "kept/lakebox-media/notes.txt"]
    others += [live.folder / "kept/lakebox-media/folder/clip.mp4"]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 5000)
    assert live.run(*cached(live, "first", "executor=serial")).ok
    assert live.run(*cached(live, "second", "limit=1")).ok  # the first video: the second is the least recently used now
    data = [path.read_bytes() for path in sorted((live.folder / "media").iterdir())]
    left = (len(data[0]) + len(data[2]) + 1) / 1e9
    assert live.run(*cached(live, "third", "limit=1", f"fetch.cache.gigabytes={left:.10f}")).ok
    assert {*kept(live).values()} - {b"x" * 5000} == {data[0], data[2]}
    assert live.run(*cached(live, "fourth", "limit=1", "fetch.cache.gigabytes=1e-9")).ok
    assert {*kept(live).values()} == {b"x" * 5000}
    assert all(path.read_bytes() == b"x" * 5000 for path in others)


def test_names_say_nothing_of_an_address(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses are signed, and projects and clips may have names that nobody else is to know."""
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", live.fake.sas_token("clips", 60))
    container = f"presigner.container={live.fake.bucket.url}/sas/clips"
    video_project(live, LENGTHS, lambda n, data: live.fake.put(f"/sas/clips/{clip_name(n)}", data), masks=False)
    assert live.run(*cached(live), "presigner=azure_sas", container).ok
    found = [path.relative_to(live.folder / "kept") for path in (live.folder / "kept").rglob("*") if path.is_file()]
    assert len(found) == 3
    assert all(re.fullmatch(r"lakebox-media/[0-9a-f-]+", path.as_posix()) for path in found)


# --------------------------------------------------------------- broken off, at once


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", ["error500", "truncated", "dropped"])
def test_a_fifth_of_all_requests_goes_wrong(live: Live, kind: Kind, seed: int) -> None:
    ids = in_bucket(live)
    live.fake.faults.set(kind, host="bucket", rate=0.2, seed=seed)
    for lake in ("first", "second"):
        report = live.run(*cached(live, lake))
        assert {failure.data_row_id for failure in report.failures} <= set(ids)
    live.fake.faults.clear()
    assert live.run(*cached(live)).ok
    assert {*kept(live).values()} == {path.read_bytes() for path in (live.folder / "media").iterdir()}
    assert live.wrong() == []
    assert live.numbers() == shown(ids, *LENGTHS)


@pytest.mark.parametrize("kind", ["truncated", "error500", "dropped"])
def test_what_never_comes_whole_is_not_kept(live: Live, kind: Kind) -> None:
    """The server cannot begin in the middle, so a file that is always cut short never comes to its end."""
    ids = in_bucket(live, "/noranges/")
    live.fake.faults.set(kind, path_contains=clip_name(1))
    (failure,) = live.run(*cached(live), "fetch.attempts=2").failures
    assert (failure.data_row_id, failure.stage) == (ids[1], "fetch")
    assert {*kept(live).values()} == {(live.folder / f"media/clip{number}.mp4").read_bytes() for number in (0, 2)}
    assert list((live.folder / "kept/lakebox-media").glob("using-*")) == []
    live.fake.faults.clear()
    assert live.run(*cached(live)).ok
    assert live.wrong(ordered=False) == []
    assert live.numbers() == shown(ids, *LENGTHS)


def start(live: Live, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lakebox", *live.overrides(*more)]
    return subprocess.Popen(command, cwd=live.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_a_killed_run_leaves_nothing_that_counts(live: Live) -> None:
    ids = in_bucket(live)
    live.fake.faults.set("slow", host="bucket", delay=4)  # half of it in the middle of the file
    with start(live, *cached(live)) as process:
        folder = live.folder / "kept/lakebox-media"
        deadline = time.monotonic() + 30
        while not any(folder.glob("using-*/media*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    assert any(folder.glob("using-*/media*"))
    (left, *_) = abandoned = list(folder.glob("using-*"))
    assert kept(live) == {}
    live.fake.faults.clear()
    assert live.run(*cached(live)).ok
    assert live.wrong() == []
    assert live.numbers() == shown(ids, *LENGTHS)
    assert all(path.exists() for path in abandoned)  # another run may be at work in them
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(left, (long_ago, long_ago))
    assert live.run(*cached(live, "second")).ok
    assert not left.exists()


def test_two_runs_at_once(live: Live) -> None:
    ids = in_bucket(live)
    live.fake.faults.set("slow", host="bucket", delay=0.4)
    exports = [f"source.cache={live.folder / name}" for name in ("one", "two")]
    with start(live, *cached(live), exports[0]) as one, start(live, *cached(live, "other"), exports[1]) as two:
        said = [one.communicate(timeout=50)[0], two.communicate(timeout=50)[0]]
    assert (one.returncode, two.returncode) == (0, 0), said
    assert {*kept(live).values()} == {path.read_bytes() for path in (live.folder / "media").iterdir()}
    assert list((live.folder / "kept/lakebox-media").glob("using-*")) == []
    assert live.wrong() == []
    assert live.numbers() == shown(ids, *LENGTHS)
    assert set(live.ids("other")) == set(ids)


def test_a_folder_that_cannot_be_used_is_named(live: Live) -> None:
    ids = in_bucket(live)
    (live.folder / "kept").write_text("a file", encoding="utf-8")
    done = live.command(*cached(live), "report=report.json")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    failures: list[dict[str, Any]] = json.loads(Path("report.json").read_text(encoding="utf-8"))["failures"]
    assert [failure["data_row_id"] for failure in failures] == ids
    assert all("give fetch.cache another folder" in failure["error"] for failure in failures)
    assert Path("kept").read_text(encoding="utf-8") == "a file"
