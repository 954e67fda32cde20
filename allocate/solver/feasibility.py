"""Which limits contradict each other, proved, and what each would need.

Only classes that may not be declined and limits from below can make a program infeasible.
Nothing is claimed without a proof: the dual bound of phase one (``phase_one.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocate.models.program import Program, Resource
from allocate.solver.methods.prices import solve_prices
from allocate.solver.phase_one import LEAST, Give, Solve, least_give


@dataclass(frozen=True)
class Conflict:
    """A proof that the limits cannot all be kept.

    ``sentences`` name the limits and what they need. ``least_give``: every allocation exceeds
    the limits by at least so much in all, each limit's excess measured against its size;
    ``multipliers`` are the weights of the rows that prove it.
    """

    sentences: tuple[str, ...]
    least_give: float
    multipliers: dict[str, float]

    def to_dict(self) -> dict:
        """``infeasibility`` of the result document's certificate."""
        finite = self.least_give if np.isfinite(self.least_give) else None
        return {"least_give": finite, "multipliers": self.multipliers}


def conflicts(program: Program, tolerance: float, solve: Solve = solve_prices) -> Conflict | None:
    """The conflict between a program's limits, or None where none is proved.

    A give within ``tolerance`` is none: the judge lets an answer violate a limit so far.
    ``solve`` finds prices of a program that is too large for a linear program.
    """
    forced = [
        (s, np.flatnonzero(~np.isfinite(s.decline_cost) & (s.rate > 0))) for s in program.streams
    ]
    shut = sum(int((~s.menu[s.group[k]].any(axis=1)).sum()) for s, k in forced)
    if shut:
        said = f"a class that may not be declined has no open arm ({shut} of them)"
        return Conflict((said,), float("inf"), {})
    if not any(len(k) for _, k in forced) and not np.any(program.capacity < 0):
        return None
    found = least_give(program, max(tolerance, LEAST), solve)
    if found is None:
        return None
    weights = {
        row.name: float(d)
        for row, d, w in zip(program.rows, found.duals, found.weight, strict=True)
        if w > LEAST
    }
    return Conflict(tuple(_sentences(program, found)), found.bound, weights)


def _sentences(program: Program, found: Give) -> list[str]:
    """One for every limit that gives, and one for those that it conflicts with."""
    out: list[str] = []
    priced: list[str] = []
    for resource in program.resources:
        rows = [r for r, _ in resource.rows] or [r for r, _, _ in resource.supplies]
        if more := _more(resource, found):
            value = (resource.capacity or 0.0) + more
            way = "least" if more > 0 else "most"
            needed = f"needs at {way} {_rounded(value, more)}"
            out.append(f"{resource.path} = {resource.capacity:g} {needed}")
        elif np.any(found.weight[rows] > LEAST):
            priced.append(resource.path)
    if len(out) > 1:
        out.append("all of these together")
    if priced:
        lead = "as long as these stay: " if out else "these cannot be kept together: "
        out.append(lead + ", ".join(sorted(set(priced))))
    if not out:
        names = [program.rows[r].name for r in np.flatnonzero(found.weight > LEAST)]
        out = [f"{name} cannot be kept" for name in names[:5]]
    return out


def _more(resource: Resource, found: Give) -> float:
    """How much larger a resource's capacity would have to be (negative: smaller); 0 if kept."""
    if found.gives is None or found.levels is None:
        return 0.0
    more = [found.gives[r] / weight for r, weight in resource.rows if weight]
    for r, i, weight in resource.supplies:
        if (level := found.levels[i]) > 0:
            more.append(found.gives[r] / (weight * level))
    return max(more, key=abs, default=0.0)


def _rounded(value: float, more: float) -> str:
    """Four digits, rounded to the side on which the limit can be kept."""
    size = 10.0 ** (np.floor(np.log10(max(abs(value), 1e-300))) - 3)
    steps = np.ceil(value / size - 1e-6) if more > 0 else np.floor(value / size + 1e-6)
    return f"{max(steps * size, 0.0):.4g}"
