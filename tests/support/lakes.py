"""A storage and a lake to be in it, for tests of everything that every lake has to do."""

from __future__ import annotations

from typing import Any

import deeplake
import lance
import numpy as np
import pyarrow as pa

from lakebox.adapters.lance_lake import LanceStorage
from lakebox.core.columns import Column
from lakebox.core.facts import ID, STATE, state_cell
from lakebox.core.lake_port import MAIN, Lake, Storage

from .memory_lake import Content, Place
from .memory_lake import MemoryStorage as PlainStorage

BASE = [
    Column(STATE, "text", key=f"lakebox:{STATE}"),
    Column(ID, "text", key=f"lakebox:{ID}"),
    Column("video_idx", "scalar", "int32", key="lakebox:video_idx"),
]


class World:
    """A storage, the address of a lake that does not exist yet, and a way to put foreign things there."""

    def __init__(self, storage: Any, path: str, address: str) -> None:
        self.storage: Storage = storage
        self.path = path
        self.address = address

    def lake(self, *columns: Column) -> Lake:
        lake = self.storage.create(self.path)
        lake.arrange([*BASE, *columns], [])
        return lake

    def found(self) -> Lake:
        lake = self.storage.find(self.path)
        assert lake is not None
        return lake

    def add_foreign_column(self) -> None:
        """Somebody adds a column of their own to our lake."""
        if isinstance(self.storage, PlainStorage):
            content = self.storage.places[self.path].content
            content.columns["theirs"] = None
            content.cells["theirs"] = [None] * len(content.cells[STATE])
            return
        if isinstance(self.storage, LanceStorage):
            theirs = lance.dataset(self.address)
            theirs.add_columns(pa.field("theirs", pa.string()))
            theirs.update({"theirs": "'mine!'"}, where="_rowid = 0")
            return
        dataset = deeplake.open(self.address)
        dataset.add_column("theirs", deeplake.types.Text())
        dataset["theirs"][0:1] = ["mine!"]
        dataset.commit("theirs")

    def foreign_images(self) -> list[str]:
        """What is in the dataset that `make_foreign` made."""
        if isinstance(self.storage, PlainStorage):
            return list(self.storage.places[self.path].content.cells["images"])
        if isinstance(self.storage, LanceStorage):
            return list(lance.dataset(self.address).to_table()["images"].to_pylist())
        dataset: Any = deeplake.open(self.address)
        return list(dataset["images"][:])

    def make_foreign(self) -> None:
        """Somebody makes a dataset of their own at our address."""
        if isinstance(self.storage, PlainStorage):
            place = Place()
            place.add(MAIN, "theirs", Content({"images": None}, {"images": ["x"]}))
            self.storage.places[self.path] = place
            return
        if isinstance(self.storage, LanceStorage):
            lance.write_dataset(pa.table({"images": ["x"]}), self.address)
            return
        dataset = deeplake.create(self.address)
        dataset.add_column("images", deeplake.types.Text())
        dataset.append({"images": ["x"]})
        dataset.commit("theirs")


def rows(ids: str, **more: Any) -> dict[str, Any]:
    """Rows of data rows with one-letter ids; the last row of each is finished."""
    states = [
        state_cell(f"m-{key}", f"l-{key}", ids.count(key)) if ids[i + 1 : i + 2] != key else ""
        for i, key in enumerate(ids)
    ]
    return {
        STATE: states,
        ID: list(ids),
        "video_idx": np.array([sorted(set(ids)).index(k) for k in ids], np.int32),
        **more,
    }
