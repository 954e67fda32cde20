"""Straight programs: every pair of member and arm is a column of a linear program.

They have one stream, and no price moves a token of it: all there is to decide is who goes
where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from allocate.models.program import Program
from allocate.models.stream import Stream


def straight(program: Program) -> bool:
    """Whether all there is to decide is who goes where, in one stream.

    Nobody must be served, neither a member nor by a row of capacity below 0 (a least share).
    """
    if len(program.streams) != 1 or program.activities or program.terms or not program.rows:
        return False
    if np.any(program.capacity < 0):
        return False
    stream = program.streams[0]
    curves = all(t.success.flat and not t.risk.verifiable for t in stream.technologies)
    return curves and bool(np.all(np.isfinite(stream.decline_cost)))


@dataclass
class Columns:
    """Open pairs sorted by member; entries are the rows that they use."""

    gain: np.ndarray  # [P] USD per request over declining
    first: np.ndarray  # [K] where a member's pairs begin; only members with some
    count: np.ndarray  # [K]
    member: np.ndarray  # [P] → [K]
    rate: np.ndarray  # [K]
    stake: np.ndarray  # [K]
    who: np.ndarray  # [K] → member of the stream
    arm: np.ndarray  # [P]
    row: np.ndarray  # [E]
    pair: np.ndarray  # [E]
    use: np.ndarray  # [E] per request
    n_rows: int

    @staticmethod
    def of(program: Program) -> Columns:
        """Those of a straight program."""
        stream, n_rows = program.streams[0], len(program.rows)
        live = np.flatnonzero(stream.rate > 0)
        at, arm = np.nonzero(stream.menu[stream.group[live]])
        columns = stream.columns(np.zeros(n_rows), live[at], arm)
        own = (columns.prices * columns.amounts).sum(axis=1)
        use: Any = stream.row_use(live[at], arm, columns.amounts, n_rows)
        gain = stream.penalty[live[at]] - own
        return Columns._sorted(stream, live, at, arm, gain, use)

    @staticmethod
    def _sorted(stream: Stream, live, at, arm, gain, use: Any) -> Columns:
        count = np.bincount(at, minlength=len(live))
        some = np.flatnonzero(count > 0)
        count = count[some]
        first = np.cumsum(count) - count
        stake = np.maximum.reduceat(np.abs(gain), first) if len(some) else np.zeros(0)
        pair = np.repeat(np.arange(use.shape[1]), np.diff(use.indptr))
        return Columns(
            gain,
            first,
            count,
            np.repeat(np.arange(len(some)), count),
            stream.rate[live[some]],
            np.maximum(stake, 1e-9 * max(float(stake.max(initial=0.0)), 1e-300)),
            live[some],
            arm,
            use.indices.astype(np.int64),
            pair,
            use.data,
            use.shape[0],
        )

    def profit(self, duals: np.ndarray) -> np.ndarray:
        """[P] USD per request."""
        cost = np.bincount(self.pair, self.use * duals[self.row], len(self.gain))
        return self.gain - cost

    def dual(self, duals: np.ndarray) -> float:
        """What the members earn at their best, over declining."""
        return float(self.rate @ np.maximum(np.maximum.reduceat(self.profit(duals), self.first), 0))
