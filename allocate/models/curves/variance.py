"""What the variance of capability costs: convex terms of one activity or of two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from allocate.models.curves.namespace import namespace

Array = Any
_WIDE = np.union1d(1.0, np.geomspace(1e-7, 1e2, 91))  # times the best ratio at some prices
_NARROW = np.array(  # in the logarithm, around a ratio found before
    [-0.2, -0.1, -0.03, -0.01, -0.003, -0.001, 0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2]
)


class Cut(NamedTuple):
    """Value of what may not be positive, its slope in the unit profits, and the answer's mix.

    ``size`` is the money that ``value`` is small against, USD per unit of the first level;
    ``mix`` the levels that a unit of the constraint's multiplier stands for.
    """

    value: float
    slope: np.ndarray
    size: float
    mix: np.ndarray


class Tangent(NamedTuple):
    """The best profit around some unit profits: slope [n], curvature [n, n], and a cut."""

    gradient: np.ndarray
    hessian: np.ndarray
    cut: Cut | None


class Ray(NamedTuple):
    """Levels [n] a unit, in fixed proportion, and what a unit costs (USD per hour)."""

    levels: np.ndarray
    cost: float


class Cost(Protocol):
    """What a method may ask of a convex cost on the levels z [n] of some activities.

    ``unit`` [n] are the profits of a unit of each before this cost, ``upper`` [n] bounds.
    """

    @property
    def value(self) -> Callable[..., Array]:
        """Of the levels: cost in USD per hour."""
        ...

    def best(self, unit: Array, upper: Array, floor: float = 0.0) -> np.ndarray:
        """[n]: argmax over 0 ≤ z ≤ upper of unit·z − value."""
        ...

    def excess(self, unit: Array) -> float:
        """What may not be positive, USD per unit of the first level, or profit has no end."""
        ...

    def break_even(self, price: float) -> float | None:
        """Price of the second level, if any, at which the first earns nothing at ``price``."""
        ...

    def tangent(self, unit: Array, upper: Array, amount: float, floor: float = 0.0) -> Tangent:
        """Slope and curvature of the best profit at ``unit``, at about ``amount`` of the first.

        Where the profit is all or nothing, ``cut`` says when it is nothing. ``floor`` is
        the least price that is told from 0.
        """
        ...

    def plane(self, levels: Array) -> tuple[np.ndarray, float]:
        """(g, c) with value(z) ≥ g·z − c, equal at ``levels``."""
        ...

    def rays(self, unit: Array, near: float | None, floor: float = 0.0) -> list[Ray]:
        """Fixed proportions whose mixtures cost no less than the levels that they add up to.

        ``near``: second level over the first, where known. Empty if planes are to be used.
        """
        ...

    def scaled(self, factor: float) -> Cost:
        """The cost times a factor."""
        ...

    @property
    def cone(self) -> Callable[..., list]:
        """Of the levels and the cost: CVXPY constraints for cost ≥ value(levels)."""
        ...


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

    def best(self, unit: Array, upper: Array, floor: float = 0.0) -> np.ndarray:
        """See ``Cost``."""
        return np.array([self.best_response(unit[0], upper[0])], float)

    def excess(self, unit: Array) -> float:
        """See ``Cost``: a little always pays, so there is no line to keep below."""
        return -np.inf

    def break_even(self, price: float) -> float | None:
        """See ``Cost``: there is no second level."""
        return None

    def tangent(self, unit: Array, upper: Array, amount: float, floor: float = 0.0) -> Tangent:
        """See ``Cost``."""
        best = self.best(unit, upper)
        inside = (unit[0] >= 0) and best[0] < upper[0]
        return Tangent(best, np.full((1, 1), inside / self.weight), None)

    def plane(self, levels: Array) -> tuple[np.ndarray, float]:
        """See ``Cost``."""
        return np.array([self.weight * levels[0]]), 0.5 * self.weight * float(levels[0]) ** 2

    def rays(self, unit: Array, near: float | None, floor: float = 0.0) -> list[Ray]:
        """See ``Cost``: a ray from the origin costs nothing at first."""
        return []

    def scaled(self, factor: float) -> SquareCost:
        """See ``Cost``."""
        return SquareCost(self.weight * factor)

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

    def best(self, unit: Array, upper: Array, floor: float = 0.0) -> np.ndarray:
        """See ``Cost``; without the floor, which is for slopes."""
        return np.array(self.best_response(unit[0], -unit[1], upper[0], upper[1]), float)

    def excess(self, unit: Array) -> float:
        """See ``Cost``."""
        return float(unit[0] - np.sqrt(2.0 * self.weight * max(-float(unit[1]), 0.0)))

    def break_even(self, price: float) -> float | None:
        """See ``Cost``."""
        return price**2 / (2.0 * self.weight)

    def tangent(self, unit: Array, upper: Array, amount: float, floor: float = 0.0) -> Tangent:
        """See ``Cost``."""
        price = max(-float(unit[1]), floor)
        if price <= 0.0:
            raise ValueError("observations that cost nothing have no tangent: give a floor")
        root = float(np.sqrt(2.0 * self.weight * price))
        hessian = np.diag([0.0, amount * 0.25 * root / price**2])
        mix = np.array([1.0, self.ray(price)[0]])
        cut = Cut(float(unit[0]) - root, np.array([1.0, 0.5 * root / price]), root, mix)
        return Tangent(np.zeros(2), hessian, cut)

    def plane(self, levels: Array) -> tuple[np.ndarray, float]:
        """See ``Cost``."""
        per = float(levels[0] / levels[1])
        return np.array([self.weight * per, -0.5 * self.weight * per**2]), 0.0

    def rays(self, unit: Array, near: float | None, floor: float = 0.0) -> list[Ray]:
        """See ``Cost``: near a ratio n/y, or widely around the best one at the prices."""
        if near is not None:
            ratios = near * np.exp(_NARROW)
        else:
            ratios = self.ray(max(-float(unit[1]), floor))[0] * _WIDE
        return [Ray(np.array([1.0, r]), 0.5 * self.weight / r) for r in map(float, ratios)]

    def scaled(self, factor: float) -> RatioCost:
        """See ``Cost``."""
        return RatioCost(self.weight * factor)

    def cone(self, y: Any, n: Any, cost: Any) -> list:
        """CVXPY constraints for cost ≥ ½·weight·y²/n."""
        import cvxpy as cp

        return [cost >= 0.5 * self.weight * cp.quad_over_lin(y, n)]
