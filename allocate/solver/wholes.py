"""Whole replicas: round, repair, and say what rounding costs.

For every deployment with ``integer_replicas`` the replicas of all its speeds together become
a whole number in each period; that number is bought outright and the rest of the program is
solved again. Numbers are tried up and down from the continuous answer, one at a time, as long
as that helps. The *continuous* dual bounds every choice of numbers, so the gap to it is the
answer's gap, and an answer is optimal only where that is within the tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from allocate.models.program import Activity, Allocation, Program, Row
from allocate.models.stack import Built
from allocate.solver.certificate import Certificate, certify

_TRIES = 60
_SAME = 1e-9  # a welfare larger by this share is larger

Key = tuple[str, int]  # deployment, period
Counts = dict[Key, float]


@dataclass
class Whole:
    """The answer with whole replicas, and the report of what they cost."""

    answer: Any
    report: dict


def whole_replicas(
    built: Built, answer: Any, solve: Callable[[Program, np.ndarray], Any]
) -> Whole | None:
    """The best whole-replica answer found, or None where no deployment asks for one.

    Args:
        built: the continuous program and where it comes from.
        answer: its answer, certified.
        solve: finds an answer to a program from prices of its rows.
    """
    groups = _groups(built)
    if not groups:
        return None
    levels = answer.allocation.levels
    mean = {key: levels[ids].sum() / built.shares[key[1]] for key, ids in groups.items()}

    def tried(count: Counts) -> Any | None:
        program = _bought(answer.program, built, groups, count)
        if np.any(program.capacity < np.minimum(0.0, _padded(answer.program.capacity, groups))):
            return None  # more than can be bought
        return solve(program, _padded(answer.duals, groups))

    best, count = None, {}
    for rounded in (np.ceil, np.floor):
        start = {
            key: float(rounded(m - 1e-6 if rounded is np.ceil else m + 1e-6))
            for key, m in mean.items()
        }
        found = tried(start)
        if _better(found, best):
            best, count = found, start
            break
    if best is None:
        count = dict.fromkeys(mean, 0.0)
        best = tried(count)
    best, count = _improved(best, count, tried)
    final, inner = _in_full(built, answer, best, groups, count)
    return Whole(final, _report(built, answer, final, inner, mean, count))


def _better(trial: Any | None, best: Any | None) -> bool:
    """Whether a trial is certified at its numbers, and worth more than the best so far."""
    if trial is None or not trial.certificate.holds:
        return False
    if best is None or not best.certificate.holds:
        return True
    old = best.certificate.primal
    return trial.certificate.primal > old + _SAME * abs(old)


def _improved(
    best: Any, count: Counts, tried: Callable[[Counts], Any | None]
) -> tuple[Any, Counts]:
    """One replica more or less, of one deployment at a time, as long as that helps."""
    tries, improving = 0, True
    while improving:
        improving = False
        for key in count:
            for step in (-1.0, 1.0):
                if count[key] + step < 0 or tries >= _TRIES:
                    continue
                tries += 1
                trial = tried({**count, key: count[key] + step})
                if _better(trial, best):
                    best, count, improving = trial, {**count, key: count[key] + step}, True
    return best, count


def _report(
    built: Built,
    answer: Any,
    final: Any,
    inner: Certificate,
    mean: Mapping[Key, float],
    count: Counts,
) -> dict:
    def named(numbers: Mapping[Key, float], kind: type) -> dict:
        return {f"{n} [{built.periods[t]}]": kind(numbers[n, t]) for n, t in count}

    return {
        "replicas": named(count, int),
        "continuous": named(mean, float),
        "welfare_bound": float(answer.certificate.dual),
        "integer_gap": float(final.certificate.relative_gap),
        "cost_of_rounding_usd_per_hour": float(answer.certificate.dual - inner.primal),
        "certified_at_these_numbers": inner.holds,
    }


# --- programs ------------------------------------------------------------------------------


def _groups(built: Built) -> dict[Key, list[int]]:
    """Activities that run a deployment's replicas, by deployment and period."""
    out: dict[Key, list[int]] = {}
    for i, a in enumerate(built.program.activities):
        name = a.labels.get("deployment")
        if name is not None and built.config.deployments[name].integer_replicas:
            out.setdefault((name, a.labels["period"]), []).append(i)
    return out


