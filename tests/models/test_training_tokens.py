"""Tokens that training makes: what they occupy, which speed they take, what they cost."""

import numpy as np
import pytest

from allocate.models.loader import load_dict
from allocate.models.stack import State, build
from tests.solver.cases import HOURLY, changed, solved

# 20, 40 and 100 ms a token keep a replica 50, 75 and 90 % busy; at 5,000 tokens of context a
# token takes β + γ·5000 = 0.2 ms of it. A replica costs 3.60 USD/h: 0.001 USD a second.
LANE = {
    "model": "served",
    "gpu": "h100",
    "gpus_per_replica": 2,
    "alpha_ms": 10,
    "beta_ms": 0.1,
    "gamma_ms_per_ktok": 0.02,
    "tpot_ms": [20, 40, 100],
}


def trained(lane, **inputs):
    """One asset of a model that is bought per task; its tokens are made on a lane of their own.

    Capability is worth 100 USD/h a success point (a request an hour worth 100 USD), the gain
    is 0.01·√(verifier tokens an hour / 1e6).
    """
    return {
        "version": 1,
        "models": {"bought": {"quality": 0.5}, "served": {"quality": 0.1}},
        "gpus": {"h100": {"available": 100, "price_usd_per_h": 1.8}},
        "deployments": {"lane": lane},
        "classes": {"k": {"rate_per_s": HOURLY, "value_usd": 100.0, "models": ["bought"]}},
        "training": {
            "depreciation_per_h": 0.01,
            "assets": {
                "a": {
                    "model": "bought",
                    "gain": {"form": "cobb_douglas", "scale": 0.01},
                    **(inputs or {"verifier": verifier()}),
                }
            },
        },
    }


def verifier(**more):
    made = {"exponent": 0.5, "reference_tokens": 1e8, "deployment": "lane", "context_tokens": 5000}
    return made | more


def dual(solution, name):
    """USD per million units of a row."""
    rows = [r.name for r in solution.program.rows]
    return 1e6 * float(solution.duals[rows.index(name)])


def token_price(solution):
    return dual(solution, "training tokens of lane at 5000 tokens of context")


def lanes_used(solution):
    return sorted({round(line["tpot_ms"], 9) for line in solution.layers.serving})


# replicas for a token a second: work/u by busy time, τ/sequences by places or by memory
@pytest.mark.parametrize(
    ("limits", "tpot_ms", "replicas"),
    [
        ({}, 100, 0.2e-3 / 0.9),  # nothing but busy time: the slowest
        ({"max_batch": 128}, 40, 40e-3 / 128),  # 4.0e-4, 3.1e-4, 7.8e-4
        ({"max_batch": 32}, 20, 20e-3 / 32),  # 6.3e-4, 12.5e-4, 31e-4
        # 0.5 GB a sequence: 80 fit
        ({"kv_memory_gb": 40, "kv_bytes_per_token": 100_000}, 20, 0.2e-3 / 0.5),
        ({"burst_headroom": 1.5, "max_batch": 128}, 40, 1.5 * 0.2e-3 / 0.75),
    ],
)
def test_training_takes_the_speed_at_which_a_token_needs_the_fewest_replicas(
    limits, tpot_ms, replicas
):
    solution = solved(trained(LANE | limits))
    usd_per_mtok = 1e6 * 0.001 * replicas
    assert token_price(solution) == pytest.approx(usd_per_mtok, rel=1e-9)
    assert lanes_used(solution) == [tpot_ms]
    # worth·0.005/√(n·1e6) = price
    tokens = (100 * 0.005 / (usd_per_mtok / 1e6)) ** 2 / 1e6
    (line,) = solution.layers.training
    assert line["verifier_tokens"] == pytest.approx(tokens, rel=1e-6)
    assert line["gain"] == pytest.approx(0.01 * np.sqrt(tokens / 1e6), rel=1e-6)
    # 100·(0.5 + gain), less the bill, which is half of what the gain is worth
    assert solution.welfare == pytest.approx(50 + 50 * line["gain"], rel=1e-6)


def test_a_lane_with_one_speed_prices_the_place_that_runs_out():
    solution = solved(trained(LANE | {"max_batch": 32, "tpot_ms": [40]}))
    assert token_price(solution) == pytest.approx(1e3 * 40e-3 / 32, rel=1e-9)
    # all of a replica's cost is that of its 32 places
    assert dual(solution, "lane@0.75 batch") == pytest.approx(1e6 * 3.6 / 32, rel=1e-9)
    assert dual(solution, "lane@0.75 busy") == pytest.approx(0.0, abs=1e-9 * 1e6 * 3.6)


def test_the_menu_of_speeds_is_refined_around_the_speed_that_training_takes():
    """Busy time and places run out together at u/(1 − u) = 128·0.2/10: the best speed."""
    lane = {k: v for k, v in LANE.items() if k != "tpot_ms"} | {"max_batch": 128}
    u = 2.56 / 3.56
    best = 1e3 * 0.2e-3 / u
    coarse = build(load_dict(trained(lane)).config, load_dict(trained(lane)).classes)
    tiers = np.array([t.utilisation for t in coarse.tiers])
    first = 1e3 * np.maximum(0.2e-3 / tiers, 10e-3 / (1 - tiers) / 128).min()
    assert first > best * 1.02  # else this would prove nothing
    assert token_price(solved(trained(lane))) == pytest.approx(best, rel=2e-3)


