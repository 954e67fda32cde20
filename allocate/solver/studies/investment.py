"""An investment: the training in an allocation, apart from it and put back in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows
from allocate.solver.studies.terms import held


@dataclass(frozen=True)
class Investment:
    """Levels of the training activities by name, flows of the assets, capability by model."""

    levels: Mapping[str, float] = field(default_factory=dict)
    flows: Flows | None = None
    capability: Mapping[str, float] = field(default_factory=dict)

    def assets(self, n_uses: int) -> Flows:
        """Flows of the assets, none where nothing is invested."""
        return Flows.empty(n_uses) if self.flows is None else self.flows


def is_training(program: Program) -> np.ndarray:
    """[activities]: whether it is the trainer's to decide."""
    curved = {i for t in program.terms for i in t.activities}
    return np.array(
        [
            a.labels.get("layer") == "training" or i in curved or a.account == "training"
            for i, a in enumerate(program.activities)
        ],
        bool,
    )


def without_training(program: Program, invested: Investment) -> tuple[Program, np.ndarray]:
    """The program with the investment made; and the numbers of the activities that are left."""
    fixed = is_training(program)
    levels = np.array([invested.levels.get(a.name, 0.0) for a in program.activities])
    flows: list[Flows | None] = [None]
    for stream in program.streams[1:]:
        flows.append(invested.assets(stream.n_uses))
    return held(program, flows, levels, fixed)


def payments(program: Program, invested: Investment) -> float:
    """USD per hour that an investment itself is paid, before the lanes that it runs on."""
    return sum(
        a.cost * invested.levels.get(a.name, 0.0)
        for a, mine in zip(program.activities, is_training(program), strict=True)
        if mine and a.cost > 0
    )


def investment(program: Program, levels: np.ndarray, flows: Flows | None) -> Investment:
    """The training in an allocation's levels, with the flows of its assets."""
    named, capability = {}, {}
    for a, level, mine in zip(program.activities, levels, is_training(program), strict=True):
        if mine and level > 0:
            named[a.name] = float(level)
        if a.labels.get("gain"):
            model = a.labels["model"]
            capability[model] = capability.get(model, 0.0) + float(level)
    return Investment(named, flows, capability)


def plan_of(program: Program, allocation: Allocation) -> Investment:
    """The training of a whole program's allocation."""
    assets = allocation.flows[1] if len(allocation.flows) > 1 else None
    return investment(program, allocation.levels, assets)
