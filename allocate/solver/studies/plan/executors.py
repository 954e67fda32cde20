"""Where points are solved: in this process, on this machine's cores, or on a Ray cluster.

Each hands out futures of the standard library. A worker has one thread, so that as many workers
as there are cores do not stand in each other's way.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from typing import Any, Protocol

from allocate.cores import available_cores
from allocate.solver.studies.plan.case import PlanError

NAMES = ("local", "ray")
_REACHED_S = 10.0  # within which a cluster has to answer
SINGLE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}


class Executor(Protocol):
    """Solves as many points at once as it has ``workers``."""

    workers: int

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future:
        """Begin some work; the future holds what it returns."""
        ...


class Here:
    """This process, one point after the other."""

    workers = 1

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future:
        """Do the work now; Ctrl-C is not caught."""
        future: Future = Future()
        try:
            future.set_result(work(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


class Local:
    """This machine's cores, a process each; started anew, as forks of threads do not live."""

    def __init__(self, workers: int):
        self.workers = workers
        self._pool = ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_begin
        )

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future:
        """Begin some work in a process of the pool."""
        return self._pool.submit(work, *arguments)

    def stop(self) -> None:
        """End the processes without waiting for what they do."""
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(5.0)


class Cluster:
    """A Ray cluster: one core a point."""

    def __init__(self, ray: Any):
        self._ray = ray
        self.workers = max(int(ray.cluster_resources().get("CPU", 1)), 1)
        self._remote: dict[Callable[..., Any], Any] = {}
        self._open: list[Any] = []

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future:
        """Begin some work on a core of the cluster."""
        remote = self._remote.get(work)
        if remote is None:
            options = {"num_cpus": 1, "runtime_env": {"env_vars": SINGLE}}
            remote = self._remote[work] = self._ray.remote(**options)(work)
        reference = remote.remote(*arguments)
        self._open.append(reference)
        return reference.future()

    def stop(self) -> None:
        """Give up what is under way."""
        for reference in self._open:
            self._ray.cancel(reference, force=True)


def _begin() -> None:
    """Prepare a process of the pool.

    Ctrl-C goes to every process of a terminal: the one that asked decides what to do. If that
    one is killed, nobody wants the answers any more.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def executor(
    name: str, points: int, address: str | None = None, workers: int | None = None
) -> Iterator[Executor]:
    """An executor by name, stopped at the end.

    Args:
        name: one of ``NAMES``.
        points: how many there are to solve: no more workers are started.
        address: of the Ray cluster; None starts one on this machine.
        workers: processes of ``local``; default the cores that this process may use.

    Raises:
        PlanError: there is no such executor, or it cannot be reached.
    """
    if name not in NAMES:
        raise PlanError(f"there is no executor `{name}`; there are {' and '.join(NAMES)}")
    if address is not None and name != "ray":
        raise PlanError("--address is of a Ray cluster: give --executor ray with it")
    if name == "ray":
        with _ray(address) as cluster:
            yield cluster
        return
    count = min(workers or available_cores(), points)
    if count <= 1:
        yield Here()
        return
    with _environment(SINGLE):
        pool = Local(count)
        try:
            yield pool
        finally:
            pool.stop()


@contextlib.contextmanager
def _ray(address: str | None) -> Iterator[Cluster]:
    try:
        import ray
    except ImportError:
        raise PlanError(
            "--executor ray needs Ray: pip install 'allocate[distributed]', or leave the flag out"
        ) from None
    started = not ray.is_initialized()
    if started:
        _reach(address)
        try:
            ray.init(
                address, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            where = address or "on this machine"
            why = str(error).splitlines()[0]
            raise PlanError(f"no Ray cluster is reached {where}: {why}") from error
    cluster = Cluster(ray)
    try:
        yield cluster
    finally:
        cluster.stop()
        if started:
            ray.shutdown()


def _reach(address: str | None) -> None:
    """Refuse at once a cluster that does not answer: Ray itself tries for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not colon:  # a cluster of this machine
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _REACHED_S):
            return
    except (OSError, ValueError, OverflowError) as error:
        raise PlanError(
            f"no Ray cluster is reached at {address}: {error}; give --address HOST:PORT as "
            "`ray start --head` prints it"
        ) from error


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Variables that new processes inherit; back as they were afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
