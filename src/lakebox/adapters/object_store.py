"""Presigners that sign with a vendor's credentials (obstore, the extra `sign`). Config group `presigner`.

obstore reads the credentials itself, when the first address is signed; nothing of them is kept here. What was
measured of obstore 0.12 and is worked around below:

* It normalizes names (`/a`, `a/`) or refuses them (`a//b`), and has no way to ask for a version.
* It puts Google's names into the address without encoding them.
* Azure's signatures of names that need encoding are wrong, since the encoded name is signed instead of the name.
* Endpoints in the environment would change the server; they are set from the address instead.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import cached_property, lru_cache, partial
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field

from lakebox.adapters.presign import STRICT, LabelboxKey
from lakebox.core.addresses import Endpoint, is_signed
from lakebox.core.azure_sas import service_sas
from lakebox.core.buckets import GOOGLE, Object, azure_object, gcs_object, s3_object
from lakebox.core.component import Component
from lakebox.core.ports import Presigner, Request
from lakebox.core.urls import unsigned
from lakebox.errors import ConfigError, FetchError

_WEEK = 7 * 24 * 60  # neither AWS nor Google signs for longer
_REFUSAL_LASTS = 30.0  # seconds; asking a cloud's metadata service for every file of a project would take hours

Vendor = Literal["S3Store", "GCSStore", "AzureStore"]
_HINTS: dict[Vendor, tuple[str, str]] = {
    "S3Store": (
        "AWS_",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (profiles in ~/.aws are not read:"
        " `aws configure export-credentials --format env` shows them as variables)",
    ),
    "GCSStore": ("GOOGLE_", "set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file"),
    "AzureStore": (
        "AZURE_",
        "set AZURE_STORAGE_ACCOUNT_KEY, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
    ),
}
_AZURE_KEYS = ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_MASTER_KEY")


class S3(Component):
    """Objects in S3, and in what speaks its language (R2, MinIO, ...), get AWS's signature, version 4.

    Credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; else AWS_WEB_IDENTITY_TOKEN_FILE with
    AWS_ROLE_ARN; else the role of the container (AWS_CONTAINER_CREDENTIALS_*) or of the instance. Profiles in `~/.aws`
    and AWS_PROFILE are not read by obstore.
    """

    model_config = STRICT

    endpoint: Endpoint | None = Field(default=None, description="Server of s3:// addresses and of its own; null: AWS")
    region: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9-]+$",
        description="Where an address says none; null: AWS_REGION, AWS_DEFAULT_REGION or us-east-1",
    )
    minutes: int = Field(default=60, gt=0, le=_WEEK, description="How long a signature lasts")
    otherwise: Presigner = Field(default_factory=LabelboxKey, description="For all other addresses")

    def request(self, url: str) -> Request:
        """The signed address; no connection is made where the environment holds the credentials.

        Raises:
            FetchError: there are no credentials, or the object has a name that cannot be signed.
            ConfigError: obstore is not installed.
        """
        environment = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        region = self.region or environment or "us-east-1"
        found = None if is_signed(url) else s3_object(url, self.endpoint, region)
        if found is None:
            return self.otherwise.request(url)
        base, path = found.base, found.key
        if found.version or "" in path.split("/"):
            # The whole address goes in as the server's, closed by a parameter that S3 ignores: it is signed as it is.
            base, path = f"{found.url}{'&' if found.version else '?'}x-id=", ""
        options: dict[str, str | bool] = {
            "region": found.region,
            "endpoint": base,
            "aws_endpoint_url_s3": base,
            "virtual_hosted_style_request": True,  # that is, the endpoint is the bucket's own address
        }
        store = partial(_store, "S3Store", found.bucket, options)
        return _request(url, found, "S3Store", self.minutes, lambda: store().sign(path, self.minutes))


class Gcs(Component):
    """Objects in Google Cloud Storage get Google's signature, version 4.

    Credentials: GOOGLE_APPLICATION_CREDENTIALS (a service account's key file), GOOGLE_SERVICE_ACCOUNT (the same),
    GOOGLE_SERVICE_ACCOUNT_KEY (its content); else `gcloud auth application-default login` or the machine's service
    account, whose signatures Google makes, one call each.
    """

    model_config = STRICT

    endpoint: Endpoint | None = Field(default=None, description="Server of gs:// addresses: an emulator; null: Google")
    minutes: int = Field(default=60, gt=0, le=_WEEK, description="How long a signature lasts")
    otherwise: Presigner = Field(default_factory=LabelboxKey, description="For all other addresses")

    def request(self, url: str) -> Request:
        """The signed address; no connection is made where there is a service account's key.

        Raises:
            FetchError: there are no credentials, or the object has a name that cannot be signed.
            ConfigError: obstore is not installed.
        """
        found = None if is_signed(url) else gcs_object(url, self.endpoint)
        if found is None:
            return self.otherwise.request(url)
        options = {"base_url": found.base.removesuffix(f"/{found.bucket}") or GOOGLE}
        # Encoded and with the version, since it is put into the address as it is. Google reads `%2F` as a slash.
        path = quote(found.key, safe="" if "" in found.key.split("/") else "/")
        path += "".join(found.url.partition("?")[1:])
        store = partial(_store, "GCSStore", found.bucket, options)
        return _request(url, found, "GCSStore", self.minutes, lambda: store().sign(path, self.minutes))


class Azure(Component):
    """Blobs in Azure get a shared access signature of their own, for reading.

    Credentials: the account's key in AZURE_STORAGE_ACCOUNT_KEY (or _ACCESS_KEY, _MASTER_KEY), used here, for any name;
    else Entra through obstore, which asks Azure for a key to sign with: AZURE_TENANT_ID, AZURE_CLIENT_ID and
    AZURE_CLIENT_SECRET; AZURE_FEDERATED_TOKEN_FILE; AZURE_USE_AZURE_CLI=true after `az login`; or managed identity.
    """

    model_config = STRICT

    account: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9]{3,24}$",
        description="Only this account's blobs; null: AZURE_STORAGE_ACCOUNT_NAME, or any account",
    )
    endpoint: Endpoint | None = Field(default=None, description="The account's own address: an emulator; null: Azure")
    minutes: int = Field(default=60, gt=0, le=_WEEK, description="How long a signature lasts")
    otherwise: Presigner = Field(default_factory=LabelboxKey, description="For all other addresses")

    def request(self, url: str) -> Request:
        """The signed address; no connection is made where the environment holds the account's key.

        Raises:
            FetchError: there are no credentials, or the blob has a name that cannot be signed.
            ConfigError: obstore is needed and not installed.
        """
        found = None if is_signed(url) else azure_object(url, self.endpoint, self._account())
        if found is None:
            return self.otherwise.request(url)
        if not found.account:
            raise FetchError(f"{url}: of which account? set presigner.account or AZURE_STORAGE_ACCOUNT_NAME")
        return _request(url, found, "AzureStore", self.minutes, lambda: self._signed(found))

    def _account(self) -> str:
        named = self.account or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME", "")
        if named or not self.endpoint:
            return named
        parts = urlsplit(self.endpoint)  # emulators have the account in the path, the real ones in the host
        return parts.path.rpartition("/")[2] or (parts.hostname or "").partition(".")[0]

    def _signed(self, found: Object) -> str:
        if key := next((value for name in _AZURE_KEYS if (value := os.environ.get(name))), None):
            return self._signed_with(key, found)
        if found.version or quote(found.key) != found.key or "" in found.key.split("/"):
            raise _Refused("without the account's key, obstore signs neither versions nor names that need encoding")
        at = {"account_name": found.account, "endpoint": found.base.removesuffix(f"/{found.bucket}")}
        return _store("AzureStore", found.bucket, at).sign(found.key, self.minutes)

    def _signed_with(self, key: str, found: Object) -> str:
        try:
            query = service_sas(found, key, _until(self.minutes))
        except ValueError:
            raise _Refused("the account's key in the environment is not base64") from None
        return f"{found.url}{'&' if found.version else '?'}{query}"


def azure_blobs(
    account: str, container: str, beginning: str, sas_token: str, endpoint: str | None = None
) -> Iterator[str]:
    """Names of the blobs in a container that begin with a text, in order.

    Raises:
        ConfigError: obstore is not installed.
        FetchError: the container cannot be listed.
    """
    folder = beginning.rpartition("/")[0]
    options = {"account_name": account, "sas_key": sas_token, **({"endpoint": endpoint} if endpoint else {})}
    try:
        names = _Store("AzureStore", container, options).names(folder)
    except _Refused as error:
        raise FetchError(f"container {container} of {account}: cannot be listed: {error}") from None
    yield from (name for name in sorted(names) if name.startswith(beginning))


class _Refused(Exception):
    """Why an address cannot be signed."""


def _request(url: str, found: Object, vendor: Vendor, minutes: int, sign: Callable[[], str]) -> Request:
    until = _until(minutes)
    try:
        if {".", ".."} & set(found.key.split("/")):
            raise _Refused("its name has '.' or '..' between slashes, which no client sends as it is")
        signed = sign()
        if not found.is_named_by(signed):
            raise _Refused("the signed address names another object; please report this")
    except _Refused as error:
        raise FetchError(f"{unsigned(url)}: cannot be signed: {error}; {_HINTS[vendor][1]}") from None
    return Request(signed, expires=until)


def _until(minutes: int) -> float:
    return time.time() + 60 * minutes


class _Store:
    """A store of obstore. Where it finds no credentials it is not asked again for a while: that can take seconds."""

    def __init__(self, vendor: Vendor, bucket: str, options: Mapping[str, str | bool]) -> None:
        try:
            import obstore.store
            from obstore.exceptions import BaseError
        except ImportError as error:
            raise ConfigError("signing addresses needs obstore: pip install 'lakebox[sign]'") from error
        http = any(str(value).startswith("http:") for value in options.values())
        wait = timedelta(seconds=4)
        self._errors = (BaseError, ValueError, TypeError, OSError)
        self._sign = obstore.sign
        self._list = obstore.list
        self._make = partial(
            getattr(obstore.store, vendor), bucket, skip_signature=False, **options,
            client_options={"allow_http": http, "connect_timeout": timedelta(seconds=2), "timeout": wait},
            retry_config={"max_retries": 1, "retry_timeout": wait},
        )  # fmt: skip
        self._refusal = ""
        self._until = 0.0

    @cached_property
    def _opened(self) -> Any:
        return self._make()

    def sign(self, path: str, minutes: int) -> str:
        """The signed address of an object.

        Raises:
            _Refused: there are no credentials, or they are not accepted.
        """
        if time.monotonic() < self._until:
            raise _Refused(self._refusal)
        try:
            return str(self._sign(self._opened, "GET", path, timedelta(minutes=minutes)))
        except self._errors as error:
            self._refusal, self._until = _harmless(str(error)), time.monotonic() + _REFUSAL_LASTS
            raise _Refused(self._refusal) from None

    def names(self, folder: str) -> list[str]:
        """Names of everything below a folder.

        Raises:
            _Refused: it cannot be listed.
        """
        try:
            return [str(one["path"]) for some in self._list(self._opened, folder or None) for one in some]
        except self._errors as error:
            raise _Refused(_harmless(str(error))) from None


def _store(vendor: Vendor, bucket: str, options: Mapping[str, str | bool]) -> _Store:
    """Built once per bucket and once more when the environment's credentials change."""
    prefix = _HINTS[vendor][0]
    environment = hash(tuple(sorted(item for item in os.environ.items() if item[0].startswith(prefix))))
    return _cached(vendor, bucket, tuple(sorted(options.items())), environment)


@lru_cache(maxsize=64)
def _cached(vendor: Vendor, bucket: str, options: tuple[tuple[str, str | bool], ...], environment: int) -> _Store:
    return _Store(vendor, bucket, dict(options))


def _harmless(text: str) -> str:
    """The first line of a vendor's error without addresses' secrets and without anything it quotes."""
    line = re.sub(r"\"[^\"]*\"|`[^`]*`", "...", text.partition("\n")[0])
    return re.sub(r"https?://\S+", lambda match: unsigned(match[0]), line)[:200]
