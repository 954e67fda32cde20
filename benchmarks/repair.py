"""An allocation brought inside every row, by scaling: what a user of any solver could do.

Clip what is below nothing or above a bound; run supply up to what is used; where a row is
still over, first shrink the activities that use it, then the flows. Nothing is optimised, so
what it costs is the price of the infeasibility that a solver leaves.
"""

from __future__ import annotations

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows, Stream

_ROUNDS = 4


def repaired(program: Program, allocation: Allocation) -> Allocation:
    """The allocation, feasible where shrinking can make it so."""
    flows = [_clipped(s, f) for s, f in zip(program.streams, allocation.flows, strict=True)]
    levels = np.clip(np.nan_to_num(allocation.levels), 0.0, program.upper)
    pairs = [
        s.row_use(f.member, f.arm, s.amounts(f), len(program.rows)).tocsc()
        for s, f in zip(program.streams, flows, strict=True)
    ]
    supply, demand = (-program.use).maximum(0).tocsr(), program.use.maximum(0).tocsr()
    for _ in range(_ROUNDS):
        used = _used(pairs, flows)
        levels = _supplied(program, levels, used)
        levels = levels * _factor(demand, demand @ levels, program.capacity + supply @ levels)
        room = program.capacity + supply @ levels - demand @ levels
        flows = [
            f._replace(requests=f.requests * _factor(p, used, room))
            for p, f in zip(pairs, flows, strict=True)
        ]
    return Allocation(tuple(flows), levels)


def _used(pairs: list, flows: list[Flows]) -> np.ndarray:
    """[rows] what the flows use together."""
    return sum(np.asarray(p @ f.requests).ravel() for p, f in zip(pairs, flows, strict=True))


def _clipped(stream: Stream, flows: Flows) -> Flows:
    caps = stream.finite_caps[stream.technology_of[flows.arm]]
    requests = np.maximum(np.nan_to_num(flows.requests), 0.0)
    served = np.bincount(flows.member, requests, len(stream.rate))
    forced = ~np.isfinite(stream.decline_cost)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = stream.rate / served
    part = np.where(served <= 0, 1.0, np.where(forced, part, np.minimum(part, 1.0)))
    tokens = np.clip(np.nan_to_num(flows.tokens), 0.0, caps)
    return flows._replace(requests=requests * part[flows.member], tokens=tokens)


def _supplied(program: Program, levels: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Activities that alone supply a row, at what the row needs at least."""
    out = levels.copy()
    for i, rows, supply in program.suppliers:
        out[i] = min(max(out[i], float(np.max(used[rows] / supply))), program.upper[i])
    return out


def _factor(use, total: np.ndarray, room: np.ndarray) -> np.ndarray:
    """[columns] by how much each must shrink for the rows that it uses to fit."""
    with np.errstate(divide="ignore", invalid="ignore"):
        row = np.where(total > room, np.maximum(room, 0.0) / total, 1.0)
    columns = use.tocsc()
    out = np.ones(columns.shape[1])
    filled = np.flatnonzero(np.diff(columns.indptr))
    if len(filled):
        values = np.where(columns.data > 0, np.nan_to_num(row, nan=1.0)[columns.indices], 1.0)
        out[filled] = np.minimum.reduceat(values, columns.indptr[filled])
    return out
