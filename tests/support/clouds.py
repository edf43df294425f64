"""Real servers of the clouds' languages on this machine: moto for S3, Azurite for Azure, each started once a module; and
signatures by the vendors' documents."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.crypt import RSAVerifier

AZURITE = Path(__file__).parents[2] / ".venv/azurite/node_modules/azurite/dist/src/blob/main.js"
AZURE_ACCOUNT = "devstoreaccount1"
# The key that Microsoft publishes for every emulator.
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
VARIABLES = re.compile(r"(AWS|AZURE|GOOGLE)_")


@contextmanager
def s3_server() -> Iterator[str]:
    """The endpoint of an S3 server. It does not check signatures."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


_S3 = """
import logging, sys
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(*server.get_host_and_port(), flush=True)
sys.stdin.read()
"""


@contextmanager
def s3_process() -> Iterator[str]:
    """As `s3_server`, in another process: some calls of Deep Lake wait for an answer and let no other thread run."""
    with subprocess.Popen(
        [sys.executable, "-c", _S3], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            host, port = process.stdout.readline().split()
            yield f"http://{host}:{port}"
        finally:
            process.stdin.close()


def s3_bucket(endpoint: str, name: str) -> None:
    """Make a bucket."""
    with urlopen(Request(f"{endpoint}/{name}", method="PUT")) as answer:
        assert answer.status == 200


@contextmanager
def azure_server(folder: Path) -> Iterator[str]:
    """The endpoint of an account in Azurite, Microsoft's emulator, which checks signatures."""
    node = shutil.which("node")
    if node is None or not AZURITE.is_file():
        if os.environ.get("CI") and node and shutil.which("npm"):
            pytest.fail("node is here but Azurite is not: `make test` installs it, see the Makefile")
        pytest.skip("Azurite is not installed: it needs node and npm, then `make .venv/azurite`")
    options = ["--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    with subprocess.Popen([node, str(AZURITE), *options], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = next((m for line in process.stdout if (m := re.search(r"listens on (http://\S+)", line))), None)
            assert found, "Azurite did not start"
            yield f"{found[1]}/{AZURE_ACCOUNT}"
        finally:
            process.kill()


def forget_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cloud's variable of the person who runs the tests counts."""
    for name in [name for name in os.environ if VARIABLES.match(name)]:
        monkeypatch.delenv(name)


# Google


def google_account() -> tuple[str, RSAVerifier]:
    """A throwaway service account's key file, and Google's own verifier for it."""
    key = rsa.generate_private_key(65537, 2048)
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, pkcs8, plain).decode()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    public = key.public_key().public_bytes(serialization.Encoding.PEM, spki)
    file = {"type": "service_account", "client_email": "me@x.iam.gserviceaccount.com", "private_key_id": "1"}
    return json.dumps({**file, "private_key": private}), RSAVerifier.from_string(public)


def google_accepts(url: str, verifier: RSAVerifier) -> bool:
    """Google's V4 signing process: the canonical request, its string to sign, and the account's public key."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    signature = bytes.fromhex(query.pop("X-Goog-Signature"))
    ordered = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in sorted(query.items()))
    canonical = f"GET\n{parts.path}\n{ordered}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    scope = query["X-Goog-Credential"].split("/", 1)[1]
    text = f"GOOG4-RSA-SHA256\n{query['X-Goog-Date']}\n{scope}\n{digest}"
    return bool(verifier.verify(text, signature))


# Azure


def hmac_of(*fields: str) -> str:
    """What Azure signs with the emulator's key."""
    digest = hmac.new(base64.b64decode(AZURE_KEY), "\n".join(fields).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def account_token() -> str:
    """Microsoft, "Create an account SAS": everything for an hour."""
    end = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    sig = hmac_of(AZURE_ACCOUNT, "rwcdl", "b", "sco", "", end, "", "", "2020-12-06", "", "")
    return urlencode({"sv": "2020-12-06", "ss": "b", "srt": "sco", "sp": "rwcdl", "se": end, "sig": sig})


def container_token(container: str, hours: float = 1) -> str:
    """Microsoft, "Create a service SAS": reading a container."""
    end = (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    name = f"/blob/{AZURE_ACCOUNT}/{container}"
    sig = hmac_of("r", "", end, name, "", "", "", "2020-12-06", "c", "", "", "", "", "", "", "")
    return urlencode({"sv": "2020-12-06", "sr": "c", "sp": "r", "se": end, "sig": sig})
