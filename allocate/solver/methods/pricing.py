"""What a method knows of the dual: its value at some prices, and the pairs that matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from allocate.models.program import Program
from allocate.models.stream import Stream

_ALONG = 0.02  # arms this near to the best become cuts with it …
_MOST, _TOGETHER = (12, 40), 24_000  # … so many of each member, together about so many
_FAR = 0.05  # a pair this share of its money below the best arm is forgotten


class Pass(NamedTuple):
    """Members of a bulk at some prices, all together: a smooth function of the prices.

    ``value`` USD per hour; ``use`` [rows] is minus its gradient, ``hessian`` [rows, rows].
    """

    value: float
    use: np.ndarray
    hessian: np.ndarray


class Bulk(Protocol):
    """Members that no pool holds, by the sum of their profits alone."""

    def at(self, duals: np.ndarray) -> Pass:
        """Value, use and curvature at some prices."""
        ...


@dataclass
class Pricing:
    """The dual at some prices, and the profits there of every member that is held apart."""

    duals: np.ndarray
    profits: list[np.ndarray]
    value: float
    bulk: Pass | None = None

    @classmethod
    def at(cls, program: Program, duals: np.ndarray, bulk: Bulk | None = None) -> Pricing:
        """Price every arm of every member, and the bulk."""
        profits = [s.profits(duals) for s in program.streams]
        value = program.dual(duals, profits)
        if bulk is None:
            return cls(duals, profits, value)
        rest = bulk.at(duals)
        return cls(duals, profits, value + rest.value, rest)


class Pool:
    """The pairs (member, arm) whose profits the model of the dual knows, by stream.

    ``codes`` are member · arms + arm, increasing; ``shares`` what the last accepted step
    gave to each pair of its member.
    """

    def __init__(self, codes: list[np.ndarray]):
        self.codes = codes
        self.shares = [np.zeros(len(c)) for c in codes]

    @classmethod
    def near(cls, program: Program, at: Pricing) -> Pool:
        """Every member's best arm, and those almost as good."""
        pool = cls([np.zeros(0, int) for _ in program.streams])
        pool.add_best(program, at)
        return pool

    def pairs(self, program: Program, i: int) -> tuple[np.ndarray, np.ndarray]:
        """(members, arms) of stream i."""
        return np.divmod(self.codes[i], len(program.streams[i].arms))

    def add_best(self, program: Program, at: Pricing) -> bool:
        """Add every member's best arms at some prices; whether a best one was new.

        Arms almost as good come along: where tiers lie close they would be the next cuts.
        """
        fresh = False
        for i, (stream, profits) in enumerate(zip(program.streams, at.profits, strict=True)):
            best, along = _best_codes(stream, profits, at.duals)
            fresh |= not np.isin(best, self.codes[i]).all()
            self._set(i, np.union1d(self.codes[i], along))
        return fresh

    def share(self, codes: list[np.ndarray], shares: list[np.ndarray]) -> None:
        """Take over the shares of pairs that are all in the pool; the others get none."""
        for i, (mine, theirs) in enumerate(zip(codes, shares, strict=True)):
            self.shares[i][:] = 0.0
            self.shares[i][np.searchsorted(self.codes[i], mine)] = theirs

    def trim(self, program: Program, at: Pricing) -> None:
        """Forget pairs that are far from their member's best and carry nothing."""
        for i, (stream, profits) in enumerate(zip(program.streams, at.profits, strict=True)):
            member, arm = self.pairs(program, i)
            columns = stream.columns(at.duals, member, arm)
            best = np.maximum(profits.max(axis=1, initial=-np.inf), -stream.decline_cost)[member]
            close = columns.profit >= best - _FAR * stream.moved(columns)
            self._set(i, self.codes[i][close | (self.shares[i] > 1e-9)])

    def _set(self, i: int, codes: np.ndarray) -> None:
        """Replace the pairs of stream i; those that stay keep their shares."""
        shares = np.zeros(len(codes))
        old = np.searchsorted(codes, self.codes[i])
        stays = np.zeros(len(old), bool)
        inside = old < len(codes)
        stays[inside] = codes[old[inside]] == self.codes[i][inside]
        shares[old[stays]] = self.shares[i][stays]
        self.codes[i], self.shares[i] = codes.astype(int), shares


def _best_codes(
    stream: Stream, profits: np.ndarray, duals: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(codes of the best arm of every member that wants one, with the arms near it)."""
    none = np.zeros(0, int)
    if not profits.size:
        return none, none
    live = np.flatnonzero((stream.rate > 0) & np.isfinite(profits.max(axis=1)))
    top = profits[live].argmax(axis=1)
    moved = stream.moved(stream.columns(duals, live, top))
    # a member that is better off declining by far needs no arm in the model
    wants = profits[live, top] >= -stream.decline_cost[live] - _FAR * moved
    live, top, moved = live[wants], top[wants], moved[wants]
    if not live.size:
        return none, none
    ours = profits[live]
    near = ours >= (ours[np.arange(len(live)), top] - _ALONG * moved)[:, None]
    most = int(np.clip(_TOGETHER // len(live), *_MOST))
    if near.shape[1] > most:
        near &= ours >= np.partition(ours, -most, axis=1)[:, [-most]]
    k, a = np.nonzero(near)
    best = live * len(stream.arms) + top
    return best, np.union1d(best, live[k] * len(stream.arms) + a)
