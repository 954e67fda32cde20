"""Many configs that differ in numbers only, solved side by side from one start.

A process for each core takes one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from allocate.errors import AllocateError, SolveError
from allocate.models.loader import Loaded
from allocate.solver.solution import Solution
from allocate.solver.solve import solve
from allocate.solver.studies.plan.executors import Executor, executor

T = TypeVar("T")
Progress = Callable[[dict], None]


@dataclass(frozen=True)
class Asked:
    """How each config is solved."""

    method: str = "auto"
    tolerance: float = 1e-6
    seed: int = 0
    workers: int | None = None
    progress: Progress | None = None


Work = Callable[[Loaded, Mapping[str, Any], Asked], T]


def in_turn(
    configs: Iterable[Loaded | T], warm: Mapping[str, Any], count: int, asked: Asked, work: Work[T]
) -> Iterator[tuple[int, T]]:
    """Do some work on many configs, all from one start.

    Args:
        configs: each config, or what is already known of one that cannot be solved; taken one
            by one, so that no more are in memory than are being solved.
        warm: the result document that each starts from.
        count: how many there are.
        asked: how they are solved.
        work: what to do with each; a function of a module, as it goes to other processes.

    Yields:
        (place, outcome) as they come. Ctrl-C ends it.
    """
    start = {"start": warm["start"]}
    with executor("local", count, workers=asked.workers) as workers:
        yield from _busy(enumerate(configs), start, asked, workers, work)


def _busy(
    configs: Iterator[tuple[int, Loaded | T]],
    start: Mapping[str, Any],
    asked: Asked,
    workers: Executor,
    work: Work[T],
) -> Iterator[tuple[int, T]]:
    running: dict[Future, int] = {}
    quiet = replace(asked, progress=None)
    for i, config in configs:
        if not isinstance(config, Loaded):
            yield i, config
            continue
        running[workers.submit(work, config, start, quiet)] = i
        while len(running) > workers.workers:
            yield from _done(running)
    while running:
        yield from _done(running)


def _done(running: dict[Future, Any]) -> list[tuple[int, Any]]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    return [(running.pop(future), future.result()) for future in done]


def from_start(loaded: Loaded, start: Mapping[str, Any], asked: Asked) -> Solution:
    """Solve one config from the common start; how far prices hold is not asked.

    Raises:
        SolveError: infeasible or unbounded.
    """
    how = {"ranges": False, "warm_from": dict(start)}
    solution = solve(loaded, asked.method, asked.tolerance, asked.seed, **how)
    if solution.stopped:
        raise KeyboardInterrupt
    return solution


def solution_or_error(
    loaded: Loaded, start: Mapping[str, Any], asked: Asked
) -> Solution | AllocateError:
    """The answer to one config, or why there is none."""
    try:
        return from_start(loaded, start, asked)
    except SolveError as error:
        return error
