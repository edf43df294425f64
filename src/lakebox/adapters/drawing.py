"""Draws labelled frames on one contact sheet, with supervision's annotators. Needs the extra `preview`."""

from __future__ import annotations

import io
import math
import warnings
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.font_manager import findSystemFonts
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from lakebox.core.colours import COLOURS, class_colour
from lakebox.core.page import Shown
from lakebox.core.preview import Tile

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="OpenCV")  # it is not wanted: supervision draws with NumPy without it
    import supervision as sv

PALETTE = sv.ColorPalette.from_hex(list(COLOURS))
BLACK, WHITE = sv.Color(0, 0, 0), sv.Color(255, 255, 255)
PAGE, CARD, EDGE, MAT, STRONG, SOFT = "#F3F4F6", "#FFFFFF", "#D5D9DF", "#E4E7EB", "#1B2430", "#4A5565"
PLAIN, BOLD = "", "-Bold"

Array = np.ndarray[Any, Any]

FINE = 2  # shapes are drawn this much larger and shrunk, which smooths their edges
BYTES = 4_000_000  # at most, for every twelve tiles
NARROWEST = 160
COVERED = 0.3  # of a picture, at most, by names
OUTLINES = 100  # of one mask, the longest: a speckled one has thousands


def draw(shown: Shown) -> bytes:
    """The contact sheet of a dataset."""
    said = f"{shown.doing.address}, {shown.statistics.rows} rows"
    return contact_sheet([picture.tile for picture in shown.pictures], heading=said, classes=shown.classes)


def contact_sheet(
    tiles: Sequence[Tile],
    *,
    columns: int = 3,
    tile_width: int = 480,
    heading: str = "",
    classes: Sequence[str] = (),
) -> bytes:
    """A PNG of the tiles in a grid, below 4 MB for every twelve of them: larger ones are drawn again with less width.

    A class has one colour in every sheet. `classes`, the project's own list, keeps the first fifteen distinct.
    """
    most = BYTES * max(1, math.ceil(len(tiles) / 12))
    while True:
        png = _sheet(tiles, max(1, min(columns, len(tiles))), tile_width, heading, classes)
        if len(png) <= most or tile_width <= NARROWEST:
            return png
        tile_width = max(NARROWEST, int(tile_width * min(0.9, math.sqrt(most / len(png)))))


Fonts = Callable[[float, str], ImageFont.FreeTypeFont]
"""Size and weight -> what a sheet is written with."""

OWN = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
"""Comes with matplotlib, which comes with supervision; Pillow's own has Latin letters only."""


@lru_cache
def _font(file: Path, size: float, weight: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file.with_stem(file.stem + weight) if file == OWN else file, size)


def _fonts(texts: Iterable[str]) -> Fonts:
    letters = frozenset(c for text in texts for c in text if c.isalpha())
    return partial(_font, OWN if not _missing(OWN, letters) else font_file(letters, map(Path, findSystemFonts())))


def font_file(letters: Collection[str], installed: Iterable[Path]) -> Path:
    """The font that has most of a sheet's letters: DejaVu Sans has no Chinese, Japanese or Korean ones."""
    regular_first = sorted(installed, key=lambda file: ("regular" not in file.name.lower(), file))
    return min((OWN, *regular_first), key=lambda file: _missing(file, letters))


def _missing(file: Path, letters: Collection[str]) -> int:
    try:
        ImageFont.truetype(file, 12)  # one of bitmaps has no such size
        font = FT2Font(str(file))
    except (OSError, RuntimeError):
        return len(letters) + 1
    return sum(not font.get_char_index(ord(letter)) for letter in letters)


