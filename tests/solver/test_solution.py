"""What a solution says of itself."""

import dataclasses

import pytest

from allocate.models.loader import load_dict
from allocate.solver import agreement
from allocate.solver.solve import solve
from tests.solver.cases import api_and_humans, changed, everything, fleet, price, solved, two_models

TRAINING = {
    "depreciation_per_h": 0.01,
    "assets": {
        "rl": {
            "model": "strong",
            "gain": {"form": "saturating", "ceiling": 0.02},
            "rollout": {"exponent": 0.5, "reference_tokens": 1e8, "price_usd_per_mtok": 0.5},
            "update": {"exponent": 0.3, "reference_tokens": 1e7, "price_usd_per_mtok": 5},
        }
    },
}


def test_a_fixed_point_that_is_reached_is_not_told():
    solution = solved(changed(api_and_humans(), training=TRAINING))
    assert solution.disagreement <= 1e-3
    assert not any("still disagree" in w for w in solution.warnings())


def test_a_fixed_point_that_is_not_reached_is_told_and_not_optimal(monkeypatch):
    monkeypatch.setattr(agreement, "_REFINEMENTS", 0)
    monkeypatch.setattr(agreement, "_FIXED_POINT", 0)
    solution = solve(load_dict(changed(api_and_humans(), training=TRAINING)), ranges=False)
    assert solution.disagreement > 1e-3
    assert any("still disagree" in w for w in solution.warnings())
    assert solution.status == "feasible"
    assert solution.to_dict()["status"] == "feasible"


def test_a_search_that_was_stopped_is_not_optimal():
    solution = solved(two_models())
    assert dataclasses.replace(solution, stopped=True).status == "stopped"


def test_a_solution_prints_on_one_line():
    assert repr(solved(two_models())) == "<Solution optimal: 6.00 USD/h, gap 0e+00>"
    assert len(repr(solved(everything()))) < 80


def test_a_share_of_classes_without_demand_has_no_use_and_no_price():
    limit = {"shares": {"s": {"models": ["frontier"], "max_share": 0.5, "classes": ["idle"]}}}
    config = changed(two_models(100.0), limits=limit)
    config["classes"]["idle"] = {"rate_per_s": 0, "value_usd": 1}
    (one,) = solved(config).prices
    assert (one.used, one.value, one.pay) == (None, 0.0, 0.0)
    assert solved(config).to_dict()["prices"][0]["value"] == 0.0


def test_a_capacity_of_nothing_that_nobody_wants_is_not_to_spare():
    config = changed(two_models(), models__frontier__api={"requests_per_minute": 0})
    (one,) = solved(config).prices
    assert one.value == 0.0
    assert one.sentence == "Nobody would pay for the next request a minute."
    spare = changed(two_models(), models__frontier__api={"requests_per_minute": 5})
    assert "to spare" in solved(spare).prices[0].sentence


def test_the_split_leaves_nothing_behind_at_the_shared_prices():
    for config in (everything(), fleet()):
        solution = solved(config)
        lost = solution.layers.artifacts()["router_regret"]["usd_per_hour"]
        assert lost <= 1e-6 * solution.welfare


def test_the_seat_is_in_the_price_of_a_token_where_the_batch_is_full():
    solution = solved(changed(fleet(), deployments__own_h100__max_batch=2))
    assert price(solution, "deployments.own_h100.max_batch") > 0
    seats = []
    for line in solution.layers.artifacts()["token_prices"]:
        parts = line["decode_usd_per_mtok"]
        assert parts["total"] == pytest.approx(sum(v for k, v in parts.items() if k != "total"))
        seats.append(parts["seat"])
    assert max(seats) > 0
    lanes = {line["lane"]: line for line in solution.layers.serving}
    for line in solution.layers.artifacts()["token_prices"]:
        # constant returns: work, seats and memory pay for the replica, GPU price and all
        lane = lanes[line["lane"]]
        gpu = 2.5 + price(solution, "gpus.h100.available")
        seats_usd = line["decode_usd_per_mtok"]["seat"] / 1e6 / (lane["tpot_ms"] / 1e3 / 3600)
        kv = line["kv_usd_per_gb_hour"] * 40
        busy = gpu - 2 * seats_usd - kv
        assert -1e-6 * gpu <= busy <= gpu
