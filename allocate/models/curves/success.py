"""Success curves: how likely a request is solved, against the effort put into it.

Every curve is a concave, nondecreasing function q(Y) of the effort index Y ≥ 0 (the
paper's (8); see ``effort.py``), dimensionless. A class may change a model's curve in two
ways, both kept outside the curve: a factor on q and a difficulty that divides Y.

Faces. *Value*: ``value``, ``slope`` (NumPy or JAX). *Cone*: ``cone`` bounds a flow of
successes by the perspective x·q(Y/x). *Best response*: ``response.py`` needs from a curve
only ``balance``, where what effort earns meets what earnings buy; its marginal revenue in
logarithms, ``log_revenue`` = log(Y q'(Y)) with its derivative in log Y; and the efforts at
which the slope jumps, ``kinks``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from allocate.models.curves.namespace import namespace
from allocate.models.curves.roots import wright_omega
from allocate.models.limits import TINY

Array = Any
_REST = 1e-15  # least 1 − growth: constant returns are all or nothing


class SuccessCurve(Protocol):
    """What the rest of the tree may ask of a success curve."""

    @property
    def kinks(self) -> tuple[float, ...]:
        """Efforts at which the slope jumps down; empty for a smooth curve."""
        ...

    @property
    def flat(self) -> bool:
        """Whether no effort brings anything."""
        ...

    @property
    def ceiling(self) -> float:
        """What a class's own ``quality`` replaces: the best success, or that at effort 1."""
        ...

    @property
    def smooth(self) -> bool:
        """Whether its numbers may be arrays, so that curves of its form can be stacked."""
        ...

    def value(self, effort: Array) -> Array:
        """q(Y)."""
        ...

    def slope(self, effort: Array, side: str = "right") -> Array:
        """q'(Y); at a kink the slope on the side asked for ("left" or "right")."""
        ...

    def log_revenue(self, log_effort: Array, segment: int | None = None) -> tuple[Array, Array]:
        """log(Y q'(Y)) and its derivative in log Y, on one segment of a kinked curve."""
        ...

    def balance(self, log_value: Array, level: Array, growth: Array) -> Array:
        """ℓ with ℓ = log_value + log_revenue(z), z = level + growth·ℓ, 0 ≤ growth ≤ 1.

        The money that one more per cent of effort brings, in logarithms, where z is the
        effort that a request buys at ℓ. At a kink any ℓ between the two slopes will do.
        """
        ...

    def cone(self, requests: Any, effort: Any, successes: Any) -> list:
        """CVXPY constraints for successes ≤ requests · q(effort / requests)."""
        ...


@dataclass(frozen=True)
class Constant:
    """q = level, whatever the effort. Concave; a straight line in the program."""

    level: float
    kinks: tuple[float, ...] = ()

    @property
    def flat(self) -> bool:
        """See ``SuccessCurve``."""
        return True

    @property
    def ceiling(self) -> float:
        """See ``SuccessCurve``."""
        return self.level

    @property
    def smooth(self) -> bool:
        """See ``SuccessCurve``."""
        return True

    def value(self, effort: Array) -> Array:
        """See ``SuccessCurve``."""
        return self.level + 0.0 * effort

    def slope(self, effort: Array, side: str = "right") -> Array:
        """See ``SuccessCurve``."""
        return 0.0 * effort

    def log_revenue(self, log_effort: Array, segment: int | None = None) -> tuple[Array, Array]:
        """See ``SuccessCurve``: no revenue, so no tokens are bought for success."""
        return -np.inf + 0.0 * log_effort, 0.0 * log_effort

    def balance(self, log_value: Array, level: Array, growth: Array) -> Array:
        """See ``SuccessCurve``: never any revenue."""
        return -np.inf + 0.0 * (log_value + level + growth)

    def cone(self, requests: Any, effort: Any, successes: Any) -> list:
        """Q ≤ level · x."""
        return [successes <= self.level * requests]


