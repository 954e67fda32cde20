"""The best response in JAX: the same numbers as NumPy's, compiled, and in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.models.curves.faces import EXAMPLES
from tests.models.curves.requests import curve, market

NESTED = ("saturating", "table", "constant", "linear")  # a root within a root: slow to compile
CASES = [
    (success, exponents, risk, caps)
    for success in EXAMPLES
    for exponents, risk, caps in [
        ("two uses", "no verification", "no caps"),
        ("three uses", "verifying use", "caps"),
    ]
    if success in NESTED or risk == "no verification"
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: ", ".join(c))
def test_compiled_jax_gives_what_numpy_gives(case):
    c, m = curve(*case), market(50, 50, decades=2.0)
    m.value[:2] = 0.0
    m.wrong[1:3] = 0.0
    if case[3] == "caps":
        m.prices[3, 0] = m.prices[4, 1] = m.prices[0, 2] = 0.0
    expected = c.best_response(*m.arguments)
    made = jax.jit(c.best_response)(*map(jnp.asarray, m.arguments))
    for name in expected._fields:
        a, b = getattr(made, name), getattr(expected, name)
        assert a.dtype == jnp.float64
        if name == "log_revenue":  # e^ℓ is what is used
            a, b = np.exp(a), np.exp(b)
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-100 if name == "tokens" else 1e-12)


def test_compiled_equals_traced_step_by_step():
    c, m = curve("saturating", "two uses", "no verification"), market(51, 10)
    arguments = tuple(map(jnp.asarray, m.arguments))
    plain, compiled = c.best_response(*arguments), jax.jit(c.best_response)(*arguments)
    for a, b in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
