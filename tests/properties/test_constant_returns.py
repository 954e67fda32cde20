"""Exponents that sum to 1: effort is a cone, and a request has no best size of its own."""

import numpy as np
import pytest

from allocate.errors import SolveError
from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from tests.solver.cases import HOURLY, changed, solved


def stepped(**use) -> dict:
    """One request an hour on a table with constant returns: 0.5 at effort 1, 0.8 at 2."""
    return {
        "version": 1,
        "prices": {"risk_usd": 1.0},
        "token_uses": {"w": {"exponent": 1.0, "price_usd": 0.001, **use}},
        "models": {"m": {"success": {"form": "table", "points": [[1, 0.5], [2, 0.8]]}}},
        "classes": {"x": {"rate_per_s": HOURLY, "value_usd": 1.0}},
    }


def yielding(**more) -> dict:
    """360 requests an hour whose success grows with their tokens without an end."""
    return {
        "version": 1,
        "token_uses": {"w": {"exponent": 1.0, "reference_tokens": 1000}},
        "models": {"m": {"success": {"form": "cobb_douglas", "scale": 0.005}}},
        "gpus": {"g": {"available": 4, "price_usd_per_h": 1}},
        "deployments": {
            "d": {
                "model": "m",
                "gpu": "g",
                "alpha_ms": 10,
                "beta_ms": 0.2,
                "tpot_ms": [15, 20, 40],
            }
        },
        "classes": {"x": {"rate_per_s": 0.1, "value_usd": 1.0}},
        **more,
    }


@pytest.mark.parametrize("method", ["prices", "conic"])
@pytest.mark.parametrize("cap", [0.5, 1.0, 1.5, 2.0, 3.0])
def test_a_cap_inside_a_segment_is_an_end_of_it(cap, method):
    """By hand: tokens up to the cap or to effort 2, at 0.001 USD each."""
    solution = solved(stepped(max_tokens=cap), method=method)
    effort = min(cap, 2.0)
    score = np.interp(effort, [0, 1, 2], [0, 0.5, 0.8])
    assert solution.welfare == pytest.approx(score - 0.001 * effort, rel=1e-9)


@pytest.mark.parametrize("share", [0.3, 0.9, 1.4])
def test_a_budget_inside_a_segment_splits_the_requests_between_its_ends(share):
    """The budget buys ``share`` tokens a request; the line through the ends is exact."""
    config = changed(stepped(max_tokens=1.5), budgets={"money_usd": 0.001 * share})
    solution = solved(config)
    score = np.interp(share, [0, 1, 2], [0, 0.5, 0.8])
    assert solution.welfare == pytest.approx(score - 0.001 * share, rel=1e-9)


def test_risk_on_the_same_use_bends_the_line():
    """By hand: with a budget of 1.5 USD one request buys 1.5 tokens, all of its own.

    Success 0.65 of 10 USD, a loss of exp(−1.5), and 1.5 USD spent.
    """
    config = changed(
        stepped(price_usd=1.0, risk_tokens=1.0),
        models__m__wrong_action_rate=1.0,
        classes__x__value_usd=10.0,
        budgets={"money_usd": 1.5},
    )
    assert solved(config).welfare == pytest.approx(6.5 - np.exp(-1.5) - 1.5, rel=1e-9)


def test_serving_without_tokens_saves_the_cost_of_declining():
    """Half the requests can have a bundle; the others are served with nothing, not declined."""
    config = changed(stepped(), classes__x__decline_cost_usd=0.3, budgets={"money_usd": 0.0005})
    assert solved(config).welfare == pytest.approx(0.25 - 0.0005, rel=1e-9)
    forced = changed(config, classes__x__decline=False)
    assert solved(forced).welfare == pytest.approx(0.25 - 0.0005, rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_two_uses_of_which_one_is_capped(seed):
    """Past the cap of one use returns fall; the optimum of one request by search."""
    rng = np.random.default_rng(seed)
    first, cap = float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.2, 0.8))
    prices = 0.05 * rng.uniform(0.5, 2.0, 2)
    config = changed(stepped(), classes__x__value_usd=1.0)
    config["token_uses"] = {
        "a": {"exponent": first, "price_usd": float(prices[0]), "max_tokens": cap},
        "b": {"exponent": 1.0 - first, "price_usd": float(prices[1])},
    }
    a, b = np.meshgrid(np.linspace(0, cap, 801), np.linspace(0, 20, 8001), indexing="ij")
    score = np.interp(a**first * b ** (1 - first), [0, 1, 2], [0, 0.5, 0.8])
    best = float((score - prices[0] * a - prices[1] * b).max())
    welfare = solved(config).welfare
    assert best - 1e-9 <= welfare <= best + 1e-4


# --- no end ------------------------------------------------------------------------------


def test_effort_without_an_end_is_bounded_by_what_supplies_the_lane():
    """By hand: a GPU at 1 USD makes so many tokens; the best lane is the slowest, u = 3/4.

    3 USD buy 3 GPU-hours of 3600·0.75/0.0002 tokens; 1000 tokens are worth 0.005 USD.
    """
    config = yielding(budgets={"money_usd": 3.0})
    tokens = 3 * 3600 * 0.75 / 0.0002
    assert solved(config).welfare == pytest.approx(0.005 * tokens / 1000 - 3.0, rel=1e-9)


def test_a_small_api_beside_does_not_bound_the_lane():
    config = yielding(budgets={"money_usd": 3.0})
    alone = solved(config).welfare
    for api in (
        {"output_usd_per_mtok": 1},
        {"output_usd_per_mtok": 1, "tokens_per_minute": 1},
    ):
        beside = solved(changed(config, models__m__api=api)).welfare
        assert beside >= alone * (1 - 1e-9)


def test_caps_bound_every_arm_by_themselves():
    """360 requests of 2000 tokens at 0.4 a thousand, on GPUs that have room for them."""
    config = changed(yielding(), models__m__success__scale=0.4, token_uses__w__max_tokens=2000)
    hours = 360 * 2000 / (3600 * 0.75 / 0.0002)
    assert solved(config).welfare == pytest.approx(360 * 0.8 - hours, rel=1e-9)


@pytest.mark.parametrize(
    "more",
    [
        {"models__m__cost_per_task_usd": 0.5},
        {"classes__x__prompt_tokens": 100, "deployments__d__delta_ms_per_ktok": 5.0},
        {"models__other": {"quality": 0.001}},
    ],
)
def test_where_ever_fewer_requests_with_ever_more_tokens_are_best_it_is_said(more):
    config = changed(yielding(budgets={"money_usd": 3.0}), **more)
    with pytest.raises(SolveError) as caught:
        solve(load_dict(config), ranges=False)
    assert caught.value.status == "unbounded"
    assert "fewer requests with more tokens each" in caught.value.message
    capped = changed(config, token_uses__w__max_tokens=5000)
    assert solved(capped).status == "optimal"
