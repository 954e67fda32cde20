"""Fragments of lanes, models, prices and training together make a config that is valid."""

from pathlib import Path

from allocate.models.calibration import lanes, models, prices, training
from allocate.models.calibration.assemble import assemble
from allocate.models.calibration.result import Options
from allocate.models.calibration.writing import write
from allocate.models.loader import load

DATA = Path(__file__).parents[1] / "data"


def test_four_kinds_make_a_valid_config(tmp_path):
    from ruamel.yaml import YAML

    out = tmp_path / "out"
    runs = [
        (lanes, ["lanes/ttft_tpot.csv"], {}),
        (models, ["models/aider.csv"], {"models": "gpt-5|o3"}),
        (prices, ["prices/gpu_prices.csv", "prices/price_map.json"], {"models": "gpt-5"}),
        (training, ["training/law.csv"], {"size": "32B", "samples": "51200"}),
    ]
    for reader, names, settings in runs:
        paths = [DATA / name for name in names]
        write(reader.calibrate(paths, Options(settings=settings)), out)
    config, draft = assemble(out, tmp_path)
    path = tmp_path / "config.yaml"
    with path.open("w") as file:
        YAML().dump(config | {"assumed": draft.assumed}, file)
    loaded = load(path).config
    assert loaded.models["gpt_5"].api is not None
    assert loaded.models["gpt_5"].api.output_usd_per_mtok == 10
    assert loaded.gpus["h100_sxm"].price_usd_per_h == 2.95
    assert loaded.gpus["b200_sxm"].price_usd_per_h == 5.5  # lists name it B200, engines b200_sxm
    assert loaded.deployments["qwen3_32b_h100_sxm_x2"].alpha_ms > 0
    assert loaded.training is not None
    assert loaded.training.assets["rl"].rollout is not None
    assert "training.assets.rl.rollout" in draft.assumed
