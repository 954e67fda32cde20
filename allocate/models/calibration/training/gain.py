"""Score against training samples: a fitted gain curve.

Two forms of ``training.assets.NAME.gain`` are tried, both rising and concave: saturating,
score = start + ceiling·(1 − e^{−E/scale}), and the scaling law, error = (floor + b/(E + c))^power
(``curves.capability``). The one with the lower AICc stands (Burnham and Anderson 2002).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, least_squares
from scipy.stats import t as student

from allocate.models.calibration.statistics import UPPER
from allocate.models.curves.capability import ScalingLaw
from allocate.models.curves.success import Saturating

Floats = NDArray[np.float64]
SOFT = 3.0
"""Deviations from which an outlier counts less (soft-L1)."""
FEWEST = 4
"""Points a curve needs."""


@dataclass(frozen=True)
class GainFit:
    """A fitted curve: its form, numbers with intervals, start (score at 0) and misfit."""

    form: str
    values: dict[str, tuple[float, float, float]]
    start: float
    deviation: float
    aicc: float
    points: int
    seen: tuple[float, float]
    covariance: Floats
    """Of the errors of ``values``, in their order, in logarithms (the power itself)."""

    def gain(self, samples: Any) -> Floats:
        """Score gained over the start, at samples."""
        return np.asarray(_curve(self.form, {k: v[0] for k, v in self.values.items()})(samples))


def _curve(form: str, p: dict[str, float]) -> Callable[[Any], Any]:
    if form == "saturating":
        return Saturating(p["ceiling"], p["scale"]).value
    return ScalingLaw(p["floor"], p["b"], p["c"], p["power"]).value


def fit(samples: Floats, score: Floats) -> GainFit | None:
    """Fit the better of the two forms; None with fewer than ``FEWEST`` points."""
    if len(samples) < FEWEST or np.ptp(samples) == 0:
        return None
    tried = [f for f in (saturating(samples, score), scaling_law(samples, score)) if f]
    return min(tried, key=lambda f: f.aicc) if tried else None


def saturating(samples: Floats, score: Floats) -> GainFit | None:
    """Fit start, ceiling and scale."""
    top = float(samples.max())

    def model(p: Floats) -> Floats:
        return p[0] + np.asarray(Saturating(np.exp(p[1]), np.exp(p[2]) * top).value(samples))

    rise = max(float(score.max() - score.min()), 1e-3)
    starts = [[score.min(), np.log(rise), np.log(s)] for s in (0.05, 0.2, 0.6, 2.0)]
    bounds = ([-1.0, np.log(1e-4), np.log(1e-4)], [1.0, 0.0, np.log(50.0)])
    best, deviation, cov = _solve(model, score, starts, bounds)
    reach = _reach(cov, len(score), 3)
    out = {
        "ceiling": _log_span(best[1], reach[1]),
        "scale": _log_span(best[2] + np.log(top), reach[2]),
    }
    return _done("saturating", out, float(best[0]), deviation, samples, 3, cov[1:, 1:])


def scaling_law(samples: Floats, score: Floats) -> GainFit | None:
    """Fit floor, b and power, with the score at 0 free: c follows from it."""
    if len(samples) < FEWEST + 2 or not np.all((score > 0) & (score < 1)):
        return None
    top = float(samples.max())

    def law(p: Floats) -> ScalingLaw:
        c = np.exp(p[2]) * top
        return ScalingLaw(float(np.exp(p[0])), float(np.exp(p[1]) * c), float(c), float(p[3]))

    def model(p: Floats) -> Floats:
        curve = law(p)
        return curve.start + np.asarray(curve.value(samples))

    first, last = 1.0 - score[samples.argmin()], 1.0 - score.max()
    starts = []
    for power in (0.25, 0.8):
        for c in (0.05, 0.3):
            floor = max(1e-6, 0.5 * last ** (1 / power))
            starts.append([np.log(floor), np.log(first ** (1 / power)), np.log(c), power])
    bounds = ([-25.0, -12.0, np.log(1e-3), 0.05], [0.0, 2.0, np.log(20.0), 1.0])
    best, deviation, cov = _solve(model, score, starts, bounds)
    reach = _reach(cov, len(score), 4)
    curve = law(best)
    scale = np.log(curve.c)
    ones = np.array([0.0, 1.0, 1.0, 0.0])
    factor = float(student.ppf(UPPER, len(score) - 4))
    power, wide = float(best[3]), float(reach[3])
    if not 0.06 < power < 0.97:  # at a bound the data leave the power open
        wide = 1.0
    out = {
        "floor": _log_span(best[0], reach[0]),
        "b": _log_span(best[1] + scale, factor * float(np.sqrt(max(ones @ cov @ ones, 0.0)))),
        "c": _log_span(scale, reach[2]),
        "power": (power, max(0.0, power - wide), min(1.0, power + wide)),
    }  # fmt: skip
    to = np.array([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float)
    return _done("scaling_law", out, float(curve.start), deviation, samples, 4, to @ cov @ to.T)


def _solve(
    model: Callable[[Floats], Floats], score: Floats, starts: list[Any], bounds: Any
) -> tuple[Floats, float, Floats]:
    """Robust least squares from several starts: parameters, deviation, covariance."""
    plain = [
        least_squares(lambda p: model(p) - score, np.clip(s, *bounds), bounds=bounds)
        for s in starts
    ]
    first = min(plain, key=lambda f: f.cost)
    spread = 1.4826 * float(np.median(np.abs(first.fun))) or float(first.fun.std()) or 1e-9
    best = least_squares(
        lambda p: (model(p) - score) / spread, first.x, bounds=bounds, loss="soft_l1", f_scale=SOFT
    )
    off = model(best.x) - score
    free = max(1, len(score) - len(best.x))
    deviation = float(np.sqrt((off**2).sum() / free))
    jacobian = best.jac * spread
    cov = deviation**2 * np.linalg.pinv(jacobian.T @ jacobian, rcond=1e-12)
    return best.x, deviation, cov


def _reach(cov: Floats, points: int, free: int) -> Floats:
    factor = student.ppf(UPPER, max(1, points - free))
    return factor * np.sqrt(np.maximum(np.diag(cov), 0.0))


def _log_span(middle: float, reach: Any) -> tuple[float, float, float]:
    reach = min(float(reach), 50.0)
    return float(np.exp(middle)), float(np.exp(middle - reach)), float(np.exp(middle + reach))


def _done(
    form: str, values: dict[str, Any], start: float, deviation: float, samples: Floats, free: int,
    covariance: Floats,
) -> GainFit:  # fmt: skip
    n = len(samples)
    squares = max(deviation**2 * max(1, n - free), 1e-18)
    penalty = 2 * free + 2 * free * (free + 1) / max(1, n - free - 1)
    aicc = n * np.log(squares / n) + penalty
    seen = (float(samples.min()), float(samples.max()))
    return GainFit(form, values, start, deviation, float(aicc), n, seen, covariance)


def disagreements(samples: Floats, score: Floats, fitted: GainFit) -> list[str]:
    """Say where scores speak against a rising, concave curve."""
    out = []
    order = np.argsort(samples)
    x, y = samples[order], score[order]
    rising = np.asarray(isotonic_regression(y).x)
    if np.abs(rising - y).max() > 3 * fitted.deviation and len(y) > 5:
        worst = int(np.abs(rising - y).argmax())
        out.append(f"the score does not rise steadily: at {x[worst]:g} it is {y[worst]:.3g}")
    half = len(x) // 2
    if half >= 6 and np.ptp(x[:half]) > 0:
        scaled = (x[:half] - x[0]) / np.ptp(x[:half])
        bend, cov = np.polyfit(scaled, y[:half], 2, cov=True)
        if bend[0] > 3 * np.sqrt(cov[0, 0]):
            out.append("the first half bends upwards: gains set in late (sigmoid), not concave")
    return out