def test_training_may_use_a_draft_model():
    """2 proposed, half accepted: 1.75 tokens a step of 10 + 2·1 ms; γ is paid once a step."""
    draft = {"alpha_ms": 1, "tokens": 2, "acceptance": 0.5, "verify_overhead": 0.25}
    # no speed of the plain lane: an empty batch takes 10 ms
    solution = solved(trained(LANE | {"draft": draft, "tpot_ms": [9]}))
    work = (0.1e-3 * 1.5 + 0.02e-3 * 5) / 1.75
    u = 1 - 12 / 1.75 / 9
    assert token_price(solution) == pytest.approx(1e3 * work / u, rel=1e-9)


def test_bought_rollouts_cost_what_their_staleness_costs():
    """Fresh: 2 × 1 USD for a token worth 1. Stale: 1 USD for one worth 0.8."""
    rollout = {"exponent": 0.5, "reference_tokens": 1e8, "price_usd_per_mtok": 1.0}
    config = trained(LANE, rollout=rollout)
    levels = [
        {"versions": 0, "efficiency": 1, "cost": 2},
        {"versions": 4, "efficiency": 0.8, "cost": 1},
    ]
    solution = solved(changed(config, training__assets__a__staleness=levels))
    assert dual(solution, "training a rollout tokens") == pytest.approx(1.25, rel=1e-9)
    (line,) = solution.layers.training
    assert line["staleness"] == pytest.approx(4.0)
    n = (100 * 0.005 / 1.25e-6) ** 2 / 1e6  # tokens that count
    assert line["rollout_tokens"] == pytest.approx(n / 0.8, rel=1e-6)


def test_stale_rollouts_on_a_lane_take_kappa_times_the_lane():
    config = trained(LANE | {"max_batch": 128}, rollout=verifier())
    levels = [{"versions": 1, "efficiency": 0.9, "cost": 1.5}]
    solution = solved(changed(config, training__assets__a__staleness=levels))
    assert token_price(solution) == pytest.approx(0.3125, rel=1e-9)
    assert dual(solution, "training a rollout tokens") == pytest.approx(
        0.3125 * 1.5 / 0.9, rel=1e-9
    )


def test_the_most_of_an_input_is_twice_what_all_gains_could_pay():
    """A success point earns 100 USD/h and at most ROOM fit; a token costs 1 USD/Mtok."""
    rollout = {"exponent": 0.5, "reference_tokens": 1e8, "price_usd_per_mtok": 1.0}
    config = changed(
        trained(LANE, rollout=rollout),
        training__assets__a__staleness=[{"versions": 4, "efficiency": 0.8}],
    )
    loaded = load_dict(config)
    program = build(loaded.config, loaded.classes, State(worth={"bought": 100.0})).program
    (supply,) = [a for a in program.activities if a.labels.get("input") == "rollout"]
    (capability,) = [a for a in program.activities if a.labels.get("gain")]
    room = 1.0 - config["models"]["bought"]["quality"]
    assert capability.labels["room"] == pytest.approx(room)
    assert supply.upper == pytest.approx(2 * 100 * room / 1e-6)
    (curve,) = program.streams[1].technologies
    assert curve.caps[0] == pytest.approx(0.8 * supply.upper)  # tokens that count


def test_the_context_of_training_is_by_default_that_of_the_models_requests():
    """Two of three requests an hour have 1,000 + 100/2 tokens, one has 5,000, one may not."""
    config = trained(LANE, verifier={k: v for k, v in verifier().items() if k != "context_tokens"})
    config["classes"] = {
        "short": {
            "rate_per_s": 2 * HOURLY,
            "value_usd": 10.0,
            "prompt_tokens": 1000,
            "output_tokens": 100,
            "models": ["bought"],
        },
        "long": {"rate_per_s": HOURLY, "value_usd": 10.0, "context_tokens": 5000},
        "other": {
            "rate_per_s": HOURLY,
            "value_usd": 10.0,
            "context_tokens": 9000,
            "models": ["served"],
        },
    }
    loaded = load_dict(config)
    built = build(loaded.config, loaded.classes, State(worth={"bought": 100.0}))
    context = (2 * 1050 + 5000) / 3
    (row,) = [r.name for r in built.program.rows if r.name.startswith("training tokens of")]
    assert row == f"training tokens of lane at {context:.9g} tokens of context"
    (said,) = [a for a in built.assumed if "context_tokens" in a]
    assert f"{context:.0f} tokens" in said
    assert "bought" in said


def test_the_context_is_not_asked_for_where_nothing_depends_on_it():
    lane = {k: v for k, v in LANE.items() if k != "gamma_ms_per_ktok"}
    loaded = load_dict(trained(lane, verifier=verifier(context_tokens=None)))
    built = build(loaded.config, loaded.classes, State(worth={"bought": 100.0}))
    assert not any("context" in a for a in built.assumed)


def test_inputs_at_the_same_context_share_their_tokens():
    loaded = load_dict(trained(LANE, rollout=verifier(), verifier=verifier(exponent=0.3)))
    program = build(loaded.config, loaded.classes, State(worth={"bought": 100.0})).program
    assert sum(r.name.startswith("training tokens of") for r in program.rows) == 1
    assert sum(a.labels.get("layer") == "decoding" for a in program.activities) == 3
