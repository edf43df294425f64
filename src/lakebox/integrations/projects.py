"""Media to a Labelbox annotation project, and the list of them in an Azure container."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from lakebox.adapters.bars import Bars
from lakebox.adapters.documents import read_document
from lakebox.adapters.labelbox_upload import UploadService
from lakebox.adapters.object_store import azure_blobs
from lakebox.core.urls import unsigned
from lakebox.errors import ConfigError, UploadError
from lakebox.integrations.service import endpoints, keyed
from lakebox.integrations.words import LIST, UPLOAD, in_its_words
from lakebox.tasks.upload import Upload


def create_labelbox_annotation_project(
    video_paths: Sequence[str],
    lb_dataset_name: str,
    lb_project_name: str,
    lb_api_key: str | None,
    lb_ontology: Any = None,
    lb_batch_priority: int = 5,
    data_upload_strategy: str = "fail",
    lb_batches_name: str | None = None,
    lb_iam_integration_id: str | None = "DEFAULT",
    lb_global_key_generator: Callable[[str], str] | None = None,
    media_type: str = "VIDEO",
) -> None:
    """Create a Labelbox dataset and an annotation project with these media, as `task=upload` does.

    Datasets and projects of these names are reused, so that a call which broke off is simply made again.

    Args:
        video_paths: all local paths, or all addresses that Labelbox can read; also of images.
        lb_dataset_name: of the Labelbox dataset.
        lb_project_name: of the Labelbox project.
        lb_api_key: kept in memory only; None: that in `LABELBOX_API_KEY`.
        lb_ontology: the SDK's ontology, its id or its name; None: the project's own.
        lb_batch_priority: 1 (first) to 5.
        data_upload_strategy: media listed twice: `fail`, `skip` (once, in the given order), `all`.
        lb_batches_name: None: `<dataset>_batch-`.
        lb_iam_integration_id: id or name; `DEFAULT`: the organisation's; None: none.
        lb_global_key_generator: path or address -> global key; None: keys that are the same in every call, so that
            nothing is uploaded twice.
        media_type: `VIDEO` or `IMAGE`.

    Raises:
        ConfigError: what is asked for cannot be; nothing was touched.
        SourceError: Labelbox failed half-way; the same call does the rest.
        UploadError: Labelbox refused data rows; the others are there.
    """
    paths = _paths(video_paths)
    with in_its_words(UPLOAD, paths), TemporaryDirectory(prefix="lakebox-") as folder, Bars() as bars:
        task = Upload(
            service=keyed(UploadService(**endpoints()), lb_api_key),
            progress=bars,
            read_document=read_document,
            media=_listed(paths, lb_global_key_generator, Path(folder) / LIST),
            dataset=lb_dataset_name,
            project=lb_project_name,
            media_type=str(media_type).lower(),
            ontology=getattr(lb_ontology, "uid", lb_ontology),
            iam_integration=lb_iam_integration_id,
            batch=lb_batches_name or f"{lb_dataset_name}_batch-",
            priority=lb_batch_priority,
            duplicates=data_upload_strategy,
        )
        report = task()
    if report.failures:
        told = "; ".join(f"{one.name}: {one.stage}: {one.error}" for one in report.failures[:5])
        raise UploadError(f"{len(report.failures)} of the media were not uploaded: {told}")


def _paths(given: Sequence[str]) -> list[str]:
    """The media, which may be no single path: its letters would be taken for paths."""
    paths = [] if isinstance(given, str) else list(map(str, given))
    if not paths:
        found = f"is one string, {unsigned(given)!r}" if isinstance(given, str) else "is empty"
        raise ConfigError(f"video_paths: {found}; nothing was touched, give a list of paths or of addresses")
    return paths


def _listed(paths: Sequence[str], key: Callable[[str], str] | None, manifest: Path) -> tuple[str, ...]:
    """The media as a manifest, where names are names: no patterns, no lists."""
    lines = [{"path": _absolute(path), **({"global_key": key(path)} if key else {})} for path in paths]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return (str(manifest),)


def _absolute(path: str) -> str:
    return path if "://" in path else str(Path(path).expanduser().absolute())


def load_blob_file_paths_from_azure(
    storage_account_name: str,
    container_name: str,
    parent_path: str,
    sas_token: str,
    predicate: Callable[[str], bool] = lambda x: True,
    sign_urls: bool = True,
) -> list[str]:
    """Addresses of the blobs in an Azure container whose names begin with `parent_path`, in the order of their names.

    `AZURE_STORAGE_ENDPOINT` names the account's address where it is not Azure's usual one.

    Args:
        storage_account_name: the account.
        container_name: the container.
        parent_path: beginning of the names.
        sas_token: a shared access signature that may list and read.
        predicate: name of a blob -> whether it is wanted.
        sign_urls: whether the addresses carry the token.

    Raises:
        ConfigError: obstore is not installed (`pip install 'lakebox[sign]'`).
        FetchError: the container cannot be listed.
    """
    endpoint = os.environ.get("AZURE_STORAGE_ENDPOINT")
    account = endpoint or f"https://{storage_account_name}.blob.core.windows.net"
    token = sas_token.strip().lstrip("?")
    names = filter(predicate, azure_blobs(storage_account_name, container_name, parent_path, token, endpoint))
    return [f"{account}/{container_name}/{quote(name)}" + (f"?{token}" if sign_urls else "") for name in names]
