"""Whatever is wrong with a configuration: exit status 2, a few lines that say what, where and what is allowed instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from support.forked import Done, run_all

from lakebox.mistakes import every_mistake, told

FILES = {
    "ours.py": "from pydantic import BaseModel\n\n\nclass Bucket(BaseModel, extra='forbid'):\n    folder: str\n\n    def request(self, url):\n        return url\n",
    "broken.py": "import nowhere\n",
    "conf/presigner/bucket.yaml": "_target_: ours.Bucket\nfolder: ???\n",
    "conf/presigner/typo.yaml": "_target_: ours.Buckt\nfolder: x\n",
    "conf/presigner/stranger.yaml": "_target_: our.Bucket\nfolder: x\n",
    "conf/presigner/broken.yaml": "_target_: broken.Bucket\n",
    "conf/presigner/extra.yaml": "_target_: ours.Bucket\nfolder: x\nfoldr: y\n",
    "conf/mapping/lanes.yaml": "defaults: [by_nam]\n",
    "conf/mapping/torn.yaml": "defaults: [by_name]\ngroups: {a: b: c}\n",
    "conf/lanes_v3.yaml": "defaults: [config, override mapping: by_knd, _self_]\n",
    "conf/lanes_v4.yaml": "defaults: [config, override mappings: by_kind, _self_]\n",
    "conf/lanes_v5.yaml": "defaults: [config, _self_]\nlimt: 3\nframes: {mach: count}\n",
    "conf/lanes_v6.yaml": "path: ./lake/lanes\n",
}

WRONG: Mapping[str, tuple[str, tuple[str, ...]]] = {
    # keys
    "a key": ("sorce=export_file", ("sorce: unknown key", "did you mean 'source'?", "project_id")),
    "a key below": (
        "source=export_file source.exprt=a.ndjson",
        ("source.exprt: unknown key", "'export'", "source=export_file (pkg://lakebox.conf/source/export_file.yaml)"),
    ),
    "a key far below": ("source=labelbox source.filters.workflow_statu=Done", ("'workflow_status'", "batch_ids")),
    "a key added": ("+pixels.qualty=3", ("pixels.qualty: unknown key", "'quality'", "pixels=jpeg", "choices: jpeg, none")),
    "a key of the user's": ("mapping.groups.Car=vehicles", ("+mapping.groups.Car=...",)),
    "a key taken out": ("~pixels.qualty", ("~pixels.qualty: there is no such key",)),
    "a word of deeplake's": ("video_paths=clips", ("video_paths: unknown key; here it is task.media",)),
    # choices
    "a choice": ("pixels=jpge", ("pixels=jpge: no such choice, did you mean 'jpeg'?", "jpeg, none, png, video")),
    "no choice": ("pixels=null", ("pixels=null: a config group takes the name of a choice",)),
    "a choice added": ("+pixels=png", ("+pixels=png: the group has a choice already",)),
    "an experiment": ("experiment=nightly", ("experiment: there is none", "conf/experiment/<name>.yaml")),
    "a launcher": ("-m limit=1 hydra/launcher=joblb", ("did you mean 'joblib'?", "choices: basic")),
    "a choice of a sweep": ("-m pixels=jpge,png", ("pixels=jpge: no such choice, did you mean 'jpeg'?",)),
    # values
    "a value": ("frames=every frames.n=abc", ("frames.n: Input should be a valid integer", "frames/every.yaml")),
    "a value of several": ("preview.format=htlm", ("preview.format", "'html', 'png' or 'rerun'", "did you mean 'html'?")),
    "a root value": ("limit=abc", ("limit: Input should be a valid integer", "from the command line")),
    "a value of nothing": ("path=", ("provider.path: String should have at least 1 character",)),
    "several values": ("limit=1,2", ("limit=1,2: several values; for a sweep add -m",)),
    "an interpolation": ("path=./lake/${projct_id}", ("path: interpolation key 'projct_id' not found", "'project_id'")),
    "an interpolation of the report": ("report=${pth}.json", ("report: interpolation key 'pth' not found", "'path'")),
    # values that are missing
    "nothing given": ("source=export_file", ("source.export: must be given", "choices: example, export_file, labelbox")),
    "several not given": ("task=upload", ("task.media: must be given", "task.dataset:", "task.project:", "upload.yaml")),
    "a root key left open": ("path=???", ("path: must be given, it has no default",)),
    "a group taken out": ("~pixels", ("pixels: missing; a configuration begins with 'defaults: [config, ...]'",)),
    # combinations
    "media and annotations at one place": (
        "provider=separate provider.annotations=./lake/example", ("provider.annotations: ./lake/example is where the media are",),
    ),
    "two filters of which Labelbox takes one": (
        "source=labelbox source.filters.data_row_ids=[a] source.filters.global_keys=[b]",
        ("source.filters: data_row_ids and global_keys exclude each other", "source/labelbox.yaml"),
    ),
    "a letter in a list": ("task.does=[add,relable]", ("task.does.1: Input should be 'add', 'relabel' or 'drop'", "'relabel'?")),
    "jobs at once that share a dataset": (
        "-m pixels=jpeg,png hydra/launcher=joblib",
        ("lake/example: jobs 0 (pixels=jpeg) and 1 (pixels=png) would write it at once", "hydra/launcher=basic"),
    ),
    "a folder for runs": ("hydra.run.dir=/proc/runs", ("/proc/runs: No such file", "hydra.run.dir and hydra.sweep.dir")),
    "a folder for sweeps": ("-m limit=1 hydra.sweep.dir=/proc/runs", ("/proc/runs: No such file",)),
    "what Hydra's sweeper cannot do": ("-m limit=interval(1,3)", ("BasicSweeper does not support sweep type",)),
    # targets
    "a class": (
        "pixels._target_=lakebox.adapters.pixels.Jpge",
        ("pixels._target_: cannot import 'lakebox.adapters.pixels.Jpge'", "did you mean 'lakebox.adapters.pixels.Jpeg'?"),
    ),
    "a module": ("pixels._target_=lakebox.adapters.pixel.Jpeg", ("did you mean 'lakebox.adapters.pixels'?",)),
    "what Hydra refuses": ("pixels._target_=os.system", ("pixels: Target 'os.system' is blocklisted",)),
    "a class of one's own": ("-cd conf presigner=typo", ("did you mean 'ours.Bucket'?", "conf/presigner/typo.yaml")),
    "a module of one's own": ("-cd conf presigner=stranger", ("there is no 'our', did you mean 'ours'?", "stranger.yaml")),
    "a module that breaks": ("-cd conf presigner=broken", ("cannot import 'broken.Bucket'", "No module named 'nowhere'")),
    # files of one's own
    "a key in a file": ("-cd conf presigner=extra", ("presigner.foldr: unknown key", "'folder'", "presigner/extra.yaml")),
    "a value that a file wants": ("-cd conf presigner=bucket", ("presigner.folder: must be given", "bucket.yaml")),
    "a choice in a file": ("-cd conf mapping=lanes", ("mapping=by_nam: no such choice", "'by_name'", "conf/mapping/lanes.yaml")),
    "no YAML": ("-cd conf mapping=torn", ("conf/mapping/torn.yaml line 2: cannot be read as YAML: expected ','",)),
    "a choice in a primary": ("-cd conf -cn lanes_v3", ("mapping=by_knd: no such choice", "'by_kind'", "conf/lanes_v3.yaml")),
    "a group in a primary": ("-cd conf -cn lanes_v4", ("mappings: no such config group", "'mapping'", "conf/lanes_v4.yaml")),
    "keys in a primary": ("-cd conf -cn lanes_v5", ("limt: unknown key, did you mean 'limit'?", "frames.mach", "'match'")),
    "a primary without groups": ("-cd conf -cn lanes_v6", ("task, source,", "defaults: [config, ...]")),
    "a primary": ("-cd conf -cn lanes_v33", ("lanes_v33: no such configuration, did you mean 'lanes_v3'?", "config, ")),
    "a folder": ("-cd cnf", ("cnf: there is no such folder, did you mean 'conf'?",)),
    # the command line
    "a word": ("chek", ("chek: is no key=value, did you mean task=check?",)),
    "a value that cannot be read": ("path=a(b", ("path=a(b: cannot be read", "quoted twice", "path=\"'...'\"")),
    "no key": ("=3", ("=3: is no key=value",)),
    "a flag": ("--multirn limit=1", ("unrecognized arguments: --multirn, did you mean '--multirun'?", "--help")),
    "a value of a flag": ("--cfg jobb", ("--cfg", "invalid choice: 'jobb'")),
    "a key on the command line": ("lb_api_key=abcdefgh12345678", ("lb_api_key: secrets are not taken", "LABELBOX_API_KEY")),
    # all at once
    "many mistakes": (
        "task=check sorce=x frames=every frames.n=abc frames.mach=count preview.format=htlm limit=x",
        ("sorce:", "frames.n:", "frames.mach:", "preview.format:", "limit:"),
    ),
}  # fmt: skip
LEFT = (
    ".lakebox",
    "outputs",
    "__pycache__",
)  # the run's own folder; Hydra's, of a primary that is not built on lakebox's
MANY = ("keys in a primary", "many mistakes", "several not given")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Done, Path]]:
    folder = tmp_path_factory.mktemp("mistakes")
    places = [folder / str(number) for number in range(len(WRONG))]
    for place in places:
        for name, text in FILES.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text, encoding="utf-8")
    lines = [line.split() for line, _ in WRONG.values()]
    return dict(zip(WRONG, zip(run_all([*zip(lines, places, strict=True)]), places, strict=True), strict=True))


@pytest.mark.parametrize("mistake", WRONG)
def test_it_is_told_in_a_few_lines(done: Mapping[str, tuple[Done, Path]], mistake: str) -> None:
    said, place = done[mistake]
    assert said.status == 2, said
    assert said.out == ""
    for word in WRONG[mistake][1]:
        assert word in said.err, said.err
    lines = said.err.splitlines()
    assert lines[0] == "Invalid configuration" or mistake.startswith("media and"), said.err
    assert len(lines) <= (3 if mistake not in MANY else 12), said.err
    assert not re.search(r"Traceback|HYDRA_FULL_ERROR|Warning|abcdefgh12345678", said.err), said.err
    assert {path.name for path in place.iterdir()} <= {*(name.split("/")[0] for name in FILES), *LEFT}


def test_there_are_enough() -> None:
    assert len(WRONG) >= 45


def test_a_launcher_that_is_not_installed() -> None:
    error = MissingConfigException("", "hydra/launcher/joblib", ["basic"])
    said = told(error, "hydra/launcher=joblib", {})
    assert said.what == "hydra/launcher=joblib: no such choice; needs pip install 'lakebox[sweep]'"


def test_an_override_that_hydra_made_itself_cannot_be_left_out() -> None:
    def compose(overrides: list[str]) -> DictConfig:
        raise OverrideParseException("hydra.searchpath=[", "no")

    mistakes, config = every_mistake(compose, ["limit=1"])
    assert config is None and len(mistakes) == 1
