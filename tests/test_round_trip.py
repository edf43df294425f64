"""The whole circle against a fake Labelbox, from media to a dataset; and media that only a presigner opens."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import pytest
import requests
from support.clouds import (
    AZURE_KEY,
    account_token,
    azure_server,
    container_token,
    forget_credentials,
    google_accepts,
    google_account,
    s3_server,
)
from support.fake_labelbox import Seen
from support.fake_labelbox.files import serve
from support.fake_labelbox.server import Host, Request, Response
from support.live import (
    ONTOLOGY,
    Json,
    Live,
    Place,
    clip_name,
    fetched,
    image_annotations,
    shown,
    video_annotations,
    video_project,
)
from support.video import write_image, write_video

pytest_plugins = ["support.labelbox_fixtures", "support.live_fixtures"]

LENGTHS = (5, 3, 2)
Env = Callable[[str, str], None]


# --------------------------------------------------------------------- round trips


def write_media(folder: Path, kind: str) -> list[Path]:
    """Media that show their numbers: three videos or three images."""
    if kind == "video":
        paths = [folder / f"Größe {number}.mp4" for number in range(len(LENGTHS))]
        for number, path in enumerate(paths):
            write_video(path, LENGTHS[number], 64, 48, video=number)
    else:
        paths = [folder / f"Größe {number}.png" for number in range(len(LENGTHS))]
        for number, path in enumerate(paths):
            write_image(path, 64, 48, video=number)
    return paths


def uploaded(live: Live, kind: str, *, remote: bool) -> dict[int, str]:
    """Media in a new project of its own: the number that a data row's media show -> its id."""
    paths = write_media(live.folder / "media", kind)
    addresses = [live.fake.put(f"/public/{path.name}", path.read_bytes()) for path in paths] if remote else []
    (live.folder / "list.txt").write_text("\n".join(addresses or map(str, paths)), encoding="utf-8")
    (live.folder / "ontology.json").write_text(json.dumps(ONTOLOGY), encoding="utf-8")
    names = ("task.media=list.txt", "task.dataset=lanes", "task.project='Straßen'", "task.ontology=ontology.json")
    report = live.run("task=upload", f"task.media_type={kind}", *names)
    assert (report.ok, report.assets["added"]) == (True, len(paths))
    live.project_id = report.labelbox["project_id"]
    rows = live.fake.org.rows_of(live.project_id)
    return {int(str(row.external_id).partition(".")[0][-1]): row.id for row in rows}


def label_of(live: Live, kind: str, number: int, length: int) -> Json:
    return video_annotations(live.fake, number, length) if kind == "video" else image_annotations(live.fake, number)


@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
@pytest.mark.parametrize("kind", ["video", "image"])
def test_media_become_a_labelled_dataset(live: Live, kind: str, remote: bool) -> None:
    ids = uploaded(live, kind, remote=remote)
    labels = {n: live.fake.label(ids[n], label_of(live, kind, n, LENGTHS[n])) for n in (0, 2)}  # 1 stays without
    assert live.run("pixels=png").ok
    assert live.wrong() == []
    column, lengths = ("frames", LENGTHS) if kind == "video" else ("image", (1, 1, 1))
    shown = {f"{ids[n]}:{frame}": (n, frame) for n in ids for frame in range(lengths[n])}
    assert live.numbers(column) == shown

    fetched = live.fake.count(method="GET", path_contains="Größe")
    assert fetched == 3
    live.fake.relabel(labels[0], label_of(live, kind, 7, LENGTHS[0]))
    again = live.run("pixels=png")
    assert (again.assets["relabelled"], again.assets["unchanged"]) == (1, 2)
    assert live.wrong() == []
    assert live.numbers(column) == shown
    assert live.fake.count(method="GET", path_contains="Größe") == fetched
    assert live.run("pixels=png").plan == "nothing to do, 3 unchanged"


# ------------------------------------------------------------------- private media


class Way(NamedTuple):
    """Where videos go, and with which settings lakebox gets at them."""

    place: Place
    settings: tuple[str, ...] = ()
    config_dir: Path | None = None
    masks: bool = True


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Env:
    """Set a variable; of the clouds' variables no other is there."""
    forget_credentials(monkeypatch)
    return monkeypatch.setenv


@pytest.fixture
def at_labelbox(live: Live) -> Way:
    return Way(lambda number, data: live.fake.store(f"/o/{clip_name(number)}", data))


@pytest.fixture
def public(live: Live) -> Way:
    return Way(lambda number, data: live.fake.put(f"/public/{clip_name(number)}", data))


@pytest.fixture
def without_ranges(live: Live) -> Way:
    return Way(lambda number, data: live.fake.put(f"/noranges/{clip_name(number)}", data))


