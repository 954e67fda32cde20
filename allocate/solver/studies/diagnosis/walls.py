"""Capacities that are full in a baseline, and what requests would need of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from allocate.models.stream import Flows
from allocate.solver.studies.diagnosis.view import Pairs, View

_FULL = 1e-6  # of a row's capacity: so little is left of one that is full
_SAME = 1e-6  # of what is needed now: no more than that is more


@dataclass(frozen=True)
class Walls:
    """The full capacities of a view. Lanes are none themselves: GPUs that are left make lanes."""

    view: View

    @cached_property
    def full(self) -> np.ndarray:
        """[rows]: capacity is there and used up."""
        program = self.view.ground.program
        # capacity 0, such as the row of a limit on a mean, is no wall by itself
        return (program.capacity > 0) & (self.view.slack <= _FULL * program.capacity)

    @cached_property
    def _through(self) -> sp.csr_matrix:
        """[rows, rows]: what a unit of every row takes of capacities, lanes through their GPUs."""
        program, duals = self.view.ground.program, self.view.duals
        at: list[int] = []
        of: list[int] = []
        amount: list[float] = []
        for i, rows, made in program.suppliers:
            worth = float(made @ duals[rows])
            share = duals[rows] / worth if worth > 0 else np.eye(1, len(rows))[0] / made[0]
            for r, v in program.activities[i].uses:
                if v > 0:
                    at += [r] * len(rows)
                    of += [int(x) for x in rows]
                    amount += [float(v * s) for s in share]
        own = np.flatnonzero(~program.supplied).tolist()
        at, of = [*at, *own], [*of, *own]
        amount += [1.0] * len(own)
        n = len(program.rows)
        return sp.csr_matrix((amount, (at, of)), shape=(n, n))

    def needs(self, pairs: Pairs) -> np.ndarray:
        """[full rows, n] what requests need of the capacities that are full; declined: nothing."""
        stream, there = self.view.stream, pairs.arm >= 0
        out = np.zeros((int(self.full.sum()), len(there)))
        if not there.any() or not len(out):
            return out
        some = pairs.at(there)
        flows = Flows(some.member, some.arm, np.ones(len(some.arm)), some.tokens)
        rows = len(self.view.ground.program.rows)
        use = stream.row_use(some.member, some.arm, stream.amounts(flows), rows)
        out[:, there] = (self._through[self.full] @ use).toarray()
        return out

    def open_to(self, then: Pairs, now: Pairs | None = None) -> np.ndarray:
        """[n] whether a change needs no more of any full capacity than it frees."""
        needed = self.needs(then)
        freed = np.zeros_like(needed) if now is None else self.needs(now)
        return np.all(needed <= np.maximum(freed, 0.0) * (1.0 + _SAME), axis=0)
