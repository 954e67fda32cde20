"""The evidence scripts: their rules do what they say, and their data are what the pages say."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.evidence import (
    failure_modes,
    intervals,
    long_tail_data,
    long_tail_draws,
    long_tail_routers,
    long_tail_worth,
    risk_buyers,
    risk_runs,
)
from benchmarks.evidence.risk_reviewed import holm

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


# --- the long tail ------------------------------------------------------------------------------


def test_the_cheapest_split_reaches_its_floor_and_no_call_of_it_is_spare():
    rng = np.random.default_rng(0)
    gain, extra = rng.normal(0.1, 0.2, 500), rng.uniform(0.5, 2.0, 500)
    sent = long_tail_routers.cost_minimising(gain, extra, 0.8)
    whole = np.maximum(gain, 0).sum()
    assert gain[sent].min() > 0
    assert gain[sent].sum() >= 0.8 * whole
    worst = (gain / extra)[sent].min()
    assert gain[sent].sum() - gain[sent][(gain / extra)[sent] == worst].sum() < 0.8 * whole


def test_the_same_spend_is_never_more():
    rng = np.random.default_rng(1)
    bid, extra = rng.exponential(1.0, 500), rng.uniform(0.5, 2.0, 500)
    sent = long_tail_routers.within(100.0, bid, extra)
    assert extra[sent].sum() <= 100.0
    assert np.all(bid[sent] > extra[sent])
    assert sent.sum() > 10


@pytest.mark.parametrize("shape", long_tail_worth.SHAPES)
def test_values_have_the_mean_and_the_link_that_is_asked_for(shape):
    hard = np.random.default_rng(2).random(4000)
    v = long_tail_worth.values(shape, 30.0, hard, 0.5, np.random.default_rng(3))
    assert v.mean() == pytest.approx(30.0)
    if shape != "equal":
        ranks = np.corrcoef(np.argsort(np.argsort(hard)), np.argsort(np.argsort(v)))[0, 1]
        assert 0.4 < ranks < 0.55  # 0.48 for normal scores that correlate with 0.5


def test_seeing_what_is_worth_the_same_brings_nothing_at_the_same_spend():
    q = long_tail_data.routellm()
    case = {**long_tail_worth.BASE, "shape": "equal"}
    found = long_tail_draws.drawn(q, case, np.random.default_rng(4))
    assert found["gain within the same spend"] == pytest.approx(0.0, abs=2e-3)
    assert found["gain of hindsight"] > found["gain at its own spend"] > 0


def test_value_and_money_left_over_are_the_whole_gain_and_the_rest_can_be_spent():
    q = long_tail_data.routellm()
    found = long_tail_draws.drawn(q, long_tail_worth.BASE, np.random.default_rng(6))
    whole = found["of it value"] + found["of it money left over"]
    assert whole == pytest.approx(found["gain within the same spend"])
    assert found["money used of the same spend"] < 0.7
    assert found["money used with all of it spent"] == pytest.approx(1.0, abs=1e-3)
    assert found["value gained with all of it spent"] > found["of it value"]


@pytest.mark.parametrize("anew", [False, True])
def test_no_query_is_judged_by_what_was_learned_from_it(anew):
    q = long_tail_data.routellm()
    marked = long_tail_data.Queries(q.name, q.group, q.cheap, q.dear, np.arange(len(q.group)) + 1.0)
    one, other = (
        x.test.extra for x in long_tail_draws.halves(marked, np.random.default_rng(8), anew)
    )
    assert len(one) + len(other) == len(q.group)
    assert not set(one) & set(other)
    assert (len(set(one)) == len(one)) is not anew


# --- intervals ----------------------------------------------------------------------------------


def test_the_figure_is_the_sample_s_own_and_only_the_interval_is_the_draws():
    anew = np.random.default_rng(9).normal(3.0, 1.0, 100_000)
    assert intervals.around(2.0, anew) == pytest.approx([1.04, 2.0, 4.96], abs=0.03)
    assert intervals.centred(2.0, anew) == pytest.approx([0.04, 2.0, 3.96], abs=0.03)


# --- risk and verifying -------------------------------------------------------------------------


@pytest.mark.parametrize("anew", [False, True])
def test_each_half_of_the_exercises_tells_the_truth_on_average(anew):
    t = risk_runs.runs()
    rng = np.random.default_rng(5)
    drawn = [[risk_runs.solved(x) for x in risk_buyers.halves(t, rng, anew)] for _ in range(300)]
    for first, second in np.mean(drawn, axis=0):
        assert np.allclose(first, t["pass_num_1"] / t["test_cases"], atol=0.02)
        assert np.allclose(second, t["pass_num_2"] / t["test_cases"], atol=0.02)


def test_two_halves_are_the_whole():
    t = risk_runs.runs()
    one, other = risk_buyers.halves(t, np.random.default_rng(10))
    assert np.all(one + other == risk_runs.kinds(t))
    assert np.all(one.sum(axis=1) == t["test_cases"].to_numpy() // 2)


def test_what_was_luck_in_one_half_helps_nobody_in_the_other():
    seen, judged = np.array([0.5, 0.9, 0.6, 0.8]), np.array([0.5, 0.4, 0.6, 0.8])
    usd = np.array([0.1, 0.1, 0.2, 0.2])  # two runs, with one try and then with two
    assert risk_buyers.lost(seen, seen, usd)[100.0, "never verifies"] == pytest.approx(0.0)
    found = risk_buyers.lost(seen, judged, usd)
    assert found[100.0, "never verifies"] == pytest.approx(0.0)  # free choice is misled as well
    assert found[100.0, "verifies, cheapest model"] == pytest.approx(-0.2 + 0.001)
    assert found[100.0, risk_buyers.FREE] == 0.0


def test_a_run_costs_its_tries():
    t = risk_runs.runs()
    assert t.height == 79
    tries = 2 - t["pass_num_1"] / t["test_cases"]
    assert np.allclose((t["usd_1"] * tries).drop_nulls(), t["usd_2"].drop_nulls())
    assert t["usd_1"].null_count() == 24  # unknown, and not zero
    assert (t["usd_1"].drop_nulls() > 0).all()


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
