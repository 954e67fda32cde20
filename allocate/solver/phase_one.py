"""The least that the limits of a program must give, so that an allocation exists.

The same program with every price of its own at zero and an escape from every limit, at a cost
of 1 for the limit's size. Its dual value at *any* prices bounds the give from below, so a
bound above zero proves that the limits contradict each other (Farkas), whatever found it. A
small program is solved as a linear program over bundles of tokens, with the best responses to
its prices added until primal and dual meet; a large one by Newton.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from allocate.models.program import Activity, Program
from allocate.models.stream import Stream
from allocate.solver.certificate import certify, dual_bound
from allocate.solver.highs import vertex
from allocate.solver.methods.newton import Result
from allocate.solver.methods.prices import solve_prices
from allocate.solver.methods.start import first_prices, settled

LEAST = 1e-7  # gives and prices below this are rounding
_SAMPLE = 200  # members that tell what a row is used by
_MOST = 1e4  # times its size: no limit has to give more
_SMALL = 100_000  # pairs of member and arm that a linear program takes at once
_ROUNDS = 40
_CLOSE = 1e-4  # of the give: primal and dual have met

Solve = Callable[[Program, np.ndarray], Result]


@dataclass(frozen=True)
class Give:
    """What phase one found.

    ``bound`` is proved by ``duals``: no allocation gives less in all. ``gives`` [rows] is what
    each row gives, in its own unit, and ``levels`` the activities, in the best allocation
    found; None where that is not near the bound. ``weight`` [rows]: price times size.
    """

    bound: float
    duals: np.ndarray
    weight: np.ndarray
    gives: np.ndarray | None
    levels: np.ndarray | None


@dataclass(frozen=True)
class _Relaxed:
    """Phase one's program; ``limits`` are the rows with an escape, in the order of the escapes."""

    program: Program
    limits: np.ndarray
    sizes: np.ndarray

    @property
    def first(self) -> int:
        """Number of the first escape among the activities."""
        return len(self.program.activities) - len(self.limits)

    def give(self, duals: np.ndarray, levels: np.ndarray | None, bound: float) -> Give:
        """As found, with gives by row."""
        gives = None
        if levels is not None:
            gives = np.zeros(len(self.sizes))
            gave = levels[self.first :]
            gives[self.limits] = np.where(gave > LEAST, gave * self.sizes[self.limits], 0.0)
        weight = np.zeros(len(self.sizes))
        weight[self.limits] = (duals * self.sizes)[self.limits]
        return Give(bound, duals, weight, gives, levels)


def least_give(program: Program, tolerance: float, solve: Solve = solve_prices) -> Give | None:
    """The proved least give, or None where none larger than the tolerance is proved."""
    relaxed = _phase_one(program)
    pairs = sum(s.menu[s.group].sum() for s in program.streams)
    if pairs <= _SMALL:
        told, found = _by_bundles(relaxed, tolerance)
        if told:
            return found
    result = solve(relaxed.program, first_prices(relaxed.program))
    duals = result.duals
    if not np.all(np.isfinite(duals) & (duals >= 0)):
        return None
    bound = -dual_bound(relaxed.program, duals)
    if not bound > tolerance:
        return None
    levels = None
    if result.allocation is not None:
        judged = certify(relaxed.program, result.allocation, duals, max(tolerance, LEAST))
        levels = result.allocation.levels if judged.holds else None
    return relaxed.give(duals, levels, bound)


# --- a linear program over bundles ------------------------------------------------------------


def _by_bundles(relaxed: _Relaxed, tolerance: float) -> tuple[bool, Give | None]:
    """(whether it is settled, the give that is proved)."""
    program = relaxed.program
    each = np.zeros(len(program.rows))
    each[relaxed.limits] = 1.0 / relaxed.sizes[relaxed.limits]
    blocks = [_bundles(program, settled(program, d * each), every=True) for d in (0.0, 1.0)]
    best: Give | None = None
    for _ in range(_ROUNDS):
        use, served = (sp.csc_matrix(sp.hstack(parts)) for parts in zip(*blocks, strict=True))
        found = _linear_program(relaxed, use, served)
        if found is None:
            return False, None
        give, levels, duals = found
        if give <= tolerance:
            return True, None  # an allocation that keeps every limit
        duals[relaxed.limits] = np.minimum(
            duals[relaxed.limits], (1.0 - 1e-12) / relaxed.sizes[relaxed.limits]
        )
        duals = settled(program, duals)
        bound = -dual_bound(program, duals)
        if best is None or bound > best.bound:
            best = relaxed.give(duals, levels, bound)
        if give - best.bound <= _CLOSE * give:
            return True, relaxed.give(best.duals, levels, best.bound)
        blocks.append(_bundles(program, duals, every=False))
    if best is not None and best.bound > tolerance:  # proved, but how much is not known well
        return True, replace(best, gives=None, levels=None)
    return False, None


def _bundles(
    program: Program, duals: np.ndarray, every: bool
) -> tuple[sp.csc_matrix, sp.csc_matrix]:
    """(use of rows, member served) of what each member does best at some prices.

    With ``every``: on each of its arms, else on its best one. A column serves all of a member.
    """
    uses, served = [], []
    total = sum(len(s.rate) for s in program.streams)
    start = 0
    for stream in program.streams:
        live = np.flatnonzero(stream.rate > 0)
        opened = stream.menu[stream.group[live]]
        if every:
            k, a = np.nonzero(opened)
        else:
            k = np.flatnonzero(opened.any(axis=1))
            a = stream.profits(duals, live[k]).argmax(axis=1) if len(k) else k
        columns = stream.columns(duals, live[k], a)
        finite = np.all(np.isfinite(columns.amounts), axis=1)
        member = live[k][finite]
        use = stream.row_use(member, a[finite], columns.amounts[finite], len(program.rows))
        uses.append(use @ sp.diags(stream.rate[member]))
        one = (np.ones(len(member)), (start + member, np.arange(len(member))))
        served.append(sp.csc_matrix(one, shape=(total, len(member))))
        start += len(stream.rate)
    return sp.csc_matrix(sp.hstack(uses)), sp.csc_matrix(sp.hstack(served))


