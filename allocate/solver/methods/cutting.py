"""Cutting planes on the exact dual: slow, blind to curvature, and never stuck.

Near a price of almost 0 the use of a row may grow without end, and the dual bends so
sharply that no Newton step looks worth its while. A linear program over all the best
responses met so far (Kelley, Journal of SIAM 8, 1960; Dantzig and Wolfe's master) sees
past that: it pays every row what the responses *together* would, new responses to those
prices are added, and so on until it agrees with the dual.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.stream import Columns, Flows
from allocate.solver.methods.pricing import Pricing
from allocate.solver.methods.recovery import Splitting, near_ties
from allocate.solver.methods.start import settled

_ROUNDS = 60
_WEIGHTS = (1.0, 0.3, 0.1, 0.02)  # how far from the best prices to the master's
_WINDOW = 1e-2  # arms this near to the best come along
_MOST = 20_000  # columns in a master
_FAINT = 1e-8  # of a member's requests


class Cut(NamedTuple):
    """The best prices met, the best allocation of the masters, and the passes it took."""

    prices: Pricing
    allocation: Allocation | None
    passes: int


def cut(program: Program, start: Pricing, tolerance: float) -> Cut:
    """Cutting planes until the master is within the tolerance of the dual."""
    best, passes = start, 0
    allocation = None
    columns = _responses(program, start)
    for _ in range(_ROUNDS):
        if sum(len(c.member) for c in columns) > _MOST:
            break
        with np.errstate(over="ignore", invalid="ignore"):  # tokens without end: no program
            master = Splitting(program, best.duals, columns)
        found = master.solve(None)
        if found is None:
            break
        scale = program.scale(best.value)
        allocation = _averaged(program, found.allocation)
        if best.value - program.welfare(allocation) <= tolerance * scale:
            break
        before = best
        for weight in _WEIGHTS:
            mixed = (1.0 - weight) * before.duals + weight * found.prices
            trial = Pricing.at(program, settled(program, mixed))
            passes += 1
            new = _responses(program, trial)
            columns = [_joined(a, b) for a, b in zip(columns, new, strict=True)]
            if trial.value < best.value:
                best = trial
                break
    return Cut(best, allocation, passes)


def _averaged(program: Program, allocation: Allocation) -> Allocation:
    """Requests of a member on one arm with the mean of their tokens: worth no less."""
    flows = []
    for stream, f in zip(program.streams, allocation.flows, strict=True):
        # what is left of a member by a linear program's rounding is nothing
        kept = (f.requests > _FAINT * stream.rate[f.member]) | ~np.isfinite(
            stream.decline_cost[f.member]
        )
        f = Flows(*(x[kept] for x in f))
        pair, index = np.unique(f.member * len(stream.arms) + f.arm, return_inverse=True)
        requests = np.bincount(index, f.requests, len(pair))
        tokens = np.zeros((len(pair), stream.n_uses))
        np.add.at(tokens, index, f.tokens * f.requests[:, None])
        member, arm = np.divmod(pair, len(stream.arms))
        flows.append(Flows(member, arm, requests, tokens / np.maximum(requests, 1e-300)[:, None]))
    return Allocation(tuple(flows), allocation.levels)


def _responses(program: Program, at: Pricing) -> list[Columns]:
    """The best responses of all members at some prices."""
    return [
        stream.columns(at.duals, *near_ties(stream, profits, at.duals, _WINDOW))
        for stream, profits in zip(program.streams, at.profits, strict=True)
    ]


def _joined(a: Columns, b: Columns) -> Columns:
    return Columns(*(np.concatenate(pair) for pair in zip(a, b, strict=True)))
