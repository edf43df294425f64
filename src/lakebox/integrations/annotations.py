"""Annotations of a project onto a dataset that a script has opened."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lakebox.adapters.deep_lake_handles import OpenedDataset
from lakebox.adapters.presign import LabelboxKey
from lakebox.core.facts import PREFIX
from lakebox.errors import ConfigError
from lakebox.integrations.running import carried_out, configured
from lakebox.integrations.service import Json, MediaKind, endpoints, keyed, ontology_of, project_of

log = logging.getLogger(__name__)


class Converter:
    """A project and the dataset that gets its annotations."""

    def __init__(self, dataset: Any, groups: Mapping[str, str], fail_on_error: bool, given: Mapping[str, Any]) -> None:
        self.dataset = dataset
        self._groups = groups
        self._fail_on_error = fail_on_error
        self._given = given

    def dataset_with_applied_annotations(self) -> Any:
        """Write the annotations of the data rows that changed, and commit them, as `task=annotate` does.

        Returns:
            The dataset that the script's loader gave. Committing it again changes nothing.

        Raises:
            LakeError: lakebox did not make this dataset, or it cannot be written.
            DataRowsError: a data row failed, and `fail_on_error` was asked for; otherwise failures are logged.
        """
        cfg = configured("annotate", self._fail_on_error)
        cfg.mapping.groups = dict(self._groups)
        carried_out(cfg, self._fail_on_error, self._given)
        return self.dataset


def converter_for_video_project_with_id(
    project_id: str,
    deeplake_ds_loader: Callable[[str], Any],
    lb_api_key: str | None,
    group_mapping: Mapping[str, str] | None = None,
    fail_on_error: bool = False,
    fail_on_labelbox_project_export_error: bool = False,
    generate_metadata: bool = True,
    metadata_prefix: str = "lb_meta",
    project_json: Sequence[Json] | None = None,
) -> Converter | None:
    """What brings the annotations of a video project into its dataset.

    Args:
        project_id: of the Labelbox project.
        deeplake_ds_loader: name of the project -> the open dataset, on the branch that gets the annotations.
        lb_api_key: kept in memory only; None: that in `LABELBOX_API_KEY`.
        group_mapping: kind (or name) of tools -> the tensor that they share, such as `{"raster-segmentation": "mask"}`.
        fail_on_error: raise at the first data row that fails.
        fail_on_labelbox_project_export_error: raise when Labelbox could not export a data row.
        generate_metadata: False leaves nothing out: lakebox finds rows by these columns.
        metadata_prefix: `lb_meta`; lakebox's columns have no other.
        project_json: what `create_dataset_...` returned; None: the project is exported.

    Returns:
        None if the project has no data rows.

    Raises:
        ConfigError: another prefix.
        SourceError: the project cannot be exported.
    """
    return _converter(
        "video", project_id, deeplake_ds_loader, lb_api_key, group_mapping, fail_on_error,
        fail_on_labelbox_project_export_error, generate_metadata, metadata_prefix, project_json,
    )  # fmt: skip


def converter_for_image_project_with_id(
    project_id: str,
    deeplake_ds_loader: Callable[[str], Any],
    lb_api_key: str | None,
    group_mapping: Mapping[str, str] | None = None,
    fail_on_error: bool = False,
    fail_on_labelbox_project_export_error: bool = False,
    generate_metadata: bool = True,
    metadata_prefix: str = "lb_meta",
    project_json: Sequence[Json] | None = None,
) -> Converter | None:
    """What brings the annotations of an image project into its dataset; see `converter_for_video_project_with_id`."""
    return _converter(
        "image", project_id, deeplake_ds_loader, lb_api_key, group_mapping, fail_on_error,
        fail_on_labelbox_project_export_error, generate_metadata, metadata_prefix, project_json,
    )  # fmt: skip


def _converter(
    media: MediaKind,
    project_id: str,
    loader: Callable[[str], Any],
    key: str | None,
    groups: Mapping[str, str] | None,
    fail_on_error: bool,
    fail_on_export_error: bool,
    generate_metadata: bool,
    prefix: str,
    rows: Sequence[Json] | None,
) -> Converter | None:
    if generate_metadata and prefix != PREFIX.rstrip("/"):
        raise ConfigError(f"metadata_prefix: lakebox's columns are under {PREFIX!r}, not {prefix!r}; leave it out")
    if not generate_metadata:
        log.warning("generate_metadata=False leaves no columns out: lakebox finds rows by those under %r", PREFIX)
    project = project_of(media, project_id, key, rows, fail_on_export_error)
    if not project.data:
        log.warning("%s has no data rows: there is nothing to convert", project.describe())
        return None
    dataset = loader(project.project_name)
    given = {
        "project_id": project_id,
        "path": project.project_name,
        "source": project.with_ontology(ontology_of(project_id, key, project.data)),
        "presigner": keyed(LabelboxKey(**endpoints()), key),
        "storage": OpenedDataset(dataset),
    }
    return Converter(dataset, groups or {}, fail_on_error, given)
