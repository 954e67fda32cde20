"""Models that nobody uses untrained: closed forms of what training them is worth."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from tests.solver.cases import changed, solved


def two_apis(**own) -> dict:
    """A model that is better as it is, and one that training could make better still."""
    return {
        "version": 1,
        "prices": {"risk_usd": 1},
        "models": {
            "base": {"quality": 0.5, "api": {"output_usd_per_mtok": 1, "tpot_ms": 20}},
            "own": {"quality": 0.3, "api": {"output_usd_per_mtok": 0.5, "tpot_ms": 20}, **own},
        },
        "classes": {"task": {"rate_per_s": 1, "value_usd": 1, "output_tokens": 1000}},
        "training": {
            "depreciation_per_h": 0.01,
            "assets": {
                "sft": {
                    "model": "own",
                    "kind": "sft",
                    "gain": {"form": "saturating", "ceiling": 0.5, "scale": 1},
                    "update": {
                        "exponent": 0.8,
                        "reference_tokens": 1e8,
                        "price_usd_per_mtok": 3,
                    },
                }
            },
        },
    }


def best(quality: float, usd: float) -> float:
    """max over g of 3600 (q + ½ (1 − e^(−g^0.8)) − c) − 3g, g million tokens an hour."""
    found = minimize_scalar(
        lambda g: 3 * g - 3600 * (quality - usd + 0.5 * -np.expm1(-(g**0.8))),
        bounds=(0.0, 50.0),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return -float(found.fun)


def test_a_model_that_is_worse_untrained_is_trained_where_that_pays():
    answer = solved(two_apis())
    assert answer.status == "optimal"
    assert answer.welfare == pytest.approx(best(0.3, 0.0005), rel=1e-6)
    assert answer.welfare > 3600 * (0.5 - 0.001) + 1000  # what it is worth to train nothing


def test_risk_may_be_what_keeps_it_out_of_use():
    risky = two_apis(wrong_action_rate=0.2)
    answer = solved(changed(risky, classes__task__loss=1))
    assert answer.welfare == pytest.approx(best(0.3 - 0.2, 0.0005), rel=1e-6)


def test_nothing_is_trained_where_it_never_pays():
    dear = two_apis()
    dear["training"]["assets"]["sft"]["gain"]["ceiling"] = 0.19
    answer = solved(dear)
    assert answer.welfare == pytest.approx(3600 * (0.5 - 0.001), rel=1e-9)
    assert all(not row.get("update_tokens") for row in answer.layers.training)
