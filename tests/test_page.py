"""The page: what it holds, checked without a browser. `test_browser.py` opens it in one."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import deeplake
import numpy as np
import pytest
from PIL import Image
from support.tiny import (
    CLIPS,
    HEIGHT,
    WIDTH,
    Clip,
    car_box,
    column,
    command,
    delete_label,
    edited,
    edited_ontology,
    move_object,
    overrides,
    read_number,
    road_mask,
    sync,
    write_project,
)

from lakebox import load_config, run
from lakebox.adapters import page
from lakebox.adapters.deep_lake import LocalStorage
from lakebox.core.colours import COLOURS
from lakebox.core.page import Doing, Picture, Shown, runs
from lakebox.core.preview import Tile
from lakebox.core.statistics import Balance, Statistics, merged, statistics
from lakebox.errors import ConfigError
from lakebox.runner import draw
from lakebox.tasks.page import Page

pytest_plugins = ["support.tiny_fixtures"]

ROWS = sum(clip.frames for clip in CLIPS)


def data_of(file: Path) -> dict[str, Any]:
    """What the page's script draws."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', file.read_text(encoding="utf-8"))
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def previewed(lake: Path, *more: str) -> Path:
    out = lake.parent / "page.html"
    report = run(load_config("task=preview", f"path='{lake}'", f"preview.out='{out}'", *more))
    assert report.ok
    return out


def synced_with_page(project: Path, lake: Path, *more: str) -> tuple[Any, dict[str, Any]]:
    report = run(load_config(*overrides(project, lake, "preview=page", *more)), given={"shows": draw})
    return report, data_of(Path(report.page)) if report.page else {}


def numbers(lake: Path) -> Statistics:
    stored = LocalStorage().find(str(lake))
    assert stored
    return statistics(stored)


