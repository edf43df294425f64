"""Task `init`: a config to start from, written for the project at hand."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

from pydantic import Field, SkipValidation, field_validator

from lakebox.core.layout import Layout
from lakebox.core.model import RASTER_KINDS
from lakebox.core.ports import Request, SourceRow
from lakebox.core.report import Report
from lakebox.core.scan import Scan
from lakebox.core.secrets import redacted, refused_settings
from lakebox.core.starter import (
    NAME,
    Chosen,
    Described,
    Settings,
    choice_text,
    is_reserved,
    mapping_text,
    primary_text,
    slug,
)
from lakebox.core.whereabouts import Addresses, guess, mask_addresses
from lakebox.core.yaml_text import scalar
from lakebox.errors import ConfigError, FetchError
from lakebox.tasks.project import Project

_LOOKED_AT = 20  # data rows whose masks are looked at: they are all in one place, and labels of videos are long


class Init(Project):
    """Writes what was configured, the ontology as a mapping, and a presigner that suits where the media are."""

    as_choices: SkipValidation[Callable[[Path], Settings]]
    """What was configured, given the folder in which others' choices are."""
    write_new: SkipValidation[Callable[[Mapping[Path, str]], list[Path]]]
    out: Path = Field(description="Folder of configs")
    name: str | None = Field(default=None, description="Of the config and its mapping; None: after the project")

    @field_validator("name")
    @classmethod
    def _usable(cls, name: str | None) -> str | None:
        if name is not None and not NAME.fullmatch(name):
            raise ValueError(
                "must be a name of letters, digits, '_' and '-' that begins with a letter, such as lanes_v3"
            )
        return name

    def __call__(self) -> Report:
        """Read the project and write the files.

        Raises:
            ConfigError: there are others at their places, they cannot be written, or would hold a secret.
            SourceError: the project cannot be read.
        """
        started, report = time.monotonic(), Report(task="init")
        self.source.forget()  # it is written what is so now; what is read is kept for the run that follows
        masks: list[str] = []
        found = self._scanned(self._noting(self.source.rows(), masks), frozenset())
        prepared = self.compare(found, None, self.path, "whole", self._actions())
        title = f"{scalar(found.project_name)} ({scalar(found.project_id)})"
        described = Described(title, prepared.ontology, self.mapping, prepared.layout)
        settings = self.as_choices(self.out)
        name = self._name(found, settings)
        settings = replace(settings, roots={"path": f"./lake/{name}", **settings.roots})  # not the example's
        settings, told = self._presigned(settings, found, prepared.layout, masks)
        command = f"lakebox -cd {shlex.quote(str(self.out))} -cn {name}"
        self._write(name, command, settings, told, described, report)
        report.warnings = [*told[1:], *found.warnings, *self._typos(prepared.ontology), *_unread(found)]
        report.next = command
        report.seconds = time.monotonic() - started
        return report

    def _noting(self, rows: Iterable[SourceRow], masks: list[str]) -> Iterator[SourceRow]:
        """The rows, of which the first say where masks are."""
        rows = iter(rows)
        for row in islice(rows, _LOOKED_AT):
            masks += mask_addresses(row.data or {})
            yield row
        yield from rows

    def _name(self, found: Scan, settings: Settings) -> str:
        if self.name is not None and is_reserved(self.name, settings.reserved):
            raise ConfigError(
                f"task.name: {self.name!r} is a name of lakebox's own or a word of YAML, so it would not be found;"
                " choose another, nothing was written"
            )
        return self.name or slug(found.project_name, settings.reserved)

    def _presigned(
        self, settings: Settings, found: Scan, layout: Layout, masks: list[str]
    ) -> tuple[Settings, list[str]]:
        """With the presigner for the project, and what there is to know about it; one that somebody chose stays."""
        addresses = Addresses(
            [self.source.resolve(asset.url) for asset in found.assets],
            [self.source.resolve(url) for url in masks] if _painted(layout) else [],
            _painted(layout),
        )
        guessed = guess(addresses, self._keyed, os.environ.keys())
        if settings.groups["presigner"].given:
            return settings, [guessed.seen]
        chosen = Chosen(guessed.choice, guessed.values, given=True)
        said = [guessed.seen, f"presigner={guessed.choice} needs {guessed.needs}." if guessed.needs else ""]
        return replace(settings, groups={**settings.groups, "presigner": chosen}), [one for one in said if one]

    def _keyed(self, url: str) -> bool:
        """Whether the presigner, which is Labelbox's where it is not kept anyway, does something about an address."""
        try:
            return self.presigner.request(url) != Request(url)
        except FetchError:  # it would, but the environment has no key
            return True

    def _write(
        self, name: str, command: str, settings: Settings, told: list[str], described: Described, report: Report
    ) -> None:
        texts = {
            f"{name}.yaml": primary_text(name, command, settings, told, described),
            f"mapping/{name}.yaml": mapping_text(described, settings.mapping),
        }
        own = {group: chosen.values for group, chosen in settings.groups.items() if not chosen.choice}
        texts |= {f"{group}/{name}.yaml": choice_text(group, node) for group, node in own.items()}
        _refuse_secrets(settings, texts)
        documents = {self.out / file: text for file, text in texts.items()}
        new = self.write_new(documents)
        there = [str(path) for path in documents if path not in new]
        report.written = [str(path) for path in documents]
        said = [f"wrote {', '.join(map(str, new))}"] if new else []
        report.plan = "; ".join([*said, *([f"{', '.join(there)} there already, the same"] if there else [])])


def _painted(layout: Layout) -> bool:
    """Whether mask files are fetched."""
    groups = (group for group in layout.groups if group.geometry.type != "text")
    return any(tool.kind in RASTER_KINDS for group in groups for tool in group.tools)


def _unread(found: Scan) -> list[str]:
    if not found.failures:
        return []
    first = found.failures[0]
    who = first.name or first.data_row_id
    return [f"{len(found.failures)} data rows could not be read, the first is {who}: {first.error}"]


def _refuse_secrets(settings: Settings, texts: Mapping[str, str]) -> None:
    groups = {group: asdict(chosen)["values"] for group, chosen in settings.groups.items()}
    refused = refused_settings({**settings.roots, **groups, "mapping": settings.mapping}, os.environ)
    refused += [
        f"{file}: would hold the value of a variable of the environment that names a secret"
        for file, text in texts.items()
        if not refused and redacted(text, os.environ) != text
    ]
    if refused:
        raise ConfigError("\n".join(["Nothing was written, because of", *(f"  {one}" for one in refused)]))
