"""Reading a project for the plan: data rows with their fingerprints, the ontology in use, what cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lakebox.core.annotations import parse_label
from lakebox.core.fingerprint import by_schema_id, digest
from lakebox.core.frames import FrameSelection
from lakebox.core.labels import LabelPolicy, same_status
from lakebox.core.model import Asset, Facts, Failure, Label, LabelHead, MaskRef, Media, Ontology
from lakebox.core.ontology import Observer
from lakebox.core.ports import SourceRow
from lakebox.core.urls import stem, unsigned
from lakebox.errors import ConfigError, RowError, SourceError

Json = Mapping[str, Any]

_VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")


@dataclass(frozen=True, slots=True)
class Reading:
    """How data rows are read: which label counts, and what decides which frames become rows and how."""

    labels: LabelPolicy
    frames: FrameSelection
    recipe: str
    """Names everything else that the stored media depend on (the pixel format)."""
    content: Callable[[Any], Any] = by_schema_id
    """What of a label's annotations decides what its cells hold, in one order."""


@dataclass(slots=True)
class Scan:
    """A project as read."""

    project_id: str
    project_name: str = ""
    assets: list[Asset] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    ontology: Ontology = field(default_factory=Ontology)
    whole: bool = True
    """Whether every data row of the project was seen, so that a missing one is a removed one."""
    given: Ontology | None = None
    """The ontology as Labelbox lists it; `ontology` has what labels use, too."""
    unchanged: frozenset[str] = frozenset()
    """Ids of data rows that were not read, because they are as the dataset has them."""
    whole_moment: str = ""
    """When all of the project was last read, ISO 8601; empty: now."""


def scan(
    rows: Iterable[SourceRow],
    project_id: str | None,
    reading: Reading,
    given: Ontology | None,
    limit: int | None,
    unchanged: frozenset[str] = frozenset(),
) -> Scan:
    """Read all data rows of a project once.

    Args:
        rows: the source's data rows.
        project_id: which project of the rows; None: the only one there is.
        reading: label policy and frame selection.
        given: the ontology as Labelbox has it; None: it is derived from what the labels use.
        limit: read the first so many data rows only.
        unchanged: ids of data rows that are not among the rows, because they are as the dataset has them.

    Raises:
        ConfigError: no or several projects fit, or the ontology is another project's.
        SourceError: the project has no data rows.
    """
    reader = _Reader(project_id, reading, Observer(given or Ontology()))
    reader.found.given, reader.found.unchanged = given, unchanged
    for row in rows:
        if limit is not None and len(reader.found.assets) + len(reader.found.failures) >= limit:
            reader.found.whole = False
            break
        reader.take(row)
    return reader.finish(given is not None)


