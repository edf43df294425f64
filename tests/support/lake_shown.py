"""A lake of any storage with the reading part of Deep Lake's interface, for tests that compare datasets by it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from lakebox.adapters.lance_lake import LanceStorage
from lakebox.core.columns import Column
from lakebox.core.lake_port import View


def found(path: str, branch: str = "") -> View:
    """A Lance dataset that is there, or a branch of it."""
    lake = LanceStorage().find(path)
    assert lake is not None
    own = lake.branch(branch) if branch else lake
    assert own is not None
    return own


class Shown:
    """Columns by name."""

    def __init__(self, view: View) -> None:
        self._view = view
        stored = view.stored()
        self._columns = {column.name: column for column in stored.columns}
        kinds = {name: column.type.replace("_", "") for name, column in self._columns.items()}
        kinds |= dict.fromkeys(stored.foreign, "text")
        self.schema = SimpleNamespace(columns=[SimpleNamespace(name=n, dtype=kind) for n, kind in kinds.items()])
        self.version = view.version

    def __len__(self) -> int:
        return len(self._view)

    def __getitem__(self, name: str) -> ShownColumn:
        return ShownColumn(self._view, name, self._columns.get(name))


class ShownColumn:
    """Cells by row."""

    def __init__(self, view: View, name: str, column: Column | None) -> None:
        self._view = view
        self._name = name
        classes = column.classes if column else None
        self.metadata = {} if classes is None else {"class_names": [item.name for item in classes]}

    def __getitem__(self, rows: slice | int) -> Any:
        numbers = np.arange(len(self._view))[rows]
        cells = self._view.read(self._name, np.atleast_1d(numbers))
        return cells if isinstance(rows, slice) else cells[0]
