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

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from allocate.models.curves import RequestCurve, Response
from allocate.models.monomials import Monomials
from allocate.models.profits import best_profits, profits

_MOST_TOKENS = 1e12  # of a use without a cap, where an allocation has to have a number


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
    def monomials(self) -> Monomials:
        """See ``Monomials``."""
        shape = (self.n_quantities, self.features.shape[1], len(self.slots))
        return Monomials.of(self.coefficients, self.technology_of, shape, self.addition_slot)

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
        """See ``profits.profits``."""
        return profits(self, duals, members)

    def best_profits(self, duals: np.ndarray) -> np.ndarray:
        """See ``profits.best_profits``."""
        return best_profits(self, duals)

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

    def users(self, rows: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """(members, arms), increasing, among which are all pairs that may use one of the rows."""
        groups, slots = np.nonzero(np.isin(self.rows, rows))
        start, _, _, slot, _ = self._by_arm
        entries = np.append(0, np.cumsum(np.isin(slot, slots)))
        arms = np.flatnonzero(entries[start[1:]] > entries[start[:-1]])
        return np.flatnonzero(np.isin(self.group, groups)), arms

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
