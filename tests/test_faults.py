"""What goes wrong on the way: a run ends right all the same, or says what is missing and the next one makes it whole."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.fake_labelbox import Seen
from support.fake_labelbox.faults import Kind
from support.fake_labelbox.files import serve
from support.fake_labelbox.server import Host, Request, Response
from support.live import (
    ONTOLOGY,
    Live,
    add_video,
    clip,
    image_annotations,
    opened,
    png,
    shown,
    single_mask,
    video_project,
)
from support.video import numbered, read_number

pytest_plugins = ["support.labelbox_fixtures", "support.live_fixtures"]

STORMS: list[tuple[Kind, dict[str, Any]]] = [
    ("error500", {}),
    ("busy", {}),
    ("slow", {"delay": 0.2}),
    ("truncated", {}),
    ("dropped", {}),
]


@pytest.fixture
def ids(live: Live) -> list[str]:
    """Three labelled videos with masks: two at Labelbox's storage, one in a bucket."""
    found = video_project(live, (6, 4))
    return [*found, add_video(live, 2, 5, lambda number, data: live.fake.put(f"/public/{number}.mp4", data))]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kind", "how"), STORMS, ids=[kind for kind, _ in STORMS])
def test_a_fifth_of_all_requests_goes_wrong(
    live: Live, ids: list[str], kind: Kind, how: dict[str, Any], seed: int
) -> None:
    fault = live.fake.faults.set(kind, rate=0.2, seed=seed, **how)
    report = live.run()
    assert fault.hits
    live.fake.faults.clear()
    failed = {failure.data_row_id for failure in report.failures}
    assert report.ok is not bool(failed)
    assert failed <= set(ids)
    assert len(failed) == len(ids) or live.wrong(without=failed) == []
    assert live.run().ok
    assert live.wrong(ordered=not failed) == []
    assert live.numbers() == shown(ids, 6, 4, 5)


# ------------------------------------------------------------------- single data rows


Break = Callable[[Live], object]


def fault(kind: Kind, path: str, **how: Any) -> Break:
    return lambda live: live.fake.faults.set(kind, path_contains=path, **how)


def painted(data: bytes) -> Break:
    return lambda live: live.fake.paint(data, "road-1-1")


VIDEO, MASK = "1.mp4", "road1/index/1/mask"
BROKEN: list[tuple[Break, str, str]] = [
    (fault("missing", VIDEO), "fetch", "404 .*no such file"),
    (fault("error500", VIDEO), "fetch", "500 in each of 3 attempts"),
    (fault("dropped", VIDEO), "fetch", "in each of 3 attempts"),
    (fault("busy", VIDEO, retry_after=3600), "fetch", "3600 s; run again then"),
    (fault("missing", MASK), "mask", f"{MASK}: .*404"),
    (fault("truncated", MASK), "mask", f"{MASK}: .*in each of 3 attempts"),
    (painted(b"<html>Not a picture</html>"), "mask", f"{MASK}: .*not a readable image"),
    (painted(single_mask(3)[:-40]), "mask", f"{MASK}: .*not a readable image"),
    (painted(single_mask(3, (32, 24))), "mask", f"{MASK}: .*32"),
]


@pytest.mark.parametrize(("broken", "stage", "says"), BROKEN)
def test_what_stays_broken_is_named_and_the_others_are_done(live: Live, broken: Break, stage: str, says: str) -> None:
    ids = video_project(live, (3, 3, 3))
    broken(live)
    done = live.command("report=report.json")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    report = json.loads((live.folder / "report.json").read_text(encoding="utf-8"))
    (failure,) = report["failures"]
    assert (failure["data_row_id"], failure["stage"]) == (ids[1], stage)
    assert re.search(says, failure["error"]), failure["error"]
    assert ids[1] in done.stderr + done.stdout
    live.fake.faults.clear()
    assert set(live.ids()) == {ids[0], ids[2]}
    live.fake.paint(single_mask(9), "road-1-1")
    assert live.run().ok
    assert live.wrong(ordered=False) == []
    assert live.numbers() == shown(ids, 3, 3, 3)


# -------------------------------------------------------------------- reading further


def asked(live: Live, path: str) -> list[Seen]:
    return [seen for seen in live.fake.seen if seen.path.endswith(path)]


