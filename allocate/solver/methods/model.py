"""The quadratic program of one Newton step on the dual, and its multipliers.

In units where every price change, surplus and multiplier is near one:

    min   ½ d'Hd + g'd + Σ_tied s_k + Σ_bounded b_i        (d the prices' change)
    s.t.  s_k ≥ rate_k · (profit of each near-best arm, linear in d),   s_k ≥ that of declining
          b_i ≥ upper_i · (unit profit of activity i, linear in d),     b_i ≥ 0
          unit profit of an unbounded activity ≤ 0,    prices ≥ 0

Members with one arm near their best are linear and stand in g. The multiplier of an arm's
row is the share of its member that it gets, that of an activity its level.

A member that is served in part is bent as its share says, yet counts in full as soon as the
step leaves its tie: then a step along the tie raises the dual by what the tangent misses (the
effect of Maratos). Tangents taken where such a step led to (``Tangents``) are rows as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import clarabel as _clarabel
import numpy as np
import scipy.sparse as sp

from allocate.models.program import Program, Term
from allocate.models.stream import Columns
from allocate.solver.methods.curvature import add_curvature
from allocate.solver.methods.pricing import Pool, Pricing

_HAIR = 1e-6  # of a row that nothing may use is taken to be free
_NOTHING = 1e-100  # of a row's own unit: no unit of a price is to be told from such a flow
solver: Any = _clarabel  # its compiled module carries no types


@dataclass
class Step:
    """Where the step leads, what it promises, and the primal answer that it implies.

    ``shares``: by stream, of the pool's pairs; ``levels`` and ``idle`` [activities].
    """

    duals: np.ndarray
    decrease: float
    shares: list[np.ndarray]
    levels: np.ndarray
    idle: np.ndarray


@dataclass
class Tangents:
    """Some pairs of a stream at other prices: their codes in the pool, and their columns.

    ``profit`` [n] is what the tangents come to where all prices are 0.
    """

    codes: np.ndarray
    columns: Columns
    profit: np.ndarray
    use: sp.csc_matrix

    @classmethod
    def missed(
        cls, program: Program, at: Pricing, pool: Pool, trial: np.ndarray, worth: float
    ) -> list[Tangents]:
        """By stream, those at a trial that tell more than the ones at hand, by USD per hour."""
        out = []
        for i, stream in enumerate(program.streams):
            who, arm = pool.pairs(program, i)
            here, there = (stream.columns(d, who, arm) for d in (at.duals, trial))
            use = stream.row_use(who, arm, here.amounts, len(program.rows))
            error = there.profit - (here.profit - use.T @ (trial - at.duals))
            place = np.flatnonzero(stream.rate[who] * error > worth)
            columns = Columns(*(c[place] for c in there))
            use = stream.row_use(who[place], arm[place], columns.amounts, len(program.rows))
            codes = pool.codes[i][place]
            out.append(cls(codes, columns, columns.profit + use.T @ trial, use))
        return out


def step(
    program: Program,
    at: Pricing,
    pool: Pool,
    levels: np.ndarray | None,
    ridge: float,
    others: Sequence[list[Tangents]] = (),
) -> Step | None:
    """One step from the prices ``at``; None if the quadratic program came to nothing.

    ``levels`` [activities] of the last step weigh the curvature of convex terms; ``ridge``
    holds the step back, relative to what a typical change of a price moves. ``others`` are
    tangents that were found at other prices, by stream.
    """
    scale = program.scale(at.value)
    hessian = np.zeros((len(program.rows),) * 2)
    pairs = _gather(program, at, pool, hessian, others)
    members = _members(program, pairs)
    gradient = program.capacity - pairs.use @ np.where(members.tied[pairs.member], 0.0, pairs.rate)
    if at.bulk is not None:
        gradient = gradient - at.bulk.use
        hessian += at.bulk.hessian
    flow = _flow(pairs, at)
    # where nothing is to be had, many prices keep everyone out: the least is the next unit's
    barred = (program.capacity == 0) & np.array([not a for a in program.row_activities], bool)
    gradient[barred] += _HAIR * flow[barred]
    unit = program.unit_profit(at.duals)
    cuts = _term_tangents(program, unit, levels, gradient, hessian)
    units = _Units.of(program, at, flow, pairs, scale)
    idle = _idle(program, flow)
    problem = _Problem(program, at, pairs, members, units, cuts, idle)
    return problem.solve(gradient, hessian, ridge)


@dataclass
class _Pairs:
    """Near-best pairs of all streams side by side, with tangents at the current prices.

    ``member`` numbers the members that occur, over all streams; ``place`` is the pair's
    number in its stream's pool: several tangents may be of one pair.
    """

    stream: np.ndarray
    place: np.ndarray
    member: np.ndarray
    who: np.ndarray
    profit: np.ndarray
    rate: np.ndarray
    use: sp.csc_matrix
    moved: np.ndarray


def _gather(
    program: Program,
    at: Pricing,
    pool: Pool,
    hessian: np.ndarray,
    others: Sequence[list[Tangents]],
) -> _Pairs:
    """The pool's pairs; adds the curvature of those in use to the Hessian."""
    parts: list[tuple] = []
    for i, stream in enumerate(program.streams):
        who, arm = pool.pairs(program, i)
        columns = stream.columns(at.duals, who, arm)
        if len(who):
            best = at.profits[i].max(axis=1)[who]
            is_best = columns.profit >= best - 1e-12 * np.abs(best)
            alone = (is_best & (best > -stream.decline_cost[who])).astype(float)
            known = np.bincount(who, pool.shares[i], len(stream.rate))[who] > 1e-6
            held = np.where(known, pool.shares[i], alone)
            add_curvature(hessian, stream, columns, held * stream.rate[who])
        parts.append((i, np.arange(len(who)), columns, columns.profit, None))
    for tangents in others:
        for i, t in enumerate(tangents):
            place = np.searchsorted(pool.codes[i], t.codes)
            parts.append((i, place, t.columns, t.profit - t.use.T @ at.duals, t.use))
    return _side_by_side(program, parts)


