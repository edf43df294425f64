"""Addresses without what is secret or short-lived in them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

# Query parameters that sign a request: Labelbox and Google CDN, AWS (v2, v4, CloudFront), Google (v2, v4), Alibaba.
_SIGNING = re.compile(
    r"expires|keyname|policy|key-pair-id|sig|x-(amz|goog|oss|ms)-.*|api[-_]?key"
    r"|.*(token|signature|credential|accesskey|accessid).*",
    re.IGNORECASE,
)
# Those of Azure's shared access signatures are two to five letters long and count only where there is a signature.
_AZURE = re.compile(r"s[vstepirsd]|ss|srt|sip|spr|sdd|ses|sk(oid|tid|t|e|s|v)|s[au]oid|scid", re.IGNORECASE)
# Labelbox makes a new task id for every export, so it says nothing about the mask (EXPORT_FORMAT section 2).
_EXPORT_TASK = re.compile(r"/tasks/[^/]+/masks/")
_TAIL = re.compile(r"[?#][^\s\"'<>]+")
_BETWEEN = re.compile(r"[?#&]|\\u0026")
_LOGIN = re.compile(r"(?<=://)[^\s/\"']+@")


_SIGNERS = {"s3": "s3", "gs": "gcs", "az": "azure", "azure": "azure"}


def unfetchable(url: str) -> str:
    """Why an address that is none of the web's cannot be fetched as it is, and what would make it one.

    >>> unfetchable("gs://clips/a.mp4")
    'gs:// is fetched when a presigner makes a web address of it; set presigner=gcs (or by_host)'
    """
    scheme = url.partition("://")[0].lower()
    if name := _SIGNERS.get(scheme):
        return f"{scheme}:// is fetched when a presigner makes a web address of it; set presigner={name} (or by_host)"
    return f"{scheme}:// is not fetched; http, https and file are, and what a presigner makes of s3, gs and az"


def unsigned(url: str) -> str:
    """The address without credentials, signature and fragment; parameters that name the content stay.

    >>> unsigned("https://u:p@h/a.mp4?versionId=3&X-Amz-Signature=abc")
    'https://h/a.mp4?versionId=3'
    """
    if "?" not in url and "@" not in url and "#" not in url:
        return url
    parts = urlsplit(url)
    if not parts.scheme:
        return url
    query = parse_qsl(parts.query, keep_blank_values=True)
    azure = any(key.lower() == "sig" for key, _ in query)
    kept = [(k, v) for k, v in query if not _SIGNING.fullmatch(k) and not (azure and _AZURE.fullmatch(k))]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, urlencode(kept), ""))


def hushed(text: str) -> str:
    """Text in which every address is without credentials, and a signed one, also within another, ends before its query.

    >>> hushed('"GET /a.mp4?Expires=9&Signature=abc HTTP/1.1" 200')
    '"GET /a.mp4?... HTTP/1.1" 200'
    """
    return _TAIL.sub(lambda found: f"{found[0][0]}..." if _signs(found[0]) else found[0], _LOGIN.sub("", text))


def _signs(tail: str) -> bool:
    return any(_SIGNING.fullmatch(part.partition("=")[0]) for part in _BETWEEN.split(unquote(tail)))


def lasting(url: str) -> str:
    """The part of a mask's address that stays the same from export to export."""
    return _EXPORT_TASK.sub("/tasks/*/masks/", unsigned(url))


def stem(name: str) -> str:
    """File name without folder and suffix, of a path or an address.

    >>> stem("https://h/dir/clip%2007.mp4?Expires=1")
    'clip 07'
    """
    path = unquote(urlsplit(name).path) if "://" in name else name
    return PurePosixPath(path).stem
