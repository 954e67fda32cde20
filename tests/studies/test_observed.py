"""What the user's table says is what is allocated; what it does not say is never a zero."""

import json

import pytest

from allocate.errors import DataError
from allocate.models.loader import load_dict
from allocate.solver.solve import solve
from allocate.solver.studies.baselines.greedy import Knobs
from allocate.solver.studies.baselines.observed import observe, read_observed
from allocate.solver.studies.diagnosis.study import diagnose
from tests.solver.cases import api_and_humans, fleet, two_models
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
    assert "not in the table, so not served: `ask`, `deploy`" in assumed


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


@pytest.mark.parametrize(
    "rows",
    [
        "ask,cheap,0.5,\nask,strong,0.508,\n",  # rounded
        "ask,cheap,,0.15\nask,strong,,0.1\n",  # more was logged than the config expects
    ],
)
def test_more_than_all_that_arrives_is_scaled_down_and_said(scene, tmp_path, rows):
    text = f"class,model,share,requests_per_s\n{rows}commit,strong,1,\ndeploy,strong,1,\n"
    outcome = observed_on(scene, tmp_path / "today.csv", text)
    served = sum(r["share"] for r in outcome.solution.layers.router if r["class"] == "ask")
    assert served == pytest.approx(1.0)
    assert any("ask: more than all that arrives" in a for a in outcome.about["assumed"])


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


def rollouts() -> dict:
    """An asset whose rollouts may be of three ages."""
    out = trainable()
    asset = out["training"]["assets"]["sft"]
    asset["update"]["exponent"] = 0.3
    asset["rollout"] = {"exponent": 0.5, "reference_tokens": 5e7, "price_usd_per_mtok": 0.5}
    asset["staleness"] = [
        {"versions": 0, "efficiency": 1.0, "cost": 1.5},
        {"versions": 2, "efficiency": 0.9, "cost": 1.1},
        {"versions": 8, "efficiency": 0.5, "cost": 1.0},
    ]
    return out


@pytest.mark.parametrize(
    ("age", "shares", "said"),
    [
        (0, {0: 1.0}, ""),
        (2, {2: 1.0}, ""),
        (5, {2: 0.5, 8: 0.5}, ""),
        (20, {8: 1.0}, "staleness 20 of `sft`: as 8"),
    ],
)
def test_rollouts_are_as_old_as_the_table_says(tmp_path, age, shares, said):
    text = f"class,model,asset,rollout_tokens,update_tokens,staleness\n,,sft,1e6,2e5,{age}\n"
    outcome = observed_on(scene_of(rollouts()), tmp_path / "today.csv", text + "easy,own,,,,\n")
    got = {
        key.split(" tokens, ")[1].split(" ")[0]: level
        for key, level in outcome.invested.levels.items()
        if "rollout tokens" in key and level > 1.0
    }
    assert got == {str(v): pytest.approx(1e6 * share, rel=1e-3) for v, share in shares.items()}
    assert said in " ".join(outcome.about["assumed"])
    assert bool(said) == ("staleness" in " ".join(outcome.about["assumed"]))


def test_a_staleness_that_is_not_known_is_not_zero(tmp_path):
    text = "class,model,asset,rollout_tokens,update_tokens,staleness\neasy,own,,,,\n"
    scene = scene_of(rollouts())
    unknown = observed_on(scene, tmp_path / "a.csv", text + ",,sft,1e6,2e5,\n")
    fresh = observed_on(scene, tmp_path / "b.csv", text + ",,sft,1e6,2e5,0\n")
    old = observed_on(scene, tmp_path / "c.csv", text + ",,sft,1e6,2e5,8\n")
    assert unknown.welfare == pytest.approx(fresh.welfare)  # the best that the tokens can be
    assert "staleness where empty" in " ".join(unknown.about["assumed"])
    assert "staleness" not in " ".join(fresh.about["assumed"])
    assert old.invested.capability["own"] < 0.9 * fresh.invested.capability["own"]


def test_replicas_beyond_need_are_paid_for(tmp_path):
    config = fleet()
    scene = scene_of(config)
    head = "class,model,deployment,utilisation,replicas\neasy,own,own_h100,,\n"
    needed = observed_on(scene, tmp_path / "a.csv", head + ",,own_h100,0.7,\n")
    (lane,) = needed.solution.layers.serving
    more = lane["replicas"] + 0.5
    table = head + f",,own_h100,0.7,{more}\n"
    outcome = observed_on(scene, tmp_path / "b.csv", table)
    price = config["gpus"]["h100"]["price_usd_per_h"] * lane["gpus"] / lane["replicas"]
    assert needed.welfare - outcome.welfare == pytest.approx(0.5 * price)
    (run,) = outcome.solution.layers.serving
    assert run["replicas"] == pytest.approx(more)


def test_fewer_replicas_than_are_needed_is_said(tmp_path):
    head = "class,model,deployment,utilisation,replicas\neasy,own,own_h100,,\n"
    outcome = observed_on(scene_of(fleet()), tmp_path / "a.csv", head + ",,own_h100,0.7,0.0001\n")
    assert "the table has 0.0001: as many as are needed" in " ".join(outcome.about["assumed"])


