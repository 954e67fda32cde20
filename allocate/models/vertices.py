"""The speeds at which what runs on a tier would cost least, at the prices.

Work that moves to the next tier of its lane family needs other amounts of the same things:
waiting, which has a price, and replicas, as many as the scarcest of their busy time, places
and memory asks for. Each is known at three speeds, and taken for a parabola between them;
where their sum is least, the family should have a tier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from allocate.models.lanes import logit
from allocate.models.program import Allocation, Program
from allocate.models.running import Running, Work, threes
from allocate.models.serving import Tier

_POINTS, _NEARER = 41, 5  # at which a sum of parabolas is looked at, each time nearer
_LOOKS = 15  # at the splits of a cost, each time nearer

Vertices = Mapping[str, Mapping[float, Sequence[float]]]


def vertices(
    program: Program,
    tiers: Sequence[Tier],
    allocation: Allocation,
    duals: np.ndarray,
    worth: float,
) -> Vertices:
    """By lane family and utilisation of a tier in use: logit utilisations of better tiers.

    None at all says that no speed near it would gain the share ``worth`` of the welfare. A tier
    is left out where that cannot be told: at an end of the menu, or where its arms differ from
    its neighbours' in more than speed.
    """
    running = Running(program, [t.key for t in tiers], allocation, duals)
    least = worth * program.scale(program.welfare(allocation))
    out: dict[str, dict[float, list[float]]] = {}
    for three in threes(tiers):
        work = running.work(*three)
        if work is not None:
            x = logit(np.array([t.utilisation for t in three]))
            out.setdefault(three[1].family, {})[three[1].utilisation] = _points(x, work, least)
    return out


# --- where work costs least ---------------------------------------------------------------


def _points(x: np.ndarray, work: Work, least: float) -> list[float]:
    """Better speeds for all work, and for what would go faster or slower than that.

    Each as far as it gains more than ``least``: what moves alone leaves the others where they
    are, so it has to gain that however its tier is priced; where all would go, so would work
    that is not here yet.
    """
    linear = work.priced + np.einsum("npj,np->nj", work.replicas, work.shares)
    both = _lowest(x, work)
    middle = float(_vertex(x, linear.sum(axis=0, keepdims=True))[0])
    costs = _cost(work, _weights(x, np.array([x[1], both])))
    out = [both] if costs[0] - costs[1] > least else []
    gain = linear.sum(axis=0) @ (np.array([0.0, 1.0, 0.0]) - _weights(x, np.array([middle]))[:, 0])
    if gain > least:
        out.append(middle)
    own = _vertex(x, linear)
    for side in (own < middle, own > middle):
        if side.any():
            at = float(_vertex(x, linear[side].sum(axis=0, keepdims=True))[0])
            out += [at] if _gain(x, work, at) > least else []
    return out


def _gain(x: np.ndarray, work: Work, at: float) -> float:
    """What the work would gain by a tier there, USD per hour, were it priced to gain least.

    A replica's cost may be split between its parts in any way, and the tier's own prices would
    be the split at which those who would move to it gain least (the dual of adding it). The sum
    of gains is convex in the split, so each look stands around the best of the one before.
    """
    weights = _weights(x, np.array([at]))[:, 0]
    priced, replicas = work.priced @ weights, work.replicas @ weights
    now = work.priced[:, 1] + (work.replicas[:, :, 1] * work.shares).sum(axis=1)
    total = 0.0
    for t in np.unique(work.moment):
        mine = work.moment == t
        spare, needs = (now - priced)[mine], replicas[mine]
        split = work.shares[mine][0]
        gain = float(np.maximum(spare - needs @ split, 0.0).sum())
        for width in 0.5 ** np.arange(1.0, _LOOKS):
            tried = _splits(split, width)
            gains = np.maximum(spare[:, None] - needs @ tried.T, 0.0).sum(axis=0)
            i = int(gains.argmin())
            if gains[i] < gain:
                gain, split = float(gains[i]), tried[i]
        total += gain
    return total


def _splits(around: np.ndarray, width: float) -> np.ndarray:
    """[splits, parts] of a cost, up to ``width`` from one of them in each part but the last."""
    steps = np.meshgrid(*[np.linspace(-width, width, 5)] * (len(around) - 1))
    moved = np.stack([s.ravel() for s in steps], axis=-1) if steps else np.zeros((1, 0))
    first = np.maximum(around[:-1] + moved, 0.0)
    last = 1.0 - first.sum(axis=1, keepdims=True)
    return np.hstack([first, last])[last[:, 0] >= 0.0]


def _lowest(x: np.ndarray, work: Work) -> float:
    """Where all work together costs least between the three speeds."""
    low, high = x[0], x[2]
    best = float(x[1])
    for _ in range(_NEARER):
        tried = np.append(np.linspace(low, high, _POINTS), x[1])
        costs = _cost(work, _weights(x, tried))
        best = float(tried[costs.argmin()])
        step = (high - low) / (_POINTS - 1)
        low, high = max(x[0], best - step), min(x[2], best + step)
    return best


def _cost(work: Work, weights: np.ndarray) -> np.ndarray:
    """[points] cost of all work together; ``weights`` [3, points] of the three speeds."""
    total = work.priced.sum(axis=0) @ weights
    for t in np.unique(work.moment):
        total = total + (work.replicas[work.moment == t].sum(axis=0) @ weights).max(axis=0)
    return total


def _weights(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """[3, points] of the parabola through three points (Lagrange)."""
    return np.array(
        [
            (at - x[1]) * (at - x[2]) / ((x[0] - x[1]) * (x[0] - x[2])),
            (at - x[0]) * (at - x[2]) / ((x[1] - x[0]) * (x[1] - x[2])),
            (at - x[0]) * (at - x[1]) / ((x[2] - x[0]) * (x[2] - x[1])),
        ]
    )


def _vertex(x: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """[n] where a parabola is lowest, at most half way to a neighbour.

    Half way, because the prices of the parts change with the speed.
    """
    tried = np.append(np.linspace(0.5 * (x[0] + x[1]), 0.5 * (x[1] + x[2]), _POINTS), x[1])
    return tried[(cost @ _weights(x, tried)).argmin(axis=1)]
