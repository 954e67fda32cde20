"""Plants a failure mode: one price held at zero in one layer.

Every layer decides at the shared prices of the joint answer; the planted one does not see a
price. What comes of it is settled like any baseline: replicas are bought, and where capacity
does not suffice, requests are turned away first come, first served.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from allocate.models.program import Allocation, Program
from allocate.models.stream import Flows
from allocate.solver.studies.baselines.settle import Candidates, settle
from allocate.solver.studies.diagnosis.repairs import Repairs
from allocate.solver.studies.diagnosis.rules import rule
from allocate.solver.studies.diagnosis.stage import Stage
from allocate.solver.studies.diagnosis.view import Pairs, View
from allocate.solver.studies.investment import Investment, investment
from allocate.solver.studies.scene import Outcome

_CLEARLY = 1e-6  # of the money that a request moves: no change of mind for less
_WORTHLESS = 1e-12  # USD per unit of a price that is held at zero, so that responses stay finite


def plant(code: str, on: Stage) -> Outcome:
    """The joint answer with a mode planted in it, judged under the true costs.

    Raises:
        LookupError: where the mode breaks a limit that has to be kept.
    """
    mode = rule(code).code
    if mode not in MODES:
        raise LookupError(f"nothing is known to plant for {mode}")
    invested = _stale(on) if mode == "AL401" else on.plan
    ground, _ = on.scene.ground(invested)
    _, settled = on.requests(optimum(on))
    view = View(ground, on.duals(ground.program), settled)
    flows = view.flows
    if mode in _CHANGES:
        flows = _CHANGES[mode](view)
    return _outcome(on, f"planted {mode}", view, flows, invested)


def optimum(on: Stage) -> Outcome:
    """The joint answer as if it were a baseline.

    Raises:
        LookupError: it stands on another menu of speeds than the stage.
    """
    solution = on.solution
    if on.scene.grid != {f: list(u) for f, u in solution.built.state.grid.items()}:
        if solution.loaded.config.deployments:
            raise LookupError("the joint answer stands on another menu of speeds")
    ground, _ = on.scene.ground(on.plan)
    names = {a.name: i for i, a in enumerate(solution.program.activities)}
    levels = np.array(
        [
            solution.allocation.levels[names[a.name]] if a.name in names else 0.0
            for a in ground.program.activities
        ]
    )
    requests = Allocation((solution.allocation.flows[0],), levels)
    return on.scene.outcome("optimum", requests, on.plan, {})


def _outcome(on: Stage, name: str, view: View, flows: Flows, invested: Investment) -> Outcome:
    """Flows that would be, as far as capacities go."""
    candidates = _with_fallback(view, flows)
    parts = view.stream.part(flows.member, flows.requests)
    program = replace(view.ground.program, streams=(parts,))
    done = settle(program, candidates)
    if done is None:
        raise LookupError("what was planted breaks a limit that has to be kept")
    served = done.flows[0]._replace(member=flows.member[done.flows[0].member])
    return on.scene.outcome(name, done._replace(flows=(served,)), invested, {})


def _with_fallback(view: View, flows: Flows) -> Candidates:
    """Flows on their ways; where these are full, on the best way of another model that pays."""
    ground, n = view.ground, len(flows.member)
    profits = view.stream.profits(view.duals, flows.member)
    floor = -view.stream.decline_cost[flows.member]
    member, arm, worth = [np.arange(n)], [flows.arm], [np.full(n, np.inf)]
    for model in np.unique(ground.model_of):
        mine = np.where(ground.model_of == model, profits, -np.inf)
        best = mine.argmax(axis=1)
        pays = mine.max(axis=1) > floor
        pays &= ground.model_of[flows.arm] != model
        member.append(np.flatnonzero(pays))
        arm.append(best[pays])
        worth.append(mine.max(axis=1)[pays])
    k, a, w = np.concatenate(member), np.concatenate(arm), np.concatenate(worth)
    order = np.lexsort((-w, k))
    k, a = k[order], a[order]
    start = np.searchsorted(k, np.arange(n))
    rank = np.arange(len(k)) - start[k]
    tokens = view.tokens_of(flows.member[k], a)
    tokens[rank == 0] = flows.tokens[k[rank == 0]]
    return Candidates(k, a, rank, tokens)


# --- the router and the agent's level --------------------------------------------------------


def _options(view: View, key: np.ndarray, same: np.ndarray) -> tuple[Pairs, np.ndarray]:
    """Each flow's best way for every kind of arm [A] that it may take: (pairs, their flow).

    ``same`` [n, A] is what may be chosen from.
    """
    flow_of, pairs = [], []
    for kind in np.unique(key):
        allowed = same & (key == kind)[None, :] & view.ground.opened[view.flows.member]
        some = np.flatnonzero(allowed.any(axis=1))
        if not len(some):
            continue
        member = view.flows.member[some]
        profits = np.where(allowed[some], view.stream.profits(view.duals, member), -np.inf)
        arm = profits.argmax(axis=1)
        pairs.append(view.priced(member, arm, view.tokens_of(member, arm)))
        flow_of.append(some)
    if not pairs:
        none = np.zeros(0, int)
        return view.now.at(none), none
    joined = Pairs(*(np.concatenate([getattr(p, f) for p in pairs]) for f in Pairs.__annotations__))
    return joined, np.concatenate(flow_of)


def _chosen(
    view: View, pairs: Pairs, flow: np.ndarray, believed: Callable[[Pairs], np.ndarray]
) -> Flows:
    """Every flow on the way that the layer believes to be worth more than its own, and most."""
    worth, now = believed(pairs), believed(view.now)
    order = np.lexsort((-worth, flow))
    first = order[np.unique(flow[order], return_index=True)[1]]
    first = first[worth[first] > now[flow[first]] + _CLEARLY * view.stake[flow[first]]]
    arm, tokens = view.flows.arm.copy(), view.flows.tokens.copy()
    arm[flow[first]], tokens[flow[first]] = pairs.arm[first], pairs.tokens[first]
    return view.flows._replace(arm=arm, tokens=tokens)


def _by_model(view: View, believed: Callable[[Pairs], np.ndarray]) -> Flows:
    """The router's choice by what it believes; level and way stay, as near as they can."""
    ground, arm = view.ground, view.flows.arm
    same = Repairs(view).opened(np.arange(len(arm)), {"model"}) & (ground.model_of >= 0)
    same &= ground.model_of[None, :] != ground.model_of[arm][:, None]
    pairs, flow = _options(view, ground.model_of, same)
    return _chosen(view, pairs, flow, believed)


