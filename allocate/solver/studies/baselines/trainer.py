"""What the trainer does alone: its own program, with the requests and the other layers gone.

With a fixed share of the machines it buys the best evaluation score; with leave to invest
at list prices it buys what its model's requests gain by it, out of what they leave free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from allocate.errors import SolveError
from allocate.models.program import Activity, Allocation, Program, Row
from allocate.models.state import worth_of
from allocate.models.stream import Flows
from allocate.solver.certificate import certify
from allocate.solver.methods.newton import newton
from allocate.solver.methods.recovery import recover
from allocate.solver.methods.start import first_prices
from allocate.solver.studies.caps import Caps
from allocate.solver.studies.inner import solved
from allocate.solver.studies.investment import Investment, investment, without_training
from allocate.solver.studies.scene import Scene
from allocate.solver.studies.terms import MACHINES, SPENDING, limited, spending

_EAGER = 1e3  # USD a success point is worth to a scorer, per dollar of his budget
_ROUGH = 1e-3  # relative gap that is fine for a plan: its own levels are what is judged
_GONE = 1e-6  # of a capacity: so little left of one is nothing to train with
_TRIFLE = 1e-3  # of what all requests are worth: training that cannot earn it is left alone
_LITTLE = 1e-4  # of the same: a plan for training may fall short by so much


def best_score(program: Program, share: float, spent: float) -> Investment:
    """The most score for a share of every GPU type and of what serving spends, USD per hour."""
    if share <= 0 or len(program.streams) < 2:
        return Investment()
    budget, bills = share * spent, any(a.cost > 0 for a in program.activities if _made(a))
    if budget <= 0 and bills:
        return Investment()
    wanted = _EAGER * max(budget, 1.0 if not bills else 1e-6)
    activities = tuple(
        replace(a, cost=-wanted) if a.labels.get("gain") else a for a in program.activities
    )
    rows = list(program.rows)
    for resource in program.resources:
        if resource.kind == "gpu":
            for r, _ in resource.rows:
                rows[r] = replace(rows[r], capacity=share * rows[r].capacity)
    alone = replace(program, activities=activities, rows=tuple(rows))
    if not bills:  # machines that are paid for already: their share alone is the limit
        return _invested(alone)
    return _invested(limited(alone, "training's share of spending", MACHINES, budget))


def _made(activity: Activity) -> bool:
    """Whether it makes training tokens, or runs the lanes that do."""
    return bool(activity.labels.get("input")) or activity.labels.get("layer") == "serving"


def best_worth(
    program: Program,
    worth: Mapping[str, float],
    free: np.ndarray,
    most: float = np.inf,
    little: float = 0.0,
) -> Investment:
    """What pays at list prices, out of what the rows have ``free`` [rows], for ``most`` USD/h.

    A plan that is worth ``little`` less than the best, USD per hour, is good enough.
    """
    if len(program.streams) < 2:
        return Investment()
    activities = tuple(
        replace(a, cost=-worth.get(a.labels["model"], 0.0)) if a.labels.get("gain") else a
        for a in program.activities
    )
    rows = tuple(replace(r, capacity=float(c)) for r, c in zip(program.rows, free, strict=True))
    alone = replace(program, activities=activities, rows=rows)
    if most <= 0 or not _possible(alone):
        return Investment()
    if np.isfinite(most):
        alone = limited(alone, "what is left to spend", MACHINES, most)
    return _invested(alone, little)


def _possible(program: Program) -> bool:
    """Whether any asset can have all that it takes, with the rows as full as they are."""
    needs: Any = program.use > 0
    supplies: Any = program.use < 0
    barred = np.zeros(len(program.rows), bool)
    while True:
        able = np.asarray(needs.T @ barred.astype(float)).ravel() == 0
        supplied = np.asarray(supplies @ able.astype(float)).ravel() > 0
        wider = (program.capacity <= 0) & ~supplied
        if np.array_equal(wider, barred):
            break
        barred = wider
    stream = program.streams[1]
    member, arm = np.nonzero(stream.menu[stream.group])
    tokens = np.array([stream.technologies[i].effort.exponents for i in stream.technology_of[arm]])
    one = Flows(member, arm, np.ones(len(arm)), (tokens > 0).astype(float))
    taken: Any = stream.row_use(member, arm, stream.amounts(one), len(program.rows)) > 0
    return bool(np.any(np.asarray(taken.T @ barred.astype(float)).ravel() == 0))


def as_logged(program: Program, logged: Mapping[str, Mapping[str, float]]) -> Investment:
    """What so many training tokens an hour reach, by asset and kind of input.

    An input that is not known keeps its reference proportion to those that are; an asset that
    is not named gets nothing.
    """
    if len(program.streams) < 2:
        return Investment()
    stream = program.streams[1]
    rows, activities = list(program.rows), list(program.activities)
    kinds = ("rollout", "verifier", "update")
    for member, arm in enumerate(stream.arms):
        given = logged.get(arm.labels["asset"], {})
        reference = stream.technologies[member].effort.references
        known = [given[k] / reference[j] for j, k in enumerate(kinds) if k in given]
        usual = sum(known) / len(known) if known else 0.0
        for j, kind in enumerate(kinds):
            most = given.get(kind, usual * reference[j])
            number = len(rows)
            rows.append(Row(f"{arm.labels['asset']} {kind} tokens as logged", "token/h", most))
            for i, a in enumerate(activities):
                mine = a.labels.get("asset") == arm.labels["asset"]
                if mine and a.labels.get("input") == kind:
                    activities[i] = replace(a, uses=(*a.uses, (number, 1.0)))
    alone = replace(program, rows=tuple(rows), activities=tuple(activities))
    size = max(sum(sum(v.values()) for v in logged.values()), 1.0)
    eager = tuple(
        replace(a, cost=-_EAGER * size) if a.labels.get("gain") else a for a in alone.activities
    )
    return _invested(replace(alone, activities=eager))


def _invested(program: Program, little: float = 0.0) -> Investment:
    """Solve the trainer's program on its own.

    A plan that falls short of the best by ``little`` USD per hour, or by a thousandth, is fine:
    its own levels are what is judged. Where most rows are slack and their prices almost 0, the
    last digits of the best plan cost minutes.
    """
    alone = replace(
        program,
        rows=tuple(replace(r, capacity=max(r.capacity, 0.0)) for r in program.rows),
        streams=program.streams[1:],
        resources=(),
        offsets=(),
    )
    allocation = _quick(alone, little)
    if allocation is None:
        allocation = solved(alone, tolerance=_ROUGH).allocation
    return investment(alone, allocation.levels, allocation.flows[0])


def _quick(program: Program, little: float) -> Allocation | None:
    """What a linear program makes of the prices that Newton's method finds, if that is enough."""
    found = newton(program, first_prices(program), tolerance=1e-6, allocate=False)
    profits = [stream.profits(found.duals) for stream in program.streams]
    recovered = recover(program, found.duals, profits, found.levels)
    if recovered is None:
        return None
    allocation = recovered.allocation
    if not certify(program, allocation, found.duals, _ROUGH).feasible:
        return None
    short = program.dual(found.duals, profits) - program.welfare(allocation)
    return allocation if short <= max(little, _ROUGH * abs(program.welfare(allocation))) else None


