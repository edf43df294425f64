"""Datasets of media from an annotation project."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakebox.adapters.deep_lake_handles import OpenedDataset, delete, opened
from lakebox.adapters.presign import LabelboxKey
from lakebox.integrations.custom_filler import CustomFiller, FilledDataset, RawFrames
from lakebox.integrations.presigning import UrlPresigner
from lakebox.integrations.running import carried_out, configured
from lakebox.integrations.service import Json, MediaKind, endpoints, keyed, project_of

UrlFunction = Callable[[str], Any]


def create_dataset_from_video_annotation_project(
    deeplake_ds_path: str,
    project_id: str,
    lb_api_key: str | None,
    deeplake_creds: Mapping[str, str] | None = None,
    deeplake_org_id: str | None = None,
    deeplake_token: str | None = None,
    overwrite: bool = False,
    fail_on_error: bool = False,
    url_presigner: UrlFunction | None = None,
    video_generator_batch_size: int = 100,
    fail_on_labelbox_project_export_error: bool = False,
    project_json: Sequence[Json] | None = None,
) -> tuple[Any, Sequence[Json]]:
    """Create a dataset of the frames of a video project; annotations follow with a converter.

    What is finished is committed at once: a call that broke off is simply made again and goes on. Without `overwrite`,
    a dataset that is there is brought in step with the project.

    Args:
        deeplake_ds_path: a folder, `mem://name`, or an address that Deep Lake knows.
        project_id: of the Labelbox project.
        lb_api_key: kept in memory, sent to Labelbox's own servers only; None: that in `LABELBOX_API_KEY`.
        deeplake_creds: Deep Lake's credentials.
        deeplake_org_id: Deep Lake's organisation.
        deeplake_token: Deep Lake's token.
        overwrite: delete the dataset first. Refused if there is anything in its folder that is not the dataset's.
        fail_on_error: raise at the first data row that fails; otherwise failures are logged as errors.
        url_presigner: remote address -> `(address, headers)`; None: addresses as they are.
        video_generator_batch_size: counts for custom data fillers only.
        fail_on_labelbox_project_export_error: raise when Labelbox could not export a data row.
        project_json: what an earlier call returned; None: the project is exported.

    Returns:
        The open `deeplake.Dataset`, and the project's export, one dict per data row.

    Raises:
        SourceError: the project cannot be exported.
        LakeError: the dataset cannot be opened, or something else lies at its path.
        DataRowsError: a data row failed, and `fail_on_error` was asked for.
    """
    place = _Place(deeplake_ds_path, deeplake_creds, deeplake_org_id, deeplake_token, overwrite)
    labelbox = _Labelbox("video", project_id, lb_api_key, url_presigner, project_json)
    return _create(place, labelbox, None, fail_on_error, fail_on_labelbox_project_export_error)


def create_dataset_from_video_annotation_project_with_custom_data_filler(
    deeplake_ds_path: str,
    project_id: str,
    lb_api_key: str | None,
    data_filler: Mapping[str, Callable[..., Any]],
    deeplake_creds: Mapping[str, str] | None = None,
    deeplake_org_id: str | None = None,
    deeplake_token: str | None = None,
    overwrite: bool = False,
    fail_on_error: bool = False,
    url_presigner: UrlFunction | None = None,
    video_generator_batch_size: int = 100,
    fail_on_labelbox_project_export_error: bool = False,
    project_json: Sequence[Json] | None = None,
) -> tuple[Any, Sequence[Json]]:
    """As `create_dataset_from_video_annotation_project`, with the script's own columns for the frames.

    Args:
        deeplake_ds_path: as there, and so are all others but these two.
        data_filler: `create_tensors(ds)` makes the columns; `fill_data(ds, group_ids, indexes, frames)` adds a row per
            frame: numbers of the video, 0-based frames of the source, (h, w, 3) uint8 arrays. `ds` is the dataset,
            with upstream's `create_tensor`, `add_column` and `extend(names, lists)`.
        video_generator_batch_size: the most frames that `fill_data` gets at once (and no more than 64).

    Raises:
        LakeError: `fill_data` added another number of rows, or a column is one of lakebox's with another type.
    """
    place = _Place(deeplake_ds_path, deeplake_creds, deeplake_org_id, deeplake_token, overwrite)
    labelbox = _Labelbox("video", project_id, lb_api_key, url_presigner, project_json)
    filler = CustomFiller("video", data_filler, video_generator_batch_size)
    return _create(place, labelbox, filler, fail_on_error, fail_on_labelbox_project_export_error)


def create_dataset_from_image_annotation_project(
    deeplake_ds_path: str,
    project_id: str,
    lb_api_key: str | None,
    deeplake_creds: Mapping[str, str] | None = None,
    deeplake_org_id: str | None = None,
    deeplake_token: str | None = None,
    overwrite: bool = False,
    fail_on_error: bool = False,
    url_presigner: UrlFunction | None = None,
    fail_on_labelbox_project_export_error: bool = False,
    project_json: Sequence[Json] | None = None,
) -> tuple[Any, Sequence[Json]]:
    """Create a dataset of the images of a project; see `create_dataset_from_video_annotation_project`."""
    place = _Place(deeplake_ds_path, deeplake_creds, deeplake_org_id, deeplake_token, overwrite)
    labelbox = _Labelbox("image", project_id, lb_api_key, url_presigner, project_json)
    return _create(place, labelbox, None, fail_on_error, fail_on_labelbox_project_export_error)


def create_dataset_from_image_annotation_project_with_custom_data_filler(
    deeplake_ds_path: str,
    project_id: str,
    lb_api_key: str | None,
    data_filler: Mapping[str, Callable[..., Any]],
    deeplake_creds: Mapping[str, str] | None = None,
    deeplake_org_id: str | None = None,
    deeplake_token: str | None = None,
    overwrite: bool = False,
    fail_on_error: bool = False,
    url_presigner: UrlFunction | None = None,
    fail_on_labelbox_project_export_error: bool = False,
    project_json: Sequence[Json] | None = None,
) -> tuple[Any, Sequence[Json]]:
    """As the video function of this name; `fill_data(ds, images, indexes)` gets (h, w, c) uint8 arrays and their
    0-based numbers, one image at a time."""
    place = _Place(deeplake_ds_path, deeplake_creds, deeplake_org_id, deeplake_token, overwrite)
    labelbox = _Labelbox("image", project_id, lb_api_key, url_presigner, project_json)
    filler = CustomFiller("image", data_filler, 1)
    return _create(place, labelbox, filler, fail_on_error, fail_on_labelbox_project_export_error)


@dataclass(frozen=True, slots=True, repr=False)
class _Place:
    """Where the dataset is to be."""

    path: str
    given_creds: Mapping[str, str] | None
    org_id: str | None
    token: str | None
    overwrite: bool

    def open(self) -> Any:
        creds = {**(self.given_creds or {}), **({"org_id": self.org_id} if self.org_id else {})} or None
        if self.overwrite:
            delete(self.path, creds, self.token)
        return opened(self.path, creds, self.token)


@dataclass(frozen=True, slots=True, repr=False)
class _Labelbox:
    """Whose project, and how its media are reached."""

    media: MediaKind
    project_id: str
    key: str | None
    function: UrlFunction | None
    rows: Sequence[Json] | None

    def presigner(self) -> UrlPresigner | LabelboxKey:
        own = keyed(LabelboxKey(**endpoints()), self.key)
        return UrlPresigner(self.function, own) if self.function else own


def _create(
    place: _Place, labelbox: _Labelbox, filler: CustomFiller | None, fail_on_error: bool, fail_on_export_error: bool
) -> tuple[Any, Sequence[Json]]:
    """The project is exported before anything is deleted or created."""
    presigner = labelbox.presigner()
    project = project_of(labelbox.media, labelbox.project_id, labelbox.key, labelbox.rows, fail_on_export_error)
    dataset = place.open()
    if project.data:
        given = {
            "project_id": labelbox.project_id,
            "path": place.path,
            "source": project,
            "presigner": presigner,
            "storage": OpenedDataset(dataset) if filler is None else FilledDataset(dataset, filler),
            **({"pixels": RawFrames()} if filler else {}),
        }
        carried_out(configured("create", fail_on_error), fail_on_error, given)
    return dataset, project.data
