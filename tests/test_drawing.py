from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
import pytest
from PIL import Image

from lakebox.adapters.drawing import OWN, PALETTE, class_colour, contact_sheet, font_file
from lakebox.core.preview import Overlay, Tile

Array = np.ndarray[Any, Any]
Kind = Literal["box", "polygon", "line", "point", "mask"]
GRAY = 118


def frame(width: int, height: int, value: int = GRAY) -> Array:
    return np.full((height, width, 3), value, np.uint8)


def overlay(
    kind: Kind, shape: Any, name: str = "rabbit", *, keyframe: bool = True, track: int | None = None
) -> Overlay:
    return Overlay(kind, np.asarray(shape), name, track, keyframe)


def sheet(*tiles: Tile, **settings: Any) -> Array:
    picture = Image.open(io.BytesIO(contact_sheet(tiles, **settings)))
    assert picture.format == "PNG"
    assert picture.mode == "RGB"
    return np.asarray(picture).astype(int)


def drawn(*overlays: Overlay, size: tuple[int, int], **settings: Any) -> tuple[Array, float]:
    """The picture of a gray frame as it is on the sheet, and its scale."""
    pixels = sheet(Tile(frame(*size), "t", (), overlays), **settings)
    gray = np.argwhere((pixels == GRAY).all(-1))
    (top, left), (bottom, right) = gray.min(0), gray.max(0)
    return pixels[top : bottom + 1, left : right + 1], (right + 1 - left) / size[0]


def colour(name: str = "rabbit", classes: tuple[str, ...] = ()) -> tuple[int, int, int]:
    return tuple(PALETTE.by_idx(class_colour(name, classes)).as_rgb())  # type: ignore[return-value]


def is_colour(picture: Array, scale: float, x: float, y: float, name: str = "rabbit") -> bool:
    """Whether a pixel beside this place of the source frame has the class's colour, less what smoothing takes."""
    at_x, at_y = int(x * scale), int(y * scale)
    around = picture[max(0, at_y - 1) : at_y + 2, max(0, at_x - 1) : at_x + 2]
    return bool((np.abs(around - colour(name)).max(-1) <= 12).any())


