"""Whatever people do at Labelbox, the dataset that was fetched again means what one built from nothing means.

Random edits of a small project in the fake service, through the real SDK and the real runner. `LAKEBOX_EXAMPLES=500`
tries so many sequences of edits, others every time; without it they are few and the same ones.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import deeplake
import lance
import pytest
from hypothesis import HealthCheck, Phase, currently_in_test_context, given, note, settings
from hypothesis import strategies as st
from support import compare, edits, meaning
from support.annotator import Annotator, by_dice, small_project
from support.composed import composed
from support.edits import Edit
from support.fake_labelbox import FakeLabelbox, Seen
from support.lake_shown import Shown, found
from support.live import Live, cells_of, expected

from lakebox import run
from lakebox.core.report import Report

pytest_plugins = ["support.labelbox_fixtures", "support.live_fixtures"]

EXAMPLES = os.environ.get("LAKEBOX_EXAMPLES")
SETTINGS = settings(
    max_examples=int(EXAMPLES or 1),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    print_blob=False,
    phases=(Phase.generate, Phase.shrink) if EXAMPLES else (Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
QUICK_DISK = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Commits wait for the disk: in memory they take half of the time."""
OWN = "my/remark"
"""A column that the user added."""

EDITS = (*edits.OF_LABELS, *edits.OF_ROWS, *edits.OF_ONTOLOGIES)


@dataclass(frozen=True)
class Setup:
    """A way to keep a dataset."""

    name: str
    overrides: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    """The groups of its mapping, for the reference."""
    annotations: str = "{}"
    """Address of what holds annotations, for the path of a dataset."""

    def address(self, lake: Path) -> str:
        return self.annotations.format(lake)

    def opened(self, lake: Path) -> Any:
        """What holds annotations, to read."""
        return deeplake.open_read_only(self.address(lake))

    def media(self, lake: Path) -> Any:
        """What holds the media, to read."""
        return deeplake.open_read_only(str(lake))

    def remark(self, lake: Path) -> dict[str, str]:
        """The user writes something beside every row. Row key -> what."""
        path, _, branch = self.address(lake).partition("@")
        root = deeplake.open(path)
        dataset = root.branches[branch].open() if branch else root
        dataset.add_column(OWN, deeplake.types.Text())
        remarks = {str(key): f"Anmerkung zu {key}" for key in dataset[meaning.KEY][:]}
        dataset[OWN][:] = list(remarks.values())
        dataset.commit("remarks")
        return remarks


class OfLance(Setup):
    """The same, as Lance datasets."""

    def opened(self, lake: Path) -> Any:
        path, _, branch = self.address(lake).partition("@")
        return Shown(found(path, branch))

    def media(self, lake: Path) -> Any:
        return Shown(found(str(lake)))

    def remark(self, lake: Path) -> dict[str, str]:
        path, _, branch = self.address(lake).partition("@")
        dataset = lance.dataset(path)
        dataset = dataset.checkout_version((branch, None)) if branch else dataset
        dataset.add_columns({OWN: f"concat('Anmerkung zu ', `{meaning.KEY}`)"})
        return {key: f"Anmerkung zu {key}" for key in meaning.row_keys(self.opened(lake))}


BY_KIND = {
    "rectangle": "boxes",
    "point": "points",
    "line": "lines",
    "polygon": "polygons",
    "raster-segmentation": "mask",
}
CHANGES = ("source.margin_minutes=0",)
"""Runs after the first ask the service for changes only; with a margin, everything of a short test would be among them."""
PROVIDERS = [
    Setup("in_place", CHANGES),
    Setup("branch", ("provider=branch", *CHANGES), annotations="{}@labelbox"),
    Setup("separate", ("provider=separate", *CHANGES), annotations="{}_annotations"),
    Setup("mapping_file", ("provider=mapping_file", *CHANGES)),
]
SETUPS = [
    *PROVIDERS,
    Setup("by_kind", ("mapping=by_kind", *CHANGES), BY_KIND),
    Setup("whole", ("source.refetch=whole",)),
]
LANCE = [
    OfLance("lance", ("storage=lance", *CHANGES)),
    OfLance("lance branch", ("storage=lance", "provider=branch", *CHANGES), annotations="{}@labelbox"),
    OfLance("lance separate", ("storage=lance", "provider=separate", *CHANGES), annotations="{}_annotations"),
]