class _Reader:
    """Gathers a `Scan` row by row."""

    def __init__(self, project_id: str | None, reading: Reading, observer: Observer) -> None:
        self.found = Scan(project_id or "")
        self._asked = project_id
        self._reading = reading
        self._observer = observer
        self._projects: dict[str, str] = {}
        self._lines: dict[str, list[int]] = {}
        self._elsewhere = 0
        self._rowless = 0
        self._skipped = 0

    def take(self, row: SourceRow) -> None:
        """Add one data row, or the reason why it cannot be read."""
        if row.data is None:
            self.found.whole = self.found.whole and bool(row.id)
            self.found.failures.append(Failure(row.id, f"line {row.line}", row.stage, row.error))
            return
        try:
            self._take(row, row.data)
        except RowError as error:
            self._fail(row.data, f"line {row.line}", str(error))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._fail(row.data, f"line {row.line}", f"not a Labelbox data row ({type(error).__name__}: {error})")

    def _take(self, row: SourceRow, data: Json) -> None:
        if not isinstance(data.get("data_row"), Mapping) or "projects" not in data:
            raise RowError("not a Labelbox data row: it has no data_row or no projects")
        projects = data.get("projects") or {}
        self._projects.update({key: str(value.get("name") or "") for key, value in projects.items()})
        wanted = self._asked or next(iter(projects), None)
        if wanted is None or wanted not in projects:
            self._elsewhere += 1
            return
        data_row_id = str(data["data_row"]["id"])
        self._lines.setdefault(data_row_id, []).append(row.line)
        project = projects[wanted]
        self.found.project_name = str(project.get("name") or "")
        head, label = choose_label(data, wanted, self._reading.labels)
        self._skipped += sum(
            bool((x.get("performance_details") or {}).get("skipped")) for x in project.get("labels") or ()
        )
        asset = _asset(data, wanted, row.position, self._reading, head, label)
        if label:
            self._observer.see(label)
        if asset.media_stamp:
            self.found.assets.append(asset)
        else:
            self._rowless += 1

    def _fail(self, data: Json, line: str, error: str) -> None:
        data_row = data.get("data_row") if isinstance(data, Mapping) else None
        data_row = data_row if isinstance(data_row, Mapping) else {}
        key = str(data_row.get("id") or "")
        self.found.whole = self.found.whole and bool(key)
        name = str(data_row.get("external_id") or data_row.get("global_key") or line)
        self.found.failures.append(Failure(key, name, "parse", f"{line}: {error}"))

    def finish(self, ontology_given: bool) -> Scan:
        """What was read, once all rows are in."""
        found = self.found
        self._check_project()
        self._refuse_repeated()
        if not (found.assets or found.failures or self._rowless or found.unchanged):
            raise SourceError(
                f"project {self._asked or next(iter(self._projects), '?')} has no data rows in this export;"
                " check project_id and the export's filters"
            )
        self._check_ontology(ontology_given)
        found.ontology = self._observer.ontology()
        if self._elsewhere:
            found.warnings.append(f"{self._elsewhere} data rows belong to other projects only and were left out")
        if self._rowless:
            found.warnings.append(
                f"{self._rowless} data rows have no frame that the configuration selects and get no rows"
            )
        if self._skipped:
            found.warnings.append(f"{self._skipped} labels were skipped by their annotator and do not count")
        return found

    def _check_project(self) -> None:
        if self._asked is None and len(self._projects) > 1:
            listed = ", ".join(f"{key} ({name})" for key, name in sorted(self._projects.items()))
            raise ConfigError(f"project_id: the export holds several projects, choose one of: {listed}")
        if self._asked is not None and self._projects and self._asked not in self._projects:
            listed = ", ".join(f"{key} ({name})" for key, name in sorted(self._projects.items()))
            raise ConfigError(f"project_id: {self._asked!r} is not in the export, which holds: {listed}")
        self.found.project_id = self._asked or next(iter(self._projects), "")

    def _refuse_repeated(self) -> None:
        """A data row listed twice may say two things; nobody can tell which holds, so neither is taken."""
        for key, lines in self._lines.items():
            if len(lines) == 1:
                continue
            twice = next((asset for asset in self.found.assets if asset.id == key), None)
            self.found.assets = [asset for asset in self.found.assets if asset.id != key]
            where = ", ".join(map(str, lines))
            self.found.failures.append(
                Failure(
                    key, twice.name if twice else "", "parse", f"listed {len(lines)} times, on lines {where}; keep one"
                )
            )

    def _check_ontology(self, given: bool) -> None:
        used = [tool.name for tool in self._observer.tools.values()]
        used += [question.name for question in self._observer.questions.values()]
        if given and used and not self._observer.met:
            names = ", ".join(sorted({f"'{name}'" for name in used})[:5])
            raise ConfigError(
                f"source.ontology: not the ontology of project {self.found.project_id}: it lists none of the features"
                f" that the labels use ({names}); give this project's ontology, or none to derive it from the export"
            )
        if given and (extra := self._observer.additions()):
            self.found.warnings.append(
                f"{len(extra)} features in use are not in the ontology (archived?) and were added: {_some(extra)}"
            )


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def choose_label(data: Json, project_id: str, policy: LabelPolicy) -> tuple[LabelHead | None, Label | None]:
    """The label that counts of a data row, parsed; (None, None) for an unlabelled one.

    Raises:
        RowError: the policy cannot choose, or the label is not in Labelbox's form.
    """
    project = data["projects"][project_id]
    status = str((project.get("project_details") or {}).get("workflow_status") or "")
    if policy.statuses and not any(same_status(status, wanted) for wanted in policy.statuses):
        return None, None
    raw = {str(label["id"]): label for label in project.get("labels") or ()}
    marked = {(label.get("performance_details") or {}).get("benchmark_reference_label") for label in raw.values()}
    heads = [_head(label, marked) for label in raw.values()]
    head = policy.choose([head for head in heads if not head.skipped])
    return (head, parse_label(raw[head.id], head)) if head else (None, None)


def find_label(data: Json, project_id: str, label_id: str) -> Label | None:
    """A label by its id, parsed; None if the data row has none of that id.

    Raises:
        RowError: the label is not in Labelbox's form.
    """
    labels = (data.get("projects") or {}).get(project_id, {}).get("labels") or ()
    raw = next((label for label in labels if str(label.get("id")) == label_id), None)
    return parse_label(raw, _head(raw, set())) if raw is not None else None


