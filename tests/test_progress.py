"""How far a run is: what is counted, wherever it is done, and how a terminal shows it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyte
import pytest
from support.composed import composed
from support.live import ONTOLOGY, Live, image_annotations, png, video_project
from support.tiny import CLIPS, overrides, write_project

from lakebox import run
from lakebox.core.progress import Elsewhere

pytest_plugins = ["support.labelbox_fixtures", "support.live_fixtures"]

FRAMES = (40, 7)


class Counted:
    """Progress that remembers all it was told."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.stages: list[tuple[str, Sequence[int] | None]] = []
        self._lock = threading.Lock()

    def begin(self, what: str, sizes: Sequence[int] | None) -> None:
        self.stages.append((what, sizes))

    def rows(self, count: int) -> None:
        self.totals["rows"] += count

    def asset(self) -> None:
        self.totals[f"assets {self.stages[-1][0]}"] += 1

    def fetched(self, size: int) -> None:
        with self._lock:
            self.totals["bytes"] += size

    def decoded(self, count: int) -> None:
        with self._lock:
            self.totals["frames"] += count


@pytest.mark.parametrize("executor", ["thread", "serial", "process"])
def test_everything_is_counted_wherever_it_is_done(live: Live, executor: str) -> None:
    video_project(live, FRAMES)
    seen = Counted()
    report = run(composed(*live.overrides(f"executor={executor}")), seen)
    assert report.ok, report.failures
    assert seen.totals["frames"] == seen.totals["rows"] == sum(FRAMES)
    assert seen.stages == [
        ("reading the project", None), ("annotations", []), ("media and annotations", list(FRAMES)),
    ]  # fmt: skip
    assert seen.totals["assets reading the project"] == seen.totals["assets media and annotations"] == len(FRAMES)
    assert seen.totals["bytes"] == stored(live) > 0


def stored(live: Live) -> int:
    """Bytes of all media and masks."""
    return live.fake.storage.files.size("/o/") + sum(map(len, live.fake.masks.painted.values()))


def test_bytes_are_those_that_came(live: Live) -> None:
    live.fake.add_project("lanes", "IMAGE", ONTOLOGY, project_id=live.project_id)
    for number in range(5):
        url = live.fake.store(f"/o/{number}.png", png(np.full((48, 64, 3), number, np.uint8)))
        live.fake.label(live.fake.add_data_row(live.project_id, row_data=url), image_annotations(live.fake, number))
    seen, again = Counted(), Counted()
    report = run(composed(*live.overrides()), seen)
    assert report.ok, report.failures
    assert (seen.totals["bytes"], seen.totals["frames"], seen.totals["rows"]) == (stored(live), 5, 5)
    assert run(composed(*live.overrides()), again).ok
    assert again.totals["bytes"] == again.totals["frames"] == again.totals["rows"] == 0


def test_what_was_taken_along_is_not_taken_again() -> None:
    meter = Elsewhere()
    meter.fetched(5)
    meter.decoded(2)
    meter.fetched(1)
    assert (meter.taken(), meter.taken()) == ((6, 2), (0, 0))


# --- on a terminal -------------------------------------------------------------------------------------------------------

SCRIPT = """
import logging, sys
from lakebox.adapters.bars import Bars
from lakebox.adapters.log_lines import Stderr

logging.basicConfig(level=logging.INFO, handlers=[Stderr()], format="%(message)s")
with Bars() as bars:
    bars.begin("reading the project", None)
    bars.asset()
    input()
    bars.begin("media and annotations", [300, 300])
    logging.info("a line of the log")
    bars.fetched(1_500_000)
    bars.decoded(340)
    bars.rows(300)
    bars.asset()
    bars.rows(20)
    input()
    logging.info("another one")
    input()
print("done")
"""


