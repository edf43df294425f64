"""Whether a dataset can hold a project, and in what way it keeps the media."""

from __future__ import annotations

from lakebox.core.columns import Column
from lakebox.core.lake_port import Stored
from lakebox.core.ports import Pixels
from lakebox.core.videos import holds_videos
from lakebox.errors import ConfigError, MediaError


def refuse_others(stored: Stored, project_id: str, address: str) -> None:
    """Only the project's own dataset, or a new one, will do.

    Raises:
        ConfigError: it is another project's, or no dataset of frames at all.
    """
    if stored.project_id and stored.project_id != project_id:
        raise ConfigError(
            f"path: {address} holds project {stored.project_id}, not {project_id}; nothing was touched, choose another"
            " path"
        )
    if holds_videos(stored.columns):
        raise ConfigError(
            f"path: {address} holds the video files of another dataset; nothing was touched, choose another path"
        )


def stored_pixels(stored: Stored) -> Column | None:
    """The column that a dataset has for its media."""
    return next((column for column in stored.columns if column.key == "lakebox:pixels"), None)


def wanted_pixels(pixels: Pixels, media: str, stored: Stored) -> Column | None:
    """The column that the configuration wants for the media.

    Raises:
        ConfigError: the dataset has another one, or there is none for such media.
    """
    try:
        wanted = pixels.column(media)
    except MediaError as error:
        raise ConfigError(f"pixels: {error}") from error
    before = stored_pixels(stored)
    if stored.columns and wanted != before:
        has = f"'{before.name}' as {before.type}" if before else "no pixels"
        wants = f"'{wanted.name}' as {wanted.type}" if wanted else "none"
        raise ConfigError(f"pixels: the dataset stores {has}, the configuration wants {wants}; choose another path")
    return wanted
