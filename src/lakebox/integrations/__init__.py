"""The functions of `deeplake.integrations.labelbox`, over lakebox's tasks: scripts change their import line, and run.

Names, parameters and results are the same; where something means more or less than there, the function says so. A key
that is handed over stays in memory: it goes to Labelbox's own servers and nowhere else. For a private deployment, set
`LABELBOX_ENDPOINT` and `LABELBOX_REST_ENDPOINT`.
"""

from lakebox.integrations.annotations import (
    Converter,
    converter_for_image_project_with_id,
    converter_for_video_project_with_id,
)
from lakebox.integrations.datasets import (
    create_dataset_from_image_annotation_project,
    create_dataset_from_image_annotation_project_with_custom_data_filler,
    create_dataset_from_video_annotation_project,
    create_dataset_from_video_annotation_project_with_custom_data_filler,
)
from lakebox.integrations.projects import create_labelbox_annotation_project, load_blob_file_paths_from_azure

__all__ = [
    "Converter",
    "converter_for_image_project_with_id",
    "converter_for_video_project_with_id",
    "create_dataset_from_image_annotation_project",
    "create_dataset_from_image_annotation_project_with_custom_data_filler",
    "create_dataset_from_video_annotation_project",
    "create_dataset_from_video_annotation_project_with_custom_data_filler",
    "create_labelbox_annotation_project",
    "load_blob_file_paths_from_azure",
]