def _side_by_side(program: Program, parts: list[tuple]) -> _Pairs:
    """From (stream, places in the pool, columns, profits at the current prices, use if known)."""
    members, arrays = [], []
    for i, place, c, profit, use in parts:
        stream = program.streams[i]
        if use is None:
            use = stream.row_use(c.member, c.arm, c.amounts, len(program.rows))
        members.append((np.full(len(place), i), place, c.member))
        arrays.append((profit, stream.rate[c.member], use, stream.moved(c)))
    streams, place, who = (np.concatenate(x) for x in zip(*members, strict=True))
    profit, rate, use, moved = zip(*arrays, strict=True)
    width = max(len(s.rate) for s in program.streams) or 1
    _, member = np.unique(streams * width + who, return_inverse=True)
    return _Pairs(
        streams,
        place,
        member.astype(int),
        who,
        np.concatenate(profit),
        np.concatenate(rate),
        sp.csc_matrix(sp.hstack(use)),
        np.concatenate(moved),
    )


@dataclass
class _Members:
    """The members of the pairs: what declining brings, the best of all, who is tied."""

    decline: np.ndarray
    rate: np.ndarray
    top: np.ndarray
    tied: np.ndarray


def _members(program: Program, pairs: _Pairs) -> _Members:
    n = int(pairs.member.max(initial=-1)) + 1
    decline, rate = np.full(n, -np.inf), np.zeros(n)
    for i, stream in enumerate(program.streams):
        mine = pairs.stream == i
        decline[pairs.member[mine]] = -stream.decline_cost[pairs.who[mine]]
        rate[pairs.member[mine]] = stream.rate[pairs.who[mine]]
    top, moved = decline.copy(), np.zeros(n)
    np.maximum.at(top, pairs.member, pairs.profit)
    np.maximum.at(moved, pairs.member, pairs.moved)
    several = np.bincount(pairs.member, minlength=n) > 1
    # one arm, and a surplus that no step of a sane size takes away: a straight line
    tied = several | (np.isfinite(decline) & (top - decline <= 0.5 * moved))
    return _Members(decline, rate, top, tied)


def _flow(pairs: _Pairs, at: Pricing) -> np.ndarray:
    """[rows] what would flow through each if every pair served all of its member."""
    flow = np.asarray(abs(pairs.use) @ pairs.rate).ravel()
    return flow if at.bulk is None else flow + np.abs(at.bulk.use)


def _idle(program: Program, flow: np.ndarray) -> np.ndarray:
    """[activities] supply that nobody in the model asks for: it follows (see ``settled``)."""
    idle = np.zeros(len(program.activities), bool)
    for i, rows, _ in reversed(program.suppliers):  # who is supplied stands after its supplier
        idle[i] = not np.any(flow[rows] > 0) and not any(
            j != i and not idle[j] for r in rows for j in program.row_activities[r]
        )
    return idle