def _costless(view: View) -> Flows:
    return _by_model(view, lambda p: p.profit + p.parts[:, 1])


def _worthless(view: View) -> Flows:
    return _by_model(view, lambda p: p.profit - p.parts[:, 0])


def _riskless(view: View) -> Flows:
    """The level by everything but its risk; model, way and tokens stay as they are."""
    ground, arm = view.ground, view.flows.arm
    way = np.array([_way(a.labels) for a in view.stream.arms])
    same = (way[None, :] == way[arm][:, None]) & (
        view.stream.technology_of[None, :] == view.stream.technology_of[arm][:, None]
    )
    flow, arms = np.nonzero(same & ground.opened[view.flows.member])
    pairs = view.priced(view.flows.member[flow], arms, view.flows.tokens[flow])
    return _chosen(view, pairs, flow, lambda p: p.profit + p.parts[:, 3])


def _way(labels: dict) -> str:
    return repr(sorted((k, v) for k, v in labels.items() if k != "autonomy"))


# --- the agent's tokens, the lane, the cache --------------------------------------------------


def _unchecked(view: View) -> Flows:
    """Tokens that verify, bought as if no loss were averted."""
    flows, tokens = view.flows, view.flows.tokens.copy()
    use = view.verifying[flows.arm]
    some = np.flatnonzero(use >= 0)
    stream = view.stream
    price = stream.pair_prices(view.duals, flows.member, flows.arm)
    technology = stream.technology_of[flows.arm]
    for i in np.unique(technology[some]):
        at = some[technology[some] == i]
        member = flows.member[at]
        free = stream.technologies[i].best_response(
            -price[at, -1],
            price[at, 1:-2],
            np.full(len(at), _WORTHLESS),
            stream.factor_of(i, member),
            stream.difficulty_of(member),
        )
        tokens[at, use[at]] = np.minimum(
            free.tokens[np.arange(len(at)), use[at]], tokens[at, use[at]]
        )
    return flows._replace(tokens=tokens)


