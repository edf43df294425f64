"""What every task on a project needs: its components, and the plan worked out from source and lake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, SkipValidation

from lakebox.core.columns import Column
from lakebox.core.drift import Difference, Drift, differences, recalled, remembered, united
from lakebox.core.facts import fact_columns, media_columns
from lakebox.core.fingerprint import canonical, digest
from lakebox.core.frames import FrameSelection
from lakebox.core.labels import LabelPolicy
from lakebox.core.lake_port import Lake, Place, Provider, Storage, Stored
from lakebox.core.layout import Layout, make_layout
from lakebox.core.mapping import Mapping
from lakebox.core.model import Asset, Failure, Ontology
from lakebox.core.ontology import has_ids, parse_ontology
from lakebox.core.plan import Plan, make_plan, with_columns
from lakebox.core.ports import (
    Executor,
    Fetch,
    Incremental,
    MaskPolicy,
    OnError,
    Pixels,
    Presigner,
    Source,
    SourceRow,
    Stop,
    Tools,
)
from lakebox.core.progress import Progress
from lakebox.core.report import Report
from lakebox.core.scan import Reading, Scan, scan
from lakebox.core.seen import MAPPING, ONTOLOGY, Seen, since
from lakebox.errors import ConfigError
from lakebox.tasks.beside import find_labels
from lakebox.tasks.fitting import refuse_others, stored_pixels, wanted_pixels
from lakebox.tasks.page import NoPage, Page
from lakebox.tasks.provider import place_of

Stage = Literal["whole", "media", "labels"]
"""What a dataset, or branch, gets: media and annotations, media only, or annotations of rows that are there."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A project compared with a dataset."""

    scan: Scan
    lake: Lake | None
    stored: Stored
    address: str
    media: str
    layout: Layout
    ontology: Ontology
    """What is given, what labels use, and what the dataset has of earlier ones."""
    pixel_column: Column | None
    layout_counts: bool
    """Whether annotation columns belong into this dataset or branch."""
    todo: Plan
    missing: tuple[Asset, ...] = ()
    """Data rows that have no rows to annotate."""
    drift: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """All that a run would do."""

    main: Prepared
    """What holds the annotations, or everything."""
    media: Prepared | None = None
    """What holds the media, where that is another dataset or branch."""

    @property
    def plan(self) -> Plan:
        """The plan that people see."""
        return self.media.todo if self.media and self.main.todo.empty else self.main.todo


class Unread(Exception):
    """Knowing only what changed is not enough."""


