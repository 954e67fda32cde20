"""Primal recovery: a feasible allocation from prices.

Every near-tied arm gets the tokens that are best at the prices, so the first-order
conditions hold by construction; a linear program then splits members over their arms and
sets the activities, inside every row. Its value is judged against the exact dual.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows


def recover(
    program: Program,
    duals: np.ndarray,
    profits: list[np.ndarray],
    levels: np.ndarray | None,
    window: float = 1e-6,
) -> Allocation | None:
    """Best feasible allocation over the near-tied arms; None if there is none.

    ``levels`` holds the activities with convex costs where they are; ``window`` is widened
    until the linear program is feasible.
    """
    for widened in (window, 1e-4, 1e-2, 10.0):
        allocation = _recover(program, duals, profits, levels, widened)
        if allocation is not None:
            return allocation
    return None


def _recover(
    program: Program,
    duals: np.ndarray,
    profits: list[np.ndarray],
    levels: np.ndarray | None,
    window: float,
) -> Allocation | None:
    from allocate.solver.methods.newton import near_ties

    n_rows = len(program.rows)
    pairs, payoff, use, share_rows, share_rhs, equal_rows = [], [], [], [], [], []
    for i, stream in enumerate(program.streams):
        member, arm = near_ties(stream, profits[i], duals, set(), window)
        columns = stream.columns(duals, member, arm)
        zero = stream.columns(np.zeros(n_rows), member, arm)
        own = stream.pair_prices(np.zeros(n_rows), member, arm)
        del zero
        worth = -(own * columns.amounts).sum(axis=1)
        decline = np.where(np.isfinite(stream.decline_cost), stream.decline_cost, 0.0)
        pairs.append((member, arm, columns.amounts[:, 1:-2]))
        rate = stream.rate[member]
        payoff.append(rate * (worth + decline[member]))
        use.append(stream.row_use(member, arm, columns.amounts, n_rows) @ sp.diags(rate))
        present, index = np.unique(member, return_inverse=True)
        shape = (len(present), len(member))
        share_rows.append(sp.csr_matrix((np.ones(len(member)), (index, np.arange(len(member)))), shape=shape))
        equal_rows.append(~np.isfinite(stream.decline_cost[present]))
        share_rhs.append(np.ones(len(present)))
    n_act = len(program.activities)
    scale_y = _level_scales(program, use)
    x_use = sp.hstack(use).tocsr() if use else sp.csr_matrix((n_rows, 0))
    a_rows = sp.hstack([x_use, program.use @ sp.diags(scale_y)]).tocsr()
    size = np.maximum(np.abs(program.capacity), abs(a_rows).max(axis=1).toarray().ravel() if a_rows.nnz else 0)
    size = np.where(size > 0, size, 1.0)
    shares = sp.block_diag(share_rows).tocsr() if share_rows else sp.csr_matrix((0, 0))
    shares = sp.hstack([shares, sp.csr_matrix((shares.shape[0], n_act))]).tocsr()
    rhs = np.concatenate(share_rhs) if share_rhs else np.zeros(0)
    equal = np.concatenate(equal_rows) if equal_rows else np.zeros(0, bool)
    objective = np.concatenate([*payoff, -program.cost * scale_y])
    money = max(np.abs(objective).max(initial=0.0), 1e-300)
    low, high = np.zeros(len(objective)), np.full(len(objective), np.inf)
    n_x = len(objective) - n_act
    high[:n_x] = 1.0
    high[n_x:] = program.upper / scale_y
    for t in program.terms:
        for i in t.activities:
            fixed = 0.0 if levels is None else min(levels[i], program.upper[i]) / scale_y[i]
            low[n_x + i] = high[n_x + i] = max(fixed, 0.0)
    if not len(objective):
        return Allocation(tuple(_empty(s) for s in program.streams), np.zeros(0))
    a_ub = sp.vstack([sp.diags(1.0 / size) @ a_rows, shares[~equal]]).tocsr()
    b_ub = np.concatenate([program.capacity / size, rhs[~equal]])
    answer = linprog(
        -objective / money,
        A_ub=a_ub if a_ub.shape[0] else None,
        b_ub=b_ub if a_ub.shape[0] else None,
        A_eq=shares[equal] if equal.any() else None,
        b_eq=rhs[equal] if equal.any() else None,
        bounds=np.stack([low, high], 1),
        method="highs-ds",
        options={
            "primal_feasibility_tolerance": 1e-10,
            "dual_feasibility_tolerance": 1e-10,
            "presolve": True,
        },
    )
    if answer.status != 0 or answer.x is None:
        return None
    x = np.clip(answer.x, low, high)
    flows, at = [], 0
    for stream, (member, arm, tokens) in zip(program.streams, pairs, strict=True):
        part = x[at : at + len(member)]
        at += len(member)
        total = np.bincount(member, part, len(stream.rate))
        forced = ~np.isfinite(stream.decline_cost)[member]
        fix = np.where(forced | (total[member] > 1.0), np.maximum(total[member], 1e-300), 1.0)
        part = part / fix
        keep = part > 1e-12
        flows.append(Flows(member[keep], arm[keep], part[keep] * stream.rate[member[keep]], tokens[keep]))
    return Allocation(tuple(flows), x[n_x:] * scale_y)


def _level_scales(program: Program, use: list) -> np.ndarray:
    """A typical level of every activity: what all demand on its rows would need."""
    demand = np.zeros(len(program.rows))
    for u in use:
        demand += np.asarray(abs(u).sum(axis=1)).ravel()
    demand = np.maximum(demand, np.abs(program.capacity))
    out = np.ones(len(program.activities))
    for i in range(len(program.activities)):
        column = program.use[:, [i]]
        need = [demand[r] / abs(v) for r, v in zip(column.indices, column.data, strict=True) if demand[r] > 0]
        out[i] = max(need, default=1.0)
        out[i] = min(out[i], program.upper[i]) if np.isfinite(program.upper[i]) else out[i]
        out[i] = out[i] if out[i] > 0 else 1.0
    return out


def _empty(stream) -> Flows:
    zero = np.zeros(0, int)
    return Flows(zero, zero, np.zeros(0), np.zeros((0, stream.n_uses)))
