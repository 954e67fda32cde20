"""Bounds of training that no answer should feel: units, free tokens, and certainty."""

import copy

import pytest

from allocate.models.loader import load_dict
from allocate.models.stack import build
from allocate.solver.solve import solve
from tests.independent_program import Program
from tests.solver.cases import changed, solved


def config(gain, rollout, quality=0.5, **more):
    return {
        "version": 1,
        "models": {"m": {"quality": quality, "cost_per_task_usd": 0.001}},
        "classes": {"q": {"rate_per_s": 10, "value_usd": 1}},
        "training": {
            "depreciation_per_h": 0.001,
            "assets": {"a": {"model": "m", "kind": "sft", "gain": gain, "rollout": rollout}},
        }
        | more,
    }


SCALING = {"form": "scaling_law", "floor": 0.1, "b": 1e8, "c": 2e8, "power": 0.5}
BOUGHT = {"exponent": 1, "reference_tokens": 1, "price_usd_per_mtok": 1}


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e6])
def test_the_unit_of_a_reference_changes_nothing(unit):
    """Samples · Y is tokens an hour over δ, however they are counted."""
    gain = SCALING | {"samples": unit}
    answer = solved(config(gain, BOUGHT | {"reference_tokens": unit}))
    assert answer.certificate.primal == pytest.approx(34314.837679, rel=1e-8)
    (asset,) = answer.layers.training
    assert asset["gain"] == pytest.approx(0.4562731923, rel=1e-6)


def test_free_tokens_without_end_are_said():
    free = BOUGHT | {"price_usd_per_mtok": 0}
    answer = solve(load_dict(config(SCALING, free)), ranges=False)
    assert answer.status == "optimal"
    (asset,) = answer.layers.training
    best = 0.6**0.5 - 0.1**0.5  # all of the error that tokens remove
    assert asset["gain"] == pytest.approx(min(best, 0.5), rel=1e-5)
    limited = config(SCALING, free | {"max_tokens_per_s": 1e4})
    said = [w for w in answer.warnings() if "cost nothing" in w]
    assert len(said) == 1
    assert "`a`" in said[0]
    assert "max_tokens_per_s" in said[0]
    assert not [w for w in solved(limited).warnings() if "cost nothing" in w]


CHEAP = {"exponent": 0.9, "reference_tokens": 1e5, "price_usd_per_mtok": 0.01}


def test_training_makes_nobody_better_than_certain():
    steep = {"form": "cobb_douglas", "scale": 0.05}
    answer = solved(config(steep, CHEAP))
    (asset,) = answer.layers.training
    assert asset["gain"] == pytest.approx(0.5, rel=1e-9)
    assert answer.to_dict()["objective"]["value"] == pytest.approx(36000, rel=1e-9)
    assert len([w for w in answer.warnings() if "better than certain" in w]) == 1
    found = Program(config(steep, CHEAP), answer.to_dict()).solve()
    assert abs(found.gap) < 1e-6
    assert found.violation < 1e-7


def test_an_asset_without_end_does_not_take_the_others_with_it():
    one = config({"form": "cobb_douglas", "scale": 0.05}, CHEAP, risk_aversion=10)
    two = copy.deepcopy(one)
    two["models"]["n"] = {"quality": 0.6}
    two["classes"]["q"]["models"] = ["m"]
    two["classes"]["r"] = {"rate_per_s": 5, "value_usd": 2, "models": ["n"]}
    mild = {"form": "saturating", "ceiling": 0.2}
    other = {"model": "n", "kind": "rl", "gain": mild, "update": CHEAP, "gain_std": 2}
    two["training"]["assets"]["b"] = other
    alone = copy.deepcopy(two)
    del alone["training"]["assets"]["a"]
    both = {line["asset"]: line["gain"] for line in solved(two).layers.training}
    assert both["a"] == pytest.approx(0.5, rel=1e-6)
    (only,) = solved(alone).layers.training
    assert both["b"] == pytest.approx(only["gain"], rel=1e-4)
    assert only["gain"] > 0.1


def test_what_is_certain_already_is_not_trained():
    loaded = load_dict(config(SCALING, BOUGHT, quality=1.0))
    assert len(build(loaded.config, loaded.classes).program.streams) == 1
    assert solved(config(SCALING, BOUGHT, quality=1.0)).layers.training[0]["gain"] == 0


def test_the_room_is_that_of_the_class_with_most_to_gain():
    base = config({"form": "cobb_douglas", "scale": 0.05}, CHEAP)
    base["classes"]["hard"] = {"rate_per_s": 1, "value_usd": 1, "quality": {"m": 0.2}}
    (asset,) = solve(load_dict(base), ranges=False).layers.training
    assert asset["gain"] == pytest.approx(0.8, rel=1e-9)
    halved = changed(base, classes__hard__trainability=0.9)
    (asset,) = solve(load_dict(halved), ranges=False).layers.training
    assert asset["gain"] == pytest.approx(0.8 / 0.9, rel=1e-9)
