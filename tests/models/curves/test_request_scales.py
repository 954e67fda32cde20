"""Best responses over 24 orders of magnitude, judged by a bound that trusts no root finder."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocate.models.curves import (
    Constant,
    Effort,
    Linear,
    PowerLaw,
    RequestCurve,
    ResidualRisk,
    Saturating,
    ScalingLaw,
    Table,
)
from tests.models.curves.faces import positive
from tests.models.curves.requests import curve, every_case, market

wide = positive(1e-12, 1e12)


@st.composite
def curves(draw):
    """A success curve whose own scale may be anything."""
    s = draw(wide)
    return draw(
        st.sampled_from(
            [
                Saturating(0.9, s),
                PowerLaw(0.95, s, 0.6),
                Linear(s),
                Constant(0.7),
                Table((0.5 * s, s, 2.0 * s), (0.4, 0.6, 0.8)),
                ScalingLaw(0.2, 1.5, 2.0, 0.6, 1.0 / s),
            ]
        )
    )


def money(m_value, r, wrong, prices):
    """What a request moves, USD."""
    return np.abs(m_value * r.success) + wrong * r.wrong + (prices * r.tokens).sum(-1)


def judged(c, arguments, close):
    """The response, whose profit no tokens can beat by more than ``close`` of its money."""
    value, prices, wrong, *_ = arguments
    r = c.best_response(*arguments)
    missed = c.profit_bound(r, *arguments) - r.profit
    assert np.all(np.isfinite(r.profit))
    assert np.all(missed <= close * money(value, r, wrong, prices) + 1e-250)
    return r


@settings(max_examples=300)
@given(
    curves(), st.lists(wide, min_size=4, max_size=4), st.sampled_from([0.05, 0.5, 0.9]),
    st.sampled_from(["none", "apart", "effort"]), wide, st.booleans(),
)  # fmt: skip
def test_nothing_beats_the_response_at_any_scale(success, scales, total, risk, harm, capped):
    value, first, second, tau = scales
    verifying = {"none": None, "apart": 2, "effort": 1}[risk]
    c = RequestCurve(
        success,
        Effort((0.6 * total, 0.4 * total, 0.0), (1.0, 1.0, 1.0)),
        ResidualRisk(0.1, tau if verifying else np.inf, verifying),
        (1e3, 1e3, 1e3) if capped or isinstance(success, Linear) else (np.inf,) * 3,
    )
    prices = np.array([[first, second, 1e-3 * second]])
    judged(c, (np.array([value]), prices, np.array([harm])), 1e-6)


@pytest.mark.parametrize("scale", 10.0 ** np.arange(-12, 13))
def test_a_steep_curve_is_not_declined(scale):
    """USD 1e3 a token, V = 10: at 1e-6 the best is worth 8.997; Newton alone stays at nothing."""
    c = RequestCurve(Saturating(0.9, scale), Effort((0.9,), (1.0,)), ResidualRisk(0.0), (np.inf,))
    r = judged(c, (np.array([10.0]), np.array([[1e3]]), np.zeros(1)), 1e-11)
    t = np.geomspace(1e-14, 1e2, 20001)
    assert r.profit[0] >= np.max(10.0 * c.success.value(t**0.9) - 1e3 * t)
    if scale == pytest.approx(1e-6):
        assert r.profit[0] == pytest.approx(8.99682, rel=1e-5)


@pytest.mark.parametrize("case", every_case(), ids=lambda c: ", ".join(c))
def test_the_bound_is_the_profit_at_the_best_tokens(case):
    c, m = curve(*case), market(60, 300, decades=3.0)
    judged(c, m.arguments, 2e-9)


@pytest.mark.parametrize("case", every_case(), ids=lambda c: ", ".join(c))
@pytest.mark.parametrize("lie", ["half", "twice", "nothing", "rubbish"])
def test_the_bound_holds_whatever_the_tokens(case, lie):
    c, m = curve(*case), market(61, 200)
    r = c.best_response(*m.arguments)
    if lie == "rubbish":
        tokens, ell = np.full_like(r.tokens, np.nan), np.full_like(r.log_revenue, np.nan)
    else:
        factor = {"half": 0.5, "twice": 2.0, "nothing": 0.0}[lie]
        tokens, ell = np.minimum(r.tokens * factor, np.array(c.caps)), r.log_revenue + 1.0
    false = r._replace(tokens=tokens, log_revenue=ell, profit=np.full(200, -np.inf))
    bound = c.profit_bound(false, *m.arguments)
    assert np.all(bound >= r.profit - 1e-12 * money(m.value, r, m.wrong, m.prices))


def test_a_mapped_response_is_the_response():
    c, m = curve("saturating", "three uses", "verifying use", "caps"), market(62, 20)
    arguments = tuple(map(jnp.asarray, m.arguments))
    mapped = jax.jit(jax.vmap(c.best_response))(*arguments)
    for a, b in zip(mapped, c.best_response(*m.arguments), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-100)


def test_blocks_make_no_difference():
    """More requests than are answered at once, in any shape, with arrays still to broadcast."""
    c, m = curve("saturating", "three uses", "verifying use", "caps"), market(63, 30000)
    shaped = [a.reshape(3000, 10, *a.shape[1:]) for a in m.arguments[:3]]
    factor, difficulty = m.factor[:3000, None], m.difficulty[:10]
    r = c.best_response(*shaped, factor, difficulty)
    flat = c.best_response(
        *m.arguments[:3], np.repeat(m.factor[:3000], 10), np.tile(m.difficulty[:10], 3000)
    )
    np.testing.assert_allclose(r.tokens.reshape(-1, 3), flat.tokens, rtol=1e-12)
    np.testing.assert_allclose(r.profit.ravel(), flat.profit, rtol=1e-12, atol=1e-14)
