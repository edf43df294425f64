"""Signed addresses fetch exactly the object that was named, and their signatures are what the vendors document.

Signatures are checked by somebody else than obstore: botocore (S3), google-auth (Google), Azurite (Azure), and for
machines without node a second computation from Microsoft's documentation.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlsplit

import pytest
import requests
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from google.auth.crypt import RSAVerifier
from pydantic import ValidationError
from support.clouds import (
    AZURE_ACCOUNT,
    AZURE_KEY,
    account_token,
    azure_server,
    container_token,
    forget_credentials,
    google_accepts,
    google_account,
    hmac_of,
    s3_server,
)

from lakebox import load_config
from lakebox.adapters.object_store import S3, Azure, Gcs, azure_blobs
from lakebox.adapters.presign import AzureSas, Plain
from lakebox.core.buckets import azure_object, gcs_object, s3_object
from lakebox.core.ports import Presigner
from lakebox.errors import FetchError
from lakebox.integrations import load_blob_file_paths_from_azure

ID, SECRET = "AKIDEXAMPLE", "aws-SECRET/key+1"
AWKWARD = [
    "clip.mp4", "a/b/clip 1.mp4", "100%25 + 1.mp4", "a#b?c&d=e;f.mp4", "Übung/視.mp4", "x!*'()~$@:,.mp4", "%2e%2e/x",
]  # fmt: skip
NOT_NORMAL = ["a//b.mp4", "/a.mp4", "a/"]
PLAIN = Plain()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_credentials(monkeypatch)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", AZURE_KEY)


# --- which object an address names ------------------------------------------------------------------------------------

EU = "https://clips.s3.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("url", "signed", "region"),
    [
        ("s3://clips/a b.mp4", "https://clips.s3.xx-here-1.amazonaws.com/a%20b.mp4", "xx-here-1"),
        ("s3://clips/a%20b.mp4", "https://clips.s3.xx-here-1.amazonaws.com/a%20b.mp4", "xx-here-1"),
        ("s3://clips/a#1?.mp4", "https://clips.s3.xx-here-1.amazonaws.com/a%231%3F.mp4", "xx-here-1"),
        ("s3://clips/a?versionId=v+1", "https://clips.s3.xx-here-1.amazonaws.com/a?versionId=v%2B1", "xx-here-1"),
        ("s3://my.clips/a", "https://s3.xx-here-1.amazonaws.com/my.clips/a", "xx-here-1"),
        (f"{EU}/a%20b.mp4", f"{EU}/a%20b.mp4", "eu-west-1"),
        (f"{EU}:443/a+b%2Bc", f"{EU}/a%20b%2Bc", "eu-west-1"),
        (f"{EU}/a?versionId=v1&x=2#t", f"{EU}/a?versionId=v1", "eu-west-1"),
        ("https://s3.us-gov-east-1.amazonaws.com/clips/a", None, "us-gov-east-1"),
        ("https://s3-eu-west-1.amazonaws.com/clips/a", None, "eu-west-1"),
        ("https://clips.s3.dualstack.eu-west-1.amazonaws.com/a", None, "eu-west-1"),
        ("https://s3.dualstack.eu-west-1.amazonaws.com/clips/a", None, "eu-west-1"),
        ("https://clips.s3-fips.us-east-2.amazonaws.com/a", None, "us-east-2"),
        ("https://clips.s3-accelerate.amazonaws.com/a", None, "xx-here-1"),
        ("https://clips.s3.amazonaws.com/a", None, "xx-here-1"),
        ("https://s3.amazonaws.com/clips/a", None, "xx-here-1"),
        ("https://my.s3.clips.s3.cn-north-1.amazonaws.com.cn/a", None, "cn-north-1"),
        ("http://minio:9000/clips/a+b", "http://minio:9000/clips/a%2Bb", "xx-here-1"),
        ("http://clips.minio:9000/a", None, "xx-here-1"),
    ],
)
def test_addresses_of_s3(url: str, signed: str | None, region: str) -> None:
    found = s3_object(url, None if "s3" in url else "http://minio:9000", "xx-here-1")
    assert found is not None
    assert (found.url, found.region) == (signed or url, region)


OTHERS = [
    "https://clips.s3-website.eu-west-1.amazonaws.com/a",
    "https://clips.s3-website-eu-west-1.amazonaws.com/a",
    "http://clips.s3.amazonaws.com/a",
    "https://clips.s3.amazonaws.com:8443/a",
    "https://clips.s3.amazonaws.com.evil.org/a",
    "https://s3.amazonaws.com@evil.org/clips/a",
    "https://evil.org\\@clips.s3.amazonaws.com/a",
    "https://u:p@clips.s3.amazonaws.com/a",
    "https://xs3.amazonaws.com/clips/a",
    "https://clips.s3.amazonaws.com./a",
    "https://clips.s3.amazonaws.com/",
    "https://clips.s3.amazonaws.com/%ff",
    "https://api.labelbox.com/a",
    "https://storage.googleapis.com.evil.org/clips/a",
    "http://storage.googleapis.com/clips/a",
    "https://storage.googleapis.com/storage/v1/b/clips/o/a?alt=media",
    "https://storage.googleapis.com/download/storage/v1/b/clips/o/a",
    "https://storage.googleapis.com/clips",
    "https://a.b.blob.core.windows.net/clips/a",
    "https://acme-secondary.blob.core.windows.net/clips/a",
    "http://acme.blob.core.windows.net/clips/a",
    "https://acme.blob.core.windows.net.evil.org/clips/a",
    "http://other:9000/clips/a",
    "https://minio:9000/clips/a",
    "http://minio:9001/clips/a",
    "http://minio:9000@evil.org/clips/a",
    "http://xminio:9000/clips/a",
    "media/a.mp4",
    "file:///clips/a",
    "s3:/clips/a",
    "s3://",
    "s3://clips",
    "s3://clips/",
]


@pytest.mark.parametrize("url", OTHERS)
@pytest.mark.usefixtures("aws", "azure")
def test_addresses_of_others_are_left_to_others(url: str) -> None:
    for signer in (S3(endpoint="http://minio:9000"), Gcs(), Azure()):
        request = signer.model_copy(update={"otherwise": PLAIN}).request(url)
        assert request.url == url


def test_an_endpoint_that_is_a_folder_is_left_by_nobody() -> None:
    assert azure_object("http://127.0.0.1:10000/other/clips/a", "http://127.0.0.1:10000/acme", "acme") is None
    assert azure_object("http://127.0.0.1:10000/acme2/clips/a", "http://127.0.0.1:10000/acme", "acme") is None


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("gs://clips/a b", "/clips/a%20b"),
        ("gs://clips/a?generation=7", "/clips/a?generation=7"),
        ("https://storage.googleapis.com/clips/a%20b+c", "/clips/a%20b%2Bc"),
        ("https://clips.storage.googleapis.com/a/b", "/clips/a/b"),
        ("https://storage.cloud.google.com/clips/a", "/clips/a"),
        ("https://storage.googleapis.com/clips/a?generation=7&userProject=x", "/clips/a?generation=7"),
    ],
)
def test_addresses_of_google(url: str, path: str) -> None:
    found = gcs_object(url, None)
    assert found is not None and found.url == f"https://storage.googleapis.com{path}"


@pytest.mark.parametrize(
    ("url", "account", "name"),
    [
        ("https://acme.blob.core.windows.net/clips/a%20b", "", "acme/clips/a b"),
        ("https://acme.blob.core.windows.net/clips/a/b", "acme", "acme/clips/a/b"),
        ("https://acme.blob.core.windows.net/a.mp4", "", "acme/$root/a.mp4"),
        ("az://clips/a b", "acme", "acme/clips/a b"),
        ("azure://clips/a%20b", "acme", "acme/clips/a b"),
        ("https://acme.blob.core.windows.net/clips/a", "other", None),
    ],
)
def test_addresses_of_azure(url: str, account: str, name: str | None) -> None:
    found = azure_object(url, None, account)
    assert (found and f"{found.account}/{found.bucket}/{found.key}") == name


# --- S3 ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as endpoint:
        yield endpoint


def test_s3_gives_exactly_the_object_and_version_named(s3: str, aws: None) -> None:
    import boto3

    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1")
    client.create_bucket(Bucket="clips")
    client.put_bucket_versioning(Bucket="clips", VersioningConfiguration={"Status": "Enabled"})
    signer = S3(endpoint=s3, otherwise=PLAIN)
    for key in AWKWARD + NOT_NORMAL:
        old, new = (client.put_object(Bucket="clips", Key=key, Body=f"{n} {key}".encode())["VersionId"] for n in (1, 2))
        for url in (f"s3://clips/{quote(key)}", f"{s3}/clips/{quote(key)}"):
            for query, n in (("", 2), (f"?versionId={old}", 1), (f"?versionId={new}", 2)):
                answer = requests.get(signer.request(url + query).url, timeout=10)
                assert answer.content.decode() == f"{n} {key}", url


def botocores_signature(url: str, token: str | None = None) -> str:
    """What botocore computes for an address that is signed already, at the moment the address says."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    region = query["X-Amz-Credential"].split("/")[2]
    # AWS decodes a query and encodes it strictly before it computes; botocore takes it as it is written.
    bare = url.partition("&X-Amz-Signature=")[0].replace("x-id=/", "x-id=%2F")
    auth = S3SigV4QueryAuth(Credentials(ID, SECRET, token), "s3", region, int(query["X-Amz-Expires"]))
    request = AWSRequest("GET", bare)
    request.context["timestamp"] = query["X-Amz-Date"]
    canonical = auth.canonical_request(request)
    return str(auth.signature(auth.string_to_sign(request, canonical), request))


