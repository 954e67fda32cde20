"""The functions of the package do what the commands of the same name do."""

import json
from pathlib import Path

import pytest

import allocate
from allocate.errors import AllocateError, DataError, SolveError

ROOT = Path(__file__).parents[1]
TWO = ROOT / "examples" / "paper_two_models.yaml"
AIDER = ROOT / "tests" / "data" / "models" / "aider.csv"
LAW = ROOT / "tests" / "data" / "training" / "law.csv"


def test_solve_begins_at_an_earlier_result_or_its_file(tmp_path):
    first = allocate.solve(TWO)
    document = first.to_dict()
    path = tmp_path / "r.json"
    path.write_text(json.dumps(document))
    for earlier in (document, path, str(path)):
        again = allocate.solve(TWO, warm_from=earlier, ranges=False)
        assert again.welfare == pytest.approx(first.welfare, rel=1e-6)
        reused = again.to_dict()["solver"]["reused"]
        assert reused["prices"] == reused["of"] > 0
    with pytest.raises(AllocateError, match="not a result"):
        allocate.solve(TWO, warm_from={"format_version": "1.0"})


def test_solve_says_how_it_goes_on():
    steps = []
    allocate.solve(TWO, progress=steps.append)
    assert any("gap" in step for step in steps)


def test_ranges_are_left_out_where_they_are_not_wanted():
    config = allocate.load(ROOT / "allocate" / "templates" / "toy.yaml")
    assert allocate.solve(config).ranges
    assert not allocate.solve(config, ranges=False).ranges


def test_a_loaded_config_is_final():
    loaded = allocate.load(TWO)
    for twin in (allocate.solve, allocate.compare, allocate.diagnose):
        with pytest.raises(ValueError, match="final"):
            twin(loaded, ["demand.scale=2"])


def test_diagnose_leaves_out_small_findings():
    everything = allocate.diagnose(TWO, least=0.0).to_dict()
    nothing = allocate.diagnose(TWO, least=1e9).to_dict()
    assert nothing["totals"]["findings"] == 0
    assert nothing["totals"]["hidden"] == everything["totals"]["findings"]


def test_calibrate_takes_mappings_and_finds_the_kind():
    found = allocate.calibrate([AIDER], options={"exponent": 0.5})
    assert found.kind == "models"
    assert found.to_dict()["rows_used"] > 0
    assert allocate.calibrate([str(LAW)], "training", options={"asset": "sft"}).fragment[
        "training"
    ]["assets"].keys() == {"sft"}
    with pytest.raises(DataError, match="exponent"):
        allocate.calibrate([AIDER], "models", options={"exponent": "abc"})
    with pytest.raises(DataError, match="banana"):
        allocate.calibrate([AIDER], "banana")


MANY = {
    "version": 1,
    "budgets": {"money_usd": 25},
    "models": {
        "cheap": {"quality": 0.70, "cost_per_task_usd": 0.002},
        "dear": {"quality": 0.92, "cost_per_task_usd": 0.05},
    },
    "classes": {"question": {"rate_per_s": 0.2, "value_usd": 1.0}},
}


@pytest.mark.parametrize("workers", [1, 2])
def test_many_are_solved_in_order_and_what_has_no_answer_says_why(workers):
    changes = [["budgets.money_usd=5"], ["budgets.money_usd=nonsense"], [], ["demand.scale=2"]]
    small, wrong, same, twice = allocate.solve_many(MANY, changes, workers=workers)
    assert isinstance(wrong, AllocateError)
    assert small.welfare < same.welfare < twice.welfare
    alone = [allocate.solve(MANY, c, ranges=False).welfare for c in (changes[0], changes[3])]
    assert [small.welfare, twice.welfare] == pytest.approx(alone, rel=1e-6)
    assert same.to_dict()["solver"]["reused"]["prices"] > 0


@pytest.mark.parametrize("workers", [1, 2])
def test_one_of_many_that_contradicts_itself_names_the_limit(workers):
    shut = ["budgets.money_usd=0", "classes.question.decline=false"]
    (found,) = allocate.solve_many(MANY, [shut], workers=workers)
    assert isinstance(found, SolveError)
    assert any("budgets.money_usd" in said for said in found.conflicts)