def _head(label: Json, benchmarks: set[Any]) -> LabelHead:
    details, performance = label.get("label_details") or {}, label.get("performance_details") or {}
    return LabelHead(
        id=str(label["id"]),
        creator=str(details.get("created_by") or ""),
        created_at=_time(details.get("created_at")),
        skipped=bool(performance.get("skipped")),
        benchmark=str(label["id"]) in benchmarks,
    )


def _time(text: str | None) -> float:
    """Seconds since 1970 of an ISO date, with whatever offset it is written; 0 where there is none."""
    if not text:
        return 0.0
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _asset(
    data: Json, project_id: str, position: int, reading: Reading, head: LabelHead | None, label: Label | None
) -> Asset:
    row, project = data["data_row"], data["projects"][project_id]
    url, external = str(row["row_data"]), str(row.get("external_id") or "")
    media = _media(data.get("media_attributes") or {}, url, project)
    facts = _facts(row, project)
    name = stem(external) or stem(unsigned(url)) or str(row["id"])
    return Asset(
        id=str(row["id"]),
        name=name,
        url=url,
        media=media,
        facts=facts,
        label_id=head.id if head else "",
        media_stamp=_media_stamp(url, media, reading, label),
        labels_stamp=digest([name, _said(facts), _said(media), _label_content(project, head, label, reading)]),
        position=position,
    )


def _media_stamp(url: str, media: Media, reading: Reading, label: Label | None) -> str:
    """Names address, declared facts, frame selection and pixel format; empty if no frame is selected."""
    if media.frames is not None and not len(reading.frames.select(media.frames, media, label)):
        return ""
    return digest([unsigned(url), _said(media), reading.frames.fingerprint(media, label), reading.recipe])


def _said(value: Any) -> list[Any]:
    return [getattr(value, name) for name in value.__dataclass_fields__]


def _label_content(project: Json, head: LabelHead | None, label: Label | None, reading: Reading) -> Any:
    """Everything of the label that cells are made of. Repainted masks keep their address, so their date counts too."""
    if head is None or label is None:
        return None
    raw = next(item for item in project["labels"] if str(item["id"]) == head.id)
    details = raw.get("label_details") or {}
    painted = any(isinstance(shape, MaskRef) for track in label.tracks for shape in track.shapes)
    date = (details.get("content_last_updated_at") or details.get("updated_at")) if painted else None
    return [head.id, head.creator, reading.content(raw.get("annotations")), date]


def _facts(row: Json, project: Json) -> Facts:
    details, more = row.get("details") or {}, project.get("project_details") or {}
    return Facts(
        global_key=str(row.get("global_key") or ""),
        external_id=str(row.get("external_id") or ""),
        dataset_id=str(details.get("dataset_id") or ""),
        dataset_name=str(details.get("dataset_name") or ""),
        project_name=str(project.get("name") or ""),
        ontology_id=str(more.get("ontology_id") or ""),
    )


def _media(attributes: Json, url: str, project: Json) -> Media:
    kind = _media_kind(attributes, url, project)
    if kind not in ("video", "image"):
        raise RowError(f"media type '{kind}' is not supported; lakebox imports video and image projects")
    return Media(
        kind=kind,
        width=_number(attributes.get("width"), int),
        height=_number(attributes.get("height"), int),
        frames=1 if kind == "image" else _number(attributes.get("frame_count"), int),
        rate=_number(attributes.get("frame_rate"), float) if kind == "video" else None,
    )


def _number(value: Any, kind: Callable[[Any], Any]) -> Any:
    return None if value is None else kind(value)


def _media_kind(attributes: Json, url: str, project: Json) -> str:
    """What the export says; older ones lack `asset_type`, and some say nothing but how the label looks."""
    if asset_type := attributes.get("asset_type"):
        return str(asset_type).lower()
    if mime := attributes.get("mime_type"):
        return str(mime).partition("/")[0].lower()
    labels = project.get("labels") or ()
    looks = {"frames", "segments", "key_frame_feature_map"}
    if any(label.get("label_kind") == "Video" or looks & (label.get("annotations") or {}).keys() for label in labels):
        return "video"
    is_video = attributes.get("frame_count") is not None or unsigned(url).lower().endswith(_VIDEO_SUFFIXES)
    return "video" if is_video else "image"
