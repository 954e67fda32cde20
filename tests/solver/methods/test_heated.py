"""Straight programs by heat alone: certified, mass ties and all, where it says that it can."""

from __future__ import annotations

import numpy as np
import pytest

from allocate.models.program import Program
from allocate.solver.certificate import certify
from allocate.solver.methods.heated import heated
from allocate.solver.methods.straight import straight
from benchmarks import matching
from benchmarks.families import FAMILIES


def _drawn(seed: int) -> Program:
    rng = np.random.default_rng(seed)
    sources = int(10 ** rng.uniform(1, 3.5))
    destinations = int(10 ** rng.uniform(0.5, min(2.5, np.log10(sources))))
    sparsity = float(10 ** rng.uniform(-1.0, 0))
    return matching.program(matching.draw(sources, destinations, sparsity, seed))


@pytest.mark.parametrize("seed", range(30))
def test_every_matching_is_certified(seed: int) -> None:
    program = _drawn(seed)
    found = heated(program, 1e-6)
    assert certify(program, found.allocation, found.duals, 1e-6).holds


def test_the_published_optimum() -> None:
    (size, known) = next(iter(matching.KNOWN.items()))
    program = matching.program(matching.draw(*size))
    found = heated(program, 1e-6)
    proof = certify(program, found.allocation, found.duals, 1e-6)
    assert proof.holds
    assert proof.max_violation == 0.0
    assert proof.primal == pytest.approx(known, abs=1e-3)
    assert found.passes <= 20


def test_only_straight_programs() -> None:
    assert straight(_drawn(0))
    assert not straight(FAMILIES["synthetic"].build(5, 4, 4, 0))
    assert not straight(FAMILIES["synthetic_linear"].build(5, 4, 4, 0))  # it has lanes
