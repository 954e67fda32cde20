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
from allocate.solver.methods.model import step
from allocate.solver.methods.pricing import Bulk, Pool, Pricing
from allocate.solver.methods.recovery import recover
from allocate.solver.methods.start import seeded, settled

_NOISE = 1e-8  # a rise of the dual that a converged step may show
_SMALL = 1e-9  # a promise that is not worth shorter steps


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


def newton(
    program: Program,
    duals: np.ndarray,
    max_iterations: int = 200,
    tolerance: float = 1e-10,
    ridge: float = 1e-6,
    progress: Callable[[dict], None] | None = None,
    allocate: bool = True,
    bulk: Bulk | None = None,
    least_ridge: float = 1e-13,
) -> Result:
    """Minimise the dual from a starting price, then recover the allocation.

    ``tolerance`` is on the decrease that the model still promises, relative to the dual.
    Without ``allocate`` only prices and the levels of activities are found. ``bulk`` stands
    for members that are not in the program's streams.
    """
    everyone = np.ones(len(program.activities), bool)
    start = seeded(program, settled(program, np.maximum(duals, 0.0), everyone))
    current = Pricing.at(program, settled(program, start, everyone), bulk)
    pool = Pool.near(program, current)
    levels, iteration, passes, converged = None, 0, 1, False
    for iteration in range(1, max_iterations + 1):
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = step(program, current, pool, levels, ridge)
        scale = max(abs(current.value), 1e-6 * program.at_stake, 1e-300)
        if found is None or found.decrease < -1e-9 * scale:
            ridge = max(ridge, 1e-9) * 100.0
            if ridge > 1e6:
                break
            continue
        trial = Pricing.at(program, settled(program, found.duals, found.idle), bulk)
        passes += 1
        promised, gained = found.decrease / scale, (current.value - trial.value) / scale
        if progress is not None:
            progress({"iteration": iteration, "gap": promised, "passes": passes})
        shares = found.shares
        before = [c.copy() for c in pool.codes]
        fresh = pool.add_best(program, trial)
        if promised <= tolerance and not fresh and gained >= -_NOISE:
            # nothing left to gain: what remains is rounding
            levels, converged = found.levels, True
            current = trial if gained >= 0 else current
            break
        if gained >= 0.1 * promised - 1e-14:
            for i, codes in enumerate(before):
                pool.shares[i][:] = 0.0
                pool.shares[i][np.searchsorted(pool.codes[i], codes)] = shares[i]
            levels, current = found.levels, trial
            pool.trim(program, current)
            ridge = max(ridge * 0.1, least_ridge)
        elif not fresh:
            ridge *= 10.0
            if ridge > 1e4 or promised <= _SMALL:
                break  # the quadratic program is at the end of its digits
    allocation = recover(program, current.duals, current.profits, levels) if allocate else None
    return Result(current.duals, allocation, current.value, iteration, passes, levels, converged)
