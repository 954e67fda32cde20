"""Prefix reuse: the working set, drift, and the age of hits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from allocate.models.curves import Reuse
from tests.models.curves import faces
from tests.models.curves.faces import positive

any_drift = st.one_of(st.just(0.0), positive(1e-8, 1.0))


@st.composite
def profiles(draw, drift=any_drift):
    steps = draw(
        st.lists(st.tuples(positive(1.0, 1e4), positive(0.01, 1.0)), min_size=1, max_size=6)
    )
    steps.sort(key=lambda p: -p[1] / p[0])  # steepest first: concave
    ages, hits = np.cumsum(np.array(steps), axis=0).T
    top = draw(st.floats(0.1, 1.0))
    return Reuse(tuple(ages), tuple(top * hits / hits[-1]), draw(drift), 1e-5)


kept = st.one_of(st.just(0.0), positive(0.1, 1e5))
CODING = Reuse((60.0, 300.0, 3600.0), (0.85, 0.94, 0.99), 1 / 1800, 1e-6)


def by_quadrature(reuse, theta, integrand):
    """∫₀^θ integrand(z) dh(z), segment by segment."""
    ages, hits = np.array((0.0, *reuse.ages)), np.array((0.0, *reuse.hits))
    total = 0.0
    for a, b, density in zip(ages[:-1], ages[1:], np.diff(hits) / np.diff(ages), strict=True):
        if theta > a:
            total += density * quad(integrand, a, min(b, theta), epsabs=0, epsrel=1e-12)[0]
    return total


def test_found_at_known_points():
    np.testing.assert_allclose(
        CODING.found(np.array([0.0, 30.0, 60.0, 180.0, 3600.0, 1e9])),
        [0.0, 0.425, 0.85, 0.895, 0.99, 0.99],
    )


def test_nothing_kept():
    assert CODING.found(0.0) == CODING.value(0.0) == CODING.hit_age(0.0) == CODING.held(0.0) == 0.0
    assert CODING.mislead(0.0) == 0.0


@given(profiles(), kept, kept)
def test_shapes(reuse, a, b):
    """More retention: more found, more held, at a falling rate."""
    low, middle, high = sorted((a, b))[0], 0.5 * (a + b), sorted((a, b))[1]
    for face in (reuse.found, reuse.value, reuse.held):
        rounding = 1e-12 * (1.0 + face(high))
        assert face(low) <= face(high) + rounding
        assert face(middle) >= 0.5 * (face(low) + face(high)) - rounding
    assert reuse.hit_age(low) <= reuse.hit_age(high) * (1 + 1e-12)
    assert reuse.value(high) <= reuse.found(high) + 1e-15
    assert reuse.held(high) <= high * (1 + 1e-14)


@given(profiles(st.just(0.0)), kept)
def test_without_drift_everything_found_is_good(reuse, theta):
    assert reuse.value(theta) == pytest.approx(reuse.found(theta), rel=1e-13, abs=1e-15)


@given(profiles(st.just(0.0)), positive(0.1, 1e5), positive(1e-8, 1.0), positive(1.001, 100.0))
def test_drift_lowers_value(reuse, theta, drift, factor):
    few, many = (Reuse(reuse.ages, reuse.hits, d).value(theta) for d in (drift, factor * drift))
    assert many < few < reuse.value(theta) * (1 + 1e-15)


@given(profiles(), positive(0.1, 1e5))
def test_value_by_quadrature(reuse, theta):
    expected = by_quadrature(reuse, theta, lambda z: np.exp(-reuse.drift * z))
    assert reuse.value(theta) == pytest.approx(expected, rel=1e-9, abs=1e-13)


@given(profiles(), positive(0.1, 1e5))
def test_hit_age_by_quadrature(reuse, theta):
    expected = by_quadrature(reuse, theta, lambda z: z * np.exp(-reuse.drift * z))
    assert reuse.hit_age(theta) == pytest.approx(expected, rel=1e-9, abs=1e-13)
    assert reuse.mislead(theta) == pytest.approx(1e-5 * expected, rel=1e-9, abs=1e-18)


@pytest.mark.parametrize("drift", [1e-14, 1e-9, 1e-4, 0.0199, 0.0201, 1.0, 50.0])
def test_hit_age_where_its_two_forms_meet(drift):
    """One segment of one second: closed form against series, to rounding."""
    reuse = Reuse((1.0,), (1.0,), drift)
    expected = by_quadrature(reuse, 1.0, lambda z: z * np.exp(-drift * z))
    assert reuse.hit_age(1.0) == pytest.approx(expected, rel=1e-12)


@given(profiles(), positive(0.1, 1e5))
def test_held_by_quadrature(reuse, theta):
    knots = [a for a in reuse.ages if a < theta]
    ends = [0.0, *knots, theta]
    expected = sum(
        quad(lambda z: 1.0 - reuse.found(z), a, b, epsabs=0, epsrel=1e-12)[0]
        for a, b in zip(ends[:-1], ends[1:], strict=True)
    )
    assert reuse.held(theta) == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("theta", [20.0, 60.0, 400.0, 5000.0])
def test_held_and_found_in_a_simulated_cache(theta):
    """Prefixes with the profile's gaps in a cache that drops what is idle for θ seconds.

    A prefix that does not come back is followed by a new one. Requests found, those found
    and still good, and memory·time per request must be the curve's, to sampling error.
    """
    random, n = faces.rng(70), 200_000
    u = random.random(n)
    ages, hits = (0.0, *CODING.ages), (0.0, *CODING.hits)
    gap = np.where(u < hits[-1], np.interp(u, hits, ages), np.inf)
    found, occupied, good, misled = 0, 0.0, 0, 0.0
    changed = random.exponential(1 / CODING.drift, n)  # when the state behind it next changes
    for g, change in zip(gap, changed, strict=True):
        expires = theta  # the touch at time 0 keeps it until then
        if g <= expires:
            found += 1
            occupied += g
            if change > g:
                good += 1
                misled += g
        else:
            occupied += expires
    assert found / n == pytest.approx(CODING.found(theta), rel=5e-3)
    assert good / n == pytest.approx(CODING.value(theta), rel=5e-3)
    assert misled / n == pytest.approx(CODING.hit_age(theta), rel=2e-2)
    assert occupied / n == pytest.approx(CODING.held(theta), rel=2e-2)


def test_held_is_the_working_set_of_a_request_stream():
    """Distinct prefixes seen in the last θ seconds = request rate × held: Denning's identity."""
    random, prefixes, horizon, theta = faces.rng(71), 300, 40_000.0, 150.0
    reuse = Reuse((100.0, 400.0), (0.7, 1.0))
    gaps = np.interp(random.random((prefixes, 600)), (0.0, 0.7, 1.0), (0.0, 100.0, 400.0))
    times = np.cumsum(gaps, axis=1)
    assert times[:, -1].min() > horizon
    probes = np.linspace(5_000.0, horizon, 200)
    distinct = [np.mean(np.any((times <= at) & (times > at - theta), axis=1)) for at in probes]
    rate = np.mean((times > 5_000.0) & (times <= horizon)) * 600 / (horizon - 5_000.0)
    assert np.mean(distinct) == pytest.approx(rate * reuse.held(theta), rel=1e-2)
