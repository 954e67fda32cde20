"""Primal recovery: a feasible allocation from prices.

Every near-tied arm gets the tokens that are best at the prices, so the first-order
conditions hold by construction; a linear program then splits members over their arms and
sets the activities, inside every row. Its value is judged against the exact dual.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from allocate.models.merging import merged
from allocate.models.program import Allocation, Program
from allocate.models.stream import Columns, Flows, Stream
from allocate.solver.certificate import row_scales
from allocate.solver.highs import vertex

_DUSTY = 1e-8  # an excess that is looked into
_DUST = (1e-10, 1e-9, 1e-8, 1e-7)  # shares of the welfare that may be dust, least first
_BEST = 3  # arms that say how much money a member moves
_WINDOWS = (  # of near ties, and by what share rows may be exceeded: as little as will do
    (0.0, 0.0),
    (1e-4, 0.0),
    (0.0, 1e-9),
    (1e-4, 1e-9),
    (1e-2, 1e-9),
    (10.0, 1e-8),
)
_TANGENTS = 12  # rounds of tangents to the square terms


class Recovered(NamedTuple):
    """An allocation, and what the linear program that found it would pay for each row."""

    allocation: Allocation
    prices: np.ndarray


def recover(
    program: Program,
    duals: np.ndarray,
    profits: list[np.ndarray],
    levels: np.ndarray | None,
    window: float = 1e-6,
) -> Recovered | None:
    """Best feasible allocation over the near-tied arms; None if there is none.

    ``levels`` says where to look first at activities with convex costs; ``window`` is
    widened until the linear program is feasible, and rows give a billionth: a member that
    must be served on one arm fits a full row only up to rounding.
    """
    for least, give in _WINDOWS:
        widened = max(window, least)
        ratios = None
        for _ in range(3 if _in_proportion(program, duals) else 1):
            columns = [
                stream.columns(duals, *near_ties(stream, own, duals, widened))
                for stream, own in zip(program.streams, profits, strict=True)
            ]
            with np.errstate(over="ignore", invalid="ignore"):  # tokens without end: no program
                splitting = Splitting(program, duals, columns, ratios, give)
            found = splitting.solve(levels)
            if found is None:
                break
            recovered = found._replace(allocation=_tidy(program, found.allocation, duals))
            levels = recovered.allocation.levels
            ratios = _ratios(program, levels)
        else:
            return recovered
    return None


def _tidy(program: Program, allocation: Allocation, duals: np.ndarray) -> Allocation:
    """Without the dust that a linear program leaves, where the dust breaks a row.

    What moves next to no money may still be far too much for a row through which nothing
    else flows.
    """
    before = excess(program, allocation)
    if before <= _DUSTY:
        return allocation
    size = max(abs(program.welfare(allocation)), program.at_stake)
    best, least = allocation, before
    for dust in _DUST:
        clean = _without(program, allocation, duals, dust * size)
        over = excess(program, clean)
        if over < least:
            best, least = clean, over
        if least <= _DUSTY:
            break
    return best


def _without(
    program: Program, allocation: Allocation, duals: np.ndarray, little: float
) -> Allocation:
    """Without what moves less money than that, USD per hour."""
    worth = np.abs(program.cost) + abs(program.use).T @ duals
    levels = np.where(allocation.levels * worth > little, allocation.levels, 0.0)
    flows = []
    for stream, f in zip(program.streams, allocation.flows, strict=True):
        must = ~np.isfinite(stream.decline_cost[f.member])
        moved = stream.moved(stream.columns(duals, f.member, f.arm))
        flows.append(Flows(*(x[must | (f.requests * moved > little)] for x in f)))
    return Allocation(tuple(flows), levels)


def excess(program: Program, allocation: Allocation, besides: np.ndarray | float = 0.0) -> float:
    """Largest use over the capacity of a row, relative to what flows through it.

    ``besides`` [rows] flows there too, and the capacities are what it leaves.
    """
    scales = np.maximum(row_scales(program, allocation), np.abs(besides))
    over = program.usage(allocation) - program.capacity
    return float(np.max(over / np.maximum(scales, 1e-300), initial=0.0))


def shortcoming(program: Program, dual: float, allocation: Allocation | None) -> float:
    """The larger of what an allocation falls short of the dual and what it exceeds a row by.

    Both are shares. An allocation that is worth more than the dual exceeds some row.
    """
    if allocation is None:
        return np.inf
    short = abs(dual - program.welfare(allocation)) / program.scale(dual)
    return max(short, excess(program, allocation))


class Splitting:
    """The linear program over shares of members and levels of activities.

    ``columns``: by stream, the ways that members may be served, with their tokens; a member
    may have several on one arm. ``give``: by what share a row may be exceeded.
    Square terms enter by tangents, added where the answer lies until they fit; ratio terms
    as fixed proportions at their best response to the prices.
    """

    def __init__(
        self,
        program: Program,
        duals: np.ndarray,
        columns: list[Columns],
        ratios: dict[int, float] | None = None,
        give: float = 0.0,
    ):
        self.program = program
        n_rows = len(program.rows)
        payoff, use, shares, forced, units = [], [], [], [], []
        self.pairs = []
        for stream, ways in zip(program.streams, columns, strict=True):
            member, arm = ways.member, ways.arm
            own = stream.pair_prices(np.zeros(n_rows), member, arm)
            decline = np.where(np.isfinite(stream.decline_cost), stream.decline_cost, 0.0)
            rate = stream.rate[member]
            self.pairs.append((member, arm, ways.amounts[:, 1:-2]))
            uses = stream.row_use(member, arm, ways.amounts, n_rows) @ sp.diags(rate)
            unit = np.where(np.isfinite(stream.decline_cost[member]), _attainable(program, uses), 1)
            units.append(unit)
            payoff.append(unit * rate * (decline[member] - (own * ways.amounts).sum(axis=1)))
            use.append(uses @ sp.diags(unit))
            present, index = np.unique(member, return_inverse=True)
            shape = (len(present), len(member))
            shares.append(sp.csr_matrix((unit, (index, np.arange(len(member)))), shape=shape))
            forced.append(~np.isfinite(stream.decline_cost[present]))
        unit = program.unit_profit(duals)
        self.squares = [t for t in program.terms if not t.pieces(unit)]
        self.unit = _level_scales(program, use)
        self.rays = _rays(program, duals, ratios or {})
        fan_cost, fan_use, self.fan_unit = _fan(program, self.rays, self.unit)
        self.share = np.concatenate(units)
        self.n_x, n_act = sum(len(m) for m, _, _ in self.pairs), len(program.activities)
        n_more = len(self.rays) + len(self.squares)  # one epigraph variable a square term
        act_use = program.use @ sp.diags(self.unit)
        epigraphs = sp.csr_matrix((n_rows, len(self.squares)))
        rows = sp.hstack([*use, act_use, fan_use, epigraphs]).tocsr()
        largest = abs(rows).max(axis=1).toarray().ravel() if rows.nnz else np.zeros(n_rows)
        # the solver's tolerance is a share of a row's size: of what flows there, if that is known
        flows = np.asarray(abs(sp.hstack(use)).sum(axis=1)).ravel()
        size = np.maximum(np.abs(program.capacity), np.where(flows > 0, flows, largest))
        size = self.size = np.where(size > 0, size, 1.0)
        split = sp.hstack(
            [sp.block_diag(shares), sp.csr_matrix((sum(map(len, forced)), n_act + n_more))]
        )
        split, must = split.tocsr(), np.concatenate(forced)
        self.objective = np.concatenate(
            [*payoff, -program.cost * self.unit, -fan_cost, np.zeros(len(self.squares))]
        )
        self.money = max(np.abs(self.objective).max(initial=0.0), 1e-300)
        self.objective[len(self.objective) - len(self.squares) :] = -self.money
        self.above = sp.vstack([sp.diags(1.0 / size) @ rows, split[~must]]).tocsr()
        self.limit = np.concatenate([program.capacity / size + give, np.ones((~must).sum())])
        self.equal, self.forced = split[must], int(must.sum())
        self.high = np.concatenate(
            [np.ones(self.n_x), program.upper / self.unit, np.full(n_more, np.inf)]
        )
        for y, n, *_ in self.rays:
            self.high[self.n_x + np.array([y, n])] = 0.0  # the fan stands for them

    def solve(self, levels: np.ndarray | None) -> Recovered | None:
        """The best allocation, or None if there is none."""
        if not len(self.objective):
            return Recovered(self._allocation(np.zeros(0)), np.zeros(len(self.program.rows)))
        at = np.array([[t.activities[0] for t in self.squares]], int).ravel()
        found = None
        points = [np.zeros(len(at))]
        if levels is not None:
            points += [f * levels[at] for f in (0.5, 0.9, 0.99, 1.0, 1.01, 1.1, 2.0)]
        for _ in range(_TANGENTS if len(at) else 1):
            found = self._linear_program(at, points)
            if found is None:
                return None
            x = found[0]
            y = x[self.n_x + at] * self.unit[at]
            costs = [float(t.cost.value(v)) for t, v in zip(self.squares, y, strict=True)]
            short = np.array(costs) / self.money - x[len(x) - len(at) :]
            if np.all(short <= 1e-12):
                break
            points.append(y)
        return None if found is None else Recovered(self._allocation(found[0]), found[1])

    def _linear_program(
        self, at: np.ndarray, points: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Solve with tangent planes to the squares at the points: g·y − c ≤ epigraph."""
        above, limit = [self.above], [self.limit]
        first = len(self.objective) - len(at)
        for y in points if len(at) else []:
            planes = [t.cost.plane(np.array([v])) for t, v in zip(self.squares, y, strict=True)]
            slope = np.array([g[0] for g, _ in planes]) / self.money
            offset = np.array([c for _, c in planes]) / self.money
            j = np.arange(len(at))
            data = np.concatenate([slope * self.unit[at], -np.ones(len(at))])
            index = (np.tile(j, 2), np.concatenate([self.n_x + at, first + j]))
            above.append(sp.csr_matrix((data, index), shape=(len(at), len(self.objective))))
            limit.append(offset)
        a_ub, b_ub = sp.vstack(above).tocsr(), np.concatenate(limit)
        if not (np.all(np.isfinite(self.objective)) and np.all(np.isfinite(a_ub.data))):
            return None  # tokens without end: there is no such program
        answer = vertex(-self.objective / self.money, a_ub, b_ub, self.high, self.equal)
        if answer is None:
            return None
        prices = np.zeros(len(self.size))
        if len(b_ub):
            prices = answer.prices[: len(self.size)] * self.money / self.size
        return np.clip(answer.x, 0.0, self.high), prices

    def _allocation(self, x: np.ndarray) -> Allocation:
        flows, at = [], 0
        for stream, (member, arm, tokens) in zip(self.program.streams, self.pairs, strict=True):
            solved = x[at : at + len(member)]
            part = solved * self.share[at : at + len(member)]
            at += len(member)
            total = np.bincount(member, part, len(stream.rate))[member]
            forced = ~np.isfinite(stream.decline_cost)[member]
            part = part / np.where(forced | (total > 1.0), np.maximum(total, 1e-300), 1.0)
            keep = solved > 1e-12
            requests = part[keep] * stream.rate[member[keep]]
            flows.append(merged(stream, Flows(member[keep], arm[keep], requests, tokens[keep])))
        found = x[self.n_x : self.n_x + len(self.unit)] * self.unit
        fan = x[self.n_x + len(self.unit) :][: len(self.rays)] * self.fan_unit
        for (y, n, per_unit, _), level in zip(self.rays, fan, strict=True):
            found[y] += level
            found[n] += level * per_unit
        return Allocation(tuple(flows), found)


