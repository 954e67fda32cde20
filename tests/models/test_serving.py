"""What a request occupies on own lanes, by hand: pairs, retention, shared prefixes, drafts."""

import numpy as np
import pytest

from allocate.errors import ConfigError
from allocate.models.features import class_features
from allocate.models.loader import load_dict
from allocate.models.stack import build
from tests.solver.cases import changed, price, solved

HOUR = 3600
VALUE, LATE = 1.0, 0.01  # USD a request, USD a second
LANE = {"model": "own", "gpu": "g", "alpha_ms": 10, "beta_ms": 0.5, "gamma_ms_per_ktok": 0.1}
KV = {"kv_memory_gb": 1e6, "kv_bytes_per_token": 1e5}
PREFILL = {
    "model": "own",
    "gpu": "g",
    "stage": "prefill",
    "delta_ms_per_ktok": 50,
    "utilisations": [0.5],
}
DECODE = LANE | {"stage": "decode", "tpot_ms": [20], "kv_transfer_ms_per_ktok": 4}


def served(deployments, **request):
    """One request a second that may not be declined, GPUs at 3.60 USD/h."""
    return {
        "version": 1,
        "prices": {"latency_usd_per_s": LATE},
        "models": {"own": {"quality": 1.0}},
        "gpus": {"g": {"available": 1000, "price_usd_per_h": 3.6}},
        "deployments": deployments,
        "classes": {
            "k": {"rate_per_s": 1, "value_usd": VALUE, "decline": False, "context_tokens": 2000}
            | request
        },
    }


def welfare(seconds, replicas, misled=0.0):
    """USD/h of a request a second that waits so long and takes so many replicas."""
    return HOUR * (VALUE - LATE * seconds - misled) - 3.6 * replicas


def test_a_mixed_lane():
    """100 tokens at 0.7 ms of work and 1,000 at 0.05 ms, on a replica that is half busy."""
    lane = LANE | {"delta_ms_per_ktok": 50, "tpot_ms": [20]}
    solution = solved(served({"d": lane}, prompt_tokens=1000, output_tokens=100))
    seconds = 1000 * 50e-6 / 0.5 + 100 * 20e-3
    assert solution.welfare == pytest.approx(welfare(seconds, (0.07 + 0.05) / 0.5), rel=1e-9)


def test_a_pair_of_lanes_moves_the_kv_of_the_whole_prompt():
    """800 of 4,000 prefix tokens and 1,000 fresh ones are prefilled; all 5,000 are moved."""
    config = served(
        {"p": PREFILL | KV, "d": DECODE},
        prompt_tokens=1000,
        prefix_tokens=4000,
        output_tokens=100,
        reuse="often",
    )
    config["caching"] = {"retention_s": [0, 60], "reuse": {"often": {"points": [[60, 0.8]]}}}
    solution = solved(config)
    (line,) = solution.layers.router
    assert line["retention_s"] == 60
    seconds = 1800 * 50e-6 / 0.5 + 5000 * 4e-6 + 100 * 20e-3
    replicas = 1800 * 50e-6 / 0.5 + 100 * 0.7e-3 / 0.5
    assert solution.welfare == pytest.approx(welfare(seconds, replicas), rel=1e-9)
    assert solution.layers.autonomy[0]["latency_s"] == pytest.approx(seconds, rel=1e-9)


def test_memory_of_kept_prefixes_needs_replicas():
    """∫(1 − h) is 60 − 24 = 36 s: 4,000 tokens of 100 kB each, 14.4 GB; a replica has 20."""
    memory = {"kv_memory_gb": 20, "kv_bytes_per_token": 1e5}
    config = served(
        {"p": PREFILL | memory, "d": DECODE}, prefix_tokens=4000, output_tokens=100, reuse="often"
    )
    config["caching"] = {"retention_s": [0, 60], "reuse": {"often": {"points": [[60, 0.8]]}}}
    solution = solved(config)
    seconds = 800 * 50e-6 / 0.5 + 4000 * 4e-6 + 100 * 20e-3
    replicas = 14.4 / 20 + 100 * 0.7e-3 / 0.5  # busy with prefill: 0.08
    assert solution.welfare == pytest.approx(welfare(seconds, replicas), rel=1e-9)
    # one GB more in each replica saves 0.72 · 3.60/20 USD/h
    assert price(solution, "deployments.p.kv_memory_gb") == pytest.approx(0.72 * 3.6 / 20, rel=1e-9)