@dataclass(frozen=True)
class Saturating:
    """q = ceiling · (1 − exp(−Y/scale)). Concave for Y ≥ 0; exponential cone."""

    ceiling: float
    scale: float = 1.0
    kinks: tuple[float, ...] = ()

    @property
    def flat(self) -> bool:
        """See ``SuccessCurve``."""
        return bool(np.all(np.less_equal(self.ceiling, 0)))

    @property
    def smooth(self) -> bool:
        """See ``SuccessCurve``."""
        return True

    def value(self, effort: Array) -> Array:
        """See ``SuccessCurve``."""
        return -self.ceiling * namespace(effort).expm1(-effort / self.scale)

    def slope(self, effort: Array, side: str = "right") -> Array:
        """See ``SuccessCurve``."""
        return self.ceiling / self.scale * namespace(effort).exp(-effort / self.scale)

    def log_revenue(self, log_effort: Array, segment: int | None = None) -> tuple[Array, Array]:
        """log(ceiling·y·e^{−y}) with y = Y/scale; derivative 1 − y."""
        y = namespace(log_effort).exp(log_effort) / self.scale
        return np.log(self.ceiling / self.scale) + log_effort - y, 1.0 - y

    def balance(self, log_value: Array, level: Array, growth: Array) -> Array:
        """See ``SuccessCurve``: with y = Y/scale, (1 − growth)·log y + growth·y = c."""
        xp = namespace(log_value, level, growth)
        top = log_value + np.log(self.ceiling)
        growth = xp.clip(growth, 1e-18, 1.0)
        rest = xp.maximum(1.0 - growth, _REST)
        log_ratio = xp.log(rest / growth)
        c = level - np.log(self.scale) + growth * top
        omega, log_omega = wright_omega(c / rest - log_ratio)
        return top + (log_omega + log_ratio) - omega * (rest / growth)

    def cone(self, requests: Any, effort: Any, successes: Any) -> list:
        """Q ≤ ceiling·(x − z) with z ≥ x·exp(−Y/(scale·x))."""
        import cvxpy as cp

        missed = cp.Variable(requests.shape, nonneg=True)
        return [
            cp.ExpCone(-effort / self.scale, requests, missed),
            successes <= self.ceiling * (requests - missed),
        ]


@dataclass(frozen=True)
class PowerLaw:
    """q = ceiling − coefficient · Y^{−exponent}; −∞ at Y = 0. Concave for Y > 0; power cone."""

    ceiling: float
    coefficient: float
    exponent: float
    kinks: tuple[float, ...] = ()

    @property
    def flat(self) -> bool:
        """See ``SuccessCurve``."""
        return bool(np.all(np.less_equal(self.coefficient, 0)))

    @property
    def smooth(self) -> bool:
        """See ``SuccessCurve``."""
        return True

    def value(self, effort: Array) -> Array:
        """See ``SuccessCurve``."""
        xp = namespace(effort)
        safe = xp.maximum(effort, TINY ** (1.0 / max(1.0, self.exponent)))
        return xp.where(effort > 0, self.ceiling - self.coefficient * safe**-self.exponent, -np.inf)

    def slope(self, effort: Array, side: str = "right") -> Array:
        """See ``SuccessCurve``."""
        return self.coefficient * self.exponent * effort ** (-self.exponent - 1.0)

    def log_revenue(self, log_effort: Array, segment: int | None = None) -> tuple[Array, Array]:
        """log(coefficient·exponent·Y^{−exponent}); derivative −exponent."""
        level = np.log(self.coefficient * self.exponent)
        return level - self.exponent * log_effort, -self.exponent + 0.0 * log_effort

    def balance(self, log_value: Array, level: Array, growth: Array) -> Array:
        """See ``SuccessCurve``: a line."""
        top = log_value + np.log(self.coefficient * self.exponent)
        return (top - self.exponent * level) / (1.0 + self.exponent * growth)

    def cone(self, requests: Any, effort: Any, successes: Any) -> list:
        """Q ≤ ceiling·x − coefficient·z with z^{1/(1+b)} · Y^{b/(1+b)} ≥ x."""
        import cvxpy as cp

        shortfall = cp.Variable(requests.shape, nonneg=True)
        weight = 1.0 / (1.0 + self.exponent)
        return [
            cp.PowCone3D(shortfall, effort, requests, weight),
            successes <= self.ceiling * requests - self.coefficient * shortfall,
        ]


