"""What must not matter, and what must not hurt."""

import csv
import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from tests.solver.cases import api_and_humans, changed, everything, fleet, got, price, put, solved

SAME = 2e-6  # two certified answers: a gap each


def scarce_desk():
    return changed(
        api_and_humans(),
        budgets={"money_usd": 10},
        humans__minutes_per_h=100,
        models__strong__api__requests_per_minute=2.5,
    )


def reordered(section: dict, seed: int) -> dict:
    """Backwards, or with the first last."""
    names = list(section)
    names = names[::-1] if seed == 0 else [*names[1:], names[0]]
    return {n: section[n] for n in names}


def base_of(config):
    return solved_scarce() if config == scarce_desk() else solved(config)


def prices(solution):
    return {p.resource: p.value for p in solution.prices}


def same(a, b, rel=1e-4):
    assert a.welfare == pytest.approx(b.welfare, rel=SAME)
    for resource, value in prices(b).items():
        assert prices(a)[resource] == pytest.approx(value, rel=rel), resource


@pytest.mark.parametrize(
    ("section", "seed"),
    [("classes", 0), ("classes", 1), ("models", 0), ("autonomy", 0), ("token_uses", 0)],
)
def test_the_order_of_a_section_changes_nothing(section, seed):
    config = scarce_desk()
    other = changed(config)
    other[section] = reordered(config[section], seed)
    assert list(other[section]) != list(config[section])
    same(solved(other), base_of(config))


def test_the_order_of_models_changes_nothing_on_own_gpus():
    config = everything()
    other = changed(config)
    for section in ("models", "classes", "autonomy"):
        other[section] = dict(reversed(config[section].items()))
    same(solved(other), base_of(config))


def test_names_change_nothing():
    config = scarce_desk()
    other = changed(config)
    other["models"] = {f"z {n}": m for n, m in reversed(config["models"].items())}
    other["classes"] = {f"#{n}": m for n, m in config["classes"].items()}
    assert solved(other).welfare == pytest.approx(base_of(config).welfare, rel=SAME)


@pytest.mark.parametrize(
    "limit",
    [
        {"limits": {"risk_per_h": 1e6}},
        {"limits": {"shares": {"s": {"models": ["strong"], "max_share": 1.0}}}},
        {"limits": {"shares": {"s": {"models": ["strong", "cheap"], "min_share": 0.0}}}},
        {"limits": {"latency": {"l": {"mean_s": 1e5}}}},
        {"tenants.alpha.money_usd": 1e6},
        {"models.cheap.api.tokens_per_minute": 1e9},
        {
            "limits": {
                "tail_risk": {
                    "beta": 0.9,
                    "max_loss_per_h": 1e6,
                    "scenarios": {"all": {"probability": 1.0}},
                }
            }
        },
    ],
    ids=["risk", "share", "least share", "latency", "tenant", "tokens", "tail"],
)
def test_a_limit_that_cannot_bind_changes_nothing(limit):
    config = scarce_desk()
    other = changed(config, **{k.replace(".", "__"): v for k, v in limit.items()})
    found = solved(other)
    same(found, base_of(config))
    for p in found.prices:
        if p.resource not in prices(solved_scarce()):
            assert p.value == 0.0


@functools.cache
def solved_scarce():
    return solved(scarce_desk())


def test_two_limits_that_say_the_same_share_one_price():
    once = changed(
        api_and_humans(), limits={"shares": {"a": {"models": ["strong"], "max_share": 0.1}}}
    )
    twice = changed(once, limits__shares__b={"models": ["strong"], "max_share": 0.1})
    a, b = solved(once), solved(twice)
    assert b.welfare == pytest.approx(a.welfare, rel=SAME)
    total = sum(price(b, f"limits.shares.{n}.max_share") for n in "ab")
    assert total == pytest.approx(price(a, "limits.shares.a.max_share"), rel=1e-4)


