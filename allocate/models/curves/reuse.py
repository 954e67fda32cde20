"""Prefix caches as a stock, the paper's (10): what is found again, and what it occupies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any


@dataclass(frozen=True)
class Reuse:
    """Hit ratio h(θ) of prefixes kept for θ seconds: straight lines from (0, 0), concave.

    ``drift`` δ_S (1/s) is the rate at which cached state goes out of date: a hit of age z
    is good with probability e^{−δ_S z}. ``mismatch`` (1/s) is the chance per second of age
    that a good hit misleads all the same. Linear in the program at a retention tier.
    """

    ages: tuple[float, ...]
    hits: tuple[float, ...]
    drift: float = 0.0
    mismatch: float = 0.0

    def found(self, kept: Array) -> Array:
        """h(θ) without drift: share of prefix tokens seen again within θ seconds."""
        return np.interp(kept, (0.0, *self.ages), (0.0, *self.hits))

    def value(self, kept: float) -> float:
        """Share of prefix tokens found and still good: ∫₀^θ e^{−δ z} dh(z)."""
        return self._integrate(kept, lambda a, b: _mean_survival(self.drift, a, b))

    def hit_age(self, kept: float) -> float:
        """Age of a good hit, summed per prefix: ∫₀^θ z e^{−δ z} dh(z), seconds."""
        return self._integrate(kept, lambda a, b: _mean_surviving_age(self.drift, a, b))

    def held(self, kept: float) -> float:
        """Memory·time a prefix holds per request: ∫₀^θ (1 − h(z)) dz, seconds.

        The working-set identity (Denning and Schwartz 1972, (8)): what was touched within
        θ grows in θ at the miss rate. At most θ, the bound write rate × retention.
        """
        knots = np.unique(np.clip(np.array((0.0, *self.ages, kept)), 0.0, kept))
        misses = 1.0 - self.found(knots)
        return float(np.sum(0.5 * (misses[1:] + misses[:-1]) * np.diff(knots)))

    def mislead(self, kept: float) -> float:
        """Chance that a request is misled by its prefix: mismatch × age of its good hits."""
        return self.mismatch * self.hit_age(kept)

    def _integrate(self, kept: float, weight: Any) -> float:
        ages, hits = np.array((0.0, *self.ages)), np.array((0.0, *self.hits))
        total = 0.0
        for a, b, ha, hb in zip(ages[:-1], ages[1:], hits[:-1], hits[1:], strict=True):
            end = min(b, kept)
            if end <= a:
                break
            total += (hb - ha) * (end - a) / (b - a) * weight(a, end)
        return float(total)


def _mean_survival(drift: float, a: float, b: float) -> float:
    """Mean of e^{−drift z} over a ≤ z ≤ b."""
    x = drift * (b - a)
    return float(np.exp(-drift * a) * (-np.expm1(-x) / x if x > 1e-12 else 1.0))


def _mean_surviving_age(drift: float, a: float, b: float) -> float:
    """Mean of z·e^{−drift z} over a ≤ z ≤ b."""
    x = drift * (b - a)
    if x > 0.02:
        later = ((1.0 - np.exp(-x)) / x - np.exp(-x)) / x
    else:  # Σ (−x)^k / (k! (k + 2)): the closed form cancels
        later = 1 / 2 - x * (1 / 3 - x * (1 / 8 - x * (1 / 30 - x * (1 / 144 - x / 840))))
    return a * _mean_survival(drift, a, b) + (b - a) * float(np.exp(-drift * a) * later)
