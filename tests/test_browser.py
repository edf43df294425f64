"""The page in a real browser: what it shows is what the frames say."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator
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
from lakebox.runner import draw

selenium = pytest.importorskip("selenium", reason="selenium is not installed")

from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
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
            wanted = bare + (colour_of(browser, "Road") - bare) * 140 / 255
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
        return len(browser.find_elements(By.CSS_SELECTOR, "#now svg rect"))

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
    press(browser, "c")
    assert shown(browser)[0] == second
    press(browser, "c")
    assert shown(browser)[0] == first
    press(browser, Keys.ARROW_RIGHT)
    assert not browser.find_element(By.ID, "before").is_displayed()


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


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_a_phone_and_a_laptop(browser: Any, lake: Path, width: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    try:
        opened(browser, previewed(lake))
        wide = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert wide[0] <= wide[1] == width
        assert browser.find_element(By.CSS_SELECTOR, "#now .view").size["width"] > 0.5 * min(width, 900)
        assert browser.get_log("browser") == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