@dataclass
class _Units:
    """What every variable is measured in, so that it is money over the dual.

    ``level`` [activities] a typical level, ``price`` [rows] a typical change of a price,
    ``weight`` [rows] what that moves as a share of the dual; ``scale`` the dual, USD/h.
    """

    level: np.ndarray
    price: np.ndarray
    weight: np.ndarray
    scale: float

    @classmethod
    def of(
        cls, program: Program, at: Pricing, flow: np.ndarray, pairs: _Pairs, scale: float
    ) -> _Units:
        """A row by what flows through it, an activity by what its unit costs.

        Where nothing flows or nothing is paid, by what the neighbours say.
        """
        use = abs(program.use).tocoo()

        def largest(axis: int, weight: np.ndarray) -> np.ndarray:
            """Along rows (0) or activities (1), the largest weighted use over the dual."""
            out = np.zeros(use.shape[axis])
            mine, other = (use.row, use.col) if axis == 0 else (use.col, use.row)
            np.maximum.at(out, mine, use.data * weight[other] / scale)
            return out

        def inverse(x: np.ndarray, otherwise: float) -> np.ndarray:
            return np.where(x > 0, 1.0 / np.where(x > 0, x, 1.0), otherwise)

        gross = np.abs(program.capacity) + flow
        gross = np.where(gross > _NOTHING, gross, 0.0)
        priced = np.abs(program.cost) + np.asarray(abs(program.use).T @ at.duals).ravel()
        own = program.cost != 0  # prices may vanish, a cost does not
        level = np.where(own, scale / np.where(own, priced, 1.0), 0.0)
        price = np.minimum(scale * inverse(gross, np.inf), inverse(largest(0, level), np.inf))
        known = np.where(np.isfinite(price), price, 0.0)
        level = np.where(own, level, inverse(largest(1, known), 1.0))
        price = np.where(np.isfinite(price), price, inverse(largest(0, level), 1.0))
        return cls(level, price, np.maximum(gross * price / scale, 1e-9), scale)


