"""Which limits, arms and activities an optimum stands on, and which it only touches.

Around an answer at which every multiplier is strictly positive or its constraint strictly slack
the optimum moves smoothly, on one *face*. A constraint that is tight with a multiplier of zero
(an arm exactly as good as the one in use, a row just full that nobody would pay for) is *weak*:
the answer bends there, and its derivative to one side may differ from that to the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.solver.certificate import row_scales

TIE = 1e-9  # of the money that a request moves: two arms that near are tied
_USED = 1e-11  # of a rate, or of a row: less is nothing
_FULL = 1e-9  # of what flows through a row: so little room is none
_FREE = 1e-11  # of the welfare: a row whose capacity is worth less has no price


@dataclass(frozen=True)
class Pairs:
    """Pairs of member and arm of one stream, [n]; ``weak`` where nothing flows, at a tie."""

    member: np.ndarray
    arm: np.ndarray
    weak: np.ndarray

    def __len__(self) -> int:
        return len(self.member)


@dataclass(frozen=True)
class Face:
    """What an optimum stands on.

    ``pairs`` by stream; ``served`` by stream, [K] whether a member is served in full;
    ``edge`` by stream, [K] whether declining would be as good. Rows and activities are
    numbers: ``rows`` that are full, of which ``weak_rows`` are worth nothing; ``active`` between
    bounds, of which ``weak_active`` at zero without a loss; ``full`` at their upper bound.
    """

    pairs: tuple[Pairs, ...]
    served: tuple[np.ndarray, ...]
    edge: tuple[np.ndarray, ...]
    rows: np.ndarray
    weak_rows: np.ndarray
    active: np.ndarray
    weak_active: np.ndarray
    full: np.ndarray

    @property
    def weak(self) -> int:
        """How many constraints it only touches."""
        return (
            sum(int(p.weak.sum()) for p in self.pairs)
            + sum(int(e.sum()) for e in self.edge)
            + len(self.weak_rows)
            + len(self.weak_active)
        )


def face_of(program: Program, allocation: Allocation, duals: np.ndarray) -> Face:
    """What a certified answer stands on.

    Args:
        program: the answer's.
        allocation: of the program.
        duals: [rows], USD per unit.
    """
    scales = row_scales(program, allocation)
    slack = program.capacity - program.usage(allocation)
    size = program.scale(program.welfare(allocation))
    pairs, served, edge = [], [], []
    for stream, flows in zip(program.streams, allocation.flows, strict=True):
        mine, full, even = _pairs(stream, flows, duals)
        pairs.append(mine)
        served.append(full)
        edge.append(even)
    levels = allocation.levels
    moved = scales > 0
    at_limit = moved & (np.abs(slack) <= _FULL * scales)
    priced = duals * scales > _FREE * size
    use = abs(program.use)
    part = np.array(
        [
            np.max(use[:, [i]].toarray().ravel()[moved] * abs(level) / scales[moved], initial=0.0)
            for i, level in enumerate(levels)
        ]
    )
    used = part > _USED
    capped = used & np.isfinite(program.upper)
    capped &= levels >= program.upper * (1 - 1e-9)
    gain = program.unit_profit(duals)
    worth = np.abs(program.cost) + np.asarray(use.T @ duals).ravel()
    even = ~used & program.linear & (np.abs(gain) <= TIE * worth) & (worth > 0)
    even &= ~touching(program, ~moved)  # alone in a row: nothing would use what it makes
    return Face(
        tuple(pairs),
        tuple(served),
        tuple(edge),
        np.flatnonzero(at_limit),
        np.flatnonzero(at_limit & ~priced),
        np.flatnonzero((used & ~capped) | even),
        np.flatnonzero(even),
        np.flatnonzero(capped),
    )


def touching(program: Program, rows: np.ndarray) -> np.ndarray:
    """[activities] whether one uses or supplies some of the rows, given as flags."""
    touched = abs(program.use[np.flatnonzero(rows)]).sum(axis=0)
    return np.asarray(touched).ravel() > 0


def _pairs(stream, flows, duals: np.ndarray) -> tuple[Pairs, np.ndarray, np.ndarray]:  # noqa: ANN001
    n, arms = len(stream.rate), len(stream.arms)
    used = flows.requests > _USED * stream.rate[flows.member]
    own = np.unique(flows.member[used] * arms + flows.arm[used])
    profits = stream.profits(duals)
    best = np.maximum(profits.max(axis=1, initial=-np.inf), -stream.decline_cost)
    live = np.flatnonzero((stream.rate > 0) & np.isfinite(best))
    k, a = np.nonzero(profits[live] >= (best[live] - np.abs(best[live]) * 1e-3 - 1e-3)[:, None])
    k = live[k]
    near = stream.columns(duals, k, a)
    held = np.zeros(n)
    np.maximum.at(held, near.member, stream.moved(near))
    tied = best[k] - near.profit <= TIE * held[k]
    every = np.union1d(own, k[tied] * arms + a[tied])
    member, arm = np.divmod(every, arms)
    pairs = Pairs(member.astype(int), arm.astype(int), ~np.isin(every, own))
    taken = np.bincount(flows.member, flows.requests, n)
    may_decline = np.isfinite(stream.decline_cost)
    margin = best + np.where(may_decline, stream.decline_cost, 0.0)
    even = (stream.rate > 0) & may_decline & (margin <= TIE * held)
    full = (stream.rate > 0) & (~even | (taken >= stream.rate * (1 - 1e-9)))
    return pairs, full, even & full
