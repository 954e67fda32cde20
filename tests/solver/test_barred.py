"""The price of a capacity of nothing is what the first unit of it would bring."""

import numpy as np
import pytest

from allocate.models.loader import load_dict
from allocate.models.stack import build
from allocate.solver.barred import lowered
from tests.solver.cases import changed, price, solved


def no_gpus() -> dict:
    return {
        "version": 1,
        "prices": {"latency_usd_per_s": 0.0005},
        "models": {"a": {"quality": 0.8}},
        "gpus": {"g": {"available": 0.0, "price_usd_per_h": 2.5}},
        "deployments": {
            "d": {
                "model": "a",
                "gpu": "g",
                "gpus_per_replica": 2,
                "alpha_ms": 12,
                "beta_ms": 0.15,
                "delta_ms_per_ktok": 40,
                "tpot_ms": [14, 18, 30, 60],
            }
        },
        "classes": {
            "x": {
                "rate_per_s": 40.0,
                "value_usd": 0.05,
                "prompt_tokens": 1000,
                "output_tokens": 200,
            }
        },
    }


def test_a_gpu_where_there_is_none_is_worth_what_the_first_one_brings():
    few = solved(changed(no_gpus(), gpus__g__available=1e-3)).welfare / 1e-3
    worth = price(solved(no_gpus()), "gpus.g.available")
    assert worth == pytest.approx(few, rel=1e-6)


def test_lowering_leaves_the_dual_and_the_other_prices():
    loaded = load_dict(no_gpus())
    program = build(loaded.config, loaded.classes).program
    duals = np.array([1e6, *[2e6 + 5.0] * (len(program.rows) - 1)])
    less = lowered(program, duals)
    assert program.dual(less) == pytest.approx(program.dual(duals), abs=1e-9)
    assert less[0] < 1e4
    open_ = changed(no_gpus(), gpus__g__available=1.0)
    loaded = load_dict(open_)
    program = build(loaded.config, loaded.classes).program
    np.testing.assert_array_equal(lowered(program, duals), duals)
