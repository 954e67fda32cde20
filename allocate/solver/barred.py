"""Prices of capacities of nothing: the least that keep everyone out."""

from __future__ import annotations

import numpy as np

from allocate.models.program import Program
from allocate.solver.methods.start import settled

_TRIES = 60
_NEAR = 1e-10  # of the price that was found first: how near the least is enough
_SAME = 1e-12  # of the dual: no change


def lowered(program: Program, duals: np.ndarray) -> np.ndarray:
    """Prices with those of rows of capacity 0 brought down to what the first unit is worth.

    Where nothing is to be had, every price that keeps everyone out is a dual, however high;
    only the least of them is what one more unit would bring. What is made from such a row
    alone (a lane on GPUs that are not there) comes down with it. The dual value stays as it is.
    """
    rows = np.flatnonzero((program.capacity == 0) & (duals > 0))
    made = set(program.use.indices[program.use.data < 0].tolist())
    rows = [r for r in rows.tolist() if r not in made]
    if not rows or not np.all(np.isfinite(duals)):
        return duals
    out = duals.copy()
    most = program.dual(out)
    most += _SAME * program.scale(most)
    for r in rows:
        out = _least(program, out, r, most)
    return out


def _least(program: Program, duals: np.ndarray, r: int, most: float) -> np.ndarray:
    """The prices with the least one of row ``r`` at which the dual is not above ``most``.

    The dual is convex in it: a line through two prices that are too low meets ``most``
    before the dual does, so it leads on to a better one. Every other try halves what is left.
    """

    def at(price: float) -> tuple[float, np.ndarray, float]:
        tried = duals.copy()
        tried[r] = price
        if program.row_activities[r]:
            idle = np.zeros(len(program.activities), bool)
            idle[program.row_activities[r]] = True
            tried = settled(program, tried, idle)
        return float(tried[r]), tried, program.dual(tried) - most

    high, best = float(duals[r]), duals
    near = _NEAR * high
    price, tried, above = at(0.0)
    if above <= 0.0:
        return tried
    low, before = (price, above), (price, above)
    for step in range(_TRIES):
        fall = before[1] - low[1]
        if step % 2 and fall > 0.0:
            line = low[0] + low[1] * (low[0] - before[0]) / fall
            price = min(line + near, 0.5 * (line + high))
        else:
            price = 0.5 * (low[0] + high)
        price, tried, above = at(price)
        if above <= 0.0:
            high, best = price, tried
        else:
            low, before = (price, above), low
        if high - low[0] <= 2.0 * near:
            break
    return best
