"""How far a price holds: the capacities between which it stays within 10 %.

A capacity is traded at the price at the edge of the band: the program may buy as much more of
it, or sell as much of what it has, as pays. What it then holds is where the price reaches the
edge, exactly, since welfare is concave in a capacity. So an end is one solve, and the judge
certifies it like any other. A capacity that a decision multiplies (KV memory of every replica)
has no such market: there the program is solved again at other capacities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import root_scalar

from allocate.models.program import Activity, Allocation, Program, Resource
from allocate.solver.balanced import Splits, at_best_speeds
from allocate.solver.certificate import certify, dual_bound
from allocate.solver.methods.narrow import narrowed
from allocate.solver.methods.newton import Result, newton
from allocate.solver.methods.prices import SMALL, near_by

BAND = 0.10
_MOST = 8.0  # times the capacity: no end is looked for beyond so much more
_TOLERANCE = 1e-6  # of the certificate of an end
_STEPS = {-1.0: (0.02, 0.1, 0.4, 0.7, 0.9, 0.98), 1.0: (0.02, 0.1, 0.4, 1.0, 3.0, _MOST)}
_NEAR = 0.01  # of the capacity: ends that are searched for are met to so much

Range = tuple[float | None, float | None]
Solve = Callable[[Program, np.ndarray], Result]


def price_ranges(
    program: Program,
    duals: np.ndarray,
    allocation: Allocation,
    solve: Solve = near_by,
    progress: Callable[[dict], None] | None = None,
    splits: Splits | None = None,
) -> dict[str, Range]:
    """For every resource with a price: (lowest, highest) capacity at which it still holds.

    None is an end that is not known: it was not met within eight times the capacity more, or
    what was found could not be certified. ``solve`` finds prices and an allocation from a
    start; ``progress`` is told ``{"phase": "ranges", "done": n, "of": all}`` before each;
    ``splits`` tells the prices at which the lanes of the program run at their best speeds.
    """
    noise = 1e-9 * max(abs(program.welfare(allocation)), 1e-300)
    priced = []
    for resource in program.resources:
        value = program.value_of(resource, duals, allocation.levels)
        if resource.capacity and abs(value) * resource.capacity > noise:
            priced.append((resource, value))
    near = narrowed(program, duals)
    out: dict[str, Range] = {}
    for done, (resource, value) in enumerate(priced):
        if progress is not None:
            progress({"phase": "ranges", "done": done, "of": len(priced)})
        low, high = (
            _traded(program, near, resource, duals, value, sign, solve)
            if resource.rows
            else _searched(near, resource, duals, value, sign, splits)
            for sign in (-1.0, 1.0)
        )
        out[resource.path] = low, high
    return out


# --- a capacity that can be traded -----------------------------------------------------------


def _traded(
    program: Program,
    near: Program,
    resource: Resource,
    duals: np.ndarray,
    value: float,
    sign: float,
    solve: Solve,
) -> float | None:
    """The capacity that is held when it is traded at the edge of the band, or None."""
    edge = value - sign * BAND * abs(value)
    start = duals.copy()
    for r, _ in resource.rows:
        start[r] *= edge / value
    return held_when_traded(program, near, resource, start, edge, sign, solve)


def held_when_traded(
    program: Program,
    near: Program,
    resource: Resource,
    start: np.ndarray,
    edge: float,
    sign: float,
    solve: Solve = near_by,
) -> float | None:
    """The capacity that is held when more of it is bought, or what there is sold, at a price.

    Args:
        program: whole.
        near: the program with the arms that matter at these prices.
        resource: has rows of its own.
        start: [rows] prices to begin with.
        edge: the price it is traded at, in its unit.
        sign: 1 to buy up to eight times the capacity, -1 to sell.
        solve: finds prices and an allocation from a start.

    Returns:
        the capacity; None where the trade has no end there or is not certified.
    """
    capacity = float(resource.capacity or 0.0)
    most = capacity if sign < 0 else _MOST * capacity
    market = _with_market(near, resource, edge, most, sign)
    found = solve(market, start)
    whole = _with_market(program, resource, edge, most, sign)
    if found.allocation is None or not np.isfinite(found.duals).all():
        return None
    judged = certify(market, found.allocation, found.duals, _TOLERANCE)
    # arms that were left out may be the best at the edge: then all of them are needed
    scale = max(abs(judged.primal), abs(judged.dual), 1e-300)
    if not judged.holds or dual_bound(whole, found.duals) - judged.dual > _TOLERANCE * scale:
        found = solve(whole, found.duals)
        if found.allocation is None:
            return None
        judged = certify(whole, found.allocation, found.duals, _TOLERANCE)
    if not judged.holds:
        return None
    traded = float(found.allocation.levels[-1])
    if sign > 0 and traded >= most * (1.0 - 1e-6):
        return None
    end = capacity + sign * traded
    return 0.0 if end <= 1e-9 * capacity else end


def _with_market(
    program: Program, resource: Resource, edge: float, most: float, sign: float
) -> Program:
    """The program with a last activity that sells (sign -1) or buys a resource at a price.

    Bounds that only keep the dual finite are widened, so that they do not bind in place of
    the capacity that grows.
    """
    uses = tuple((r, -sign * weight) for r, weight in resource.rows)
    market = Activity("market", uses, sign * edge, upper=most)
    others = (
        replace(a, upper=(1.0 + _MOST) * a.upper) if a.loose and sign > 0 else a
        for a in program.activities
    )
    return replace(program, activities=(*others, market))


# --- a capacity that a decision multiplies ----------------------------------------------------


def price_at(
    program: Program,
    resource: Resource,
    capacity: float,
    start: np.ndarray,
    splits: Splits | None = None,
) -> tuple[float, np.ndarray]:
    """(price of a resource, prices of the rows) at another capacity, from prices near by.

    Raises:
        ArithmeticError: the search for prices did not end there.
    """
    changed = program.with_capacity(resource, capacity)
    if len(changed.streams[0].rate) > SMALL:
        found = near_by(changed, start)
        ended = found.allocation is not None
    else:
        found = newton(
            changed, start, max_iterations=40, tolerance=1e-8, allocate=splits is not None
        )
        ended = found.converged
    if not ended or found.levels is None:
        raise ArithmeticError
    duals = found.duals
    if splits is not None and found.allocation is not None:
        duals = at_best_speeds(changed, splits, found.allocation, duals)
    return changed.value_of(resource, duals, found.levels), found.duals


def _searched(
    program: Program,
    resource: Resource,
    duals: np.ndarray,
    value: float,
    sign: float,
    splits: Splits | None,
) -> float | None:
    """The capacity nearest to the present one, in one direction, where the price leaves."""
    capacity = float(resource.capacity or 0.0)
    start, inside = duals, 0.0

    def excess(step: float) -> float:
        """How far outside the band the price is, as a share of it; raises if it has none."""
        nonlocal start
        moved = capacity * (1.0 + sign * step)
        price, start = price_at(program, resource, moved, start, splits)
        return abs(price - value) / (BAND * abs(value)) - 1.0

    try:
        for step in _STEPS[sign]:
            if excess(step) > 0:
                end = root_scalar(
                    lambda s: excess(s) if s > 0 else -1.0, bracket=(inside, step), xtol=_NEAR
                )
                return capacity * (1.0 + sign * float(end.root))
            inside = step
    except ArithmeticError:
        return None
    return None