def picture(frame: dict[str, Any]) -> Any:
    data = base64.b64decode(frame["image"].removeprefix("data:image/jpeg;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)))


def unpacked(shape: dict[str, Any]) -> Any:
    bits = np.repeat(np.arange(len(shape["runs"])) % 2, shape["runs"]).astype(bool)
    return bits.reshape(shape["size"][1], shape["size"][0])


def test_every_frame_of_the_page_is_the_frame_it_says(lake: Path) -> None:
    data = data_of(previewed(lake, "preview.max_frames=1000"))
    assert [frame["row"] for frame in data["frames"]] == list(range(ROWS))
    assert data["sampled"] == "all of them"
    for frame in data["frames"]:
        clip, number = read_number(picture(frame))
        assert (clip, number) == (frame["asset"], frame["frame"])
        assert frame["key"].endswith(f":{number}") and data["assets"][clip] in frame["title"]


@pytest.mark.parametrize("provider", ["in_place", "branch", "separate"])
@pytest.mark.parametrize("pixels", ["video", "png"])
def test_frames_are_found_wherever_they_are(project: Path, tmp_path: Path, pixels: str, provider: str) -> None:
    options = [f"provider={provider}"]
    options += [f"provider.annotations='{tmp_path / 'labels'}'"] if provider == "separate" else []
    assert sync(project, tmp_path / "lake", f"pixels={pixels}", *options).ok
    data = data_of(previewed(tmp_path / "lake", "preview.max_frames=15", *options))
    assert len(data["frames"]) == 15
    for frame in data["frames"]:
        assert read_number(picture(frame)) == (frame["asset"], frame["frame"])
    if pixels == "video":  # moved away: the labels are drawn all the same
        (tmp_path / "lake_videos").rename(tmp_path / "elsewhere")
        data = data_of(previewed(tmp_path / "lake", "preview.max_frames=3", *options))
        assert all(frame["shapes"] and np.ptp(picture(frame)) < 9 for frame in data["frames"])


def test_objects_are_where_the_dataset_has_them(lake: Path) -> None:
    data = data_of(previewed(lake, "preview.max_frames=1000"))
    names = [(one["column"], one["name"]) for one in data["classes"]]
    tracks = column(lake, "Car/Car_tracks")
    for frame in data["frames"]:
        clip, number = frame["asset"], frame["frame"]
        shapes = {names[shape["class"]][1]: shape for shape in frame["shapes"]}
        last = CLIPS[clip].frames - 1
        np.testing.assert_allclose(shapes["Car"]["at"], car_box(clip, number), atol=0.06)
        assert shapes["Car"].get("between", False) == (number not in (0, last))
        assert shapes["Car"]["track"] == tracks[frame["row"]][0]
        if "Road" in shapes:
            assert np.array_equal(unpacked(shapes["Road"]), road_mask(clip, number))
    roads = sum(any(names[shape["class"]][1] == "Road" for shape in frame["shapes"]) for frame in data["frames"])
    assert roads == sum(len(cell[0, 0]) > 0 for cell in column(lake, "Road")) > 0


def test_runs_begin_with_what_is_not_set() -> None:
    for bits in ([], [0], [1], [0, 0, 1], [1, 1, 0, 1], [1, 0, 0, 0]):
        mask = np.array([bits], bool)
        found = runs(mask)
        assert [at % 2 for at, n in enumerate(found) for _ in range(n)] == bits


def test_few_frames_are_spread_over_all_data_rows(lake: Path) -> None:
    data = data_of(previewed(lake, "preview.max_frames=6"))
    assert Counter(frame["asset"] for frame in data["frames"]) == {0: 2, 1: 2, 2: 2}
    assert data["sampled"] == f"6 of {ROWS} rows"


def test_numbers_of_the_dataset(lake: Path) -> None:
    found = numbers(lake)
    assert (found.rows, found.assets, found.labelled, found.negative, found.unlabelled) == (ROWS, 3, ROWS, 0, 0)
    assert found.annotators == {"ann@example.com": ROWS} and found.sizes == {f"{WIDTH} x {HEIGHT}": 3}
    said = {each.column: dict(each.counts) for each in found.balances}
    assert said["Car/Car_tracks"] == {"Car": ROWS} and said["Road_tracks"]["Road"] == sum(
        cell.shape[2] for cell in column(lake, "Road")
    )
    weather = Counter(int(index) for cell in column(lake, "Weather") for index in cell)
    assert list(said["Weather"].values())[: len(weather)] == [weather[at] for at in range(len(weather))]
    tracks = ("Car/Car_tracks", "Walker_tracks", "Lane_tracks", "Road_tracks")
    per_row = np.sum([[len(cell) for cell in column(lake, name)] for name in tracks], axis=0)
    assert found.per_row == Counter(per_row.tolist())


def test_classes_of_objects_come_first_and_the_frequent_ones_above() -> None:
    answers = Balance("boxes/occluded", "objects", (("not", 1), ("partly", 5)))
    weather = Balance("weather", "rows", (("sun", 0), ("rain", 3)))
    boxes = Balance("boxes/boxes_labels", "objects", (("a", 1), ("b", 0), ("c", 4)))
    tools = [Balance(f"{name}_tracks", "objects", ((name, count),)) for name, count in (("x", 2), ("y", 7))]
    assert list(merged([answers, weather, boxes, *tools]).items()) == [
        ("Objects", (("y", 7), ("x", 2))),
        ("Classes of boxes", (("c", 4), ("a", 1), ("b", 0))),
        ("weather", weather.counts),
        ("boxes/occluded", answers.counts),
    ]


def test_columns_that_say_nothing_yet_are_named_and_not_drawn(project: Path, tmp_path: Path) -> None:
    with edited(project) as rows:
        for row in rows:
            delete_label(row)
    report, _ = synced_with_page(project, tmp_path / "lake")
    text = Path(report.page).read_text(encoding="utf-8")
    assert "Columns of which no class occurs yet: Weather · Site · Car/Colour</p>" in text
    assert re.findall(r"<figcaption>(.*)</figcaption>", text)[-2:] == ["Rows", "Data rows by frame size"]


def test_one_is_no_plural() -> None:
    shown = Shown(Doing("Preview", "lake"), Statistics(assets=1, labelled=2), [], ["a"], [])
    text = page.draw(shown).decode()
    for said in ("<b>1</b> <span>data row</span>", "<b>2</b> <span>labelled rows</span>", "<b>0</b> <span>rows</span>"):
        assert said in text


def test_negative_and_unlabelled_rows_are_told_apart(project: Path, tmp_path: Path) -> None:
    with edited(project) as rows:
        delete_label(rows[0])
        rows[1]["projects"]["clproject0"]["labels"][0]["annotations"] = {"frames": {}, "classifications": []}
    lake = tmp_path / "lake"
    report, _ = synced_with_page(project, lake)
    text = Path(report.page).read_text(encoding="utf-8")
    for number, name in ((8, "labelled rows"), (20, "negative"), (12, "not labelled")):
        assert f"<b>{number}</b> <span>{name}</span>" in text


def test_an_answer_in_words_is_an_answer(project: Path, tmp_path: Path) -> None:
    with edited(project) as rows:
        for row in rows:
            annotations = row["projects"]["clproject0"]["labels"][0]["annotations"]
            annotations["frames"], annotations["segments"] = {}, {}
            del annotations["classifications"][0]
    assert sync(project, tmp_path / "lake").ok
    found = numbers(tmp_path / "lake")
    assert (found.labelled, found.negative, found.unlabelled) == (ROWS, 0, 0)


def test_cells_that_were_never_written_say_nothing(project: Path, tmp_path: Path) -> None:
    """Labels of one data row cannot be used, so its new columns stay as they are."""
    lake = tmp_path / "lake"
    assert sync(project, lake, "task=create").ok
    shutil.rmtree(project / "masks")
    with edited(project) as rows:
        for row in rows[1:]:
            annotations = row["projects"]["clproject0"]["labels"][0]["annotations"]
            for spelled in annotations["frames"].values():
                for name in [name for name in spelled["objects"] if name.startswith("road")]:
                    del spelled["objects"][name]
    report, data = synced_with_page(project, lake, "task=annotate")
    assert [failure.data_row_id for failure in report.failures] == ["row0"] and report.page
    found = numbers(lake)
    assert (found.labelled, found.unlabelled) == (ROWS - CLIPS[0].frames, CLIPS[0].frames)
    assert not any(frame["shapes"] for frame in data["frames"] if frame["asset"] == 0)


def test_changes_of_a_long_video_with_masks(tmp_path: Path) -> None:
    """More frames than are compared at once."""
    project, lake = write_project(tmp_path / "project", [Clip(0, 80)]), tmp_path / "lake"
    assert sync(project, lake, "pixels=none").ok
    before = deeplake.open_read_only(str(lake)).version
    with edited(project) as rows:
        move_object(rows[0], "car0", 0, by=2)
    assert sync(project, lake, "pixels=none").ok
    report = run(load_config("task=diff", f"path='{lake}'", f"task.from_version='{before}'"))
    assert report.changes and list(report.changes[0]["frames"]) == list(range(79))


def test_a_drawing_that_breaks_is_no_failure_of_the_run(project: Path, tmp_path: Path) -> None:
    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    report = run(load_config(*overrides(project, tmp_path / "lake", "preview=page")), given={"shows": breaks})
    assert report.ok and report.page == "" and report.dataset.rows == ROWS


def test_a_run_that_changes_something_makes_a_page(project: Path, tmp_path: Path) -> None:
    report, data = synced_with_page(project, tmp_path / "lake", "tag=monday")
    assert report.page == str(tmp_path / "lake.html") and report.as_dict()["page"] == report.page
    text = Path(report.page).read_text(encoding="utf-8")
    assert report.plan in text and report.dataset.version in text and "monday" in text
    assert not any(frame.get("changed") for frame in data["frames"]), "all of it is new, so nothing stands out"
    Path(report.page).unlink()
    again, _ = synced_with_page(project, tmp_path / "lake")
    assert again.page == "" and not Path(report.page).exists()


def test_nobody_looks_unless_somebody_draws(project: Path, tmp_path: Path) -> None:
    assert sync(project, tmp_path / "lake").page == ""
    report = run(load_config(*overrides(project, tmp_path / "other", "preview=none")), given={"shows": draw})
    assert report.page == "" and not list(tmp_path.glob("*.html"))


def test_what_changed_comes_first_with_what_was_before(project: Path, lake: Path) -> None:
    with edited(project) as rows:
        move_object(rows[1], "walker1", 3, by=7)
    report, data = synced_with_page(project, lake, "preview.max_frames=6")
    assert report.assets["relabelled"] == 1
    changed = [frame for frame in data["frames"] if frame.get("changed")]
    assert [(frame["asset"], frame["frame"]) for frame in changed] == [(1, 3)]
    names = [one["name"] for one in data["classes"]]
    now, before = (
        next(shape["at"] for shape in shapes if names[shape["class"]] == "Walker")
        for shapes in (changed[0]["shapes"], changed[0]["before"]["shapes"])
    )
    assert now[0] - before[0] == pytest.approx(7) and len(data["frames"]) == 6


def test_a_preview_since_a_version(project: Path, lake: Path) -> None:
    with edited(project) as rows:
        move_object(rows[1], "walker1", 3, by=7)
    before = deeplake.open_read_only(str(lake)).version
    assert sync(project, lake).ok
    data = data_of(previewed(lake, f"task.since='{before}'"))
    assert [(f["asset"], f["frame"]) for f in data["frames"] if f.get("changed")] == [(1, 3)]
    earlier = data_of(previewed(lake, f"task.version='{before}'", "preview.max_frames=1000"))
    names = [one["name"] for one in earlier["classes"]]
    frame = next(f for f in earlier["frames"] if (f["asset"], f["frame"]) == (1, 3))
    assert next(s["at"][0] for s in frame["shapes"] if names[s["class"]] == "Walker") == pytest.approx(1.0)


def test_failures_are_on_the_page(project: Path, tmp_path: Path) -> None:
    (project / CLIPS[1].url).unlink()
    report, _ = synced_with_page(project, tmp_path / "lake")
    text = Path(report.page).read_text(encoding="utf-8")
    assert "1 failed" in text and "row1" in text and "clip1.mp4" in text


def test_a_run_of_which_all_failed(project: Path, tmp_path: Path) -> None:
    for clip in CLIPS:
        (project / clip.url).unlink()
    report, data = synced_with_page(project, tmp_path / "lake")
    text = Path(report.page).read_text(encoding="utf-8")
    assert "3 failed" in text and "The dataset has no rows yet." in text and data["frames"] == []


HOSTILE = "</script><script>document.title=1</script>"


def test_text_of_annotators_stays_text(project: Path, tmp_path: Path) -> None:
    with edited_ontology(project) as ontology:
        ontology["tools"][1]["name"] = HOSTILE
    with edited(project) as rows:
        for row in rows:
            label = row["projects"]["clproject0"]["labels"][0]
            label["label_details"]["created_by"] = "<img src=x onerror=alert(1)> 注釈者"
            label["annotations"]["classifications"][1]["text_answer"]["content"] = "<b>$\\alpha$</b> & \u2028"
            row["data_row"]["external_id"] = "<svg onload=alert(2)>.mp4"
            for spelled in label["annotations"]["frames"].values():
                for thing in spelled["objects"].values():
                    thing["name"] = HOSTILE if thing["name"] == "Walker" else thing["name"]
    report, data = synced_with_page(project, tmp_path / "lake")
    assert report.ok
    text = Path(report.page).read_text(encoding="utf-8")
    assert re.findall(r"<script[^>]*>", text) == ['<script type="application/json" id="data">', "<script>"]
    assert not re.search(r"<(img|svg|b) (src=x|onload)|<b>\$", text)
    assert HOSTILE in [one["name"] for one in data["classes"]], "and it is shown as it is"
    assert any("<b>$" in fact for frame in data["frames"] for fact in frame["facts"])


def test_the_page_needs_nothing_else(lake: Path) -> None:
    text = previewed(lake).read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy and "default-src 'none'" in policy[1] and "unsafe" not in policy[1]
    addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert addresses and all(address.startswith("data:image/svg+xml;base64,") for address in addresses)


def test_a_page_has_a_size_that_it_does_not_exceed() -> None:
    rng = np.random.default_rng(0)
    noise = [Tile(rng.integers(0, 256, (720, 1280, 3), np.uint8), f"frame {at}", (), ()) for at in range(20)]
    pictures = [Picture(at, f"a:{at}", 0, at, tile) for at, tile in enumerate(noise)]
    shown = Shown(Doing("Preview", "lake"), Statistics(rows=20), pictures, ["a"], [])
    whole, small = page.draw(shown), page.draw(shown, most=1_000_000)
    assert len(whole) < 10_000_000 and len(small) <= 1_000_000 < len(whole)
    assert small.count(b"data:image/jpeg") == whole.count(b"data:image/jpeg") == 20


def test_classes_keep_their_colours(lake: Path) -> None:
    all_of_them, few = (
        {one["name"]: one["colour"] for one in data_of(previewed(lake, f"preview.max_frames={count}"))["classes"]}
        for count in (1000, 1)
    )
    assert set(all_of_them.values()) <= set(COLOURS) and len(set(all_of_them.values())) == 4
    assert all(all_of_them[name] == colour for name, colour in few.items()) and few


def test_rows_without_pixels_are_drawn_on_nothing(project: Path, tmp_path: Path) -> None:
    report, data = synced_with_page(project, tmp_path / "lake", "pixels=none")
    assert report.ok and [data["frames"][0]["size"]] == [[WIDTH, HEIGHT]]
    assert picture(data["frames"][0]).std() < 3


@pytest.mark.parametrize("provider", ["branch", "separate"])
def test_annotations_apart_are_drawn_on_their_frames(project: Path, tmp_path: Path, provider: str) -> None:
    _, data = synced_with_page(project, tmp_path / "lake", f"provider={provider}", "preview.max_frames=1000")
    assert len(data["frames"]) == ROWS
    assert all(read_number(picture(frame)) == (frame["asset"], frame["frame"]) for frame in data["frames"])


@pytest.mark.parametrize(
    ("path", "file"),
    [("lake/lanes", "lake/lanes.html"), ("/data/x/", "/data/x.html"), ("s3://bucket/a/lanes", "lanes.html")],
)
def test_where_a_page_goes(path: str, file: str) -> None:
    assert Page().file(path) == Path(file)
    assert Page(format="png").file(path) == Path(file).with_suffix(".png")
    assert Page(format="rerun").file(path) == Path(file).with_suffix(".rrd")
    assert Page(out=Path("there.html")).file(path) == Path("there.html")


def test_what_cannot_be_drawn_is_said(lake: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="preview=none"):
        run(load_config("task=preview", f"path='{lake}'", "preview=none"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"preview\.out.*cannot be written"):
        run(load_config("task=preview", f"path='{lake}'", f"preview.out='{tmp_path / 'file' / 'page.html'}'"))
    with pytest.raises(ConfigError, match="nowhere"):
        run(load_config("task=preview", "path=nowhere"))


def test_a_page_that_fails_is_no_failure_of_the_run(project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    options = overrides(project, "lake", "preview=page", f"preview.out='{tmp_path / 'file' / 'page.html'}'")
    done = command(*options, cwd=tmp_path)
    assert done.returncode == 0 and "no page: preview.out" in done.stderr