@pytest.mark.parametrize("key", AWKWARD + NOT_NORMAL)
@pytest.mark.parametrize("query", ["", "?versionId=v/1+2%3D"])
@pytest.mark.usefixtures("aws")
def test_s3_signatures_are_what_botocore_computes(key: str, query: str) -> None:
    url = S3(otherwise=PLAIN).request(f"{EU}/{quote(key)}{query}").url
    signed = parse_qs(urlsplit(url).query)
    assert signed["X-Amz-Signature"] == [botocores_signature(url)]
    assert unquote(urlsplit(url).path) == f"/{key}"
    assert signed.get("versionId") == (["v/1 2="] if query else None)


@pytest.mark.usefixtures("aws")
def test_s3_with_a_session_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "TOKEN+/=")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    url = S3(minutes=7).request("s3://clips/a.mp4").url
    query = parse_qs(urlsplit(url).query)
    assert urlsplit(url).hostname == "clips.s3.eu-north-1.amazonaws.com"
    assert (query["X-Amz-Security-Token"], query["X-Amz-Expires"]) == (["TOKEN+/="], ["420"])
    assert query["X-Amz-Signature"] == [botocores_signature(url)]


@pytest.mark.usefixtures("aws")
def test_the_environment_chooses_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://evil.org")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    assert "X-Amz-Signature" in S3().request(f"{EU}/a").url
    assert S3(region="eu-west-1").request("s3://clips/a").url.startswith(f"{EU}/a?")


