"""HTTP (requests, urllib3, tenacity): pooled connections, time limits, patience with busy servers."""

from __future__ import annotations

import logging
from typing import Any

from requests import ConnectionError, Timeout
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

logging.getLogger("urllib3").setLevel(logging.ERROR)  # its lines hold addresses with their signatures

BUSY = (429, 500, 502, 503, 504)
_LOST = (500, 502, 504)
"""Answers after which nobody knows whether the request was carried out."""
_CREATING = (b"reate", b"upsertRootSchemaNode")
"""In the names of mutations of the Labelbox SDK that make a new thing each time."""


class Patient(HTTPAdapter):
    """Tries again when the service is busy or the connection drops, as long as it asks to (`Retry-After`) or with
    growing pauses. What creates something is not sent again after a drop or a broken answer: it may have arrived.
    Both are a ConnectionError then, which the Labelbox SDK does not try again, either."""

    def __init__(self, patience: float) -> None:
        again = Retry(
            8, backoff_factor=0.25, backoff_max=patience / 4, backoff_jitter=0.25, status_forcelist=BUSY,
            allowed_methods=None, raise_on_status=False, retry_after_max=int(patience),
        )  # fmt: skip
        self._careful = HTTPAdapter(pool_maxsize=32, max_retries=again.new(read=0, status_forcelist=(429, 503)))
        super().__init__(pool_maxsize=32, max_retries=again)

    def close(self) -> None:
        """Close the connections of both kinds."""
        self._careful.close()
        super().close()

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """As the base class, with the patience that suits the request."""
        start = request.body[:200] if isinstance(request.body, bytes) else b""
        creates = b"mutation" in start and any(word in start for word in _CREATING)
        return self._once(request, *args, **kwargs) if creates else super().send(request, *args, **kwargs)

    def _once(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            answer = self._careful.send(request, *args, **kwargs)
        except Timeout as error:
            raise ConnectionError("no answer to a request that creates something") from error
        if answer.status_code in _LOST:
            answer.close()
            raise ConnectionError(f"answer {answer.status_code} to a request that creates something")
        return answer
