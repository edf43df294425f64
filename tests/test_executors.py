"""Executors, all under one contract: in this process, in processes of this machine, on clusters."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from support.workers import (
    TOGETHER,
    Big,
    Dying,
    Nested,
    breaks,
    fetched_together,
    hundred,
    itself,
    one_cannot_be_fetched,
    one_fails_at_once,
    several,
    tastes_bad,
    thirds_fail,
    uneven,
)

from lakebox.adapters.dask_cluster import Dask
from lakebox.adapters.executors import Serial, Threads
from lakebox.adapters.processes import Processes
from lakebox.adapters.ray_cluster import Ray
from lakebox.adapters.remote import Job, said
from lakebox.core.ports import Executor
from lakebox.errors import AssetError, ConfigError, LakeboxError, MediaError

HERE: dict[str, Executor] = {
    "serial": Serial(),
    "thread": Threads(),
    "one thread": Threads(workers=1, ahead=1),
    "many": Threads(workers=8),
}
ITEMS = list(range(40))
NO_RAY = importlib.util.find_spec("ray") is None
without_ray = pytest.mark.skipif(NO_RAY, reason="Ray, 240 MB, is not installed")
CLUSTERS = ["dask", pytest.param("ray", marks=without_ray)]
ELSEWHERE = ["process", *CLUSTERS]


@pytest.fixture(scope="module")
def dask_address() -> Iterator[str]:
    """A cluster that is there already, as people have one."""
    import dask
    import distributed

    few = dask.config.set({"distributed.scheduler.allowed-failures": 1})  # so that what always fails does so soon
    with (
        few,
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", silence_logs=50, dashboard_address="127.0.0.1:0"
        ) as cluster,
    ):
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def started_ray() -> Iterator[None]:
    """Ray as a script has started it already."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    path = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}}
    quiet = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False, "logging_level": "ERROR"}
    ray.init(address="local", num_cpus=2, runtime_env=path, **quiet)
    yield
    assert ray.is_initialized()
    ray.shutdown()


def made(name: str, request: pytest.FixtureRequest) -> Executor:
    if name == "process":
        return Processes(workers=2, ahead=2)
    if name == "dask":
        return Dask(address=request.getfixturevalue("dask_address"))
    if name == "ray":
        request.getfixturevalue("started_ray")
        return Ray()
    return HERE[name]


@pytest.fixture(params=[*HERE, *ELSEWHERE])
def executor(request: pytest.FixtureRequest) -> Executor:
    return made(request.param, request)


@pytest.fixture(params=ELSEWHERE)
def remote(request: pytest.FixtureRequest) -> Executor:
    """Those whose workers are other processes."""
    return made(request.param, request)


@pytest.fixture(params=list(HERE))
def local(request: pytest.FixtureRequest) -> Executor:
    return HERE[request.param]


def ours() -> set[object]:
    """Threads and processes of lakebox."""
    found = [*threading.enumerate(), *multiprocessing.active_children()]
    return {one for one in found if one.name.startswith("lakebox")}


@pytest.fixture(autouse=True)
def nothing_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    if "executor" in request.fixturenames or "remote" in request.fixturenames:
        request.getfixturevalue("executor" if "executor" in request.fixturenames else "remote")
    before = ours()
    yield
    assert eventually(lambda: ours() <= before)


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


def closed(stream: Any) -> None:
    """End early, as a run that fails does."""
    if hasattr(stream, "close"):
        stream.close()


def read(stream: Generator[tuple[int, Iterator[Any]], None, None]) -> list[list[Any]]:
    """All of it, closed whatever happens, as a run does."""
    with closing(stream):
        return [list(results) for _, results in stream]


def test_is_an_executor(executor: Executor) -> None:
    assert isinstance(executor, Executor)


# --- map ---------------------------------------------------------------------------------------------------------------


def test_map_keeps_the_order(executor: Executor) -> None:
    assert list(executor.map(uneven, ITEMS)) == [item * 10 for item in ITEMS]


def test_map_of_nothing(executor: Executor) -> None:
    assert list(executor.map(uneven, [])) == []


def test_map_is_lazy_and_bounded(executor: Executor) -> None:
    items = Counted(list(range(1000)))
    results = executor.map(lambda item: item, items)
    assert items.taken == 0
    assert list(islice(results, 3)) == [0, 1, 2]
    assert items.taken <= 3 + 32
    closed(results)


def test_map_raises_at_the_items_place(executor: Executor) -> None:
    found = []
    with pytest.raises(MediaError, match="five"):
        for result in executor.map(one_cannot_be_fetched, ITEMS):
            found.append(result)
    assert found == [0, 1, 2, 3, 4]


