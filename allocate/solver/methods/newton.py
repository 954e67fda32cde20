"""Newton's method on the exact dual, with the ties kept exact.

The dual of a program is a sum of maxima of smooth convex functions of the prices: each
member's profit on each of its arms, each activity's unit profit. One step fixes which of
them are nearly the largest, replaces every one by its tangent, adds the curvature of
those in use, and solves the quadratic program that results. Its multipliers are the
primal answer: how a member that sits between two arms is split, how many replicas run.
Once the ties are right the steps converge quadratically. A step that does not lower the
dual as promised is kept as a cut and taken again, shorter (a proximal bundle).

Used to finish what the conic master found, and to solve again after a small change.
"""

from __future__ import annotations

from dataclasses import dataclass

import clarabel
import numpy as np
import scipy.sparse as sp

from allocate.models.curves import RatioCost, SquareCost
from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows, Stream
from allocate.solver.methods.recovery import recover

_WINDOW = 1e-3  # arms within this share of the money a request moves are near ties
_MOST_ARMS = 12  # near ties kept per member


@dataclass
class Pricing:
    """The dual at some prices, and every member's profits there."""

    duals: np.ndarray
    profits: list[np.ndarray]
    value: float

    @classmethod
    def at(cls, program: Program, duals: np.ndarray) -> Pricing:
        """Price every arm of every member."""
        profits = [s.profits(duals) for s in program.streams]
        return cls(duals, profits, program.dual(duals, profits))


@dataclass
class Result:
    """Prices and allocation after the last step."""

    duals: np.ndarray
    allocation: Allocation | None
    dual: float
    iterations: int
    passes: int


def newton(
    program: Program,
    duals: np.ndarray,
    max_iterations: int = 60,
    tolerance: float = 1e-10,
    progress=None,
) -> Result:
    """Minimise the dual from a starting price, then recover the allocation.

    ``tolerance`` is on the decrease that the model still promises, relative to the dual.
    """
    current = Pricing.at(program, np.maximum(duals, 0.0))
    passes, ridge = 1, 1e-9
    pool: list[set[tuple[int, int]]] = [set() for _ in program.streams]
    shares: dict[tuple[int, int, int], float] = {}
    last = None
    for iteration in range(1, max_iterations + 1):
        step = _step(program, current, pool, shares, ridge)
        if step is None:
            ridge = max(ridge, 1e-9) * 100.0
            if ridge > 1e6:
                break
            continue
        trial = Pricing.at(program, step.duals)
        passes += 1
        scale = max(abs(current.value), 1e-300)
        promised = step.decrease / scale
        gained = (current.value - trial.value) / scale
        if progress is not None:
            progress({"iteration": iteration, "gap": promised, "passes": passes})
        if gained >= 0.1 * promised - 1e-14:
            shares = step.shares
            last = step
            current = trial
            pool = [set() for _ in program.streams]
            ridge = max(ridge * 0.1, 1e-12)
            if promised <= tolerance:
                break
        else:
            for i, p in enumerate(trial.profits):  # cuts: what was best where we went
                best = p.argmax(axis=1)
                pool[i].update((int(k), int(a)) for k, a in enumerate(best) if p[k, a] > -np.inf)
            ridge = max(ridge * 10.0, 1e-8)
            if ridge > 1e4:
                break
    allocation = recover(program, current.duals, current.profits, last.levels if last else None)
    return Result(current.duals, allocation, current.value, iteration, passes)


@dataclass
class _Step:
    duals: np.ndarray
    decrease: float
    shares: dict[tuple[int, int, int], float]
    levels: np.ndarray