def test_a_resident_shared_prefix_is_prefilled_by_nobody():
    """2,000 of 3,000 tokens are found; a hit misleads with chance 0.001, the spread of V is 0."""
    lane = LANE | {"delta_ms_per_ktok": 50, "tpot_ms": [20]} | KV
    config = served({"d": lane}, output_tokens=100, sharing="all")
    config["caching"] = {"sharing": {"all": {"tokens": 3000, "hit": 2 / 3, "mismatch": 0.001}}}
    solution = solved(config)
    seconds = 1000 * 50e-6 / 0.5 + 100 * 20e-3
    assert solution.welfare == pytest.approx(welfare(seconds, (0.07 + 0.05) / 0.5), rel=1e-9)


def test_a_draft_model():
    """1 + 0.5 + 0.25 tokens a step of 10 + 2·1 ms; β grows by half, γ does not."""
    draft = {"alpha_ms": 1, "tokens": 2, "acceptance": 0.5, "verify_overhead": 0.25}
    lane = LANE | {"tpot_ms": [9], "draft": draft}
    solution = solved(served({"d": lane}, output_tokens=100))
    work = (0.5e-3 * 1.5 + 0.1e-3 * 2) / 1.75
    u = 1 - 12 / 1.75 / 9
    assert solution.welfare == pytest.approx(welfare(0.9, 100 * work / u), rel=1e-9)


@pytest.mark.parametrize(("limit_ms", "served_by"), [(109.9, "api"), (110.1, "own")])
def test_a_limit_on_the_first_token_counts_the_transfer_of_cached_tokens_too(limit_ms, served_by):
    """Two calls: 1,800 tokens prefilled at 0.1 ms, 5,000 moved at 0.008 ms: 110 ms a call."""
    config = served(
        {"p": PREFILL | KV, "d": DECODE | {"kv_transfer_ms_per_ktok": 8}},
        prompt_tokens=1000,
        prefix_tokens=4000,
        output_tokens=10,
        calls=2,
        reuse="often",
        max_ttft_s=limit_ms / 1e3,
    )
    config["caching"] = {"retention_s": [0, 60], "reuse": {"often": {"points": [[60, 0.8]]}}}
    config["models"]["bought"] = {
        "quality": 1.0,
        "api": {"input_usd_per_mtok": 50, "output_usd_per_mtok": 50, "tpot_ms": 9, "ttft_s": 0.1},
    }
    (line,) = solved(config).layers.router
    assert line["served_by"] == served_by


def test_the_default_context_has_the_shared_prefix_before_it():
    """1,000 + 4,000/2 + 100/2 + 3,000; a class that says its context is believed."""
    config = served({"d": LANE}, sharing="all")
    config["caching"] = {"sharing": {"all": {"tokens": 3000}}}
    tokens = {"prompt_tokens": 1000, "prefix_tokens": 4000, "output_tokens": 100, "calls": 2}
    config["classes"] = {
        "in": {"rate_per_s": 1, "value_usd": 1, "sharing": "all"} | tokens,
        "out": {"rate_per_s": 1, "value_usd": 1} | tokens,
        "said": {"rate_per_s": 1, "value_usd": 1, "sharing": "all", "context_tokens": 77} | tokens,
    }
    loaded = load_dict(config)
    context = class_features(loaded.config, loaded.classes)["context"]
    np.testing.assert_allclose(context, [6050, 3050, 77])


def test_a_lane_without_a_speed_that_it_can_reach_offers_its_draft_alone():
    draft = {"alpha_ms": 1, "tokens": 2, "acceptance": 0.5}
    loaded = load_dict(served({"d": LANE | {"tpot_ms": [9], "draft": draft}}, output_tokens=100))
    assert [t.name for t in build(loaded.config, loaded.classes).tiers] == ["d+draft @ 9 ms"]


def test_a_speed_that_not_even_the_draft_can_reach_is_refused():
    """12/1.75 = 6.857 ms a token of an empty batch."""
    draft = {"alpha_ms": 1, "tokens": 2, "acceptance": 0.5}
    with pytest.raises(ConfigError, match=r"at 6\.5 ms .* with its draft .* 6\.857 ms"):
        load_dict(served({"d": LANE | {"tpot_ms": [9, 6.5], "draft": draft}}))


def test_a_headroom_multiplies_the_replicas():
    lane = LANE | {"tpot_ms": [20]}
    config = served({"d": lane}, output_tokens=100)
    plain, more = solved(config), solved(changed(config, deployments__d__burst_headroom=1.5))
    assert plain.welfare - more.welfare == pytest.approx(3.6 * 0.5 * 0.07 / 0.5, rel=1e-6)