class _Problem:
    """The quadratic program: variables d, s (tied members), b (bounded activities)."""

    def __init__(
        self,
        program: Program,
        at: Pricing,
        pairs: _Pairs,
        members: _Members,
        units: _Units,
        cuts: list[_Cut],
        idle: np.ndarray,
    ):
        self.program, self.at, self.pairs, self.units = program, at, pairs, units
        self.members, self.cuts, self.idle = members, cuts, idle
        followers = np.zeros(len(program.rows), bool)
        for i, rows, _ in program.suppliers:
            followers[rows] |= idle[i]
        self.free = np.flatnonzero(~followers)
        self.kept = np.flatnonzero(program.linear & ~idle)
        upper = program.upper[self.kept]
        self.bounded = np.flatnonzero(np.isfinite(upper) & ~program.loose[self.kept])
        self.tied = np.flatnonzero(members.tied[pairs.member])
        self.may_decline = np.flatnonzero(members.tied & np.isfinite(members.decline))
        self.surplus_of = np.cumsum(members.tied) - 1
        self.price = units.price[self.free]

    def solve(self, gradient: np.ndarray, hessian: np.ndarray, ridge: float) -> Step | None:
        """The step, or None where numbers fail."""
        units, free = self.units, self.free
        price, scale = units.price[free], units.scale
        n_d, n_s, n_b = len(free), int(self.members.tied.sum()), len(self.bounded)
        finer = self._finer(hessian)
        price = self.price = price * finer
        curve = hessian[np.ix_(free, free)] * np.outer(price, price) / scale
        curve[np.diag_indices(n_d)] += ridge * units.weight[free] * finer**2 + 1e-15
        full = [sp.csc_matrix(np.triu(curve)), sp.csc_matrix((n_s + n_b, n_s + n_b))]
        cap = self.program.upper[self.kept][self.bounded] / units.level[self.kept][self.bounded]
        linear = np.concatenate([gradient[free] * price / scale, np.ones(n_s), cap])
        rows = self._rows(n_d, n_s, n_b)
        matrix, right = rows.stacked()
        quadratic = sp.csc_matrix(sp.block_diag(full, format="csc"))
        if not all(np.all(np.isfinite(v)) for v in (quadratic.data, linear, matrix.data, right)):
            return None
        answer = _quadratic(quadratic, linear, matrix, right)
        if answer is None:
            return None
        x, multipliers = answer
        change = x[:n_d]
        decrease = -scale * float(linear @ x + 0.5 * change @ (curve @ change))
        duals = self.at.duals.copy()
        duals[free] = np.maximum(duals[free] + price * change, 0.0)
        return Step(duals, decrease, *self._primal(duals, multipliers), self.idle)

    def _finer(self, hessian: np.ndarray) -> np.ndarray:
        """[free] by how much less than its unit a price is to move, in a program with terms.

        Where a term is hardly used it bends, or ends, at a tiny change of a price; in their
        own units the numbers of the quadratic program would be too far apart to solve it.
        """
        free, price = self.free, self.units.price[self.free]
        if not self.program.terms:
            return np.ones(len(free))
        limit = np.minimum(price, _reach(self.cuts)[free]) if self.cuts else price
        bent = np.sqrt(hessian[free, free] / self.units.scale) * limit
        return limit / price / np.maximum(bent, 1.0)

    def _rows(self, n_d: int, n_s: int, n_b: int) -> _Rows:
        program, units, pairs, members = self.program, self.units, self.pairs, self.members
        free, scale, kept, tied = self.free, self.units.scale, self.kept, self.tied
        per_price = sp.diags(self.price)
        rows = _Rows(n_d, n_s, n_b)
        owner = pairs.member[tied]
        weight = pairs.rate[tied] / scale
        rows.add(
            weight * (members.top[owner] - pairs.profit[tied]),
            d=sp.diags(-weight) @ pairs.use[free][:, tied].T @ per_price,
            s=self.surplus_of[owner],
        )
        some = self.may_decline
        rows.add(
            members.rate[some] / scale * (members.top - members.decline)[some],
            s=self.surplus_of[some],
        )
        unit = program.unit_profit(self.at.duals)[kept]
        level = units.level[kept]
        surplus = np.full(len(kept), -1)
        surplus[self.bounded] = np.arange(n_b)
        rows.add(
            -level * unit / scale,
            d=sp.diags(-level / scale) @ program.use[free][:, kept].T @ per_price,
            b=surplus,
        )
        rows.add(np.zeros(n_b), b=np.arange(n_b))
        if self.cuts:
            slopes = np.array([r.slope[free] / r.size for r in self.cuts])
            values = np.array([r.value / r.size for r in self.cuts])
            rows.add(-values, d=sp.csr_matrix(slopes) @ per_price)
        rows.add(self.at.duals[free] / self.price, d=-sp.identity(n_d))
        return rows

    def _primal(
        self, duals: np.ndarray, multipliers: np.ndarray
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """(shares of the pool's pairs by stream, levels of the activities)."""
        program, units = self.program, self.units
        sizes = [len(self.tied), len(self.may_decline), len(self.kept), len(self.bounded)]
        of_tied, _, of_kept, _, rest = np.split(multipliers, np.cumsum(sizes))
        share = np.ones(len(self.pairs.member))
        share[self.tied] = of_tied
        shares = []
        for i in range(len(program.streams)):
            mine = self.pairs.stream == i
            shares.append(np.bincount(self.pairs.place[mine], share[mine]))
        levels = np.zeros(len(program.activities))
        levels[self.kept] = of_kept * units.level[self.kept]
        unit = program.unit_profit(duals)
        amount = {id(c.term): m / c.size for c, m in zip(self.cuts, rest, strict=False)}
        for t in program.terms:
            cut = t.tangent(unit, None, program.upper).cut
            best = t.best(unit, program.upper)
            mine = best if cut is None else amount[id(t)] * units.scale * cut.mix
            levels[list(t.activities)] = mine
        return shares, levels


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


@dataclass
class _Cut:
    """A convex term that is all or nothing: what may not be positive, with its slope [rows]."""

    term: Term
    slope: np.ndarray
    value: float
    size: float


def _reach(cuts: Sequence[_Cut]) -> np.ndarray:
    """[rows] the change of a price that moves some cut by its size."""
    slope = np.max([np.abs(c.slope) / c.size for c in cuts], axis=0)
    return 1.0 / np.maximum(slope, 1e-300)


def _term_tangents(
    program: Program,
    unit: np.ndarray,
    levels: np.ndarray | None,
    gradient: np.ndarray,
    hessian: np.ndarray,
) -> list[_Cut]:
    """Slope and curvature of the terms' profits go into the objective, cuts become rows."""
    cuts = []
    for t in program.terms:
        use = program.use[:, list(t.activities)].toarray()  # a price lowers unit profits by it
        tangent = t.tangent(unit, levels, program.upper)
        gradient -= use @ tangent.gradient
        hessian += use @ tangent.hessian @ use.T
        if tangent.cut is not None:
            value, slope, size, _ = tangent.cut
            cuts.append(_Cut(t, -use @ slope, value, max(size, abs(value), 1e-300)))
    return cuts
