"""Request classes: clusters of prompt and output length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allocate.models.calibration.statistics import Floats

ENOUGH = 0.75
"""Share of the spread of log lengths that clusters must explain; more are not made."""
MOST = 6
LEAST_ROWS = 30
TRIES = 8
FITTED = 20_000
"""Requests that centres are fitted to; the rest go to the nearest."""


def cluster(inputs: Floats, outputs: Floats, count: int | None, seed: int) -> NDArray[np.int64]:
    """Sort requests into classes by k-means on log lengths.

    Args:
        inputs: prompt lengths in tokens.
        outputs: output lengths in tokens.
        count: how many classes; None takes the fewest that explain ``ENOUGH`` of the spread.
        seed: of the starting centres.

    Returns:
        The class of each request, numbered by mean prompt length.
    """
    points = np.log1p(np.stack([inputs, outputs], axis=1))
    draw = np.random.default_rng(seed)
    some = points if len(points) <= FITTED else points[draw.permutation(len(points))[:FITTED]]
    distinct = len(np.unique(some, axis=0))
    most = max(1, min(count or MOST, distinct, len(points) // LEAST_ROWS))
    spread = float(((some - some.mean(axis=0)) ** 2).sum())
    centres = some.mean(axis=0, keepdims=True)
    for k in range(most if count else 1, most + 1):
        centres, left = _k_means(some, k, np.random.default_rng(seed))
        if left <= (1 - ENOUGH) * spread:
            break
    labels = _nearest(points, centres)
    found = np.unique(labels)
    order = np.argsort([inputs[labels == c].mean() for c in found])
    rank = np.empty(int(found.max()) + 1, dtype=np.int64)
    rank[found[order]] = np.arange(len(found))
    return rank[labels]


def _nearest(points: Floats, centres: Floats) -> NDArray[np.int64]:
    distances = np.stack([((points - centre) ** 2).sum(axis=1) for centre in centres])
    return distances.argmin(axis=0).astype(np.int64)


def _k_means(points: Floats, k: int, draw: np.random.Generator) -> tuple[Floats, float]:
    """The best of several starts; centres and the squared distance that is left."""
    from scipy.cluster.vq import ClusterError, kmeans2

    best, least = points.mean(axis=0, keepdims=True), np.inf
    for _ in range(TRIES):
        try:
            centres, labels = kmeans2(
                points, _start(points, k, draw), minit="matrix", iter=50, missing="raise"
            )
        except ClusterError:  # a centre lost all its points
            continue
        left = float(((points - centres[labels]) ** 2).sum())
        if left < least:
            best, least = centres, left
    return best, least


def _start(points: Floats, k: int, draw: np.random.Generator) -> Floats:
    """Spread the starting centres out: k-means++ (Arthur and Vassilvitskii 2007)."""
    centres = [points[draw.integers(len(points))]]
    far = ((points - centres[0]) ** 2).sum(axis=1)
    while len(centres) < k and far.sum() > 0:
        centres.append(points[draw.choice(len(points), p=far / far.sum())])
        far = np.minimum(far, ((points - centres[-1]) ** 2).sum(axis=1))
    return np.stack(centres)


def names(inputs: list[float], outputs: list[float]) -> list[str]:
    """Name classes by their mean lengths, such as ``in2100_out28``."""
    found: list[str] = []
    for i, o in zip(inputs, outputs, strict=True):
        name = f"in{_two_digits(i)}_out{_two_digits(o)}"
        found.append(name if name not in found else f"{name}_{len(found) + 1}")
    return found


def _two_digits(value: float) -> int:
    return int(float(f"{value:.2g}"))
