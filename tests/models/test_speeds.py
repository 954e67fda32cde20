"""Speeds that hard limits ask for, speeds beyond the first menu, and reads before a deadline."""

import itertools

import numpy as np
import pytest

from allocate.errors import SolveError
from allocate.models.lanes import SLOWEST, refined
from allocate.models.loader import load_dict
from allocate.models.stack import build
from allocate.solver.solve import solve
from tests.independent_program import Program
from tests.solver.cases import changed, solved


def chat(**limits):
    """Default speeds begin at 10.5 ms a token and 10.5 ms to the first of 500."""
    return {
        "version": 1,
        "gpus": {"h": {"available": 4, "price_usd_per_h": 3}},
        "models": {"m": {"quality": 0.8}},
        "deployments": {
            "d": {
                "model": "m",
                "gpu": "h",
                "alpha_ms": 10,
                "beta_ms": 0.1,
                "delta_ms_per_ktok": 20,
            }
        },
        "classes": {
            "chat": {
                "rate_per_s": 1,
                "value_usd": 0.1,
                "output_tokens": 100,
                "prompt_tokens": 500,
                **limits,
            }
        },
    }


def welfare_at(u):
    """One request a second at a value of 8 cents, busy for 0.02 s of replicas at 3 USD/h."""
    return 3600 * 0.08 - 3 * 0.02 / u


@pytest.mark.parametrize("limit", [{"max_tpot_ms": 10.4}, {"max_ttft_s": 0.0104}])
def test_a_limit_below_the_first_menu_is_served_at_just_that_speed(limit):
    answer = solved(chat(**limit))
    assert answer.certificate.primal == pytest.approx(welfare_at(1 - 10 / 10.4), rel=1e-8)
    solved(chat(**limit, decline=False))  # and is no reason to call it infeasible


def test_only_a_limit_that_no_speed_keeps_is_infeasible():
    with pytest.raises(SolveError, match="contradict"):
        solve(load_dict(chat(max_ttft_s=0.0099, decline=False)), ranges=False)
    fast = chat(max_tpot_ms=10.0001, decline=False, rate_per_s=1e-4)
    assert solved(fast).certificate.holds


def test_many_limits_ask_for_few_speeds_and_the_strictest_is_among_them():
    config = chat()
    config["classes"] = {
        f"k{i}": chat(max_tpot_ms=10.2 + i, max_ttft_s=0.0103 + 0.01 * i)["classes"]["chat"]
        for i in range(40)
    }
    loaded = load_dict(config)
    tiers = build(loaded.config, loaded.classes).needed["d"]
    assert len(tiers) == 8
    assert 10 / (1 - min(tiers)) == pytest.approx(10.2, rel=1e-8)
    assert all(0.01 / (1 - u) <= 0.0103 * (1 + 1e-12) for u in tiers[:2])


def test_listed_speeds_get_no_company():
    loaded = load_dict(changed(chat(max_tpot_ms=30), deployments__d__tpot_ms=[20, 40]))
    assert build(loaded.config, loaded.classes).state.grid == {"d": [0.5, 0.75]}


def test_the_menu_grows_past_its_ends_where_they_are_in_use():
    loaded = load_dict(chat())
    menu = build(loaded.config, loaded.classes).state.grid
    ends = {"d": [menu["d"][0], menu["d"][-1]]}
    wider = refined(loaded.config, menu, ends)["d"]
    odds = np.log(np.array(wider) / (1 - np.array(wider)))
    first = np.log(np.array(ends["d"]) / (1 - np.array(ends["d"])))
    assert odds[[0, -1]] == pytest.approx(first + [-2, 2], abs=1e-4)
    while max(wider) < SLOWEST:
        wider = refined(loaded.config, {"d": wider}, {"d": [max(wider)]})["d"]
    assert refined(loaded.config, {"d": wider}, {"d": [max(wider)]})["d"][-1] == SLOWEST


def test_work_that_nobody_waits_for_runs_slower_than_the_first_menu():
    """4 GPUs, all busy: what they bring falls short by the idle share alone."""
    batch = chat(rate_per_s=1000, value_usd=0.002)
    answer = solved(batch)
    full = 4 / 0.02 * 3600 * 0.0016 - 4 * 3  # at u = 1
    assert answer.certificate.primal == pytest.approx(full, rel=2e-4)
    assert (
        answer.certificate.primal
        > 1.02 * solved(changed(batch, deployments__d__tpot_ms=[10 / 0.03])).certificate.primal
    )


def test_speeds_are_refined_at_any_scale_of_rates():
    config = chat(latency_usd_per_s=1e-3)
    small = changed(config, classes__chat__rate_per_s=1e-7, gpus__h__available=4e-7)
    big = solved(config).certificate.primal
    assert solved(small).certificate.primal * 1e7 == pytest.approx(big, rel=1e-7)


# --- reads ------------------------------------------------------------------------------------


def reading(**limits):
    config = chat(value_usd=0.5, latency_usd_per_s=1e-4, **limits)
    config["token_uses"] = {"read": {"kind": "input", "exponent": 0.5, "reference_tokens": 20000}}
    config["models"] = {"m": {"success": {"form": "saturating", "ceiling": 0.9}}}
    return changed(config, gpus__h__available=40)


def test_tokens_that_are_read_wait_for_their_prefill():
    """By brute force over speeds and tokens: 20 µs a token, over the idle share."""
    answer = solved(reading(max_ttft_s=0.05))
    best = -np.inf
    for u in np.geomspace(1e-3, 0.9, 2000):
        most = 0.05 / 20e-6 * (1 - u) - 500
        if most <= 0:
            continue
        t = np.linspace(0, most, 400)
        wait = (20e-6 * (500 + t) + 100 * 0.01) / (1 - u)
        earned = 0.5 * 0.9 * -np.expm1(-np.sqrt(t / 20000)) - 1e-4 * wait
        best = max(best, (3600 * earned - 3 * (0.01 + 20e-6 * (500 + t)) / u).max())
    assert answer.certificate.primal == pytest.approx(best, rel=1e-6)
    (lane,) = answer.layers.serving
    assert lane["ttft_ms"] == pytest.approx(50, rel=1e-9)


def test_the_first_token_is_shown_with_what_was_read():
    answer = solved(reading())
    (lane,) = answer.layers.serving
    (line,) = answer.layers.autonomy
    read = line["tokens"]["read"]
    assert read > 1000
    wait = 20e-6 * (500 + read) / (1 - lane["speed_utilisation"])
    assert lane["ttft_ms"] == pytest.approx(1e3 * wait, rel=1e-6)


def test_classes_with_and_without_a_deadline_share_a_lane():
    config = reading()
    item = config["classes"]["chat"]
    config["classes"] = {"free": item} | {
        f"k{i}": item | {"max_ttft_s": s, "calls": c}
        for i, (s, c) in enumerate(itertools.product((0.05, 0.2), (1, 3)))
    }
    answer = solved(config)
    found = Program(config, answer.to_dict()).solve()
    assert found.welfare == pytest.approx(answer.certificate.primal, rel=1e-9)
    assert found.violation < 1e-7
    assert abs(found.gap) < 1e-6
