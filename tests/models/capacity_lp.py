"""The capacity decisions stated a second time, as one linear program from the config alone.

For configs of one model of constant success on one deployment at one speed, whose classes have
prompts of no tokens: nothing of ``allocate`` is used but the names of its keys.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.optimize import linprog

HOUR = 3600.0


def optimum(config: Mapping[str, Any], reserved: float | None = None) -> tuple[float, float]:
    """(expected welfare in USD per hour, GPUs reserved); with ``reserved`` that many, no others."""
    return _Stated(config).solved(reserved)


class _Stated:
    def __init__(self, config: Mapping[str, Any]):
        self.config = config
        self.periods = config.get("periods") or {"all": {"hours": 24.0}}
        unknown = config.get("uncertainty") or {"scenarios": {"only": {"probability": 1.0}}}
        self.unknown, self.scenarios = unknown, unknown["scenarios"]
        (self.gpu,) = config["gpus"].values()
        (self.gpu_name,) = config["gpus"]
        (d,) = config["deployments"].values()
        tau, u = d["tpot_ms"][0] / 1e3, 1.0 - d["alpha_ms"] / d["tpot_ms"][0]
        # GPUs for a token an hour: busy time or a place in the batch, whichever is more
        self.per_token = max(d["beta_ms"] / 1e3 / u, tau / d["max_batch"]) / HOUR
        (model,) = config["models"].values()
        self.quality = model["quality"]
        self.cost: list[float] = []  # of every variable: what it costs, USD per hour
        self.low: list[float] = []
        self.high: list[float] = []
        self.rows: list[dict[int, float]] = []
        self.right: list[float] = []

    def variable(self, cost: float = 0.0, high: float = np.inf, low: float = 0.0) -> int:
        self.cost.append(cost)
        self.low.append(low)
        self.high.append(high)
        return len(self.cost) - 1

    def at_most(self, row: dict[int, float], right: float) -> None:
        self.rows.append(row)
        self.right.append(right)

    def solved(self, fixed: float | None) -> tuple[float, float]:
        offer = self.gpu.get("reserved")
        least, most, price = 0.0, 0.0, 0.0
        if offer is not None:
            least, most = offer.get("committed", 0.0), offer.get("available", np.inf)
            price = offer["price_usd_per_h"]
        if fixed is not None:
            least = most = fixed
        r = self.variable(price, most, least)
        spent, unmet = {}, {}
        for name, scenario in self.scenarios.items():
            spent[name], unmet[name] = self._scenario(scenario, r, price)
        self._tail("cost_tail", "max_usd_per_h", spent)
        self._tail("unmet_tail", "max_per_h", unmet)
        self._budget(spent)
        matrix = np.zeros((len(self.rows), len(self.cost)))
        for i, row in enumerate(self.rows):
            for j, v in row.items():
                matrix[i, j] = v
        bounds = list(zip(self.low, self.high, strict=True))
        found = linprog(self.cost, A_ub=matrix, b_ub=self.right, bounds=bounds, method="highs")
        assert found.status == 0, found.message
        return -found.fun, found.x[r]

    def _scenario(
        self, scenario: Mapping[str, Any], r: int, price: float
    ) -> tuple[tuple[dict[int, float], float], tuple[dict[int, float], float]]:
        """((what is spent, 0), (what is declined, its constant)), given the scenario."""
        p, periods = scenario["probability"], list(self.periods.values())
        day = sum(t["hours"] for t in periods)
        spent: dict[int, float] = {r: price}
        unmet: dict[int, float] = {}
        arriving = 0.0
        uses: list[dict[int, float]] = [{r: -1.0} for _ in periods]
        mine = scenario.get("gpus", {}).get(self.gpu_name, {})
        for t, period in enumerate(periods):
            w = period["hours"] / day
            scale = mine.get("price_scale", 1.0) * period.get("gpu_price_scale", 1.0)
            there = mine.get("available_scale", 1.0)
            for usd, many, useful in self._offers():
                v = self.variable(p * w * usd * scale, many * there)
                uses[t][v] = -useful
                spent[v] = w * usd * scale
        for name, k in self.config["classes"].items():
            tokens = k["output_tokens"] * self.per_token
            for t, period in enumerate(periods):
                w = period["hours"] / day
                rate = HOUR * k["rate_per_s"] * period.get("demand_scale", 1.0)
                rate *= scenario.get("demand_scale", 1.0)
                rate *= scenario.get("classes", {}).get(name, 1.0)
                rate *= scenario.get("tenants", {}).get(k.get("tenant"), 1.0)
                arriving += w * rate
                sent = {}
                for then, wait in self._moments(k, t):
                    usd = k["value_usd"] * self.quality - wait * k.get("defer_usd_per_h", 0.0)
                    x = self.variable(-p * w * usd)
                    sent[x] = 1.0
                    unmet[x] = -w
                    uses[then][x] = tokens * period["hours"] / periods[then]["hours"]
                self.at_most(sent, rate)
        for row in uses:
            self.at_most(row, 0.0)
        return (spent, 0.0), (unmet, arriving)

    def _offers(self) -> list[tuple[float, float, float]]:
        """(USD an hour, how many, share of its time that is useful) of GPUs by the hour."""
        out = []
        if self.gpu.get("available"):
            out.append((self.gpu.get("price_usd_per_h", 0.0), self.gpu["available"], 1.0))
        if sold := self.gpu.get("on_demand"):
            out.append((sold["price_usd_per_h"], sold.get("available", np.inf), 1.0))
        if spot := self.gpu.get("spot"):
            often = spot.get("interruptions_per_h", 0.0)
            usd = spot["price_usd_per_h"] + often * spot.get("interruption_usd", 0.0)
            useful = 1.0 - often * spot.get("lost_h", 0.0)
            out.append((usd, spot.get("available", np.inf), useful))
        return out

    def _moments(self, k: Mapping[str, Any], t: int) -> list[tuple[int, float]]:
        """(period it may be served in, mean hours waited), first come, first served."""
        hours = [p["hours"] for p in self.periods.values()]
        clock = [0.0, *itertools.accumulate(hours)]
        out = [(t, 0.0)]
        for then in range(len(hours)):
            if then == t:
                continue
            first = clock[then] - clock[t]
            last = clock[then + 1] - clock[t + 1]
            if first < 0:
                first, last = first + clock[-1], last + clock[-1]
            if max(first, last) <= k.get("max_defer_h", -1.0) + 1e-9:
                out.append((then, (first + last) / 2.0))
        return out

    def _tail(self, key: str, field: str, of: Mapping[str, Any]) -> None:
        tail = self.unknown.get(key)
        if tail is None:
            return
        level, beta, price = self.variable(), tail.get("beta", 0.95), tail.get("price_usd", 0.0)
        cvar = {level: 1.0}
        for name, scenario in self.scenarios.items():
            row, constant = of[name]
            excess = self.variable()
            self.at_most({**row, level: -1.0, excess: -1.0}, -constant)
            cvar[excess] = scenario["probability"] / (1.0 - beta)
        for v, weight in cvar.items():
            self.cost[v] += price * weight
        if tail.get(field) is not None:
            self.at_most(cvar, tail[field])

    def _budget(self, spent: Mapping[str, Any]) -> None:
        money = (self.config.get("budgets") or {}).get("money_usd")
        if money is None:
            return
        row: dict[int, float] = {}
        for name, scenario in self.scenarios.items():
            for v, usd in spent[name][0].items():
                row[v] = row.get(v, 0.0) + scenario["probability"] * usd
        self.at_most(row, money)
