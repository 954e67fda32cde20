"""Linear programs by HiGHS's dual simplex: vertices, with tolerances the judge can live with."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

Matrix = Any  # a NumPy array or any sparse matrix of SciPy
_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


class Vertex(NamedTuple):
    """An optimal vertex: its value, the point, and what a unit more of every limit saves."""

    value: float
    x: np.ndarray
    prices: np.ndarray


def vertex(
    cost: np.ndarray,
    above: Matrix,
    limit: np.ndarray,
    high: np.ndarray,
    equal: Matrix | None = None,
) -> Vertex | None:
    """Minimise ``cost·x`` over ``above·x ≤ limit``, ``equal·x = 1``, ``0 ≤ x ≤ high``.

    Args:
        cost: [n].
        above: [m, n]; may have no rows.
        limit: [m].
        high: [n], infinite where there is no bound.
        equal: [e, n]; every row comes to 1.

    Returns:
        None where there is no such point, no end to it, or none was found.
    """
    some = len(limit) > 0
    forced = 0 if equal is None else sp.csr_matrix(equal).get_shape()[0]
    found = linprog(
        cost,
        A_ub=above if some else None,
        b_ub=limit if some else None,
        A_eq=equal if forced else None,
        b_eq=np.ones(forced) if forced else None,
        bounds=np.stack([np.zeros(len(high)), high], axis=1),
        method="highs-ds",
        options=_OPTIONS,
    )
    if found.status != 0 or found.x is None:
        return None
    prices = np.maximum(-found.ineqlin.marginals, 0.0) if some else np.zeros(0)
    return Vertex(float(found.fun), np.asarray(found.x), prices)
