"""The price-directed method on crowds: the answer of Newton on all members, and certified."""

from __future__ import annotations

import numpy as np
import pytest

from allocate.models.loader import load_dict
from allocate.models.program import Program
from allocate.models.stack import build
from allocate.solver.certificate import certify
from allocate.solver.methods import prices as module
from allocate.solver.methods.newton import newton
from allocate.solver.methods.prices import solve_prices
from allocate.solver.methods.start import first_prices
from benchmarks.instances import draw


def program_of(seed: int, *traits: str, classes: int = 900) -> Program:
    loaded = load_dict(draw(classes, seed, traits))
    return build(loaded.config, loaded.classes).program


@pytest.fixture
def small_crowds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL", 200)


@pytest.mark.parametrize(
    ("seed", "traits"),
    [
        (1, ("api", "budget", "humans", "risk")),
        (2, ("api", "gpu", "tenants")),
        (3, ("api", "uses", "training")),
    ],
)
def test_a_crowd_gets_the_answer_of_all_members(
    seed: int, traits: tuple[str, ...], small_crowds: None
) -> None:
    program = program_of(seed, *traits)
    start = first_prices(program)
    crowd = solve_prices(program, start)
    assert crowd.allocation is not None
    proof = certify(program, crowd.allocation, crowd.duals)
    assert proof.holds, proof
    whole = newton(program, start)
    assert proof.dual == pytest.approx(whole.dual, rel=2e-6)


def test_a_mass_tie_is_split_and_certified(small_crowds: None) -> None:
    """Two models that differ by the same amount for every class: all switch at one price."""
    n = 600
    classes = {f"c{i}": {"rate_per_s": 1.0, "value_usd": 1.0} for i in range(n)}
    models = {
        "cheap": {"quality": 0.5, "cost_per_task_usd": 0.1},
        "dear": {"quality": 0.9, "cost_per_task_usd": 0.4},
    }
    money = 3600 * n * 0.25  # half of the requests may use the dear model
    config = {
        "version": 1,
        "models": models,
        "classes": classes,
        "budgets": {"money_usd": money},
    }
    loaded = load_dict(config)
    program = build(loaded.config, loaded.classes).program
    found = solve_prices(program, first_prices(program))
    assert found.allocation is not None
    proof = certify(program, found.allocation, found.duals)
    assert proof.holds, proof
    assert proof.primal == pytest.approx(3600 * n * (0.7 - 0.25), rel=1e-6)
    dear = found.allocation.flows[0]
    models_of = np.array([a.labels["model"] for a in program.streams[0].arms])[dear.arm]
    assert dear.requests[models_of == "dear"].sum() == pytest.approx(3600 * n / 2, rel=1e-6)


def test_the_answer_does_not_hang_on_the_seed(small_crowds: None) -> None:
    program = program_of(2, "api", "gpu", "tenants")
    start = first_prices(program)
    values = [solve_prices(program, start, seed=s).dual for s in (0, 1)]
    assert values[0] == pytest.approx(values[1], rel=2e-6)


@pytest.mark.parametrize("rate", [1e3, 1e9, 1e20, 1e45])
def test_a_budget_for_next_to_nothing_of_a_class_is_spent(rate: float) -> None:
    """Of the requests of a class a thousand an hour can be paid, however many there are."""
    config = {
        "version": 1,
        "models": {"m": {"quality": 0.9, "cost_per_task_usd": 0.1}},
        "budgets": {"money_usd": 100.0},
        "classes": {
            "many": {"rate_per_s": rate, "value_usd": 1.0},
            "some": {"rate_per_s": 1.0, "value_usd": 1.0},
        },
    }
    loaded = load_dict(config)
    program = build(loaded.config, loaded.classes).program
    found = solve_prices(program, first_prices(program))
    assert found.allocation is not None
    proof = certify(program, found.allocation, found.duals)
    assert proof.holds, proof
    assert proof.primal == pytest.approx(800.0, rel=1e-9)
