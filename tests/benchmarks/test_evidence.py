"""The evidence scripts: their rules do what they say, and their data are what the pages say."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.evidence import (
    failure_modes,
    long_tail_data,
    long_tail_regret,
    risk_and_verify,
)
from benchmarks.evidence.risk_and_verify import holm

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


# --- the long tail ------------------------------------------------------------------------------


def test_the_cheapest_split_reaches_its_floor_and_no_call_of_it_is_spare():
    rng = np.random.default_rng(0)
    gain, extra = rng.normal(0.1, 0.2, 500), rng.uniform(0.5, 2.0, 500)
    sent = long_tail_regret.cost_minimising(gain, extra, 0.8)
    whole = np.maximum(gain, 0).sum()
    assert gain[sent].min() > 0
    assert gain[sent].sum() >= 0.8 * whole
    worst = (gain / extra)[sent].min()
    assert gain[sent].sum() - gain[sent][(gain / extra)[sent] == worst].sum() < 0.8 * whole


def test_the_same_spend_is_never_more():
    rng = np.random.default_rng(1)
    bid, extra = rng.exponential(1.0, 500), rng.uniform(0.5, 2.0, 500)
    sent = long_tail_regret.within(100.0, bid, extra)
    assert extra[sent].sum() <= 100.0
    assert np.all(bid[sent] > extra[sent])
    assert sent.sum() > 10


@pytest.mark.parametrize("shape", long_tail_regret.SHAPES)
def test_values_have_the_mean_and_the_link_that_is_asked_for(shape):
    hard = np.random.default_rng(2).random(4000)
    v = long_tail_regret.values(shape, 30.0, hard, 0.5, np.random.default_rng(3))
    assert v.mean() == pytest.approx(30.0)
    if shape != "equal":
        ranks = np.corrcoef(np.argsort(np.argsort(hard)), np.argsort(np.argsort(v)))[0, 1]
        assert 0.4 < ranks < 0.55  # 0.48 for normal scores that correlate with 0.5


def test_seeing_what_is_worth_the_same_brings_nothing_at_the_same_spend():
    q = long_tail_data.routellm()
    case = {**long_tail_regret.BASE, "shape": "equal"}
    found = long_tail_regret.drawn(q, case, np.random.default_rng(4))
    assert found["gain at the same spend"] == pytest.approx(0.0, abs=2e-3)
    assert found["gain of hindsight"] > found["gain at its own spend"] > 0


def test_the_page_of_the_long_tail_says_what_was_found():
    text = page("evidence-long-tail.md")
    result = json.loads((RESULTS / "long_tail_regret.json").read_text("utf-8"))
    q = long_tail_data.outcomes(long_tail_data.routellm())
    assert q == pytest.approx(result["outcomes"]["RouteLLM"])
    assert f"{q['queries']:,}, {q['groups']} | {100 * q['cheaper']:.1f} %" in text
    base = result["cases"][0]["figures"]
    low, mean, high = (100 * x for x in base["gain at the same spend"])
    assert f"{mean:.1f} % [{low:.1f}, {high:.1f}]" in text
    for name in ("value gained at the same spend", "value gained with all of it spent"):
        low, mean, high = (100 * x for x in base[name])
        assert f"{mean:.1f} % [{low:.1f}, {high:.1f}]" in text
    low, mean, high = base["regret, tail"]
    assert f"{mean:.1f} [{low:.1f}, {high:.1f}]" in text


# --- risk and verifying -------------------------------------------------------------------------


def test_each_half_of_the_exercises_tells_the_truth_on_average():
    t = risk_and_verify.runs()
    rng = np.random.default_rng(5)
    for first, second in np.mean([risk_and_verify.halves(t, rng) for _ in range(300)], axis=0):
        assert np.allclose(first, t["pass_num_1"] / t["test_cases"], atol=0.02)
        assert np.allclose(second, t["pass_num_2"] / t["test_cases"], atol=0.02)


def test_a_run_costs_its_tries():
    t = risk_and_verify.runs()
    assert t.height == 79
    tries = 2 - t["pass_num_1"] / t["test_cases"]
    assert np.allclose((t["usd_1"] * tries).drop_nulls(), t["usd_2"].drop_nulls())
    assert t["usd_1"].null_count() == 24  # unknown, and not zero
    assert t["usd_1"].min() > 0


def test_the_page_of_the_risk_says_what_was_found():
    text = page("evidence-risk.md")
    result = json.loads((RESULTS / "risk_and_verify.json").read_text("utf-8"))
    assert (
        risk_and_verify.cheap_and_verified(risk_and_verify.runs()) == (result["cheap and verified"])
    )
    left = result["risk left by verifying"]
    assert f"{100 * left['median']:.0f} % of the risk" in text
    low, _, high = (100 * x for x in left["median, resampled"])
    assert f"drawn anew {low:.0f} to {high:.0f} %" in text
    for line in result["buyers"]:
        if line["who"] == "never verifies" and line["stake_usd"] in (0.01, 1.0, 100.0):
            low, mean, high = (100 * x for x in line["lost, share of the stake"])
            assert f"| {line['stake_usd']:g} | {mean:.0f} [{low:.0f}, {high:.0f}] |" in text
    assert risk_and_verify.reviewed() == result["reviewed"]


# --- failure modes ------------------------------------------------------------------------------


def trial(mode: str, cost: float, **reported: float) -> dict:
    sizes = {tuple(k.split("_")): v for k, v in reported.items()}
    return {"instance": 0, "mode": mode, "cost": cost, "reported": sizes, "explained": 1.0}


def test_a_finding_that_fits_either_counts_for_either_and_is_told_apart():
    found = failure_modes.row(
        "AL102",
        [
            trial("AL102", 0.2, AL102=0.2),
            trial("AL102", 0.2, AL101_AL102=0.2),
            trial("AL102", 0.2, AL101=0.2),
            trial("AL102", 0.001, AL202=0.005),
        ],
    )
    assert (found["costly"], found["found"], found["found_by_its_code"]) == (3, 2, 1)
    assert (found["false"], found["of"]) == (1, 4)
    assert found["found_rate"] == pytest.approx([2 / 3, 0.2077, 0.9385], abs=1e-4)


def test_the_page_has_the_fresh_matrix():
    text = page("diagnose.md")
    result = json.loads((RESULTS / "failure_modes_seed13.json").read_text("utf-8"))
    for mode, row in result["modes"].items():
        if "found_rate" in row:
            share, low, high = (100 * x for x in row["found_rate"])
            counts = " | ".join(str(row["reported"][c]) for c in failure_modes.MODES)
            assert f"| {mode} | {row['costly']} | {counts} | {share:.1f} % [{low:.0f}, " in text
            assert row["found"] >= 0.95 * row["costly"]
            assert row["costly"] >= 40
            assert row["false"] <= 0.05 * row["of"]
    assert result["optimum_findings"] == 0


def test_several_tests_together_are_judged_by_holm_s_steps():
    p = holm(np.array([0.01, 0.04, 0.03, 0.5]))
    assert p == pytest.approx([0.04, 0.09, 0.09, 0.5])  # 4 x 0.01, 3 x 0.03, at least that, 0.5
    assert holm(np.array([0.6, 0.7])) == pytest.approx([1.0, 1.0])
