"""GPUs reserved once, bought by the hour and on the spot: known answers, and a second statement."""

import copy

import pytest

from allocate.errors import ConfigError
from allocate.models.loader import load, load_dict
from allocate.solver.solve import solve
from tests.models.capacity_cases import PER_GPU, bought, drawn, reserved, scenarios, solved
from tests.models.capacity_lp import optimum

RESERVED, HOURLY = {"price_usd_per_h": 1.0}, {"price_usd_per_h": 3.0}


@pytest.mark.parametrize("chance", [0.1, 0.3, 0.34, 0.6, 0.9])
def test_newsvendor_reserves_up_to_the_quantile(chance):
    config = bought(reserved=RESERVED, on_demand=HOURLY)
    config["uncertainty"] = scenarios(low=(1 - chance, 1.0), high=(chance, 2.0))
    answer = solved(config)
    # a GPU for the high demand pays where the chance of using it beats c / d
    assert reserved(answer) == pytest.approx(4.0 if chance > 1.0 / 3.0 else 2.0, rel=1e-9)


def test_newsvendor_of_many_scenarios():
    chances = [0.1, 0.2, 0.15, 0.25, 0.2, 0.1]
    config = bought(reserved={"price_usd_per_h": 1.3}, on_demand=HOURLY)
    each = {f"s{i}": (p, 1.0 + i) for i, p in enumerate(chances)}
    config["uncertainty"] = scenarios(**each)
    # P(demand <= 2 GPUs × scale) must reach (d - c) / d = 0.567: 0.1, 0.3, 0.45, 0.7
    assert reserved(solved(config)) == pytest.approx(2.0 * 4.0, rel=1e-9)


def test_prices_of_the_periods_pay_for_the_reservation():
    config = bought(reserved=RESERVED, on_demand=HOURLY)
    config["periods"] = {
        "day": {"hours": 6, "demand_scale": 2},
        "evening": {"hours": 6},
        "night": {"hours": 12, "demand_scale": 0.25},
    }
    answer = solved(config)
    hours = answer.layers.capacity()["gpu_hours"]
    assert sum(h["share"] * h["price_usd_per_h"] for h in hours) == pytest.approx(1.0, rel=1e-9)
    # a GPU beyond the evening's two is used a quarter of the day: 0.25 × 3 < 1, so it is bought
    assert [h["price_usd_per_h"] for h in hours] == pytest.approx([3.0, 1.0, 0.0], abs=1e-9)
    assert [h["on_demand"] for h in hours] == pytest.approx([2.0, 0.0, 0.0], abs=1e-9)
    assert reserved(answer) == pytest.approx(2.0)


def test_an_interruption_costs_what_it_loses():
    spot = {
        "price_usd_per_h": 1.0,
        "interruptions_per_h": 0.2,
        "lost_h": 0.5,
        "interruption_usd": 0.35,
    }
    answer = solved(bought(on_demand=HOURLY, spot=spot))
    (line,) = answer.layers.capacity()["gpu_hours"]
    assert line["price_usd_per_h"] == pytest.approx((1.0 + 0.2 * 0.35) / (1.0 - 0.2 * 0.5))
    assert line["spot"] == pytest.approx(2.0 / 0.9)
    assert line["used"] == pytest.approx(2.0)
    dear = solved(bought(on_demand=HOURLY, spot={**spot, "lost_h": 4.0}))
    assert dear.layers.capacity()["gpu_hours"][0]["spot"] == pytest.approx(0.0)


def test_what_is_committed_is_paid_used_or_not():
    config = bought(reserved={**RESERVED, "committed": 5, "available": 5})
    answer = solved(config)
    (line,) = answer.layers.capacity()["reservations"]
    assert (line["gpus"], line["usd_per_h"]) == pytest.approx((5.0, 5.0))
    assert line["busy"] == pytest.approx(2.0 / 5.0)
    assert answer.objective["money"] == pytest.approx(5.0)
    config["budgets"] = {"money_usd": 4.9}
    assert solve_status(config) == "infeasible"


