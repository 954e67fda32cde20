"""The joint program of a scene with spending limited, or with some layers' decisions held.

Where training is free to move, plans are held first, the empty one among them: each is one
quick solve. From the best of them routing and training are solved in turn until they agree, as
in ``solve``; every answer's welfare is corrected to the capability that it reaches itself. So
freedom never costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from allocate.errors import SolveError
from allocate.models.program import Program
from allocate.models.state import Built, worth_of
from allocate.solver.solution import Solution
from allocate.solver.studies.caps import Caps
from allocate.solver.studies.inner import Solved, solved
from allocate.solver.studies.investment import Investment, payments, plan_of, without_training
from allocate.solver.studies.scene import Scene
from allocate.solver.studies.terms import MACHINES, SPENDING, discounted, spending

Shape = Callable[[Program], Program]
LEFT_OPEN = 1e-4  # of the joint welfare: what rounds of training leave open
_ROUNDS = 8
_AGREED = 1e-4  # routing and training agree on capability and its worth to this share
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


def found(solution: Solution) -> Answer:
    """What ``solve`` found, as it stands."""
    certificate = solution.certificate
    answer = Solved(solution.program, solution.allocation, solution.duals, certificate)
    invested = plan_of(solution.program, solution.allocation)
    return Answer(solution.welfare, certificate.error, answer, solution.built, invested)


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
    also: Iterable[Investment] = (),
) -> Answer:
    """The best allocation within limits on spending.

    Args:
        scene: the config on a menu of speeds.
        caps: limits on spending.
        known: prices by row name to start from.
        plan: training that is known to be possible within the limits.
        shape: what is held of the other layers' decisions.
        free: whether training may move away from the plan.
        also: other plans for training that may be possible. Training × routing is not convex:
            a search from one plan may miss what another allows.

    Raises:
        SolveError: if nothing was found that keeps the limits.
    """
    if not free or scene.loaded.config.training is None:
        return held(scene, caps, known, plan, shape)
    best: Answer | None = None
    for trial in _distinct([plan, *also, Investment()]):
        try:
            answer = held(scene, caps, known, trial, shape)
        except SolveError:
            continue
        if best is None or answer.welfare > best.welfare:
            best = answer
    if best is None:
        raise SolveError("stopped", "no certified answer within the limits on spending")
    return _agreed(scene, caps, known, shape, best)


def _distinct(plans: Iterable[Investment]) -> list[Investment]:
    """Plans with other levels than those before them."""
    out: list[Investment] = []
    for plan in plans:
        if all(plan.levels != other.levels for other in out):
            out.append(plan)
    return out


def _agreed(
    scene: Scene, caps: Caps, known: Mapping[str, float], shape: Shape, best: Answer
) -> Answer:
    """Routing and training in turn, from the best answer with its training held."""
    known = {**known, **{row: price for row, price in best.prices.items() if price > 0}}
    routed = best.answer
    worth = worth_of(best.built, routed.program.streams[0], routed.allocation.flows[0])
    capability, last = dict(best.invested.capability), best.welfare
    for _ in range(_ROUNDS):
        if not any(w > 0 for w in worth.values()):
            break  # nobody's requests gain by training
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
        if welfare > best.welfare:
            best = Answer(welfare, answer.error, answer, built, found)
        far = max(
            [abs(step) / max(abs(reached.get(m, 0.0)), 1e-9) for m, step in moved.items()]
            + [abs(fresh[m] - believed.get(m, 0.0)) / max(abs(fresh[m]), 1e-9) for m in fresh],
            default=0.0,
        )
        if far <= _AGREED or abs(welfare - last) <= _STILL * abs(welfare):
            break
        capability, worth, last = reached, fresh, welfare
    return best


def held(
    scene: Scene,
    caps: Caps,
    known: Mapping[str, float],
    plan: Investment,
    shape: Shape = unchanged,
    factor: float = 1.0,
) -> Answer:
    """Everything but training, which stays as planned; payments count ``factor`` times.

    Raises:
        SolveError: if the plan leaves no allocation that keeps the limits.
    """
    built = scene.built(plan.capability)
    limited = caps.limit(shape(built.program))
    program, _ = without_training(limited, plan)
    counted = program if factor == 1.0 else discounted(program, SPENDING, factor)
    answer = replace(solved(counted, known, scene.tolerance), program=program)
    paid = payments(limited, plan)
    welfare = answer.certificate.primal if factor == 1.0 else program.welfare(answer.allocation)
    return Answer(welfare, answer.error, answer, built, plan, paid)
