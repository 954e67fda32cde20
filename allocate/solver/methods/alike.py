"""Members that differ only in how many requests they send, as one member.

That is exact: what is best for a request does not hang on how many there are. Where many members
are alike they all turn at one price, which a search that follows a crowd down the dual cannot do
in steps; as one member they are split by the linear program like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows, Stream

_LOOKED = 1000  # members of the sample that says whether to look at all of them
_FEWER = 0.5  # kinds for a member in that sample, below which it pays


@dataclass(frozen=True)
class Alike:
    """A program of kinds of members, [K] the kind of each member, and its share of the kind."""

    program: Program
    kind: np.ndarray
    share: np.ndarray

    def spread(self, allocation: Allocation) -> Allocation:
        """An allocation of the kinds, over their members in proportion to their requests."""
        kinds, *others = allocation.flows
        order = np.argsort(self.kind, kind="stable")
        count = np.bincount(self.kind)
        start = np.cumsum(count) - count
        times = count[kinds.member]
        flow = np.repeat(np.arange(len(kinds.member)), times)
        place = np.arange(len(flow)) - np.repeat(np.cumsum(times) - times, times)
        member = order[start[kinds.member[flow]] + place]
        requests = kinds.requests[flow] * self.share[member]
        some = np.flatnonzero(requests > 0)
        flow, member = flow[some], member[some]
        flows = Flows(member, kinds.arm[flow], requests[some], kinds.tokens[flow])
        return Allocation((flows, *others), allocation.levels)


def alike(program: Program, seed: int = 0) -> Alike | None:
    """The program with members that are alike as one; None where few seem to be."""
    crowd = program.streams[0]
    k = len(crowd.rate)
    sample = np.random.default_rng(seed).choice(k, min(_LOOKED, k), replace=False)
    if len(np.unique(_marks(crowd, sample), axis=0)) > _FEWER * len(sample):
        return None
    everyone = np.arange(k)
    _, first, kind = np.unique(
        _marks(crowd, everyone), axis=0, return_index=True, return_inverse=True
    )
    kind = kind.reshape(-1)
    rate = np.bincount(kind, crowd.rate, len(first))
    kinds = replace(program, streams=(crowd.part(first, rate), *program.streams[1:]))
    whole = rate[kind]
    share = np.divide(crowd.rate, whole, out=np.zeros(k), where=whole > 0)
    return Alike(kinds, kind, share)


def _marks(crowd: Stream, members: np.ndarray) -> np.ndarray:
    """[n, marks] all that tells members apart but their requests."""
    columns = [crowd.features[members], crowd.group[members], crowd.decline_cost[members]]
    columns += [f[members] for f in crowd.factor.values()]
    columns += [x[members] for x in (crowd.addition, crowd.difficulty) if x is not None and len(x)]
    return np.column_stack(columns)
