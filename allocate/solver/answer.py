"""One program solved and judged, whatever the method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows
from allocate.solver.certificate import Certificate, certify
from allocate.solver.methods.newton import newton
from allocate.solver.methods.prices import SMALL, solve_prices

Progress = Callable[[dict], None]
METHODS = ("auto", "prices", "conic")


@dataclass
class Answer:
    """A program with prices, an allocation and the judge's word."""

    program: Program
    duals: np.ndarray
    allocation: Allocation
    certificate: Certificate
    method: str
    iterations: int = 0
    passes: int = 0
    stopped: bool = False


@dataclass(frozen=True)
class Request:
    """How an answer is wanted."""

    method: str = "auto"
    tolerance: float = 1e-6
    seed: int = 0
    progress: Progress | None = None

    def telling(self, **more: object) -> Progress | None:
        """Progress that says where in the work it comes from."""
        tell = self.progress
        return None if tell is None else lambda state: tell({**state, **more})


def answer_to(
    program: Program,
    duals: np.ndarray,
    request: Request,
    warm: bool = False,
    said: Mapping[str, object] | None = None,
) -> Answer:
    """Solve from some prices (``warm``: near the answer's) and judge.

    ``auto`` is the price-directed method, and the conic one where that is not certified.
    """
    tell = request.telling(**(said or {}))
    found = []
    if request.method in ("auto", "prices"):
        found.append(_by_prices(program, duals, request, warm, tell))
        if found[0].certificate.holds or found[0].stopped or request.method == "prices":
            return found[0]
    if request.method == "auto" and max(len(s.rate) for s in program.streams) > SMALL:
        return found[0]  # a size at which no conic solver has an answer
    from allocate.solver.methods.conic import solve_master  # CVXPY takes seconds to import

    master = solve_master(program, duals, request.tolerance, progress=tell)
    finished = _judged(program, newton(program, master.duals, progress=tell), request, "conic")
    finished.iterations += master.rounds
    finished.passes += master.passes
    found.append(finished)
    return min(found, key=_worse)


def _worse(answer: Answer) -> tuple[bool, float]:
    c = answer.certificate
    return not c.holds, max(abs(c.relative_gap), c.max_violation)


def _by_prices(
    program: Program, duals: np.ndarray, request: Request, warm: bool, tell: Progress | None
) -> Answer:
    result = solve_prices(program, duals, request.tolerance, request.seed, warm, tell)
    return _judged(program, result, request, "prices")


def _judged(program: Program, result, request: Request, method: str) -> Answer:
    allocation = result.allocation or nothing(program)
    certificate = certify(program, allocation, result.duals, request.tolerance)
    return Answer(
        program,
        result.duals,
        allocation,
        certificate,
        method,
        result.iterations,
        result.passes,
        result.stopped,
    )


def nothing(program: Program) -> Allocation:
    """Everything declined: what is left when no allocation was found."""
    flows = tuple(Flows.empty(s.n_uses) for s in program.streams)
    return Allocation(flows, np.zeros(len(program.activities)))
