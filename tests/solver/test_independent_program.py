"""The program stated a second time has the same optimum, welfare and prices."""

import copy
from typing import Any

import pytest

from tests.independent_program import Found, Program
from tests.solver.cases import changed, everything, fleet, solved

REUSE = {
    "retention_s": [0, 60, 600],
    "reuse": {
        "chat": {"points": [[60, 0.5], [600, 0.8]], "drift_per_h": 0.2, "mismatch_per_h": 0.05}
    },
    "sharing": {"system": {"tokens": 2000, "hit": 0.9, "mismatch": 0.01}},
}
STAGES = {
    "first": {
        "model": "own",
        "gpu": "h100",
        "stage": "prefill",
        "delta_ms_per_ktok": 30,
        "kv_memory_gb": 40,
        "kv_bytes_per_token": 160000,
        "utilisations": [0.3, 0.6, 0.85],
    },
    "then": {
        "model": "own",
        "gpu": "h100",
        "stage": "decode",
        "alpha_ms": 8,
        "beta_ms": 0.3,
        "gamma_ms_per_ktok": 0.05,
        "max_batch": 64,
        "kv_memory_gb": 40,
        "kv_bytes_per_token": 160000,
        "kv_transfer_ms_per_ktok": 2,
        "burst_headroom": 1.3,
        "tpot_ms": [9, 14, 25],
    },
}
TAIL = {
    "beta": 0.9,
    "price_usd": 0.1,
    "max_loss_per_h": 60,
    "scenarios": {
        "calm": {"probability": 0.85},
        "storm": {"probability": 0.1, "factor": 3},
        "breach": {"probability": 0.05, "factors": {"act": 6}},
    },
}
TRAINING = {
    "depreciation_per_h": 0.01,
    "risk_aversion": 500,
    "correlation": {"rl": {"sft": 0.4}},
    "assets": {
        "rl": {
            "model": "own",
            "kind": "rl",
            "gain": {
                "form": "scaling_law",
                "floor": 0.01,
                "b": 340,
                "c": 4300,
                "power": 0.2,
                "samples": 50000,
            },
            "rollout": {"exponent": 0.5, "reference_tokens": 2e8, "deployment": "own_h100"},
            "verifier": {"exponent": 0.15, "reference_tokens": 1e8, "deployment": "own_h100"},
            "update": {
                "exponent": 0.3,
                "reference_tokens": 2e8,
                "gpu": "h100",
                "tokens_per_gpu_s": 3000,
            },
            "staleness": [
                {"versions": 0, "efficiency": 1, "cost": 2},
                {"versions": 4, "efficiency": 0.9, "cost": 1},
            ],
            "gain_std": 0.3,
            "verifier_noise": 0.1,
        },
        "sft": {
            "model": "own",
            "kind": "sft",
            "gain": {"form": "saturating", "ceiling": 0.05, "scale": 1},
            "verifier": {"exponent": 0.3, "reference_tokens": 5e7, "price_usd_per_mtok": 1.0},
            "update": {"exponent": 0.6, "reference_tokens": 1e8, "price_usd_per_mtok": 0.2},
            "gain_std": 0.2,
        },
    },
}


def cached() -> dict[str, Any]:
    config = fleet() | {"caching": copy.deepcopy(REUSE)}
    for k in config["classes"].values():
        k |= {"prefix_tokens": 4000, "reuse": "chat", "sharing": "system", "calls": 3}
    return config


def apart() -> dict[str, Any]:
    config = cached()
    config["deployments"] |= copy.deepcopy(STAGES)
    return config


def drafted() -> dict[str, Any]:
    draft = {"tokens": 4, "acceptance": 0.7, "alpha_ms": 1.5, "verify_overhead": 0.5}
    return changed(fleet(), deployments__own_h100__draft=draft)


def by_period() -> dict[str, Any]:
    config = everything() | {
        "periods": {"night": {"hours": 10, "demand_scale": 0.4}, "day": {"hours": 14}},
        "tenants": {"a": {"money_usd": 4}, "b": {}},
    }
    config["classes"]["easy"]["tenant"] = "a"
    config["classes"]["hard"] |= {"tenant": "b", "periods": ["day"]}
    return config


def limited() -> dict[str, Any]:
    config = everything()
    config["limits"] = {
        "risk_per_h": 300,
        "latency": {"hard": {"mean_s": 12, "classes": ["hard"]}},
        "shares": {"api": {"models": ["api"], "max_share": 0.3}},
        "tail_risk": copy.deepcopy(TAIL),
    }
    return config


def trained() -> dict[str, Any]:
    return fleet() | {"training": copy.deepcopy(TRAINING)}


def all_at_once() -> dict[str, Any]:
    config = apart() | {"training": copy.deepcopy(TRAINING)}
    config |= {k: v for k, v in limited().items() if k in ("limits", "autonomy", "humans")}
    config["limits"]["tail_risk"].pop("max_loss_per_h")
    return changed(config, humans__minutes_per_h=100, classes__hard__max_ttft_s=0.6)


CASES = [fleet, everything, cached, apart, drafted, by_period, limited, trained, all_at_once]


def judged(config: dict[str, Any]) -> tuple[Found, dict[str, Any]]:
    document = solved(config).to_dict()
    return Program(config, document).solve(tolerance=1e-9), document


@pytest.mark.parametrize("case", CASES, ids=[c.__name__ for c in CASES])
def test_the_program_stated_again_has_the_same_answer(case):
    found, document = judged(case())
    assert found.welfare == pytest.approx(document["objective"]["welfare"], rel=1e-7)
    assert found.violation < 1e-7
    assert -1e-7 < found.gap < 1e-6
    assert found.foc < 3e-4  # duals of columns are as good as the root of their gap
    theirs = {p["resource"]: p for p in document["prices"]}
    for name, mine in found.prices.items():
        assert theirs[name]["value"] == pytest.approx(mine, rel=3e-3, abs=1e-6)


def test_what_is_overstated_is_found():
    config = trained()
    document = solved(config).to_dict()
    for layer, line, key in (
        ("serving", 0, "replicas"),
        ("training", 0, "gain"),
        ("router", 0, "requests_per_s"),
    ):
        false = copy.deepcopy(document)
        at = false["layers"][layer][line]
        at = at["ways"][0] if layer == "router" else at
        at[key] *= 0.99 if layer == "serving" else 1.01
        program = Program(config, false)
        program._price_table()
        program._where = {n: (g, i) for g in program.groups for i, n in enumerate(g.arms)}
        assert program._judged(program._written())[0] > 1e-3


def test_tokens_that_are_not_the_best_fail_the_first_order_conditions():
    config = fleet()
    document = solved(config).to_dict()
    document["layers"]["router"][0]["ways"][0]["tokens"]["edit"] *= 1.01
    assert Program(config, document).solve().foc > 5e-4
