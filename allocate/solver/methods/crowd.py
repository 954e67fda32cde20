"""A stream too large to hold every member apart: few members near a tie, and the crowd.

At given prices almost every member is far better off on one arm than on any other. Those
*settled* members are, near these prices, one smooth function of them: value, use and
curvature are sums over members, taken in one pass. Only the members near a tie, where the
dual has its kinks, are held apart. So a pass over all members, then Newton on the few with
a quadratic for the rest, is a Newton step of the whole.

While the prices are still far off, too many members are near a tie. Then a *warm* pass
splits every member by a softmax at temperature τ_k = heat · (money at stake in a request):
its best profit becomes τ_k log Σ_a exp(profit_a / τ_k), declining being one of the arms.
That lies above the exact value by less than τ_k log(arms), and over many members the
difference falls like heat²; its Hessian has the covariance of the arms' use over τ_k.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from allocate.models.stream import Flows, Stream
from allocate.solver.methods.model import add_curvature
from allocate.solver.methods.pricing import Pass

_CHUNK = 8192  # members priced at once
_SAMPLED = 2048  # members whose curvature stands for all
_FAINT = 1e-6  # a share of a member that is not worth its tangent


@dataclass
class Look:
    """What one pass over all members of a stream found at some prices.

    Arrays [K]: ``top`` the best profit a request (USD; −inf where every arm is closed),
    ``arm`` where it is earned, ``margin`` how far the next best choice (declining included)
    is, as a share of the money at stake. ``value`` (USD per hour) and ``use`` [rows] are of
    all members together, each on its best choice, or split by a softmax where ``heat`` > 0.
    """

    duals: np.ndarray
    heat: float
    top: np.ndarray
    arm: np.ndarray
    margin: np.ndarray
    value: float
    use: np.ndarray


class Looker(Protocol):
    """One way to make a pass."""

    def look(self, duals: np.ndarray, heat: float = 0.0) -> Look:
        """Price every arm of every member."""
        ...


def at_stake(stream: Stream) -> np.ndarray:
    """[K] money that margins and temperatures are measured in, USD per request."""
    if not len(stream.stake):
        return np.ones(len(stream.rate))
    largest = float(stream.stake.max(initial=0.0))
    return np.maximum(stream.stake, 1e-9 * largest if largest > 0 else 1.0)


@dataclass(frozen=True)
class NumpyLooker:
    """The pass in NumPy, in chunks."""

    stream: Stream
    n_rows: int

    def look(self, duals: np.ndarray, heat: float = 0.0) -> Look:
        """See ``Looker``."""
        stream, k = self.stream, len(self.stream.rate)
        scale = at_stake(stream)
        top, margin, arm = np.full(k, -np.inf), np.full(k, np.inf), np.zeros(k, np.int32)
        use, value = np.zeros(self.n_rows), 0.0
        for start in range(0, k, _CHUNK):
            part = np.arange(start, min(start + _CHUNK, k))
            split = _Split.of(stream, duals, part, scale[part], heat)
            top[part], arm[part], margin[part] = split.top, split.arm, split.margin
            value += split.value
            use += split.use(stream, duals, self.n_rows)[1]
        return Look(duals, heat, top, arm, margin, value, use)


@dataclass
class _Split:
    """Some members' choices at some prices: shares of pairs, best arm, margin."""

    members: np.ndarray
    top: np.ndarray
    arm: np.ndarray
    margin: np.ndarray
    value: float
    member: np.ndarray
    pair_arm: np.ndarray
    share: np.ndarray

    @classmethod
    def of(
        cls, stream: Stream, duals: np.ndarray, members: np.ndarray, scale: np.ndarray, heat: float
    ) -> _Split:
        profits = stream.profits(duals, members)
        decline = -stream.decline_cost[members]
        rate = stream.rate[members]
        here = np.arange(len(members))
        arm = profits.argmax(axis=1)
        top = profits[here, arm]
        best = np.maximum(top, decline)
        live = np.isfinite(best) & (rate > 0)
        safe = np.where(live, best, 0.0)
        tau = max(heat, 1e-12) * scale
        with np.errstate(invalid="ignore", over="ignore"):
            weight = np.exp((profits - safe[:, None]) / tau[:, None])
            if heat == 0:
                weight = np.zeros_like(profits)
                weight[here, arm] = top >= decline
                total = np.ones(len(members))
            else:
                total = weight.sum(axis=1) + np.exp((decline - safe) / tau)
            profits[here, arm] = decline
            other = profits.max(axis=1)
            margin = np.where(live, np.abs(top - other) / scale, np.inf)
        weight = np.where(live[:, None], weight / np.where(live, total, 1.0)[:, None], 0.0)
        value = float(rate @ np.where(live, safe + tau * np.log(np.where(live, total, 1.0)), 0.0))
        row, column = np.nonzero(weight > _FAINT)
        return cls(members, top, arm, margin, value, members[row], column, weight[row, column])

    def use(self, stream: Stream, duals: np.ndarray, n_rows: int) -> tuple:
        """(columns of the pairs, [rows] their use, [rows, pairs] use per request)."""
        columns = stream.columns(duals, self.member, self.pair_arm)
        per = stream.row_use(self.member, self.pair_arm, columns.amounts, n_rows)
        return columns, np.asarray(per @ (self.share * stream.rate[self.member])).ravel(), per


