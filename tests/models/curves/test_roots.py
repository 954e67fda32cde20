"""Wright's ω, and the safeguarded iteration on functions that Newton alone cannot take."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from allocate.models.curves.roots import settle, wright_omega

SPACES = [(np, lambda f: f), (jnp, jax.jit)]
X = np.concatenate([-np.geomspace(1e-3, 650, 400), [0.0, 1.0], np.geomspace(1e-3, 1e15, 400)])


@pytest.mark.parametrize(("xp", "compiled"), SPACES, ids=["numpy", "jax"])
def test_wright_omega_solves_its_equation(xp, compiled):
    from scipy.special import wrightomega

    omega, log_omega = compiled(wright_omega)(xp.asarray(X))
    np.testing.assert_allclose(omega, wrightomega(X), rtol=2e-13)
    np.testing.assert_allclose(omega + log_omega, X, rtol=1e-13, atol=1e-14)


def newton(function, slope):
    return lambda z, data: z - function(z, *data) / slope(z, *data)


@pytest.mark.parametrize(("xp", "compiled"), SPACES, ids=["numpy", "jax"])
@pytest.mark.parametrize("start", [-600.0, -3.0, 0.0, 2.0, 600.0])
def test_roots_where_newton_crawls_or_flies_off(xp, compiled, start):
    roots = np.linspace(-5.0, 5.0, 7)

    def steep(z, r):
        return xp.exp(xp.minimum(z, 690.0)) - xp.exp(r)

    def flat(z, r):
        return xp.arctan(z - r)

    data, first = (xp.asarray(roots),), xp.full(7, start)
    for step in (
        newton(steep, lambda z, r: xp.exp(xp.minimum(z, 690.0))),
        newton(flat, lambda z, r: 1.0 / (1.0 + (z - r) ** 2)),
    ):
        found = compiled(lambda d, s, step=step: settle(step, d, s))(data, first)
        np.testing.assert_allclose(found, roots, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("xp", "compiled"), SPACES, ids=["numpy", "jax"])
def test_what_is_not_a_number_is_not_a_root(xp, compiled):
    """A proposal that is none moves to the middle of the bracket, never settles as it is."""

    def propose(z, data):
        return xp.where(z > 100.0, xp.nan, z - (z - data[0]))

    found = compiled(lambda d, s: settle(propose, d, s))((xp.asarray([3.0]),), xp.asarray([200.0]))
    np.testing.assert_allclose(found, 3.0)
