"""``allocate plan``: what a person reads, exit codes, advice followed by hand, flags that clash."""

import copy
import csv
import io
import json
from pathlib import Path

import pytest

from tests.models.capacity_cases import bought, scenarios
from tests.solver.cases import everything, fleet

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "plan.json").read_text("utf-8"))
CONFIG = "examples/fleet.yaml"


@pytest.fixture
def planned(monkeypatch):
    """Let ``plan`` answer with a fixed document whatever the config."""
    document = copy.deepcopy(FIXTURE)
    monkeypatch.setattr("allocate.cli.commands.plan.answer", lambda *a, **k: document)
    return document


def write(folder: Path, config: dict) -> Path:
    path = folder / "config.yaml"
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("plan.txt", []),
        ("plan_all.txt", ["--all"]),
        ("plan.md", ["--format", "markdown"]),
        ("plan.csv", ["--format", "csv"]),
        ("plan_resources.csv", ["--format", "csv", "--table", "resources"]),
        ("plan_change.csv", ["--format", "csv", "--table", "change"]),
    ],
)
def test_plan_reads_as_before(cli, planned, golden, name, flags):
    ran = cli("plan", CONFIG, *flags)
    assert ran.code == 0
    assert ran.err == ""
    golden(name, ran.out)


@pytest.mark.parametrize("flags", [[], ["--all"]])
def test_screen_fits_eighty_columns(cli, planned, flags):
    out = cli("plan", CONFIG, *flags).out
    drawn = [x for x in out.splitlines() if not x.startswith("  allocate ")]  # those are typed
    assert max(map(len, drawn)) <= 80


@pytest.mark.parametrize("table", ["resources", "advice", "periods", "sweep", "frontier", "change"])
def test_one_table_alone(cli, planned, table):
    text = cli("plan", CONFIG, "--table", table).out
    assert "Words and columns" not in text
    assert cli("plan", CONFIG, "--table", table, "--format", "markdown").out.startswith("## ")
    lines = list(
        csv.DictReader(io.StringIO(cli("plan", CONFIG, "--table", table, "--format", "csv").out))
    )
    assert lines
    assert all(None not in line for line in lines)


@pytest.mark.parametrize("table", ["advice", "periods", "sweep", "frontier", "change"])
def test_a_table_that_was_not_asked_for_is_empty_and_no_bug(cli, planned, table):
    planned |= {"advice": None, "periods": [], "axes": [], "sweep": [], "sweep_about": None}
    planned |= {"frontier": None, "change": None}
    assert "no such lines" in cli("plan", CONFIG, "--table", table).out
    for kind in ("csv", "markdown"):
        assert cli("plan", CONFIG, "--table", table, "--format", kind).code == 0


def test_nothing_to_advise_is_said(cli, planned):
    planned["advice"] = []
    assert "Nothing to advise" in cli("plan", CONFIG).out


def test_stopped_is_marked_with_what_is_finished(cli, planned):
    planned["status"] = "stopped"
    planned["sweep_about"] |= {"finished": 3, "points": 9, "stopped": True}
    ran = cli("plan", CONFIG)
    assert ran.code == 4
    assert "stopped: what follows is what is finished" in ran.out
    assert "The sweep was stopped: 3 of 9 points." in ran.out


def test_a_name_from_a_config_stays_text(cli, planned):
    planned["advice"][0]["text"] = "buy \x1b[31mred\x1b[0m [bold]x[/bold]"
    out = cli("plan", CONFIG).out
    assert "\x1b" not in out
    assert "[bold]x[/bold]" in out


def test_json_is_the_document(cli, planned):
    assert json.loads(cli("plan", CONFIG, "--format", "json").out) == planned


