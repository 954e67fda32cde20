"""What a diagnosis stands on: the joint answer, its shared prices, and one menu of speeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from allocate.models.loader import Loaded
from allocate.models.program import Allocation, Program
from allocate.solver.methods.start import settled as break_even
from allocate.solver.solution import Solution
from allocate.solver.solve import solve
from allocate.solver.studies.caps import Caps
from allocate.solver.studies.common import duals_of, in_parts, prices_of, with_speeds
from allocate.solver.studies.diagnosis.local import shares_of
from allocate.solver.studies.diagnosis.repairs import DECISIONS
from allocate.solver.studies.ground import Ground
from allocate.solver.studies.investment import Investment, plan_of
from allocate.solver.studies.joint import joint
from allocate.solver.studies.scene import Outcome, Scene

Progress = Callable[[dict], None]


@dataclass(frozen=True)
class Stage:
    """A scene with the shared prices of its rows by name, and the joint welfare, USD per hour.

    ``error`` is what the certificate of the joint answer leaves open, USD per hour.
    """

    solution: Solution
    scene: Scene
    prices: Mapping[str, float]
    welfare: float
    error: float

    @cached_property
    def plan(self) -> Investment:
        """The training of the joint answer."""
        return plan_of(self.solution.program, self.solution.allocation)

    @cached_property
    def usual(self) -> dict[str, dict[tuple[int, str], float]]:
        """By decision, the joint answer's shares of (member, what is decided)."""
        stream, flows = self.solution.program.streams[0], self.solution.allocation.flows[0]
        return {d: shares_of(stream, flows, d) for d in DECISIONS}

    def duals(self, program: Program) -> np.ndarray:
        """[rows]: the shared prices of a program of the scene; idle lanes break even."""
        return break_even(program, duals_of(program, self.prices))

    def whole(self, capability: Mapping[str, float]) -> Program:
        """The program with its training; a success point has its worth in the joint answer."""
        worth = {m: w for m, w in self.solution.built.state.worth.items() if w > 0}
        return self.scene.built(capability, worth).program

    def requests(self, outcome: Outcome) -> tuple[Ground, Allocation]:
        """An outcome's requests, on what its training leaves."""
        ground, left = self.scene.ground(outcome.invested)
        whole = outcome.solution.allocation
        return ground, Allocation((whole.flows[0],), whole.levels[left])


def stage(
    loaded: Loaded,
    speeds: Mapping[str, Iterable[float]] | None = None,
    method: str = "auto",
    tolerance: float = 1e-6,
    seed: int = 0,
    progress: Progress | None = None,
) -> Stage:
    """Solve jointly, and once more on a menu of speeds that has ``speeds`` by lane family too.

    Raises:
        SolveError: the config has no answer.
    """
    loaded = in_parts(loaded)
    solution = solve(loaded, method, tolerance, seed, progress, ranges=False)
    prices, grid = prices_of(solution), with_speeds(solution, speeds or {})
    scene = Scene(loaded, grid, prices, tolerance)
    first = Stage(solution, scene, prices, solution.welfare, solution.certificate.error)
    if {k: list(v) for k, v in solution.built.state.grid.items()} == grid:
        return first
    best = joint(scene, Caps(), prices, first.plan)
    welfare = max(best.welfare, solution.welfare)
    return replace(
        first,
        scene=replace(scene, prices={**prices, **best.prices}),
        prices={**prices, **best.prices},
        welfare=welfare,
        error=best.error,
    )
