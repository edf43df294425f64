"""Requests signed when they are needed, and kept until shortly before they expire."""

from __future__ import annotations

import threading
from collections import OrderedDict
from time import time

from lakebox.core.ports import Presigner, Request

EARLY = 60.0
"""Seconds before its end from which a signature is not used any more: the request has to arrive, too."""
_KEPT = 4096


class Signer:
    """A presigner that remembers. Safe to use from many threads."""

    def __init__(self, presigner: Presigner) -> None:
        self.presigner = presigner
        self._kept: OrderedDict[str, Request] = OrderedDict()
        self._turn = threading.Lock()

    def request(self, url: str) -> Request:
        """The request for an address, from memory if it is still good for a while."""
        with self._turn:
            kept = self._kept.get(url)
        if kept is not None and (kept.expires is None or time() < kept.expires - EARLY):
            return kept
        return self.again(url)

    def again(self, url: str) -> Request:
        """A request signed now, for one that the server refused."""
        request = self.presigner.request(url)
        with self._turn:
            self._kept[url] = request
            self._kept.move_to_end(url)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return request
