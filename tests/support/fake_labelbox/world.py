"""What all parts of the fake share: records, files, masks and settings."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from .files import Bucket, Storage, stored_path
from .media import media_attributes
from .records import Batch, DataRow, Json, Organization, Project, Task
from .walk import objects

Ending = Literal["complete", "stuck", "failed"]


class World:
    """Shared state, and the settings that tests change.

    `polls`: answers of a task that say IN_PROGRESS before its end. `exports`: how exports end.
    `chunk_bytes`, `whole_lines`: how results are cut into files. `ascii`: escape other characters.
    `refuses`: how a wrong key is answered, by an error "code" in GraphQL or by HTTP 401 with a "message".
    `failing_rows`: data rows that exports report in their ERRORS stream, with a message each.
    `refused_keys`: global keys whose data rows cannot be created, with a message each.
    `masks_elsewhere`: masks are answered by a redirect to the bucket.
    `catalog_batches`: what an export of the catalog does with batches as a filter.
    """

    def __init__(self) -> None:
        self.org = Organization()
        self.storage, self.bucket = Storage(), Bucket()
        self.masks = Masks()
        self.api_url = ""
        self.key = "labelbox-key-1"
        self.polls = 0
        self.exports: Ending = "complete"
        self.chunk_bytes = 1_000_000
        self.whole_lines = True
        self.ascii = False
        self.refuses: Literal["code", "message"] = "code"
        self.timezone: str | None = "UTC"
        self.processed = True
        self.failing_rows: dict[str, str] = {}
        self.refused_keys: dict[str, str] = {}
        self.masks_elsewhere = False
        self.catalog_batches: Literal["honoured", "ignored", "refused"] = "honoured"
        self.jobs: dict[str, Json] = {}
        self.unknown: list[str] = []

    def new_task(self, kind: str, name: str = "") -> Task:
        """A task that ends after `polls` answers."""
        return self.org.add(Task, self.org.tasks, type=kind, name=name or kind, remaining=self.polls)

    def content(self, url: str) -> bytes | None:
        """The file behind an address, if it is one of ours."""
        for host in (self.storage, self.bucket):
            if url.startswith(host.url + "/"):
                return host.files.get(stored_path(url))
        return None

    def signed(self, row_data: str) -> str:
        """An address as Labelbox hands it out: signed if the file was uploaded."""
        if row_data.startswith(self.storage.url + "/"):
            return self.storage.signed(stored_path(row_data))
        return row_data

    def add_row(self, dataset_id: str, row_data: str, **fields: object) -> DataRow:
        """A new data row, its media looked at unless given."""
        address = row_data.partition("?")[0] if row_data.startswith(self.storage.url + "/") else row_data
        media = fields.pop("media", None)
        if media is None:
            media = media_attributes(self.content(address), stored_path(address))
        return self.org.add(
            DataRow, self.org.data_rows, dataset_id=dataset_id, row_data=address, media=media,
            last_activity_at=self.org.clock.now(), **fields,
        )  # fmt: skip

    def fill(self, batch: Batch, data_row_ids: list[str]) -> list[str]:
        """Put data rows into a batch; return those that do not exist or are in the project already."""
        present = {row.id for row in self.org.rows_of(batch.project_id)}
        failed = [key for key in data_row_ids if key in present or key not in self.org.data_rows]
        for key in dict.fromkeys(data_row_ids):
            if key not in failed:
                batch.data_row_ids.append(key)
                self.org.move(batch.project_id, key, "TO_LABEL")
                self.org.touch(batch.project_id, key)
        return failed

    def new_batch(self, project: Project, name: str, data_row_ids: list[str], priority: int = 5) -> Batch:
        """A new batch of data rows."""
        batch = self.org.add(Batch, self.org.batches, name=name, project_id=project.id, priority=priority)
        self.fill(batch, data_row_ids)
        return batch


class Masks:
    """Mask files: what was painted, by name, and the addresses that exports gave out."""

    def __init__(self) -> None:
        self.painted: dict[str, bytes] = {}
        self.singles: dict[tuple[str, str, int], str] = {}
        self.composites: dict[tuple[str, int], str] = {}

    def names(self, annotations: Json) -> set[str]:
        """The names of the masks in annotations."""
        nodes = [node.get(kind, {}) for _, node in objects(annotations) for kind in ("mask", "composite_mask")]
        return {name for node in nodes if not (name := node.get("url", "http")).startswith("http")}

    def check(self, annotations: Json) -> None:
        """Raise KeyError for a mask that was not painted."""
        for name in self.names(annotations) - set(self.painted):
            raise KeyError(f"mask {name!r} was not painted")

    def publish(self, annotations: Json, *, api: str, project_id: str, version: str, task_id: str) -> None:
        """Replace the names of masks by addresses: singles stay the same, composites belong to the export."""
        numbers: dict[tuple[int, str], int] = {}
        for frame, node in objects(annotations):
            single, composite = node.get("mask"), node.get("composite_mask")
            if single and not single["url"].startswith("http"):
                key = (project_id, node["feature_id"], frame)
                self.singles[key] = single["url"]
                path = f"projects/{quote(project_id)}/annotations/{quote(key[1])}/index/{frame}/mask"
                node["mask"] = {**single, "url": f"{api}/api/v1/{path}"}
            if composite and not composite["url"].startswith("http"):
                name = composite["url"]
                number = numbers.setdefault((frame, name), sum(1 for other, _ in numbers if other == frame))
                mask_id = f"{version}x{number}" if number else version
                self.composites[mask_id, frame] = name
                path = f"tasks/{task_id}/masks/{quote(mask_id)}/index/{frame}"
                node["composite_mask"] = {**composite, "url": f"{api}/api/v1/{path}"}
