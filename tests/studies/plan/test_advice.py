"""Advice is what solving again gains; nothing that gains nothing is advised."""

from typing import Any

import pytest

from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from allocate.solver.studies.plan.case import Case, settings
from allocate.solver.studies.plan.planning import Ask, Plan, plan
from allocate.solver.studies.terms import SPENDING, spending
from tests.solver.cases import changed, everything, fleet, solved


def planned(config: dict[str, Any], **ask: Any) -> Plan:
    return plan(Case(config), Ask(**ask))


@pytest.fixture(scope="module")
def every() -> Plan:
    return planned(everything())


def test_every_gain_is_that_of_solving_again_from_nothing(every):
    before = solved(everything())
    assert every.advice
    for advice in every.advice:
        overrides = settings(advice.candidate.values)
        after = solve(load_dict(everything(), overrides=overrides), ranges=False)
        assert advice.gain == pytest.approx(after.welfare - before.welfare, rel=1e-2)
        paid = [spending(s.program, s.allocation, SPENDING) for s in (before, after)]
        assert advice.cost == pytest.approx(paid[1] - paid[0], rel=1e-2, abs=1e-3)


def test_the_largest_gain_stands_first_and_each_is_certified(every):
    gains = [a.gain for a in every.advice]
    assert gains == sorted(gains, reverse=True)
    for advice in every.to_dict()["advice"]:
        proof = advice["certificate"]
        assert proof["holds"]
        assert advice["gain_usd_per_hour"] > proof["error_usd_per_hour"]
        found = proof["welfare_after"] - proof["welfare_before"]
        assert advice["gain_usd_per_hour"] == pytest.approx(found)


def test_gpus_are_bought_whole(every):
    for advice in every.advice:
        gpus = advice.candidate.values.get("gpus.h100.available", 1.0)
        assert gpus == int(gpus)


def test_changes_that_help_each_other_are_advised_together():
    # each GPU needs a budget to be used, and the budget buys little without GPUs
    config = changed(everything(), budgets__money_usd=12.0, gpus__h100__available=3)
    config["models"]["api"]["api"]["output_usd_per_mtok"] = 4000
    advice = planned(config).advice
    assert advice
    best = advice[0]
    assert best.candidate.combined
    assert {"budgets.money_usd", "gpus.h100.available"} <= set(best.candidate.values)
    assert all(best.gain > 1.01 * other.gain for other in advice[1:])


def test_nothing_scarce_is_nothing_to_advise():
    config = changed(fleet(), gpus__h100__available=1000)
    found = planned(config)
    assert found.advice == []
    assert found.status == "optimal"


def test_a_limit_is_relaxed_by_a_step_and_never_bought():
    config = fleet()
    config["limits"] = {"risk_per_h": 50.0}
    found = planned(config)
    mine = [a for a in found.advice if "limits.risk_per_h" in a.candidate.values]
    assert [a.candidate.values for a in mine] == [{"limits.risk_per_h": pytest.approx(55.0)}]
    assert not mine[0].candidate.combined


def test_the_worst_price_is_not_advised_where_solving_again_shows_no_gain(monkeypatch):
    """A price alone convinces nobody: with answers that stand still nothing is advised."""
    from allocate.solver.studies.plan import case as module

    base = solved(fleet())
    monkeypatch.setattr(module.Case, "solved", lambda *a, **k: base)
    assert planned(fleet()).advice == []


def test_resources_are_listed_also_where_they_were_not_looked_at():
    found = planned(fleet(), sweeps=("demand.scale=1,2",)).to_dict()
    assert found["advice"] is None
    paths = [r["resource"] for r in found["resources"]]
    assert "gpus.h100.available" in paths
    assert all(r["why"] == "not looked for" for r in found["resources"])


def test_prices_by_period_weighted_by_its_length_are_the_price():
    config = fleet()
    config["periods"] = {
        "day": {"hours": 16, "demand_scale": 1.2},
        "night": {"hours": 8, "demand_scale": 0.1},
    }
    config["models"]["api"]["api"]["requests_per_minute"] = 3
    document = planned(config, advise=False).to_dict()
    prices = {r["resource"]: r["value"] for r in document["resources"]}
    lines = document["periods"]
    assert {line["period"] for line in lines} == {"day", "night"}
    for path in {line["resource"] for line in lines}:
        mine = [line for line in lines if line["resource"] == path]
        mean = sum(line["share"] * line["value"] for line in mine)
        assert mean == pytest.approx(prices[path], rel=1e-6)
        for line in mine:
            assert line["used"] <= line["capacity"] * (1 + 1e-6)
            assert line["value"] == 0 or line["used"] == pytest.approx(line["capacity"])
    assert any(line["value"] > 0 for line in lines)


def test_without_periods_there_are_no_prices_by_period():
    assert planned(fleet(), advise=False).to_dict()["periods"] == []


def test_ctrl_c_keeps_the_advice_that_was_checked(monkeypatch):
    from allocate.solver.studies.plan import advice as module

    real, checked = module._checked, []

    def stops(base, checks, candidate):
        if checked:
            raise KeyboardInterrupt
        checked.append(candidate)
        return real(base, checks, candidate)

    monkeypatch.setattr(module, "_checked", stops)
    found = planned(fleet())
    assert found.status == "stopped"
    assert [a.candidate for a in found.advice] == checked
    assert found.to_dict()["resources"][0]["buy_until"] is not None


def test_ctrl_c_keeps_the_worths_that_were_found(monkeypatch):
    from allocate.solver.studies.plan import planning as module

    real, looked = module.worth_of, []

    def stops(base, checks, price):
        if looked:
            raise KeyboardInterrupt
        looked.append(price.resource)
        return real(base, checks, price)

    monkeypatch.setattr(module, "worth_of", stops)
    document = planned(everything()).to_dict()
    assert document["status"] == "stopped"
    known = [r["resource"] for r in document["resources"] if r["buy_until"] is not None]
    assert known == looked
