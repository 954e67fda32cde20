"""The judge's geometry: simplices cover the box, and the quadratic bound is the largest value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocate.solver.global_certificate import (
    corners,
    halves,
    quadratic_maximum,
    roots,
)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_first_simplices_fill_the_box(n):
    at = corners(np.arange(1.0, n + 1))
    volume = sum(abs(np.linalg.det(at[list(c[1:])] - at[c[0]])) for c in roots(n))
    assert volume == pytest.approx(np.prod(np.arange(1.0, n + 1)) * len(roots(n)))  # each 1/n!


@given(st.integers(0, 10_000), st.integers(1, 5))
@settings(deadline=None, max_examples=60)
def test_no_mixture_is_above_the_quadratic_maximum(seed, n):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, n)) * rng.choice([1e-3, 1.0, 1e3])
    matrix = matrix + matrix.T + rng.choice([0.0, 1e6])
    best, where = quadratic_maximum(matrix)
    assert where.sum() == pytest.approx(1.0)
    assert np.all(where >= 0)
    assert where @ matrix @ where == pytest.approx(best, rel=1e-9, abs=1e-9)
    for share in rng.dirichlet(np.full(n, 0.5), 400):
        assert share @ matrix @ share <= best + 1e-9 * abs(best)


def test_a_cut_leaves_two_simplices_with_the_whole():
    rng = np.random.default_rng(0)
    points = rng.uniform(size=(5, 3))
    points[4] = 0.3 * points[1] + 0.7 * points[2]

    def volume(cell):
        return abs(np.linalg.det(points[list(cell[1:])] - points[cell[0]]))

    parts = halves((0, 1, 2, 3), 1, 2, 4)
    assert sum(map(volume, parts)) == pytest.approx(volume((0, 1, 2, 3)))
    assert all(volume(p) > 0 for p in parts)