@pytest.fixture
def unsigned(public: Way) -> Way:
    """Masks at Labelbox need its key, so there are none."""
    return public._replace(settings=("presigner=none",), masks=False)


@pytest.fixture
def shared(live: Live, env: Env) -> Way:
    env("AZURE_STORAGE_SAS_TOKEN", live.fake.sas_token("clips", 60))
    settings = ("presigner=azure_sas", f"presigner.container={live.fake.bucket.url}/sas/clips")
    return Way(lambda number, data: live.fake.put(f"/sas/clips/{clip_name(number)}", data), settings)


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An account with one container."""
    with azure_server(tmp_path_factory.mktemp("azurite")) as endpoint:
        requests.put(f"{endpoint}/clips?restype=container&{account_token()}", timeout=10).raise_for_status()
        yield endpoint


def to_azurite(endpoint: str) -> Place:
    def place(number: int, data: bytes) -> str:
        url, headers = f"{endpoint}/clips/{quote(clip_name(number))}", {"x-ms-blob-type": "BlockBlob"}
        requests.put(f"{url}?{account_token()}", data, headers=headers, timeout=10).raise_for_status()
        return url

    return place


@pytest.fixture
def azurite_by_token(azurite: str, env: Env) -> Way:
    env("AZURE_STORAGE_SAS_TOKEN", container_token("clips"))
    return Way(to_azurite(azurite), ("presigner=azure_sas", f"presigner.container={azurite}/clips"))


@pytest.fixture
def azurite_by_key(azurite: str, env: Env) -> Way:
    env("AZURE_STORAGE_ACCOUNT_KEY", AZURE_KEY)
    return Way(to_azurite(azurite), ("presigner=azure", f"presigner.endpoint={azurite}"))


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def s3(moto: str, env: Env) -> Way:
    """Half of the addresses are s3://, half https."""
    import boto3

    env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    env("AWS_SECRET_ACCESS_KEY", "aws-secret")
    client = boto3.client("s3", endpoint_url=moto, region_name="us-east-1")
    client.create_bucket(Bucket="clips")

    def place(number: int, data: bytes) -> str:
        client.put_object(Bucket="clips", Key=clip_name(number), Body=data)
        return f"{('s3:/', moto)[number % 2]}/clips/{quote(clip_name(number))}"

    return Way(place, ("presigner=s3", f"presigner.endpoint={moto}"))


@pytest.fixture
def gcs(live: Live, env: Env) -> Iterator[Way]:
    """A server that gives what Google's own verifier accepts as signed for Google: emulators have no name of their own."""
    key, verifier = google_account()
    env("GOOGLE_SERVICE_ACCOUNT_KEY", key)
    files: dict[str, bytes] = {}

    def answer(asked: Request, seen: Seen) -> Response:
        url = f"https://storage.googleapis.com{quote(asked.path)}?{urlencode(asked.query)}"
        known = "X-Goog-Signature" in asked.query and google_accepts(url, verifier)
        return serve(files[asked.path], asked.path, asked) if known else Response(403)

    def place(number: int, data: bytes) -> str:
        files[f"/clips/{clip_name(number)}"] = data
        return f"{('gs:/', server.url)[number % 2]}/clips/{quote(clip_name(number))}"

    server = Host("gcs", answer, lambda _: None, live.fake.faults, live.fake.seen)
    server.start()
    yield Way(place, ("presigner=gcs", f"presigner.endpoint={server.url}"))
    server.stop()
    assert server.crashes == []


@pytest.fixture
def by_host(live: Live, s3: Way, shared: Way, public: Way) -> Way:
    """By turns in S3, in a container and public."""
    s3_url, container = (way.settings[1].partition("=")[2] for way in (s3, shared))
    rules = f"""
defaults: [by_host, _self_]
rules:
- {{host: "s3://*", presigner: {{_target_: lakebox.adapters.object_store.S3, endpoint: "{s3_url}"}}}}
- {{host: "{urlsplit(s3_url).netloc}", presigner: {{_target_: lakebox.adapters.object_store.S3, endpoint: "{s3_url}"}}}}
- {{host: "{urlsplit(container).netloc}", presigner: {{_target_: lakebox.adapters.presign.AzureSas, container: "{container}"}}}}
"""
    config_dir = live.folder / "conf"
    (config_dir / "presigner").mkdir(parents=True)
    (config_dir / "presigner/places.yaml").write_text(rules, encoding="utf-8")
    places = (s3.place, shared.place, public.place)
    return Way(lambda number, data: places[number % 3](number, data), ("presigner=places",), config_dir)


