"""A Labelbox on the loopback, for the real SDK: upload, label, export.

with FakeLabelbox() as fake:
    client = labelbox.Client(api_key=fake.key, endpoint=fake.endpoint, rest_endpoint=fake.rest_endpoint)

    # a project without uploading; media in the customer's bucket (/public, /bearer, /sas/<container>, /noranges)
    project_id = fake.add_project("lanes", "VIDEO", {"tools": [...], "classifications": [...]})
    url = fake.put("/public/a.mp4", data)
    row_id = fake.add_data_row(project_id, row_data=url, global_key="a")

    # labels in the shape of an export; masks by the name that `paint` returns
    name = fake.paint(png)
    node = {"feature_id": "f1", ..., "composite_mask": {"url": name, "color_rgb": [255, 0, 0]}}
    label_id = fake.label(row_id, {"objects": [node], "classifications": []})
    fake.relabel(label_id, annotations)
    fake.set_status(row_id, "IN_REVIEW")
    fake.edit_data_row(row_id, external_id="a.mp4")
    fake.remove_from_project(row_id)
    fake.add_to_project(project_id, row_id)
    fake.edit_ontology(project_id, ontology)
    fake.respell(project_id)  # labels follow: features under the names of today, archived ones gone
    fake.load(project.rows, project.ontology, project.masks, folder=folder)  # a generated project

    # exports: settings
    fake.polls = 2                           # answers that still say IN_PROGRESS
    fake.chunk_bytes = 500                   # several result files
    fake.exports = "stuck"                   # or "failed", "complete"
    fake.fail_export_rows({row_id: "why"})   # in the ERRORS stream
    fake.org.clock.moment = datetime(2024, 5, 1, tzinfo=UTC)  # when things happen, for filters by date
    fake.catalog_batches = "ignored"         # or "refused": exports of the catalog filtered by batches
    fake.forget_exports()  # composite masks of exports so far are gone

    fake.masks_elsewhere = True  # masks are answered by a redirect to the bucket

    # faults
    fake.faults.set(host="storage", kind="error500", rate=0.2, seed=1)
    fake.faults.set(kind="truncated", once=True, path_contains="/masks/")
    fake.faults.set(host="api", kind="dropped", operation="createBatch", after=True)
    fake.faults.clear()
    fake.expire_signatures()

    # what arrived
    assert fake.count(host="storage", path_contains=".mp4") == 1
    assert fake.count(operation="exportDataRowsInProject") == 1
    assert not fake.unknown
"""

from __future__ import annotations

from .records import DONE, IN_REVIEW, IN_REWORK, TO_LABEL
from .server import Seen
from .service import FakeLabelbox

__all__ = ["DONE", "IN_REVIEW", "IN_REWORK", "TO_LABEL", "FakeLabelbox", "Seen"]
