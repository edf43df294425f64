"""Addresses of objects in S3, Google Cloud Storage and Azure Blob Storage, in all their spellings.

Sources: AWS "Virtual hosting of buckets" and "Amazon S3 endpoints", Google "Request endpoints", Microsoft "Naming and
referencing containers, blobs, and metadata".

Names are percent-decoded once, whatever the spelling: `s3://bucket/a%20b` and `s3://bucket/a b` name the object `a b`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, unquote_to_bytes, urlsplit

from lakebox.core.addresses import Address, read

_S3 = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?:-(?:fips|accelerate|external-1|accesspoint|accesspoint-fips))?(?:\.dualstack)?"
    r"(?:[.-](?P<region>[a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com(?:\.cn)?"
)  # `s3-website` is another service, which knows no signatures
_GOOGLE = re.compile(r"(?:(?P<bucket>.+)\.)?(?:commondata)?storage\.googleapis\.com")
_GOOGLE_JSON = re.compile(r"/(?:(?:download|upload|batch)/)?storage/v1(?:/|$)")  # another API on the same host
_AZURE = re.compile(r"(?P<account>[a-z0-9]{3,24})\.blob\.core\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)")
GOOGLE = "https://storage.googleapis.com"


@dataclass(frozen=True, slots=True)
class Object:
    """An object in a bucket (Azure: a blob in a container)."""

    base: str
    """The bucket's address without a slash at the end: scheme, host, port, and the bucket where it is in the path."""
    bucket: str
    key: str
    """The plain name, not percent-encoded."""
    version: tuple[str, str] | None = None
    """The query parameter that asks for one version of it."""
    region: str = ""
    """What the address says of it; S3 only."""
    account: str = ""
    """Azure only."""

    @property
    def url(self) -> str:
        """Its address in one spelling, which is what gets signed."""
        query = "?{}={}".format(self.version[0], quote(self.version[1], safe="")) if self.version else ""
        return f"{self.base}/{quote(self.key)}{query}"

    def is_named_by(self, signed: str) -> bool:
        """Whether a signed address means this object, so that no normalization on the way makes it another one."""
        found, own = urlsplit(signed), urlsplit(self.url)
        same = (found.scheme, found.netloc, unquote(found.path)) == (own.scheme, own.netloc, unquote(own.path))
        return same and (self.version is None or self.version in parse_qsl(found.query))


def s3_object(url: str, endpoint: str | None, region: str) -> Object | None:
    """The S3 object that an address names; None if it is none, or of another server than AWS and the endpoint.

    >>> s3_object("https://clips.s3.eu-west-1.amazonaws.com/a%20b.mp4", None, "us-east-1").key
    'a b.mp4'
    """
    if (named := _named(url, ("s3", "s3a"), "versionId")) is not None:
        bucket, key, version = named
        return Object(f"{endpoint}/{bucket}" if endpoint else _s3_base(bucket, region), bucket, key, version, region)
    if (parts := read(url)) is None:
        return None
    version = _version(parts, "versionId")
    if endpoint and (found := _below(parts, endpoint)):
        return _made(*found, parts, version, region=region)
    match = _S3.fullmatch(parts.host) if _usual(parts) else None
    if match is None:
        return None
    path = parts.path.replace("+", "%20")  # S3 reads a bare plus in a path as a space; `%2B` is a plus
    found = _split(parts.base, match["bucket"], path)
    return _made(*found, parts, version, region=match["region"] or region)


def gcs_object(url: str, endpoint: str | None) -> Object | None:
    """The Google Cloud Storage object that an address names; None if it is none, or of another server."""
    if (named := _named(url, ("gs",), "generation")) is not None:
        bucket, key, version = named
        return Object(f"{endpoint or GOOGLE}/{bucket}", bucket, key, version)
    if (parts := read(url)) is None:
        return None
    version = _version(parts, "generation")
    if endpoint and (found := _below(parts, endpoint)):
        return _made(*found, parts, version)
    match = _GOOGLE.fullmatch(parts.host) if _usual(parts) else None
    browser = _usual(parts) and parts.host == "storage.cloud.google.com"
    if not (browser or match) or _GOOGLE_JSON.match(parts.path):
        return None
    _, bucket, path = _split("", match["bucket"] if match else None, parts.path)
    return _made(f"{GOOGLE}/{bucket}", bucket, path, parts, version)  # Google signs for this host only


