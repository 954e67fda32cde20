"""Success curves: value and slope, declared shape, cone against value, edges of the domain."""

import cvxpy as cp
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from allocate.models.curves import Constant, Linear, PowerLaw, Saturating, ScalingLaw, Table
from tests.models.curves import faces
from tests.models.curves.faces import EXAMPLES, every, positive, smooth, table

effort = positive(1e-4, 1e4)


# --- value -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("curve", "at", "value"),
    [
        (Constant(0.7), 0.0, 0.7),
        (Constant(0.7), 5.0, 0.7),
        (Saturating(0.8, 2.0), 0.0, 0.0),
        (Saturating(0.8, 2.0), 2.0 * np.log(2.0), 0.4),
        (Saturating(0.8, 2.0), 2.0, 0.8 * (1 - 1 / np.e)),
        (Saturating(0.8, 2.0), 1e9, 0.8),
        (PowerLaw(0.9, 0.4, 0.5), 0.0, -np.inf),
        (PowerLaw(0.9, 0.4, 0.5), 1.0, 0.5),
        (PowerLaw(0.9, 0.4, 0.5), 16.0, 0.8),
        (PowerLaw(0.9, 0.4, 2.0), 0.5, -0.7),
        (Linear(0.3), 0.0, 0.0),
        (Linear(0.3), 4.0, 1.2),
        (Table((1.0, 3.0), (0.4, 0.6)), 0.0, 0.0),
        (Table((1.0, 3.0), (0.4, 0.6)), 0.5, 0.2),
        (Table((1.0, 3.0), (0.4, 0.6)), 2.0, 0.5),
        (Table((1.0, 3.0), (0.4, 0.6)), 99.0, 0.6),
        (ScalingLaw(0.25, 1.5, 2.0, 0.5), 0.0, 0.0),
        (ScalingLaw(0.25, 1.5, 2.0, 0.5, 2.0), 2.0, 1.0 - 0.5**0.5),
    ],
)
def test_value_at_known_points(curve, at, value):
    assert curve.value(np.array(at)) == pytest.approx(value, rel=1e-14, abs=1e-15)


@given(every, effort, effort)
def test_value_is_nondecreasing_and_midpoint_concave(curve, a, b):
    low, middle, high = curve.value(np.array([min(a, b), 0.5 * (a + b), max(a, b)]))
    rounding = 1e-14 * (1.0 + abs(low) + abs(high))
    assert low <= high + rounding
    assert middle >= 0.5 * (low + high) - rounding


@given(every, effort, st.floats(1e-3, 0.999))
def test_second_differences_are_not_positive(curve, y, step):
    left, middle, right = curve.value(y * np.array([1 - step, 1.0, 1 + step]))
    assert left - 2 * middle + right <= 1e-14 * (1.0 + abs(left) + abs(right))


@given(every, effort)
def test_the_tangent_lies_above_the_curve(curve, y):
    others = y * np.geomspace(1e-3, 1e3, 41)
    for side in ("left", "right"):
        tangent = curve.value(np.array(y)) + curve.slope(np.array(y), side) * (others - y)
        scale = 1.0 + np.abs(tangent) + np.abs(curve.value(np.array(y)))
        assert np.all(curve.value(others) <= tangent + 1e-13 * scale)


@given(smooth, effort)
def test_slope_is_the_derivative_of_value(curve, y):
    h = 1e-5 * y
    difference = (curve.value(np.array(y + h)) - curve.value(np.array(y - h))) / (2 * h)
    noise = 1e-15 * (1.0 + abs(float(curve.value(np.array(y))))) / h
    if isinstance(curve, ScalingLaw):
        noise *= 1.0 + (curve.floor + curve.b / curve.c) ** curve.power
    assert curve.slope(np.array(y)) == pytest.approx(difference, rel=1e-7, abs=10 * noise)


@given(table, st.floats(0.01, 0.99))
def test_slope_of_a_table_is_that_of_its_segment(curve, inside):
    ends = np.array((0.0, *curve.efforts, 2 * curve.efforts[-1]))
    at = ends[:-1] + inside * np.diff(ends)
    heights = np.array((0.0, *curve.scores, curve.scores[-1]))
    expected = np.diff(heights) / np.diff(ends)
    for side in ("left", "right"):
        np.testing.assert_allclose(curve.slope(at, side), expected, rtol=1e-12)
    np.testing.assert_allclose(curve.slope(ends[1:-1], "left"), expected[:-1], rtol=1e-12)
    np.testing.assert_allclose(curve.slope(ends[1:-1], "right"), expected[1:], rtol=1e-12)


