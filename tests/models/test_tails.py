"""CVaR over scenarios of what is spent and of what is declined, by hand."""

import pytest

from tests.models.capacity_cases import PER_GPU, bought, reserved, scenarios, solved


def uncertain(value=0.01, **tails):
    config = bought(reserved={"price_usd_per_h": 2.0}, on_demand={"price_usd_per_h": 3.0})
    config["classes"]["k"]["value_usd"] = value
    config["uncertainty"] = {**scenarios(low=(0.6, 1.0), high=(0.4, 2.0)), **tails}
    return config


def money(answer):
    return {line["scenario"]: line["money"] for line in answer.layers.capacity()["scenarios"]}


def price(answer, path):
    return next(p for p in answer.prices if p.resource == path)


def test_without_a_tail_the_high_demand_is_bought_by_the_hour():
    answer = solved(uncertain())
    assert reserved(answer) == pytest.approx(2.0)
    assert money(answer) == pytest.approx({"low": 4.0, "high": 10.0})


def test_a_limit_on_the_worst_case_of_cost():
    answer = solved(uncertain(cost_tail={"beta": 0.9, "max_usd_per_h": 9.0}))
    # beta 0.9 is past the high scenario's chance: its cost is the tail. A reserved GPU saves it
    # a dollar and costs the low scenario two, so a third one is reserved.
    assert money(answer)["high"] == pytest.approx(9.0)
    assert reserved(answer) == pytest.approx(3.0)
    # a dollar more of the limit saves one reserved GPU: 2 - 0.4 × 3 = 0.8 a dollar
    found = price(answer, "uncertainty.cost_tail.max_usd_per_h")
    assert found.value == pytest.approx(0.8, rel=1e-9)
    assert found.used == pytest.approx(9.0)


def test_a_price_of_the_tail_is_paid_on_all_of_it():
    answer = solved(uncertain(cost_tail={"beta": 0.9, "price_usd": 0.5}))
    assert answer.objective["risk"] == pytest.approx(0.5 * 10.0)
    # at 0.8 and more a reserved GPU pays for itself by the tail that it saves
    dear = solved(uncertain(cost_tail={"beta": 0.9, "price_usd": 0.81}))
    assert reserved(dear) == pytest.approx(4.0)
    assert dear.objective["risk"] == pytest.approx(0.81 * 8.0)


def test_the_tail_of_less_than_a_scenario_mixes_it_with_the_next():
    answer = solved(uncertain(cost_tail={"beta": 0.5, "price_usd": 0.1}))
    # the worst half: all of the high scenario (0.4) and 0.1 of the low one
    assert answer.objective["risk"] == pytest.approx(0.1 * (0.4 * 10 + 0.1 * 4) / 0.5)


def test_a_limit_on_what_is_declined():
    per_gpu = 3600 * PER_GPU
    config = uncertain(2.5 / per_gpu, unmet_tail={"beta": 0.9, "max_per_h": 0.5 * per_gpu})
    # a GPU-hour of requests is worth 2.5: reserving two pays, buying at 3 for the rest does not
    answer = solved(config)
    line = {x["scenario"]: x for x in answer.layers.capacity()["scenarios"]}
    assert line["high"]["declined_per_s"] == pytest.approx(0.5 * PER_GPU)
    assert line["low"]["declined_per_s"] == pytest.approx(0.0, abs=1e-9)
    found = price(answer, "uncertainty.unmet_tail.max_per_h")
    # one more declined saves 0.4 × (3 - 2.5) dollars a GPU-hour of requests
    assert found.value == pytest.approx(0.4 * 0.5 / per_gpu, rel=1e-8)
