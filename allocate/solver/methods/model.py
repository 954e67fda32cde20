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

import numpy as np
import scipy.sparse as sp

from allocate.models.program import Program
from allocate.solver.methods.cuts import Cut, reach, term_tangents
from allocate.solver.methods.near import Members, Pairs, flow_through, gather, members_of
from allocate.solver.methods.pricing import Pool, Pricing
from allocate.solver.methods.quadratic import Rows, least
from allocate.solver.methods.tangents import Tangents
from allocate.solver.methods.units import Units

_HAIR = 1e-6  # of a row that nothing may use is taken to be free


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
    pairs = gather(program, at, pool, hessian, others)
    members = members_of(program, pairs)
    gradient = program.capacity - pairs.use @ np.where(members.tied[pairs.member], 0.0, pairs.rate)
    if at.bulk is not None:
        gradient = gradient - at.bulk.use
        hessian += at.bulk.hessian
    flow = flow_through(pairs, at)
    # where nothing is to be had, many prices keep everyone out: the least is the next unit's
    barred = (program.capacity == 0) & np.array([not a for a in program.row_activities], bool)
    gradient[barred] += _HAIR * flow[barred]
    unit = program.unit_profit(at.duals)
    cuts = term_tangents(program, unit, levels, gradient, hessian)
    units = Units.of(program, at, flow, pairs, scale)
    idle = _idle(program, flow)
    problem = _Problem(program, at, pairs, members, units, cuts, idle)
    return problem.solve(gradient, hessian, ridge)


def _idle(program: Program, flow: np.ndarray) -> np.ndarray:
    """[activities] supply that nobody in the model asks for: it follows (see ``settled``)."""
    idle = np.zeros(len(program.activities), bool)
    for i, rows, _ in reversed(program.suppliers):  # who is supplied stands after its supplier
        idle[i] = not np.any(flow[rows] > 0) and not any(
            j != i and not idle[j] for r in rows for j in program.row_activities[r]
        )
    return idle


class _Problem:
    """The quadratic program: variables d, s (tied members), b (bounded activities)."""

    def __init__(
        self,
        program: Program,
        at: Pricing,
        pairs: Pairs,
        members: Members,
        units: Units,
        cuts: list[Cut],
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
        answer = least(quadratic, linear, matrix, right)
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
        limit = np.minimum(price, reach(self.cuts)[free]) if self.cuts else price
        bent = np.sqrt(hessian[free, free] / self.units.scale) * limit
        return limit / price / np.maximum(bent, 1.0)

    def _rows(self, n_d: int, n_s: int, n_b: int) -> Rows:
        program, units, pairs, members = self.program, self.units, self.pairs, self.members
        free, scale, kept, tied = self.free, self.units.scale, self.kept, self.tied
        per_price = sp.diags(self.price)
        rows = Rows(n_d, n_s, n_b)
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
