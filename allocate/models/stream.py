"""Streams: many independent choices of one shape, the large half of a ``Program``.

A stream has K members (request classes; training assets), each with a rate to be split
over A arms. A request on an arm of member k occupies *slots* (money, seconds, replica
time, reviewer minutes …), linearly in five kinds of quantity:

    quantity   0 the request itself, 1 … J its tokens by use, J+1 wrong actions, J+2 successes

Use of slot s per unit of quantity y on arm a is Σ_f feature[k, f] · coefficient[y, f, a, s].
A slot's price to member k is its own price, plus the member's own addition to it, plus
the dual of the row that the slot stands for in the member's group. Nothing of size
members × arms × rows is ever made.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from allocate.models.curves import RequestCurve, Response

_FEW, _BUCKETS = 24, 12  # ways of one technology: more than few are bounded in buckets
_MOST_TOKENS = 1e12  # of a use without a cap, where an allocation has to have a number
_SPARSE = 32  # members of each group, from which their prices are a product of matrices
_NEAR = 0.01  # arms within this share of the money a request moves are priced exactly


class Flows(NamedTuple):
    """A sparse allocation of a stream: pairs of member and arm in use.

    ``requests`` are per hour; ``tokens`` [n, J] are per request.
    """

    member: np.ndarray
    arm: np.ndarray
    requests: np.ndarray
    tokens: np.ndarray

    @classmethod
    def empty(cls, n_uses: int) -> Flows:
        """No pair at all; tokens are [0, n_uses]."""
        none = np.zeros(0, int)
        return cls(none, none, np.zeros(0), np.zeros((0, n_uses)))


class Columns(NamedTuple):
    """Best responses of some pairs at given prices, per request."""

    member: np.ndarray
    arm: np.ndarray
    prices: np.ndarray  # [n, J+3], USD per unit of each quantity
    amounts: np.ndarray  # [n, J+3], quantities per request (the first is 1)
    profit: np.ndarray  # [n], USD per request
    log_revenue: np.ndarray  # [n]


@dataclass(frozen=True)
class Slot:
    """Something that requests occupy: its unit, own price (USD per unit) and account."""

    name: str
    unit: str
    own_price: float = 0.0
    account: str | None = None


@dataclass(frozen=True)
class Arm:
    """One way to serve a request: labels for the reader, technology for the solver."""

    labels: dict
    technology: int


@dataclass(frozen=True)
class Stream:
    """See the module. Arrays: K members, A arms, F features, G groups, S slots, J uses."""

    name: str
    rate: np.ndarray  # [K] requests per hour
    features: np.ndarray  # [K, F]
    group: np.ndarray  # [K] → G
    menu: np.ndarray  # [G, A] arms that are open
    rows: np.ndarray  # [G, S] → row of the program, or -1
    slots: tuple[Slot, ...]
    arms: tuple[Arm, ...]
    technologies: tuple[RequestCurve, ...]
    coefficients: sp.csr_matrix  # [(J+3)·F·A, S]
    decline_cost: np.ndarray  # [K] USD per declined request; inf where it may not be declined
    addition_slot: int = -1  # the slot whose price members add to …
    addition: np.ndarray = field(default_factory=lambda: np.zeros(0))  # … [K], by this much
    factor: dict[int, np.ndarray] = field(default_factory=dict)  # technology → [K]
    difficulty: np.ndarray | None = None  # [K]
    origin: np.ndarray = field(default_factory=lambda: np.zeros(0, int))  # [K] its maker's number
    period: np.ndarray = field(default_factory=lambda: np.zeros(0, int))  # [K]
    stake: np.ndarray = field(default_factory=lambda: np.zeros(0))  # [K] USD a request may bring

    @property
    def n_uses(self) -> int:
        """J."""
        return len(self.technologies[0].caps)

    @property
    def n_quantities(self) -> int:
        """J + 3."""
        return self.n_uses + 3

    @cached_property
    def technology_of(self) -> np.ndarray:
        """[A] → technology."""
        return np.array([a.technology for a in self.arms])

    @cached_property
    def finite_caps(self) -> np.ndarray:
        """[technologies, J] tokens of every use that a request may have, all of them finite."""
        caps = np.array([t.caps for t in self.technologies], float)
        return np.where(np.isfinite(caps), caps, _MOST_TOKENS)

    @cached_property
    def penalty(self) -> np.ndarray:
        """[K] what declining costs, USD per request; 0 where it may not be declined at all."""
        return np.where(np.isfinite(self.decline_cost), self.decline_cost, 0.0)

    @cached_property
    def own_addition(self) -> np.ndarray:
        """[J+3, F, A]: use of the slot whose price members add to."""
        shape = (self.n_quantities, self.features.shape[1], len(self.arms))
        if self.addition_slot < 0:
            return np.zeros(shape)
        return self.coefficients[:, self.addition_slot].toarray().reshape(shape)

    @cached_property
    def _by_arm(self) -> tuple[np.ndarray, ...]:
        """Coefficients sorted by arm: (start of arm, quantity, feature, slot, coefficient)."""
        c = self.coefficients.tocoo()
        n_f, n_a = self.features.shape[1], len(self.arms)
        quantity, rest = np.divmod(c.row, n_f * n_a)
        feature, arm = np.divmod(rest, n_a)
        order = np.argsort(arm, kind="stable")
        start = np.searchsorted(arm[order], np.arange(n_a + 1))
        return start, quantity[order], feature[order], c.col[order], c.data[order]

    def factor_of(self, technology: int, member: np.ndarray) -> np.ndarray:
        """Success factor of members with a technology."""
        f = self.factor.get(technology)
        return np.ones(len(member)) if f is None else f[member]

    def difficulty_of(self, member: np.ndarray) -> np.ndarray:
        """Difficulty of members."""
        return np.ones(len(member)) if self.difficulty is None else self.difficulty[member]

    # --- prices ----------------------------------------------------------------------------

    def slot_prices(self, duals: np.ndarray) -> np.ndarray:
        """[G, S]: own price plus the dual of the group's row."""
        padded = np.append(duals, 0.0)
        return np.array([s.own_price for s in self.slots]) + padded[self.rows]

    def price_table(self, duals: np.ndarray) -> np.ndarray:
        """[G, J+3, F, A]: price of a unit of each quantity per unit of each feature."""
        table = self.coefficients @ self.slot_prices(duals).T
        shape = (self.n_quantities, self.features.shape[1], len(self.arms), -1)
        return np.moveaxis(np.asarray(table).reshape(shape), -1, 0)

    def profits(self, duals: np.ndarray, members: np.ndarray | None = None) -> np.ndarray:
        """[K, A]: profit per request of the best response on every arm; -inf where closed."""
        members = np.arange(len(self.rate)) if members is None else members
        out = np.full((len(members), len(self.arms)), -np.inf)
        table = self.price_table(duals)
        for part in self.batches(members):
            k = members[part]
            opened = self.menu[self.group[k]]
            arms = np.flatnonzero(opened.any(axis=0))
            if not arms.size:
                continue
            profit = self._profit(k, arms, self.quantity_prices(table, k, arms), opened[:, arms])
            out[part[:, None], arms] = np.where(opened[:, arms], profit, -np.inf)
        return out

    def batches(self, members: np.ndarray) -> list[np.ndarray]:
        """Places in ``members`` to be priced together: of few groups, and not too many."""
        each = len(self.arms) * self.n_quantities
        size = 1 + len(members) * each // 4_000_000
        order = np.argsort(self.group[members], kind="stable") if size > 1 else None
        places = np.arange(len(members)) if order is None else order
        return [part for part in np.array_split(places, size) if len(part)]

    def quantity_prices(self, table: np.ndarray, k: np.ndarray, arms: np.ndarray) -> np.ndarray:
        """[n, J+3, arms]: price of every quantity to members k, from a ``price_table``."""
        out = np.empty((self.n_quantities, len(k), len(arms)))  # each quantity in one piece
        own = self.own_addition[:, :, arms]
        priced = [y for y in range(self.n_quantities) if own[y].any()]
        groups = self.group[k]
        present = np.unique(groups)
        if len(k) < _SPARSE * len(present):  # too few of each for a product of matrices
            features = self.features[k]
            np.einsum("kf,kyfa->yka", features, table[:, :, :, arms][groups], out=out)
            for y in priced:
                out[y] += (features * self.addition[k, None]) @ own[y]
            return np.moveaxis(out, 0, 1)
        for g in present:
            at = np.flatnonzero(groups == g)
            every = len(at) == len(k)
            features = self.features[k if every else k[at]]
            here = table[g][:, :, arms]
            extra = features * self.addition[k[at], None] if priced else features
            for y in range(self.n_quantities):
                price = features @ here[y]
                if y in priced:
                    price += extra @ own[y]
                if every:
                    out[y] = price
                else:
                    out[y, at] = price
        return np.moveaxis(out, 0, 1)

    def _profit(
        self, k: np.ndarray, arms: np.ndarray, price: np.ndarray, opened: np.ndarray
    ) -> np.ndarray:
        out = np.empty((len(k), len(arms)))
        technology = self.technology_of[arms]
        for i in np.unique(technology):
            a = np.flatnonzero(technology == i)
            p = price[:, :, a]
            if len(a) <= _FEW:
                out[:, a] = self._respond(i, k, p).profit - p[:, 0]
                continue
            bound, hope = self._bounds(i, k, p, opened[:, a])
            out[:, a] = bound
            close = opened[:, a] & (bound >= hope[:, None])
            for at in np.array_split(np.flatnonzero(close.any(axis=0)), 1 + close.sum() // 400_000):
                full = self._respond(i, k, p[:, :, at]).profit - p[:, 0][:, at]
                out[:, a[at]] = np.where(close[:, at], full, bound[:, at])
        return out

    def _respond(self, technology: int, k: np.ndarray, p: np.ndarray) -> Response:
        """Best responses of members k [n] to prices p [n, J+3, arms]."""
        return self.technologies[technology].best_response(
            -p[:, -1],
            np.moveaxis(p[:, 1:-2], 1, -1),
            p[:, -2],
            self.factor_of(technology, k)[:, None],
            self.difficulty_of(k)[:, None],
        )

    def _bounds(
        self, i: int, k: np.ndarray, p: np.ndarray, opened: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """([n, arms] upper bounds on profits, [n] a profit that some arm is sure to reach).

        Ways to serve differ only in prices. Arms are put into buckets of like token price;
        the response to the least prices of a bucket bounds all of it from above, and its
        tokens, bought at an arm's own prices, bound that arm from below. Arms that cannot
        come near the best keep their upper bound.
        """
        cheapest = p[:, 1:-1].min(axis=2, keepdims=True)
        first = self._respond(
            i,
            k,
            np.concatenate([p[:, :1, :1], cheapest, p[:, -1:].min(axis=2, keepdims=True)], axis=1),
        )
        tokens = first.tokens[:, 0]
        dearness = np.einsum("kja,kj->ka", p[:, 1:-2], np.where(np.isfinite(tokens), tokens, 0.0))
        order = np.argsort(dearness.mean(axis=0), kind="stable")
        bound = np.empty((len(k), p.shape[2]))
        hope = np.full(len(k), -np.inf)
        margin = np.zeros(len(k))
        buckets = [b for b in np.array_split(order, _BUCKETS) if len(b)]
        least = np.stack(
            [
                np.concatenate(
                    [p[:, 1:-1][:, :, b].min(axis=2), p[:, -1:][:, :, b].min(axis=2)], axis=1
                )
                for b in buckets
            ],
            axis=2,
        )
        best = self._respond(i, k, np.concatenate([np.zeros_like(least[:, :1]), least], axis=1))
        for at, b in enumerate(buckets):
            bound[:, b] = best.profit[:, [at]] - p[:, 0][:, b]
            t = best.tokens[:, at]
            with np.errstate(invalid="ignore"):
                extra = p[:, 1:-1][:, :, b] - least[:, :-1, [at]]
                amounts = np.concatenate([t, best.wrong[:, [at]]], axis=1)
                more = np.einsum("kja,kj->ka", extra, amounts)
                dear = (least[:, -1, [at]] - p[:, -1][:, b]) * best.success[:, [at]]
            reached = (
                bound[:, b] - np.where(np.isfinite(more), more, np.inf) + np.minimum(dear, 0.0)
            )
            hope = np.maximum(hope, np.where(opened[:, b], reached, -np.inf).max(axis=1))
            spent = np.abs(least[:, :-1, at] * amounts).sum(axis=1)
            margin = np.maximum(margin, np.where(np.isfinite(spent), spent, 0.0))
        margin += np.abs(p[:, -1].min(axis=1) * best.success.max(axis=1))
        return bound, hope - _NEAR * margin

    def pair_prices(self, duals: np.ndarray, member: np.ndarray, arm: np.ndarray) -> np.ndarray:
        """[n, J+3]: price of each quantity for pairs of member and arm."""
        entry, quantity, slot, value = self.pair_use(member, arm)
        price = self.slot_prices(duals)[self.group[member[entry]], slot]
        if self.addition_slot >= 0:
            price = price + np.where(slot == self.addition_slot, self.addition[member[entry]], 0.0)
        flat = np.bincount(
            entry * self.n_quantities + quantity,
            weights=value * price,
            minlength=len(member) * self.n_quantities,
        )
        return flat.reshape(len(member), self.n_quantities)

    def columns(self, duals: np.ndarray, member: np.ndarray, arm: np.ndarray) -> Columns:
        """Best responses of pairs at prices, with what they buy."""
        price = self.pair_prices(duals, member, arm)
        n = len(member)
        amounts = np.zeros((n, self.n_quantities))
        amounts[:, 0] = 1.0
        profit, revenue = np.zeros(n), np.zeros(n)
        technology = self.technology_of[arm]
        for i in np.unique(technology):
            at = np.flatnonzero(technology == i)
            r = self.technologies[i].best_response(
                -price[at, -1],
                price[at, 1:-2],
                price[at, -2],
                self.factor_of(i, member[at]),
                self.difficulty_of(member[at]),
            )
            amounts[at, 1:-2], amounts[at, -2] = r.tokens, r.wrong
            # a power law without effort is −∞: the profit says so, where success has a price
            amounts[at, -1] = np.where(np.isfinite(r.success), r.success, 0.0)
            profit[at], revenue[at] = r.profit - price[at, 0], r.log_revenue
        return Columns(member, arm, price, amounts, profit, revenue)

    def moved(self, columns: Columns) -> np.ndarray:
        """[n] money that a request moves: its value and costs, or what it might have earned."""
        out = np.abs(columns.prices * columns.amounts).sum(axis=1)
        return np.maximum(out, self.stake[columns.member]) if len(self.stake) else out

    def curvatures(self, columns: Columns) -> np.ndarray:
        """[n, J+2, J+2]: −∂(tokens, wrong, success)/∂(their prices), per request."""
        n = self.n_quantities - 1
        out = np.zeros((len(columns.member), n, n))
        technology = self.technology_of[columns.arm]
        for i in np.unique(technology):
            at = np.flatnonzero(technology == i)
            curve, p, q = self.technologies[i], columns.prices[at], columns.amounts[at]
            response = Response(
                q[:, 1:-2], q[:, -1], q[:, -2], columns.profit[at], columns.log_revenue[at]
            )
            out[at] = curve.curvature(
                response,
                -p[:, -1],
                p[:, 1:-2],
                p[:, -2],
                self.factor_of(i, columns.member[at]),
                self.difficulty_of(columns.member[at]),
            )
        return out

    def merged(self, flows: Flows) -> Flows:
        """Flows with bundles at constant returns spread over all requests.

        A few requests with the whole bundle and many with nothing are worth no more than
        every request with its share, where serving a request costs nothing by itself.
        """
        held = [t.target is not None and t.risk.rate == 0 for t in self.technologies]
        if not any(held):
            return flows
        nothing = np.array([t.target == 0 for t in self.technologies])[
            self.technology_of[flows.arm]
        ]
        spread = np.array(held, bool)[self.technology_of[flows.arm]] & ~nothing
        entry, quantity, _, value = self.pair_use(flows.member, flows.arm)
        spread[entry[(quantity == 0) & (value != 0)]] = False
        n = len(self.rate)
        spread &= np.bincount(flows.member[~nothing], minlength=n)[flows.member] == 1
        if not spread.any():
            return flows
        joins = self._idle_beside(flows, nothing, spread)
        served = np.bincount(flows.member[~joins], flows.requests[~joins], n)
        left = np.maximum(self.rate - served, 0.0)[flows.member]
        requests = flows.requests + np.where(spread, left, 0.0)
        tokens = flows.tokens * (flows.requests / requests)[:, None]
        return Flows(flows.member[~joins], flows.arm[~joins], requests[~joins], tokens[~joins])

    def _idle_beside(self, flows: Flows, nothing: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """Flows without tokens on the arm over which their member's bundle can be spread."""
        at = {int(flows.member[i]): self.arms[flows.arm[i]].labels for i in np.flatnonzero(spread)}
        out = np.zeros(len(flows.arm), bool)
        for i in np.flatnonzero(nothing):
            out[i] = at.get(int(flows.member[i])) == self.arms[flows.arm[i]].labels
        return out

    def narrowed(self, arms: np.ndarray) -> Stream:
        """The stream with only some of its arms (their numbers, increasing)."""
        shape = (self.n_quantities, self.features.shape[1], len(self.arms))
        kept = np.arange(np.prod(shape)).reshape(shape)[:, :, arms].ravel()
        return replace(
            self,
            menu=self.menu[:, arms],
            arms=tuple(self.arms[a] for a in arms),
            coefficients=self.coefficients[kept],
        )

    def part(self, members: np.ndarray, rate: np.ndarray | None = None) -> Stream:
        """The stream with only some of its members, at their own rates or at others."""

        def take(x: np.ndarray) -> np.ndarray:
            return x[members] if len(x) else x

        return replace(
            self,
            rate=self.rate[members] if rate is None else rate,
            features=self.features[members],
            group=self.group[members],
            decline_cost=self.decline_cost[members],
            addition=take(self.addition),
            factor={i: f[members] for i, f in self.factor.items()},
            difficulty=None if self.difficulty is None else self.difficulty[members],
            origin=take(self.origin),
            period=take(self.period),
            stake=take(self.stake),
        )

    # --- use -------------------------------------------------------------------------------

    def pair_use(self, member: np.ndarray, arm: np.ndarray) -> tuple[np.ndarray, ...]:
        """Sparse use of slots by pairs: (pair, quantity, slot, use per unit of quantity)."""
        start, quantity, feature, slot, coefficient = self._by_arm
        counts = start[arm + 1] - start[arm]
        entry = np.repeat(np.arange(len(arm)), counts)
        offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        at = np.repeat(start[arm], counts) + offset
        value = coefficient[at] * self.features[member[entry], feature[at]]
        return entry, quantity[at], slot[at], value

    def row_use(
        self, member: np.ndarray, arm: np.ndarray, amounts: np.ndarray, n_rows: int
    ) -> sp.csc_matrix:
        """[rows, n]: use of the program's rows per request, for ``amounts`` [n, J+3]."""
        entry, quantity, slot, value = self.pair_use(member, arm)
        row = self.rows[self.group[member[entry]], slot]
        real = row >= 0
        data = value[real] * amounts[entry[real], quantity[real]]
        return sp.csc_matrix((data, (row[real], entry[real])), shape=(n_rows, len(arm)))

    def quantity_rows(
        self, member: np.ndarray, arm: np.ndarray, n_rows: int
    ) -> list[sp.csc_matrix]:
        """For each quantity, [rows, n]: use of rows per unit of that quantity."""
        entry, quantity, slot, value = self.pair_use(member, arm)
        row = self.rows[self.group[member[entry]], slot]
        out = []
        for y in range(self.n_quantities):
            at = (row >= 0) & (quantity == y)
            shape = (n_rows, len(arm))
            out.append(sp.csc_matrix((value[at], (row[at], entry[at])), shape=shape))
        return out

    def amounts(self, flows: Flows) -> np.ndarray:
        """[n, J+3] quantities per request of an allocation, from the curves."""
        out = np.zeros((len(flows.arm), self.n_quantities))
        out[:, 0], out[:, 1:-2] = 1.0, flows.tokens
        technology = self.technology_of[flows.arm]
        for i in np.unique(technology):
            at = np.flatnonzero(technology == i)
            success, wrong = self.technologies[i].outcome(
                flows.tokens[at],
                self.factor_of(i, flows.member[at]),
                self.difficulty_of(flows.member[at]),
            )
            out[at, -1], out[at, -2] = success, wrong
        return out

    def slot_use(self, flows: Flows) -> tuple[np.ndarray, np.ndarray]:
        """([n, S] use per request of each slot, [n, S] what it costs at own prices, USD)."""
        amounts = self.amounts(flows)
        entry, quantity, slot, value = self.pair_use(flows.member, flows.arm)
        n_s = len(self.slots)
        weights = value * amounts[entry, quantity]
        use = np.bincount(entry * n_s + slot, weights=weights, minlength=len(flows.arm) * n_s)
        use = use.reshape(len(flows.arm), n_s)
        cost = use * np.array([s.own_price for s in self.slots])
        if self.addition_slot >= 0:
            at = self.addition_slot
            cost[:, at] += use[:, at] * self.addition[flows.member]
        return use, cost
