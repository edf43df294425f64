"""Executors, all under one contract."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import pytest

from lakebox.adapters.executors import Serial, Threads
from lakebox.core.ports import Executor
from lakebox.errors import MediaError

EXECUTORS = {
    "serial": Serial(),
    "thread": Threads(),
    "one thread": Threads(workers=1, ahead=1),
    "many": Threads(workers=8),
}
ITEMS = list(range(40))


@pytest.fixture(params=list(EXECUTORS.values()), ids=list(EXECUTORS.keys()))
def executor(request: pytest.FixtureRequest) -> Executor:
    found: Executor = request.param
    return found


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert eventually(lambda: set(threading.enumerate()) <= before)


def eventually(fact: Callable[[], bool], seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while not fact() and time.monotonic() < until:
        time.sleep(0.005)
    return fact()


class Counted:
    """Items that count how many of them were asked for."""

    def __init__(self, items: list[int] = ITEMS) -> None:
        self._items = items
        self.taken = 0

    def __iter__(self) -> Iterator[int]:
        for item in self._items:
            self.taken += 1
            yield item


def uneven(item: int) -> int:
    """Later items are done sooner."""
    time.sleep(0.002 * (5 - item % 5))
    return item * 10


def several(item: int) -> Iterator[int]:
    for step in range(item % 4):
        yield item * 10 + step


def test_is_an_executor(executor: Executor) -> None:
    assert isinstance(executor, Executor)


# --- map and prefetch ------------------------------------------------------------------------------------------------


InOrder = Callable[[Callable[[int], int], Iterable[int]], Iterator[int]]


@pytest.fixture(params=["map", "prefetch"])
def in_order(executor: Executor, request: pytest.FixtureRequest) -> InOrder:
    """What hands out one result per item: for what computes, and for what waits."""
    found: InOrder = getattr(executor, request.param)
    return found


def test_in_order_keeps_the_order(in_order: InOrder) -> None:
    assert list(in_order(uneven, ITEMS)) == [item * 10 for item in ITEMS]


def test_in_order_of_nothing(in_order: InOrder) -> None:
    assert list(in_order(uneven, [])) == []


def test_in_order_is_lazy_and_bounded(in_order: InOrder) -> None:
    items = Counted(list(range(1000)))
    results = in_order(lambda item: item, items)
    assert items.taken == 0
    assert list(islice(results, 3)) == [0, 1, 2]
    assert items.taken <= 3 + 32
    results.close() if hasattr(results, "close") else None


def test_in_order_raises_at_the_items_place(in_order: InOrder) -> None:
    def work(item: int) -> int:
        if item == 5:
            raise MediaError("five")
        return item

    found = []
    with pytest.raises(MediaError, match="five"):
        for result in in_order(work, ITEMS):
            found.append(result)
    assert found == [0, 1, 2, 3, 4]


def test_in_order_passes_on_what_its_items_raise(in_order: InOrder) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise MediaError("decoding broke")

    with pytest.raises(MediaError, match="decoding broke"):
        list(in_order(uneven, items()))


# --- stream ----------------------------------------------------------------------------------------------------------


def test_stream_keeps_the_order_of_items_and_results(executor: Executor) -> None:
    found = [(item, list(results)) for item, results in executor.stream(several, ITEMS)]
    assert found == [(item, list(several(item))) for item in ITEMS]


def test_stream_of_nothing(executor: Executor) -> None:
    assert list(executor.stream(several, [])) == []


def test_stream_is_lazy_and_bounded(executor: Executor) -> None:
    items, made = Counted(list(range(500))), [0]

    def work(item: int) -> Iterator[int]:
        for step in range(1000):
            made[0] += 1
            yield step

    stream = executor.stream(work, items)
    assert items.taken == 0
    _, results = next(stream)
    assert list(islice(results, 5)) == [0, 1, 2, 3, 4]
    time.sleep(0.1)
    assert items.taken <= 1 + 8
    assert made[0] <= 5 + (8 + 1) * (2 + 2)
    stream.close()  # type: ignore[attr-defined]


def test_an_error_is_raised_at_its_item_and_leaves_the_others(executor: Executor) -> None:
    def work(item: int) -> Iterator[int]:
        yield item
        if item % 3 == 0:
            raise MediaError(f"item {item}")
        yield -item

    found: list[list[int]] = []
    failed: list[str] = []
    for _, results in executor.stream(work, range(10)):
        found.append([])
        try:
            for result in results:
                found[-1].append(result)
        except MediaError as error:
            failed.append(str(error))
    assert failed == ["item 0", "item 3", "item 6", "item 9"]
    assert found == [[i] if i % 3 == 0 else [i, -i] for i in range(10)]


def test_an_error_before_the_first_result(executor: Executor) -> None:
    def work(item: int) -> Iterator[int]:
        if item == 1:
            raise MediaError("at once")
        return iter([item])

    seen = []
    stream = executor.stream(work, range(3))
    with pytest.raises(MediaError, match="at once"):
        for item, results in stream:
            seen += [(item, result) for result in results]
    stream.close()  # type: ignore[attr-defined]
    assert seen == [(0, 0)]


def test_items_left_half_read_do_not_hold_up_the_others(executor: Executor) -> None:
    found = []
    for item, results in executor.stream(lambda item: iter([item] * 100), range(6)):
        found.append((item, next(results)))
    assert found == [(item, item) for item in range(6)]


def test_ending_early_ends_the_work(executor: Executor) -> None:
    open_now: set[int] = set()

    def work(item: int) -> Iterator[int]:
        open_now.add(item)
        try:
            yield from range(10_000)
        finally:
            open_now.discard(item)

    stream = executor.stream(work, range(100))
    _, results = next(stream)
    next(results)
    del results
    stream.close()  # type: ignore[attr-defined]
    assert eventually(lambda: not open_now)


def test_stream_passes_on_what_its_items_raise(executor: Executor) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise MediaError("reading the lake broke")

    with pytest.raises(MediaError, match="reading the lake broke"):
        for _, results in executor.stream(several, items()):
            list(results)


def test_map_within_stream(executor: Executor) -> None:
    """As a video is done: frames are encoded by `map` within the `stream` of assets."""
    found = [list(results) for _, results in executor.stream(lambda i: executor.map(uneven, range(i)), range(6))]
    assert found == [[step * 10 for step in range(i)] for i in range(6)]


def test_threads_overlap() -> None:
    together = threading.Barrier(2, timeout=5)
    assert len(list(Threads(workers=2).map(lambda _: together.wait(), range(2)))) == 2
    waited = [list(r) for _, r in Threads(workers=2).stream(lambda _: iter([together.wait()]), range(2))]
    assert sorted(waited) == [[0], [1]]


def test_many_more_are_prefetched_at_a_time_than_there_are_workers() -> None:
    together = threading.Barrier(24, timeout=5)
    assert sorted(Threads(workers=1, fetches=24).prefetch(lambda _: together.wait(), range(24))) == list(range(24))


def test_prefetch_ahead_of_stream_keeps_the_order(executor: Executor) -> None:
    """As images are done: fetched many at a time, encoded a few at a time."""
    streamed = executor.stream(lambda item: iter([item]), executor.prefetch(uneven, ITEMS))
    assert [list(results) for _, results in streamed] == [[item * 10] for item in ITEMS]


def test_ending_early_ends_prefetching(executor: Executor) -> None:
    items = Counted(list(range(1000)))
    streamed = executor.stream(lambda item: iter([item]), executor.prefetch(uneven, items))
    assert [list(results) for _, results in islice(streamed, 3)] == [[0], [10], [20]]
    del streamed
    assert items.taken < 100


def test_serial_has_no_threads() -> None:
    threads = {thread for _, r in Serial().stream(lambda _: iter([threading.get_ident()]), ITEMS) for thread in r}
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"ahead": 0}, {"fetches": 0}, {"workres": 2}])
def test_nonsense_is_refused_when_built(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"workers|ahead|fetches|workres"):
        Threads.model_validate(wrong)
