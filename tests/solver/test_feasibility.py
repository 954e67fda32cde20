"""Infeasible is only said with a proof, and what a limit is said to need is what it needs."""

import re
import time

import numpy as np
import pytest

import allocate.solver.phase_one as phase_one
from allocate.errors import SolveError
from allocate.models.loader import load_dict
from allocate.models.stack import build
from allocate.solver.feasibility import conflicts
from allocate.solver.solve import solve
from tests.solver.cases import (
    HOURLY,
    api_and_humans,
    changed,
    everything,
    fleet,
    put,
    solved,
    two_models,
)

NEEDS = re.compile(r"(\S+) = \S+ needs at (least|most) ([-+.\de]+)")
ONLY_API = {"classes__easy__models": ["api"], "classes__hard__models": ["api"]}
FORCED = {"classes__easy__decline": False, "classes__hard__decline": False}


def desk(**values):
    forced = {f"classes__{c}__decline": False for c in ("ask", "commit", "deploy")}
    return changed(api_and_humans(), **forced, **values)


def verifying():
    """A class whose risk can only be kept by verification, which costs money."""
    return {
        "version": 1,
        "budgets": {"money_usd": 0.05},
        "limits": {"risk_per_h": 0.02},
        "token_uses": {"verify": {"risk_tokens": 400.0, "price_usd": 5e-4}},
        "models": {"m": {"quality": 0.9, "wrong_action_rate": 0.1}},
        "classes": {"t": {"rate_per_s": HOURLY, "value_usd": 10, "loss": 2.0, "decline": False}},
    }


NO_VERIFICATION = {"token_uses__verify": {"exponent": 0.1, "reference_tokens": 300}}
TAIL = {
    "beta": 0.8,
    "max_loss_per_h": 3,
    "scenarios": {
        "calm": {"probability": 0.7},
        "storm": {"probability": 0.3, "factors": {"deploy": 10}, "factor": 2},
    },
}
SHORT = {
    "calls": (
        {
            "version": 1,
            "models": {"m": {"quality": 0.5, "api": {"requests_per_minute": 0.5}}},
            "classes": {"t": {"rate_per_s": 120 * HOURLY, "value_usd": 4, "decline": False}},
        },
        "models.m.api.requests_per_minute",
    ),
    "no calls": (
        {
            "version": 1,
            "models": {"m": {"quality": 0.5, "api": {"requests_per_minute": 0.0}}},
            "classes": {"t": {"rate_per_s": 120 * HOURLY, "value_usd": 4, "decline": False}},
        },
        "models.m.api.requests_per_minute",
    ),
    "gpus": (
        changed(fleet(), **FORCED, classes__easy__models=["own"], gpus__h100__available=0.02),
        "gpus.h100.available",
    ),
    "gpus by period": (
        changed(
            fleet(),
            **FORCED,
            classes__easy__models=["own"],
            gpus__h100__available=0.02,
            periods={
                "day": {"hours": 8, "demand_scale": 1.5},
                "night": {"hours": 16, "demand_scale": 0.3},
            },
        ),
        "gpus.h100.available",
    ),
    "money": (
        changed(everything(), **FORCED, budgets__money_usd=0.5, **ONLY_API),
        "budgets.money_usd",
    ),
    "latency": (
        changed(
            api_and_humans(),
            classes__ask__decline=False,
            limits={"latency": {"all": {"mean_s": 0.2, "classes": ["ask"]}}},
            models__cheap__api__ttft_s=1,
        ),
        "limits.latency.all.mean_s",
    ),
    "tail risk": (
        desk(limits={"tail_risk": TAIL}, autonomy={"free": {}}, **NO_VERIFICATION),
        "limits.tail_risk.max_loss_per_h",
    ),
    "a floor": (
        changed(
            two_models(),
            budgets={"money_usd": 2.0},
            limits={"shares": {"s": {"models": ["frontier"], "min_share": 0.8}}},
        ),
        None,
    ),
    "verification": (verifying(), None),
}


@pytest.mark.parametrize("name", SHORT)
def test_what_is_needed_is_enough_and_a_little_less_is_not(name):
    config, wanted = SHORT[name]
    with pytest.raises(SolveError) as caught:
        solve(load_dict(config), ranges=False)
    assert caught.value.status == "infeasible"
    assert caught.value.proof["least_give"] > 0
    needs = [NEEDS.match(text) for text in caught.value.conflicts]
    found = [n for n in needs if n]
    assert len(found) >= 1
    if wanted is not None:
        assert [n[1] for n in found] == [wanted]
    enough, short = (changed(config) for _ in range(2))
    for need in found:
        sign = 1.0 if need[2] == "least" else -1.0
        put(enough, need[1], float(need[3]) * (1 + 2e-4 * sign))
        put(short, need[1], float(need[3]) * (1 - 2e-3 * sign))
    assert solve(load_dict(enough), ranges=False).certificate.feasible
    loaded = load_dict(short)
    assert conflicts(build(loaded.config, loaded.classes).program, 1e-6) is not None


