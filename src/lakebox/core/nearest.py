"""The nearest name to one that nobody knows, and where words of deeplake's integration are found here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

RENAMED = {
    "api_key": "the environment variable LABELBOX_API_KEY",
    "data_upload_strategy": "task.duplicates",
    "deeplake_ds_path": "path",
    "fail_on_error": "on_error=stop",
    "fail_on_labelbox_project_export_error": "on_error=stop",
    "labelbox_project_id": "project_id",
    "lb_batch_priority": "task.priority",
    "lb_batches_name": "task.batch",
    "lb_dataset_name": "task.dataset",
    "lb_iam_integration_id": "task.iam_integration",
    "lb_ontology": "task.ontology",
    "lb_project_name": "task.project",
    "overwrite": "nothing: a run brings the dataset at path in step",
    "project_json": "source=export_file source.export=<file>",
    "url_presigner": "the group presigner",
    "video_generator_batch_size": "nothing: memory is bounded",
    "video_paths": "task.media",
}
"""Parameters of `deeplake.integrations.labelbox` that people type as keys -> what they are called here."""


def nearest(word: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """The name most like the word; empty if none is.

    >>> nearest("jpge", ["jpeg", "png"]), nearest("x", ["jpeg", "png"])
    ('jpeg', '')
    """
    return next(iter(difflib.get_close_matches(word, list(names), 1, cutoff)), "")


def hint(word: str, names: Iterable[str]) -> str:
    """What to say after a name that nobody knows: what it is called here, or the nearest name.

    >>> hint("sorce", ["source", "storage"]), hint("video_paths", []), hint("qqq", ["source"])
    (", did you mean 'source'?", '; here it is task.media', '')
    """
    if word in RENAMED:
        return f"; here it is {RENAMED[word]}"
    found = nearest(word, names)
    return f", did you mean '{found}'?" if found else ""