def _padded(values: np.ndarray, groups: Mapping) -> np.ndarray:
    return np.concatenate([values, np.zeros(len(groups))])


def _bought(program: Program, built: Built, groups: dict[Key, list[int]], count: Counts) -> Program:
    """What is left to decide once so many replicas are paid for: use them or not.

    Their GPUs and their money are taken out of the rows; ``_in_full`` puts them back.
    """
    rows, activities, paid = list(program.rows), list(program.activities), 0.0
    for key, ids in groups.items():
        units = count[key] * built.shares[key[1]]
        number = len(rows)
        rows.append(Row(f"whole replicas of {key[0]} [{built.periods[key[1]]}]", "replica", units))
        paid += activities[ids[0]].cost * units
        for r, v in _spent(activities[ids[0]]):
            rows[r] = replace(rows[r], capacity=rows[r].capacity - v * units)
        for i in ids:
            supply = tuple((r, v) for r, v in activities[i].uses if v < 0)
            activities[i] = replace(activities[i], cost=0.0, uses=(*supply, (number, 1.0)))
    offsets = (*program.offsets, ("money", -paid))
    return replace(program, rows=tuple(rows), activities=tuple(activities), offsets=offsets)


def _spent(a: Activity) -> tuple[tuple[int, float], ...]:
    """What a replica uses, not what it supplies."""
    return tuple((r, v) for r, v in a.uses if v > 0)


def _in_full(
    built: Built, answer: Any, best: Any, groups: dict[Key, list[int]], count: Counts
) -> tuple[Any, Certificate]:
    """The answer in the user's own rows, with idle replicas beside those at work.

    Two rows fix the number of replicas; their prices follow from the price of a replica that
    is paid for already. Returned with the judge's word on the program at these numbers; the
    answer itself carries the gap to the continuous bound.
    """
    program, n = answer.program, len(answer.program.rows)
    rows, activities = list(program.rows), list(program.activities)
    duals, levels = list(best.duals[:n]), list(best.allocation.levels)
    for place, (key, ids) in enumerate(groups.items()):
        units = count[key] * built.shares[key[1]]
        name = f"whole replicas of {key[0]} [{built.periods[key[1]]}]"
        most, least = len(rows), len(rows) + 1
        rows += [Row(f"{name}, at most", "replica", units)]
        rows += [Row(f"{name}, at least", "replica", -units)]
        fixed = ((most, 1.0), (least, -1.0))
        one = activities[ids[0]]
        full = one.cost + sum(v * best.duals[r] for r, v in _spent(one))
        over = float(best.duals[n + place]) - full  # worth of a replica over what it costs
        duals += [max(over, 0.0), max(-over, 0.0)]
        for i in ids:
            activities[i] = replace(activities[i], uses=(*activities[i].uses, *fixed))
        idle = Activity(
            f"idle {name}",
            (*_spent(one), *fixed),
            one.cost,
            one.account,
            upper=units,
            labels={"idle": key[0]},
        )
        activities.append(idle)
        levels.append(max(units - sum(levels[i] for i in ids), 0.0))
    whole = replace(program, rows=tuple(rows), activities=tuple(activities))
    allocation = Allocation(best.allocation.flows, np.array(levels))
    prices, tolerance = np.array(duals), answer.certificate.tolerance
    free = np.concatenate([answer.duals, np.zeros(len(rows) - n)])
    unbound = certify(whole, allocation, free, tolerance)
    if unbound.holds:  # whole numbers cost nothing: the continuous prices are the prices
        final = replace(best, program=whole, allocation=allocation, duals=free)
        final.certificate = unbound
        return final, unbound
    inner = certify(whole, allocation, prices, tolerance)
    size = max(abs(inner.primal), abs(answer.certificate.dual))
    scale = max(size, 1e-9 * program.at_stake, 1e-300)
    gap = float((answer.certificate.dual - inner.primal) / scale)
    judged = replace(inner, dual=answer.certificate.dual, relative_gap=gap)
    final = replace(best, program=whole, allocation=allocation, duals=prices, certificate=judged)
    return final, inner
