"""One instance by one method, judged by our certificate: one record, always of the same form.

Ours: ``auto``, ``prices``, ``conic``. General solvers on the whole program through CVXPY:
``clarabel``, ``scs``, ``ecos``, ``moreau``. On the linear families also ``highs-simplex``,
``highs-ipm``, ``pdlp`` at the tolerance and ``pdlp-strict`` at a hundredth of it. What a
general solver returns is judged twice: as it is, and with the infeasibility taken out
(``repair.py``).
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.solver.certificate import Certificate, certify
from benchmarks.families import FAMILIES

Record = dict[str, Any]
OURS = ("auto", "prices", "conic")
GENERAL = ("clarabel", "scs", "ecos", "moreau")
LINEAR = ("highs-simplex", "highs-ipm", "pdlp", "pdlp-strict")
METHODS = (*OURS, *GENERAL, *LINEAR)
_PACKAGES = {
    "prices": ("jax", "highspy", "clarabel"),
    "auto": ("jax", "highspy", "clarabel"),
    "conic": ("cvxpy", "clarabel"),
    "clarabel": ("cvxpy", "clarabel"),
    "scs": ("cvxpy", "scs"),
    "ecos": ("cvxpy", "ecos"),
    "moreau": ("cvxpy", "moreau"),
    "highs-simplex": ("highspy",),
    "highs-ipm": ("highspy",),
    "pdlp": ("ortools",),
    "pdlp-strict": ("ortools",),
}


def versions(method: str) -> dict[str, str]:
    """Of Python and of the packages that a method runs on."""
    out = {"python": platform.python_version()}
    for name in ("numpy", "scipy", *_PACKAGES.get(method, ())):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "not installed"
    return out


def machine() -> dict[str, Any]:
    """What times depend on, without names."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    cores = os.cpu_count()
    return {
        "architecture": platform.machine(),
        "cores": cores,
        "threads": len(allowed) or cores,
    }


def blank(name: str, classes: int, method: str, tolerance: float, seed: int) -> Record:
    """A record of the common form in which nothing is known yet; unknown is null."""
    return {
        "instance": name,
        "classes": classes,
        "arms": None,
        "rows": None,
        "seed": seed,
        "method": method,
        "tolerance": tolerance,
        "status": "not run",
        "ok": False,
        "seconds": None,
        "compile_seconds": None,
        "passes": None,
        "relative_gap": None,
        "max_violation": None,
        "peak_memory_mb": None,
        "versions": versions(method),
        "machine": machine(),
    }


def measure(
    name: str,
    classes: int,
    arms: int,
    rows: int,
    method: str = "prices",
    tolerance: float = 1e-6,
    seed: int = 0,
    limit_s: float = 3600.0,
    warm: bool = True,
) -> Record:
    """Build, solve and judge one instance of a family.

    ``seconds`` is the solve alone: what is compiled once a process stands in
    ``compile_seconds``, building the instance in ``setup_seconds``, judging in
    ``judge_seconds``. With ``warm``, prices are asked again after 5 % more of the capacity
    that is worth most.
    """
    from allocate.solver.solve import peak_memory_mb

    record = blank(name, classes, method, tolerance, seed)
    clock = time.perf_counter()
    program = FAMILIES[name].build(classes, arms, rows, seed)
    record |= {
        "setup_seconds": time.perf_counter() - clock,
        "arms": len(program.streams[0].arms),
        "rows": len(program.rows),
        "members": len(program.streams[0].rate),
        "instance_memory_mb": peak_memory_mb(),
        "read_seconds": _reading(program),
    }
    if method in OURS:
        record |= _ours(program, method, tolerance, seed, warm)
    else:
        record |= _general(program, method, tolerance, limit_s)
    record["peak_memory_mb"] = peak_memory_mb()
    return record


def _reading(program: Program) -> float:
    """Seconds to read the columns of the classes once."""
    stream = program.streams[0]
    clock = time.perf_counter()
    float(stream.features.sum() + stream.rate.sum() + stream.stake.sum())
    return time.perf_counter() - clock


def judged(proof: Certificate) -> Record:
    """What the certificate says, in the record's words."""
    return {
        "status": "optimal" if proof.holds else "feasible" if proof.feasible else "stopped",
        "ok": proof.holds,
        "relative_gap": float(proof.relative_gap),
        "max_violation": float(proof.max_violation),
        "welfare": float(proof.primal),
        "bound": float(proof.dual),
    }


# --- ours -----------------------------------------------------------------------------------