class Terminal:
    """A terminal with a program in it."""

    def __init__(self, arguments: Sequence[str], size: tuple[int, int], **env: str) -> None:
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self._own, theirs = pty.openpty()
        termios.tcsetwinsize(self._own, size[::-1])
        modes = termios.tcgetattr(theirs)
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, modes)
        surroundings = {key: value for key, value in os.environ.items() if key not in ("CI", "COLUMNS", "LINES")}
        self._process = subprocess.Popen(
            arguments, stdin=theirs, stdout=theirs, stderr=theirs, env={**surroundings, "TERM": "xterm", **env}
        )
        os.close(theirs)
        os.set_blocking(self._own, False)

    def lines(self) -> list[str]:
        """What is to be seen, without empty lines."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def until(self, *texts: str) -> list[str]:
        """What is to be seen once these texts are."""
        return self._until(lambda lines: all(any(text in line for line in lines) for text in texts))

    def until_all(self, fits: Callable[[str], bool]) -> list[str]:
        """What is to be seen once all lines are like that."""
        return self._until(lambda lines: all(map(fits, lines)))

    def _until(self, done: Callable[[list[str]], bool]) -> list[str]:
        end = time.monotonic() + 30
        while not done(lines := self.lines()):
            assert time.monotonic() < end, lines
            self._look()
        return lines

    def _look(self) -> None:
        try:
            self._stream.feed(os.read(self._own, 1 << 16))
        except BlockingIOError:
            time.sleep(0.01)

    def enter(self) -> None:
        """The enter key."""
        os.write(self._own, b"\n")

    def shrink(self, columns: int) -> None:
        """Make it narrower; the cursor stays where it is."""
        at = self.screen.cursor.y + 1, self.screen.cursor.x + 1
        self.screen.resize(columns=columns)
        self.screen.cursor_position(*at)
        termios.tcsetwinsize(self._own, (self.screen.lines, columns))

    def close(self) -> None:
        """End what runs in it."""
        self._process.kill()
        self._process.wait(30)
        os.close(self._own)


@contextmanager
def terminal(*arguments: str, size: tuple[int, int] = (80, 24), **env: str) -> Iterator[Terminal]:
    shown = Terminal([sys.executable, *arguments], size, **env)
    try:
        yield shown
    finally:
        shown.close()


def test_a_terminal_shows_stage_rates_and_log_and_nothing_stays() -> None:
    with terminal("-c", SCRIPT) as shown:
        shown.until("reading the project  1 data rows")
        shown.enter()
        shown.until("fetch       1.5 MB", "decode         340", "write          320", " left")
        shown.enter()
        lines = shown.until("another one")
        first, second = lines.index("a line of the log"), lines.index("another one")
        stage = lines.index("media and annotations  1 of 2 data rows")
        assert first < second < stage  # lines come above, each by itself, and the display is there once
        assert len([line for line in lines if "data rows" in line]) == 1
        assert "━" in lines[stage + 1] and [line[:5].strip() for line in lines[stage + 2 :]] == [
            "fetch",
            "decod",
            "write",
        ]
        shown.enter()
        left = shown.until("done")
        assert [line for line in left if line] == ["a line of the log", "another one", "done"]


def test_a_terminal_that_shrinks_keeps_its_lines() -> None:
    """What is wider than the terminal has become is folded by it, so lines leave room."""
    with terminal("-c", SCRIPT) as shown:
        shown.enter()
        shown.until("write          320")
        for columns in (70, 60, 50, 40):
            shown.shrink(columns)
            shown.until_all(lambda line, most=columns * 3 // 4: len(line) <= most)
        shown.enter()
        lines = shown.until("another one")
        assert [line[:5] for line in lines] == ["a lin", "anoth", "media", "━━━━━", "fetch", "decod", "write"]
        shown.enter()
        assert shown.until("done") == ["a line of the log", "another one", "done"]


@pytest.mark.parametrize("env", [{"CI": "true"}, {"TERM": "dumb"}])
def test_no_display_in_ci(env: dict[str, str]) -> None:
    with terminal("-c", SCRIPT, **env) as shown:
        shown.enter()
        shown.enter()
        shown.enter()
        lines = shown.until("done")
        assert [line for line in lines if line] == ["a line of the log", "another one", "done"]


def test_nothing_is_drawn_into_a_pipe() -> None:
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT], input="\n\n\n", env={**os.environ, "FORCE_COLOR": "1"}, text=True,
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert (found.stdout, found.stderr) == ("done\n", "a line of the log\nanother one\n")


def test_a_run_shows_how_far_it_is(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", CLIPS[:1])
    with terminal("-m", "lakebox", *overrides(project, tmp_path / "lake"), size=(100, 50)) as shown:
        lines = shown.until("open it")
    assert any(line.startswith("plan: ") for line in lines)
    assert not any("data rows" in line and "of" in line for line in lines)
