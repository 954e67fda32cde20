"""At which prices a lane's speed is best, where two scarcities of a replica bind at once.

The replica's cost is split between the two so that what the work on the lane would save in
waiting and in the one, a little faster, is what it would need more of the other: the
stationarity of the Lagrangian in the speed (docs/program.md, section 10).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.running import Running, Work, threes
from allocate.models.serving import Tier


def splits(
    program: Program,
    tiers: Sequence[Tier],
    allocation: Allocation,
    duals: np.ndarray,
    tight: float,
) -> list[Mapping[int, float]]:
    """Row of a tier → dual, for every tier and period at which two scarcities bind at once.

    What is needed as much as the scarcest, to a share ``tight``, is scarce too.
    """
    running = Running(program, [t.key for t in tiers], allocation, duals)
    out = []
    for three in threes(tiers):
        work = running.work(*three)
        if work is None:
            continue
        tier, parts = three[1], list(three[1].rows)
        busy = np.array([part == "busy" for part in parts])
        speeds = np.array([t.utilisation for t in three])
        for t in np.unique(work.moment):
            shares = _shares(work, t, busy, speeds, tight)
            if shares is None:
                continue
            unit = running.replica_usd(tier.replicas[t])
            made = [running.made(tier, part, t) for part in parts]
            rows = [tier.rows[part][t] for part in parts]
            prices = [float(unit * share / m) for share, m in zip(shares, made, strict=True)]
            out.append(dict(zip(rows, prices, strict=True)))
    return out


def _shares(
    work: Work, moment: int, busy: np.ndarray, speeds: np.ndarray, tight: float
) -> np.ndarray | None:
    """[parts] of a replica's cost at which the speed is best; None unless two are scarce.

    Waiting, places and memory go with 1/(1 − u), busy time with 1/u: two speeds tell each.
    """
    mine = work.moment == moment
    priced, needed = work.priced[mine].sum(axis=0), work.replicas[mine].sum(axis=0)
    scarce = np.flatnonzero(needed[:, 1] >= (1.0 - tight) * needed[:, 1].max())
    if len(scarce) != 2 or not needed[:, 1].max() > 0:
        return None
    slow, fast = 1.0 / (1.0 - speeds), 1.0 / speeds
    here = speeds[1]
    per_slow, per_fast = 1.0 / (1.0 - here) ** 2, -1.0 / here**2

    def slope(cost: np.ndarray, along: np.ndarray, per: float) -> float:
        return float((cost[2] - cost[0]) / (along[2] - along[0]) * per)

    waiting = slope(priced, slow, per_slow)
    first, second = (
        slope(needed[i], fast, per_fast) if busy[i] else slope(needed[i], slow, per_slow)
        for i in scarce
    )
    if first == second:
        return None
    out = np.zeros(len(needed))
    out[scarce[1]] = (waiting + first) / (first - second)
    out[scarce[0]] = 1.0 - out[scarce[1]]
    return out if out.min() >= 0.0 else None
