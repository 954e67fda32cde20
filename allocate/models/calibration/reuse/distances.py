"""How far back each block was last used: in time and in other blocks (stack distance)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def previous(keys: NDArray[np.uint64]) -> Ints:
    """Index of the access before with the same key; -1 where there is none."""
    order = np.argsort(keys, kind="stable")
    before = np.full(len(keys), -1, dtype=np.int64)
    same = keys[order][1:] == keys[order][:-1]
    before[order[1:][same]] = order[:-1][same]
    return before


def stack_distances(before: Ints) -> tuple[Ints, Ints]:
    """Other blocks used since the last use (Mattson et al. 1970), and blocks known so far.

    A cache of C blocks that drops the least recently used finds an access whose distance is
    below C. The first is -1 where there was no use before.
    """
    first = before < 0
    known = np.cumsum(first) - first
    # Between two uses, a block counts once: at its first access there, the one whose own
    # previous use came before. Accesses up to the last use all have theirs before it.
    distance = _earlier_and_not_above(before) - (before + 1)
    return np.where(first, -1, distance), known


def _earlier_and_not_above(values: Ints) -> Ints:
    """For each i, how many j < i have values[j] <= values[i]; O(n log n), all in NumPy.

    A wavelet tree over ranks: on each level, those in the upper half of their node count the
    earlier ones in the lower half.
    """
    n = len(values)
    count = np.zeros(n, dtype=np.int64)
    if n < 2:
        return count
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(values, kind="stable")] = np.arange(n)
    index = np.arange(n)
    for bit in range(int(n - 1).bit_length() - 1, -1, -1):
        node = rank[index] >> (bit + 1)
        upper = (rank[index] >> bit) & 1
        lower_before = np.cumsum(1 - upper) - (1 - upper)
        start = np.searchsorted(node, node, side="left")
        count[index] += np.where(upper == 1, lower_before - lower_before[start], 0)
        index = index[np.argsort(node * 2 + upper, kind="stable")]
    return count
