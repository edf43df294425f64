"""Where the files of a project lie, and the presigner that makes requests of such addresses: a guess for a starter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lakebox.core.addresses import is_signed, read
from lakebox.core.buckets import azure_object, gcs_object, s3_object
from lakebox.core.yaml_text import scalar

CLOUDS = ("s3", "gcs", "azure")
_MASKS = ("mask", "composite_mask")
_SAID = {
    "file": "files of this machine",
    "labelbox": "behind Labelbox's API key",
    "signed": "signed already",
    "web": "on the web, not signed",
    "other": "behind addresses that need a presigner of your own",
    "s3": "in S3",
    "gcs": "in Google Cloud Storage",
    "azure": "in Azure",
}
_SIGN = "and pip install 'lakebox[sign]'"
_NEEDS = {
    "s3": f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the machine's role, {_SIGN}",
    "gcs": f"GOOGLE_APPLICATION_CREDENTIALS, or the machine's account, {_SIGN}",
    "azure": f"AZURE_STORAGE_ACCOUNT_KEY, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, {_SIGN}",
    "azure_sas": "AZURE_STORAGE_SAS_TOKEN",
}
_KEY = "LABELBOX_API_KEY"
_SAS, _ACCOUNT_KEY = "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY"


@dataclass(frozen=True, slots=True)
class Where:
    """A place that files lie at."""

    kind: str
    """`file`, `labelbox` (gets its API key), `signed`, `s3`, `gcs`, `azure`, `web` or `other`."""
    base: str = ""
    """The server, and the bucket where there is one; nothing of it is secret."""
    account: str = ""
    """Azure only."""


def whereabouts(url: str) -> Where:
    """Where an address leads, as far as it says.

    >>> whereabouts("s3://clips/a.mp4"), whereabouts("media/a.mp4").kind
    (Where(kind='s3', base='s3://clips', account=''), 'file')
    """
    scheme, is_address, _ = url.partition("://")
    parts = read(url)
    if parts and is_signed(url):
        return Where("signed", parts.base)
    found = (s3_object(url, None, "us-east-1"), gcs_object(url, None), azure_object(url, None, ""))
    for kind, item in zip(CLOUDS, found, strict=True):
        if item:
            return Where(kind, item.base if parts else f"{scheme.lower()}://{item.bucket}", item.account)
    if parts or scheme in ("http", "https"):
        return Where("web", parts.base if parts else "")
    return Where("other", f"{scheme}://") if is_address and scheme.lower() != "file" else Where("file")


def mask_addresses(node: Any) -> Iterator[str]:
    """Addresses of mask files anywhere in an export's JSON."""
    children = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        if key in _MASKS and isinstance(child, Mapping) and child.get("url"):
            yield str(child["url"])
        else:
            yield from mask_addresses(child)


@dataclass(frozen=True, slots=True)
class Addresses:
    """What is fetched of a project."""

    media: Collection[str]
    masks: Collection[str] = ()
    """Of some data rows."""
    painted: bool = False
    """Whether there are mask tools: where no mask is seen yet, they will be at Labelbox."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A presigner for a project."""

    choice: str
    values: Mapping[str, Any] = field(default_factory=dict)
    seen: str = ""
    """Where the files are, in a sentence."""
    needs: str = ""
    """What somebody has to provide; empty: nothing."""


def guess(found: Addresses, keyed: Callable[[str], bool], variables: Collection[str]) -> Guess:
    """The presigner for a project's files.

    Args:
        found: their addresses, as they are fetched.
        keyed: whether an address gets Labelbox's API key.
        variables: names of the environment; Azure's say which of its two ways is meant.
    """
    media, masks = _places(found.media, keyed), _places(found.masks, keyed)
    places = {*media, *masks}
    kinds = {place.kind for place in places} | ({"labelbox"} if found.painted and not masks else set())
    choice, values = _choice(kinds, places, variables)
    needed = CLOUDS if choice == "by_host" else (choice,)
    needs = [_NEEDS[one] for one in needed if one in _NEEDS and one in (*kinds, choice)]
    needs += [_KEY] if "labelbox" in kinds else []
    told = [f"Media: {_told(media)}.", f"Masks of the first data rows: {_told(masks)}." if masks else ""]
    return Guess(choice, values, " ".join(filter(None, told)), "; ".join(needs))


def _places(urls: Iterable[str], keyed: Callable[[str], bool]) -> Counter[Where]:
    places: Counter[Where] = Counter()
    for url in urls:
        at = whereabouts(url)
        places[Where("labelbox", at.base) if at.kind in ("web", "signed") and keyed(url) else at] += 1
    return places


def _choice(kinds: Collection[str], places: Iterable[Where], variables: Collection[str]) -> tuple[str, dict[str, Any]]:
    """One presigner for one cloud, which leaves all else to Labelbox's."""
    clouds = [cloud for cloud in CLOUDS if cloud in kinds]
    if len(clouds) > 1:
        return "by_host", {}
    if clouds:
        return _azure(places, variables) if clouds == ["azure"] else (clouds[0], {})
    return "labelbox" if {"labelbox", "signed"} & set(kinds) else "none", {}


def _azure(places: Iterable[Where], variables: Collection[str]) -> tuple[str, dict[str, Any]]:
    """One account's key, or the token of one container where the environment holds only that."""
    own = [place for place in places if place.kind == "azure"]
    if len(own) == 1 and own[0].account and _SAS in variables and _ACCOUNT_KEY not in variables:
        return "azure_sas", {"container": own[0].base}
    accounts = {place.account for place in own}
    return "azure", {"account": accounts.pop()} if len(accounts) == 1 and accounts != {""} else {}


def _told(places: Counter[Where]) -> str:
    """`3 in S3 (s3://a, s3://b), 1 signed already (https://h)`."""
    kinds = list(dict.fromkeys(place.kind for place in places))
    said = []
    for kind in kinds:
        own = [place for place in places if place.kind == kind]
        bases = sorted(scalar(place.base).strip('"') for place in own if place.base)
        listed = ", ".join(bases[:3]) + (f" and {len(bases) - 3} more" if len(bases) > 3 else "")
        said.append(f"{sum(places[place] for place in own)} {_SAID[kind]}" + (f" ({listed})" if listed else ""))
    return ", ".join(said) or "none"
