"""Whole numbers of things, such as replicas: round, repair, and say what rounding costs.

For every ``Count`` of a program the levels of its activities together become a whole number;
so many are bought outright and the rest of the program is solved again. From the continuous
answer the best of all small moves (one more, one less, some of one for one of another) is
made as long as one helps. The *continuous*
dual bounds every choice of numbers, so the gap to it is the answer's gap, and an answer is
optimal only where that is within the tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np

from allocate.models.program import Activity, Allocation, Count, Program, Row
from allocate.solver.certificate import Certificate, certify, gap_scale
from allocate.solver.numbers import Numbers, likely_numbers

_TRIES = 200
_SWAPS = (1.0, 2.0, 4.0, 8.0)  # a large machine may stand where several small ones did
_SAME = 1e-9  # a welfare larger by this share is larger
_ROUNDING = 1e-6  # of a thing: so near a whole number it is one


@dataclass
class Whole:
    """The answer in whole numbers, and the report of what they cost."""

    answer: Any
    report: dict


def whole_numbers(answer: Any, solve: Callable[[Program, np.ndarray], Any]) -> Whole | None:
    """The best answer in whole numbers found, or None where nothing is counted.

    Args:
        answer: to the continuous program, certified.
        solve: finds an answer to a program from prices of its rows.
    """
    counts, levels = answer.program.counts, answer.allocation.levels
    if not counts:
        return None
    mean = {c.name: levels[list(c.activities)].sum() / c.size for c in counts}

    def tried(numbers: Numbers) -> Any | None:
        program = _bought(answer.program, numbers)
        least = np.minimum(0.0, _padded(answer.program.capacity, counts))
        if np.any((program.capacity < least) & ~_supplied(program)):
            return None  # more than can be bought
        return solve(program, _padded(answer.duals, counts))

    best, numbers = None, {}
    for start in _starts(answer, mean):
        found = tried(start)
        if _better(found, best):
            best, numbers = found, start
    if best is None:
        return Whole(_in_none(answer, mean), _no_report(answer, mean))
    best, numbers = _improved(best, numbers, tried)
    final, inner = _in_full(answer, best, numbers)
    return Whole(final, _report(answer, final, inner, mean, numbers))


def _starts(answer: Any, mean: Mapping[str, float]) -> Iterator[Numbers]:
    """Numbers to begin with, each once: rounded up or down, and those of an integer program."""
    tried: list[Numbers] = []
    for numbers in (
        {name: float(np.ceil(m - _ROUNDING)) for name, m in mean.items()},
        likely_numbers(answer.program, answer.duals),
        {name: float(np.floor(m + _ROUNDING)) for name, m in mean.items()},
    ):
        if numbers is not None and numbers not in tried:
            tried.append(numbers)
            yield numbers


def _better(trial: Any | None, best: Any | None) -> bool:
    """Whether a trial is certified at its numbers, and worth more than the best so far."""
    if trial is None or not trial.certificate.holds:
        return False
    if best is None or not best.certificate.holds:
        return True
    old = best.certificate.primal
    return trial.certificate.primal > old + _SAME * abs(old)


def _improved(
    best: Any, numbers: Numbers, tried: Callable[[Numbers], Any | None]
) -> tuple[Any, Numbers]:
    """The best of all small moves at a time, as long as one helps."""
    known = {tuple(numbers.items())}
    while True:
        found, there = best, None
        for moved in _moves(numbers):
            if tuple(moved.items()) in known or len(known) > _TRIES:
                continue
            known.add(tuple(moved.items()))
            trial = tried(moved)
            if _better(trial, found):
                found, there = trial, moved
        if there is None:
            return best, numbers
        best, numbers = found, there


def _moves(numbers: Numbers) -> Iterator[Numbers]:
    """One more or one less of a thing; some less of one for one more of another."""
    for name, n in numbers.items():
        for step in (1.0, -1.0):
            if n + step >= 0:
                yield {**numbers, name: n + step}
    for less, more in permutations(numbers, 2):
        for several in _SWAPS:
            if numbers[less] >= several:
                yield {**numbers, less: numbers[less] - several, more: numbers[more] + 1.0}


def _in_none(answer: Any, mean: Mapping[str, float]) -> Any:
    """The continuous answer, marked: its numbers are not whole, and none were found that are."""
    off = {name: abs(m - round(m)) / max(m, 1.0) for name, m in mean.items()}
    worst = max(off, key=lambda name: off[name])
    certificate = replace(
        answer.certificate, max_violation=off[worst], violated=f"whole numbers of {worst}"
    )
    return replace(answer, certificate=certificate)


def _no_report(answer: Any, mean: Mapping[str, float]) -> dict:
    return {
        "replicas": None,
        "continuous": {name: float(m) for name, m in mean.items()},
        "welfare_bound": float(answer.certificate.dual),
        "integer_gap": None,
        "cost_of_rounding_usd_per_hour": None,
        "certified_at_these_numbers": False,
    }


def _report(
    answer: Any, final: Any, inner: Certificate, mean: Mapping[str, float], numbers: Numbers
) -> dict:
    return {
        "replicas": {name: int(n) for name, n in numbers.items()},
        "continuous": {name: float(mean[name]) for name in numbers},
        "welfare_bound": float(answer.certificate.dual),
        "integer_gap": float(final.certificate.relative_gap),
        "cost_of_rounding_usd_per_hour": float(answer.certificate.dual - inner.primal),
        "certified_at_these_numbers": inner.holds,
    }


# --- programs ------------------------------------------------------------------------------


def _supplied(program: Program) -> np.ndarray:
    """[rows] whether some activity makes more of it, such as GPUs that are rented."""
    out = np.zeros(len(program.rows), bool)
    out[[r for a in program.activities for r, v in a.uses if v < 0]] = True
    return out


def _padded(values: np.ndarray, counts: Sequence[Count]) -> np.ndarray:
    return np.concatenate([values, np.zeros(len(counts))])


def _named(count: Count) -> str:
    return f"whole {count.noun}s of {count.name}"


def _bought(program: Program, numbers: Numbers) -> Program:
    """What is left to decide once so many of each are paid for: use them or not.

    What they use and cost is taken out of the rows; ``_in_full`` puts it back.
    """
    rows, activities, paid = list(program.rows), list(program.activities), 0.0
    for count in program.counts:
        units = numbers[count.name] * count.size
        number = len(rows)
        rows.append(Row(_named(count), count.noun, units))
        one = activities[count.activities[0]]
        paid += one.cost * units
        for r, v in _spent(one):
            rows[r] = replace(rows[r], capacity=rows[r].capacity - v * units)
        for i in count.activities:
            supply = tuple((r, v) for r, v in activities[i].uses if v < 0)
            activities[i] = replace(activities[i], cost=0.0, uses=(*supply, (number, 1.0)))
    offsets = (*program.offsets, ("money", -paid))
    return replace(program, rows=tuple(rows), activities=tuple(activities), offsets=offsets)


def _spent(a: Activity) -> tuple[tuple[int, float], ...]:
    """What one uses, not what it supplies."""
    return tuple((r, v) for r, v in a.uses if v > 0)


def _in_full(answer: Any, best: Any, numbers: Numbers) -> tuple[Any, Certificate]:
    """The answer in the user's own rows, with idle things beside those at work.

    Two rows fix each number; their prices follow from the price of one that is paid for
    already. Returned with the judge's word on the program at these numbers; the
    answer itself carries the gap to the continuous bound.
    """
    program, n = answer.program, len(answer.program.rows)
    rows, activities = list(program.rows), list(program.activities)
    duals, levels = list(best.duals[:n]), list(best.allocation.levels)
    for place, count in enumerate(program.counts):
        units, name = numbers[count.name] * count.size, _named(count)
        most, least = len(rows), len(rows) + 1
        rows += [Row(f"{name}, at most", count.noun, units)]
        rows += [Row(f"{name}, at least", count.noun, -units)]
        fixed = ((most, 1.0), (least, -1.0))
        one = activities[count.activities[0]]
        full = one.cost + sum(v * best.duals[r] for r, v in _spent(one))
        over = float(best.duals[n + place]) - full  # worth of one over what it costs
        duals += [max(over, 0.0), max(-over, 0.0)]
        for i in count.activities:
            activities[i] = replace(activities[i], uses=(*activities[i].uses, *fixed))
        idle = Activity(
            f"idle {name}",
            (*_spent(one), *fixed),
            one.cost,
            one.account,
            upper=units,
            labels={"idle": count.name},
        )
        activities.append(idle)
        levels.append(max(units - sum(levels[i] for i in count.activities), 0.0))
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
    dual = answer.certificate.dual
    gap = float((dual - inner.primal) / gap_scale(program, inner.primal, dual))
    judged = replace(inner, dual=dual, relative_gap=gap)
    final = replace(best, program=whole, allocation=allocation, duals=prices, certificate=judged)
    return final, inner
