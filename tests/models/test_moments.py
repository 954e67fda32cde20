"""Moments: weights, names, what differs, and how long it is until a later one."""

import numpy as np
import pytest

from allocate.models.loader import load_dict
from allocate.models.moments import Moments
from tests.models.capacity_cases import bought

THREE = {"night": {"hours": 8}, "day": {"hours": 10}, "evening": {"hours": 6}}


def made(**sections):
    loaded = load_dict({**bought(available=1), **sections})
    return Moments.of(loaded.config), loaded.classes


def test_weights_are_chances_times_shares():
    unknown = {"scenarios": {"a": {"probability": 0.25}, "b": {"probability": 0.75}}}
    moments, _ = made(periods=THREE, uncertainty=unknown)
    assert sum(moments.weights) == pytest.approx(1.0)
    assert moments.weights[4] == pytest.approx(0.75 * 10 / 24)
    assert moments.names[4] == "b: day"
    assert moments.when(4) == {"scenario": "b", "period": "b: day"}
    assert [moments.later(4, s) for s in (0, 1, 2, 3)] == [4, 5, 3, 4]


def test_one_future_has_the_names_of_its_periods():
    moments, _ = made(periods=THREE)
    assert moments.names == ("night", "day", "evening")
    assert moments.when(1) == {"period": "day"}
    assert made()[0].when(0) == {}


def test_waiting_is_first_come_first_served_around_the_day():
    moments, _ = made(periods=THREE)
    mean, longest = moments.waits(1)
    # night 0-8, day 8-18, evening 18-24: from start to start, and from end to end
    assert mean == pytest.approx([(8 + 10) / 2, (10 + 6) / 2, (6 + 8) / 2])
    assert longest == pytest.approx([10, 10, 8])
    back = moments.waits(2)
    assert back[0] == pytest.approx([(18 + 16) / 2, (16 + 14) / 2, (14 + 18) / 2])
    # a whole day is what one step and the rest of the circle take together
    for period, step in ((0, 1), (1, 1), (2, 1)):
        then = (period + step) % 3
        assert mean[period] + back[0][then] == pytest.approx(24.0)


def test_factors_on_classes_and_tenants_multiply():
    config = {
        "tenants": {"t": {}},
        "classes": {
            "x": {"rate_per_s": 1, "value_usd": 1, "tenant": "t"},
            "y": {"rate_per_s": 1, "value_usd": 1},
        },
        "uncertainty": {
            "scenarios": {
                "a": {"probability": 0.5, "classes": {"x": 3}, "tenants": {"t": 2}},
                "b": {"probability": 0.5, "demand_scale": 4},
            }
        },
    }
    moments, classes = made(**config)
    factor = moments.rate_factor(classes)
    assert factor is not None
    np.testing.assert_allclose(factor, [[6, 1], [1, 1]])
    assert moments.demand_scale == (1.0, 4.0)


def test_prices_scale_by_scenario_and_period():
    periods = {"day": {"hours": 12, "gpu_price_scale": 1.5}, "night": {"hours": 12}}
    unknown = {
        "scenarios": {
            "a": {"probability": 0.5},
            "b": {"probability": 0.5, "gpus": {"g": {"price_scale": 2, "available_scale": 0.5}}},
        }
    }
    moments, _ = made(periods=periods, uncertainty=unknown)
    assert moments.price_scale("g") == (1.5, 1.0, 3.0, 2.0)
    assert moments.available_scale("g") == (1.0, 1.0, 0.5, 0.5)
    assert moments.price_scale("another") == (1.5, 1.0, 1.5, 1.0)
