"""What the result shows of every layer beside its tables."""

import pytest

from allocate.models.loader import load_dict
from allocate.solver.solve import solve

TWO = {
    "version": 1,
    "prices": {"risk_usd": 2, "irreversible_risk_usd": 3},
    "models": {
        "cheap": {"quality": 0.7, "cost_per_task_usd": 1, "wrong_action_rate": 0.1},
        "dear": {"quality": 0.9, "cost_per_task_usd": 5, "wrong_action_rate": 0.1},
    },
    "classes": {
        "task": {
            "rate_per_s": 1 / 3600,
            "value_usd": 10,
            "loss": 0.5,
            "irreversible_loss": 0.25,
            "action": "write",
        }
    },
}


@pytest.fixture(scope="module")
def artifacts():
    return solve(load_dict(TWO)).to_dict()["artifacts"]


def test_regret_is_against_the_best_model_with_its_margin(artifacts):
    (line,) = artifacts["router_regret"]["classes"]
    assert (line["best_model"], line["next_model"]) == ("cheap", "dear")
    assert line["margin_usd"] == pytest.approx((7 - 1) - (9 - 5))
    assert line["regret_usd"] == pytest.approx(0.0, abs=1e-9)
    assert artifacts["router_regret"]["bound_usd_per_hour"] == pytest.approx(0.0, abs=1e-6)


def test_hindsight_is_bounded_by_successes_that_exclude_each_other(artifacts):
    """cheap solves 70 %, dear the 30 % that it fails on; nothing is left to decline."""
    (line,) = artifacts["router_regret"]["classes"]
    risk = 0.1 * (0.5 * 2 + 0.25 * 3)
    assert line["hindsight_usd"] == pytest.approx(0.7 * 9 + 0.3 * 5 - risk - (7 - 1 - risk))


def test_one_more_action_has_its_two_prices(artifacts):
    (line,) = artifacts["autonomy_schedule"]
    assert line["one_more"]["free"]["reversible_usd"] == pytest.approx(0.1 * 0.5 * 2)
    assert line["one_more"]["free"]["irreversible_usd"] == pytest.approx(0.1 * 0.25 * 3)


def test_every_class_has_its_vector_and_its_gap(artifacts):
    (line,) = artifacts["vectors"]
    assert line["value_usd"] == pytest.approx(7.0)
    assert line["cost_usd"] == pytest.approx(1.0)
    assert line["risk_usd"] == pytest.approx(0.175)
    assert line["gap_usd"] == pytest.approx(0.0, abs=1e-9)