@pytest.mark.slow
def test_advice_followed_by_hand_gives_its_gain(cli, tmp_path):
    config = write(tmp_path, everything())
    out = tmp_path / "plan.json"
    ran = cli("plan", config, "--out", out)
    assert ran.code == 0, ran.err
    document = json.loads(out.read_text("utf-8"))
    assert document["advice"]
    now = json.loads(cli("solve", config, "--format", "json").out)["objective"]["welfare"]
    for advice in document["advice"]:
        flags = [x for path, value in advice["set"].items() for x in ("--set", f"{path}={value}")]
        then = json.loads(cli("solve", config, "--format", "json", *flags).out)["objective"]
        assert then["welfare"] - now == pytest.approx(advice["gain_usd_per_hour"], rel=1e-2)


def test_the_command_that_is_offered_follows_the_best_advice(cli, tmp_path):
    config = write(tmp_path, fleet())
    out = cli("plan", config).out
    offered = next(x for x in out.splitlines() if x.startswith("  allocate solve"))
    command = offered.partition("#")[0].split()[1:]
    ran = cli(*command, "--format", "json")
    assert ran.code == 0
    gain = json.loads(cli("plan", config, "--format", "json").out)["advice"][0]
    welfare = json.loads(ran.out)["objective"]["welfare"]
    assert welfare == pytest.approx(gain["certificate"]["welfare_after"], rel=1e-6)


def test_a_sweep_is_kept_beside_its_answer(cli, tmp_path):
    config, out = write(tmp_path, fleet()), tmp_path / "sweep.csv"
    flags = ["--sweep", "demand.scale=0.5,1", "--workers", "1", "--out", out]
    assert cli("plan", config, *flags).code == 0
    lines = list(csv.DictReader(out.read_text().splitlines()))
    assert [line["set.demand.scale"] for line in lines] == ["0.5", "1.0"]
    assert len(list((tmp_path / "sweep.csv.points").glob("*.json"))) == 2
    ran = cli("plan", config, *flags)
    assert "2 of 2 points were solved before" in ran.err


def test_the_config_on_stdin_is_read_once(cli, tmp_path, monkeypatch):
    raw = json.dumps(fleet()).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
    ran = cli("plan", "-", "--sweep", "demand.scale=1,2", "--workers", "1", "--format", "json")
    assert ran.code == 0, ran.err
    assert [p["status"] for p in json.loads(ran.out)["sweep"]] == ["optimal", "optimal"]


def test_from_todays_result(cli, tmp_path):
    config, today = write(tmp_path, fleet()), tmp_path / "today.json"
    small = ["--set", "gpus.h100.available=1"]
    assert cli("solve", config, *small, "--out", today).code == 0
    ran = cli("plan", config, "--from", today)
    assert ran.code == 0, ran.err
    assert "none lowers welfare" in ran.out.replace("\n  ", " ")
    assert "Step 1: " in ran.out
    ran = cli("plan", config, "--from", tmp_path / "nothing.json")
    assert ran.code == 2
    ran = cli("plan", config, "--from", today, "--out", today)
    assert ran.code == 2
    assert "would replace" in ran.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--sweep", "gpus.h10.available=1,2"], "did you mean `h100`?"),
        (["--sweep", "demand.scale=0:1"], "a range has 3"),
        (["--frontier", "money"], "takes two parts"),
        (["--frontier", "money,speed"], "there is no part `speed`"),
        (["--frontier", "money,latency", "--points", "1"], "at least 2"),
        (["--executor", "spark"], "spark"),
        (["--address", "127.0.0.1:1"], "--executor ray"),
        (["--executor", "ray", "--workers", "2"], "--executor local"),
        (["--workers", "0"], "--workers"),
        (["--table", "resources", "--format", "json"], "leave one of them"),
        (["--table", "prices"], "prices"),
        (["--set", "gpus.h10.available=1"], "did you mean `h100`?"),
    ],
)
def test_mistakes_are_said(cli, tmp_path, flags, said):
    ran = cli("plan", write(tmp_path, fleet()), *flags)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert "internal error" not in ran.err


