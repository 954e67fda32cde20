"""Every setting is checked: a wrong one is refused at its flag and never taken for another."""

from pathlib import Path
from typing import get_args

import pytest

from allocate.errors import DataError
from allocate.models.calibration.result import Options
from allocate.models.calibration.running import run
from allocate.models.calibration.settings import choice, number, several, whole
from allocate.models.config import TrainingAsset

DATA = Path(__file__).parents[1] / "data"
AIDER = DATA / "models" / "aider.csv"
GPUS = DATA / "prices" / "gpu_prices.csv"
LITELLM = DATA / "prices" / "litellm_prices.csv"
MOONCAKE = DATA / "trace" / "mooncake.jsonl"
QWEN = DATA / "reuse" / "qwen.jsonl"
LAW = DATA / "training" / "law.csv"
STALENESS = DATA / "training" / "staleness.csv"


BESIDE = {"config.json": ["gpu=h100_sxm", "model=m"]}  # a roofline is of a model and a GPU


def given(**settings: str) -> Options:
    return Options(settings=settings)


@pytest.mark.parametrize(
    ("kind", "path", "setting"),
    [
        ("models", AIDER, "exponent=abc"),
        ("models", AIDER, "exponent=nan"),
        ("models", AIDER, "exponent=0"),
        ("models", AIDER, "models=|"),
        ("training", LAW, "kind=banana"),
        ("training", LAW, "asset=a.b"),
        ("training", LAW, "model=a.b"),
        ("training", LAW, "parameters=many"),
        ("training", LAW, "samples=0"),
        ("training", STALENESS, "base=nan"),
        ("training", STALENESS, "base=129"),
        ("trace", MOONCAKE, "periods=2.5"),
        ("trace", MOONCAKE, "classes=1e9"),
        ("trace", MOONCAKE, "burst_window_s=0"),
        ("trace", MOONCAKE, "time_unit=h"),
        ("reuse", QWEN, "from_s=nan"),
        ("reuse", QWEN, "until_s=soon"),
        ("reuse", QWEN, "time_unit=h"),
        ("reuse", QWEN, "name=a.b"),
        ("prices", GPUS, "node=0"),
        ("prices", GPUS, "node=²"),
        ("prices", GPUS, "spot=banana"),
        ("prices", GPUS, "gpus=no-such"),
        ("prices", LITELLM, "provider=no-such"),
        ("prices", LITELLM, "models=no-such"),
        ("lanes", DATA / "lanes" / "ttft_tpot.csv", "tp=²"),
        ("lanes", DATA / "lanes" / "ttft_tpot.csv", "load=64:4"),
        ("lanes", DATA / "lanes" / "ttft_tpot.csv", "load=²:4"),
        ("lanes", DATA / "lanes" / "config.json", "precision=banana"),
    ],
)
def test_a_wrong_setting_is_refused_at_its_flag(kind, path, setting):
    with pytest.raises(DataError) as caught:
        run(kind, [path], settings=[setting, *BESIDE.get(path.name, [])])
    (problem,) = caught.value.problems
    assert problem.code == "CAL009"
    assert str(problem.file).startswith(f"--option {setting.partition('=')[0]}")


def test_a_kind_that_a_config_does_not_know_is_refused_and_all_others_are_taken():
    kinds = get_args(TrainingAsset.model_fields["kind"].annotation)
    for kind in kinds:
        (asset,) = (
            run("training", [LAW], settings=[f"kind={kind}"])
            .fragment["training"]["assets"]
            .values()
        )
        assert asset["kind"] == kind


def test_a_kind_of_calibration_that_does_not_exist_is_named():
    with pytest.raises(DataError, match="banana"):
        run("banana", [LAW])


@pytest.mark.parametrize("text", ["", "1", "0.5", "1e3"])
def test_a_number_within_its_range_is_taken(text):
    assert number(given(x=text or "0"), "x", 7.0, 0.0, 1e3) == float(text or 0)
    assert number(given(), "x", 7.0) == 7.0


def test_choices_do_not_mind_case_and_lists_do_not_mind_spaces():
    assert choice(given(x="YES"), "x", ("yes", "no")) == "yes"
    assert several(given(x=" a | b"), "x") == ["a", "b"]
    assert whole(given(x="12"), "x") == 12
