"""Which layer the gain comes from: the exact Shapley value over all coalitions of layers.

A layer inside a coalition decides by the shared prices of what is left to decide; a layer
outside keeps what it decided on its own. What a layer holds:

    router     how many requests of each class go to each model, and how many are turned away
    autonomy   the level of every class, and its tokens on every model
    serving    the ways that each model is offered: lanes at their speed, retention
    training   the investment

So a coalition's problem is the joint program with the outsiders' choices taken out of it, and
what a smaller coalition reaches it can reach too. Where a solve came out below that, it counts
as much as the smaller one, and by how much it was lifted is kept: within the certificates'
error, or the solves were not good enough. Spending is limited to the baseline's throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from math import factorial

import numpy as np

from allocate.errors import SolveError
from allocate.models.program import Program
from allocate.solver.studies.baselines.greedy import Decisions
from allocate.solver.studies.caps import Caps
from allocate.solver.studies.joint import Answer, joint
from allocate.solver.studies.scene import Outcome, Scene
from allocate.solver.studies.terms import divided, frozen, with_menu

LAYERS = ("router", "autonomy", "serving", "training")
_PART = 1e-9  # of a class's rate: less than this went nowhere


@dataclass(frozen=True)
class Attribution:
    """``shares`` in USD/h sum to ``gain``; ``worth`` is what every coalition reaches, USD/h.

    ``best`` is the answer of all layers together: a coalition's where that was found to be
    worth more, since what some layers reach all of them can. ``unsolved`` coalitions count as
    much as their best part. ``lifted`` is the most by which a solved one was below its best
    part, ``error`` the largest error of any of the answers, both in USD/h.
    """

    gain: float
    shares: dict[str, float]
    worth: dict[tuple[str, ...], float]
    best: Answer
    unsolved: tuple[tuple[str, ...], ...] = ()
    lifted: float = 0.0
    error: float = 0.0


def attribute(
    scene: Scene,
    baseline: Outcome,
    decided: Decisions,
    whole: Answer,
    progress: Callable[[dict], None] | None = None,
) -> Attribution:
    """Split the gain from the baseline's welfare to that of ``whole``, the joint answer."""
    players = present(scene)
    worth: dict[tuple[str, ...], float] = {(): baseline.welfare}
    unsolved, best, number = [], whole, 0
    lifted, error = 0.0, whole.error + baseline.violation
    for size in range(1, len(players) + 1):
        for inside in combinations(players, size):
            number += 1
            if progress is not None:
                done = {"done": number, "of": 2 ** len(players) - 1}
                progress({"phase": "splitting", **done, "what": " + ".join(inside)})
            smaller = max(worth[part] for part in combinations(inside, size - 1))
            try:
                everybody = size == len(players)
                answer = whole if everybody else coalition(scene, baseline, decided, inside, whole)
            except SolveError:
                unsolved.append(inside)  # it can still do what a smaller one does
                worth[inside] = smaller
                continue
            best = max(best, answer, key=lambda a: a.welfare)
            worth[inside] = best.welfare if everybody else max(answer.welfare, smaller)
            lifted = max(lifted, smaller - answer.welfare)
            error = max(error, answer.error + baseline.violation)
    shares = dict.fromkeys(LAYERS, 0.0) | shapley(players, worth)
    gain = worth[players] - worth[()]
    return Attribution(gain, shares, worth, best, tuple(unsolved), lifted, error)


def present(scene: Scene) -> tuple[str, ...]:
    """Layers that have anything to decide."""
    config = scene.loaded.config
    there = {
        "router": True,
        "autonomy": bool(config.token_uses) or len(config.autonomy) > 1,
        "serving": bool(config.deployments),
        "training": config.training is not None,
    }
    return tuple(layer for layer in LAYERS if there[layer])


def shapley(players: tuple[str, ...], worth: Mapping[tuple[str, ...], float]) -> dict[str, float]:
    """The Shapley value: each player's mean contribution over all orders of joining.

    ``worth`` has every coalition as a tuple in the players' order.
    """
    n, out = len(players), {}
    for player in players:
        others = tuple(p for p in players if p != player)
        total = 0.0
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for before in combinations(others, size):
                after = tuple(p for p in players if p in before or p == player)
                total += weight * (worth[after] - worth[before])
        out[player] = total
    return out


def coalition(
    scene: Scene,
    baseline: Outcome,
    decided: Decisions,
    inside: Iterable[str],
    near: Answer,
) -> Answer:
    """The best when some layers see shared prices and the others keep their own decisions."""
    chosen = frozenset(inside)

    def shape(program: Program) -> Program:
        return _held(program, baseline, decided, chosen)

    caps = Caps(baseline.machines, baseline.spend)
    plan, known = baseline.invested, near.prices
    return joint(scene, caps, known, plan, shape, "training" in chosen, [near.invested])


def _held(
    program: Program, baseline: Outcome, decided: Decisions, inside: frozenset[str]
) -> Program:
    """The program with the decisions of the layers outside taken as given."""
    stream = program.streams[0]
    allowed = stream.menu[stream.group]
    flows = baseline.solution.allocation.flows[0]
    used = np.zeros_like(allowed)
    used[flows.member, flows.arm] = True
    if "serving" not in inside:
        allowed = allowed & (decided.ways | used)
    if "autonomy" not in inside:
        allowed = allowed & (decided.levels | used)
        program = replace(program, streams=(frozen(stream, decided.tokens), *program.streams[1:]))
    if "router" in inside:
        narrowed = with_menu(program.streams[0], allowed)
        return replace(program, streams=(narrowed, *program.streams[1:]))
    names = [a.labels["model"] or "" for a in stream.arms]
    models, of = np.unique(names, return_inverse=True)
    sent = np.zeros((len(stream.rate), len(models)))
    np.add.at(sent, (flows.member, of[flows.arm]), flows.requests)
    parent, model = np.nonzero(sent > _PART * stream.rate[:, None])
    mine = of[None, :] == model[:, None]
    if "autonomy" in inside:  # handing a task to a human is the agent's to decide
        mine |= np.array([n == "" for n in names])[None, :]
    return divided(program, parent, sent[parent, model], allowed[parent] & mine)
