"""Successes that are no chances are told, and the tables count what training adds."""

import pytest

from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from tests.solver.cases import HOURLY, changed, solved


def trained(quality: float) -> dict:
    """One class on one model, with a gain from bought rollouts of at most 0.1."""
    return {
        "version": 1,
        "classes": {"x": {"rate_per_s": 0.5, "trainability": 0.8, "value_usd": 0.5}},
        "models": {"m": {"cost_per_task_usd": 0.01, "quality": quality}},
        "training": {
            "depreciation_per_h": 0.01,
            "assets": {
                "as": {
                    "model": "m",
                    "gain": {"form": "saturating", "ceiling": 0.1},
                    "rollout": {
                        "exponent": 0.4,
                        "price_usd_per_mtok": 1.0,
                        "reference_tokens": 1e9,
                    },
                    "verifier": {
                        "exponent": 0.2,
                        "price_usd_per_mtok": 2.0,
                        "reference_tokens": 2e8,
                    },
                }
            },
        },
    }


def about_success(solution) -> list[str]:
    return [w for w in solution.warnings() if w.startswith("the success of")]


@pytest.mark.parametrize(("quality", "told"), [(0.8, False), (0.99, True)])
def test_the_table_counts_what_training_adds_and_more_than_all_is_told(quality, told):
    config = trained(quality)
    # another class has room for more than this one has
    config["classes"]["y"] = {"rate_per_s": 1e-4, "value_usd": 0.1, "quality": {"m": 0.5}}
    solution = solve(load_dict(config), ranges=False)
    line, gain = solution.layers.autonomy[0], solution.layers.training[0]["gain"]
    assert line["success"] == pytest.approx(quality + 0.8 * gain, rel=1e-6)
    assert line["vector"]["value_usd"] == pytest.approx(0.5 * line["success"], rel=1e-9)
    assert (line["success"] > 1) == told
    (*said,) = about_success(solution)
    assert bool(said) == told
    if told:
        assert "training adds is not cut off" in said[0]
        assert said[0] in solution.to_dict()["warnings"]


def test_training_ends_where_every_class_is_certain():
    solution = solve(load_dict(trained(0.99)), ranges=False)
    assert solution.layers.autonomy[0]["success"] == pytest.approx(1, rel=1e-12)
    assert about_success(solution) == []
    assert any("training would make `m` better than certain" in w for w in solution.warnings())


def test_a_yield_above_one_is_told():
    config = {
        "version": 1,
        "models": {"m": {"success": {"form": "cobb_douglas"}}},
        "token_uses": {"e": {"exponent": 0.5, "price_usd": 1}},
        "classes": {"x": {"rate_per_s": 1, "value_usd": 100}},
    }
    assert "is 50 a request, above 1: `cobb_douglas` is a yield" in about_success(solved(config))[0]
    small = changed(config, classes__x__value_usd=1.0)  # by hand: Y = 1/2
    assert about_success(solved(small)) == []


def test_a_power_law_with_next_to_no_effort_is_told():
    """By hand: Y = sqrt(1e-9), success 0.9 − 0.3/sqrt(Y), and it may not be declined."""
    config = {
        "version": 1,
        "models": {
            "m": {"success": {"form": "power", "ceiling": 0.9, "coefficient": 0.3, "exponent": 0.5}}
        },
        "token_uses": {"e": {"exponent": 0.5, "max_tokens": 1e-9}},
        "classes": {"x": {"rate_per_s": HOURLY, "value_usd": 1, "decline": False}},
    }
    solution = solved(config)
    assert solution.welfare == pytest.approx(0.9 - 0.3 * 1e-9**-0.25, rel=1e-9)
    assert "below 0" in about_success(solution)[0]
