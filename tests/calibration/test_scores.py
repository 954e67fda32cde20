"""Leaderboards: runs with a score and no tokens, and which rows are counted as used."""

from pathlib import Path

import pytest

from allocate.errors import DataError
from allocate.models.calibration import models, prices, training
from allocate.models.calibration.result import Options

DATA = Path(__file__).parents[1] / "data" / "models"


def run(name, **settings):
    return models.calibrate([DATA / name], Options(settings=settings))


BOARD = "model,edit_format,test_cases,pass_rate_1,pass_rate_2,completion_tokens,total_cost\n"


def board(tmp_path, rows, **settings):
    path = tmp_path / "board.csv"
    path.write_text(BOARD + rows)
    return models.calibrate([path], Options(settings=settings))


def test_runs_that_give_a_score_are_used_and_the_others_counted(tmp_path):
    rows = "a,diff,100,,60,,0\nb,diff,100,,40,,2\nc,diff,100,,20,,0\n,diff,100,,9,,1\n"
    found = board(tmp_path, rows)
    assert (found.rows_used, found.rows_dropped) == (3, {"no model, score or number of tasks": 1})
    assert any("2 runs say a cost of 0" in note for note in found.notes)
    found = board(tmp_path, rows, models="a|B")
    assert found.rows_used == 2
    assert found.rows_dropped["not asked for"] == 1
    assert any("1 runs say a cost of 0" in note for note in found.notes)
    with pytest.raises(DataError, match="no run is of gpt5"):
        board(tmp_path, "gpt-5 (high),diff,100,,60,,0\n", models="gpt5")


def test_no_law_is_told_where_no_model_ran_at_two_efforts(tmp_path):
    alone = board(tmp_path, "a,diff,100,,60,,0\nb,diff,100,,40,,2\n")
    assert not any("power" in note for note in alone.notes)
    some = board(tmp_path, "a (low),diff,100,,60,9000,1\na (high),diff,100,,70,90000,1\n"
                           "b,diff,100,,50,9000,1\n")  # fmt: skip
    assert not any("fall with tokens to the power" in note for note in some.notes)
    assert any("1 model ran at efforts that differ" in note for note in some.notes)
    names = [p.name for p in some.parameters]
    assert "a.success.exponent" in names
    assert "b.success.exponent" not in names  # the prior alone
    assert "b.success.coefficient" in names
    notes = run("aider.csv").notes
    assert any("fall with tokens to the power" in note and "models, spread" in note
               for note in notes)  # fmt: skip


def test_scores_beside_curves_are_in_the_fragment():
    found = run("aider.csv")
    kept = found.fragment["models"]
    assert kept["o3_mini_high"]["success"] == {"form": "table", "points": [[1.0, 0.604]]}
    assert kept["gpt_4o_mini_2024_07_18"]["success"]["points"] == [[1.0, 0.036]]
    assert "o3_mini_high" in found.fragment["assumed"]["models.*.success"]
    entry = found.grounds["models.o3_mini_high.success.points"]
    assert entry["low"][0] < 0.604 < entry["high"][0]
    values = {p.name: p.value for p in found.parameters}
    assert values["o3_mini_high.quality"] == pytest.approx(0.604)  # as the board says it


def test_one_score_is_one_number_everywhere(tmp_path):
    found = board(tmp_path, "fp16,diff,132,,71.4,,1\n")  # of 132 tasks that is no whole number
    assert found.value("fp16.quality") == pytest.approx(0.714)
    assert found.fragment["models"]["fp16"]["quality"] == 0.714
    assert found.tables["success"]["success"].to_list() == [pytest.approx(0.714)]


def test_repeated_and_variant_scores_keep_names_apart(tmp_path):
    rows = "a,diff,100,,60,,0\na,whole,100,,40,,2\nb,diff,100,,20,,1\nb,diff,300,,40,,1\n"
    found = board(tmp_path, rows + "o3,diff,100,,70,9000,1\no3 (high),diff,100,,80,,1\n")
    values = {p.name: p.value for p in found.parameters if p.name.endswith("quality")}
    assert values == pytest.approx(
        {"o3_high.quality": 0.8, "a_diff.quality": 0.6, "a_whole.quality": 0.4, "b.quality": 0.35}
    )
    assert set(found.fragment["models"]) == {"o3", "a_diff", "a_whole", "b"}
    assert any("have a curve" in note and "o3_high" in note for note in found.notes)


def test_models_beyond_what_a_config_holds_are_named(tmp_path):
    found = board(tmp_path, "".join(f"m{i},diff,100,,{i},,1\n" for i in range(10, 62)))
    assert len(found.fragment["models"]) == 30
    assert "m61" in found.fragment["models"]  # the best stay
    assert any("left out" in note and "m31, m30" in note for note in found.notes)
    assert found.tables["success"].height == 52
    rows = "".join(f"m{i},diff,100,,{i},,1\n" for i in range(10, 62))
    chosen = board(tmp_path, rows, models="|".join(f"m{i}" for i in range(10, 50)))
    assert len(chosen.fragment["models"]) == 40


def test_tokens_without_first_tries_or_prompts_are_a_use(tmp_path):
    found = board(tmp_path, "a,diff,100,,60,9000,1\n")
    assert found.fragment["models"]["a"]["reference_tokens"] == {"edit": 90.0}


ALL = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize(
    ("kind", "name", "settings"),
    [(models, f"models/{name}", {}) for name in ("aider.csv", "routellm.csv", "routerarena.csv")]
    + [(models, "models/aider.csv", {"models": "gpt-5|o3-mini"}),
       (models, "models/routellm.csv", {"models": "gpt4"}),
       (prices, "prices/gpu_prices.csv", {}), (prices, "prices/gpu_prices.csv", {"gpus": "H100"}),
       (prices, "prices/litellm_config.yaml", {}), (prices, "prices/price_map.json", {}),
       (prices, "prices/litellm_prices.csv", {"models": "gpt-5"}),
       (training, "training/law.csv", {"size": "32B"}),
       (training, "training/staleness.csv", {"base": "29.3"})],
)  # fmt: skip
def test_rows_used_and_dropped_are_the_rows_there_are(kind, name, settings):
    found = kind.calibrate([ALL / name], Options(settings=settings))
    rows = sum(source.rows for source in found.sources)
    assert found.rows_used > 0
    assert found.rows_used + sum(found.rows_dropped.values()) == rows


def test_rows_of_long_outcomes_are_counted_as_rows(tmp_path):
    path = tmp_path / "long.csv"
    lines = [f"{m},{q},{int(q % 3 == 0)}" for q in range(20) for m in ("a", "b")]
    path.write_text("model,query,correct\n" + "\n".join([*lines, "a,20,", "c,20,1"]) + "\n")
    found = models.calibrate([path], Options())
    assert (found.rows_used, sum(found.rows_dropped.values())) == (41, 1)
    some = models.calibrate([path], Options(settings={"models": "A"}))
    assert (some.rows_used, some.rows_dropped["not asked for"]) == (20, 21)
    with pytest.raises(DataError, match="no outcome is of aa"):
        models.calibrate([path], Options(settings={"models": "aa"}))
