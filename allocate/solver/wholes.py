"""Whole replicas: round, repair, and say what rounding costs.

For every deployment with ``integer_replicas`` the replicas of all its speeds together
become a whole number in each period; that number is bought outright and the rest of the
program is solved again. Numbers are tried up and down from the continuous answer, one at
a time, as long as that helps. The gap to the continuous welfare bounds what is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from allocate.models.program import Program, Row
from allocate.models.stack import Built

_TRIES = 60


@dataclass
class Whole:
    """The answer with whole replicas, and the report of what they cost."""

    answer: Any
    report: dict


def whole_replicas(
    built: Built, answer: Any, solve: Callable[[Program, np.ndarray], Any]
) -> Whole | None:
    """The best whole-replica answer found, or None where no deployment asks for one."""
    groups = _groups(built)
    if not groups:
        return None
    levels = answer.allocation.levels
    mean = {key: levels[ids].sum() / built.shares[key[1]] for key, ids in groups.items()}
    count = {key: float(np.ceil(m - 1e-6)) for key, m in mean.items()}
    best = solve(_bought(answer.program, built, groups, count), _padded(answer, groups))
    if not best.certificate.feasible or not best.certificate.holds:
        count = {key: float(np.floor(m + 1e-6)) for key, m in mean.items()}
        best = solve(_bought(answer.program, built, groups, count), _padded(answer, groups))
    tries, improved = 0, True
    while improved and tries < _TRIES:
        improved = False
        for key in groups:
            for step in (-1.0, 1.0):
                if count[key] + step < 0 or tries >= _TRIES:
                    continue
                tries += 1
                trial_count = {**count, key: count[key] + step}
                program = _bought(answer.program, built, groups, trial_count)
                if np.any(program.capacity[: len(answer.program.rows)] < -1e-9) and not np.any(
                    answer.program.capacity < 0
                ):
                    continue
                trial = solve(program, _padded(answer, groups))
                if (
                    trial.certificate.holds
                    and trial.certificate.primal > best.certificate.primal * (1 + 1e-9)
                ):
                    best, count, improved = trial, trial_count, True
    bound = answer.certificate.dual
    lost = bound - best.certificate.primal
    report = {
        "replicas": {f"{name} [{built.periods[t]}]": int(n) for (name, t), n in count.items()},
        "continuous": {f"{name} [{built.periods[t]}]": float(mean[name, t]) for name, t in count},
        "welfare_bound": float(bound),
        "integer_gap": float(lost / max(abs(bound), 1e-300)),
        "cost_of_rounding_usd_per_hour": float(lost),
    }
    return Whole(best, report)


def _groups(built: Built) -> dict[tuple[str, int], list[int]]:
    out: dict[tuple[str, int], list[int]] = {}
    for i, a in enumerate(built.program.activities):
        name = a.labels.get("deployment")
        if name is not None and built.config.deployments[name].integer_replicas:
            out.setdefault((name, a.labels["period"]), []).append(i)
    return out


def _padded(answer: Any, groups: dict) -> np.ndarray:
    return np.concatenate([answer.duals, np.zeros(len(groups))])


def _bought(program: Program, built: Built, groups: dict, count: dict) -> Program:
    """The program with so many whole replicas paid for: use them or not."""
    rows, activities, paid = list(program.rows), list(program.activities), 0.0
    for key, ids in groups.items():
        units = count[key] * built.shares[key[1]]
        rows.append(Row(f"whole replicas of {key[0]} [{built.periods[key[1]]}]", "replica", units))
        number = len(rows) - 1
        spent = [(r, v) for r, v in activities[ids[0]].uses if v > 0]
        paid += activities[ids[0]].cost * units
        for r, v in spent:
            rows[r] = replace(rows[r], capacity=rows[r].capacity - v * units)
        for i in ids:
            supply = tuple((r, v) for r, v in activities[i].uses if v < 0)
            activities[i] = replace(activities[i], cost=0.0, uses=(*supply, (number, 1.0)))
    offsets = (*program.offsets, ("money", -paid))
    return replace(program, rows=tuple(rows), activities=tuple(activities), offsets=offsets)