def test_a_store_that_is_a_file_is_told(cli, tmp_path):
    config = write(tmp_path, fleet())
    ran = cli("plan", config, "--sweep", "demand.scale=1,2", "--store", config)
    assert ran.code == 2
    assert "name a folder" in ran.err


def test_a_config_without_an_answer_ends_as_solve_does(cli, tmp_path):
    config = fleet()
    config["classes"]["hard"] |= {"decline": False, "models": ["own"]}
    config["gpus"]["h100"]["available"] = 0.01
    ran = cli("plan", write(tmp_path, config))
    assert ran.code == 3
    assert "gpus.h100.available" in ran.err


# --- capacity decisions -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def uncertain(tmp_path_factory):
    """Two, four or six GPUs' work: four are reserved."""
    config = bought(reserved={"price_usd_per_h": 1.0}, on_demand={"price_usd_per_h": 3.0})
    config["uncertainty"] = scenarios(low=(0.3, 1.0), mid=(0.5, 2.0), high=(0.2, 3.0))
    config["periods"] = {"day": {"hours": 12}, "night": {"hours": 12}}
    config["classes"]["batch"] = {**config["classes"]["k"], "rate_per_s": 0.001}
    config["classes"]["batch"] |= {"max_defer_h": 12, "defer_usd_per_h": 1e-6}
    return write(tmp_path_factory.mktemp("plan"), config)


def test_the_screen_says_what_to_reserve_and_what_knowing_is_worth(cli, uncertain):
    ran = cli("plan", uncertain)
    assert ran.code == 0, ran.err
    assert "Reserve 4 g" in ran.out
    text = " ".join(ran.out.split())
    assert "Knowing beforehand which scenario comes would be worth $1.40/h" in text
    assert "reserving for their mean would lose $0.22/h" in text
    for title in ("Reservations", "GPUs by period", "Scenarios", "Planned otherwise"):
        assert title in ran.out
    drawn = [x for x in ran.out.splitlines() if not x.startswith("  allocate ")]
    assert max(map(len, drawn)) <= 80


def test_the_document_has_reservations_hours_and_scenarios(cli, uncertain):
    found = json.loads(cli("plan", uncertain, "--format", "json").out)
    assert found["reservations"][0]["gpus"] == pytest.approx(4.0, rel=1e-3)
    hours = found["gpu_hours"]
    assert [h["period"] for h in hours][:2] == ["low: day", "low: night"]
    price = sum(h["share"] * h["price_usd_per_h"] for h in hours)
    assert price == pytest.approx(1.0, rel=1e-6)
    mean = sum(s["probability"] * s["welfare"] for s in found["scenarios"])
    assert mean == pytest.approx(found["base"]["objective"]["welfare"], rel=1e-9)
    assert found["uncertainty"]["evpi"] == pytest.approx(1.4, rel=1e-3)
    assert [p["plan"] for p in found["uncertainty"]["plans"]][1:] == ["low", "mid", "high"]
    lines = [x for x in found["periods"] if x["resource"] == "gpus.g.on_demand.available"]
    assert {x["scenario"] for x in lines} == {"low", "mid", "high"}


@pytest.mark.parametrize("table", ["reservations", "gpu_hours", "scenarios", "plans", "deferred"])
def test_tables_of_capacity_alone(cli, uncertain, table):
    flags = ["plan", uncertain, "--no-advice", "--table", table, "--format", "csv"]
    ran = cli(*flags)
    assert ran.code == 0
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    filled = table in ("reservations", "gpu_hours", "scenarios")
    assert bool(rows) == filled


def test_a_solve_has_the_tables_of_capacity_too(cli, uncertain):
    found = json.loads(cli("solve", uncertain, "--format", "json").out)
    assert found["reservations"][0]["worth_usd_per_h"] == pytest.approx(1.0, rel=1e-6)
    lanes = {line["period"] for line in found["layers"]["serving"]}
    assert {"low: day", "high: night"} <= lanes
    assert cli("validate", uncertain).code == 0
