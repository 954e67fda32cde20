"""Bundles held at an effort: the cheapest, no further than a cap, the same in JAX."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from allocate.models.curves import Effort, RequestCurve, ResidualRisk, Table
from allocate.models.curves.stacked import form_of
from tests.models.curves.requests import market

TABLE = Table((0.5, 1.0, 3.0), (0.3, 0.5, 0.8))
PLAIN = RequestCurve(
    TABLE, Effort((0.6, 0.4, 0.0), (1000.0, 400.0, 50.0)), ResidualRisk(0.02), (np.inf,) * 3
)
CAPPED = replace(PLAIN, caps=(900.0, 500.0, 80.0), risk=ResidualRisk(0.2, 60.0, 2))


@pytest.mark.parametrize("target", TABLE.efforts)
def test_the_bundle_is_the_cheapest_of_its_effort(target):
    c, m = replace(PLAIN, target=target), market(7, 20)
    r = c.best_response(*m.arguments)
    effort = c.effort.value(r.tokens) / m.difficulty
    np.testing.assert_allclose(effort, target, rtol=1e-12)
    np.testing.assert_allclose(r.success, m.factor * TABLE.value(np.array(target)), rtol=1e-12)
    spent = r.tokens * m.prices
    np.testing.assert_allclose(spent[:, 0] / spent[:, 1], 0.6 / 0.4, rtol=1e-12)


@pytest.mark.parametrize("base", [PLAIN, CAPPED], ids=["plain", "caps and risk"])
def test_no_bundle_earns_more_than_the_best_response(base):
    m = market(8, 200)
    best = base.best_response(*m.arguments).profit
    held = [
        replace(base, target=t).best_response(*m.arguments).profit for t in (0.0, *TABLE.efforts)
    ]
    assert np.all(np.max(held, axis=0) <= best + 1e-9 * np.abs(best))
    if base is PLAIN:  # without caps one of the ends is always best
        np.testing.assert_allclose(np.max(held, axis=0), best, rtol=1e-9, atol=1e-12)


def test_a_bundle_stops_at_the_first_cap_and_keeps_its_proportions():
    c, m = replace(CAPPED, target=np.inf), market(9, 50)
    r = c.best_response(*m.arguments)
    at_cap = np.isclose(r.tokens[:, :2], np.array(c.caps[:2]), rtol=1e-12)
    assert at_cap.any(axis=1).all()
    assert np.all(r.tokens <= np.array(c.caps))
    spent = r.tokens * m.prices
    np.testing.assert_allclose(spent[:, 0] / spent[:, 1], 0.6 / 0.4, rtol=1e-9)


@pytest.mark.parametrize("target", [0.0, 1.0, np.inf])
def test_compiled_jax_gives_what_numpy_gives(target):
    c, m = replace(CAPPED, target=target), market(10, 30)
    expected = c.best_response(*m.arguments)
    made = jax.jit(c.best_response)(*map(jnp.asarray, m.arguments))
    for name in ("tokens", "success", "wrong", "profit"):
        a, b = getattr(made, name), getattr(expected, name)
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_bundles_of_different_efforts_are_not_answered_together():
    assert form_of(replace(PLAIN, target=0.5)) != form_of(replace(PLAIN, target=1.0))
