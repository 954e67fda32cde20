"""What the lanes do: replicas, batches, speeds, and what a token costs on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from allocate.models.builder import HOUR
from allocate.models.features import class_features
from allocate.models.reading.answered import LEAST, Answered
from allocate.models.serving import Tier, prompt_shares, uncached_shares

_MTOK = 1e6


class Serving:
    """The serving layer's tables; everything is recomputed from the allocation."""

    def __init__(self, answer: Answered):
        self.answer, self.built, self.program = answer, answer.built, answer.program

    def _running(self) -> Iterator[tuple[Tier, int, float]]:
        """(lane, period, replica-days) of every lane that has replicas."""
        for tier in self.built.tiers:
            for t, activity in enumerate(tier.replicas):
                n = float(self.answer.allocation.levels[activity])
                if n > LEAST:
                    yield tier, t, n

    # --- lanes -------------------------------------------------------------------------------

    @cached_property
    def lanes(self) -> list[dict[str, Any]]:
        """Replicas, batch, utilisation and speed of every lane in use."""
        out = [self._lane(*running) for running in self._running()]
        return sorted(out, key=lambda line: -line["gpus"])

    def _lane(self, tier: Tier, t: int, n: float) -> dict[str, Any]:
        used = {what: self._row_use[rows[t]] for what, rows in tier.rows.items()}
        flight, memory = used.get("batch"), used.get("KV")
        share, first = self.built.shares[t], self._first_tokens.get((tier.key, t))
        holds = tier.spec.kv_memory_gb or np.inf
        return {
            "lane": tier.name,
            **self.answer.when(t),
            "model": tier.spec.model,
            "gpu": tier.spec.gpu,
            "stage": tier.spec.stage,
            "tier": tier.name.rpartition(" @ ")[2],
            "replicas": n / share,
            "gpus": n / share * tier.spec.gpus_per_replica,
            "batch": None if flight is None else flight / n,
            "utilisation": float(used["busy"] / n / (tier.load * HOUR)),
            "speed_utilisation": tier.utilisation,
            "tpot_ms": 1e3 * tier.tpot if tier.spec.stage != "prefill" else None,
            "ttft_ms": None if first is None else 1e3 * first,
            "kv_used": None if memory is None else memory / (n * holds),
            "draft": tier.draft,
        }

    @cached_property
    def _row_use(self) -> np.ndarray:
        """Use of rows by everything but the activities that supply them."""
        usage = self.program.usage(self.answer.allocation)
        for i, a in enumerate(self.program.activities):
            for r, v in a.uses:
                if v < 0:
                    usage[r] -= v * self.answer.allocation.levels[i]
        return usage

    # --- prompts -----------------------------------------------------------------------------

    @cached_property
    def _first_tokens(self) -> dict[tuple[str, int], float]:
        """Mean wait for the first token of a call on each lane that prefills, s.

        For the prefill of what is not cached and of the input tokens bought, and for the
        KV that then moves to the lane that decodes.
        """
        classes, sums = self.built.classes, {}
        stream, flows = self.answer.stream, self.answer.flows
        at = {t.name: t for t in self.built.tiers}
        uses = self.built.config.token_uses.values()
        read = flows.tokens[:, : len(uses)] @ np.array([u.kind == "input" for u in uses], float)
        for k, a, x, more in zip(flows.member, flows.arm, flows.requests, read, strict=True):
            labels = stream.arms[a].labels
            if labels["way"] != "own":
                continue
            then = at[labels["tier"]]
            tier = at[labels["prefill"]] if labels["prefill"] else then
            c = int(stream.origin[k])
            when = self.built.moments.later(int(stream.period[k]), labels.get("defer", 0))
            total = sums.setdefault((tier.key, when), [0.0, 0.0])
            total[0] += x * tier.ttft_per_token * (self._uncached(c, labels) + more)
            if tier is not then:
                moved = self._tokens(c, prompt_shares(self.built.config)) + more
                total[0] += x * then.spec.kv_transfer_ms_per_ktok / 1e6 * moved
            total[1] += classes.calls[c] * x
        return {key: s / n for key, (s, n) in sums.items() if n > 0}

    def _uncached(self, c: int, labels: dict) -> float:
        """Prompt tokens of one request of a class that a way must prefill."""
        shares = uncached_shares(
            self.built.config, self.built.reuse, labels["retention_s"], labels["shared_prefix"]
        )
        return self._tokens(c, shares)

    def _tokens(self, c: int, shares: Mapping[str, float]) -> float:
        """Tokens of a request of a class, of the features that have a share."""
        features = self._features
        return float(sum(share * features[f][c] for f, share in shares.items() if f in features))

    @cached_property
    def _features(self) -> dict[str, np.ndarray]:
        return class_features(self.built.config, self.built.classes)

    # --- prices ------------------------------------------------------------------------------

    def token_prices(self) -> list[dict[str, Any]]:
        """USD per Mtok of prefill and decode and per GB-hour of KV, by lane in use, in parts.

        ``cost`` is the GPU at market price, ``congestion`` what keeping others fast adds,
        ``scarcity`` the GPU price above market, ``seat`` the place in the batch while a token
        is decoded. Decode at a context of 0.
        """
        return [self._prices(tier, t) for tier, t, _ in self._running()]

    def _prices(self, tier: Tier, t: int) -> dict[str, Any]:
        replica, duals = self.program.activities[tier.replicas[t]], self.answer.duals
        price = {what: duals[rows[t]] for what, rows in tier.rows.items()}
        full = replica.cost + sum(v * duals[r] for r, v in replica.uses if v > 0)
        busy = price["busy"]
        market = busy * (replica.cost / full if full > 0 else 0.0)
        scale = tier.load * HOUR
        line: dict[str, Any] = {"lane": tier.name, **self.answer.when(t)}
        for name, work in (("prefill", tier.lane.delta), ("decode", tier.lane.beta)):
            seconds = _MTOK * work / HOUR
            parts = {
                "cost": seconds * market,
                "congestion": seconds * market * (scale - 1.0),
                "scarcity": seconds * (busy - market) * scale,
            }
            if name == "decode" and "batch" in price:
                parts["seat"] = _MTOK * tier.tpot / HOUR * float(price["batch"])
            line[f"{name}_usd_per_mtok"] = {**parts, "total": sum(parts.values())}
        kv = float(price.get("KV", 0.0))
        paid = kv * (replica.cost / full if full > 0 else 0.0)
        line["kv_usd_per_gb_hour"] = kv
        line["kv_parts_usd_per_gb_hour"] = {"cost": paid, "scarcity": kv - paid}
        return line
