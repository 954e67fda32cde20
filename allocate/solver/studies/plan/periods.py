"""Prices hour by hour: what a unit of a capacity is worth in each part of the day."""

from __future__ import annotations

from typing import Any

from allocate.solver.solution import Solution

_FULL = 1e-6  # of a capacity: with so little left it is full


def by_period(solution: Solution) -> list[dict[str, Any]]:
    """A line for every resource that is there in every period, and period.

    ``value`` is USD per unit and hour of that period; weighted with ``share``, the period's
    share of the day, the values sum to the resource's price. ``used`` is in its own unit.
    Where there are scenarios there is a line for each period of each, ``scenario`` says which,
    and ``share`` is its probability times the period's share. Empty where there is neither, or
    where the prices are not proved.
    """
    built, program = solution.built, solution.program
    if len(built.periods) < 2 or not solution.priced:
        return []
    usage = program.usage(solution.allocation)
    binding = {p.resource for p in solution.prices if p.binding}
    lines = []
    for resource in program.resources:
        names = [program.rows[r].name for r, _ in resource.rows]
        if names != [f"{resource.path}[{p}]" for p in built.periods]:
            continue
        rows = enumerate(zip(built.shares, resource.rows, strict=True))
        for moment, (share, (row, weight)) in rows:
            per_unit = weight / share if share else 0.0  # 60 where a cap is a minute's
            value = float(solution.duals[row]) * per_unit
            used = float(usage[row] / weight) if weight else None
            full = used is not None and used >= (resource.capacity or 0.0) * (1 - _FULL)
            lines.append(
                {
                    **built.moments.when(moment),
                    "resource": resource.path,
                    "label": resource.label,
                    "unit": resource.unit,
                    "share": float(share),
                    "value": value if full and resource.path in binding else 0.0,
                    "used": used,
                    "capacity": resource.capacity,
                }
            )
    return lines
