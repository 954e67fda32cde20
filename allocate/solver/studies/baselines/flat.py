"""``flat-price``: every layer optimises rightly, but pays average prices instead of marginal ones.

Each request, seeing its own V, λ and ρ, takes the model, tokens, level, lane and retention that
are best for it at list prices; an own token costs what its lane costs on average, whatever its
context, its memory or the crowd. What a capacity or a limit is worth to the others, nobody
sees: it is found out at the gateway (``settle``), first come, first served. Average prices are
taken from the last round and refreshed until they agree; the best round is kept.

Where money or a capacity runs out, bills are marked up by one factor, as budgets are paced in
practice: a single price of money, none of any resource.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from allocate.models.program import Allocation, Resource
from allocate.models.stream import Flows
from allocate.solver.studies.baselines.average import average_prices, best_responses
from allocate.solver.studies.baselines.settle import settle
from allocate.solver.studies.baselines.trainer import pays
from allocate.solver.studies.caps import IN_ALL, ON_MACHINES, Caps
from allocate.solver.studies.ground import Ground
from allocate.solver.studies.investment import Investment
from allocate.solver.studies.scene import Scene
from allocate.solver.studies.terms import MACHINES, SPENDING, spending

BUDGET = "budgets.money_usd"
_ROUNDS = 6
_AGREED = 1e-3
_FULL = 1e-6  # of a budget: so little is left of one that is used up
_MARKUPS, _HALVINGS = 13, 7  # factors on bills that are tried, and refinements of the best
_NO_BUDGET = 1e12  # USD per hour
_MOST = 64.0  # the largest factor on bills that is tried at first


@dataclass(frozen=True)
class Round:
    """One round: what was settled on, with which investment, at which markup."""

    allocation: Allocation
    invested: Investment
    welfare: float
    markup: float
    dear: tuple[str, ...] = MACHINES


def flat_price(scene: Scene, caps: Caps | None = None) -> tuple[Allocation, Investment, dict]:
    """The best that comes of average prices within limits on spending.

    Raises:
        LookupError: if limits that have to be kept are broken.
    """
    caps = caps or Caps()
    first = _best_round(scene, caps, 1.0)
    rounds = [] if first is None else [first]
    full = {"money"} if first is None else _full(scene, caps, first)
    paced = bool(full)
    markups = np.geomspace(1.0, _MOST, _MARKUPS)[1:] if paced else ()
    plan = Investment() if first is None else first.invested
    kinds = _bills(scene)
    rounds += [
        r
        for dear in kinds
        for m in markups
        if (r := _best_round(scene, caps, m, plan, dear)) is not None
    ]
    if not rounds:
        raise LookupError("average prices break a limit that has to be kept")
    best = max(rounds, key=lambda r: r.welfare)
    if paced:
        best = _refined(scene, caps, best)
    if "money" in full:
        untrained = Investment()
        free = [
            r
            for m in (1.0, *markups)
            if (r := _best_round(scene, Caps(), m, untrained, best.dear, True)) is not None
        ]
        best = max([best, *_mixed(scene, caps, [*free, best])], key=lambda r: r.welfare)
    return best.allocation, best.invested, {"markup": float(best.markup)}


def _lifted(ground: Ground) -> Ground:
    """The ground without the config's own budget; those of tenants stand."""
    mine = {r for s in _budgets(ground) if s.path == BUDGET for r, _ in s.rows}
    rows = tuple(
        replace(row, capacity=_NO_BUDGET) if r in mine else row
        for r, row in enumerate(ground.program.rows)
    )
    return replace(ground, program=replace(ground.program, rows=rows))


def _budgets(ground: Ground) -> list[Resource]:
    return [s for s in ground.built.program.resources if s.kind == "money"]


def _full(scene: Scene, caps: Caps, settled: Round) -> set[str]:
    """Kinds of resources of which some is used up; spending is of the kind of money."""
    ground = caps.on(scene.ground(settled.invested)[0], settled.invested)
    program = ground.program
    kinds = {r: s.kind for s in ground.built.program.resources for r, _ in s.rows}
    usage = program.usage(settled.allocation)
    out = set()
    for r, (row, used) in enumerate(zip(program.rows, usage, strict=True)):
        kind = "money" if row.name in (ON_MACHINES, IN_ALL) else kinds.get(r)
        if kind is not None and used > 0 and used >= row.capacity * (1 - _FULL):
            out.add(kind)
    return out


