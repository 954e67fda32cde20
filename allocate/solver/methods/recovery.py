"""Primal recovery: a feasible allocation from prices.

Every near-tied arm gets the tokens that are best at the prices, so the first-order
conditions hold by construction; a linear program then splits members over their arms and
sets the activities, inside every row. Its value is judged against the exact dual.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from allocate.models.curves import SquareCost
from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows, Stream


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
    n_rows = len(program.rows)
    pairs, payoff, use, share_rows, share_rhs, equal_rows = [], [], [], [], [], []
    for i, stream in enumerate(program.streams):
        member, arm = near_ties(stream, profits[i], duals, window)
        columns = stream.columns(duals, member, arm)
        own = stream.pair_prices(np.zeros(n_rows), member, arm)
        worth = -(own * columns.amounts).sum(axis=1)
        decline = np.where(np.isfinite(stream.decline_cost), stream.decline_cost, 0.0)
        pairs.append((member, arm, columns.amounts[:, 1:-2]))
        rate = stream.rate[member]
        payoff.append(rate * (worth + decline[member]))
        use.append(stream.row_use(member, arm, columns.amounts, n_rows) @ sp.diags(rate))
        present, index = np.unique(member, return_inverse=True)
        shape = (len(present), len(member))
        share_rows.append(
            sp.csr_matrix((np.ones(len(member)), (index, np.arange(len(member)))), shape=shape)
        )
        equal_rows.append(~np.isfinite(stream.decline_cost[present]))
        share_rhs.append(np.ones(len(present)))
    n_act = len(program.activities)
    scale_y = _level_scales(program, use)
    x_use = sp.hstack(use).tocsr() if use else sp.csr_matrix((n_rows, 0))
    cost, act_use, rays = _terms_on_rays(program, duals)
    a_rows = sp.hstack([x_use, act_use @ sp.diags(scale_y)]).tocsr()
    size = np.maximum(
        np.abs(program.capacity), abs(a_rows).max(axis=1).toarray().ravel() if a_rows.nnz else 0
    )
    size = np.where(size > 0, size, 1.0)
    shares = sp.block_diag(share_rows).tocsr() if share_rows else sp.csr_matrix((0, 0))
    shares = sp.hstack([shares, sp.csr_matrix((shares.shape[0], n_act))]).tocsr()
    rhs = np.concatenate(share_rhs) if share_rhs else np.zeros(0)
    equal = np.concatenate(equal_rows) if equal_rows else np.zeros(0, bool)
    objective = np.concatenate([*payoff, -cost * scale_y])
    money = max(np.abs(objective).max(initial=0.0), 1e-300)
    low, high = np.zeros(len(objective)), np.full(len(objective), np.inf)
    n_x = len(objective) - n_act
    high[:n_x] = 1.0
    high[n_x:] = program.upper / scale_y
    for t in program.terms:
        i = t.activities[-1]
        if isinstance(t.cost, SquareCost):
            fixed = 0.0 if levels is None else min(levels[i], program.upper[i]) / scale_y[i]
            low[n_x + i] = high[n_x + i] = max(fixed, 0.0)
        else:
            high[n_x + i] = 0.0  # it follows its partner
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
        requests = part[keep] * stream.rate[member[keep]]
        flows.append(stream.merged(Flows(member[keep], arm[keep], requests, tokens[keep])))
    found = x[n_x:] * scale_y
    for y, n, per_unit in rays:
        found[n] = found[y] * per_unit
    return Allocation(tuple(flows), found)


def _terms_on_rays(
    program: Program, duals: np.ndarray
) -> tuple[np.ndarray, sp.csc_matrix, list[tuple[int, int, float]]]:
    """Costs and uses of activities with every ratio term held at its best ratio n/y."""
    cost, use, rays = program.cost.copy(), program.use, []
    unit = program.unit_profit(duals)
    for t in program.terms:
        if isinstance(t.cost, SquareCost):
            continue
        y, n = t.activities
        per_unit, more = t.cost.ray(t.n_price(unit))
        rays.append((y, n, per_unit))
        cost[y] += more + per_unit * cost[n]
        mix = sp.identity(len(cost), format="lil")
        mix[n, y] = per_unit
        use = sp.csc_matrix(use @ mix.tocsc())
    return cost, use, rays


def near_ties(
    stream: Stream, profits: np.ndarray, duals: np.ndarray, window: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (member, arm) whose profit is near the member's best, or better than declining.

    Near means within ``window`` times the money that a request moves on its best arm.
    """
    reachable = profits.max(axis=1, initial=-np.inf)
    best = np.maximum(reachable, -stream.decline_cost)
    active = np.flatnonzero((stream.rate > 0) & np.isfinite(reachable))
    if not active.size:
        return np.zeros(0, int), np.zeros(0, int)
    columns = stream.columns(duals, active, profits[active].argmax(axis=1))
    moved = np.abs(columns.prices * columns.amounts).sum(axis=1)
    k, a = np.nonzero(profits[active] >= (best[active] - window * moved)[:, None])
    if k.size > 20 * active.size:  # mass ties: the best few of each member
        rank = np.argsort(np.argsort(-profits[active], axis=1), axis=1)
        keep = rank[k, a] < 20
        k, a = k[keep], a[keep]
    return active[k], a


def _level_scales(program: Program, use: list) -> np.ndarray:
    """A typical level of every activity: what all demand on its rows would need."""
    demand = np.zeros(len(program.rows))
    for u in use:
        demand += np.asarray(abs(u).sum(axis=1)).ravel()
    demand = np.maximum(demand, np.abs(program.capacity))
    out = np.ones(len(program.activities))
    for i in range(len(program.activities)):
        column = program.use[:, [i]]
        need = [
            demand[r] / abs(v)
            for r, v in zip(column.indices, column.data, strict=True)
            if demand[r] > 0
        ]
        out[i] = max(need, default=1.0)
        out[i] = min(out[i], program.upper[i]) if np.isfinite(program.upper[i]) else out[i]
        out[i] = out[i] if out[i] > 0 else 1.0
    return out


def _empty(stream) -> Flows:
    zero = np.zeros(0, int)
    return Flows(zero, zero, np.zeros(0), np.zeros((0, stream.n_uses)))
