"""Serving lanes: what a replica of a deployment makes at a given speed.

One decode step of a batch of b sequences takes τ = α + b(β + γ·context + δ·input/output)
(mixed; Agrawal et al. 2023 and the fits in ``docs/program.md``). With D decode and P
uncached prefill tokens per second on n replicas, b = Dτ/n by Little's law, so

    τ = α / (1 − W/n),   W = Σ (β + γ·context) D + δ P   busy replicas.

Held at the speed tier τ_s the lane is linear: n ≥ W/u_s with u_s = 1 − α/τ_s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from allocate.models.curves.namespace import namespace

Array = Any


@dataclass(frozen=True)
class Lane:
    """Times of one deployment in seconds. LP at a fixed speed; see ``cone`` for one price.

    ``alpha``: step time of an empty batch; ``beta``: per sequence; ``gamma``: per sequence
    and context token; ``delta``: per uncached prefill token.
    """

    alpha: float
    beta: float
    gamma: float = 0.0
    delta: float = 0.0

    def busy(self, decode: Array, prefill: Array, context: Array) -> Array:
        """W: replicas kept busy by token rates (tokens/s) at a mean context (tokens)."""
        return (self.beta + self.gamma * context) * decode + self.delta * prefill

    def utilisation(self, tpot: Array) -> Array:
        """U = 1 − α/τ: busy share of a replica that runs at ``tpot`` seconds a token."""
        return 1.0 - self.alpha / tpot

    def tpot(self, utilisation: Array) -> Array:
        """τ = α/(1 − u), seconds a token; infinite at full utilisation."""
        with np.errstate(divide="ignore"):
            return self.alpha / (1.0 - namespace(utilisation).asarray(utilisation, float))

    def ttft(self, prompt: Array, utilisation: Array) -> Array:
        """δ·prompt/(1 − u): seconds to the first token of ``prompt`` uncached tokens."""
        with np.errstate(divide="ignore"):
            spare = 1.0 - namespace(utilisation).asarray(utilisation, float)
            return self.delta * prompt / spare

    def residence(self, busy: Array, replicas: Array) -> Array:
        """Sequences in flight of pure decode at constant context: κ(W + W²/(n − W)), κ = α/β.

        Jointly convex in (W, n) for W < n; infinite at W = n. The closed form that the
        menu of speeds tends to when one latency price holds.
        """
        xp = namespace(busy, replicas)
        spare = xp.asarray(replicas - busy, float)
        with np.errstate(divide="ignore", invalid="ignore"):
            queue = xp.where(busy > 0, xp.where(spare > 0, busy**2 / spare, np.inf), 0.0)
        return self.alpha / self.beta * (busy + queue)

    def cone(self, busy: Any, replicas: Any, residence: Any) -> list:
        """CVXPY constraints for residence ≥ κ(W + W²/(n − W)). Second-order cone."""
        import cvxpy as cp

        queue = cp.quad_over_lin(busy, replicas - busy)
        return [residence >= self.alpha / self.beta * (busy + queue)]

    def best_response(self, latency_price: float, replica_price: float) -> float:
        """Utilisation that minimises price·residence + replica price·replicas per unit of W.

        min over u of λκ/(1 − u) + r/u (residence per W is κ/(1 − u)): u = 1/(1 + √(λκ/r)).
        """
        kappa = self.alpha / self.beta
        return 1.0 / (1.0 + float(np.sqrt(latency_price * kappa / replica_price)))

    def with_draft(
        self, alpha: float, beta: float, tokens: int, acceptance: float, overhead: float = 0.0
    ) -> Lane:
        """The lane with speculative decoding, per token made (Leviathan et al. 2023, (1)).

        A step makes E = 1 + a + … + a^k tokens in expectation and costs k draft steps
        and one step of the model, whose work per sequence grows by ``overhead`` per
        proposed token; reading the context, γ, does not: one pass over the keys and values
        of a sequence serves all its proposed tokens. A token's share of a step is 1/E.
        """
        made = sum(acceptance**i for i in range(tokens + 1))
        check = 1.0 + overhead * tokens
        return Lane(
            (self.alpha + tokens * alpha) / made,
            (self.beta * check + tokens * beta) / made,
            self.gamma / made,
            self.delta,
        )


def speed_grid(count: int) -> np.ndarray:
    """``count`` utilisations from 0.05 to 0.97, evenly spaced in log(u/(1 − u))."""
    return 1.0 / (1.0 + np.exp(-np.linspace(np.log(0.05 / 0.95), np.log(0.97 / 0.03), count)))
