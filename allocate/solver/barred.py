"""Prices of capacities of nothing: the least that keep everyone out."""

from __future__ import annotations

import numpy as np

from allocate.models.program import Program

_HALVINGS = 50
_SAME = 1e-12  # of the dual: no change


def lowered(program: Program, duals: np.ndarray) -> np.ndarray:
    """Prices with those of rows of capacity 0 brought down to what the first unit is worth.

    Where nothing is to be had, every price that keeps everyone out is a dual, however high;
    only the least of them is what one more unit would bring. The dual value stays as it is.
    """
    barred = (program.capacity == 0) & np.array([not a for a in program.row_activities], bool)
    rows = np.flatnonzero(barred & (duals > 0))
    if not len(rows) or not np.all(np.isfinite(duals)):
        return duals
    out = duals.copy()
    most = program.dual(out)
    most += _SAME * max(abs(most), 1e-6 * program.at_stake)
    for r in rows:
        low, high = 0.0, out[r]
        out[r] = low
        if program.dual(out) <= most:
            continue
        for _ in range(_HALVINGS):
            out[r] = 0.5 * (low + high)
            low, high = (low, out[r]) if program.dual(out) <= most else (out[r], high)
        out[r] = high
    return out
