"""The joint program of a scene with spending limited, or with some layers' decisions held.

Where training is free to move, routing and training are solved in turn until they agree, as in
``solve``; every answer's welfare is corrected to the capability that it reaches itself. Training
held at a plan that is known to be possible is always tried too, so that freedom never costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from allocate.errors import SolveError
from allocate.models.program import Program
from allocate.models.state import Built, worth_of
from allocate.solver.studies.caps import IN_ALL, Caps
from allocate.solver.studies.inner import Solved, solved
from allocate.solver.studies.investment import Investment, payments, plan_of, without_training
from allocate.solver.studies.scene import Scene
from allocate.solver.studies.terms import MACHINES, SPENDING, discounted, spending

Shape = Callable[[Program], Program]
_ROUNDS = 8
_AGREED = 1e-4  # routing and training agree on capability and its worth to this share
_CHEAP = 1e-3  # of its price: what a dollar counts for where only the limit should hold it back
_TRIALS = 8  # limits on spending that are tried
_FIRST = 1.0  # USD/h a success point is worth to training before routing has said it
_STILL = 1e-6  # a round that gains less than this share of welfare is the last


@dataclass(frozen=True)
class Answer:
    """The best found: true welfare and its error in USD/h, prices by row, the training with it."""

    welfare: float
    error: float
    answer: Solved
    built: Built
    invested: Investment
    held_spend: float = 0.0

    @property
    def prices(self) -> dict[str, float]:
        """Shared prices by the name of their row."""
        return self.answer.named_duals

    @property
    def spend(self) -> float:
        """Paid to anybody, USD per hour."""
        return self._paid(SPENDING)

    @property
    def machines(self) -> float:
        """Paid for APIs, GPUs and training, USD per hour."""
        return self._paid(MACHINES)

    def _paid(self, accounts: tuple[str, ...]) -> float:
        return self.held_spend + spending(self.answer.program, self.answer.allocation, accounts)

    @property
    def accounts(self) -> dict[str, float]:
        """Value and costs of the program's answer, USD per hour."""
        return self.answer.program.accounts(self.answer.allocation)


def unchanged(program: Program) -> Program:
    """Leave every decision free."""
    return program


def joint(
    scene: Scene,
    caps: Caps,
    known: Mapping[str, float],
    plan: Investment,
    shape: Shape = unchanged,
    free: bool = True,
    near: Answer | None = None,
) -> Answer:
    """The best allocation within limits on spending.

    Args:
        scene: the config on a menu of speeds.
        caps: limits on spending.
        known: prices by row name to start from.
        plan: training that is known to be possible within the limits.
        shape: what is held of the other layers' decisions.
        free: whether training may move away from the plan.
        near: an answer to a like question, whose training is where the search begins.
    """
    best: Answer | None = None
    try:
        best = _held(scene, caps, known, plan, shape)
    except SolveError:
        if not free:
            raise
    if best is not None and (not free or scene.loaded.config.training is None):
        return best
    begin = near or best
    trained = scene.loaded.config.training
    worth = {a.model: _FIRST for a in trained.assets.values()} if trained is not None else {}
    capability, last = dict(plan.capability), -float("inf")
    if begin is not None:
        known, routed = {**known, **begin.prices}, begin.answer
        worth = worth_of(begin.built, routed.program.streams[0], routed.allocation.flows[0])
        capability = dict(begin.invested.capability)
    for _ in range(_ROUNDS):
        built = scene.built(capability, worth)
        try:
            answer = solved(caps.limit(shape(built.program)), known, scene.tolerance)
        except SolveError:
            break
        known = answer.named_duals
        found = plan_of(answer.program, answer.allocation)
        stream, flows = answer.program.streams[0], answer.allocation.flows[0]
        fresh = worth_of(built, stream, flows)
        believed, reached = built.state.worth, found.capability
        moved = {m: reached.get(m, 0.0) - capability.get(m, 0.0) for m in fresh}
        truth = sum((fresh[m] - believed.get(m, 0.0)) * step for m, step in moved.items())
        welfare = answer.certificate.primal + truth
        if best is None or welfare > best.welfare:
            best = Answer(welfare, answer.error, answer, built, found)
        far = max(
            [abs(step) / max(abs(reached.get(m, 0.0)), 1e-9) for m, step in moved.items()]
            + [abs(fresh[m] - believed.get(m, 0.0)) / max(abs(fresh[m]), 1e-9) for m in fresh],
            default=0.0,
        )
        if far <= _AGREED or abs(welfare - last) <= _STILL * abs(welfare):
            break
        capability, worth, last = reached, fresh, welfare
    if best is None:
        raise SolveError("stopped", "no certified answer within the limits on spending")
    return best


def _held(
    scene: Scene,
    caps: Caps,
    known: Mapping[str, float],
    plan: Investment,
    shape: Shape,
    factor: float = 1.0,
) -> Answer:
    """Everything but training, which stays as planned; payments count at a part of their price."""
    built = scene.built(plan.capability)
    limited = caps.limit(shape(built.program))
    program, _ = without_training(limited, plan)
    cheap = program if factor == 1.0 else discounted(program, SPENDING, factor)
    answer = replace(solved(cheap, known, scene.tolerance), program=program)
    paid = payments(limited, plan)
    welfare = answer.certificate.primal if factor == 1.0 else program.welfare(answer.allocation)
    return Answer(welfare, answer.error, answer, built, plan, paid)


def least_spend(
    scene: Scene, caps: Caps, at: Answer, target: float, tolerance: float = 5e-3
) -> tuple[float, float]:
    """(least total spend found, what it cannot fall below) to be worth ``target`` before spending.

    Worth before spending is value less latency, risk and other costs that nobody is paid for.
    The best answer within a limit on spending is a point of a concave curve and its price of
    spending is the slope there, so tangents bound the answer from below and chords from above.
    Training stays as ``at`` has it: with training free the least spend may be less.
    """
    if at.welfare + at.spend >= target:
        factor, high, worth_high = 1.0, at.spend, at.welfare + at.spend
        slope = 1.0 + at.prices.get(IN_ALL, 0.0)
        trial = high - (worth_high - target) / slope
    else:  # worth as much only by spending more than pays: dollars count for next to nothing
        factor, high, worth_high = _CHEAP, caps.total, target
        trial = high
    low, below = 0.0, None
    for _ in range(_TRIALS):
        trial = min(max(trial, 1e-6 * high), caps.total)
        if high - low <= tolerance * max(high, 1e-12):
            break
        limits = Caps(caps.machines, trial)
        answer = _held(scene, limits, at.prices, at.invested, unchanged, factor)
        worth, slope = answer.welfare + answer.spend, factor + answer.prices.get(IN_ALL, 0.0)
        low = max(low, min(answer.spend + (target - worth) / slope, high))
        if worth >= target:
            high, worth_high, trial = min(answer.spend, high), worth, low
            continue
        below = (answer.spend, worth)
        rise = max(worth_high - below[1], 1e-300)
        trial = below[0] + (target - below[1]) * (high - below[0]) / rise
        if high - trial < 0.25 * tolerance * high:
            trial = low
    return high, low
