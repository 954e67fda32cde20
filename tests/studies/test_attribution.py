"""The Shapley value: by hand, and as a split of a real gain."""

from dataclasses import replace
from itertools import combinations, permutations
from typing import Any

import pytest

from allocate.cli.render.compare_sheets import layers_sheet
from allocate.errors import SolveError
from allocate.models.loader import load_dict
from allocate.solver.studies import attribution
from allocate.solver.studies.attribution import LAYERS, shapley
from allocate.solver.studies.compare import compare
from tests.solver.cases import changed, everything, fleet
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
    # so it was before smaller coalitions lifted larger ones, but for the certificates' error
    assert not told.unsolved
    assert 0 <= told.lifted <= told.error <= 1e-5 * abs(told.best.welfare)
    assert found.to_dict()["attribution"]["lifted_usd_per_hour"] == told.lifted


def test_a_coalition_without_an_answer_is_told_and_one_too_low_is_lifted(monkeypatch):
    solve = attribution.coalition

    def poor(scene, baseline, decided, inside, near):
        if inside == ("router",):
            raise SolveError("stopped", "no answer")
        answer = solve(scene, baseline, decided, inside, near)
        return replace(answer, welfare=baseline.welfare - 3.0) if len(inside) == 1 else answer

    monkeypatch.setattr(attribution, "coalition", poor)
    found = compare(load_dict(fleet()), ["greedy"], least=False, steps=False)
    told = found.to_dict()["attribution"]
    assert told["unsolved"] == [["router"]]
    assert told["lifted_usd_per_hour"] == pytest.approx(3.0)
    assert told["lifted_usd_per_hour"] > told["error"]
    said = layers_sheet(found.to_dict())
    assert said is not None
    assert "no answer was found for router" in said.about
    assert "$3/h too low" in said.about


def test_two_layers_share_a_gain_by_the_worth_of_every_coalition(monkeypatch):
    """The router alone gains 3, the agent alone 1, both together all 10: 6 and 4 by hand."""
    found = compare(load_dict(changed(everything())), ["greedy"], attribution=False, least=False)
    line, own = found.baselines["greedy"], {("router",): 3.0, ("autonomy",): 1.0}
    base = line.outcome.welfare
    whole = replace(line.equal, welfare=base + 10.0)

    def worth(scene, baseline, decided, inside, near):
        return replace(line.equal, welfare=base + own[tuple(inside)])

    monkeypatch.setattr(attribution, "coalition", worth)
    monkeypatch.setattr(attribution, "present", lambda scene: ("router", "autonomy"))
    unseen: Any = None  # neither is looked at
    told = attribution.attribute(unseen, line.outcome, unseen, whole)
    assert told.gain == pytest.approx(10.0)
    assert told.shares == pytest.approx(
        {"router": 6.0, "autonomy": 4.0, "serving": 0.0, "training": 0.0}
    )
    assert told.lifted == 0.0
