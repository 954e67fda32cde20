"""``allocate solve --samples``: the spread on the screen, in Markdown and in JSON."""

import json

import pytest
from ruamel.yaml import YAML

from tests.studies.test_samples import CONFIG


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    with path.open("w") as file:
        YAML().dump(CONFIG, file)
    return path


@pytest.fixture(autouse=True)
def _one_process(monkeypatch):
    monkeypatch.setattr("allocate.solver.studies.plan.executors.available_cores", lambda: 1)


def test_json_holds_the_spread_beside_the_same_answer(cli, config):
    plain = json.loads(cli("solve", config, "--format", "json").out)
    ran = cli("solve", config, "--samples", 6, "--seed", 3, "--format", "json")
    assert ran.code == 0
    got = json.loads(ran.out)
    assert got["objective"] == plain["objective"]
    assert got["prices"] == plain["prices"]
    assert got["samples"]["seed"] == 3
    assert got["samples"]["statuses"] == {"optimal": 6}
    assert [d["draw"] for d in got["samples"]["draws"]] == list(range(6))


def test_the_screen_shows_spreads_and_what_was_drawn(cli, config):
    ran = cli("solve", config, "--samples", 6, "--color", "never")
    assert ran.code == 0
    assert "Spread of welfare and prices" in ran.out
    assert "Spread of decisions" in ran.out
    assert "6 draws (seed 0), of which 6 certified: the spreads are over these" in ran.out
    assert "2 calibrated numbers drawn from 90 % intervals" in ran.out
    shown = ran.out.partition("Spread of welfare")[2].partition("Next")[0]
    assert max(map(len, shown.splitlines())) <= 80
    page = cli("solve", config, "--samples", 6, "--format", "markdown").out
    assert "## Spread of decisions" in page


def test_lost_draws_are_said(cli, config):
    changes = ["--set", "budgets.money_usd=40", "--set", "classes.low.decline=false"]
    ran = cli("solve", config, "--samples", 12, *changes, "--color", "never")
    assert "infeasible" in ran.out
    assert "Others:" in ran.out
    assert "The first of the draws that do not count:" in ran.out


def test_a_config_without_intervals_ends_with_2_before_it_is_solved(cli, config):
    ran = cli("solve", config, "--samples", 6, "--set", "models.cheap.quality=0.5",
              "--set", "classes.low.rate_per_s=3")  # fmt: skip
    assert ran.code == 2
    assert ran.out == ""
    assert "--samples has nothing to draw from" in ran.err
    assert "the config holds another number than was calibrated" in ran.err


def test_too_few_draws_are_refused(cli, config):
    assert cli("solve", config, "--samples", 1).code == 2