def _linear_program(
    relaxed: _Relaxed, use: sp.csc_matrix, served: sp.csc_matrix
) -> tuple[float, np.ndarray, np.ndarray] | None:
    """(total give, levels, duals of the rows) with these bundles; None if there is none."""
    program = relaxed.program
    n_x, n_y = use.get_shape()[1], len(program.activities)
    if not n_x + n_y:  # no bundle with finite amounts: the other method looks further
        return None
    unit = np.where(np.isfinite(program.upper), program.upper, 1.0) / _MOST
    unit = np.where(unit > 0, unit, 1.0)
    scale = sp.diags(1.0 / relaxed.sizes)
    rows = scale @ sp.hstack([use, program.use @ sp.diags(unit)])
    forced = np.concatenate([~np.isfinite(s.decline_cost) & (s.rate > 0) for s in program.streams])
    who = sp.hstack([served, sp.csc_matrix((len(forced), n_y))]).tocsr()
    above = sp.vstack([rows, who[np.flatnonzero(~forced)]]).tocsr()
    limit = np.concatenate([program.capacity / relaxed.sizes, np.ones((~forced).sum())])
    cost = np.concatenate([np.zeros(n_x), program.cost * unit])
    high = np.concatenate([np.ones(n_x), program.upper / unit])
    found = vertex(cost, above, limit, high, who[np.flatnonzero(forced)])
    if found is None:
        return None
    return found.value, found.x[n_x:] * unit, found.prices[: len(program.rows)] / relaxed.sizes


# --- the program -----------------------------------------------------------------------------


def _phase_one(program: Program) -> _Relaxed:
    """The program without prices, with an escape from every limit."""
    streams = tuple(_unpriced(s) for s in program.streams)
    sizes = _sizes(program, streams)
    activities = []
    for a in program.activities:
        # a supply is bounded by the limits that it uses, and those may give
        supplied = [sizes[r] / -v for r, v in a.uses if v < 0]
        most = _MOST * max(supplied, default=1.0)
        activities.append(replace(a, cost=0.0, upper=most if a.loose else a.upper))
    supplied_rows = {r for a in program.activities for r, v in a.uses if v < 0}
    limits = {r for resource in program.resources for r, _ in resource.rows}
    limits |= {r for s in program.resources if s.kind == "latency" for r, _, _ in s.supplies}
    limits |= _filled(streams) - supplied_rows
    for r in sorted(limits):
        name, uses = f"give {program.rows[r].name}", ((r, -float(sizes[r])),)
        activities.append(Activity(name, uses, 1.0, "risk", upper=_MOST, loose=True))
    relaxed = replace(
        program, streams=streams, activities=tuple(activities), terms=(), resources=(), offsets=()
    )
    return _Relaxed(relaxed, np.array(sorted(limits), int), sizes)


def _filled(streams: tuple[Stream, ...]) -> set[int]:
    """Rows that some request may use up; those that requests only add to need no escape."""
    out: set[int] = set()
    for stream in streams:
        uses = stream.coefficients.max(axis=0).toarray().ravel() > 0
        out |= set(stream.rows[:, uses].ravel().tolist())
    return out - {-1}


def _sizes(program: Program, streams: tuple[Stream, ...]) -> np.ndarray:
    """[rows] what a give is measured against: the capacity, or what has to go through the row.

    That is the use of the requests that may not be declined, however few they are beside the
    others; where there are none, the use of all.
    """
    must, may = (np.zeros(len(program.rows)) for _ in range(2))
    for stream in streams:
        forced = ~np.isfinite(stream.decline_cost)
        must += _use(stream, forced & (stream.rate > 0), len(must))
        may += _use(stream, stream.rate > 0, len(may))
    scale = np.maximum(np.abs(program.capacity), np.where(must > 0, must, may))
    return np.where(scale > 0, scale, 1.0)


def _use(stream: Stream, members: np.ndarray, n_rows: int) -> np.ndarray:
    """[rows] use of some members, without tokens: the mean over arms and a few of them."""
    some = np.flatnonzero(members)
    some = some[:: 1 + len(some) // _SAMPLE]
    opened = stream.menu[stream.group[some]]
    k, a = np.nonzero(opened)
    if not len(k):
        return np.zeros(n_rows)
    amounts = stream.columns(np.zeros(n_rows), some[k], a).amounts.copy()
    amounts[:, 1:-2] = 0.0
    use = abs(stream.row_use(some[k], a, amounts, n_rows))
    share = stream.rate[members].sum() / stream.rate[some].sum()
    return share * (use @ (stream.rate[some[k]] / opened.sum(axis=1)[k]))


def _unpriced(stream: Stream) -> Stream:
    return replace(
        stream,
        slots=tuple(replace(s, own_price=0.0) for s in stream.slots),
        addition=np.zeros_like(stream.addition),
        stake=np.full(len(stream.rate), 1.0 / max(float(stream.rate.sum()), 1e-300)),
        decline_cost=np.where(np.isfinite(stream.decline_cost), 0.0, np.inf),
    )
