"""A result of ``solve`` is read back as what it is: the optimum, without loss or finding."""

import json
from pathlib import Path

import pytest

from allocate.models.loader import load, load_dict
from allocate.solver.solve import solve
from allocate.solver.studies.compare import compare
from allocate.solver.studies.diagnosis.study import diagnose
from benchmarks import instances
from tests.solver.cases import changed, everything, fleet, two_models

EXAMPLES = Path(__file__).parents[2] / "examples"


def read_back(loaded, tmp_path):
    """Welfare of the solve, and the diagnosis of its own file."""
    solution = solve(loaded, ranges=False)
    path = tmp_path / "result.json"
    path.write_text(json.dumps(solution.to_dict()))
    return solution, diagnose(loaded, path), path


def clean(solution, found) -> None:
    scale = solution.program.scale(solution.welfare)
    assert found.outcome.welfare == pytest.approx(solution.welfare, abs=2e-6 * scale)
    assert found.findings == ()
    assert "turned_away" not in found.outcome.about
    assert found.ledger.total <= 1e-5 * scale


@pytest.mark.parametrize("config", [two_models, fleet, everything], ids=lambda f: f.__name__)
def test_the_optimum_has_no_findings(config, tmp_path):
    clean(*read_back(load_dict(config()), tmp_path)[:2])


TRAITS = [
    ("gpu", "caches", "periods", "uses"),
    ("gpu", "api", "uses"),
    ("gpu", "caches", "latency"),
    ("gpu", "api", "humans", "risk", "uses"),
]


@pytest.mark.parametrize("seed", range(8))
def test_nor_has_that_of_random_configs(seed, tmp_path):
    traits = TRAITS[seed % len(TRAITS)]
    config = instances.draw(2 + seed % 2, 400 + seed, traits, [0.3, 1.0, 10.0][seed % 3])
    clean(*read_back(load_dict(config), tmp_path)[:2])


@pytest.mark.parametrize("seed", [407, 408, 425])
def test_nor_has_that_of_lanes_with_draft_models(seed, tmp_path):
    config = instances.draw(2 + seed % 2, seed, ("gpu", "caches", "periods"), 10.0)
    solution, found, _ = read_back(load_dict(config), tmp_path)
    ways = [way["lane"] or "" for line in solution.layers.router for way in line["ways"]]
    assert any("+draft" in lane for lane in ways)
    clean(solution, found)


def test_a_result_by_scenario_is_read_and_is_worth_itself(tmp_path):
    """Rows of such a result speak of a period in a scenario."""
    loaded = load(EXAMPLES / "reserved.yaml")
    solution, found, path = read_back(loaded, tmp_path)
    clean(solution, found)
    line = compare(loaded, ["observed"], path, "observed", attribution=False, least=False).reference
    assert line.counted == pytest.approx(0.0, abs=1e-5 * abs(solution.welfare))


def test_whole_replicas_that_stand_idle_are_not_forgotten(tmp_path):
    config = fleet()
    for d in config["deployments"].values():
        d["integer_replicas"] = True
    solution, found, _ = read_back(load_dict(config), tmp_path)
    assert solution.whole is not None
    assert found.outcome.welfare == pytest.approx(solution.welfare, rel=1e-6)


def test_a_result_that_serves_nothing_is_read(tmp_path):
    worthless = changed(
        two_models(), **{f"classes__{n}__value_usd": 0 for n in two_models()["classes"]}
    )
    solution, found, _ = read_back(load_dict(worthless), tmp_path)
    assert solution.welfare == pytest.approx(0.0, abs=1e-9)
    assert found.findings == ()