def test_a_dominated_model_changes_nothing():
    config = scarce_desk()
    worse = changed(config)["models"]["strong"]
    worse["success"] = {**worse["success"], "ceiling": 0.9}
    worse["wrong_action_rate"] = 0.08
    worse["cost_per_task_usd"] = 0.05
    worse["api"]["requests_per_minute"] = 0.0
    other = changed(config, models__worse=worse)
    same(solved(other), base_of(config))
    usable = changed(other)
    usable["models"]["worse"]["api"] = {**worse["api"], "output_usd_per_mtok": 5000}
    del usable["models"]["worse"]["api"]["requests_per_minute"]
    found = solved(usable)
    same(found, base_of(config))
    assert all(line["model"] != "worse" for line in found.layers.router)


def test_a_class_split_in_two_changes_nothing():
    config = scarce_desk()
    other = changed(config)
    half = {**config["classes"]["commit"], "rate_per_s": 0.3 * 0.05}
    other["classes"]["commit"] = {**half, "rate_per_s": 0.7 * 0.05}
    other["classes"]["commit too"] = half
    same(solved(other), base_of(config))


def test_a_class_of_a_sharing_group_split_in_two_changes_nothing():
    """What a shared prefix may get wrong is measured from the mean request, not class."""
    config = changed(
        everything(), caching={"sharing": {"g": {"tokens": 2000, "hit": 0.9, "mismatch": 0.001}}}
    )
    names = list(config["classes"])
    for name in names:
        config["classes"][name]["sharing"] = "g"
    assert len({config["classes"][n]["value_usd"] for n in names}) > 1
    other = changed(config)
    whole = config["classes"][names[0]]
    for name, share in ((names[0], 0.9), ("one tenth", 0.1)):
        other["classes"][name] = {**whole, "rate_per_s": share * whole["rate_per_s"]}
    base = base_of(config)
    arms, flows = base.program.streams[0].arms, base.allocation.flows[0]
    assert any(arms[a].labels.get("shared_prefix") for a in flows.arm)  # it is used
    same(solved(other), base)


def test_a_period_split_in_two_changes_nothing():
    config = everything()
    other = changed(config, periods={"am": {"hours": 10}, "pm": {"hours": 14}})
    same(solved(other), base_of(config))


def test_a_table_of_classes_is_the_same_as_classes_in_the_file(tmp_path):
    config = scarce_desk()
    columns = sorted({f for c in config["classes"].values() for f in c})
    with (tmp_path / "classes.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["name", *columns])
        writer.writeheader()
        defaults = {"irreversible_loss": 0, "action": "act", "difficulty": 1}
        for name, c in config["classes"].items():
            writer.writerow({"name": name, **defaults, **c})
    other = changed(config, class_table={"path": "classes.csv"})
    del other["classes"]
    found = solve(load_dict(other, base_dir=tmp_path), ranges=False)
    assert found.status == "optimal"
    same(found, base_of(config), rel=1e-9)


RESOURCES = (
    "budgets.money_usd",
    "humans.minutes_per_h",
    "models.strong.api.requests_per_minute",
)


@settings(max_examples=4)
@given(
    resource=st.sampled_from(RESOURCES),
    share=st.lists(st.floats(0.2, 4.0), min_size=2, max_size=2, unique=True),
)
def test_welfare_rises_with_capacity_and_the_price_falls(resource, share):
    config, found = scarce_desk(), []
    for factor in sorted(share):
        other = changed(config)
        put(other, resource, got(config, resource) * factor)
        found.append(solved(other))
    less, more = found
    slack = SAME * abs(more.welfare)
    assert more.welfare >= less.welfare - slack
    width = got(config, resource) * (max(share) - min(share))
    gained = more.welfare - less.welfare
    assert price(more, resource) * width <= gained + slack  # concave: between the two slopes
    assert gained <= price(less, resource) * width + slack


@pytest.mark.parametrize("n", [0.5, 1, 2, 4, 8])
def test_more_gpus_never_hurt(n):
    config = changed(fleet(), gpus__h100__available=n)
    more = changed(fleet(), gpus__h100__available=1.5 * n)
    assert solved(more).welfare >= base_of(config).welfare * (1 - SAME)


def test_a_new_option_never_hurts():
    config = everything()
    less = changed(config)
    del less["autonomy"]["confirm"]
    assert base_of(config).welfare >= solved(less).welfare * (1 - SAME)
