"""The benchmarks' command line, their instances, and the table that they write."""

import json

import pytest
from typer.testing import CliRunner

from allocate.models.loader import load_dict
from benchmarks import success
from benchmarks.__main__ import SMOKE, app
from benchmarks.families import FAMILIES
from benchmarks.one import run_one
from benchmarks.pool import run_all
from benchmarks.registry import REGISTRY


def test_list_names_every_kind() -> None:
    result = CliRunner().invoke(app, ["list"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == [*REGISTRY, *FAMILIES]


@pytest.mark.parametrize("name", REGISTRY)
def test_every_kind_draws_configs_that_load_and_the_same_from_one_seed(name: str) -> None:
    build = REGISTRY[name].build
    for classes, seed in ((1, 0), (3, 1), (30, 2)):
        config = build(classes, seed)
        assert config == build(classes, seed)
        assert len(load_dict(config).config.classes) == classes
    assert name in ("identical",) or build(3, 1) != build(3, 4)


def test_run_writes_json() -> None:
    result = CliRunner().invoke(app, "run exact --classes 2 --seed 1 --format json".split())
    assert result.exit_code == 0
    record = json.loads(result.output)
    assert record["status"] == "optimal"
    assert record["served"] == pytest.approx(1.0)


def test_run_refuses_an_unknown_kind() -> None:
    assert CliRunner().invoke(app, ["run", "nothing"]).exit_code == 2


def test_an_instance_that_ends_otherwise_than_it_must_is_a_failure(monkeypatch) -> None:
    def broken(*_args, **_options):
        raise ZeroDivisionError("no")

    monkeypatch.setattr("benchmarks.one.solve", broken)
    record = run_one("api", 1, 0)
    assert (record["status"], record["ok"]) == ("exception", False)
    result = CliRunner().invoke(app, ["smoke"])
    assert result.exit_code == 1
    closing = result.output.splitlines()[-1]
    assert closing.startswith("smoke: 6 instances, 6 NOT as they must be")


def test_smoke_says_that_all_is_well(monkeypatch) -> None:
    monkeypatch.setattr("benchmarks.__main__.SMOKE", SMOKE[4:5])
    result = CliRunner().invoke(app, ["smoke"])
    assert result.exit_code == 0
    assert "1 instances, all as they must be" in result.output.splitlines()[-1]


def test_smoke_is_small() -> None:
    assert len(SMOKE) == 6
    assert all(name in REGISTRY and classes <= 10 for name, classes, _ in SMOKE)


def test_the_pool_stops_what_takes_too_long() -> None:
    todo = [{"name": "mixed", "classes": 500, "seed": 1}]
    (record,) = run_all(todo, limit_s=0.01)
    assert (record["status"], record["ok"]) == ("timeout", False)


def test_at_least_300_instances_over_every_kind_and_size() -> None:
    todo = success.tasks()
    auto = [t for t in todo if t["method"] == "auto"]
    assert len(auto) >= 300
    assert {t["name"] for t in auto} == set(REGISTRY)
    assert {success.family(t["classes"]) for t in auto} == {"small", "medium", "large"}
    assert max(t["classes"] for t in todo if t["method"] == "conic") <= 100


def test_the_table_names_its_failures(tmp_path) -> None:
    records = [
        run_one("exact", 2, 1),
        {"instance": "api", "classes": 3, "seed": 5, "method": "auto", "expect": "optimal"}
        | {"status": "timeout", "ok": False, "seconds": 30.0},
    ]
    document = {"machine": success.machine(), "limit_s": 30, "jobs": 1, "planned": 2}
    document["records"] = records
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{success.BEGIN}\nold\n{success.END}\nafter\n")
    success.write_readme(document, readme)
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| `run api --classes 3 --seed 5 --method auto` | timeout |" in text
