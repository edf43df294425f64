"""Secrets typed as overrides are refused before anything is written, and never repeated."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakebox.core.secrets import refused_override

KEY = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VySWQiOiJjbHgifQ.SECRETSIGNATURE"
PLAIN = "lbx-0123456789-SECRET"


@pytest.mark.parametrize(
    "override",
    [
        f"api_key={PLAIN}",
        f"+api_key={PLAIN}",
        f"++source.api_key={PLAIN}",
        f"source.api_key='{PLAIN}'",
        f"LABELBOX_API_KEY={PLAIN}",
        f"+presigner.sas_token={PLAIN}",
        f"+storage.aws_secret_access_key={PLAIN}",
        f"source.api_key_env={KEY}",
        f"presigner.token_env={PLAIN}",
        f"source.api_key_env={PLAIN.replace('-', '_')}",
        f"presigner.hosts=[{KEY}]",
        f"path=./lake/{PLAIN.replace('-', '_')}",
        "task.media=https://acme.blob.core.windows.net/c/a.mp4?se=2026&sig=SECRET",
        "task.media=[https://b.s3.amazonaws.com/a.mp4?X-Amz-Signature=SECRET]",
    ],
)
def test_refused_without_its_value(override: str) -> None:
    said = refused_override(["path=./lake", override], {"LABELBOX_API_KEY": PLAIN.replace("-", "_")})
    assert said.startswith(override.partition("=")[0].lstrip("+"))
    assert "SECRET" not in said
    assert "environment variable" in said or "in a file" in said


@pytest.mark.parametrize(
    "override",
    [
        "source.api_key_env=OTHER_KEY",
        "presigner.token_env=AZURE_STORAGE_SAS_TOKEN",
        "api_key=",
        "source.api_key=null",
        "project_id=clx123",
        "path=s3://bucket/lake",
        "task.media=https://h/a.mp4?versionId=3",
        "source.filters.global_keys=[a,b]",
        "mapping.groups={Car: tokens}",
        "~presigner",
    ],
)
def test_everything_else_passes(override: str) -> None:
    assert refused_override([override], {"LABELBOX_API_KEY": PLAIN, "SHORT_TOKEN": "a"}) == ""


def test_the_command_line_refuses_and_writes_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lakebox", "source=labelbox", "project_id=clx", f"+source.api_key={PLAIN}"],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "HYDRA_FULL_ERROR": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "LABELBOX_API_KEY" in done.stderr and PLAIN not in done.stderr + done.stdout
    assert list(tmp_path.iterdir()) == []
