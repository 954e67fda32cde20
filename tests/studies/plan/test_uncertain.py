"""EVPI and VSS: by hand, against a linear program, and never the wrong way round."""

import copy

import pytest

from allocate.models.loader import load_dict
from allocate.solver.studies.plan.case import Case
from allocate.solver.studies.plan.uncertain import MEAN, asked, of_the_mean, value_of_planning
from tests.models.capacity_cases import bought, drawn, scenarios
from tests.models.capacity_lp import optimum

SCENARIOS = scenarios(low=(0.3, 1.0), mid=(0.5, 2.0), high=(0.2, 3.0))


def newsvendor():
    config = bought(reserved={"price_usd_per_h": 1.0}, on_demand={"price_usd_per_h": 3.0})
    return {**config, "uncertainty": copy.deepcopy(SCENARIOS)}


def valued(config):
    case = Case(config)
    return value_of_planning(case, case.solved(), lambda step: None)


def test_newsvendor_by_hand():
    found = valued(newsvendor())
    # GPUs needed: 2, 4, 6. Reserved: 4 (P = 0.8 >= 2/3). Cost 4 + 0.2 × 2 × 3 = 5.2;
    # knowing: the mean, 3.8; for the mean 3.8 + 3 × (0.5 × 0.2 + 0.2 × 2.2) = 5.42.
    assert found.evpi == pytest.approx(1.4, rel=1e-6)
    assert found.vss == pytest.approx(0.22, rel=1e-6)
    plans = {p.plan: p for p in found.plans}
    assert list(plans) == [MEAN, "low", "mid", "high"]
    assert {k: p.reservations["g"] for k, p in plans.items()} == pytest.approx(
        {MEAN: 3.8, "low": 2.0, "mid": 4.0, "high": 6.0}
    )
    loses = [p.loses_usd_per_hour for p in found.plans]
    assert loses == pytest.approx([0.22, 2.2, 0.0, 0.8], abs=1e-6)


@pytest.mark.parametrize("seed", [301, 304, 305, 307, 309])
def test_no_other_plan_does_better_and_knowing_never_hurts(seed):
    config = drawn(seed)
    config["uncertainty"] = scenarios(a=(0.3, 0.6), b=(0.45, 1.0), c=(0.25, 1.7))
    config["gpus"]["g"].setdefault("reserved", {"price_usd_per_h": 2.0})
    config["gpus"]["g"]["reserved"].pop("committed", None)
    config["gpus"]["g"]["reserved"].pop("available", None)
    config.pop("budgets", None)
    found = valued(config)
    assert found.evpi is not None
    assert found.evpi >= -found.error_usd_per_hour
    for plan in found.plans:
        assert plan.welfare is not None, plan.why
        assert (plan.loses_usd_per_hour or 0.0) >= -found.error_usd_per_hour
        checked, _ = optimum(config, plan.reservations["g"])
        assert plan.welfare == pytest.approx(checked, rel=1e-7, abs=1e-9)


def test_a_plan_without_an_answer_says_why():
    config = newsvendor()
    config["gpus"]["g"]["on_demand"]["available"] = 0.5
    config["classes"]["k"]["decline"] = False
    found = valued(config)
    assert {p.plan for p in found.plans if p.welfare is None} >= {MEAN, "low"}
    assert found.vss is None
    assert all(p.why for p in found.plans if p.welfare is None)


def test_the_mean_keeps_the_expected_requests_of_every_class():
    config = newsvendor()
    config["classes"]["other"] = {"rate_per_s": 2, "value_usd": 1, "output_tokens": 1}
    config["uncertainty"]["scenarios"]["mid"]["classes"] = {"other": 3}
    mean = of_the_mean(load_dict(config))
    scale = 0.3 + 0.5 * 2 + 0.2 * 3
    other = 0.3 + 0.5 * 2 * 3 + 0.2 * 3
    assert mean.classes.rate_per_s == pytest.approx([10 * scale, 2 * other])


def test_it_is_asked_only_where_something_is_reserved_before():
    config = newsvendor()
    assert asked(load_dict(config).config)
    config["uncertainty"] = {**SCENARIOS, "known": True}
    assert not asked(load_dict(config).config)
    hourly = {**newsvendor(), "gpus": {"g": {"on_demand": {"price_usd_per_h": 3.0}}}}
    assert not asked(load_dict(hourly).config)


def test_the_example_pays_its_reservations_and_its_waiting_by_its_prices():
    case = Case("examples/reserved.yaml")
    base = case.solved()
    assert base.status == "optimal"
    assert base.welfare == pytest.approx(156.4355877, rel=1e-7)
    told = base.layers.capacity()
    (reservation,) = told["reservations"]
    hours = told["gpu_hours"]
    price = sum(h["share"] * h["price_usd_per_h"] for h in hours)
    assert price == pytest.approx(reservation["price_usd_per_h"], rel=1e-6)
    at = {h["period"]: h["price_usd_per_h"] for h in hours}
    # work that waits goes where the GPU is cheaper, and all pairs of hours agree on how much a
    # GPU-hour of the work saves for an hour of waiting
    per_hour = {(at[d["period"]] - at[d["served_in"]]) / d["wait_h"] for d in told["deferred"]}
    assert min(per_hour) > 0
    assert max(per_hour) == pytest.approx(min(per_hour), rel=1e-6)


def test_the_example_is_worth_planning():
    case = Case("examples/reserved.yaml")
    found = value_of_planning(case, case.solved(), lambda step: None)
    assert found.evpi == pytest.approx(3.74, abs=0.01)
    assert found.vss == pytest.approx(0.245, abs=0.001)
    assert min(p.loses_usd_per_hour or 0.0 for p in found.plans) >= -found.error_usd_per_hour
