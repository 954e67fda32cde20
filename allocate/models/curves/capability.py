"""Training as capital, the paper's (11) and (12): gains against tokens, and their risk.

A stock A⁺ = (1 − δ)A + g that is kept up for ever settles at the gain that one
depreciation window 1/δ of inputs buys; so an asset's curve is a success curve over the
effort index of its inputs per window, and rates are all the program needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from allocate.models.curves.namespace import namespace

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
        return (self.floor + self.b / self.c) ** self.power - self._error(effort)

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
        y = xp.exp(log_effort)
        e = self.samples * y + self.c
        share = self.samples * y / e
        inner = self.b / e / (self.floor + self.b / e)
        derivative = 1.0 - 2.0 * share + (1.0 - self.power) * inner * share
        return log_effort + xp.log(self.slope(y)), derivative

    def cone(self, requests: Any, effort: Any, successes: Any, around: Array | None = None) -> list:
        """CVXPY constraints for successes ≤ requests · gain(effort/requests), by tangents."""
        import cvxpy as cp

        grid = np.geomspace(1e-6, 1e6, 1200) * self.c / self.samples
        if around is not None:
            grid = np.union1d(grid, np.asarray(around))
        best = (self.floor + self.b / self.c) ** self.power - self.floor**self.power
        slope = np.array([self.slope(0.0), *self.slope(grid), 0.0])
        level = np.array([0.0, *(self.value(grid) - self.slope(grid) * grid), best])

        def row(flow: Any) -> Any:
            return cp.reshape(flow, (1, flow.size), order="C")

        bound = level[:, None] @ row(requests) + slope[:, None] @ row(effort)
        return [np.ones((len(slope), 1)) @ row(successes) <= bound]


@dataclass(frozen=True)
class SquareCost:
    """½·weight·y²: what the variance of a portfolio costs along one risk factor. SOC."""

    weight: float

    def value(self, y: Array) -> Array:
        """Cost in USD per hour."""
        return 0.5 * self.weight * y**2

    def best_response(self, price: Array, cap: Array) -> Array:
        """Argmax over 0 ≤ y ≤ cap of price·y − cost."""
        return np.clip(price / self.weight, 0.0, cap)

    def cone(self, y: Any, cost: Any) -> list:
        """CVXPY constraints for cost ≥ ½·weight·y²."""
        import cvxpy as cp

        return [cost >= 0.5 * self.weight * cp.square(y)]


@dataclass(frozen=True)
class RatioCost:
    """½·weight·y²/n: a variance that more observations n lower. Convex in (y, n); SOC."""

    weight: float

    def value(self, y: Array, n: Array) -> Array:
        """Cost in USD per hour; 0 at y = 0, infinite at n = 0 < y."""
        xp = namespace(y, n)
        y, n = xp.asarray(y), xp.asarray(n)
        with np.errstate(divide="ignore", invalid="ignore"):
            return xp.where(y > 0, 0.5 * self.weight * y**2 / n, 0.0)

    def best_response(self, price: float, n_price: float, y_cap: float, n_cap: float) -> tuple:
        """Argmax over 0 ≤ y ≤ y_cap, 0 ≤ n ≤ n_cap of price·y − n_price·n − cost.

        A unit of y costs √(2·weight·n_price) at best, so it is all or nothing up to a cap.
        """
        if price <= np.sqrt(2.0 * self.weight * max(n_price, 0.0)):
            return 0.0, 0.0
        n = n_cap
        if n_price > 0:
            n = min(n_cap, y_cap * np.sqrt(0.5 * self.weight / n_price))
        return min(y_cap, price * n / self.weight), n

    def ray(self, n_price: float) -> tuple[float, float]:
        """(best n per unit of y, what a unit of y then costs besides n) at a price of n > 0."""
        per_unit = float(np.sqrt(0.5 * self.weight / n_price))
        return per_unit, 0.5 * self.weight / per_unit

    def cone(self, y: Any, n: Any, cost: Any) -> list:
        """CVXPY constraints for cost ≥ ½·weight·y²/n."""
        import cvxpy as cp

        return [cost >= 0.5 * self.weight * cp.quad_over_lin(y, n)]
