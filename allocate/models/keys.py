"""Distinct rows of integer columns, for a million rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SMALL = 1 << 22  # so many keys are told apart by a table, not by sorting
_LARGEST = 1 << 62


def distinct(columns: Sequence[NDArray]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Rows that differ, in lexicographic order: ([G] first of its kind, [K] → G).

    Each row becomes one number in mixed radix: sorting numbers is a hundred times faster
    than sorting rows.

    Args:
        columns: integer or Boolean arrays [K], at least one; values from -1.
    """
    key = np.zeros(len(columns[0]), np.int64)
    size = 1
    for column in columns:
        radix = int(column.max()) + 2 if len(column) else 1
        if size > _LARGEST // radix:
            key = _ranked(key, size)[1]
            size = int(key.max()) + 1
        key *= radix
        key += column
        key += 1
        size *= radix
    return _ranked(key, size)


def _ranked(key: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """(First place of every number that occurs, ascending; [K] → its rank)."""
    if size > _SMALL:
        _, first, rank = np.unique(key, return_index=True, return_inverse=True)
        return first, rank
    first = np.full(size, len(key), np.int64)
    np.minimum.at(first, key, np.arange(len(key)))
    there = first < len(key)
    return first[there], (np.cumsum(there) - 1)[key]
