"""Where runs are done: in processes of this machine, or by the workers of Ray or Dask."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from importlib import import_module
from itertools import islice
from typing import Any, Final, Protocol

from .starters import starter
from .tasks import Outcome, Task, run_remotely, run_task

LOCAL: Final = "local"
ENGINES: Final = (LOCAL, "ray", "dask")


class MissingEngine(ImportError):
    """The package of an engine is not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(f'engine: {name} is not installed: pip install "ccxt-driver[{name}]"')


class Engine(Protocol):
    """Does runs."""

    slots: int
    """How many at a time."""

    def submit(self, task: Task) -> Any:
        """Have it done; returns what it is known by."""
        ...

    def first(self, pending: Iterable[Any]) -> Iterable[tuple[Any, Outcome]]:
        """Wait until some are done."""
        ...

    def close(self) -> None:
        """End what still runs."""
        ...


def outcomes(engine: Engine, tasks: Iterable[Task]) -> Iterator[tuple[Task, Outcome]]:
    """What comes of tasks, in the order in which they end."""
    ahead = iter(tasks)
    pending = {engine.submit(task): task for task in islice(ahead, 2 * engine.slots)}
    while pending:
        for handle, outcome in engine.first(pending):
            yield pending.pop(handle), outcome
            pending.update((engine.submit(task), task) for task in islice(ahead, 1))


def engine_of(name: str, jobs: int | None, address: str | None, seed: int) -> Engine:
    """The engine of a name.

    :param jobs: runs at a time; None: as many as there are processors
    :param address: of the cluster; None: the engine's own default
    :param seed: of the runs
    :raises MissingEngine: it is not installed
    :raises ValueError: no such engine, or parameters that are not of it
    """
    if name not in ENGINES:
        raise ValueError(f"engine: expected one of {', '.join(ENGINES)}, got {name!r}")
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs: expected a number above 0, got {jobs}")
    if name == "ray":
        return _Ray(address, jobs)
    if name == "dask":
        return _Dask(address, jobs)
    if address is not None:
        raise ValueError("address: only ray and dask have one")
    return _Local(jobs or _processors(), seed)


def _processors() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Local:
    """A thread waits for each process."""

    def __init__(self, jobs: int, seed: int) -> None:
        self.slots = jobs
        self._starter = starter(seed)
        self._threads = ThreadPoolExecutor(jobs, "sweep")

    def submit(self, task: Task) -> Future[Outcome]:
        return self._threads.submit(run_task, task, self._starter)

    def first(self, pending: Iterable[Future[Outcome]]) -> Iterator[tuple[Future[Outcome], Outcome]]:
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            yield future, future.result()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._starter.close()
        self._threads.shutdown()


class _Dask:
    """Of `distributed`."""

    def __init__(self, address: str | None, jobs: int | None) -> None:
        try:
            distributed: Any = import_module("distributed")
        except ImportError as error:
            raise MissingEngine("dask") from error
        self._wait = distributed.wait
        self._client = distributed.Client(address)
        self.slots = jobs or sum(self._client.nthreads().values()) or 1

    def submit(self, task: Task) -> Any:
        return self._client.submit(run_remotely, task, pure=False)

    def first(self, pending: Iterable[Any]) -> Iterator[tuple[Any, Outcome]]:
        for future in self._wait([*pending], return_when="FIRST_COMPLETED").done:
            yield future, future.result()

    def close(self) -> None:
        self._client.close()  # what is of no use to anybody any more is forgotten by the workers


class _Ray:
    """A task of Ray for each run."""

    def __init__(self, address: str | None, jobs: int | None) -> None:
        try:
            ray: Any = import_module("ray")
        except ImportError as error:
            raise MissingEngine("ray") from error
        self._ray = ray
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            ray.init(address=address, log_to_driver=False)
        self.slots = jobs or int(ray.cluster_resources().get("CPU", 1))
        self._run = ray.remote(run_remotely)
        self._pending: set[Any] = set()

    def submit(self, task: Task) -> Any:
        handle = self._run.remote(task)
        self._pending.add(handle)
        return handle

    def first(self, pending: Iterable[Any]) -> Iterator[tuple[Any, Outcome]]:
        for handle in self._ray.wait([*pending], num_returns=1)[0]:
            self._pending.discard(handle)
            yield handle, self._ray.get(handle)

    def close(self) -> None:
        for handle in self._pending:
            self._ray.cancel(handle, force=True)
        if self._is_ours:
            self._ray.shutdown()
