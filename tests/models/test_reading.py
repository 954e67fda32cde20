"""What the layers read in an answer: who earns what, and whose rows are whose."""

import pytest

from tests.solver.cases import changed, fleet, solved

REUSE = {
    "reuse": {"chat": {"points": [[10, 0.2], [60, 0.5], [600, 0.8]]}},
    "retention_s": [0, 60, 600],
    "sharing": {"sys": {"tokens": 2000, "hit": 0.95}},
}
TRAINING = {
    "depreciation_per_h": 0.01,
    "risk_aversion": 0.1,
    "assets": {
        "rl": {
            "model": "own",
            "gain": {"form": "saturating", "ceiling": 0.02},
            "gain_std": 1.0,
            "rollout": {"exponent": 0.5, "reference_tokens": 1e7, "deployment": "own_h100"},
            "update": {"exponent": 0.3, "reference_tokens": 1e7, "price_usd_per_mtok": 5},
        }
    },
}


def cached_fleet(**more):
    config = changed(fleet(), caching=REUSE, **more)
    config["classes"]["easy"] |= {"reuse": "chat", "prefix_tokens": 3000}
    config["classes"]["hard"]["sharing"] = "sys"
    return config


def test_what_layers_earn_and_the_rent_of_capacities_add_up_to_the_welfare():
    solution = solved(cached_fleet(training=TRAINING))
    earned = solution.layer_profits()
    assert set(earned) == {
        "rent of capacities",
        "constant",
        "router and autonomy",
        "serving",
        "training assets",
        "trainers",
        "limits",
    }
    assert sum(earned.values()) == pytest.approx(solution.welfare, rel=1e-6)
    assert earned["training assets"] > 0  # it has decreasing returns


def test_lanes_stand_beside_their_own_rows_in_every_period():
    """Batch, memory and busy time of a lane are within what its replicas of that period hold."""
    periods = {
        "day": {"hours": 8, "demand_scale": 1.5},
        "night": {"hours": 16, "demand_scale": 0.3},
    }
    solution = solved(cached_fleet(periods=periods))
    lanes = solution.layers.serving
    assert {line["period"] for line in lanes} == {"day", "night"}
    for line in lanes:
        assert 0 < line["batch"] <= 64 * (1 + 1e-6)
        assert 0 < line["kv_used"] <= 1 + 1e-6
        u = 1 - 8 / line["tpot_ms"]  # α/(1 − u) = τ
        assert line["utilisation"] <= u * (1 + 1e-6)
    gpus = {p: sum(x["gpus"] for x in lanes if x["period"] == p) for p in periods}
    assert max(gpus.values()) <= 3 * (1 + 1e-6)
    prices = solution.layers.artifacts()["token_prices"]
    assert {(x["lane"], x["period"]) for x in prices} == {(x["lane"], x["period"]) for x in lanes}
