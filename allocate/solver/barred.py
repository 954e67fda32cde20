"""Prices of capacities of nothing: the least that keep everyone out."""

from __future__ import annotations

import numpy as np

from allocate.models.program import Program
from allocate.solver.methods.start import settled

_HALVINGS = 50
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
        low, high, best = 0.0, float(out[r]), out
        for step in range(_HALVINGS + 1):
            tried = out.copy()
            tried[r] = 0.5 * (low + high) if step else low
            if program.row_activities[r]:
                idle = np.zeros(len(program.activities), bool)
                idle[program.row_activities[r]] = True
                tried = settled(program, tried, idle)
            if program.dual(tried) <= most:
                high, best = tried[r], tried
            else:
                low = tried[r]
            if high <= low:
                break
        out = best
    return out
