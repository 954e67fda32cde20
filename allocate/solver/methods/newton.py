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

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import clarabel as _clarabel
import numpy as np
import scipy.sparse as sp

from allocate.models.curves import SquareCost
from allocate.models.program import Allocation, Program
from allocate.models.stream import Columns, Stream
from allocate.solver.methods.recovery import recover

_HAIR = 1e-6  # of a row that nothing may use is taken to be free
_NOISE = 1e-8  # a rise of the dual that a converged step may show
_ALONG, _MOST = 3e-3, 6  # arms this near to the best, and so many, become cuts with it
_FAR = 0.05  # a pair this share of its money below the best arm is forgotten


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
) -> Result:
    """Minimise the dual from a starting price, then recover the allocation.

    ``tolerance`` is on the decrease that the model still promises, relative to the dual.
    Without ``allocate`` only prices and the levels of activities are found.
    """
    everyone = np.ones(len(program.activities), bool)
    start = _seeded(program, settled(program, np.maximum(duals, 0.0), everyone))
    current = Pricing.at(program, settled(program, start, everyone))
    pool = Pool.near(program, current)
    shares: dict[tuple[int, int, int], float] = {}
    levels, iteration, passes, converged = None, 0, 1, False
    for iteration in range(1, max_iterations + 1):
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            step = _step(program, current, pool, shares, levels, ridge)
        if step is None or step.decrease < -1e-9 * max(abs(current.value), 1e-6 * program.at_stake):
            ridge = max(ridge, 1e-9) * 100.0
            if ridge > 1e6:
                break
            continue
        trial = Pricing.at(program, settled(program, step.duals, step.idle))
        passes += 1
        scale = max(abs(current.value), 1e-6 * program.at_stake, 1e-300)
        promised, gained = step.decrease / scale, (current.value - trial.value) / scale
        if progress is not None:
            progress(
                {
                    "iteration": iteration,
                    "gap": promised,
                    "gained": gained,
                    "passes": passes,
                    "ridge": ridge,
                    "pairs": pool.size,
                }
            )
        fresh = pool.add_best(program, trial)
        if promised <= tolerance and not fresh and gained >= -_NOISE:
            # nothing left to gain: what remains is rounding
            levels, converged = step.levels, True
            current = trial if gained >= 0 else current
            break
        accepted = gained >= 0.1 * promised - 1e-14
        if accepted:
            shares, levels, current = step.shares, step.levels, trial
            pool.trim(program, current, shares)
            ridge = max(ridge * 0.1, 1e-13)
        elif not fresh:
            ridge *= 10.0
            if ridge > 1e4:
                break
    allocation = recover(program, current.duals, current.profits, levels) if allocate else None
    return Result(current.duals, allocation, current.value, iteration, passes, levels, converged)


class Pool:
    """The pairs (member, arm) whose profits the model of the dual knows, by stream."""

    def __init__(self, codes: list[np.ndarray]):
        self.codes = codes

    @classmethod
    def near(cls, program: Program, at: Pricing) -> Pool:
        """Every member's best arm."""
        pool = cls([np.zeros(0, int) for _ in program.streams])
        pool.add_best(program, at)
        return pool

    @property
    def size(self) -> int:
        """Pairs in the pool."""
        return sum(len(c) for c in self.codes)

    def add_best(self, program: Program, at: Pricing) -> bool:
        """Add every member's best arms at some prices; whether a best one was new.

        Arms almost as good come along: where tiers lie close they would be the next cuts.
        """
        fresh = False
        for i, (stream, profits) in enumerate(zip(program.streams, at.profits, strict=True)):
            if not profits.size:
                continue
            live = np.flatnonzero((stream.rate > 0) & np.isfinite(profits.max(axis=1)))
            top = profits[live].argmax(axis=1)
            best = live * len(stream.arms) + top
            fresh |= not np.isin(best, self.codes[i]).all()
            moved = stream.moved(stream.columns(at.duals, live, top))
            near = profits[live] >= (profits[live, top] - _ALONG * moved)[:, None]
            if near.shape[1] > _MOST:
                cut = np.partition(profits[live], -_MOST, axis=1)[:, -_MOST]
                near &= profits[live] >= cut[:, None]
            k, a = np.nonzero(near)
            along = live[k] * len(stream.arms) + a
            self.codes[i] = np.union1d(self.codes[i], np.union1d(best, along)).astype(int)
        return fresh

    def trim(self, program: Program, at: Pricing, shares: dict) -> None:
        """Forget pairs that are far from their member's best and carry nothing."""
        for i, (stream, profits) in enumerate(zip(program.streams, at.profits, strict=True)):
            member, arm = np.divmod(self.codes[i], len(stream.arms))
            columns = stream.columns(at.duals, member, arm)
            best = np.maximum(profits.max(axis=1), -stream.decline_cost)[member]
            close = columns.profit >= best - _FAR * stream.moved(columns)
            carries = np.array(
                [
                    shares.get((i, int(k), int(a)), 0.0) > 1e-9
                    for k, a in zip(member, arm, strict=True)
                ],
                bool,
            )
            self.codes[i] = self.codes[i][close | carries]

    def pairs(self, program: Program, i: int) -> tuple[np.ndarray, np.ndarray]:
        """(members, arms) of stream i."""
        return np.divmod(self.codes[i], len(program.streams[i].arms))


