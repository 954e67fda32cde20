"""One program solved and judged, from prices that are known already, matched by row name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from allocate.errors import SolveError
from allocate.models.program import Allocation, Program
from allocate.solver.answer import Answer, Request, answer_to
from allocate.solver.certificate import Certificate
from allocate.solver.methods.start import first_prices


@dataclass(frozen=True)
class Solved:
    """A program's answer. ``error`` is how far its welfare may be from the truth, USD/h."""

    program: Program
    allocation: Allocation
    duals: np.ndarray
    certificate: Certificate

    @property
    def error(self) -> float:
        """Gap and violation of the certificate, in USD per hour."""
        return self.certificate.error

    @property
    def named_duals(self) -> dict[str, float]:
        """Prices by the name of their row."""
        return {r.name: float(d) for r, d in zip(self.program.rows, self.duals, strict=True)}


def solved(
    program: Program, known: Mapping[str, float] | None = None, tolerance: float = 1e-6
) -> Solved:
    """Solve a program from known prices; from the first ones, by any method, if that fails.

    Raises:
        SolveError: if no feasible allocation was found.
    """
    found: list[Answer] = []
    if known:
        start = np.array([known.get(r.name, 0.0) for r in program.rows])
        found.append(answer_to(program, start, Request("prices", tolerance), warm=True))
    if not found or not found[0].certificate.holds:
        found.append(answer_to(program, first_prices(program), Request("auto", tolerance)))
    certified = [a for a in found if a.certificate.holds]
    feasible = certified or [a for a in found if a.certificate.feasible]
    if not feasible:
        raise SolveError("infeasible", "no allocation keeps every limit")
    best = max(feasible, key=lambda a: a.certificate.primal)
    return Solved(program, best.allocation, best.duals, best.certificate)
