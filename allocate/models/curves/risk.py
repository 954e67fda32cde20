"""Residual risk: wrong actions that remain after verification, and the tail of the loss."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from allocate.models.curves.namespace import namespace

Array = Any


@dataclass(frozen=True)
class ResidualRisk:
    """e = rate · exp(−t/tokens): wrong actions per request after t tokens of verification.

    Convex and decreasing in t ≥ 0; ``tokens`` = ∞ means that verification does nothing.
    ``use`` is the index of the verifying token use. Exponential cone.
    """

    rate: float
    tokens: float = np.inf
    use: int | None = None

    @cached_property
    def verifiable(self) -> bool:
        """Whether tokens can lower it."""
        acts = np.greater(self.rate, 0) & np.isfinite(self.tokens)  # arrays when stacked
        return self.use is not None and bool(np.all(acts))

    def value(self, tokens: Array) -> Array:
        """Wrong actions per request for ``tokens`` [..., J]."""
        if not self.verifiable:
            return self.rate + 0.0 * tokens[..., 0]
        return self.remaining(tokens[..., self.use or 0])

    def remaining(self, verifying: Array) -> Array:
        """Wrong actions that remain after so many verifying tokens."""
        return self.rate * namespace(verifying).exp(-verifying / self.tokens)

    def relief(self, verifying: Array) -> Array:
        """−de/dt = e/tokens: wrong actions that one more verifying token averts."""
        return self.remaining(verifying) / self.tokens

    def cone(self, requests: Any, tokens: list[Any], wrong: Any) -> list:
        """CVXPY constraints for wrong ≥ requests · rate · exp(−tokens/(τ·requests))."""
        import cvxpy as cp

        if not self.verifiable:
            return [wrong >= self.rate * requests]
        return [cp.ExpCone(-tokens[self.use or 0] / self.tokens, requests, wrong / self.rate)]


@dataclass(frozen=True)
class TailRisk:
    """CVaR_β of a loss over scenarios, Rockafellar and Uryasev (2000), eq. (4). LP.

    CVaR = min_η η + E[(loss − η)⁺]/(1 − β). Convex and nondecreasing in the losses.
    """

    beta: float
    probabilities: tuple[float, ...]

    def value(self, losses: Array) -> float:
        """CVaR of ``losses``, one per scenario."""
        losses = np.asarray(losses, float)
        order = np.argsort(losses)[::-1]
        left, total = 1.0 - self.beta, 0.0
        for i in order:
            take = min(left, self.probabilities[i])
            total += take * losses[i]
            left -= take
            if left <= 0:
                break
        return total / (1.0 - self.beta)

    @property
    def excess_weights(self) -> tuple[float, ...]:
        """Weight of each scenario's excess over η: probability / (1 − β)."""
        return tuple(p / (1.0 - self.beta) for p in self.probabilities)

    def cone(self, losses: Any, cvar: Any) -> list:
        """CVXPY constraints for cvar ≥ CVaR_β(losses)."""
        import cvxpy as cp

        level, excess = cp.Variable(), cp.Variable(len(self.probabilities), nonneg=True)
        weights = np.array(self.excess_weights)
        return [excess >= losses - level, cvar >= level + weights @ excess]
