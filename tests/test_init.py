"""Task `init`: the config that it writes runs as written, and says of every feature what becomes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.utils import instantiate
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from support.live import Live, video_project
from support.tiny import (
    class_names,
    columns,
    command,
    differences,
    edited,
    edited_ontology,
    history,
    overrides,
    read_cells,
    remove_files,
    sync,
)

from lakebox import load_config, run
from lakebox.core.layout import make_layout
from lakebox.core.mapping import Mapping
from lakebox.core.model import Ontology, Option, Question, Tool
from lakebox.core.report import Report
from lakebox.core.starter import SUGGESTED, Described, mapping_text, primary_text, slug
from lakebox.core.whereabouts import Addresses, Guess, guess, mask_addresses
from lakebox.core.yaml_text import WIDTH
from lakebox.errors import ConfigError
from lakebox.settings import settings as settings_of

pytest_plugins = ["support.tiny_fixtures", "support.labelbox_fixtures", "support.live_fixtures"]

ROOT = Path(__file__).parents[1]


def written(out: Path, name: str, *more: str) -> Report:
    """Run a config that was written."""
    return run(load_config(*more, "preview=none", config_name=name, config_dir=out))


def usable(text: str, *names: str) -> str:
    """The mapping with the # taken off the lines of these names, or of all, before the converters."""
    head, converters, tail = text.partition("\nconverters:")
    keys = "|".join(map(re.escape, names)) or r"\S.*?"
    return re.sub(rf"(?m)^  #(?=(?:{keys}):)", "  ", head) + converters + tail


# ------------------------------------------------------------------------ it runs as written


