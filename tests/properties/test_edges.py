"""Programs at the edge: nothing to do, no way to do it, no end to it."""

import numpy as np
import pytest

from allocate.errors import SolveError
from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from tests.independent_check import check
from tests.solver.cases import (
    HOURLY,
    api_and_humans,
    changed,
    fleet,
    price,
    put,
    solved,
    two_models,
)


def capped(calls: float, **task) -> dict:
    """One class of 120 requests an hour on one API with so many calls a minute."""
    return {
        "version": 1,
        "models": {"m": {"quality": 0.5, "api": {"requests_per_minute": calls}}},
        "classes": {"task": {"rate_per_s": 120 * HOURLY, "value_usd": 4, "decline": False, **task}},
    }


@pytest.mark.parametrize("calls", [0.0, 0.5, 1.9])
def test_too_little_capacity_for_a_class_that_must_be_served_is_infeasible(calls):
    with pytest.raises(SolveError) as caught:
        solve(load_dict(capped(calls)), ranges=False)
    assert caught.value.status == "infeasible"
    assert caught.value.exit_code == 3
    assert "models.m.api.requests_per_minute" in " ".join(caught.value.conflicts)


def test_an_envelope_that_cannot_be_kept_is_named():
    config = changed(two_models(), classes__task__decline=False, limits={"risk_per_h": 0.005})
    with pytest.raises(SolveError) as caught:
        solve(load_dict(config), ranges=False)
    assert caught.value.status == "infeasible"
    assert "limits.risk_per_h" in " ".join(caught.value.conflicts)


def test_limits_that_only_conflict_together_are_both_named():
    config = changed(
        two_models(),
        classes__task__decline=False,
        limits={
            "risk_per_h": 0.02,
            "shares": {"s": {"models": ["frontier"], "max_share": 0.5}},
        },
    )
    with pytest.raises(SolveError) as caught:
        solve(load_dict(config), ranges=False)
    named = " ".join(caught.value.conflicts)
    assert "limits.risk_per_h" in named
    assert "limits.shares.s.max_share" in named
    for alone in ("risk_per_h", "shares"):
        relaxed = changed(config)
        del relaxed["limits"][alone]
        assert solved(relaxed).status == "optimal"


def test_capacity_exactly_met_is_feasible():
    solution = solved(capped(2.0))
    assert solution.welfare == pytest.approx(240.0, rel=1e-9)
    with pytest.raises(SolveError):
        solve(load_dict(capped(2.0 * (1 - 1e-4))), ranges=False)


def test_capacity_exactly_met_by_choice():
    solution = solved(capped(2.0, decline=True))
    assert solution.welfare == pytest.approx(240.0, rel=1e-9)
    worth = price(solution, "models.m.api.requests_per_minute")
    assert -1e-9 <= worth <= 120.0 + 1e-6  # at the kink any price between the two slopes is right


@pytest.mark.parametrize(("calls", "worth"), [(1.0, 120.0), (3.0, 0.0), (0.0, 120.0)])
def test_the_price_of_a_capacity_that_is_short_ample_or_absent(calls, worth):
    solution = solved(capped(calls, decline=True))
    assert price(solution, "models.m.api.requests_per_minute") == pytest.approx(
        worth, rel=1e-6, abs=1e-6
    )
    assert solution.welfare == pytest.approx(120.0 * min(calls, 2.0), abs=1e-6)


def test_free_tokens_without_an_end_are_unbounded():
    config = {
        "version": 1,
        "token_uses": {"think": {"exponent": 0.5}},
        "models": {"m": {"success": {"form": "cobb_douglas"}}},
        "classes": {"task": {"rate_per_s": 1, "value_usd": 1}},
    }
    with pytest.raises(SolveError) as caught:
        solve(load_dict(config), ranges=False)
    assert caught.value.status == "unbounded"
    bounded = changed(config, token_uses__think__max_tokens=100)
    assert solved(bounded).welfare == pytest.approx(36000.0, rel=1e-9)