@pytest.mark.parametrize("name", SHORT)
def test_the_multipliers_prove_it_to_anyone(name):
    """Farkas: at these weights every request costs more than all limits together allow."""
    loaded = load_dict(SHORT[name][0])
    program = build(loaded.config, loaded.classes).program
    found = conflicts(program, 1e-6)
    assert found is not None
    weights = np.array([found.multipliers.get(row.name, 0.0) for row in program.rows])
    assert np.all(weights >= 0)
    rng = np.random.default_rng(1)
    stream = program.streams[0]
    forced = np.flatnonzero(~np.isfinite(stream.decline_cost) & (stream.rate > 0))
    if len(program.activities) or not len(forced):
        return  # what activities supply has weights of its own
    for _ in range(50):  # whatever the arms and the tokens, the weighted use is too much
        arms = np.array([rng.choice(np.flatnonzero(stream.menu[stream.group[k]])) for k in forced])
        columns = stream.columns(10.0 ** rng.uniform(-6, 2, len(program.rows)), forced, arms)
        finite = np.where(np.isfinite(columns.amounts), columns.amounts, 1e12)
        use = stream.row_use(forced, arms, finite, len(program.rows)) @ stream.rate[forced]
        assert weights @ (use - program.capacity) >= found.least_give * (1 - 1e-6)


def test_limits_that_can_be_kept_conflict_in_nothing():
    for config in (
        desk(budgets={"money_usd": 10}),
        changed(fleet(), **FORCED),
        changed(everything(), **FORCED),
        api_and_humans(),
    ):
        loaded = load_dict(config)
        assert conflicts(build(loaded.config, loaded.classes).program, 1e-6) is None


@pytest.mark.parametrize("name", SHORT)
def test_it_is_told_at_once(name):
    loaded = load_dict(SHORT[name][0])
    program = build(loaded.config, loaded.classes).program
    conflicts(program, 1e-6)
    took = []
    for _ in range(3):
        start = time.process_time()
        conflicts(program, 1e-6)
        took.append(time.process_time() - start)
    assert min(took) < 1.0


def test_without_a_proof_nothing_is_claimed(monkeypatch):
    """A phase one that fails, or whose prices prove nothing, does not make a config infeasible."""
    config = SHORT["calls"][0]
    program = build(load_dict(config).config, load_dict(config).classes).program
    monkeypatch.setattr(phase_one, "_SMALL", 0)  # by the solver that is passed in

    class Found:
        allocation = None
        duals = np.zeros(len(program.rows))

    assert conflicts(program, 1e-6, solve=lambda p, d: Found()) is None
    Found.duals = np.full(len(program.rows), np.nan)
    assert conflicts(program, 1e-6, solve=lambda p, d: Found()) is None


def test_a_proof_stands_without_an_allocation(monkeypatch):
    """Prices alone prove it; then the limits are named, but not what they need."""
    config = SHORT["calls"][0]
    program = build(load_dict(config).config, load_dict(config).classes).program
    monkeypatch.setattr(phase_one, "_SMALL", 0)

    class Found:
        allocation = None
        duals = np.full(len(program.rows), 0.5 / 120)

    found = conflicts(program, 1e-6, solve=lambda p, d: Found())
    assert found is not None
    assert found.least_give == pytest.approx(0.375)
    assert found.sentences == ("these cannot be kept together: models.m.api.requests_per_minute",)


@pytest.mark.parametrize("name", ["calls", "gpus", "verification", "a floor"])
def test_both_ways_through_phase_one_agree(name, monkeypatch):
    loaded = load_dict(SHORT[name][0])
    program = build(loaded.config, loaded.classes).program
    by_bundles = conflicts(program, 1e-6)
    monkeypatch.setattr(phase_one, "_SMALL", 0)
    by_newton = conflicts(program, 1e-6)
    assert by_bundles is not None
    assert by_newton is not None
    assert by_newton.least_give == pytest.approx(by_bundles.least_give, rel=1e-5)


def test_a_limit_exactly_met_is_kept():
    config = changed(SHORT["calls"][0], models__m__api__requests_per_minute=2.0)
    assert solved(config).welfare == pytest.approx(240.0, rel=1e-9)


def test_what_has_to_go_through_is_not_lost_beside_what_may():
    """A ten-millionth of the requests must be served, at a risk that nobody may take."""
    config = {
        "version": 1,
        "models": {"m": {"quality": 0.9, "wrong_action_rate": 0.1}},
        "limits": {"risk_per_h": 0},
        "classes": {
            "big": {"rate_per_s": 100, "value_usd": 1},
            "must": {"rate_per_s": 1e-5, "value_usd": 1, "decline": False},
        },
    }
    with pytest.raises(SolveError) as caught:
        solve(load_dict(config), ranges=False)
    assert caught.value.status == "infeasible"
    assert "limits.risk_per_h = 0 needs at least 0.0036" in caught.value.conflicts