@dataclass
class Refetched:
    """A project in a fake Labelbox, and the dataset that is kept in step with it."""

    setup: Setup
    live: Live
    remarks: dict[str, str] = field(default_factory=dict)
    """Row key -> what the user wrote there, of rows that are still there."""
    fresh: Path = Path("none yet")
    """The dataset that was built from nothing last."""
    _built: int = 0

    def __post_init__(self) -> None:
        self._config = composed(*self.live.overrides(*self.setup.overrides))

    def run(self, lake: Path | None = None) -> Report:
        """As `Live.run`; composing the same configuration again would take as long as running it."""
        self._config.path = str(lake or self.lake)
        if "file" in self._config.provider:
            self._config.provider.file = f"{lake or self.lake}.json"
        return run(self._config)

    @property
    def lake(self) -> Path:
        return self.live.folder / "lake"

    def begin(self) -> None:
        """The first run, and remarks of the user on all rows."""
        self.fetch()
        self.remarks = self.setup.remark(self.lake)

    def fetch(self) -> None:
        """Bring the dataset up to date; media are asked for once, and of new data rows only."""
        before, seen = self.rows(), len(self.live.fake.seen)
        report = self.run()
        assert report.ok, report.failures
        new = {key.rpartition(":")[0] for key in self.rows() - before}
        assert len(media_requests(self.live.fake.seen[seen:])) == len(new)
        assert report.assets["added"] == len(new)

    def rows(self) -> set[str]:
        return set(meaning.row_keys(self.setup.opened(self.lake))) if self.lake.exists() else set()

    def check(self) -> None:
        """Assert that the dataset is as good as one built from nothing."""
        self._built += 1
        self.fresh = self.live.folder / f"fresh{self._built}"
        report = self.run(self.fresh)
        assert report.ok, report.failures
        kept, new = self.setup.opened(self.lake), self.setup.opened(self.fresh)
        assert meaning.differences(kept, new, without={*meaning.LEFT_OUT, OWN}) == []
        assert names(new) <= names(kept)
        self.check_media()

    def check_media(self) -> None:
        """What holds the media has the same rows in the same order."""
        media = self.setup.media(self.lake)
        assert meaning.row_keys(media) == meaning.row_keys(self.setup.opened(self.lake))
        assert {"frames", "image"} & names(media)

    def check_remarks(self) -> None:
        found = meaning.meaning(self.setup.opened(self.lake))
        self.remarks = {key: remark for key, remark in self.remarks.items() if key in found}
        assert {key: found[key][OWN] for key in self.remarks} == self.remarks

    def check_second_run(self) -> None:
        """It finds nothing to do: no commit, and of media and masks nothing is asked for."""
        before, version = len(self.live.fake.seen), self.versions()
        ids = {key.rpartition(":")[0] for key in self.rows()}
        assert self.run().plan == f"nothing to do, {len(ids)} unchanged"
        assert self.versions() == version
        assert file_requests(self.live.fake.seen[before:]) == []

    def versions(self) -> list[str]:
        return [one.version for one in (self.setup.media(self.lake), self.setup.opened(self.lake))]


def names(dataset: Any) -> set[str]:
    return {column.name for column in dataset.schema.columns}


def media_requests(seen: Sequence[Seen]) -> list[str]:
    return [one.path for one in seen if one.path.startswith("/o/")]


def file_requests(seen: Sequence[Seen]) -> list[str]:
    """Media and masks."""
    return media_requests(seen) + [one.path for one in seen if "/mask" in one.path]


STEPS = st.lists(st.lists(st.sampled_from(EDITS), min_size=1, max_size=3), min_size=1, max_size=8)