@given(smooth, effort)
def test_log_revenue_and_its_derivative(curve, y):
    z, h = np.log(y), 1e-5
    level, derivative = curve.log_revenue(np.array(z))
    slope = float(curve.slope(np.array(y)))
    if slope > 1e-290:
        assert level == pytest.approx(np.log(y * slope), rel=1e-12, abs=1e-12)
    up, down = curve.log_revenue(np.array(z + h))[0], curve.log_revenue(np.array(z - h))[0]
    difference = (up - down) / (2 * h)
    assert derivative == pytest.approx(difference, rel=1e-6, abs=1e-7 + 1e-10 * abs(level))


@given(table, effort)
def test_log_revenue_of_a_table_goes_by_segment(curve, y):
    segment = int(np.searchsorted(curve.efforts, y, side="right"))
    level, derivative = curve.log_revenue(np.log(y), segment)
    slope = curve.slope(np.array(y))
    expected = np.log(y * slope) if slope > 0 else -np.inf
    assert level == pytest.approx(expected, abs=1e-12)
    assert derivative == 1.0


def test_log_revenue_of_a_table_needs_a_segment():
    with pytest.raises(ValueError, match="segment"):
        EXAMPLES["table"].log_revenue(0.0)


def test_a_constant_brings_no_revenue():
    level, derivative = Constant(0.7).log_revenue(np.zeros(3))
    assert np.all(level == -np.inf)
    assert np.all(derivative == 0.0)


@pytest.mark.parametrize("name", EXAMPLES)
def test_kinks_are_where_the_slope_jumps(name):
    curve = EXAMPLES[name]
    y = np.geomspace(1e-3, 1e3, 500)
    jumps = curve.slope(y, "left") - curve.slope(y, "right")
    assert np.all(jumps == 0.0)
    for k in curve.kinks:
        assert curve.slope(np.array(k), "left") > curve.slope(np.array(k), "right")


