"""Capacity as decided: what is reserved, how GPUs are come by when, how scenarios turn out."""

from __future__ import annotations

from typing import Any

import numpy as np

from allocate.models.builder import HOUR
from allocate.models.program import ACCOUNTS
from allocate.models.reading.answered import LEAST, Answered

Table = list[dict[str, Any]]
OFFERS = ("reserved", "available", "on_demand", "spot")
_NAMES = {"available": "own"}


class Capacity:
    """Tables of a program in which GPUs are bought, or in which there are scenarios."""

    def __init__(self, answer: Answered):
        self.answer, self.built, self.program = answer, answer.built, answer.program
        self.moments = answer.built.moments
        self.levels = answer.allocation.levels
        config = answer.built.config
        self._bought = {n: g for n, g in config.gpus.items() if g.bought}
        self._pools = {n: self.built.pools[n].rows for n in self._bought}
        self._moment_of = {r: m for rows in self._pools.values() for m, r in enumerate(rows)}
        self._supply: dict[str, list[tuple[str, int]]] = {n: [] for n in self._bought}
        for i, a in enumerate(self.program.activities):
            if a.labels.get("layer") == "capacity":
                self._supply[a.labels["gpu"]].append((a.labels["offer"], i))

    # --- reservations --------------------------------------------------------------------------

    def reservations(self) -> Table:
        """By GPU type that can be reserved: how many, what they cost, what the next one brings."""
        return [
            self._reservation(name, i)
            for name, supply in self._supply.items()
            for offer, i in supply
            if offer == "reserved"
        ]

    def _reservation(self, name: str, i: int) -> dict[str, Any]:
        gpu, labels = self._bought[name], self.program.activities[i].labels
        assert gpu.reserved is not None
        level = float(self.levels[i]) / labels.get("probability", 1.0)
        made = self._made(i)
        used = self.program.usage(self.answer.allocation)
        busy = sum(
            self.moments.weights[m]
            * min(self._used(used, name, m) / self.moments.weights[m], level)
            for m in made
        ) / sum(self.moments.weights[m] for m in made)
        scenario = self.moments.when(labels["period"])["scenario"] if "period" in labels else None
        return {
            "gpu": name,
            "label": gpu.label or name,
            **({} if scenario is None else {"scenario": scenario}),
            "gpus": level,
            "committed": gpu.reserved.committed,
            "available": gpu.reserved.available,
            "price_usd_per_h": gpu.reserved.price_usd_per_h,
            "usd_per_h": level * gpu.reserved.price_usd_per_h,
            "worth_usd_per_h": sum(v * float(self.answer.duals[r]) for r, v in made.values()),
            "busy": busy / level if level > 0 else None,
        }

    def _made(self, i: int) -> dict[int, tuple[int, float]]:
        """By moment that an activity supplies: (the pool's row, GPUs a unit of it)."""
        at, uses = self._moment_of, self.program.activities[i].uses
        return {at[r]: (r, -v) for r, v in uses if v < 0 and r in at}

    # --- GPUs by moment ------------------------------------------------------------------------

    def _used(self, usage: np.ndarray, name: str, m: int) -> float:
        """GPUs in use in a moment, times its weight.

        Where a GPU-hour is worth nothing the answer may run replicas that nobody needs: those
        are not in use.
        """
        row = self._pools[name][m]
        made = sum(self.levels[i] * self._made(i)[m][1] for _, i in self._suppliers(name, m))
        return float(usage[row] + made) - self._unneeded(usage, row)

    def _unneeded(self, usage: np.ndarray, row: int) -> float:
        """GPUs of replicas beyond what their busiest part asks for."""
        out = 0.0
        for i in self.program.row_activities[row]:
            a, level = self.program.activities[i], float(self.levels[i])
            supplied = [(r, -v) for r, v in a.uses if v < 0]
            if a.labels.get("layer") != "serving" or level <= 0 or "idle" in a.labels:
                continue
            needed = max(usage[r] / v + level for r, v in supplied)
            out += dict(a.uses)[row] * max(level - needed, 0.0)
        return out

    def _suppliers(self, name: str, m: int) -> list[tuple[str, int]]:
        return [(offer, i) for offer, i in self._supply[name] if m in self._made(i)]

    def gpu_hours(self) -> Table:
        """By GPU type and moment: GPUs in use, how they are come by, and the price of an hour.

        ``spot`` counts GPUs that are paid; what interruptions lose of them is not in ``used``.
        """
        usage, out = self.program.usage(self.answer.allocation), []
        for name in self._bought:
            for m, weight in enumerate(self.moments.weights):
                many = dict.fromkeys((_NAMES.get(o, o) for o in OFFERS), 0.0)
                for offer, i in self._suppliers(name, m):
                    per = self.program.activities[i].labels.get("probability", 1.0)
                    per = per if offer == "reserved" else weight
                    many[_NAMES.get(offer, offer)] += float(self.levels[i]) / per
                out.append(
                    {
                        "gpu": name,
                        **self.moments.when(m),
                        "share": weight,
                        "used": self._used(usage, name, m) / weight,
                        **many,
                        "price_usd_per_h": float(self.answer.duals[self._pools[name][m]]),
                    }
                )
        return out

    # --- work that waits -----------------------------------------------------------------------

    def deferred(self) -> Table:
        """By class and period: requests that are served in a later one, and what waiting costs."""
        stream, flows = self.answer.stream, self.answer.flows
        classes, sums = self.built.classes, {}
        for k, a, x in zip(flows.member, flows.arm, flows.requests, strict=True):
            step = stream.arms[a].labels.get("defer", 0)
            if step and x > LEAST * stream.rate[k]:
                sums[int(k), step] = sums.get((int(k), step), 0.0) + float(x)
        out = []
        for (k, step), x in sums.items():
            m, c = int(stream.period[k]), int(stream.origin[k])
            wait = float(self.moments.waits(step)[0][self.moments.period(m)])
            out.append(
                {
                    "class": classes.names[c],
                    **self.moments.when(m),
                    "served_in": self.moments.names[self.moments.later(m, step)],
                    "requests_per_s": x / self.moments.weights[m] / HOUR,
                    "share": x / float(stream.rate[k]),
                    "wait_h": wait,
                    "usd_per_request": wait * float(classes.defer_usd_per_h[c]),
                }
            )
        return out

    # --- scenarios -----------------------------------------------------------------------------

    def scenarios(self) -> Table:
        """By scenario: welfare and its accounts, requests that arrive and that are declined."""
        return [
            self._scenario(s, name, p)
            for s, (name, p) in enumerate(
                zip(self.moments.scenarios, self.moments.probabilities, strict=False)
            )
        ]

    def _scenario(self, s: int, name: str, probability: float) -> dict[str, Any]:
        accounts, arrived, served = self._accounts(s, probability)
        value = accounts["value"]
        welfare = value - sum(v for k, v in accounts.items() if k != "value")
        return {
            "scenario": name,
            "probability": probability,
            "welfare": welfare,
            **accounts,
            "requests_per_s": arrived / HOUR,
            "declined_per_s": max(arrived - served, 0.0) / HOUR,
        }

    def _accounts(self, s: int, p: float) -> tuple[dict[str, float], float, float]:
        """(accounts, requests arriving and served an hour) of a scenario, given that it comes.

        What is decided before it is known counts in full, in every scenario.
        """
        program, periods = self.program, len(self.moments.periods)
        out: dict[str, float] = dict.fromkeys(ACCOUNTS, 0.0)
        stream, flows = self.answer.stream, self.answer.flows
        mine = stream.period // periods == s
        inside = mine[flows.member]
        _, cost = stream.slot_use(flows)
        for i, slot in enumerate(stream.slots):
            if slot.account:
                out[slot.account] += float(cost[inside, i] @ flows.requests[inside]) / p
        served = np.bincount(flows.member, flows.requests, len(stream.rate))
        declined = np.maximum(stream.rate - served, 0.0)
        out["value"] = -(out["value"] + float(stream.penalty[mine] @ declined[mine]) / p)
        for i, a in enumerate(program.activities):
            moment = a.labels.get("period")
            if moment is None:
                out[a.account] += a.cost * float(self.levels[i])
            elif self.moments.scenario(moment) == s:
                out[a.account] += a.cost * float(self.levels[i]) / p
        for t in program.terms:
            out[t.account] += t.value(self.levels)
        for account, amount in program.offsets:
            out[account] += amount if account == "value" else -amount
        return out, float(stream.rate[mine].sum()) / p, float(served[mine].sum()) / p