def test_more_replicas_than_there_are_gpus_is_said(tmp_path):
    config = fleet()
    head = "class,model,deployment,utilisation,replicas\neasy,own,own_h100,,\n"
    outcome = observed_on(scene_of(config), tmp_path / "a.csv", head + ",,own_h100,0.7,1e6\n")
    assert "fit the config's capacities" in " ".join(outcome.about["assumed"])
    (run,) = outcome.solution.layers.serving
    assert run["gpus"] == pytest.approx(config["gpus"]["h100"]["available"], rel=1e-6)


def test_a_lane_may_be_told_by_period(tmp_path):
    config = fleet()
    config["periods"] = {"day": {"hours": 10}, "night": {"hours": 14, "demand_scale": 0.5}}
    text = (
        "class,model,deployment,period,utilisation,replicas\neasy,own,own_h100,,,\n"
        ",,own_h100,day,0.8,3\n,,own_h100,night,0.4,2\n"
    )
    outcome = observed_on(scene_of(config), tmp_path / "a.csv", text)
    lanes = {r["period"]: r for r in outcome.solution.layers.serving}
    assert {p: r["replicas"] for p, r in lanes.items()} == pytest.approx({"day": 3, "night": 2})
    assert lanes["day"]["tpot_ms"] > lanes["night"]["tpot_ms"]


@pytest.mark.parametrize(
    ("text", "said", "place"),
    [
        ("class,model\nakk,cheap\n", "no class `akk`", ":2:1"),
        ("class,model\nask,chaep\n", "did you mean `cheap`", ":2:5"),
        ("class,modle\nask,cheap\n", "`modle` is not a column", ":1:7"),
        ("class,modle\nask,cheap\n", "did you mean `model`", ":1:7"),
        ("class,model,share\nask,cheap,half\n", "not a number", ":2:11"),
        ("class,model,share\nask,cheap,-1\n", "0 or more", ":2:11"),
        ("class,model,share\nask,cheap,1.5\n", "more than all", ":2:11"),
        ("class,model\nask,cheap\nask,strong\n", "says no share", ":2"),
        ("class,model,replicas\nask,cheap,3\n", "replicas are of a lane", ":2:11"),
        ("class,staleness\nask,3\n", "staleness is of an asset", ":2:5"),
        ("class,model\nask,cheap\n,strong\n", "does not say of what", ":3"),
        ('class,model\n"ask","cheep"\n', "no model `cheep`", ":2:7"),
        ("deployment\n\n", "no row has a class", ""),
    ],
)
def test_mistakes_are_said_with_their_place(scene, tmp_path, text, said, place):
    with pytest.raises(DataError) as caught:
        observed_on(scene, tmp_path / "today.csv", text)
    message = str(caught.value)
    assert said in message
    assert f"today.csv{place}\n" in message + "\n"


def test_an_asset_without_tokens_is_not_an_asset_with_none(tmp_path):
    text = "class,model,asset,rollout_tokens\neasy,own,,\n,,sft,\n"
    with pytest.raises(DataError, match="nothing is said of the tokens of `sft`"):
        observed_on(scene_of(trainable()), tmp_path / "today.csv", text)


def test_no_file_and_no_kind_of_file(scene, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_observed(tmp_path / "none.csv", scene.loaded)
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(DataError, match="parquet"):
        read_observed(tmp_path / "x.txt", scene.loaded)


def must(**of):
    """Two classes, of which one may not be declined."""
    config = two_models()
    config["classes"] = {
        "task": {"rate_per_s": 0.01, "value_usd": 10.0},
        "vital": {"rate_per_s": 0.01, "value_usd": 10.0, "decline": False, **of},
    }
    return config


@pytest.mark.parametrize(
    ("rows", "told", "place"),
    [
        ("task,cheap,1\n", "class `vital` is not in the table, and the config does not", None),
        ("task,cheap,1\nvital,cheap,0.4\n", "the rows of `vital` say where 40 % of it go", (3, 13)),
    ],
)
def test_a_class_that_may_not_be_declined_has_to_be_in_the_table(tmp_path, rows, told, place):
    with pytest.raises(DataError) as error:
        observed_on(scene_of(must()), tmp_path / "today.csv", f"class,model,share\n{rows}")
    (problem,) = error.value.problems
    assert told in problem.message
    assert "decline: true" in (problem.hint or "")
    assert problem.file == str(tmp_path / "today.csv")
    assert ((problem.line, problem.column) if place else problem.line) == place


def test_shares_that_are_short_by_their_rounding_are_all_of_the_class(tmp_path):
    rows = "task,cheap,1\nvital,cheap,0.333\nvital,frontier,0.666\n"
    outcome = observed_on(scene_of(must()), tmp_path / "a.csv", f"class,model,share\n{rows}")
    served = [r["share"] for r in outcome.solution.layers.router if r["class"] == "vital"]
    assert sum(served) == pytest.approx(1.0)
    assert "vital: shares rounded, scaled up to all of it" in outcome.about["assumed"]
    assert outcome.solution.certificate.feasible


def test_what_a_table_may_leave_out_is_a_loss_no_larger_than_the_gap(tmp_path):
    table = tmp_path / "today.csv"
    table.write_text("class,model,share\nvital,frontier,1\n")
    found = diagnose(load_dict(must()), observed=table, least=0.0)
    assert found.gap > 0
    assert found.ledger.total == pytest.approx(found.gap)
    assert all(line.usd_per_hour <= found.gap * (1 + 1e-9) for line in found.ledger.lines)
