"""Steps on the exact dual: curvature summed by cell, and members that are served in part."""

from __future__ import annotations

import numpy as np
import pytest

from allocate.models.loader import load_dict
from allocate.models.stack import build
from allocate.solver.certificate import certify
from allocate.solver.methods.curvature import add_curvature
from allocate.solver.methods.newton import newton
from allocate.solver.methods.start import first_prices
from benchmarks import robust
from benchmarks.instances import draw


@pytest.mark.parametrize("seed", [174, 179])
def test_members_served_in_part_do_not_hold_the_steps_back(seed: int) -> None:
    # a thousandth of the capacity: members have tiny shares, and their bend counts in full
    # beside their tie. With tangents at one point alone, 200 steps were not enough.
    program = robust.make("scarce", 3, seed)
    found = newton(program, first_prices(program))
    assert found.iterations <= 60
    assert found.allocation is not None
    assert certify(program, found.allocation, found.duals, 1e-8).holds


@pytest.mark.parametrize(
    "traits", [("api", "gpu", "uses", "tenants"), ("api", "gpu", "uses", "caches", "periods")]
)
def test_curvature_by_cell_is_that_of_every_pair(traits: tuple[str, ...]) -> None:
    loaded = load_dict(draw(25, 4, traits))
    program = build(loaded.config, loaded.classes).program
    stream, n_rows = program.streams[0], len(program.rows)
    rng = np.random.default_rng(0)
    member = rng.integers(len(stream.rate), size=60)
    arm = rng.integers(len(stream.arms), size=60)
    columns = stream.columns(rng.uniform(0.001, 0.02, n_rows), member, arm)
    weight = rng.uniform(0, 2, 60) * (rng.random(60) < 0.8)
    found = np.zeros((n_rows, n_rows))
    add_curvature(found, stream, columns, weight)
    bend, use = stream.curvatures(columns), stream.quantity_rows(member, arm, n_rows)[1:]
    meant = sum(
        (use[y].toarray() * weight * bend[:, y, z]) @ use[z].toarray().T
        for y in range(len(use))
        for z in range(len(use))
    )
    assert np.abs(meant).max() > 0
    np.testing.assert_allclose(found, meant, rtol=1e-9, atol=1e-12 * np.abs(meant).max())
