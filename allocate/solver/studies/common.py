"""What every study stands on: replicas in parts, and one menu of speeds for all allocations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from allocate.models import lanes as menus
from allocate.models.loader import Loaded
from allocate.models.program import Activity, Program
from allocate.solver.solution import Solution

_SAME = 1e-9  # of a busy share: speeds nearer than this are one
IN_PARTS = "replicas are compared in parts: whole ones are a matter of `solve`"


def in_parts(loaded: Loaded) -> Loaded:
    """Replicas in parts for everybody: no baseline has to round, so the joint answer need not."""
    config = loaded.config
    if not any(d.integer_replicas for d in config.deployments.values()):
        return loaded
    parts = {
        n: d.model_copy(update={"integer_replicas": False}) for n, d in config.deployments.items()
    }
    return replace(loaded, config=config.model_copy(update={"deployments": parts}))


def with_speeds(solution: Solution, more: Mapping[str, Iterable[float]]) -> dict[str, list[float]]:
    """The joint answer's menu, busy shares by lane family, with others.

    A family whose speeds the config lists keeps these and no others.
    """
    config = solution.loaded.config
    fixed = menus.listed(config)
    out: dict[str, list[float]] = {}
    for family, mine in menus.speeds(config, solution.built.state.grid).items():
        out[family] = list(mine)
        if family not in fixed:
            out[family] += _fresh(more.get(family, ()), mine)
        out[family].sort()
    return out


def _fresh(more: Iterable[float], known: Iterable[float]) -> list[float]:
    kept = list(known)
    found: list[float] = []
    for u in map(float, more):
        if all(abs(u - v) > _SAME for v in kept):
            kept.append(u)
            found.append(u)
    return found


def prices_of(solution: Solution) -> dict[str, float]:
    """Shared prices by the name of their row."""
    rows = zip(solution.program.rows, solution.duals, strict=True)
    return {row.name: float(dual) for row, dual in rows}


def duals_of(program: Program, prices: Mapping[str, float]) -> np.ndarray:
    """[rows] prices known by the name of their row; a row without one is free."""
    return np.array([prices.get(row.name, 0.0) for row in program.rows])


def unit_price(activity: Activity, duals: np.ndarray) -> float:
    """USD of a unit of an activity: what is paid for it, and what it uses at some prices."""
    return activity.cost + sum(v * float(duals[r]) for r, v in activity.uses if v > 0)
