"""``Program``: the only language between the models and the solvers.

    maximise    Σ_streams Σ_k Σ_a  x_ka · (payoff per request)  −  Σ_i cost_i y_i  −  Σ convex terms
    subject to  use of every row  ≤  its capacity,      x, y ≥ 0,   y ≤ upper
                Σ_a x_ka + declined_k = rate_k

All flows are per hour, averaged over the day; the objective is USD per hour. Rows couple
the blocks and their duals are the shared prices. A program knows no layer: the stack
labels arms, activities and resources, and only the reader of a solution looks at labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from allocate.models.blocks import Activity as Activity
from allocate.models.blocks import Count as Count
from allocate.models.blocks import Resource as Resource
from allocate.models.blocks import Row as Row
from allocate.models.blocks import Term as Term
from allocate.models.limits import TINY
from allocate.models.stream import Flows, Stream
from allocate.models.totals import Totals, totals

ACCOUNTS: tuple[str, ...] = ("value", "money", "latency", "risk", "oversight", "training")


class Allocation(NamedTuple):
    """A primal point: flows of every stream and the level of every activity."""

    flows: tuple[Flows, ...]
    levels: np.ndarray


@dataclass(frozen=True)
class Program:
    """Blocks, rows, resources. ``offsets`` are constants of the objective by account, USD/h.

    ``counts`` are not part of the problem above: without them it is the continuous one.
    """

    rows: tuple[Row, ...]
    streams: tuple[Stream, ...]
    activities: tuple[Activity, ...] = ()
    terms: tuple[Term, ...] = ()
    resources: tuple[Resource, ...] = ()
    offsets: tuple[tuple[str, float], ...] = ()
    counts: tuple[Count, ...] = ()

    @property
    def offset(self) -> float:
        """All constants of the objective together, USD per hour."""
        return sum(amount for _, amount in self.offsets)

    @cached_property
    def at_stake(self) -> float:
        """What all requests together could be worth, USD per hour: the scale of the program."""
        return sum(float(s.rate @ s.stake) for s in self.streams if len(s.stake))

    def scale(self, value: float) -> float:
        """The money that a method measures its progress against, near a value; USD per hour."""
        return max(abs(value), 1e-6 * self.at_stake, TINY)

    # --- arrays that every method wants --------------------------------------------------------

    @cached_property
    def capacity(self) -> np.ndarray:
        """[rows], in each row's unit."""
        return np.array([r.capacity for r in self.rows], float)

    @cached_property
    def cost(self) -> np.ndarray:
        """[activities] USD per unit."""
        return np.array([a.cost for a in self.activities], float)

    @cached_property
    def upper(self) -> np.ndarray:
        """[activities] bounds."""
        return np.array([a.upper for a in self.activities], float)

    @cached_property
    def loose(self) -> np.ndarray:
        """[activities] whether the bound is a formality."""
        return np.array([a.loose for a in self.activities], bool)

    @cached_property
    def use(self) -> sp.csc_matrix:
        """[rows, activities] use of rows per unit; negative where it supplies."""
        entries = [(r, i, v) for i, a in enumerate(self.activities) for r, v in a.uses]
        r, i, v = zip(*entries, strict=True) if entries else ((), (), ())
        shape = (len(self.rows), len(self.activities))
        return sp.csc_matrix((np.array(v, float), (r, i)), shape=shape)

    @cached_property
    def linear(self) -> np.ndarray:
        """[activities] whether no convex term counts it."""
        out = np.ones(len(self.activities), bool)
        out[[i for t in self.terms for i in t.activities]] = False
        return out

    @cached_property
    def row_activities(self) -> list[list[int]]:
        """Of every row, the activities that use or supply it."""
        out: list[list[int]] = [[] for _ in self.rows]
        for i, a in enumerate(self.activities):
            for r, _ in a.uses:
                out[r].append(i)
        return out

    @cached_property
    def _makers(self) -> list[list[int]]:
        """Of every row, the activities that supply it."""
        out: list[list[int]] = [[] for _ in self.rows]
        for i, a in enumerate(self.activities):
            for r, v in a.uses:
                if v < 0:
                    out[r].append(i)
        return out

    @cached_property
    def suppliers(self) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """(activity, rows, amounts) of the linear ones that alone make rows of capacity 0."""
        out = []
        for i, a in enumerate(self.activities):
            supply = [(r, -v) for r, v in a.uses if v < 0]
            alone = all(len(self._makers[r]) == 1 and self.capacity[r] == 0 for r, _ in supply)
            if supply and alone and self.linear[i] and a.cost >= 0:
                rows, amounts = zip(*supply, strict=True)
                out.append((i, np.array(rows), np.array(amounts)))
        return out

    @cached_property
    def supplier(self) -> np.ndarray:
        """[activities] whether it is one of ``suppliers``."""
        return np.isin(np.arange(len(self.activities)), [i for i, _, _ in self.suppliers])

    @cached_property
    def supplied(self) -> np.ndarray:
        """[rows] whether one of ``suppliers`` makes it, such as what a lane's replicas offer."""
        out = np.zeros(len(self.rows), bool)
        for _, rows, _ in self.suppliers:
            out[rows] = True
        return out

    @cached_property
    def common_supply(self) -> list[tuple[int, list[tuple[int, float]]]]:
        """Rows of capacity 0 that several linear activities make: (row, [(activity, amount)])."""
        out = []
        for r, makers in enumerate(self._makers):
            if not makers or self.capacity[r] != 0 or self.supplied[r]:
                continue
            if self.linear[makers].all() and all(self.activities[i].cost >= 0 for i in makers):
                made = [-dict(self.activities[i].uses)[r] for i in makers]
                out.append((r, list(zip(makers, made, strict=True))))
        return out

    # --- value -----------------------------------------------------------------------------

    def flow_totals(self, allocation: Allocation) -> list[Totals]:
        """What the flows of each stream use and cost."""
        n_rows = len(self.rows)
        return [totals(s, f, n_rows) for s, f in zip(self.streams, allocation.flows, strict=True)]

    def usage(self, allocation: Allocation, flow: Sequence[Totals] | None = None) -> np.ndarray:
        """[rows]: use of every row; ``flow``: the flows' totals, where they are known already."""
        flow = self.flow_totals(allocation) if flow is None else flow
        return np.asarray(self.use @ allocation.levels + sum(t.use for t in flow)).ravel()

    def accounts(
        self, allocation: Allocation, flow: Sequence[Totals] | None = None
    ) -> dict[str, float]:
        """Objective by account, USD per hour; costs positive, value as earned."""
        out: dict[str, float] = dict.fromkeys(ACCOUNTS, 0.0)
        flow = self.flow_totals(allocation) if flow is None else flow
        for stream, flows, total in zip(self.streams, allocation.flows, flow, strict=True):
            for slot, cost in zip(stream.slots, total.costs, strict=True):
                if slot.account:
                    out[slot.account] += float(cost)
            served = np.bincount(flows.member, flows.requests, len(stream.rate))
            declined = np.maximum(stream.rate - served, 0.0)
            out["value"] += float(stream.penalty @ declined)
        out["value"] = -out["value"]
        for i, a in enumerate(self.activities):
            out[a.account] += self.cost[i] * allocation.levels[i]
        for t in self.terms:
            out[t.account] += t.value(allocation.levels)
        for account, amount in self.offsets:
            out[account] += amount if account == "value" else -amount
        return out

    def welfare(self, allocation: Allocation) -> float:
        """The objective, USD per hour."""
        accounts = self.accounts(allocation)
        return accounts.pop("value") - sum(accounts.values())

    # --- dual ------------------------------------------------------------------------------

    def unit_profit(self, duals: np.ndarray) -> np.ndarray:
        """[activities]: −cost − price of what a unit uses, before convex terms."""
        return -self.cost - self.use.T @ duals

    def activity_profit(self, duals: np.ndarray) -> np.ndarray:
        """[activities]: best profit of each activity (a term's stands at its first)."""
        unit = self.unit_profit(duals)
        with np.errstate(invalid="ignore"):
            best = np.where(unit > 0, unit * self.upper, 0.0)
        best[~self.linear] = 0.0
        for t in self.terms:
            best[t.activities[0]] = t.profit(unit, self.upper)
        return best

    def stream_profits(
        self, duals: np.ndarray, profits: Sequence[np.ndarray] | None = None
    ) -> list[float]:
        """What the members of each stream earn together at their best, USD per hour.

        ``profits``: [K, A] of every stream at these prices, where they are known already.
        """
        out = []
        for i, stream in enumerate(self.streams):
            if profits is None:
                best = stream.best_profits(duals)
            else:
                best = profits[i].max(axis=1, initial=-np.inf)
            best = np.maximum(best, -stream.decline_cost)
            out.append(float(stream.rate @ np.where(stream.rate > 0, best, 0.0)))
        return out

    def dual(self, duals: np.ndarray, profits: Sequence[np.ndarray] | None = None) -> float:
        """Exact dual value, USD per hour: an upper bound on every feasible welfare.

        ``profits``: [K, A] of every stream at these prices, where they are known already.
        """
        total = self.offset + float(self.capacity @ duals)
        for earned in self.stream_profits(duals, profits):
            total += earned
        return total + float(self.activity_profit(duals).sum())

    # --- change ----------------------------------------------------------------------------

    def with_capacity(self, resource: Resource, capacity: float) -> Program:
        """The program with one resource's capacity changed."""
        step = capacity - (resource.capacity or 0.0)
        rows = list(self.rows)
        for r, weight in resource.rows:
            rows[r] = replace(rows[r], capacity=rows[r].capacity + weight * step)
        activities = list(self.activities)
        for r, i, weight in resource.supplies:
            uses = dict(activities[i].uses)
            uses[r] = uses.get(r, 0.0) - weight * step
            activities[i] = replace(activities[i], uses=tuple(uses.items()))
        grown = {r for r, weight in resource.rows if weight * step > 0}
        for i, a in enumerate(activities):
            most = [2.0 * rows[r].capacity / v for r, v in a.uses if r in grown and v > 0]
            if a.loose and most:  # a row binds before it, in the larger program too
                activities[i] = replace(a, upper=max(a.upper, *most))
        resources = tuple(
            replace(s, capacity=capacity) if s.path == resource.path else s for s in self.resources
        )
        return replace(self, rows=tuple(rows), activities=tuple(activities), resources=resources)

    def value_of(self, resource: Resource, duals: np.ndarray, levels: np.ndarray) -> float:
        """Gain in welfare per hour for one more unit of a resource (envelope theorem)."""
        gain = sum(weight * duals[r] for r, weight in resource.rows)
        return float(gain + sum(w * duals[r] * levels[i] for r, i, w in resource.supplies))
