"""From today's allocation to the best one: what to add, change and remove, and in which order.

Each step moves some classes to where the best answer has them, with the machines bought as
cheaply as carries what then runs. A step is judged like any answer and taken only if welfare does
not fall; the one that gains most goes first. Classes that cannot go alone (they need what another
still holds) go together. The last step arrives at the best answer. A step that moves several
at once may be taken little by little: the program is concave and both ends keep every
limit, so no allocation on the straight line between them is worth less than the worse end.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows
from allocate.solver.certificate import certify
from allocate.solver.solution import Solution
from allocate.solver.studies.baselines.bench import Bench
from allocate.solver.studies.baselines.observed import read_observed
from allocate.solver.studies.baselines.settle import Candidates, with_supply
from allocate.solver.studies.caps import Caps
from allocate.solver.studies.compare import common_scene
from allocate.solver.studies.investment import Investment, investment
from allocate.solver.studies.joint import Answer, joint
from allocate.solver.studies.plan.case import Progress
from allocate.solver.studies.plan.items import Item, items_between
from allocate.solver.studies.scene import Outcome, Scene

TRAINING = "training"
_MOST = 12  # things that are moved one by one; the smallest ones go together
_BETWEEN = (0.25, 0.5, 0.75)  # of the way, where a step of several is looked at
_ROUNDING = 1e-9  # of the money moved
_NOTHING = 1e-9  # of a rate: so much moved is none


@dataclass(frozen=True)
class Step:
    """One step: who moves, and what then runs. ``between``: welfare on the way, USD per hour."""

    moves: tuple[str, ...]
    outcome: Outcome
    gain: float
    items: tuple[Item, ...]
    between: tuple[float, ...] = ()

    def to_dict(self, number: int) -> dict[str, Any]:
        """The entry of ``change.steps[]``."""
        return {
            "step": number,
            "moves": list(self.moves),
            "welfare": self.outcome.welfare,
            "gain_usd_per_hour": self.gain,
            "together": len(self.moves) > 1,
            "welfare_between": list(self.between),
            "max_violation": self.outcome.solution.certificate.max_violation,
            "items": [item.to_dict() for item in self.items],
        }


@dataclass(frozen=True)
class Change:
    """The way from today to the best answer; amounts in USD per hour."""

    path: str
    today: Outcome
    best: float
    error: float
    steps: tuple[Step, ...] = ()
    about: dict = field(default_factory=dict)

    @property
    def monotone(self) -> bool:
        """Whether no step, and nothing seen on the way, lowers welfare beyond the error."""
        level = self.today.welfare
        for step in self.steps:
            if min((*step.between, step.outcome.welfare)) < level - self.error:
                return False
            level = step.outcome.welfare
        return True

    def to_dict(self) -> dict[str, Any]:
        """``change`` of the plan document."""
        return {
            "from": self.path,
            "welfare_today": self.today.welfare,
            "welfare_best": self.best,
            "gain_usd_per_hour": self.best - self.today.welfare,
            "error_usd_per_hour": self.error,
            "monotone": self.monotone,
            "steps": [step.to_dict(n) for n, step in enumerate(self.steps, 1)],
            "about": self.about,
        }


def change_from(base: Solution, today: str | Path, progress: Progress) -> Change:
    """The way from what a file says is done today to the best answer.

    Args:
        base: the answer to the config.
        today: a table of what is done, or a result of ``solve``.
        progress: told what is being done.

    Raises:
        DataError: the file cannot be read.
        LookupError: what it says breaks a limit that has to be kept.
    """
    observed = read_observed(today, base.loaded)
    scene = common_scene(base, more=observed.speeds(base.loaded.config))
    progress({"phase": "the allocation of today"})
    now = Bench(scene, observed).outcome("observed")
    own = base.allocation.flows
    plan = investment(base.program, base.allocation.levels, own[1] if len(own) > 1 else None)
    best = joint(scene, Caps(), scene.prices, plan)
    way = _Way(scene, now, best)
    steps = tuple(way.steps(progress))
    about = {k: v for k, v in now.about.items() if k != "table"}
    return Change(
        str(today), now, best.welfare, best.error + now.violation + way.slack, steps, about
    )


class _Way:
    """Both ends of the way on one menu, and any state between them."""

    def __init__(self, scene: Scene, now: Outcome, best: Answer):
        self.scene, self.now, self.best = scene, now, best
        self.names = list(scene.loaded.classes.names)
        self.old = now.solution.allocation.flows[0]
        self.new = best.answer.allocation.flows[0]
        accounts = now.solution.program.accounts(now.solution.allocation)
        self.slack = _ROUNDING * sum(abs(v) for v in accounts.values())

    def steps(self, progress: Progress) -> Iterator[Step]:
        """Steps in order, the one that gains most first."""
        left = self._movables()
        moved: list[str] = []
        here = self.now
        of = len(left)
        while left:
            progress(
                {"phase": "an order that never lowers welfare", "done": of - len(left), "of": of}
            )
            taken, there = self._next(left, moved, here)
            moved += [name for group in taken for name in group]
            left = [group for group in left if group not in taken]
            yield self._step(tuple(n for group in taken for n in group), here, there)
            here = there

    def _step(self, names: tuple[str, ...], here: Outcome, there: Outcome) -> Step:
        between: tuple[float, ...] = ()
        if len(names) > 1 and TRAINING not in names:
            between = self._between(here, there)
        gain = there.welfare - here.welfare
        gain = 0.0 if abs(gain) <= self.slack else gain
        found = items_between(here.solution, there.solution)
        return Step(names, there, gain, tuple(found), between)

    def _between(self, here: Outcome, there: Outcome) -> tuple[float, ...]:
        """Welfare on the straight line between two allocations, by the judge."""
        program = there.solution.program
        out = []
        for share in _BETWEEN:
            mixed = _mixed(here.solution.allocation, there.solution.allocation, share)
            judged = certify(program, mixed, there.solution.duals)
            out.append(judged.primal if judged.feasible else -np.inf)
        return tuple(out)

    def _next(
        self, left: list[tuple[str, ...]], moved: list[str], here: Outcome
    ) -> tuple[list[tuple[str, ...]], Outcome]:
        """The group, or groups together, that gain most and do not lower welfare."""
        for size in (1, 2):
            if size >= len(left):
                break
            found = []
            for groups in itertools.combinations(left, size):
                there = self._state({*moved, *(n for g in groups for n in g)})
                if there is not None and there.welfare >= here.welfare - self.slack:
                    found.append((there.welfare, groups, there))
            if found:
                _, groups, there = max(found, key=lambda f: f[0])
                return list(groups), there
        return left, self._arrived()

    def _arrived(self) -> Outcome:
        """The best answer itself."""
        allocation = self.best.answer.allocation
        training = investment(
            self.best.answer.program,
            allocation.levels,
            allocation.flows[1] if len(allocation.flows) > 1 else None,
        )
        program = self.best.answer.program
        if len(allocation.levels) != len(self.now.solution.program.activities):
            training = self.best.invested  # its training was held: only the rest has levels
            return self.scene.outcome("best", allocation, training, {})
        settled = _routing(program, allocation)
        return self.scene.outcome("best", settled, training, {})

    def _state(self, moved: set[str]) -> Outcome | None:
        """Some classes as in the best answer, the others as today; None if it breaks a limit."""
        training = self.best.invested if TRAINING in moved else self.now.invested
        ground, _ = self.scene.ground(training)
        flows = _joined(
            _of_classes(self.old, self._members(moved), False),
            _of_classes(self.new, self._members(moved), True),
        )
        candidates = Candidates(flows.member, flows.arm, flows.member * 0, flows.tokens)
        settled = with_supply(ground.program, candidates, flows.requests)
        if settled is None:
            return None
        outcome = self.scene.outcome("step", settled, training, {})
        return outcome if outcome.solution.certificate.feasible else None

    def _members(self, moved: set[str]) -> np.ndarray:
        """[K] whether a member's class has moved."""
        gone = np.array([name in moved for name in self.names])
        return gone[self.now.solution.program.streams[0].origin]

    def _movables(self) -> list[tuple[str, ...]]:
        """What changes at all, the largest first; the smallest ones as one."""
        origin = self.now.solution.program.streams[0].origin
        rate = self.now.solution.program.streams[0].rate
        amounts = {}
        for i, name in enumerate(self.names):
            mine = origin == i
            apart = _apart(self.old, self.new, mine)
            if apart > _NOTHING * max(float(rate[mine].sum()), 1e-300):
                amounts[name] = apart
        ranked = sorted(amounts, key=lambda n: -amounts[n])
        groups = [(name,) for name in ranked[:_MOST]]
        if rest := tuple(ranked[_MOST:]):
            groups.append(rest)
        if _trained(self.now.invested) != _trained(self.best.invested):
            groups.append((TRAINING,))
        return groups


