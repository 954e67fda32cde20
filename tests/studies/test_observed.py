"""What the user's table says is what is allocated; what it does not say is never a zero."""

import json

import pytest

from allocate.errors import DataError
from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from allocate.solver.studies.baselines.greedy import Knobs
from allocate.solver.studies.baselines.observed import observe, read_observed
from tests.solver.cases import api_and_humans, fleet
from tests.studies.cases import scene_of, trainable


@pytest.fixture(scope="module")
def scene():
    return scene_of(api_and_humans())


def observed_on(scene, path, text):
    path.write_text(text)
    allocation, invested, about = observe(scene, read_observed(path, scene.loaded))
    return scene.outcome("observed", allocation, invested, about)


def lines(outcome):
    return {(r["class"], r["model"], r["autonomy"]): r for r in outcome.solution.layers.autonomy}


def test_shares_models_levels_and_tokens_are_the_tables(scene, tmp_path):
    text = (
        "class,model,autonomy,share,requests_per_s,tokens_plan,tokens_edit,tokens_verify\n"
        "ask,cheap,free,0.75,,200,400,0\n"
        "ask,strong,confirm,,0.05,200,400,100\n"
        "commit,strong,confirm,1,,300,600,\n"
        "deploy,,human,1,,,,\n"
    )
    outcome = observed_on(scene, tmp_path / "today.csv", text)
    got = lines(outcome)
    assert set(got) == {
        ("ask", "cheap", "free"),
        ("ask", "strong", "confirm"),
        ("commit", "strong", "confirm"),
        ("deploy", None, "human"),
    }
    assert got["ask", "cheap", "free"]["tokens"] == {"plan": 200, "edit": 400, "verify": 0}
    shares = {(r["class"], r["model"]): r["share"] for r in outcome.solution.layers.router}
    assert shares["ask", "strong"] == pytest.approx(0.05 / 0.2)
    assert shares["ask", "cheap"] == pytest.approx(0.75)


def test_an_empty_cell_is_not_a_zero(scene, tmp_path):
    text = "class,model,autonomy,tokens_plan\ncommit,strong,,250\n"
    outcome = observed_on(scene, tmp_path / "today.csv", text)
    ((key, line),) = lines(outcome).items()
    assert key[2] == "confirm"  # as greedy: it asks
    assert line["tokens"]["plan"] == 250
    assert line["tokens"]["edit"] > 0
    assert line["tokens"]["verify"] > 0
    assumed = " ".join(outcome.about["assumed"])
    assert "tokens_edit where empty" in assumed
    assert "autonomy where empty" in assumed
    assert "tokens_plan" not in assumed


def test_lanes_are_run_as_the_table_says(tmp_path):
    scene = scene_of(fleet())
    text = "class,model,deployment,tpot_ms,share\neasy,own,own_h100,,1\n,,own_h100,16,\n"
    outcome = observed_on(scene, tmp_path / "today.csv", text)
    (lane,) = outcome.solution.layers.serving
    assert lane["tpot_ms"] == pytest.approx(16.0)


def test_what_does_not_fit_is_turned_away_and_said(tmp_path):
    config = fleet()
    config["gpus"]["h100"]["available"] = 0.05
    text = "class,model\neasy,own\nhard,own\n"
    outcome = observed_on(scene_of(config), tmp_path / "today.csv", text)
    assert 0.5 < outcome.about["turned_away"] < 1.0
    shares = [r["share"] for r in outcome.solution.layers.router if r["model"] == "own"]
    assert shares[0] == pytest.approx(shares[1])


@pytest.mark.parametrize("config", [api_and_humans(), fleet(), trainable()])
def test_a_result_of_solve_is_read_back_as_it_was(config, tmp_path):
    solution = solve(load_dict(config), ranges=False)
    path = tmp_path / "result.json"
    path.write_text(json.dumps(solution.to_dict()))
    scene = scene_of(config)
    allocation, invested, _ = observe(scene, read_observed(path, scene.loaded))
    outcome = scene.outcome("observed", allocation, invested, {})
    split = [len(r["lanes"]) > 1 or r["served_by"] == "mixed" for r in solution.layers.router]
    slack = 0.02 if any(split) else 1e-4  # a mean over lanes stands for a split over them
    assert outcome.welfare == pytest.approx(solution.welfare, rel=slack)


def test_training_that_is_not_in_the_table_is_assumed(tmp_path):
    scene = scene_of(trainable())
    outcome = observed_on(scene, tmp_path / "today.csv", "class,model\neasy,own\n")
    assert any("training is not in the table" in text for text in outcome.about["assumed"])
    assert Knobs().training_share > 0
    assert sum(outcome.invested.capability.values()) > 0


def test_training_of_the_table_is_what_is_invested(tmp_path):
    scene = scene_of(trainable())
    text = "class,model,asset,update_tokens\neasy,own,,\n,,sft,200000\n"
    outcome = observed_on(scene, tmp_path / "today.csv", text)
    made = sum(v for k, v in outcome.invested.levels.items() if "update tokens" in k)
    assert made == pytest.approx(200000, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class,model\nakk,cheap\n", "no class `akk`"),
        ("class,modle\nask,cheap\n", "`modle` is not a column"),
        ("class,model,share\nask,cheap,half\n", "not a number"),
        ("class,model,share\nask,cheap,-1\n", "0 or more"),
        ("class,model,share\nask,cheap,1.5\n", "more than all"),
        ("class,model\nask,cheap\nask,strong\n", "says no share"),
        ("deployment\n\n", "no row has a class"),
    ],
)
def test_mistakes_are_said_with_their_place(scene, tmp_path, text, said):
    with pytest.raises(DataError) as caught:
        observed_on(scene, tmp_path / "today.csv", text)
    message = str(caught.value)
    assert said in message
    assert "today.csv" in message


def test_no_file_and_no_kind_of_file(scene, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_observed(tmp_path / "none.csv", scene.loaded)
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(DataError, match="parquet"):
        read_observed(tmp_path / "x.txt", scene.loaded)