def _by_way(view: View, like: np.ndarray, parts: list[int]) -> Flows:
    """The way by everything but some parts of its cost, among arms of a like kind [A]."""
    arm, ground = view.flows.arm, view.ground
    same = (like[None, :] == like[arm][:, None]) & ground.own[arm][:, None]
    flow, arms = np.nonzero(same & ground.opened[view.flows.member])
    pairs = view.priced(view.flows.member[flow], arms, view.flows.tokens[flow])
    return _chosen(view, pairs, flow, lambda p: p.profit + p.parts[:, parts].sum(axis=1))


def _patient(view: View) -> Flows:
    """The speed by everything but waiting."""
    keys = ("tier", "tpot_ms", "prefill")
    return _by_way(view, _kinds(view, keys), [2])


def _hoarding(view: View) -> Flows:
    """The retention by what it saves of prefill and waiting alone: memory and mismatch are free."""
    arm, ground = view.flows.arm, view.ground
    like = _kinds(view, ("retention_s", "shared_prefix"))
    same = (like[None, :] == like[arm][:, None]) & ground.own[arm][:, None]
    flow, arms = np.nonzero(same & ground.opened[view.flows.member])
    duals = view.duals.copy()
    duals[list(view.ground.memory_rows)] = 0.0
    free = replace(view, duals=duals)
    pairs = free.priced(view.flows.member[flow], arms, view.flows.tokens[flow])
    return _chosen(free, pairs, flow, lambda p: p.profit + p.parts[:, 3])


def _kinds(view: View, but: tuple[str, ...]) -> np.ndarray:
    """[A] arms that differ in some labels only have the same number."""
    names = [
        repr(sorted((k, v) for k, v in a.labels.items() if k not in but)) + str(a.technology)
        for a in view.stream.arms
    ]
    return np.unique(names, return_inverse=True)[1].ravel()


_CHANGES: dict[str, Callable[[View], Flows]] = {
    "AL101": _costless,
    "AL102": _worthless,
    "AL201": _riskless,
    "AL202": _unchecked,
    "AL301": _patient,
    "AL402": _hoarding,
}
MODES = tuple(sorted([*_CHANGES, "AL401"]))
"""Rules whose mode can be planted."""


# --- the trainer -----------------------------------------------------------------------------


def _stale(on: Stage) -> Investment:
    """As many rollouts as in the joint answer, of the age that is cheapest to make.

    The trainer believes that a token is worth the same at every age; what is left of the gain
    is what the older ones are worth.
    """
    program = on.whole(on.plan.capability)
    duals, levels = on.duals(program), dict(on.plan.levels)
    for asset in {a.labels.get("asset") for a in program.activities} - {None}:
        mine = [
            i
            for i, a in enumerate(program.activities)
            if a.labels.get("asset") == asset and a.labels.get("input") == "rollout"
        ]
        made = sum(levels.get(program.activities[i].name, 0.0) for i in mine)
        if not mine or made <= 0:
            continue
        for i in mine:
            levels.pop(program.activities[i].name, None)
        cheap = min(mine, key=lambda i: _cost(program, i, duals))
        levels[program.activities[cheap].name] = made
    return _reached(program, replace(on.plan, levels=levels))


def _cost(program: Program, i: int, duals: np.ndarray) -> float:
    a = program.activities[i]
    return a.cost + sum(v * duals[r] for r, v in a.uses if v > 0)


def _reached(program: Program, plan: Investment) -> Investment:
    """The gain that a plan's tokens make, asset by asset."""
    if plan.flows is None or not len(plan.flows.member):
        return plan
    stream, flows = program.streams[1], plan.flows
    tokens, levels = flows.tokens.copy(), dict(plan.levels)
    for n, arm in enumerate(flows.arm):
        asset = stream.arms[arm].labels["asset"]
        made = sum(
            levels.get(a.name, 0.0) * a.labels["efficiency"]
            for a in program.activities
            if a.labels.get("asset") == asset and a.labels.get("input") == "rollout"
        )
        if made > 0:
            tokens[n, 0] = made / flows.requests[n]
    flows = flows._replace(tokens=tokens)
    gains = stream.amounts(flows)[:, -1] * flows.requests
    for gain, arm in zip(gains, flows.arm, strict=True):
        asset = stream.arms[arm].labels["asset"]
        for a in program.activities:
            if a.labels.get("gain") and a.labels["asset"] == asset:
                levels[a.name] = float(gain)
    named = np.array([levels.get(a.name, 0.0) for a in program.activities])
    return investment(program, named, flows)
