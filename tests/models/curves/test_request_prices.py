"""How the best response moves with prices: profit, its gradient and its curvature."""

import numpy as np
import pytest

from tests.models.curves.requests import CAPS, curve, every_case, market, stack

CASES = [  # the two that hold every other: a lone use and none that verifies are special cases
    (s, e, r, c)
    for s, e, r, c in every_case()
    if e != "one use"
    and (r != "no verification" or e == "two uses")
    and (e != "two uses" or c == "caps")
]
IDS = [", ".join(c) for c in CASES]


def smooth_around(c, m, r, quantity, step):
    """Which requests keep their caps, corners and kinks when one price moves both ways."""
    keep = np.ones(len(m.value), bool)
    caps = np.array(CAPS["caps"] if np.isfinite(c.caps).all() else c.caps)
    for sign in (-10 * step, 10 * step):
        other = m.moved(quantity, sign)
        s = c.best_response(*other.arguments)
        keep &= np.all((s.tokens >= caps * (1 - 1e-12)) == (r.tokens >= caps * (1 - 1e-12)), -1)
        keep &= np.all((s.tokens <= 1e-50) == (r.tokens <= 1e-50), -1)
        for k in c.success.kinks:
            on = np.abs(c.effort.value(r.tokens) / m.difficulty - k) <= 1e-9 * k
            stays = np.abs(c.effort.value(s.tokens) / m.difficulty - k) <= 1e-9 * k
            keep &= on == stays
    return keep


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_profit_is_convex_in_prices(case):
    c = curve(*case)
    a, b = market(40, 200, 2.0), market(41, 200, 2.0)
    ends = 0.5 * (
        c.best_response(a.value, a.prices, a.wrong, a.factor, a.difficulty).profit
        + c.best_response(b.value, b.prices, b.wrong, a.factor, a.difficulty).profit
    )
    middle = c.best_response(*a.mixed(b).arguments).profit
    assert np.all(middle <= ends + 1e-12 * (1.0 + np.abs(ends) + np.abs(middle)))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_gradient_of_profit_is_minus_the_amounts(case):
    c, m = curve(*case), market(42, 80)
    r = c.best_response(*m.arguments)
    amounts, step = stack(r), 1e-5
    price = np.concatenate([m.prices, m.wrong[:, None], m.value[:, None]], -1)
    sign = np.array([-1.0] * 4 + [1.0])
    for q in range(5):
        keep = smooth_around(c, m, r, q, step)
        assert keep.mean() > 0.5
        up = c.best_response(*m.moved(q, step).arguments).profit
        down = c.best_response(*m.moved(q, -step).arguments).profit
        scale = 1.0 + np.abs(r.profit) + m.value + m.wrong
        gradient = (up - down) / (2 * step)
        expected = sign[q] * amounts[:, q] * price[:, q]
        assert np.all(np.abs(gradient - expected)[keep] <= (1e-8 * scale)[keep]), q


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_curvature_is_the_derivative_of_the_amounts(case):
    """−∂(tokens, wrong, success)/∂(prices, wrong price, −value), by central differences."""
    c, m = curve(*case), market(43, 80)
    r = c.best_response(*m.arguments)
    h = c.curvature(r, *m.arguments)
    assert h.shape == (80, 5, 5)
    np.testing.assert_array_equal(h, np.swapaxes(h, -1, -2))
    price = np.concatenate([m.prices, m.wrong[:, None], m.value[:, None]], -1)
    money = price[:, :, None] * h * price[:, None, :]  # USD, so entries compare
    size = 1e-9 + np.abs(np.diagonal(money, axis1=-2, axis2=-1)).max(-1)
    assert np.all(np.linalg.eigvalsh(money)[:, 0] >= -1e-9 * size - 1e-15), (
        "not positive semidefinite"
    )
    step, checked = 1e-5, 0
    for q in range(5):
        keep = smooth_around(c, m, r, q, step)
        checked += keep.sum()
        up = stack(c.best_response(*m.moved(q, step).arguments))
        down = stack(c.best_response(*m.moved(q, -step).arguments))
        difference = -(up - down) / (2 * step) * price * (-1.0 if q == 4 else 1.0)
        miss = np.abs(difference - money[:, :, q]).max(-1)
        flow = np.abs(stack(r) * price).max(-1)
        assert np.all(miss[keep] <= (2e-6 * size + 1e-8 * flow)[keep]), q
    assert checked > 200
