"""``calibrate`` from file to config: what it prints, writes, refuses, and that the rest solves."""

import csv
import io
import json
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
