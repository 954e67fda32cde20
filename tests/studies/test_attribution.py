"""The Shapley value: by hand, and as a split of a real gain."""

from itertools import combinations, permutations

import pytest

from allocate.models.loader import load_dict
from allocate.solver.studies.attribution import LAYERS, shapley
from allocate.solver.studies.compare import compare
from tests.solver.cases import changed, everything
from tests.studies.cases import trainable


def test_two_players_by_hand():
    worth = {(): 0.0, ("a",): 1.0, ("b",): 2.0, ("a", "b"): 5.0}
    assert shapley(("a", "b"), worth) == pytest.approx({"a": 2.0, "b": 3.0})


def test_four_players_over_all_orders():
    worth = {}
    for size in range(5):
        for inside in combinations(LAYERS, size):
            worth[inside] = sum((i + 1.0) ** 2 for i, p in enumerate(LAYERS) if p in inside) + (
                10.0 if {"router", "training"} <= set(inside) else 0.0
            )
    slow = dict.fromkeys(LAYERS, 0.0)
    for order in permutations(LAYERS):
        for i, player in enumerate(order):
            before = tuple(p for p in LAYERS if p in order[:i])
            after = tuple(p for p in LAYERS if p in order[: i + 1])
            slow[player] += (worth[after] - worth[before]) / 24
    assert shapley(LAYERS, worth) == pytest.approx(slow)


@pytest.mark.parametrize(
    "config",
    [changed(everything(), budgets__money_usd=200.0), trainable()],
    ids=["everything", "training"],
)
def test_shares_sum_to_the_gain_and_more_layers_are_never_worse(config):
    found = compare(load_dict(config), ["greedy"], least=False)
    told, line = found.attribution, found.baselines["greedy"]
    assert told is not None
    assert told.gain == pytest.approx(line.equal_gain)
    assert sum(told.shares.values()) == pytest.approx(told.gain, abs=1e-9 * abs(told.gain) + 1e-9)
    for inside, welfare in told.worth.items():
        for size in range(len(inside)):
            for part in combinations(inside, size):
                assert told.worth[part] <= welfare + 1e-9 * abs(welfare)
    assert told.shares["serving"] >= 0