def first_prices(program: Program) -> np.ndarray:
    """Prices to start from when nothing is known.

    Supply at cost and earnings at their worth; then every capacity priced so that all of
    it would cost the same, at the level, found by decades, where the dual is least.
    """
    start = settled(program, np.zeros(len(program.rows)))
    scarce = program.capacity > 0
    if not scarce.any():
        return start
    each = np.where(scarce, 1.0 / np.where(scarce, program.capacity, 1.0), 0.0)

    def dual(level: float) -> float:
        value = program.dual(settled(program, start + level * each))
        return value if np.isfinite(value) else np.inf

    best, value = 0.0, dual(0.0)
    top = max(abs(value), program.at_stake) if np.isfinite(value) else 1e30
    for level in top * 10.0 ** -np.arange(0.0, 13.0):
        trial = dual(level)
        if trial < value:
            best, value = level, trial
        elif best > 0:
            break
    for step in 10.0 ** (0.5 ** np.arange(1.0, 6.0)):
        for level in (best * step, best / step):
            trial = dual(level)
            if trial < value:
                best, value = level, trial
                break
    return settled(program, start + best * each)


def _seeded(program: Program, duals: np.ndarray) -> np.ndarray:
    """Prices with those of ratio terms off 0, where their root has no useful tangent.

    An exposure is priced at a hundredth of what earns by it, its observations so that they
    break even with that.
    """
    out, unit = duals.copy(), program.unit_profit(duals)
    for t in program.terms:
        if isinstance(t.cost, SquareCost):
            continue
        y, n = t.activities
        exposed = [r for r, v in program.activities[y].uses if v < 0]
        earning = [-program.cost[i] for r in exposed for i in program.row_activities[r]]
        worth = 0.01 * max(earning, default=0.0)
        if -unit[n] > 1e-9 * worth**2 / (2.0 * t.cost.weight):
            continue
        for r in exposed:
            out[r] = worth
        for r, v in program.activities[n].uses:
            out[r] = worth**2 / (2.0 * t.cost.weight) / v
    return out


def settled(program: Program, duals: np.ndarray, idle: np.ndarray | None = None) -> np.ndarray:
    """Prices moved to where the exact dual is not punished for a rounding.

    A row of capacity 0 that one activity supplies (a lane's busy time) is priced at what
    supplying costs, never below: raising it lowers the dual, and no used arm feels it.
    Earning activities and ratio terms are brought to no profit, which a tangent leaves
    slightly violated. Supply that stands ``idle`` [activities] may not show a profit either.
    """
    out = duals.copy()
    for i, rows, supply in program.suppliers:
        cost = program.cost[i] + sum(v * out[r] for r, v in program.activities[i].uses if v > 0)
        worth = float(supply @ out[rows])
        if worth <= 0.0:
            out[rows[0]] = cost / supply[0]
        elif worth < cost or program.loose[i] or (idle is not None and idle[i]):
            out[rows] *= cost / worth
    for r, makers in program.common_supply:
        # several ways to make the same thing: it costs what the cheapest of them costs
        unit = program.unit_profit(out)
        room = min(-unit[i] / v for i, v in makers)
        if room > 0 or all(program.loose[i] for i, _ in makers):
            out[r] = max(out[r] + room, 0.0)
    for t in program.terms:
        if isinstance(t.cost, SquareCost):
            continue
        y, n = t.activities
        unit = program.unit_profit(out)
        excess = unit[y] - np.sqrt(2.0 * t.cost.weight * max(-unit[n], 0.0))
        supplied = [(r, -v) for r, v in program.activities[y].uses if v < 0]
        if excess > 0 and supplied:
            r, v = supplied[0]
            out[r] = max(out[r] - excess / v, 0.0)
    for i in np.flatnonzero(program.cost < 0):
        profit = float(program.unit_profit(out)[i])
        used = [(r, v) for r, v in program.activities[i].uses if v > 0 and program.capacity[r] == 0]
        if profit > 0 and used:
            out[used[0][0]] += profit / used[0][1]
    return out


