"""The result file: its schema is committed, its reader refuses what it cannot read."""

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from allocate import solve
from allocate.solver.form import Result
from allocate.solver.result import (
    FORMAT_VERSION,
    ResultError,
    check_result,
    read_result,
    result_schema,
    without_answer,
)
from tests.cli.keys import extra
from tests.solver import cases

REFRESH = "allocate schema result --out allocate/schema/result.schema.json"
NO_ANSWER = without_answer("infeasible", config_sha256="0", tolerance=1e-6)


def committed() -> dict:
    return json.loads(files("allocate").joinpath("schema", "result.schema.json").read_text("utf-8"))


def test_the_committed_schema_is_the_generated_one():
    assert committed() == result_schema(), f"refresh it: {REFRESH}"


def test_a_result_follows_the_schema(result):
    jsonschema.validate(result, committed())
    assert check_result(result) == result


def test_a_config_without_an_answer_follows_the_schema():
    jsonschema.validate(NO_ANSWER, committed())
    assert check_result(NO_ANSWER)["objective"]["welfare"] is None


TRAINING = {
    "depreciation_per_h": 0.01,
    "assets": {
        "rl": {
            "model": "strong",
            "gain": {"form": "saturating", "ceiling": 0.02},
            "rollout": {"exponent": 0.5, "reference_tokens": 1e8, "price_usd_per_mtok": 0.5},
        }
    },
}
WORTHLESS = {"rate_per_s": 1.0, "value_usd": 1e-6}
FREE = {"quality": 0.7, "cost_per_task_usd": 0.002}


def whole() -> dict[str, Any]:
    config = cases.fleet()
    for deployment in config["deployments"].values():
        deployment["integer_replicas"] = True
    return config


def training() -> dict[str, Any]:
    return cases.changed(cases.api_and_humans(), training=TRAINING)


def declined() -> dict[str, Any]:
    return {"version": 1, "classes": {"q": WORTHLESS}, "models": {"cheap": FREE}}


@pytest.mark.parametrize(
    "config", [cases.fleet, cases.everything, cases.two_models, whole, training, declined]
)
def test_every_key_that_is_written_stands_in_the_schema(config):
    document = solve(config()).to_dict()
    jsonschema.validate(document, committed())
    assert extra(Result.model_validate(document)) == []


def test_keys_of_an_infeasible_config_stand_in_the_schema():
    document = without_answer(
        "infeasible",
        config_sha256="0",
        tolerance=1e-6,
        conflicts=["budgets.money_usd"],
        infeasibility={"least_give": 0.1, "multipliers": {"budgets.money_usd": 1.0}},
    )
    assert extra(Result.model_validate(document)) == []


def test_new_keys_are_ignored(result):
    result["format_version"] = FORMAT_VERSION.split(".")[0] + ".99"
    result["new"] = 1
    result["prices"][0]["new"] = 1
    assert check_result(result)["new"] == 1


@pytest.mark.parametrize("version", ["2.0", "0.9", None])
def test_another_major_version_is_refused_with_both_named(result, version):
    result["format_version"] = version
    with pytest.raises(ResultError) as caught:
        check_result(result, "old.json")
    assert str(version) in str(caught.value)
    assert FORMAT_VERSION in str(caught.value)
    assert "old.json" in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_are_finite(result, value):
    result["prices"][0]["value"] = value
    with pytest.raises(ResultError, match="prices.0.value"):
        check_result(result)


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_a_file_that_is_no_result_is_refused(tmp_path, text):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(ResultError, match="r.json"):
        read_result(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ResultError, match="cannot be read"):
        read_result(tmp_path / "none.json")


def test_a_written_result_can_be_read(cli, solved, tmp_path):
    cli("solve", "c.yaml", "--out", tmp_path / "r.json")
    assert read_result(tmp_path / "r.json") == solved
