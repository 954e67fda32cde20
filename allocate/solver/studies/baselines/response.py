"""``best-response``: layers decide in turn at list prices, until nothing moves.

Starting from the tuned local rules, each layer in turn does what is best at its own V, λ and ρ
and at list prices, with the others' last decisions as they are: the router orders the models by
what a request earns there with the agent's levels and tokens, on serving's lanes; the agent
picks levels and tokens for these lanes; serving picks lanes and retention for those tokens; the
trainer invests for the traffic that came of it, on what that traffic leaves free. Nobody sees a
shared price, and what does not fit is turned away first come, first served.

The first three want the same of a request (what it earns at list prices), so among themselves
they come to rest. The trainer takes capacity from the others and is paid by what they serve:
with him, decisions can go round in a cycle, which is reported; its best round is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Generic, TypeVar

import numpy as np

from allocate.models.program import Allocation
from allocate.solver.studies.baselines.average import CHOICES
from allocate.solver.studies.baselines.greedy import Knobs, decide, ranked
from allocate.solver.studies.baselines.settle import Candidates, settle
from allocate.solver.studies.baselines.trainer import pays
from allocate.solver.studies.ground import Ground
from allocate.solver.studies.investment import Investment
from allocate.solver.studies.scene import Scene

ROUNDS = 20
S = TypeVar("S")
_ALL = ("value", "money", "latency", "risk", "oversight")


@dataclass(frozen=True)
class State:
    """Who decided what.

    ``models`` [K, 1 + models] is the router's: the place of every model in a member's order
    (first column: a human does it), infinite where it would not send a request. ``levels`` and
    ``ways`` are [K, A] masks of arms, ``tokens`` [K, technologies, J].
    """

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


@dataclass(frozen=True)
class Turns(Generic[S]):
    """How turns ended.

    Attributes:
        rounds: how many were gone.
        kept: the states that it goes round in, one where nothing moves; all where none came back.
        closed: whether a state came back.
    """

    rounds: int
    kept: tuple[S, ...]
    closed: bool

    @property
    def converged(self) -> bool:
        """Whether nothing moves any more."""
        return self.closed and len(self.kept) == 1

    @property
    def cycle(self) -> int | None:
        """Length of a cycle of more than one state; None where there is none."""
        return len(self.kept) if self.closed and len(self.kept) > 1 else None


def in_turn(
    first: S, following: Callable[[S], S], key: Callable[[S], Hashable], rounds: int = ROUNDS
) -> Turns[S]:
    """Go from state to state until one comes back, or for a number of rounds.

    Args:
        first: where to begin.
        following: one round, every layer's turn.
        key: equal for equal states.
        rounds: the most that are gone.
    """
    seen, states = [key(first)], [first]
    for number in range(1, rounds + 1):
        states.append(following(states[-1]))
        signature = key(states[-1])
        if signature in seen:
            return Turns(number, tuple(states[seen.index(signature) + 1 :]), True)
        seen.append(signature)
    return Turns(rounds, tuple(states[1:]), False)


def best_response(
    scene: Scene, knobs: Knobs, invested: Investment
) -> tuple[Allocation, Investment, dict]:
    """Take turns from the tuned rules; also how many rounds, and the length of a cycle.

    Raises:
        LookupError: some layer's answer breaks a limit that has to be kept.
    """
    ground, _ = scene.ground(invested)
    tuned = decide(ground, knobs)
    undecided = np.full((len(ground.stream.rate), 1 + len(ground.models)), np.inf)
    first = State(undecided, tuned.levels, tuned.ways, tuned.tokens, invested)
    turns = in_turn(first, lambda state: _round(scene, state), lambda state: state.signature)
    outcomes = [(_settled(scene, state), state.invested) for state in turns.kept]
    allocation, invested = max(outcomes, key=lambda o: scene.ground(o[1])[0].program.welfare(o[0]))
    about = {"rounds": turns.rounds, "converged": turns.converged, "cycle": turns.cycle}
    return allocation, invested, about


def _round(scene: Scene, state: State) -> State:
    """Every layer's turn, once."""
    ground, _ = scene.ground(state.invested)
    for turn in (_router, _agent, _serving):
        state = turn(ground, state)
    return replace(state, invested=pays(scene, state.invested, _settled(scene, state)))


def _settled(scene: Scene, state: State) -> Allocation:
    """What comes of the layers' decisions, first come, first served."""
    ground, _ = scene.ground(state.invested)
    settled = settle(ground.program, _candidates(ground, state))
    if settled is None:
        raise LookupError("a layer's answer breaks a limit that has to be kept")
    return settled


def _profit(ground: Ground, tokens: np.ndarray) -> np.ndarray:
    """[K, A] USD of a request with its tokens given, at list prices."""
    return -ground.cost(tokens, accounts=_ALL, late=True)


def _offered(ground: Ground, state: State) -> np.ndarray:
    """[K, A] the same on the levels and ways that agent and serving offer, elsewhere -inf."""
    offered = state.levels & state.ways & ground.opened
    return np.where(offered, _profit(ground, state.tokens), -np.inf)


def _places(worth: np.ndarray) -> np.ndarray:
    """[n, m] the place of every entry in its row, the largest first, from 0."""
    return np.argsort(np.argsort(-worth, axis=1, kind="stable"), axis=1).astype(float)


def _candidates(ground: Ground, state: State) -> Candidates:
    """The router's order over models; within one, the best of what agent and serving offer."""
    profit = _offered(ground, state)
    order = state.models[:, ground.model_of + 1]
    order = order + _places(profit) / profit.shape[1]  # less than a model's place apart
    must = ~np.isfinite(ground.stream.decline_cost)
    return ranked(ground, np.where(np.isfinite(profit), order, np.inf), state.tokens, CHOICES, must)


def _router(ground: Ground, state: State) -> State:
    """Models by what a request earns there at list prices, as agent and serving have decided.

    Nothing is sent where it does not pay, but for requests that may not be declined.
    """
    profit = _offered(ground, state)
    best = np.full(state.models.shape, -np.inf)
    for model in np.unique(ground.model_of):
        best[:, model + 1] = profit[:, ground.model_of == model].max(axis=1)
    decline = ground.stream.decline_cost
    floor = np.where(np.isfinite(decline), -decline, -np.inf)
    return replace(state, models=np.where(best > floor[:, None], _places(best), np.inf))


def _agent(ground: Ground, state: State) -> State:
    """For every model the level and the tokens that are best on the ways it is offered."""
    stream, prices = ground.stream, ground.prices
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


def _serving(ground: Ground, state: State) -> State:
    """For every model and level the own lane that costs least, waiting included."""
    profit = np.where(ground.opened, _profit(ground, state.tokens), -np.inf)
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
