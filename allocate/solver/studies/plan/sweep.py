"""Solve a table of points: warm from the nearest finished one, many at once, resumable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

from allocate.solver.studies.plan.case import Case, Changes, Progress
from allocate.solver.studies.plan.executors import Executor, executor
from allocate.solver.studies.plan.point import solve_point
from allocate.solver.studies.plan.store import Store

_LOOKED = 64  # points before and after are looked through for one to start from


@dataclass
class Swept:
    """Points in the order asked for, None where one is not finished; how they came about."""

    points: list[dict[str, Any] | None]
    reused: int = 0
    solved: int = 0
    stopped: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def finished(self) -> list[dict[str, Any]]:
        """The entries of ``sweep[]``: without what only a later start needs."""
        return [{k: v for k, v in p.items() if k != "start"} for p in self.points if p is not None]


@dataclass(frozen=True)
class Where:
    """Which executor solves, and where finished points are kept."""

    executor: str = "local"
    address: str | None = None
    workers: int | None = None
    store: Store | None = None


def sweep(
    case: Case,
    changes: Sequence[Changes],
    where: Where,
    progress: Progress,
    start: dict[str, Any] | None = None,
) -> Swept:
    """Solve the config at every set of values.

    Points follow one another as they are given, so neighbours should stand side by side. Each
    starts from the finished point nearest to it. A point is kept as soon as it is there.
    Ctrl-C ends the sweep; what is finished stays.

    Args:
        case: the config and how it is solved.
        changes: [points] dotted path → value.
        where: executor and store.
        progress: told how many points are done, of how many.
        start: where points begin while no other is finished.
    """
    store = where.store
    swept = Swept([None if store is None else store.read(c) for c in changes])
    swept.reused = sum(p is not None for p in swept.points)
    left = [i for i, p in enumerate(swept.points) if p is None]
    if not left:
        return swept
    progress({"phase": "sweep", "done": swept.reused, "of": len(changes)})
    try:
        with executor(where.executor, len(left), where.address, where.workers) as workers:
            sent = case.portable() if where.executor == "ray" else case
            for i, point in _solved(sent, changes, swept.points, left, workers, start):
                swept.points[i] = point
                swept.solved += 1
                if store is not None:
                    store.write(changes[i], point)
                done = swept.reused + swept.solved
                progress({"phase": "sweep", "done": done, "of": len(changes)})
    except KeyboardInterrupt:
        swept.stopped = True
    except BrokenProcessPool:
        swept.stopped = True
        swept.warnings.append(
            "a worker ended unexpectedly (out of memory?): what is finished is kept; run the "
            "same command again to go on, with fewer --workers"
        )
    return swept


def _solved(
    case: Case,
    changes: Sequence[Changes],
    points: Sequence[dict[str, Any] | None],
    left: Sequence[int],
    workers: Executor,
    start: dict[str, Any] | None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Finished points as they come: (place, entry).

    Each worker walks along a stretch of its own, so that every point has a finished neighbour.
    """
    stretches = [iter(part) for part in _parts(left, workers.workers)]
    running: dict[Future, tuple[int, Iterator[int]]] = {}

    def begin(stretch: Iterator[int]) -> None:
        i = next(stretch, None)
        if i is not None:
            warm = _nearest(points, i) or start
            running[workers.submit(solve_point, case, changes[i], warm)] = (i, stretch)

    for stretch in stretches:
        begin(stretch)
        yield from _done(running, begin, block=False)
    while running:
        yield from _done(running, begin, block=True)


def _done(
    running: dict[Future, tuple[int, Iterator[int]]], begin: Any, block: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    done, _ = wait(running, timeout=None if block else 0.0, return_when=FIRST_COMPLETED)
    for future in done:
        i, stretch = running.pop(future)
        yield i, future.result()
        begin(stretch)


def _parts(left: Sequence[int], workers: int) -> list[Sequence[int]]:
    """Cut a list into as many stretches as there are workers, of about the same length."""
    count = max(min(workers, len(left)), 1)
    ends = [round(i * len(left) / count) for i in range(count + 1)]
    return [left[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]


def _nearest(points: Sequence[dict[str, Any] | None], place: int) -> dict[str, Any] | None:
    """The start of the finished point nearest to a place."""
    for step in range(1, _LOOKED + 1):
        for i in (place - step, place + step):
            point = points[i] if 0 <= i < len(points) else None
            if point is not None and point.get("start"):
                return point["start"]
    return None
