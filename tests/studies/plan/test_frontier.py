"""A frontier's points trade one part for another, at the config's own prices."""

import pytest

from allocate.models.loader import load_dict
from allocate.solver.studies.plan.case import Case, PlanError
from allocate.solver.studies.plan.planning import Ask, plan
from tests.solver.cases import changed, everything, fleet, solved


def drawn(config, text, points=5):
    document = plan(Case(config), Ask(frontier=text, points=points, workers=1)).to_dict()
    return document["frontier"]


def test_a_dearer_second_is_waited_less():
    found = drawn(fleet(), "money,latency", 5)
    assert found["kind"] == "price"
    assert found["swept"] == ["prices.latency_usd_per_s"]
    waited = [p["objective"]["latency"] for p in found["points"]]
    assert waited == sorted(waited, reverse=True)
    # what waiting costs is taken off the rest: the rest can only be lower where one waits less
    rest = [p["welfare"] + p["objective"]["latency"] for p in found["points"]]
    assert rest == sorted(rest, reverse=True)


def test_the_config_itself_is_on_it_and_best_at_its_own_prices():
    found = drawn(fleet(), "money,latency", 5)
    own = next(p for p in found["points"] if p["factor"] == 1.0)
    assert own["welfare"] == pytest.approx(solved(fleet()).welfare, rel=1e-6)
    assert max(p["welfare"] for p in found["points"]) == own["welfare"]


def test_parts_are_counted_at_the_configs_own_prices():
    found = drawn(fleet(), "money,latency", 3)
    for point in found["points"]:
        other = solved(changed(fleet(), prices__latency_usd_per_s=0.002 * point["factor"]))
        want = other.objective["latency"] / point["factor"]
        assert point["objective"]["latency"] == pytest.approx(want, rel=1e-5)
        parts = point["objective"]
        costs = ("money", "latency", "risk", "oversight", "training")
        assert point["welfare"] == pytest.approx(parts["value"] - sum(parts[c] for c in costs))


def test_classes_with_prices_of_their_own_are_scaled_with_the_others():
    config = fleet()
    config["classes"]["hard"]["latency_usd_per_s"] = 0.01
    found = drawn(config, "money,latency", 3)
    assert set(found["swept"]) == {"prices.latency_usd_per_s", "classes.hard.latency_usd_per_s"}
    for point in found["points"]:
        assert point["set"]["classes.hard.latency_usd_per_s"] == pytest.approx(
            0.01 * point["factor"]
        )


def test_money_is_limited_from_what_is_spent():
    config = fleet()
    del config["prices"]
    found = drawn(config, "money,oversight", 4)
    assert (found["kind"], found["swept"]) == ("limit", ["budgets.money_usd"])
    money = [p["objective"]["money"] for p in found["points"]]
    assert money == sorted(money)
    assert money[-1] == pytest.approx(solved(config).objective["money"], rel=1e-4)
    welfare = [p["welfare"] for p in found["points"]]
    assert welfare == sorted(welfare)


def test_oversight_is_limited_where_nothing_else_moves():
    config = everything()
    found = drawn(config, "oversight,money", 3)
    assert found["swept"] == ["humans.minutes_per_h"]
    assert [p["set"]["humans.minutes_per_h"] for p in found["points"]] == pytest.approx(
        [60, 330, 600]
    )


@pytest.mark.parametrize(
    ("text", "points", "said"),
    [
        ("money", 3, "takes two parts"),
        ("money,money", 3, "takes two parts"),
        ("money,latency,risk", 3, "takes two parts"),
        ("money,speed", 3, "no part `speed`; there are money, latency, risk, oversight"),
        ("money,latency", 1, "--points must be at least 2"),
    ],
)
def test_mistakes_are_said(text, points, said):
    with pytest.raises(PlanError, match=said):
        drawn(fleet(), text, points)


def test_nothing_to_move_is_told():
    config = {
        "version": 1,
        "models": {"m": {"quality": 0.5}},
        "classes": {"c": {"rate_per_s": 1, "value_usd": 1}},
    }
    assert load_dict(config)
    with pytest.raises(PlanError, match="nothing in this config moves"):
        drawn(config, "money,latency", 3)
