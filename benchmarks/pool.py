"""A few worker processes with a time limit on each task: a straggler is stopped, not waited for."""

from __future__ import annotations

import multiprocessing as mp
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from benchmarks.one import Record, run_one

Task = dict[str, Any]  # the arguments of the work
Work = Callable[..., Record]  # of a module, so that another process can find it
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


def _work(pipe: Connection, work: Work) -> None:
    """Answer tasks until the pipe is closed."""
    import allocate.solver.methods.conic  # noqa: F401  imported here so that no task pays for it

    pipe.send(None)
    while True:
        try:
            task = pipe.recv()
            pipe.send(_done(work, task))
        except (EOFError, KeyboardInterrupt):
            return


def _done(work: Work, task: Task) -> Record:
    """The record of a task, also where the work raises."""
    clock = time.perf_counter()
    try:
        return work(**task)
    except Exception as error:  # any exception is a failure of the product
        told = f"{type(error).__name__}: {error}"[:300]
        spent = time.perf_counter() - clock
        failed = {"status": "exception", "ok": False, "message": told, "seconds": spent}
        return _named(task) | failed


@dataclass
class _Worker:
    pipe: Connection
    process: BaseProcess
    work: Work
    task: Task | None = None
    started: float = 0.0

    @staticmethod
    def start(work: Work) -> _Worker:
        context = mp.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there, work), daemon=True)
        process.start()
        there.close()
        worker = _Worker(here, process, work)
        here.recv()  # imports are done
        return worker

    def give(self, task: Task | None) -> None:
        self.task, self.started = task, time.perf_counter()
        if task is not None:
            self.pipe.send(task)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def run_all(
    tasks: Sequence[Task], jobs: int = 1, limit_s: float = 60.0, work: Work = run_one
) -> Iterator[Record]:
    """The record of every task as it is ready, with ``timeout`` for those over the limit."""
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    waiting = list(reversed(tasks))
    workers = [_Worker.start(work) for _ in range(min(jobs, len(tasks)))]
    for worker in workers:
        worker.give(waiting.pop() if waiting else None)
    try:
        while any(w.task for w in workers):
            ready = wait([w.pipe for w in workers if w.task], timeout=0.2)
            for i, worker in enumerate(workers):
                if worker.task is None:
                    continue
                spent = time.perf_counter() - worker.started
                if worker.pipe in ready:
                    record = _answer(worker)
                elif spent > limit_s:
                    record = _named(worker.task) | {"status": "timeout", "ok": False}
                else:
                    continue
                if record["status"] in ("timeout", "crash"):
                    record["seconds"] = round(spent, 4)
                    worker.stop()
                    worker = workers[i] = _Worker.start(work)
                yield record
                worker.give(waiting.pop() if waiting else None)
    finally:
        for worker in workers:
            worker.stop()


def _answer(worker: _Worker) -> Record:
    try:
        return worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        assert worker.task is not None
        return _named(worker.task) | {
            "status": "crash",
            "ok": False,
            "message": "the process ended",
        }


def _named(task: Task) -> Record:
    """A task as the beginning of its record."""
    return {("instance" if k == "name" else k): v for k, v in task.items()}
