"""How far a price holds: capacities between which it stays within 10 %, by re-solving.

Re-solves start from the answer's prices and only see arms that come near the best there;
they look for prices, so no allocation is recovered.
"""

from __future__ import annotations

import numpy as np

from allocate.models.program import Allocation, Program, Resource
from allocate.solver.methods.narrow import narrowed
from allocate.solver.methods.newton import newton

BAND = 0.10
_STEPS = (0.02, 0.1, 0.4, 1.0, 3.0, 8.0)
_HALVINGS = 2


def price_ranges(
    program: Program, duals: np.ndarray, allocation: Allocation
) -> dict[str, tuple[float | None, float | None]]:
    """For every resource with a price: (lowest, highest) capacity at which it still holds.

    None means that no end was met within eight times the capacity.
    """
    out = {}
    noise = 1e-9 * max(abs(program.welfare(allocation)), 1e-300)
    near = narrowed(program, duals)
    for resource in program.resources:
        value = program.value_of(resource, duals, allocation.levels)
        if not resource.capacity or abs(value) * resource.capacity <= noise:
            continue
        out[resource.path] = (
            _end(near, resource, duals, value, -1.0),
            _end(near, resource, duals, value, 1.0),
        )
    return out


def _end(
    program: Program, resource: Resource, duals: np.ndarray, value: float, sign: float
) -> float | None:
    """The capacity at which the price leaves the band, in one direction."""
    capacity = float(resource.capacity or 0.0)
    inside, outside, start = 0.0, None, duals
    for step in (s for s in _STEPS if sign > 0 or s < 1.0):
        price, start = _price_at(program, resource, capacity * (1 + sign * step), start)
        if price is None or abs(price - value) > BAND * abs(value):
            outside = step
            break
        inside = step
    if outside is None:
        return None if sign > 0 else 0.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (inside + outside)
        price, _ = _price_at(program, resource, capacity * (1 + sign * middle), start)
        if price is not None and abs(price - value) <= BAND * abs(value):
            inside = middle
        else:
            outside = middle
    return capacity * (1 + sign * inside)


def _price_at(
    program: Program, resource: Resource, capacity: float, duals: np.ndarray
) -> tuple[float | None, np.ndarray]:
    changed = program.with_capacity(resource, capacity)
    result = newton(changed, duals, max_iterations=40, tolerance=1e-8, allocate=False)
    if not result.converged or result.levels is None:
        return None, duals
    return changed.value_of(resource, result.duals, result.levels), result.duals
