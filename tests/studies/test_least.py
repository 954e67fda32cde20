"""The least spending that is worth as much: enough is enough, and less is not."""

import pytest

from allocate.errors import SolveError
from allocate.solver.studies.caps import Caps
from allocate.solver.studies.investment import Investment
from allocate.solver.studies.joint import held, joint
from allocate.solver.studies.least import least_spend
from benchmarks import instances
from tests.solver.cases import fleet, two_models
from tests.studies.cases import own_only, scene_of

CASES = {
    "models": two_models(),
    "fleet": fleet(),
    "own": own_only(0.6),
    "people": instances.draw(3, 7, ["api", "uses", "humans", "risk"], 1.0),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("part", [0.9, 0.3])
def test_enough_is_worth_the_target_and_less_is_not(name, part):
    scene = scene_of(CASES[name])
    best = joint(scene, Caps(), scene.prices, Investment())
    target = part * (best.welfare + best.spend)
    caps = Caps(best.machines, best.spend)
    enough, needed = least_spend(scene, caps, best, target, tolerance=1e-3)
    assert 0 <= needed <= enough <= best.spend * (1 + 1e-9)
    assert enough - needed <= 2e-3 * enough
    assert worth(scene, best, enough * (1 + 1e-6)) >= target * (1 - 1e-6)
    assert worth(scene, best, needed * (1 - 1e-2)) < target


def worth(scene, best, spend: float) -> float:
    """The most that is worth doing with so much to spend, found by a limit instead of a price."""
    answer = held(scene, Caps(best.machines, spend), best.prices, Investment(), factor=1e-3)
    return answer.welfare + answer.spend


def test_spending_more_may_be_what_it_takes():
    scene = scene_of(two_models())
    best = joint(scene, Caps(), scene.prices, Investment())
    caps = Caps(10 * best.machines + 10, 10 * best.spend + 10)
    target = 1.05 * (best.welfare + best.spend)  # more than pays for itself
    enough, needed = least_spend(scene, caps, best, target)
    assert best.spend < needed <= enough < caps.total


def test_a_target_out_of_reach_costs_all_there_is():
    scene = scene_of(two_models())
    best = joint(scene, Caps(), scene.prices, Investment())
    caps = Caps(best.machines, best.spend)
    try:
        enough, needed = least_spend(scene, caps, best, 100 * (best.welfare + best.spend))
    except SolveError:
        pytest.fail("a target that is out of reach is no error")
    assert needed <= enough == caps.total


def test_who_may_not_be_declined_is_paid_for():
    config = two_models()
    for one in config["classes"].values():
        one["decline"] = False
    scene = scene_of(config)
    best = joint(scene, Caps(), scene.prices, Investment())
    caps = Caps(best.machines, best.spend)
    enough, _ = least_spend(scene, caps, best, 0.3 * (best.welfare + best.spend), tolerance=1e-3)
    cheapest = held(scene, Caps(best.machines, enough * (1 + 1e-6)), best.prices, Investment())
    assert cheapest.spend <= enough * (1 + 1e-5)
