"""Prices of lanes that the joint answer does not use: the same from any optimal ones."""

from pathlib import Path

import numpy as np
import pytest

from allocate.models.loader import load
from allocate.models.program import Program
from allocate.solver.studies.baselines.bench import Bench
from allocate.solver.studies.baselines.greedy import Knobs
from allocate.solver.studies.diagnosis.stage import stage
from allocate.solver.studies.diagnosis.unused import shared_as_used

FLEET = Path(__file__).parents[3] / "examples" / "fleet.yaml"


@pytest.fixture(scope="module")
def case():
    """Greedy's lane of the large model, at a speed that the joint answer does not use."""
    loaded = load(FLEET)
    on = stage(loaded, {name: [Knobs().utilisation] for name in loaded.config.deployments})
    ground, requests = on.requests(Bench(on.scene, None).outcome("greedy"))
    return ground.program, on.duals(ground.program), requests


def towards(program: Program, duals, requests, last: int):
    """As far towards one row of each running lane as all of them together may go."""
    target = duals.copy()
    for i, rows, made in program.suppliers:
        if requests.levels[i] > 0:
            cost = made @ duals[rows]
            target[rows] = 0.0
            target[rows[last]] = cost / made[last]
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        fits = program.dual(duals + middle * (target - duals)) <= program.dual(duals) + 1e-9
        low, high = (middle, high) if fits else (low, middle)
    return duals + low * (target - duals)


def test_the_proof_stays_and_replicas_still_break_even(case):
    program, duals, requests = case
    found = shared_as_used(program, duals, requests)
    assert program.dual(found) == pytest.approx(program.dual(duals), abs=1e-6)
    assert program.unit_profit(found) == pytest.approx(program.unit_profit(duals), abs=1e-9)
    assert np.all(found >= 0)


def test_replicas_that_run_are_paid_for_by_what_is_full(case):
    """Memory is, on a third of idle time: no share that proves as much leaves less unearned."""
    program, duals, requests = case
    found = shared_as_used(program, duals, requests)
    use = program.usage(requests)
    assert -use @ found < -use @ duals - 1.0


def test_where_the_solver_stopped_does_not_matter(case):
    program, duals, requests = case
    expected = shared_as_used(program, duals, requests)
    for last in (-1, 0):
        other = towards(program, duals, requests, last)
        found = shared_as_used(program, other, requests)
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-6 * expected.max())
        moved = np.abs(other - duals) / np.maximum(duals, 1e-3)
        assert moved.max() > 1e-2  # there was something to choose
