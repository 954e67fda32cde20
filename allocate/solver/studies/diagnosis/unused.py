"""Prices of lanes that the joint answer does not use, which its proof leaves open.

A replica costs what its GPUs do, but how its busy time, places and memory share that cost is
known only where requests use it. On an idle lane many shares prove the joint answer alike, and
which of them a solver returns is chance. Here the shares are those at which what is diagnosed
pays for the replicas that it has: all on what is full there, as far as the proof allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from allocate.models.program import Allocation, Program

_SAME = 1e-10  # of the money that moves: the bound may rise by no more
_HALVINGS = 20

_Supply = tuple[np.ndarray, np.ndarray]  # rows, and how much a replica makes of each


def shared_as_used(program: Program, duals: np.ndarray, allocation: Allocation) -> np.ndarray:
    """Prices [rows] that prove as much, by which an allocation's lanes earn what they can.

    Args:
        program: whose suppliers are the replicas.
        duals: [rows] shared prices, USD per unit, at which suppliers break even.
        allocation: what is diagnosed.
    """
    lanes, out = list(_emptiest_first(program, allocation)), duals.copy()
    most = program.dual(duals) + _SAME * program.scale(program.at_stake)
    if np.isfinite(most):
        # from what is used least to what is used a little more, and so on to what is full
        for step in range(max((len(rows) for rows, _ in lanes), default=1) - 1):
            moves = [
                _Move(rows[step : step + 2], made[step : step + 2], out) for rows, made in lanes
            ]
            _move(program, out, [m for m in moves if m.money > 0], most)
    return out


def _emptiest_first(program: Program, allocation: Allocation) -> Iterator[_Supply]:
    """What each replica that runs makes, with what is left over of it falling."""
    use = program.usage(allocation)
    for i, rows, made in program.suppliers:
        if len(rows) > 1 and allocation.levels[i] > 0:
            left = -use[rows] / made  # a use of such a row is net of what is made
            order = np.argsort(-left, kind="stable")
            yield rows[order], made[order]


class _Move:
    """Of what one row of a lane bears, some to another."""

    def __init__(self, rows: np.ndarray, made: np.ndarray, duals: np.ndarray) -> None:
        self.rows = rows
        self.money = float(duals[rows[0]] * made[0]) if len(rows) > 1 else 0.0
        self.per_money = np.array([-1.0, 1.0]) / made if len(rows) > 1 else np.zeros(len(rows))

    def add(self, duals: np.ndarray, share: float) -> None:
        """Move a share of the money."""
        duals[self.rows] = np.maximum(duals[self.rows] + share * self.money * self.per_money, 0.0)


def _move(program: Program, duals: np.ndarray, moves: Sequence[_Move], most: float) -> None:
    """Move all, if the bound allows it, else in halves; one as far as it goes."""
    if not moves or _bound(program, duals, moves, 1.0) <= most:
        share = 1.0
    elif len(moves) > 1:
        half = len(moves) // 2
        _move(program, duals, moves[:half], most)
        _move(program, duals, moves[half:], most)
        return
    else:
        share, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = 0.5 * (share + high)
            if _bound(program, duals, moves, middle) <= most:
                share = middle
            else:
                high = middle
    for m in moves:
        m.add(duals, share)


def _bound(program: Program, duals: np.ndarray, moves: Sequence[_Move], share: float) -> float:
    tried = duals.copy()
    for m in moves:
        m.add(tried, share)
    return program.dual(tried)