def _ours(program: Program, method: str, tolerance: float, seed: int, warm: bool) -> Record:
    solver = _Solver(method, tolerance, seed)
    _, whole = timed(lambda: solver(program))
    answer, seconds = timed(lambda: solver(program))  # again: now all is compiled
    proof, judging = timed(lambda: certify(program, answer.allocation, answer.duals, tolerance))
    out = judged(proof) | {
        "seconds": seconds,
        "compile_seconds": max(whole - seconds, 0.0),
        "judge_seconds": judging,
        "passes": int(answer.passes),
        "iterations": int(answer.iterations),
    }
    if warm and method == "prices" and program.resources:
        changed = dearer(program, answer.duals)
        again, spent = timed(lambda: solver(changed, answer.duals))
        proof = certify(changed, again.allocation, again.duals, tolerance)
        out |= {
            "warm_seconds": spent,
            "warm_passes": int(again.passes),
            "warm_relative_gap": float(proof.relative_gap),
            "warm_ok": proof.holds,
        }
    return out


class _Solver:
    """Our methods, on a program alone."""

    def __init__(self, method: str, tolerance: float, seed: int):
        self.method, self.tolerance, self.seed = method, tolerance, seed

    def __call__(self, program: Program, near: np.ndarray | None = None) -> Any:
        """Prices, allocation and counts; ``near`` are prices near the answer's."""
        from allocate.solver.answer import Request, answer_to, nothing
        from allocate.solver.methods.prices import solve_prices
        from allocate.solver.methods.start import first_prices

        start = first_prices(program) if near is None else near
        if self.method != "prices":
            return answer_to(program, start, Request(self.method, self.tolerance, self.seed))
        found = solve_prices(program, start, self.tolerance, self.seed, near is not None)
        if found.allocation is None:
            found.allocation = nothing(program)
        return found


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What some work returns, and its seconds."""
    clock = time.perf_counter()
    result = work()
    return result, time.perf_counter() - clock


def dearer(program: Program, duals: np.ndarray, more: float = 1.05) -> Program:
    """The program with more of the capacity that is worth most in all."""
    zero = np.zeros(len(program.activities))
    scarce = max(
        program.resources,
        key=lambda r: program.value_of(r, duals, zero) * (r.capacity or 0.0),
    )
    return program.with_capacity(scarce, more * (scarce.capacity or 0.0))


# --- general solvers -------------------------------------------------------------------------


def _general(program: Program, method: str, tolerance: float, limit_s: float) -> Record:
    allocation: Allocation | None
    if method in LINEAR:
        from benchmarks import linear

        try:
            problem, stating = timed(lambda: linear.Linear.of(program))
        except linear.NotLinear as error:
            return {"status": "not linear", "message": str(error)}
        threads = machine()["threads"]
        if method.startswith("pdlp"):
            asked = tolerance if method == "pdlp" else 0.01 * tolerance
            found, seconds = timed(lambda: linear.by_pdlp(problem, asked, limit_s, threads))
        else:
            how = method.removeprefix("highs-")
            found, seconds = timed(
                lambda: linear.by_highs(problem, how, tolerance, limit_s, threads)
            )
        said, x, prices, iterations = found
        allocation, duals = (None, None) if x is None else problem.answer(x, prices)
        size = {"columns": len(problem.gain), "entries": int(problem.use.nnz)}
    else:
        from benchmarks.statement import Statement

        statement, stating = timed(lambda: Statement.of(program))
        answer = statement.solve(method.upper(), tolerance, limit_s)
        said, allocation, duals = answer.status, answer.allocation, answer.duals
        seconds, iterations = answer.seconds, answer.iterations
        stating += answer.compile_seconds
        size = {}
    out = {"said": said, "seconds": seconds, "compile_seconds": stating, "iterations": iterations}
    out |= size
    if allocation is None or duals is None:
        return out | {"status": "no answer"}
    return out | _twice(program, allocation, duals, tolerance)


def _twice(program: Program, allocation: Allocation, duals: np.ndarray, tolerance: float) -> Record:
    """The certificate of an answer as it is, and repaired; the better of the two counts."""
    from benchmarks.repair import repaired

    before = certify(program, allocation, duals, tolerance)
    mended = certify(program, repaired(program, allocation), duals, tolerance)
    best = before if before.holds else mended
    return judged(best) | {
        "gap_before_repair": float(before.relative_gap),
        "violation_before_repair": float(before.max_violation),
        "violated_before_repair": before.violated,
        "gap_after_repair": float(mended.relative_gap),
    }
