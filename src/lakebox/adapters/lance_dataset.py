"""Writing an open Lance dataset, or one branch of it. Nothing is written before a commit, which is one transaction."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
from lance import LanceOperation
from lance.commit import CommitConflictError
from numpy.typing import NDArray

from lakebox.adapters.folders import emptied
from lakebox.adapters.lance_cells import arrow_type, encoded
from lakebox.adapters.lance_changes import Changes
from lakebox.adapters.lance_merge import Match, matched, together
from lakebox.adapters.lance_view import DESCRIPTION, LABELBOX, NOTE, LanceView, translated, written_name
from lakebox.core.columns import Cells, Column
from lakebox.core.facts import STATE, read_state, state_cell
from lakebox.core.lake_port import MAIN, StoredAsset
from lakebox.core.plan import common_assets
from lakebox.errors import LakeError, LakeMoved

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_OURS = {DESCRIPTION, b"class_names"}
"""Keys in a field's metadata."""
_OWN = ("_versions", "_transactions", "data")
"""Folders of a branch."""


def open_lake(folder: Path, path: str) -> LanceLake:
    """The dataset in a folder.

    Raises:
        LakeError: it cannot be opened, or somebody else made it.
    """
    with translated(f"path {path}: the dataset cannot be opened"):
        lake = LanceLake(lance.dataset(str(folder)), path)
    lake.refuse_others()
    return lake


def create_lake(folder: Path, path: str) -> LanceLake:
    """A new dataset in a folder, without columns.

    Raises:
        LakeError: there is one, or the folder cannot be written.
    """
    with translated(f"path {path}: the dataset cannot be created; check that the place can be written"):
        return LanceLake(lance.write_dataset(pa.table({}), str(folder), commit_message="created"), path)