def _refined(scene: Scene, caps: Caps, best: Round) -> Round:
    """Closer and closer markups around the best one so far."""
    step = _MOST ** (1.0 / (_MARKUPS - 1))
    for _ in range(_HALVINGS):
        step = step**0.5
        for markup in (best.markup / step, best.markup * step):
            if markup < 1.0:
                continue
            trial = _best_round(scene, caps, markup, best.invested, best.dear)
            if trial is not None and trial.welfare > best.welfare:
                best = trial
    if scene.loaded.config.training is not None:  # and the training that pays there
        trial = _best_round(scene, caps, best.markup, None, best.dear)
        if trial is not None and trial.welfare > best.welfare:
            best = trial
    return best


def _mixed(scene: Scene, caps: Caps, rounds: list[Round]) -> Iterator[Round]:
    """Two markups, each for a part of the time: pacing that uses the whole budget."""
    program = scene.ground(Investment())[0].program
    paid = [
        np.array([spending(program, r.allocation, a) for a in (MACHINES, SPENDING)]) for r in rounds
    ]
    budget = scene.loaded.config.budgets.money_usd
    most = np.array([min(caps.machines, np.inf if budget is None else budget), caps.total])
    for i, one in enumerate(rounds):
        for j, other in enumerate(rounds):
            if not np.all(paid[i] <= most) or np.all(paid[j] <= most):
                continue
            if one.invested.capability or other.invested.capability:
                continue  # what training reaches is no average of two plans
            over = paid[j] > most
            share = float(np.min((most - paid[i])[over] / (paid[j] - paid[i])[over]))
            welfare = one.welfare + share * (other.welfare - one.welfare)
            a, b = one.allocation, other.allocation
            flows = Flows(
                *(np.concatenate([x, y]) for x, y in zip(a.flows[0], b.flows[0], strict=True))
            )
            weight = np.repeat(
                [1.0 - share, share], [len(f.member) for f in (a.flows[0], b.flows[0])]
            )
            flows = flows._replace(requests=flows.requests * weight)
            levels = (1.0 - share) * a.levels + share * b.levels
            yield Round(Allocation((flows,), levels), Investment(), welfare, one.markup, one.dear)


def _best_round(
    scene: Scene,
    caps: Caps,
    markup: float,
    plan: Investment | None = None,
    dear: tuple[str, ...] = MACHINES,
    lifted: bool = False,
) -> Round | None:
    """Refresh average prices until they agree, and the training that pays where no plan is given.

    ``dear``: the accounts whose bills are marked up. ``lifted``: without the config's own
    budget, for a part of the time only.
    """
    best: Round | None = None
    invested, average, ground = plan or Investment(), None, None
    for _ in range(_ROUNDS):
        if ground is None:
            ground, _ = scene.ground(invested)
            ground = _lifted(ground) if lifted else caps.on(ground, invested)
        average = ground.prices if average is None else average
        candidates = best_responses(ground, average, markup, dear)
        allocation = settle(ground.program, candidates)
        if allocation is None:
            return best
        welfare = ground.program.welfare(allocation)
        if best is None or welfare > best.welfare:
            best = Round(allocation, invested, welfare, markup, dear)
        fresh = average_prices(ground, allocation)
        following = invested if plan is not None else pays(scene, invested, allocation, caps)
        moved = np.max(np.abs(fresh - average) / np.maximum(np.abs(fresh), 1e-12), initial=0.0)
        stands = following is invested or _same(invested, following)
        if moved < _AGREED and stands:
            break
        average = 0.5 * (average + fresh)
        if not stands:
            invested, ground = following, None
    return best


def _same(a: Investment, b: Investment) -> bool:
    return all(
        abs(a.capability.get(m, 0.0) - b.capability.get(m, 0.0)) < 1e-4 * (1e-3 + abs(g))
        for m, g in {**a.capability, **b.capability}.items()
    )


def _bills(scene: Scene) -> list[tuple[str, ...]]:
    """The bills that may be marked up: for machines, or people's as well where they have any.

    A budget for machines does not make people dear.
    """
    paid = any(level.human_minutes > 0 for level in scene.loaded.config.autonomy.values())
    return [MACHINES, SPENDING] if paid else [MACHINES]