@dataclass
class _Step:
    duals: np.ndarray
    decrease: float
    shares: dict[tuple[int, int, int], float]
    levels: np.ndarray
    idle: np.ndarray


@dataclass
class _Pairs:
    """Near-best pairs of all streams side by side, with tangents at the current prices."""

    stream: np.ndarray
    member: np.ndarray
    arm: np.ndarray
    profit: np.ndarray
    rate: np.ndarray
    use: sp.csc_matrix
    moved: np.ndarray


def _gather(
    program: Program,
    at: Pricing,
    pool: Pool,
    shares: dict[tuple[int, int, int], float],
    hessian: np.ndarray,
) -> _Pairs:
    n_rows = len(program.rows)
    parts = []
    for i, stream in enumerate(program.streams):
        member, arm = pool.pairs(program, i)
        columns = stream.columns(at.duals, member, arm)
        held = np.array(
            [shares.get((i, int(k), int(a)), 0.0) for k, a in zip(member, arm, strict=True)]
        )
        known = np.bincount(member, held, len(stream.rate)) if len(member) else np.zeros(0)
        if len(member):
            best = at.profits[i].max(axis=1)[member]
            is_best = columns.profit >= best - 1e-12 * np.abs(best)
            worth = best > -stream.decline_cost[member]
            held = np.where(known[member] > 1e-6, held, (is_best & worth).astype(float))
            _add_curvature(hessian, stream, columns, held * stream.rate[member], n_rows)
        use = stream.row_use(member, arm, columns.amounts, n_rows)
        parts.append(
            (
                np.full(len(member), i),
                member,
                arm,
                columns.profit,
                stream.rate[member],
                use,
                stream.moved(columns),
            )
        )
    s, k, a, p, r, u, m = zip(*parts, strict=True)
    cat = np.concatenate
    return _Pairs(cat(s), cat(k), cat(a), cat(p), cat(r), sp.csc_matrix(sp.hstack(u)), cat(m))