def test_map_passes_on_what_its_items_raise(executor: Executor) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise MediaError("decoding broke")

    with pytest.raises(MediaError, match="decoding broke"):
        list(executor.map(uneven, items()))


# --- stream, and many, which fetches first ------------------------------------------------------------------------------


Streamed = Callable[..., Iterator[tuple[int, Iterator[Any]]]]


def plain(item: int) -> int:
    return item


@pytest.fixture(params=["stream", "many"])
def streamed(executor: Executor, request: pytest.FixtureRequest) -> Streamed:
    """For big items, and for small ones whose files are fetched before their turn."""
    if request.param == "stream":
        return executor.stream
    return lambda work, items: executor.many(plain, work, items)


def test_the_order_of_items_and_results_is_kept(streamed: Streamed) -> None:
    found = [(item, list(results)) for item, results in streamed(several, ITEMS)]
    assert found == [(item, list(several(item))) for item in ITEMS]


def test_nothing_begins_nothing(streamed: Streamed) -> None:
    begun = ours()
    assert list(streamed(several, [])) == []
    assert ours() == begun


def test_items_are_taken_as_they_are_needed(streamed: Streamed) -> None:
    items = Counted(list(range(1000)))
    stream = streamed(hundred, items)
    assert items.taken == 0
    _, results = next(stream)
    assert list(islice(results, 5)) == [0, 0, 0, 0, 0]
    time.sleep(0.1)
    assert items.taken <= 5 * 32
    closed(stream)


def test_an_error_is_raised_at_its_item_and_leaves_the_others(streamed: Streamed) -> None:
    found: list[list[int]] = []
    failed: list[str] = []
    for _, results in streamed(thirds_fail, range(10)):
        found.append([])
        try:
            for result in results:
                found[-1].append(result)
        except MediaError as error:
            failed.append(str(error))
    assert failed == ["item 0", "item 3", "item 6", "item 9"]
    assert found == [[i] if i % 3 == 0 else [i, -i] for i in range(10)]


def test_an_error_before_the_first_result(streamed: Streamed) -> None:
    seen = []
    stream = streamed(one_fails_at_once, range(3))
    with pytest.raises(MediaError, match="at once"):
        for item, results in stream:
            seen += [(item, result) for result in results]
    closed(stream)
    assert seen == [(0, 0)]


def test_items_left_half_read_do_not_hold_up_the_others(streamed: Streamed) -> None:
    found = []
    for item, results in streamed(hundred, range(6)):
        found.append((item, next(results)))
    assert found == [(item, item) for item in range(6)]


def test_what_items_raise_is_passed_on(streamed: Streamed) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise MediaError("reading the lake broke")

    with pytest.raises(MediaError, match="reading the lake broke"):
        for _, results in streamed(several, items()):
            list(results)


def test_map_within_stream(executor: Executor) -> None:
    found = [list(results) for _, results in executor.stream(Nested(executor), range(6))]
    assert found == [[step * 10 for step in range(i)] for i in range(6)]


def test_an_error_of_fetching_comes_at_its_item_and_leaves_the_others(executor: Executor) -> None:
    found, failed = [], []
    for item, results in executor.many(one_cannot_be_fetched, itself, ITEMS):
        try:
            found += list(results)
        except MediaError as error:
            failed.append((item, str(error)))
    assert (found, failed) == ([item for item in ITEMS if item != 5], [(5, "five")])


def test_what_is_fetched_is_worked_on(executor: Executor) -> None:
    found = [(item, list(results)) for item, results in executor.many(uneven, itself, ITEMS)]
    assert found == [(item, [item * 10]) for item in ITEMS]


@pytest.mark.parametrize("name", ["thread", *ELSEWHERE])
def test_many_are_fetched_at_a_time(name: str, request: pytest.FixtureRequest) -> None:
    executor = made(name, request)
    found = [list(results) for _, results in executor.many(fetched_together, itself, range(2 * TOGETHER))]
    assert found == [[item] for item in range(2 * TOGETHER)]


