"""Residual risk and the tail of the loss: value, shape, cone against value."""

import cvxpy as cp
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from allocate.models.curves import ResidualRisk, TailRisk
from tests.models.curves import faces
from tests.models.curves.faces import positive

tokens = st.floats(0.0, 1e5)
risks = st.builds(ResidualRisk, positive(1e-6, 1.0), positive(1.0, 1e4), st.just(1))


def at(t):
    return np.stack([np.full_like(np.asarray(t, float), 7.0), np.asarray(t, float)], -1)


# --- residual risk -----------------------------------------------------------------------------


def test_residual_risk_at_known_points():
    risk = ResidualRisk(0.2, 100.0, 1)
    np.testing.assert_allclose(
        risk.value(at([0.0, 100.0, 100.0 * np.log(4.0)])), [0.2, 0.2 / np.e, 0.05], rtol=1e-14
    )
    assert risk.value(at(1e9)) == 0.0


@pytest.mark.parametrize(
    "risk", [ResidualRisk(0.2), ResidualRisk(0.2, 100.0), ResidualRisk(0.2, np.inf, 1)]
)
def test_nothing_verifies(risk):
    assert not risk.verifiable
    np.testing.assert_array_equal(risk.value(at([0.0, 1e6])), [0.2, 0.2])


def test_no_risk_needs_no_verification():
    assert not ResidualRisk(0.0, 100.0, 1).verifiable


@given(risks, tokens, tokens)
def test_residual_risk_is_decreasing_and_convex(risk, a, b):
    low, middle, high = risk.value(at([min(a, b), 0.5 * (a + b), max(a, b)]))
    assert low >= high >= 0
    assert middle <= 0.5 * (low + high) * (1 + 1e-14)


@given(risks, positive(0.1, 10), tokens, positive(0.1, 10), tokens)
def test_residual_risk_as_a_flow_is_jointly_convex(risk, x1, t1, x2, t2):
    apart = x1 * risk.value(at(t1)) + x2 * risk.value(at(t2))
    mixed = (x1 + x2) * risk.value(at((x1 * t1 + x2 * t2) / (x1 + x2)))
    assert mixed <= apart * (1 + 1e-13)


@pytest.mark.parametrize("risk", [ResidualRisk(0.2, 100.0, 1), ResidualRisk(0.2)])
def test_residual_risk_cone_is_the_perspective_of_value(risk):
    random = faces.rng(10)
    x, t = random.uniform(0.1, 3.0, 40), random.uniform(0.0, 600.0, 40)
    x[:2], t[2:4] = 0.0, 0.0
    flow = np.where(x > 0, x * t, 50.0)
    requests, fix_x = faces.fixed(x)
    verifying, fix_t = faces.fixed(flow / 100.0)
    wrong = cp.Variable(40)
    cone = risk.cone(requests, [None, 100.0 * verifying], wrong)
    faces.solve(cp.Minimize(cp.sum(wrong)), fix_x + fix_t + cone)
    expected = np.where(x > 0, x * risk.value(at(t)), 0.0)
    np.testing.assert_allclose(wrong.value, expected, rtol=1e-7, atol=2e-8)


def test_residual_risk_in_jax():
    risk = ResidualRisk(0.2, 100.0, 1)
    t = at(np.linspace(0, 500, 20))
    np.testing.assert_allclose(risk.value(jnp.asarray(t)), risk.value(t), rtol=1e-14)


# --- tail risk -----------------------------------------------------------------------------------


@st.composite
def tails(draw):
    n = draw(st.integers(1, 8))
    raw = np.array(draw(st.lists(st.floats(0.01, 1.0), min_size=n, max_size=n)))
    losses = np.array(draw(st.lists(st.floats(-100.0, 100.0), min_size=n, max_size=n)))
    return TailRisk(draw(st.floats(0.0, 0.99)), tuple(raw / raw.sum())), losses


def worst_mean(tail, losses):
    """The dual: the largest mean under any reweighting by at most 1/(1 − β)."""
    upper = np.array(tail.probabilities) / (1 - tail.beta)
    made = linprog(
        -losses, A_eq=np.ones((1, len(losses))), b_eq=[1.0], bounds=[(0, u) for u in upper]
    )
    assert made.status == 0
    return -made.fun


@given(tails())
def test_tail_value_is_the_linear_programme(case):
    tail, losses = case
    assert tail.value(losses) == pytest.approx(worst_mean(tail, losses), rel=1e-9, abs=1e-9)


@given(tails())
def test_tail_value_is_rockafellar_uryasev(case):
    """min over η, which is attained at one of the losses."""
    tail, losses = case
    excess = np.maximum(losses - losses[:, None], 0.0) @ np.array(tail.excess_weights)
    assert tail.value(losses) == pytest.approx(np.min(losses + excess), rel=1e-9, abs=1e-9)


@given(tails(), st.floats(-50, 50), positive(0.01, 100.0))
def test_tail_is_a_coherent_measure(case, shift, factor):
    tail, losses = case
    value, other = tail.value(losses), losses[::-1] ** 2 / 100
    close = dict(rel=1e-9, abs=1e-9 * (1 + abs(shift)) * (1 + factor))
    assert tail.value(losses + shift) == pytest.approx(value + shift, **close)
    assert tail.value(factor * losses) == pytest.approx(factor * value, **close)
    assert tail.value(losses + other) <= value + tail.value(other) + 1e-9
    assert tail.value(losses + 1e-3 + other) >= value
    assert np.dot(tail.probabilities, losses) - 1e-9 <= value <= losses.max() + 1e-9


def test_tail_at_known_points():
    tail = TailRisk(0.75, (0.5, 0.3, 0.2))
    assert tail.value([0.0, 10.0, 100.0]) == pytest.approx((0.2 * 100 + 0.05 * 10) / 0.25)
    assert TailRisk(0.0, (0.5, 0.5)).value([2.0, 4.0]) == pytest.approx(3.0)
    assert TailRisk(0.9, (1.0,)).value([7.0]) == pytest.approx(7.0)


def test_tail_cone_is_value():
    for seed in range(4):
        random = faces.rng(11, seed)
        tail = TailRisk(0.25 * seed, tuple(random.dirichlet(np.ones(12))))
        losses = random.lognormal(size=12)
        held, fix = faces.fixed(losses)
        cvar = cp.Variable()
        got = faces.solve(cp.Minimize(cvar), fix + tail.cone(held, cvar))
        assert got == pytest.approx(tail.value(losses), rel=1e-7)
