"""The best response of a request: against first-order conditions and direct maximisation."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocate.models.curves import Effort, Linear, RequestCurve, ResidualRisk, Saturating, Table
from tests.models.curves import faces
from tests.models.curves.faces import EXAMPLES
from tests.models.curves.requests import CAPS, REFERENCES, Market, curve, every_case, market


def profit_at(c, m, tokens):
    """(1), written out once more from the value face alone."""
    success, wrong = c.outcome(tokens, m.factor, m.difficulty)
    return m.value * success - m.wrong * wrong - (m.prices * tokens).sum(-1)


def revenue_of(c, m, tokens):
    """Bounds of V f q'(y) y at both sides of y."""
    y = c.effort.value(tokens) / m.difficulty
    right = c.success.slope(y * (1 + 1e-9))
    left = c.success.slope(y * (1 - 1e-9), "left")
    return m.value * m.factor * right * y, m.value * m.factor * left * y


def assert_first_order(c, m, r, close=1e-8):
    """No use wants a token more or less, and all uses see one and the same revenue."""
    low, high = c.marginal(r.tokens, *m.arguments[:1], m.wrong, m.factor, m.difficulty)
    caps = np.array(c.caps)
    p = m.prices
    at_cap = r.tokens >= caps * (1 - 1e-12)
    none = r.tokens <= 1e-100
    size = np.maximum(p, np.abs(np.where(np.isfinite(high), high, 0.0)))
    assert np.all(r.tokens <= caps * (1 + 1e-14))
    assert np.all((low <= p + close * size) | at_cap), "one more token would pay"
    assert np.all((high >= p - close * size) | none), "the last token did not pay"
    y = c.effort.value(r.tokens)
    right, left = revenue_of(c, m, r.tokens)
    bought = y > 1e-100
    revenue = np.exp(r.log_revenue)
    assert np.all((revenue >= right * (1 - 1e-7)) | ~bought)
    assert np.all((revenue <= left * (1 + 1e-7)) | ~bought)
    for j, a in enumerate(c.effort.exponents):
        spent = p[..., j] * r.tokens[..., j]
        if c.risk.verifiable and c.risk.use == j:
            averted = m.wrong * c.risk.value(r.tokens) * r.tokens[..., j] / c.risk.tokens
            spent = spent - averted
        inside = bought & ~at_cap[..., j] & (r.tokens[..., j] > 0)
        scale = a * revenue + p[..., j] * r.tokens[..., j]
        assert np.all((np.abs(spent - a * revenue) <= close * scale) | ~inside), j


@pytest.mark.parametrize("case", every_case(), ids=lambda c: ", ".join(c))
def test_first_order_conditions(case):
    c, m = curve(*case), market(1, 400, decades=2.0)
    assert_first_order(c, m, c.best_response(*m.arguments))


