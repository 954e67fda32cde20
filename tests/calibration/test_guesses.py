"""Scores and prices of a first config that nobody measured: said, and with their number."""

from pathlib import Path

import pytest

from allocate.models.calibration import models, prices, spans
from allocate.models.calibration.assemble import Draft, assemble
from allocate.models.calibration.guesses import no_price, put_scores, same_as
from allocate.models.calibration.result import Options
from allocate.models.calibration.writing import write
from allocate.models.loader import load

DATA = Path(__file__).parents[1] / "data"


def joined(tmp_path, *runs):
    """The config that ``init`` makes of some runs, loaded, and its draft."""
    from ruamel.yaml import YAML

    for reader, name, settings in runs:
        path = name if isinstance(name, Path) else DATA / name
        write(reader.calibrate([path], Options(settings=settings)), tmp_path / "out")
    config, draft = assemble(tmp_path / "out", tmp_path)
    with (tmp_path / "config.yaml").open("w") as file:
        YAML().dump(config | {"assumed": draft.assumed}, file)
    return load(tmp_path / "config.yaml").config, draft


def test_a_guessed_score_is_the_middle_of_those_that_were_measured():
    draft = Draft()
    measured = {"a": {"quality": 0.3}, "b": {"success": {"points": [[0.5, 0.4], [1.0, 0.6]]}},
                "c": {"quality": 0.9}}  # fmt: skip
    put_scores({"models": {**measured, "new": {}}}, [*measured, "new"], {}, draft)
    assert draft.sections["models"] == {"new": {"quality": 0.6}}
    assert "0.6 is the middle of the 3 that were" in draft.assumed["models.new.quality"]
    draft = Draft()
    put_scores({}, ["new"], {}, draft)
    assert "0.8 is a guess" in draft.assumed["models.new.quality"]


def test_a_constant_beside_token_uses_is_not_had_for_no_tokens(tmp_path):
    config, draft = joined(
        tmp_path, (models, "models/routellm.csv", {}), (spans, "spans/otlp_new.jsonl", {})
    )
    model = config.models["gpt4"]
    assert model.quality is None
    assert model.success is not None
    assert model.success.form == "table"
    assert model.success.points == [(1.0, pytest.approx(0.7167))]
    assert "taken to be those of effort 1" in draft.assumed["models.gpt4.success"]
    known = config.calibrated["models.gpt4.success.points"]
    assert isinstance(known.low, list)
    assert known.low[0] < 0.7167


def test_names_that_may_be_one_model_are_pointed_out(tmp_path):
    board = tmp_path / "board.csv"
    board.write_text(
        "model,test_cases,pass_rate_2\ngpt-5-2025-08-07,225,60\nelse,225,30\nother,225,50\n"
    )
    _, draft = joined(
        tmp_path, (models, board, {}), (prices, "prices/price_map.json", {"models": "gpt-5"})
    )
    said = draft.assumed["models.gpt_5.quality"]
    assert "0.5 is the middle" in said
    assert "`gpt_5_2025_08_07` was scored: if that is the same model" in said
    said = draft.assumed["models.gpt_5_2025_08_07.api"]
    assert "`gpt_5` was priced" in said
    assert "2 and 10 USD" in said
    assert same_as("gpt_4o", ["openai_gpt_4o", "gpt4o", "gpt_4", "o3"], "x").count("`") == 4


def test_many_models_without_a_price_are_one_line():
    said = no_price([f"m{i}" for i in range(9)], [], "2 USD")
    assert list(said) == ["models.*.api"]
    assert "m0, m1" in said["models.*.api"]
    assert set(no_price(["a", "b"], [], "2 USD")) == {"models.a.api", "models.b.api"}


def test_a_kind_that_brings_nothing_to_the_config_says_why(tmp_path):
    path = tmp_path / "many.csv"
    rows = "".join(f"m{i},1e-6,2e-6\n" for i in range(51))
    path.write_text("model,input_usd_per_token,output_usd_per_token\n" + rows)
    _, draft = joined(tmp_path, (prices, path, {}))
    [line] = draft.measured
    assert line.startswith("prices: nothing that a config holds, from 51 rows; 51 models have")
    assert "--option models=" in line


def test_a_gpu_that_has_a_price_only_is_no_endless_supply(tmp_path):
    board = tmp_path / "board.csv"
    board.write_text("model,test_cases,pass_rate_2\na,225,60\n")
    config, draft = joined(
        tmp_path, (models, board, {}), (prices, "prices/gpu_prices.csv", {"gpus": "H100"})
    )
    assert config.gpus["h100_sxm"].available == 8
    assert "no lane of h100_sxm was calibrated" in draft.assumed["gpus.*.available"]
