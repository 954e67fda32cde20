"""Lanes whose replicas are there for memory: what a prefix costs where it crowds the lane.

Replicas make busy time, batch places and memory at once. At the shared prices they are paid by
what makes them necessary in the joint answer. Where a baseline fills the memory first, the rest
of its replicas stands idle, and it is the memory that has to pay for them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from allocate.models.stream import Flows
from allocate.solver.studies.diagnosis.caching import kept_too_long
from allocate.solver.studies.diagnosis.repairs import Repair, Repairs, joined
from allocate.solver.studies.diagnosis.view import View

_IDLE = 1e-6  # of a lane's busy time: so much is left where memory came first


@dataclass(frozen=True)
class Crowded:
    """Lanes of a view that memory makes necessary, and what stands idle on them."""

    view: View
    usual: np.ndarray  # [K] longest retention of each member in the joint answer; NaN: unknown

    @cached_property
    def _lanes(self) -> list[tuple[int, int, float, float]]:
        """(busy row, memory row, price of memory, USD per hour idle) of every such lane."""
        view, program = self.view, self.view.ground.program
        slack = program.capacity - program.usage(view.allocation)
        out = []
        for i, rows, amounts in program.suppliers:
            level = float(view.allocation.levels[i])
            memory = [j for j, r in enumerate(rows) if is_memory(program.rows[r].name)]
            if level <= 0 or not memory:
                continue
            made = amounts * level
            left = slack[rows] / made
            j = memory[0]
            if left[0] <= _IDLE or left[j] > _IDLE:
                continue
            cost = program.cost[i] + sum(
                v * view.duals[r] for r, v in program.activities[i].uses if v > 0
            )
            idle = float(view.duals[rows[0]] * slack[rows[0]])
            out.append((int(rows[0]), int(rows[j]), float(cost / amounts[j]), idle))
        return out

    @cached_property
    def idle(self) -> float:
        """USD per hour of replicas that stand idle behind full memory."""
        return sum(usd for *_, usd in self._lanes)

    def repair(self, known: Repair) -> Repair:
        """Prefixes kept too long: ``known`` ones, and those at the price that memory has here.

        Memory and busy time pay half of a replica each, as where both are just enough. Together
        the repairs bring no more than what stands idle on their lane, beyond what is known.
        """
        if not self._lanes:
            return known
        view, duals = self.view, self.view.duals.copy()
        for busy, memory, price, _ in self._lanes:
            duals[busy] *= 0.5
            duals[memory] = 0.5 * (duals[memory] + price)
        here = kept_too_long(Repairs(replace(view, duals=duals)))
        lane = self._lane_of(here)
        # as long as in the joint answer is no misuse: then something else left the lane idle
        longer = ~(view.ground.retention[here.now.arm] <= self.usual[here.now.member])
        some = np.flatnonzero((lane >= 0) & longer)
        here, lane = here.at(some), lane[some]
        already = np.zeros(len(self.view.flows.member))
        already[known.flow] = known.gain
        scale = np.ones(len(lane))
        for number, (*_, idle) in enumerate(self._lanes):
            at = lane == number
            whole = float(here.gain[at] @ here.requests[at])
            most = idle + float(already[here.flow[at]] @ here.requests[at])
            if whole > most:
                scale[at] = most / whole
        # the two sides shrink together: what the first prefixes save, the last ones do not
        now, then = (replace(p, parts=p.parts * scale[:, None]) for p in (here.now, here.then))
        here = replace(here, gain=here.gain * scale, now=now, then=then)
        better = here.at(np.flatnonzero(here.gain > already[here.flow]))
        return joined(known.at(np.flatnonzero(~np.isin(known.flow, better.flow))), better)

    def _lane_of(self, repair: Repair) -> np.ndarray:
        """[n] number of the lane whose memory a flow's prefix takes, or -1."""
        stream, rows = self.view.stream, len(self.view.ground.program.rows)
        flows = Flows(*(part[repair.flow] for part in self.view.flows))
        use = stream.row_use(flows.member, flows.arm, stream.amounts(flows), rows)
        out = np.full(len(repair.flow), -1)
        for number, (_, memory, _, _) in enumerate(self._lanes):
            row = np.bincount([memory], minlength=rows).astype(float)
            out[np.asarray(use.T @ row).ravel() > 0] = number
        return out


def is_memory(row: str) -> bool:
    """Whether a row counts memory of a lane."""
    return row.partition("[")[0].endswith(" KV")
