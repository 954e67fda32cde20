"""The few estimators that readers share: intervals from groups, and curves made concave."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allocate.models.calibration.result import LEVEL, Parameter

LOWER, UPPER = 0.5 - LEVEL / 2, 0.5 + LEVEL / 2
"""Quantiles that an interval lies between."""
NORMAL = NormalDist().inv_cdf(UPPER)
"""Standard errors that an interval reaches to each side."""

Floats = NDArray[np.float64]

GROUPS = 12
"""Slices of time that an interval is taken from: long enough to be nearly independent."""


def jackknife(estimate: Callable[[Floats], Any], groups: int) -> tuple[Floats, Floats, Floats]:
    """Estimate with an interval, by leaving out one group at a time.

    Args:
        estimate: takes a weight for each group (1 in, 0 out) and returns a number or an array.
        groups: how many there are, at least 2, in the order of time.

    Returns:
        The estimate on all groups and the ends of its interval, of Student's t with one less
        degree of freedom than groups (Miller 1974). Groups that follow each other may go
        together (Newey and West 1987, two lags); that only ever widens the interval.
    """
    from scipy.stats import t

    everything = np.asarray(estimate(np.ones(groups)), dtype=float)
    without = np.stack([np.asarray(estimate(w), dtype=float) for w in 1.0 - np.eye(groups)])
    spread = without - without.mean(axis=0)
    variance = (groups - 1) / groups * (spread**2).sum(axis=0)
    together = sum(
        weight * (spread[lag:] * spread[:-lag]).sum(axis=0)
        for lag, weight in ((1, 4 / 3), (2, 2 / 3))
        if groups > 8
    )
    error = np.sqrt(variance + (groups - 1) / groups * np.maximum(together, 0.0))
    reach = float(t.ppf(UPPER, groups - 1)) * error
    return everything, everything - reach, everything + reach


def slices(count: int) -> int:
    """How many groups to cut a sample of ``count`` into: 2 to ``GROUPS``, some rows in each."""
    return int(np.clip(count // 5, 2, GROUPS))


def proportion(hits: float, tries: float) -> tuple[float, float, float]:
    """Return a share with Wilson's interval (Wilson 1927)."""
    z2 = NORMAL**2
    share = hits / tries
    middle = (hits + z2 / 2) / (tries + z2)
    reach = np.sqrt(z2 * (share * (1 - share) * tries + z2 / 4)) / (tries + z2)
    return share, float(max(middle - reach, 0.0)), float(min(middle + reach, 1.0))


def compared(mine: Parameter, value: float, low: float, high: float) -> dict[str, Any]:
    """Set a parameter beside the same thing measured elsewhere; both have an error of their own.

    Args:
        mine: what was calibrated.
        value: what was measured, in the parameter's unit.
        low: end of the measurement's own interval; NaN where it is not known.
        high: the other end.
    """
    reach = float(np.hypot((mine.high - mine.low) / 2, (high - low) / 2))
    return {
        "predicted": mine.value,
        "measured": value,
        "relative_error": mine.value / value - 1 if value else None,
        "within_interval": abs(mine.value - value) <= reach if np.isfinite(reach) else None,
    }


def majorant(x: Floats, y: Floats) -> Floats:
    """Least concave majorant of points with increasing ``x``, at these points.

    Of a distribution function it is the maximum-likelihood estimate among concave ones
    (Grenander 1956); of the product-limit estimate, its usual form under censoring.
    """
    hull = [0]
    for i in range(1, len(x)):
        while len(hull) > 1 and _is_below(x, y, hull[-2], hull[-1], i):
            hull.pop()
        hull.append(i)
    return np.interp(x, x[hull], y[hull])


def _is_below(x: Floats, y: Floats, a: int, b: int, c: int) -> bool:
    """Whether point b lies on or below the line from a to c."""
    return (y[b] - y[a]) * (x[c] - x[a]) <= (y[c] - y[a]) * (x[b] - x[a])


def product_limit(events: Floats, leaving: Floats) -> Floats:
    """Kaplan and Meier's (1958) distribution function on a grid.

    Args:
        events: weight of what happened in each cell of the grid.
        leaving: weight of what was last seen in the cell, and counts as at risk in it.

    Returns:
        Share that has happened up to the end of each cell.
    """
    gone = events + leaving
    at_risk = np.cumsum(gone[::-1])[::-1]
    hazard = np.divide(events, at_risk, out=np.zeros_like(events), where=at_risk > 0)
    return np.asarray(1.0 - np.cumprod(1.0 - np.minimum(hazard, 1.0)), dtype=np.float64)
