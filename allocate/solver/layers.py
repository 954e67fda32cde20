"""The allocation as people read it: one table a layer, and the artifacts the paper asks for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from allocate.models.features import class_features
from allocate.models.program import Allocation, Program
from allocate.models.serving import uncached_shares
from allocate.models.stack import Built

HOUR = 3600.0
_LEAST = 1e-9
_CANDIDATES = 8  # ways that are priced exactly to tell which comes nearest


class LayerTables:
    """Tables of one solution; everything is recomputed from the allocation."""

    def __init__(self, built: Built, program: Program, allocation: Allocation, duals: np.ndarray):
        self.built, self.program, self.allocation, self.duals = built, program, allocation, duals
        self.stream, self.flows = program.streams[0], allocation.flows[0]
        self.many = len(built.periods) > 1

    def to_dict(self) -> dict[str, list[dict[str, Any]]]:
        """``layers`` of the result document."""
        return {
            "router": self.router,
            "autonomy": self.autonomy,
            "serving": self.serving,
            "training": self.training,
        }

    # --- requests ----------------------------------------------------------------------------

    @cached_property
    def _groups(self) -> list[tuple[int, str | None, str, np.ndarray]]:
        """(member, model, level, flows) for every model and level that a member uses."""
        key: dict[tuple[int, str | None, str], list[int]] = {}
        for i, (k, a) in enumerate(zip(self.flows.member, self.flows.arm, strict=True)):
            if self.flows.requests[i] <= _LEAST * self.stream.rate[k]:
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
        out: dict[str, Any] = {"class": self.built.classes.names[self.stream.origin[member]]}
        if self.many:
            out["period"] = self.built.periods[self.stream.period[member]]
        return out

    def _per_s(self, member: int, per_hour: float) -> float:
        share = self.built.shares[self.stream.period[member]]
        return per_hour / share / HOUR

    @cached_property
    def router(self) -> list[dict[str, Any]]:
        """Which class goes to which model and autonomy level."""
        out = []
        served = np.bincount(self.flows.member, self.flows.requests, len(self.stream.rate))
        for member, model, level, at in self._groups:
            x = float(self.flows.requests[at].sum())
            ways = [self.stream.arms[a].labels for a in self.flows.arm[at]]
            lanes = [w.get("tier") for w in ways if w.get("tier")]
            out.append(
                {
                    **self._head(member),
                    "model": model,
                    "autonomy": level,
                    "share": x / self.stream.rate[member],
                    "requests_per_s": self._per_s(member, x),
                    "served_by": ways[0]["way"] if len({w["way"] for w in ways}) == 1 else "mixed",
                    "lanes": sorted(set(lanes)),
                    "retention_s": max((w.get("retention_s") or 0.0 for w in ways), default=0.0),
                }
            )
        for member in np.flatnonzero(self.stream.rate > 0):
            left = 1.0 - served[member] / self.stream.rate[member]
            if left > 1e-7:
                out.append(
                    {
                        **self._head(int(member)),
                        "model": None,
                        "autonomy": "declined",
                        "share": float(left),
                        "requests_per_s": self._per_s(int(member), left * self.stream.rate[member]),
                        "served_by": None,
                        "lanes": [],
                        "retention_s": 0.0,
                        "best": self._best(int(member)),
                    }
                )
        return out

    def _best(self, member: int) -> dict[str, Any]:
        """The way that a declined member comes nearest to, and what it would bring, USD a request.

        ``usd`` is value less every cost, scarce capacities at their prices; None: no open way.
        """
        near = np.argsort(-self._profits[member])[:_CANDIDATES]  # the table may hold bounds
        exact = self.stream.columns(self.duals, np.full(len(near), member), near).profit
        exact = np.where(np.isfinite(self._profits[member, near]), exact, -np.inf)
        arm, usd = int(near[np.argmax(exact)]), float(exact.max())
        if not np.isfinite(usd):
            return {"model": None, "autonomy": None, "usd": None}
        labels = self.stream.arms[arm].labels
        value = float(self.built.classes.value_usd[self.stream.origin[member]])
        return {
            "model": labels["model"],
            "autonomy": labels["autonomy"],
            "usd": usd,
            "value_usd": value,
        }

    @cached_property
    def _profits(self) -> np.ndarray:
        """Profit of one request of every member on every arm at the shared prices, USD."""
        return self.stream.profits(self.duals)

    @cached_property
    def autonomy(self) -> list[dict[str, Any]]:
        """Tokens by use, success and expected loss per request."""
        amounts = self.stream.amounts(self.flows)
        use, cost = self.stream.slot_use(self.flows)
        account = [s.account for s in self.stream.slots]
        names = [s.name for s in self.stream.slots]
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
                "tokens": {u: mean(amounts[:, 1 + j]) for j, u in enumerate(uses)},
                "success": mean(amounts[:, -1]),
                "risk_usd": charged("risk"),
                "wrong_actions": mean(amounts[:, -2]),
                "latency_s": mean(use[:, names.index("latency")]),
                "vector": {
                    "value_usd": -charged("value"),
                    "cost_usd": charged("money") + self._shadow(at, weight),
                    "latency_usd": charged("latency"),
                    "risk_usd": charged("risk"),
                    "oversight_usd": charged("oversight"),
                },
            }
            out.append(line)
        return out

    def _shadow(self, at: np.ndarray, weight: np.ndarray) -> float:
        """What the rows used by a request cost at their duals, USD."""
        amounts = self.stream.amounts(self.flows)[at]
        use = self.stream.row_use(
            self.flows.member[at], self.flows.arm[at], amounts, len(self.program.rows)
        )
        return float((use.T @ self.duals) @ weight)

    # --- serving -----------------------------------------------------------------------------

    @cached_property
    def _row_use(self) -> np.ndarray:
        """Use of rows by everything but the activities that supply them."""
        usage = self.program.usage(self.allocation)
        for i, a in enumerate(self.program.activities):
            for r, v in a.uses:
                if v < 0:
                    usage[r] -= v * self.allocation.levels[i]
        return usage

    @cached_property
    def serving(self) -> list[dict[str, Any]]:
        """Replicas, batch, utilisation and speed of every lane in use."""
        out = []
        row_at = {row.name: i for i, row in enumerate(self.program.rows)}
        tiers = {(t.family, t.utilisation): t for t in self.built.tiers}
        prompts = self._prompts()
        for i, a in enumerate(self.program.activities):
            n = float(self.allocation.levels[i])
            if a.labels.get("layer") != "serving" or n <= 1e-9:
                continue
            tier = tiers[a.labels["family"], a.labels["utilisation"]]
            t = a.labels["period"]
            suffix = f"[{self.built.periods[t]}]" if self.many else ""
            key = tier.key
            busy = self._row_use[row_at[f"{key} busy{suffix}"]]
            flight = self._row_use[row_at[f"{key} batch{suffix}"]] if tier.batch else None
            memory = self._row_use[row_at[f"{key} KV{suffix}"]] if tier.memory else None
            share = self.built.shares[t]
            prompt = prompts.get((key, t))
            out.append(
                {
                    "lane": tier.name,
                    **({"period": self.built.periods[t]} if self.many else {}),
                    "model": tier.spec.model,
                    "gpu": tier.spec.gpu,
                    "stage": tier.spec.stage,
                    "tier": tier.name.partition(" @ ")[2],
                    "replicas": n / share,
                    "gpus": n / share * tier.spec.gpus_per_replica,
                    "batch": flight / n if flight is not None else None,
                    "utilisation": float(busy / n / (tier.load * HOUR)),
                    "tpot_ms": 1e3 * tier.tpot if tier.spec.stage != "prefill" else None,
                    "ttft_ms": None if prompt is None else 1e3 * tier.ttft_per_token * prompt,
                    "kv_used": memory / (n * (tier.spec.kv_memory_gb or np.inf))
                    if memory is not None
                    else None,
                    "draft": tier.draft,
                }
            )
        return sorted(out, key=lambda line: -line["gpus"])

    def _prompts(self) -> dict[tuple[str, int], float]:
        """Mean uncached prompt of a call on each lane that prefills, tokens."""
        classes, sums = self.built.classes, {}
        at = {t.name: t for t in self.built.tiers}
        for k, a, x in zip(self.flows.member, self.flows.arm, self.flows.requests, strict=True):
            labels = self.stream.arms[a].labels
            if labels["way"] != "own":
                continue
            tier = at[labels["prefill"] or labels["tier"]]
            c = int(self.stream.origin[k])
            calls = classes.calls[c] * x
            prompt = x * self._uncached(c, labels)
            total = sums.setdefault((tier.key, int(self.stream.period[k])), [0.0, 0.0])
            total[0] += prompt
            total[1] += calls
        return {key: p / n for key, (p, n) in sums.items() if n > 0}

    def _uncached(self, c: int, labels: dict) -> float:
        """Prompt tokens of one request of a class that a way must prefill."""
        shares = uncached_shares(
            self.built.config, self.built.reuse, labels["retention_s"], labels["shared_prefix"]
        )
        features = self._features
        return float(sum(share * features[f][c] for f, share in shares.items() if f in features))

    @cached_property
    def _features(self) -> dict[str, np.ndarray]:
        return class_features(self.built.config, self.built.classes)

    # --- training ----------------------------------------------------------------------------

    @cached_property
    def training(self) -> list[dict[str, Any]]:
        """Tokens an hour, staleness and gain of every asset."""
        section = self.built.config.training
        if section is None:
            return []
        levels, out = self.allocation.levels, []
        made: dict[tuple[str, str], list[tuple[float, float]]] = {}
        gains: dict[str, float] = {}
        for i, a in enumerate(self.program.activities):
            if a.labels.get("gain"):
                gains[a.labels["asset"]] = float(levels[i])
            elif a.labels.get("layer") == "training":
                key = (a.labels["asset"], a.labels["input"])
                made.setdefault(key, []).append((float(levels[i]), a.labels["staleness"]))
        for name, asset in section.assets.items():
            tokens = {
                kind: sum(n for n, _ in made.get((name, kind), []))
                for kind in ("rollout", "verifier", "update")
            }
            rollouts = made.get((name, "rollout"), [])
            total = tokens["rollout"]
            stale = sum(n * s for n, s in rollouts) / total if total > 1e-9 else None
            out.append(
                {
                    "model": asset.model,
                    "asset": name,
                    "kind": asset.kind,
                    **{
                        f"{kind}_tokens": tokens[kind] if getattr(asset, kind) else None
                        for kind in tokens
                    },
                    "unit": "tokens/h",
                    "staleness": stale if asset.staleness else None,
                    "gain": gains.get(name, 0.0),
                }
            )
        return out

    # --- artifacts ---------------------------------------------------------------------------

    def artifacts(self) -> dict[str, Any]:
        """Tables for other programs: schedules, regret, token prices, caches, training."""
        return {
            "autonomy_schedule": self._schedule(),
            "router_regret": self._regret(),
            "token_prices": self._token_prices(),
            "cache": self._cache(),
            "training": self.training,
        }

    def _schedule(self) -> list[dict[str, Any]]:
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

    def _regret(self) -> dict[str, float]:
        """What the split leaves behind against each member's best arm at the shared prices."""
        profits = self._profits
        best = np.maximum(profits.max(axis=1), -self.stream.decline_cost)
        # exactly: arms far from the best carry only an upper bound in the table of profits
        got = self.stream.columns(self.duals, self.flows.member, self.flows.arm).profit
        lost = float(np.sum((best[self.flows.member] - got) * self.flows.requests))
        return {"usd_per_hour": max(lost, 0.0)}

    def _token_prices(self) -> list[dict[str, Any]]:
        """USD per Mtok of prefill and decode and per GB-hour of KV, by lane in use, in parts.

        ``cost`` is the GPU at market price, ``congestion`` what keeping others fast adds,
        ``scarcity`` the GPU price above market, ``seat`` the place in the batch while a token
        is decoded. Decode at a context of 0.
        """
        out = []
        row_at = {row.name: i for i, row in enumerate(self.program.rows)}
        tiers = {(t.family, t.utilisation): t for t in self.built.tiers}
        for i, a in enumerate(self.program.activities):
            if a.labels.get("layer") != "serving" or self.allocation.levels[i] <= 1e-9:
                continue
            tier = tiers[a.labels["family"], a.labels["utilisation"]]
            suffix = f"[{self.built.periods[a.labels['period']]}]" if self.many else ""
            key = tier.key
            full = a.cost + sum(v * self.duals[r] for r, v in a.uses if v > 0)
            busy = self.duals[row_at[f"{key} busy{suffix}"]]
            market = busy * (a.cost / full if full > 0 else 0.0)
            line: dict[str, Any] = {
                "lane": tier.name,
                **({"period": suffix[1:-1]} if self.many else {}),
            }
            for name, work in (("prefill", tier.lane.delta), ("decode", tier.lane.beta)):
                seconds = 1e6 * work / HOUR
                scale = tier.load * HOUR
                parts = {
                    "cost": seconds * market,
                    "congestion": seconds * market * (scale - 1.0),
                    "scarcity": seconds * (busy - market) * scale,
                }
                if name == "decode" and tier.batch:
                    seat = self.duals[row_at[f"{key} batch{suffix}"]]
                    parts["seat"] = 1e6 * tier.tpot / HOUR * float(seat)
                line[f"{name}_usd_per_mtok"] = {**parts, "total": sum(parts.values())}
            kv = self.duals[row_at[f"{key} KV{suffix}"]] if tier.memory else 0.0
            line["kv_usd_per_gb_hour"] = float(kv)
            out.append(line)
        return out

    def _cache(self) -> list[dict[str, Any]]:
        """Retention, hits and memory of prefixes, by reuse profile and retention tier."""
        classes, config = self.built.classes, self.built.config
        sums: dict[tuple[str, float], list[float]] = {}
        for k, a, x in zip(self.flows.member, self.flows.arm, self.flows.requests, strict=True):
            labels = self.stream.arms[a].labels
            c = int(self.stream.origin[k])
            profile = classes.reuse[c]
            if labels["way"] != "own" or profile is None:
                continue
            line = sums.setdefault((profile, labels["retention_s"]), [0.0, 0.0, 0.0])
            line[0] += x
            line[1] += x * classes.prefix_tokens[c]
            line[2] += x * classes.value_usd[c]
        return [
            {
                "profile": profile,
                "retention_s": kept,
                "requests_per_h": v[0],
                "hit": self.built.reuse[profile].value(kept) if kept else 0.0,
                "prefix_tokens_held_s": self.built.reuse[profile].held(kept) if kept else 0.0,
                "value_usd_per_request": v[2] / v[0] if v[0] else None,
                "depreciation_per_h": config.caching.reuse[profile].drift_per_h,
            }
            for (profile, kept), v in sorted(sums.items())
        ]
