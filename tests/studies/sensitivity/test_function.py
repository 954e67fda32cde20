"""The answer as a function that JAX differentiates."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import allocate
from allocate.errors import SolveError

EXAMPLES = Path(__file__).parents[3] / "examples"
COBB = EXAMPLES / "paper_cobb_douglas.yaml"


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def test_the_gradient_of_welfare_is_the_closed_form():
    """W = V·Q − B with Q = Π (α_i B / (Σα p_i))^α_i, so dW/dB = Σα V Q/B − 1 and dW/dV = Q."""
    f = allocate.differentiable(COBB, ["budgets.money_usd", "classes.task.value_usd"])
    gradient = jax.grad(lambda v: f(v)[0])(f.values)
    alpha = np.array([0.1, 0.2, 0.3, 0.2])
    price = np.array([0.001, 0.005, 0.01, 0.004])
    q = np.prod((alpha / alpha.sum() * 100 / price) ** alpha)
    np.testing.assert_allclose(gradient, [0.8 * 2 * q / 100 - 1, q], rtol=1e-8)


@pytest.mark.slow
def test_jacobian_under_jit_agrees_with_differences_of_solves():
    names = ["budgets.money_usd", "token_uses.read.exponent", "token_uses.edit.price_usd"]
    told = ["welfare", "budgets.money_usd", "autonomy.task.agent.free.tokens.edit"]
    f = allocate.differentiable(COBB, names, told)
    found = jax.jit(jax.jacobian(f))(f.values)
    for j, value in enumerate(f.values):
        step = np.zeros(3)
        step[j] = 1e-5 * value
        ends = [np.asarray(f(f.values + s * step)) for s in (1, -1)]
        np.testing.assert_allclose(found[:, j], (ends[0] - ends[1]) / (2 * step[j]), rtol=1e-6)


@pytest.mark.slow
def test_it_is_part_of_a_larger_computation():
    f = allocate.differentiable(COBB, ["classes.task.value_usd"])
    values = jnp.array([[1.9], [2.0], [2.1]])
    slopes = jax.vmap(jax.grad(lambda v: jnp.log(f(jnp.exp(jnp.log(v)))[0])))(values)
    welfare = np.array([float(f(v)[0]) for v in values])
    np.testing.assert_allclose(slopes[:, 0], (welfare + 100) / values[:, 0] / welfare, rtol=1e-7)


def test_what_has_no_derivative_is_refused():
    config = allocate.load(EXAMPLES / "paper_two_models.yaml", ["classes.task.value_usd=20"])
    f = allocate.differentiable(config, ["classes.task.value_usd"])
    with pytest.raises(SolveError, match="bends"):
        f.value_and_jacobian(f.values)


def test_unknown_names_are_told():
    with pytest.raises(LookupError, match=r"did you mean `classes.task.value_usd`"):
        allocate.differentiable(COBB, ["classes.task.valu_usd"])
    f = allocate.differentiable(COBB, ["classes.task.value_usd"], ["welfar"])
    with pytest.raises(LookupError, match="welfare"):
        f.value_and_jacobian(f.values)
