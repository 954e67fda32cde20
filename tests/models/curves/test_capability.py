"""Training as capital: the scaling law and its tangent hull, and what variance costs."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocate.models.curves import RatioCost, ScalingLaw, SquareCost
from tests.models.curves import faces
from tests.models.curves.faces import positive, scaling_law

HULL_ERROR = 3.4e-5  # as ``ScalingLaw`` says: (ln of the grid's ratio)²/8 · max |y² g''/g| = 1/2


def hull(law, efforts):
    """The cone face at one request, read off as an affine function of the effort."""
    x, e, q = cp.Variable(1), cp.Variable(1), cp.Variable(1)
    (rows,) = law.cone(x, e, q)
    gap = rows.args[1] - rows.args[0]
    x.value, e.value, q.value = np.ones(1), np.zeros(1), np.zeros(1)
    level = gap.value[:, 0]
    x.value, e.value = np.zeros(1), np.ones(1)
    slope = gap.value[:, 0]
    return np.min(level + slope * np.asarray(efforts)[:, None], axis=-1)


# --- scaling law -------------------------------------------------------------------------------


@given(scaling_law)
def test_gain_runs_from_zero_to_all_of_the_reducible_error(law):
    best = (law.floor + law.b / law.c) ** law.power - law.floor**law.power
    assert law.value(np.array(0.0)) == 0.0
    assert law.value(np.array(1e30)) == pytest.approx(best, rel=1e-9)


@given(
    st.sampled_from([0.0, 0.01, 0.3, 10.0]), positive(0.1, 10.0), positive(0.1, 10.0),
    st.sampled_from([0.05, 0.3, 0.7, 1.0]), positive(0.1, 10.0),
)  # fmt: skip
def test_tangent_hull_is_above_and_close(floor, b, c, power, samples):
    law = ScalingLaw(floor, b, c, power, samples)
    y = np.geomspace(1e-5, 1e6, 301) * c / samples
    gain = law.value(y)
    excess = hull(law, y) - gain
    rounding = 4e-16 * (floor + b / c) ** power  # the gain is a difference of two errors
    assert np.all(excess >= -2 * rounding - 1e-15)
    assert np.all(excess <= HULL_ERROR * gain + 2 * rounding)


def test_the_stated_error_of_the_hull_is_reached():
    """So the figure is no mere bound: at worst, half way between two tangents."""
    y = np.geomspace(0.1, 10.0, 20001)
    law = ScalingLaw(0.1, 1.0, 1.0, 1.0)
    assert np.max(hull(law, y) / law.value(y)) - 1 == pytest.approx(3.29e-5, rel=1e-2)


def test_hull_stays_near_beyond_its_grid():
    law = ScalingLaw(0.2, 1.5, 2.0, 0.6, 3.0)
    assert hull(law, [1e12])[0] == pytest.approx(law.value(1e12), rel=1e-6)


# --- what variance costs -----------------------------------------------------------------------


@given(positive(1e-3, 1e3), st.floats(-1e3, 1e3), positive(1e-2, 1e3))
def test_square_cost_best_response_by_brute_force(weight, price, cap):
    cost = SquareCost(weight)
    best = float(cost.best_response(price, cap))
    assert 0.0 <= best <= cap
    grid = np.linspace(0.0, cap, 2001)
    profit = price * best - cost.value(best)
    assert profit >= np.max(price * grid - cost.value(grid)) - 1e-12 * (1 + abs(profit))
    if 0 < best < cap:
        assert price == pytest.approx(weight * best)


def test_square_cost_cone_is_value():
    y = np.array([0.0, 0.3, 2.0, 10.0])
    held, fix = faces.fixed(y)
    cost = cp.Variable(4)
    faces.solve(cp.Minimize(cp.sum(cost)), fix + SquareCost(3.0).cone(held, cost), 1e-9)
    np.testing.assert_allclose(cost.value, SquareCost(3.0).value(y), rtol=1e-7, atol=1e-6)


def test_ratio_cost_at_the_edges():
    cost = RatioCost(2.0)
    assert cost.value(0.0, 0.0) == 0.0
    assert cost.value(1.0, 0.0) == np.inf
    assert cost.value(3.0, 9.0) == 1.0
    np.testing.assert_array_equal(cost.value(np.array([0.0, 3.0]), np.array([5.0, 9.0])), [0, 1])


@given(positive(0.1, 10), positive(0.1, 10), positive(0.1, 10), positive(0.1, 10))
def test_ratio_cost_is_jointly_convex_and_homogeneous(y1, n1, y2, n2):
    cost = RatioCost(1.7)
    apart = cost.value(y1, n1) + cost.value(y2, n2)
    assert cost.value(y1 + y2, n1 + n2) <= apart * (1 + 1e-13)
    assert cost.value(3 * y1, 3 * n1) == pytest.approx(3 * cost.value(y1, n1))


@given(
    positive(0.1, 10.0), positive(0.01, 100.0), st.one_of(st.just(0.0), positive(1e-3, 10.0)),
    positive(0.1, 100.0), positive(0.1, 100.0),
)  # fmt: skip
def test_ratio_cost_best_response_by_brute_force(weight, price, n_price, y_cap, n_cap):
    cost = RatioCost(weight)
    y, n = cost.best_response(price, n_price, y_cap, n_cap)
    assert 0.0 <= y <= y_cap
    assert 0.0 <= n <= n_cap
    profit = price * y - n_price * n - float(cost.value(y, n))
    ys = np.linspace(0.0, y_cap, 301)[:, None]
    ns = np.append(0.0, np.geomspace(1e-3, 1.0, 300))[None, :] * n_cap
    grid = price * ys - n_price * ns - cost.value(ys + 0 * ns, ns + 0 * ys)
    assert profit >= grid.max() - 1e-12 * (price * y_cap + n_price * n_cap)
    assert profit >= 0.0


@given(positive(0.1, 10.0), positive(0.01, 10.0), positive(0.1, 10.0))
def test_ratio_cost_ray_is_its_cheapest_mixture(weight, n_price, y):
    cost = RatioCost(weight)
    per_unit, variance = cost.ray(n_price)
    assert cost.value(y, per_unit * y) == pytest.approx(variance * y, rel=1e-12)
    total = variance + n_price * per_unit
    assert total == pytest.approx(np.sqrt(2 * weight * n_price), rel=1e-12)
    n = per_unit * np.geomspace(0.1, 10.0, 201)
    assert np.all(cost.value(1.0, n) + n_price * n >= total * (1 - 1e-14))


def test_ratio_cost_cone_is_value():
    cost = RatioCost(3.0)
    random = faces.rng(20)
    bounds, constraints, expected = [], [], []
    for y, n in [(0.0, 0.0), (0.0, 2.0), *random.uniform(0.1, 5.0, (10, 2))]:
        held_y, fix_y = faces.fixed(y)
        held_n, fix_n = faces.fixed(n)
        bound = cp.Variable()
        constraints += fix_y + fix_n + cost.cone(held_y, held_n, bound)
        bounds.append(bound)
        expected.append(float(cost.value(y, n)))
    faces.solve(cp.Minimize(cp.sum(cp.hstack(bounds))), constraints, 1e-8)
    np.testing.assert_allclose([b.value for b in bounds], expected, rtol=1e-7, atol=1e-6)


# --- the faces that a method asks for ----------------------------------------------------------

COSTS = [SquareCost(1.7), RatioCost(1.7)]
UNITS = {SquareCost: np.array([0.9]), RatioCost: np.array([0.9, -0.31])}


@pytest.mark.parametrize("cost", COSTS)
def test_best_levels_earn_the_most(cost):
    unit = UNITS[type(cost)] * (1.0 if isinstance(cost, SquareCost) else np.array([2.0, 1.0]))
    upper = np.array([3.0, 8.0])[: len(unit)]
    best = cost.best(unit, upper)
    grid = np.stack(np.meshgrid(*(np.linspace(0, u, 201) for u in upper), indexing="ij"), -1)
    levels = grid.reshape(-1, len(unit))
    earned = levels @ unit - cost.value(*levels.T)
    profit = unit @ best - float(cost.value(*best))
    assert np.all(best <= upper)
    assert profit >= earned.max() - 1e-12
    assert profit <= earned.max() + 0.02


def test_the_tangent_of_a_square_cost_is_the_derivative_of_its_profit():
    cost, upper = SquareCost(1.7), np.array([5.0])

    def profit(u):
        best = cost.best(np.array([u]), upper)
        return u * best[0] - cost.value(best[0])

    for u, curvature in ((0.9, 1 / 1.7), (-0.5, 0.0), (20.0, 0.0)):
        t = cost.tangent(np.array([u]), upper, 0.0)
        assert t.cut is None
        assert t.gradient[0] == pytest.approx((profit(u + 1e-6) - profit(u - 1e-6)) / 2e-6)
        assert t.hessian[0, 0] == pytest.approx(curvature)
        assert cost.excess(np.array([u])) == -np.inf


@given(positive(0.1, 10.0), positive(0.01, 10.0), st.floats(-3, 3), positive(0.1, 10.0))
def test_the_cut_of_a_ratio_cost_says_where_its_profit_ends(weight, n_price, more, amount):
    cost = RatioCost(weight)
    edge = float(np.sqrt(2 * weight * n_price))
    unit, upper = np.array([edge + more, -n_price]), np.array([1e3, np.inf])
    t = cost.tangent(unit, upper, amount)
    assert t.cut is not None
    assert t.cut.value == pytest.approx(cost.excess(unit), abs=1e-12)
    assert (unit @ cost.best(unit, upper) - cost.value(*cost.best(unit, upper)) > 0) == (more > 0)
    h = 1e-5 * n_price
    up, down = unit + np.array([0, h]), unit - np.array([0, h])
    assert t.cut.slope[0] == 1.0
    assert t.cut.slope[1] == pytest.approx((cost.excess(up) - cost.excess(down)) / (2 * h))
    # −excess is concave in the price of n: its curvature, ``amount`` times
    bend = (cost.excess(up) - 2 * cost.excess(unit) + cost.excess(down)) / h**2
    assert t.hessian[1, 1] == pytest.approx(amount * bend, rel=1e-2, abs=1e-6 * amount / h)
    assert t.cut.mix == pytest.approx([1.0, cost.ray(n_price)[0]])
    floored = cost.tangent(np.array([1.0, 0.0]), upper, amount, floor=n_price).cut
    assert floored is not None
    assert floored.size == pytest.approx(edge)
    with pytest.raises(ValueError, match="floor"):
        cost.tangent(np.array([1.0, 0.0]), upper, amount)


@pytest.mark.parametrize("cost", COSTS)
def test_planes_support_the_cost_and_rays_mix_above_it(cost):
    random = faces.rng(21)
    n = len(UNITS[type(cost)])
    for at in random.uniform(0.1, 5.0, (20, n)):
        gradient, constant = cost.plane(at)
        assert gradient @ at - constant == pytest.approx(float(cost.value(*at)))
        others = random.uniform(0.01, 9.0, (50, n))
        assert np.all(cost.value(*others.T) >= others @ gradient - constant - 1e-12)
    for near in (None, 0.7):
        rays = cost.rays(UNITS[type(cost)], near)
        assert bool(rays) == isinstance(cost, RatioCost)
        for ray in rays:
            assert ray.levels[0] == 1.0
            assert ray.cost == pytest.approx(float(cost.value(*ray.levels)))
        if rays and near is not None:
            assert any(ray.levels[1] == pytest.approx(near) for ray in rays)


@pytest.mark.parametrize("cost", COSTS)
def test_a_scaled_cost_is_the_cost_times_a_factor(cost):
    at = np.array([1.3, 0.6])[: len(UNITS[type(cost)])]
    assert cost.scaled(3.0).value(*at) == pytest.approx(3.0 * cost.value(*at))
