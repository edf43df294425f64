"""Real servers of the clouds' languages on this machine: moto for S3, Azurite for Azure. Each is started once a module."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

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
