"""What one more unit of a capacity is worth, and the capacity at which buying more stops paying.

A price falls as its capacity grows, since welfare is concave in a capacity. Where it reaches 0
the next unit brings what it costs: buying stops paying there. That capacity is found by letting
the program buy at next to nothing; then the config is solved again with it, as ``--set`` would,
so that the gain of going there is a certified one and the price there is seen to be gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import root_scalar

from allocate.errors import ConfigError, SolveError
from allocate.models.program import Program, Resource
from allocate.solver.balanced import Splits
from allocate.solver.methods.narrow import narrowed
from allocate.solver.price_list import Price
from allocate.solver.ranges import held_when_traded, price_at
from allocate.solver.solution import Solution
from allocate.solver.studies.plan.case import Checks, rounded

EDGE = 1e-3  # of what a unit costs, or of its price: bought at so little, all that pays is held
GONE = 0.03  # of the same: a price that is down to so much is gone
_ROUNDS = 6  # of solving again from where the last one stopped
_STEPS = (0.25, 1.0, 3.0, 8.0)  # times the capacity more, where it cannot be traded
_NEAR = 1e-3  # of the capacity: to so much a search meets it
_STILL = 1e-4  # of the capacity: an end so near is where it stands
_FIRST = 1.0  # unit of a capacity that there is none of yet


@dataclass(frozen=True)
class Worth:
    """One resource: its price, and where buying more of it (or giving some up) stops paying.

    ``until`` is None where that is not known or not to be asked, which ``why`` explains.
    ``gain`` is the welfare gained by going there and ``error`` what its certificates leave
    open, USD per hour.
    """

    price: Price
    until: float | None
    gain: float | None
    error: float | None
    why: str

    def to_dict(self) -> dict[str, Any]:
        """The entry of ``resources[]``."""
        price = self.price
        return {
            **price.to_dict(),
            "net": price.value,
            "spare": spare(price),
            "buy_until": self.until,
            "gain_usd_per_hour": self.gain,
            "error_usd_per_hour": self.error,
            "why": self.why,
        }


def spare(price: Price) -> float | None:
    """What of a capacity is never used, in its unit."""
    if price.binding or price.used is None or price.capacity is None:
        return None
    return max(price.capacity - price.used, 0.0)


def error_between(one: Solution, other: Solution) -> float:
    """How far the difference of two welfares may be from the truth, USD per hour."""
    return one.certificate.error + other.certificate.error


def worth_of(base: Solution, checks: Checks, price: Price) -> Worth:
    """Where buying more of a resource stops paying.

    Args:
        base: the answer to the config as it is; has prices.
        checks: solves the config again.
        price: of the resource, from ``base``.
    """
    if not price.binding:
        return Worth(price, None, None, None, _unused(price))
    if "whole replicas" in price.sentence:
        why = "replicas are whole: its worth goes in steps; look at them with --sweep"
        return Worth(price, None, None, None, why)
    try:
        until, there, gone = _until(base, checks, price)
    except SolveError as error:
        return Worth(price, None, None, None, f"not found: {error.message}")
    except ConfigError as error:
        why = f"not found: {error.problems[0].message}"
        return Worth(price, None, None, None, why)
    gain, error = there.welfare - base.welfare, error_between(base, there)
    if not gone:
        left = value_of(there, price.resource)
        why = f"not met: at {until:.6g} one more is still worth {left:.3g} {price.unit}"
        return Worth(price, None, None, None, why)
    if gain <= error:
        why = "going there gains nothing beyond the certificates' error"
        return Worth(price, until, 0.0, error, why)
    way = "more" if until > (price.capacity or 0.0) else "less"
    why = f"beyond it {way} brings nothing: the next unit costs what it brings"
    return Worth(price, until, gain, error, why)


def _unused(price: Price) -> str:
    left = spare(price)
    if left is None or left <= 0:
        return "nobody would pay for more of it"
    return "there is some to spare: more would lie idle"


def value_of(solution: Solution, path: str) -> float:
    """The price of a resource; 0 where it is not priced."""
    return next((p.value for p in solution.prices if p.resource == path), 0.0)


def resource_of(program: Program, path: str) -> Resource:
    """The resource at a path."""
    return next(r for r in program.resources if r.path == path)


def _until(base: Solution, checks: Checks, price: Price) -> tuple[float, Solution, bool]:
    """(capacity where the price is gone, or as far as was looked; answer there; is it gone).

    It is gone where the new answer's price is, or where that answer would buy no more at next
    to nothing: at a corner the price is any number between the slopes before and after.
    """
    path, current = price.resource, base
    capacity = float(price.capacity or 0.0)
    sign, size = 1.0 if price.value > 0 else -1.0, scale_of(price)
    if capacity == 0.0 and sign > 0:
        capacity = _FIRST
        current = checks.at({path: capacity}, base.to_dict())
    for _ in range(_ROUNDS):
        if abs(value_of(current, path)) <= GONE * size:
            return capacity, current, True
        end = stop(current, path, EDGE * size * sign)
        if end is not None and abs(end - capacity) <= _STILL * capacity:
            return capacity, current, True
        further = capacity * 9.0 if sign > 0 else 0.0
        following = _typed(path, further if end is None else end, sign)
        if following == capacity:  # a share that is all there is
            break
        current = checks.at({path: following}, current.to_dict())
        capacity = following
    return capacity, current, abs(value_of(current, path)) <= GONE * size


def scale_of(price: Price) -> float:
    """What a price is small against: what is paid for a unit, or the price if that is less."""
    return min(abs(price.value), price.pay) if price.pay else abs(price.value)


def _typed(path: str, capacity: float, sign: float) -> float:
    """The capacity as it would be typed; a share stays one, rounded to the safe side of it."""
    value = rounded(capacity * (1.0 + 1e-6 * sign))
    return min(value, 1.0) if path.endswith("_share") else value


def stop(solution: Solution, path: str, edge: float) -> float | None:
    """The capacity at which a price is down to ``edge``, on the answer's own menu of speeds."""
    program, duals = solution.program, solution.duals
    resource, sign = resource_of(program, path), 1.0 if edge > 0 else -1.0
    near = narrowed(program, duals)
    if resource.rows:
        start = duals.copy()
        for r, _ in resource.rows:
            start[r] *= EDGE
        return held_when_traded(program, near, resource, start, edge, sign)
    return _searched(near, resource, duals, edge, sign, solution.built.splits)