def test_a_broken_connection_goes_on_at_the_same_byte(live: Live) -> None:
    data = clip(live.folder / "media", 0, 200)
    (uid,) = video_project(live, (200,), lambda *_: live.fake.put("/public/0.mp4", data), masks=False)
    live.fake.faults.set("truncated", path_contains="0.mp4", times=3)
    assert live.run("pixels=video").ok
    first, *rest = asked(live, "0.mp4")
    at = first.sent
    for one in rest:
        assert one.headers["Range"] == f"bytes={at}-"
        at += one.sent
    assert (len(rest), at) == (3, len(data))  # four answers, and no byte of the file came twice
    videos = opened(live.folder / "lake_videos")
    stored = videos["video"][0]
    assert (stored.shape[0], read_number(np.asarray(stored[199:200])[0])) == (200, (0, 199))
    assert live.ids() == [uid]


def test_a_server_that_cannot_begin_in_the_middle_serves_as_well(live: Live) -> None:
    ids = video_project(live, (6, 4), lambda number, data: live.fake.put(f"/noranges/{number}.mp4", data))
    live.fake.faults.set("truncated", path_contains="/noranges/", once=True)
    assert live.run().ok
    assert live.wrong() == []
    assert live.numbers() == shown(ids, 6, 4)


@pytest.mark.parametrize("kind", ["video", "image"])
def test_public_files_are_asked_for_once_and_without_a_question_before(live: Live, kind: str) -> None:
    fake = live.fake
    if kind == "video":
        video_project(live, (6, 4), lambda number, data: fake.put(f"/public/{number}.mp4", data))
    else:
        fake.add_project("stills", "IMAGE", ONTOLOGY, project_id=live.project_id)
        for number in range(3):
            url = fake.put(f"/public/{number}.png", png(numbered(64, 48, video=number, frame=0)))
            fake.label(fake.add_data_row(live.project_id, row_data=url), image_annotations(fake, number))
    assert live.run().ok
    files = Counter((seen.method, seen.path) for seen in fake.seen if "/mask" in seen.path or seen.host == "bucket")
    assert {count for (_, path), count in files.items() if not path.endswith(".mp4")} == {1}
    assert {method for method, _ in files} == {"GET"}
    assert sum(path.endswith((".mp4", ".png")) for _, path in files) == len(live.ids())


