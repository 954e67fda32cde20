"""Derivatives of the answer: against closed forms, and against answers solved again."""

from pathlib import Path

import numpy as np
import pytest

import allocate
from allocate.models.parameters import moved, parameters
from allocate.models.reading.decisions import decisions
from allocate.solver.solve import solve
from allocate.solver.studies.sensitivity.optimum import optimum_of
from allocate.solver.studies.sensitivity.slopes import Slopes
from allocate.solver.studies.sensitivity.study import Ask, Unsettled, sensitivity

EXAMPLES = Path(__file__).parents[3] / "examples"
STEP = 1e-4


def slopes_of(name, *overrides):
    solution = allocate.solve(EXAMPLES / f"{name}.yaml", overrides, ranges=False, tolerance=1e-9)
    return solution, Slopes(optimum_of(solution))


@pytest.mark.parametrize("name", ["minimal", "paper_cobb_douglas"])
def test_every_parameter_agrees_with_solving_again(name):
    """All of the product is solved again at both sides: nothing here is shared but the config."""
    solution, slopes = slopes_of(name)
    wanted, left = parameters(solution.loaded)
    assert len(wanted) > 10
    assert not left
    for parameter in wanted:
        found = slopes.of(parameter).both
        assert found is not None, parameter.path
        step = STEP * parameter.value
        ends = []
        for sign in (1, -1):
            config, classes = moved(solution.loaded, {parameter: parameter.value + sign * step})
            loaded = solution.loaded.__class__(
                **{**solution.loaded.__dict__, "config": config, "classes": classes}
            )
            there = solve(loaded, tolerance=1e-9, ranges=False)
            told = decisions(there.built, there.program, there.allocation)
            prices = [p.value for p in there.prices]
            ends.append(np.array([there.welfare, *prices, *(d.value for d in told)]))
        difference = (ends[0] - ends[1]) / (2 * step)
        slope = np.concatenate([[found.welfare], found.prices, found.decisions])
        size = np.maximum(np.abs(ends[0]), 1.0) / parameter.value
        np.testing.assert_allclose(slope / size, difference / size, rtol=1e-4, atol=1e-5)


def test_the_tokens_of_a_budget_move_as_the_closed_form_says():
    """t_i = (α_i/Σα)·B/p_i: elasticity 1 in B, −1 in p_i, and 1 − α_i/Σα in α_i."""
    _, slopes = slopes_of("paper_cobb_douglas")
    names = [d.dotted for d in slopes.told]
    at = names.index("autonomy.task.agent.free.tokens.plan")
    tokens = slopes.told[at].value
    wanted, _ = parameters(slopes.at.loaded)
    known = {p.path: p for p in wanted}

    def elasticity(path):
        side = slopes.of(known[path]).both
        return side.decisions[at] * known[path].value / tokens

    assert elasticity("budgets.money_usd") == pytest.approx(1.0, rel=1e-7)
    assert elasticity("token_uses.plan.price_usd") == pytest.approx(-1.0, rel=1e-7)
    assert elasticity("token_uses.plan.exponent") == pytest.approx(1 - 0.2 / 0.8, rel=1e-7)


def test_at_a_crossover_there_are_two_slopes_and_no_single_one():
    """At V* = 20 both models are as good: a dearer success is worth 0.9, a cheaper one 0.7."""
    solution, slopes = slopes_of("paper_two_models", "classes.task.value_usd=20")
    value = next(p for p in parameters(solution.loaded)[0] if p.path.endswith("value_usd"))
    found = slopes.of(value)
    assert found.both is None
    assert "bends" in found.reason
    assert found.below.welfare == pytest.approx(0.7, rel=1e-6)
    assert found.above.welfare == pytest.approx(0.9, rel=1e-6)


def test_the_switch_is_where_the_other_model_is_as_good():
    solution, slopes = slopes_of("paper_two_models")
    known = {p.path: p for p in parameters(solution.loaded)[0]}
    for path, to in (("classes.task.value_usd", 20), ("models.cheap.quality", 0.5)):
        parameter = known[path]
        found = slopes.of(parameter).switch
        assert parameter.value * (1 + found.change) == pytest.approx(to, rel=1e-6)


def test_a_number_at_its_bound_has_the_slope_of_its_one_side():
    solution, slopes = slopes_of("paper_two_models")
    risk = next(p for p in parameters(solution.loaded)[0] if p.path == "prices.risk_usd")
    found = slopes.of(risk)
    assert (found.both, found.below) == (None, None)
    assert found.above.welfare == pytest.approx(-0.05, rel=1e-6)  # the cheap model's wrong actions


@pytest.mark.slow
def test_where_a_speed_has_to_move_welfare_still_has_its_derivative():
    """More places on a lane that runs where places and busy time meet: worth their price."""
    solution = allocate.solve(EXAMPLES / "fleet.yaml", ranges=False, tolerance=1e-8)
    slopes = Slopes(optimum_of(solution))
    path = "deployments.large_h200.max_batch"
    found = slopes.of(next(p for p in parameters(solution.loaded)[0] if p.path == path))
    price = next(p.value for p in solution.prices if p.resource == path)
    assert price > 0.1
    assert found.both is not None
    assert found.both.welfare == pytest.approx(price, rel=1e-4)
    assert np.all(np.isnan(found.both.prices))
    assert "speed of a lane has to move" in str(found.reason)


def test_large_changes_are_solved_again_and_told_in_words():
    solution = allocate.solve(EXAMPLES / "paper_two_models.yaml", ranges=False)
    document = sensitivity(solution, Ask(only=("models.cheap.quality",))).to_dict()
    (line,) = document["sensitivity"]
    assert line["d_decisions"] == {"autonomy.task.cheap.free.success": pytest.approx(1.0)}
    (change,) = document["sensitivity_about"]["changes"]
    assert "100 % of task moves from cheap (free) to frontier (free)" in change["sentence"]
    assert change["welfare"] == pytest.approx(4.0)


def test_probabilities_move_together():
    loaded = allocate.load(EXAMPLES / "reserved.yaml")
    one = next(p for p in parameters(loaded)[0] if p.path.endswith("slow.probability"))
    config, _ = moved(loaded, {one: 0.4})
    odds = {n: s.probability for n, s in config.uncertainty.scenarios.items()}
    assert odds["slow"] == 0.4
    assert sum(odds.values()) == pytest.approx(1.0)
    assert odds["expected"] / odds["launch"] == pytest.approx(0.5 / 0.2)


def test_what_only_names_or_counts_is_left_out():
    loaded = allocate.load(EXAMPLES / "coding_agent.yaml")
    found, left = parameters(loaded)
    assert {x.path.rpartition(".")[2] for x in left} == {"tokens", "versions"}
    assert not {p.path for p in found} & {x.path for x in left}
    assert "models.gpt5.success.points.1.1" in {p.path for p in found}


def test_an_answer_that_is_not_certified_has_no_slopes():
    solution = allocate.solve(EXAMPLES / "minimal.yaml", ranges=False)
    stopped = solution.__class__(**{**solution.__dict__, "stopped": True})
    with pytest.raises(Unsettled, match="not certified"):
        sensitivity(stopped)