def near_ties(
    stream: Stream,
    profits: np.ndarray,
    duals: np.ndarray,
    extra: set[tuple[int, int]],
    window: float = _WINDOW,
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (member, arm) whose profit is within a window of the member's best."""
    declined = -stream.decline_cost
    best = np.maximum(profits.max(axis=1), declined)
    active = np.flatnonzero((stream.rate > 0) & np.isfinite(profits.max(axis=1)))
    if not active.size:
        return np.zeros(0, int), np.zeros(0, int)
    top = profits[active].argmax(axis=1)
    columns = stream.columns(duals, active, top)
    moved = np.abs(columns.prices * columns.amounts).sum(axis=1)
    band = window * moved
    near = profits[active] >= (best[active] - band)[:, None]
    if near.shape[1] > _MOST_ARMS:
        cut = -np.partition(-profits[active], _MOST_ARMS - 1, axis=1)[:, _MOST_ARMS - 1]
        near &= profits[active] >= cut[:, None]
    k, a = np.nonzero(near)
    member, arm = active[k], a
    if extra:
        ek, ea = np.array(sorted(extra)).T
        keep = stream.rate[ek] > 0
        codes = np.unique(
            np.concatenate([member * len(stream.arms) + arm, (ek * len(stream.arms) + ea)[keep]])
        )
        member, arm = np.divmod(codes, len(stream.arms))
    return member, arm


def _step(
    program: Program,
    at: Pricing,
    pool: list[set[tuple[int, int]]],
    shares: dict[tuple[int, int, int], float],
    ridge: float,
) -> _Step | None:
    """One quadratic program in (price change, member surplus, activity surplus)."""
    n_rows = len(program.rows)
    scale = max(abs(at.value), 1e-300)
    # gather the near ties
    members, arms, streams, uses, gaps, weights = [], [], [], [], [], []
    hessian = np.zeros((n_rows, n_rows))
    for i, stream in enumerate(program.streams):
        member, arm = near_ties(stream, at.profits[i], at.duals, pool[i])
        if not member.size:
            continue
        columns = stream.columns(at.duals, member, arm)
        best = np.maximum(at.profits[i].max(axis=1), -stream.decline_cost)
        use = stream.row_use(member, arm, columns.amounts, n_rows)
        held = np.array([shares.get((i, int(k), int(a)), -1.0) for k, a in zip(member, arm, strict=True)])
        known = np.zeros(len(stream.rate))
        np.add.at(known, member, np.maximum(held, 0.0))
        is_best = at.profits[i][member, arm] >= best[member] - 1e-12 * np.abs(best[member])
        held = np.where(known[member] > 0, np.maximum(held, 0.0), is_best.astype(float))
        _add_curvature(hessian, stream, columns, held * stream.rate[member], n_rows)
        members.append(member)
        arms.append(arm)
        streams.append(np.full(member.size, i))
        uses.append(use)
        gaps.append(at.profits[i][member, arm] - best[member])
        weights.append(stream.rate[member])
    if members:
        member, arm, origin = (np.concatenate(x) for x in (members, arms, streams))
        gap, rate = np.concatenate(gaps), np.concatenate(weights)
        use = sp.hstack(uses).tocsc()
    else:
        member = arm = origin = np.zeros(0, int)
        gap = rate = np.zeros(0)
        use = sp.csc_matrix((n_rows, 0))
    unit = program.unit_profit(at.duals)
    gradient = program.capacity.copy()
    tangents, ratio_rows = _term_tangents(program, unit, gradient, hessian)

    # members with one near tie and no decline in sight are linear; the others are split
    key = origin * (max((len(s.rate) for s in program.streams), default=1)) + member
    unique, group, counts = np.unique(key, return_inverse=True, return_counts=True)
    first = np.zeros(len(unique), int)
    first[group] = np.arange(len(key))
    decline = np.array(
        [-program.streams[o].decline_cost[m] for o, m in zip(origin[first], member[first], strict=True)]
    )
    top = np.array(
        [
            max(at.profits[o][m].max(), d)
            for o, m, d in zip(origin[first], member[first], decline, strict=True)
        ]
    )
    moved = np.array(np.abs(use).multiply(at.duals[:, None]).sum(axis=0)).ravel()
    room = np.maximum(np.abs(top), np.array([moved[f] for f in first])) if len(first) else top
    may_decline = np.isfinite(decline) & (top - decline <= 0.5 * np.maximum(room, 1e-300))
    split = (counts > 1) | may_decline
    single = ~split[group] if len(group) else np.zeros(0, bool)
    gradient -= np.asarray(use[:, single] @ rate[single]).ravel()

    # scales: rows by what flows through them, so that every variable is money over the dual
    levels_guess = np.zeros(len(program.activities))
    gross = np.abs(program.capacity) + np.asarray(abs(use) @ rate).ravel()
    cost = np.abs(program.cost) + np.asarray(abs(program.use).T @ at.duals).ravel()
    cost = np.maximum(cost, 1e-12 * max(cost.max(initial=0.0), 1e-300))
    gross = np.maximum(gross, 1e-9 * np.maximum(gross.max(initial=0.0), 1e-300))
    r = scale / gross  # d = r · d̂
    n_split = int(split.sum())
    split_at = np.cumsum(split) - 1
    linear = np.flatnonzero(program.linear)
    bounded = linear[np.isfinite(program.upper[linear]) & (program.upper[linear] < 1e11)]
    n_bounded = len(bounded)
    n = n_rows + n_split + n_bounded
    h = hessian * r[:, None] * r[None, :] / scale
    h[np.diag_indices(n_rows)] += ridge
    p = sp.block_diag([sp.csc_matrix(np.triu(h)), sp.csc_matrix((n_split + n_bounded,) * 2)])
    q = np.concatenate([gradient * r / scale, np.ones(n_split), np.zeros(n_bounded)])

    blocks, right = [], []
    # pairs of split members: rate/W (gap − use·d) ≤ S
    pairs = np.flatnonzero(~single)
    w = rate[pairs] / scale
    a_d = sp.csc_matrix(use[:, pairs].T.multiply(-w[:, None]).multiply(r[None, :]))
    a_s = sp.csc_matrix(
        (-np.ones(len(pairs)), (np.arange(len(pairs)), split_at[group[pairs]])),
        shape=(len(pairs), n_split),
    )
    blocks.append(sp.hstack([a_d, a_s, sp.csc_matrix((len(pairs), n_bounded))]))
    right.append(-w * gap[pairs])
    # declining
    who = np.flatnonzero(split & np.isfinite(decline)) if len(split) else np.zeros(0, int)
    wd = rate[first[who]] / scale if len(who) else np.zeros(0)
    blocks.append(
        sp.hstack(
            [
                sp.csc_matrix((len(who), n_rows)),
                sp.csc_matrix(
                    (-np.ones(len(who)), (np.arange(len(who)), split_at[who])),
                    shape=(len(who), n_split),
                ),
                sp.csc_matrix((len(who), n_bounded)),
            ]
        )
    )
    right.append(wd * (top - decline)[who] if len(who) else np.zeros(0))
    # activities: (unit − use·d) ≤ bound surplus
    b_at = {int(i): j for j, i in enumerate(bounded)}
    ref = scale / cost
    act_use = sp.csc_matrix(program.use[:, linear].T.multiply(-ref[linear][:, None] / scale).multiply(r[None, :]))
    rows_b = [x for x, i in enumerate(linear) if int(i) in b_at]
    a_b = sp.csc_matrix(
        (
            [-1.0] * len(rows_b),
            (rows_b, [b_at[int(linear[x])] for x in rows_b]),
        ),
        shape=(len(linear), n_bounded),
    )
    blocks.append(sp.hstack([act_use, sp.csc_matrix((len(linear), n_split)), a_b]))
    right.append(-ref[linear] * unit[linear] / scale)
    if n_bounded:
        q[n_rows + n_split :] = program.upper[bounded] / ref[bounded]
        blocks.append(
            sp.hstack([sp.csc_matrix((n_bounded, n_rows + n_split)), -sp.identity(n_bounded)])
        )
        right.append(np.zeros(n_bounded))
    # ratio terms: tangent of unit_y − √(2 w p_n) ≤ 0
    t_ref = np.array([scale / max(abs(v), 1e-300) for _, _, v in ratio_rows])
    if ratio_rows:
        a = np.array([g for g, _, _ in ratio_rows]) * (t_ref / scale)[:, None] * r[None, :]
        blocks.append(
            sp.hstack([sp.csc_matrix(a), sp.csc_matrix((len(ratio_rows), n_split + n_bounded))])
        )
        right.append(np.array([-v0 for _, v0, _ in ratio_rows]) * t_ref / scale)
    # prices stay nonnegative
    blocks.append(sp.hstack([-sp.identity(n_rows), sp.csc_matrix((n_rows, n - n_rows))]))
    right.append(at.duals / r)

    a_all = sp.csc_matrix(sp.vstack(blocks))
    b_all = np.concatenate(right)
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-12
    settings.reduced_tol_gap_abs = settings.reduced_tol_gap_rel = 1e-7
    settings.reduced_tol_feas = 1e-7
    solution = clarabel.DefaultSolver(
        sp.csc_matrix(p), q, a_all, b_all, [clarabel.NonnegativeConeT(a_all.shape[0])], settings
    ).solve()
    if str(solution.status) not in ("Solved", "AlmostSolved"):
        if not np.all(np.isfinite(solution.x)) or str(solution.status) not in (
            "InsufficientProgress", "MaxIterations", "NumericalError",
        ):
            return None
        if max(solution.r_prim, solution.r_dual) > 1e-5:
            return None
    x, z = np.array(solution.x), np.array(solution.z)
    step = r * x[:n_rows]
    duals = np.maximum(at.duals + step, 0.0)
    decrease = -scale * (q @ x + 0.5 * x[:n_rows] @ (h @ x[:n_rows])) + 0.0
    new_shares: dict[tuple[int, int, int], float] = {}
    for j in np.flatnonzero(single):
        new_shares[(int(origin[j]), int(member[j]), int(arm[j]))] = 1.0
    for j, value in zip(pairs, z[: len(pairs)], strict=True):
        new_shares[(int(origin[j]), int(member[j]), int(arm[j]))] = float(min(1.0, value))
    levels = levels_guess
    at_z = len(pairs) + len(who)
    levels[linear] = z[at_z : at_z + len(linear)] * ref[linear]
    at_z += len(linear) + n_bounded
    _term_levels(program, -program.cost - program.use.T @ duals, levels, tangents)
    for (_, _, _), tr, value in zip(ratio_rows, t_ref, z[at_z : at_z + len(ratio_rows)], strict=True):
        pass
    for j, (t, _) in enumerate(tangents["ratio"]):
        y = float(z[at_z + j] * t_ref[j])
        price = max(-float((-program.cost - program.use.T @ duals)[t.activities[1]]), 1e-300)
        levels[t.activities[0]] = y
        levels[t.activities[1]] = y * np.sqrt(0.5 * t.cost.weight / price)
    return _Step(duals, float(decrease), new_shares, levels)


def _add_curvature(hessian, stream: Stream, columns, weight: np.ndarray, n_rows: int) -> None:
    """Add Σ weight · B' C B of the columns, B the rows used per unit of each quantity."""
    used = weight > 0
    if not used.any():
        return
    from allocate.models.stream import Columns

    columns = Columns(*(c[used] for c in columns))
    weight = weight[used]
    curvature = stream.curvatures(columns)
    rows = stream.quantity_rows(columns.member, columns.arm, n_rows)[1:]
    for y, left in enumerate(rows):
        if left.nnz == 0:
            continue
        for z, right in enumerate(rows):
            c = weight * curvature[:, y, z]
            if right.nnz and np.any(c):
                hessian += (left @ sp.diags(c) @ right.T).toarray()


def _term_tangents(program: Program, unit: np.ndarray, gradient: np.ndarray, hessian: np.ndarray):
    """Smooth terms go into gradient and curvature, ratio terms become tangent rows."""
    out: dict = {"square": [], "ratio": []}
    ratio_rows = []
    for t in program.terms:
        y = t.activities[0]
        g_y = program.use[:, [y]].toarray().ravel()
        if isinstance(t.cost, SquareCost):
            level = float(t.cost.best_response(unit[y], program.upper[y]))
            gradient -= g_y * level
            hessian += np.outer(g_y, g_y) / t.cost.weight * (unit[y] >= 0)
            out["square"].append(t)
            continue
        assert isinstance(t.cost, RatioCost)
        n = t.activities[1]
        g_n = program.use[:, [n]].toarray().ravel()
        price = max(-unit[n], 1e-12 * max(abs(unit[y]), 1e-300))
        root = np.sqrt(2.0 * t.cost.weight * price)
        value = unit[y] - root
        slope = -g_y - 0.5 * root / price * g_n
        ratio_rows.append((slope, value, max(root, abs(unit[y]))))
        # curvature of −√(2 w p): at the level that the price of y pays for
        out["ratio"].append((t, value))
    return out, ratio_rows


def _term_levels(program: Program, unit: np.ndarray, levels: np.ndarray, tangents: dict) -> None:
    for t in tangents["square"]:
        y = t.activities[0]
        levels[y] = float(t.cost.best_response(unit[y], program.upper[y]))


def flows_of(
    stream: Stream, duals: np.ndarray, member: np.ndarray, arm: np.ndarray, requests: np.ndarray
) -> Flows:
    """Flows with the best-response tokens at some prices."""
    columns = stream.columns(duals, member, arm)
    return Flows(member, arm, requests, columns.amounts[:, 1:-2])
