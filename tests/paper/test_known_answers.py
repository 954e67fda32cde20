"""The paper's closed forms: two models, Cobb–Douglas, money's unit, constant returns."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from allocate.models.loader import load
from allocate.solver.solve import solve
from tests.solver.cases import (
    HOURLY,
    changed,
    everything,
    fleet,
    got,
    price,
    put,
    router,
    solved,
    two_models,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
SCALES = (0.01, 7.0, 1e4)
few = settings(max_examples=12)


# --- two models -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "rho", "best", "surplus"),
    [
        (10, 0, "cheap", 6.0),
        (100, 0, "frontier", 85.0),
        (19.9, 0, "cheap", 0.7 * 19.9 - 1),
        (20.1, 0, "frontier", 0.9 * 20.1 - 5),
        (9.9, 50, "cheap", 0.7 * 9.9 - 1 - 2.5),
        (10.1, 50, "frontier", 0.9 * 10.1 - 5 - 0.5),
    ],
)
def test_two_models_choose_at_the_crossover(value, rho, best, surplus):
    solution = solved(two_models(value, rho=rho))
    assert solution.welfare == pytest.approx(surplus, rel=1e-9)
    assert router(solution) == {("task", best): pytest.approx(1.0)}


@pytest.mark.parametrize(("model", "low", "high"), [("cheap", 6.0, 69.0), ("frontier", 4.0, 85.0)])
def test_each_model_alone_earns_its_surplus(model, low, high):
    for value, surplus in ((10, low), (100, high)):
        only = changed(two_models(value), classes__task__models=[model])
        assert solved(only).welfare == pytest.approx(surplus, rel=1e-9)


@pytest.mark.parametrize(("value", "rho", "worth"), [(20.0, 0.0, 13.0), (10.0, 50.0, 3.5)])
def test_at_the_crossover_both_models_earn_the_same(value, rho, worth):
    solution = solved(two_models(value, rho=rho))
    assert solution.welfare == pytest.approx(worth, rel=1e-9)
    assert sum(router(solution).values()) == pytest.approx(1.0)
    profits = solution.program.streams[0].profits(solution.duals)[0]
    assert profits[0] == pytest.approx(profits[1], rel=1e-12)


def test_the_example_file_says_the_same():
    path = EXAMPLES / "paper_two_models.yaml"
    for scenarios, worth in (((), 6.0), (("valuable",), 85.0), (("risky",), 4.0 - 0.5)):
        found = solve(load(path, scenarios=scenarios), ranges=False)
        assert found.status == "optimal"
        assert found.welfare == pytest.approx(worth, rel=1e-9)


@few
@given(
    q=st.tuples(st.floats(0.05, 0.6), st.floats(0.05, 0.35)),
    c=st.tuples(st.floats(0.01, 5.0), st.floats(0.01, 20.0)),
    w=st.tuples(st.floats(0.0, 0.2), st.floats(0.0, 0.2)),
    rho=st.floats(0.0, 40.0),
    above=st.floats(1.001, 3.0),
)
def test_the_crossover_is_where_the_formula_says(q, c, w, rho, above):
    quality, cost = (q[0], q[0] + q[1]), (c[0], c[0] + c[1])
    full = tuple(k + rho * e for k, e in zip(cost, w, strict=True))
    cross = (full[1] - full[0]) / (quality[1] - quality[0])
    assume(cross > 0.1)
    for value in (cross * above, cross / above):
        surplus = [value * p - k for p, k in zip(quality, full, strict=True)]
        solution = solved(two_models(value, quality, cost, w, rho))
        assert solution.welfare == pytest.approx(max(*surplus, 0.0), rel=1e-9, abs=1e-9 * value)
        if max(surplus) > 1e-6 * value:
            best = ("cheap", "frontier")[int(np.argmax(surplus))]
            assert router(solution) == {("task", best): pytest.approx(1.0)}


# --- Cobb–Douglas ---------------------------------------------------------------------------


def cobb_douglas(alphas, prices, budget, value):
    uses = {
        f"use{i}": {"exponent": float(a), "price_usd": float(p)}
        for i, (a, p) in enumerate(zip(alphas, prices, strict=True))
    }
    return {
        "version": 1,
        "budgets": {"money_usd": budget},
        "token_uses": uses,
        "models": {"agent": {"success": {"form": "cobb_douglas"}}},
        "classes": {"task": {"rate_per_s": HOURLY, "value_usd": value}},
    }


def tokens(solution):
    (line,) = solution.layers.autonomy
    return np.array(list(line["tokens"].values())) * line_share(solution)


def line_share(solution):
    return sum(x for (_, model), x in router(solution).items() if model is not None)


@pytest.mark.parametrize("total", [0.3, 0.8, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_cobb_douglas_splits_the_budget_by_exponents(total, seed):
    rng = np.random.default_rng([seed, int(10 * total)])
    n = int(rng.integers(1, 5))
    alphas = rng.uniform(0.1, 1.0, n)
    alphas *= total / alphas.sum()
    alphas[-1] += total - alphas.sum()  # exact sums matter at 1
    prices = 10.0 ** rng.uniform(-4, 0, n)
    budget = float(10.0 ** rng.uniform(0, 3))
    wanted = alphas / alphas.sum() * budget / prices
    output = float(np.prod(wanted**alphas))
    value = 5.0 * budget / (total * output)  # the last dollar earns 5
    solution = solved(cobb_douglas(alphas, prices, budget, value))
    assert tokens(solution) == pytest.approx(wanted, rel=1e-9)
    assert solution.welfare == pytest.approx(value * output - budget, rel=1e-9)
    assert price(solution, "budgets.money_usd") == pytest.approx(5.0 - 1.0, rel=1e-9)


def test_a_use_with_exponent_zero_gets_nothing_and_the_others_all():
    solution = solved(cobb_douglas([0.4, 0.0, 0.2], [0.01, 0.001, 0.1], 60.0, 50.0))
    assert tokens(solution) == pytest.approx([4000.0, 0.0, 200.0], rel=1e-9)


def test_a_complement_is_never_cut_to_nothing():
    for dear in (1e-3, 1.0, 1e3):
        solution = solved(cobb_douglas([0.4, 0.2], [0.01, dear], 60.0, 1e4))
        assert tokens(solution) == pytest.approx([4000.0, 20.0 / dear], rel=1e-9)


def test_a_budget_to_spare_is_not_spent():
    solution = solved(cobb_douglas([0.25, 0.25], [1.0, 1.0], 1000.0, 4.0))
    # V·√t with both uses at t: V·α·t^(2α−1) = 1 → t = 1 at V = 4
    assert tokens(solution) == pytest.approx([1.0, 1.0], rel=1e-6)
    assert price(solution, "budgets.money_usd") == 0.0


def test_the_cobb_douglas_example_is_as_its_comment_says():
    solution = solve(load(EXAMPLES / "paper_cobb_douglas.yaml"), ranges=False)
    assert tokens(solution) == pytest.approx([12500, 5000, 3750, 6250], rel=1e-9)
    assert price(solution, "budgets.money_usd") == pytest.approx(14.31, abs=5e-3)


# --- units and constant returns --------------------------------------------------------------

MONEY = (
    "prices.latency_usd_per_s",
    "prices.risk_usd",
    "budgets.money_usd",
    "humans.cost_usd_per_h",
    "models.api.api.input_usd_per_mtok",
    "models.api.api.output_usd_per_mtok",
    "gpus.h100.price_usd_per_h",
    "classes.easy.value_usd",
    "classes.hard.value_usd",
)


@pytest.mark.parametrize("scale", SCALES)
def test_money_in_another_unit_scales_every_price_and_moves_nothing(scale):
    config = everything()
    other = changed(config)
    for path in MONEY:
        put(other, path, got(config, path) * scale)
    before, after = solved(config), solved(other)
    assert after.welfare == pytest.approx(scale * before.welfare, rel=2e-6)
    per_dollar = {"budgets.money_usd"}
    for p in before.prices:
        factor = 1.0 if p.resource in per_dollar else scale
        assert price(after, p.resource) == pytest.approx(factor * p.value, rel=1e-4), p.resource
    for key, share in router(before).items():
        assert router(after).get(key, 0.0) == pytest.approx(share, abs=1e-4)
    assert after.rates["usd"] == pytest.approx(before.rates["usd"], rel=1e-4)
    for rate in ("lambda_usd_per_s", "rho_usd_per_loss"):
        assert after.rates[rate] == pytest.approx(scale * before.rates[rate], rel=1e-4)


def test_lambda_and_rho_do_not_change_when_only_the_budget_changes_its_unit():
    before = solved(everything())
    assert price(before, "budgets.money_usd") > 0.1  # so that the ratios are not the given prices
    for written in ("70 USD/h", "1680 USD/day"):
        after = solved(changed(everything(), budgets__money_usd=written))
        for rate in ("usd", "lambda_usd_per_s", "rho_usd_per_loss"):
            assert after.rates[rate] == pytest.approx(before.rates[rate], rel=1e-9)


def test_lambda_and_rho_are_ratios_of_duals():
    solution = solved(everything())
    dollar = 1.0 + price(solution, "budgets.money_usd")
    assert solution.rates["usd"] == pytest.approx(dollar, rel=1e-9)
    assert solution.rates["lambda_usd_per_s"] == pytest.approx(0.002 / dollar, rel=1e-9)
    assert solution.rates["rho_usd_per_loss"] == pytest.approx(1.0 / dollar, rel=1e-9)


@pytest.mark.parametrize("scale", [2.0, 1e-3])
def test_twice_of_everything_is_worth_twice_at_the_same_prices(scale):
    config = everything()
    other = changed(config)
    for path in (
        "classes.easy.rate_per_s",
        "classes.hard.rate_per_s",
        "gpus.h100.available",
        "humans.minutes_per_h",
        "budgets.money_usd",
    ):
        put(other, path, got(config, path) * scale)
    before, after = solved(config), solved(other)
    assert after.welfare == pytest.approx(scale * before.welfare, rel=2e-6)
    for resource in ("gpus.h100.available", "humans.minutes_per_h", "budgets.money_usd"):
        assert price(after, resource) == pytest.approx(price(before, resource), rel=1e-5)
        assert price(before, resource) > 0
    # a unit of these is one in every replica, and there are twice as many replicas
    tight = changed(fleet(), deployments__own_h100__max_batch=2)
    double = changed(
        tight,
        classes__easy__rate_per_s=4.0,
        classes__hard__rate_per_s=1.0,
        gpus__h100__available=6.0,
    )
    path = "deployments.own_h100.max_batch"
    assert price(solved(double), path) == pytest.approx(2 * price(solved(tight), path), rel=1e-5)
    assert price(solved(tight), path) > 0


def test_demand_scale_is_the_same_as_scaling_every_arrival_rate():
    config = fleet()
    scaled = changed(config, demand={"scale": 0.7})
    written = changed(config, classes__easy__rate_per_s=1.4, classes__hard__rate_per_s=0.35)
    assert solved(scaled).welfare == pytest.approx(solved(written).welfare, rel=1e-9)


# --- verification ----------------------------------------------------------------------------


def test_realised_risk_falls_with_the_verify_budget_until_it_is_worth_its_price():
    rate, tau, usd, loss = 0.1, 400.0, 0.0005, 20.0
    risks = []
    best = tau * np.log(loss * rate / (usd * tau))  # V-weighted marginal product = price
    budgets = np.array([0.05, 0.2, 0.4, 0.8, 0.99, 1.5, 4.0]) * best * usd
    for budget in budgets:
        config = {
            "version": 1,
            "prices": {"risk_usd": 1.0},
            "budgets": {"money_usd": float(budget)},
            "token_uses": {"verify": {"risk_tokens": tau, "price_usd": usd}},
            "models": {"m": {"quality": 0.9, "wrong_action_rate": rate}},
            "classes": {
                "task": {"rate_per_s": HOURLY, "value_usd": 10, "loss": loss, "decline": False}
            },
        }
        solution = solved(config)
        (line,) = solution.layers.autonomy
        spent = min(budget / usd, best)
        assert line["tokens"]["verify"] == pytest.approx(spent, rel=1e-5)
        assert line["wrong_actions"] == pytest.approx(rate * np.exp(-spent / tau), rel=1e-5)
        marginal = loss * rate * np.exp(-spent / tau) / tau / usd
        assert price(solution, "budgets.money_usd") == pytest.approx(
            max(marginal - 1.0, 0.0), rel=1e-4, abs=1e-6
        )
        risks.append(solution.objective["risk"])
    assert np.all(np.diff(risks[:5]) < 0)
    assert risks[5] == pytest.approx(usd * tau, rel=1e-5)  # p τ, whatever the budget
    assert risks[6] == pytest.approx(risks[5], rel=1e-9)


# --- lanes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", [9.0, 12.0, 25.0])
@pytest.mark.parametrize("headroom", [1.0, 1.3])
def test_a_lane_in_the_result_keeps_littles_law(tier, headroom):
    config = changed(
        fleet(),
        deployments__own_h100__tpot_ms=[tier],
        deployments__own_h100__burst_headroom=headroom,
        gpus__h100__available=40,
        classes__easy__models=["own"],
        classes__hard__models=["own"],
    )
    solution = solved(config)
    d = config["deployments"]["own_h100"]
    (lane,) = solution.layers.serving
    decoded = busy = seats_gb = prompts = calls = 0.0
    for line, route in zip(solution.layers.autonomy, solution.layers.router, strict=False):
        assert (line["class"], line["model"]) == (route["class"], route["model"])
        c = config["classes"][line["class"]]
        per_s = route["requests_per_s"]
        out, context = sum(line["tokens"].values()), c["prompt_tokens"]
        decoded += per_s * out
        busy += per_s * out * (d["beta_ms"] + d["gamma_ms_per_ktok"] * context / 1e3) / 1e3
        busy += per_s * c["prompt_tokens"] * d["delta_ms_per_ktok"] / 1e6
        seats_gb += per_s * out * tier / 1e3 * context * d["kv_bytes_per_token"] / 1e9
        prompts, calls = prompts + per_s * c["prompt_tokens"], calls + per_s
    assert decoded > 0
    use = 1 - d["alpha_ms"] / tier
    n = lane["replicas"]
    in_flight = decoded * tier / 1e3
    assert n == pytest.approx(headroom * busy / use, rel=1e-6)
    assert lane["utilisation"] == pytest.approx(busy / n, rel=1e-6)
    assert lane["utilisation"] == pytest.approx(use / headroom, rel=1e-6)
    assert lane["batch"] == pytest.approx(in_flight / n, rel=1e-6)
    assert lane["tpot_ms"] == pytest.approx(tier, rel=1e-9)
    assert lane["kv_used"] == pytest.approx(seats_gb / n / d["kv_memory_gb"], rel=1e-6)
    assert lane["ttft_ms"] == pytest.approx(
        d["delta_ms_per_ktok"] / 1e3 * prompts / calls / (1 - use), rel=1e-6
    )
    if headroom == 1.0:  # the step time of this very batch is the tier
        mean = busy / decoded * 1e3  # ms of every decoded token, with its prefill
        assert d["alpha_ms"] + lane["batch"] * mean == pytest.approx(tier, rel=1e-6)


def test_with_more_tiers_the_speed_tends_to_the_closed_form():
    lam, alpha, beta, usd = 0.002, 8e-3, 3e-4, 2.5
    kappa = alpha / beta
    best = 1 / (1 + np.sqrt(lam * 3600 * kappa / usd))
    cost = lam * 3600 * kappa / (1 - best) + usd / best  # USD/h per busy replica
    gaps = []
    for count in (3, 9, 33):
        use = np.linspace(0.05, 0.95, count)
        config = {
            "version": 1,
            "prices": {"latency_usd_per_s": lam},
            "models": {"own": {"quality": 1.0}},
            "gpus": {"g": {"available": 100, "price_usd_per_h": usd}},
            "deployments": {
                "d": {
                    "model": "own",
                    "gpu": "g",
                    "alpha_ms": 1e3 * alpha,
                    "beta_ms": 1e3 * beta,
                    "tpot_ms": list(1e3 * alpha / (1 - use)),
                }
            },
            "classes": {
                "c": {"rate_per_s": 10, "value_usd": 5, "output_tokens": 300, "decline": False}
            },
        }
        solution = solved(config)
        paid = solution.objective["money"] + solution.objective["latency"]
        gaps.append(paid / (10 * 300 * beta * cost) - 1)
    assert gaps[0] > gaps[1] > gaps[2] >= -1e-9
    assert gaps[2] < 2e-3
    free = changed(config)
    del free["deployments"]["d"]["tpot_ms"]
    solution = solved(free)
    paid = solution.objective["money"] + solution.objective["latency"]
    assert paid / (10 * 300 * beta * cost) - 1 == pytest.approx(0.0, abs=1e-5)