def test_from_other_processes_the_same_dataset(project: Path, lake: Path, tmp_path: Path) -> None:
    """All paths are relative to where the command is typed, as they were given. What is typed stays, also where it is
    no other than lakebox's own: this presigner is not guessed."""
    said = ["source=export_file", "source.export=project/export.ndjson", "source.ontology=project/ontology.json"]
    typed = ["presigner=labelbox", "path=./lake/example"]
    made = command(*said, *typed, "task=init", "task.out=conf/", "report=init.json", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "wrote conf/tiny.yaml, conf/mapping/tiny.yaml" in made.stdout
    assert "presigner: labelbox" in (tmp_path / "conf/tiny.yaml").read_text(encoding="utf-8")
    (line,) = [line for line in made.stdout.splitlines() if line.startswith("next")]
    done = command(*line.split()[2:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert differences(read_cells(lake), read_cells(tmp_path / "lake/example")) == set()
    assert columns(lake) == columns(tmp_path / "lake/example")
    report = json.loads((tmp_path / "init.json").read_text(encoding="utf-8"))
    assert report["written"] == ["conf/tiny.yaml", "conf/mapping/tiny.yaml"]
    assert (report["task"], report["next"]) == ("init", "lakebox -cd conf -cn tiny")


@pytest.mark.parametrize("more", [(), ("mapping=by_kind", "frames=every", "frames.n=3", "masks=link")], ids=len)
def test_a_dataset_made_without_it_is_in_step_with_it(project: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    """Also the mapping is the same, so there is nothing to say of it, and nothing is fetched."""
    assert sync(project, tmp_path / "lake", *more).ok
    before = history(tmp_path / "lake")
    sync(project, tmp_path / "lake", *more, "task=init", f"task.out={tmp_path}/conf", "task.name=lanes_v3")
    remove_files(project)
    report = written(tmp_path / "conf", "lanes_v3", "drift=fail")
    assert (report.ok, report.assets["unchanged"], report.plan) == (True, 3, "nothing to do, 3 unchanged")
    assert history(tmp_path / "lake") == before


def test_without_an_ontology_and_of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = ROOT / "src/lakebox/example/image"
    said = ["source=export_file", f"source.export={folder}/export.ndjson", "mapping=by_kind", "preview=none"]
    run(load_config(*said, "path=plain", "limit=3"))
    report = run(load_config(*said, "limit=3", "task=init", "task.out=a/conf"))
    assert report.written == ["a/conf/bunny_images.yaml", "a/conf/mapping/bunny_images.yaml"]
    assert "presigner: none" in Path("a/conf/bunny_images.yaml").read_text(encoding="utf-8")
    assert written(Path("a/conf"), "bunny_images").ok
    assert differences(read_cells("plain"), read_cells("lake/bunny_images")) == set()
    assert columns("plain") == columns("lake/bunny_images")


def test_a_live_project_is_exported_once(live: Live) -> None:
    video_project(live, (3, 2))
    report = live.run("task=init", f"task.out={live.folder}/conf")
    assert (report.ok, report.warnings) == (True, ["presigner=labelbox needs LABELBOX_API_KEY."])
    text = (live.folder / "conf/lanes_u.yaml").read_text(encoding="utf-8")
    assert "Media: 2 signed already" in text and "behind Labelbox's API key" in text
    done = written(live.folder / "conf", "lanes_u")
    assert (done.ok, live.exports(), live.wrong()) == (True, 1, [])
    for path in (live.folder / "conf").rglob("*.yaml"):
        found = path.read_text(encoding="utf-8")
        assert live.fake.key not in found and "Signature" not in found


def test_what_is_edited_decides(project: Path, tmp_path: Path) -> None:
    sync(project, tmp_path / "lake", "task=init", f"task.out={tmp_path}/conf")
    file = tmp_path / "conf/mapping/tiny.yaml"
    text = file.read_text(encoding="utf-8")
    assert (
        "  # rectangle Car -> Car/Car, Car/Car_tracks, Car/Car_keyframes\n"
        "  #   radio Colour -> Car/Colour: red, green, blue\n  #Car: boxes\n"
    ) in text
    mine = usable(text, "Car", "Walker", "Note").replace(": boxes\n", ": movers\n")
    mine = mine.replace("  raster-segmentation: ", "  #old: ").replace("  #raster-segmentation: {_target_: "
        "lakebox.core.convert.ClassMasks}", "  raster-segmentation: {_target_: lakebox.core.convert.ClassMasks}")  # fmt: skip
    file.write_text(mine, encoding="utf-8")
    assert written(tmp_path / "conf", "tiny").ok
    sync(
        project, tmp_path / "wanted", "+mapping.groups={Car: movers, Walker: movers}", "mapping.leave_out=[Note]",
        "mapping.converters.raster-segmentation={_target_: lakebox.core.convert.ClassMasks}",
    )  # fmt: skip
    assert differences(read_cells(tmp_path / "wanted"), read_cells(tmp_path / "lake")) == set()
    assert class_names(tmp_path / "lake", "movers/movers_labels") == ["Car", "Walker"]
    assert "Note" not in columns(tmp_path / "lake")


# ------------------------------------------------------------------------ what was given

GIVEN = [
    ["source=labelbox", "project_id=clx123", "source.endpoint=https://lb.acme.org/graphql",
     "source.filters.workflow_status=Done", "source.cache=kept", "tag=auto"],
    ["source=export_file", "source.export='a b/é.ndjson'", "+team=acme", "path=./lake/${team}", "limit=3"],
    ["provider=separate", "provider.annotations=s3://b/${project_id}", "executor=process", "executor.workers=3",
     "drift=fail", "drift.renamed=follow", "labels=by_creator", "labels.creators=[a@x.org,b@x.org]", "fetch=cached"],
    ["presigner=by_host", "presigner.rules=[{host: 'x.*', presigner: {_target_: lakebox.adapters.presign.Plain}}]"],
]  # fmt: skip


@pytest.mark.parametrize("overrides", GIVEN, ids=lambda given: given[0])
def test_what_was_given_is_composed_again(overrides: list[str], tmp_path: Path) -> None:
    given_cfg = load_config(*overrides)
    said = settings_of(given_cfg, tmp_path)
    project = described([], [])
    (tmp_path / "mapping").mkdir()
    (tmp_path / "mapping/lanes.yaml").write_text(mapping_text(project, said.mapping), encoding="utf-8")
    (tmp_path / "lanes.yaml").write_text(primary_text("lanes", "lakebox", said, ["Where."], project), encoding="utf-8")
    found = node(load_config(config_name="lanes", config_dir=tmp_path))
    assert {**found, "mapping": None} == {**node(given_cfg), "mapping": None}
    assert all(chosen.choice for chosen in said.groups.values())


def node(cfg: Any) -> dict[str, Any]:
    found: dict[str, Any] = OmegaConf.to_container(cfg, resolve=False)
    return found


def test_a_choice_of_ones_own_is_named_where_it_is_found_and_else_written_whole(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, out = tmp_path / "own", tmp_path / "out"
    for group, text in {
        "storage": "_target_: acme.Storage\n",
        "presigner": "_target_: acme.Gateway\nfolder: x\n",
    }.items():
        (own / group).mkdir(parents=True)
        (own / group / "mine.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "acme.py").write_text(
        "from lakebox.adapters.deep_lake import LocalStorage\nfrom lakebox.adapters.presign import Plain\n"
        "class Storage(LocalStorage): pass\nclass Gateway(Plain): folder: str\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    said = [*overrides(project, tmp_path / "lake"), "storage=mine", "presigner=mine", "presigner.folder=a${project_id}"]
    for folder in (own, out):
        run(load_config(*said, "task=init", f"task.out={folder}", config_dir=own))
        assert written(folder, "tiny").ok
    assert "  - override storage: mine\n" in (own / "tiny.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load((own / "tiny.yaml").read_text(encoding="utf-8"))["presigner"] == {"folder": "a${project_id}"}
    assert "  - override storage: tiny\n" in (out / "tiny.yaml").read_text(encoding="utf-8")
    text = (out / "presigner/tiny.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == {"_target_": "acme.Gateway", "folder": "a${project_id}"}


# ------------------------------------------------------------------------ names

HOSTILE = ["${project_id}", "a\\${x}b\\", "\\\\${oc.env:HOME}", "???", "yes", "null", "1", "1e3", "0x1F", "~", "a: b", "- a",
           "# a", "a #b", "'\"", "\n# @package _global_\nx: y", "\x85\u2028\ufeff\x07", "車 🚗", " a ", "<<", "=", "*a",
           "&a", "!!int 1", "%", "{a}", "[b]", "2024-01-01", "12:30", ".inf", "?", "", "a, b", "@package", "\ud800"]  # fmt: skip
names = st.lists(
    st.one_of(st.sampled_from(HOSTILE), st.text(st.sampled_from("${}\\:#'\"\n? -ax1")), st.text(max_size=12)),
    min_size=1, max_size=30, unique=True,
)  # fmt: skip


def described(tools: Iterable[Tool], questions: Iterable[Question], **how: Any) -> Described:
    mapping = Mapping(**{"converters": instantiate(load_config().mapping, _convert_="all").converters, **how})
    ontology = Ontology(tuple(tools), tuple(questions))
    return Described("lanes", ontology, mapping, make_layout(ontology, mapping, (), {}))


@example(found=HOSTILE)
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=names)
def test_every_name_comes_back_as_it_is(found: list[str], tmp_path: Path) -> None:
    """As key and as value, in comments and out of them, and nothing in it is interpolated."""
    options = tuple(Option(name, name, name) for name in found)
    tools = [Tool(f"t{i}", "rectangle", name, (Question("q", "radio", name, options),)) for i, name in enumerate(found)]
    questions = [Question(f"q{i}", "checklist", name, options) for i, name in enumerate(found)]
    groups = {"polygon": found[0].replace("???", "?"), found[-1]: f"g {found[-1]}"}
    project = described(tools, questions, groups=groups, leave_out=found[:2])
    text = mapping_text(project, node(load_config().mapping))
    (tmp_path / "mapping").mkdir(exist_ok=True)
    for name, content in {"plain": text, "used": usable(text)}.items():
        (tmp_path / f"mapping/{name}.yaml").write_bytes(content.encode())
    plain, used = (
        instantiate(load_config(f"mapping={name}", config_dir=tmp_path).mapping, _convert_="all")
        for name in ("plain", "used")
    )
    assert repr(plain) == repr(project.mapping)
    assert used.groups == {**dict.fromkeys(found, "boxes"), **groups}
    assert used.leave_out == found


def test_long_lists_are_folded_and_kinds_without_columns_are_said() -> None:
    options = tuple(Option(f"o{i}", f"option number {i}", f"{i}") for i in range(40))
    tools = [Tool("a", "cuboid", "Crate"), Tool("b", "line", "Lane", (Question("q", "radio", "Side", options),)),
             Tool("c", "polygon", "Lane"), Tool("d", "point", "Hub")]  # fmt: skip
    project = described(tools, [Question("r", "ranking", "Order")], leave_out=["point"], groups={"line": "lines"})
    text = mapping_text(project, node(load_config().mapping))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert all(one.value in text for one in options)
    assert "# cuboid Crate -> no column: no converter for its kind\n" in text and "#Crate" not in text
    assert "# point Hub -> no column: left out\n" in text
    assert "# ranking Order -> no column\n" in text
    assert text.count("#Lane: lines") == 1 and "polygon Lane -> Lane," in text


def test_suggested_groups_are_those_of_by_kind() -> None:
    assert node(load_config("mapping=by_kind").mapping)["groups"] == SUGGESTED


@pytest.mark.parametrize(
    ("title", "name"),
    [("Lanes 2026", "lanes_2026"), ("Straße/Köln: é", "strasse_koln_e"), ("車", "project"), ("", "project"),
     ("3D", "project_3d"), ("config", "config_project"), ("Yes", "yes_project"), ("../../etc", "etc")],
)  # fmt: skip
def test_slug(title: str, name: str) -> None:
    assert slug(title, {"config", "by_name"}) == name


# ------------------------------------------------------------------------ the presigner

S3 = ["s3://clips/a.mp4", "https://clips.s3.eu-west-1.amazonaws.com/b.mp4", "https://s3.amazonaws.com/clips/c.mp4"]
GCS = ["gs://clips/a.mp4", "https://storage.googleapis.com/clips/a.mp4"]
BLOB = "https://acme.blob.core.windows.net/clips/a%20b.mp4"
SIGNED = "https://storage.labelbox.com/o/a.mp4?Expires=1&KeyName=k&Signature=HIDDEN"
API = "https://api.labelbox.com/api/v1/tasks/x/masks/y"
TABLE = [
    (Addresses(["/a/b.mp4", "c.mp4", "file:///d.mp4"]), "none", {}, "Media: 3 files of this machine.", ""),
    (Addresses(["https://h.org/a.mp4", "http://h.org:81/b.mp4"]), "none", {},
     "Media: 2 on the web, not signed (http://h.org:81, https://h.org).", ""),
    (Addresses(["a.mp4"], [], True), "labelbox", {}, "Media: 1 files", "LABELBOX_API_KEY"),
    (Addresses(["a.mp4"], ["m.png"], True), "none", {}, "Masks of the first data rows: 1 files", ""),
    (Addresses(["a.mp4"], [API], True), "labelbox", {}, "(https://api.labelbox.com)", "LABELBOX_API_KEY"),
    (Addresses([SIGNED]), "labelbox", {}, "Media: 1 signed already (https://storage.labelbox.com).", ""),
    (Addresses(S3), "s3", {}, "Media: 3 in S3 (", "AWS_ACCESS_KEY_ID"),
    (Addresses([S3[0]], [API], True), "s3", {}, "s3://clips", "LABELBOX_API_KEY"),
    (Addresses(GCS), "gcs", {}, "Media: 2 in Google Cloud Storage", "GOOGLE_APPLICATION_CREDENTIALS"),
    (Addresses([BLOB]), "azure", {"account": "acme"}, "clips", "AZURE_STORAGE_ACCOUNT_KEY"),
    (Addresses(["az://clips/a.mp4"]), "azure", {}, "(az://clips)", "AZURE_TENANT_ID"),
    (Addresses([BLOB, BLOB.replace("acme", "other")]), "azure", {}, "2 in Azure", "lakebox[sign]"),
    (Addresses([BLOB, S3[0], "a.mp4"]), "by_host", {}, "1 in S3 (s3://clips), 1 files", "AWS_ACCESS_KEY_ID"),
    (Addresses(["ours://x/a.mp4"]), "none", {}, "a presigner of your own (ours://)", ""),
    (Addresses(["https://u:pw@h.org/a.mp4"]), "none", {}, "Media: 1 on the web, not signed.", ""),
    (Addresses([]), "none", {}, "Media: none.", ""),
]  # fmt: skip


@pytest.mark.parametrize(("found", "choice", "values", "seen", "needs"), TABLE, ids=[str(row[1]) for row in TABLE])
def test_presigner(found: Addresses, choice: str, values: dict[str, str], seen: str, needs: str) -> None:
    guessed = guess(found, lambda url: url.startswith("https://api.labelbox.com/"), ())
    assert (guessed.choice, guessed.values) == (choice, values)
    assert seen in guessed.seen and needs in guessed.needs and bool(needs) == bool(guessed.needs)
    assert "HIDDEN" not in repr(guessed) and "pw" not in repr(guessed)


def test_azure_with_a_token_only() -> None:
    token = {"AZURE_STORAGE_SAS_TOKEN"}
    container = BLOB.rpartition("/")[0]
    guessed = guess(Addresses([BLOB]), lambda _: False, token)
    assert (guessed.choice, guessed.values) == ("azure_sas", {"container": container})
    assert "AZURE_STORAGE_SAS_TOKEN" in guessed.needs
    for urls, variables in (([BLOB], {*token, "AZURE_STORAGE_ACCOUNT_KEY"}), ([BLOB, "az://x/a"], token)):
        assert (
            isinstance(found := guess(Addresses(urls), lambda _: False, variables), Guess) and found.choice == "azure"
        )


def test_what_is_guessed_is_written_and_builds(project: Path, tmp_path: Path) -> None:
    with edited(project) as rows:
        for row in rows:
            row["data_row"]["row_data"] = f"{BLOB}?versionid=3"
    report = init(project, tmp_path / "conf")
    text = (tmp_path / "conf/tiny.yaml").read_text(encoding="utf-8")
    assert "  # Media: 3 in Azure (https://acme.blob.core.windows.net/clips). Masks" in text
    assert "presigner:\n  account: acme\n" in text and "# presigner=azure needs AZURE_STORAGE_ACCOUNT_KEY" in text
    assert report.warnings[0].startswith("presigner=azure needs AZURE_STORAGE_ACCOUNT_KEY")
    assert written(tmp_path / "conf", "tiny", "task=check").ok


def test_mask_addresses_at_any_depth() -> None:
    said = {"projects": {"p": {"labels": [{"a": [{"mask": {"url": "x"}}, {"composite_mask": {"url": "y", "c": 1}}]}]}}}
    assert list(mask_addresses({**said, "mask": {"instanceURI": "z"}, "url": "no"})) == ["x", "y"]


# ------------------------------------------------------------------------ refusals


def init(project: Path, out: Path, *more: str) -> Report:
    return sync(project, "./lake", "task=init", f"task.out={out}", *more)


def test_nothing_is_overwritten(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "conf"
    assert init(project, out).plan.startswith("wrote ")
    assert init(project, out).plan == f"{out}/tiny.yaml, {out}/mapping/tiny.yaml there already, the same"
    mine = (out / "mapping/tiny.yaml").read_text(encoding="utf-8").replace("#Car: boxes", "Car: movers")
    (out / "mapping/tiny.yaml").write_text(mine, encoding="utf-8")
    (out / "tiny.yaml").unlink()
    with pytest.raises(ConfigError, match=rf"^{re.escape(str(out))}/mapping/tiny.yaml: there already.* another name"):
        init(project, out)
    assert [path.name for path in out.iterdir()] == ["mapping"]
    assert (out / "mapping/tiny.yaml").read_text(encoding="utf-8") == mine
    assert init(project, out, "task.name=other").ok


def test_a_folder_that_cannot_be_written(project: Path, tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("in the way", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"conf/tiny.yaml cannot be written: .*; nothing was written"):
        init(project, tmp_path / "conf")
    (tmp_path / "two").mkdir()
    (tmp_path / "two/mapping").write_text("in the way", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mapping/tiny.yaml cannot be written"):
        init(project, tmp_path / "two")
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["mapping"]


@pytest.mark.parametrize("name", ["../x", "'1'", "''"])
def test_a_name_that_is_none(project: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"task.name: must be a name of letters"):
        init(project, tmp_path / "conf", f"task.name={name}")


@pytest.mark.parametrize("name", ["config", "by_kind"])
def test_a_name_that_would_not_be_found(project: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"task.name: .* choose another, nothing was written"):
        init(project, tmp_path / "conf", f"task.name={name}", f"report={tmp_path}/report.json")
    assert not (tmp_path / "conf").exists()
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["task"] == "init"


def test_secrets_are_not_written(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_TOKEN", "lanes-0123456789")
    for more in (
        ["+login.api_key=SECRET"], ["+login.password=SECRET"], ["path=./lanes-0123456789"], ["+at='https://h/a?sig=SECRET'"]
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="Nothing was written") as caught:
            init(project, tmp_path / "conf", *more)
        assert "SECRET" not in str(caught.value) and "0123456789" not in str(caught.value)
    with edited_ontology(project) as ontology:
        ontology["classifications"][0]["options"][0]["value"] = "lanes-0123456789"
    with pytest.raises(ConfigError, match="mapping/tiny.yaml: would hold the value of a variable"):
        init(project, tmp_path / "conf")
    assert not (tmp_path / "conf").exists()


def test_what_cannot_be_read_is_said(project: Path, tmp_path: Path) -> None:
    with (project / "export.ndjson").open("a", encoding="utf-8") as file:
        file.write("{]\n")
    report = init(project, tmp_path / "conf")
    assert report.ok
    assert any("1 data rows could not be read, the first is line 4" in warning for warning in report.warnings)