def azure_object(url: str, endpoint: str | None, account: str) -> Object | None:
    """The blob that an address names; None if it is none, or of another account than the one given."""
    if (named := _named(url, ("az", "azure"), "versionid")) is not None:
        base = endpoint or f"https://{account}.blob.core.windows.net"
        bucket, key, version = named
        return Object(f"{base}/{bucket}", bucket, key, version, account=account)
    if (parts := read(url)) is None:
        return None
    version = _version(parts, "versionid") or _version(parts, "snapshot")
    if endpoint and (found := _below(parts, endpoint, virtual=False)):
        return _made(*found, parts, version, account=account)
    match = _AZURE.fullmatch(parts.host) if _usual(parts) else None
    if match is None or (account and match["account"] != account):
        return None
    if parts.path.count("/") == 1:
        return _made(f"{parts.base}", "$root", parts.path[1:], parts, version, account=match["account"])
    return _made(*_split(parts.base, None, parts.path), parts, version, account=match["account"])


def _s3_base(bucket: str, region: str) -> str:
    host = f"s3.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
    # A certificate covers one label: a bucket with dots in its name goes into the path.
    return f"https://{host}/{bucket}" if "." in bucket else f"https://{bucket}.{host}"


def _usual(parts: Address) -> bool:
    return parts.scheme == "https" and parts.port == 443


def _named(url: str, schemes: tuple[str, ...], parameter: str) -> tuple[str, str, tuple[str, str] | None] | None:
    """(bucket, key, version) of `scheme://bucket/key`. Only the version is a query there: keys may have `?` and `#`."""
    scheme, _, rest = url.partition("://")
    bucket, _, path = rest.partition("/")
    if scheme.lower() not in schemes or not re.fullmatch(r"[A-Za-z0-9$._-]+", bucket):
        return None
    path, asked, version = path.partition(f"?{parameter}=")
    key = _decoded(path)
    return (bucket, key, (parameter, _decoded(version) or "") if asked else None) if key else None


def _below(parts: Address, endpoint: str, *, virtual: bool = True) -> tuple[str, str, str] | None:
    """(bucket's address, bucket, path) of an address at an endpoint: `endpoint/bucket/...` or `bucket.endpoint/...`."""
    own = read(endpoint)
    if own is None or (parts.scheme, parts.port) != (own.scheme, own.port):
        return None
    if parts.host == own.host and parts.path.startswith(f"{own.path}/"):
        return _split(endpoint, None, parts.path[len(own.path) :])
    if virtual and not own.path and parts.host.endswith(f".{own.host}"):
        return _split(parts.base, parts.host.removesuffix(f".{own.host}"), parts.path)
    return None


def _split(base: str, bucket: str | None, path: str) -> tuple[str, str, str]:
    """(bucket's address, bucket, rest of the path)."""
    if bucket is not None:
        return base, bucket, path[1:]
    bucket, _, path = path[1:].partition("/")
    return f"{base}/{bucket}", bucket, path


def _made(
    base: str, bucket: str, path: str, parts: Address, version: tuple[str, str] | None, **more: str
) -> Object | None:
    key = _decoded(path)
    return Object(base, bucket, key, version, **more) if key and re.fullmatch(r"[A-Za-z0-9$._-]+", bucket) else None


def _version(parts: Address, parameter: str) -> tuple[str, str] | None:
    values = [value for key, value in parse_qsl(parts.query) if key.lower() == parameter.lower()]
    return (parameter, values[0]) if values else None


def _decoded(path: str) -> str | None:
    """A name; None if its bytes are no text, which no vendor allows."""
    try:
        return unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return None