class LanceLake(LanceView):
    """One open dataset or branch. What is not committed is gone with it."""

    step = 128 << 20
    """Bytes of cells that a merge holds before it commits them."""

    def describe(self, facts: Mapping[str, Any]) -> bool:
        """Keep `labelbox_meta` as JSON in the schema's metadata, in the versions that follow. Whether anything
        changed."""
        changed = self.described() != facts
        if changed:
            self._now.set_metadata({**self._metadata(), LABELBOX: json.dumps(dict(facts)).encode()})
        return self.note({"project": str(facts["project_id"])}) or changed

    def note(self, notes: Mapping[str, str]) -> bool:
        """Keep texts in the schema's metadata, in the versions that follow. Whether anything changed."""
        before = self._metadata()
        after = before | {NOTE + key.encode(): text.encode() for key, text in notes.items()}
        self._now.set_metadata(after)
        return after != before

    def arrange(self, columns: Sequence[Column], remove: Sequence[str], renames: Mapping[str, str] = {}) -> bool:
        """Rename, remove and add columns, bring class names up to date. Whether anything changed."""
        changed = bool(remove or renames)
        with translated(f"path {self._path}: changing columns"):
            fields = self._fields()
            for name in remove:
                self._now.remove(fields[name].name)
            if renames:
                self._now.rename({fields[old].name: written_name(new) for old, new in renames.items()})
            present = {field.name: field for field in self._now.schema}
            for column in columns:
                name = written_name(column.name)
                if name not in present:
                    self._now.add(pa.field(name, arrow_type(column), metadata=_said(column)))
                    changed = True
                elif (said := self._said_anew(present[name], column)) != present[name].metadata:
                    self._now.describe(name, said)
                    changed = True
        return changed

    def _said_anew(self, field: pa.Field, column: Column) -> dict[bytes, bytes]:
        """What is said of a column that is there, with what others keep beside it."""
        before = field.metadata or {}
        if DESCRIPTION not in before:
            raise LakeError(
                f"path {self._path}: there is a column {field.name!r} of somebody else's, which is how Lance calls"
                f" {column.name!r}; rename one of them"
            )
        return {key: text for key, text in before.items() if key not in _OURS} | _said(column)

    def append(self, cells: Cells, foreign: Cells | None = None) -> None:
        """Add rows; columns of other owners get what `foreign` has for them, or nothing."""
        values = self._encoded(cells)
        lengths = {len(value) for value in values.values()}
        if len(lengths) != 1:
            raise LakeError(f"path {self._path}: appending columns of {sorted(lengths)} cells, they must be as long")
        values |= {name: value for given in (foreign or {}).items() for name, value in [self._foreign(*given)]}
        self._now.append(max(lengths), values)

    def update(self, rows: NDArray[np.int64], cells: Cells) -> None:
        """Overwrite cells."""
        self._now.update(rows, self._encoded(cells))

    def put(self, column: str, rows: NDArray[np.int64], cells: Sequence[Any]) -> None:
        """Overwrite cells of somebody else's column with what `foreign` gave; what was never set stays so."""
        if len(cells) != len(rows):
            raise LakeError(
                f"path {self._path}: {len(cells)} cells of {column} for {len(rows)} rows, give one for each"
            )
        there = np.array([at for at, cell in enumerate(cells) if cell is not None], np.int64)
        name, values = self._foreign(column, [cells[at] for at in there])
        self._now.update(rows[there], {name: values})

    def _encoded(self, cells: Cells) -> dict[str, pa.Array]:
        columns = self._columns()
        if unknown := sorted(set(cells) - set(columns)):
            raise LakeError(f"path {self._path}: writing columns {unknown}, which are not lakebox's")
        with translated(f"path {self._path}: writing {len(cells)} columns"):
            return {written_name(name): encoded(columns[name], values) for name, values in cells.items()}

    def _foreign(self, column: str, cells: Any) -> tuple[str, pa.Array]:
        field = self._fields().get(column)
        if field is None:
            raise LakeError(f"path {self._path}: there is no column {column!r}")
        with translated(f"path {self._path}: keeping {column}, which is not lakebox's"):
            return field.name, pa.array(list(cells), field.type)

    def delete(self, rows: NDArray[np.int64]) -> None:
        """Remove rows."""
        self._now.delete(rows)

    def commit(self, message: str) -> None:
        """Write what changed and make it the newest version.

        Raises:
            LakeMoved: somebody else committed meanwhile; nothing of it is seen.
            LakeError: it failed; the last version is as it was.
        """
        self._refuse_moved()
        with self._failing("the commit failed; what earlier commits wrote is safe, run again"):
            self._publish(self._now.written(), message)

    def _failing(self, doing: str) -> Any:
        return translated(f"path {self._path}: {doing}")

    def _publish(self, operation: Any, message: str) -> None:
        try:
            self._base = lance.LanceDataset.commit(
                self._base, operation, read_version=self._base.version, commit_message=message, max_retries=0
            )
        except CommitConflictError as error:
            raise self._moved() from error
        self._now = Changes(self._base)

    def _refuse_moved(self) -> None:
        """Lance itself lets some changes of others pass, such as of what is said of columns."""
        with translated(f"path {self._path}: looking for the newest version"):
            newest = self._base.latest_version
        if newest != self._base.version:
            raise self._moved()

    def _moved(self) -> LakeMoved:
        self._now = Changes(self._base)
        return LakeMoved(
            f"path {self._path}: somebody else committed version {self._base.latest_version} on top of"
            f" {self._base.version} meanwhile; nothing was written over it"
        )

    def tag(self, name: str) -> None:
        """Name the current version.

        Raises:
            LakeError: there is such a tag already, or Lance takes no such name: one with other letters makes all tags
                unreadable, and a number is a version's.
        """
        if not _NAME.fullmatch(name) or name.isdigit():
            raise LakeError(
                f"path {self._path}: tag {name!r}: Lance takes the letters a to z, digits, '_', '-' and '.', and a"
                " number is a version's; choose another"
            )
        own = None if self._branch == MAIN else self._branch
        with translated(f"path {self._path}: tag {name!r}"):
            self._base.tags.create(name, (own, self._base.version))

    def revert(self, version: str) -> None:
        """Make the content of an earlier version of this branch the newest version, and commit that.

        Raises:
            LakeError: there is no such version here.
            LakeMoved: somebody else committed meanwhile.
        """
        then = self.at(version)
        if then._branch != self._branch:
            raise LakeError(f"path {self._path}: {version} is of branch {then._branch!r}, not of {self._branch!r}")
        self._refuse_moved()
        before = self._base.version
        with translated(f"path {self._path}: going back to version {version}"):
            self._publish(LanceOperation.Restore(then._base.version), f"revert to {version}")
        if self._base.version != before + 1:  # Lance lets this one pass whatever others commit
            raise LakeMoved(
                f"path {self._path}: somebody else committed version {before + 1} just before this went back to"
                f" {version}, as version {self._base.version}; task=revert task.to={before + 1} brings it back"
            )

    def branch(self, name: str) -> LanceLake | None:
        """A branch of this dataset; None if there is none of that name.

        Raises:
            LakeError: the dataset was moved since the branch was made, and Lance does not find its files any more.
        """
        with translated(f"path {self._path}: opening branch {name!r}"):
            if name not in self._base.branches.list():
                return None
            found = self._opened(name)
        return LanceLake(found._base, self._path, name)

    def fork(self, name: str) -> LanceLake:
        """A new branch that begins with what is committed here.

        Raises:
            LakeError: there is one of that name, or Lance takes no such name.
        """
        if not _NAME.fullmatch(name):  # it becomes a folder
            raise LakeError(
                f"path {self._path}: branch {name!r}: Lance takes the letters a to z, digits, '_', '-' and '.', but no"
                " '.' first; choose another"
            )
        own = None if self._branch == MAIN else self._branch
        with translated(f"path {self._path}: making branch {name!r}"):
            if name in self._base.branches.list():
                raise LakeError(f"path {self._path}: there is a branch {name!r} already")
            emptied(self._root() / "tree" / name, _OWN)  # of a run that was killed before it had made it
            return LanceLake(self._base.create_branch(name, (own, self._base.version)), self._path, name)

    def merge(self, branch: str = MAIN) -> None:
        """Bring in, and commit, what another branch has and this one has not: rows, deletions, columns, and what is
        said of the project. Lance does not merge, so new rows are copied.

        Raises:
            LakeMoved: somebody else committed here meanwhile; nothing was merged.
        """
        self._refuse_moved()
        with translated(f"path {self._path}: opening branch {branch!r}"):
            theirs = self._opened(branch)
        ours, there = self.stored(), theirs.stored()
        match = matched(self._fields(), theirs._fields())
        if match.left:
            log.warning("path %s: columns %s of branch %s are of another type here; their cells stay behind",
                        self._path, ", ".join(match.left), branch)  # fmt: skip
        kept = common_assets(there.assets, ours.assets)
        self._take_columns(theirs, match, there.assets[: len(kept)], kept)
        stay = {id(asset) for asset in kept}
        self._drop([asset for asset in ours.assets if id(asset) not in stay])
        self._copy(theirs, match, there.assets[len(kept) :], branch)
        if facts := theirs.described():
            self.describe(facts)
        self.commit(f"merge {branch}")

    def _take_columns(
        self, theirs: LanceView, match: Match, there: Sequence[StoredAsset], kept: Sequence[StoredAsset]
    ) -> None:
        """Columns and classes that are new here, with their cells in the rows that both have."""
        for field in match.added.values():
            self._now.add(field)
        self.arrange(match.grown, ())
        if match.added:
            for rows, own in zip(together(there), together(kept), strict=True):
                self._now.update(own, {name: theirs._now.cells(name, rows) for name in match.added})

    def _drop(self, assets: Sequence[StoredAsset]) -> None:
        if assets:
            self.delete(np.concatenate([asset.rows for asset in assets]))

    def _copy(self, theirs: LanceView, match: Match, assets: Sequence[StoredAsset], branch: str) -> None:
        """Whole data rows; so many at a time as memory should hold."""
        names, waiting = match.same | {name: name for name in match.added}, 0
        for rows in together(assets):
            with translated(f"path {self._path}: copying {len(rows)} rows"):
                cells = {own: theirs._now.cells(name, rows) for name, own in names.items()}
                if not match.is_whole:
                    states = [_not_annotated(cell) for cell in theirs.read(STATE, rows)]
                    cells[written_name(STATE)] = encoded(self._columns()[STATE], states)
                self._now.append(len(rows), cells)
            waiting += sum(each.nbytes for each in cells.values())
            if waiting > self.step:
                self.commit(f"merge {branch} (in progress)")
                waiting = 0


def _not_annotated(cell: str) -> str:
    """The state of a data row whose annotations have to be written anew."""
    if not cell:
        return ""
    said = read_state(cell)
    return state_cell(said["media"], "", said["rows"], said.get("facts", ""), said.get("config", ""))


def _said(column: Column) -> dict[bytes, bytes]:
    """What is kept beside a column: what it holds, for lakebox, and the names of its classes, for everybody."""
    said = {DESCRIPTION: column.described().encode()}
    if column.classes is not None:
        said[b"class_names"] = json.dumps([item.name for item in column.classes], ensure_ascii=False).encode()
    return said
