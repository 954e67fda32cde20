"""What an answer runs on its lanes, and what the same work would need at another speed.

Work that moves to the next tier of its lane family needs other amounts of the same things:
waiting, which has a price, and replicas, as many as the scarcest of their busy time, places
and memory asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.serving import Tier
from allocate.models.stream import Stream


def threes(tiers: Sequence[Tier]) -> Iterator[tuple[Tier, Tier, Tier]]:
    """Every tier between its two neighbours of the family."""
    families: dict[str, list[Tier]] = {}
    for tier in tiers:
        families.setdefault(tier.family, []).append(tier)
    for of in families.values():
        of.sort(key=lambda t: t.utilisation)
        yield from zip(of[:-2], of[1:-1], of[2:], strict=True)


class Work(NamedTuple):
    """What runs on a tier, at three speeds, USD per hour; ``n`` pieces of work.

    ``replicas`` are what replicas would cost if they were needed for that part alone.
    """

    priced: np.ndarray  # [n, 3] what has a price of its own
    replicas: np.ndarray  # [n, parts, 3]
    moment: np.ndarray  # [n]
    shares: np.ndarray  # [n, parts] of a replica's cost that each part bears today


@dataclass(frozen=True)
class Running:
    """What an answer runs, by tier."""

    program: Program
    lanes: Sequence[str]
    allocation: Allocation
    duals: np.ndarray

    @property
    def stream(self) -> Stream:
        """All requests."""
        return self.program.streams[0]

    @cached_property
    def amounts(self) -> np.ndarray:
        """[flows, J+3] quantities of one request of each flow."""
        return self.stream.amounts(self.allocation.flows[0])

    @cached_property
    def arms(self) -> dict[tuple, int]:
        """(technology, labels) → arm."""
        return {(a.technology, *a.labels.items()): i for i, a in enumerate(self.stream.arms)}

    @cached_property
    def rows(self) -> dict[str, dict[str, int]]:
        """Lane → what a row counts → row."""
        rows = self.program.rows
        return {
            lane: {
                row.name.removeprefix(lane): i
                for i, row in enumerate(rows)
                if row.name.startswith(f"{lane} ")
            }
            for lane in self.lanes
        }

    @cached_property
    def beside(self) -> dict[str, dict[tuple, int]]:
        """Lane → (layer, what, moment) → activity that uses it: training, resident copies."""
        out: dict[str, dict[tuple, int]] = {}
        for i, a in enumerate(self.program.activities):
            layer = a.labels.get("layer")
            if layer == "decoding":
                lane, what = a.labels["lane"], a.labels["context"]
            elif layer == "cache":
                lane, what = a.labels["family"], a.labels["group"]
            else:
                continue
            out.setdefault(lane, {})[layer, what, a.labels["period"]] = i
        return out

    def work(self, low: Tier, tier: Tier, high: Tier) -> Work | None:
        """What runs on a tier, there and on its neighbours; None if nothing, or not known."""
        flows, three = self.allocation.flows[0], (low, tier, high)
        role = "prefill" if tier.spec.stage == "prefill" else "tier"
        serving = np.array([a.labels.get(role) == tier.name for a in self.stream.arms])
        on = np.flatnonzero(serving[flows.arm])
        levels = self.allocation.levels
        beside = {k: i for k, i in self.beside.get(tier.key, {}).items() if levels[i] > 0}
        kinds, which = np.unique(flows.arm[on], return_inverse=True)
        n, parts = len(on), list(tier.rows)
        if not n + len(beside):
            return None
        priced = np.zeros((n + len(beside), 3))
        replicas = np.zeros((n + len(beside), len(parts), 3))
        period = self.stream.period[flows.member[on]]
        moment = np.concatenate([period, [key[-1] for key in beside]]).astype(int)
        unit = np.array([self.replica_usd(i) for i in tier.replicas])[moment]
        made = np.array(
            [[self.made(tier, part, t) for part in parts] for t in range(len(tier.replicas))]
        )
        for j, at in enumerate(three):
            moved = [self._moved(a, role, at) for a in kinds]
            if any(a is None for a in moved):
                return None
            duals = self._as_on(tier, at)
            member, chosen = flows.member[on], np.array(moved, int)[which]
            prices = self.stream.pair_prices(duals, member, chosen)
            priced[:n, j] = flows.requests[on] * (prices * self.amounts[on]).sum(axis=1)
            use = self.stream.row_use(member, chosen, self.amounts[on], len(duals)).tocsr()
            for p, part in enumerate(parts):
                for t in np.unique(period):
                    mine = np.flatnonzero(period == t)
                    used = use[at.rows[part][t]].toarray().ravel()[mine]
                    replicas[mine, p, j] = flows.requests[on][mine] * used / made[t, p]
            for k, (key, i) in enumerate(beside.items()):
                a = self.program.activities[self.beside[at.key][key]]
                uses = dict(a.uses)
                own = sum(v * duals[r] for r, v in a.uses if v > 0)
                priced[n + k, j] = levels[i] * (a.cost + own)
                for p, part in enumerate(parts):
                    used = uses.get(at.rows[part][key[-1]], 0.0)
                    replicas[n + k, p, j] = levels[i] * used / made[key[-1], p]
        borne = np.array(
            [[self.duals[tier.rows[part][t]] for part in parts] for t in range(len(made))]
        )
        shares = (borne * made)[moment] / np.maximum(unit, 1e-300)[:, None]
        return Work(priced, replicas * unit[:, None, None], moment, shares)

    def replica_usd(self, i: int) -> float:
        """What an hour of a replica costs at the prices."""
        a = self.program.activities[i]
        return a.cost + sum(v * float(self.duals[r]) for r, v in a.uses if v > 0)

    def made(self, tier: Tier, part: str, moment: int) -> float:
        """What a replica of a tier makes of a part."""
        uses = dict(self.program.activities[tier.replicas[moment]].uses)
        return -uses.get(tier.rows[part][moment], 0.0) or np.inf

    def _moved(self, arm: int, role: str, tier: Tier) -> int | None:
        """The arm that differs from one in its tier alone."""
        a = self.stream.arms[arm]
        speed = {role: tier.name} | ({} if role == "prefill" else {"tpot_ms": 1e3 * tier.tpot})
        return self.arms.get((a.technology, *(a.labels | speed).items()))

    def _as_on(self, tier: Tier, other: Tier) -> np.ndarray:
        """Prices with what stands on another tier priced as on a tier, and replicas free."""
        out = self.duals.copy()
        mine = self.rows[tier.key]
        for what, row in self.rows[other.key].items():
            out[row] = self.duals[mine[what]] if what in mine else 0.0
        out[[r for rows in other.rows.values() for r in rows]] = 0.0
        return out