def test_constant_returns_that_pay_are_unbounded():
    config = {
        "version": 1,
        "token_uses": {"think": {"exponent": 1.0, "price_usd": 0.5}},
        "models": {"m": {"success": {"form": "cobb_douglas"}}},
        "classes": {"task": {"rate_per_s": HOURLY, "value_usd": 1}},
    }
    with pytest.raises(SolveError) as caught:
        solve(load_dict(config), ranges=False)
    assert caught.value.status == "unbounded"


@pytest.mark.parametrize("make", [two_models, api_and_humans, fleet])
def test_no_demand_is_worth_nothing(make):
    config = changed(make(), demand={"scale": 0.0}, budgets={"money_usd": 5})
    solution = solved(config)
    assert solution.welfare == pytest.approx(0.0, abs=1e-9)
    assert all(p.value == 0.0 for p in solution.prices)
    assert solution.layers.router == []


def test_one_class_without_demand_changes_nothing():
    config = changed(api_and_humans(), budgets={"money_usd": 10})
    other = changed(config, classes__idle={"rate_per_s": 0, "value_usd": 100})
    assert solved(other).welfare == pytest.approx(solved(config).welfare, rel=2e-6)


def test_one_class_on_one_arm():
    config = changed(two_models(value=10), classes__task__models=["frontier"])
    solution = solved(config)
    assert solution.welfare == pytest.approx(4.0)
    ((_, share),) = [(line["model"], line["share"]) for line in solution.layers.router]
    assert share == pytest.approx(1.0)


def test_what_does_not_pay_is_declined_unless_declining_costs_more():
    config = changed(two_models(value=1.0))
    assert solved(config).welfare == pytest.approx(0.0, abs=1e-9)
    forced = changed(config, classes__task__decline=False)
    assert solved(forced).welfare == pytest.approx(0.7 - 1.0)
    fined = changed(config, classes__task__decline_cost_usd=0.2)
    assert solved(fined).welfare == pytest.approx(-0.2)
    fined = changed(config, classes__task__decline_cost_usd=0.4)
    assert solved(fined).welfare == pytest.approx(-0.3)


def test_no_budget_and_no_gpus_serve_nothing():
    for config in (
        changed(two_models(), budgets={"money_usd": 0.0}),
        changed(fleet(), budgets={"money_usd": 0.0}, gpus__h100__available=0.0),
    ):
        assert solved(config).welfare == pytest.approx(0.0, abs=1e-6)


# --- the two methods -------------------------------------------------------------------------


def instance(seed: int) -> dict:
    rng = np.random.default_rng(seed)
    config = api_and_humans()
    for c in config["classes"].values():
        c["rate_per_s"] *= float(rng.uniform(0.3, 3))
        c["value_usd"] *= float(rng.uniform(0.5, 3))
        c["difficulty"] = float(rng.uniform(0.5, 2))
    limits = {
        "budgets.money_usd": float(rng.uniform(5, 30)),
        "humans.minutes_per_h": float(rng.uniform(20, 200)),
        "models.strong.api.requests_per_minute": float(rng.uniform(1, 4)),
        "limits.risk_per_h": float(rng.uniform(10, 40)),
    }
    for path in rng.permutation(list(limits))[: rng.integers(1, 3)]:
        put(config, str(path), limits[path])
    return config


@pytest.mark.parametrize("seed", range(15))
def test_the_methods_agree_and_the_second_judge_with_both(seed):
    config = instance(seed)
    found = {m: solved(config, method=m) for m in ("prices", "conic")}
    a, b = found["prices"].certificate, found["conic"].certificate
    assert abs(a.primal - b.primal) <= 1e-6 * (abs(a.primal) + abs(b.primal))
    assert a.primal <= b.dual * (1 + 1e-6)
    assert b.primal <= a.dual * (1 + 1e-6)
    assert check(config, found["prices"].to_dict()).problems() == []