SIZES = [(480, 270), (1920, 1080), (240, 135), (960, 540), (333, 201)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tile_width", [480, 300])
def test_shapes_are_where_they_are_in_the_frame(size: tuple[int, int], tile_width: int) -> None:
    w, h = size
    box = overlay("box", np.array([0.1 * w, 0.2 * h, 0.3 * w, 0.5 * h]), "box")
    polygon = overlay("polygon", np.array([[0.5, 0.2], [0.7, 0.2], [0.6, 0.6]]) * size, "polygon")
    line = overlay("line", np.array([[0.1, 0.85], [0.5, 0.85], [0.9, 0.95]]) * size, "line")
    point = overlay("point", np.array([0.85, 0.5]) * size, "point")
    picture, scale = drawn(box, polygon, line, point, size=size, tile_width=tile_width)
    assert picture.shape[1] == tile_width
    for x, y in [(0.1, 0.5), (0.4, 0.5), (0.3, 0.2), (0.3, 0.7)]:
        assert is_colour(picture, scale, x * w, y * h, "box")
    for x, y in [(0.55, 0.4), (0.65, 0.4), (0.65, 0.2)]:
        assert is_colour(picture, scale, x * w, y * h, "polygon")
    for x, y in [(0.3, 0.85), (0.7, 0.9)]:
        assert is_colour(picture, scale, x * w, y * h, "line")
    assert is_colour(picture, scale, 0.85 * w, 0.5 * h, "point")
    for x, y in [(0.25, 0.45), (0.6, 0.35), (0.5, 0.75), (0.85, 0.75)]:
        assert tuple(picture[int(y * h * scale), int(x * w * scale)]) == (GRAY,) * 3


@pytest.mark.parametrize("size", SIZES)
def test_a_mask_is_tinted_and_outlined(size: tuple[int, int]) -> None:
    w, h = size
    mask = np.zeros((h, w), bool)
    mask[h // 4 : h // 2, w // 4 : w // 2] = True
    picture, scale = drawn(overlay("mask", mask), size=size)
    inside = picture[int(0.38 * h * scale), int(0.38 * w * scale)]
    np.testing.assert_allclose(inside, 0.6 * GRAY + 0.4 * np.array(colour()), atol=2)
    assert is_colour(picture, scale, w // 4, 0.38 * h)
    assert is_colour(picture, scale, 0.38 * w, h // 2)
    assert tuple(picture[int(0.7 * h * scale), int(0.38 * w * scale)]) == (GRAY,) * 3


def left_edge(*, keyframe: bool) -> tuple[float, float]:
    """How much of a box's left edge is drawn, and how wide that is in pixels."""
    picture, _ = drawn(overlay("box", [100.0, 50, 200, 200], keyframe=keyframe), size=(480, 270))
    edge = np.abs(picture[70:230, 96:105] - colour()).max(-1) <= 12
    return float(edge.any(1).mean()), float(edge.sum(1).max())


def test_an_interpolated_outline_is_dashed_and_thinner() -> None:
    whole, wide = left_edge(keyframe=True)
    dashed, thin = left_edge(keyframe=False)
    assert whole == 1
    assert 0.4 < dashed < 0.9
    assert thin < wide


def test_an_interpolated_point_is_hollow() -> None:
    picture, scale = drawn(overlay("point", [240.0, 135], keyframe=False), size=(480, 270))
    assert not is_colour(picture, scale, 240, 135)
    assert is_colour(picture, scale, 244, 135)


def test_the_legend_tells_dashes_apart_only_when_there_are_some() -> None:
    heights = [
        sheet(Tile(frame(480, 270), "t", (), overlays)).shape[0]
        for overlays in [(), (overlay("point", [9.0, 9]),), (overlay("point", [9.0, 9], keyframe=False),)]
    ]
    assert heights[0] < heights[1] == heights[2]


def test_a_class_keeps_its_colour_beside_others_and_in_other_processes() -> None:
    box, other = overlay("box", [100.0, 50, 200, 150]), overlay("box", [320.0, 50, 100, 150], "bear")
    for overlays in [(box,), (box, other), (other, box)]:
        picture, scale = drawn(*overlays, size=(480, 270))
        assert is_colour(picture, scale, 100, 120)
    script = "from lakebox.adapters.drawing import class_colour; print(class_colour('rabbit'), class_colour('été 🐰'))"
    for seed in "1", "2":
        env = {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        ran = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
        assert ran.stdout.split() == [str(class_colour("rabbit")), str(class_colour("été 🐰"))]


def test_listed_classes_have_distinct_colours_until_the_palette_ends() -> None:
    listed = [f"class {i}" for i in range(40)]
    places = [class_colour(name, listed) for name in listed]
    assert len(set(places[:15])) == 15
    assert places[15:30] == places[:15]
    assert class_colour("unlisted", listed) == class_colour("unlisted")


def test_the_palette_can_be_told_apart_without_red_or_green() -> None:
    no_red = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    no_green = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    # Machado, Oliveira and Fernandes 2009, severity 1
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    rgb = np.array([each.as_rgb() for each in PALETTE.colors]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    for seen in np.eye(3), np.array(no_red), np.array(no_green):
        x, y, z = np.cbrt((np.clip(linear @ seen.T, 0, 1) @ to_xyz.T) / [0.9505, 1, 1.089]).T
        lab = np.column_stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
        assert apart[~np.eye(len(lab), dtype=bool)].min() > 12


def test_names_stay_inside_and_beside_each_other() -> None:
    names = ["box", "bear", "line", "ear"]
    corners = dict(
        zip(names, [[-30, -20, 60, 40], [440, -10, 80, 60], [450, 250, 60, 60], [-20, 255, 50, 50]], strict=True)
    )
    same = {name: [200, 100, 50, 50] for name in names}
    for places in corners, same:
        overlays = [overlay("box", np.array(shape, float), name, track=7_001) for name, shape in places.items()]
        picture, _ = drawn(*overlays, size=(480, 270))
        assert picture.shape == (270, 480, 3)
        for name in places:
            assert np.count_nonzero((picture == colour(name)).all(-1)) > 550  # more than its box: a whole name


def test_names_that_find_no_room_are_left_out() -> None:
    many = [overlay("box", [200.0, 100, 50, 50], track=track) for track in range(200)]
    assert drawn(*many, size=(480, 270))[0].shape == (270, 480, 3)


def test_names_leave_most_of_a_picture_to_be_seen() -> None:
    rng = np.random.default_rng(0)
    boxes = [overlay("box", [*rng.uniform(0, [470, 260]), 3, 3], f"class {at} of a long name") for at in range(60)]
    picture, _ = drawn(*boxes, size=(480, 270))
    assert 0.25 < 1 - (picture == GRAY).all(-1).mean() < 0.4


FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")


def test_letters_are_written_in_a_font_that_has_them(tmp_path: Path) -> None:
    """Of these fonts one has the hiragana no, which DejaVu Sans has not."""
    japanese, other, broken = FONTS / "STIXGeneral.ttf", FONTS / "cmr10.ttf", Path(__file__)
    for text, installed, wanted in [
        ("\u306e Latin", [broken, other, japanese], japanese),
        ("\u306e Latin", [broken, other], OWN),
        ("Latin", [japanese, other], OWN),
        ("\u65e5", [broken, japanese], OWN),  # nobody has it, so nothing changes
    ]:
        assert font_file(set(text), installed) == wanted
    bold = Path(shutil.copy(FONTS / "STIXGeneralBol.ttf", tmp_path / "a.ttf"))
    regular = Path(shutil.copy(japanese, tmp_path / "b-Regular.ttf"))
    assert font_file({"\U0001d400"}, [bold, regular]) == regular, "both have it"


def test_text_of_any_kind_and_length() -> None:
    odd = "日本語 🐰👩‍👩‍👧 עברית العربية \ud800 \x00\x07 a\u0301 \u202e reversed\n\tnew line"
    facts = ("", " ", odd, "word " * 5000, "x" * 20_000, *(f"fact {i}" for i in range(300)))
    box = overlay("box", [10.0, 10, 100, 100], odd * 20, track=2**31 - 1)
    nameless = overlay("box", [10.0, 10, 100, 100], "")
    long = sheet(Tile(frame(480, 270), odd * 100, facts, (box, nameless)), heading=odd * 50)
    assert long.shape[0] < 1500
    assert long.shape[1] == 480 + 2 * 22


def test_nothing_to_show() -> None:
    for heading in "", "Nothing":
        pixels = sheet(heading=heading)
        assert pixels.shape[0] < 300
        assert (pixels < 120).any()  # the text that says so


def test_frames_of_all_sizes_in_one_grid() -> None:
    one = overlay("mask", np.ones((1, 1), bool))
    tiles = [
        Tile(frame(1, 1), "pixel", (), (one, overlay("point", [0.5, 0.5]), overlay("box", [0.0, 0, 1, 1]))),
        Tile(frame(360, 640), "portrait", ("a",), ()),
        Tile(frame(1920, 1080), "wide", (), ()),
        Tile(frame(3000, 2), "strip", (), (overlay("line", [[0.0, 0], [3000, 2]]),)),
        Tile(frame(2, 3000), "column", (), (overlay("line", [[0.0, 0], [2, 3000]]),)),
        Tile(np.full((90, 160), GRAY, np.uint8), "one channel", (), ()),
        Tile(np.full((90, 160, 1), GRAY, np.uint8), "one channel", (), ()),
    ]
    for columns in 0, 1, 3, 50:
        count = max(1, min(columns, len(tiles)))
        assert sheet(*tiles, columns=columns, tile_width=240).shape[1] == pytest.approx(
            count * 240 + (count + 1) * 16, abs=8
        )


def test_shapes_that_are_empty_or_far_outside_the_frame() -> None:
    far = [overlay("box", [-1e6, -1e6, 2e6, 2e6], keyframe=keyframe) for keyframe in (True, False)] + [
        overlay("line", [[-1e6, 40.0], [1e6, 41.0]], keyframe=False),
        overlay("point", [1e6, 1e6]),
        overlay("polygon", np.zeros((0, 2))),
        overlay("line", [[5.0, 5.0]], keyframe=False),
        overlay("mask", np.zeros((270, 480), bool)),
        overlay("mask", np.zeros((0, 0), bool)),
    ]
    assert drawn(*far, size=(480, 270))[0].shape[1] == 480


def test_a_sheet_of_twelve_noisy_tiles_is_bounded() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 480, 480, 3), np.uint8)
    png = contact_sheet([Tile(each, "noise", (), ()) for each in noise])
    assert 1_500_000 < len(png) <= 4_000_000
    assert np.asarray(Image.open(io.BytesIO(png))).shape[1] < 3 * 480
