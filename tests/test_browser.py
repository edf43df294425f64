"""The page in a real browser: what it shows is what the frames say."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.tiny import (
    CLIPS,
    HEIGHT,
    WIDTH,
    car_box,
    edited,
    edited_ontology,
    move_object,
    overrides,
    read_number,
    road_mask,
    sync,
)

from lakebox import load_config, run
from lakebox.adapters import page
from lakebox.core.colours import COLOURS
from lakebox.core.page import Doing, Picture, Shown
from lakebox.core.preview import Overlay, OverlayKind, Tile
from lakebox.core.statistics import Statistics
from lakebox.runner import draw

selenium = pytest.importorskip("selenium", reason="selenium is not installed")

from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.actions.action_builder import ActionBuilder  # noqa: E402
from selenium.webdriver.common.actions.interaction import POINTER_TOUCH  # noqa: E402
from selenium.webdriver.common.actions.pointer_input import PointerInput  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytest_plugins = ["support.tiny_fixtures"]
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium and chromedriver: make browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1300,1600", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=Service(str(DRIVER))) as driver:
        yield driver


def opened(browser: Any, page: Path) -> None:
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(page.as_uri())


def previewed(lake: Path, *more: str) -> Path:
    out = lake.parent / "page.html"
    assert run(load_config("task=preview", f"path='{lake}'", f"preview.out='{out}'", *more)).ok
    return out


def shown(browser: Any) -> tuple[int, tuple[int, int]]:
    """(row that the page names, (clip, frame) as the pixels of the picture say)."""
    where = browser.find_element(By.ID, "where")
    address = browser.find_element(By.CSS_SELECTOR, "#now img").get_attribute("src")
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert int(where.get_attribute("data-frame")) == read_number(np.asarray(picture))[1]
    return int(where.get_attribute("data-row")), read_number(np.asarray(picture))


def press(browser: Any, key: str) -> None:
    browser.find_element(By.TAG_NAME, "body").send_keys(key)


def visible(browser: Any) -> Any:
    """The picture with what is drawn on it, as (h, w, 3)."""
    view = browser.find_element(By.CSS_SELECTOR, "#now .view")
    return np.asarray(Image.open(io.BytesIO(view.screenshot_as_png)).convert("RGB")).astype(int)


def colour_of(browser: Any, name: str) -> Any:
    found = browser.execute_script(
        "return JSON.parse(document.getElementById('data').textContent).classes.find((c) => c.name === arguments[0]).colour",
        name,
    )
    return np.array([int(found[at : at + 2], 16) for at in (1, 3, 5)])


def rows_of(*frames: tuple[int, int]) -> list[int]:
    starts = np.cumsum([0, *(clip.frames for clip in CLIPS)])
    return [int(starts[clip]) + frame for clip, frame in frames]


def test_the_scrubber_shows_the_frame_it_names(browser: Any, lake: Path) -> None:
    opened(browser, previewed(lake, "preview.max_frames=1000"))
    press(browser, Keys.HOME)
    browser.execute_script(
        "const s = document.getElementById('scrub'); s.value = 0; s.dispatchEvent(new Event('input'));"
    )
    seen = [shown(browser)]
    for _ in range(39):
        press(browser, Keys.ARROW_RIGHT)
        seen.append(shown(browser))
    wanted = [(clip.number, frame) for clip in CLIPS for frame in range(clip.frames)]
    assert [numbers for _, numbers in seen] == wanted and [row for row, _ in seen] == list(range(40))
    press(browser, Keys.ARROW_LEFT)
    assert shown(browser)[0] == 38
    browser.execute_script(
        "const s = document.getElementById('scrub'); s.value = 17; s.dispatchEvent(new Event('input'));"
    )
    assert shown(browser)[0] == 17
    browser.find_element(By.ID, "on").click()
    browser.find_element(By.ID, "on").click()
    browser.find_element(By.ID, "back").click()
    assert shown(browser)[0] == 18
    browser.find_elements(By.CSS_SELECTOR, ".thumb")[3].click()
    assert shown(browser)[0] == 3


def test_overlays_are_painted_where_the_objects_are(browser: Any, lake: Path) -> None:
    """On a frame that the page shows larger than it is."""
    opened(browser, previewed(lake, "preview.max_frames=1000"))
    press(browser, "n")
    for clip, frame in ((0, 0), (1, 2), (2, 4)):
        (row,) = rows_of((clip, frame))
        browser.execute_script(
            "const s = document.getElementById('scrub'); s.value = arguments[0]; s.dispatchEvent(new Event('input'));",
            row,
        )
        assert shown(browser) == (row, (clip, frame))
        pixels = visible(browser)
        scale = np.array([pixels.shape[1] / WIDTH] * 2)
        assert pixels.shape[0] == pytest.approx(HEIGHT * scale[1], abs=2)
        assert scale.min() > 2
        left, top, width, height = car_box(clip, frame)
        if frame == 0:  # drawn by a person, so the line has no gaps
            for x, y in ((left + width / 2, top + height), (left + width, top + height / 2)):
                at = np.rint(np.array([x, y]) * scale).astype(int)
                assert np.abs(pixels[at[1], at[0]] - colour_of(browser, "Car")).max() < 12
        if frame in (2, 4):
            inside = np.argwhere(road_mask(clip, frame))
            y, x = inside[len(inside) // 2] + 0.5
            painted = pixels[int(y * scale[1]), int(x * scale[0])]
            _toggle(browser, "Road")
            bare = visible(browser)[int(y * scale[1]), int(x * scale[0])]
            _toggle(browser, "Road")
            wanted = bare + (colour_of(browser, "Road") - bare) * 0.4
            assert np.abs(painted - wanted).max() < 12


def _toggle(browser: Any, name: str) -> None:
    for line in browser.find_elements(By.CSS_SELECTOR, ".class"):
        if line.find_elements(By.TAG_NAME, "span")[1].text == name:
            line.find_element(By.TAG_NAME, "input").click()


def test_classes_and_columns_can_be_hidden(browser: Any, lake: Path) -> None:
    opened(browser, previewed(lake, "preview.max_frames=1000"))
    browser.execute_script(
        "const s = document.getElementById('scrub'); s.value = 1; s.dispatchEvent(new Event('input'));"
    )

    def drawn() -> int:
        return len(browser.find_elements(By.CSS_SELECTOR, "#now svg > g:not(.name) rect"))

    assert drawn() == 4  # two boxes, each with a rim
    _toggle(browser, "Walker")
    assert drawn() == 2
    _toggle(browser, "Walker")
    assert drawn() == 4
    for head in browser.find_elements(By.CSS_SELECTOR, ".column > label:first-child input"):
        head.click()
    assert drawn() == 0 and not browser.find_elements(By.CSS_SELECTOR, "#now svg text")


def test_names_can_be_hidden(browser: Any, lake: Path) -> None:
    opened(browser, previewed(lake))
    said = [text.text for text in browser.find_elements(By.CSS_SELECTOR, "#now svg text")]
    assert any(text.startswith("Car #") for text in said)
    press(browser, "n")
    assert not browser.find_elements(By.CSS_SELECTOR, "#now svg text")
    assert browser.find_element(By.ID, "names").get_attribute("aria-pressed") == "false"


def test_changed_frames_first_and_before_beside_now(browser: Any, project: Path, lake: Path) -> None:
    with edited(project) as rows:
        move_object(rows[1], "walker1", 3, by=7)
        move_object(rows[2], "walker2", 1, by=5)
    report = run(load_config(*overrides(project, lake, "preview.max_frames=1000")), given={"shows": draw})
    opened(browser, Path(report.page))
    first, second = rows_of((1, 3), (2, 1))
    assert shown(browser)[0] == first
    assert browser.find_element(By.CSS_SELECTOR, "#before img").is_displayed()
    for side in ("before", "now"):
        walkers = browser.find_elements(By.CSS_SELECTOR, f"#{side} svg > g:not(.name):not([opacity='0.2'])")
        assert len(walkers) == 1 and browser.find_elements(By.CSS_SELECTOR, f"#{side} svg > g[opacity='0.2']")
        (name,) = (text.text for text in browser.find_elements(By.CSS_SELECTOR, f"#{side} svg .name text"))
        assert name.startswith("Walker #")
    assert "did not change" in browser.find_element(By.ID, "here").text
    press(browser, "c")
    assert shown(browser)[0] == second
    press(browser, "c")
    assert shown(browser)[0] == first
    press(browser, Keys.ARROW_RIGHT)
    assert not browser.find_element(By.ID, "before").is_displayed()
    assert not browser.find_elements(By.CSS_SELECTOR, "#now svg > g[opacity='0.2']")


def test_the_next_labelled_frame(browser: Any, project: Path, tmp_path: Path) -> None:
    with edited(project) as rows:
        for row in rows[:2]:
            row["projects"]["clproject0"]["labels"] = []
    assert sync(project, tmp_path / "lake").ok
    opened(browser, previewed(tmp_path / "lake", "preview.max_frames=1000"))
    (labelled,) = rows_of((2, 0))
    browser.execute_script(
        "const s = document.getElementById('scrub'); s.value = 0; s.dispatchEvent(new Event('input'));"
    )
    press(browser, "l")
    assert shown(browser)[0] == labelled


HOSTILE = "</script><script>document.title=1</script><img src=x onerror=document.title=1>"


def test_hostile_text_stays_text_and_nothing_leaves_the_page(browser: Any, project: Path, tmp_path: Path) -> None:
    with edited_ontology(project) as ontology:
        ontology["tools"][1]["name"] = HOSTILE
    with edited(project) as rows:
        for row in rows:
            label = row["projects"]["clproject0"]["labels"][0]
            label["label_details"]["created_by"] = HOSTILE
            label["annotations"]["classifications"][1]["text_answer"]["content"] = HOSTILE
            row["data_row"]["external_id"] = f"{HOSTILE}.mp4"
    (project / CLIPS[0].url).unlink()
    report = run(load_config(*overrides(project, tmp_path / "lake", "preview=page")), given={"shows": draw})
    opened(browser, Path(report.page))
    press(browser, Keys.ARROW_RIGHT)
    assert browser.title.startswith("lakebox sync")
    legend = [span.text for span in browser.find_elements(By.CSS_SELECTOR, ".class span")]
    assert HOSTILE in legend
    assert any(HOSTILE in fact.text for fact in browser.find_elements(By.CSS_SELECTOR, "#facts li"))
    assert browser.get_log("browser") == []
    asked = [entry["message"] for entry in browser.get_log("performance") if 'requestWillBeSent"' in entry["message"]]
    assert len(asked) >= 1
    assert all('"url":"file:' in message or '"url":"data:' in message for message in asked)


@contextmanager
def screen(browser: Any, width: int, height: int, ratio: float = 1, mobile: bool = False) -> Iterator[None]:
    values = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", values)
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_a_phone_and_a_laptop(browser: Any, lake: Path, width: int) -> None:
    with screen(browser, width, 800, mobile=width < 500):
        opened(browser, previewed(lake))
        wide = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert wide[0] <= wide[1] == width
        assert browser.find_element(By.CSS_SELECTOR, "#now .view").size["width"] > 0.5 * min(width, 900)
        assert browser.get_log("browser") == []


# Pages of made-up frames.

GRAY = 118
NAMES = [f"class {at}" for at in range(15)]


def thing(kind: OverlayKind, shape: Any, at: int, track: int | None = None) -> Overlay:
    """An object of a class that has a colour of its own."""
    return Overlay(kind, np.asarray(shape), NAMES[at], track, True, f"column of {NAMES[at]}")


def tile(width: int, height: int, *overlays: Overlay) -> Tile:
    return Tile(np.full((height, width, 3), GRAY, np.uint8), f"{width} x {height}", (), overlays)


def opened_tiles(browser: Any, folder: Path, *tiles: Tile) -> None:
    pictures = [Picture(at, f"a:{at}", at, 0, one) for at, one in enumerate(tiles)]
    names = [one.title for one in tiles]
    file = folder / "page.html"
    file.write_bytes(page.draw(Shown(Doing("Preview", "lake"), Statistics(), pictures, names, NAMES)))
    opened(browser, file)


def colour(at: int) -> Any:
    return np.array([int(COLOURS[at][i : i + 2], 16) for i in (1, 3, 5)])


def drawn_names(browser: Any) -> list[str]:
    return [text.text for text in browser.find_elements(By.CSS_SELECTOR, "#now svg .name text")]


def opaque(browser: Any) -> int:
    """How many objects are drawn as always."""
    return len(browser.find_elements(By.CSS_SELECTOR, "#now svg > g:not(.name):not([opacity='0.2'])"))


def point_at(browser: Any, x: float, y: float) -> None:
    """Move the mouse to a place of a frame, given as parts of its width and height."""
    view = browser.find_element(By.CSS_SELECTOR, "#now .view")
    wide, high = view.size["width"], view.size["height"]
    ActionChains(browser, duration=0).move_to_element_with_offset(view, (x - 0.5) * wide, (y - 0.5) * high).perform()


def entry(browser: Any, name: str) -> Any:
    (found,) = (
        one for one in browser.find_elements(By.CSS_SELECTOR, ".class") if f"{one.text}\n".startswith(f"{name}\n")
    )
    return found


def box(left: float, top: float, at: int, track: int | None = None, size: float = 40) -> Overlay:
    return thing("box", [left, top, size, size], at, track)


SIZES = [(1920, 1080), (240, 135), (960, 540), (333, 201), (300, 700)]


def scene(w: int, h: int) -> Tile:
    """One object of each kind; places are parts of the frame."""
    mask = np.zeros((h, w), bool)
    mask[round(0.75 * h) : round(0.95 * h), round(0.05 * w) : round(0.25 * w)] = True
    shapes: list[tuple[OverlayKind, Any]] = [
        ("box", np.array([0.1, 0.2, 0.3, 0.4]) * [w, h, w, h]),
        ("polygon", np.array([[0.5, 0.2], [0.8, 0.2], [0.8, 0.6], [0.5, 0.2]]) * (w, h)),
        ("line", np.array([[0.4, 0.8], [0.9, 0.8]]) * (w, h)),
        ("point", np.array([0.6, 0.9]) * (w, h)),
        ("mask", mask),
    ]
    return tile(w, h, *(thing(kind, shape, at) for at, (kind, shape) in enumerate(shapes)))


@pytest.mark.parametrize("ratio", [1.25, 3])
def test_lines_lie_where_the_objects_do_on_any_screen(browser: Any, tmp_path: Path, ratio: float) -> None:
    """On frames that are stored smaller than they are, and on those that are shown larger."""
    wide = 1300 if ratio < 2 else 400
    with screen(browser, wide, 1600, ratio):
        opened_tiles(browser, tmp_path, *(scene(*size) for size in SIZES))
        press(browser, "n")
        press(browser, Keys.HOME)
        for w, h in SIZES:
            pixels = visible(browser)
            high, across = pixels.shape[:2]
            assert across / high == pytest.approx(w / h, rel=0.02) and not 0.95 < across / w < 1.05
            for (x, y), at, sideways in [
                ((0.1, 0.3), 0, True), ((0.4, 0.5), 0, True), ((0.25, 0.2), 0, False), ((0.25, 0.6), 0, False),
                ((0.8, 0.4), 1, True), ((0.6, 0.2), 1, False), ((0.65, 0.4), 1, True), ((0.7, 0.8), 2, False),
                ((0.6, 0.9), 3, True), ((0.6, 0.9), 3, False),
                ((round(0.05 * w) / w, 0.85), 4, True), ((round(0.25 * w) / w, 0.85), 4, True),
                ((0.15, round(0.75 * h) / h), 4, False), ((0.15, round(0.95 * h) / h), 4, False),
            ]:  # fmt: skip
                line = pixels[int(y * high)] if sideways else pixels[:, int(x * across)]
                middle = (x * across) if sideways else (y * high)
                reach = round(9 * ratio)
                start = max(0, round(middle) - reach)
                near = line[start : round(middle) + reach]
                painted = np.flatnonzero(np.abs(near - colour(at)).max(-1) < 20)
                assert len(painted), (w, h, x, y)
                assert abs(painted.mean() + start + 0.5 - middle) < 1.6 * ratio, (w, h, x, y)
                assert np.abs(near[[0, -1]] - GRAY).max(-1).min() < 4, "and beside it there is nothing"
            inside = pixels[int(0.85 * high), int(0.15 * across)]
            np.testing.assert_allclose(inside, 0.6 * GRAY + 0.4 * colour(4), atol=4)
            for x, y in [(0.25, 0.4), (0.7, 0.3), (0.45, 0.5), (0.15, 0.68), (0.3, 0.85), (0.6, 0.7), (0.7, 0.93)]:
                np.testing.assert_allclose(pixels[int(y * high), int(x * across)], GRAY, atol=4)
            press(browser, Keys.ARROW_RIGHT)


def test_of_masks_that_overlap_the_smaller_one_is_seen(browser: Any, tmp_path: Path) -> None:
    large, small = np.zeros((2, 180, 320), bool)
    large[20:160, 20:300] = True
    small[60:120, 100:220] = True
    for masks in ([large, small], [small, large]):
        things = [thing("mask", mask, 0 if mask is large else 1) for mask in masks]
        opened_tiles(browser, tmp_path, tile(320, 180, *things))
        press(browser, "n")
        pixels = visible(browser)
        scale = pixels.shape[1] / 320
        for (x, y), at in [((160, 90), 1), ((60, 90), 0)]:
            np.testing.assert_allclose(pixels[int(y * scale), int(x * scale)], 0.6 * GRAY + 0.4 * colour(at), atol=4)


def test_the_outline_of_a_mask_has_its_corners(browser: Any, tmp_path: Path) -> None:
    ring = np.zeros((180, 320), bool)
    ring[20:160, 20:300] = True
    ring[60:120, 100:220] = False
    gap, diagonal = ring.copy(), np.zeros((180, 320), bool)
    gap[80:100, 20:120] = False
    diagonal[0:90, 0:160] = diagonal[90:180, 160:320] = True
    masks = {"ring": ring, "gap": gap, "diagonal": diagonal, "all": np.ones((180, 320), bool)}
    found = []
    for mask in masks.values():
        opened_tiles(browser, tmp_path, tile(320, 180, thing("mask", mask, 2)))
        path = browser.find_element(By.CSS_SELECTOR, "#now svg path").get_attribute("d")
        found.append((path.count("M"), path.count("H"), path.count("V")))
        if mask is ring:
            point_at(browser, 0.5, 0.5)
            assert browser.find_element(By.ID, "here").text == "", "there is a hole"
            point_at(browser, 0.2, 0.5)
            assert browser.find_element(By.ID, "here").text == "class 2"
    assert found == [(2, 4, 4), (1, 6, 6), (1, 3, 3), (1, 2, 2)]


def test_names_of_many_objects_do_not_lie_on_each_other(browser: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    many = [box(*rng.uniform(0, [620, 340]), at % 15, 1000 + at, size=16) for at in range(200)]
    opened_tiles(browser, tmp_path, tile(640, 360, *many))
    places = browser.execute_script(
        """return [document.querySelector("#now .view"), ...document.querySelectorAll("#now .name rect")]
             .map((one) => one.getBoundingClientRect()).map((at) => [at.left, at.top, at.right, at.bottom])"""
    )
    (left, top, right, bottom), *plates = places
    assert 40 < len(plates) < 200
    for at, (x1, y1, x2, y2) in enumerate(plates):
        assert left - 0.5 <= x1 and top - 0.5 <= y1 and x2 <= right + 0.5 and y2 <= bottom + 0.5
        assert all(x2 <= a + 0.5 or c <= x1 + 0.5 or y2 <= b + 0.5 or d <= y1 + 0.5 for a, b, c, d in plates[:at])
    covered = sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in plates)
    assert covered < 0.27 * (right - left) * (bottom - top)
    assert f"({200 - len(plates)} missing)" in browser.find_element(By.ID, "here").text


def test_a_long_name_ends_within_the_picture(browser: Any, tmp_path: Path) -> None:
    name = "a name that is far too long for anybody " * 8
    opened_tiles(browser, tmp_path, tile(320, 180, Overlay("box", np.array([300.0, 20, 10, 10]), name, None, True)))
    (said,) = drawn_names(browser)
    assert said.endswith("\u2026") and name.startswith(said[:-1]) and len(said) > 40
    (text,) = browser.find_elements(By.CSS_SELECTOR, "#now svg .name text")
    assert text.rect["width"] < browser.find_element(By.CSS_SELECTOR, "#now .view").size["width"]


def test_what_is_pointed_at_is_seen_alone(browser: Any, tmp_path: Path) -> None:
    mask = np.zeros((180, 320), bool)
    mask[20:170, 20:200] = True
    things = [
        thing("mask", mask, 0, 7), box(40, 40, 1, 8), thing("line", [[250.0, 20], [250, 160]], 2, 9),
        box(60, 60, 1, 10, size=90),
    ]  # fmt: skip
    opened_tiles(browser, tmp_path, tile(320, 180, *things), tile(320, 180, *things[1:2]))
    here = browser.find_element(By.ID, "here")
    point_at(browser, 130 / 320, 130 / 180)
    assert here.text == "class 1 #010 \u00b7 class 0 #007"
    point_at(browser, 70 / 320, 70 / 180)
    assert here.text == "class 1 #008 \u00b7 class 1 #010 \u00b7 class 0 #007", "small ones first"
    assert opaque(browser) == 1 and drawn_names(browser) == ["class 1 #008"]
    assert [one.text.split("\n")[0] for one in browser.find_elements(By.CSS_SELECTOR, ".lit")] == ["class 1"]
    point_at(browser, 30 / 320, 30 / 180)
    assert here.text == "class 0 #007"
    point_at(browser, 252 / 320, 90 / 180)
    assert here.text == "class 2 #009", "a line is wider for the hand than for the eye"
    point_at(browser, 0.95, 0.5)
    assert opaque(browser) == 4 and here.text == "" and not browser.find_elements(By.CSS_SELECTOR, ".lit")
    point_at(browser, 70 / 320, 70 / 180)
    press(browser, Keys.END)
    assert here.text == "class 1 #008", "an object can be followed"
    press(browser, Keys.HOME)
    point_at(browser, 30 / 320, 30 / 180)
    press(browser, Keys.END)
    assert here.text == "" and opaque(browser) == 1, "as far as it goes"


def test_a_touch_says_what_is_there(browser: Any, tmp_path: Path) -> None:
    with screen(browser, 390, 800, 2, mobile=True):
        opened_tiles(browser, tmp_path, tile(320, 180, box(40, 40, 1, 8), box(200, 40, 2, 9)))
        view = browser.find_element(By.CSS_SELECTOR, "#now .view")
        touch = ActionBuilder(browser, mouse=PointerInput(POINTER_TOUCH, "finger"), duration=0)
        touch.pointer_action.move_to(view, int(-0.32 * view.size["width"]), int(-0.2 * view.size["height"])).click()
        touch.perform()
        assert browser.find_element(By.ID, "here").text == "class 1 #008" and opaque(browser) == 1


def test_a_class_of_the_legend_is_seen_before_all_others(browser: Any, tmp_path: Path) -> None:
    opened_tiles(browser, tmp_path, tile(320, 180, box(40, 40, 1, 8), box(100, 40, 1, 9), box(200, 40, 2, 10)))
    ActionChains(browser, duration=0).move_to_element(entry(browser, "class 1")).perform()
    assert opaque(browser) == 2 and sorted(drawn_names(browser)) == ["class 1 #008", "class 1 #009"]
    ActionChains(browser, duration=0).move_to_element(browser.find_element(By.TAG_NAME, "h1")).perform()
    assert opaque(browser) == 3
    browser.execute_script("arguments[0].focus()", entry(browser, "class 2").find_element(By.TAG_NAME, "input"))
    assert opaque(browser) == 1, "by keyboard, too"
    entry(browser, "class 1").click()
    ActionChains(browser, duration=0).move_to_element(browser.find_element(By.TAG_NAME, "h1")).perform()
    ActionChains(browser, duration=0).move_to_element(entry(browser, "class 1")).perform()
    assert drawn_names(browser) == ["class 2 #010"] and opaque(browser) == 1, "what is hidden hides nothing else"


def test_many_classes_can_be_searched(browser: Any, tmp_path: Path) -> None:
    things = [box(20 * at, 40, at) for at in range(15)]
    opened_tiles(browser, tmp_path, tile(320, 180), tile(320, 180, *things), tile(320, 180, *things[:14]))
    press(browser, Keys.HOME)
    listed = [one.text.split("\n")[0] for one in browser.find_elements(By.CSS_SELECTOR, ".class")]
    assert listed == NAMES, "10 after 9"
    browser.find_element(By.ID, "none").click()
    browser.find_element(By.ID, "find").send_keys("CLASS 14")
    assert browser.find_element(By.ID, "find").get_property("value") == "CLASS 14"
    assert browser.find_element(By.ID, "where").text.endswith("(1 of 3)"), "what is written there is no command"
    assert [one.text for one in browser.find_elements(By.CSS_SELECTOR, ".class") if one.is_displayed()] == ["class 14"]
    browser.find_element(By.ID, "all").click()
    press(browser, "l")
    assert browser.find_element(By.ID, "where").text.endswith("(2 of 3)") and drawn_names(browser) == ["class 14"]
    press(browser, "l")
    assert browser.find_element(By.ID, "where").text.endswith("(2 of 3)"), "of what is seen there is nothing elsewhere"
    assert len(browser.find_elements(By.CSS_SELECTOR, ".ticks .labelled")) == 1
    thumbs = browser.find_elements(By.CSS_SELECTOR, ".thumb")
    assert [len(one.find_elements(By.CSS_SELECTOR, "svg g")) for one in thumbs] == [0, 1, 0]


def test_one_class_alone_and_columns_in_part(browser: Any, tmp_path: Path) -> None:
    things = [
        Overlay("box", np.array([40.0 * at, 40, 30, 30]), NAMES[at], None, True, "boxes/boxes") for at in range(4)
    ]
    opened_tiles(browser, tmp_path, tile(320, 180, *things))
    head = browser.find_element(By.CSS_SELECTOR, ".head")
    tick = head.find_element(By.TAG_NAME, "input")
    assert head.text == "boxes" and tick.is_selected() and not browser.find_element(By.ID, "many").is_displayed()
    ActionChains(browser, duration=0).double_click(entry(browser, "class 2")).perform()
    assert drawn_names(browser) == ["class 2"] and not tick.is_selected() and tick.get_property("indeterminate")
    tick.click()
    assert len(drawn_names(browser)) == 4 and tick.is_selected() and not tick.get_property("indeterminate")


def test_frames_of_any_shape_have_thumbnails_of_one_height(browser: Any, tmp_path: Path) -> None:
    opened_tiles(browser, tmp_path, tile(4000, 20), tile(20, 4000), tile(320, 180))
    sizes: Sequence[Any] = [one.size for one in browser.find_elements(By.CSS_SELECTOR, ".thumb")]
    assert {one["height"] for one in sizes} == {sizes[0]["height"]} and sizes[0]["height"] < 180
    press(browser, Keys.ARROW_RIGHT)
    view = browser.find_element(By.CSS_SELECTOR, "#now .view")
    assert view.size["height"] <= 0.73 * browser.execute_script("return window.innerHeight")


def test_one_frame_is_not_stepped_through(browser: Any, tmp_path: Path) -> None:
    def shown_controls(*tiles: Tile) -> set[str]:
        opened_tiles(browser, tmp_path, *tiles)
        controls = ("scrub", "back", "on", "labelled", "changed", "names", "many")
        return {name for name in controls if browser.find_element(By.ID, name).is_displayed()}

    assert shown_controls(tile(320, 180, box(20, 20, 1))) == {"names"}
    assert shown_controls(tile(320, 180), tile(320, 180)) == {"scrub", "back", "on"}
    assert shown_controls(tile(320, 180), tile(320, 180, box(20, 20, 1))) == {
        "scrub",
        "back",
        "on",
        "labelled",
        "names",
    }


def test_the_keyboard_gets_everywhere_and_shows_where_it_is(browser: Any, tmp_path: Path) -> None:
    opened_tiles(browser, tmp_path, *(tile(320, 180, box(20, 20, at)) for at in range(3)))
    seen = []
    for _ in range(11):
        ActionChains(browser, duration=0).send_keys(Keys.TAB).perform()
        one = browser.switch_to.active_element
        assert one.value_of_css_property("outline-style") == "solid"
        seen.append(one.accessible_name)
    assert seen == [
        "Frame", "Frame before", "Next frame", "next labelled L", "names N", "class 0 1", "class 1", "class 2",
        "320 x 180", "320 x 180", "320 x 180",
    ]  # fmt: skip
    press(browser, Keys.END)
    assert browser.find_element(By.ID, "where").text.endswith("(3 of 3)")
    assert browser.find_element(By.CSS_SELECTOR, "[aria-current]").get_attribute("data-at") == "2"
    press(browser, Keys.HOME)
    assert browser.find_element(By.ID, "where").text.endswith("(1 of 3)")