@pytest.mark.parametrize("status", [401, 403])
def test_a_signature_that_ends_while_a_file_is_read_is_made_anew(
    live: Live, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every signature is good for one answer, and the first answer breaks off."""
    data = clip(live.folder / "media", 0, 60)
    good = 1
    monkeypatch.setenv("OWN_SIGNATURE", "1")

    def answer(asked: Request, _: Seen) -> Response:
        nonlocal good
        if asked.query.get("sig") != str(good):
            return Response(status)
        good += 1
        monkeypatch.setenv("OWN_SIGNATURE", str(good))
        return serve(data, asked.path, asked)

    gate = Host("gate", answer, lambda _: None, live.fake.faults, live.fake.seen)
    gate.start()
    (live.folder / "conf/presigner").mkdir(parents=True)
    (live.folder / "conf/presigner/own.yaml").write_text("_target_: own_signature.Signs", encoding="utf-8")
    (live.folder / "own_signature.py").write_text(SIGNS, encoding="utf-8")
    monkeypatch.syspath_prepend(live.folder)
    monkeypatch.delitem(sys.modules, "own_signature", raising=False)
    (uid,) = ids = video_project(live, (60,), lambda *_: f"{gate.url}/0.mp4", masks=False)
    live.fake.faults.set("truncated", host="gate", times=1)
    report = live.run("presigner=own", config_dir=live.folder / "conf")
    gate.stop()
    assert report.ok, report.failures
    first, refused, second = asked(live, "0.mp4")
    assert (first.status, refused.status, second.status) == (206, status, 206)
    assert refused.headers["Range"] == second.headers["Range"] == f"bytes={first.sent}-"
    assert first.sent + second.sent == len(data)
    assert live.ids() == [uid]
    assert live.numbers() == shown(ids, 60)


SIGNS = """
import os
from pydantic import BaseModel
from lakebox.core.ports import Request

class Signs(BaseModel):
    def request(self, url):
        return Request(url + "?sig=" + os.environ["OWN_SIGNATURE"])
"""


@pytest.mark.parametrize("path", [VIDEO, MASK, "/graphql", "/exports/"])
def test_what_a_busy_server_asks_to_wait_is_waited(live: Live, path: str) -> None:
    ids = video_project(live, (3, 3))
    live.fake.faults.set("busy", path_contains=path, retry_after=1, times=1)
    started = time.monotonic()
    assert live.run().ok
    assert time.monotonic() - started >= 1
    live.fake.faults.clear()
    assert live.wrong() == []
    assert live.numbers() == shown(ids, 3, 3)


def test_a_server_that_falls_silent_is_asked_again(live: Live) -> None:
    ids = video_project(live, (3, 3))
    live.fake.faults.set("slow", path_contains=VIDEO, delay=2, once=True)
    live.fake.faults.set("slow", path_contains=MASK, delay=2, once=True)
    assert live.run("fetch.read_seconds=0.4").ok
    assert {len(asked(live, VIDEO)), len(asked(live, MASK))} == {2}
    assert live.wrong() == []
    assert live.numbers() == shown(ids, 3, 3)


@pytest.mark.parametrize("kind", ["error500", "truncated", "dropped"])
def test_an_export_of_many_files_comes_whole(live: Live, kind: Kind) -> None:
    """Its files end within lines and within characters."""
    ids = video_project(live, (3, 3), masks=False)
    live.fake.chunk_bytes, live.fake.whole_lines = 1001, False
    fault = live.fake.faults.set(kind, path_contains="/exports/", once=True)
    assert live.run().ok
    assert fault.hits > 3
    live.fake.faults.clear()
    live.fake.whole_lines = True
    assert live.wrong() == []
    assert live.ids() == ids


# ------------------------------------------------------------------------ no export


def emptied(live: Live) -> None:
    for row in list(live.fake.org.data_rows):
        live.fake.delete_data_row(row)


def set_to(**settings: Any) -> Callable[[Live], None]:
    """Settings of the fake service."""

    def change(live: Live) -> None:
        for name, value in settings.items():
            setattr(live.fake, name, value)

    return change


def api(kind: Kind, **how: Any) -> Callable[[Live], object]:
    return lambda live: live.fake.faults.set(kind, host="api", **how)


KEY = "looking up project project1: Labelbox refused the API key in LABELBOX_API_KEY; check it, and "
NO_EXPORT: list[tuple[Callable[[Live], object], list[str], str]] = [
    (set_to(key="another", refuses="code"), [], KEY),
    (set_to(key="another", refuses="message"), [], KEY),
    (emptied, [], "exporting project project1: it has no data rows; add a batch to it"),
    (
        set_to(),
        ["source.filters.global_keys=[unheard of]"],
        "exporting project project1: no data row passes the filter",
    ),
    (
        set_to(exports="stuck"),
        ["source.timeout_minutes=0.02"],
        "exporting what changed in project project1: not ready after 0.02 minutes",
    ),
    (
        api("error503", operation="exportDataRowsInProject"),
        ["source.patience=0.2"],
        "exporting what changed in project project1: Labelbox failed (answer 503); try again later",
    ),
    (set_to(exports="failed"), [], "exporting what changed in project project1: Labelbox ended the export as FAILED"),
    (
        set_to(),
        ["source.endpoint=http://127.0.0.1:9/graphql"],
        "looking up project project1: http://127.0.0.1:9/graphql cannot",
    ),
]


@pytest.mark.parametrize(("broken", "more", "says"), NO_EXPORT)
def test_what_cannot_be_exported_is_said_in_one_line(
    live: Live, broken: Callable[[Live], object], more: list[str], says: str
) -> None:
    ids = video_project(live, (2,), masks=False)
    assert live.run().ok
    key = live.fake.key
    broken(live)
    started = time.monotonic()
    done = live.command(*more)
    assert time.monotonic() - started < 15
    assert done.returncode == 1
    progress = ("exported 0", "project project1 comes whole")
    last = [line for line in done.stderr.splitlines() if not line.startswith(progress)]
    assert len(last) == 1 and last[0].startswith(says), done.stderr
    live.fake.faults.clear()
    live.fake.key, live.fake.exports = key, "complete"
    assert live.ids() == ids  # what was there is there, and nothing of this hinders the next run
    if broken is not emptied:
        assert live.run().plan == "nothing to do, 1 unchanged"
    else:
        add_video(live, 1, 3)
        assert live.run().assets["added"] == 1
        assert live.wrong() == []