@pytest.mark.parametrize("case", every_case(), ids=lambda c: ", ".join(c))
def test_no_random_bundle_does_better(case):
    c, m = curve(*case), market(2, 60)
    r = c.best_response(*m.arguments)
    random = faces.rng(31)
    caps = np.array(c.caps)
    best = r.profit * np.ones(60)
    near = r.tokens * np.exp(
        random.normal(size=(400, 60, 3)) * 10.0 ** random.uniform(-5, 0, (400, 60, 1))
    )
    far = np.array(REFERENCES) * np.exp(random.uniform(-6.0, 4.0, (400, 60, 3)))
    for tokens in (np.minimum(near, caps), np.minimum(far, caps)):
        assert np.all(profit_at(c, m, tokens) <= best + 1e-12 * (m.value + m.wrong))
    at = profit_at(c, m, r.tokens)
    np.testing.assert_allclose(at, r.profit, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("exponents", ["one use", "two uses", "three uses", "total one"])
@pytest.mark.parametrize("risk", ["no verification", "verifying use", "verifying use helps"])
@pytest.mark.parametrize("success", sorted(EXAMPLES))
def test_the_cone_faces_give_the_same_best_response(success, exponents, risk):
    """Direct maximisation of (1) at one request, all from the cone faces, by Clarabel."""
    if exponents == "one use" and risk == "verifying use helps":
        exponents, risk = "total one", "verifying use helps"
    caps = "caps" if success == "linear" or exponents == "two uses" else "no caps"
    c, n = curve(success, exponents, risk, caps), 4 if success == "scaling_law" else 12
    m = market(3, n, decades=0.5 if success == "linear" else 1.0)  # V^4 spreads what it buys
    r = c.best_response(*m.arguments)
    x, constraints = faces.fixed(np.ones(n))
    # as the conic method holds them: tokens in units of a guess of their size
    unit = [np.where(r.tokens[:, j] > 1e-3, 1.3 * r.tokens[:, j], REFERENCES[j]) for j in range(3)]
    level = [cp.Variable(n, nonneg=True) for _ in range(3)]
    tokens = [cp.multiply(unit[j], level[j]) for j in range(3)]
    for j, cap in enumerate(c.caps):
        if j not in c.uses_tokens:
            constraints.append(level[j] == 0)
        elif np.isfinite(cap):
            constraints.append(level[j] <= cap / unit[j])
    y, q, e = cp.Variable(n, nonneg=True), cp.Variable(n), cp.Variable(n)
    constraints += c.risk.cone(x, tokens, e * c.risk.rate)
    constraints += c.effort.cone(x, tokens, y)
    constraints += c.success.cone(x, cp.multiply(1 / m.difficulty, y), q)
    size = m.value + m.wrong + np.abs(r.profit)
    spent = sum(cp.multiply(m.prices[:, j] * unit[j] / size, level[j]) for j in range(3))
    made = cp.multiply(m.value * m.factor / size, q)
    profit = made - cp.multiply(m.wrong * c.risk.rate / size, e) - spent
    faces.solve(cp.Maximize(cp.sum(profit)), constraints, 1e-9)
    slack = 3.4e-5 if success == "scaling_law" else 1e-6
    np.testing.assert_allclose(profit.value, r.profit / size, rtol=0, atol=slack)
    if success not in ("scaling_law", "constant"):
        got = np.stack([t.value for t in tokens], -1)
        scale = np.array(REFERENCES) + r.tokens
        np.testing.assert_allclose(got / scale, r.tokens / scale, atol=3e-3)


# --- extremes ----------------------------------------------------------------------------------

nine = st.floats(-4.5, 4.5).map(lambda z: 10.0**z)


@given(
    st.sampled_from(every_case()), nine, st.tuples(nine, nine, nine), nine,
    st.floats(0.1, 1.0), faces.positive(0.1, 10.0),
)  # fmt: skip
def test_prices_over_nine_orders_of_magnitude(case, value, prices, wrong, factor, difficulty):
    c = curve(*case)
    m = Market(
        np.array([value]), 1e-4 * np.array([prices]), np.array([wrong]),
        np.array([factor]), np.array([difficulty]),
    )  # fmt: skip
    r = c.best_response(*m.arguments)
    assert np.all(np.isfinite(r.tokens))
    assert np.all(np.isfinite(r.profit))
    assert_first_order(c, m, r, close=1e-7)


@pytest.mark.parametrize("success", sorted(EXAMPLES))
@pytest.mark.parametrize("risk", ["no verification", "verifying use", "verifying use helps"])
@pytest.mark.parametrize("free", [0, 1, 2])
@pytest.mark.parametrize("harm", [0.0, 3.0])
def test_a_free_capped_use_is_used_to_its_cap(success, risk, free, harm):
    c, m = curve(success, "three uses", risk, "caps"), market(4, 40)
    m.prices[:, free] = 0.0
    m.wrong[:] = harm
    r = c.best_response(*m.arguments)
    assert np.all(np.isfinite(r.profit))
    verifies = c.risk.verifiable and free == c.risk.use and harm > 0
    if success == "constant" and not verifies:
        assert np.all(r.tokens[:, free] < 1e-100)  # worth nothing: not taken even for nothing
    elif success not in ("table", "constant"):
        np.testing.assert_allclose(r.tokens[:, free], CAPS["caps"][free], rtol=1e-14)
    near = m.prices.copy()
    near[:, free] = 1e-15
    limit = c.best_response(m.value, near, *m.arguments[2:])
    np.testing.assert_allclose(r.profit, limit.profit, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("success", sorted(EXAMPLES))
@pytest.mark.parametrize("exponents", ["two uses", "total one"])
@pytest.mark.parametrize("risk", ["no verification", "verifying use", "verifying use helps"])
def test_worthless_success_leaves_verification_alone(success, exponents, risk):
    """V = 0: only what averts wrong actions is bought, t = τ log(w·rate/(p·τ))."""
    c, m = curve(success, exponents, risk), market(5, 40)
    m.value[:] = 0.0
    r = c.best_response(*m.arguments)
    expected = np.zeros((40, 3))
    if c.risk.verifiable:
        v, tau = c.risk.use, c.risk.tokens
        expected[:, v] = tau * np.log(np.maximum(m.wrong * c.risk.rate / (m.prices[:, v] * tau), 1))
        assert np.any(expected > 0)
    np.testing.assert_allclose(r.tokens, expected, rtol=1e-9, atol=1e-9)
    left = -m.wrong * c.risk.value(expected) - (m.prices * expected).sum(-1)
    np.testing.assert_allclose(r.profit, left, rtol=1e-9)


def test_constant_returns_are_all_or_nothing():
    """Linear with Σα = 1: profit is linear along a ray; break-even decides."""
    c = RequestCurve(Linear(1.0), Effort((1.0,), (100.0,)), ResidualRisk(0.0), (700.0,))
    value, prices = np.array([0.99, 1.01]), np.full((2, 1), 0.01)
    r = c.best_response(value, prices, np.zeros(2))
    np.testing.assert_allclose(r.tokens[:, 0], [0.0, 700.0], atol=1e-9)
    np.testing.assert_allclose(r.profit, [0.0, 0.07], atol=1e-12)


def test_a_table_stops_at_its_kinks():
    """Over a range of prices demand is a staircase: the kinks, and nothing past the last."""
    c = RequestCurve(
        Table((1.0, 2.0), (0.4, 0.6)), Effort((1.0,), (100.0,)), ResidualRisk(0.0), (np.inf,)
    )
    prices = np.array([0.001, 0.0019, 0.0021, 0.0039, 0.0041])[:, None]
    r = c.best_response(np.ones(5), prices, np.zeros(5))
    np.testing.assert_allclose(r.tokens[:, 0], [200.0, 200.0, 100.0, 100.0, 0.0], atol=1e-9)


def test_closed_form_of_one_saturating_use():
    """V·ceiling/(r·scale)·e^{−y} = p."""
    c = RequestCurve(Saturating(0.9, 0.5), Effort((1.0,), (100.0,)), ResidualRisk(0.0), (np.inf,))
    p = np.array([1e-6, 1e-4, 1e-3, 1e-2, 1.0])
    r = c.best_response(np.ones(5), p[:, None], np.zeros(5))
    expected = 50.0 * np.log(np.maximum(0.9 / (50.0 * p), 1.0))
    np.testing.assert_allclose(r.tokens[:, 0], expected, rtol=1e-12, atol=1e-9)


def test_scalars_and_any_shape():
    c, m = curve("saturating", "two uses", "verifying use"), market(6, 12)
    flat = c.best_response(*m.arguments)
    shaped = c.best_response(*(a.reshape(3, 4, *a.shape[1:]) for a in m.arguments))
    np.testing.assert_array_equal(shaped.tokens.reshape(12, 3), flat.tokens)
    one = c.best_response(*(a[5] for a in m.arguments))
    np.testing.assert_allclose(one.tokens, flat.tokens[5], rtol=1e-13)
    np.testing.assert_allclose(one.profit, flat.profit[5], rtol=1e-13)


# --- what the rest of the tree asks of it --------------------------------------------------------


def test_uses_tokens():
    assert curve("saturating", "two uses", "no verification").uses_tokens == (0, 1)
    assert curve("saturating", "two uses", "verifying use").uses_tokens == (0, 1, 2)
    assert curve("constant", "two uses", "verifying use").uses_tokens == (2,)
    assert curve("constant", "two uses", "no verification").uses_tokens == ()


@pytest.mark.parametrize("success", sorted(EXAMPLES))
def test_marginal_is_the_derivative_of_the_worth(success):
    c, m = curve(success, "three uses", "verifying use"), market(7, 30)
    t = np.array(REFERENCES) * np.exp(faces.rng(32).uniform(-1, 1, (30, 3)))
    low, high = c.marginal(t, m.value, m.wrong, m.factor, m.difficulty)
    np.testing.assert_allclose(low, high, rtol=1e-7)
    for j in range(3):
        step = 1e-5 * t * (np.arange(3) == j)
        up, down = profit_at(c, m, t + step), profit_at(c, m, t - step)
        slope = (up - down) / (2e-5 * t[:, j]) + m.prices[:, j]
        np.testing.assert_allclose(low[:, j], slope, rtol=1e-6, atol=1e-11)


def test_marginal_brackets_a_kink():
    c = RequestCurve(
        Table((1.0, 2.0), (0.4, 0.6)), Effort((1.0,), (100.0,)), ResidualRisk(0.0), (np.inf,)
    )
    low, high = c.marginal(np.array([[100.0]]), np.ones(1), np.zeros(1))
    assert low == pytest.approx(0.002, rel=1e-6)
    assert high == pytest.approx(0.004, rel=1e-6)


@pytest.mark.parametrize("success", ["saturating", "power_law", "linear", "table"])
def test_marginal_of_a_use_that_has_nothing(success):
    """Its complements have something: the first token is worth infinitely much."""
    c = curve(success, "two uses", "no verification")
    tokens = np.array([[0.0, 5.0, 0.0], [0.0, 0.0, 0.0]])
    low, high = c.marginal(tokens, np.ones(2), np.ones(2))
    for worth in (low, high):
        np.testing.assert_array_equal(worth[0], [np.inf, 0.0, 0.0])
        np.testing.assert_array_equal(worth[1], [0.0, 0.0, 0.0])


def test_marginal_of_the_first_token_of_a_lone_use():
    c = RequestCurve(Saturating(0.9, 0.5), Effort((1.0,), (100.0,)), ResidualRisk(0.0), (np.inf,))
    low, high = c.marginal(np.zeros((1, 1)), np.full(1, 2.0), np.zeros(1), 0.5, 2.0)
    assert low == high == pytest.approx(2.0 * 0.5 * 0.9 / 0.5 / (2.0 * 100.0))
