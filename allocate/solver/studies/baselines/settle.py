"""What comes of decisions made without knowing the capacities: who is served, who is turned away.

A local rule says where each request should go, and where next if it is turned away there. It
does not know what is scarce, so requests compete as they do at a gateway: first come, first
served. Everybody who wants a capacity that is short gets the same share of what he asked for,
whatever his request is worth; what is turned away tries its next choice; what nobody takes is
declined. Classes that may not be declined go first. Replicas are then bought for what is served.

The shares are the max-min fair ones, found by filling: all requests grow together until a row
is full, those that need it stop, the others go on. Each round is one small linear program.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows
from allocate.solver.highs import vertex

_ROUNDS = 60  # rows that may fill up, one after the other
_BLOCKED = 1e-7  # of the largest price of a request's needs: it needs a full row
_DONE = 1e-9  # of a rate: nothing of it is left
_LEFT_OVER = (1e-12, 1e-9, 1e-7)  # of a row: by what filling may have exceeded it


class Candidates(NamedTuple):
    """Where requests would go: ``rank`` 0 is a member's first choice; tokens are per request."""

    member: np.ndarray
    arm: np.ndarray
    rank: np.ndarray
    tokens: np.ndarray

    def flows(self, requests: np.ndarray) -> Flows:
        """The candidates with so many requests per hour."""
        return Flows(self.member, self.arm, requests, self.tokens)


def settle(program: Program, candidates: Candidates) -> Allocation | None:
    """Serve requests as far as capacities go; None if the limits cannot be kept this way.

    ``program`` has one stream; everything else in it is an activity with a linear cost.
    """
    if not len(candidates.member):
        return with_supply(program, candidates, np.zeros(0))
    filling = _Filling(program, candidates)
    stream = program.streams[0]
    must = ~np.isfinite(stream.decline_cost)[candidates.member]
    for group in (must, ~must):
        for rank in np.unique(candidates.rank[group]):
            if not filling.fill(np.flatnonzero(group & (candidates.rank == rank))):
                return _repaired(program, candidates)
    short = (stream.rate - filling.served) > 1e-9 * stream.rate
    if np.any(short & ~np.isfinite(stream.decline_cost) & (stream.rate > 0)):
        return _repaired(program, candidates)
    return with_supply(program, candidates, filling.requests)


class _Filling:
    """Requests so far, and the linear program that lets some of them grow together."""

    def __init__(self, program: Program, candidates: Candidates):
        self.program, self.candidates = program, candidates
        self.use = _use_of(program, candidates)
        self.requests = np.zeros(len(candidates.member))
        self.rows, self.supply = _involved(program, self.use)
        self.linear = program.use[self.rows][:, self.supply].toarray()
        self.capacity = program.capacity[self.rows]
        self.own = self.use.tocsr()[self.rows].tocsc()

    @property
    def served(self) -> np.ndarray:
        """[K] requests per hour that are served so far."""
        rate = self.program.streams[0].rate
        return np.bincount(self.candidates.member, self.requests, len(rate))

    def fill(self, columns: np.ndarray) -> bool:
        """Grow some candidates; False where no growth at all keeps the limits."""
        rate = self.program.streams[0].rate
        left = np.maximum(rate - self.served, 0.0)
        left[left <= _DONE * rate] = 0.0
        active = columns[left[self.candidates.member[columns]] > 0]
        want, grown = left[self.candidates.member], 0.0
        for _ in range(_ROUNDS):
            if not len(active) or grown >= 1.0 - _DONE:
                return True
            answer = self._grown(active, want, 1.0 - grown)
            if answer is None:
                return False
            step, price = answer
            self.requests[active] += step * want[active]
            grown += step
            needs = self.own[:, active]
            owed = np.asarray(needs.T @ price).ravel()
            size = np.asarray(abs(needs).T @ price).ravel()
            blocked = owed > _BLOCKED * np.max(size, initial=0.0)
            if not blocked.any():
                return True
            active = active[~blocked]
        return True

    def _grown(
        self, active: np.ndarray, want: np.ndarray, most: float
    ) -> tuple[float, np.ndarray] | None:
        """(largest common growth up to ``most``, price of every row in units of it)."""
        base = np.asarray(self.own @ self.requests).ravel()
        step = np.asarray(self.own[:, active] @ want[active]).ravel()
        room = self.capacity - base
        size = np.maximum(np.abs(self.linear).max(axis=1, initial=0.0), np.abs(step))
        size = np.maximum(size, np.abs(room))
        size[size == 0] = 1.0
        n = self.linear.shape[1]
        answer = vertex(
            np.concatenate([[-1.0], np.zeros(n)]),
            np.column_stack([step, self.linear]) / size[:, None],
            np.where((room < 0) & (room > -1e-9 * size), 0.0, room) / size,
            np.concatenate([[most], self.program.upper[self.supply]]),
        )
        return None if answer is None else (float(answer.x[0]), answer.prices / size)