@pytest.mark.usefixtures("aws")
def test_new_credentials_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = S3()
    assert ID in signer.request(f"{EU}/a").url
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDNEW")
    assert "AKIDNEW" in signer.request(f"{EU}/a").url


def test_profiles_are_not_read_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(
        f"[default]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"
    )
    with pytest.raises(FetchError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY .*profiles") as caught:
        S3().request(f"{EU}/a.mp4")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_metadata_service_that_hangs_costs_seconds_and_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:  # it listens, and never answers
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{silent.server_port}")
        signer = S3()
        for _ in range(2):
            start = time.monotonic()
            with pytest.raises(FetchError, match="AWS_ACCESS_KEY_ID"):
                signer.request(f"{EU}/a.mp4")
            spent = time.monotonic() - start
    assert spent < 0.5


# --- Google -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def account() -> tuple[str, RSAVerifier]:
    return google_account()


@pytest.mark.parametrize("key", AWKWARD + NOT_NORMAL)
@pytest.mark.parametrize("query", ["", "?generation=12"])
def test_google_accepts_the_signatures(
    key: str, query: str, account: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key.json").write_text(account[0])
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    for address in (f"gs://clips/{quote(key)}", f"https://storage.googleapis.com/clips/{quote(key)}"):
        url = Gcs(otherwise=PLAIN).request(address + query).url
        assert google_accepts(url, account[1])
        assert unquote(urlsplit(url).path) == f"/clips/{key}"
        assert parse_qs(urlsplit(url).query).get("generation") == (["12"] if query else None)
    assert not google_accepts(url.replace("/clips/", "/clipz/"), account[1])


def test_google_credentials_and_emulators(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", account[0])
    monkeypatch.setenv("GOOGLE_BASE_URL", "http://evil.org")
    signer = Gcs(endpoint="http://127.0.0.1:4443", otherwise=PLAIN)
    assert signer.request("gs://clips/a b").url.startswith("http://127.0.0.1:4443/clips/a%20b?X-Goog")
    assert signer.request("http://127.0.0.1:4443/clips/a").url.startswith("http://127.0.0.1:4443/clips/a?X-Goog")
    assert google_accepts(Gcs().request("gs://clips/a").url, account[1])


@pytest.mark.parametrize("content", [None, '{"private_key": "KEY-SECRET"}', '"KEY-SECRET"'])
def test_google_without_a_usable_key_file(content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    if content is not None:
        (tmp_path / "key.json").write_text(content)
    with pytest.raises(FetchError, match="set GOOGLE_APPLICATION_CREDENTIALS to") as caught:
        Gcs().request("gs://clips/a")
    assert "KEY-SECRET" not in str(caught.value)


# --- Azure ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of an account with two containers of awkward blobs, each holding its own name."""
    with azure_server(tmp_path_factory.mktemp("azurite")) as endpoint:
        token = account_token()
        for container in ("clips", "other"):
            requests.put(f"{endpoint}/{container}?restype=container&{token}", timeout=10).raise_for_status()
            for name in AWKWARD:
                url, headers = f"{endpoint}/{container}/{quote(name)}?{token}", {"x-ms-blob-type": "BlockBlob"}
                body = f"{container} {name}".encode()
                requests.put(url, body, headers=headers, timeout=10).raise_for_status()
        yield endpoint


def status(url: str) -> int:
    return requests.get(url, timeout=10).status_code


def test_azurite_accepts_the_containers_token(blobs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", f"?{container_token('clips')}")
    signer = AzureSas(container=f"{blobs}/clips", otherwise=PLAIN)
    for name in AWKWARD:
        url = f"{blobs}/clips/{quote(name)}"
        # A name that looks as if it climbed gets no token: some server on the way might resolve it.
        expected = f"clips {name}" if "%2e" not in name else None
        answer = requests.get(signer.request(url).url, timeout=10)
        assert (answer.text if answer.ok else None) == expected
    signed = signer.request(f"{blobs}/clips/clip.mp4").url
    assert status(signed.replace("/clips/", "/other/")) == 403
    assert status(signed.replace("sig=", "sig=A")) == 403
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", container_token("other"))
    assert status(signer.request(f"{blobs}/clips/clip.mp4").url) == 403
    assert status(f"{blobs}/clips/clip.mp4?{container_token('clips', hours=-1)}") == 403


def test_azurite_accepts_signatures_of_blobs(blobs: str, azure: None) -> None:
    signer = Azure(endpoint=blobs, otherwise=PLAIN)
    for name in AWKWARD:
        for url in (f"{blobs}/clips/{quote(name)}", f"az://clips/{quote(name)}"):
            assert requests.get(signer.request(url).url, timeout=10).text == f"clips {name}", url
    signed = signer.request("az://clips/clip.mp4").url
    assert status(signed.replace("/clips/", "/other/")) == 403
    assert status(signed.replace("clip.mp4", quote(AWKWARD[1]))) == 403
    assert status(signed.replace("sp=r", "sp=rw")) == 403


def test_azurite_lists_what_begins_with_a_text(blobs: str) -> None:
    listed = partial(azure_blobs, AZURE_ACCOUNT, "clips", sas_token=account_token(), endpoint=blobs)
    assert list(listed("")) == sorted(AWKWARD)
    for beginning in ("clip", "a/b", "a/", "nothing like it"):
        assert list(listed(beginning)) == sorted(name for name in AWKWARD if name.startswith(beginning)), beginning


@pytest.mark.parametrize("sign_urls", [True, False])
def test_upstreams_listing(blobs: str, monkeypatch: pytest.MonkeyPatch, sign_urls: bool) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", blobs)
    token = account_token()
    found = load_blob_file_paths_from_azure(
        AZURE_ACCOUNT, "clips", "a", f"?{token}", predicate=lambda name: name.endswith("1.mp4"), sign_urls=sign_urls
    )
    address = f"{blobs}/clips/a/b/clip%201.mp4"
    assert found == [f"{address}?{token}" if sign_urls else address]
    assert status(f"{address}?{token}") == 200


def test_a_container_that_cannot_be_listed(blobs: str) -> None:
    token = container_token("other")
    with pytest.raises(FetchError, match="container clips of devstoreaccount1: cannot be listed") as caught:
        list(azure_blobs(AZURE_ACCOUNT, "clips", "", token, endpoint=blobs))
    assert "sig=" not in str(caught.value)


def test_azurite_gives_the_snapshot_that_was_named(blobs: str, azure: None) -> None:
    url, token = f"{blobs}/clips/kept.mp4", account_token()
    put = partial(requests.put, f"{url}?{token}", headers={"x-ms-blob-type": "BlockBlob"}, timeout=10)
    put(data="old")
    snapshot = snapshot_of(f"{url}?comp=snapshot&{token}")
    put(data="new")
    signer = Azure(endpoint=blobs, otherwise=PLAIN)
    assert requests.get(signer.request(f"{url}?snapshot={quote(snapshot)}").url, timeout=10).text == "old"
    assert requests.get(signer.request(url).url, timeout=10).text == "new"


def snapshot_of(url: str) -> str:
    answer = requests.put(url, timeout=10)
    answer.raise_for_status()
    return answer.headers["x-ms-snapshot"]


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize(("query", "resource"), [("", "b"), ("versionid=2026-01-01T00:00:00Z", "bv")])
@pytest.mark.usefixtures("azure")
def test_azure_signatures_are_what_microsoft_documents(name: str, query: str, resource: str) -> None:
    address = f"https://acme.blob.core.windows.net/clips/{quote(name)}"
    request = Azure(otherwise=PLAIN).request(f"{address}?{query}" if query else address)
    found = {key: value for key, value in parse_qsl(urlsplit(request.url).query) if key != "versionid"}
    signature = found.pop("sig")
    version = query.partition("=")[2]
    end, plain = found["se"], f"/blob/acme/clips/{name}"
    assert found == {"sv": "2020-12-06", "spr": "https", "se": end, "sr": resource, "sp": "r"}
    fields = ("r", "", end, plain, "", "", "https", "2020-12-06", resource, version, "", "", "", "", "", "")
    assert signature == hmac_of(*fields)
    assert request.expires == pytest.approx(datetime.fromisoformat(end).timestamp(), abs=1.1)
    assert unquote(urlsplit(request.url).path) == f"/clips/{name}"


class Entra(BaseHTTPRequestHandler):
    """Gives out keys for user delegation signatures, as Azure does to those who have a bearer token."""

    def do_POST(self) -> None:
        body = (
            f"<?xml version='1.0' encoding='utf-8'?><UserDelegationKey><SignedOid>oid</SignedOid>"
            "<SignedTid>tid</SignedTid><SignedStart>2026-01-01T00:00:00Z</SignedStart>"
            "<SignedExpiry>2036-01-02T00:00:00Z</SignedExpiry><SignedService>b</SignedService>"
            f"<SignedVersion>2020-12-06</SignedVersion><Value>{AZURE_KEY}</Value></UserDelegationKey>"
        ).encode()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        known = self.headers["Authorization"] == "Bearer ENTRA"
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def test_azure_with_entra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed by obstore; names that it would sign wrongly are refused."""
    monkeypatch.setenv("AZURE_STORAGE_TOKEN", "ENTRA")
    with ThreadingHTTPServer(("127.0.0.1", 0), Entra) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        signer = Azure(endpoint=f"http://127.0.0.1:{server.server_port}/acme", otherwise=PLAIN)
        url = signer.request("az://clips/a/b.mp4").url
        for key in AWKWARD[1:] + NOT_NORMAL[:1]:
            with pytest.raises(FetchError, match="without the account's key.*AZURE_STORAGE_ACCOUNT_KEY"):
                signer.request(f"az://clips/{quote(key)}")
        server.shutdown()
    q = dict(parse_qsl(urlsplit(url).query))
    key = (q["skoid"], q["sktid"], q["skt"], q["ske"], q["sks"], q["skv"])
    name = "/blob/acme/clips/a/b.mp4"
    rest = ("", "", "", "", "", q["sv"], "b", "", "", "", "", "", "", "")
    assert q["sig"] == hmac_of("r", q["st"], q["se"], name, *key, *rest)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AZURE_MSI_ENDPOINT": "http://127.0.0.1:9"}, "set AZURE_STORAGE_ACCOUNT_KEY, or AZURE_TENANT_ID"),
        ({"AZURE_STORAGE_ACCOUNT_KEY": "not-SECRET!"}, "is not base64"),
    ],
)
def test_azure_without_credentials(variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(FetchError, match=said) as caught:
        Azure().request("https://acme.blob.core.windows.net/clips/a")
    assert "not-SECRET" not in str(caught.value)


def test_azure_asks_for_the_account() -> None:
    with pytest.raises(FetchError, match="presigner.account or AZURE_STORAGE_ACCOUNT_NAME"):
        Azure().request("az://clips/a")


# --- all of them ------------------------------------------------------------------------------------------------------

EVERY = [
    (S3(otherwise=PLAIN), f"{EU}/a.mp4"),
    (Gcs(otherwise=PLAIN), "https://storage.googleapis.com/clips/a.mp4"),
    (Azure(otherwise=PLAIN), "https://acme.blob.core.windows.net/clips/a.mp4"),
]
each = pytest.mark.parametrize(("signer", "url"), EVERY, ids=["s3", "gcs", "azure"])


@pytest.fixture
def everywhere(aws: None, azure: None, account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", account[0])


@each
@pytest.mark.usefixtures("everywhere")
def test_requests_say_when_they_expire(signer: Any, url: str) -> None:
    assert isinstance(signer, Presigner)
    request = signer.model_copy(update={"minutes": 30}).request(url)
    assert request.expires == pytest.approx(time.time() + 1800, abs=5)
    assert not request.headers


@each
@pytest.mark.parametrize("query", ["X-Amz-Signature=s&X-Amz-Expires=1", "sv=1&sig=s", "GoogleAccessId=x&Signature=s"])
def test_a_signed_address_is_left_alone(signer: Any, url: str, query: str) -> None:
    assert signer.request(f"{url}?{query}").url == f"{url}?{query}"


@each
@pytest.mark.parametrize("key", ["a/../b.mp4", "./b.mp4", "a/%2e%2e/b.mp4"])
@pytest.mark.usefixtures("everywhere")
def test_names_that_clients_would_resolve_are_refused(signer: Any, url: str, key: str) -> None:
    with pytest.raises(FetchError, match=r"has '\.' or '\.\.'"):
        signer.request(url.replace("a.mp4", key))


@each
@pytest.mark.usefixtures("everywhere")
def test_secrets_show_nowhere(signer: Any, url: str, account: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    request = signer.request(url)
    thawed = pickle.loads(pickle.dumps(signer))
    assert thawed == signer and urlsplit(thawed.request(url).url).path == urlsplit(request.url).path
    seen = (
        repr(signer) + str(signer) + str(signer.model_dump()) + repr(request) + caplog.text + str(pickle.dumps(signer))
    )
    for secret in (SECRET, AZURE_KEY, "PRIVATE KEY", request.url):
        assert secret not in seen


@each
@pytest.mark.usefixtures("everywhere")
def test_many_threads_may_sign(signer: Any, url: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: signer.request(url.replace("a.mp4", f"{n}.mp4")).url, range(200)))
    assert [urlsplit(item).path.rpartition("/")[2] for item in found] == [f"{n}.mp4" for n in range(200)]


@pytest.mark.parametrize(
    "wrong",
    [{"minutes": 0}, {"minutes": 20000}, {"endpoint": "minio:9000"}, {"endpoint": "https://u:KEY@h"}, {"key": "KEY"}],
)
@pytest.mark.parametrize("kind", [S3, Gcs, Azure])
def test_what_is_no_setting(kind: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        kind(**wrong)
    assert "KEY" not in str(caught.value)


def test_without_obstore_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['obstore'] = None\n"
        "from lakebox.adapters.object_store import S3\n"
        "from lakebox.errors import ConfigError\n"
        "try: S3().request('s3://clips/a')\n"
        "except ConfigError as error: sys.exit(0 if \"pip install 'lakebox[sign]'\" in str(error) else 2)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_obstore_is_loaded_only_to_sign() -> None:
    code = "import sys, lakebox.adapters.object_store; sys.exit('obstore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("choice", ["s3", "gcs", "azure", "azure_sas", "by_host"])
def test_other_addresses_get_the_api_key_by_default(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from hydra.utils import instantiate

    monkeypatch.setenv("OTHER_KEY", "lbx")
    container = ["presigner.container=https://acme.blob.core.windows.net/clips"] if choice == "azure_sas" else []
    cfg = load_config(f"presigner={choice}", "presigner.otherwise.api_key_env=OTHER_KEY", *container)
    signer = instantiate(cfg.presigner, _convert_="all")
    assert signer.request("https://api.labelbox.com/mask").headers == {"Authorization": "Bearer lbx"}
    cfg = load_config(f"presigner={choice}", "presigner@presigner.otherwise=none", *container)
    assert instantiate(cfg.presigner, _convert_="all").otherwise == PLAIN
