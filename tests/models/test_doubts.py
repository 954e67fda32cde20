"""What may be written and is hardly meant is told, once, with what to write instead."""

import pytest

from allocate.models.loader import load_dict
from allocate.models.stack import build

PLAIN = {
    "version": 1,
    "models": {"m": {"quality": 0.5}},
    "classes": {"task": {"rate_per_s": 1, "value_usd": 1}},
}


def warnings(**more):
    return load_dict({**PLAIN, **more}).warnings


@pytest.mark.parametrize(
    ("price", "code"),
    [
        (5e-6, "CFG038"),
        (2e4, "CFG038"),
        (0, None),
        (1e-3, None),
        (5, None),
        ("5e-6 USD/token", None),
    ],
)
def test_a_price_of_one_token_is_told_apart_from_one_of_a_million(price, code):
    api = {"input_usd_per_mtok": price}
    found = warnings(models={"m": {"quality": 0.5, "api": api}})
    assert [w.code for w in found] == ([code] if code else [])


def test_the_hint_says_what_to_write():
    (found,) = warnings(models={"m": {"quality": 0.5, "api": {"output_usd_per_mtok": 5e-6}}})
    assert "write 5," in (found.hint or "")


def test_prices_of_training_are_looked_at_too():
    made = {"exponent": 0.5, "reference_tokens": 1e6, "price_usd_per_mtok": 1e-6}
    gain = {"form": "cobb_douglas", "scale": 0.1}
    asset = {"model": "m", "gain": gain, "rollout": made}
    (found,) = warnings(training={"depreciation_per_h": 0.01, "assets": {"a": asset}})
    assert found.path == ("training", "assets", "a", "rollout", "price_usd_per_mtok")


@pytest.mark.parametrize(
    ("hours", "told"), [((8, 12), True), ((8, 16), False), ((120, 48), False), ((1, 1), False)]
)
def test_hours_that_are_nearly_a_day_are_told(hours, told):
    found = warnings(periods={f"p{i}": {"hours": h} for i, h in enumerate(hours)})
    assert [w.code for w in found] == (["CFG039"] if told else [])
    assert not told or "8/20" in (found[0].hint or "")


@pytest.mark.parametrize(
    ("minutes", "humans", "told"),
    [
        (1, {}, "humans.minutes_per_h is not given: no limit, at 0 USD/h"),
        (1, {"cost_usd_per_h": 60}, "humans.minutes_per_h is not given: no limit, at 60 USD/h"),
        (1, {"minutes_per_h": 100}, None),
        (0, {}, None),
    ],
)
def test_reviewers_without_a_limit_are_told(minutes, humans, told):
    loaded = load_dict({**PLAIN, "autonomy": {"ask": {"human_minutes": minutes}}, "humans": humans})
    said = [a for a in build(loaded.config, loaded.classes).assumed if "humans" in a]
    assert said == ([told] if told else [])
