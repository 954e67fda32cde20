"""A price is what one more unit is worth: every kind of capacity, by solving again."""

import functools

import pytest

from tests.solver.cases import api_and_humans, changed, everything, fleet, got, price, put, solved

STORM = {
    "calm": {"probability": 0.9},
    "storm": {"probability": 0.1, "factors": {"deploy": 10}, "factor": 2},
}
TRAINING = {
    "depreciation_per_h": 0.01,
    "assets": {
        "rl": {
            "model": "strong",
            "gain": {"form": "saturating", "ceiling": 0.02},
            "rollout": {
                "exponent": 0.5,
                "reference_tokens": 1e8,
                "price_usd_per_mtok": 0.5,
                "max_tokens_per_s": 50,
            },
            "update": {"exponent": 0.3, "reference_tokens": 1e7, "price_usd_per_mtok": 5},
        }
    },
}


def fleet_of(**values):
    return changed(fleet(), **values)


def desk(**values):
    return changed(api_and_humans(), **values)


# name: (config, capacity). The welfare is concave in a capacity that is only a right-hand side.
CONCAVE = {
    "gpus": (fleet_of(), "gpus.h100.available"),
    "gpus of a busy fleet": (everything(), "gpus.h100.available"),
    "reviewers of a busy fleet": (everything(), "humans.minutes_per_h"),
    "budget of a busy fleet": (everything(), "budgets.money_usd"),
    "human minutes": (desk(humans__minutes_per_h=150), "humans.minutes_per_h"),
    "budget": (desk(budgets={"money_usd": 10}), "budgets.money_usd"),
    "tenant": (desk(tenants__beta__money_usd=3.0), "tenants.beta.money_usd"),
    "calls": (
        desk(models__strong__api__requests_per_minute=2),
        "models.strong.api.requests_per_minute",
    ),
    "tokens": (
        desk(models__strong__api__tokens_per_minute=20000),
        "models.strong.api.tokens_per_minute",
    ),
    "risk": (desk(limits={"risk_per_h": 20}), "limits.risk_per_h"),
    "irreversible risk": (
        desk(limits={"irreversible_risk_per_h": 2}),
        "limits.irreversible_risk_per_h",
    ),
    "tail risk": (
        desk(limits={"tail_risk": {"beta": 0.9, "max_loss_per_h": 30, "scenarios": STORM}}),
        "limits.tail_risk.max_loss_per_h",
    ),
    "tail risk with a price": (
        desk(
            limits={
                "tail_risk": {
                    "beta": 0.8,
                    "max_loss_per_h": 30,
                    "price_usd": 0.2,
                    "scenarios": STORM,
                }
            }
        ),
        "limits.tail_risk.max_loss_per_h",
    ),
    "share at most": (
        desk(limits={"shares": {"s": {"models": ["strong"], "max_share": 0.1}}}),
        "limits.shares.s.max_share",
    ),
    "share at least": (
        desk(
            limits={"shares": {"s": {"models": ["strong"], "min_share": 0.5, "classes": ["ask"]}}}
        ),
        "limits.shares.s.min_share",
    ),
}
# here the capacity multiplies a decision, so the welfare need not be concave in it
SMOOTH = {
    "KV memory": (
        fleet_of(deployments__own_h100__kv_memory_gb=1.0),
        "deployments.own_h100.kv_memory_gb",
    ),
    "batch": (fleet_of(deployments__own_h100__max_batch=8), "deployments.own_h100.max_batch"),
    "mean latency": (
        desk(limits={"latency": {"all": {"mean_s": 10}}}),
        "limits.latency.all.mean_s",
    ),
    "mean latency of one class": (
        desk(limits={"latency": {"some": {"mean_s": 8, "classes": ["ask"]}}}),
        "limits.latency.some.mean_s",
    ),
    "training supply": (desk(training=TRAINING), "training.assets.rl.rollout.max_tokens_per_s"),
}


@functools.cache
def of(name):
    config, path = {**CONCAVE, **SMOOTH}[name]
    return config, path, solved(config)


def moved(config, path, share):
    other = changed(config)
    capacity = got(config, path)
    put(other, path, capacity * (1 + share))
    return solved(other), capacity * share


@pytest.mark.parametrize("name", CONCAVE)
def test_a_price_lies_between_the_worth_of_a_little_less_and_of_a_little_more(name):
    config, path, base = of(name)
    value = price(base, path)
    assert value != 0.0
    slopes = []
    for share in (0.01, -0.01):
        other, step = moved(config, path, share)
        slopes.append((other.welfare - base.welfare) / step)
        noise = abs(
            (abs(other.certificate.relative_gap) + abs(base.certificate.relative_gap))
            * base.welfare
            / step
        )
        assert noise < 0.01 * abs(value)  # else this would prove nothing
    more, less = slopes
    slack = 1e-3 * abs(value) + noise
    assert more - slack <= value <= less + slack
    assert less - more <= 0.2 * abs(value)  # no kink here: the two say the same


@pytest.mark.parametrize("name", SMOOTH)
def test_a_price_is_the_slope_of_the_welfare(name):
    config, path, base = of(name)
    value = price(base, path)
    assert value != 0.0
    up, step = moved(config, path, 2e-3)
    down, _ = moved(config, path, -2e-3)
    assert (up.welfare - down.welfare) / (2 * step) == pytest.approx(value, rel=0.01)


@pytest.mark.parametrize("name", [n for n in (*CONCAVE, *SMOOTH) if "busy" not in n])
def test_a_capacity_to_spare_has_price_0_and_more_of_it_is_worth_nothing(name):
    config, path, base = of(name)
    at_least = path.endswith("min_share")
    much = 0.0 if at_least else 1.0 if path.endswith("max_share") else 1e4 * got(config, path)
    if path.startswith(("budgets", "tenants")):
        much = 1e6
    other = changed(config)
    put(other, path, much)
    free = solved(other)
    assert free.welfare >= base.welfare * (1 - 1e-6)
    assert price(free, path) == 0.0
    if name in ("gpus", "tenant"):  # the price says it of all; a second solve says it again
        put(other, path, 2 * much)
        assert solved(other).welfare == pytest.approx(free.welfare, rel=2e-6)


def test_what_a_used_unit_brings_is_its_price_and_its_pay():
    solution = solved(everything())
    pays = {"gpus.h100.available": 2.5, "humans.minutes_per_h": 0.1, "budgets.money_usd": 1.0}
    for p in solution.prices:
        if p.resource in pays:
            assert p.binding
            assert p.pay == pytest.approx(pays[p.resource], rel=1e-9)
            assert p.worth == pytest.approx(p.value + p.pay, rel=1e-9)
            assert p.used == pytest.approx(p.capacity, rel=1e-6)


def test_gpu_prices_of_periods_add_up_to_the_price_of_a_gpu():
    config = changed(
        fleet(),
        periods={
            "day": {"hours": 8, "demand_scale": 1.5},
            "night": {"hours": 16, "demand_scale": 0.3},
        },
    )
    base = solved(config)
    value = price(base, "gpus.h100.available")
    assert value > 0
    up, step = moved(config, "gpus.h100.available", 0.01)
    down, _ = moved(config, "gpus.h100.available", -0.01)
    more, less = ((o.welfare - base.welfare) / s for o, s in ((up, step), (down, -step)))
    assert more - 1e-3 * value <= value <= less + 1e-3 * value
