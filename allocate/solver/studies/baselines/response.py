"""``best-response``: layers decide in turn on what they see of each other, until nothing moves.

Starting from the tuned local rules, each layer in turn does what is best at its own V, λ and ρ
and at average prices, with the others' last decisions as they are: the router picks models with
the agent's tokens and serving's lanes; the agent picks levels and tokens on those lanes; serving
picks lanes and retention for those tokens; the trainer invests for that traffic. Nobody sees a
shared price. A state that comes back is a cycle, and is reported; its best state is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from allocate.models.program import Allocation
from allocate.solver.studies.baselines.flat import CHOICES, average_prices, pays
from allocate.solver.studies.baselines.greedy import Knobs, decide, ranked
from allocate.solver.studies.baselines.settle import Candidates, settle
from allocate.solver.studies.ground import Ground
from allocate.solver.studies.investment import Investment
from allocate.solver.studies.scene import Scene

ROUNDS = 20
_ALL = ("value", "money", "latency", "risk", "oversight")


@dataclass(frozen=True)
class State:
    """Who decided what: ``models``, ``levels`` and ``ways`` are [K, A] masks of arms."""

    models: np.ndarray
    levels: np.ndarray
    ways: np.ndarray
    tokens: np.ndarray
    invested: Investment

    @property
    def signature(self) -> str:
        """Equal for equal decisions, up to a millionth of the tokens."""
        rough = np.round(np.log(np.maximum(self.tokens, 1e-9)), 6)
        parts = [self.models, self.levels, self.ways, rough]
        capability = sorted((m, round(g, 9)) for m, g in self.invested.capability.items())
        return sha256(b"".join(p.tobytes() for p in parts) + repr(capability).encode()).hexdigest()


def best_response(
    scene: Scene, knobs: Knobs, invested: Investment
) -> tuple[Allocation, Investment, dict]:
    """Take turns from the tuned rules; also how many rounds, and the length of a cycle."""
    ground, _ = scene.ground(invested)
    first = decide(ground, knobs)
    state = State(ground.opened, first.levels, first.ways, first.tokens, invested)
    allocation = settle(ground.program, first.candidates)
    if allocation is None:
        raise LookupError("its first decisions break a limit that has to be kept")
    prices = average_prices(ground, allocation)
    seen, kept = [state.signature], []
    about = {"rounds": ROUNDS, "converged": False, "cycle": None}
    for number in range(1, ROUNDS + 1):
        for turn in (_router, _agent, _serving):
            state = turn(ground, state, prices)
            following = settle(ground.program, _candidates(ground, state, prices))
            if following is None:
                raise LookupError("a layer's answer breaks a limit that has to be kept")
            allocation, prices = following, average_prices(ground, following)
        state = replace(state, invested=pays(scene, state.invested, allocation))
        ground, _ = scene.ground(state.invested)
        last = settle(ground.program, _candidates(ground, state, prices))
        if last is None:
            raise LookupError("the trainer's investment leaves too little for the rest")
        allocation, prices = last, average_prices(ground, last)
        kept.append((ground.program.welfare(allocation), allocation, state.invested))
        signature = state.signature
        if signature in seen:
            length = len(seen) - seen.index(signature)
            about = {"rounds": number, "converged": length == 1, "cycle": None}
            if length > 1:
                about["cycle"] = length
            kept = kept[-length:]
            break
        seen.append(signature)
    _, allocation, invested = max(kept, key=lambda item: item[0])
    return allocation, invested, about


def _profit(ground: Ground, tokens: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """[K, A] USD of a request with its tokens given."""
    return -ground.cost(tokens, prices, _ALL, late=True)


def _candidates(ground: Ground, state: State, prices: np.ndarray) -> Candidates:
    """The router's order over models, on the others' last decisions."""
    profit = _profit(ground, state.tokens, prices)
    must = ~np.isfinite(ground.stream.decline_cost)
    floor = np.where(must, -np.inf, -ground.stream.decline_cost)
    fine = state.models & state.levels & state.ways & (profit > floor[:, None])
    return ranked(ground, np.where(fine, -profit, np.inf), state.tokens, CHOICES, must)


def _router(ground: Ground, state: State, prices: np.ndarray) -> State:
    """Any model whose requests pay, best first."""
    del prices
    return replace(state, models=ground.opened)


def _agent(ground: Ground, state: State, prices: np.ndarray) -> State:
    """For every model the level and the tokens that are best on the ways it is offered."""
    stream = ground.stream
    profit = np.where(state.ways & ground.opened, stream.profits(prices), -np.inf)
    levels, tokens = np.zeros_like(state.levels), state.tokens.copy()
    everyone = np.arange(len(stream.rate))
    for model in np.unique(ground.model_of):
        arms = np.flatnonzero(ground.model_of == model)
        best = arms[profit[:, arms].argmax(axis=1)]
        some = np.isfinite(profit[everyone, best])
        levels[:, arms] = ground.level_of[arms] == ground.level_of[best][:, None]
        bought = stream.columns(prices, everyone[some], best[some]).amounts[:, 1:-2]
        technology = stream.technology_of[best[some]]
        tokens[everyone[some], technology] = np.minimum(bought, stream.finite_caps[technology])
    return replace(state, levels=levels, tokens=tokens)


def _serving(ground: Ground, state: State, prices: np.ndarray) -> State:
    """For every model and level the own lane that costs least, waiting included."""
    del prices  # its own costs are the market's
    profit = np.where(ground.opened, _profit(ground, state.tokens, ground.prices), -np.inf)
    ways = ground.opened & ~ground.own
    everyone = np.arange(len(ground.stream.rate))
    for model in range(len(ground.models)):
        for level in range(len(ground.levels)):
            arms = np.flatnonzero(
                ground.own & (ground.model_of == model) & (ground.level_of == level)
            )
            if len(arms):
                best = arms[profit[:, arms].argmax(axis=1)]
                some = np.isfinite(profit[everyone, best])
                ways[everyone[some], best[some]] = True
    return replace(state, ways=ways)