def _step(
    program: Program,
    at: Pricing,
    pool: Pool,
    shares: dict[tuple[int, int, int], float],
    levels: np.ndarray | None,
    ridge: float,
) -> _Step | None:
    """One quadratic program in (price change, member surplus, activity surplus)."""
    n_rows = len(program.rows)
    scale = max(abs(at.value), 1e-6 * program.at_stake, 1e-300)
    hessian = np.zeros((n_rows, n_rows))
    pairs = _gather(program, at, pool, shares, hessian)
    unit = program.unit_profit(at.duals)
    gradient = program.capacity.copy()
    reference, r, weight_of_row = _scales(program, at, pairs, scale)
    # where nothing is to be had, many prices keep everyone out: the least is the next unit's
    barred = (program.capacity == 0) & np.array([not a for a in program.row_activities], bool)
    gradient[barred] += _HAIR * np.asarray(abs(pairs.use) @ pairs.rate).ravel()[barred]
    ratio_rows = _term_tangents(program, unit, levels, gradient, hessian)

    # rows and activities that the model knows: the others follow (see ``settled``)
    touched = np.asarray(abs(pairs.use).sum(axis=1)).ravel() > 0
    idle = np.zeros(len(program.activities), bool)
    for i, rows, _ in program.suppliers:
        others = [
            j for r in rows for j in program.row_activities[r] if j != i and not program.supplier[j]
        ]
        idle[i] = not touched[rows].any() and not others
    rows_idle = np.zeros(n_rows, bool)
    for i, rows, _ in program.suppliers:
        rows_idle[rows] |= idle[i]
    free = np.flatnonzero(~rows_idle)

    # members: those with one arm in the pool and a surplus that cannot vanish are linear
    width = max(len(s.rate) for s in program.streams)
    key = pairs.stream * width + pairs.member
    unique, first, group, counts = np.unique(
        key, return_index=True, return_inverse=True, return_counts=True
    )
    owner, who = pairs.stream[first], pairs.member[first]
    decline = np.array(
        [-program.streams[o].decline_cost[k] for o, k in zip(owner, who, strict=True)]
    )
    top = np.full(len(unique), -np.inf)
    np.maximum.at(top, group, pairs.profit)
    top = np.maximum(top, decline)
    room = np.zeros(len(unique))
    np.maximum.at(room, group, pairs.moved)
    split = (counts > 1) | (np.isfinite(decline) & (top - decline <= 0.5 * room))
    single = ~split[group]
    gradient -= np.asarray(pairs.use[:, single] @ pairs.rate[single]).ravel()

    r = r[free]
    kept = np.flatnonzero(program.linear & ~idle)
    upper = program.upper[kept]
    bounded = np.flatnonzero(np.isfinite(upper) & ~program.loose[kept])
    n_d, n_s, n_b = len(free), int(split.sum()), len(bounded)
    h = hessian[np.ix_(free, free)] * np.outer(r, r) / scale
    h[np.diag_indices(n_d)] += ridge * weight_of_row[free] + 1e-15
    zero = sp.csc_matrix((n_s + n_b, n_s + n_b))
    p = sp.block_diag([sp.csc_matrix(np.triu(h)), zero], format="csc")
    q = np.concatenate(
        [gradient[free] * r / scale, np.ones(n_s), (upper / reference[kept])[bounded]]
    )

    system = _Rows(n_d, n_s, n_b)
    tied = np.flatnonzero(~single)
    at_split = np.cumsum(split) - 1
    w = pairs.rate[tied] / scale
    tangent = sp.diags(-w) @ pairs.use[free][:, tied].T @ sp.diags(r)
    system.add(w * (top[group[tied]] - pairs.profit[tied]), d=tangent, s=at_split[group[tied]])
    may = np.flatnonzero(split & np.isfinite(decline))
    weight = np.array(
        [program.streams[o].rate[k] for o, k in zip(owner[may], who[may], strict=True)]
    )
    system.add(weight / scale * (top - decline)[may], s=at_split[may])
    slope = sp.diags(-reference[kept] / scale) @ program.use[free][:, kept].T @ sp.diags(r)
    surplus = np.full(len(kept), -1)
    surplus[bounded] = np.arange(n_b)
    system.add(-(reference * unit / scale)[kept], d=slope, b=surplus)
    system.add(np.zeros(n_b), b=np.arange(n_b))
    t_reference = np.array([scale / max(size, 1e-300) for _, _, _, size in ratio_rows])
    if ratio_rows:
        g = np.array([slope_ for _, slope_, _, _ in ratio_rows])[:, free]
        v = np.array([value for _, _, value, _ in ratio_rows])
        system.add(
            -v * t_reference / scale, d=sp.csr_matrix(g * (t_reference / scale)[:, None] * r)
        )
    system.add(at.duals[free] / r, d=-sp.identity(n_d))

    matrix, right = system.stacked()
    if not all(np.all(np.isfinite(v)) for v in (p.data, q, matrix.data, right)):
        return None
    answer = _quadratic(p, q, matrix, right)
    if answer is None:
        return None
    x, z = answer
    z_tied, _, z_act, _, z_ratio = np.split(
        z[: -n_d if n_d else None],
        np.cumsum([len(tied), len(may), len(kept), n_b]),
    )
    duals = at.duals.copy()
    duals[free] = np.maximum(duals[free] + r * x[:n_d], 0.0)
    decrease = -scale * float(q @ x + 0.5 * x[:n_d] @ (h @ x[:n_d]))
    shared = {
        (int(pairs.stream[j]), int(pairs.member[j]), int(pairs.arm[j])): 1.0
        for j in np.flatnonzero(single)
    }
    for j, value in zip(tied, z_tied, strict=True):
        shared[(int(pairs.stream[j]), int(pairs.member[j]), int(pairs.arm[j]))] = float(value)
    levels = np.zeros(len(program.activities))
    levels[kept] = z_act * reference[kept]
    unit = program.unit_profit(duals)
    for t in program.terms:
        if isinstance(t.cost, SquareCost):
            y = t.activities[0]
            levels[y] = float(t.cost.best_response(unit[y], program.upper[y]))
    for (t, _, _, _), ref, value in zip(ratio_rows, t_reference, z_ratio, strict=True):
        y, n = t.activities
        levels[y] = value * ref
        levels[n] = levels[y] * t.cost.ray(t.n_price(unit))[0]
    return _Step(duals, decrease, shared, levels, idle)