def solve_status(config):
    from allocate.errors import SolveError

    try:
        return solve(load_dict(config), ranges=False).status
    except SolveError as error:
        return error.status


def test_hours_of_gpus_are_the_same_whoever_pays_for_them():
    """``on_demand`` by itself is ``available`` at its price: the same answer, other words."""
    plain = bought(available=1.5, price_usd_per_h=3.0)
    sold = bought(on_demand={"price_usd_per_h": 3.0, "available": 1.5})
    one, other = solved(plain), solved(sold)
    assert one.welfare == pytest.approx(other.welfare, rel=1e-12)
    prices = [{p.resource: p for p in s.prices} for s in (one, other)]
    mine, theirs = prices[0]["gpus.g.available"], prices[1]["gpus.g.on_demand.available"]
    assert (mine.value, mine.pay) == pytest.approx((theirs.value, theirs.pay), rel=1e-9)
    assert theirs.value == pytest.approx(0.01 * 3600 * PER_GPU - 3.0, rel=1e-9)


@pytest.mark.parametrize("field", ["reserved", "on_demand", "spot", "available"])
def test_a_price_is_what_solving_again_gains(field):
    gpu = {
        "reserved": {**RESERVED, "available": 1.0},
        "on_demand": {**HOURLY, "available": 1.2},
        "spot": {"price_usd_per_h": 1.2, "available": 0.5, "interruptions_per_h": 0.1, "lost_h": 1},
        "available": 0.4,
    }
    config = bought(**gpu)
    config["uncertainty"] = scenarios(low=(0.6, 1.0), high=(0.4, 2.5))
    config["periods"] = {"day": {"hours": 9, "demand_scale": 1.5}, "night": {"hours": 15}}
    path = "gpus.g.available" if field == "available" else f"gpus.g.{field}.available"
    base = solved(config)
    (price,) = [p for p in base.prices if p.resource == path]
    assert price.binding
    for step in (1e-3, -1e-3):
        other = copy.deepcopy(config)
        if field == "available":
            other["gpus"]["g"]["available"] += step
        else:
            other["gpus"]["g"][field]["available"] += step
        gained = solved(other).welfare - base.welfare
        assert gained == pytest.approx(price.value * step, rel=1e-6)


@pytest.mark.parametrize("seed", range(200, 216))
def test_random_configs_agree_with_a_linear_program(seed):
    config = drawn(seed)
    answer = solve(load_dict(config), ranges=False)
    assert answer.status == "optimal"
    welfare, _ = optimum(config)
    assert answer.welfare == pytest.approx(welfare, rel=1e-8, abs=1e-9)
    told = answer.layers.capacity().get("scenarios", [])
    if told:
        mean = sum(line["probability"] * line["welfare"] for line in told)
        assert mean == pytest.approx(answer.welfare, rel=1e-9, abs=1e-9)


def test_wrong_purchases_are_refused_where_they_stand(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "version: 1\n"
        "models: {m: {quality: 1}}\n"
        "classes: {k: {rate_per_s: 1, value_usd: 1}}\n"
        "gpus:\n"
        "  g:\n"
        "    reserved: {price_usd_per_h: 1, committed: 9, available: 8}\n"
        "    spot: {price_usd_per_h: 1, interruptions_per_h: 0.5, lost_h: 2}\n"
        "uncertainty:\n"
        "  scenarios:\n"
        "    low: {probability: 0.5, classes: {other: 2}}\n"
        "    high: {probability: 0.4, gpus: {h: {price_scale: 2}}, tenants: {t: 2}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(path)
    found = [(p.code, p.line) for p in caught.value.problems]
    assert found == [
        ("CFG044", 6),
        ("CFG044", 7),
        ("CFG043", 9),
        ("CFG020", 10),
        ("CFG020", 11),
        ("CFG020", 11),
    ]


def test_a_missing_limit_is_told():
    loaded = load_dict(bought(reserved=RESERVED, on_demand=HOURLY))
    told = solve(loaded, ranges=False).to_dict()["assumed"]
    assert [t.partition(" ")[0] for t in told] == [
        "gpus.g.reserved.available",
        "gpus.g.on_demand.available",
    ]
