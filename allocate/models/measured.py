"""Whether a config still holds the numbers that were calibrated."""

from __future__ import annotations

from typing import Any

import numpy as np

from allocate.models.calibrated import Calibrated

_SAME = 1e-3
"""A config's number further than this share from the calibrated one is the user's own."""


def is_calibrated(config: Any, path: str, known: Calibrated) -> bool:
    """Whether the config still holds the number that was calibrated."""
    there = heights(value_of(config, path))
    mine = np.atleast_1d(np.asarray(known.value, float))
    return (
        there is not None
        and there.shape == mine.shape
        and bool(np.all(np.abs(there - mine) <= _SAME * np.maximum(np.abs(mine), 1e-12)))
    )


def value_of(config: Any, path: str) -> Any:
    """What a config holds at a dotted path; None where there is nothing."""
    here: Any = config
    for key in path.split("."):
        if isinstance(here, dict):
            here = here.get(key)
        elif isinstance(here, list):
            here = here[int(key)] if key.isdigit() and int(key) < len(here) else None
        else:
            here = getattr(here, key, None)
    return here


def heights(value: Any) -> np.ndarray | None:
    """A number, or the heights of points, as an array; None for anything else."""
    if isinstance(value, int | float):
        return np.array([float(value)])
    if isinstance(value, list | tuple) and value and all(len(p) == 2 for p in value):
        return np.array([float(p[1]) for p in value])
    return None