def _scales(
    program: Program, at: Pricing, pairs: _Pairs, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(typical level of every activity, typical price change of every row, its weight).

    Every variable of the quadratic program is then money over the dual: a row by what
    flows through it, an activity by what its unit costs; where nothing flows or nothing is
    paid, by what its neighbours say.
    """
    use = abs(program.use).tocoo()

    def largest(axis: int, weight: np.ndarray) -> np.ndarray:
        """Along rows (0) or activities (1), the largest weighted use over the dual."""
        out = np.zeros(use.shape[axis])
        at, other = (use.row, use.col) if axis == 0 else (use.col, use.row)
        np.maximum.at(out, at, use.data * weight[other] / scale)
        return out

    def inverse(x: np.ndarray, otherwise: float) -> np.ndarray:
        return np.where(x > 0, 1.0 / np.where(x > 0, x, 1.0), otherwise)

    gross = np.abs(program.capacity) + np.asarray(abs(pairs.use) @ pairs.rate).ravel()
    priced = np.abs(program.cost) + np.asarray(abs(program.use).T @ at.duals).ravel()
    own = program.cost != 0  # prices may vanish, a cost does not
    level = np.where(own, scale / np.where(own, priced, 1.0), 0.0)
    row = np.minimum(scale * inverse(gross, np.inf), inverse(largest(0, level), np.inf))
    known = np.where(np.isfinite(row), row, 0.0)
    level = np.where(own, level, inverse(largest(1, known), 1.0))
    row = np.where(np.isfinite(row), row, inverse(largest(0, level), 1.0))
    # what a typical change of the row's price moves, as a share of the dual
    return level, row, np.maximum(gross * row / scale, 1e-9)


class _Rows:
    """Rows of A x ≤ b over the three kinds of variable: price change d, surpluses s and b."""

    def __init__(self, n_d: int, n_s: int, n_b: int):
        self.sizes, self.left, self.right = (n_d, n_s, n_b), [], []

    def add(self, right: np.ndarray, d=None, s=None, b=None) -> None:
        """Rows d·x_d − x_s[s] − x_b[b] ≤ right; index -1 for no such variable."""
        n = len(right)
        blocks = [sp.csr_matrix((n, self.sizes[0])) if d is None else sp.csr_matrix(d)]
        for index, size in ((s, self.sizes[1]), (b, self.sizes[2])):
            index = np.full(n, -1) if index is None else np.asarray(index)
            at = np.flatnonzero(index >= 0)
            blocks.append(sp.csr_matrix((-np.ones(len(at)), (at, index[at])), shape=(n, size)))
        self.left.append(sp.hstack(blocks))
        self.right.append(right)

    def stacked(self) -> tuple[sp.csc_matrix, np.ndarray]:
        """(A, b)."""
        return sp.csc_matrix(sp.vstack(self.left)), np.concatenate(self.right)


solver: Any = _clarabel  # its compiled module carries no types


def _quadratic(p, q, a, b) -> tuple[np.ndarray, np.ndarray] | None:
    """Min ½x'Px + q'x, Ax ≤ b: (x, multipliers), or None if it came to nothing."""
    settings = solver.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-12
    settings.reduced_tol_gap_abs = settings.reduced_tol_gap_rel = 1e-6
    settings.reduced_tol_feas = 1e-6
    cones = [solver.NonnegativeConeT(a.shape[0])]
    solution = solver.DefaultSolver(p, q, a, b, cones, settings).solve()
    x, z = np.array(solution.x), np.array(solution.z)
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(z))):
        return None
    if str(solution.status) not in ("Solved", "AlmostSolved"):
        if max(solution.r_prim, solution.r_dual) > 1e-5:
            return None
    return x, z


def _add_curvature(hessian, stream: Stream, columns, weight: np.ndarray, n_rows: int) -> None:
    """Add Σ weight · B' C B of the columns, B the rows used per unit of each quantity."""
    used = weight > 0
    if not used.any():
        return
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


def _term_tangents(
    program: Program,
    unit: np.ndarray,
    levels: np.ndarray | None,
    gradient: np.ndarray,
    hessian: np.ndarray,
) -> list[tuple]:
    """Square terms go into gradient and curvature; ratio terms become tangent rows.

    A ratio term's unit profit is value_y − √(2·weight·price_n), convex in the prices.
    Returns (term, slope, value, size) for each.
    """
    rows = []
    for t in program.terms:
        y = t.activities[0]
        g_y = program.use[:, [y]].toarray().ravel()
        if isinstance(t.cost, SquareCost):
            gradient -= g_y * float(t.cost.best_response(unit[y], program.upper[y]))
            hessian += np.outer(g_y, g_y) / t.cost.weight * float(unit[y] >= 0)
            continue
        n = t.activities[1]
        g_n = program.use[:, [n]].toarray().ravel()
        price = t.n_price(unit)
        root = np.sqrt(2.0 * t.cost.weight * price)
        if levels is not None:
            hessian += levels[y] * 0.25 * root / price**2 * np.outer(g_n, g_n)
        rows.append((t, -g_y - 0.5 * root / price * g_n, unit[y] - root, max(root, abs(unit[y]))))
    return rows
