"""Secrets typed as overrides are refused before anything is written, and never repeated."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakebox.core.secrets import refused_override, refused_settings

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
        "task.media=[https://b.s3.amazonaws.com/a.mp4?X-Amz-Signature\\=SECRET]",
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


# In files: Hydra would copy them.


@pytest.mark.parametrize(
    "composed",
    [
        {"source": {"api_key": PLAIN}},
        {"source": {"api_key_env": KEY}},
        {"source": {"api_key_env": PLAIN}},
        {"presigner": {"rules": [{"presigner": {"sas_token": PLAIN}}]}},
        {"storage": {"password": 12345678}},
        {"storage": {"credentials": ["x", PLAIN]}},
        {"notes": f"the key is {KEY}"},
        {"path": f"./lake/{PLAIN}"},
        {"tag": "${oc.env:LABELBOX_API_KEY}"},
        {"hydra": {"job": {"env_set": {"LABELBOX_API_KEY": PLAIN}}}},
        {"mapping": {"groups": {"Car": PLAIN}}},
        {"task": {"media": ["https://b.s3.amazonaws.com/a.mp4?X-Amz-Signature=SECRET"]}},
    ],
    ids=str,
)
def test_refused_in_a_configuration_without_its_value(composed: dict[str, Any]) -> None:
    (said,) = refused_settings(composed, {"LABELBOX_API_KEY": PLAIN})[:1]
    assert said.startswith(next(iter(composed)))
    for secret in ("SECRET", "12345678", KEY):
        assert secret not in said
    assert "export LABELBOX_API_KEY=..." in said or "in a file" in said


def test_everything_else_in_a_configuration_passes() -> None:
    composed = {
        "source": {"api_key_env": "OTHER_KEY", "token_env": "${oc.select:source.api_key_env,LABELBOX_API_KEY}"},
        "storage": {"token": None, "password": "", "_target_": "acme.Lake", "secret": "${oc.env:ACME_SECRET}"},
        "mapping": {"groups": {"Token": "boxes", "password": "boxes"}},
        "presigner": {"sas": False},
        "path": "./lake/${oc.env:USER}",
    }
    assert refused_settings(composed, {"LABELBOX_API_KEY": PLAIN}) == []


FILES = {
    "source/mine": f"_target_: lakebox.adapters.export_file.example\nproject: image\napi_key: {PLAIN}\n",
    "source/named": f"_target_: lakebox.adapters.labelbox_export.LabelboxProject\nproject_id: x\napi_key_env: {PLAIN}\n",
    "lanes": "defaults: [config, _self_]\nreport: told.json\nsource: {project: image}\ntag: my-lbx-value-SECRET\n",
    "alone": f"api_key: {PLAIN}\n",
}
WAYS = {
    "a choice": ["source=mine"],
    "a name": ["source=named"],
    "a primary": ["-cn", "lanes"],
    "one that is not built on lakebox's": ["-cn", "alone"],
    "a sweep": ["-m", "source=mine", "limit=1,2"],
    "a sweep of choices": ["-m", "source=mine,named"],
}


@pytest.mark.parametrize("way", WAYS)
def test_a_key_in_a_file_of_ones_own_is_copied_nowhere(tmp_path: Path, way: str) -> None:
    for name, text in FILES.items():
        (tmp_path / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / f"{name}.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "lakebox", "-cd", "conf", *WAYS[way]], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "LABELBOX_API_KEY": "my-lbx-value-SECRET"}, check=False,
    )  # fmt: skip
    assert done.returncode == (1 if way == "a sweep of choices" else 2), done.stderr
    assert "export LABELBOX_API_KEY=..." in done.stderr and "SECRET" not in done.stderr + done.stdout
    made = [path for path in tmp_path.rglob("*") if path.is_file() and "conf" not in path.parts]
    assert not [path for path in made if "SECRET" in path.read_text(encoding="utf-8")]
    assert bool(made) == (way in ("a primary", "a sweep of choices"))  # a report that says so; the sweep's own file


def test_a_run_keeps_its_configuration_beside_its_log(tmp_path: Path) -> None:
    """As Hydra does, also of each job of a sweep."""
    done = subprocess.run(
        [sys.executable, "-m", "lakebox", "-m", "task=check", "limit=1,2"], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for number, limit in enumerate((1, 2)):
        (folder,) = tmp_path.glob(f".lakebox/sweeps/*/{number}/.hydra")
        assert yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["limit"] == limit
        assert yaml.safe_load((folder / "overrides.yaml").read_text(encoding="utf-8")) == [
            "task=check",
            f"limit={limit}",
        ]
        assert yaml.safe_load((folder / "hydra.yaml").read_text(encoding="utf-8"))["hydra"]["job"]["num"] == number


@pytest.mark.parametrize(
    "value", ["${oc.env:LABELBOX_API_KEY}", "a-${oc.env:'AWS_SECRET_ACCESS_KEY'}", "${oc.env:${x}}"]
)
def test_a_secret_of_the_environment_is_not_taken_into_the_configuration(tmp_path: Path, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lakebox", f"tag={value}", "--cfg", "job", "--resolve"], cwd=tmp_path, text=True,
        capture_output=True, env={**os.environ, "LABELBOX_API_KEY": PLAIN, "AWS_SECRET_ACCESS_KEY": PLAIN}, check=False,
    )  # fmt: skip
    assert (done.returncode, PLAIN in done.stdout + done.stderr) == (2, False)
    assert refused_override(["path=./lake/${oc.env:USER}", "tag=${now:%Y}"], {}) == ""
