"""What the flows of a stream use and cost altogether: one walk in chunks that fit the cache."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from allocate.cores import on_cores
from allocate.models.stream import Flows, Stream

_CHUNK = 1 << 14  # flows looked at together


class Totals(NamedTuple):
    """Of all flows together, per hour.

    ``use`` [rows] and ``gross`` [rows] of absolute values; ``costs`` [slots] USD at the slots'
    own prices and the members' additions.
    """

    use: np.ndarray
    gross: np.ndarray
    costs: np.ndarray


def chunks(flows: Flows) -> list[Flows]:
    """The flows in pieces; one, if empty, where there are none."""
    starts = range(0, max(len(flows.arm), 1), _CHUNK)
    return [Flows(*(x[i : i + _CHUNK] for x in flows)) for i in starts]


def totals(stream: Stream, flows: Flows, n_rows: int) -> Totals:
    """Of a stream in a program with so many rows."""
    parts = chunks(flows)
    if len(parts) == 1:
        return _of(stream, flows, n_rows)
    found = on_cores(lambda part: _of(stream, part, n_rows), parts)
    return Totals(*(np.sum(x, axis=0) for x in zip(*found, strict=True)))


def _of(stream: Stream, flows: Flows, n_rows: int) -> Totals:
    amounts = stream.amounts(flows)
    entry, quantity, slot, value = stream.pair_use(flows.member, flows.arm)
    member = flows.member[entry]
    used = value * amounts[entry, quantity] * flows.requests[entry]
    row = stream.rows[stream.group[member], slot]
    real = row >= 0
    by_slot = np.bincount(slot, used, len(stream.slots))
    costs = np.array([s.own_price for s in stream.slots]) * by_slot
    if stream.addition_slot >= 0:
        here = slot == stream.addition_slot
        costs[stream.addition_slot] += float(used[here] @ stream.addition[member[here]])
    use = np.bincount(row[real], used[real], n_rows)
    return Totals(use, np.bincount(row[real], np.abs(used[real]), n_rows), costs)
