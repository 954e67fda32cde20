"""What some members choose at given prices, each among arms of its own.

The arms of a member lie side by side in one list of pairs, so that maxima and sums over
them are reductions over segments of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from allocate.models.pairs import Pairs, Pricer
from allocate.models.stream import Stream

_HEAVY, _TIMES = 1e-4, 10.0  # of all money, and of a mean share: who is held apart has more


def at_stake(stream: Stream) -> np.ndarray:
    """[K] money that margins and temperatures are measured in, USD per request."""
    if not len(stream.stake):
        return np.ones(len(stream.rate))
    largest = float(stream.stake.max(initial=0.0))
    return np.maximum(stream.stake, 1e-9 * largest if largest > 0 else 1.0)


@dataclass(frozen=True)
class Market:
    """A stream as those who choose in it see it."""

    stream: Stream
    n_rows: int

    @cached_property
    def scale(self) -> np.ndarray:
        """See ``at_stake``."""
        return at_stake(self.stream)

    @cached_property
    def heavy(self) -> np.ndarray:
        """Members with so much of all money at stake that they are no crowd."""
        stake = self.stream.rate * self.scale
        whole = float(stake.sum())
        least = max(_HEAVY, _TIMES / max(len(stake), 1))
        return np.flatnonzero(stake > least * whole) if whole > 0 else np.zeros(0, int)

    @cached_property
    def _open(self) -> list[np.ndarray]:
        """Of every group, the arms that are open."""
        return [np.flatnonzero(m).astype(np.int32) for m in self.stream.menu]

    def pricer(self, duals: np.ndarray) -> Pricer:
        """The prices of the stream at some duals."""
        return Pricer(self.stream, duals)

    def everything(self, members: np.ndarray) -> Choices:
        """Members (increasing) with every arm that is open to them."""
        groups = self.stream.group[members]
        arms = [self._open[g] for g in groups] if len(self._open) > 1 else None
        if arms is None:
            counts = np.full(len(members), len(self._open[0]) if self._open else 0)
            arm = np.tile(self._open[0], len(members)) if self._open else np.zeros(0, np.int32)
        else:
            counts = np.array([len(a) for a in self._open])[groups]
            arm = np.concatenate(arms) if arms else np.zeros(0, np.int32)
        return Choices(self, members, np.append(0, np.cumsum(counts)), arm)


class Choices:
    """Members [n], increasing; member i may choose the arms ``arm[start[i] : start[i + 1]]``."""

    def __init__(self, market: Market, members: np.ndarray, start: np.ndarray, arm: np.ndarray):
        self.market, self.members, self.start, self.arm = market, members, start, arm

    @cached_property
    def counts(self) -> np.ndarray:
        """[n] arms of each."""
        return np.diff(self.start)

    @cached_property
    def owner(self) -> np.ndarray:
        """[pairs] → place in ``members``."""
        return np.repeat(np.arange(len(self.members), dtype=np.int32), self.counts)

    @cached_property
    def having(self) -> np.ndarray:
        """Places of the members that have an arm at all."""
        return np.flatnonzero(self.counts)

    @cached_property
    def pairs(self) -> Pairs:
        """The pairs side by side."""
        member = self.members[self.owner]
        return Pairs(self.market.stream, member, self.arm)

    def range(self, first: int, last: int) -> Choices:
        """The members at the places from ``first`` up to ``last``."""
        start = self.start[first : last + 1]
        arm = self.arm[start[0] : start[-1]]
        return Choices(self.market, self.members[first:last], start - start[0], arm)

    def part(self, places: np.ndarray) -> Choices:
        """The members at some places (increasing)."""
        counts = self.counts[places]
        start = np.append(0, np.cumsum(counts))
        index = np.arange(start[-1]) + np.repeat(self.start[places] - start[:-1], counts)
        return Choices(self.market, self.members[places], start, self.arm[index])

    def split(self, pricer: Pricer, heat: float = 0.0) -> Split:
        """Every member on its best arm, or split by a softmax where ``heat`` > 0."""
        stream, members, mine = self.market.stream, self.members, self.owner
        decline = -stream.decline_cost[members]
        rate, scale = stream.rate[members], self.market.scale[members]
        answers = self.pairs.answer(pricer)
        profit, n = answers.profit, len(members)
        top, other, arm = np.full(n, -np.inf), decline.copy(), np.zeros(n, np.int32)
        first, having = self.start[self.having], self.having
        best_pair = np.zeros(0, int)
        if len(profit):
            top[having] = np.maximum.reduceat(profit, first)
            ties = np.flatnonzero(profit == top[mine])
            best_pair = ties[np.diff(mine[ties], prepend=-1) > 0]
            arm[mine[best_pair]] = self.arm[best_pair]
            without = profit.copy()
            without[best_pair] = -np.inf
            other[having] = np.maximum(np.maximum.reduceat(without, first), decline[having])
        serves = top >= decline
        best = np.where(serves, top, decline)
        live = np.isfinite(best) & (rate > 0)
        safe = np.where(live, best, 0.0)
        share, gain = np.zeros(len(profit)), safe
        with np.errstate(invalid="ignore", over="ignore"):
            margin = np.where(live, np.abs(best - np.where(serves, other, top)) / scale, np.inf)
            if heat == 0:
                share[best_pair] = (serves & live)[mine[best_pair]]
            elif len(profit):
                tau = heat * scale
                share = np.exp((profit - safe[mine]) / tau[mine])
                total = np.where(live, np.exp((decline - safe) / tau), 1.0)
                total[having] += np.where(live[having], np.add.reduceat(share, first), 0.0)
                share = np.where(live[mine], share / total[mine], 0.0)
                gain = safe + tau * np.log(total)
        value = float(rate @ np.where(live, gain, 0.0))
        return Split(self, top, arm, margin, value, share, profit, answers.amounts)


@dataclass
class Split:
    """What members chose: [n] by member, [pairs] by pair.

    ``top`` the best profit a request, ``arm`` where, ``margin`` to the next best choice as a
    share of the money at stake; ``value`` USD per hour of all; ``share`` of its member that
    a pair gets and its ``profit`` a request; ``amounts`` a request, in cell order.
    """

    choices: Choices
    top: np.ndarray
    arm: np.ndarray
    margin: np.ndarray
    value: float
    share: np.ndarray
    profit: np.ndarray
    amounts: np.ndarray

    @property
    def flow(self) -> np.ndarray:
        """[pairs] requests an hour."""
        pairs = self.choices.pairs
        return self.share * pairs.stream.rate[pairs.member]

    def use(self) -> np.ndarray:
        """[rows] of all members together."""
        return self.choices.pairs.use(self.flow, self.amounts, self.choices.market.n_rows)
