"""The recording: what Rerun's viewer shows at a time, read back with Rerun's own reader, and no viewer."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import deeplake
import numpy as np
import pytest
from PIL import Image
from rerun.chunk import RrdReader
from support.tiny import (
    CLIPS,
    HEIGHT,
    ROAD_FRAMES,
    WIDTH,
    car_box,
    column,
    command,
    edited,
    move_object,
    overrides,
    read_number,
    road_mask,
    sync,
    walker_box,
)

from lakebox import load_config, run
from lakebox.adapters.recording import MOST_TABS, record
from lakebox.core.colours import COLOURS, class_colour
from lakebox.core.page import Doing, Picture, Shown
from lakebox.core.preview import Overlay, OverlayKind, Tile
from lakebox.core.statistics import Statistics
from lakebox.core.tint import tinted
from lakebox.errors import ConfigError
from lakebox.runner import draw
from lakebox.tasks.page import Page

pytest_plugins = ["support.tiny_fixtures"]

ROWS = sum(clip.frames for clip in CLIPS)
FIRST_ROWS = {0: 0, 1: CLIPS[0].frames, 2: CLIPS[0].frames + CLIPS[1].frames}


class Recording:
    """A recording as the viewer sees it."""

    def __init__(self, file: Path) -> None:
        reader = RrdReader(file)
        (self.store,) = reader.recordings()
        self.blueprints = len(reader.blueprints())
        self._values: dict[tuple[str, str], list[tuple[dict[str, int], bytes, Any]]] = {}
        """(entity, component) -> (timeline -> time, row id, value); no times: at all times."""
        for chunk in reader.stream():
            batch = chunk.to_record_batch()
            ids = batch.column("rerun.controls.RowId").to_pylist()
            times = {name: batch.column(name).to_pylist() for name in chunk.timeline_names}
            for name in set(batch.schema.names) - set(times) - {"rerun.controls.RowId"}:
                own = self._values.setdefault((chunk.entity_path, name), [])
                for at, value in enumerate(batch.column(name).to_pylist()):
                    if value is not None:
                        own.append(({timeline: int(each[at]) for timeline, each in times.items()}, ids[at], value))

    def entities(self) -> set[str]:
        return {entity for entity, _ in self._values}

    def times(self, entity: str, component: str) -> list[dict[str, int]]:
        return [times for times, _, _ in sorted(self._values[entity, component], key=lambda each: each[1])]

    def latest(self, entity: str, component: str, timeline: str, time: int) -> Any:
        """What was said last, at this time or before, as in the viewer; None where nothing was."""
        said = [
            (times.get(timeline, -1), row_id, value)
            for times, row_id, value in self._values[entity, component]
            if not times or times.get(timeline, time + 1) <= time
        ]
        return max(said, key=lambda each: each[:2])[2] if said else None

    def text(self, entity: str, timeline: str = "", time: int = 0) -> str:
        (text,) = self.latest(entity, "TextDocument:text", timeline, time)
        return str(text)

    def picture(self, entity: str, timeline: str, time: int) -> Any:
        found = self.latest(entity, "EncodedImage:blob", timeline, time)
        return np.asarray(Image.open(io.BytesIO(bytes(found[0])))) if found else None

    def boxes(self, entity: str, timeline: str, time: int) -> Any:
        """(n, 4) left, top, width, height."""
        half, centre = (
            np.array(self.latest(entity, f"Boxes2D:{part}", timeline, time) or (), np.float64).reshape(-1, 2)
            for part in ("half_sizes", "centers")
        )
        return np.hstack([centre - half, 2 * half])

    def classes(self) -> dict[int, tuple[str, int]]:
        """Number -> (name, colour 0xRRGGBBAA)."""
        (listed,) = self.latest("/", "AnnotationContext:context", "", 0)
        return {each["class_id"]: tuple(each["class_description"]["info"].values())[1:] for each in listed}


def recorded(lake: Path, *more: str) -> Recording:
    report = run(load_config("task=preview", f"path='{lake}'", "preview.format=rerun", *more))
    assert report.ok
    return Recording(lake.with_name(f"{lake.name}.rrd"))


@pytest.fixture(scope="module")
def recording(tiny_lake: Path) -> Recording:
    """All of the dataset."""
    return recorded(tiny_lake)


def times_of(clip: int, frame: int) -> list[tuple[str, int]]:
    return [("frame", frame), ("row", FIRST_ROWS[clip] + frame)]


EVERY = [(clip.number, frame) for clip in CLIPS for frame in range(clip.frames)]


def test_every_frame_shows_the_number_that_it_is_logged_at(recording: Recording) -> None:
    for clip, frame in EVERY:
        for timeline, time in times_of(clip, frame):
            picture = recording.picture(f"/videos/row{clip}/image", timeline, time)
            assert read_number(picture) == (clip, frame) and picture.shape == (HEIGHT, WIDTH, 3)
    logged = [recording.times(f"/videos/row{clip.number}/image", "EncodedImage:blob") for clip in CLIPS]
    assert [time for each in logged for time in each] == [dict(times_of(*each)) for each in EVERY]


def test_sampled_frames_are_at_their_own_numbers(lake: Path) -> None:
    recording = recorded(lake, "preview.max_frames=6")
    for clip in CLIPS:
        entity = f"/videos/row{clip.number}/image"
        times = recording.times(entity, "EncodedImage:blob")
        assert len(times) == 2
        for time in times:
            assert read_number(recording.picture(entity, "frame", time["frame"])) == (clip.number, time["frame"])
    assert f"6 of {ROWS} rows" in recording.text("/about")
    assert Page(format="rerun").frames() == 3000


def test_boxes_are_those_of_the_dataset(recording: Recording, tiny_lake: Path) -> None:
    cells, tracks = column(tiny_lake, "Car/Car"), column(tiny_lake, "Car/Car_tracks")
    for clip, frame in EVERY:
        row = FIRST_ROWS[clip] + frame
        for timeline, time in times_of(clip, frame):
            entity = f"/videos/row{clip}/now/Car\\/Car"
            assert np.array_equal(recording.boxes(entity, timeline, time), cells[row])
            assert np.array_equal(recording.boxes(entity, timeline, time), [car_box(clip, frame)])
            label = recording.latest(entity, "Boxes2D:labels", timeline, time)
            assert label == [f"Car #{tracks[row][0] % 1000:03d}"]


def test_what_is_gone_is_gone(recording: Recording) -> None:
    """The walker is on frames 1 and 3 and nowhere else, the lane on 2 to 5, the road on 2 and 4."""
    for clip, frame in EVERY:
        for timeline, time in times_of(clip, frame):
            now = f"/videos/row{clip}/now"
            walker = [walker_box(clip, frame)] if frame in (1, 3) else np.zeros((0, 4))
            assert np.array_equal(recording.boxes(f"{now}/Walker", timeline, time), walker)
            for what in ("labels", "class_ids", "radii"):
                assert len(recording.latest(f"{now}/Walker", f"Boxes2D:{what}", timeline, time) or ()) == len(walker)
            strips = recording.latest(f"{now}/Lane", "LineStrips2D:strips", timeline, time) or ()
            assert len(strips) == (frame in range(2, 6))
            road = recording.picture(f"{now}/Road", timeline, time)
            names = recording.latest(f"{now}/Road", "Points2D:labels", timeline, time) or ()
            assert (road is not None, len(names)) == (frame in ROAD_FRAMES, frame in ROAD_FRAMES)


def test_masks_are_where_the_dataset_has_them_in_their_colour(recording: Recording) -> None:
    names = dict(recording.classes().values())
    for clip in (0, 1, 2):
        for frame in ROAD_FRAMES:
            picture = recording.picture(f"/videos/row{clip}/now/Road", "frame", frame)
            assert np.array_equal(picture[:, :, 3] > 0, road_mask(clip, frame))
            solid = {tuple(pixel[:3]) for pixel in picture[picture[:, :, 3] == 255].tolist()}
            assert solid == {tuple(names["Road"].to_bytes(4, "big")[:3])}
            (at,) = recording.latest(f"/videos/row{clip}/now/Road", "Points2D:positions", "frame", frame)
            assert road_mask(clip, frame)[int(at[1]), int(at[0])]


def test_classes_have_their_colours_and_numbers(recording: Recording) -> None:
    classes = recording.classes()
    names = [name for name, _ in classes.values()]
    assert set(names) == {"Car", "Walker", "Lane", "Road"} and list(classes) == list(range(4))
    for name, colour in classes.values():
        assert f"#{colour >> 8:06X}" == COLOURS[class_colour(name, names)].upper() and colour & 0xFF == 255
    for kind, entity in (("Boxes2D", "Car\\/Car"), ("LineStrips2D", "Lane")):
        (number,) = recording.latest(f"/videos/row1/now/{entity}", f"{kind}:class_ids", "frame", 3)
        assert classes[number][0] == entity.partition("\\")[0]


def test_keyframes_are_thicker_than_what_lies_between(recording: Recording) -> None:
    for clip in CLIPS:
        drawn = [
            recording.latest(f"/videos/row{clip.number}/now/Car\\/Car", "Boxes2D:radii", "frame", frame)[0]
            for frame in range(clip.frames)
        ]
        assert drawn[0] == drawn[-1] < min(drawn[1:-1]) == max(drawn[1:-1]) < 0, "negative: in points of the screen"


def test_answers_are_beside_the_picture(recording: Recording) -> None:
    for frame, weather in ((0, "sun"), (19, "rain")):
        said = recording.text("/videos/row1/answers/now", "frame", frame)
        assert said.splitlines()[0].endswith(f"frame {frame}") and f"Weather: {weather}" in said
        assert "Note: clip number 1" in said


def test_what_was_before_is_apart(project: Path, lake: Path) -> None:
    with edited(project) as rows:
        move_object(rows[1], "walker1", 3, by=7)
    before = deeplake.open_read_only(str(lake)).version
    assert sync(project, lake).ok
    recording = recorded(lake, f"task.since='{before}'")
    now, earlier = ("/videos/row1/now/Walker", "/videos/row1/before/Walker")
    assert np.array_equal(recording.boxes(earlier, "frame", 3), [walker_box(1, 3)])
    assert np.array_equal(recording.boxes(now, "frame", 3) - recording.boxes(earlier, "frame", 3), [[7, 0, 0, 0]])
    assert len(recording.boxes(earlier, "frame", 2)) == len(recording.boxes(earlier, "frame", 4)) == 0
    assert "Weather" in recording.text("/videos/row1/answers/before", "frame", 3)
    assert "nothing changed" in recording.text("/videos/row1/answers/before", "frame", 4)
    assert not [entity for entity in recording.entities() if "before" in entity and "row1" not in entity]


def test_a_recording_says_what_it_is(project: Path, tmp_path: Path) -> None:
    (project / CLIPS[1].url).unlink()
    lake = tmp_path / "lake"
    options = overrides(project, lake, "preview.format=rerun", "tag=monday")
    report = run(load_config(*options), given={"shows": draw})
    assert report.page == f"{lake}.rrd"
    recording = Recording(Path(report.page))
    about = recording.text("/about")
    for said in ("lakebox sync", str(lake), report.dataset.version, report.plan, "monday", "failed: row1", "clip1.mp4"):
        assert said in about
    assert about.endswith("/videos/row0: clip0\n/videos/row2: clip2")
    assert recording.store.application_id == "lakebox" and recording.blueprints == 1
    assert recording.latest("/__properties", "RecordingInfo:name", "", 0) == [str(lake)]


def test_a_dataset_without_rows(tmp_path: Path) -> None:
    record(Shown(Doing("Preview", "lake"), Statistics(), [], [], []), tmp_path / "empty.rrd")
    assert "0 of 0 rows" in Recording(tmp_path / "empty.rrd").text("/about")


# --- by hand ---------------------------------------------------------------------------------------------------------


def overlay(kind: OverlayKind, shape: Any, name: str = "rabbit", **more: Any) -> Overlay:
    return Overlay(kind, np.asarray(shape), name, **{"track": None, "keyframe": True, "column": "things", **more})


def made(
    file: Path, frames: Iterable[Sequence[Overlay]], *, key: str = "row", media: str = "video", names: Sequence[str] = "a",
    facts: Sequence[str] = (),
) -> Recording:  # fmt: skip
    gray = np.full((9, 16, 3), 118, np.uint8)
    pictures = [
        Picture(at, f"{key}:{at}", 0, at, Tile(gray, f"title {at}", tuple(facts), tuple(overlays)))
        for at, overlays in enumerate(frames)
    ]
    record(Shown(Doing("Preview", "lake"), Statistics(rows=len(pictures)), pictures, names, [], media), file)
    return Recording(file)


def test_images_are_gone_through_by_row(tmp_path: Path) -> None:
    box = overlay("box", [1.0, 2, 3, 4])
    recording = made(tmp_path / "images.rrd", [[box], []], media="image")
    assert recording.times("/images/image", "EncodedImage:blob") == [{"row": 0}, {"row": 1}]
    assert [len(recording.boxes("/images/now/things", "row", row)) for row in (0, 1)] == [1, 0]
    assert recording.text("/images/answers/now", "row", 1) == "title 1"


def test_an_image_project(tmp_path: Path) -> None:
    options = ("source=example", "source.project=image", f"path={tmp_path / 'stills'}", "preview.format=rerun")
    report = run(load_config(*options), given={"shows": draw})
    recording = Recording(Path(report.page))
    assert recording.times("/images/image", "EncodedImage:blob") == [{"row": at} for at in range(report.dataset.rows)]
    assert not [entity for entity in recording.entities() if entity.startswith("/videos")]


def test_no_coordinate_is_rounded(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    boxes = (rng.random((50, 4)) * [3000, 2000, 900, 700]).astype(np.float32)
    boxes[0] = 0, 0, 0, 0  # is a box, too
    corners = (rng.random((5, 2)) * 3000).astype(np.float32)
    shapes = [overlay("polygon", corners, column="a"), overlay("line", corners, column="a")]
    points = [overlay("point", corner, column="p") for corner in corners]
    frame = [*(overlay("box", box, column="b") for box in boxes), *shapes, *points]
    recording = made(tmp_path / "exact.rrd", [frame])
    found = recording.boxes("/videos/row/now/b", "frame", 0)
    assert (np.abs(found - boxes) <= np.spacing(np.float32(4000))).all(), (
        "corners from centres: a float's own precision"
    )
    assert np.array_equal(found[:, 2:], boxes[:, 2:]) and not found[0].any()
    outline, line = recording.latest("/videos/row/now/a", "LineStrips2D:strips", "frame", 0)
    assert np.array_equal(line, corners) and np.array_equal(outline, [*corners, corners[0]])
    assert np.array_equal(recording.latest("/videos/row/now/p", "Points2D:positions", "frame", 0), corners)


def test_shapes_of_all_kinds_that_are_empty_or_share_a_column(tmp_path: Path) -> None:
    empty = [
        overlay("mask", np.zeros((9, 16), bool)),
        overlay("mask", np.zeros((0, 0))),
        overlay("line", np.zeros((0, 2))),
    ]
    mixed = [overlay("point", [1.0, 2.0]), overlay("box", [1.0, 2, 3, 4]), overlay("line", [[5.0, 5.0]])]
    recording = made(tmp_path / "odd.rrd", [empty, mixed, empty])
    counts = [
        [len(recording.latest("/videos/row/now/things", part, "frame", frame) or ()) for frame in range(3)]
        for part in ("Points2D:positions", "Boxes2D:centers", "LineStrips2D:strips")
    ]
    assert counts == [[0, 1, 0], [0, 1, 0], [0, 1, 0]]


HOSTILE = ["a/b", "a", "b", " ", "..", "*", "/**", "$origin", "日本語 🐰 עברית", "line\nend\t", "\\", "__properties", "\x00\x7f",
           "\ud800", "x" * 3000, "- /**", "{}", ":"]  # fmt: skip


def test_names_of_any_kind(tmp_path: Path) -> None:
    boxes = [overlay("box", [at, 0.0, 1, 1], name, column=name, track=at) for at, name in enumerate(HOSTILE)]
    said = [name.replace("\ud800", "?") for name in HOSTILE]
    entities = set()
    for key in HOSTILE:
        recording = made(tmp_path / "hostile.rrd", [boxes, []], key=key, names=[key], facts=HOSTILE)
        (root,) = (entity.removesuffix("/image") for entity in recording.entities() if entity.endswith("/image"))
        assert root.startswith("/videos/")
        entities.add(root)
        columns = [entity for entity in recording.entities() if entity.startswith(f"{root}/now/")]
        lefts = sorted(float(recording.boxes(entity, "frame", 0)[0, 0]) for entity in columns)
        assert lefts == list(range(len(HOSTILE))), "each column is an entity of its own"
        assert not any(len(recording.boxes(entity, "frame", 1)) for entity in columns)
        assert recording.text(f"{root}/answers/now", "frame", 0) == "\n".join(["title 0", *said])
        assert [name for name, _ in recording.classes().values()] == said
    assert len(entities) == len(HOSTILE)


def test_there_are_no_more_tabs_than_people_find_their_way_in(tmp_path: Path) -> None:
    gray = np.full((9, 16, 3), 118, np.uint8)
    count = MOST_TABS + 5
    pictures = [Picture(at, f"row{at}:0", at, 0, Tile(gray, "t", (), ())) for at in range(count)]
    names = [f"clip {at}" for at in range(count)]
    record(Shown(Doing("Preview", "lake"), Statistics(rows=count), pictures, names, []), tmp_path / "many.rrd")
    reader = RrdReader(tmp_path / "many.rrd")
    (blueprint,) = reader.blueprints()
    views = {chunk.entity_path for chunk in reader.stream(store=blueprint) if chunk.entity_path.startswith("/view/")}
    assert len({view.split("/")[2] for view in views}) == 2 * MOST_TABS + 1
    about = Recording(tmp_path / "many.rrd").text("/about")
    assert all(f"/videos/row{at}: clip {at}" in about for at in range(count))


def test_masks_under_others_are_seen() -> None:
    below, above = np.zeros((10, 10), bool), np.zeros((10, 10), bool)
    below[1:7, 1:7], above[3:9, 3:9] = True, True
    picture = tinted([(below, (255, 0, 0), 0.4), (above, (0, 0, 255), 0.4)], (10, 10))
    assert np.array_equal(picture[:, :, 3] > 0, below | above)
    assert picture[2, 2].tolist() == [255, 0, 0, 102] and picture[7, 7].tolist() == [0, 0, 255, 102]
    red, _, blue, alpha = picture[5, 5].tolist()
    assert 0 < red < blue and alpha == round(255 * (1 - 0.6**2)), "both are seen where they overlap"
    assert picture[6, 5].tolist() == [255, 0, 0, 255], "the edge of the lower one is seen through the upper one"
    assert picture[3, 5].tolist() == [0, 0, 255, 255]


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_recording_that_cannot_be_written_leaves_nothing(lake: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out, reason in ((tmp_path / "file" / "a.rrd", "(Not a directory|File exists)"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError, match=rf"preview\.out: .* cannot be written: {reason}"):
            run(load_config("task=preview", f"path='{lake}'", "preview.format=rerun", f"preview.out='{out}'"))
    assert not list(tmp_path.parent.glob("*.part")) and not list(tmp_path.glob(".*"))


FULL = """
import resource, sys
from lakebox import load_config, run
from lakebox.errors import ConfigError
from lakebox.runner import draw