def _clean(text: str) -> str:
    """What a font can draw: no line ends, control characters or lone surrogates."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: float, most: int) -> list[str]:
    """At most `most` lines no wider than `width`; words that are wider are cut."""
    lines = [""]
    for word in _clean(text).split():
        trial = f"{lines[-1]} {word}".lstrip()
        if font.getlength(trial) > width:
            trial = word
            lines.append("")
            while font.getlength(trial) > width and len(trial) > 1:
                cut = max(1, bisect_right(range(1, len(trial)), width, key=lambda n: font.getlength(trial[:n])))
                lines[-1], trial = trial[:cut], trial[cut:]
                lines.append("")
        lines[-1] = trial
    lines = [line for line in lines if line]
    if len(lines) > most:
        last = lines[most - 1]
        while last and font.getlength(last + "…") > width:
            last = last[:-1]
        lines[most - 1 :] = [last.rstrip() + "…"]
    return lines


def _sheet(tiles: Sequence[Tile], columns: int, tile: int, heading: str, classes: Sequence[str]) -> bytes:
    k = max(0.75, tile / 480)
    gap, pad, title_line, fact_line = (round(n * k) for n in (22, 12, 21, 19))
    texts = [text for one in tiles for text in (one.title, *one.facts, *(each.name for each in one.overlays))]
    fonts = _fonts((heading, *texts))
    title_font, fact_font = fonts(15 * k, BOLD), fonts(13 * k, PLAIN)
    width = columns * (tile + gap) + gap + (0 if tiles else tile // 2)
    tallest = tile * (0.8 if any(one.image.shape[1] > one.image.shape[0] for one in tiles) else 1.25)

    rows, heights = [], []
    for start in range(0, len(tiles), columns):
        row = []
        for one in tiles[start : start + columns]:
            scale = min(tile / one.image.shape[1], tallest / one.image.shape[0])
            size = max(1, round(one.image.shape[1] * scale)), max(1, round(one.image.shape[0] * scale))
            titles = _wrap(one.title, title_font, tile - 2 * pad, 2)
            facts = [line for fact in one.facts for line in _wrap(fact, fact_font, tile - 2 * pad, 6)][:24]
            row.append((titles, _picture(one, size, k, classes, fonts), facts))
        above, middle, below = (
            max(parts) for parts in zip(*((len(t), p.height, len(f)) for t, p, f in row), strict=True)
        )
        rows.append(row)
        heights.append((above * title_line + 2 * pad, middle, below * fact_line + 2 * pad * bool(below)))

    head = _head(tiles, heading, classes, width - 2 * gap, k, fonts)
    y = gap + head.height
    sheet = Image.new(
        "RGB", (width, y + sum(sum(each) + gap for each in heights) + (0 if tiles else round(120 * k))), PAGE
    )
    sheet.paste(head, (gap, gap))
    draw = ImageDraw.Draw(sheet)
    if not tiles:
        draw.rectangle((gap, y, width - gap, sheet.height - gap), CARD, EDGE)
        draw.text(
            (width / 2, (y + sheet.height - gap) / 2), "There is nothing to show.", SOFT, fonts(15 * k, PLAIN), "mm"
        )
    for row, (above, middle, below) in zip(rows, heights, strict=True):
        under = y + above + middle
        for column, (titles, picture, facts) in enumerate(row):
            x = gap + column * (tile + gap)
            draw.rectangle((x - 1, y - 1, x + tile, under + below), CARD, EDGE)
            for i, line in enumerate(titles):
                draw.text((x + pad, y + pad + (i + 0.5) * title_line), line, STRONG, title_font, "lm")
            draw.rectangle((x, y + above, x + tile - 1, under - 1), MAT)
            sheet.paste(picture, (x + (tile - picture.width) // 2, y + above + (middle - picture.height) // 2))
            for i, line in enumerate(facts):
                draw.text((x + pad, under + pad + (i + 0.5) * fact_line), line, SOFT, fact_font, "lm")
        y = under + below + gap
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _head(
    tiles: Sequence[Tile], heading: str, classes: Sequence[str], width: int, k: float, fonts: Fonts
) -> Image.Image:
    """The heading and the legend: the colour of every class drawn, and what dashes mean if there are any."""
    overlays = [overlay for tile in tiles for overlay in tile.overlays]
    large, font = fonts(26 * k, BOLD), fonts(13 * k, PLAIN)
    lines = _wrap(heading, large, width, 2)
    entries = {name: PALETTE.by_idx(class_colour(name, classes)) for name in sorted({each.name for each in overlays})}
    samples = [] if all(overlay.keyframe for overlay in overlays) else ["drawn by a person", "interpolated"]
    strip = Image.new("RGB", (width, round((len(lines) * 36 + (len(entries) + 3) * 24 + 20) * k)), PAGE)
    draw = ImageDraw.Draw(strip)
    for i, line in enumerate(lines):
        draw.text((0, (i + 0.5) * 36 * k), line, STRONG, large, "lm")
    x, y = 0.0, (len(lines) * 36 + 20) * k
    for name, paint in [*entries.items(), *((sample, None) for sample in samples)]:
        text, mark = "".join(_wrap(name, font, width - 50 * k, 1)), (22 if paint else 40) * k
        if x and x + mark + font.getlength(text) > width:
            x, y = 0.0, y + 24 * k
        if paint:
            draw.rectangle((x, y - 7 * k, x + 14 * k, y + 7 * k), paint.as_rgb())
        for start, end in () if paint else [(0, 32)] if name != samples[1] else [(0, 7), (12, 19), (24, 31)]:
            draw.line((x + start * k, y, x + end * k, y), STRONG, round(2.4 * k))
        draw.text((x + mark, y), text, SOFT, font, "lm")
        x += mark + font.getlength(text) + 18 * k
    return strip.crop((0, 0, width, round(y + 24 * k) if x else round(len(lines) * 44 * k)))


def _picture(tile: Tile, size: tuple[int, int], k: float, classes: Sequence[str], fonts: Fonts) -> Image.Image:
    """The frame in its size on the sheet and all its labels: masks lowest, then outlines, points and names."""
    frame = np.broadcast_to(tile.image.reshape(*tile.image.shape[:2], -1), (*tile.image.shape[:2], 3))
    fine = size[0] * FINE, size[1] * FINE
    resized = Image.fromarray(np.ascontiguousarray(frame)).resize(fine, Image.Resampling.LANCZOS)
    scene = np.ascontiguousarray(np.asarray(resized)[..., ::-1])  # supervision draws in BGR
    scale = np.array(fine) / frame.shape[1::-1]
    radius = round(5.5 * k * FINE)

    masks: list[tuple[Array, int]] = []
    paths: list[tuple[Array, int, bool, bool]] = []
    points: list[tuple[Array, int, bool]] = []
    names: list[tuple[str, int, Array]] = []
    for overlay in tile.overlays:
        colour, solid = class_colour(overlay.name, classes), overlay.keyframe
        shape = np.asarray(overlay.shape)
        if not shape.size:
            continue
        if overlay.kind == "mask":
            shape = np.asarray(Image.fromarray(shape.astype(bool)).resize(fine, Image.Resampling.NEAREST))
            outlines = sorted(sv.mask_to_polygons(shape), key=len)[-OUTLINES:]
            if not outlines:
                continue
            masks.append((shape, colour))
            paths += [(outline, colour, solid, True) for outline in outlines]
            shape = np.vstack(outlines)
        elif overlay.kind == "point":
            points.append((shape * scale, colour, solid))
            shape = shape * scale + [(-radius, -radius), (radius, radius)]
        else:
            if overlay.kind == "box":
                shape = shape[:2] + shape[2:] * [(0, 0), (1, 0), (1, 1), (0, 1)]
            shape = shape * scale
            paths.append((shape, colour, solid, overlay.kind != "line"))
        names.append((overlay.caption, colour, np.array([shape.min(0), shape.max(0)]) / FINE))

    if masks:
        stack = np.stack([mask for mask, _ in masks])
        found = sv.Detections(sv.mask_to_xyxy(stack), stack, class_id=np.array([colour for _, colour in masks]))
        scene = sv.MaskAnnotator(PALETTE, opacity=0.4).annotate(scene, found)
    for path, colour, solid, closed in paths:
        _stroke(scene, path, PALETTE.by_idx(colour), solid, closed, k)
    for at, colour, solid in points:
        paint = PALETTE.by_idx(colour)
        found = sv.Detections(np.tile(at, 2)[None], class_id=np.array([0]))
        scene = sv.DotAnnotator(_ink(paint), radius + FINE).annotate(scene, found)
        scene = sv.DotAnnotator(paint, radius).annotate(scene, found)
        if not solid:
            scene = sv.DotAnnotator(_ink(paint), radius // 2).annotate(scene, found)
    picture = Image.fromarray(np.ascontiguousarray(scene[..., ::-1])).reduce(FINE)
    _write(picture, names, [at / FINE for at, _, _ in points], k, fonts(12 * k, PLAIN))
    return picture


def _ink(colour: sv.Color) -> sv.Color:
    """Black or white, whichever is easier to read on the colour."""
    light = np.dot([0.2126, 0.7152, 0.0722], (np.array(colour.as_rgb()) / 255) ** 2.2)
    return BLACK if light > 0.18 else WHITE


def _stroke(scene: Array, path: Array, colour: sv.Color, solid: bool, closed: bool, k: float) -> None:
    """An outline on a rim of black or white, so that it shows on any picture; dashed and thinner unless solid."""
    width = max(2, round((2.4 if solid else 1.6) * k * FINE))
    if closed:
        path = np.vstack([path, path[:1]])
    pieces = [path] if solid else list(_dashes(path, 9 * k * FINE, 7 * k * FINE))
    for paint, thickness in ((_ink(colour), width + 2 * FINE), (colour, width)):
        for piece in pieces:
            corners = np.rint(piece).astype(int)
            if solid and closed:
                sv.draw_polygon(scene, corners, paint, thickness)
                continue
            for start, end in pairwise(corners.tolist()):
                sv.draw_line(scene, sv.Point(*start), sv.Point(*end), paint, thickness)


def _dashes(path: Array, on: float, off: float) -> Iterator[Array]:
    """The pieces of a path that are drawn; at most some 400, so that one far outside the frame ends."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    longer = max(1.0, along[-1] / (on + off) / 400)
    for start in np.arange(0, along[-1], (on + off) * longer):
        end = min(start + on * longer, along[-1])
        stops = np.concatenate([[start], along[(along > start) & (along < end)], [end]])
        yield np.column_stack([np.interp(stops, along, path[:, 0]), np.interp(stops, along, path[:, 1])])


