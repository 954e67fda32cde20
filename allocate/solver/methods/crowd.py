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

A *screening* prices every arm of every member once. Arms that are far from their member's
best are then left out of the passes that follow, until a screening at the prices reached
(the judge's is one) finds that none of them is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from allocate.cores import on_cores
from allocate.models.pairs import Pairs, Pricer
from allocate.models.stream import Flows, Stream
from allocate.solver.methods.choices import Choices, Market, Split, at_stake
from allocate.solver.methods.curvature import add_curvature
from allocate.solver.methods.pricing import Pass

_CHUNK = 1 << 18  # pairs that one thread prices at once
_KEPT = 1 << 23  # pairs whose order is kept from one pass to the next
_AWAY = (4.0, 15.0)  # heats from a tie: up to there a member is split evenly, hardly
_SAMPLES = (16384, 4096, 2048)  # members whose curvature stands for all of those, and the rest
_COMPILE = 8_000_000  # members × arms from which a pass is compiled
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

    market: Market

    def look(self, duals: np.ndarray, heat: float = 0.0) -> Look:
        """Price the arms of every member."""
        ...

    def choices(self, members: np.ndarray) -> Choices:
        """Some members (increasing) with the arms that a pass prices for them."""
        ...

    def screened(self, duals: np.ndarray, band: float) -> Looker:
        """Price all open arms once; a looker over those within the band of the best.

        Everyone keeps the best arm, also who would rather decline: prices may fall.
        """
        ...


class NumpyLooker:
    """Passes in NumPy, in chunks by threads; over all open arms, or over only a ``few``."""

    def __init__(self, market: Market, few: Choices | None = None):
        self.market, self.few = market, few
        k = len(market.stream.rate)
        each = len(market.stream.arms) if few is None else len(few.arm) / max(k, 1)
        size = int(max(64, _CHUNK // max(each, 1.0)))
        self._chunks = [(a, min(a + size, k)) for a in range(0, k, size)]
        self._kept: dict[int, Choices] = {}

    def look(self, duals: np.ndarray, heat: float = 0.0) -> Look:
        """See ``Looker``."""
        k = len(self.market.stream.rate)
        top, margin, arm = np.empty(k), np.empty(k), np.empty(k, np.int32)
        pricer = self.market.pricer(duals)

        def work(i: int) -> tuple[float, np.ndarray]:
            split = self._chunk(i).split(pricer, heat)
            part = slice(*self._chunks[i])
            top[part], arm[part], margin[part] = split.top, split.arm, split.margin
            return split.value, split.use()

        values, uses = zip(*on_cores(work, range(len(self._chunks))), strict=True)
        return Look(duals, heat, top, arm, margin, sum(values), np.sum(uses, axis=0))

    def choices(self, members: np.ndarray) -> Choices:
        """See ``Looker``."""
        return self.market.everything(members) if self.few is None else self.few.part(members)

    def screened(self, duals: np.ndarray, band: float) -> NumpyLooker:
        """See ``Looker``."""
        market, stream = self.market, self.market.stream

        def work(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            profit = stream.profits(duals, part)
            top = profit.max(axis=1, initial=-np.inf)
            best = np.maximum(top, -stream.decline_cost[part]) - band * market.scale[part]
            near = profit >= np.minimum(best, top)[:, None]  # who declines keeps one arm too
            near &= np.isfinite(profit)
            return np.nonzero(near)[1].astype(np.int32), near.sum(axis=1)

        everyone = np.arange(len(stream.rate))
        parts = np.array_split(everyone, 1 + len(everyone) * len(stream.arms) // _CHUNK // 4)
        arms, counts = zip(*on_cores(work, parts), strict=True)
        start = np.append(0, np.cumsum(np.concatenate(counts)))
        return NumpyLooker(market, Choices(market, everyone, start, np.concatenate(arms)))

    def _chunk(self, i: int) -> Choices:
        if i in self._kept:
            return self._kept[i]
        if self.few is None:
            return self.market.everything(np.arange(*self._chunks[i]))
        part = self.few.range(*self._chunks[i])
        if len(self.few.arm) <= _KEPT:
            self._kept[i] = part
        return part


def looker_of(crowd: Stream, n_rows: int) -> Looker:
    """NumPy where a pass is quick; JAX where compiling pays for itself."""
    market = Market(crowd, n_rows)
    if len(crowd.rate) * len(crowd.arms) < _COMPILE:
        return NumpyLooker(market)
    from allocate.solver.methods.pass_jax import JaxLooker, mesh_was_asked_for  # a second

    return JaxLooker(market, screens=not mesh_was_asked_for())


@dataclass(frozen=True)
class Settled:
    """Members of a stream but for those held ``apart``, to second order around a look."""

    duals: np.ndarray
    value: float
    use: np.ndarray
    hessian: np.ndarray

    @classmethod
    def around(cls, looker: Looker, look: Look, apart: np.ndarray) -> Settled:
        """All that the pass found, less the members apart; its curvature from samples.

        Members that are split evenly, hardly, and not at all are sampled each on their own:
        the first are few and carry the kinks, the last carry the curvature of the tokens.
        """
        stream, k = looker.market.stream, len(looker.market.stream.rate)
        pricer = looker.market.pricer(look.duals)
        rest = np.ones(k, bool)
        rest[apart] = False
        value, use = without(looker, look, apart)
        rng = np.random.default_rng(0)
        hessian = np.zeros((len(use),) * 2)
        live = rest & (stream.rate > 0)
        near, along = (live & (look.margin < times * look.heat) for times in _AWAY)
        kinds = zip((near, along & ~near, live & ~along), _SAMPLES, strict=True)
        for kind, most in kinds:
            some, times = np.flatnonzero(kind), 1.0
            if len(some) > most:
                times = len(some) / most
                some = np.sort(rng.choice(some, most, replace=False))
            if len(some):
                split = looker.choices(some).split(pricer, look.heat)
                hessian += times * _curvature(split, pricer, look.heat)
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


def without(looker: Looker, look: Look, apart: np.ndarray) -> tuple[float, np.ndarray]:
    """(value, [rows] use) of all members but those apart, as the look found them."""
    if not len(apart):
        return look.value, look.use
    split = looker.choices(apart).split(looker.market.pricer(look.duals), look.heat)
    return look.value - split.value, look.use - split.use()


def _curvature(split: Split, pricer: Pricer, heat: float) -> np.ndarray:
    """[rows, rows]: of the tokens of the arms in use, and of the split between them."""
    own, market = split.choices, split.choices.market
    stream, n_rows = market.stream, market.n_rows
    at = np.flatnonzero(split.share > _FAINT)
    pairs, share = own.pairs.part(at), split.share[at]
    member, arm = pairs.member, pairs.arm
    columns = pairs.columns(pricer)
    hessian = np.zeros((n_rows, n_rows))
    add_curvature(hessian, stream, columns, share * stream.rate[member])
    if heat == 0:
        return hessian
    n = len(own.members)
    whole = np.zeros(n, bool)  # members with all on one arm have no split to shift
    whole[own.owner[at[share > 1.0 - _FAINT]]] = True
    torn = np.flatnonzero(~whole[own.owner[at]])
    owner, share = own.owner[at[torn]], share[torn]
    per = stream.row_use(member[torn], arm[torn], columns.amounts[torn], n_rows)
    mean = per @ sp.csr_matrix((share, (np.arange(len(torn)), owner)), shape=(len(torn), n))
    stiff = stream.rate[own.members] / (heat * market.scale[own.members])
    hessian += (per @ sp.diags(share * stiff[owner]) @ per.T).toarray()
    return hessian - (mean @ sp.diags(stiff) @ mean.T).toarray()


def settled_flows(looker: Looker, look: Look, apart: np.ndarray) -> Flows:
    """Flows of all but the members apart, each on its best arm where that beats declining."""
    market = looker.market
    stream = market.stream
    serves = (look.top >= -stream.decline_cost) & np.isfinite(look.top) & (stream.rate > 0)
    serves[apart] = False
    member = np.flatnonzero(serves)
    arm = look.arm[member].astype(int)
    pricer = market.pricer(look.duals)
    tokens = np.empty((len(member), stream.n_uses))

    def work(start: int) -> None:
        part = slice(start, start + _CHUNK)
        pairs = Pairs(stream, member[part], arm[part])
        tokens[part][pairs.order] = pairs.answer(pricer).amounts[:, 1:-2]

    on_cores(work, range(0, len(member), _CHUNK))
    return Flows(member, arm, stream.rate[member], tokens)


def bands(crowd: Stream, before: Look, after: Look) -> np.ndarray:
    """[K] how far from a tie a member may turn next: as far as any of its group has moved."""
    with np.errstate(invalid="ignore"):
        shift = np.abs(after.top - before.top) / at_stake(crowd)
    shift = np.where(np.isfinite(shift) & (crowd.rate > 0), shift, 0.0)
    most = np.zeros(len(crowd.rows))
    np.maximum.at(most, crowd.group, shift)
    return np.clip(most, 1e-10, 0.03)[crowd.group]