def pays(
    scene: Scene, invested: Investment, allocation: Allocation, caps: Caps | None = None
) -> Investment:
    """The training that pays at list prices, for what requests gain, on what they leave free."""
    if scene.loaded.config.training is None:
        return Investment()
    built = scene.built(invested.capability)
    rest, left = without_training(built.program, Investment())
    levels = np.zeros(len(built.program.activities))
    levels[left] = allocation.levels
    requests = Allocation((allocation.flows[0],), allocation.levels)
    free = rest.capacity - rest.usage(requests)
    used_up = free <= _GONE * np.abs(rest.capacity)
    free = np.where(used_up & (rest.capacity >= 0), 0.0, free)
    worth = worth_of(built, built.program.streams[0], allocation.flows[0])
    stream = built.program.streams[0]
    most = float(np.nansum(stream.rate * scene.loaded.classes.value_usd[stream.origin]))
    if sum(max(w, 0.0) for w in worth.values()) <= _TRIFLE * most:
        return Investment()  # even if it made every answer right
    left = np.inf
    if caps is not None and caps.bind:
        machines, total = (spending(rest, requests, a) for a in (MACHINES, SPENDING))
        left = max(min(caps.machines - machines, caps.total - total), 0.0)
    try:
        return best_worth(built.program, worth, free, left, _LITTLE * most)
    except SolveError:
        return Investment()  # no plan was found: then nothing is invested
