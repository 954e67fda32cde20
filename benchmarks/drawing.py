"""Random numbers for an instance, and the units that they are drawn in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Config = dict[str, Any]
SCALE = (-4.5, 4.5)  # exponents of ten between which units are drawn: nine orders


class Draw:
    """The config so far, the random numbers, and the units that it is drawn in."""

    def __init__(self, classes: int, rng: np.random.Generator, traits: Sequence[str], slack: float):
        self.n, self.rng, self.traits = classes, rng, frozenset(traits)
        self.slack = slack  # capacities as a multiple of a rough demand
        self.config: Config = {"version": 1}
        wide = "wide" in self.traits
        self.money = 10 ** rng.uniform(*SCALE) if wide else 1.0
        self.tokens = 10 ** rng.uniform(-3, 3) if wide else 1.0
        self.rate = 10 ** rng.uniform(*SCALE) if wide else 1.0
        self.spread = 1.5 if wide else 0.5  # decades to either side, from class to class

    def log(self, low: float, high: float) -> float:
        return float(math.exp(self.rng.uniform(math.log(low), math.log(high))))

    def around(self, centre: float, decades: float | None = None) -> float:
        width = self.spread if decades is None else decades
        return float(centre * 10 ** self.rng.uniform(-width, width))

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def some(self, names: Sequence[str], least: int = 1) -> list[str]:
        size = int(self.rng.integers(min(least, len(names)), len(names) + 1))
        picked = sorted(self.rng.choice(len(names), size=size, replace=False))
        return [names[i] for i in picked]

    def capacity(self, demand: float) -> float:
        """Some capacity for a demand: scarce, about right, or ample."""
        return demand * self.slack * self.log(0.3, 3.0)
