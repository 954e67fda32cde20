"""What a layer took a unit to cost, and what it costs: by numbers worked out by hand."""

import pytest

from allocate.models.loader import load_dict
from allocate.solver.studies.baselines.observed import observe, read_observed
from allocate.solver.studies.compare import compare
from allocate.solver.studies.wedges import wedges
from tests.solver.cases import two_models
from tests.studies.cases import bench_of, scene_of, trainable

SCARCE = 7.0  # USD per GPU-hour that others would pay on top of the market's price


def by_layer(found):
    return {w.layer: w for w in found}


def test_a_request_costs_its_bill_at_the_price_of_money(tmp_path):
    # half to each model costs (1 + 5) / 2 = 3, all of the budget. The next dollar moves a
    # quarter of a request to the better model and is worth 30 * 0.2 / 4 = 1.5, so the budget's
    # price is 0.5 and a bill of 3 costs 3 * 1.5.
    config = two_models(value=30.0) | {"budgets": {"money_usd": 3.0}}
    table = tmp_path / "today.csv"
    table.write_text("class,model,share\ntask,cheap,0.5\ntask,frontier,0.5\n")
    found = compare(load_dict(config), ["observed"], observed=table, against="observed")
    router = by_layer(found.wedges)["router"]
    assert (router.thought, router.cost) == pytest.approx((3.0, 4.5))
    assert router.to_dict()["wedge"] == pytest.approx(1.5)


def test_risk_is_in_the_full_price_and_not_in_the_bill():
    # one wrong action in a hundred at 20 USD each
    outcome = bench_of(two_models(rho=20.0)).outcome("frontier")
    router = by_layer(wedges(outcome, {}))["router"]
    assert (router.thought, router.cost) == pytest.approx((5.0, 5.2))


def test_a_token_below_the_cap_was_free_and_costs_its_price():
    config = {
        "version": 1,
        "token_uses": {"work": {"exponent": 0.8, "reference_tokens": 1000}},
        "models": {
            "api": {
                "success": {"form": "saturating", "ceiling": 0.9, "scale": 0.5},
                "api": {"input_usd_per_mtok": 3.0, "output_usd_per_mtok": 20.0},
            }
        },
        "classes": {"task": {"rate_per_s": 0.1, "value_usd": 1.0}},
    }
    agent = by_layer(wedges(bench_of(config).outcome("greedy"), {}))["autonomy"]
    assert (agent.thought, agent.cost) == pytest.approx((0.0, 20.0))


def test_scarce_gpus_are_in_the_price_of_serving_and_of_training(tmp_path):
    scene = scene_of(trainable())
    table = tmp_path / "today.csv"
    table.write_text("class,model,asset,update_tokens\neasy,own,,\nhard,own,,\n,,sft,200000\n")
    outcome = scene.outcome("observed", *observe(scene, read_observed(table, scene.loaded)))
    program = outcome.solution.program
    (gpu,) = {program.rows[r].name for s in program.resources if s.kind == "gpu" for r, _ in s.rows}
    found = by_layer(wedges(outcome, {gpu: SCARCE}))
    serving, training = found["serving"], found["training"]
    market = scene.loaded.config.gpus["h100"].price_usd_per_h
    assert (serving.thought, serving.cost) == pytest.approx((market, market + SCARCE))
    hours = 1e6 / (3000.0 * 3600.0)  # of a GPU for a million tokens
    assert (training.thought, training.cost) == pytest.approx(
        (market * hours, (market + SCARCE) * hours)
    )


def test_a_layer_with_nothing_to_decide_has_no_wedge():
    found = by_layer(wedges(bench_of(two_models()).outcome("frontier"), {}))
    for layer in ("serving", "training"):
        assert (found[layer].thought, found[layer].cost) == (None, None)
        assert found[layer].to_dict()["wedge"] is None
