"""Training as capital, the paper's (11): gains against tokens. Their risk: ``variance.py``.

A stock A⁺ = (1 − δ)A + g that is kept up for ever settles at the gain that one
depreciation window 1/δ of inputs buys; so an asset's curve is a success curve over the
effort index of its inputs per window, and rates are all the program needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from allocate.models.curves.namespace import namespace
from allocate.models.curves.roots import FAR, settle
from allocate.models.limits import TINY

Array = Any


@dataclass(frozen=True)
class ScalingLaw:
    """gain = error(0) − error(E), error(E) = (floor + b/(E + c))^power, E = samples · Y.

    The fit of post-training runs in ``examples/data``. error' < 0 < error'' for
    0 < power ≤ 1 (docs/program.md), so the gain is concave. Its cone is a chain of two
    power cones: w ≥ b·x²/(E + c·x) and the concave power of floor·x + w is what must be
    bounded from above, which is not conic; the cone face is the tangent hull at ``grid``
    efforts, which exceeds the gain by at most 3.4e-5 of it up to an effort of 1e6·c/samples.
    """

    floor: float
    b: float
    c: float
    power: float
    samples: float = 1.0
    kinks: tuple[float, ...] = ()

    def _error(self, effort: Array) -> Array:
        return (self.floor + self.b / (self.samples * effort + self.c)) ** self.power

    def value(self, effort: Array) -> Array:
        """Gain at effort Y, in success points (0 … 1)."""
        return self._error(0.0) - self._error(effort)

    @property
    def start(self) -> float:
        """Score at effort 0, where the error is one of answers: 1 − error(0)."""
        return 1.0 - self._error(0.0)

    def slope(self, effort: Array, side: str = "right") -> Array:
        """D gain / dY."""
        e = self.samples * effort + self.c
        return (
            self.power
            * (self.floor + self.b / e) ** (self.power - 1.0)
            * self.b
            * self.samples
            / e**2
        )

    def log_revenue(self, log_effort: Array, segment: int | None = None) -> tuple[Array, Array]:
        """log(Y·slope) and its derivative in log Y."""
        xp = namespace(log_effort)
        e = self.samples * xp.exp(log_effort) + self.c
        share = 1.0 - self.c / e
        error = self.floor + self.b / e
        derivative = 1.0 - 2.0 * share + (1.0 - self.power) * (self.b / e / error) * share
        level = np.log(self.power * self.b * self.samples) - (1.0 - self.power) * xp.log(error)
        return log_effort + level - 2.0 * xp.log(e), derivative

    @property
    def flat(self) -> bool:
        """See ``SuccessCurve``."""
        return self.b <= 0 or self.power <= 0

    @property
    def ceiling(self) -> float:
        """See ``SuccessCurve``: the whole error that there is to remove."""
        return self._error(0.0) - self.floor**self.power

    @property
    def smooth(self) -> bool:
        """See ``SuccessCurve``: no kinks, but ``balance`` asks for single numbers."""
        return False

    def balance(self, log_value: Array, level: Array, growth: Array) -> Array:
        """See ``SuccessCurve``: Newton, between the lines that the curve tends to."""
        xp = namespace(log_value, level, growth)
        zero = 0.0 * (log_value + level + growth)
        data = (log_value + zero, level + zero, growth + zero)

        def newton(ell: Array, data: tuple) -> Array:
            log_value, level, growth = data
            revenue, elasticity = self.log_revenue(xp.clip(level + growth * ell, -FAR, FAR))
            rest = xp.maximum(1.0 - growth * elasticity, 1e-15)
            return ell - (ell - log_value - revenue) / rest

        early = np.log(self.slope(TINY))  # Y·slope where all of the error is still there
        late = np.log(self.power * self.b / self.samples) - (
            (1.0 - self.power) * np.log(self.floor) if self.floor > 0 else 0.0
        )
        start = xp.minimum(
            (log_value + early + level) / xp.maximum(1.0 - growth, 1e-3),
            (log_value + late - level) / (1.0 + growth),
        )
        return settle(newton, data, xp.clip(start, -FAR, FAR))

    def cone(self, requests: Any, effort: Any, successes: Any) -> list:
        """CVXPY constraints for successes ≤ requests · gain(effort/requests), by tangents."""
        import cvxpy as cp

        grid = np.geomspace(1e-6, 1e6, 1200) * self.c / self.samples
        slope = np.array([self.slope(0.0), *self.slope(grid), 0.0])
        level = np.array([0.0, *(self.value(grid) - self.slope(grid) * grid), self.ceiling])

        def row(flow: Any) -> Any:
            return cp.reshape(flow, (1, flow.size), order="C")

        bound = level[:, None] @ row(requests) + slope[:, None] @ row(effort)
        return [np.ones((len(slope), 1)) @ row(successes) <= bound]