@dataclass(frozen=True)
class Linear:
    """q = scale · Y: with the index of ``effort.py`` the paper's Cobb–Douglas form (8)."""

    scale: float = 1.0
    kinks: tuple[float, ...] = ()

    @property
    def flat(self) -> bool:
        """See ``SuccessCurve``."""
        return bool(np.all(np.less_equal(self.scale, 0)))

    @property
    def ceiling(self) -> float:
        """See ``SuccessCurve``."""
        return self.scale

    @property
    def smooth(self) -> bool:
        """See ``SuccessCurve``."""
        return True

    def value(self, effort: Array) -> Array:
        """See ``SuccessCurve``."""
        return self.scale * effort

    def slope(self, effort: Array, side: str = "right") -> Array:
        """See ``SuccessCurve``."""
        return self.scale + 0.0 * effort

    def log_revenue(self, log_effort: Array, segment: int | None = None) -> tuple[Array, Array]:
        """log(scale·Y); derivative 1."""
        return np.log(self.scale) + log_effort, 1.0 + 0.0 * log_effort

    def balance(self, log_value: Array, level: Array, growth: Array) -> Array:
        """See ``SuccessCurve``: a line."""
        rest = namespace(growth).maximum(1.0 - growth, _REST)
        return (log_value + np.log(self.scale) + level) / rest

    def cone(self, requests: Any, effort: Any, successes: Any) -> list:
        """Q ≤ scale · Y."""
        return [successes <= self.scale * effort]


@dataclass(frozen=True)
class Table:
    """Straight lines through the origin and measured points, flat after the last. LP.

    ``efforts`` increase and ``scores`` are concave from (0, 0); ``Table.hull`` makes the
    least concave majorant of any points.
    """

    efforts: tuple[float, ...]
    scores: tuple[float, ...]

    @staticmethod
    def hull(efforts: Any, scores: Any) -> Table:
        """The least concave, nondecreasing majorant of (0, 0) and the points."""
        points = sorted(zip(map(float, efforts), map(float, scores), strict=True))
        upper: list[tuple[float, float]] = [(0.0, 0.0)]
        for y, q in points:
            if q <= upper[-1][1]:
                continue
            while len(upper) > 1 and (q - upper[-1][1]) * (upper[-1][0] - upper[-2][0]) >= (
                upper[-1][1] - upper[-2][1]
            ) * (y - upper[-1][0]):
                upper.pop()
            upper.append((y, q))
        if len(upper) == 1:  # all scores are zero: one flat segment
            upper.append((points[-1][0], 0.0))
        return Table(tuple(p[0] for p in upper[1:]), tuple(p[1] for p in upper[1:]))

    @property
    def kinks(self) -> tuple[float, ...]:
        """See ``SuccessCurve``."""
        return self.efforts

    @property
    def slopes(self) -> np.ndarray:
        """Slope of each segment, decreasing."""
        return np.diff(np.array((0.0, *self.scores))) / np.diff(np.array((0.0, *self.efforts)))

    @property
    def flat(self) -> bool:
        """See ``SuccessCurve``."""
        return self.scores[-1] <= 0

    @property
    def ceiling(self) -> float:
        """See ``SuccessCurve``."""
        return self.scores[-1]

    @property
    def smooth(self) -> bool:
        """See ``SuccessCurve``."""
        return False

    def value(self, effort: Array) -> Array:
        """See ``SuccessCurve``."""
        return namespace(effort).interp(
            effort, np.array((0.0, *self.efforts)), np.array((0.0, *self.scores))
        )

    def slope(self, effort: Array, side: str = "right") -> Array:
        """See ``SuccessCurve``."""
        xp = namespace(effort)
        segment = xp.searchsorted(np.array(self.efforts), effort, side=side)
        return xp.asarray(np.append(self.slopes, 0.0))[segment]

    def log_revenue(self, log_effort: Array, segment: int | None = None) -> tuple[Array, Array]:
        """log(slope·Y) on a segment; derivative 1."""
        if segment is None:
            raise ValueError("a table's revenue is asked for by segment")
        slope = self.slopes[segment] if segment < len(self.efforts) else 0.0
        level = np.log(slope) if slope > 0 else -np.inf
        return level + log_effort, 1.0 + 0.0 * log_effort

    def balance(self, log_value: Array, level: Array, growth: Array) -> Array:
        """See ``SuccessCurve``: along each line, or at the kink at its end."""
        xp = namespace(log_value, level, growth)
        rest = xp.maximum(1.0 - growth, _REST)
        growth = xp.maximum(growth, TINY)
        best = -np.inf
        for kink, slope in zip(self.efforts, self.slopes, strict=True):
            if slope > 0:
                inside = (log_value + np.log(slope) + level) / rest
                best = xp.maximum(best, xp.minimum(inside, (np.log(kink) - level) / growth))
        return best

    def cone(self, requests: Any, effort: Any, successes: Any) -> list:
        """Q ≤ q_i·x + slope_i·(Y − Y_i·x) for every segment, and Q ≤ last score · x."""
        rows = [successes <= self.scores[-1] * requests]
        for y, q, s in zip(self.efforts, self.scores, self.slopes, strict=True):
            rows.append(successes <= (q - s * y) * requests + s * effort)
        return rows
