"""What every layer has to show: regret, the price of autonomy, hits by value, capital."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from allocate.models.reading.answered import Answered

Table = list[dict[str, Any]]
_BANDS = 3  # of value, each with a like part of the requests
_LEAST = 1e-9  # of a member's requests
_SHOWN = 1000  # classes with the most requests that are looked at one by one


class Dashboard:
    """Requests at the shared prices, each with the gap to its best way."""

    def __init__(self, answer: Answered):
        self.answer, self.stream, self.flows = answer, answer.stream, answer.flows

    def _name(self, member: int) -> dict[str, Any]:
        classes, stream = self.answer.built.classes, self.stream
        when = self.answer.when(int(stream.period[member]))
        return {"class": classes.names[int(stream.origin[member])], **when}

    def regret(self) -> Table:
        """By class: the best model beside the one in use, and bounds on what hindsight is worth.

        ``regret_usd`` is what a mean request leaves behind at the shared prices, against the
        best model known beforehand. ``hindsight_usd`` bounds what it could gain if it were
        known beforehand which models solve it, each with the tokens that are best on it without
        that knowledge, however their successes hang together. Of
        many classes only those with the most requests.
        """
        return self._regrets

    @cached_property
    def _regrets(self) -> Table:
        out = []
        models = np.array([a.labels["model"] or "" for a in self.stream.arms])
        served = np.bincount(self.flows.member, self.flows.requests, len(self.stream.rate))
        largest = np.sort(np.argsort(-served, kind="stable")[:_SHOWN])
        shown = largest[served[largest] > _LEAST * self.stream.rate[largest]]
        profits = dict(zip(shown, self.stream.profits(self.answer.duals, shown), strict=True))
        pairs = np.flatnonzero(np.isin(self.flows.member, shown))
        member, arm = self.flows.member[pairs], self.flows.arm[pairs]
        got = self.stream.columns(self.answer.duals, member, arm).profit
        for k in shown:
            at = pairs[member == k]
            x, mine = self.flows.requests[at], got[member == k]
            best: dict[str, tuple[float, int]] = {}
            for m in dict.fromkeys(str(m) for m in models):
                arms = np.flatnonzero(models == m)
                top_arm = int(arms[profits[k][arms].argmax()])
                if np.isfinite(profits[k][top_arm]):
                    best[m] = float(profits[k][top_arm]), top_arm
            order = sorted(best, key=lambda m: -best[m][0])
            mine = float(x @ mine / x.sum())
            floor = -float(self.stream.decline_cost[k])
            top = max(best[order[0]][0], floor)
            out.append(
                {
                    **self._name(int(k)),
                    "models": sorted({str(models[a]) or "human" for a in self.flows.arm[at]}),
                    "best_model": order[0] or "human",
                    "next_model": (order[1] or "human") if len(order) > 1 else None,
                    "margin_usd": top - best[order[1]][0] if len(order) > 1 else None,
                    "regret_usd": max(top - mine, 0.0),
                    "hindsight_usd": self._hindsight(int(k), [a for _, a in best.values()]) - mine,
                    "requests_per_h": float(x.sum()),
                }
            )
        return out

    def _hindsight(self, k: int, arms: list[int]) -> float:
        """The most that knowing who succeeds could bring, whatever their dependence, USD."""
        arm = np.array(arms)
        c = self.stream.columns(self.answer.duals, np.full(len(arm), k), arm)
        value, success = -c.prices[:, -1], c.amounts[:, -1]
        cost = value * success - c.profit
        floor = -float(self.stream.decline_cost[k])
        failing = max(floor if np.isfinite(floor) else -np.inf, float(np.max(-cost)))
        left, total = 1.0, 0.0
        for i in np.argsort(cost - value):  # successes as far apart as they can be
            part = min(max(float(success[i]), 0.0), left)
            total += part * max(float(value[i] - cost[i]), failing)
            left -= part
        return max(total + left * failing, float(c.profit.max()))

    def vectors(self, lines: Table) -> Table:
        """Per class and way: (V ΔQ, ΔC, λΔL, ρΔR, oversight) and the gap to the best allocation."""
        regret = {tuple(r[k] for k in ("class", "period") if k in r): r for r in self.regret()}
        out = []
        for line in lines:
            key = tuple(line[k] for k in ("class", "period") if k in line)
            known = {k: line[k] for k in ("class", "period", "model", "autonomy") if k in line}
            gap = regret[key]["regret_usd"] if key in regret else None
            out.append({**known, **line["vector"], "gap_usd": gap})
        return out

    def autonomy_prices(self) -> dict[tuple[str, str], dict[str, float]]:
        """By action and level: price of one more request acted on so, by kind of loss, USD."""
        slots = {s.name: i for i, s in enumerate(self.stream.slots)}
        use, _ = self.stream.slot_use(self.flows)
        price = self.stream.slot_prices(self.answer.duals)[self.stream.group[self.flows.member]]
        action = self.answer.built.classes.action
        sums: dict[tuple[str, str], np.ndarray] = {}
        for i, (k, a) in enumerate(zip(self.flows.member, self.flows.arm, strict=True)):
            usd = [
                float(use[i, slots[n]] * price[i, slots[n]]) if n in slots else 0.0
                for n in ("loss", "irreversible")
            ]
            key = str(action[int(self.stream.origin[k])]), self.stream.arms[a].labels["autonomy"]
            x = float(self.flows.requests[i])
            sums[key] = sums.get(key, np.zeros(3)) + x * np.array([1.0, *usd])
        return {
            key: {"reversible_usd": float(v[1] / v[0]), "irreversible_usd": float(v[2] / v[0])}
            for key, v in sums.items()
            if v[0] > 0
        }

    def hits_by_value(self) -> Table:
        """Share of prefix tokens found, by bands of value with a like part of the requests."""
        built, rows = self.answer.built, []
        for k, a, x in zip(self.flows.member, self.flows.arm, self.flows.requests, strict=True):
            labels, c = self.stream.arms[a].labels, int(self.stream.origin[k])
            profile = built.classes.reuse[c]
            if labels["way"] != "own" or profile is None or x <= 0:
                continue
            kept = labels["retention_s"] or 0.0
            hit = float(built.reuse[profile].value(kept)) if kept else 0.0
            rows.append((float(built.classes.value_usd[c]), float(x), hit))
        if not rows:
            return []
        value, x, hit = np.array(sorted(rows)).T
        band = np.minimum((_BANDS * (np.cumsum(x) - 0.5 * x) / x.sum()).astype(int), _BANDS - 1)
        return [
            {
                "value_from_usd": float(value[at].min()),
                "value_to_usd": float(value[at].max()),
                "requests_per_h": float(x[at].sum()),
                "hit": float(x[at] @ hit[at] / x[at].sum()),
            }
            for b in range(_BANDS)
            if (at := band == b).any()
        ]


def priced_levels(schedule: Table, prices: dict[tuple[str, str], dict[str, float]]) -> Table:
    """A schedule of autonomy with the price of one more action at every level in use."""
    return [
        {
            **line,
            "one_more": {
                n: prices[line["action"], n]
                for n in line["levels"]
                if (line["action"], n) in prices
            },
        }
        for line in schedule
    ]


def with_yield(assets: Table, depreciation_per_h: float | None) -> Table:
    """Assets with their depreciation, and success points kept up by a million tokens an hour."""
    out = []
    for line in assets:
        made = sum(line.get(f"{k}_tokens") or 0.0 for k in ("rollout", "verifier", "update"))
        gain = 100.0 * line["gain"] / (made / 1e6) if made > 0 else None
        more = {"depreciation_per_h": depreciation_per_h, "points_per_mtok_per_h": gain}
        out.append({**line, **more})
    return out
