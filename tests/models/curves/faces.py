"""Shared by the tests of the curves: random curves, and the cone face at given flows."""

from __future__ import annotations

import warnings
from typing import Any

import cvxpy as cp
import numpy as np
from hypothesis import strategies as st

from allocate.models.curves import Constant, Linear, PowerLaw, Saturating, ScalingLaw, Table


def positive(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers spread evenly in their logarithm."""
    return st.floats(np.log(low), np.log(high)).map(lambda z: float(np.exp(z)))


def bent(steps: list[tuple[float, float]], top: float) -> Table:
    """A concave table from (width, height) steps, put in order of steepness."""
    ordered = sorted(steps, key=lambda p: -p[1] / p[0])
    width, height = np.cumsum(np.array(ordered), axis=0).T
    return Table.hull(width, top * height / height[-1])


share = st.floats(0.05, 1.0)
saturating = st.builds(Saturating, share, positive(1e-3, 1e3))
power_law = st.builds(PowerLaw, share, positive(1e-2, 2.0), positive(0.05, 3.0))
linear = st.builds(Linear, positive(1e-3, 1e3))
constant = st.builds(Constant, st.floats(0.0, 1.0))
table = st.builds(
    bent,
    st.lists(st.tuples(positive(0.1, 10.0), positive(0.1, 10.0)), min_size=1, max_size=6),
    share,
)
scaling_law = st.builds(
    ScalingLaw,
    positive(1e-3, 1.0),
    positive(1e-2, 1e2),
    positive(1e-2, 1e2),
    share,
    positive(1e-2, 1e2),
)
every = st.one_of(saturating, power_law, linear, constant, table, scaling_law)
smooth = st.one_of(saturating, power_law, linear, scaling_law)

EXAMPLES = {
    "constant": Constant(0.7),
    "saturating": Saturating(0.9, 0.8),
    "power_law": PowerLaw(0.95, 0.3, 0.6),
    "linear": Linear(0.4),
    "table": Table((0.5, 1.0, 2.0), (0.4, 0.6, 0.8)),
    "scaling_law": ScalingLaw(0.2, 1.5, 2.0, 0.6, 3.0),
}


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng([20261122, *seed])


def fixed(values: Any) -> tuple[cp.Variable, list]:
    """A variable that must equal ``values``: what a solver holds while it chooses the rest."""
    variable = cp.Variable(np.shape(values))
    return variable, [variable == np.asarray(values)]


def solve(objective: Any, constraints: list, tolerance: float = 1e-11) -> float:
    """The optimal value; "inaccurate" means short of ``tolerance``: what follows judges."""
    problem = cp.Problem(objective, constraints)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Solution may be inaccurate")
        value = problem.solve(
            solver=cp.CLARABEL, tol_gap_abs=tolerance, tol_gap_rel=tolerance, tol_feas=tolerance
        )
    assert problem.status in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE), problem.status
    return float(value)


def most_success(curve: Any, requests: Any, effort: Any) -> np.ndarray:
    """The cone face: largest successes at fixed flows of requests and effort."""
    x, fix_x = fixed(requests)
    e, fix_e = fixed(effort)
    q = cp.Variable(np.shape(requests))
    solve(cp.Maximize(cp.sum(q)), fix_x + fix_e + curve.cone(x, e, q))
    return q.value