class Project(BaseModel):
    """Components of a task on a project. The runner fills every field that is named like a config group or root key."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    source: Source
    presigner: Presigner
    fetch: Fetch
    mapping: Mapping
    provider: Provider
    storage: Storage
    drift: Drift
    pixels: Pixels
    masks: MaskPolicy
    frames: FrameSelection
    labels: LabelPolicy
    executor: Executor
    on_error: OnError
    preview: Page | NoPage
    config_digest: str
    project_id: str | None
    path: str = Field(min_length=1)
    limit: PositiveInt | None
    tools: SkipValidation[Tools]
    progress: SkipValidation[Progress]
    stop: SkipValidation[Stop]

    def read(self) -> tuple[Scan, Place]:
        """The project, and where it goes: what changed if that is known, else everything."""
        return self._read_changes() or self.read_all()

    def read_all(self) -> tuple[Scan, Place]:
        """The whole project, and where it goes."""
        found = self._scanned(self.source.rows(), frozenset())
        if part := self.source.partial():
            found.whole = False
            found.warnings.append(f"{part}: data rows outside are left as they are in the dataset")
        return found, place_of(self.provider, found.project_name)

    def _read_changes(self) -> tuple[Scan, Place] | None:
        if not isinstance(self.source, Incremental) or self.limit:
            return None
        uid, name = self.source.project()
        recipe = self._recipe(name)
        place = place_of(self.provider, name)
        lake = find_labels(self.storage, place)
        known = None if lake is None else since(lake.stored(), recipe)
        changes = self.source.changes(known) if known else None
        if known is None or changes is None:
            return None
        found = self._scanned(changes.rows, changes.unchanged)
        found.project_id, found.project_name, found.whole_moment = uid, name, known.whole.isoformat()
        return found, place

    def _scanned(self, rows: Iterable[SourceRow], unchanged: frozenset[str]) -> Scan:
        raw = self.source.ontology()
        given = parse_ontology(raw, self.source.describe()) if raw is not None else None
        reading = Reading(self.labels, self.frames, digest(repr(self.pixels)))
        if given is not None and not has_ids(given):
            reading = replace(reading, content=canonical)  # names decide what is meant
        return scan(self._watched(rows), self.project_id, reading, given, self.limit, unchanged)

    def _watched(self, rows: Iterable[SourceRow]) -> Iterator[SourceRow]:
        self.progress.begin("reading the project", None)
        for row in rows:
            yield row
            self.progress.asset()

    def _recipe(self, project_name: str) -> str:
        """Names everything but labels that decides what is read and how: another one, and all has to be read."""
        own = (self.labels, self.frames, self.pixels, self.masks, self.mapping)
        return digest([self.source.describe(), project_name, *map(repr, own)])

    def overview(self, found: Scan, place: Place, actions: frozenset[str]) -> Overview:
        """Compare the project with what is there.

        Raises:
            Unread: not all that has to be compared was read.
        """
        if not place.apart:
            lake = self.storage.find(place.media)
            return Overview(self.compare(found, lake, place.media, "whole", actions))
        media = self.compare(found, self.storage.find(place.media), place.media, "media", actions - {"relabel"})
        if "relabel" not in actions:
            return Overview(media)
        labels = find_labels(self.storage, place)
        address = place.annotations or f"{place.media}@{place.branch}"
        return Overview(self.compare(found, labels, address, "labels", actions), media)

    def compare(self, found: Scan, lake: Lake | None, address: str, stage: Stage, actions: frozenset[str]) -> Prepared:
        """Compare the project with one dataset or branch.

        Args:
            found: the project.
            lake: the dataset; None if it is not there yet.
            address: its address.
            stage: what of the project is to be there.
            actions: what the task may do, out of `add`, `relabel` and `drop`.

        Raises:
            ConfigError: the dataset is another project's, or stores media in another way.
            DriftError: a feature is of another kind than before.
            Unread: not all that has to be compared was read.
        """
        stored = Stored() if lake is None else lake.stored()  # an empty lake is false
        refuse_others(stored, found.project_id, address)
        media = stored.media or (found.assets[0].media.kind if found.assets else "video")
        found.assets = [asset for asset in found.assets if self._fits(asset, media, found)]
        before, adds = stored_pixels(stored), stage != "labels" and "add" in actions
        pixel_column = wanted_pixels(self.pixels, media, stored) if adds else before
        mapping = self.masks.adapt(self.mapping)
        ontology = united(recalled(stored.notes.get(ONTOLOGY, "")), found.ontology, found.given)
        drift = self._drift(stored, ontology, mapping) if "relabel" in actions else ()
        fixed = [*media_columns(media, pixel_column), *fact_columns(media)]
        layout = self._layout(ontology, mapping, stored, fixed, drift)
        self._refuse_unread(found, stored, layout, drift)
        todo, missing = self._plan(found, layout, stored, actions)
        if "relabel" in actions and (lake is not None or todo.add):
            own = {column.name for column in stored.columns if column.key.startswith("lakebox:")}
            todo = self._keep_unseen(with_columns(todo, layout.columns(), stored, own), layout, stored, found)
            todo = replace(todo, drift=tuple(one.text for one in drift))
        return Prepared(
            found,
            lake,
            stored,
            address,
            media,
            layout,
            ontology,
            pixel_column,
            "relabel" in actions,
            todo,
            missing,
            drift,
        )

    def tell(self, found: Scan, overview: Overview, report: Report) -> None:
        """Failures, warnings, plan and dataset for the report; said again after another look, it is said once."""
        main = overview.main
        if "relabel" in self._actions() and "add" not in self._actions():
            found.failures += [_missing(asset) for asset in main.missing]
        for failure in found.failures:
            report.fail(failure)
        typos = self._typos(main.ontology)
        report.warnings += [text for text in (*found.warnings, *typos) if text not in report.warnings]
        if not report.plan:
            report.plan, report.assets["unchanged"] = str(overview.plan), len(main.todo.keep)
        report.dataset.path = main.address.partition("@")[0]
        if main.lake is not None:
            report.dataset.read(main.lake)

    def _actions(self) -> frozenset[str]:
        return frozenset({"add", "relabel", "drop"})

    def seen(self, found: Scan, layout: Layout) -> str | None:
        """What a dataset that is in step with the project notes; None if it is not (a task that does only a part looks
        away from the rest), or if the source cannot be asked for changes."""
        is_part = self._actions() != {"add", "relabel", "drop"}
        if is_part or not isinstance(self.source, Incremental) or not found.whole or found.failures:
            return None
        moment = self.source.as_of().isoformat()
        whole = found.whole_moment or moment
        return Seen(moment, whole, self._recipe(found.project_name), layout.digest()).text()

    def notes(self, prepared: Prepared) -> dict[str, str]:
        """What the next run compares with."""
        mapping = digest(repr(self.masks.adapt(self.mapping)))
        return {ONTOLOGY: remembered(prepared.ontology), MAPPING: mapping}

    def _fits(self, asset: Asset, media: str, found: Scan) -> bool:
        if asset.media.kind != media:
            text = f"is of type {asset.media.kind}, but the dataset holds {media} projects; export them separately"
            found.failures.append(Failure(asset.id, asset.name, "parse", text))
        return asset.media.kind == media

    def _drift(self, stored: Stored, ontology: Ontology, mapping: Mapping) -> tuple[Difference, ...]:
        found = differences(recalled(stored.notes.get(ONTOLOGY, "")), ontology)
        if stored.notes.get(MAPPING, digest(repr(mapping))) != digest(repr(mapping)):
            found.append(Difference("mapping", "the mapping changed in the configuration"))
        return tuple(found)

    def _layout(
        self,
        ontology: Ontology,
        mapping: Mapping,
        stored: Stored,
        fixed: list[Column],
        drift: tuple[Difference, ...],
    ) -> Layout:
        """Stored names bind only the features that still want a column, so that a left one gives its name free."""
        before = {column.key: column for column in stored.columns if not column.key.startswith("lakebox:")}
        taken = {column.name for column in fixed} | set(stored.foreign)
        keys = {column.key for column in make_layout(ontology, mapping, taken, before).columns()}
        kept = {key: column for key, column in before.items() if key in keys}
        renamed = {one.key for one in drift if one.kind == "renamed"}
        return make_layout(ontology, mapping, taken, kept, renamed)

    def _refuse_unread(self, found: Scan, stored: Stored, layout: Layout, drift: tuple[Difference, ...]) -> None:
        """Data rows that were not read can stay as they are only where they would be written as they were. A changed
        ontology changes labels, too: answers go with an archived option, and nothing happened to their data row."""
        if not found.unchanged:
            return
        seen = Seen.of(stored)
        finished = {asset.id for asset in stored.assets if asset.complete}
        if drift or (seen and seen.layout != layout.digest()) or not found.unchanged <= finished:
            raise Unread

    def _plan(
        self, found: Scan, layout: Layout, stored: Stored, actions: frozenset[str]
    ) -> tuple[Plan, tuple[Asset, ...]]:
        own = layout.digest()
        wanted = [replace(asset, labels_stamp=digest([asset.labels_stamp, own])) for asset in found.assets]
        if "relabel" not in actions:
            wanted = [replace(asset, labels_stamp="") for asset in wanted]
        stamps = {old.id: old.media_stamp for old in stored.assets if old.complete}
        if "add" not in actions:
            wanted = [replace(asset, media_stamp=stamps.get(asset.id, asset.media_stamp)) for asset in wanted]
        untouchable = {failure.data_row_id for failure in found.failures} if found.whole else None
        todo = make_plan(wanted, stored.assets, untouchable, found.unchanged)
        if "relabel" not in actions:
            todo = replace(todo, relabel=(), keep=(*todo.keep, *(asset.id for asset, _ in todo.relabel)))
        if "add" in actions:
            return todo, ()
        return replace(todo, add=(), drop=(), unfinished=()), tuple(asset for asset, _ in todo.add)

    def _keep_unseen(self, todo: Plan, layout: Layout, stored: Stored, found: Scan) -> Plan:
        """Columns go only when every data row was read: those that were not may be the ones that fill them."""
        if found.whole and not found.failures:
            return todo
        keys = {column.name: column.key for column in stored.columns}
        wanted = [column for column in layout.columns() if column.name in keys]
        changed = [c.name for c in wanted if c.name in todo.remove or c.key != keys[c.name]]
        if changed and not found.whole:
            raise ConfigError(
                f"mapping: columns {', '.join(changed)} change their meaning, but not every data row of the project"
                " could be read (limit, or broken lines); nothing was touched, run without limit on a whole export"
            )
        return replace(todo, remove=tuple(name for name in todo.remove if name in changed))

    def _typos(self, ontology: Ontology) -> list[str]:
        unknown = self.masks.adapt(self.mapping).unknown(ontology.tools, ontology.questions)
        names = ", ".join(repr(name) for name in unknown)
        return [f"mapping names what is neither a kind nor a feature of this ontology: {names}"] if unknown else []


def _missing(asset: Asset) -> Failure:
    text = "has no rows in the dataset to annotate; add it with task=create or task=sync"
    return Failure(asset.id, asset.name, "plan", text)
