"""Small items are worked on many at a time: what is said of all of them in a row, told apart again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Said:
    """One of the results of an item, or that it is over, well or with an error."""

    result: Any = None
    over: bool = False
    error: Exception | None = None


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Items in lists of so many; only the last may be shorter."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def all_said(each: Iterable[Iterator[R]]) -> Iterator[Said]:
    """Everything that becomes of items, given the results of each."""
    for results in each:
        try:
            for result in results:
                yield Said(result)
        except Exception as error:  # noqa: BLE001 - handed to the reader whatever it is
            yield Said(over=True, error=error)
        else:
            yield Said(over=True)


class _Results(Iterator[R]):
    """Results of one item, out of what is said of several."""

    def __init__(self, said: Iterator[Said], read: Callable[[Any], R]) -> None:
        self._said = said
        self._read = read
        self.over = False

    def __next__(self) -> R:
        if self.over:
            raise StopIteration
        one = self.heard()
        if not one.over:
            return self._read(one.result)
        if one.error:
            raise one.error
        raise StopIteration

    def heard(self) -> Said:
        """What is said next."""
        one = next(self._said, None)
        if one is None:
            raise RuntimeError("a worker fell silent in the middle of an item")
        self.over = one.over
        return one


def told_apart(chunk: list[T], said: Iterator[Said], read: Callable[[Any], R]) -> Iterator[tuple[T, Iterator[R]]]:
    """The items of a chunk, each with its results; what is left unread of them is passed over."""
    for number, item in enumerate(chunk, start=1):
        results = _Results(said, read)
        yield item, results
        while number < len(chunk) and not results.over:
            results.heard()
