"""Faults that can be switched on: what a request meets instead of, or on top of, its answer."""

from __future__ import annotations

import math
import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

Kind = Literal["error500", "error502", "error503", "busy", "missing", "expired", "slow", "truncated", "dropped"]
REFUSALS: dict[str, int] = {
    "error500": 500, "error502": 502, "error503": 503, "busy": 429, "missing": 404, "expired": 403,
}  # fmt: skip
"""Kinds that answer with a status; the others spoil the answer there is."""


@dataclass
class Fault:
    """One fault. It hits requests of its host and paths, at random, or only the first of each path.

    Whether the n-th request for something is hit follows from the seed alone, in whatever order threads come.
    `after`: the request is executed and then its answer is lost, else it is not executed at all.
    `delay`: seconds of "slow", half before the head and half in the middle of the body.
    `retry_after`: seconds of "busy", sent rounded to a whole number.
    """

    kind: Kind
    host: str | None = None
    rate: float = 1.0
    seed: int = 0
    path_contains: str = ""
    operation: str | None = None
    once: bool = False
    times: int | None = None
    after: bool = False
    delay: float = 0.5
    retry_after: float | None = 0
    hits: int = 0
    _asked: Counter[str] = field(default_factory=Counter)
    _struck: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"no such fault: {self.kind}; there are {', '.join(get_args(Kind))}")

    def strikes(self, host: str, path: str, operation: str | None) -> bool:
        """Whether this request is hit; to be asked once per request."""
        if self.host not in (None, host) or self.path_contains not in path:
            return False
        if (self.operation or "") not in (operation or "") or self.hits == self.times:
            return False
        key = f"{host} {path} {operation}"
        self._asked[key] += 1
        if self.once and key in self._struck:
            return False
        if random.Random(f"{self.seed} {self.kind} {key} {self._asked[key]}").random() >= self.rate:
            return False
        self._struck.add(key)
        self.hits += 1
        return True

    @property
    def headers(self) -> dict[str, str]:
        """Headers of a refusal."""
        if self.kind != "busy" or self.retry_after is None:
            return {}
        return {"Retry-After": str(math.floor(self.retry_after + 0.5))}


class Faults:
    """The faults that are switched on, several at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def set(self, kind: Kind, **options: object) -> Fault:
        """Switch a fault on; the options are the fields of `Fault`."""
        fault = Fault(kind, **options)  # type: ignore[arg-type]
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._faults.clear()

    def striking(self, host: str, path: str, operation: str | None) -> list[Fault]:
        """The faults that hit a request."""
        with self._lock:
            return list(self._hits(host, path, operation))

    def _hits(self, host: str, path: str, operation: str | None) -> Iterator[Fault]:
        for fault in self._faults:
            if fault.strikes(host, path, operation):
                yield fault
