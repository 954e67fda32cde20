"""Scores a hit curve against an LRU cache over requests that the fit never saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from allocate.models.calibration.reuse.accesses import Accesses
from allocate.models.calibration.reuse.curve import MORE, Curve
from allocate.models.calibration.reuse.distances import previous, stack_distances


def judge(log: Accesses, curve: Curve, later: Accesses, blocks: Sequence[int]) -> dict[str, Any]:
    """Compare predicted and simulated hit ratios at cache sizes in blocks.

    Where ``later`` follows ``log`` on the same clock, the cache starts with what the log left
    in it; else it starts empty, and the prediction knows that it does.

    Returns:
        ``{start, requests, accesses, sizes: [{blocks, predicted, measured, error_points,
        within_interval}], max_error_points}``; a size that the fit has not seen has no
        prediction and makes ``max_error_points`` None.
    """
    share = min(log.share, later.share)
    limit = np.uint64(share * 2.0**64 * (1 - 2**-52)) if share < 1 else np.uint64(2**64 - 1)
    warm = later.start >= log.end
    past = log.keys[log.keys <= limit] if warm else np.empty(0, np.uint64)
    keys = np.concatenate([past, later.keys[later.keys <= limit]])
    distance, known = stack_distances(previous(keys))
    depth = np.where(distance >= 0, distance + 1, MORE)[len(past) :] / share
    known = known[len(past) :] / share
    sizes = []
    for size in blocks:
        # An empty cache holds what has come so far; a warm one is as full as it can be.
        held = np.full(len(known), float(size)) if warm else np.minimum(known, size)
        row: dict[str, Any] = {"blocks": size, "measured": float(np.mean(depth <= size))}
        if size > curve.reach:
            row |= {"predicted": None, "error_points": None, "within_interval": None}
        else:
            predicted = float(np.mean(curve.values(held)))
            _, low, high = curve.at(size)
            row["predicted"] = predicted
            row["error_points"] = 100 * (predicted - row["measured"])
            row["within_interval"] = bool(low <= row["measured"] <= high) if warm else None
        sizes.append(row)
    errors = [row["error_points"] for row in sizes]
    known_all = all(error is not None for error in errors)
    return {
        "start": "warm: continues the log" if warm else "empty cache",
        "requests": later.requests,
        "accesses": len(later.times),
        "sizes": sizes,
        "max_error_points": max(abs(e) for e in errors) if known_all else None,
    }