@pytest.fixture
def own(live: Live, env: Env, monkeypatch: pytest.MonkeyPatch) -> Way:
    """A module and a config of somebody's own, outside of the package."""
    code = f"""
import os
from pydantic import BaseModel
from lakebox.adapters.presign import LabelboxKey
from lakebox.core.ports import Request, Presigner

class Gateway(BaseModel, arbitrary_types_allowed=True):
    otherwise: Presigner

    def request(self, url):
        if url.startswith("{live.fake.bucket.url}/bearer/"):
            return Request(url, {{"Authorization": "Bearer " + os.environ["OWN_TOKEN"]}})
        return self.otherwise.request(url)
"""
    (live.folder / "own_gateway.py").write_text(code, encoding="utf-8")
    config_dir = live.folder / "conf"
    (config_dir / "presigner").mkdir(parents=True)
    choice = "defaults: [labelbox@otherwise, _self_]\n_target_: own_gateway.Gateway\n"
    (config_dir / "presigner/own.yaml").write_text(choice, encoding="utf-8")
    monkeypatch.syspath_prepend(live.folder)
    monkeypatch.delitem(sys.modules, "own_gateway", raising=False)
    env("OWN_TOKEN", live.fake.bucket_token)
    return Way(lambda number, data: live.fake.put(f"/bearer/{clip_name(number)}", data), ("presigner=own",), config_dir)


WAYS = [
    ("at_labelbox", 3), ("public", 3), ("unsigned", 3), ("without_ranges", 3), ("shared", 3), ("azurite_by_token", 0), ("azurite_by_key", 0),
    ("s3", 0), ("gcs", 3), ("by_host", 2), ("own", 3),
]  # fmt: skip
"""Each with the number of its videos on servers that write down what they are asked."""


@pytest.mark.parametrize(("name", "videos"), WAYS)
def test_every_frame_comes_from_where_its_video_is(
    live: Live, name: str, videos: int, request: pytest.FixtureRequest
) -> None:
    way: Way = request.getfixturevalue(name)
    ids = video_project(live, LENGTHS, way.place, masks=way.masks)
    report = live.run(*way.settings, config_dir=way.config_dir)
    assert report.ok, report.failures
    asked = fetched(live.fake.seen)
    assert {method for method, _ in asked} == {"GET"}
    assert set(asked.values()) == {1}  # no file is asked for twice, none is probed
    assert sum(path.endswith(".mp4") for _, path in asked) == videos
    assert not [one.path for one in live.fake.seen if one.host != "api" and live.fake.key in str(one.headers)]
    assert live.wrong() == []
    assert live.numbers() == shown(ids, *LENGTHS)


def test_a_signature_that_is_refused_is_made_anew(live: Live, gcs: Way) -> None:
    ids = video_project(live, LENGTHS, gcs.place, masks=False)
    live.fake.faults.set("expired", host="gcs", once=True)
    live.fake.faults.set("slow", host="gcs", once=True, delay=2.2)  # within a second signatures are the same
    assert live.run(*gcs.settings).ok
    assert set(fetched(live.fake.seen).values()) == {2}
    assert live.numbers() == shown(ids, *LENGTHS)


def test_a_token_that_ended_is_said_and_a_new_one_does_the_rest(live: Live, shared: Way, env: Env) -> None:
    ids = video_project(live, LENGTHS, shared.place, masks=False)
    live.fake.expire_signatures()
    done = live.command(*shared.settings, "report=report.json")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    failures = json.loads((live.folder / "report.json").read_text(encoding="utf-8"))["failures"]
    assert [(failure["data_row_id"], failure["stage"]) for failure in failures] == [(uid, "fetch") for uid in ids]
    assert all("403" in failure["error"] for failure in failures)
    written = [path.read_bytes() for path in live.folder.rglob("*") if path.is_file()]
    assert not [file for file in written if live.fake.key.encode() in file or b"sig=" in file]
    env("AZURE_STORAGE_SAS_TOKEN", live.fake.sas_token("clips", -60))
    assert ["expired at" in failure.error for failure in live.run(*shared.settings).failures] == [True] * 3
    env("AZURE_STORAGE_SAS_TOKEN", live.fake.sas_token("clips", 60))
    assert live.run(*shared.settings).ok
    assert live.wrong() == []
    assert live.numbers() == shown(ids, *LENGTHS)


def test_addresses_of_a_kept_export_end_and_the_next_run_has_new_ones(live: Live) -> None:
    ids = video_project(live, LENGTHS, masks=False)
    live.run("task=plan")
    live.fake.expire_signatures()
    failures = live.run().failures
    assert [(failure.data_row_id, failure.stage) for failure in failures] == [(uid, "fetch") for uid in ids]
    assert live.run().ok
    assert (live.exports(), live.wrong()) == (2, [])
    assert live.numbers() == shown(ids, *LENGTHS)
