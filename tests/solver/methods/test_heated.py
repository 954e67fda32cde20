"""Straight programs by heat alone: certified, mass ties and all, where it says that it can."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import allocate
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


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_least_share_of_many_classes_is_no_straight_program_and_is_solved(share, tmp_path):
    rng = np.random.default_rng(3)
    n = 3600
    columns = {"rate_per_s": 1e-3 * np.exp(rng.normal(size=n)), "value_usd": rng.uniform(1, 3, n)}
    pl.DataFrame(columns).write_csv(tmp_path / "classes.csv")
    config = {
        "version": 1,
        "models": {
            "cheap": {"quality": 0.7, "cost_per_task_usd": 0.002},
            "dear": {"quality": 0.92, "cost_per_task_usd": 0.05},
        },
        "limits": {"shares": {"s": {"models": ["cheap"], "min_share": share}}},
        "class_table": {"path": str(tmp_path / "classes.csv")},
    }
    solution = allocate.solve(config, method="prices", ranges=False)
    assert solution.status == "optimal"
    # who gains least from the dear model goes to the cheap one, till the share is kept
    rate, value = 3600.0 * columns["rate_per_s"], columns["value_usd"]
    gain = 0.22 * value - 0.048
    order = np.argsort(gain)
    kept = np.cumsum(rate[order]) - share * rate.sum()
    dear = np.clip(kept / rate[order], 0.0, 1.0)
    best = rate @ (0.7 * value - 0.002) + (dear * rate[order]) @ gain[order]
    assert solution.welfare == pytest.approx(best, rel=2e-6)
