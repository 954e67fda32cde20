"""A fleet with more members than are held apart by default, yet few for each of its rows."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from allocate.models.loader import load_dict
from allocate.models.program import Program
from allocate.models.stack import build
from allocate.solver.certificate import certify
from allocate.solver.methods import prices as module
from allocate.solver.methods.newton import newton
from allocate.solver.methods.prices import solve_prices
from allocate.solver.methods.start import first_prices


def fleet_of(count: int) -> Program:
    """fleet.yaml with ``count`` classes like its own, at the same demand together."""
    with open("examples/fleet.yaml") as file:
        config = yaml.safe_load(file)
    for of_the_classes in ("assumed", "calibrated"):
        config.pop(of_the_classes)
    rng, kinds = np.random.default_rng(0), list(config["classes"].values())
    classes = {}
    for i in range(count):
        kind = dict(kinds[i % len(kinds)])
        kind["rate_per_s"] *= len(kinds) / count
        kind["value_usd"] *= float(np.exp(rng.normal(0.0, 0.3)))
        classes[f"c{i}"] = kind
    config["classes"] = classes
    loaded = load_dict(config)
    return build(loaded.config, loaded.classes).program


@pytest.fixture(scope="module")
def program() -> Program:
    return fleet_of(100)


def test_a_large_fleet_is_held_apart_from_the_prices_of_a_sample(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SMALL", 120)
    monkeypatch.setattr(module, "_FIRST", 120)
    monkeypatch.setattr(module, "_of_crowd", None)  # its samples have too few members a row
    start = first_prices(program)
    found = solve_prices(program, start)
    assert found.allocation is not None
    proof = certify(program, found.allocation, found.duals)
    assert proof.holds, proof
    assert proof.dual == pytest.approx(newton(program, start).dual, rel=1e-8)
