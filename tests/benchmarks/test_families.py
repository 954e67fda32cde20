"""The large families, the general solvers on them, and the record that all of them share."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from allocate.models.program import Allocation
from allocate.models.stream import Flows
from allocate.solver.certificate import certify
from benchmarks import linear, matching, measure, scaled
from benchmarks.__main__ import app
from benchmarks.families import FAMILIES
from benchmarks.repair import repaired

COMMON = list(measure.blank("x", 1, "prices", 1e-6, 0))


def _measured(*arguments: str) -> dict:
    result = CliRunner().invoke(app, ["run", *arguments, "--format", "json"])
    return json.loads(result.output)


@pytest.mark.parametrize(
    "arguments",
    [
        ("synthetic", "--classes", "20", "--rows", "4", "--method", "prices"),
        ("matching_lp", "--classes", "40", "--arms", "5", "--method", "highs-simplex"),
        ("api", "--classes", "2"),
    ],
)
def test_every_record_begins_alike(arguments) -> None:
    record = _measured(*arguments)
    assert list(record)[: len(COMMON)] == COMMON
    assert record["ok"], record
    assert record["peak_memory_mb"] > 10


@pytest.mark.parametrize("name", FAMILIES)
def test_a_seed_gives_the_same_program(name: str) -> None:
    one, same, other = (FAMILIES[name].build(30, 12, 60, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.streams[0].rate, same.streams[0].rate)
    assert np.array_equal(one.streams[0].features, same.streams[0].features)
    assert not np.array_equal(one.streams[0].features, other.streams[0].features)


# --- the examples, scaled -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["coding_agent", "fleet"])
def test_splitting_keeps_rates_and_means(name: str, tmp_path) -> None:
    few = 6 if name == "coding_agent" else 4
    whole = scaled.build(tmp_path, name, few, 0, 0).classes
    split = scaled.build(tmp_path, name, 300, 0, 0).classes
    assert len(split) == 300
    assert split.rate_per_s.sum() == pytest.approx(whole.rate_per_s.sum())
    for column in ("prompt_tokens", "difficulty"):
        means = [np.average(getattr(c, column), weights=c.rate_per_s) for c in (whole, split)]
        assert means[1] == pytest.approx(means[0], rel=1e-9)
    assert (split.rate_per_s == 0).any() or name == "fleet"  # some minutes are empty


def test_tenants_with_budgets_bring_rows() -> None:
    plain, more = (FAMILIES["coding_agent"].build(60, 0, rows, 0) for rows in (0, 25))
    assert len(more.rows) == len(plain.rows) + 25


def test_an_example_cannot_have_fewer_classes_than_it_has() -> None:
    result = CliRunner().invoke(app, ["run", "fleet", "--classes", "2"])
    assert result.exit_code == 2


# --- the matching problem -------------------------------------------------------------------


def test_the_recipe_gives_the_published_optimum() -> None:
    """With load in proportion to worth, full destinations are worth Σ b_j / scale_j."""
    (size, known) = next(iter(matching.KNOWN.items()))
    problem = matching.draw(*size)
    assert len(problem.source) == 100_078
    bound = (problem.capacity / matching.row_scale(problem)).sum()
    assert bound == pytest.approx(known, abs=5e-5)


def test_the_program_is_the_linear_problem() -> None:
    problem = matching.draw(300, 20, 0.3, 3)
    program = matching.program(problem)
    best = matching.optimum(problem)
    stated = linear.Linear.of(program)
    _, x, prices, _ = linear.by_highs(stated, "simplex", 1e-8, 60.0, 1)
    allocation, duals = stated.answer(x, prices)
    proof = certify(program, allocation, duals, 1e-6)
    assert proof.holds
    assert proof.primal == pytest.approx(best, rel=1e-7)
    use = program.usage(allocation) * matching.row_scale(problem)
    assert np.all(use <= problem.capacity * (1 + 1e-6))


def test_profits_of_edges_are_those_of_a_stream() -> None:
    stream = matching.program(matching.draw(12, 4, 0.6, 0)).streams[0]
    prices = np.array([0.0, 0.3, 0.9, 1.5])
    plain = super(matching.Edges, stream).profits(prices)
    np.testing.assert_allclose(stream.profits(prices), plain)


# --- general solvers and repair ---------------------------------------------------------------


def test_a_program_that_bends_is_not_linear() -> None:
    with pytest.raises(linear.NotLinear):
        linear.Linear.of(FAMILIES["synthetic"].build(5, 4, 4, 0))


def test_highs_and_prices_find_the_same() -> None:
    ours = _measured("synthetic_linear", "--classes", "15", "--arms", "8", "--method", "prices")
    theirs = _measured(
        "synthetic_linear", "--classes", "15", "--arms", "8", "--method", "highs-ipm"
    )
    assert ours["ok"]
    assert theirs["ok"]
    assert theirs["welfare"] == pytest.approx(ours["welfare"], rel=1e-7)


def test_repair_brings_an_allocation_inside_every_row() -> None:
    program = FAMILIES["synthetic_linear"].build(20, 8, 20, 0)
    stated = linear.Linear.of(program)
    _, x, prices, _ = linear.by_highs(stated, "simplex", 1e-7, 60.0, 1)
    allocation, duals = stated.answer(x, prices)
    worse = Allocation(
        tuple(f._replace(requests=1.1 * f.requests) for f in allocation.flows),
        0.9 * allocation.levels,
    )
    before = certify(program, worse, duals)
    after = certify(program, repaired(program, worse), duals)
    assert before.max_violation > 0.05
    assert after.max_violation < 1e-9
    assert after.primal < before.dual
    assert after.relative_gap < 0.2


def test_repair_leaves_what_is_feasible() -> None:
    program = matching.program(matching.draw(50, 5, 0.5, 0))
    stream = program.streams[0]
    flows = Flows(np.array([0]), np.array([0]), np.array([1e-9]), np.zeros((1, stream.n_uses)))
    kept = repaired(program, Allocation((flows,), np.zeros(0))).flows[0]
    np.testing.assert_array_equal(kept.requests, flows.requests)


@pytest.mark.slow
def test_cvxpy_states_the_same_program() -> None:
    pytest.importorskip("clarabel")
    ours = _measured("synthetic_linear", "--classes", "4", "--arms", "4", "--method", "prices")
    theirs = _measured("synthetic_linear", "--classes", "4", "--arms", "4", "--method", "clarabel")
    assert theirs["welfare"] == pytest.approx(ours["welfare"], rel=1e-5)
