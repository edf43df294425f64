"""Azure's shared access signature for one blob, made with the account's key.

Source: Microsoft, "Create a service SAS", the string to sign of version 2020-12-06 and later.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import urlencode

from lakebox.core.buckets import Object

_VERSION = "2020-12-06"
_RESOURCE = {"versionid": "bv", "snapshot": "bs"}


def service_sas(blob: Object, key: str, until: float) -> str:
    """Query parameters that let anybody read the blob (this version of it, if it names one) for a while.

    There is no start: a clock that is a little fast would make the first requests fail.

    Raises:
        ValueError: the key is not base64.
    """
    secret = base64.b64decode(key, validate=True)
    end = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    name = f"/blob/{blob.account}/{blob.bucket}/{blob.key}"  # plain: Azure decodes the address before it compares
    parameter, version = blob.version or ("", "")
    resource = _RESOURCE.get(parameter, "b")
    protocol = "https" if blob.base.startswith("https:") else "https,http"
    # permissions, start, end, name, policy, addresses, protocol, version, resource, snapshot, encryption, 5 headers
    fields = ["r", "", end, name, "", "", protocol, _VERSION, resource, version, "", *[""] * 5]
    digest = hmac.new(secret, "\n".join(fields).encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    return urlencode({"sv": _VERSION, "spr": protocol, "se": end, "sr": resource, "sp": "r", "sig": signature})