def _trained(plan: Investment) -> dict[str, float]:
    return {name: round(level, 6) for name, level in plan.levels.items() if level > 0}


def _routing(program: Program, allocation: Allocation) -> Allocation:
    """An allocation's requests and the levels that are not training's."""
    from allocate.solver.studies.investment import is_training

    return Allocation((allocation.flows[0],), allocation.levels[~is_training(program)])


def _of_classes(flows: Flows, moved: np.ndarray, inside: bool) -> Flows:
    """The flows of members that have moved, or of those that have not."""
    kept = moved[flows.member] == inside
    return Flows(*(part[kept] for part in flows))


def _joined(one: Flows, other: Flows) -> Flows:
    return Flows(*(np.concatenate(pair) for pair in zip(one, other, strict=True)))


def _mixed(one: Allocation, other: Allocation, share: float) -> Allocation:
    """The straight line between two allocations, at a share of the way."""
    flows = tuple(
        _joined(
            a._replace(requests=(1.0 - share) * a.requests),
            b._replace(requests=share * b.requests),
        )
        for a, b in zip(one.flows, other.flows, strict=True)
    )
    return Allocation(flows, (1.0 - share) * one.levels + share * other.levels)


def _apart(one: Flows, other: Flows, mine: np.ndarray) -> float:
    """Requests per hour of some members that go another way, or get other tokens."""
    parts = [_by_way(flows, mine) for flows in (one, other)]
    total = 0.0
    for key in {*parts[0], *parts[1]}:
        (a, s), (b, t) = (part.get(key, (0.0, np.zeros(0))) for part in parts)
        total += abs(a - b)
        if len(s) and len(t):
            size = np.maximum(np.maximum(abs(s), abs(t)), 1e-300)
            total += min(a, b) * float(np.max(abs(s - t) / size, initial=0.0))
    return total


def _by_way(flows: Flows, mine: np.ndarray) -> dict[tuple[int, int], tuple[float, np.ndarray]]:
    """(requests, mean tokens) by member and arm."""
    out: dict[tuple[int, int], tuple[float, np.ndarray]] = {}
    for i in _indices(mine[flows.member]):
        key = (int(flows.member[i]), int(flows.arm[i]))
        before, tokens = out.get(key, (0.0, np.zeros(flows.tokens.shape[1])))
        requests = float(flows.requests[i])
        if before + requests <= 0:
            continue
        mean = (before * tokens + requests * flows.tokens[i]) / (before + requests)
        out[key] = (before + requests, mean)
    return out


def _indices(flags: np.ndarray) -> Iterable[int]:
    return (int(i) for i in np.flatnonzero(flags))
