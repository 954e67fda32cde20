"""A few worker processes with a time limit on each task: a straggler is stopped, not waited for."""

from __future__ import annotations

import multiprocessing as mp
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from benchmarks.one import Record, run_one

Task = dict[str, Any]  # the arguments of run_one
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


def _work(pipe: Connection) -> None:
    """Answer tasks until the pipe is closed."""
    import allocate.solver.methods.conic  # noqa: F401  imported here so that no task pays for it

    pipe.send(None)
    while True:
        try:
            pipe.send(run_one(**pipe.recv()))
        except (EOFError, KeyboardInterrupt):
            return


@dataclass
class _Worker:
    pipe: Connection
    process: BaseProcess
    task: Task | None = None
    started: float = 0.0

    @staticmethod
    def start() -> _Worker:
        context = mp.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there,), daemon=True)
        process.start()
        there.close()
        return _Worker(here, process)

    def give(self, task: Task | None) -> None:
        self.task, self.started = task, time.perf_counter()
        if task is not None:
            self.pipe.send(task)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def run_all(tasks: Sequence[Task], jobs: int = 1, limit_s: float = 60.0) -> Iterator[Record]:
    """The record of every task as it is ready, with ``timeout`` for those over the limit."""
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    waiting = list(reversed(tasks))
    workers = [_Worker.start() for _ in range(min(jobs, len(tasks)))]
    for worker in workers:
        worker.pipe.recv()  # imports are done
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
                    record = worker.task | {"status": "timeout", "ok": False}
                else:
                    continue
                if record["status"] in ("timeout", "crash"):
                    record["seconds"] = round(spent, 4)
                    worker.stop()
                    worker = workers[i] = _Worker.start()
                    worker.pipe.recv()
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
        return worker.task | {"status": "crash", "ok": False, "message": "the process ended"}
