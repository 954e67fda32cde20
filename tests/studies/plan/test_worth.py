"""Where buying stops paying: closed forms, and the price seen to be gone there by solving again."""

from typing import Any

import pytest

from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from allocate.solver.studies.plan.case import Case, Checks, rounded, settings
from allocate.solver.studies.plan.worth import GONE, Worth, scale_of, value_of, worth_of
from tests.solver.cases import HOURLY, changed, everything, fleet, got, solved


def worths_of(config: dict[str, Any]) -> dict[str, Worth]:
    case = Case(config)
    base, checks = case.solved(), Checks(case)
    return {p.resource: worth_of(base, checks, p) for p in base.prices}


def question() -> dict[str, Any]:
    """720 requests an hour, a cheap and a dear model, and a budget that pays for some of both."""
    return {
        "version": 1,
        "budgets": {"money_usd": 25},
        "models": {
            "cheap": {"quality": 0.70, "cost_per_task_usd": 0.002},
            "frontier": {"quality": 0.92, "cost_per_task_usd": 0.05},
        },
        "classes": {"question": {"rate_per_s": 0.2, "value_usd": 1.0}},
    }


def root() -> dict[str, Any]:
    """One request an hour of value 2 √t at a cent a token: worth 1 a dollar at t = 10,000."""
    return {
        "version": 1,
        "budgets": {"money_usd": 60},
        "token_uses": {"think": {"exponent": 0.5, "reference_tokens": 1, "price_usd": 0.01}},
        "models": {"agent": {"success": {"form": "cobb_douglas"}}},
        "classes": {"task": {"rate_per_s": HOURLY, "value_usd": 2.0}},
    }


def test_a_budget_stops_paying_where_everybody_gets_the_dear_model():
    worth = worths_of(question())["budgets.money_usd"]
    assert worth.until == pytest.approx(720 * 0.05, rel=1e-4)
    per_dollar = (0.92 - 0.70) / (0.05 - 0.002) - 1.0
    assert worth.price.value == pytest.approx(per_dollar, rel=1e-6)
    assert worth.gain == pytest.approx(per_dollar * 11.0, rel=1e-4)


def test_a_smooth_budget_stops_paying_where_the_last_dollar_brings_one():
    worth = worths_of(root())["budgets.money_usd"]
    # dW/dB = V / (2 sqrt(p B)) - 1 = 0  at  B = V² / 4p
    assert worth.until == pytest.approx(4.0 / 0.04, rel=5e-3)
    best, now = 2 * 100.0 - 100.0, 2 * (60 / 0.01) ** 0.5 - 60.0
    assert worth.gain == pytest.approx(best - now, rel=1e-3)


@pytest.mark.parametrize("config", [fleet(), everything()], ids=["fleet", "everything"])
def test_the_price_is_there_before_the_end_and_gone_after_it(config):
    for path, worth in worths_of(config).items():
        if worth.until is None:
            assert not worth.price.binding or worth.why.startswith("not met")
            continue
        now = got(config, path)
        for factor, gone in ((0.85, False), (1.001, True)):
            capacity = now + factor * (worth.until - now)
            other = solved(changed(config, **{path.replace(".", "__"): capacity}))
            left = abs(value_of(other, path))
            assert (left <= GONE * scale_of(worth.price)) == gone, (path, factor, left)


@pytest.mark.parametrize("config", [fleet(), everything()], ids=["fleet", "everything"])
def test_a_price_times_a_small_change_is_what_solving_again_gains(config):
    base = solved(config)
    for price in base.prices:
        if not price.binding:
            continue
        capacity = got(config, price.resource)
        ends = [
            solved(changed(config, **{price.resource.replace(".", "__"): capacity * f})).welfare
            for f in (1 - 1e-4, 1 + 1e-4)
        ]
        slope = (ends[1] - ends[0]) / (2e-4 * capacity)
        assert price.value == pytest.approx(slope, rel=1e-2)


def test_the_gain_of_going_there_is_that_of_solving_again():
    config = everything()
    for path, worth in worths_of(config).items():
        if worth.until is None:
            continue
        assert worth.gain is not None
        other = solved(changed(config, **{path.replace(".", "__"): worth.until}))
        assert worth.gain == pytest.approx(other.welfare - solved(config).welfare, rel=1e-6)


def test_what_is_to_spare_is_not_bought_and_says_so():
    config = changed(fleet(), gpus__h100__available=1000)
    worth = worths_of(config)["gpus.h100.available"]
    assert (worth.until, worth.gain) == (None, None)
    assert "to spare" in worth.why
    assert worth.to_dict()["spare"] == pytest.approx(1000 - worth.price.used)


def test_a_floor_pays_to_be_lowered():
    config = question()
    config["budgets"] = {"money_usd": 1000}
    config["limits"] = {"shares": {"local": {"models": ["cheap"], "min_share": 0.4}}}
    worth = worths_of(config)["limits.shares.local.min_share"]
    assert worth.price.value < 0
    assert worth.until == 0.0
    assert worth.gain == pytest.approx(-0.4 * worth.price.value, rel=1e-6)


def test_none_at_all_is_bought_from_nothing():
    worth = worths_of(changed(fleet(), gpus__h100__available=0))["gpus.h100.available"]
    bought = worths_of(fleet())["gpus.h100.available"]
    assert worth.until == pytest.approx(bought.until, rel=1e-3)


def test_whole_replicas_have_no_end_and_are_told():
    config = fleet()
    config["deployments"]["own_h100"] |= {"integer_replicas": True, "gpus_per_replica": 2}
    worth = worths_of(config)["gpus.h100.available"]
    assert worth.until is None
    if worth.price.binding:
        assert "whole" in worth.why


@pytest.mark.parametrize("value", [28.0, 1e-5, 0.1, 1e21, 12345.678, 0.0])
def test_what_is_set_is_read_back_as_it_was(value):
    config = changed(fleet(), prices__latency_usd_per_s=0)
    loaded = load_dict(config, overrides=settings({"prices.latency_usd_per_s": value}))
    assert loaded.config.prices.latency_usd_per_s == value


def test_rounded_numbers_can_be_typed():
    assert [rounded(x) for x in (32.87861234, 0.000123456789, 28.0000001)] == [
        32.8786,
        0.000123457,
        28.0,
    ]


def test_a_case_solves_as_solve_does():
    config = everything()
    assert Case(config).solved().welfare == solve(load_dict(config), ranges=False).welfare
