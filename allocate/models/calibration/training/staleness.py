"""What a rollout is worth that an older policy wrote, and what freshness costs.

Efficiency at a staleness is the score gained over the untrained model, relative to that
without staleness. It cannot rise with staleness, so the fit is isotonic (Barlow et al. 1972);
scores that say otherwise are named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.stats import t as student

from allocate.models.calibration.statistics import LOWER, UPPER

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Staleness:
    """Efficiency by versions, with intervals; what the scores alone say; disagreements."""

    versions: Floats
    value: Floats
    low: Floats
    high: Floats
    raw: Floats
    deviation: float
    against: list[str]
    gained: float
    """Score gained over the untrained model without staleness, where efficiency is 1."""


def fit(versions: Floats, score: Floats, base: float, draws: int = 400, seed: int = 0) -> Staleness:
    """Fit efficiency to scores at versions (0 must be among them); ``base`` is untrained.

    The interval comes of a parametric bootstrap: scores drawn around the fit with its own
    deviation, fitted again.
    """
    order = np.argsort(versions)
    x, y = versions[order], score[order]
    levels, at = np.unique(x, return_inverse=True)
    count = np.bincount(at).astype(float)
    mean = np.bincount(at, weights=y) / count
    smooth = _falling(mean, count)
    blocks = len(np.unique(np.round(smooth, 12)))
    free = max(1, len(y) - blocks)
    deviation = float(np.sqrt(((y - smooth[at]) ** 2).sum() / free))
    if len(y) <= blocks:  # nothing left to tell noise by: the smallest step
        deviation = float(np.abs(np.diff(smooth)).min()) if len(smooth) > 1 else 0.0
    value = (smooth - base) / (smooth[0] - base)
    rng = np.random.default_rng(seed)
    noise = deviation * student.rvs(free, size=(draws, len(levels)), random_state=rng)
    noise /= np.sqrt(count)
    # around the means, not the fit: what was pooled would seem more certain than it is
    pooled = [_falling(0.5 * (mean + smooth) + e, count) for e in noise]
    again = np.array([(p - base) / max(p[0] - base, 1e-9) for p in pooled])
    low, high = np.quantile(again, [LOWER, UPPER], axis=0)
    raw = (mean - base) / (mean[0] - base)
    against = [
        f"at {levels[i]:g} the score is {mean[i]:g}, above {mean[i - 1]:g} at {levels[i - 1]:g}"
        for i in range(1, len(levels))
        if mean[i] > mean[i - 1]
    ]
    ends = np.minimum(low, value), np.maximum(high, value)
    gained = float(smooth[0] - base)
    return Staleness(levels, value, *ends, raw, deviation, against, gained)


def _falling(score: Floats, weight: Floats) -> Floats:
    return np.asarray(isotonic_regression(score, weights=weight, increasing=False).x)


def costs(versions: Floats, slow: float, relaxed: float) -> Floats:
    """Cost of a rollout token by versions: ``slow`` times as much at 0 as from ``relaxed`` on.

    Hours are known at the two ends only; between them a straight line.
    """
    return 1.0 + (slow - 1.0) * np.maximum(0.0, 1.0 - versions / relaxed)


@dataclass(frozen=True)
class Decay:
    """Rate at which a gain goes out of date, 1/h, with its interval."""

    value: float
    low: float
    high: float
    deviation: float
    points: int


def decay(age_h: Floats, gain: Floats) -> Decay | None:
    """Fit gain(age) = gain(0)·e^{−δ·age} to gains left after ages, by log-linear least squares.

    Gains at or below 0 have no logarithm; fewer than 3 others give None.
    """
    kept = gain > 0
    x, y = age_h[kept], np.log(gain[kept])
    if len(x) < 3 or np.ptp(x) == 0:
        return None
    design = np.stack([np.ones_like(x), -x], axis=1)
    value, *_ = np.linalg.lstsq(design, y, rcond=None)
    off = y - design @ value
    free = max(1, len(x) - 2)
    deviation = float(np.sqrt((off**2).sum() / free))
    error = deviation * np.sqrt(np.linalg.inv(design.T @ design)[1, 1])
    reach = float(student.ppf(UPPER, free) * error)
    rate = max(float(value[1]), 0.0)
    return Decay(
        rate, max(float(value[1]) - reach, 0.0), float(value[1]) + reach, deviation, len(x)
    )
