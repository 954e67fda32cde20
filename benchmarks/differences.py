"""Every price of a config against a finite difference of the welfare.

The program of the answer is solved again with one capacity a little smaller and a little
larger, everything else the same. A price at a kink lies between the two slopes.
"""

from __future__ import annotations

from typing import Any

from allocate.models.loader import load
from allocate.solver.answer import Request, answer_to
from allocate.solver.solve import solve

Record = dict[str, Any]
STEP = 1e-5  # of the capacity, to either side


def differences(path: str) -> list[Record]:
    """One record a resource: its price, the slopes below and above, and the error.

    ``error``: how far the price is from the mean slope, or outside of the two slopes where
    they differ by more than 1 %; relative to the price, 0 for both at 0.
    """
    solution = solve(load(path), ranges=False)
    program, duals, levels = solution.program, solution.duals, solution.allocation.levels
    quiet = Request("prices", 1e-9)
    welfare = solution.certificate.dual
    records = []
    for resource in program.resources:
        if not resource.capacity:
            continue
        price = program.value_of(resource, duals, levels)
        step = STEP * resource.capacity
        slopes = []
        for sign in (-1.0, 1.0):
            moved = program.with_capacity(resource, resource.capacity + sign * step)
            answer = answer_to(moved, duals, quiet, warm=True)
            slopes.append(sign * (answer.certificate.dual - welfare) / step)
        low, high = sorted(slopes)
        noise = 1e-11 * abs(welfare) / step  # gaps are 1e-11 and less
        size = max(abs(price), noise)
        kink = high - low > 0.01 * size
        if kink:
            error = max(low - price, price - high, 0.0) / size
        else:
            error = abs(price - 0.5 * (low + high)) / size
        records.append(
            {
                "resource": resource.path,
                "price": price,
                "below": slopes[0],
                "above": slopes[1],
                "kink": kink,
                "error": 0.0 if max(abs(price), abs(low), abs(high)) <= noise else error,
            }
        )
    return records