def _searched(
    program: Program,
    resource: Resource,
    duals: np.ndarray,
    edge: float,
    sign: float,
    splits: Splits,
) -> float | None:
    """The same where a decision multiplies the capacity: by solving at other capacities."""
    capacity = float(resource.capacity or 0.0)
    excess = _excess(program, resource, duals, edge, sign, splits)
    inside = 0.0
    try:
        for step in _STEPS if sign > 0 else (0.1, 0.4, 0.7, 0.9, 0.98):
            if excess(step) <= 0:
                end = root_scalar(excess, bracket=(inside, step), xtol=_NEAR, method="brentq")
                return capacity * (1.0 + sign * float(end.root))
            inside = step
    except (ArithmeticError, ValueError):
        return None
    return None


def _excess(
    program: Program,
    resource: Resource,
    duals: np.ndarray,
    edge: float,
    sign: float,
    splits: Splits,
) -> Callable[[float], float]:
    """How far a price is above ``edge`` once the capacity has moved by a share of itself."""
    capacity = float(resource.capacity or 0.0)
    start, known = duals, {}

    def excess(step: float) -> float:
        nonlocal start
        if step not in known:
            moved = capacity * (1.0 + sign * step)
            price, start = price_at(program, resource, moved, start, splits)
            known[step] = abs(price) - abs(edge)
        return known[step]

    return excess