@pytest.mark.parametrize("name", [*HERE, "process"])
def test_a_long_item_is_not_kept_whole(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    executor, work = made(name, request), Big(tmp_path)
    stream = executor.stream(work, range(500))
    _, results = next(stream)
    assert [result[:2] for result in islice(results, 5)] == [step.to_bytes(2, "big") for step in range(5)]
    time.sleep(0.3)
    assert work.made() <= 5 + (8 + 1) * (2 + 3)
    closed(stream)
    ended = work.made()
    time.sleep(0.1)
    assert work.made() == ended


def test_ending_early_ends_the_work(local: Executor) -> None:
    open_now: set[int] = set()

    def work(item: int) -> Iterator[int]:
        open_now.add(item)
        try:
            yield from range(10_000)
        finally:
            open_now.discard(item)

    stream = local.stream(work, range(100))
    _, results = next(stream)
    next(results)
    del results
    closed(stream)
    assert eventually(lambda: not open_now)


def test_threads_overlap() -> None:
    together = threading.Barrier(2, timeout=5)
    assert len(list(Threads(workers=2).map(lambda _: together.wait(), range(2)))) == 2
    waited = [list(r) for _, r in Threads(workers=2).stream(lambda _: iter([together.wait()]), range(2))]
    assert sorted(waited) == [[0], [1]]


def test_many_more_are_fetched_at_a_time_than_there_are_workers() -> None:
    together = threading.Barrier(24, timeout=5)
    streamed = Threads(workers=1, fetches=24).many(lambda _: together.wait(), lambda n: iter([n]), range(24))
    assert sorted(result for _, results in streamed for result in results) == list(range(24))


def test_ending_early_ends_fetching(executor: Executor) -> None:
    items = Counted(list(range(1000)))
    streamed = executor.many(uneven, itself, items)
    assert [list(results) for _, results in islice(streamed, 3)] == [[0], [10], [20]]
    closed(streamed)
    assert items.taken <= 5 * 32


def test_serial_has_no_threads() -> None:
    threads = {thread for _, r in Serial().stream(lambda _: iter([threading.get_ident()]), ITEMS) for thread in r}
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("kind", [Threads, Processes])
def test_decoders_share_the_cores(kind: type[Threads]) -> None:
    cores = os.cpu_count() or 1
    assert [kind(workers=cores).decoder_threads(videos) for videos in (0, 1, cores, 1000)] == [cores, cores, 1, 1]
    assert kind(workers=1).decoder_threads(1000) == cores
    assert Serial().decoder_threads(1) == 1


@pytest.mark.parametrize("kind", [Threads, Processes])
@pytest.mark.parametrize("wrong", [{"workers": 0}, {"ahead": 0}, {"fetches": 0}, {"workres": 2}])
def test_nonsense_is_refused_when_built(kind: type[Threads], wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"workers|ahead|fetches|workres"):
        kind.model_validate(wrong)


@pytest.mark.parametrize("kind", [Dask, Ray])
@pytest.mark.parametrize("wrong", [{"address": "10.0.0.1"}, {"address": ""}, {"workers": 0}, {"fetches": 0}])
def test_nonsense_of_clusters_is_refused_when_built(kind: type[Dask], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"address|workers|fetches"):
        kind.model_validate(wrong)


# --- workers that die ---------------------------------------------------------------------------------------------------


def outcome(stream: Iterator[tuple[int, Iterator[int]]]) -> tuple[list[int], dict[int, str]]:
    """Results, and errors of assets by item."""
    found: list[int] = []
    failed = {}
    for item, results in stream:
        try:
            for result in results:
                found.append(result)
        except AssetError as error:
            failed[item] = str(error)
    return found, failed


def by(executor: Executor, way: str, work: Callable[[int], Iterator[int]], items: Any) -> Any:
    return executor.stream(work, items) if way == "stream" else executor.many(plain, work, items)


EVERY = [sign * item for item in range(10) for sign in (1, -1)]


@pytest.mark.parametrize("way", ["stream", "many"])
def test_a_worker_that_dies_costs_a_retry(remote: Executor, way: str, tmp_path: Path) -> None:
    work = Dying(tmp_path / "died", always=False)
    assert outcome(by(remote, way, work, range(10))) == (EVERY, {})
    assert work.marker.exists()


@pytest.mark.parametrize("way", ["stream", "many"])
def test_an_item_that_always_kills_its_worker_fails_alone(remote: Executor, way: str, tmp_path: Path) -> None:
    found, failed = outcome(by(remote, way, Dying(tmp_path / "died", always=True), range(10)))
    assert [result for result in found if abs(result) != 5] == [result for result in EVERY if abs(result) != 5]
    assert list(failed) == [5]
    assert "dies every time" in failed[5] and "executor.workers" in failed[5]
    assert not isinstance(remote, Processes) or "SIG" in failed[5] or os.name == "nt"


def test_an_error_of_the_users_own_keeps_kind_text_and_stage(executor: Executor) -> None:
    failed = []
    with closing(executor.stream(tastes_bad, range(3))) as stream:
        for _, results in stream:
            with pytest.raises(MediaError) as caught:
                list(results)
            failed.append((caught.value.stage, str(caught.value)))
    assert failed == [("taste", f"item {item} tastes bad") for item in range(3)]


def test_an_error_that_is_not_lakeboxs_own_comes_with_its_trace(remote: Executor) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)workers\.py.*KeyError"):
        read(remote.stream(breaks, [1]))


