"""Which limits contradict each other, and how far each would have to give.

Only classes that may not be declined and limits from below can make a program
infeasible. Phase one asks for the least total give, each limit's measured against its
capacity: the same program with every price of its own at zero and an escape on every row.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from allocate.models.program import Activity, Program
from allocate.models.stream import Stream
from allocate.solver.methods.newton import first_prices, newton


def conflicts(program: Program, tolerance: float) -> list[str]:
    """Sentences naming the limits in conflict; empty if they can all be kept."""
    forced = [
        (s, k)
        for s in program.streams
        for k in np.flatnonzero(~np.isfinite(s.decline_cost) & (s.rate > 0))
    ]
    shut = [(s, k) for s, k in forced if not s.menu[s.group[k]].any()]
    if shut:
        return [f"a class that may not be declined has no open arm ({len(shut)} of them)"]
    if not forced and not np.any(program.capacity < 0):
        return []
    relaxed, escapes = _phase_one(program)
    result = newton(relaxed, first_prices(relaxed))
    if result.allocation is None:
        return ["no allocation keeps every limit"]
    gives = result.allocation.levels[escapes]
    out = []
    for resource in program.resources:
        for r, _ in resource.rows:
            give = gives[r]
            if give > max(tolerance, 1e-7):
                amount = give * max(abs(program.capacity[r]), 1e-300)
                out.append(
                    f"{resource.path} = {resource.capacity:g} would have to give "
                    f"{100 * give:.3g} % ({amount:.4g} {program.rows[r].unit})"
                )
    priced = {
        resource.path
        for resource in program.resources
        for r, _ in resource.rows
        if result.duals[r] > 1e-9 and gives[r] <= max(tolerance, 1e-7)
    }
    if out and priced:
        out.append("in conflict with " + ", ".join(sorted(priced)))
    rest = [
        i
        for i in np.flatnonzero(gives > max(tolerance, 1e-7))
        if i not in {r for s in program.resources for r, _ in s.rows}
    ]
    if not out:
        out += [f"{program.rows[i].name} cannot be kept" for i in rest[:5]]
    return out


def _phase_one(program: Program) -> tuple[Program, np.ndarray]:
    activities = [replace(a, cost=0.0) for a in program.activities]
    first = len(activities)
    for r, row in enumerate(program.rows):
        size = abs(row.capacity) if row.capacity else 1.0
        cost = 1.0 if row.capacity else 1e3
        activities.append(
            Activity(f"give {row.name}", ((r, -size),), cost, "risk", upper=1e12, loose=True)
        )
    streams = tuple(_unpriced(s) for s in program.streams)
    relaxed = replace(
        program, streams=streams, activities=tuple(activities), terms=(), resources=(), offsets=()
    )
    return relaxed, np.arange(first, len(activities))


def _unpriced(stream: Stream) -> Stream:
    return replace(
        stream,
        slots=tuple(replace(s, own_price=0.0) for s in stream.slots),
        addition=np.zeros_like(stream.addition),
        stake=np.full(len(stream.rate), 1.0 / max(float(stream.rate.sum()), 1e-300)),
        decline_cost=np.where(np.isfinite(stream.decline_cost), 0.0, np.inf),
    )
