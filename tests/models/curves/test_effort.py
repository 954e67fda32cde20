"""The effort index: value, shape, cone against value, the closed form of (8)."""

import cvxpy as cp
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocate.models.curves import Effort
from tests.models.curves import faces
from tests.models.curves.faces import positive

CASES = {
    "one use": Effort((0.6,), (100.0,)),
    "one use, total one": Effort((1.0,), (100.0,)),
    "two uses": Effort((0.3, 0.4), (100.0, 5.0)),
    "two uses, total one": Effort((0.25, 0.75), (100.0, 5.0)),
    "one of three": Effort((0.0, 0.5, 0.0), (100.0, 5.0, 1.0)),
    "four uses": Effort((0.3, 0.2, 0.1, 0.15), (1000.0, 500.0, 20.0, 1.0)),
    "four uses, total one": Effort((0.4, 0.3, 0.2, 0.1), (1000.0, 500.0, 20.0, 1.0)),
    "three of four": Effort((0.4, 0.0, 0.2, 0.1), (1000.0, 500.0, 20.0, 1.0)),
}


@st.composite
def efforts(draw):
    raw = np.array(draw(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=4)))
    total = draw(st.sampled_from([0.3, 0.8, 1.0]))
    references = draw(st.lists(positive(0.1, 1e4), min_size=len(raw), max_size=len(raw)))
    return Effort(tuple(total * raw / raw.sum()), tuple(references))


def bundle(effort, seed, n=None):
    size = (len(effort.exponents),) if n is None else (n, len(effort.exponents))
    return np.exp(faces.rng(seed).uniform(-3.0, 3.0, size)) * np.array(effort.references)


def test_known_values():
    effort = Effort((0.5, 0.25), (100.0, 10.0))
    assert effort.total == 0.75
    assert effort.value(np.array([100.0, 10.0])) == 1.0
    assert effort.value(np.array([400.0, 160.0])) == pytest.approx(4.0)
    assert effort.value(np.array([400.0, 0.0])) == 0.0
    assert effort.value(np.array([0.0, 0.0])) == 0.0
    assert Effort((0.0, 0.0), (1.0, 1.0)).value(np.zeros((3, 2))).tolist() == [1.0] * 3


def test_a_use_without_weight_is_ignored():
    assert CASES["one of three"].value(np.array([0.0, 20.0, 0.0])) == pytest.approx(2.0)


@given(efforts(), st.integers(0, 1000), positive(0.01, 100.0))
def test_homogeneous_of_its_total(effort, seed, factor):
    t = bundle(effort, seed)
    expected = factor**effort.total * effort.value(t)
    assert effort.value(factor * t) == pytest.approx(expected, rel=1e-12)


@given(efforts(), st.integers(0, 1000))
def test_midpoint_concave_and_increasing(effort, seed):
    a, b = bundle(effort, seed, 2)
    ends = 0.5 * (effort.value(a) + effort.value(b))
    assert effort.value(0.5 * (a + b)) >= ends * (1 - 1e-13)
    assert effort.value(np.maximum(a, b)) >= max(effort.value(a), effort.value(b))


@given(efforts(), st.integers(0, 1000), positive(0.1, 10.0), positive(0.1, 10.0))
def test_flow_form_is_jointly_concave(effort, seed, x1, x2):
    a, b = bundle(effort, seed, 2)
    apart = x1 * effort.value(a) + x2 * effort.value(b)
    mixed = (x1 + x2) * effort.value((x1 * a + x2 * b) / (x1 + x2))
    assert mixed >= apart * (1 - 1e-13)


def most_effort(effort, requests, tokens, tolerance=1e-11):
    x, constraints = faces.fixed(requests)
    flows = []
    for column, r in zip(tokens.T, effort.references, strict=True):
        flow, fix = faces.fixed(column / r)  # in units of the reference, as solvers hold it
        flows.append(r * flow)
        constraints += fix
    y = cp.Variable(len(requests), nonneg=True)
    constraints += effort.cone(x, flows, y)
    faces.solve(cp.Maximize(cp.sum(y)), constraints, tolerance)
    return y.value


@pytest.mark.parametrize("name", CASES)
def test_cone_is_the_perspective_of_value(name):
    effort = CASES[name]
    t = bundle(effort, 3, 40)
    x = faces.rng(4).uniform(0.1, 3.0, 40)
    got = most_effort(effort, x, x[:, None] * t)
    np.testing.assert_allclose(got, x * effort.value(t), rtol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_cone_at_the_edges(name):
    """No requests: 0, but Π tokens^α where the exponents sum to 1. No tokens: 0."""
    effort = CASES[name]
    n = len(effort.exponents)
    t = np.array([[2.0] * n, [0.0] * n]) * np.array(effort.references)
    one = [most_effort(effort, np.array([x]), t[[i]], 1e-8) for i, x in enumerate([0.0, 1.0])]
    got = np.concatenate(one)
    at_rest = 2.0 if effort.total > 1 - 1e-12 else 0.0
    np.testing.assert_allclose(got, [at_rest, 0.0], atol=2e-6)


def test_cone_without_uses_is_one_effort_a_request():
    effort = Effort((0.0,), (1.0,))
    got = most_effort(effort, np.array([0.0, 2.0]), np.array([[1.0], [0.0]]))
    np.testing.assert_allclose(got, [0.0, 2.0], atol=1e-8)


def test_budget_shares_are_the_closed_form():
    """max Π t^α at Σ p t = budget: spend α_i/Σα on use i."""
    effort, prices = CASES["four uses"], np.array([1e-3, 2e-3, 0.1, 0.7])
    shares = np.array(effort.exponents) / effort.total
    best = effort.value(shares / prices)
    others = faces.rng(5).dirichlet(np.ones(4), 500)
    near = shares * np.exp(0.01 * faces.rng(6).normal(size=(500, 4)))
    near /= near.sum(-1, keepdims=True)
    assert np.all(effort.value(others / prices) <= best)
    assert np.all(effort.value(near / prices) <= best * (1 + 1e-15))


@pytest.mark.parametrize("name", CASES)
def test_jax_and_numpy_give_the_same_numbers(name):
    t = bundle(CASES[name], 7, 50)
    np.testing.assert_allclose(CASES[name].value(jnp.asarray(t)), CASES[name].value(t), rtol=1e-13)
