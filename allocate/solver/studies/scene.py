"""A config on one menu of speeds, built at whatever capability training reaches.

All allocations of a study stand on the same menu, so they can be compared row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from allocate.models.builder import HOUR
from allocate.models.loader import Loaded
from allocate.models.program import Allocation
from allocate.models.stack import Built, State, build
from allocate.solver.certificate import certify
from allocate.solver.solution import Solution
from allocate.solver.studies.common import duals_of
from allocate.solver.studies.ground import Ground
from allocate.solver.studies.investment import Investment, is_training, without_training
from allocate.solver.studies.terms import MACHINES, SPENDING, spending

_GENEROUS = 10.0  # of what all requests are worth: no trainer, however wasteful, spends more

_KEPT = 6  # programs of the last capabilities that were asked for


@dataclass(frozen=True)
class Outcome:
    """A baseline: its allocation of the scene's program, judged under the true costs.

    ``about`` says what is worth knowing: knobs, rounds, what was assumed.
    """

    name: str
    solution: Solution
    invested: Investment
    about: dict

    @property
    def welfare(self) -> float:
        """USD per hour."""
        return self.solution.welfare

    @property
    def machines(self) -> float:
        """Paid for APIs, GPUs and training, USD per hour."""
        return spending(self.solution.program, self.solution.allocation, MACHINES)

    @property
    def spend(self) -> float:
        """Paid to anybody, humans included, USD per hour."""
        return spending(self.solution.program, self.solution.allocation, SPENDING)

    @property
    def violation(self) -> float:
        """USD per hour that the limits' rounding may be worth."""
        moved = sum(abs(usd) for usd in self.solution.objective.values())
        return self.solution.certificate.max_violation * moved


@dataclass(frozen=True)
class Scene:
    """A loaded config, a menu of speeds, and shared prices by row name for the judge."""

    loaded: Loaded
    grid: Mapping[str, Sequence[float]]
    prices: Mapping[str, float]
    tolerance: float = 1e-6
    _kept: dict[str, Built] = field(default_factory=dict, init=False, compare=False, repr=False)
    _grounds: dict[str, tuple[Ground, np.ndarray]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def built(
        self,
        capability: Mapping[str, float] | None = None,
        worth: Mapping[str, float] | None = None,
    ) -> Built:
        """The program at a capability by model; ``worth`` of a success point, USD per hour.

        Training is bounded by what it could earn. Where no worth is given a plan is made or
        judged that need not pay, so the bounds are those of a worth beyond any.
        """
        section, classes = self.loaded.config.training, self.loaded.classes
        models = {}
        if section is not None:
            most = _GENEROUS * HOUR * float(classes.rate_per_s @ classes.value_usd)
            models = dict.fromkeys((a.model for a in section.assets.values()), max(most, 1.0))
        state = State(self.grid, dict(capability or {}), {**models, **dict(worth or {})})
        key = repr((sorted(state.capability.items()), sorted(state.worth.items())))
        if key not in self._kept:
            _keep(self._kept, key, build(self.loaded.config, self.loaded.classes, state))
        return self._kept[key]

    def ground(self, invested: Investment) -> tuple[Ground, np.ndarray]:
        """What the other layers decide on once the trainer has invested."""
        key = repr((sorted(invested.levels.items()), sorted(invested.capability.items())))
        if key not in self._grounds:
            built = self.built(invested.capability)
            program, left = without_training(built.program, invested)
            _keep(self._grounds, key, (Ground(built, program), left))
        return self._grounds[key]

    def outcome(self, name: str, settled: Allocation, invested: Investment, about: dict) -> Outcome:
        """Put requests and training together again and let the judge look at it."""
        built = self.built(invested.capability)
        program = built.program
        train = is_training(program)
        levels = np.array([invested.levels.get(a.name, 0.0) for a in program.activities])
        levels[~train] = settled.levels
        flows = [settled.flows[0]]
        flows += [invested.assets(stream.n_uses) for stream in program.streams[1:]]
        allocation = Allocation(tuple(flows), levels)
        duals = duals_of(program, self.prices)
        solution = Solution(
            loaded=self.loaded,
            built=built,
            program=program,
            allocation=allocation,
            duals=duals,
            certificate=certify(program, allocation, duals, self.tolerance),
            solver={"method": name, "iterations": None, "passes": None, "peak_memory_mb": None},
        )
        return Outcome(name, solution, invested, about)


def _keep(kept: dict[str, Any], key: str, what: Any) -> None:
    """Keep one more, and forget the oldest where there are many."""
    while len(kept) >= _KEPT:
        del kept[next(iter(kept))]
    kept[key] = what
