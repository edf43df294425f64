"""Loading a project from the rows of an export."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from pathlib import Path

from .records import DONE, TO_LABEL, DataRow, Dataset, Json, Label
from .world import World


class Loader:
    """Puts data rows and labels into a project, spelled as they are given."""

    def __init__(self, world: World, project_id: str, folder: Path | None) -> None:
        self.world, self.org = world, world.org
        self.project_id, self.folder = project_id, folder

    def rows(self, rows: list[Json]) -> None:
        """Load data rows into one batch."""
        if not rows:
            return
        dataset = self.org.add(Dataset, self.org.datasets, name=f"dataset of {self.project_id}")
        loaded = [self._row(dataset.id, row) for row in rows if self.project_id in row["projects"]]
        self.world.new_batch(self.org.projects[self.project_id], "batch", loaded)
        for key in loaded:
            self._date(self.org.data_rows[key])
        for row in rows:
            self._labels(row)

    def _row(self, dataset_id: str, row: Json) -> str:
        envelope = deepcopy(row)
        others = envelope.pop("projects")
        project = others.pop(self.project_id)
        spells_labels = project.pop("labels", None) is not None
        node = row["data_row"]
        given = {"envelope": envelope, "project": project, "others": others, "spells_labels": spells_labels}
        now = self.org.clock.now()
        self.org.data_rows[node["id"]] = DataRow(
            node["id"], now, now, dataset_id, self._media(node["row_data"]), node.get("global_key"),
            node.get("external_id"), dict(row["media_attributes"]), given=given,
        )  # fmt: skip
        return str(node["id"])

    def _date(self, row: DataRow) -> None:
        """Let a data row have the times it was exported with."""
        details = (row.given or {})["envelope"]["data_row"].get("details", {})
        for name in ("updated_at", "last_activity_at"):
            if name in details:
                setattr(row, name, datetime.fromisoformat(details[name]))

    def _media(self, row_data: str) -> str:
        if "://" in row_data:
            return row_data
        path = f"/{self.project_id}/{row_data}"
        file = self.folder and self.folder / row_data
        if file and file.is_file():
            self.world.storage.files.put(path, file.read_bytes())
        return self.world.storage.address(path)

    def _labels(self, row: Json) -> None:
        labels = row["projects"].get(self.project_id, {}).get("labels") or []
        for given in deepcopy(labels):
            annotations = given.pop("annotations")
            self.world.masks.check(annotations)
            now = self.org.clock.now()
            self.org.labels[given["id"]] = Label(
                given["id"], now, now, row["data_row"]["id"], self.project_id, annotations,
                kind=given["label_kind"], given=given,
            )  # fmt: skip
        if self.project_id in row["projects"]:
            details = row["projects"][self.project_id].get("project_details", {})
            status = details.get("workflow_status") or (DONE if labels else TO_LABEL)
            self.org.projects[self.project_id].status[row["data_row"]["id"]] = status
