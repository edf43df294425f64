"""Patience for the HTTP session of the Labelbox SDK, which itself gives up at once and never reads `Retry-After`."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt
from urllib3.util import Retry

from lakebox.adapters.http import BUSY, FAILING, pause

_CREATING = (b"reate", b"upsertRootSchemaNode")
"""In the names of mutations of the SDK that make a new thing each time."""


class Patient(HTTPAdapter):
    """For the SDK's session: tries again when the service is busy or the connection drops, as long as it asks to
    (`Retry-After`) or with growing pauses. What creates something is not sent again after a drop or a broken answer: it
    may have arrived. Both are a ConnectionError then, which the Labelbox SDK does not try again, either. A server that
    nobody can connect to is given up within seconds: more often the address is wrong than the network down."""

    def __init__(self, patience: float) -> None:
        again = Retry(
            8, connect=4, backoff_factor=0.25, backoff_max=patience / 4, backoff_jitter=0.25, status_forcelist=BUSY,
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
        if b"mutation" in start and any(word in start for word in _CREATING):
            return self._once(request, *args, **kwargs)
        cut_short = retry_if_exception_type(requests.exceptions.ChunkedEncodingError)
        tries = Retrying(stop=stop_after_attempt(8), wait=pause, retry=cut_short, reraise=True)
        return tries(self._whole, request, *args, **kwargs)

    def _whole(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """The answer with its body, which the library would read where nobody tries again.

        A service that fails each time is a ConnectionError: on its answer the SDK would begin all of this again.
        """
        answer = super().send(request, *args, **kwargs)
        if answer.status_code in FAILING:
            answer.close()
            raise requests.ConnectionError(f"answer {answer.status_code} to every try")
        if not kwargs.get("stream"):
            answer.content  # noqa: B018 - kept by the answer
        return answer

    def _once(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            answer = self._careful.send(request, *args, **kwargs)
        except requests.Timeout as error:
            raise requests.ConnectionError("no answer to a request that creates something") from error
        if answer.status_code in FAILING:
            answer.close()
            raise requests.ConnectionError(f"answer {answer.status_code} to a request that creates something")
        return answer
