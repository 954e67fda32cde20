"""Prices of what a replica makes, where two of its scarcities bind at once.

The best speed of a lane is often where two of busy time, places and memory run out together.
At that speed alone any split of the replica's cost between the two that leaves its users where
they are is a dual. But a speed is chosen: were one of the two bigger, the lane would run at
another. So the price of a capacity is the split at which the speed itself is best: what the
work on the lane would save in waiting and in the one, a little faster, is what it would need
more of the other (the stationarity of the Lagrangian in the speed).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.running import Running, Work, threes
from allocate.models.serving import Tier

_TIGHT = 1e-6  # of the scarcest: what is needed as much as that is scarce too
_SAME = 1e-8  # of the dual: no change
_NEARLY = 0.15  # … where the menu is coarse beside the best speed
_EACH = 1e8  # members · arms · splits: beyond, splits are not tried one by one


class Split(NamedTuple):
    """``duals`` [rows of one replica] at which a tier's speed is best."""

    rows: tuple[int, ...]
    duals: tuple[float, ...]


def balanced(
    program: Program, tiers: Sequence[Tier], allocation: Allocation, duals: np.ndarray
) -> np.ndarray:
    """Prices [rows] with the splits at which speeds are best, as far as these are duals too.

    The dual value stays as it is, to a hundred-millionth. Where the users of a lane would
    change what they ask for with the split, it is not free, and is left alone.
    """
    if not tiers or not np.all(np.isfinite(duals)):
        return duals
    found = list(splits(program, tiers, allocation, duals))
    if not found:
        return duals
    most = program.dual(duals)
    most += _SAME * program.scale(most)

    together = _with(duals, found)
    if program.dual(together) <= most:
        return together
    pairs = sum(len(s.rate) * len(s.arms) for s in program.streams)
    out = duals
    for split in found if pairs * len(found) <= _EACH else ():
        tried = _with(out, [split])
        if program.dual(tried) <= most:
            out = tried
    return out


def _with(duals: np.ndarray, found: Sequence[Split]) -> np.ndarray:
    out = duals.copy()
    for split in found:
        out[list(split.rows)] = split.duals
    return out


def at_best_speeds(
    program: Program, tiers: Sequence[Tier], allocation: Allocation, duals: np.ndarray
) -> np.ndarray:
    """Prices [rows] as they would be on a menu that has the best speeds; no proof is made."""
    return _with(duals, splits(program, tiers, allocation, duals, _NEARLY))


def splits(
    program: Program,
    tiers: Sequence[Tier],
    allocation: Allocation,
    duals: np.ndarray,
    tight: float = _TIGHT,
) -> list[Split]:
    """The best split of every tier and period at which two scarcities bind at once."""
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
            prices = tuple(float(unit * share / m) for share, m in zip(shares, made, strict=True))
            out.append(Split(tuple(tier.rows[part][t] for part in parts), prices))
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
