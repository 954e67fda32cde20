"""Newton's method on the exact dual, with the ties kept exact.

The dual of a program is a sum of maxima of smooth convex functions of the prices: each
member's profit on each of its arms, each activity's unit profit. One step fixes which of
them are nearly the largest, replaces every one by its tangent, adds the curvature of
those in use, and solves the quadratic program that results (``model.py``). Its multipliers
are the primal answer: how a member that sits between two arms is split, how many replicas
run. Once the ties are right the steps converge quadratically. A step that does not lower
the dual as promised is kept as a cut and taken again, shorter (a proximal bundle).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.solver.methods.cutting import cut
from allocate.solver.methods.model import step
from allocate.solver.methods.pricing import Bulk, Pool, Pricing
from allocate.solver.methods.recovery import recover, shortcoming
from allocate.solver.methods.start import seeded, settled
from allocate.solver.methods.tangents import Tangents

_NOISE = 1e-8  # a rise of the dual that a converged step may show
_SMALL = 1e-9  # a promise that is not worth shorter steps
_SHORT = 1e-8  # an allocation that falls short of the dual by more is not the end
_TANGENTS = 3  # sets of tangents at other prices that a step may look at
_ESCAPES = 3  # so many times may cutting planes help it on


@dataclass
class Result:
    """Prices and allocation after the last step."""

    duals: np.ndarray
    allocation: Allocation | None
    dual: float
    iterations: int
    passes: int
    levels: np.ndarray | None = None
    converged: bool = False
    stopped: bool = False


def newton(
    program: Program,
    duals: np.ndarray,
    max_iterations: int = 200,
    tolerance: float = 2e-10,
    ridge: float = 1e-6,
    progress: Callable[[dict], None] | None = None,
    allocate: bool = True,
    bulk: Bulk | None = None,
    least_ridge: float = 1e-13,
    enough: float = 0.0,
) -> Result:
    """Minimise the dual from a starting price, then recover the allocation.

    ``tolerance`` is on the decrease that the model still promises, relative to the dual; a step
    that fails is the last if no more than ``enough`` was promised.
    Without ``allocate`` only prices and the levels of activities are found. ``bulk`` stands
    for members that are not in the program's streams.
    """
    everyone = np.ones(len(program.activities), bool)
    start = seeded(program, settled(program, np.maximum(duals, 0.0), everyone))
    current = Pricing.at(program, settled(program, start, everyone), bulk)
    search = _Descent(program, current, bulk, ridge, least_ridge, enough, progress)
    allocation, stopped = None, False
    try:
        search.run(max_iterations, tolerance)
        if allocate:
            allocation = search.allocation(max_iterations, tolerance)
    except KeyboardInterrupt:
        if not allocate:
            raise
        allocation, stopped = search.recovered(), True
    current = search.current
    return Result(
        current.duals,
        allocation,
        current.value,
        search.iteration,
        search.passes,
        search.levels,
        search.converged,
        stopped,
    )


class _Descent:
    """Prices on their way down the dual, with the pool of pairs that the model knows."""

    def __init__(
        self,
        program: Program,
        start: Pricing,
        bulk: Bulk | None,
        ridge: float,
        least_ridge: float,
        enough: float,
        progress: Callable[[dict], None] | None,
    ):
        self.program, self.bulk, self.progress = program, bulk, progress
        self.first_ridge, self.least_ridge, self.enough = ridge, least_ridge, enough
        self.current = start
        self.pool = Pool.near(program, start)
        self.levels: np.ndarray | None = None
        self.iteration, self.passes, self.converged = 0, 1, False

    @property
    def scale(self) -> float:
        """The dual, USD per hour, kept off 0."""
        return self.program.scale(self.current.value)

    def run(self, last: int, tolerance: float) -> None:
        """Steps until nothing more is promised, or iteration ``last``."""
        ridge, program = self.first_ridge, self.program
        others: list[list[Tangents]] = []
        self.converged = False
        while self.iteration < last:
            self.iteration += 1
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                found = step(program, self.current, self.pool, self.levels, ridge, others)
            scale = self.scale
            if found is None or found.decrease < -1e-9 * scale:
                ridge = max(ridge, 1e-9) * 100.0
                if ridge > 1e6:
                    return
                continue
            trial = self._price(settled(program, found.duals, found.idle))
            promised = found.decrease / scale
            gained = (self.current.value - trial.value) / scale
            self._tell(promised)
            before = [c.copy() for c in self.pool.codes]
            fresh = self.pool.add_best(program, trial)
            if promised <= tolerance and (gained >= -_NOISE or ridge <= self.first_ridge):
                # nothing left to gain, and arms that the model does not know promise no more
                self.levels, self.converged = found.levels, True
                self.current = trial if gained >= 0 else self.current
                return
            if gained >= 0.1 * promised - 1e-14:
                self.pool.share(before, found.shares)
                self.levels, self.current = found.levels, trial
                self.pool.trim(program, trial)
                ridge, others = max(ridge * 0.1, self.least_ridge), []
            elif promised <= self.enough:
                self.levels, self.converged = found.levels, True
                return
            elif not fresh and others and abs(gained) <= _NOISE:
                return  # twice to the same height: the quadratic program is out of digits
            elif not fresh and len(others) < _TANGENTS:
                little = 0.01 * (promised - gained) * scale / max(len(self.pool.codes), 1)
                others.append(
                    Tangents.missed(program, self.current, self.pool, trial.duals, little)
                )
            elif not fresh:
                ridge *= 10.0
                if ridge > 1e4 or promised <= _SMALL:
                    return

    def allocation(self, more: int, tolerance: float) -> Allocation | None:
        """What a linear program over the ties makes of the prices.

        If that falls short of the dual, cutting planes look for lower prices, from which
        Newton goes on, or for tokens that no best response shows: where a price is almost
        0 the tokens hang on its last digits.
        """
        program, best, least = self.program, None, np.inf
        for escape in range(_ESCAPES + 1):
            current = self.current
            tried = [self.recovered()]
            short = shortcoming(program, current.value, tried[0])
            if short > _SHORT and escape < _ESCAPES:
                way = cut(program, current, 0.1 * _SHORT)
                self.passes += way.passes
                tried.append(way.allocation)
            for allocation in tried:
                short = shortcoming(program, current.value, allocation)
                if short < least:
                    best, least = allocation, short
            if len(tried) == 1 or current.value - way.prices.value <= 0.01 * _SHORT * self.scale:
                break
            self.pool.add_best(program, way.prices)
            self.current, self.levels = way.prices, None
            self.run(self.iteration + more, tolerance)
        return best

    def recovered(self) -> Allocation | None:
        """What a linear program over the ties makes of the prices reached."""
        current = self.current
        found = recover(self.program, current.duals, current.profits, self.levels)
        return None if found is None else found.allocation

    def _price(self, duals: np.ndarray) -> Pricing:
        self.passes += 1
        return Pricing.at(self.program, duals, self.bulk)

    def _tell(self, promised: float) -> None:
        if self.progress is not None:
            self.progress({"iteration": self.iteration, "gap": promised, "passes": self.passes})
