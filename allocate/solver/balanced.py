"""Prices of what a replica makes, where two of its scarcities bind at once.

The best speed of a lane is often where two of busy time, places and memory run out together.
At that speed alone any split of the replica's cost between the two that leaves its users where
they are is a dual. But a speed is chosen: were one of the two bigger, the lane would run at
another. So the price of a capacity is the split at which the speed itself is best, which the
built program tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from allocate.models.program import Allocation, Program

_TIGHT = 1e-6  # of the scarcest: what is needed as much as that is scarce too
_SAME = 1e-8  # of the dual: no change
_NEARLY = 0.15  # … where the menu is coarse beside the best speed
_PAIRS = 3e7  # members · arms: beyond, splits are left as they are

Split = Mapping[int, float]  # row → dual at which a lane's speed is best


class Splits(Protocol):
    """The splits of every lane at an answer to a program, as a built program tells them."""

    def __call__(
        self, program: Program, allocation: Allocation, duals: np.ndarray, tight: float, /
    ) -> Sequence[Split]:
        """Row → dual, by lane and moment; as scarce as the scarcest, to a share ``tight``."""
        ...


def balanced(
    program: Program, splits: Splits, allocation: Allocation, duals: np.ndarray
) -> np.ndarray:
    """Prices [rows] with the splits at which speeds are best, as far as these are duals too.

    The dual value stays as it is, to a hundred-millionth. Where the users of a lane would
    change what they ask for with the split, it is not free, and is left alone.
    """
    if not np.all(np.isfinite(duals)):
        return duals
    found = splits(program, allocation, duals, _TIGHT)
    if not found:
        return duals
    if sum(len(s.rate) * len(s.arms) for s in program.streams) > _PAIRS:
        return duals
    profits = [s.profits(duals) for s in program.streams]
    most = program.dual(duals, profits)
    most += _SAME * program.scale(most)
    out = duals
    for split in found:
        tried = _with(out, [split])
        before = _repriced(program, tried, split, profits)
        if program.dual(tried, profits) <= most:
            out = tried
            continue
        for mine, block, old in before:
            mine[block] = old
    return out


def _repriced(
    program: Program, duals: np.ndarray, split: Split, profits: Sequence[np.ndarray]
) -> list[tuple[np.ndarray, tuple[np.ndarray, ...], np.ndarray]]:
    """Write the profits [K, A] that a split changes; what stood there before."""
    before = []
    for stream, mine in zip(program.streams, profits, strict=True):
        members, arms = stream.users(list(split))
        if not (len(members) and len(arms)):
            continue
        block = np.ix_(members, arms)
        before.append((mine, block, mine[block]))
        mine[block] = stream.part(members).narrowed(arms).profits(duals)
    return before


def _with(duals: np.ndarray, found: Sequence[Split]) -> np.ndarray:
    out = duals.copy()
    for split in found:
        out[list(split)] = list(split.values())
    return out


def at_best_speeds(
    program: Program, splits: Splits, allocation: Allocation, duals: np.ndarray
) -> np.ndarray:
    """Prices [rows] as they would be on a menu that has the best speeds; no proof is made."""
    return _with(duals, splits(program, allocation, duals, _NEARLY))
