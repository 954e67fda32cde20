"""Draws of calibrated numbers have the stated quantiles, correlations and shapes."""

import numpy as np
import pytest

from allocate.models.calibration.statistics import NORMAL
from allocate.models.draws import drawable, draws, rising
from allocate.models.loader import load_dict

BASE = {
    "version": 1,
    "token_uses": {"answer": {"exponent": 0.5, "reference_tokens": 1000}},
    "models": {
        "own": {"success": {"form": "table", "points": [[1, 0.5], [2, 0.6], [4, 0.65]]}},
        "api": {
            "success": {"form": "saturating", "ceiling": 0.8},
            "api": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 8, "cache_hit": 0.5},
        },
    },
    "gpus": {"h100": {"available": 8, "price_usd_per_h": 2}},
    "deployments": {
        "lane": {"model": "own", "gpu": "h100", "alpha_ms": 10, "beta_ms": 0.1,
                 "gamma_ms_per_ktok": 0.02, "max_batch": 64}
    },
    "classes": {"a": {"rate_per_s": 2.0, "value_usd": 1, "prompt_tokens": 100}},
}  # fmt: skip
AT = "deployments.lane"


def found(calibrated):
    return drawable(load_dict({**BASE, "calibrated": calibrated}).config)


def column(drawn, path):
    return np.array([d[path] for d in drawn])


def test_quantiles_are_the_interval_and_the_value():
    entry = {"value": 2.0, "low": 1.5, "high": 4.0}
    values = column(
        draws(found({"classes.a.rate_per_s": entry}), 20_000, 3), "classes.a.rate_per_s"
    )
    assert np.quantile(values, [0.05, 0.5, 0.95]) == pytest.approx([1.5, 2.0, 4.0], rel=0.02)


def test_an_interval_to_0_is_cut_there():
    entry = {"value": 2.0, "low": 0.0, "high": 3.0}
    values = column(
        draws(found({"classes.a.rate_per_s": entry}), 20_000, 3), "classes.a.rate_per_s"
    )
    assert values.min() == 0.0
    assert np.quantile(values, [0.5, 0.95]) == pytest.approx([2.0, 3.0], rel=0.02)


def test_errors_go_together_as_the_fit_says():
    a, b = f"{AT}.alpha_ms", f"{AT}.beta_ms"
    entries = {
        a: {"value": 10, "low": 9, "high": 11, "normal": True, "correlation": {b: -0.8}},
        b: {"value": 0.1, "low": 0.08, "high": 0.12, "normal": True},
        "classes.a.rate_per_s": {"value": 2.0, "low": 1.5, "high": 4.0},
    }
    which = found(entries)
    drawn = draws(which, 10_000, 0)
    x, y, z = (column(drawn, path) for path in entries)
    assert np.corrcoef(x, y)[0, 1] == pytest.approx(-0.8, abs=0.02)
    assert abs(np.corrcoef(x, z)[0, 1]) < 0.03
    assert x.std() == pytest.approx(1 / NORMAL, rel=0.03)
    assert which.correlated_with(0) == [b]
    assert which.correlated_with(2) == []


def test_numbers_of_a_linear_fit_are_drawn_again_until_all_keep_their_bounds():
    a, b = f"{AT}.beta_ms", f"{AT}.gamma_ms_per_ktok"
    entries = {
        a: {"value": 0.1, "low": 0, "high": 0.4, "normal": True, "correlation": {b: -0.95}},
        b: {"value": 0.02, "low": 0, "high": 0.08, "normal": True},
    }
    drawn = draws(found(entries), 2_000, 0)
    assert column(drawn, a).min() > 0
    assert column(drawn, b).min() > 0
    assert np.corrcoef(column(drawn, a), column(drawn, b))[0, 1] < -0.5


def test_a_correlation_that_is_none_is_mended():
    names = ["alpha_ms", "beta_ms", "gamma_ms_per_ktok"]
    paths = [f"{AT}.{n}" for n in names]
    middle = [10, 0.1, 0.02]
    entries = {
        p: {"value": m, "low": 0.9 * m, "high": 1.1 * m,
            "correlation": {q: -0.9 for q in paths if q != p}}
        for p, m in zip(paths, middle, strict=True)
    }  # fmt: skip
    drawn = draws(found(entries), 2_000, 0)
    for p, m in zip(paths, middle, strict=True):
        assert np.quantile(column(drawn, p), [0.05, 0.95]) == pytest.approx(
            [0.9 * m, 1.1 * m], rel=0.02
        )


def test_curves_stay_rising_and_concave_and_configs_valid():
    path = "models.own.success.points"
    entry = {
        "value": [0.5, 0.6, 0.65],
        "low": [0.3, 0.59, 0.5],
        "high": [0.7, 0.61, 1.0],
        "most": 1,
    }
    for draw in draws(found({path: entry}), 200, 1):
        loaded = load_dict(BASE, overrides=[f"{path}={draw[path]}"])
        points = loaded.config.models["own"].success.points
        heights = [0.0, *(y for _, y in points)]
        assert np.all(np.diff(heights) >= 0)
        assert heights[-1] <= 1


def test_rising_is_the_least_concave_majorant():
    x = np.array([1.0, 2.0, 3.0])
    assert rising(x, np.array([0.1, 0.4, 0.3])) == pytest.approx([0.2, 0.4, 0.4])


def test_a_draw_does_not_depend_on_how_many_there_are():
    entries = {"classes.a.rate_per_s": {"value": 2.0, "low": 1.5, "high": 4.0},
               f"{AT}.alpha_ms": {"value": 10, "low": 9, "high": 11, "normal": True}}  # fmt: skip
    assert draws(found(entries), 3, 5) == draws(found(entries), 9, 5)[:3]
    assert draws(found(entries), 3, 5) != draws(found(entries), 3, 6)


@pytest.mark.parametrize(
    ("path", "entry", "why"),
    [
        ("classes.a.rate_per_s", {"value": 1.9, "low": 1.5, "high": 4}, "another number"),
        ("classes.a.rate_per_s", {"value": 2.0}, "no interval"),
        ("classes.a.rate_per_s", {"value": 2.0, "low": 2, "high": 2}, "no width"),
        ("classes.a.rate_per_s", {"value": 2.0, "low": 3, "high": 4}, "not hold its value"),
        ("models.own.success.points", {"value": [0.5, 0.6], "low": 0, "high": 1}, "another number"),
    ],
)
def test_what_is_not_drawn_says_why(path, entry, why):
    which = found({path: entry})
    assert which.numbers == ()
    assert which.kept[0][0] == path
    assert why in which.kept[0][1]
