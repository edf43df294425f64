"""Reading a project: which data rows there are, what fails, and when a missing one may count as removed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from lakebox.core.frames import All, Annotated, Range
from lakebox.core.labels import Benchmark, Latest, Single
from lakebox.core.model import Asset, Ontology, Tool
from lakebox.core.ports import SourceRow
from lakebox.core.scan import Reading, Scan, scan
from lakebox.errors import ConfigError, SourceError

VIDEO: dict[str, Any] = {"asset_type": "video", "width": 8, "height": 6, "frame_rate": 10, "frame_count": 5}
IMAGE: dict[str, Any] = {"asset_type": "image", "width": 8, "height": 6}


def box(name: str = "Car", left: float = 0, fid: str = "f1") -> dict[str, Any]:
    shape = {"left": left, "top": 0, "width": 1, "height": 1}
    return {"feature_id": fid, "feature_schema_id": f"s-{name}", "name": name,
            "annotation_kind": "VideoBoundingBox", "bounding_box": shape}  # fmt: skip


def made(id: str, created: str = "", by: str = "", frames: Any = None, **more: Any) -> dict[str, Any]:
    """A label."""
    details = {"created_at": created, "created_by": by} if created or by else {}
    return {
        "id": id,
        "label_kind": "Video",
        "label_details": details,
        "annotations": {"frames": frames if frames is not None else {"1": {"objects": {"f1": box()}}}},
        **more,
    }


def row(
    id: str, *labels: dict[str, Any], media: dict[str, Any] = VIDEO, project: str = "p", status: str = "", **data: Any
) -> dict[str, Any]:
    own = {"name": project.upper(), "labels": list(labels), "project_details": {"workflow_status": status}}
    data_row = {"id": id, "row_data": f"https://h/{id}.mp4", "external_id": f"{id}.mp4", **data}
    return {"data_row": data_row, "media_attributes": media, "projects": {project: own}}


def read(
    *rows: dict[str, Any] | Any | None,
    project: str | None = "p",
    labels: Any = Latest(),  # noqa: B008 - it has no state
    frames: Any = All(),  # noqa: B008
    given: Ontology | None = None,
    limit: int | None = None,
) -> Scan:
    """None among the rows is a line that is not JSON."""
    lines: Iterable[SourceRow] = (
        SourceRow(i * 100, i + 1, data, "" if data is not None else f"line {i + 1} is not JSON")
        for i, data in enumerate(rows)
    )
    return scan(lines, project, Reading(labels, frames, "jpeg"), given, limit)


def ids(found: Scan) -> list[str]:
    return [asset.id for asset in found.assets]


def one(*rows: dict[str, Any], **how: Any) -> Asset:
    (asset,) = read(*rows, **how).assets
    return asset


def test_rows_come_in_the_order_of_the_export() -> None:
    found = read(row("b", made("L")), row("a"), row("c"))
    assert (ids(found), [asset.position for asset in found.assets]) == (["b", "a", "c"], [0, 100, 200])
    assert (found.project_id, found.project_name, found.whole, found.failures) == ("p", "P", True, [])


def test_what_is_known_of_a_data_row() -> None:
    details = {"dataset_id": "d1", "dataset_name": "D"}
    data = row("a", made("L"), global_key="g", external_id="dir/clip 1.mp4", details=details)
    data["projects"]["p"]["project_details"]["ontology_id"] = "o1"
    asset = one(data)
    assert (asset.name, asset.label_id) == ("clip 1", "L")
    facts = asset.facts
    assert (facts.global_key, facts.external_id, facts.dataset_id, facts.dataset_name, facts.project_name) == (
        "g", "dir/clip 1.mp4", "d1", "D", "P",
    )  # fmt: skip
    assert facts.ontology_id == "o1"
    media = asset.media
    assert (media.kind, media.width, media.height, media.frames, media.rate) == ("video", 8, 6, 5, 10.0)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"external_id": "x/y.z.mp4"}, "y.z"),
        ({"external_id": None}, "a"),
        ({"external_id": "", "row_data": "https://h/clip%2007.mp4?Signature=x"}, "clip 07"),
        ({"external_id": "", "row_data": "https://h/"}, "a"),
    ],
)
def test_names(data: dict[str, Any], name: str) -> None:
    assert one(row("a", **data)).name == name


@pytest.mark.parametrize(
    ("media", "url", "labels", "kind"),
    [
        ({"asset_type": "Video"}, "u", [], "video"),
        ({"mime_type": "video/mp4"}, "u", [], "video"),
        ({"mime_type": "image/jpeg"}, "u", [], "image"),
        ({}, "u", [made("L")], "video"),
        ({}, "u", [made("L", label_kind="Default", annotations={"objects": []})], "image"),
        ({"frame_count": 3}, "u", [], "video"),
        ({}, "https://h/a.MP4?Signature=x", [], "video"),
        ({}, "https://h/a.jpg", [], "image"),
        (None, "https://h/a.jpg", [], "image"),
    ],
)
def test_media_types_of_old_exports(media: Any, url: str, labels: list[Any], kind: str) -> None:
    assert one(row("a", *labels, media=media, row_data=url)).media.kind == kind


def test_an_image_is_one_frame() -> None:
    assert one(row("a", media={**IMAGE, "frame_count": 9})).media.frames == 1


def test_other_media_fail_by_name() -> None:
    found = read(row("a", media={"asset_type": "audio"}), row("b"))
    assert ids(found) == ["b"]
    assert (found.failures[0].data_row_id, found.failures[0].stage) == ("a", "parse")
    assert "audio" in found.failures[0].error


# --- projects --------------------------------------------------------------------------------------------------------


def both(id: str) -> dict[str, Any]:
    data = row(id, made("Lp"))
    data["projects"]["q"] = {"name": "Q", "labels": [made("Lq")]}
    return data


def test_the_only_project_needs_no_name() -> None:
    found = read(row("a"), row("b"), project=None)
    assert (found.project_id, ids(found)) == ("p", ["a", "b"])


def test_the_asked_project_counts() -> None:
    found = read(both("a"), row("b"), project="q")
    assert [(asset.id, asset.label_id) for asset in found.assets] == [("a", "Lq")]
    assert found.project_name == "Q"
    assert any("1 data rows" in text for text in found.warnings)


@pytest.mark.parametrize("rows", [[both("a")], [row("a"), row("b", project="q")]])
def test_several_projects_must_be_told_apart(rows: list[Any]) -> None:
    with pytest.raises(ConfigError, match=r"project_id: .*p \(P\), q \(Q\)"):
        read(*rows, project=None)


def test_an_unknown_project_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(ConfigError, match=r"project_id: 'x'.*p \(P\)"):
        read(row("a"), project="x")


@pytest.mark.parametrize("rows", [[], [{**row("a"), "projects": {}}], [{**row("a"), "projects": None}]])
@pytest.mark.parametrize("project", ["p", None])
def test_a_project_without_data_rows_is_an_error(rows: list[Any], project: str | None) -> None:
    with pytest.raises(SourceError, match="no data rows"):
        read(*rows, project=project)


# --- broken rows -----------------------------------------------------------------------------------------------------

BROKEN = {
    "annotations": row("x", made("L", frames={"0": {}})),
    "label without id": row("x", {"annotations": {}}),
    "label is text": row("x", "label"),  # type: ignore[arg-type]
    "no row_data": {**row("x"), "data_row": {"id": "x"}},
    "width is text": row("x", media={**VIDEO, "width": "wide"}),
    "date": row("x", made("L", created="yesterday")),
    "several labels": row("x", made("L1"), made("L2")),
}
NAMELESS: dict[str, Any] = {
    "not JSON": None,
    "no data_row": {"projects": {"p": {"labels": []}}},
    "data_row is text": {**row("x"), "data_row": "x"},
    "data_row without id": {**row("x"), "data_row": {"row_data": "u"}},
    "projects is a list": {"projects": [1]},
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_row_fails_alone_and_by_id(broken: Any) -> None:
    found = read(row("a"), broken, row("b"), labels=Single())
    assert ids(found) == ["a", "b"]
    (failure,) = found.failures
    assert (failure.data_row_id, failure.stage) == ("x", "parse")
    assert "line 2" in failure.error


@pytest.mark.parametrize("broken", NAMELESS.values(), ids=NAMELESS.keys())
def test_a_row_that_cannot_be_named_forbids_every_drop(broken: Any) -> None:
    found = read(row("a"), broken, row("b"))
    assert ids(found) == ["a", "b"]
    assert not found.whole
    (failure,) = found.failures
    assert "line 2" in failure.name + failure.error


def test_nothing_but_broken_rows_is_a_list_of_failures() -> None:
    assert len(read(None, None).failures) == 2


def test_a_data_row_twice_is_taken_neither_way() -> None:
    found = read(row("a", made("L1")), row("b"), row("a", made("L2")))
    assert ids(found) == ["b"]
    (failure,) = found.failures
    assert failure.data_row_id == "a"
    assert "lines 1, 3" in failure.error


def test_a_data_row_twice_and_once_broken_is_taken_neither_way() -> None:
    found = read(row("a"), row("a", made("L", frames={"0": {}})))
    assert ids(found) == []
    assert {failure.data_row_id for failure in found.failures} == {"a"}


def test_a_limit_forbids_every_drop() -> None:
    found = read(row("a"), row("b"), row("c"), limit=2)
    assert (ids(found), found.whole) == (["a", "b"], False)
    assert read(row("a"), row("b"), limit=2).whole


# --- labels ----------------------------------------------------------------------------------------------------------


def test_the_latest_label_counts() -> None:
    labels = [made("old", "2024-01-01T00:00:00+00:00"), made("new", "2024-01-01T00:30:00-01:00"),
              made("mid", "2024-01-01T01:00:00Z")]  # fmt: skip
    assert one(row("a", *labels)).label_id == "new"


@pytest.mark.parametrize("labels", [[], None])
def test_a_row_without_labels_is_unlabelled(labels: Any) -> None:
    data = row("a")
    data["projects"]["p"]["labels"] = labels
    assert one(data).label_id == ""


def test_labels_may_be_absent() -> None:
    data = row("a")
    del data["projects"]["p"]["labels"]
    assert one(data).label_id == ""


def test_skipped_labels_do_not_count_and_are_mentioned() -> None:
    skipped = made("new", "2025-01-01T00:00:00Z", performance_details={"skipped": True})
    found = read(row("a", made("old", "2024-01-01T00:00:00Z"), skipped), row("b", skipped))
    assert [asset.label_id for asset in found.assets] == ["old", ""]
    assert any("2 labels were skipped" in text for text in found.warnings)


def test_an_empty_label_is_a_label() -> None:
    assert one(row("a", made("L", frames={}))).label_id == "L"


@pytest.mark.parametrize(
    ("status", "statuses", "counts"),
    [("DONE", ["Done"], True), ("IN_REVIEW", ["DONE"], False), ("", ["DONE"], False), ("IN_REVIEW", [], True),
     ("IN_REVIEW", ["DONE", "InReview"], True)],
)  # fmt: skip
def test_workflow_statuses(status: str, statuses: list[str], counts: bool) -> None:
    found = one(row("a", made("L"), status=status), labels=Latest(statuses=statuses))
    assert (found.label_id == "L") is counts


def test_benchmarks_are_named_by_any_label_of_the_row() -> None:
    judged = made("L2", performance_details={"benchmark_reference_label": "L1"})
    assert one(row("a", made("L1"), judged), labels=Benchmark()).label_id == "L1"
    assert one(row("a", made("L1"), made("L2")), labels=Benchmark()).label_id == ""


# --- ontology --------------------------------------------------------------------------------------------------------


def test_the_ontology_is_derived_without_one() -> None:
    assert [tool.name for tool in read(row("a", made("L"))).ontology.tools] == ["Car"]


def test_the_ontology_of_another_project_is_refused() -> None:
    other = Ontology((Tool("s-x", "rectangle", "Boat"),))
    with pytest.raises(ConfigError, match=r"source\.ontology.*'Car'"):
        read(row("a", made("L")), given=other)
    assert ids(read(row("a"), given=other)) == ["a"]


def test_archived_features_are_added_and_mentioned() -> None:
    labels = made("L", frames={"1": {"objects": {"f1": box(), "f2": box("Boat", fid="f2")}}})
    found = read(row("a", labels), given=Ontology((Tool("s-Car", "rectangle", "Car"),)))
    assert [tool.name for tool in found.ontology.tools] == ["Car", "Boat"]
    assert any("Boat" in text for text in found.warnings)


# --- fingerprints ----------------------------------------------------------------------------------------------------


def stamps(asset: Asset) -> tuple[str, str]:
    return asset.media_stamp, asset.labels_stamp


BASE = row("a", made("L", "2024-01-01T00:00:00Z", "ann"))
RELABELLED = {
    "a moved box": row("a", made("L", "2024-01-01T00:00:00Z", "ann", frames={"1": {"objects": {"f1": box(left=1)}}})),
    "another label": row("a", made("M", "2024-01-01T00:00:00Z", "ann")),
    "unlabelled": row("a"),
    "another annotator": row("a", made("L", "2024-01-01T00:00:00Z", "bob")),
    "another global key": row("a", made("L", "2024-01-01T00:00:00Z", "ann"), global_key="g"),
}


@pytest.mark.parametrize("changed", RELABELLED.values(), ids=RELABELLED.keys())
def test_changed_labels_leave_the_media_alone(changed: Any) -> None:
    media, labels = stamps(one(BASE))
    assert stamps(one(changed))[0] == media
    assert stamps(one(changed))[1] != labels


@pytest.mark.parametrize("frames", [All(), Range(start=0)])
def test_changed_labels_leave_media_alone_whose_frame_count_is_not_declared(frames: Any) -> None:
    media = {key: value for key, value in VIDEO.items() if key != "frame_count"}
    longer = made("L", frames={"1": {"objects": {"f1": box()}}, "4": {"objects": {"f1": box()}}})
    before, after = (one(row("a", label, media=media), frames=frames) for label in (made("L"), longer))
    assert before.media_stamp == after.media_stamp
    assert before.labels_stamp != after.labels_stamp


@pytest.mark.parametrize(
    "changed",
    [
        row("a", row_data="https://h/b.mp4"),
        row("a", media={**VIDEO, "width": 9}),
        row("a", media={**VIDEO, "frame_count": 6}),
    ],
    ids=["address", "size", "frames"],
)
def test_changed_media(changed: Any) -> None:
    assert one(changed).media_stamp != one(row("a")).media_stamp


def test_neither_signatures_nor_positions_matter() -> None:
    signed = row("a", made("L", "2024-01-01T00:00:00Z", "ann"), row_data="https://h/a.mp4?Expires=9&Signature=z")
    assert stamps(read(row("z"), signed).assets[1]) == stamps(one(BASE))


def test_another_frame_selection_changes_the_media() -> None:
    assert one(BASE, frames=Range(stop=2)).media_stamp != one(BASE).media_stamp


def test_a_repainted_mask_keeps_its_address_but_not_its_date() -> None:
    def painted(date: str) -> Asset:
        node = {"feature_id": "m", "name": "Sky", "annotation_kind": "VideoSegmentationMask", "mask": {"url": "m.png"}}
        label = made("L", frames={"1": {"objects": {"m": node}}})
        label["label_details"] = {"updated_at": date}
        return one(row("a", label))

    assert painted("2024-01-01T00:00:00Z").labels_stamp != painted("2024-01-02T00:00:00Z").labels_stamp


# --- frames ----------------------------------------------------------------------------------------------------------


def test_rows_without_a_selected_frame_are_left_out_and_mentioned() -> None:
    found = read(row("a"), row("b", made("L")), frames=Annotated())
    assert (ids(found), found.failures) == (["b"], [])
    assert any("1 data rows have no frame" in text for text in found.warnings)


def test_a_video_of_unknown_length_is_not_left_out_before_it_is_opened() -> None:
    media = {key: value for key, value in VIDEO.items() if key != "frame_count"}
    assert ids(read(row("a", media=media), frames=Range(start=3))) == ["a"]