def _attainable(program: Program, use: sp.csc_matrix) -> np.ndarray:
    """[columns] the share of its member that each can serve alone, by what nothing adds to.

    A linear program sees no share of a billionth; in this unit all that can be had is near 1.
    """
    made = sum(np.asarray(u.minimum(0.0).sum(axis=1)).ravel() for u in (program.use, use)) < 0
    rows = np.flatnonzero((program.capacity > 0) & ~made)
    if not len(rows):
        return np.ones(use.get_shape()[1])
    most = (sp.diags(1.0 / program.capacity[rows]) @ use[rows]).max(axis=0)
    return 1.0 / np.maximum(most.toarray().ravel(), 1.0)


def _in_proportion(program: Program, duals: np.ndarray) -> bool:
    """Whether some convex term enters by fixed proportions of its two activities."""
    unit = program.unit_profit(duals)
    return any(t.pieces(unit) for t in program.terms)


def _ratios(program: Program, levels: np.ndarray) -> dict[int, float]:
    """Second level over the first of every term of two activities in use, by its first."""
    pairs = [t.activities for t in program.terms if len(t.activities) == 2]
    return {y: levels[n] / levels[y] for y, n in pairs if levels[y] > 0 and levels[n] > 0}


def _rays(
    program: Program, duals: np.ndarray, ratios: dict[int, float]
) -> list[tuple[int, int, float, float]]:
    """(y, n, n per unit of y, cost of a unit of y) on a fan of ratios.

    The fan is wide around the best ratio at the prices, or narrow around one found before.
    A split over the fan costs at least what its mean does, so it errs on the safe side.
    """
    unit, out = program.unit_profit(duals), []
    for t in program.terms:
        for ray in t.pieces(unit, ratios.get(t.activities[0])):
            y, n = t.activities
            out.append((y, n, float(ray.levels[1]), ray.cost))
    return out


