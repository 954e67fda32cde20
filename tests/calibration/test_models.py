"""Leaderboards and outcomes → success curves: formats, recovery, what was left out."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from allocate.errors import DataError
from allocate.models.calibration import models
from allocate.models.calibration.models import leaderboard, outcomes, power_law
from allocate.models.calibration.result import Options

DATA = Path(__file__).parents[1] / "data" / "models"


def run(name, **settings):
    return models.calibrate([DATA / name], Options(settings=settings))


def test_known_curves_lie_in_their_intervals_nine_times_in_ten():
    rng = np.random.default_rng(1)
    hits, count = np.zeros(2), 0
    tokens = np.array([2000.0, 5000.0, 12000.0])
    for _ in range(25):
        truth = [(rng.uniform(0.1, 0.5), max(0.01, rng.normal(0.2, 0.08))) for _ in range(8)]
        runs = []
        for c, s in truth:
            share = 1 - c * (tokens / 5000) ** -s
            solved = rng.binomial(225, np.clip(share, 0, 1)).astype(float)
            runs.append(power_law.Runs(tokens, np.full(3, 225.0), solved))
        pooled = power_law.slopes(runs)
        for (c, s), counts in zip(truth, runs, strict=True):
            fit = power_law.fit(counts, pooled)
            hits += [
                fit.coefficient[1] <= c <= fit.coefficient[2],
                fit.exponent[1] <= s <= fit.exponent[2],
            ]
            count += 1
    assert np.all(hits / count > 0.84), hits / count
    assert np.all(hits / count < 0.97), hits / count


def test_leaderboard_leaves_one_effort_out():
    calibration = run("aider.csv")
    assert calibration.recognised == "Aider leaderboard"
    check = calibration.check
    assert check is not None
    assert check["runs"] >= 10
    assert check["success"]["median_error_points"] < 3.3  # the counting error of 225 tasks
    nearest = check["nearest_run"]["median_error_points"]
    assert check["success"]["median_error_points"] < nearest
    assert check["inside_counting_interval"] >= 0.8


def test_free_is_not_a_price_and_no_tokens_is_no_curve():
    calibration = run("aider.csv")
    table = calibration.tables["success"]
    bare = table.filter(pl.col("completion_tokens").is_null())
    assert bare["model"].to_list() == ["o3_mini_high", "o3_mini_medium", "gpt_4o_mini_2024_07_18"]
    assert bare["curve"].null_count() == 3
    assert table["usd_per_task"].min() > 0


def test_points_bundle_and_time_of_gpt5():
    calibration = run("aider.csv", models="gpt-5")
    model = calibration.fragment["models"]["gpt_5"]
    points = model["success"]["points"]
    assert [p[0] for p in points] == pytest.approx([0.5308, 1, 1.7861], rel=1e-3)
    assert [p[1] for p in points] == pytest.approx([0.813, 0.867, 0.88], abs=5e-4)
    tokens = model["reference_tokens"]
    assert tokens["read"] == pytest.approx(12565.6, rel=1e-3)
    assert tokens["plan"] == pytest.approx(2039.4, rel=1e-3)
    assert tokens["edit"] == pytest.approx(2306.8, rel=1e-3)
    assert tokens["verify"] == pytest.approx(2181.8, rel=1e-3)
    assert calibration.value("gpt_5.tpot_ms") == pytest.approx(15.916, rel=1e-3)
    by_run = {p.name: p for p in calibration.parameters}
    tau = by_run["verify.risk_tokens"]
    assert tau.low < tau.value < tau.high


def test_points_of_a_fragment_are_concave_from_the_origin():
    for model in run("aider.csv").fragment["models"].values():
        points = np.array([[0.0, 0.0], *model["success"]["points"]])
        slopes = np.diff(points[:, 1]) / np.diff(points[:, 0] ** 0.9)
        assert np.all(np.diff(slopes) <= 1e-9)
        assert np.all(slopes >= 0)


def test_a_score_that_falls_with_tokens_is_named(tmp_path):
    path = tmp_path / "board.csv"
    path.write_text(
        "model,test_cases,pass_rate_1,pass_rate_2,prompt_tokens,completion_tokens\n"
        "odd (low),400,50,80,1000000,400000\nodd (high),400,40,60,1000000,1600000\n"
    )
    calibration = models.calibrate([path], Options())
    assert any("disagree" in note and "odd" in note for note in calibration.notes)
    fitted = calibration.state["fits"]["odd"]
    assert fitted.exponent[0] >= 0


def test_outcomes_by_class_and_their_correlation():
    calibration = run("routellm.csv")
    assert calibration.recognised == "outcomes per query"
    assert calibration.rows_used == 180
    table = pl.read_csv(DATA / "routellm.csv")
    share = float(table["gpt4_correct"].mean())
    quality = next(p for p in calibration.parameters if p.name == "gpt4.quality")
    assert quality.value == pytest.approx(share)
    assert quality.low < share < quality.high
    phi = np.corrcoef(table["gpt4_correct"], table["mixtral_correct"])[0, 1]
    assert calibration.value("gpt4.mixtral.failure_correlation") == pytest.approx(phi)
    assert set(calibration.tables["quality_by_class"].columns) == {
        "name",
        "quality.gpt4",
        "quality.mixtral",
    }


def test_known_correlation_lies_in_its_interval_nine_times_in_ten():
    rng = np.random.default_rng(5)
    n, hits = 400, 0
    for _ in range(200):
        hard = rng.random(n) < 0.4
        a = (rng.random(n) < np.where(hard, 0.3, 0.9)).astype(float)
        b = (rng.random(n) < np.where(hard, 0.2, 0.8)).astype(float)
        frame = pl.DataFrame({"class": ["x"] * n, "query": range(n), "a": a, "b": b})
        row = outcomes.correlations(frame).row(0, named=True)
        pa, pb = 0.4 * 0.3 + 0.6 * 0.9, 0.4 * 0.2 + 0.6 * 0.8
        both = 0.4 * 0.06 + 0.6 * 0.72
        true = (both - pa * pb) / np.sqrt(pa * (1 - pa) * pb * (1 - pb))
        hits += row["low"] <= true <= row["high"]
    assert 0.84 <= hits / 200 <= 0.96


def test_shrunk_shares_predict_unseen_queries_better_than_raw(tmp_path):
    rng = np.random.default_rng(6)
    rows = {"train": [], "other": []}
    for kind in range(40):
        p = rng.beta(8, 4)
        for part, count in (("train", 8), ("other", 200)):
            rows[part] += [(f"c{kind}", f"{part}{i}", int(rng.random() < p)) for i in range(count)]
    for part, lines in rows.items():
        text = "subject,query,m_correct\n" + "\n".join(f"{a},{b},{c}" for a, b, c in lines)
        (tmp_path / f"{part}.csv").write_text(text)
    calibration = models.calibrate([tmp_path / "train.csv"], Options())
    check = models.check(calibration, [tmp_path / "other.csv"], Options())["success"]
    assert check["mean_error_points"] < check["mean_error_points_of_raw_shares"]
    assert check["mean_error_points"] < check["mean_error_points_of_model_alone"]


def test_routerarena_scores_between_0_and_1():
    calibration = run("routerarena.csv")
    assert calibration.rows_used == 40
    assert {"haiku3", "gemini2flash"} == set(calibration.fragment["models"])


def test_long_outcomes_by_mapping(tmp_path):
    path = tmp_path / "eval.csv"
    path.write_text("llm,task,ok,kind\na,1,true,x\nb,1,false,x\na,2,1,x\nb,2,1,x\n")
    columns = {"model": "llm", "query": "task", "correct": "ok", "class": "kind"}
    calibration = models.calibrate([path], Options(columns=columns))
    assert calibration.value("a.quality") == 1.0
    assert calibration.value("b.quality") == 0.5


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("query,m_correct\n1,maybe\n", "CAL006", "`maybe`"),
        ("query,m_correct\n1,55\n2,70\n", "CAL008", "not a score"),
        ("model,test_cases,pass_rate_2\na,225,101\n", "CAL006", "out of range"),
        ("model,test_cases,pass_rate_2\na,225,0.8\nb,225,0.7\n", "CAL008", "shares of 1"),
        ("model,test_cases,pass_rate_2\n,225,80\n", "CAL007", "no run"),
        ("model,pass_rate_2,test_cases\na,-3,225\n", "CAL006", "negative"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path, text, code, words):
    path = tmp_path / "f.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        models.calibrate([path], Options())
    (problem,) = caught.value.problems
    assert problem.code == code
    assert words in problem.message


def test_second_try_of_a_run():
    run = {"score_1": 50.0, "score": 75.0, "tasks": 200.0, "completion_tokens": 600000.0}
    found = leaderboard.second_try(run)
    assert found is not None
    assert found["repaired"] == pytest.approx(0.5)
    assert found["tokens"] == pytest.approx(3000 * 0.5 / 1.5)
    assert found["risk_tokens"] == pytest.approx(1000 / np.log(2))


def test_outcomes_of_two_models_of_one_name_stay_apart(tmp_path):
    path = tmp_path / "o.csv"
    rows = "".join(f"{i},{i % 2},{int(i % 4 == 0)},1\n" for i in range(40))
    path.write_text("query,openai/gpt-4o_correct,azure/gpt-4o_correct,o3_correct\n" + rows)
    found = models.calibrate([path], Options())
    kept = {name: m["quality"] for name, m in found.fragment["models"].items()}
    assert kept == {"openai_gpt_4o": 0.5, "azure_gpt_4o": 0.25, "o3": 1.0}
    assert {f"quality.{name}" for name in kept} <= set(found.tables["quality_by_class"].columns)
    names = [p.name for p in found.parameters]
    assert len(names) == len(set(names))
    assert models.check(found, [path], Options())["failure_correlation"]


def test_scores_of_two_models_of_one_name_stay_apart(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("model,test_cases,pass_rate_2\nopenai/gpt-4o,225,60\nazure/gpt-4o,225,40\n")
    found = models.calibrate([path], Options())
    kept = {name: m["quality"] for name, m in found.fragment["models"].items()}
    assert kept == {"openai_gpt_4o": 0.6, "azure_gpt_4o": 0.4}
