"""Whole numbers to begin with: a mixed-integer program over the near-tied arms.

Tokens are those of the continuous prices, so the numbers are a guess, and a good one: the
program that is left once so many are bought decides everything again.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp

from allocate.models.program import Program
from allocate.solver.methods.recovery import Splitting, near_ties

Numbers = dict[str, float]  # by the name of the count

_WINDOWS = (1e-2, 10.0)  # of the money that a request moves: arms that may be taken
_SECONDS = 10.0
_GIVE = 1e-9  # by what share a row may be exceeded: rounding


def likely_numbers(program: Program, duals: np.ndarray) -> Numbers | None:
    """Numbers of every count with which the limits can be kept, the best at these tokens.

    Args:
        program: with ``counts``.
        duals: [rows] prices of the continuous program.

    Returns:
        the numbers; None where HiGHS finds none in ten seconds.
    """
    profits = [s.profits(duals) for s in program.streams]
    for window in _WINDOWS:
        columns = [
            s.columns(duals, *near_ties(s, own, duals, window))
            for s, own in zip(program.streams, profits, strict=True)
        ]
        found = _numbers(program, Splitting(program, duals, columns, give=_GIVE))
        if found is not None:
            return found
    return None


def _numbers(program: Program, split: Splitting) -> Numbers | None:
    counts, n = program.counts, len(split.objective)
    if not np.all(np.isfinite(split.objective)):
        return None
    total = sp.lil_matrix((len(counts), n + len(counts)))
    for c, count in enumerate(counts):
        for i in count.activities:
            total[c, split.n_x + i] = split.unit[i]
        total[c, n + c] = -count.size
    none: Any = np.zeros(len(counts))
    rows = [LinearConstraint(total.tocsr(), none, none)]
    if len(split.limit):
        least: Any = np.full(len(split.limit), -np.inf)
        rows.append(
            LinearConstraint(_padded(split.above, len(counts)), least, cast(Any, split.limit))
        )
    if split.forced:
        once: Any = np.ones(split.forced)
        rows.append(LinearConstraint(_padded(split.equal, len(counts)), once, once))
    high: Any = np.concatenate([split.high, np.full(len(counts), np.inf)])
    low: Any = np.zeros(len(high))  # SciPy's stubs know a number only
    answer = milp(
        np.concatenate([-split.objective / split.money, none]),
        constraints=rows,
        integrality=np.concatenate([np.zeros(n), np.ones(len(counts))]),
        bounds=Bounds(low, high),
        options={"time_limit": _SECONDS},
    )
    if answer.x is None:
        return None
    return {c.name: float(np.round(x)) for c, x in zip(counts, answer.x[n:], strict=True)}


def _padded(matrix: Any, more: int) -> Any:
    """With columns of zeros at the right."""
    return sp.hstack([matrix, sp.csr_matrix((matrix.shape[0], more))]).tocsr()