# --- what is missing ----------------------------------------------------------------------------------------------------


def test_work_that_cannot_travel_is_named(remote: Executor) -> None:
    lock = threading.Lock()
    with pytest.raises(ConfigError, match=r"executor: .*Component.*executor=thread"):
        read(remote.stream(lambda item: iter([lock]), [1]))


@pytest.mark.parametrize(("kind", "package"), [(Dask, "distributed"), (Ray, "ray")])
def test_an_extra_that_is_missing_is_named(kind: type[Dask], package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    extra = kind.__name__.lower()
    with pytest.raises(ConfigError, match=rf"executor={extra} needs '{package}'.*pip install 'lakebox\[{extra}\]'"):
        next(iter(kind().stream(itself, [1])))


def test_an_address_where_nobody_is(request: pytest.FixtureRequest) -> None:
    began = time.monotonic()
    with pytest.raises(LakeboxError, match=r"executor.address=tcp://127.0.0.1:9: no dask scheduler answers there"):
        next(iter(Dask(address="tcp://127.0.0.1:9", patience=0.5).stream(itself, [1])))
    assert time.monotonic() - began < 5


@without_ray
def test_an_address_where_no_ray_is() -> None:
    code = """if True:
        from lakebox.adapters.ray_cluster import Ray
        from lakebox.errors import LakeboxError
        from support.workers import itself
        for address in ("127.0.0.1:9",):
            try:
                next(Ray(address=address, patience=0.5).stream(itself, [1]))
            except LakeboxError as error:
                assert f"executor.address={address}: no Ray cluster answers there" in str(error), error
            else:
                raise AssertionError(address)
    """
    run_apart(code)


def run_apart(code: str) -> None:
    """Where no test has started anything."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_worker_without_lakebox_is_named_and_lives_on() -> None:
    import distributed

    code = """if True:
        import asyncio, sys
        from distributed import Worker
        sys.modules["lakebox"] = None
        async def serve():
            async with Worker(sys.argv[1], nthreads=1) as worker:
                await worker.finished()
        asyncio.run(serve())
    """
    with distributed.LocalCluster(
        n_workers=0, host="127.0.0.1", silence_logs=50, dashboard_address="127.0.0.1:0"
    ) as cluster:
        address = cluster.scheduler_address
        worker = subprocess.Popen([sys.executable, "-c", code, address], stderr=subprocess.DEVNULL)
        try:
            with pytest.raises(LakeboxError, match=r"executor=dask.*No module named 'lakebox.*install"):
                read(Dask(address=address).stream(itself, [1, 2]))
            assert worker.poll() is None
        finally:
            worker.kill()
            worker.wait()


def test_another_version_on_a_worker_is_named() -> None:
    job = b"0.0.1\n" + Job(itself).packed().partition(b"\n")[2]
    told = list(said(job, pickle.dumps([1, 2])))
    assert len(told) == 2 and "this run 0.0.1; install 0.0.1 there" in str(told[0].error)


def test_a_worker_without_the_users_own_module_says_so() -> None:
    head, _, content = Job(itself).packed().partition(b"\n")
    (told,) = said(head + b"\n" + content.replace(b"support.workers", b"support.strange"), pickle.dumps([1]))
    assert "support.strange" in str(told.error) and "install there what the configuration names" in str(told.error)


@pytest.mark.parametrize("name", ["Dask", pytest.param("Ray", marks=without_ray)])
def test_a_cluster_of_its_own_is_gone_afterwards(name: str) -> None:
    """Also when the reader stops in the middle; signals are whose they were."""
    module = f"lakebox.adapters.{name.lower()}_cluster"
    run_apart(f"""if True:
        import signal, psutil
        from itertools import islice
        from {module} import {name}
        from support.workers import several
        if __name__ == "__main__":
            before = signal.getsignal(signal.SIGTERM)
            executor = {name}(workers=2)
            stream = executor.stream(several, range(100))
            assert [list(r) for _, r in islice(stream, 8)] == [list(several(i)) for i in range(8)]
            assert psutil.Process().children(recursive=True)
            stream.close()
            left = psutil.wait_procs(psutil.Process().children(recursive=True), timeout=5)[1]
            assert [p for p in left if "resource_tracker" not in str(p.cmdline())] == []
            assert signal.getsignal(signal.SIGTERM) == before
    """)
