"""Public goods: numbers that every request may use at once, and that something has to make.

A good of amount g is worth g times what its users ask of it, and must be made: a row asks
for at least g. Given the amounts the program is convex; the amounts times their use are
not. So a ``Shared`` program is one convex program for every point of a box of amounts.
The amount in a request's *value* and the amount that is *made* enter apart:

    G(v, b) = the welfare where requests see v and b is made, convex in v and concave in b,

and the welfare of an amount a is G(a, a) (docs/exact.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows, Stream


@dataclass(frozen=True)
class Good:
    """A good of at most ``most`` units; ``row`` asks for the amount that must be made.

    ``unit``: [(J+3)·F·A, S] what one unit adds to the coefficients of stream ``stream``.
    ``worth`` bounds what one unit can bring, USD per hour: less made than asked for pays it.
    """

    name: str
    most: float
    row: int
    stream: int
    unit: sp.csr_matrix
    worth: float


@dataclass(frozen=True)
class Shared:
    """A program and its public goods; ``program`` itself has none of any."""

    program: Program
    goods: tuple[Good, ...]

    @property
    def most(self) -> np.ndarray:
        """[goods] the largest amounts."""
        return np.array([g.most for g in self.goods])

    @property
    def rows(self) -> list[int]:
        """[goods] the row that asks for each."""
        return [g.row for g in self.goods]

    def at(self, amounts: np.ndarray) -> Program:
        """The convex program in which requests see these amounts, and they must be made."""
        rows, streams = list(self.program.rows), list(self.program.streams)
        for good, amount in zip(self.goods, amounts, strict=True):
            rows[good.row] = replace(rows[good.row], capacity=-float(amount))
            own = streams[good.stream]
            added = own.coefficients + float(amount) * good.unit
            streams[good.stream] = replace(own, coefficients=sp.csr_matrix(added))
        return replace(self.program, rows=tuple(rows), streams=tuple(streams))

    def placed(self, program: Program, allocation: Allocation) -> Allocation:
        """An allocation of another program with fewer or the same arms and names, in this one."""
        known = dict(zip((a.name for a in program.activities), allocation.levels, strict=True))
        levels = np.array([known.get(a.name, 0.0) for a in self.program.activities], float)
        pairs = zip(program.streams, self.program.streams, allocation.flows, strict=False)
        flows = [_moved(old, new, own) for old, new, own in pairs]
        flows += [Flows.empty(s.n_uses) for s in self.program.streams[len(flows) :]]
        return self._covered(Allocation(tuple(flows), levels))

    def _covered(self, allocation: Allocation) -> Allocation:
        """The least levels of what a convex term counts that supply what is used of them."""
        levels = allocation.levels.copy()
        counted = [t.activities[0] for t in self.program.terms]
        levels[counted] = 0.0
        wanted = self.program.usage(Allocation(allocation.flows, levels)) - self.program.capacity
        for i in counted:
            supplied = [wanted[r] / -v for r, v in self.program.activities[i].uses if v < 0]
            levels[i] = max([0.0, *supplied])
        return Allocation(allocation.flows, levels)

    def prices(self, program: Program, duals: np.ndarray, goods: np.ndarray) -> np.ndarray:
        """[rows] prices of another program, by name, and of the goods."""
        known = {r.name: d for r, d in zip(program.rows, duals, strict=True)}
        out = np.array([known.get(r.name, 0.0) for r in self.program.rows])
        out[self.rows] = goods
        return out

    def made(self, allocation: Allocation) -> np.ndarray:
        """[goods] units that an allocation of this program makes."""
        use = self.program.use @ allocation.levels
        short = np.zeros(len(self.goods))
        for i, a in enumerate(self.program.activities):
            if "short" in a.labels:
                short[a.labels["short"]] += allocation.levels[i]
        return np.maximum(-np.asarray(use)[self.rows] - short, 0.0)

    def worth(self, allocation: Allocation) -> np.ndarray:
        """[goods] USD per hour that one more unit brings to the requests as they are served."""
        out = np.zeros(len(self.goods))
        for i, good in enumerate(self.goods):
            at_none = self.program.streams[good.stream]
            with_one = replace(
                at_none, coefficients=sp.csr_matrix(at_none.coefficients + good.unit)
            )
            changed = list(self.program.streams)
            changed[good.stream] = with_one
            more = replace(self.program, streams=tuple(changed))
            out[i] = more.welfare(allocation) - self.program.welfare(allocation)
        return np.maximum(out, 0.0)


def _moved(old: Stream, new: Stream, flows: Flows) -> Flows:
    """Flows of a stream that has some of another's arms and members, in that other."""
    if len(old.arms) == len(new.arms):
        return flows
    place = {tuple(arm.labels.items()): i for i, arm in enumerate(new.arms)}
    to = np.array([place[tuple(arm.labels.items())] for arm in old.arms], int)[flows.arm]
    member = new.menu[new.group][:, to].argmax(axis=0)
    return flows._replace(member=member, arm=to)
