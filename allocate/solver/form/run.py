"""How the answer was found."""

from __future__ import annotations

from pydantic import Field

from allocate.solver.form.part import Part


class Reused(Part):
    """What an earlier result gave to the search."""

    prices: int
    of: int


class Climbed(Part):
    """What gradient ascent found, start by start."""

    seeds: int
    feasible: int = Field(..., description="starts that ended inside every row")
    improved: bool = Field(..., description="one is better than the answer it began at")
    start_welfare: float
    best_welfare: float | None
    gaps: list[float | None] = Field(..., description="to the convex bound, relative")
    convex_bound: float


class SolverInfo(Part):
    """How the answer was found."""

    method: str | None
    iterations: int | None
    passes: float | None = Field(..., description="sweeps over all classes")
    peak_memory_mb: float | None
    reused: Reused | None = Field(None, description="known prices of all, after --warm-from")
    gradient: Climbed | None = Field(None, description="with --method gradient")
