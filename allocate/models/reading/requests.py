"""What the requests chose: models and levels, tokens, and the ways they are served."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from allocate.models.builder import HOUR
from allocate.models.reading.answered import LEAST, Answered
from allocate.models.reading.chances import gained

_DECLINED = 1e-7  # of a class: less is served
_TOGETHER = 4096  # members whose ways are priced at once
_CANDIDATES = 8  # ways that are priced exactly to tell which comes nearest


class Requests:
    """The router's and the agent's tables; everything is recomputed from the allocation."""

    def __init__(self, answer: Answered):
        self.built, self.program, self.duals = answer.built, answer.program, answer.duals
        self.stream, self.flows, self._when = answer.stream, answer.flows, answer.when
        self._gained = gained(answer)

    @cached_property
    def _groups(self) -> list[tuple[int, str | None, str, np.ndarray]]:
        """(member, model, level, flows) for every model and level that a member uses."""
        key: dict[tuple[int, str | None, str], list[int]] = {}
        for i, (k, a) in enumerate(zip(self.flows.member, self.flows.arm, strict=True)):
            if self.flows.requests[i] <= LEAST * self.stream.rate[k]:
                continue
            labels = self.stream.arms[a].labels
            key.setdefault((int(k), labels["model"], labels["autonomy"]), []).append(i)
        return [
            (k, m, level, np.array(at))
            for (k, m, level), at in sorted(
                key.items(), key=lambda item: (item[0][0], str(item[0][1]), item[0][2])
            )
        ]

    def _head(self, member: int) -> dict[str, Any]:
        name = self.built.classes.names[self.stream.origin[member]]
        return {"class": name, **self._when(self.stream.period[member])}

    def _per_s(self, member: int, per_hour: float) -> float:
        share = self.built.shares[self.stream.period[member]]
        return per_hour / share / HOUR

    # --- the router --------------------------------------------------------------------------

    @cached_property
    def router(self) -> list[dict[str, Any]]:
        """Which class goes to which model and autonomy level, and what is declined."""
        return [*(self._sent(*group) for group in self._groups), *self._declined()]

    def _sent(self, member: int, model: str | None, level: str, at: np.ndarray) -> dict[str, Any]:
        x = float(self.flows.requests[at].sum())
        ways = [self.stream.arms[a].labels for a in self.flows.arm[at]]
        return {
            **self._head(member),
            "model": model,
            "autonomy": level,
            "share": x / self.stream.rate[member],
            "requests_per_s": self._per_s(member, x),
            "served_by": ways[0]["way"] if len({w["way"] for w in ways}) == 1 else "mixed",
            "lanes": sorted({w["tier"] for w in ways if w.get("tier")}),
            "retention_s": max((w.get("retention_s") or 0.0 for w in ways), default=0.0),
            "ways": [self._way(member, int(i)) for i in at],
        }

    def _way(self, member: int, flow: int) -> dict[str, Any]:
        """One arm of a member: where it is decoded and prefilled, what is kept, its tokens."""
        labels = self.stream.arms[self.flows.arm[flow]].labels
        return {
            "way": labels["way"],
            "lane": labels.get("tier"),
            "prefill": labels.get("prefill"),
            "retention_s": labels.get("retention_s") or 0.0,
            "shared_prefix": labels.get("shared_prefix", False),
            "requests_per_s": self._per_s(member, float(self.flows.requests[flow])),
            **self._deferred(member, labels),
            "tokens": {
                u: float(self._amounts[flow, 1 + j])
                for j, u in enumerate(self.built.config.token_uses)
            },
        }

    def _deferred(self, member: int, labels: dict) -> dict[str, str]:
        """The later period in which it is served, if it waits."""
        if not labels.get("defer"):
            return {}
        at = self.built.moments.later(int(self.stream.period[member]), labels["defer"])
        return {"served_in": self.built.periods[at]}

    def _declined(self) -> list[dict[str, Any]]:
        served = np.bincount(self.flows.member, self.flows.requests, len(self.stream.rate))
        asking = np.flatnonzero(self.stream.rate > 0)
        left = 1.0 - served[asking] / self.stream.rate[asking]
        some = left > _DECLINED
        members, left = asking[some], left[some]
        return [
            {
                **self._head(member),
                "model": None,
                "autonomy": "declined",
                "share": share,
                "requests_per_s": self._per_s(member, share * self.stream.rate[member]),
                "served_by": None,
                "lanes": [],
                "retention_s": 0.0,
                "ways": [],
                "best": self._best(member, *nearest),
            }
            for member, share, nearest in zip(
                members.tolist(), left.tolist(), self._nearest(members), strict=True
            )
        ]

    def _nearest(self, members: np.ndarray) -> list[tuple[int, float]]:
        """For each member the arm that would bring most, and what it brings a request, USD."""
        out: list[tuple[int, float]] = []
        for start in range(0, len(members), _TOGETHER):
            part = members[start : start + _TOGETHER]
            profits = self.stream.profits(self.duals, part)
            near = np.argsort(-profits, axis=1)[:, :_CANDIDATES]  # the table may hold bounds
            told = np.take_along_axis(profits, near, axis=1)
            pairs = np.repeat(part, near.shape[1]), near.ravel()
            exact = self.stream.columns(self.duals, *pairs).profit.reshape(near.shape)
            exact = np.where(np.isfinite(told), exact, -np.inf)
            which = exact.argmax(axis=1)
            here = np.arange(len(part))
            out += zip(near[here, which].tolist(), exact[here, which].tolist(), strict=True)
        return out

    def _best(self, member: int, arm: int, usd: float) -> dict[str, Any]:
        """The way that a declined member comes nearest to, and what it would bring, USD a request.

        ``usd`` is value less every cost, scarce capacities at their prices; None: no open way.
        """
        value = float(self.built.classes.value_usd[self.stream.origin[member]])
        if not np.isfinite(usd):
            return {"model": None, "autonomy": None, "usd": None, "value_usd": value}
        labels = self.stream.arms[arm].labels
        return {
            "model": labels["model"],
            "autonomy": labels["autonomy"],
            "usd": usd,
            "value_usd": value,
        }

    def regret(self) -> dict[str, float]:
        """What the split leaves behind against each member's best arm at the shared prices."""
        best = np.maximum(self.stream.best_profits(self.duals), -self.stream.decline_cost)
        # exactly: arms far from the best carry only an upper bound in the table of profits
        got = self.stream.columns(self.duals, self.flows.member, self.flows.arm).profit
        lost = float(np.sum((best[self.flows.member] - got) * self.flows.requests))
        return {"usd_per_hour": max(lost, 0.0)}

    # --- autonomy ----------------------------------------------------------------------------

    @cached_property
    def autonomy(self) -> list[dict[str, Any]]:
        """Tokens by use, success and expected loss per request."""
        use, cost = self.stream.slot_use(self.flows)
        account = [s.account for s in self.stream.slots]
        latency = [s.name for s in self.stream.slots].index("latency")
        uses = list(self.built.config.token_uses)
        out = []
        for member, model, level, at in self._groups:
            weight = self.flows.requests[at] / self.flows.requests[at].sum()

            def mean(values: np.ndarray, at: np.ndarray = at, w: np.ndarray = weight) -> float:
                return float(w @ values[at])

            def charged(name: str, mean: Any = mean) -> float:
                return sum(mean(cost[:, s]) for s, a in enumerate(account) if a == name)

            line = {
                **self._head(member),
                "model": model,
                "autonomy": level,
                "tokens": {u: mean(self._amounts[:, 1 + j]) for j, u in enumerate(uses)},
                "success": mean(self._amounts[:, -1] + self._gained),
                "risk_usd": charged("risk"),
                "wrong_actions": mean(self._amounts[:, -2]),
                "latency_s": mean(use[:, latency]),
                "vector": {
                    "value_usd": -charged("value"),
                    "cost_usd": charged("money") + mean(self._shadows),
                    "latency_usd": charged("latency"),
                    "risk_usd": charged("risk"),
                    "oversight_usd": charged("oversight"),
                },
            }
            out.append(line)
        return out

    @cached_property
    def _amounts(self) -> np.ndarray:
        """[flows, J+3]: quantities per request."""
        return self.stream.amounts(self.flows)

    @cached_property
    def _shadows(self) -> np.ndarray:
        """[flows]: what the rows used by a request cost at their duals, USD."""
        n = len(self.program.rows)
        use = self.stream.row_use(self.flows.member, self.flows.arm, self._amounts, n)
        return use.T @ self.duals

    def schedule(self) -> list[dict[str, Any]]:
        """Action class → share of its served requests at each level."""
        classes = self.built.classes
        totals: dict[str, dict[str, float]] = {}
        for member, _, level, at in self._groups:
            action = classes.action[self.stream.origin[member]]
            levels = totals.setdefault(str(action), {})
            levels[level] = levels.get(level, 0.0) + float(self.flows.requests[at].sum())
        return [
            {"action": action, "levels": {n: x / sum(v.values()) for n, x in v.items()}}
            for action, v in totals.items()
        ]

    # --- the cache ---------------------------------------------------------------------------

    def cache(self) -> list[dict[str, Any]]:
        """Retention, hits and memory of prefixes, by reuse profile and retention tier."""
        classes, config, reuse = self.built.classes, self.built.config, self.built.reuse
        sums: dict[tuple[str, float], list[float]] = {}
        for k, a, x in zip(self.flows.member, self.flows.arm, self.flows.requests, strict=True):
            labels = self.stream.arms[a].labels
            c = int(self.stream.origin[k])
            profile = classes.reuse[c]
            if labels["way"] != "own" or profile is None:
                continue
            line = sums.setdefault((profile, labels["retention_s"]), [0.0, 0.0])
            line[0] += x
            line[1] += x * classes.value_usd[c]
        return [
            {
                "profile": profile,
                "retention_s": kept,
                "requests_per_h": requests,
                "hit": reuse[profile].value(kept) if kept else 0.0,
                "prefix_tokens_held_s": reuse[profile].held(kept) if kept else 0.0,
                "value_usd_per_request": value / requests if requests else None,
                "depreciation_per_h": config.caching.reuse[profile].drift_per_h,
            }
            for (profile, kept), (requests, value) in sorted(sums.items())
        ]
