"""Gaps and distances with censoring → concave hit curves with intervals.

A block without an earlier use may have had one before the log began: its gap is only known
to be longer than the log so far. The product-limit estimate takes it as censored, not as
never. Later traffic says more about what follows, so a weight halves with each half of the
log that has passed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocate.models.calibration.reuse.accesses import Accesses
from allocate.models.calibration.reuse.distances import previous, stack_distances
from allocate.models.calibration.statistics import (
    Floats,
    jackknife,
    majorant,
    product_limit,
    slices,
)

CELLS = 300
HALVINGS = 2.0  # times that a weight halves over the log
MORE = 1 << 30


@dataclass(frozen=True)
class Curve:
    """A concave distribution function at the ends of cells, with an interval at each."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats
    reach: float
    """Largest gap or distance that the log could show."""
    bend: float
    """How far the data lie below the concave curve at most: what concavity costs."""
    accesses: int
    decay: tuple[float, float, float]
    """Rate (1/unit of x) at which the use of a kept block dies away, with its interval."""

    def at(self, x: float) -> tuple[float, float, float]:
        """Hit ratio with its interval at one point (straight lines from 0)."""
        return tuple(
            float(np.interp(x, np.append(0.0, self.x), np.append(0.0, y)))
            for y in (self.y, self.low, self.high)
        )  # type: ignore[return-value]

    def values(self, x: Floats) -> Floats:
        """Hit ratio at many points."""
        return np.interp(x, np.append(0.0, self.x), np.append(0.0, self.y))


@dataclass(frozen=True)
class Seen:
    """How far back each access was last used, or how far back it is known not to be."""

    found: NDArray[np.bool_]
    gap: Floats
    depth: Floats
    """Blocks that a cache must hold to find it (censored: more than those)."""


def look_back(accesses: Accesses) -> Seen:
    """Find the last use of every access within the log."""
    before = previous(accesses.keys)
    distance, known = stack_distances(before)
    found = before >= 0
    times = accesses.times
    gap = np.where(found, times - times[np.maximum(before, 0)], times - accesses.start)
    depth = np.where(found, distance + 1, known) / accesses.share
    return Seen(found, gap, depth.astype(float))


def fit(
    x: Floats, found: NDArray[np.bool_], times: Floats, start: float, span: float, marks: Floats
) -> Curve:
    """Fit a concave hit curve against a gap or a distance.

    Args:
        x: gap or distance of each access; where not ``found``, what it exceeds.
        found: whether there was an earlier use.
        times: of each access, seconds.
        start: when the log begins.
        span: how long it is.
        marks: points that must be ends of cells, exact there.
    """
    ends = _cells(x[found], marks, float(x.max()))
    cell = np.minimum(np.searchsorted(ends, x, side="left"), len(ends) - 1)
    weight = 0.5 ** (HALVINGS * (start + span - times) / span)
    groups = slices(len(x))
    group = np.minimum((groups * (times - start) / span).astype(int), groups - 1)
    at = group * len(ends) + cell
    shape = (groups, len(ends))
    events, leaving = (
        np.bincount(at[part], weight[part], minlength=groups * len(ends)).reshape(shape)
        for part in (found, ~found)
    )

    def estimate(w: Floats) -> Floats:
        raw = product_limit(w @ events, w @ leaving)
        y = majorant(np.append(0.0, ends), np.append(0.0, raw))[1:]
        return np.concatenate([raw, y, [_decay(ends, y)]])

    parts = np.split(np.stack(jackknife(estimate, groups)), [len(ends), 2 * len(ends)], axis=1)
    raw, y, decay = parts
    # Where the data are not concave, the interval reaches from one estimate's to the other's.
    low, high = np.minimum(raw[1], y[1]), np.maximum(raw[2], y[2])
    return Curve(
        ends,
        y[0],
        np.clip(low, 0.0, 1.0),
        np.clip(high, 0.0, 1.0),
        float(x.max()),
        float(np.max(y[0] - raw[0])),
        len(x),
        tuple(float(value) for value in decay[:, 0]),  # type: ignore[arg-type]
    )


def _cells(events: Floats, marks: Floats, top: float) -> Floats:
    """Ends of cells: where the events are, and at the marks within reach."""
    inner = np.quantile(events, np.linspace(0, 1, CELLS)) if len(events) else np.empty(0)
    ends = np.unique(np.concatenate([inner, marks[marks < top], [top]]))
    return ends[ends > 0]


def _decay(ends: Floats, hits: Floats) -> float:
    """Rate δ of the exponential approach h(top)·(1 − e^{−δx}) with the same mean age of a hit."""
    x, y = np.append(0.0, ends), np.append(0.0, hits)
    mean = float(np.sum(0.5 * (x[1:] + x[:-1]) * np.diff(y)))
    return float(y[-1] / mean) if mean > 0 else 0.0
