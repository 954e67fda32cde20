"""What comes of requests when one layer sees one price as zero, or as infinite.

A layer takes of its own options the one that it believes to be worth most, and all else stays.
Zero: the price is left out of what it believes. Infinite: nothing but that price counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from allocate.models.stream import Flows
from allocate.solver.studies.diagnosis.reach import Reach
from allocate.solver.studies.diagnosis.view import PARTS, Pairs, View

_CLEARLY = 1e-6  # of the money that a request moves: no change of mind for less
_WORTHLESS = 1e-12  # USD per unit of a price that is held at zero, so that responses stay finite
_ENDLESS = 1e9  # of a price that is held at infinity: all else breaks its ties
_VALUE, _COST, _LATENCY, _RISK = (PARTS.index(p) for p in ("value", "cost", "latency", "risk"))


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
    same = Reach(view).opened(np.arange(len(arm)), {"model"}) & (ground.model_of >= 0)
    same &= ground.model_of[None, :] != ground.model_of[arm][:, None]
    pairs, flow = _options(view, ground.model_of, same)
    return _chosen(view, pairs, flow, believed)


def _costless(view: View) -> Flows:
    return _by_model(view, lambda p: p.profit + p.parts[:, _COST])


def _worthless(view: View) -> Flows:
    return _by_model(view, lambda p: p.profit - p.parts[:, _VALUE])


def _by_level(view: View, believed: Callable[[Pairs], np.ndarray]) -> Flows:
    """The level by what is believed; model, way and tokens stay as they are."""
    ground, arm = view.ground, view.flows.arm
    way = np.array([_way(a.labels) for a in view.stream.arms])
    same = (way[None, :] == way[arm][:, None]) & (
        view.stream.technology_of[None, :] == view.stream.technology_of[arm][:, None]
    )
    flow, arms = np.nonzero(same & ground.opened[view.flows.member])
    pairs = view.priced(view.flows.member[flow], arms, view.flows.tokens[flow])
    return _chosen(view, pairs, flow, believed)


def _riskless(view: View) -> Flows:
    return _by_level(view, lambda p: p.profit + p.parts[:, _RISK])


def _afraid(view: View) -> Flows:
    return _by_level(view, lambda p: p.profit - _ENDLESS * p.parts[:, _RISK])


def _way(labels: dict) -> str:
    return repr(sorted((k, v) for k, v in labels.items() if k != "autonomy"))


# --- the agent's tokens, the lane, the cache --------------------------------------------------


def _unchecked(view: View) -> Flows:
    """Tokens that verify, bought as if no loss were averted."""
    return _verified(view, np.minimum, lambda price: np.full(len(price), _WORTHLESS))


def _checked_to_the_end(view: View) -> Flows:
    """Tokens that verify, bought as if a loss were endless."""
    return _verified(view, np.maximum, lambda price: _ENDLESS * np.maximum(price, _WORTHLESS))


def _verified(view: View, bound: np.ufunc, loss: Callable[[np.ndarray], np.ndarray]) -> Flows:
    """Tokens that verify at another price of a loss; at least, or at most, as many as now."""
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
            loss(price[at, -2]),
            stream.factor_of(i, member),
            stream.difficulty_of(member),
        )
        caps = stream.finite_caps[np.full(len(at), i), use[at]]
        bought = np.minimum(free.tokens[np.arange(len(at)), use[at]], caps)
        tokens[at, use[at]] = bound(bought, tokens[at, use[at]])
    return flows._replace(tokens=tokens)


def _by_way(view: View, but: tuple[str, ...], believed: Callable[[Pairs], np.ndarray]) -> Flows:
    """The way by what is believed, among arms that differ in some labels only."""
    arm, like = view.flows.arm, _kinds(view, but)
    same = (like[None, :] == like[arm][:, None]) & view.ground.own[arm][:, None]
    flow, arms = np.nonzero(same & view.ground.opened[view.flows.member])
    pairs = view.priced(view.flows.member[flow], arms, view.flows.tokens[flow])
    return _chosen(view, pairs, flow, believed)


_SPEED = ("tier", "tpot_ms", "prefill")
_KEPT = ("retention_s", "shared_prefix")


def _patient(view: View) -> Flows:
    """The speed by everything but waiting."""
    return _by_way(view, _SPEED, lambda p: p.profit + p.parts[:, _LATENCY])


def _impatient(view: View) -> Flows:
    return _by_way(view, _SPEED, lambda p: p.profit - _ENDLESS * p.parts[:, _LATENCY])


def _hoarding(view: View) -> Flows:
    """The retention by what it saves of prefill and waiting alone: memory and mismatch are free."""
    duals = view.duals.copy()
    duals[list(view.ground.memory_rows)] = 0.0
    free = replace(view, duals=duals)
    return _by_way(free, _KEPT, lambda p: p.profit + p.parts[:, _RISK])


def _forgetting(view: View) -> Flows:
    """The shortest retention: memory and mismatch at any price."""
    kept = view.ground.retention + view.shared
    return _by_way(view, _KEPT, lambda p: p.profit - _ENDLESS * kept[p.arm])


def _kinds(view: View, but: tuple[str, ...]) -> np.ndarray:
    """[A] arms that differ in some labels only have the same number."""
    names = [
        repr(sorted((k, v) for k, v in a.labels.items() if k not in but)) + str(a.technology)
        for a in view.stream.arms
    ]
    return np.unique(names, return_inverse=True)[1].ravel()


AT_ZERO: dict[str, Callable[[View], Flows]] = {
    "AL101": _costless,
    "AL102": _worthless,
    "AL201": _riskless,
    "AL202": _unchecked,
    "AL301": _patient,
    "AL402": _hoarding,
}
"""By code, what a layer does that holds the price of its rule at zero.

Of ``AL102`` that price is V; V at zero is, but for the unit, every cost at infinity: the router's
other half.
"""
AT_INFINITY: dict[str, Callable[[View], Flows]] = {
    "AL201": _afraid,
    "AL202": _checked_to_the_end,
    "AL301": _impatient,
    "AL402": _forgetting,
}
"""By code, what a layer does that holds the same price at infinity. No code is given to that."""
