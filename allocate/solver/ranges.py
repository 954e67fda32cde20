"""How far a price holds: capacities between which it stays within 10 %, by re-solving."""

from __future__ import annotations

import numpy as np

from allocate.models.program import Allocation, Program, Resource
from allocate.solver.certificate import certify
from allocate.solver.methods.newton import newton

BAND = 0.10
_FIRST, _GROWTH, _WIDEST, _HALVINGS = 0.02, 4.0, 8.0, 3


def price_of(program: Program, resource: Resource, duals: np.ndarray, levels: np.ndarray) -> float:
    """Gain in welfare per hour for one more unit, with what is below the noise set to 0."""
    return program.value_of(resource, duals, levels)


def price_ranges(
    program: Program, duals: np.ndarray, allocation: Allocation, tolerance: float
) -> dict[str, tuple[float | None, float | None]]:
    """For every resource with a price: (lowest, highest) capacity at which it still holds.

    None means that no end was met within ``_WIDEST`` times the capacity.
    """
    out = {}
    noise = 1e-9 * max(abs(program.welfare(allocation)), 1e-300)
    for resource in program.resources:
        value = price_of(program, resource, duals, allocation.levels)
        if not resource.capacity or value * resource.capacity <= noise:
            continue
        ends = [_end(program, resource, duals, value, sign, tolerance) for sign in (-1.0, 1.0)]
        out[resource.path] = (ends[0], ends[1])
    return out


def _end(
    program: Program,
    resource: Resource,
    duals: np.ndarray,
    value: float,
    sign: float,
    tolerance: float,
) -> float | None:
    """The capacity at which the price leaves the band, in one direction."""
    capacity = float(resource.capacity or 0.0)
    inside, outside, step, start = 0.0, None, _FIRST, duals
    widest = 1.0 if sign < 0 else _WIDEST
    while step <= widest:
        price, start = _price_at(program, resource, capacity * (1 + sign * step), start, tolerance)
        if price is None or abs(price - value) > BAND * value:
            outside = step
            break
        inside, step = step, step * _GROWTH
    if outside is None:
        return (
            0.0 if sign < 0 and inside >= 1.0 else (None if sign > 0 else capacity * (1 - inside))
        )
    for _ in range(_HALVINGS):
        middle = 0.5 * (inside + outside)
        price, _ = _price_at(program, resource, capacity * (1 + sign * middle), start, tolerance)
        if price is not None and abs(price - value) <= BAND * value:
            inside = middle
        else:
            outside = middle
    return capacity * (1 + sign * inside)


def _price_at(
    program: Program, resource: Resource, capacity: float, duals: np.ndarray, tolerance: float
) -> tuple[float | None, np.ndarray]:
    changed = program.with_capacity(resource, capacity)
    result = newton(changed, duals, max_iterations=60)
    if result.allocation is None:
        return None, duals
    if not certify(changed, result.allocation, result.duals, tolerance).holds:
        return None, duals
    again = next(r for r in changed.resources if r.path == resource.path)
    return price_of(changed, again, result.duals, result.allocation.levels), result.duals
