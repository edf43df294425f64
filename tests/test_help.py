"""What people ask before they run anything: the manual, the composed configuration, completion, what a run would be."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.tiny import command

from lakebox import __version__, load_config, sweep
from lakebox.core.nearest import RENAMED
from lakebox.core.report import Report
from lakebox.errors import ConfigError
from lakebox.manual import manual
from lakebox.search import GROUPS, ROOT_KEYS
from lakebox.tasks.check import described

CONF = Path(__file__).parents[1] / "conf"
HEAVY = ("numpy", "deeplake", "labelbox", "av", "pydantic", "rich", "joblib", "submitit", "requests")
PAGE = manual(None)


def test_the_manual_has_every_group_choice_and_key() -> None:
    for group in GROUPS:
        section = PAGE.partition(f"    {group}: ")[2].partition("\n\n")[0]
        listed = dict(line.split(maxsplit=1) for line in section.splitlines()[1:])
        assert set(listed) == {file.stem for file in (CONF / group).glob("*.yaml")}
        for choice, said in listed.items():
            assert f"# {said}" in (CONF / group / f"{choice}.yaml").read_text(encoding="utf-8")
        assert f"- {group}: {next(iter(listed))} " in (CONF / "config.yaml").read_text(encoding="utf-8")  # the default
    for key in ROOT_KEYS:
        assert re.search(rf"^    {key}=\S+ +\w", PAGE, re.MULTILINE), key


def test_the_examples_of_the_manual_compose() -> None:
    examples = re.findall(r"^    lakebox(.*)\n        [A-Z]", PAGE.partition("EXAMPLES")[2], re.MULTILINE)
    assert len(examples) == 6
    for example in examples:
        words = [word for word in shlex.split(example) if word != "-m"]
        for overrides in sweep.combinations(words):
            load_config(*overrides)


def test_the_manual_comes_soon_because_little_is_imported(tmp_path: Path) -> None:
    code = "import sys; from lakebox.cli import main; main(); sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, PAGE)
    assert not {name.partition(".")[0] for name in done.stderr.split()} & set(HEAVY)
    assert list(tmp_path.iterdir()) == []


def test_choices_of_ones_own_are_in_the_manual(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/nightly.yaml").write_text("# Every night, with all there is. And more.\n", encoding="utf-8")
    assert "        nightly  Every night, with all there is\n" in manual(str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--info"], {}, "Config search path"),
        (["frames=every", "--info", "defaults-tree"], {}, "frames: every"),
        (["frames=every", "--cfg", "job", "-p", "frames"], {}, "lakebox.core.frames.Every"),
        (["-sc", "install=bash"], {}, "hydra_bash_completion"),
        (["-sc", "query=bash"], {"COMP_LINE": "lakebox pixels="}, "pixels=jpeg pixels=none pixels=png pixels=video"),
    ],
)
def test_what_hydra_tells(tmp_path: Path, arguments: list[str], environment: dict[str, str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lakebox", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert said in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_check_says_in_words_what_would_run(
    lakebox: Callable[..., Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = lakebox(
        "task=check", "frames=every", "limit=3", "tag=v1", "report=r.json", "provider=separate", "masks=link"
    )
    settings = report.settings or {}
    assert set(settings) == {*GROUPS, "writes"} - {"task"}
    assert settings["frames"] == "Every n-th frame, beginning with the first (match=count, n=10)"
    assert settings["source"].endswith("the first 3 data rows")
    assert settings["writes"] == (
        "dataset ./lake/example with version v1, annotations ./lake/example_annotations, report r.json"
    )


def test_check_shows_no_secret(tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text(
        "from pydantic import BaseModel\n\n\nclass Gate(BaseModel):\n    token: str\n    header: str\n    name: str\n"
        "    more: dict\n\n    def request(self, url):\n        return url\n",
        encoding="utf-8",
    )
    (tmp_path / "conf/presigner").mkdir(parents=True)
    (tmp_path / "conf/presigner/gate.yaml").write_text(
        "# Ours.\n_target_: ours.Gate\ntoken: ${oc.env:GATE_TOKEN}\nheader: x ${oc.env:GATE_TOKEN}\nname: gate\n"
        "more: {password: '${oc.env:GATE_TOKEN}'}\n",
        encoding="utf-8",
    )
    done = command(
        "task=check",
        "-cd",
        "conf",
        "presigner=gate",
        "report=r.json",
        cwd=tmp_path,
        env={"GATE_TOKEN": "very-secret-1"},
    )
    assert done.returncode == 0, done.stderr
    assert "name=gate" in done.stdout
    for text in (done.stdout, done.stderr, (tmp_path / "r.json").read_text(encoding="utf-8")):
        assert "very-secret-1" not in text


def test_a_component_without_words_is_called_by_its_name() -> None:
    class Plain:
        pass

    assert described(Plain()) == "Plain"


def test_python_hears_of_mistakes_in_the_same_words() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("sorce=example", "pixels=jpge", "overwrite=true")
    for word in ("did you mean 'source'?", "did you mean 'jpeg'?", "here it is nothing"):
        assert word in str(caught.value)


def test_words_of_deeplake_lead_to_what_there_is() -> None:
    for said in RENAMED.values():
        if re.fullmatch(r"[a-z_.]+", said):
            group, _, key = said.partition(".")
            cfg = load_config(*(["task=upload"] if group == "task" else []))
            assert (key or group) in list(cfg[group] if key else cfg)


def test_the_version_is_lakeboxs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lakebox", "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"lakebox {__version__}\n"
