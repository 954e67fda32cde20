"""Best responses in turn: each layer decides itself, at list prices, and cycles are seen."""

from dataclasses import replace

import numpy as np
import pytest

from allocate.solver.studies.baselines.greedy import Knobs, decide
from allocate.solver.studies.baselines.response import (
    State,
    _candidates,
    _router,
    best_response,
    in_turn,
)
from allocate.solver.studies.investment import Investment
from tests.solver.cases import two_models
from tests.studies.cases import scene_of


def test_a_state_that_comes_back_is_a_cycle():
    turns = in_turn(5, lambda n: {5: 1, 1: 2, 2: 3, 3: 1}[n], lambda n: n)
    assert (turns.rounds, turns.kept, turns.cycle, turns.converged) == (4, (2, 3, 1), 3, False)


def test_a_state_that_follows_itself_is_rest():
    turns = in_turn(5, lambda n: max(n - 1, 3), lambda n: n)
    assert (turns.rounds, turns.kept, turns.cycle, turns.converged) == (3, (3,), None, True)


def test_what_never_comes_back_is_neither():
    turns = in_turn(0, lambda n: n + 1, lambda n: n, rounds=4)
    assert (turns.rounds, turns.kept) == (4, (1, 2, 3, 4))
    assert (turns.cycle, turns.converged) == (None, False)


@pytest.fixture(scope="module")
def scene():
    # a success is worth 10: the best model earns 9 - 5, the cheap one 7 - 1
    return scene_of(two_models())


def first(ground) -> State:
    tuned = decide(ground, Knobs())
    undecided = np.full((len(ground.stream.rate), 1 + len(ground.models)), np.inf)
    return State(undecided, tuned.levels, tuned.ways, tuned.tokens, Investment())


def test_the_router_orders_models_by_what_they_earn_at_list_prices(scene):
    ground, _ = scene.ground(Investment())
    state = _router(ground, first(ground))
    order = {name: state.models[0, 1 + i] for i, name in enumerate(ground.models)}
    assert min(order, key=order.__getitem__) == "cheap"
    assert np.isinf(state.models[0, 0])  # nobody does it by hand here


def test_requests_go_where_the_router_said_though_another_model_earns_more(scene):
    ground, _ = scene.ground(Investment())
    state = _router(ground, first(ground))
    swapped = replace(state, models=np.where(np.isfinite(state.models), -state.models, np.inf))
    best, worst = (
        ground.model_of[c.arm[c.rank == 0]]
        for c in (_candidates(ground, state), _candidates(ground, swapped))
    )
    assert list(best) != list(worst)
    nothing = replace(state, models=np.full(state.models.shape, np.inf))
    assert len(_candidates(ground, nothing).member) == 0


def test_taking_turns_comes_to_rest_at_what_is_best_by_hand(scene):
    allocation, invested, about = best_response(scene, Knobs(), Investment())
    welfare = scene.outcome("best-response", allocation, invested, about).welfare
    assert welfare == pytest.approx(6.0)
    assert about == {"rounds": 2, "converged": True, "cycle": None}