@dataclass(frozen=True)
class Settled:
    """Members of a stream but for those held ``apart``, to second order around a look."""

    duals: np.ndarray
    value: float
    use: np.ndarray
    hessian: np.ndarray

    @classmethod
    def around(cls, stream: Stream, look: Look, apart: np.ndarray, seed: int = 0) -> Settled:
        """All that the pass found, less the members apart; its curvature from samples.

        Members that are split and those that are not are sampled each on their own: the
        former are few and carry the kinks, the latter carry the curvature of the tokens.
        """
        n_rows, k = len(look.use), len(stream.rate)
        scale = at_stake(stream)
        rest = np.ones(k, bool)
        rest[apart] = False
        value, use = look.value, look.use.copy()
        if len(apart):
            split = _Split.of(stream, look.duals, apart, scale[apart], look.heat)
            value -= split.value
            use -= split.use(stream, look.duals, n_rows)[1]
        rng = np.random.default_rng(seed)
        hessian = np.zeros((n_rows, n_rows))
        turning = (look.margin < 15.0 * look.heat) & rest
        for kind in (turning, rest & ~turning & (stream.rate > 0)):
            some = np.flatnonzero(kind)
            if len(some) > _SAMPLED:
                times = len(some) / _SAMPLED
                some = np.sort(rng.choice(some, _SAMPLED, replace=False))
            else:
                times = 1.0
            if len(some):
                split = _Split.of(stream, look.duals, some, scale[some], look.heat)
                hessian += times * _curvature(stream, split, look.duals, n_rows, look.heat, scale)
        return cls(look.duals, value, use, hessian)

    def stiffened(self, by: np.ndarray) -> Settled:
        """The same with more curvature, by a factor [rows]."""
        root = np.sqrt(by)
        return replace(self, hessian=self.hessian * np.outer(root, root))

    def at(self, duals: np.ndarray) -> Pass:
        """See ``Bulk``."""
        d = duals - self.duals
        bend = self.hessian @ d
        value = self.value - float(self.use @ d) + 0.5 * float(d @ bend)
        return Pass(value, self.use - bend, self.hessian)


def _curvature(
    stream: Stream,
    split: _Split,
    duals: np.ndarray,
    n_rows: int,
    heat: float,
    scale: np.ndarray,
) -> np.ndarray:
    """[rows, rows]: of the tokens of the arms in use, and of the split between them."""
    columns, _, per = split.use(stream, duals, n_rows)
    hessian = np.zeros((n_rows, n_rows))
    add_curvature(hessian, stream, columns, split.share * stream.rate[split.member], n_rows)
    if heat == 0:
        return hessian
    k = len(stream.rate)
    index = (np.arange(len(split.member)), split.member)
    mean = per @ sp.csr_matrix((split.share, index), shape=(len(split.member), k))
    stiff = stream.rate / (heat * scale)
    hessian += (per @ sp.diags(split.share * stiff[split.member]) @ per.T).toarray()
    return hessian - (mean @ sp.diags(stiff) @ mean.T).toarray()


def settled_flows(stream: Stream, look: Look, apart: np.ndarray) -> Flows:
    """Flows of all but the members apart, each on its best arm where that beats declining."""
    serves = (look.top >= -stream.decline_cost) & np.isfinite(look.top) & (stream.rate > 0)
    serves[apart] = False
    member = np.flatnonzero(serves)
    tokens = np.empty((len(member), stream.n_uses))
    for start in range(0, len(member), _CHUNK):
        k = member[start : start + _CHUNK]
        columns = stream.columns(look.duals, k, look.arm[k])
        tokens[start : start + _CHUNK] = columns.amounts[:, 1:-2]
    return Flows(member, look.arm[member].astype(int), stream.rate[member], tokens)
