"""Price lists → API models and GPU costs; keys stay in the reader."""

import json
from pathlib import Path

import pytest

from allocate.errors import DataError
from allocate.models.calibration import prices
from allocate.models.calibration.result import Options

DATA = Path(__file__).parents[1] / "data" / "prices"


def run(*names, **settings):
    return prices.calibrate([DATA / name for name in names], Options(settings=settings))


def test_price_map_keeps_text_models_that_have_prices():
    calibration = run("price_map.json")
    assert calibration.recognised == "LiteLLM price map"
    assert calibration.rows_dropped == {
        "not a text model": 1,
        "price of 0: free or not known": 1,
    }
    assert calibration.fragment["models"]["gpt_5"]["api"] == {
        "input_usd_per_mtok": 1.25,
        "cached_input_usd_per_mtok": 0.125,
        "output_usd_per_mtok": 10.0,
    }


def test_table_and_map_agree():
    calibration = run("litellm_prices.csv")
    check = prices.check(calibration, [DATA / "price_map.json"], Options())
    assert check["model_prices"]["compared"] == 6
    assert check["model_prices"]["median_relative_error"] == 0
    assert check["model_prices"]["changed"] == []


def test_config_gives_caps_and_takes_list_prices():
    calibration = run("litellm_config.yaml", "price_map.json")
    models = calibration.fragment["models"]
    assert models["smart"]["api"] == {
        "input_usd_per_mtok": 1.25,
        "cached_input_usd_per_mtok": 0.125,
        "output_usd_per_mtok": 10.0,
        "requests_per_minute": 600.0,
        "tokens_per_minute": 150000.0,
    }
    assert models["cheap"]["api"]["requests_per_minute"] == 60.0
    assert "tokens_per_minute" not in models["cheap"]["api"]
    assert models["own"]["api"]["output_usd_per_mtok"] == 0.8
    assert calibration.rows_dropped["a pattern of names, not a model"] == 1


def test_without_a_list_a_model_without_price_is_named_and_not_free():
    calibration = run("litellm_config.yaml")
    assert set(calibration.fragment["models"]) == {"own"}
    assert any("no price for smart, cheap" in note for note in calibration.notes)


def test_keys_and_addresses_never_leave_the_reader(tmp_path):
    calibration = run("litellm_config.yaml", "price_map.json")
    shown = repr(calibration) + json.dumps(calibration.to_dict()) + repr(calibration.tables)
    for secret in ("sk-", "api_key", "AZURE_KEY", "example.invalid", "master"):
        assert secret not in shown
    broken = tmp_path / "c.yaml"
    broken.write_text("model_list:\n  - litellm_params: {api_key: 'sk-12345\n")
    with pytest.raises(DataError) as caught:
        prices.calibrate([broken], Options())
    assert "sk-12345" not in str(caught.value)


def test_gpu_price_is_the_cheapest_of_a_node():
    calibration = run("gpu_prices.csv")
    gpu = calibration.fragment["gpus"]["h100_sxm"]
    assert gpu == {"price_usd_per_h": 2.95, "label": "H100-SXM"}
    price = next(p for p in calibration.parameters if p.name == "h100_sxm.price_usd_per_h")
    assert price.low <= price.value <= price.high
    assert calibration.fragment["gpus"]["h200_sxm"]["price_usd_per_h"] == 3.5
    single = run("gpu_prices.csv", node="1", gpus="H100-SXM")
    assert set(single.fragment["gpus"]) == {"h100_sxm"}


def test_too_many_models_go_to_the_table_only(tmp_path):
    path = tmp_path / "many.csv"
    rows = "".join(f"m{i},1e-6,2e-6\n" for i in range(51))
    path.write_text("model,input_usd_per_token,output_usd_per_token\n" + rows)
    calibration = prices.calibrate([path], Options())
    assert calibration.tables["models"].height == 51
    assert "models" not in calibration.fragment
    some = prices.calibrate([path], Options(settings={"models": "m1|m7"}))
    assert set(some.fragment["models"]) == {"m1", "m7"}
    with pytest.raises(DataError, match="m99"):
        prices.calibrate([path], Options(settings={"models": "m99"}))


