"""Whole replicas: the gap is to the continuous bound, and use, pay and prices are real."""

import functools

import pytest

from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from tests.solver.cases import changed, everything, fleet, price, put, solved

PATH = "deployments.own_h100.integer_replicas"


@functools.cache
def whole(available: float, busy: bool = False):
    make = everything if busy else fleet
    config = changed(make(), gpus__h100__available=available, deployments__own_h100__tpot_ms=[12])
    continuous = solved(config)
    put(config, PATH, True)
    return config, continuous, solve(load_dict(config), ranges=False)


@pytest.mark.parametrize("available", [2.6, 3.0])
def test_whole_replicas_are_whole_and_never_worth_more(available):
    _, continuous, solution = whole(available)
    report = solution.to_dict()["whole_replicas"]
    assert all(isinstance(n, int) for n in report["replicas"].values())
    assert 0 <= sum(report["replicas"].values()) <= available
    used = sum(line["replicas"] for line in solution.layers.serving)
    assert used <= sum(report["replicas"].values()) * (1 + 1e-6)
    assert report["integer_gap"] >= -1e-6
    assert report["welfare_bound"] == pytest.approx(continuous.certificate.dual, rel=2e-6)
    lost = continuous.certificate.dual - solution.welfare
    assert lost >= -1e-6 * continuous.welfare
    assert report["cost_of_rounding_usd_per_hour"] == pytest.approx(
        lost, abs=4e-6 * continuous.welfare
    )


@pytest.mark.parametrize("busy", [False, True])
def test_an_answer_short_of_the_continuous_bound_is_not_optimal(busy):
    _, continuous, solution = whole(2.6, busy)
    assert solution.status == "feasible"
    assert not solution.certificate.holds
    assert solution.certificate.feasible
    assert solution.certificate.dual == pytest.approx(continuous.certificate.dual, rel=1e-9)
    gap = 1.0 - solution.welfare / continuous.certificate.dual
    assert gap > 1e-3
    assert solution.certificate.relative_gap == pytest.approx(gap, rel=1e-6)
    assert any("not certified" in w for w in solution.warnings())


@pytest.mark.parametrize("busy", [False, True])
def test_an_answer_that_reaches_the_continuous_bound_is_optimal(busy):
    _, continuous, solution = whole(3.0, busy)
    assert solution.status == "optimal"
    assert solution.welfare == pytest.approx(continuous.welfare, rel=2e-6)
    assert price(solution, "gpus.h100.available") == pytest.approx(
        price(continuous, "gpus.h100.available"), rel=1e-4
    )


@pytest.mark.parametrize("busy", [False, True])
def test_two_replicas_use_two_gpus_and_pay_for_them(busy):
    _, _, solution = whole(2.6, busy)
    found = {p.resource: p for p in solution.prices}
    gpu = found["gpus.h100.available"]
    assert (gpu.used, gpu.capacity, gpu.value) == (pytest.approx(2.0, rel=1e-9), 2.6, 0.0)
    assert gpu.sentence.startswith("With as many whole replicas as now")
    assert (gpu.valid_from, gpu.valid_to) == (None, None)
    at_work = sum(line["gpus"] for line in solution.layers.serving)
    assert at_work <= 2.0 + 1e-9
    document = solution.to_dict()
    assert document["prices"]  # proved at these numbers
    if busy:
        money = found["budgets.money_usd"]
        assert money.used == pytest.approx(70.0, rel=1e-6)
        assert solution.objective["money"] == pytest.approx(70.0, rel=1e-6)  # nothing else pays
        assert money.value > 0


def test_the_price_of_money_is_its_worth_at_these_replicas():
    config, _, base = whole(2.6, busy=True)
    welfare = {}
    for share in (-2e-3, 2e-3):
        other = solve(load_dict(changed(config, budgets__money_usd=70 * (1 + share))), ranges=False)
        assert other.whole is not None
        assert base.whole is not None
        assert other.whole["replicas"] == base.whole["replicas"]
        welfare[share] = other.welfare
    slope = (welfare[2e-3] - welfare[-2e-3]) / (70 * 4e-3)
    assert price(base, "budgets.money_usd") == pytest.approx(slope, rel=0.01)


def test_replicas_are_whole_in_every_period():
    config = changed(
        fleet(),
        gpus__h100__available=3.7,
        deployments__own_h100__tpot_ms=[12],
        periods={
            "day": {"hours": 8, "demand_scale": 1.5},
            "night": {"hours": 16, "demand_scale": 0.3},
        },
    )
    bound = solved(config).certificate.dual
    solution = solve(load_dict(changed(config, **{PATH.replace(".", "__"): True})), ranges=False)
    assert solution.whole is not None
    assert set(solution.whole["replicas"]) == {"own_h100 [day]", "own_h100 [night]"}
    assert solution.welfare <= bound * (1 + 1e-6)
    assert solution.certificate.feasible
    by_period = {}
    for line in solution.layers.serving:
        by_period[line["period"]] = by_period.get(line["period"], 0.0) + line["replicas"]
    for period, used in by_period.items():
        assert used <= solution.whole["replicas"][f"own_h100 [{period}]"] * (1 + 1e-6)


def two_lanes(available: float) -> dict:
    """Two models on GPUs of one type, each of which needs a replica and a third."""
    lane = {"gpu": "h100", "alpha_ms": 10, "beta_ms": 0.1, "delta_ms_per_ktok": 20}
    lane |= {"tpot_ms": [20], "integer_replicas": True}
    asked = {"value_usd": 0.002, "output_tokens": 100, "prompt_tokens": 500, "decline": False}
    return {
        "version": 1,
        "gpus": {"h100": {"available": available, "price_usd_per_h": 3}},
        "models": {"m": {"quality": 0.8}, "n": {"quality": 0.8}},
        "deployments": {"d": {"model": "m", **lane}, "e": {"model": "n", **lane}},
        "classes": {
            "only_m": {"rate_per_s": 22.5, "models": ["m"], **asked},
            "only_n": {"rate_per_s": 22.5, "models": ["n"], **asked},
            "better_m": {"rate_per_s": 10, "quality": {"n": 0.7}, **asked},
            "better_n": {"rate_per_s": 10, "quality": {"m": 0.7}, **asked},
        },
    }


def test_numbers_are_found_where_neither_rounding_keeps_the_limits():
    """1.3 and 1.3 on 3 GPUs: two and two do not fit, one and one do not serve."""
    solution = solve(load_dict(two_lanes(3)), ranges=False)
    assert sorted(solution.whole["replicas"].values()) == [1, 2]
    assert solution.whole["certified_at_these_numbers"]
    # half of all who must be served elsewhere give up a tenth of their value, at most
    assert solution.welfare == pytest.approx(360.0, rel=1e-6)


def test_where_no_whole_numbers_fit_that_is_said_and_no_answer_is_certified():
    config = two_lanes(3)
    for name in ("better_m", "better_n", "only_n"):
        del config["classes"][name]
    config["classes"]["only_m"]["rate_per_s"] = 35.0
    put(config, "gpus.h100.available", 1.5)
    solution = solve(load_dict(config), ranges=False)
    assert solution.status == "stopped"
    assert solution.whole["replicas"] is None
    assert solution.certificate.max_violation > 0.1
    assert any("no whole numbers of replicas" in w for w in solution.warnings())
    assert [line["autonomy"] for line in solution.layers.router] == ["free"]
