"""What every task on a project needs: its components, and the plan worked out from source and lake."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, SkipValidation

from lakebox.core.columns import Column
from lakebox.core.facts import fact_columns, media_columns
from lakebox.core.fingerprint import digest
from lakebox.core.frames import FrameSelection
from lakebox.core.labels import LabelPolicy
from lakebox.core.lake_port import Lake, Provider, Storage, Stored
from lakebox.core.layout import Layout, make_layout
from lakebox.core.mapping import Mapping
from lakebox.core.model import Asset, Failure
from lakebox.core.ontology import parse_ontology
from lakebox.core.plan import Plan, make_plan, with_columns
from lakebox.core.ports import Executor, Fetch, MaskPolicy, OnError, Pixels, Presigner, Progress, Source, Tools
from lakebox.core.report import Report
from lakebox.core.scan import Reading, Scan, scan
from lakebox.errors import ConfigError, MediaError


@dataclass(frozen=True, slots=True)
class Prepared:
    """A project compared with its dataset."""

    scan: Scan
    lake: Lake | None
    stored: Stored
    address: str
    media: str
    layout: Layout
    pixel_column: Column | None
    todo: Plan


class Project(BaseModel):
    """Components of a task on a project. The runner fills every field that is named like a config group or root key."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    source: Source
    presigner: Presigner
    fetch: Fetch
    mapping: Mapping
    provider: Provider
    storage: Storage
    pixels: Pixels
    masks: MaskPolicy
    frames: FrameSelection
    labels: LabelPolicy
    executor: Executor
    on_error: OnError
    project_id: str | None
    path: str = Field(min_length=1)
    limit: PositiveInt | None
    tools: SkipValidation[Tools]
    progress: SkipValidation[Progress]

    def prepare(self, actions: frozenset[str], report: Report) -> Prepared:
        """Read source and dataset, and plan. Failures and warnings go to the report; nothing is changed.

        Args:
            actions: what the task may do, out of `add`, `relabel` and `drop`.
            report: gets failures, warnings, plan and dataset.
        """
        raw = self.source.ontology()
        given = parse_ontology(raw, self.source.describe()) if raw is not None else None
        recipe = digest(repr(self.pixels))
        found = scan(self.source.rows(), self.project_id, Reading(self.labels, self.frames, recipe), given, self.limit)
        if part := self.source.partial():
            found.whole = False
            found.warnings.append(f"{part}: data rows outside are left as they are in the dataset")
        address = self.provider.address(self.path, found.project_name)
        lake = self.storage.find(address)
        stored = Stored() if lake is None else lake.stored()  # an empty lake is false
        self._refuse_other_project(found, stored, address)
        media = stored.media or (found.assets[0].media.kind if found.assets else "video")
        found.assets = [asset for asset in found.assets if self._fits(asset, media, found)]
        pixel_column = self._pixel_column(media, stored, actions)
        mapping = self.masks.adapt(self.mapping)
        layout = self._layout(found, mapping, stored, [*media_columns(media, pixel_column), *fact_columns(media)])
        todo = self._plan(found, layout, stored, actions)
        if "relabel" in actions and (lake is not None or todo.add):
            fixed = {column.name for column in stored.columns if column.key.startswith("lakebox:")}
            todo = self._keep_unseen(with_columns(todo, layout.columns(), stored, fixed), layout, stored, found)
        for failure in found.failures:
            report.fail(failure)
        report.warnings += [*found.warnings, *self._typos(found, mapping)]
        report.plan = str(todo)
        report.dataset.path = address
        if lake is not None:
            report.dataset.rows, report.dataset.version = len(lake), lake.version
        report.assets["unchanged"] += len(todo.keep)
        return Prepared(found, lake, stored, address, media, layout, pixel_column, todo)

    def _refuse_other_project(self, found: Scan, stored: Stored, address: str) -> None:
        if stored.project_id and stored.project_id != found.project_id:
            raise ConfigError(
                f"path: {address} holds project {stored.project_id}, not {found.project_id}; nothing was touched,"
                " choose another path"
            )

    def _fits(self, asset: Asset, media: str, found: Scan) -> bool:
        if asset.media.kind != media:
            text = f"is of type {asset.media.kind}, but the dataset holds {media} projects; export them separately"
            found.failures.append(Failure(asset.id, asset.name, "parse", text))
        return asset.media.kind == media

    def _pixel_column(self, media: str, stored: Stored, actions: frozenset[str]) -> Column | None:
        before = next((column for column in stored.columns if column.key == "lakebox:pixels"), None)
        if "add" not in actions:
            return before
        try:
            wanted = self.pixels.column(media)
        except MediaError as error:
            raise ConfigError(f"pixels: {error}") from error
        if stored.columns and wanted != before:
            has = f"'{before.name}' as {before.type}" if before else "no pixels"
            wants = f"'{wanted.name}' as {wanted.type}" if wanted else "none"
            raise ConfigError(f"pixels: the dataset stores {has}, the configuration wants {wants}; choose another path")
        return wanted

    def _layout(self, found: Scan, mapping: Mapping, stored: Stored, fixed: list[Column]) -> Layout:
        """Stored names bind only the features that still want a column, so that a left one gives its name free."""
        before = {column.key: column for column in stored.columns if not column.key.startswith("lakebox:")}
        taken = {column.name for column in fixed} | set(stored.foreign)
        keys = {column.key for column in make_layout(found.ontology, mapping, taken, before).columns()}
        kept = {key: column for key, column in before.items() if key in keys}
        return make_layout(found.ontology, mapping, taken, kept)

    def _plan(self, found: Scan, layout: Layout, stored: Stored, actions: frozenset[str]) -> Plan:
        own = layout.digest()
        wanted = [replace(asset, labels_stamp=digest([asset.labels_stamp, own])) for asset in found.assets]
        if "relabel" not in actions:
            wanted = [replace(asset, labels_stamp="") for asset in wanted]
        stamps = {old.id: old.media_stamp for old in stored.assets if old.complete}
        if "add" not in actions:
            wanted = [replace(asset, media_stamp=stamps.get(asset.id, asset.media_stamp)) for asset in wanted]
        untouchable = {failure.data_row_id for failure in found.failures} if found.whole else None
        todo = make_plan(wanted, stored.assets, untouchable)
        if "relabel" not in actions:
            todo = replace(todo, relabel=(), keep=(*todo.keep, *(asset for asset, _ in todo.relabel)))
        if "add" not in actions:
            found.failures += [_missing(asset) for asset, _ in todo.add]
            todo = replace(todo, add=(), drop=(), unfinished=())
        return todo

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

    def _typos(self, found: Scan, mapping: Mapping) -> list[str]:
        unknown = mapping.unknown(found.ontology.tools, found.ontology.questions)
        names = ", ".join(repr(name) for name in unknown)
        return [f"mapping names what is neither a kind nor a feature of this ontology: {names}"] if unknown else []


def _missing(asset: Asset) -> Failure:
    text = "has no rows in the dataset to annotate; add it with task=create or task=sync"
    return Failure(asset.id, asset.name, "plan", text)