@pytest.mark.parametrize("name", EXAMPLES)
def test_jax_and_numpy_give_the_same_numbers(name):
    curve = EXAMPLES[name]
    y = faces.rng(1).uniform(0.01, 5.0, 64)
    for method in (curve.value, curve.slope):
        made = method(jnp.asarray(y))
        np.testing.assert_allclose(made, method(y), rtol=1e-13, atol=1e-15)
    if not curve.kinks:
        for a, b in zip(curve.log_revenue(jnp.log(y)), curve.log_revenue(np.log(y)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)


# --- the hull of measured points -------------------------------------------------------------

points = st.lists(st.tuples(positive(0.01, 100.0), st.floats(0.0, 1.0)), min_size=1, max_size=8)


@given(points)
def test_hull_is_the_least_concave_majorant(measured):
    y, q = map(np.array, zip(*measured, strict=True))
    curve = Table.hull(y, q)
    assert np.all(curve.value(y) >= q - 1e-12)
    assert np.all(np.diff(curve.efforts) > 0)
    assert np.all(np.diff(curve.slopes) <= 1e-12 * curve.slopes[:-1])
    assert np.all(curve.slopes >= 0)
    # least: every corner is a measured point
    measured_points = {(float(a), float(b)) for a, b in measured}
    if q.max() > 0:
        assert set(zip(curve.efforts, curve.scores, strict=True)) <= measured_points


@given(points)
def test_hull_of_a_hull_is_itself(measured):
    y, q = zip(*measured, strict=True)
    once = Table.hull(y, q)
    twice = Table.hull(once.efforts, once.scores)
    assume(len(twice.efforts) == len(once.efforts))  # collinear to rounding: a corner may go
    assert once == twice


@given(points)
def test_hull_by_brute_force(measured):
    """Majorant = best mixture of two points of (0, 0), the points and the flat continuation."""
    y, q = map(np.array, zip(*measured, strict=True))
    curve = Table.hull(y, q)
    ys, qs = np.append(0.0, y), np.append(0.0, q)
    for at in np.linspace(0.0, 1.2 * y.max(), 13):
        best = qs[ys <= at].max()
        for i in np.flatnonzero(ys < at):
            for k in np.flatnonzero(ys > at):
                w = (at - ys[i]) / (ys[k] - ys[i])
                best = max(best, (1 - w) * qs[i] + w * qs[k])
        assert curve.value(at) == pytest.approx(best, abs=1e-12)


def test_hull_of_no_success_is_flat():
    curve = Table.hull([1.0, 2.0], [0.0, 0.0])
    assert np.all(curve.value(np.array([0.0, 1.0, 5.0])) == 0.0)


def test_hull_takes_the_better_of_two_scores_at_one_effort():
    assert Table.hull([1.0, 1.0], [0.2, 0.3]) == Table((1.0,), (0.3,))


# --- cone ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_cone_is_the_perspective_of_value(name):
    curve = EXAMPLES[name]
    random = faces.rng(2)
    x, y = random.uniform(0.1, 3.0, 60), np.exp(random.uniform(-2.0, 2.0, 60))
    expected = x * curve.value(y)
    got = faces.most_success(curve, x, x * y)
    if name == "scaling_law":  # the tangent hull lies above, by what it says
        assert np.all(got >= expected - 1e-8)
        np.testing.assert_allclose(got, expected, rtol=3.4e-5)
    else:
        np.testing.assert_allclose(got, expected, rtol=2e-7, atol=2e-8)


@pytest.mark.parametrize(
    ("name", "at_rest"),
    [("constant", 0.0), ("saturating", 0.0), ("power_law", 0.0), ("table", 0.0),
     ("linear", 0.4 * 1.7), ("scaling_law", 0.0)],
)  # fmt: skip
def test_cone_without_requests_is_the_recession_of_value(name, at_rest):
    """x·q(Y/x) as x falls to 0 with Y > 0: what a bounded curve must not sell."""
    got = faces.most_success(EXAMPLES[name], np.zeros(2), np.array([0.0, 1.7]))
    np.testing.assert_allclose(got, [0.0, at_rest], atol=2e-6)


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"power_law"}))
def test_cone_without_effort_is_value_at_zero(name):
    curve = EXAMPLES[name]
    got = faces.most_success(curve, np.array([0.5, 2.0]), np.zeros(2))
    expected = np.array([0.5, 2.0]) * curve.value(np.zeros(2))
    np.testing.assert_allclose(got, expected, atol=1e-7)


def test_power_law_cone_without_effort_is_empty():
    curve = EXAMPLES["power_law"]
    x, q = cp.Variable(1), cp.Variable(1)
    e, none = faces.fixed(np.zeros(1))
    most = faces.solve(cp.Maximize(cp.sum(x)), [x <= 1, q >= -1, *none, *curve.cone(x, e, q)], 1e-9)
    assert most == pytest.approx(0.0, abs=1e-2)  # a corner of the power cone


@given(every, positive(0.1, 10), effort, positive(0.1, 10), effort)
def test_perspective_is_jointly_concave(curve, x1, y1, x2, y2):
    """And homogeneous, so it is superadditive: two groups never gain from being mixed."""
    apart = x1 * curve.value(np.array(y1)) + x2 * curve.value(np.array(y2))
    mixed = (x1 + x2) * curve.value(np.array((x1 * y1 + x2 * y2) / (x1 + x2)))
    assert mixed >= apart - 1e-13 * (1.0 + abs(apart) + abs(mixed))


@pytest.mark.parametrize(
    ("curve", "ceiling", "smooth"),
    [
        (Constant(0.7), 0.7, True),
        (Saturating(0.8, 2.0), 0.8, True),
        (PowerLaw(0.9, 0.1, 0.5), 0.9, True),
        (Linear(0.3), 0.3, True),
        (Table((1.0, 2.0), (0.4, 0.5)), 0.5, False),
        (ScalingLaw(0.1, 1e2, 1e3, 0.5), 0.2**0.5 - 0.1**0.5, False),
    ],
)
def test_what_a_quality_replaces_and_what_can_be_stacked(curve, ceiling, smooth):
    """The ceiling is met at endless effort, but for the line, which has it at effort 1."""
    assert curve.ceiling == pytest.approx(ceiling)
    assert curve.value(1.0 if isinstance(curve, Linear) else 1e30) == pytest.approx(ceiling)
    assert curve.smooth is smooth
