"""What the two routers know, and what they do with it."""

from __future__ import annotations

import numpy as np

from benchmarks.evidence.long_tail_data import Queries


def predicted(train: Queries, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """[groups] gain of the dearer model and score of the cheaper one, shrunk to the mean.

    Empirical Bayes with one variance within groups and one between them.
    """
    gain = _shrunk(train.dear - train.cheap, train.group, groups)
    return gain, _shrunk(train.cheap, train.group, groups)


def _shrunk(x: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    n = np.bincount(group, minlength=groups)
    mean = np.bincount(group, x, groups) / np.maximum(n, 1)
    within = float(np.mean((x - mean[group]) ** 2))
    between = max(
        float(np.average((mean - x.mean()) ** 2 - within / np.maximum(n, 1), weights=n)), 0.0
    )
    weight = n * between / (n * between + within) if between else np.zeros(groups)
    return x.mean() + weight * (mean - x.mean())


def cost_minimising(gain: np.ndarray, extra: np.ndarray, floor: float) -> np.ndarray:
    """[n] dearer calls: the cheapest that reach a share of the whole predicted gain."""
    worth = np.maximum(gain, 0.0)
    order = np.argsort(-worth / np.maximum(extra, 1e-12))
    reached = np.cumsum(worth[order])
    enough = int(np.searchsorted(reached, floor * reached[-1])) + 1 if reached[-1] > 0 else 0
    out = np.zeros(len(gain), bool)
    out[order[:enough]] = worth[order[:enough]] > 0
    return out


def within(spend: float, bid: np.ndarray, extra: np.ndarray, paying: bool = True) -> np.ndarray:
    """[n] dearer calls, the best bid first, until the money is spent.

    Only those that pay by their bid, unless all the money is to be spent (``paying`` False).
    """
    order = np.argsort(-bid / np.maximum(extra, 1e-12))
    fits = np.cumsum(np.maximum(extra[order], 0.0)) <= spend
    out = np.zeros(len(bid), bool)
    out[order] = fits & (bid[order] > (extra[order] if paying else 0.0))
    return out
