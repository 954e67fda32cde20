"""AL401 stale rollouts: capability is kept up by what is out of date, or beyond its worth.

A stock of capability loses δA an hour, and what is invested replaces it. It costs too much in
two ways: the rollouts are older than the cheapest ones that do the same, or the last tokens
keep up less gain than they cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from allocate.models.program import Program
from allocate.models.stream import Flows
from allocate.solver.studies.common import unit_price
from allocate.solver.studies.diagnosis.finding import Finding
from allocate.solver.studies.diagnosis.requests import count
from allocate.solver.studies.investment import Investment

_MTOK = 1e6
_LEAST = 1e-9
_AGE = ("a rollout token as old as it is, for what it is worth", "one of the best age")
_UPKEEP = ("what replacing the last depreciation costs", "what the gain kept by it is worth")


@dataclass(frozen=True)
class Capital:
    """An investment in a whole program, at shared prices of its rows [rows]."""

    program: Program
    duals: np.ndarray
    invested: Investment

    def findings(self) -> Iterator[Finding]:
        """Both kinds of AL401."""
        yield from self.stale()
        yield from self.beyond_worth()

    # --- age -----------------------------------------------------------------------------------

    def _price(self, i: int) -> float:
        """Full price of what one token made by an activity is worth, USD per effective token."""
        a = self.program.activities[i]
        return unit_price(a, self.duals) / a.labels["efficiency"]

    def stale(self) -> Iterator[Finding]:
        """Rollouts of an age at which a token's worth is dearer than at a younger one."""
        makers: dict[tuple[str, str], list[int]] = {}
        for i, a in enumerate(self.program.activities):
            if a.labels.get("input") == "rollout" and a.labels.get("layer") == "training":
                makers.setdefault((a.labels["asset"], a.labels["input"]), []).append(i)
        for (asset, _), mine in makers.items():
            best = min(mine, key=self._price)
            fresh = self.program.activities[best].labels["staleness"]
            by_age: dict[float, list[int]] = {}
            for i in mine:
                a = self.program.activities[i]
                if self._level(i) > _LEAST and a.labels["staleness"] > fresh:
                    by_age.setdefault(a.labels["staleness"], []).append(i)
            for age, at in by_age.items():
                yield from self._older(asset, age, fresh, at, best)

    def _level(self, i: int) -> float:
        return self.invested.levels.get(self.program.activities[i].name, 0.0)

    def _older(
        self, asset: str, age: float, fresh: float, at: list[int], best: int
    ) -> Iterator[Finding]:
        worth = [self._level(i) * self.program.activities[i].labels["efficiency"] for i in at]
        total = sum(worth)
        now = sum(w * self._price(i) for w, i in zip(worth, at, strict=True)) / total
        then = self._price(best)
        if now <= then:
            return
        yield Finding(
            code="AL401",
            where={"asset": asset},
            usd_per_hour=(now - then) * total,
            left=_MTOK * now,
            right=_MTOK * then,
            per="Mtok",
            amount_per_h=total / _MTOK,
            sides=_AGE,
            said=(
                f"rollouts {count(age)} versions old cost <left> for a million tokens' "
                f"worth; {count(fresh)} versions old they cost <right>"
            ),
            fix=f"make `{asset}`'s rollouts with a policy at most {count(fresh)} versions old",
            terms={"cost": _MTOK * (now - then)},
        )

    # --- upkeep --------------------------------------------------------------------------------

    def beyond_worth(self) -> Iterator[Finding]:
        """Assets that are kept up beyond what their gain is worth at the margin."""
        for stream in self.program.streams[1:]:
            flows = self.invested.flows
            if flows is None or not len(flows.member):
                return
            now = self._books(flows)
            best = stream.columns(self.duals, flows.member, flows.arm)
            caps = stream.finite_caps[stream.technology_of[flows.arm]]
            tokens = np.minimum(best.amounts[:, 1:-2], caps)
            then = self._books(flows._replace(tokens=tokens))
            for i, arm in enumerate(flows.arm):
                gain, cost = (now - then)[i] * flows.requests[i]
                if cost <= max(gain, 0.0) or cost - gain <= _LEAST * abs(now[i]).sum():
                    continue
                asset = stream.arms[arm].labels["asset"]
                share = self._share(flows.tokens[i], tokens[i])
                yield Finding(
                    code="AL401",
                    where={"asset": asset, "model": stream.arms[arm].labels["model"]},
                    usd_per_hour=float(cost - gain),
                    left=float(cost),
                    right=float(gain),
                    per="hour",
                    amount_per_h=1.0,
                    sides=_UPKEEP,
                    said=(
                        "replacing what depreciates of the last gain costs <left> an hour, "
                        "and that gain is worth <right>"
                    ),
                    fix=f"cut the tokens of `{asset}` to {100 * share:.3g} % of what they are",
                    terms={"value": float(-gain), "cost": float(cost)},
                )

    def _books(self, flows: Flows) -> np.ndarray:
        """[n, 2] worth of the gain and cost of the tokens of each asset, USD per hour."""
        stream = self.program.streams[1]
        amounts = stream.amounts(flows)
        price = stream.pair_prices(self.duals, flows.member, flows.arm)
        gain = -price[:, -1] * amounts[:, -1]
        return np.stack([gain, (price[:, :-1] * amounts[:, :-1]).sum(axis=1)], axis=1)

    @staticmethod
    def _share(now: np.ndarray, then: np.ndarray) -> float:
        return float(then.sum() / now.sum()) if now.sum() > 0 else 0.0
