"""Deep Lake datasets in buckets, and in Activeloop's own store.

Credentials come from the environment, or from where the machine has them; none is kept or configured.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import deeplake
from pydantic import Field, PositiveFloat, PrivateAttr

from lakebox.adapters.bucket import Bucket, Lease
from lakebox.adapters.deep_lake_dataset import DeepLake, Origin
from lakebox.adapters.deep_lake_view import translated
from lakebox.adapters.folders import DEEP_LAKE_LOG, refuse_version
from lakebox.core.addresses import Endpoint
from lakebox.core.component import Component
from lakebox.errors import ConfigError, LakeError

log = logging.getLogger(__name__)


class _InBucket(Component):
    """What is the same for all vendors."""

    schemes: ClassVar[tuple[str, ...]]

    lease_seconds: PositiveFloat = Field(default=120.0, description="How long the lock of a run that died counts")
    _leases: dict[str, Lease] = PrivateAttr(default_factory=dict)

    def find(self, path: str) -> DeepLake | None:
        """Open the dataset; None if nothing is there.

        Raises:
            ConfigError: the path is no address of this storage.
            LakeError: something else is there, or the bucket cannot be read.
        """
        bucket, folder = self._place(path)
        names = bucket.names(folder)
        if not names:
            return None
        if DEEP_LAKE_LOG not in names:
            raise LakeError(f"path {path}: holds files that are no Deep Lake dataset; nothing was touched")
        with translated(f"path {path}: the dataset cannot be opened"):
            lake = DeepLake(deeplake.open(path, creds=self._access()), path, self._origin(path))
        lake.refuse_others()
        return lake

    def create(self, path: str) -> DeepLake:
        """Create a dataset.

        Raises:
            LakeError: the bucket cannot be written.
        """
        self._place(path)
        with translated(f"path {path}: the dataset cannot be created"):
            return DeepLake(deeplake.create(path, creds=self._access()), path, self._origin(path))

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        """Keep other runs out of a dataset, by an object beside it.

        Raises:
            LakeBusy: another run has it.
            LakeError: the bucket cannot be written.
        """
        bucket, folder = self._place(path)
        lease = Lease(bucket, f"{folder}.lakebox-lock", path, self.lease_seconds)
        lease.take()
        self._leases[path] = lease
        try:
            yield
        finally:
            del self._leases[path]
            lease.give_back()

    def _origin(self, path: str) -> Origin:
        def room(_: int) -> None:
            if lease := self._leases.get(path):
                lease.check()

        return Origin(path, lambda: deeplake.open_read_only(path, creds=self._access()), room)

    def _place(self, path: str) -> tuple[Bucket, str]:
        name, folder = _parts(path, self.schemes)
        return self._bucket(name), folder

    def _bucket(self, name: str) -> Bucket:
        raise NotImplementedError

    def _access(self) -> dict[str, str]:
        """What Deep Lake has to know besides what it finds in the environment."""
        return {}


def _parts(path: str, schemes: tuple[str, ...]) -> tuple[str, str]:
    """Bucket and folder of an address."""
    scheme, has_scheme, rest = path.partition("://")
    name, _, folder = rest.strip("/").partition("/")
    if not has_scheme or scheme not in schemes or not name or not folder:
        raise ConfigError(
            f"path: {path!r} is no address of this storage; write {schemes[0]}://bucket/folder, or change storage"
        )
    refuse_version(path)
    return name, folder


class S3(_InBucket):
    """Datasets in S3 and in what speaks its language (R2, MinIO, ...). Config choice `storage=s3`.

    Credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the role of the machine.
    """

    schemes = ("s3",)

    endpoint: Endpoint | None = Field(default=None, description="Server; null: AWS, or AWS_ENDPOINT_URL")
    region: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9-]+$",
        description="null: AWS_REGION, AWS_DEFAULT_REGION or us-east-1",
    )

    def _region(self) -> str:
        return self.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"

    def _server(self, name: str) -> dict[str, str]:
        server = self.endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        return {name: server} if server else {}

    def _bucket(self, name: str) -> Bucket:
        hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (profiles in ~/.aws are not read)"
        return Bucket("S3Store", name, {"region": self._region(), **self._server("endpoint")}, hint)

    def _access(self) -> dict[str, str]:
        return {"aws_region": self._region(), **self._server("endpoint_url")}


class Gcs(_InBucket):
    """Datasets in Google Cloud Storage. Config choice `storage=gcs`.

    Credentials: GOOGLE_APPLICATION_CREDENTIALS, or the machine's service account.
    """

    schemes = ("gs", "gcs")

    def _bucket(self, name: str) -> Bucket:
        return Bucket("GCSStore", name, {}, "set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file")


class Azure(_InBucket):
    """Datasets in Azure's blob storage. Config choice `storage=azure`.

    Credentials: AZURE_STORAGE_ACCOUNT_KEY, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET.
    """

    schemes = ("azure", "az")

    account: str | None = Field(
        default=None, pattern=r"^[a-z0-9]{3,24}$", description="Storage account; null: AZURE_STORAGE_ACCOUNT_NAME"
    )

    def _named(self) -> str:
        name = self.account or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME", "")
        if not name:
            raise ConfigError("storage.account: which storage account? set it, or AZURE_STORAGE_ACCOUNT_NAME")
        return name

    def _bucket(self, name: str) -> Bucket:
        hint = "set AZURE_STORAGE_ACCOUNT_KEY, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
        return Bucket("AzureStore", name, {"account_name": self._named()}, hint)

    def _access(self) -> dict[str, str]:
        key = os.environ.get("AZURE_STORAGE_ACCOUNT_KEY")
        return {"account_name": self._named(), **({"account_key": key} if key else {})}


class Activeloop(Component):
    """Datasets in Activeloop's own store. Config choice `storage=activeloop`. The token comes from the environment."""

    token_env: str = Field(default="ACTIVELOOP_TOKEN", description="Environment variable that holds the token")

    def _token(self, path: str) -> str:
        if not path.startswith("al://") or path.strip("/").count("/") != 3:
            raise ConfigError(
                f"path: {path!r} is no address of this storage; write al://organisation/dataset, or change storage"
            )
        refuse_version(path)
        if not (token := os.environ.get(self.token_env)):
            raise ConfigError(f"storage=activeloop needs a token: export {self.token_env}=...")
        return token

    def find(self, path: str) -> DeepLake | None:
        """Open the dataset; None if there is none.

        Raises:
            ConfigError: the path is no address of this storage, or there is no token.
            LakeError: it cannot be reached.
        """
        token = self._token(path)
        with translated(f"path {path}: the dataset cannot be opened; check the network and {self.token_env}"):
            if not deeplake.exists(path, token=token):
                return None
            lake = DeepLake(deeplake.open(path, token=token), path, self._origin(path))
        lake.refuse_others()
        return lake

    def create(self, path: str) -> DeepLake:
        """Create a dataset.

        Raises:
            LakeError: it cannot be created.
        """
        token = self._token(path)
        with translated(f"path {path}: the dataset cannot be created; check the network and {self.token_env}"):
            return DeepLake(deeplake.create(path, token=token), path, self._origin(path))

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        """There is none: of two runs at once, the one that commits second finds out and plans again."""
        self._token(path)
        log.info("path %s: Activeloop's store has no locks; take care that only one run writes there", path)
        yield

    def _origin(self, path: str) -> Origin:
        def fresh() -> Any:
            return deeplake.open_read_only(path, token=self._token(path))

        return Origin(path, fresh)
