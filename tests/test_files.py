"""Fetching files, over a server of our own on the loopback."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from lakebox.adapters.files import Fetch, Files
from lakebox.adapters.masks import MaskFiles, fetch_masks
from lakebox.adapters.presign import Plain
from lakebox.core.model import MaskRef
from lakebox.core.ports import Request
from lakebox.errors import FetchError, MaskError

BODY = bytes(range(256)) * 300
SECRET = "?Expires=9&Signature=SECRET&KeyName=SECRETKEY"


@dataclass
class Web:
    """A server whose answers are given per path, one per request; the last one is repeated."""

    port: int = 0
    answers: dict[str, list[Any]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def next(self, path: str, headers: dict[str, str]) -> Any:
        self.seen.append((path, headers))
        listed = self.answers.get(path, [404])
        return listed.pop(0) if len(listed) > 1 else listed[0]


def handler(web: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = web.next(urlsplit(self.path).path, dict(self.headers))
            self.close_connection = True
            if answer == "hang up":
                return
            status, body, headers = answer if isinstance(answer, tuple) else (answer, b"", {})
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), "Connection": "close", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler


@pytest.fixture
def web() -> Iterator[Web]:
    found = Web()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(found)) as server:
        server.daemon_threads = True
        found.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


OK: tuple[int, bytes, dict[str, str]] = (200, BODY, {})
CUT = (200, BODY[:1000], {"Content-Length": str(len(BODY))})


class Fixed:
    """A presigner that gives every address the same headers."""

    def __init__(self, **headers: str) -> None:
        self._headers = headers

    def request(self, url: str) -> Request:
        return Request(url, self._headers)


def fetcher(attempts: int = 2, presigner: Any = None) -> Files:
    how = Fetch(connections=2, connect_seconds=2, read_seconds=2, attempts=attempts)
    return how.files(presigner or Fixed())


@contextmanager
def copied(files: Files, url: str) -> Iterator[Path]:
    with files.media(url) as file:
        yield file.local()


@pytest.mark.parametrize(
    "answers",
    [[OK], [503, OK], [429, OK], [CUT, OK], ["hang up", OK]],
    ids=["at once", "503 then 200", "429 then 200", "cut short then whole", "hung up then whole"],
)  # fmt: skip
def test_a_file_comes_whole_in_the_end(web: Web, answers: list[Any]) -> None:
    web.answers["/a.bin"] = answers
    assert fetcher().read(web.url("/a.bin" + SECRET)) == BODY


def test_a_file_that_changes_on_the_way_is_an_error_and_never_a_mixture(web: Web) -> None:
    web.answers["/a.bin"] = [(200, b"x" * 500, {"Content-Length": "9999"}), (200, b"short", {})]
    with pytest.raises(FetchError, match="changed while it was read"), copied(fetcher(), web.url("/a.bin")):
        pass


@pytest.mark.parametrize(
    ("answers", "words"),
    [([404], "404"), ([403], "403"), ([CUT], "attempts"), (["hang up"], "attempts"), ([503], "503")],
    ids=["404", "403", "never whole", "hangs up", "503 for ever"],
)
def test_a_file_that_cannot_be_had_is_an_error_without_its_signature(web: Web, answers: list[Any], words: str) -> None:
    web.answers["/dir/a.bin"] = answers
    with pytest.raises(FetchError) as caught:
        fetcher(presigner=Fixed(Authorization="Bearer SECRET")).read(web.url("/dir/a.bin" + SECRET))
    text = str(caught.value)
    assert "/dir/a.bin" in text
    assert words in text
    assert "SECRET" not in text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_missing_files_are_not_asked_for_again(web: Web) -> None:
    with pytest.raises(FetchError):
        fetcher(4).read(web.url("/none"))
    assert len(web.seen) == 1


def test_nobody_there_is_an_error_without_the_signature(web: Web) -> None:
    with pytest.raises(FetchError) as caught:
        fetcher(1).read(f"http://127.0.0.1:1/a.bin{SECRET}")
    assert "SECRET" not in str(caught.value)


def test_what_is_no_address_is_an_error_without_the_signature() -> None:
    for url in ("ftp://h/a.bin" + SECRET, "http://" + SECRET, "http://h:port/a.bin" + SECRET):
        with pytest.raises(FetchError) as caught:
            fetcher(1).read(url)
        assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("answers", [["hang up", OK], [CUT, OK], [503, OK]], ids=["hangs up", "cut short", "503"])
def test_no_signature_gets_into_the_log(web: Web, answers: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    """The run's log file has level INFO, for every library."""
    web.answers["/a.bin"] = answers
    with caplog.at_level(logging.INFO):
        fetcher().read(web.url("/a.bin" + SECRET))
    assert "SECRET" not in caplog.text


def test_headers_are_sent(web: Web) -> None:
    web.answers["/a.bin"] = [OK]
    fetcher(presigner=Fixed(Authorization="Bearer k")).read(web.url("/a.bin"))
    assert web.seen[0][1]["Authorization"] == "Bearer k"


def test_a_redirect_to_another_host_does_not_carry_the_key(web: Web) -> None:
    web.answers["/a.bin"] = [(302, b"", {"Location": web.url("/b.bin", "localhost")})]
    web.answers["/b.bin"] = [OK]
    signed = Fixed(Authorization="Bearer k", **{"X-Token": "t"})
    assert fetcher(presigner=signed).read(web.url("/a.bin")) == BODY
    sent = [(path, "Authorization" in headers, "X-Token" in headers) for path, headers in web.seen]
    assert sent == [("/a.bin", True, True), ("/b.bin", False, False)]


