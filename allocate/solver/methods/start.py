"""Prices to start from, and prices moved to where the exact dual has no false kinks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from allocate.models.program import Program

_ENOUGH = 300  # members that tell the level of the prices


def sampled(program: Program, size: int, rng: np.random.Generator) -> Program:
    """The program with ``size`` members of its first stream standing for all that ask."""
    crowd = program.streams[0]
    asking = np.flatnonzero(crowd.rate > 0)
    if len(asking) <= size:
        rest = np.flatnonzero(crowd.rate <= 0)[: size - len(asking)]
        sample = np.sort(np.concatenate([asking, rest]))
        return replace(program, streams=(crowd.part(sample), *program.streams[1:]))
    sample = np.sort(rng.choice(asking, size, replace=False))
    rate = crowd.rate[sample] * (crowd.rate.sum() / crowd.rate[sample].sum())
    return replace(program, streams=(crowd.part(sample, rate), *program.streams[1:]))


def first_prices(program: Program) -> np.ndarray:
    """Prices to start from when nothing is known.

    Supply at cost and earnings at their worth; then every capacity priced so that all of
    it would cost the same, at the level, found by decades, where the dual is least.
    """
    if len(program.streams[0].rate) > _ENOUGH:
        program = sampled(program, _ENOUGH, np.random.default_rng(0))
    start = settled(program, np.zeros(len(program.rows)))
    scarce = program.capacity > 0
    if not scarce.any():
        return start
    each = np.where(scarce, 1.0 / np.where(scarce, program.capacity, 1.0), 0.0)

    def dual(level: float) -> float:
        value = program.dual(settled(program, start + level * each))
        return value if np.isfinite(value) else np.inf

    best, value = 0.0, dual(0.0)
    top = max(abs(value), program.at_stake) if np.isfinite(value) else 1e30
    for level in top * 10.0 ** -np.arange(0.0, 13.0):
        trial = dual(level)
        if trial < value:
            best, value = level, trial
        elif best > 0:
            break
    for step in 10.0 ** (0.5 ** np.arange(1.0, 6.0)):
        for level in (best * step, best / step):
            trial = dual(level)
            if trial < value:
                best, value = level, trial
                break
    return settled(program, start + best * each)


def seeded(program: Program, duals: np.ndarray) -> np.ndarray:
    """Prices with those of ratio terms off 0, where their root has no useful tangent.

    An exposure is priced at a hundredth of what earns by it, its observations so that they
    break even with that.
    """
    out, unit = duals.copy(), program.unit_profit(duals)
    for t in program.terms:
        exposed = [r for r, v in program.activities[t.activities[0]].uses if v < 0]
        earning = [-program.cost[i] for r in exposed for i in program.row_activities[r]]
        worth = 0.01 * max(earning, default=0.0)
        even = t.cost.break_even(worth)
        if even is None or -unit[t.activities[1]] > 1e-9 * even:
            continue
        for r in exposed:
            out[r] = worth
        for r, v in program.activities[t.activities[1]].uses:
            out[r] = even / v
    return out


def settled(program: Program, duals: np.ndarray, idle: np.ndarray | None = None) -> np.ndarray:
    """Prices moved to where the exact dual is not punished for a rounding.

    A row of capacity 0 that one activity supplies (a lane's busy time) is priced at what
    supplying costs, never below: raising it lowers the dual, and no used arm feels it.
    Earning activities and ratio terms are brought to no profit, which a tangent leaves
    slightly violated. Supply that stands ``idle`` [activities] may not show a profit either.
    """
    out = duals.copy()
    for i, rows, supply in program.suppliers:
        cost = program.cost[i] + sum(v * out[r] for r, v in program.activities[i].uses if v > 0)
        worth = float(supply @ out[rows])
        if worth <= 0.0:
            out[rows[0]] = cost / supply[0]
        elif worth < cost or program.loose[i] or (idle is not None and idle[i]):
            out[rows] *= cost / worth
    for r, makers in program.common_supply:
        # several ways to make the same thing: it costs what the cheapest of them costs
        unit = program.unit_profit(out)
        room = min(-unit[i] / v for i, v in makers)
        if room > 0 or all(program.loose[i] for i, _ in makers):
            out[r] = max(out[r] + room, 0.0)
    for t in program.terms:
        excess = t.excess(program.unit_profit(out))
        supplied = [(r, -v) for r, v in program.activities[t.activities[0]].uses if v < 0]
        if excess > 0 and supplied:
            r, v = supplied[0]
            out[r] = max(out[r] - excess / v, 0.0)
    for i in np.flatnonzero(program.cost < 0):
        profit = float(program.unit_profit(out)[i])
        used = [(r, v) for r, v in program.activities[i].uses if v > 0 and program.capacity[r] == 0]
        if profit > 0 and used:
            out[used[0][0]] += profit / used[0][1]
    return out
