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

_WORTH = 1e-10  # of the welfare: what would gain less is left as it is
_POINTS, _NEARER = 41, 5  # at which a sum of parabolas is looked at, each time nearer

Vertices = Mapping[str, Mapping[float, Sequence[float]]]


def vertices(
    program: Program, tiers: Sequence[Tier], allocation: Allocation, duals: np.ndarray
) -> Vertices:
    """By lane family and utilisation of a tier in use: logit utilisations of better tiers.

    None at all says that no speed near it would gain anything. A tier is left out where that
    cannot be told: at an end of the menu, or where its arms differ from its neighbours' in more
    than speed.
    """
    running = Running(program, [t.key for t in tiers], allocation, duals)
    least = _WORTH * program.scale(program.welfare(allocation))
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

    Each as far as it gains more than ``least``.
    """
    both, cost = _lowest(x, work)
    now = float(_cost(work, _weights(x, x[1:2]))[0])
    out = [both] if now - cost > least else []
    linear = work.priced + np.einsum("npj,np->nj", work.replicas, work.shares)
    own = _vertex(x, linear)[0]
    middle, gain = (float(v[0]) for v in _vertex(x, linear.sum(axis=0, keepdims=True)))
    if gain > least:
        out.append(middle)
    for side in (own < middle, own > middle):
        if side.any():
            at, alone = (float(v[0]) for v in _vertex(x, linear[side].sum(axis=0, keepdims=True)))
            if alone > least:
                out.append(at)
    return out


def _lowest(x: np.ndarray, work: Work) -> tuple[float, float]:
    """(where it costs least together between the three speeds, what it costs there)."""
    low, high = x[0], x[2]
    best, cost = float(x[1]), np.inf
    for _ in range(_NEARER):
        tried = np.append(np.linspace(low, high, _POINTS), x[1])
        costs = _cost(work, _weights(x, tried))
        i = int(costs.argmin())
        best, cost = float(tried[i]), float(costs[i])
        step = (high - low) / (_POINTS - 1)
        low, high = max(x[0], best - step), min(x[2], best + step)
    return best, cost


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


def _vertex(x: np.ndarray, cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """([n] where a parabola is lowest, at most half way to a neighbour; [n] its gain there).

    Half way, because the prices of the parts change with the speed.
    """
    tried = np.append(np.linspace(0.5 * (x[0] + x[1]), 0.5 * (x[1] + x[2]), _POINTS), x[1])
    costs = cost @ _weights(x, tried)
    best = costs.argmin(axis=1)
    return tried[best], costs[:, -1] - costs[np.arange(len(costs)), best]