def test_a_netrc_file_does_not_replace_what_the_presigner_says(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    web.answers["/a.bin"] = [OK]
    fetcher(presigner=Fixed(Authorization="Bearer k")).read(web.url("/a.bin"))
    assert web.seen[0][1]["Authorization"] == "Bearer k"


def test_local_copies_keep_their_suffix_and_are_gone_afterwards(web: Web) -> None:
    web.answers["/dir/a.mp4"] = [OK]
    with copied(fetcher(), web.url("/dir/a.mp4" + SECRET)) as path:
        assert path.suffix == ".mp4"
        assert "SECRET" not in str(path)
        assert path.read_bytes() == BODY
    assert not path.exists()


def test_small_files_are_held_in_memory(web: Web) -> None:
    web.answers["/a.png"] = [OK]  # one answer: it is asked for once
    file = fetcher().small(web.url("/a.png" + SECRET))
    assert (file.name, file.read()) == ("a.png", BODY)
    with file.opened() as stream:
        assert not isinstance(stream, str) and stream.read() == BODY
    copy = file.local()
    assert (copy.read_bytes(), copy.suffix) == (BODY, ".png")
    del file
    assert not copy.exists()


def test_a_local_copy_is_gone_also_after_an_error(web: Web) -> None:
    web.answers["/a.bin"] = [OK]
    with pytest.raises(ZeroDivisionError), copied(fetcher(), web.url("/a.bin")) as path:
        raise ZeroDivisionError
    assert not path.exists()


@pytest.mark.parametrize("form", [str, Path.as_uri])
@pytest.mark.parametrize("name", ["a.bin", "a b.bin", "ü%20.bin"])
def test_files_of_this_machine_are_read_in_place(tmp_path: Path, form: Any, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(BODY)
    assert fetcher().read(form(file)) == BODY
    with copied(fetcher(), form(file)) as path:
        assert path == file
    assert file.exists()


@pytest.mark.parametrize("form", [str, Path.as_uri])
def test_missing_files_of_this_machine_are_named(tmp_path: Path, form: Any) -> None:
    for path in (tmp_path / "gone.bin", tmp_path):
        with pytest.raises(FetchError, match=path.name), fetcher().media(form(path)):
            pass


def test_many_threads_share_one_fetcher(web: Web) -> None:
    for i in range(20):
        web.answers[f"/{i}"] = [(200, str(i).encode() * 1000, {})]
    shared = fetcher()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: shared.read(web.url(f"/{i}")), range(20)))
    assert found == [str(i).encode() * 1000 for i in range(20)]


class Shelf:
    """Files in memory, and how often each was read."""

    at_once = 4

    def __init__(self, **files: bytes) -> None:
        self._files = files
        self.read_of: list[str] = []

    def read(self, url: str) -> bytes:
        self.read_of.append(url)
        return self._files[url]


def png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.array(pixels, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


NOISE = png(np.random.default_rng(0).integers(0, 255, (40, 40)))
RED, BLUE, BLACK = (255, 0, 0), (0, 0, 255), (0, 0, 0)


def test_a_mask_file_of_many_objects_is_decoded_once_for_all_of_them() -> None:
    """Whatever is done to the file meanwhile: what its first object needed is there for the others."""
    colors = [(number, 255 - number, 7) for number in range(60)]
    data = {"c": png([colors])}
    masks = MaskFiles(data, (1, 60))
    first = masks.pixels(MaskRef("c", colors[0]))
    data.clear()
    found = np.stack([masks.pixels(MaskRef("c", color))[0] for color in colors])
    assert np.array_equal(found, np.eye(60, dtype=bool)) and first[0, 0]


def test_masks_are_fetched_once_each_whatever_needs_them() -> None:
    shelf = Shelf(c=png([[RED, BLUE, BLACK]]), m=png([[0, 255, 1]]))
    refs = [MaskRef("c", RED), MaskRef("c", BLUE), MaskRef("m"), MaskRef("c")]
    masks = fetch_masks(shelf, {url: url for url in "cm"}, (1, 3))
    assert sorted(shelf.read_of) == ["c", "m"]
    assert len(masks) == 2
    found = [masks.pixels(ref)[0].tolist() for ref in refs]
    assert found == [[True, False, False], [False, True, False], [False, True, True], [True, True, False]]


@pytest.mark.parametrize(
    ("data", "words"),
    [(b' {"error": "login"}', "it begins with .*login.*presigner="), (b"not a picture", "not a readable image: it begins with b'not a picture'"), (png([[0, 0]]), "2x1.*3x1"), (NOISE[: len(NOISE) // 2], "readable")]
)  # fmt: skip
def test_a_mask_that_cannot_be_used_is_named(data: bytes, words: str) -> None:
    url = "https://h/m.png" + SECRET
    shelf = Shelf(**{url: data})
    with pytest.raises(MaskError, match=rf"mask https://h/m\.png: .*{words}") as caught:
        fetch_masks(shelf, {url: url}, (1, 3))
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3://clips/a.mp4", "presigner=s3 "),
        ("gs://clips/a.mp4", "presigner=gcs "),
        ("az://clips/a.mp4", "presigner=azure "),
        ("ftp://clips/a.mp4", "ftp:// is not fetched; http, https and file are"),
    ],
)
def test_addresses_that_are_none_of_the_web(url: str, says: str) -> None:
    """Whose objects they are says which presigner makes a web address of them."""
    with pytest.raises(FetchError, match=says) as caught, Fetch().files(Plain()).media(f"{url}?sig=SECRET") as file:
        file.read()
    assert url in str(caught.value) and "SECRET" not in str(caught.value)
