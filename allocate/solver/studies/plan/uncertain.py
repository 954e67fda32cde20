"""What it is worth to plan for every scenario, and what it would be worth to know which one comes.

Reservations are made before the scenario is known. The same program is solved with reservations
made knowing it (perfect information), and with those of other plans held fixed: of the mean of
all scenarios, and of each scenario as if it were the only one. Birge and Louveaux, Introduction
to Stochastic Programming, chapter 4: EVPI and VSS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from allocate.errors import SolveError
from allocate.models.commitments import DemandScenario, GpuScenario, Uncertainty
from allocate.models.config import Config
from allocate.models.loader import Loaded
from allocate.models.moments import Moments
from allocate.solver.solution import Solution
from allocate.solver.studies.plan.case import Case, Progress

MOST = 10  # scenarios whose own plans are looked at
MEAN = "mean of the scenarios"

Reservations = Mapping[str, float]  # GPU type → GPUs


@dataclass(frozen=True)
class OtherPlan:
    """Reservations that were made for something else, held fixed in all scenarios.

    ``welfare`` is expected, USD per hour; None where they leave no answer, and ``why``.
    """

    plan: str
    reservations: dict[str, float]
    welfare: float | None
    loses_usd_per_hour: float | None
    why: str | None


@dataclass(frozen=True)
class Value:
    """Expected welfare of the stochastic answer, of knowing better, and of planning worse.

    All in USD per hour. ``evpi``: perfect less stochastic. ``vss``: stochastic less that of the
    plan for the mean. ``error`` is what the certificates leave open of each difference.
    """

    stochastic: float
    perfect: float | None
    evpi: float | None
    mean_value: float | None
    vss: float | None
    error_usd_per_hour: float
    plans: tuple[OtherPlan, ...]

    def to_dict(self) -> dict[str, Any]:
        """The entry ``uncertainty`` of a plan."""
        return asdict(self)


def asked(config: Config) -> bool:
    """Whether something is reserved before it is known what comes."""
    unknown = config.uncertainty
    if unknown is None or len(unknown.scenarios) < 2 or unknown.known:
        return False
    return any(g.reserved is not None for g in config.gpus.values())


def value_of_planning(case: Case, base: Solution, tell: Progress) -> Value:
    """What the stochastic answer gains over other plans, and loses to knowing what comes.

    Args:
        case: how the config is solved.
        base: the certified answer to it.
        tell: called with what is being done.
    """
    loaded, found = base.loaded, _Found(case, base)
    names = list(_uncertainty(loaded.config).scenarios)
    shown = names if len(names) <= MOST else []
    total, done = 3 + len(shown), 0

    def step() -> None:
        nonlocal done
        tell({"phase": "other plans", "done": done, "of": total})
        done += 1

    step()
    perfect, _ = found.solved(knowing(loaded))
    plans: list[OtherPlan] = []
    step()
    mean, why = found.solved(of_the_mean(loaded))
    step()
    if mean is not None:
        plans.append(found.judged(MEAN, reservations_of(mean)))
    else:
        plans.append(OtherPlan(MEAN, {}, None, None, why))
    for name in shown:
        step()
        if perfect is not None:
            plans.append(found.judged(name, reservations_of(perfect, name)))
    best = None if perfect is None else perfect.welfare
    return Value(
        base.welfare,
        best,
        None if best is None else best - base.welfare,
        plans[0].welfare,
        plans[0].loses_usd_per_hour,
        found.error,
        tuple(plans),
    )


@dataclass
class _Found:
    """Answers to changed configs, and how exact they are."""

    case: Case
    base: Solution
    worst: float = 0.0

    @property
    def error(self) -> float:
        """Of a difference to the base, USD per hour."""
        return self.base.certificate.error + self.worst

    def solved(self, loaded: Loaded) -> tuple[Solution | None, str | None]:
        """(the answer, None), or (None, why there is none)."""
        try:
            out = self.case.answer(loaded, self.base.to_dict())
        except SolveError as error:
            return None, error.message
        if not out.certificate.holds:
            return None, "not certified"
        self.worst = max(self.worst, out.certificate.error)
        return out, None

    def judged(self, plan: str, reserved: Reservations) -> OtherPlan:
        """What reservations come to in all scenarios."""
        out, why = self.solved(with_reservations(self.base.loaded, reserved))
        if out is None:
            return OtherPlan(plan, dict(reserved), None, None, why)
        loses = self.base.welfare - out.welfare
        return OtherPlan(plan, dict(reserved), out.welfare, loses, None)


# --- other configs ------------------------------------------------------------------------------


def _uncertainty(config: Config) -> Uncertainty:
    assert config.uncertainty is not None  # asked only of configs with scenarios
    return config.uncertainty


def knowing(loaded: Loaded) -> Loaded:
    """The config in which it is known what comes when GPUs are reserved."""
    unknown = _uncertainty(loaded.config).model_copy(update={"known": True})
    return replace(loaded, config=loaded.config.model_copy(update={"uncertainty": unknown}))


def of_the_mean(loaded: Loaded) -> Loaded:
    """The config with one scenario: the mean of all, class by class and GPU type by GPU type."""
    config, classes = loaded.config, loaded.classes
    scenarios = _uncertainty(config).scenarios.values()
    p = np.array([s.probability for s in scenarios])
    scale = np.array([s.demand_scale for s in scenarios])
    factor = Moments.of(config).rate_factor(classes)
    each = (p * scale) @ (np.ones((len(p), len(classes))) if factor is None else factor)
    gpus = {
        name: GpuScenario(
            available_scale=_mean(p, [_gpu(s, name).available_scale for s in scenarios]),
            price_scale=_mean(p, [_gpu(s, name).price_scale for s in scenarios]),
        )
        for name in config.gpus
    }
    unknown = _uncertainty(config).model_copy(
        update={"scenarios": {"mean": DemandScenario(probability=1.0, gpus=gpus)}}
    )
    return replace(
        loaded,
        config=config.model_copy(update={"uncertainty": unknown}),
        classes=replace(classes, rate_per_s=classes.rate_per_s * each),
    )


def _mean(p: np.ndarray, values: list[float]) -> float:
    return float(p @ np.array(values))


def _gpu(scenario: DemandScenario, name: str) -> GpuScenario:
    return scenario.gpus.get(name, GpuScenario())


def with_reservations(loaded: Loaded, reserved: Reservations) -> Loaded:
    """The config with reservations held fixed."""
    gpus = dict(loaded.config.gpus)
    for name, many in reserved.items():
        offer = gpus[name].reserved
        assert offer is not None  # only what can be reserved is fixed
        fixed = offer.model_copy(update={"committed": many, "available": many})
        gpus[name] = gpus[name].model_copy(update={"reserved": fixed})
    return replace(loaded, config=loaded.config.model_copy(update={"gpus": gpus}))


def reservations_of(solution: Solution, scenario: str | None = None) -> dict[str, float]:
    """GPUs that an answer reserves, by type; with ``scenario`` those reserved knowing it."""
    lines = solution.layers.capacity()["reservations"]
    return {r["gpu"]: max(r["gpus"], 0.0) for r in lines if r.get("scenario") == scenario}
