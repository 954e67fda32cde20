"""A figure with what the sample leaves uncertain: [low, figure, high], 95 %.

The figure is always the sample's own. Draws that count the sample anew give the interval only:
their mean is another number, and where they learn from what they drew, a worse one.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest


def share(count: int, of: int) -> list[float]:
    """A share, after Wilson."""
    inside = binomtest(count, of).proportion_ci(0.95, "wilson")
    return [float(inside.low), count / of, float(inside.high)]


def around(own: float, anew: np.ndarray) -> list[float]:
    """The sample's own figure between the 2.5th and 97.5th percentile of the draws anew."""
    low, high = np.percentile(anew, [2.5, 97.5])
    return [float(low), float(own), float(high)]


def centred(own: float, anew: np.ndarray) -> list[float]:
    """The same percentiles, moved by as much as the draws' mean is off the sample's own figure.

    For figures that are learned from the sample: of n questions drawn anew only some 63 % are
    different ones, so what is learned from them is worse, and all the draws are off to one side.
    """
    return around(own, anew + (own - anew.mean()))
