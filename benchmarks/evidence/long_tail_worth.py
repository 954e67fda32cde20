"""What a request is worth: not in the data, so drawn, and the assumptions that are tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.stats import norm, rankdata

FLOORS = (0.5, 0.8, 0.95)  # of what the dearer model adds
MEANS = (3.0, 10.0, 30.0, 100.0)  # mean worth of a success, in costs of a dearer call
SHAPES = ("equal", "lognormal 1", "lognormal 2", "pareto 1.5")
BASE = {"shape": "lognormal 2", "mean": 30.0, "floor": 0.8, "hard": 0.0}


def cases() -> Iterator[dict[str, Any]]:
    """The base case, and one assumption changed at a time."""
    yield dict(BASE)
    for name, choices in {
        "shape": SHAPES, "mean": MEANS, "floor": FLOORS, "hard": (-0.5, 0.5),
    }.items():  # fmt: skip
        yield from ({**BASE, name: c} for c in choices if c != BASE[name])


def values(
    shape: str, mean: float, hard: np.ndarray, link: float, rng: np.random.Generator
) -> np.ndarray:
    """[n] worth of a success, in mean costs of a dearer call.

    ``link``: correlation with how hard the query is, in normal scores.
    """
    score = norm.ppf((rankdata(hard + 1e-9 * rng.random(len(hard))) - 0.5) / len(hard))
    z = link * score + np.sqrt(1.0 - link**2) * rng.standard_normal(len(hard))
    kind, _, size = shape.partition(" ")
    match kind:
        case "equal":
            out = np.ones(len(z))
        case "lognormal":
            out = np.exp(float(size) * z)
        case _:
            out = norm.sf(z) ** (-1.0 / float(size))
    return mean * out / out.mean()
