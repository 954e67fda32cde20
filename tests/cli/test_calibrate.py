"""``calibrate`` from file to config: what it prints, writes, refuses, and that the rest solves."""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import pytest

from allocate.models.loader import load

DATA = Path(__file__).parents[1] / "data"
AZURE = DATA / "trace" / "azure_code_2023.csv.gz"
MOONCAKE = DATA / "trace" / "mooncake.jsonl"
QWEN = DATA / "reuse" / "qwen.jsonl"
OTLP = DATA / "spans" / "otlp_new.jsonl"


def seen(folder: Path) -> list[str]:
    """Files of a folder that are not hidden."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


KEYS = ["recognised", "rows_used", "rows_dropped", "parameters", "check", "files"]


def test_json_has_the_promised_keys(cli, tmp_path):
    options = ["--option", "until_s=1718", "--option", "check_from_s=1718"]
    ran = cli("calibrate", "trace", AZURE, "--check", AZURE, *options, "--format", "json",
              "--out", tmp_path / "o")  # fmt: skip
    document = json.loads(ran.out)
    assert ran.code == 0
    assert [key for key in document if key in KEYS] == KEYS
    assert document["rows_used"] == 5353
    first = document["parameters"][0]
    assert list(first) == ["name", "value", "low", "high", "unit", "fit"]
    assert list(first["fit"])[:4] == ["method", "rows", "goodness", "seen"]
    names = {p["name"] for p in document["parameters"]}
    wanted = {"arrival_rate_per_s", "mean_input_tokens", "mean_output_tokens", "burstiness"}
    assert wanted <= names
    assert wanted | {"queueing_delay"} <= document["check"].keys()
    assert [Path(f).name for f in document["files"]] == [
        "trace-classes.csv",
        "trace-rates.csv",
        "trace.yaml",
        "calibration.json",
    ]
    for file in document["files"]:
        assert Path(file).is_file()


def test_reuse_checks_name_their_error(cli):
    ran = cli("calibrate", "reuse", QWEN, "--check", QWEN, "--blocks", "10,200", "--format", "json")
    check = json.loads(ran.out)["check"]
    assert [row["blocks"] for row in check["sizes"]] == [10, 200]
    assert check["max_error_points"] >= 0


def test_the_screen_fits_and_says_what_was_left_out(cli, tmp_path):
    path = tmp_path / "log.csv"
    rows = "".join(f"{t},{10 + t},5\n" for t in range(60)) + "x,1,1\n"
    path.write_text("time,input_tokens,output_tokens\n" + rows)
    ran = cli("calibrate", "trace", path)
    assert "60 rows used, 1 dropped: 1 no readable time" in ran.out
    assert "Parameters, with intervals that hold 90% of the time" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
    table = list(
        csv.DictReader(io.StringIO(cli("calibrate", "trace", path, "--format", "csv").out))
    )
    assert table[0]["name"] == "arrival_rate_per_s"
    assert (
        "| arrival\\_rate\\_per\\_s |"
        in cli("calibrate", "trace", path, "--format", "markdown").out
    )


def test_the_kind_is_found_where_one_fits(cli):
    ran = cli("calibrate", OTLP, "--format", "json")
    assert json.loads(ran.out)["kind"] == "spans"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trace"], "no SOURCE is given"),
        (["trace", "none.csv"], "there is no such file"),
        ([QWEN], "fits several kinds: trace (Qwen-Bailian trace (JSON lines, times in s)), reuse"),
        ([Path(__file__)], "of no format that is known"),
        (["trace", AZURE, "--map", "tokens=x"], "not one of the names of --map"),
        (["trace", AZURE, "--map", "timestamp=x"], "there is no column `x`"),
        (["trace", AZURE, "--option", "bursts=1"], "not one of the names of --option"),
        (["reuse", QWEN, "--blocks", "1,x"], "--blocks takes whole numbers"),
        (["spans", MOONCAKE], "0 requests with a model call"),
        (["reuse", AZURE], "not valid JSON"),
    ],
)
def test_what_cannot_start_ends_with_2(cli, arguments, message):
    ran = cli("calibrate", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_a_folder_that_cannot_be_written(cli, tmp_path):
    (tmp_path / "file").write_text("")
    ran = cli("calibrate", "trace", MOONCAKE, "--out", tmp_path / "file")
    assert ran.code == 2
    assert "cannot be written" in ran.err
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "calibration.json").write_text("[]")
    ran = cli("calibrate", "trace", MOONCAKE, "--out", tmp_path / "o")
    assert (ran.code, "not a record of calibrations" in ran.err) == (2, True)
    assert seen(tmp_path / "o") == ["calibration.json"]


def test_nothing_written_names_a_folder(cli, tmp_path):
    home = tmp_path / "home-of-bob"
    home.mkdir()
    shutil.copy(MOONCAKE, home / "log.jsonl")
    cli("calibrate", "trace", home / "log.jsonl", "--out", tmp_path / "o")
    text = "".join(path.read_text() for path in (tmp_path / "o").iterdir())
    assert "log.jsonl" in text
    assert "home-of-bob" not in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    "sources",
    [
        [("trace", MOONCAKE)],
        [("spans", OTLP)],
        [("reuse", QWEN)],
        [("trace", MOONCAKE), ("reuse", QWEN), ("spans", OTLP)],
    ],
    ids=["trace", "spans", "reuse", "all"],
)
def test_init_from_calibrations_solves_with_every_hole_marked(cli, tmp_path, sources):
    folder = tmp_path / "fleet"
    for kind, path in sources:
        assert cli("calibrate", kind, path, "--out", folder).code == 0
    ran = cli("init", tmp_path / "new", "--from", folder)
    assert ran.code == 0
    config = tmp_path / "new" / "config.yaml"
    loaded = load(config)
    told = ran.out
    for path, why in loaded.config.assumed.items():
        assert f"assumed   {path}: {why}" in told
    assert "classes" in loaded.config.assumed
    assert any(path.startswith("models.") for path in loaded.config.assumed)
    solved = cli("solve", config, "--format", "json")
    assert solved.code == 0
    assert json.loads(solved.out)["status"] == "optimal"


def test_init_from_a_folder_without_calibrations(cli, tmp_path):
    ran = cli("init", tmp_path / "new", "--from", tmp_path)
    assert ran.code == 2
    assert "there is no calibration.json in this folder" in ran.err


def spans_of(path: Path, read: int, cached: int, count: int = 200) -> Path:
    """A log of one call a request, one a second, most of it read from a cache."""

    def value(text: object) -> dict[str, str]:
        return {"intValue" if isinstance(text, int) else "stringValue": str(text)}

    told = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": read, "gen_ai.usage.output_tokens": 500,
        "gen_ai.usage.cache_read.input_tokens": cached,
    }  # fmt: skip
    attributes = [{"key": key, "value": value(text)} for key, text in told.items()]
    parts = [
        {"traceId": f"t{i}", "name": "chat", "startTimeUnixNano": str((i + i % 3) * 10**9),
         "endTimeUnixNano": str((i + i % 3 + 1) * 10**9), "attributes": attributes}
        for i in range(count)
    ]  # fmt: skip
    path.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": parts}]}]}))
    return path


def test_init_pays_for_what_spans_read_from_a_cache(cli, tmp_path):
    """99,000 cached tokens a request at 0.125 USD a million: 0.012375 USD each."""
    folder = tmp_path / "f"
    cli("calibrate", "spans", spans_of(tmp_path / "s.json", 100_000, 99_000), "--out", folder)
    cli("calibrate", "prices", DATA / "prices/price_map.json", "--option", "models=gpt-5",
        "--out", folder)  # fmt: skip
    assert cli("init", tmp_path / "n", "--from", folder).code == 0
    config = load(tmp_path / "n/config.yaml").config
    assert config.classes["request"].prefix_tokens == 99_000
    assert config.models["gpt_5"].api.cache_hit == 1.0

    def money(*more):
        ran = cli("solve", tmp_path / "n/config.yaml", "--format", "json", *more)
        return json.loads(ran.out)["objective"]["money"]

    per_h = 3600 * config.classes["request"].rate_per_s
    free = money("--set", "classes.request.prefix_tokens=0")
    assert money() - free == pytest.approx(per_h * 99_000 * 0.125e-6, rel=1e-4)
    missed = money("--set", "models.gpt_5.api.cache_hit=0")
    assert missed - free == pytest.approx(per_h * 99_000 * 1.25e-6, rel=1e-4)


def test_init_carries_the_interval_of_a_measured_rate(cli, tmp_path):
    folder = tmp_path / "f"
    cli("calibrate", "spans", spans_of(tmp_path / "s.json", 100, 0), "--out", folder)
    cli("init", tmp_path / "n", "--from", folder)
    loaded = load(tmp_path / "n/config.yaml").config
    entry = loaded.calibrated["classes.request.rate_per_s"]
    assert entry.value == loaded.classes["request"].rate_per_s
    assert entry.value == float(f"{entry.value:.6g}")
    assert entry.low < entry.value < entry.high
    assert entry.of == "requests_per_s"
    assert entry.seen is not None


def test_one_cache_hit_of_several_models_has_one_error(cli, tmp_path):
    folder = tmp_path / "f"
    cli("calibrate", "trace", MOONCAKE, "--out", folder)
    cli("calibrate", "spans", OTLP, "--out", folder)
    cli("calibrate", "prices", DATA / "prices/price_map.json", "--out", folder)
    cli("init", tmp_path / "n", "--from", folder)
    config = load(tmp_path / "n/config.yaml").config
    hits = {n: m.api.cache_hit for n, m in config.models.items() if m.api}
    assert len(hits) > 1
    assert len(set(hits.values())) == 1
    first, *rest = (f"models.{name}.api.cache_hit" for name in hits)
    assert config.calibrated[first].correlation == dict.fromkeys(rest, 1.0)
    assert all(c.prefix_tokens > 0 and c.prompt_tokens == 0 for c in config.classes.values())
    assert "models.deepseek_chat.api.cache_hit" in config.assumed  # the log has not called it


def test_a_pipe_is_refused_and_says_what_to_do(cli, tmp_path):
    pipe = tmp_path / "p"
    os.mkfifo(pipe)
    for arguments in (["trace", pipe], [pipe], ["models", pipe]):
        ran = cli("calibrate", *arguments)
        assert ran.code == 2
        assert "this is a pipe or a device" in ran.err
        assert "write it into a file first; a .gz file is read as it is" in ran.err
    ran = cli("calibrate", "trace", MOONCAKE, "--check", pipe)
    assert (ran.code, "this is a pipe" in ran.err) == (2, True)
    parquet = tmp_path / "p.parquet"
    os.mkfifo(parquet)
    ran = cli("calibrate", "models", parquet)
    assert (ran.code, "this is a pipe" in ran.err) == (2, True)


def test_a_missing_file_is_said_without_a_kind_too(cli, tmp_path):
    ran = cli("calibrate", tmp_path / "none.csv")
    assert (ran.code, "there is no such file" in ran.err) == (2, True)


def test_a_check_that_compared_nothing_ends_with_1_and_is_written(cli, tmp_path):
    prices, gpus = DATA / "prices/price_map.json", DATA / "prices/gpu_prices.csv"
    for flags in ([], ["-q"]):
        ran = cli("calibrate", "prices", prices, "--check", gpus, "--out", tmp_path / "o", *flags)
        assert ran.code == 1
        assert (tmp_path / "o" / "calibration.json").is_file()
    assert cli("calibrate", "prices", prices, "--check", prices).code == 0