HEADER = "model,input_usd_per_token,output_usd_per_token\n"


@pytest.mark.parametrize(
    ("name", "text", "code", "words"),
    [
        ("a.csv", HEADER + "m,1.25,10\n", "CAL008", "above 0.005 USD per token"),
        ("a.csv", HEADER + "m,-1e-6,1e-6\n", "CAL006", "not a price"),
        ("a.csv", HEADER + "m,=1+1,1e-6\n", "CAL006", "`=1+1`"),
        ("a.csv", HEADER + "m,0,0\n", "CAL007", "no price"),
        ("g.csv", "accelerator,gpus,on_demand_usd_per_gpu_hour\nX,8,4500\n", "CAL008", "4500"),
        ("c.yaml", "model_list: 3 # litellm_params\n", "CAL005", "no model_list"),
        ("p.json", '{"m": {"input_cost_per_token": 1, "litellm_provider": "x"', "CAL003", "early"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path, name, text, code, words):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        prices.calibrate([path], Options())
    assert caught.value.problems[0].code == code
    assert words in caught.value.problems[0].message


def test_deep_and_repeating_yaml_is_refused(tmp_path):
    path = tmp_path / "bomb.yaml"
    lines = ["a: &a [1,2,3,4,5,6,7,8,9]"]
    for i in range(9):
        name, before = chr(98 + i), chr(97 + i)
        lines.append(f"{name}: &{name} [{', '.join(['*' + before] * 9)}]")
    path.write_text("\n".join(["model_list: [] # litellm_params", *lines]))
    with pytest.raises(DataError) as caught:
        prices.calibrate([path], Options())
    assert caught.value.problems[0].code in ("CAL004", "CAL006")


# --- one model, several sellers; one GPU, several spellings ------------------------------------


def written(tmp_path, text, name="p.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_models_of_one_name_are_told_apart_by_who_sells_them(tmp_path):
    entry = {"mode": "chat", "output_cost_per_token": 2e-5}
    book = {
        "openai/gpt-4o": {**entry, "input_cost_per_token": 2.5e-6, "litellm_provider": "openai"},
        "azure/gpt-4o": {**entry, "input_cost_per_token": 5e-6, "litellm_provider": "azure"},
        "o3": {**entry, "input_cost_per_token": 1e-6, "litellm_provider": "openai"},
    }
    found = prices.calibrate([written(tmp_path, json.dumps(book), "p.json")], Options())
    fresh = {k: m["api"]["input_usd_per_mtok"] for k, m in found.fragment["models"].items()}
    assert fresh == {"openai_gpt_4o": 2.5, "azure_gpt_4o": 5.0, "o3": 1.0}
    names = [p.name for p in found.parameters]
    assert len(names) == len(set(names)) == 6
    assert any("openai_gpt_4o, azure_gpt_4o" in note for note in found.notes)
    table = "model,provider,input_usd_per_token,output_usd_per_token\n"
    rows = "gpt-4o,openai,2.5e-6,1e-5\ngpt-4o,azure,5e-6,2e-5\n"
    path = written(tmp_path, table + rows)
    found = prices.calibrate([path], Options())
    assert set(found.fragment["models"]) == {"openai_gpt_4o", "azure_gpt_4o"}
    one = prices.calibrate([path], Options(settings={"models": "azure/gpt-4o"}))
    assert one.fragment["models"]["gpt_4o"]["api"]["input_usd_per_mtok"] == 5.0
    assert prices.check(found, [path], Options())["model_prices"]["changed"] == []


def test_a_model_that_stands_twice_is_counted(tmp_path):
    found = prices.calibrate([written(tmp_path, HEADER + "m,1e-6,2e-6\nm,3e-6,4e-6\n")], Options())
    assert found.fragment["models"]["m"]["api"]["input_usd_per_mtok"] == 3.0
    assert found.rows_dropped == {"named again: the last price counts": 1}
    assert found.rows_used == 1


def test_a_gpu_that_is_written_in_three_ways_costs_what_the_cheapest_does(tmp_path):
    rows = "H100,8,9\nH100-SXM,8,3\nh100_sxm,8,5\n"
    path = written(tmp_path, "accelerator,gpus,usd_per_gpu_h\n" + rows)
    found = prices.calibrate([path], Options())
    assert found.fragment["gpus"] == {"h100_sxm": {"price_usd_per_h": 3.0, "label": "H100-SXM"}}
    [price] = found.parameters
    assert (price.low, price.high, price.fit["rows"]) == (3.0, 9.0, 3)
    some = prices.calibrate([path], Options(settings={"gpus": "H100"}))
    assert some.fragment == found.fragment


@pytest.mark.parametrize("text", ["accelerator,price\nH100,23.6\n",
                                  "accelerator,gpus,price\nH100,,23.6\nH100,0,23.6\n"])  # fmt: skip
def test_the_price_of_an_instance_needs_its_number_of_gpus(tmp_path, text):
    path = written(tmp_path, text)
    with pytest.raises(DataError, match="left out: price of an instance without its number"):
        prices.calibrate([path], Options())
    path.write_text(text + ("A100,8,16\n" if "gpus" in text else "A100,16\n"))
    if "gpus" in text:
        found = prices.calibrate([path], Options())
        assert found.rows_dropped == {"price of an instance without its number of GPUs": 2}
        assert found.fragment["gpus"]["a100_sxm"]["price_usd_per_h"] == 2.0


@pytest.mark.parametrize("field", ["usd_per_gpu_h", "usd_per_h", "spot_usd_per_gpu_h"])
def test_a_price_in_another_unit_is_seen_whatever_its_column_is_called(tmp_path, field):
    path = written(tmp_path, "accelerator,count,cost,price\nX,1,4500,2\n")
    with pytest.raises(DataError, match="4500 USD per hour in `cost`"):
        prices.calibrate([path], Options(columns={field: "cost"}))


def test_prices_per_thousand_tokens_are_refused_and_can_be_told(tmp_path):
    rows = "mini,0.00015,0.0006\nbig,0.0025,0.01\nmiddle,0.001,0.004\n"  # USD per 1,000 tokens
    path = written(tmp_path, HEADER + rows)
    with pytest.raises(DataError, match="half of the output prices are above") as caught:
        prices.calibrate([path], Options())
    problem = caught.value.problems[0]
    assert problem.code == "CAL008"
    assert "USD per token here" in str(problem.hint)
    told = prices.calibrate([path], Options(settings={"per": "1000"}))
    assert told.fragment["models"]["mini"]["api"]["output_usd_per_mtok"] == pytest.approx(0.6)
    assert told.fragment["models"]["big"]["api"]["input_usd_per_mtok"] == pytest.approx(2.5)
    alone = written(tmp_path, HEADER + "o1-pro,1.5e-4,6e-4\n")  # as dear as that
    kept = prices.calibrate([alone], Options(settings={"per": "1"}))
    assert kept.fragment["models"]["o1_pro"]["api"]["output_usd_per_mtok"] == 600


def test_a_missing_column_of_prices_is_named_with_its_unit(tmp_path):
    path = written(tmp_path, "model,input,output\nm,1e-6,2e-6\n")
    with pytest.raises(DataError, match=r"no column was found for input \(USD per input token\)"):
        prices.calibrate([path], Options())


def test_a_model_that_no_list_has_is_told_by_its_nearest_name():
    with pytest.raises(DataError) as caught:
        run("litellm_prices.csv", models="gpt5")
    assert str(caught.value.problems[0].hint) == "did you mean `gpt-5`?"
    with pytest.raises(DataError) as caught:
        run("litellm_prices.csv", models="gpt-5", provider="deepseek")
    assert "another provider" in str(caught.value.problems[0].hint)


def test_a_check_says_nothing_of_what_neither_list_has():
    found = run("gpu_prices.csv")
    check = prices.check(found, [DATA / "gpu_prices.csv"], Options())
    assert "model_prices" not in check
    assert check["gpu_prices"]["compared"] > 0