def _fan(
    program: Program, rays: list[tuple[int, int, float, float]], unit: np.ndarray
) -> tuple[np.ndarray, sp.csc_matrix, np.ndarray]:
    """Costs and uses of the rays, in units of y."""
    cost, columns, units = [], [], []
    for y, n, per_unit, own in rays:
        units.append(unit[y])
        cost.append(unit[y] * (own + program.cost[y] + per_unit * program.cost[n]))
        columns.append(unit[y] * (program.use[:, [y]] + per_unit * program.use[:, [n]]))
    use = sp.hstack(columns) if columns else sp.csc_matrix((len(program.rows), 0))
    return np.array(cost, float), sp.csc_matrix(use), np.array(units, float)


def near_ties(
    stream: Stream, profits: np.ndarray, duals: np.ndarray, window: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (member, arm) whose profit is near the member's best, or better than declining.

    Near means within ``window`` times the money that a request moves on one of its best
    arms: the very best may move none, and the next get what it costs from a row.
    """
    reachable = profits.max(axis=1, initial=-np.inf)
    best = np.maximum(reachable, -stream.decline_cost)
    active = np.flatnonzero((stream.rate > 0) & np.isfinite(reachable))
    if not active.size:
        return np.zeros(0, int), np.zeros(0, int)
    top = np.argsort(-profits[active], axis=1)[:, :_BEST]
    columns = stream.columns(duals, np.repeat(active, top.shape[1]), top.ravel())
    opened = np.isfinite(np.take_along_axis(profits[active], top, axis=1))
    moved = np.where(opened, stream.moved(columns).reshape(top.shape), 0.0).max(axis=1)
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
