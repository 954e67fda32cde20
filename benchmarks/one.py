"""One instance solved, and what is kept of it."""

from __future__ import annotations

import time
from typing import Any

from allocate.errors import AllocateError, SolveError
from allocate.models.loader import load_dict
from allocate.solver.solution import Solution
from allocate.solver.solve import solve
from benchmarks.registry import REGISTRY

Record = dict[str, Any]


def run_one(
    name: str, classes: int, seed: int, method: str = "auto", tolerance: float = 1e-6
) -> Record:
    """Draw, solve and judge one instance; never raises what a solve may raise.

    ``status`` is the solver's word, or ``exception``; ``ok`` says that it is the one that
    the instance must have.
    """
    instance = REGISTRY[name]
    record: Record = {"instance": name, "classes": classes, "seed": seed, "method": method}
    record |= {"tolerance": tolerance, "expect": instance.expect}
    record |= {"status": "exception", "ok": False}
    clock = time.perf_counter()
    try:
        loaded = load_dict(instance.build(classes, seed))
        solution = solve(loaded, method=method, tolerance=tolerance, ranges=False)
        proof = solution.certificate
        record |= {
            "status": solution.status,
            "relative_gap": float(proof.relative_gap),
            "max_violation": float(proof.max_violation),
            "welfare": float(proof.primal),
            "by": solution.solver["method"],
            "iterations": int(solution.solver["iterations"]),
            "passes": int(solution.solver["passes"]),
            "arms": len(solution.program.streams[0].arms),
            "rows": len(solution.program.rows),
            "priced": int((solution.duals > 0).sum()),
            "served": _served(solution),
        }
    except SolveError as error:
        record |= {"status": error.status, "message": str(error)[:300]}
    except AllocateError as error:
        record["message"] = f"{type(error).__name__}: {error}"[:300]
    except Exception as error:  # any other exception is a failure of the product
        record["message"] = f"{type(error).__name__}: {error}"[:300]
    record["seconds"] = round(time.perf_counter() - clock, 4)
    record["ok"] = record["status"] == instance.expect
    return record


def _served(solution: Solution) -> float:
    """Share of the arrivals that are served: an instance that serves nobody shows nothing."""
    arrivals = float(solution.program.streams[0].rate.sum())
    served = float(solution.allocation.flows[0].requests.sum())
    return served / arrivals if arrivals > 0 else 0.0