def _write(
    picture: Image.Image, names: Sequence[tuple[str, int, Array]], points: Sequence[Array], k: float,
    font: ImageFont.FreeTypeFont,
) -> None:  # fmt: skip
    """Names at their shapes, those of small shapes first; one that finds no room beside the others is left out.

    Not supervision's RichLabelAnnotator: it pushes names away from their shapes, and low words out of their boxes.
    """
    draw = ImageDraw.Draw(picture)
    high, pad, r = round(18 * k), round(4 * k), 6 * k
    room = COVERED * picture.width * picture.height
    taken = [(x - r, y - r, x + r, y + r) for x, y in points]
    for name, colour, ((left, top), (right, bottom)) in sorted(
        names, key=lambda each: float(np.prod(each[2][1] - each[2][0]))
    ):
        text = "".join(_wrap(name, font, picture.width - 2 * pad, 1))
        wide = math.ceil(font.getlength(text)) + 2 * pad
        if not text or wide > picture.width or high > picture.height or wide * high > room:
            continue
        spots = [(left, top - high), (left, bottom), (right - wide, top - high), (right, top), (left - wide, top)]
        spots += [(left, y) for y in sorted(range(0, picture.height, 6), key=lambda y: abs(y - top))]
        for spot in spots:
            x = int(min(max(spot[0], 0), picture.width - wide))
            y = int(min(max(spot[1], 0), picture.height - high))
            if all(x >= x2 or x + wide <= x1 or y >= y2 or y + high <= y1 for x1, y1, x2, y2 in taken):
                taken.append((x - 1, y - 1, x + wide + 1, y + high + 1))
                room -= wide * high
                paint = PALETTE.by_idx(colour)
                draw.rectangle((x, y, x + wide - 1, y + high - 1), paint.as_rgb())
                draw.text((x + pad, y + high / 2), text, _ink(paint).as_rgb(), font, "lm")
                break
