"""How far a price holds: inside the ends it stays within 10 %, outside it does not."""

import numpy as np
import pytest

import allocate.solver.ranges as module
from allocate.models.loader import load_dict
from allocate.solver.ranges import price_ranges
from allocate.solver.solve import solve
from tests.solver.cases import (
    HOURLY,
    api_and_humans,
    changed,
    everything,
    fleet,
    got,
    price,
    put,
    solved,
)


def question() -> dict:
    """720 requests an hour, a cheap and a dear model, and a budget that pays for some of both."""
    return {
        "version": 1,
        "budgets": {"money_usd": 25},
        "prices": {"risk_usd": 2},
        "models": {
            "cheap": {"quality": 0.70, "cost_per_task_usd": 0.002, "wrong_action_rate": 0.05},
            "frontier": {"quality": 0.92, "cost_per_task_usd": 0.05, "wrong_action_rate": 0.02},
        },
        "classes": {"question": {"rate_per_s": 0.2, "value_usd": 1.0}},
    }


def ends(config, path):
    solution = solved(config)
    return solution, price_ranges(solution.program, solution.duals, solution.allocation)[path]


def price_at(config, path, capacity):
    other = changed(config)
    put(other, path, float(capacity))
    return price(solved(other), path)


def test_a_budget_holds_from_all_cheap_to_all_dear():
    _, (low, high) = ends(question(), "budgets.money_usd")
    assert low == pytest.approx(720 * 0.002, rel=1e-9)
    assert high == pytest.approx(720 * 0.05, rel=1e-9)


def test_the_result_carries_the_range():
    document = solve(load_dict(question())).to_dict()
    (one,) = document["prices"]
    assert (one["valid_from"], one["valid_to"]) == pytest.approx((1.44, 36.0), rel=1e-9)


SMOOTH = {
    "gpus": (fleet(), "gpus.h100.available"),
    "gpus of a busy fleet": (everything(), "gpus.h100.available"),
    "reviewers": (everything(), "humans.minutes_per_h"),
    "budget": (everything(), "budgets.money_usd"),
    "risk": (changed(api_and_humans(), limits={"risk_per_h": 20}), "limits.risk_per_h"),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_at_the_ends_the_price_is_a_tenth_higher_and_lower(name):
    """So a price is found at an end by another way: solving again with that capacity."""
    config, path = SMOOTH[name]
    base, (low, high) = ends(config, path)
    value = price(base, path)
    assert low < got(config, path) < high
    for end, edge in ((low, 1.1), (high, 0.9)):
        inner, outer = (price_at(config, path, end * f) / value for f in (1 - 1e-3, 1 + 1e-3))
        assert outer - 1e-6 <= edge <= inner + 1e-6  # also where the price jumps at the end


def test_near_capacities_are_inside():
    """3.99 and 4.01 GPUs are worth the same as 4, and the range says so."""
    config = changed(fleet(), gpus__h100__available=4)
    base, (low, high) = ends(config, "gpus.h100.available")
    assert low < 3.99
    assert high > 4.01
    for capacity in (low * 1.01, 3.99, 4.01, high * 0.99):
        moved = price_at(config, "gpus.h100.available", capacity)
        assert moved == pytest.approx(price(base, "gpus.h100.available"), rel=0.1001)


def test_a_floor_holds_to_where_more_would_cost_more():
    limit = {"shares": {"s": {"models": ["frontier"], "min_share": 0.3}}}
    config = changed(question(), limits=limit, budgets={"money_usd": 1e3}, prices={"risk_usd": 0})
    config["models"]["frontier"]["quality"] = 0.71  # the floor costs 3.8 cents a request
    path = "limits.shares.s.min_share"
    base, (low, high) = ends(config, path)
    assert price(base, path) == pytest.approx(-720 * 0.038, rel=1e-6)
    assert low == 0.0
    assert high == pytest.approx(1.0, rel=1e-9)


def test_constant_returns_hold_for_ever():
    config = {
        "version": 1,
        "budgets": {"money_usd": 10},
        "token_uses": {
            "a": {"exponent": 0.6, "price_usd": 0.01},
            "b": {"exponent": 0.4, "price_usd": 0.1},
        },
        "models": {"m": {"success": {"form": "cobb_douglas"}}},
        "classes": {"t": {"rate_per_s": HOURLY, "value_usd": 1.0}},
    }
    _, found = ends(config, "budgets.money_usd")
    assert found == (0.0, None)


@pytest.mark.parametrize(
    ("config", "path"),
    [
        (changed(fleet(), deployments__own_h100__kv_memory_gb=1.0), "own_h100.kv_memory_gb"),
        (
            changed(api_and_humans(), limits={"latency": {"l": {"mean_s": 8, "classes": ["ask"]}}}),
            "limits.latency.l.mean_s",
        ),
    ],
    ids=["KV", "latency"],
)
def test_a_supply_of_every_replica_is_searched(config, path):
    path = path if path.startswith("limits") else f"deployments.{path}"
    base, (low, high) = ends(config, path)
    capacity, value = got(config, path), price(base, path)
    assert low < capacity < high
    for end in (low, high):
        away = end - capacity
        assert abs(price_at(config, path, capacity + 0.7 * away) / value - 1) < 0.1
        beyond = end + np.sign(away) * 0.02 * capacity
        assert abs(price_at(config, path, beyond) / value - 1) > 0.1


def test_an_end_that_is_not_certified_is_not_told(monkeypatch):
    def careless(program, duals):
        found = module.newton(program, duals)
        found.duals = found.duals * 1.01
        return found

    solution = solved(question())
    found = price_ranges(solution.program, solution.duals, solution.allocation, solve=careless)
    assert found == {"budgets.money_usd": (None, None)}


def test_a_slack_capacity_stays_slack_down_to_its_use_and_a_floor_up_to_it():
    limits = {
        "shares": {"s": {"models": ["frontier"], "min_share": 0.3, "max_share": 0.9}},
        "risk_per_h": 1e3,
    }
    solution = solved(changed(question(), limits=limits))
    found = {p.resource: p for p in solution.prices}
    share = (25 - 1.44) / (36 - 1.44)
    floor = found["limits.shares.s.min_share"]
    assert (floor.valid_from, floor.valid_to) == (0.0, pytest.approx(share, rel=1e-6))
    top = found["limits.shares.s.max_share"]
    assert (top.valid_from, top.valid_to) == (pytest.approx(share, rel=1e-6), None)
    assert "to spare" in top.sentence
    risk = found["limits.risk_per_h"]
    assert risk.valid_from == pytest.approx(solution.objective["risk"] / 2, rel=1e-6)


def test_progress_counts_the_prices():
    solution, told = solved(everything()), []
    price_ranges(solution.program, solution.duals, solution.allocation, progress=told.append)
    binding = sum(p.binding for p in solution.prices)
    assert [(t["done"], t["of"]) for t in told] == [(i, binding) for i in range(binding)]
