"""One point of a sweep: the config solved with some values set, in this process or another."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from allocate.errors import ConfigError, SolveError
from allocate.plain import plain
from allocate.solver.solution import Solution
from allocate.solver.studies.plan.case import Case, Changes

PARTS = ("value", "money", "latency", "risk", "oversight", "training")
"""What welfare is made of, USD per hour."""
EMPTY = {
    "status": None,
    "welfare": None,
    "objective": dict.fromkeys(("welfare", *PARTS)),
    "relative_gap": None,
    "error_usd_per_hour": None,
    "holds": False,
    "prices": {},
    "message": None,
}


def solve_point(
    case: Case, changes: Changes, warm: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Solve one point.

    Args:
        case: the config and how it is solved.
        changes: dotted path → value.
        warm: the ``start`` of a finished point nearby.

    Returns:
        the entry of ``sweep[]``, with ``start`` for the points after it. A point without an
        answer is an entry too: its ``status`` and ``message`` say why.

    Raises:
        KeyboardInterrupt: the user stopped it.
    """
    clock = time.perf_counter()
    point: dict[str, Any] = {"set": dict(changes), **EMPTY}
    try:
        solution = case.solved(changes, None if warm is None else {"start": warm})
    except SolveError as error:
        told = "; ".join([error.message, *error.conflicts])
        point |= {"status": error.status, "message": told}
    except ConfigError as error:
        point |= {"status": "refused", "message": error.problems[0].message}
    else:
        point |= described(solution)
    return {**point, "seconds": time.perf_counter() - clock}


def described(solution: Solution) -> dict[str, Any]:
    """What a table of points keeps of an answer."""
    certificate = solution.certificate
    document = solution.to_dict()
    return plain(
        {
            "status": solution.status,
            "welfare": solution.welfare,
            "objective": {k: solution.objective[k] for k in ("welfare", *PARTS)},
            "relative_gap": certificate.relative_gap,
            "error_usd_per_hour": certificate.error,
            "holds": certificate.holds,
            "prices": {p.resource: p.value for p in solution.prices} if solution.priced else {},
            "start": document.get("start"),
        }
    )
