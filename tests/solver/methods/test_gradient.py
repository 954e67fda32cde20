"""Gradient ascent: never worse than its start, and the prices are those of the convex program."""

from pathlib import Path

import numpy as np
import pytest

import allocate
from allocate.solver.certificate import certify
from allocate.solver.methods.gradient.climb import climb
from allocate.solver.methods.gradient.form import Form

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def budget():
    return allocate.solve(EXAMPLES / "paper_cobb_douglas.yaml", ranges=False)


def test_the_form_says_what_the_program_says(budget):
    """Free variables of an answer stand for the answer, and have its welfare and its use."""
    import jax

    program, answer = budget.program, budget.allocation
    form = Form.of(program, answer, 1.0)
    with jax.enable_x64(True):
        made = form.made(form.free(answer))
        amounts = form.amounts(made)
        welfare = float(form.welfare(made, amounts))
        over = np.asarray(form.excess(made, amounts)) * form.size
    again = form.allocation(made)
    assert program.welfare(again) == pytest.approx(welfare, rel=1e-12)
    np.testing.assert_allclose(over, program.usage(again) - program.capacity, atol=1e-9)
    assert welfare == pytest.approx(budget.welfare, rel=1e-5)  # a millionth starts declined


@pytest.mark.slow
def test_from_nothing_it_finds_the_convex_answer_and_its_prices(budget):
    """The multipliers are the prices where the exact form is convex."""
    found = climb(
        budget.program, budget.allocation, budget.duals, budget.certificate.dual, 3, cold=True
    )
    assert len(found.seeds) == 3
    for one in found.seeds:
        assert one.welfare == pytest.approx(budget.certificate.dual, rel=1e-9)
        np.testing.assert_allclose(one.duals, budget.duals, rtol=1e-6)


@pytest.mark.slow
def test_it_is_never_worse_than_its_start():
    found = allocate.solve(EXAMPLES / "minimal.yaml", method="gradient", ranges=False)
    convex = allocate.solve(EXAMPLES / "minimal.yaml", ranges=False)
    assert found.welfare >= convex.welfare
    assert found.status == "optimal"
    told = found.to_dict()["solver"]["gradient"]
    assert told["seeds"] == 4
    assert all(gap >= -1e-9 for gap in told["gaps"] if gap is not None)
    judged = certify(found.program, found.allocation, found.duals)
    assert judged.primal == pytest.approx(found.welfare)
