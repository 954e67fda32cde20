"""Splitting members over near ties."""

import pytest

from tests.solver.cases import HOURLY, router, solved


def test_a_request_of_no_value_may_fill_a_floor():
    """Its best way moves no money; the way that the floor pays for is a tie all the same."""
    config = {
        "version": 1,
        "models": {
            "floor": {"quality": 0.5, "cost_per_task_usd": 0.01},
            "other": {"quality": 0.9},
        },
        "classes": {
            "idle": {"rate_per_s": 50 * HOURLY, "value_usd": 0, "decline": False},
            "dear": {"rate_per_s": 950 * HOURLY, "value_usd": 2},
        },
        "limits": {"shares": {"s": {"models": ["floor"], "min_share": 0.02}}},
    }
    solution = solved(config)
    assert router(solution)["idle", "floor"] == pytest.approx(0.4, rel=1e-6)
    assert solution.welfare == pytest.approx(950 * 0.9 * 2 - 20 * 0.01, rel=1e-9)
