"""Random request curves and prices for the tests of the best response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from allocate.models.curves import Effort, RequestCurve, ResidualRisk
from tests.models.curves.faces import EXAMPLES, rng

REFERENCES = (1000.0, 400.0, 50.0)
EXPONENTS = {
    "one use": (0.5, 0.0, 0.0),
    "two uses": (0.3, 0.25, 0.0),
    "three uses": (0.3, 0.25, 0.2),
    "total one": (0.6, 0.4, 0.0),
}
RISKS = {
    "no verification": ResidualRisk(0.02),
    "verifying use": ResidualRisk(0.2, 60.0, 2),  # α = 0 unless there are three uses
    "verifying use helps": ResidualRisk(0.2, 300.0, 1),
}
CAPS = {
    "no caps": (np.inf, np.inf, np.inf),
    "caps": (900.0, 500.0, 80.0),
}


@dataclass(frozen=True)
class Market:
    """n requests' V, p, w, f, d: the arguments of ``best_response``, in its order."""

    value: np.ndarray
    prices: np.ndarray
    wrong: np.ndarray
    factor: np.ndarray
    difficulty: np.ndarray

    @property
    def arguments(self) -> tuple:
        return self.value, self.prices, self.wrong, self.factor, self.difficulty

    def moved(self, quantity: int, relative: float) -> Market:
        """With one price moved: tokens 0 … J−1, a wrong action J, a success J+1."""
        value, prices, wrong = self.value, self.prices.copy(), self.wrong
        if quantity < prices.shape[-1]:
            prices[..., quantity] *= 1 + relative
        elif quantity == prices.shape[-1]:
            wrong = wrong * (1 + relative)
        else:
            value = value * (1 + relative)
        return Market(value, prices, wrong, self.factor, self.difficulty)

    def mixed(self, other: Market) -> Market:
        pairs = zip(self.arguments[:3], other.arguments[:3], strict=True)
        return Market(*(0.5 * (a + b) for a, b in pairs), self.factor, self.difficulty)


def market(seed: int, n: int, decades: float = 1.0) -> Market:
    """Around 1 USD a success and 1 mUSD for a reference bundle of each use."""
    random = rng(30, seed)

    def spread(*shape: int) -> np.ndarray:
        return 10.0 ** random.uniform(-decades, decades, shape)

    prices = 0.05 * spread(n, 3) / np.array(REFERENCES)
    return Market(
        spread(n), prices, 2.0 * spread(n), random.uniform(0.5, 1.0, n),
        10.0 ** random.uniform(-0.3, 0.3, n),
    )  # fmt: skip


def curve(success: str, exponents: str, risk: str, caps: str = "no caps") -> RequestCurve:
    effort = Effort(EXPONENTS[exponents], REFERENCES)
    return RequestCurve(EXAMPLES[success], effort, RISKS[risk], CAPS[caps])


def bounded(success: str, exponents: str, caps: str) -> bool:
    """Whether (1) has a finite answer: constant returns are all or nothing."""
    return not (success == "linear" and exponents == "total one" and caps == "no caps")


def every_case() -> list[tuple[str, str, str, str]]:
    return [
        (s, e, r, c)
        for s in EXAMPLES
        for e in EXPONENTS
        for r in RISKS
        for c in CAPS
        if bounded(s, e, c) and not (e == "one use" and r == "verifying use helps")
    ]


def stack(response: Any) -> np.ndarray:
    """(tokens, wrong, success), the order of ``curvature``."""
    return np.concatenate(
        [response.tokens, response.wrong[..., None], response.success[..., None]], -1
    )
