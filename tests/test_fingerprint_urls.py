"""Fingerprints see content only, and addresses are kept without anything secret."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebox.core.fingerprint import by_schema_id, canonical, digest, track_number
from lakebox.core.urls import hushed, lasting, stem, unsigned

MASK = "https://api.labelbox.com/api/v1/tasks/{task}/masks/cm1/index/1?Signature={sign}"


def name(node: Any) -> str:
    return digest(canonical(node))


def labelled(task: str = "t1", sign: str = "x", turned: bool = False, **first: Any) -> dict[str, Any]:
    """Annotations of two objects; `turned` writes every dictionary and every list of features the other way round."""
    answers = [{"feature_id": "o1", "value": "a"}, {"feature_id": "o2", "value": "b"}]
    objects: list[dict[str, Any]] = [
        {"feature_id": "f1", "polygon": [{"x": 1, "y": 2}, {"x": 3, "y": 4}], **first},
        {"feature_id": "f2", "composite_mask": {"url": MASK.format(task=task, sign=sign), "color_rgb": [1, 2, 3]},
         "classifications": [{"feature_id": "c1", "checklist_answers": answers[::-1] if turned else answers}]},
    ]  # fmt: skip
    if turned:
        objects = [dict(reversed(node.items())) for node in reversed(objects)]
    found: dict[str, Any] = {"objects": objects, "classifications": [], "segments": {"f1": [[1, 2], [4, 5]]}}
    return dict(reversed(found.items())) if turned else found


@pytest.mark.parametrize(
    "same",
    [labelled(turned=True), labelled(task="t2"), labelled(sign="y")],
    ids=["order of keys and of features", "export task", "signature"],
)
def test_what_does_not_matter(same: dict[str, Any]) -> None:
    assert name(same) == name(labelled())


@pytest.mark.parametrize(
    "other",
    [
        labelled(polygon=[{"x": 3, "y": 4}, {"x": 1, "y": 2}]),
        labelled(polygon=[{"x": 1, "y": 2.000001}, {"x": 3, "y": 4}]),
        labelled(feature_id="f3"),
        labelled(name="new"),
        {**labelled(), "segments": {"f1": [[1, 2], [4, 6]]}},
    ],
    ids=["order of vertices", "a coordinate", "identity", "a key more", "a segment"],
)
def test_what_matters(other: dict[str, Any]) -> None:
    assert name(other) != name(labelled())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_key_order_never_matters(value: dict[str, Any]) -> None:
    assert digest(dict(reversed(value.items()))) == digest(value)


@given(JSON, JSON)
def test_unequal_values_have_unequal_names(left: Any, right: Any) -> None:
    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    assert (digest(left) == digest(right)) is same


@given(st.permutations([{"feature_id": key, "v": i} for i, key in enumerate("abcd")]))
def test_the_order_of_features_never_matters(features: list[dict[str, Any]]) -> None:
    assert name({"objects": features}) == name({"objects": sorted(features, key=lambda node: str(node["feature_id"]))})


def test_track_numbers_are_stable_and_fit_int32() -> None:
    assert track_number("cl123") == 388192486  # it is in users' datasets: it must never change
    numbers = {track_number(str(i)) for i in range(2000)}
    assert len(numbers) == 2000
    assert all(0 <= number < 2**31 for number in numbers)


SECRET = "SECRET"
SIGNED = {
    "labelbox": "https://storage.labelbox.com/o%2Fa.mp4?Expires=1700000000000&KeyName=labelbox-key&Signature=SECRET",
    "google cdn prefix": "https://h/a.mp4?URLPrefix=aHR0&Expires=1&KeyName=k&Signature=SECRET",
    "google v2": "https://storage.googleapis.com/b/a.mp4?GoogleAccessId=me@x.iam&Expires=17&Signature=SECRET",
    "google v4": "https://storage.googleapis.com/b/a.mp4?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=SECRET"
    "&X-Goog-Date=20260101T000000Z&X-Goog-Expires=9&X-Goog-SignedHeaders=host&X-Goog-Signature=SECRET",
    "google token": "https://h/a.mp4?alt=media&access_token=SECRET",
    "firebase": "https://firebasestorage.googleapis.com/v0/b/x/o/a.mp4?alt=media&token=SECRET",
    "aws v2": "https://b.s3.amazonaws.com/a.mp4?AWSAccessKeyId=AKIASECRET&Expires=17&Signature=SECRET",
    "aws v4": "https://b.s3.amazonaws.com/a.mp4?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=SECRET%2F2026"
    "&X-Amz-Date=2026&X-Amz-Expires=9&X-Amz-Security-Token=SECRET&X-Amz-SignedHeaders=host&X-Amz-Signature=SECRET",
    "aws v4 lower case": "https://b.s3.amazonaws.com/a.mp4?x-amz-signature=SECRET&x-amz-credential=SECRET",
    "cloudfront": "https://d.cloudfront.net/a.mp4?Policy=SECRET&Signature=SECRET&Key-Pair-Id=SECRET",
    "azure service": "https://a.blob.core.windows.net/c/a.mp4?sv=2022-11-02&sr=b&sp=r&st=2026&se=2027&spr=https&sig=SECRET",
    "azure account": "https://a.blob.core.windows.net/c/a.mp4?sv=2022&ss=b&srt=co&sp=r&se=2027&sip=1.2.3.4&sig=SECRET",
    "azure delegation": "https://a.blob.core.windows.net/c/a.mp4?skoid=SECRET&sktid=SECRET&skt=1&ske=2&sks=b&skv=3&sv=2022"
    "&sr=b&sp=r&se=2027&sig=SECRET",
    "azure delegated user": "https://a.blob.core.windows.net/c/a.mp4?saoid=SECRET&scid=SECRET&sv=2022&sr=b&sp=r&sig=SECRET",
    "alibaba": "https://b.oss-cn-hangzhou.aliyuncs.com/a.mp4?OSSAccessKeyId=SECRET&Expires=1&Signature=SECRET&security-token=SECRET",
    "password": "https://me:SECRET@h/a.mp4",
    "fragment": "https://h/a.mp4#access_token=SECRET",
}  # fmt: skip


@pytest.mark.parametrize("url", SIGNED.values(), ids=SIGNED.keys())
def test_nothing_secret_is_left(url: str) -> None:
    kept = unsigned(url)
    assert SECRET not in kept
    assert "a.mp4" in kept
    assert "Expires" not in kept
    assert "se=" not in kept.replace("response=", "")


@pytest.mark.parametrize("url", SIGNED.values(), ids=SIGNED.keys())
def test_signing_again_gives_the_same_address(url: str) -> None:
    again = url.replace(SECRET, "OTHER").replace("17", "99").replace("2026", "2028").replace("=2027", "=2031")
    assert unsigned(again) == unsigned(url)


@pytest.mark.parametrize("url", SIGNED.values(), ids=SIGNED.keys())
@pytest.mark.parametrize("line", ["{}", '"GET {} HTTP/1.1" 200 5', "{{'file': '{}'}}", '{{\\"file\\": \\"{}\\"}}'])
def test_no_line_shows_a_signature(url: str, line: str) -> None:
    for written in (url, url.replace("&", "\\u0026")):
        said = hushed(line.format(written) + " after")
        assert "SECRET" not in said
        assert said.endswith("after")


def test_no_line_shows_the_signature_of_an_address_within_another() -> None:
    assert hushed(f"https://h/?{urlencode({'to': SIGNED['aws v4']})} after") == "https://h/?... after"


def test_other_lines_are_as_they_were() -> None:
    for line in ("https://h/a.mp4?versionId=3#t=5", "why? because", "a.mp4?id=1&sv=2", "50 %?", "me@example.com"):
        assert hushed(line) == line


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://h/a.mp4", "https://h/a.mp4"),
        ("https://h/a.mp4?versionId=3&X-Amz-Signature=x", "https://h/a.mp4?versionId=3"),
        ("https://h/a.mp4?generation=17&Signature=x", "https://h/a.mp4?generation=17"),
        ("https://h/play?id=1&sv=2&se=3", "https://h/play?id=1&sv=2&se=3"),
        ("https://h/user@home/a.mp4", "https://h/user@home/a.mp4"),
        ("clips/a b.mp4", "clips/a b.mp4"),
        ("clips/a?b#c@d.mp4", "clips/a?b#c@d.mp4"),
        ("s3://bucket/a.mp4", "s3://bucket/a.mp4"),
    ],
)
def test_what_names_the_content_stays(url: str, kept: str) -> None:
    assert unsigned(url) == kept


@given(st.lists(st.tuples(st.sampled_from(["id", "Signature", "sig", "se", "v"]), st.text()), max_size=4))
def test_unsigning_twice_changes_nothing(query: list[tuple[str, str]]) -> None:
    once = unsigned(f"https://h/a.mp4?{urlencode(query)}")
    assert unsigned(once) == once


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (MASK.format(task="a", sign="1"), MASK.format(task="b", sign="2"), True),
        (MASK.format(task="a", sign="1"), MASK.format(task="a", sign="1").replace("cm1", "cm2"), False),
        (MASK.format(task="a", sign="1"), MASK.format(task="a", sign="1").replace("index/1", "index/2"), False),
        ("https://h/tasks/1/file.png", "https://h/tasks/2/file.png", False),
    ],
    ids=["export task", "mask", "frame", "somebody else's tasks"],
)
def test_what_lasts_of_a_masks_address(left: str, right: str, same: bool) -> None:
    assert (lasting(left) == lasting(right)) is same


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://h/dir/clip%2007.mp4?Expires=1", "clip 07"),
        ("dir/clip.v2.mp4", "clip.v2"),
        ("what?.mp4", "what?"),
        ("clip", "clip"),
        ("", ""),
        ("https://h/", ""),
    ],
)
def test_stem(address: str, expected: str) -> None:
    assert stem(address) == expected


def test_names_count_only_where_there_is_no_schema_id() -> None:
    def labelled(name: str, option: str, uid: str = "s1") -> str:
        answer = {"feature_schema_id": "o1", "name": option, "value": option.lower()}
        return digest(by_schema_id({"feature_schema_id": uid, "name": name, "value": name, "radio_answer": answer}))

    assert labelled("Car", "Red") == labelled("Auto", "Rot")
    assert labelled("Car", "Red") != labelled("Car", "Red", "s2")
    assert labelled("Car", "Red", "") != labelled("Auto", "Red", "")
    text = {"feature_schema_id": "q", "name": "Note", "text_answer": {"content": "a"}}
    assert digest(by_schema_id(text)) != digest(by_schema_id({**text, "text_answer": {"content": "b"}}))
