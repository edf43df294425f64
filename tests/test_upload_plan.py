"""What an upload decides, without Labelbox: lists, global keys, duplicates, metadata, ontologies, the plan sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebox.core.manifest import parse_csv, parse_json_lines, parse_text
from lakebox.core.metadata import MetadataField, resolve_metadata
from lakebox.core.ontology_file import QUESTIONS, TOOLS, differences, read_ontology
from lakebox.core.upload import (
    KEY_LIMIT,
    Duplicates,
    Entry,
    UploadRow,
    file_key,
    make_rows,
    refuse_mixture,
    shortened,
    url_key,
)
from lakebox.core.upload_plan import (
    FoundDataset,
    FoundIntegration,
    FoundOntology,
    OntologyFile,
    UploadPlan,
    Wanted,
    batch_names,
    choose_integration,
    integration_to_connect,
    left_as_they_are,
)
from lakebox.errors import ConfigError
from lakebox.tasks.media_list import fingerprints, list_media

WANTED = Wanted("lanes", "lanes-2026", "video", None, "lanes_batch")


def remote(*urls: str) -> list[Entry]:
    return [Entry(url, f"line {number}") for number, url in enumerate(urls, 1)]


def keys(rows: list[UploadRow]) -> list[str]:
    return [row.global_key for row in rows]


# --- global keys -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://h/a.mp4", "https://h/a.mp4"),
        ("https://h/a.mp4?X-Amz-Signature=1&X-Amz-Date=2", "https://h/a.mp4"),
        ("https://u:p@h/a.mp4?versionId=3&Expires=9&Signature=x", "https://h/a.mp4?versionId=3"),
        ("gs://bucket/a.mp4", "gs://bucket/a.mp4"),
    ],
)
def test_key_of_an_address_has_no_signature(url: str, key: str) -> None:
    assert url_key(url) == key


@given(st.text(min_size=1, max_size=600), st.text("0123456789abcdef#", max_size=20))
def test_keys_are_short_and_deterministic(text: str, suffix: str) -> None:
    key = shortened(text, suffix)
    assert len(key) <= KEY_LIMIT
    assert key == shortened(text, suffix)
    assert key.endswith(suffix)


@given(st.lists(st.text("abc/", min_size=190, max_size=210), unique=True, max_size=30))
def test_long_texts_stay_different(texts: list[str]) -> None:
    assert len({shortened(text) for text in texts}) == len(texts)


def test_a_long_key_is_readable() -> None:
    key = url_key("https://bucket.example.org/" + "folder/" * 40 + "clip_07.mp4")
    assert key.startswith("https://bucket.example.org/")
    assert "clip_07.mp4-" in key


def test_key_of_a_file_depends_on_name_and_content_only(tmp_path: Path) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
    (tmp_path / "a/clip.mp4").write_bytes(b"one")
    (tmp_path / "b/clip.mp4").write_bytes(b"one")
    (tmp_path / "c/clip.mp4").write_bytes(b"two")
    a, b, c = (
        make_rows(found := list_media([item], "video").entries, fingerprints(found), "fail")[0].global_key
        for item in (f"{tmp_path}/a/*.mp4", f"{tmp_path}/b", f"{tmp_path}/**/c/clip.mp4")
    )
    assert a == b != c
    assert a.startswith("clip.mp4-")


def test_large_files_that_differ_in_the_middle_differ(tmp_path: Path) -> None:
    content = bytearray(5 << 20)
    one, two = tmp_path / "one.bmp", tmp_path / "two.bmp"
    one.write_bytes(content)
    content[2 << 20 : 3 << 20] = b"x" * (1 << 20)
    two.write_bytes(content)
    found = fingerprints(list_media([str(tmp_path)], "image").entries)
    assert len(set(found.values())) == 2


# --- duplicates ------------------------------------------------------------------------------------------------------

TWICE = ("https://h/a.mp4?Signature=1", "https://h/b.mp4", "https://h/a.mp4?Signature=2")


def test_duplicates_fail_and_are_named() -> None:
    with pytest.raises(ConfigError, match="line 1") as error:
        make_rows(remote(*TWICE), {}, "fail")
    assert "line 3" in str(error.value)
    assert "Signature" not in str(error.value)
    assert "task.duplicates" in str(error.value)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("skip", ["https://h/a.mp4", "https://h/b.mp4"]),
        ("all", ["https://h/a.mp4", "https://h/a.mp4#2", "https://h/b.mp4"]),
    ],
)
def test_duplicates_skip_and_all(rule: Duplicates, expected: list[str]) -> None:
    assert keys(make_rows(remote(*TWICE), {}, rule)) == expected


@given(st.lists(st.sampled_from("abcdef"), min_size=1), st.sampled_from(["skip", "all"]))
def test_rows_have_keys_of_their_own(names: list[str], rule: Duplicates) -> None:
    rows = make_rows(remote(*(f"https://h/{name}.mp4" for name in names)), {}, rule)
    assert len(set(keys(rows))) == len(rows) == (len(names) if rule == "all" else len(set(names)))


@pytest.mark.parametrize("rule", ["fail", "skip", "all"])
def test_one_key_for_different_media_is_refused(rule: Duplicates) -> None:
    entries = [
        Entry("https://h/a.mp4", "m.csv line 2", global_key="k"),
        Entry("https://h/b.mp4", "m.csv line 3", global_key="k"),
    ]
    with pytest.raises(ConfigError, match="different media have one global key") as error:
        make_rows(entries, {}, rule)
    for word in ("a.mp4", "b.mp4", "m.csv line 2", "m.csv line 3"):
        assert word in str(error.value)


def test_one_file_with_two_keys_is_two_data_rows() -> None:
    entries = [Entry("https://h/a.mp4", "1", global_key="k"), Entry("https://h/a.mp4", "2", global_key="l")]
    assert keys(make_rows(entries, {}, "fail")) == ["k", "l"]


def test_a_copy_never_takes_a_given_key() -> None:
    entries = [*remote("https://h/a", "https://h/a"), Entry("https://h/b", "3", global_key="https://h/a#2")]
    with pytest.raises(ConfigError, match="copies"):
        make_rows(entries, {}, "all")


# --- lists -----------------------------------------------------------------------------------------------------------


def test_text_list() -> None:
    entries = parse_text("# clips\na.mp4\n\n  b.mp4  \r\n", "clips.txt")
    assert [(entry.media, entry.where) for entry in entries] == [
        ("a.mp4", "clips.txt line 2"),
        ("b.mp4", "clips.txt line 4"),
    ]


CSV = """path,global_key,external_id,metadata.weather,attachment.IMAGE,attachments,metadata_fields
a.mp4,key-a,A,rain,https://h/map.png,,
b.mp4,,,,,"[{""type"": ""RAW_TEXT"", ""value"": ""note"", ""name"": ""n""}]","{""camera"": 3}"
"""


def test_csv_manifest() -> None:
    a, b = parse_csv(CSV, "m.csv")
    assert (a.media, a.global_key, a.external_id, a.where) == ("a.mp4", "key-a", "A", "m.csv line 2")
    assert a.metadata == ({"name": "weather", "value": "rain"},)
    assert a.attachments == ({"type": "IMAGE", "value": "https://h/map.png"},)
    assert (b.global_key, b.external_id) == ("", "")
    assert b.metadata == ({"name": "camera", "value": 3},)
    assert b.attachments == ({"type": "RAW_TEXT", "value": "note", "name": "n"},)


def test_json_lines_manifest_says_the_same() -> None:
    lines = [
        {"row_data": "a.mp4", "global_key": "key-a", "external_id": "A", "metadata.weather": "rain",
         "attachments": [{"type": "IMAGE", "value": "https://h/map.png"}]},
        {"url": "b.mp4", "metadata_fields": [{"name": "camera", "value": 3}], "global_key": None,
         "attachments": [{"type": "RAW_TEXT", "value": "note", "name": "n"}]},
    ]  # fmt: skip
    text = "\n".join(map(json.dumps, lines))
    for one, two in zip(parse_json_lines(text, "m.csv"), parse_csv(CSV, "m.csv"), strict=True):
        assert (one.media, one.global_key, one.attachments, one.metadata) == (
            two.media,
            two.global_key,
            two.attachments,
            two.metadata,
        )


def test_metadata_as_an_export_spells_it() -> None:
    field = {"schema_id": "c1", "schema_name": "weather", "schema_kind": "CustomMetadataString", "value": "rain"}
    (entry,) = parse_json_lines(json.dumps({"media": "a.mp4", "metadata_fields": [field]}), "m.jsonl")
    assert entry.metadata == ({"name": "weather", "value": "rain"},)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,global_kye\na.mp4,k\n", ["m.csv", "global_kye", "did you mean 'global_key'?"]),
        ("name\nx\n", ["unknown column 'name'", "no column for the media"]),
        ("path;global_key\na;b\n", ["m.csv", "the separator must be a comma"]),
        ("path,url\na.mp4,https://h/a\n", ["m.csv line 2", "has 2"]),
        ("path,global_key\n,k\n", ["m.csv line 2", "has 0"]),
        (f"path,global_key\na.mp4,{'k' * 201}\n", ["m.csv line 2", "201", "200"]),
        ("path\na.mp4,b\n", ["more cells than the header"]),
        ("path,attachments\na.mp4,oops\n", ["attachments is not JSON"]),
        ('path,attachments\na.mp4,"{}"\n', ["attachments must be a list"]),
        ("path,attachment.PICTURE\na.mp4,https://h/x\n", ["'PICTURE' is not one of IMAGE"]),
        ("path,attachment.IMAGE\na.mp4,map.png\n", ["must be an address"]),
        ("path,metadata_fields\na.mp4,3\n", ["metadata_fields must be a list"]),
        ('path,metadata.w,metadata_fields\na.mp4,1,"{""w"": 2}"\n', ["given twice"]),
        ("path,global_key\n,k\nb.mp4," + "k" * 300 + "\n", ["line 2", "line 3"]),
    ],
)  # fmt: skip
def test_mistakes_in_a_csv_are_all_named(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        parse_csv(text, "m.csv")
    for word in [*words, "nothing was touched"]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}\nnot json\n[1]\n", ["m.jsonl line 2", "m.jsonl line 3: is not a JSON object"]),
        ('{"media": "a"}\n{"medai": "b"}', ["line 2: unknown column 'medai', did you mean 'media'?"]),
        ('{"media": 3}', ["line 1: the media must be a text"]),
        ('{"media": "a", "global_key": 7}', ["global_key must be a text"]),
        ('{"media": "a", "attachments": [{"type": "IMAGE"}]}', ["needs type and value"]),
        ('{"media": "a", "metadata_fields": [{"value": 1}]}', ["needs name (or schema_id) and value"]),
    ],
)
def test_mistakes_in_json_lines_are_all_named(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        parse_json_lines(text, "m.jsonl")
    for word in words:
        assert word in str(error.value)


@given(st.text())
def test_any_text_is_a_list_or_a_mistake(text: str) -> None:
    for parse in (parse_text, parse_csv, parse_json_lines):
        try:
            entries = parse(text, "list")
        except ConfigError as error:
            assert "list" in str(error)
        else:
            assert all(entry.media for entry in entries)


# --- what task.media names -------------------------------------------------------------------------------------------


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "videos/a.mp4",
        "videos/day2/b.MP4",
        "videos/day2/notes.xml",
        "videos/.hidden.mp4",
        "videos/c.jpg",
        "x[1].mp4",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "videos/list.txt").write_text("a.mp4\nday2/b.MP4\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("item", "names"),
    [
        ("videos", ["a.mp4", "day2/b.MP4"]),
        ("videos/*.mp4", ["a.mp4"]),
        ("videos/**/*.[mM][pP]4", ["a.mp4", "day2/b.MP4"]),
        ("videos/list.txt", ["a.mp4", "day2/b.MP4"]),
        ("videos/a.mp4", ["videos/a.mp4"]),
        ("x[1].mp4", ["x[1].mp4"]),
        ("https://h/a.mp4?Signature=1", ["https://h/a.mp4"]),
    ],
)
def test_items(clips: Path, item: str, names: list[str]) -> None:
    entries = list_media([item], "video").entries
    assert [entry.shown for entry in entries] == names
    assert all(entry.remote or Path(entry.media).is_file() for entry in entries)


def test_a_folder_says_what_it_leaves_out(clips: Path) -> None:
    assert list_media(["videos"], "video").warnings == ["3 files in videos are no videos and left out"]


def test_file_addresses_and_absolute_paths(clips: Path) -> None:
    entries = list_media([f"file://{clips}/videos/a.mp4", f"{clips}/videos/a.mp4"], "video").entries
    assert [entry.name for entry in entries] == ["a.mp4", "a.mp4"]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (["missing.mp4", "nowhere/*.mp4"], ["missing.mp4: no such file", "nowhere/*.mp4: no file matches"]),
        (["videos/c.jpg"], ["image media", "task.media_type is video"]),
        (["s3://b/a.mp4"], ["s3:// is not fetched by Labelbox", "https"]),
        (["https://h/list.csv"], ["is a list or text"]),
        (["videos/*"], ["c.jpg"]),
    ],
)
def test_what_cannot_be_media(clips: Path, items: list[str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        list_media(items, "video")
    for word in words:
        assert word in str(error.value)


def test_missing_and_empty_files_are_all_named(clips: Path) -> None:
    (clips / "m.csv").write_text("path\nvideos/a.mp4\nvideos/gone.mp4\nempty.mp4\n")
    (clips / "empty.mp4").touch()
    with pytest.raises(ConfigError) as error:
        fingerprints(list_media(["m.csv"], "video").entries)
    for word in ("m.csv line 3: videos/gone.mp4: No such file", "m.csv line 4: empty.mp4: the file is empty"):
        assert word in str(error.value)


def test_an_empty_list(clips: Path) -> None:
    (clips / "none.txt").write_text("# nothing\n")
    (clips / "nothing").mkdir()
    for item in ("none.txt", "nothing"):
        with pytest.raises(ConfigError, match=item):
            list_media([item], "video")
    with pytest.raises(ConfigError, match="empty"):
        refuse_mixture([])


def test_a_mixture_lists_both_sides() -> None:
    local = [Entry(f"{n}.mp4", "x", f"{n}.mp4") for n in range(7)]
    with pytest.raises(ConfigError) as error:
        refuse_mixture([*local, *remote("https://h/r.mp4?Signature=1")])
    assert "7 local: 0.mp4, 1.mp4, 2.mp4, 3.mp4, 4.mp4, ..." in str(error.value)
    assert "1 remote: https://h/r.mp4" in str(error.value)
    assert "Signature" not in str(error.value)


# --- metadata --------------------------------------------------------------------------------------------------------

FIELDS = [
    MetadataField("f1", "weather", "enum", {"rain": "o1", "sun": "o2"}),
    MetadataField("f2", "camera", "number"),
    MetadataField("f3", "taken", "datetime"),
    MetadataField("f4", "note", "string"),
]


def with_metadata(**values: Any) -> list[UploadRow]:
    return [
        UploadRow(
            "a",
            "a",
            where="m.csv line 2",
            metadata=tuple({"name": name, "value": value} for name, value in values.items()),
        )
    ]


def test_metadata_values_fit_their_fields() -> None:
    (entry,) = resolve_metadata(with_metadata(weather="rain", camera="3", taken="2026-01-02T03:04:05Z", note=7), FIELDS)
    assert entry.metadata == (
        {"schema_id": "f1", "value": "o1"},
        {"schema_id": "f2", "value": 3.0},
        {"schema_id": "f3", "value": "2026-01-02T03:04:05+00:00"},
        {"schema_id": "f4", "value": "7"},
    )


def test_metadata_mistakes_are_all_named() -> None:
    with pytest.raises(ConfigError) as error:
        resolve_metadata(with_metadata(wether="rain", weather="snow", camera="x", taken="yesterday"), FIELDS)
    for word in (
        "did you mean 'weather'?",
        "'snow' is not one of rain, sun",
        "could not convert",
        "isoformat",
        "m.csv line 2",
    ):
        assert word in str(error.value)


def test_semicolons_in_a_name_are_no_separators() -> None:
    assert parse_csv("path\na;b.mp4\n", "m.csv")[0].media == "a;b.mp4"


# --- ontologies ------------------------------------------------------------------------------------------------------

ONTOLOGY: dict[str, Any] = {
    "name": "lanes",
    "tools": [
        {"tool": "rectangle", "name": "car", "color": "#ff0000", "featureSchemaId": "x", "schemaNodeId": "y",
         "classifications": [{"type": "radio", "name": "colour", "instructions": "colour", "featureSchemaId": "q",
                              "options": [{"label": "Red", "value": "red", "featureSchemaId": "o"}]}]},
        {"tool": "polygon", "name": "old", "archived": 1},
    ],
    "classifications": [{"type": "text", "name": "note", "scope": "index", "required": True}],
}  # fmt: skip


def test_ids_and_archived_features_are_left_out() -> None:
    text = json.dumps(read_ontology(ONTOLOGY, "o.json"))
    assert "SchemaId" not in text
    assert "schemaNodeId" not in text
    assert "old" not in text
    assert "#ff0000" in text


def test_same_ontology_has_no_differences() -> None:
    found = json.loads(json.dumps(ONTOLOGY))
    found["tools"][0] |= {"color": "#00ff00", "required": False, "featureSchemaId": "other"}
    assert differences(read_ontology(ONTOLOGY, "o.json"), found) == []


def test_differences_are_said() -> None:
    found = json.loads(json.dumps(ONTOLOGY))
    found["tools"][0]["classifications"][0]["options"].append({"label": "Blue", "value": "blue"})
    found["classifications"][0]["type"] = "checklist"
    assert differences(read_ontology(ONTOLOGY, "o.json"), found) == [
        "only in the file: note: text (index), required",
        "only in Labelbox: car > colour > blue: option Blue",
        "only in Labelbox: note: checklist (index), required",
    ]


@pytest.mark.parametrize("raw", [None, [], {"a": 1}, {"tools": [{"name": "x"}]}, {"tools": [], "classifications": []}])
def test_what_is_no_ontology(raw: Any) -> None:
    with pytest.raises(ConfigError, match=r"o\.yaml"):
        read_ontology(raw, "o.yaml")


MISSPELT: dict[str, Any] = {
    "tools": [
        {"tool": "rectangel", "name": "car"},
        {"tool": "polygon", "name": "roof", "classifications": [{"type": "radoi", "name": "colour"}]},
        {"tool": "relationship", "name": "on"},
    ],
    "classifications": [
        {"type": "radio", "name": "Site", "options": [
            {"value": "town", "options": [{"type": "checklist", "instructions": "Shops", "options": []}]},
            {"value": "old", "archived": 1},
        ]},
        {"type": "checklist", "name": "Weather", "options": [{"value": "fog", "archived": 1}]},
        {"type": "text", "name": "Note", "scope": "indx"},
    ],
}  # fmt: skip


def test_what_labelbox_does_not_know_is_said_with_its_place_all_of_it() -> None:
    with pytest.raises(ConfigError) as error:
        read_ontology(MISSPELT, "lanes.yaml")
    heading, *lines = str(error.value).splitlines()
    assert "lanes.yaml" in heading and "nothing was touched" in heading
    assert [line.strip().partition(" (there are")[0] for line in lines] == [
        "tools[0] 'car': unknown tool 'rectangel', did you mean 'rectangle'?",
        "tools[1] 'roof' > classifications[0] 'colour': unknown type 'radoi', did you mean 'radio'?",
        "tools[2] 'on': unknown tool 'relationship'",
        "classifications[0] 'Site' > 'town' > options[0] 'Shops': a checklist without options; list what can be chosen",
        "classifications[1] 'Weather': a checklist without options; list what can be chosen",
        "classifications[2] 'Note': unknown scope 'indx', did you mean 'index'?",
    ]


def test_all_that_labelbox_knows_is_taken() -> None:
    """Also what lakebox does not read: the ontology is for the people who label."""
    chosen = [{"label": "a", "value": "a"}]
    raw = {
        "tools": [{"tool": tool, "name": tool} for tool in TOOLS],
        "classifications": [{"type": one, "name": one, "options": chosen} for one in QUESTIONS],
    }
    assert {"edge", "named-entity", "superpixel", "step-reasoning", "rectangle"} <= set(TOOLS)
    assert len(read_ontology(raw, "o.yaml")["tools"]) == 15


# --- data rows that exist --------------------------------------------------------------------------------------------


def test_what_a_list_says_of_data_rows_that_exist_is_counted() -> None:
    text = "path,external_id,metadata.weather\na.mp4,,\nb.mp4,name,\nc.mp4,,rain\n"
    rows = make_rows(parse_csv(text, "m.csv"), {f"{name}.mp4": name for name in "abc"}, "fail")
    keys = [row.global_key for row in rows]
    assert left_as_they_are(rows, []) == left_as_they_are(rows, keys[:1]) == []
    (note,) = left_as_they_are(rows, keys)
    assert note.startswith("2 data rows exist; their metadata, attachments and external ids are left as they are")
    assert left_as_they_are(rows, keys[:2])[0].startswith("1 data row exists; its")


# --- integrations ----------------------------------------------------------------------------------------------------

AWS = FoundIntegration("i1", "aws", default=True)
GCP = FoundIntegration("i2", "gcp")
TWIN = FoundIntegration("i3", "gcp")
BROKEN = FoundIntegration("i4", "broken", valid=False)


@pytest.mark.parametrize(
    ("asked", "found", "chosen"),
    [
        (None, [AWS], None),
        ("DEFAULT", [AWS, GCP], AWS),
        ("DEFAULT", [GCP], None),
        ("i2", [AWS, GCP, TWIN], GCP),
        ("aws", [AWS, GCP], AWS),
    ],
)
def test_integration_chosen(asked: str | None, found: list[FoundIntegration], chosen: FoundIntegration | None) -> None:
    assert choose_integration(asked, found) == chosen


@pytest.mark.parametrize(
    ("asked", "words"),
    [("azure", ["no such", "aws (i1)"]), ("gcp", ["several", "i2", "i3"]), ("broken", ["not valid", "null"])],
)
def test_integration_refused(asked: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        choose_integration(asked, [AWS, GCP, TWIN, BROKEN])
    for word in words:
        assert word in str(error.value)


def test_integration_of_a_dataset_that_exists() -> None:
    empty, filled, other = FoundDataset("d"), FoundDataset("d", rows=3), FoundDataset("d", "i2", 3)
    assert integration_to_connect("DEFAULT", AWS, empty) == AWS
    assert integration_to_connect("DEFAULT", AWS, filled) is None
    assert integration_to_connect("aws", AWS, filled) == AWS
    assert integration_to_connect("DEFAULT", AWS, other) is None
    assert integration_to_connect("gcp", GCP, other) is None
    with pytest.raises(ConfigError, match="uses integration i2"):
        integration_to_connect("aws", AWS, other)


# --- the plan --------------------------------------------------------------------------------------------------------


def test_plan_sentence() -> None:
    rows = tuple(UploadRow(f"https://h/{n}", f"k{n}") for n in range(12))
    file = OntologyFile("lanes", {}, "ontology.yaml")
    plan = UploadPlan(WANTED, rows, {"k0": "r0", "k1": "r1"}, frozenset(), ("lanes_batch",), ontology=file)
    assert str(plan) == (
        "create dataset 'lanes', create project 'lanes-2026' (video), create ontology 'lanes' from ontology.yaml,"
        " 10 data rows to upload, 2 there already, 1 batch of 12"
    )


def test_plan_with_nothing_to_do() -> None:
    known = FoundOntology("o", "lanes")
    there = {"k": "r"}
    plan = UploadPlan(
        WANTED, (UploadRow("https://h/a", "k"),), there, frozenset({"r"}), (), "d", "p", None, None, known, known
    )
    assert str(plan) == "nothing to do, 1 there already"


def test_batch_names_are_new() -> None:
    assert batch_names("b", {"b", "b-3"}, 3) == ("b-2", "b-4", "b-5")


def test_key_of_a_windows_path() -> None:
    assert file_key("day1\\clip.mp4", "0" * 16) == file_key("day1/clip.mp4", "0" * 16)