def fill(format, shown, file):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    draw(format, shown, file)

for size in map(int, sys.argv[2:]):
    try:
        run(load_config("task=preview", f"path='{sys.argv[1]}'", "preview.format=rerun"), given={"draw": fill})
    except ConfigError as error:
        print(error)
"""


def test_a_full_disk_is_said_and_leaves_nothing(lake: Path, tmp_path: Path) -> None:
    """At once, while frames are written, and when only the end is missing."""
    recorded(lake)
    whole = tmp_path / "lake.rrd"
    earlier = whole.read_bytes()
    sizes = [str(int(part * len(earlier))) for part in (0, 0.3, 0.6, 0.99)]
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(lake), *sizes], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == [f"preview.out: {whole} cannot be written: File too large"] * len(sizes)
    assert done.stderr == ""
    assert whole.read_bytes() == earlier and not list(tmp_path.glob(".*"))


def test_nothing_but_the_file_is_written(lake: Path, tmp_path: Path) -> None:
    """No settings and no usage reports, as the viewer keeps them."""
    folders = {f"XDG_{name}_HOME": str(tmp_path / "home") for name in ("CONFIG", "DATA", "CACHE", "STATE")}
    environment = {**folders, "HOME": str(tmp_path / "home")}
    done = command("task=preview", "path=lake", "preview.format=rerun", cwd=tmp_path, env=environment)
    assert done.returncode == 0 and "40 of 40 rows drawn in lake.rrd" in done.stdout, done.stderr
    assert [file for file in tmp_path.rglob("*") if "rerun" in file.name] == []
    assert {file.name for file in tmp_path.iterdir()} <= {"lake", "lake.rrd", "outputs", "home", ".lakebox"}


def test_a_drawing_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    def breaks(_format: str, _shown: Shown, file: Path) -> None:
        file.write_bytes(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Page(format="rerun").write(breaks, Shown(Doing("", ""), Statistics(), [], [], []), str(tmp_path / "lake"))
    assert not list(tmp_path.iterdir())


def test_a_recording_that_breaks_closes_its_file(tmp_path: Path) -> None:
    frames = [[overlay("mask", np.ones((9, 16), bool)), overlay("mask", np.ones((3, 3), bool))]]
    with pytest.raises(IndexError):
        made(tmp_path / "broken.rrd", frames)
    assert len(RrdReader(tmp_path / "broken.rrd").store()) > 0, "its end was written"


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    monkeypatch.delitem(sys.modules, "lakebox.adapters.recording")
    shown = Shown(Doing("", ""), Statistics(), [], [], [])
    with pytest.raises(ConfigError, match=r"preview\.format=rerun needs 'rerun'.*pip install 'lakebox\[rerun\]'"):
        draw("rerun", shown, tmp_path / "a.rrd")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "lakebox.adapters.page", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'lakebox\[preview\]'"):
        draw("html", shown, tmp_path / "a.html")
    assert not list(tmp_path.iterdir())


def test_rerun_switched_off_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERUN", "off")
    with pytest.raises(ConfigError, match="RERUN"):
        made(tmp_path / "off.rrd", [[]])
