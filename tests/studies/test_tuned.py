"""The strongest local rules: knobs beyond and between what the grid has, by closed forms."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from allocate.models.loader import load_dict
from allocate.solver.studies.baselines.greedy import Knobs
from allocate.solver.studies.baselines.polish import polished
from allocate.solver.studies.compare import compare


def bought(scale: float, usd_per_mtok: float, value: float) -> dict:
    """One class on one API: the cap on tokens is the only decision."""
    return {
        "version": 1,
        "token_uses": {"work": {"exponent": 0.8, "reference_tokens": 10000}},
        "models": {
            "m": {
                "success": {"form": "saturating", "ceiling": 0.9, "scale": scale},
                "api": {"output_usd_per_mtok": usd_per_mtok, "tpot_ms": 15},
            }
        },
        "classes": {"a": {"rate_per_s": 1, "value_usd": value}},
    }


def best(scale: float, usd_per_mtok: float, value: float) -> float:
    """max over the bundle n of 3600 (0.9 v (1 − e^(−n^0.8/s)) − 10⁴ n p)."""

    def loss(x: float) -> float:
        n = np.exp(x)
        success = 0.9 * -np.expm1(-(n**0.8) / scale)
        return -3600 * (value * success - n * 1e4 * usd_per_mtok * 1e-6)

    found = minimize_scalar(loss, bounds=(-12, 8), method="bounded", options={"xatol": 1e-10})
    return -float(found.fun)


@pytest.mark.parametrize(
    ("scale", "usd_per_mtok", "value"), [(1e-3, 100, 0.1), (40.0, 0.1, 5.0), (1.0, 10, 1.0)]
)
def test_a_cap_far_from_the_reference_is_found(scale, usd_per_mtok, value):
    """Below the grid, beyond it, and between its points."""
    found = compare(load_dict(bought(scale, usd_per_mtok, value)), attribution=False, least=False)
    tuned = found.baselines["greedy-tuned"].outcome
    assert found.joint.welfare == pytest.approx(best(scale, usd_per_mtok, value), rel=1e-6)
    assert tuned.welfare == pytest.approx(best(scale, usd_per_mtok, value), rel=2e-4)


def test_lanes_that_nobody_waits_for_are_tuned_to_run_full():
    """2 GPUs make 57.6 USD/h at full, and cost 6."""
    found = compare(
        load_dict(
            {
                "version": 1,
                "models": {"own": {"quality": 0.8}},
                "gpus": {"h100": {"price_usd_per_h": 3, "available": 2}},
                "deployments": {
                    "lane": {"model": "own", "gpu": "h100", "alpha_ms": 8, "beta_ms": 0.1}
                },
                "classes": {
                    "batch": {"rate_per_s": 100, "value_usd": 0.001, "output_tokens": 1000}
                },
            }
        )
    )
    assert found.baselines["greedy-tuned"].outcome.welfare == pytest.approx(51.594, abs=0.01)
    assert found.verdict.startswith("No gain")


def test_steps_go_as_far_as_they_help_and_never_back():
    seen = []

    def welfare(knobs: Knobs) -> float:
        seen.append(knobs)
        return 100.0 - (np.log(knobs.token_cap) - 6.0) ** 2 - (knobs.quality_floor - 0.4) ** 2

    found = polished(welfare, {"token_cap", "quality_floor"}, Knobs())
    assert np.log(found.token_cap) == pytest.approx(6.0, abs=0.1)
    assert found.quality_floor == pytest.approx(0.4, abs=0.03)
    assert {k.verify for k in seen} == {Knobs().verify}
    assert len(seen) <= 130
    assert welfare(found) >= welfare(Knobs())


def test_enough_is_found_where_value_is_all_but_saturated():
    """What 3,600 USD/h buy at the defaults is worth to 1e-6 what 17.05 buy at the right cap."""
    found = compare(
        load_dict(bought(1e-3, 100, 0.1)), ["greedy"], against="greedy", attribution=False
    )
    line = found.baselines["greedy"]
    assert line.outcome.spend == pytest.approx(3600)
    assert line.least[0] == pytest.approx(17.05, rel=5e-3)
    assert line.least[1] <= line.least[0]