MEDIA = ("video", "image")
IN_PLACE, BRANCH, SEPARATE, MAPPING_FILE, KINDS, WHOLE = SETUPS
ONE_BY_ONE_IN = [(BRANCH, "video"), (SEPARATE, "image")]
AT_RANDOM_IN = [(each, media) for each in (IN_PLACE, BRANCH, SEPARATE) for media in MEDIA]
AT_RANDOM_IN += [(LANCE[0], "video"), (LANCE[1], "video"), (LANCE[2], "image")]
AT_RANDOM_IN += [(MAPPING_FILE, "video"), (MAPPING_FILE, "image"), (KINDS, "video"), (WHOLE, "image")]
"""All of them with `LAKEBOX_EXAMPLES`; every day, what differs from the others."""
if EXAMPLES:
    ONE_BY_ONE_IN = [(each, media) for each in [*PROVIDERS, *LANCE] for media in MEDIA]
    AT_RANDOM_IN = [(each, media) for each in [*SETUPS, *LANCE] for media in MEDIA]

ONE_BY_ONE: list[list[Edit]] = [
    *[[edits.repaint_mask]] * 3,
    *[[edits.insert_option] * 4] * 2,
    *([edit] for edit in EDITS),
]
"""Steps of one kind of edit, so that none hides what another one does: what only a date tells, and what widens cells,
several times."""


@pytest.mark.parametrize(("setup", "media"), ONE_BY_ONE_IN, ids=lambda each: getattr(each, "name", each))
def test_every_edit_comes_with_the_next_run(live: Live, media: str, setup: Setup) -> None:
    small_project(live.fake, media)
    who = Annotator(live.fake, live.project_id, by_dice(2))
    with tempfile.TemporaryDirectory(dir=QUICK_DISK) as folder:
        steps = ONE_BY_ONE if EXAMPLES or media == "video" else ONE_BY_ONE[::2]
        keep_in_step(Refetched(setup, Live(live.fake, Path(folder))), steps, who)


@pytest.mark.parametrize(("setup", "media"), AT_RANDOM_IN, ids=lambda each: getattr(each, "name", each))
def test_a_dataset_fetched_again_means_what_one_built_from_nothing_means(
    media: str, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    @SETTINGS
    @given(steps=STEPS, data=st.data())
    def follow(steps: list[list[Edit]], data: st.DataObject) -> None:
        with FakeLabelbox() as fake, tempfile.TemporaryDirectory(dir=QUICK_DISK) as folder:
            monkeypatch.setenv("LABELBOX_API_KEY", fake.key)
            small_project(fake, media)
            refetched = Refetched(setup, Live(fake, Path(folder)))
            keep_in_step(refetched, steps, Annotator(fake, "project1", by_draws(data)))
            assert not (fake.crashes or fake.unknown)

    follow()


def by_draws(data: st.DataObject) -> Any:
    """Choices that shrink towards the first option."""
    return lambda options: options[data.draw(st.integers(0, len(options) - 1))]


def keep_in_step(refetched: Refetched, steps: Sequence[Sequence[Edit]], who: Annotator) -> None:
    refetched.begin()
    columns = names(refetched.setup.opened(refetched.lake))
    for step in steps:
        done = [said for edit in step if (said := edit(who))]
        _say("; ".join(done))
        if not done:
            continue
        refetched.fetch()
        refetched.check()
        refetched.check_second_run()
        refetched.check_remarks()
        before, columns = columns, names(refetched.setup.opened(refetched.lake))
        assert len(before) <= len(columns), "columns of what was archived stay"
    if refetched.fresh.exists():
        check_reference(refetched)


def _say(text: str) -> None:
    """Shown with an example that fails."""
    if currently_in_test_context():
        note(text)


def check_reference(refetched: Refetched) -> None:
    """What both have in common is right as well."""
    live = refetched.live
    wanted = expected(live.fake, live.project_id, refetched.setup.groups)
    found = cells_of(refetched.setup.opened(refetched.fresh))
    assert compare.differences(wanted, {key: found[key] for key in wanted if key in found}) == []