def _involved(program: Program, use: sp.csc_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Rows and activities that matter to some requests: what they use, and who supplies it.

    All other activities may rest, and all other rows are kept by that.
    """
    linear = sp.csr_matrix(program.use)
    supplied: Any = linear < 0
    rows = np.asarray(abs(use).sum(axis=1)).ravel() > 0
    rows |= program.capacity < 0
    supply = program.cost < 0
    while True:
        more = supply | (np.asarray(supplied.T @ rows.astype(float)).ravel() > 0)
        wider = rows | (np.asarray(abs(linear) @ more.astype(float)).ravel() > 0)
        if np.array_equal(more, supply) and np.array_equal(wider, rows):
            return np.flatnonzero(rows), np.flatnonzero(supply)
        supply, rows = more, wider


def _use_of(program: Program, candidates: Candidates) -> sp.csc_matrix:
    stream = program.streams[0]
    amounts = stream.amounts(candidates.flows(np.ones(len(candidates.member))))
    use = stream.row_use(candidates.member, candidates.arm, amounts, len(program.rows))
    return sp.csc_matrix(use)


def with_supply(
    program: Program, candidates: Candidates, requests: np.ndarray
) -> Allocation | None:
    """What the requests need bought as cheaply as that can be; None where it cannot be had."""
    levels = _bought(program, _use_of(program, candidates), requests)
    if levels is None:
        return None
    kept = requests > 0
    flows = Flows(
        candidates.member[kept], candidates.arm[kept], requests[kept], candidates.tokens[kept]
    )
    return Allocation((flows,), levels)


def _bought(program: Program, use: sp.csc_matrix, requests: np.ndarray) -> np.ndarray | None:
    """[activities] the cheapest levels that supply what the requests need."""
    levels = np.zeros(len(program.activities))
    if not len(levels):
        return levels
    rows, supply = _involved(program, use)
    base = np.asarray(use @ requests).ravel()[rows]
    capacity, upper = program.capacity[rows], program.upper[supply]
    gross = np.maximum(np.abs(capacity), np.abs(base))
    if not len(supply):
        return levels if np.all(capacity - base >= -_LEFT_OVER[-1] * gross) else None
    linear, cost = program.use[rows][:, supply].toarray(), program.cost[supply]
    size = np.maximum(np.abs(linear).max(axis=1, initial=0.0), np.abs(base))
    size[size == 0] = 1.0
    money = max(np.abs(cost).max(initial=0.0), 1e-300)
    for slack in _LEFT_OVER:
        room = (capacity - base + slack * gross) / size
        answer = vertex(cost / money, linear / size[:, None], room, upper)
        if answer is not None:
            levels[supply] = np.clip(answer.x, 0.0, upper)
            return levels
    return None


def _repaired(program: Program, candidates: Candidates) -> Allocation | None:
    """Where first come, first served breaks a limit from below: as many first choices as fit."""
    stream = program.streams[0]
    member, use = candidates.member, _use_of(program, candidates)
    n, n_act = len(member), len(program.activities)
    rate = stream.rate[member]
    scaled = sp.hstack([use @ sp.diags(rate), program.use]).tocsr()
    size = np.maximum(abs(scaled).max(axis=1).toarray().ravel(), np.abs(program.capacity))
    size[size == 0] = 1.0
    must = ~np.isfinite(stream.decline_cost) & (stream.rate > 0)
    present, index = np.unique(member, return_inverse=True)
    if not np.all(np.isin(np.flatnonzero(must), present)):
        return None
    split = sp.csr_matrix((np.ones(n), (index, np.arange(n))), shape=(len(present), n + n_act))
    forced = must[present]
    above = sp.vstack([sp.diags(1.0 / size) @ scaled, split[~forced]])
    answer = vertex(
        np.concatenate([-rate / rate.max() * 0.5**candidates.rank, np.zeros(n_act)]),
        above,
        np.concatenate([program.capacity / size, np.ones(int((~forced).sum()))]),
        np.concatenate([np.ones(n), program.upper]),
        split[forced],
    )
    if answer is None:
        return None
    return with_supply(program, candidates, np.maximum(answer.x[:n], 0.0) * rate)
