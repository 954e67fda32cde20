"""How the best response moves with prices: profit, its gradient and its curvature."""

import numpy as np
import pytest

from tests.models.curves.requests import Market, curve, every_case, market, stack

# a lone use and none that verifies are special cases of these
CASES = [
    (s, e, r, c)
    for s, e, r, c in every_case()
    if e != "one use" and (r != "no verification" or e == "two uses")
    if (c == "caps") == (e == "two uses" or s == "linear")
]
IDS = [", ".join(c) for c in CASES]
STEP = 1e-5


def all_moved(m, relative):
    """[5, n]: every one of the five prices moved in turn, the others held."""
    each = [m.moved(q, relative).arguments for q in range(5)]
    return Market(*(np.stack(column) for column in zip(*each, strict=True)))


def pattern(c, m, r):
    """[..., J + kinks]: which caps, corners and kinks the response stands at."""
    y = c.effort.value(r.tokens) / m.difficulty
    kinks = [np.abs(y - k) <= 1e-9 * k for k in c.success.kinks]
    at_cap = r.tokens >= np.array(c.caps) * (1 - 1e-12)
    return np.concatenate([at_cap, r.tokens <= 1e-50, *(k[..., None] for k in kinks)], -1)


def moves(c, m, r):
    """Responses to the moves up and down, and [5, n]: where they keep their pattern."""
    here, keep = pattern(c, m, r), np.ones((5, len(m.value)), bool)
    for relative in (-10 * STEP, 10 * STEP):
        far = all_moved(m, relative)
        keep &= np.all(pattern(c, far, c.best_response(*far.arguments)) == here, -1)
    ends = [c.best_response(*all_moved(m, s).arguments) for s in (STEP, -STEP)]
    return *ends, keep


def in_order(m):
    """[n, 5] prices in the order of ``curvature``."""
    return np.concatenate([m.prices, m.wrong[:, None], m.value[:, None]], -1)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_profit_is_convex_in_prices(case):
    c = curve(*case)
    a, b = market(40, 200, 2.0), market(41, 200, 2.0)
    ends = 0.5 * (
        c.best_response(*a.arguments).profit
        + c.best_response(b.value, b.prices, b.wrong, a.factor, a.difficulty).profit
    )
    middle = c.best_response(*a.mixed(b).arguments).profit
    assert np.all(middle <= ends + 1e-12 * (1.0 + np.abs(ends) + np.abs(middle)))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_gradient_of_profit_is_minus_the_amounts(case):
    c, m = curve(*case), market(42, 80)
    r = c.best_response(*m.arguments)
    up, down, keep = moves(c, m, r)
    assert np.all(keep.mean(-1) > 0.5)
    gradient = (up.profit - down.profit) / (2 * STEP)
    sign = np.array([-1.0] * 4 + [1.0])
    expected = (sign * stack(r) * in_order(m)).T
    scale = 1.0 + np.abs(r.profit) + m.value + m.wrong
    assert np.all((np.abs(gradient - expected) <= 1e-8 * scale) | ~keep)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_curvature_is_the_derivative_of_the_amounts(case):
    """−∂(tokens, wrong, success)/∂(prices, wrong price, −value), by central differences."""
    c, m = curve(*case), market(43, 80)
    r = c.best_response(*m.arguments)
    h = c.curvature(r, *m.arguments)
    assert h.shape == (80, 5, 5)
    np.testing.assert_array_equal(h, np.swapaxes(h, -1, -2))
    price = in_order(m)
    money = price[:, :, None] * h * price[:, None, :]  # USD, so entries compare
    size = 1e-9 + np.abs(np.diagonal(money, axis1=-2, axis2=-1)).max(-1)
    assert np.all(np.linalg.eigvalsh(money)[:, 0] >= -1e-9 * size - 1e-15), "not semidefinite"
    up, down, keep = moves(c, m, r)
    assert keep.sum() > 200
    sign = np.array([-1.0] * 4 + [1.0])[:, None, None]
    difference = sign * (stack(up) - stack(down)) / (2 * STEP) * price  # [moved, request, amount]
    miss = np.abs(difference - np.moveaxis(money, -1, 0)).max(-1)
    flow = np.abs(stack(r) * price).max(-1)
    assert np.all((miss <= 2e-6 * size + 1e-8 * flow) | ~keep)
