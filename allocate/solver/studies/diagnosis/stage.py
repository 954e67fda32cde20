"""What a diagnosis stands on: the joint answer, its shared prices, and one menu of speeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from allocate.models import lanes as menus
from allocate.models.loader import Loaded
from allocate.models.program import Allocation, Program
from allocate.solver.methods.start import settled as break_even
from allocate.solver.solution import Solution
from allocate.solver.solve import solve
from allocate.solver.studies.baselines.flat import Caps
from allocate.solver.studies.baselines.ground import Ground
from allocate.solver.studies.baselines.trainer import Investment, investment
from allocate.solver.studies.diagnosis.local import shares_of
from allocate.solver.studies.diagnosis.repairs import DECISIONS
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
        flows = self.solution.allocation.flows
        assets = flows[1] if len(flows) > 1 else None
        return investment(self.solution.program, self.solution.allocation.levels, assets)

    @cached_property
    def usual(self) -> dict[str, dict[tuple[int, str], float]]:
        """By decision, the joint answer's shares of (member, what is decided)."""
        stream, flows = self.solution.program.streams[0], self.solution.allocation.flows[0]
        return {d: shares_of(stream, flows, d) for d in DECISIONS}

    @cached_property
    def optimum(self) -> Outcome:
        """The joint answer as if it were a baseline."""
        solution = self.solution
        config = solution.loaded.config
        fixed = not config.deployments or self.scene.grid == dict(solution.built.state.grid)
        if not fixed:
            raise LookupError("the joint answer stands on another menu of speeds")
        ground, _ = self.scene.ground(self.plan)
        names = {a.name: i for i, a in enumerate(solution.program.activities)}
        levels = np.array(
            [
                solution.allocation.levels[names[a.name]] if a.name in names else 0.0
                for a in ground.program.activities
            ]
        )
        requests = Allocation((solution.allocation.flows[0],), levels)
        return self.scene.outcome("optimum", requests, self.plan, {})

    def duals(self, program: Program) -> np.ndarray:
        """[rows]: the shared prices of a program of the scene; idle lanes break even."""
        known = np.array([self.prices.get(row.name, 0.0) for row in program.rows])
        return break_even(program, known)

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
    loaded = _in_parts(loaded)
    solution = solve(loaded, method, tolerance, seed, progress, ranges=False)
    prices = {r.name: float(d) for r, d in zip(solution.program.rows, solution.duals, strict=True)}
    grid = _grid(solution, speeds or {})
    scene = Scene(loaded, grid, prices, tolerance)
    certificate = solution.certificate
    error = abs(certificate.dual - certificate.primal) + certificate.max_violation * abs(
        certificate.primal
    )
    first = Stage(solution, scene, prices, solution.welfare, error)
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


def _in_parts(loaded: Loaded) -> Loaded:
    """Replicas in parts: whole ones are a matter of ``solve``."""
    config = loaded.config
    if not any(d.integer_replicas for d in config.deployments.values()):
        return loaded
    parts = {
        n: d.model_copy(update={"integer_replicas": False}) for n, d in config.deployments.items()
    }
    return replace(loaded, config=config.model_copy(update={"deployments": parts}))


def _grid(solution: Solution, more: Mapping[str, Iterable[float]]) -> dict[str, list[float]]:
    """The joint answer's menu of speeds with others, where the config lets them be any."""
    config = solution.loaded.config
    listed = menus.speeds(config, None)
    out: dict[str, list[float]] = {}
    for family, refined in solution.built.state.grid.items() or listed.items():
        d = config.deployments[family.removesuffix("+draft")]
        fixed = d.tpot_ms is not None or d.utilisations is not None
        out[family] = list(refined)
        fresh = [u for u in more.get(family, ()) if all(abs(u - v) > 1e-9 for v in refined)]
        if fresh and not fixed:
            out[family] = sorted([*refined, *fresh])
    return out
