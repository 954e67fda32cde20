"""Work that may wait moves to cheap hours by itself, no further than it may, and pays for it."""

import pytest

from allocate.models.loader import load_dict
from allocate.models.stack import build
from tests.models.capacity_cases import PER_GPU, bought, reserved, solved

HALVES = {"day": {"hours": 12, "demand_scale": 1.5}, "night": {"hours": 12, "demand_scale": 0.5}}


def waiting(periods=None, **batch):
    config = bought(reserved={"price_usd_per_h": 1.0}, on_demand={"price_usd_per_h": 3.0})
    config["periods"] = periods or HALVES
    config["classes"]["batch"] = {**config["classes"]["k"], **batch}
    return config


def waits(answer):
    return answer.layers.capacity().get("deferred", [])


def test_it_levels_the_day_where_waiting_is_cheap():
    answer = solved(waiting(max_defer_h=12, defer_usd_per_h=1e-7))
    # 20 requests/s on average are four GPUs' work, all day
    assert reserved(answer) == pytest.approx(4.0, rel=1e-9)
    (line,) = waits(answer)
    assert (line["class"], line["period"], line["served_in"]) == ("batch", "day", "night")
    assert line["requests_per_s"] == pytest.approx(10.0, rel=1e-9)
    assert (line["wait_h"], line["usd_per_request"]) == pytest.approx((12.0, 1.2e-6))
    cost = 10.0 * 3600 * 0.5 * 12 * 1e-7
    assert answer.objective["latency"] == pytest.approx(cost, rel=1e-9)


def test_a_gpu_hour_of_the_day_is_dearer_by_the_price_of_waiting():
    answer = solved(waiting(max_defer_h=12, defer_usd_per_h=1e-7))
    day, night = (h["price_usd_per_h"] for h in answer.layers.capacity()["gpu_hours"])
    assert day - night == pytest.approx(12 * 1e-7 * 3600 * PER_GPU, rel=1e-6)
    assert (day + night) / 2 == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(
    "batch",
    [
        {},
        {"max_defer_h": 11.9},
        {"max_defer_h": 0},
        {"max_defer_h": 24, "defer_usd_per_h": 1e-4},
    ],
    ids=["not", "too short", "none", "too dear"],
)
def test_it_stays_where_it_may_not_or_does_not_pay(batch):
    answer = solved(waiting(**batch))
    assert waits(answer) == []
    assert reserved(answer) == pytest.approx(6.0, rel=1e-9)


def test_the_longest_wait_counts_not_the_mean():
    periods = {"a": {"hours": 4, "demand_scale": 3}, "b": {"hours": 20, "demand_scale": 0.1}}
    # who arrives last in the four hours is served last in the twenty: 20 hours later
    for most, moves in ((19.9, False), (20.0, True)):
        answer = solved(waiting(periods, max_defer_h=most, defer_usd_per_h=0))
        assert bool(waits(answer)) == moves


def test_classes_that_may_not_wait_have_no_later_arm():
    loaded = load_dict(waiting(max_defer_h=12))
    stream = build(loaded.config, loaded.classes).program.streams[0]
    later = [bool(a.labels.get("defer")) for a in stream.arms]
    assert any(later)
    for member, origin in enumerate(stream.origin):
        opened = stream.menu[stream.group[member]][later]
        assert opened.any() == (loaded.classes.names[origin] == "batch")


def test_waiting_does_not_move_work_between_scenarios():
    config = waiting(max_defer_h=12, defer_usd_per_h=1e-7)
    config["uncertainty"] = {
        "scenarios": {
            "low": {"probability": 0.5, "demand_scale": 0.5},
            "high": {"probability": 0.5, "demand_scale": 1.5},
        }
    }
    answer = solved(config)
    for line in waits(answer):
        assert line["served_in"].partition(":")[0] == line["scenario"]
    used = {h["period"]: h["used"] for h in answer.layers.capacity()["gpu_hours"]}
    assert sum(v for k, v in used.items() if k.startswith("high")) == pytest.approx(12.0)
    assert sum(v for k, v in used.items() if k.startswith("low")) == pytest.approx(4.0)
