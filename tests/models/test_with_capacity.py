"""A program with another capacity is the program of the config with that capacity."""

import pytest

from allocate.models.loader import load
from allocate.models.stack import build
from allocate.solver.methods.newton import newton
from allocate.solver.methods.start import first_prices

FLEET = "examples/fleet.yaml"
ONE_SPEED = [
    "deployments.small_h100.tpot_ms=[30]",
    "deployments.medium_h100.tpot_ms=[30]",
    "deployments.small_h100_tp2.tpot_ms=[30]",
    "gpus.h100.available=2",
]


def answer(program):
    found = newton(program, first_prices(program))
    assert found.allocation is not None
    return program.welfare(found.allocation), found.dual


@pytest.mark.parametrize("times", [0.5, 1.5, 5.0])
def test_more_gpus_may_all_be_used(times):
    loaded = load(FLEET, ONE_SPEED)
    program = build(loaded.config, loaded.classes).program
    (resource,) = [s for s in program.resources if s.path == "gpus.h100.available"]
    changed = program.with_capacity(resource, times * resource.capacity)
    other = load(FLEET, [*ONE_SPEED, f"{resource.path}={times * resource.capacity}"])
    welfare, dual = answer(changed)
    assert welfare == pytest.approx(dual, rel=1e-7)
    assert welfare == pytest.approx(answer(build(other.config, other.classes).program)[0], rel=1e-7)
